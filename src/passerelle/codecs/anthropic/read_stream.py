"""A provider's stream into core events."""

from typing import Any

import msgspec

from passerelle.codecs.anthropic.automaton import NAMELESS, PASSED_OVER, Automaton
from passerelle.codecs.anthropic.stops import finish_of
from passerelle.codecs.anthropic.types import BlockStart, Delta, StreamEvent, WireUsage
from passerelle.codecs.fields import BAD_JSON, JsonObject
from passerelle.codecs.sse import Frame, SseParser
from passerelle.core.errors import AnswerError
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
from passerelle.core.message import Extra

_encode = msgspec.json.Encoder().encode
_START_FIELDS = frozenset({"id", "type", "role", "model", "content", "stop_reason", "stop_sequence", "usage"})
_CALL_FIELDS = frozenset({"type", "id", "name", "input"})
_KNOWN_USAGE = frozenset(WireUsage.__struct_fields__)
_PLAIN = frozenset({"text", "thinking", "redacted_thinking", "tool_use"})


class _Open:
    """A block under way."""

    __slots__ = ("arguments", "block", "opaque", "part")

    def __init__(self, part: int, block: JsonObject | None, *, arguments: str | None = None) -> None:
        self.part = part
        self.block = block
        """The whole block, when the house has no part for its kind."""
        self.opaque: list[JsonObject] = []
        self.arguments = arguments
        """For a tool call, what to say at its end when no argument text came."""


class Decoder:
    """See `codecs.base.StreamDecoder`."""

    def __init__(self) -> None:
        self._parser = SseParser()
        self._state = Automaton()
        self._open: dict[int, _Open] = {}
        self._parts = 0
        self._extra: JsonObject = {}
        self._usage_extra: JsonObject = {}
        self._over = False

    def feed(self, data: bytes) -> list[Event]:
        """Events that `data` completes."""
        events: list[Event] = []
        if self._over:
            return events
        try:
            frames = self._parser.feed(data)
        except AnswerError as error:
            return self._fail(events, Failed(error.failure, error.message))
        for frame in frames:
            event = self._state.step(frame)
            if event is None:
                if self._state.failed is not None:
                    return self._fail(events, self._state.failed)
            elif event is not PASSED_OVER and event is not NAMELESS:
                self._read(event, frame, events)
        return events

    def close(self) -> list[Event]:
        """What the end of the bytes means."""
        events: list[Event] = []
        if self._over:
            return events
        last = self._state.end(self._parser)
        if last is not None:
            self._read(*last, events)
        elif self._state.failed is not None:
            self._fail(events, self._state.failed)
        return events

    def _fail(self, events: list[Event], failed: Failed) -> list[Event]:
        self._over = True
        events.append(failed)
        return events

    def _read(self, event: StreamEvent, frame: Frame, events: list[Event]) -> None:
        kind = event.type
        if kind == "content_block_delta":
            self._delta(event, frame, events)
        elif kind == "content_block_start":
            self._block_start(event, frame, events)
        elif kind == "content_block_stop":
            self._block_stop(event.index, events)
        elif kind == "message_start":
            self._start(event, frame, events)
        elif kind == "message_delta":
            self._message_delta(event, frame, events)
        elif kind == "message_stop":
            self._stop(events)

    def _start(self, event: StreamEvent, frame: Frame, events: list[Event]) -> None:
        message = _generic(frame, "message")
        self._keep_usage(message.get("usage"))
        left = {name: value for name, value in message.items() if name not in _START_FIELDS}
        events.append(
            Started(
                model=self._state.model,
                id=event.message.id if event.message else None,
                usage=self._state.usage if event.message and event.message.usage else None,
                extra=_own(left),
            )
        )

    def _block_start(self, event: StreamEvent, frame: Frame, events: list[Event]) -> None:
        index = event.index
        part = self._parts
        self._parts += 1
        begun = event.content_block or BlockStart()
        kind = begun.type
        block = _generic(frame, "content_block")
        if kind not in _PLAIN:
            self._open[index] = _Open(part, block)
            events.append(PartStarted(part, "text"))
            return
        self._open[index] = opened = _Open(part, None)
        if kind == "text":
            events.append(PartStarted(part, "text"))
            if block.get("text"):
                events.append(PartDelta(part, text=str(block["text"])))
            cited = block.get("citations") or ()
            events.extend(PartDelta(part, citation=c) for c in cited if isinstance(c, dict))
        elif kind == "tool_use":
            given = block.get("input")
            opened.arguments = _encode(given).decode() if given else "{}"
            left = {name: value for name, value in block.items() if name not in _CALL_FIELDS}
            id, name = str(block.get("id") or ""), str(begun.name or "")
            events.append(PartStarted(part, "tool_call", id=id or None, name=name, extra=_own(left)))
        else:
            events.append(PartStarted(part, "reasoning", origin="anthropic"))
            if kind == "redacted_thinking":
                events.append(PartDelta(part, encrypted=str(block.get("data") or "")))
            elif block.get("thinking") or block.get("signature"):
                signature = str(block.get("signature") or "") or None
                events.append(PartDelta(part, text=str(block.get("thinking") or ""), signature=signature))

    def _delta(self, event: StreamEvent, frame: Frame, events: list[Event]) -> None:
        opened = self._open[event.index]
        if opened.block is not None:
            opened.opaque.append(_generic(frame, "delta"))
            return
        delta = event.delta or Delta()
        part = opened.part
        if delta.text:
            events.append(PartDelta(part, text=delta.text))
        elif delta.partial_json:
            opened.arguments = None
            events.append(PartDelta(part, text=delta.partial_json))
        elif delta.thinking:
            events.append(PartDelta(part, text=delta.thinking))
        elif delta.signature:
            events.append(PartDelta(part, signature=delta.signature))
        elif delta.citation is not None:
            events.append(PartDelta(part, citation=delta.citation))

    def _block_stop(self, index: int, events: list[Event]) -> None:
        opened = self._open.pop(index)
        if opened.block is not None:
            block = _folded(opened.block, opened.opaque)
            events.append(PartEnded(opened.part, extra={str(block.get("type")): block}))
            return
        if opened.arguments is not None:
            events.append(PartDelta(opened.part, text=opened.arguments))
        events.append(PartEnded(opened.part))

    def _message_delta(self, event: StreamEvent, frame: Frame, events: list[Event]) -> None:
        fields = _generic(frame, "")
        self._keep_usage(fields.get("usage"))
        for name, value in (fields.get("delta") or {}).items():
            if name not in ("stop_reason", "stop_sequence") and value is not None:
                self._extra[name] = value
        for name, value in fields.items():
            if name not in ("type", "delta", "usage"):
                self._extra[name] = value
        if event.usage is not None:
            events.append(UsageReported(self._state.usage))

    def _stop(self, events: list[Event]) -> None:
        for index in list(self._open):
            self._block_stop(index, events)
        tier = self._usage_extra.pop("service_tier", None)
        if self._usage_extra:
            self._extra["usage"] = self._usage_extra
        finish = finish_of(self._state.stop_reason or "", self._state.called)
        events.append(
            Finished(
                finish,
                stop_sequence=self._state.stop_sequence,
                raw_finish=self._state.stop_reason,
                service_tier=tier if isinstance(tier, str) else None,
                extra=_own(self._extra),
            )
        )
        self._over = True

    def _keep_usage(self, usage: object) -> None:
        if isinstance(usage, dict):
            self._usage_extra.update((n, v) for n, v in usage.items() if n not in _KNOWN_USAGE)


def _generic(frame: Frame, name: str) -> JsonObject:
    """The event's `name` (or all of it) with every field it has: once a block, not once a delta."""
    try:
        # A string of a field that nobody else reads may be no UTF-8.
        event: Any = msgspec.json.decode(frame.data.decode(errors="replace"))
    except BAD_JSON:  # or nested without end
        return {}
    found = event.get(name) if name else event
    return found if isinstance(found, dict) else {}


def _folded(block: JsonObject, deltas: list[JsonObject]) -> JsonObject:
    """The block with its deltas put into it: argument text becomes `input`, any other text is joined."""
    whole = dict(block)
    arguments = "".join(str(delta["partial_json"]) for delta in deltas if "partial_json" in delta)
    if arguments:
        try:
            whole["input"] = msgspec.json.decode(arguments)
        except BAD_JSON:
            whole["input"] = {}
    for delta in deltas:
        for name, value in delta.items():
            if name in ("type", "partial_json"):
                continue
            before = whole.get(name)
            joined = isinstance(before, str) and isinstance(value, str)
            whole[name] = before + value if joined else value
    return whole


def _own(left: JsonObject) -> Extra:
    return {"anthropic": left} if left else None
