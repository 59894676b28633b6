"""Core events into a stream of this dialect, in an order that is legal whatever comes in.

The stream is a list of blocks, each opened and closed before the next:

    state    next event written               when
    fresh    message_start                    the first event that is not `Failed`
    between  content_block_start              the front part has something to show
    inside   content_block_delta              more of the front part
    inside   content_block_stop               the front part ended
    between  message_delta, message_stop      `Finished`
    any      error                            `Failed`; nothing follows
    any      ping                             `keepalive`

Parts may come interleaved: the oldest one under way is the front part and goes out as it comes; the
others wait, whole, behind it. A part opens its block with its first words, so an empty text block is
never written; a part that ends wordless leaves no block and takes no index.
"""

from collections import deque
from typing import Any, Final, assert_never

import msgspec

from passerelle.codecs.anthropic.citations import write_citation
from passerelle.codecs.anthropic.errors import write_failure
from passerelle.codecs.anthropic.read_blocks import kept_block
from passerelle.codecs.anthropic.response import (
    call_seal,
    foreign,
    hides_thoughts,
    message_id,
)
from passerelle.codecs.anthropic.stops import stop_of
from passerelle.codecs.anthropic.usage import to_wire
from passerelle.codecs.arguments import UniqueIds, ending, is_whole
from passerelle.codecs.base import ReplyContext
from passerelle.codecs.sse import write_event
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
from passerelle.core.message import TextPart
from passerelle.core.usage import NO_USAGE, Usage

_encode = msgspec.json.Encoder().encode

PING: Final = b'event: ping\ndata: {"type": "ping"}\n\n'
_DELTA: Final = b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,"delta":%b}\n\n'
_STOP: Final = b'event: content_block_stop\ndata: {"type":"content_block_stop","index":%d}\n\n'
_MESSAGE_STOP: Final = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'


class _Part:
    """A part under way: what has come of it, and whether its block is open."""

    __slots__ = (
        "arguments", "call_id", "encrypted", "ended", "extra", "opened", "signature", "start", "waiting",
    )  # fmt: skip

    def __init__(self, start: PartStarted) -> None:
        self.start = start
        self.waiting: list[PartDelta] = []
        self.arguments: list[str] = []
        self.call_id: str | None = None
        self.ended = False
        self.opened = False
        self.signature: str | None = None
        self.encrypted: str | None = None
        self.extra: dict[str, Any] = dict(start.extra or {})


class Encoder:
    """See `codecs.base.StreamEncoder`."""

    content_type = "text/event-stream"

    def __init__(self, context: ReplyContext) -> None:
        self._context = context
        self._hidden = hides_thoughts(context)
        self._started = False
        self._over = False
        self._usage: Usage = NO_USAGE
        self._announced: Usage = NO_USAGE
        self._line: deque[_Part] = deque()
        self._parts: dict[int, _Part] = {}
        self._index = 0
        self._called = False
        self._refused = False
        self._malformed = False
        self._ids = UniqueIds(f"toolu_{context.id}_")

    def keepalive(self) -> bytes:
        """Anthropic's own harmless event."""
        return PING

    def encode(self, event: Event) -> bytes:
        """The bytes this event causes."""
        if self._over:
            return b""
        match event:
            case PartDelta():
                return self._delta(event)
            case PartStarted():
                return self._open_part(event)
            case PartEnded():
                return self._end_part(event)
            case UsageReported(usage=usage):
                self._usage = usage
                return b""
            case Started():
                return self._start(event)
            case Finished():
                return self._finish(event)
            case Failed():
                self._over = True
                return write_event(b"error", write_failure(event))
            case _:
                assert_never(event)

    def _start(self, event: Started) -> bytes:
        if self._started:
            return b""
        self._started = True
        if event.usage is not None:
            self._usage = self._announced = event.usage
        own = dict((event.extra or {}).get("anthropic") or {})
        message = {
            "id": message_id(event.id, self._context),
            "type": "message",
            "role": "assistant",
            "model": self._context.named or event.model or self._context.model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": to_wire(self._usage),
            **own,
        }
        return write_event(b"message_start", _encode({"type": "message_start", "message": message}))

    # ── parts ──

    def _open_part(self, event: PartStarted) -> bytes:
        head = b"" if self._started else self._start(Started())
        if event.kind == "refusal":
            self._refused = True
        part = _Part(event)
        self._parts[event.index] = part
        self._line.append(part)
        return head

    def _delta(self, event: PartDelta) -> bytes:
        part = self._parts.get(event.index)
        if part is None:
            return b""
        if self._line and self._line[0] is part:
            return self._say(part, event)
        part.waiting.append(event)
        return b""

    def _end_part(self, event: PartEnded) -> bytes:
        part = self._parts.pop(event.index, None)
        if part is None:
            return b""
        part.ended = True
        part.extra.update(event.extra or {})
        return self._advance()

    def _advance(self) -> bytes:
        """Close every ended part at the front, and say what the next one has been holding."""
        written = bytearray()
        while self._line and self._line[0].ended:
            part = self._line.popleft()
            written += self._flush(part)
            written += self._close(part)
            if self._line:
                written += self._flush(self._line[0])
        return bytes(written)

    def _flush(self, part: _Part) -> bytes:
        waiting, part.waiting = part.waiting, []
        return b"".join([self._say(part, delta) for delta in waiting])

    def _say(self, part: _Part, event: PartDelta) -> bytes:
        kind = part.start.kind
        if kind == "tool_call":
            return self._say_arguments(part, event)
        if kind == "text" or kind == "refusal":
            written = self._more(part, "text_delta", "text", event.text) if event.text else b""
            cited = write_citation(event.citation) if event.citation is not None else None
            if cited is not None:
                delta = _encode({"type": "citations_delta", "citation": cited})
                written += self._opened(part) + _DELTA % (self._index, delta)
            return written
        if kind == "reasoning":
            part.signature = event.signature or part.signature
            if event.encrypted:
                part.encrypted = (part.encrypted or "") + event.encrypted
            if event.text and not self._hides(part):
                return self._more(part, "thinking_delta", "thinking", event.text)
        return b""  # pictures and sound are not things this dialect answers with

    def _hides(self, part: _Part) -> bool:
        return self._hidden and part.start.origin != "anthropic"

    def _say_arguments(self, part: _Part, event: PartDelta) -> bytes:
        part.signature = event.signature or part.signature
        if part.start.tool_kind == "custom":  # free text, which becomes an object once it is whole
            part.encrypted = (part.encrypted or "") + event.text
            return b""
        if not event.text:
            return b""
        part.arguments.append(event.text)
        return self._more(part, "input_json_delta", "partial_json", event.text)

    def _more(self, part: _Part, kind: str, field: str, text: str) -> bytes:
        delta = b'{"type":"%b","%b":%b}' % (kind.encode(), field.encode(), _encode(text))
        if part.opened:
            return _DELTA % (self._index, delta)
        return self._opened(part) + _DELTA % (self._index, delta)

    def _opened(self, part: _Part) -> bytes:
        """The `content_block_start` that `part` still owes."""
        if part.opened:
            return b""
        part.opened = True
        start = part.start
        block: dict[str, Any]
        if start.kind == "tool_call":
            self._called = True
            block = {"type": "tool_use", "id": self._call_id(part), "name": start.name or "", "input": {}}
            block.update(part.extra.get("anthropic") or {})
        elif start.kind == "reasoning":
            block = {"type": "thinking", "thinking": "", "signature": ""}
        else:
            block = {"type": "text", "text": ""}
        return self._block_start(block)

    def _call_id(self, part: _Part) -> str:
        if part.call_id is None:
            part.call_id = self._ids.take(part.start.id, part.start.index)
        return part.call_id

    def _block_start(self, block: dict[str, Any]) -> bytes:
        payload = {"type": "content_block_start", "index": self._index, "content_block": block}
        return write_event(b"content_block_start", _encode(payload))

    def _close(self, part: _Part) -> bytes:
        """What `part` still has to say at its end, and its `content_block_stop`."""
        kind = part.start.kind
        written = b""
        if kind == "tool_call":
            written = self._opened(part)
            if part.start.tool_kind == "custom":
                text = _encode({"input": part.encrypted or ""}).decode()
                written += self._more(part, "input_json_delta", "partial_json", text)
            elif not is_whole("".join(part.arguments)):
                self._malformed = True
        elif kind == "reasoning":
            written = self._seal(part)
        elif kind == "text" and not part.opened:
            kept = kept_block(TextPart("", extra=part.extra or None))
            if kept is not None:
                written = self._kept(part, kept)
        if part.opened:
            written += _STOP % self._index
            self._index += 1
        if kind == "tool_call" and part.signature is not None:
            written += self._whole(call_seal(self._call_id(part), part.start.origin, part.signature))
        return written

    def _seal(self, part: _Part) -> bytes:
        """A thought's proof: Anthropic's own, or another origin's under our mark."""
        origin = part.start.origin
        if origin == "anthropic":
            if part.encrypted is not None:
                return self._redacted(part, part.encrypted)
            signature = part.signature or ""
        else:
            signature = foreign(origin, part.signature, part.encrypted, part.start.id)
            if not part.opened and not (part.signature or part.encrypted):
                return b""  # a thought of which nothing came
        if self._hides(part) or not signature:
            return b""
        if not part.opened and origin != "anthropic":
            return self._redacted(part, signature)
        delta = b'{"type":"signature_delta","signature":%b}' % _encode(signature)
        return self._opened(part) + _DELTA % (self._index, delta)

    def _redacted(self, part: _Part, data: str) -> bytes:
        block = {"type": "redacted_thinking", "data": data}
        if part.opened:  # words came first: they get their own block
            part.opened = False
            before = _STOP % self._index
            self._index += 1
            return before + self._whole(block)
        part.opened = True
        return self._block_start(block)

    def _kept(self, part: _Part, block: dict[str, Any]) -> bytes:
        """A block kept whole since its provider's stream: arguments go out as they came, in a delta."""
        part.opened = True
        arguments = block.get("input")
        if not isinstance(arguments, dict) or not arguments:
            return self._block_start(block)
        text = _encode(arguments).decode()
        delta = _encode({"type": "input_json_delta", "partial_json": text})
        return self._block_start({**block, "input": {}}) + _DELTA % (self._index, delta)

    def _whole(self, block: dict[str, Any]) -> bytes:
        """A block that needs no delta, begun and ended."""
        written = self._block_start(block) + _STOP % self._index
        self._index += 1
        return written

    # ── the end ──

    def _finish(self, event: Finished) -> bytes:
        written = bytearray() if self._started else bytearray(self._start(Started()))
        for part in self._line:  # a decoder that forgot an end
            part.ended = True
        written += self._advance()
        self._over = True
        own = dict((event.extra or {}).get("anthropic") or {})
        usage = to_wire(self._usage, event.service_tier)
        # Anthropic splits cache writes by lifetime in `message_start` only (SDK 2.12
        # `MessageDeltaUsage`); a split that first comes at the end must come with it, though.
        if not (self._usage.cache_write_1h_tokens or self._announced.cache_write_1h_tokens):
            usage.pop("cache_creation")
        if self._announced.reasoning_tokens:
            usage["output_tokens_details"] = {"thinking_tokens": self._usage.reasoning_tokens}
        usage.update(own.pop("usage", None) or {})
        delta: dict[str, Any] = {
            "stop_reason": stop_of(
                ending(event.finish, malformed=self._malformed),
                called=self._called,
                refused=self._refused,
                stop_sequence=event.stop_sequence,
                raw=event.raw_finish,
            ),
            "stop_sequence": event.stop_sequence,
        }
        for name in ("container", "stop_details"):
            if name in own:
                delta[name] = own.pop(name)
        payload = _encode({"type": "message_delta", "delta": delta, "usage": usage, **own})
        return bytes(written) + write_event(b"message_delta", payload) + _MESSAGE_STOP
