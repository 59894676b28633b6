"""Core events into a chat stream, in an order the dialect allows, whatever comes in.

    stream = role chunk, (delta chunk)*, finish chunk, usage chunk?, `[DONE]`
           | (role chunk, (delta chunk)*)?, error event

Chat tells kinds of content apart by field and tool calls by `index`, so these interleave freely; of two
parts that share a field (two texts), the later waits until the earlier has ended. The mark of an honest
failure is an `error` event and neither finish reason nor `[DONE]`: the official SDKs raise on it
(`openai._streaming`, SDK 3.54, read 2026-11-22).

Chunks are put together from bytes: the same frame of ids and model is not encoded a thousand times.
"""

from typing import Any, assert_never

import msgspec

from passerelle.codecs.base import ReplyContext
from passerelle.codecs.custom import custom_names, unwrapped
from passerelle.codecs.media import to_data_url
from passerelle.codecs.openai_chat.citations import encode_citation
from passerelle.codecs.openai_chat.errors import encode_failed
from passerelle.codecs.openai_chat.finish import encode_finish
from passerelle.codecs.openai_chat.identity import answer_id, call_id, is_legacy, service_tier
from passerelle.codecs.openai_chat.opaque import ORIGIN, encode_detail, signed
from passerelle.codecs.openai_chat.usage import encode_usage
from passerelle.codecs.sse import DONE, write_comment, write_data
from passerelle.core.event import (
    Event,
    Failed,
    Finished,
    PartDelta,
    PartEnded,
    PartKind,
    PartStarted,
    Started,
    UsageReported,
)
from passerelle.core.message import ReasoningPart
from passerelle.core.usage import NO_USAGE, Usage

_json = msgspec.json.Encoder()

_KEEPALIVE = write_comment(b" keepalive")


class _Open:
    """A part that has begun."""

    __slots__ = (
        "call", "custom", "encrypted", "ended", "held", "opening", "signature", "start", "text", "unwrap",
    )  # fmt: skip

    def __init__(self, start: PartStarted, call: int) -> None:
        self.start = start
        self.call = call
        """The `index` of a tool call."""
        self.custom = start.tool_kind == "custom"
        self.unwrap = False
        """A custom tool called as a function: its text is told when the arguments are whole."""
        self.text: list[str] = []
        """What must be told again, or only once, when the part ends."""
        self.signature: str | None = None
        self.encrypted: str | None = None
        self.held: list[PartDelta] | None = None
        """What waits while an earlier part has the field; None when it is this part's turn."""
        self.ended: PartEnded | None = None
        self.opening: dict[str, Any] | None = None
        """The first chunk of a signed call, which waits for its signature: the AI SDK looks for it there
        only (`@ai-sdk/openai-compatible`, as OpenCode 1.18.33 has it; read 2026-11-22)."""


class StreamEncoder:
    """Obeys `codecs.base.StreamEncoder`."""

    __slots__ = (
        "_calls", "_context", "_customs", "_details", "_ending", "_head", "_ids", "_legacy", "_named",
        "_over", "_parts", "_refused", "_sent", "_tail", "_turns", "_usage",
    )  # fmt: skip

    content_type = "text/event-stream; charset=utf-8"

    def __init__(self, context: ReplyContext) -> None:
        self._context = context
        self._legacy = is_legacy(context.request)
        self._named = b'"name":"",' if context.speaker == "mistral" else b""
        """Of each further piece of a call: an empty name, for the one who insists on it."""
        self._customs = custom_names(context.request)
        self._ids: set[str] = set()
        self._ending = b',"usage":null}\n\n' if context.include_usage else b"}\n\n"
        """Everything of a chunk behind its choices."""
        self._head = b""
        """Everything of a chunk before its delta's fields; empty until the stream begins."""
        self._tail = b""
        self._parts: dict[int, _Open] = {}
        self._turns: dict[PartKind, list[_Open]] = {"text": [], "reasoning": [], "refusal": []}
        """The open parts of each shared field; the first has the turn."""
        self._calls = 0
        self._details = 0
        self._sent = 0
        """Characters of content sent: where a citation of the latest words ends."""
        self._refused = False
        self._usage: Usage = NO_USAGE
        self._over = False

    def keepalive(self) -> bytes:
        """A comment, which every client skips."""
        return _KEEPALIVE

    def encode(self, event: Event) -> bytes:
        """The bytes this event causes, possibly none."""
        if self._over:
            return b""
        match event:
            case PartDelta():
                return self._delta(event)
            case PartStarted():
                return self._begin(event)
            case PartEnded():
                return self._end(event)
            case UsageReported():
                self._usage = event.usage
                return b""
            case Started():
                return self._start(event)
            case Finished():
                return self._finish(event)
            case Failed():
                said = self._held()
                self._over = True
                return said + write_data(encode_failed(event))
            case _:
                assert_never(event)

    def _start(self, event: Started | None) -> bytes:
        """The chunk that says who speaks."""
        if self._head:
            return b""
        context = self._context
        model = (event.model if event is not None else "") or context.model
        own = (event.extra or {}).get(ORIGIN) if event is not None else None
        if event is not None and event.usage is not None:
            self._usage = event.usage
        fingerprint = own.get("system_fingerprint") if isinstance(own, dict) else None
        self._head = (
            b'data: {"id":%b,"object":"chat.completion.chunk","created":%d,"model":%b,'
            b'"system_fingerprint":%b,"choices":[{"index":0,"delta":{'
            % (
                _json.encode(answer_id(context.id)),
                context.created_s,
                _json.encode(model),
                _json.encode(fingerprint),
            )
        )
        self._tail = b'},"logprobs":null,"finish_reason":null}]' + self._ending
        return self._chunk(b'"role":"assistant","content":"","refusal":null')

    def _chunk(self, fields: bytes, logprobs: Any = None) -> bytes:
        if logprobs is None:
            return self._head + fields + self._tail
        tail = self._tail.replace(b'"logprobs":null', b'"logprobs":' + _json.encode(logprobs), 1)
        return self._head + fields + tail

    def _begin(self, event: PartStarted) -> bytes:
        prefix = b"" if self._head else self._start(None)
        part = self._parts[event.index] = _Open(event, self._calls)
        if event.kind == "refusal":
            self._refused = True
        if event.kind != "tool_call":
            turns = self._turns.get(event.kind)
            if turns is not None:
                if turns:
                    part.held = []
                turns.append(part)
            return prefix
        self._calls += 1
        name = event.name or ""
        if self._legacy:  # which has room for one call
            if part.call > 0:
                return prefix
            return prefix + self._fields({"function_call": {"name": name, "arguments": ""}})
        if not part.custom and name in self._customs:
            part.custom = part.unwrap = True
        call: dict[str, Any] = {
            "index": part.call,
            "id": self._call_id(event.id, part.call),
            "type": "custom" if part.custom else "function",
        }
        if part.custom:
            call["custom"] = {"name": name, "input": ""}
        else:
            call["function"] = {"name": name, "arguments": ""}
        if event.origin is not None:  # a signed call: see `PartStarted.origin`
            part.opening = call
            return prefix
        return prefix + self._fields({"tool_calls": [call]})

    def _call_id(self, given: str | None, call: int) -> str:
        """The provider's id, unless it gave none or gave it before: some servers name two calls alike."""
        identifier = given if given and given not in self._ids else call_id(self._context.id, call)
        self._ids.add(identifier)
        return identifier

    def _open_call(self, part: _Open) -> bytes:
        """The first chunk of a call that waited, with the signature when it has come."""
        call, part.opening = part.opening, None
        if call is None:
            return b""
        if part.signature is not None:
            call["extra_content"] = signed(part.signature)
            part.signature = None
        return self._fields({"tool_calls": [call]})

    def _delta(self, event: PartDelta) -> bytes:
        part = self._parts.get(event.index)
        if part is None:
            return b""
        if part.held is not None:
            part.held.append(event)
            return b""
        if event.signature is not None:
            part.signature = event.signature
        if event.encrypted is not None:
            part.encrypted = event.encrypted
        text = event.text
        kind = part.start.kind
        if part.opening is not None:
            return self._open_call(part) + (self._arguments(part, text) if text else b"")
        if kind == "text":
            self._sent += len(text)
            said = self._chunk(b'"content":' + _json.encode(text), _own(event.logprobs)) if text else b""
            if event.citation is not None:
                said += self._cite(event.citation, len(text))
            elif not text and _own(event.logprobs) is not None:
                said = self._chunk(b'"content":""', _own(event.logprobs))
            return said
        if not text:
            return b""
        if kind == "tool_call":
            return self._arguments(part, text)
        if kind == "reasoning":
            if part.start.origin not in (None, ORIGIN):
                part.text.append(text)
            return self._chunk(b'"reasoning_content":' + _json.encode(text))
        if kind == "refusal":
            return self._chunk(b'"refusal":' + _json.encode(text), _own(event.logprobs))
        if kind == "audio":
            audio: dict[str, Any] = {} if part.text else {"id": part.start.id or answer_id(self._context.id)}
            part.text.append("")
            return self._fields({"audio": {**audio, "data": text}})
        part.text.append(text)  # a picture is sent whole
        return b""

    def _arguments(self, part: _Open, text: str) -> bytes:
        if part.unwrap:
            part.text.append(text)
            return b""
        part.text = [""]
        if self._legacy:
            return b"" if part.call > 0 else self._fields({"function_call": {"arguments": text}})
        if part.custom:
            return self._free(part, text)
        return self._chunk(
            b'"tool_calls":[{"index":%d,"function":{%b"arguments":%b}}]'
            % (part.call, self._named, _json.encode(text))
        )

    def _free(self, part: _Open, text: str) -> bytes:
        return self._fields({"tool_calls": [{"index": part.call, "custom": {"input": text}}]})

    def _end(self, event: PartEnded) -> bytes:
        part = self._parts.get(event.index)
        if part is None:
            return b""
        if part.held is not None:
            part.ended = event
            return b""
        said = self._close(part, event)
        turns = self._turns.get(part.start.kind)
        if turns is None:
            return said
        turns.pop(0)
        while turns and turns[0].held is not None:
            part = turns[0]
            held, part.held = part.held or (), None
            said += b"".join([self._delta(delta) for delta in held])
            if part.ended is not None:
                said += self._close(turns.pop(0), part.ended)
        return said

    def _held(self) -> bytes:
        """What still waits for its turn, when there will be no other."""
        said = b""
        for turns in self._turns.values():
            for part in turns:
                held, part.held = part.held or (), None
                said += b"".join([self._delta(delta) for delta in held])
        return said

    def _close(self, part: _Open, event: PartEnded) -> bytes:
        del self._parts[event.index]
        kind = part.start.kind
        if kind == "tool_call":
            said = self._open_call(part)
            if part.unwrap:
                said += self._free(part, unwrapped("".join(part.text)))
            elif not part.text and not part.custom:
                said += self._arguments(part, "{}")
            if part.signature is not None and not self._legacy:
                call = {"index": part.call, "extra_content": signed(part.signature)}
                if not part.custom:
                    call["function"] = {"arguments": ""}  # OpenAI's stream helper (SDK 3.54) insists on it
                said += self._fields({"tool_calls": [call]})
            return said
        own = (event.extra or {}).get(ORIGIN)
        if kind == "reasoning":
            thought = ReasoningPart(
                "".join(part.text), part.signature, part.encrypted, id=part.start.id, origin=part.start.origin
            )
            detail = encode_detail(thought, self._details)
            if detail is not None:
                self._details += 1
                return self._fields({"reasoning_details": [detail]})
            kept = own.get("reasoning_details") if isinstance(own, dict) else None
            return self._fields({"reasoning_details": kept}) if kept else b""
        if kind == "image":
            return self._picture(part)
        if kind == "audio" and isinstance(own, dict) and own:
            return self._fields({"audio": own})
        return b""

    def _picture(self, part: _Open) -> bytes:
        own = (part.start.extra or {}).get(ORIGIN)
        url = own.get("url") if isinstance(own, dict) else None
        data = "".join(part.text)
        if data:
            url = to_data_url(part.start.media_type or "image/png", data)
        if url is None:
            return b""
        return self._fields({"images": [{"type": "image_url", "image_url": {"url": url}}]})

    def _cite(self, citation: dict[str, Any], length: int) -> bytes:
        annotation = encode_citation(citation, max(0, self._sent - length), self._sent)
        if annotation is None:
            return self._fields({"citations": [citation]})
        return self._fields({"annotations": [annotation]})

    def _fields(self, fields: dict[str, Any]) -> bytes:
        return self._chunk(_json.encode(fields)[1:-1])

    def _finish(self, event: Finished) -> bytes:
        said = b"" if self._head else self._start(None)
        # Parts a decoder left open end here, so that no call is without its arguments.
        said += b"".join([self._end(PartEnded(index)) for index in list(self._parts)])
        word = encode_finish(event.finish, refused=self._refused, legacy=self._legacy and self._calls > 0)
        said += self._head + b'},"logprobs":null,'
        if event.stop_sequence is not None:
            said += b'"stop_reason":' + _json.encode(event.stop_sequence) + b","
        said += b'"finish_reason":"%b"}]' % word.encode()
        tier = service_tier(event.service_tier)
        if tier is not None:
            said += b',"service_tier":"%b"' % tier.encode()
        said += self._ending
        if self._context.include_usage and self._usage.source != "none":
            head = self._head[: self._head.rindex(b'"choices":')]
            said += head + b'"choices":[],"usage":' + _json.encode(encode_usage(self._usage)) + b"}\n\n"
        self._over = True
        return said + DONE


def _own(logprobs: Any) -> Any:
    """Log probabilities in this dialect's shape, or None: other dialects' have another."""
    return (
        logprobs if isinstance(logprobs, dict) and ("content" in logprobs or "refusal" in logprobs) else None
    )
