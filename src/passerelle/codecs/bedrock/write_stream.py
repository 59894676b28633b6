"""Core events into a stream of this dialect, in an order that is legal whatever comes in.

    state    next frame written           when
    fresh    messageStart                 the first event that is not `Failed`
    between  contentBlockStart            the front part is a tool call or a picture: others need none
    inside   contentBlockDelta            more of the front part
    inside   contentBlockStop             the front part ended
    between  messageStop, metadata        `Finished`
    any      an exception                 `Failed`; nothing follows

Parts may come interleaved: the oldest one under way is the front part and goes out as it comes; the others
wait, whole, behind it. A part that ends without a word leaves no block and takes no index.

The operation has no event that says nothing, so one of a type that it does not have holds a connection. SDKs
expect such from a newer service: boto3 skips it (botocore 1.44.5, `EventStream.__iter__`: what parses to
nothing is not given), and so does Amazon's SDK for JavaScript (`@smithy/eventstream-serde-universal`,
`getUnmarshalledStream`: `$unknown` is not given); read 2026-11-22. It is sent only to callers who ask for
`verified` delivery.
"""

from collections import deque
from typing import Any, Final, assert_never

import msgspec

from passerelle.codecs.arguments import UniqueIds, ending, is_whole
from passerelle.codecs.base import ReplyContext
from passerelle.codecs.bedrock.errors import write_failure
from passerelle.codecs.bedrock.formats import image_format
from passerelle.codecs.bedrock.response import NOT_MEASURED, TIERS, write_citation
from passerelle.codecs.bedrock.seals import call_seal, hides_thoughts, proof, redacted
from passerelle.codecs.bedrock.stops import stop_of
from passerelle.codecs.bedrock.usage import to_wire
from passerelle.codecs.eventstream import CONTENT_TYPE, event_headers, write_frame
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
from passerelle.core.usage import NO_USAGE, Usage

_encode = msgspec.json.Encoder().encode

_MESSAGE_START: Final = write_frame(event_headers("messageStart"), b'{"role":"assistant"}')
_BLOCK_START: Final = event_headers("contentBlockStart")
_DELTA: Final = event_headers("contentBlockDelta")
_STOP: Final = event_headers("contentBlockStop")
_MESSAGE_STOP: Final = event_headers("messageStop")
_KEEPALIVE: Final = write_frame(event_headers("keepAlive"), b"{}")
_METADATA: Final = event_headers("metadata")


class _Part:
    """A part under way: what has come of it, and whether its block is open."""

    __slots__ = ("arguments", "call_id", "encrypted", "ended", "opened", "signature", "start", "waiting")

    def __init__(self, start: PartStarted) -> None:
        self.start = start
        self.waiting: list[PartDelta] = []
        self.arguments: list[str] = []
        self.call_id: str | None = None
        self.ended = False
        self.opened = False
        self.signature: str | None = None
        self.encrypted: str | None = None


class Encoder:
    """See `codecs.base.StreamEncoder`."""

    content_type = CONTENT_TYPE

    def __init__(self, context: ReplyContext) -> None:
        self._hidden = hides_thoughts(context)
        self._started = False
        self._over = False
        self._usage: Usage = NO_USAGE
        self._line: deque[_Part] = deque()
        self._parts: dict[int, _Part] = {}
        self._index = 0
        self._called = False
        self._refused = False
        self._malformed = False
        self._ids = UniqueIds(f"tooluse_{context.id}_")

    def keepalive(self) -> bytes:
        """An event of a type that no SDK knows: see above."""
        return _KEEPALIVE

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
                if event.usage is not None:
                    self._usage = event.usage
                return self._start()
            case Finished():
                return self._finish(event)
            case Failed():
                self._over = True
                return write_failure(event)
            case _:
                assert_never(event)

    def _start(self) -> bytes:
        if self._started:
            return b""
        self._started = True
        return _MESSAGE_START

    # ── parts ──

    def _open_part(self, event: PartStarted) -> bytes:
        if event.kind == "refusal":
            self._refused = True
        part = _Part(event)
        self._parts[event.index] = part
        self._line.append(part)
        return self._start()

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
            written = self._more(part, b'{"text":%b}' % _encode(event.text)) if event.text else b""
            cited = write_citation(event.citation) if event.citation is not None else None
            if cited is not None:
                written += self._more(part, b'{"citation":%b}' % _encode(cited))
            return written
        if kind == "reasoning":
            part.signature = event.signature or part.signature
            if event.encrypted:
                part.encrypted = (part.encrypted or "") + event.encrypted
            if event.text and not self._hides(part):
                return self._more(part, b'{"reasoningContent":{"text":%b}}' % _encode(event.text))
            return b""
        if kind == "image" and event.text and image_format(part.start.media_type) is not None:
            return self._more(part, b'{"image":{"source":{"bytes":%b}}}' % _encode(event.text))
        return b""  # sound is not a thing this dialect answers with

    def _hides(self, part: _Part) -> bool:
        return self._hidden and part.start.origin != "bedrock"

    def _say_arguments(self, part: _Part, event: PartDelta) -> bytes:
        part.signature = event.signature or part.signature
        if part.start.tool_kind == "custom":  # free text, which becomes an object once it is whole
            part.encrypted = (part.encrypted or "") + event.text
            return b""
        if not event.text:
            return b""
        part.arguments.append(event.text)
        return self._input(part, event.text)

    def _input(self, part: _Part, text: str) -> bytes:
        return self._more(part, b'{"toolUse":{"input":%b}}' % _encode(text))

    def _more(self, part: _Part, delta: bytes) -> bytes:
        payload = b'{"contentBlockIndex":%d,"delta":%b}' % (self._index, delta)
        return self._opened(part) + write_frame(_DELTA, payload)

    def _opened(self, part: _Part) -> bytes:
        """The `contentBlockStart` that `part` still owes."""
        if part.opened:
            return b""
        part.opened = True
        start: dict[str, Any]
        if part.start.kind == "tool_call":
            self._called = True
            call_id = part.call_id = self._ids.take(part.start.id, part.start.index)
            start = {"toolUse": {"toolUseId": call_id, "name": part.start.name or ""}}
        elif part.start.kind == "image":
            start = {"image": {"format": image_format(part.start.media_type)}}
        else:
            return b""
        payload = b'{"contentBlockIndex":%d,"start":%b}' % (self._index, _encode(start))
        return write_frame(_BLOCK_START, payload)

    def _close(self, part: _Part) -> bytes:
        """What `part` still has to say at its end, and its `contentBlockStop`."""
        kind = part.start.kind
        written = b""
        if kind == "tool_call":
            written = self._opened(part)
            if part.start.tool_kind == "custom":
                written += self._input(part, _encode({"input": part.encrypted or ""}).decode())
            elif not is_whole("".join(part.arguments)):
                self._malformed = True
        elif kind == "reasoning":
            written = self._proof(part)
        if part.opened:
            written += write_frame(_STOP, b'{"contentBlockIndex":%d}' % self._index)
            self._index += 1
        if kind == "tool_call" and part.signature is not None:
            block = call_seal(part.call_id or "", part.start.origin, part.signature)
            written += self._whole(_encode(block))
        return written

    def _proof(self, part: _Part) -> bytes:
        """A thought's proof: Bedrock's own, or another origin's under our mark."""
        origin = part.start.origin
        if self._hides(part):
            return b""
        if origin == "bedrock" and part.encrypted is not None:
            return self._more(part, _encode({"reasoningContent": {"redactedContent": part.encrypted}}))
        if not part.opened and not (part.signature or part.encrypted):
            return b""  # a thought of which nothing came
        signature = proof(origin, part.signature, part.encrypted, part.start.id)
        if not signature:
            return b""
        if not part.opened and origin != "bedrock":
            return self._more(part, _encode(redacted(signature)))
        return self._more(part, b'{"reasoningContent":{"signature":%b}}' % _encode(signature))

    def _whole(self, delta: bytes) -> bytes:
        """A block of one delta, begun and ended."""
        payload = b'{"contentBlockIndex":%d,"delta":%b}' % (self._index, delta)
        written = write_frame(_DELTA, payload) + write_frame(_STOP, b'{"contentBlockIndex":%d}' % self._index)
        self._index += 1
        return written

    # ── the end ──

    def _finish(self, event: Finished) -> bytes:
        written = bytearray(self._start())
        for part in self._line:  # a decoder that forgot an end
            part.ended = True
        written += self._advance()
        self._over = True
        own = dict((event.extra or {}).get("bedrock") or {})
        stop: dict[str, Any] = {
            "stopReason": stop_of(
                ending(event.finish, malformed=self._malformed),
                called=self._called,
                refused=self._refused,
                stop_sequence=event.stop_sequence,
                raw=event.raw_finish,
            )
        }
        if "additionalModelResponseFields" in own:
            stop["additionalModelResponseFields"] = own.pop("additionalModelResponseFields")
        metadata: dict[str, Any] = {"usage": to_wire(self._usage), "metrics": NOT_MEASURED}
        if event.service_tier in TIERS:
            metadata["serviceTier"] = {"type": event.service_tier}
        return (
            bytes(written)
            + write_frame(_MESSAGE_STOP, _encode(stop))
            + write_frame(_METADATA, _encode({**metadata, **own}))
        )
