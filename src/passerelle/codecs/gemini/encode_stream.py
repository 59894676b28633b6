"""Core events as Google's stream: server-sent events, or one JSON array.

Each frame is a whole `GenerateContentResponse`, so no order of parts is illegal as long as a part is whole
where Google wants it whole. The table:

    event                     what goes out
    Started                   nothing: Google has no such frame
    PartDelta words           a chunk of those words (a thought with `thought: true`)
    PartDelta audio           a chunk with that piece of sound
    PartDelta call, image     nothing yet: Google has no piece of a call or picture
    PartEnded                 the call or picture, whole; a thought's signature; what stood beside words
    UsageReported             kept for the end
    Finished                  what was not ended yet, then the last chunk: finish reason and usage
    Failed                    `{"error": …}`; unfinished calls are left out; an array is closed

The google-genai SDK (3.4.0, `_api_client.py`, read 2026-11-22) takes every line without `data: ` for JSON,
comments too; so a connection is held open by an empty line.
"""

from typing import Any

import msgspec

from passerelle.codecs.arguments import UniqueIds, ending, is_whole
from passerelle.codecs.base import ReplyContext
from passerelle.codecs.gemini.errors import in_band
from passerelle.codecs.gemini.finish import finish_word
from passerelle.codecs.gemini.logprobs import write_logprobs
from passerelle.codecs.gemini.loss import Loss
from passerelle.codecs.gemini.parts import nest
from passerelle.codecs.gemini.response import only_own, place_extra, write_citation
from passerelle.codecs.gemini.signatures import sealed_for
from passerelle.codecs.gemini.usage import write_usage
from passerelle.codecs.gemini.write_parts import blob, call
from passerelle.core.event import (
    Event,
    Failed,
    Finished,
    PartDelta,
    PartEnded,
    PartStarted,
    Started,
    UsageReported,
)
from passerelle.core.message import ToolCallPart
from passerelle.core.usage import NO_USAGE

Json = dict[str, Any]

_encode = msgspec.json.Encoder().encode

_WORDS = b'{"candidates":[{"content":{"parts":[{"text":'
_OPEN = b'{"candidates":[{"content":{"parts":['
_THOUGHT = b',"thought":true'
_INDEX = b'],"role":"model"},"index":0'


class _Part:
    """A part that has begun and not ended."""

    __slots__ = ("encrypted", "held", "signature", "started")

    def __init__(self, started: PartStarted) -> None:
        self.started = started
        self.held: list[str] = []
        self.signature: str | None = None
        self.encrypted: str | None = None


class StreamEncoder:
    """Obeys `codecs.base.StreamEncoder`."""

    def __init__(self, context: ReplyContext) -> None:
        self._array = context.json_array
        self.content_type = "application/json" if self._array else "text/event-stream"
        self._id = context.id
        self._tail = self._identity(context.model)
        self._parts: dict[int, _Part] = {}
        self._usage = NO_USAGE
        self._begun = False
        self._over = False
        self._malformed = False
        self._ids = UniqueIds(f"call_{context.id}_")

    def encode(self, event: Event) -> bytes:
        """The bytes this event causes, possibly none. Nothing follows `Finished` or `Failed`."""
        if self._over:
            return b""
        match event:
            case PartDelta():
                return self._delta(event)
            case PartStarted():
                self._parts[event.index] = _Part(event)
                return self._beside(event)
            case PartEnded():
                part = self._parts.pop(event.index, None)
                return self._end(part, event) if part is not None else b""
            case Started():
                if event.model:
                    self._tail = self._identity(event.model)
                if event.usage is not None:
                    self._usage = event.usage
                return b""
            case UsageReported():
                self._usage = event.usage
                return b""
            case Finished():
                return self._finish(event)
            case Failed():
                self._over = True
                return self._frame(in_band(event)) + (b"]" if self._array else b"")

    def keepalive(self) -> bytes:
        """White space, which neither form minds."""
        return b"\n"

    def _identity(self, model: str) -> bytes:
        """The end of every chunk: who answers."""
        return b',"modelVersion":%b,"responseId":%b}' % (_encode(model), _encode(self._id))

    def _frame(self, chunk: bytes) -> bytes:
        if not self._array:
            return b"data: %b\n\n" % chunk
        lead = b",\r\n" if self._begun else b"["
        self._begun = True
        return lead + chunk

    def _chunk(self, part: Json) -> bytes:
        return self._frame(b"%b%b%b}]%b" % (_OPEN, _encode(part), _INDEX, self._tail))

    def _delta(self, event: PartDelta) -> bytes:
        part = self._parts.get(event.index)
        if part is None:
            return b""
        match part.started.kind:
            case "text" | "refusal":
                if event.logprobs is None and event.citation is None:
                    return self._words(event.text, b"") if event.text else b""
                return self._rich(event)
            case "reasoning":
                if event.signature:
                    part.signature = (part.signature or "") + event.signature
                if event.encrypted:
                    part.encrypted = (part.encrypted or "") + event.encrypted
                return self._words(event.text, _THOUGHT) if event.text else b""
            case "audio":
                if not event.text:
                    return b""
                return self._chunk(blob(part.started.media_type or "audio/wav", event.text))
            case "tool_call" | "image":
                if event.text:
                    part.held.append(event.text)
                if event.signature:
                    part.signature = event.signature
                return b""

    def _words(self, text: str, mark: bytes) -> bytes:
        return self._frame(b"%b%b%b}%b}]%b" % (_WORDS, _encode(text), mark, _INDEX, self._tail))

    def _rich(self, event: PartDelta) -> bytes:
        """Words with what stands beside them in Google's candidate."""
        beside: Json = {}
        logprobs = write_logprobs(event.logprobs)
        if logprobs is not None:
            beside["logprobsResult"] = logprobs
        citation = write_citation(event.citation) if event.citation is not None else None
        if citation is not None:
            beside["citationMetadata"] = {"citations": [citation]}
        if not event.text and not beside:
            return b""
        parts = [{"text": event.text}] if event.text else []
        return self._candidate({"content": {"parts": parts, "role": "model"}, "index": 0, **beside})

    def _candidate(self, candidate: Json, beside: Json | None = None) -> bytes:
        head = _encode({"candidates": [candidate], **(beside or {})})
        return self._frame(head[:-1] + self._tail)

    def _beside(self, event: PartStarted) -> bytes:
        """A part of Google's own that core does not name (executed code…): it comes whole."""
        if event.kind not in ("text", "reasoning"):
            return b""
        extra = only_own(event.extra)
        if not extra:
            return b""
        mark = {"thought": True} if event.kind == "reasoning" else {}
        return self._chunk(nest({**mark}, extra))

    def _end(self, part: _Part, event: PartEnded | None) -> bytes:
        started = part.started
        match started.kind:
            case "tool_call":
                if started.tool_kind == "function" and not is_whole("".join(part.held)):
                    self._malformed = True
                    return b""
                return self._chunk(self._call(part))
            case "image":
                if not part.held:
                    return b""
                written = blob(started.media_type or "image/png", "".join(part.held))
                return self._chunk(nest(written, only_own(started.extra)))
            case "reasoning":
                signature = sealed_for(started.origin, part.signature, part.encrypted, started.id)
                if signature is None:
                    return b""
                return self._chunk({"text": "", "thought": True, "thoughtSignature": signature})
            case "text":
                extra = only_own(event.extra) if event is not None else None
                return self._chunk(nest({"text": ""}, extra)) if extra else b""
            case "refusal" | "audio":
                return b""

    def _call(self, part: _Part) -> Json:
        started = part.started
        whole = ToolCallPart(
            id=self._ids.take(started.id, started.index) if started.id else "",
            name=started.name or "",
            arguments="".join(part.held) or "{}",
            kind=started.tool_kind,
            extra=only_own(started.extra),
        )
        written = call(whole, whole.name, part.signature, own=True, lost=Loss())
        if not whole.id:
            del written["functionCall"]["id"]
        return written

    def _finish(self, event: Finished) -> bytes:
        self._over = True
        rest = [self._end(self._parts[index], None) for index in sorted(self._parts)]
        extra = event.extra or {}
        candidate: Json = {
            "content": {"parts": [{"text": ""}], "role": "model"},
            "finishReason": finish_word(ending(event.finish, malformed=self._malformed), event.raw_finish),
            "index": 0,
        }
        beside: Json = {}
        place_extra(beside, candidate, extra)
        if self._usage.source != "none":
            beside["usageMetadata"] = write_usage(self._usage)
            if event.service_tier is not None:
                beside["usageMetadata"]["serviceTier"] = event.service_tier
        last = self._candidate(candidate, beside)
        return b"".join(rest) + last + (b"]" if self._array else b"")
