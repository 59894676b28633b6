"""One output item being streamed: announced, told piece by piece, and said whole at its end."""

from typing import Any, Protocol

import msgspec

from passerelle.codecs.openai_reading import Json
from passerelle.codecs.openai_responses.shapes import (
    annotation_out,
    call,
    carrier,
    free_text,
    image,
    logprobs_out,
    message,
    opaque,
    output_text,
    reasoning,
)
from passerelle.codecs.openai_responses.stream_log import Log, delta_head
from passerelle.codecs.openai_responses.tools import DIALECT
from passerelle.core.event import PartDelta, PartStarted

_encoder = msgspec.json.Encoder()


class ItemOut(Protocol):
    """An item of some kind."""

    def more(self, delta: PartDelta) -> None:
        """A piece of it."""
        ...

    def end(self) -> None:
        """It is whole."""
        ...

    def abandon(self) -> None:
        """It will never be whole."""
        ...


class WordsOut:
    """A message of words, or of a refusal."""

    def __init__(self, log: Log, event: PartStarted, own: Json) -> None:
        self._log = log
        self._own = own
        self._refusal = event.kind == "refusal"
        self._at = -1
        self._id = ""
        self._head = b""
        self._words: list[str] = []
        self._annotations: list[Json] = []
        self._logprobs: list[Any] = []

    @property
    def _where(self) -> Json:
        return {"item_id": self._id, "output_index": self._at, "content_index": 0}

    def _begin(self) -> None:
        log = self._log
        self._at = log.place()
        self._id = log.reply.item_id("msg", self._at, self._own.get("id"))
        name = "response.refusal.delta" if self._refusal else "response.output_text.delta"
        self._head = delta_head(name, self._at, self._id, "content_index")
        log.added(self._at, self._message([], "in_progress"))
        empty: Json = {"type": "refusal", "refusal": ""} if self._refusal else output_text("", [])
        log.say("response.content_part.added", {**self._where, "part": empty})

    def _message(self, content: list[Json], status: str) -> Json:
        return message(self._id, content, status=status, phase=self._own.get("phase"))

    def more(self, delta: PartDelta) -> None:
        """Words, their logprobs, or where they come from."""
        if delta.text:
            if self._at < 0:
                self._begin()
            self._words.append(delta.text)
            tail = b"" if self._refusal else b',"logprobs":[]'
            if delta.logprobs is not None and not self._refusal:
                entries = logprobs_out(delta.logprobs)
                self._logprobs.extend(entries)
                tail = b',"logprobs":' + _encoder.encode(entries)
            self._log.delta(self._head, delta.text, tail)
        if delta.citation is not None and not self._refusal:
            annotation = annotation_out(delta.citation, "".join(self._words))
            if annotation is not None:
                if self._at < 0:
                    self._begin()
                self._log.say(
                    "response.output_text.annotation.added",
                    {
                        **self._where,
                        "annotation_index": len(self._annotations),
                        "annotation": annotation,
                    },
                )
                self._annotations.append(annotation)

    def _part(self) -> Json:
        words = "".join(self._words)
        if self._refusal:
            return {"type": "refusal", "refusal": words}
        return output_text(words, self._annotations, self._logprobs)

    def end(self) -> None:
        """The done events, if anything was said."""
        if self._at < 0:
            return
        part = self._part()
        if self._refusal:
            self._log.say("response.refusal.done", {**self._where, "refusal": part["refusal"]})
        else:
            said = {"text": part["text"], "logprobs": self._logprobs}
            self._log.say("response.output_text.done", {**self._where, **said})
        self._log.say("response.content_part.done", {**self._where, "part": part})
        self._log.done(self._at, self._message([part], "completed"))

    def abandon(self) -> None:
        """What was said stays in the output, as incomplete."""
        if self._at >= 0:
            self._log.left(self._at, self._message([self._part()], "incomplete"))


class ThoughtOut:
    """Reasoning: a summary, or raw words where this dialect's provider gave them raw."""

    def __init__(self, log: Log, event: PartStarted, own: Json) -> None:
        self._log = log
        self._event = event
        self._raw = bool(own.get("raw"))
        self._at = -1
        self._id = ""
        self._head = b""
        self._told = False
        self._words: list[str] = []
        self._signature: list[str] = []
        self._encrypted: str | None = None

    def _begin(self) -> None:
        log, event = self._log, self._event
        self._at = log.place()
        self._id = log.reply.item_id("rs", self._at, event.id if event.origin == DIALECT else None)
        log.added(self._at, reasoning(self._id, text=""))

    def _tell(self) -> None:
        if self._at < 0:
            self._begin()
        self._told = True
        name = "response.reasoning_text.delta" if self._raw else "response.reasoning_summary_text.delta"
        self._head = delta_head(name, self._at, self._id, "content_index" if self._raw else "summary_index")
        self._frame("added", self._part(""))

    def _frame(self, what: str, part: Json) -> None:
        name = "response.content_part" if self._raw else "response.reasoning_summary_part"
        self._log.say(f"{name}.{what}", {**self._where, "part": part})

    def _part(self, words: str) -> Json:
        return {"type": "reasoning_text" if self._raw else "summary_text", "text": words}

    @property
    def _where(self) -> Json:
        index = "content_index" if self._raw else "summary_index"
        return {"item_id": self._id, "output_index": self._at, index: 0}

    def more(self, delta: PartDelta) -> None:
        """Words, or an opaque block that stands for them."""
        if delta.text:
            if not self._told:
                self._tell()
            self._words.append(delta.text)
            self._log.delta(self._head, delta.text, b"")
        if delta.signature is not None:
            self._signature.append(delta.signature)
        if delta.encrypted is not None:
            self._encrypted = delta.encrypted

    def end(self) -> None:
        """The done events, if anything was thought."""
        event, words = self._event, "".join(self._words)
        block = opaque(event.origin, "".join(self._signature) or None, self._encrypted, event.id)
        if self._told:
            name = "response.reasoning_text" if self._raw else "response.reasoning_summary_text"
            self._log.say(f"{name}.done", {**self._where, "text": words})
            self._frame("done", self._part(words))
        elif not (self._signature or self._encrypted):
            return
        else:
            self._begin()
        content = [words] if self._raw and self._told else None
        self._log.done(
            self._at,
            reasoning(self._id, text="" if self._raw else words, content=content, encrypted=block),
        )

    def abandon(self) -> None:
        """Half a thought is no use to anyone."""


class CallOut:
    """A call of one of the caller's tools."""

    def __init__(self, log: Log, event: PartStarted, own: Json) -> None:
        self._log = log
        self._event = event
        self._form = log.reply.call_form(event.name or "", event.tool_kind, own)
        self._at = log.place()
        self._call_id = log.reply.call_id(event.id, self._at)
        self._passed: list[str] = []
        self._signature: list[str] = []
        self._id = log.reply.item_id(self._form.prefix, self._at, own.get("id"))
        self._name = (
            "response.custom_tool_call_input"
            if self._form.type == "custom_tool_call"
            else "response.function_call_arguments"
        )
        self._head = delta_head(f"{self._name}.delta", self._at, self._id)
        log.added(self._at, call(self._id, self._form, self._call_id, "", "in_progress"))

    def more(self, delta: PartDelta) -> None:
        """Argument text; kept back when free text must first be taken out of it."""
        if delta.text:
            self._passed.append(delta.text)
            if not self._form.unwrap:
                self._log.delta(self._head, delta.text, b"")
        if delta.signature is not None:
            self._signature.append(delta.signature)

    def end(self) -> None:
        """The done events; an empty argument object is said as `{}`."""
        given = "".join(self._passed)
        passed = free_text(given, self._form)
        if passed and (self._form.unwrap or not given):
            self._log.delta(self._head, passed, b"")
        said: Json = {"item_id": self._id, "output_index": self._at, self._form.body: passed}
        if self._form.type == "function_call":
            said["name"] = self._form.fields["name"]  # SDKs before 3 require it
        self._log.say(f"{self._name}.done", said)
        self._log.done(self._at, call(self._id, self._form, self._call_id, passed))
        if self._signature:
            at = self._log.place()
            origin = self._event.origin or "gemini"  # nobody else signs calls
            signed = carrier(
                self._log.reply.item_id("rs", at), origin, "".join(self._signature), self._call_id
            )
            self._log.added(at, signed)
            self._log.done(at, signed)

    def abandon(self) -> None:
        """Half a call must not be made: it stays out of the output."""


class ImageOut:
    """A picture: told whole, for pieces of base64 show nothing."""

    def __init__(self, log: Log, event: PartStarted, own: Json) -> None:
        self._log = log
        self._event = event
        self._own = own
        self._data: list[str] = []

    def more(self, delta: PartDelta) -> None:
        """More of its base64."""
        self._data.append(delta.text)

    def end(self) -> None:
        """All its events."""
        log = self._log
        at = log.place()
        kept = self._own.get("item")
        identifier = log.reply.item_id("ig", at, (kept or {}).get("id"))
        item = image(identifier, "".join(self._data), self._event.media_type, kept)
        item["id"] = identifier
        log.added(at, {**item, "status": "in_progress", "result": None})
        for step in ("in_progress", "generating", "completed"):
            log.say(f"response.image_generation_call.{step}", {"item_id": identifier, "output_index": at})
        log.done(at, item)

    def abandon(self) -> None:
        """Half a picture is none."""


class AudioOut:
    """Sound, which has events of its own and no item."""

    def __init__(self, log: Log) -> None:
        self._log = log

    def more(self, delta: PartDelta) -> None:
        """More of its base64."""
        if delta.text:
            self._log.say("response.audio.delta", {"delta": delta.text})

    def end(self) -> None:
        """It is over."""
        self._log.say("response.audio.done", {})

    def abandon(self) -> None:
        """Nothing stands in the output."""
