"""A provider's stream into core events."""

from typing import Any, Final

import msgspec

from passerelle.codecs.bedrock.automaton import PASSED_OVER, Automaton
from passerelle.codecs.bedrock.stops import finish_of, sequence_of
from passerelle.codecs.bedrock.types import Delta, StreamEvent
from passerelle.codecs.eventstream import EventStreamParser, Frame
from passerelle.codecs.fields import BAD_JSON, JsonObject
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

_STOP_FIELDS: Final = frozenset({"stopReason", "p"})
_METADATA_FIELDS: Final = frozenset({"usage", "serviceTier", "p"})
"""`p` is padding, which hides how long an event is."""


class _Open:
    """A block under way."""

    __slots__ = ("kind", "opaque", "part", "said")

    def __init__(self, part: int, kind: PartKind, opaque: bool = False) -> None:
        self.part = part
        self.kind = kind
        self.opaque = opaque
        """A call that runs at Amazon, or its result: nobody else has a part for it."""
        self.said = False


class Decoder:
    """See `codecs.base.StreamDecoder`."""

    def __init__(self) -> None:
        self._parser = EventStreamParser()
        self._state = Automaton()
        self._open: dict[int, _Open] = {}
        self._parts = 0
        self._extra: JsonObject = {}
        self._tier: str | None = None
        self._over = False

    def feed(self, data: bytes) -> list[Event]:
        """Events that `data` completes."""
        events: list[Event] = []
        if self._over:
            return events
        for frame in self._parser.feed(data):
            event = self._state.step(frame)
            if event is None:
                if self._state.failed is not None:
                    return self._fail(events, self._state.failed)
                return events
            if event is not PASSED_OVER:
                self._read(event, frame, events)
            if self._state.done:
                self._finish(events)
                return events
        broken = self._parser.broken
        return events if broken is None else self._fail(events, Failed(broken.failure, broken.message))

    def close(self) -> list[Event]:
        """What the end of the bytes means."""
        events: list[Event] = []
        if self._over:
            return events
        self._state.end(self._parser)
        if self._state.failed is not None:
            return self._fail(events, self._state.failed)
        self._finish(events)
        return events

    def _fail(self, events: list[Event], failed: Failed) -> list[Event]:
        self._over = True
        events.append(failed)
        return events

    def _read(self, event: StreamEvent, frame: Frame, events: list[Event]) -> None:
        match frame.kind.name:
            case "contentBlockDelta":
                self._delta(event.content_block_index, event.delta or Delta(), events)
            case "contentBlockStart":
                self._start(event, events)
            case "contentBlockStop":
                self._end(event.content_block_index, events)
            case "messageStart":
                events.append(Started())
            case "messageStop":
                self._keep(frame, _STOP_FIELDS)
            case "metadata":
                if event.service_tier is not None:
                    self._tier = event.service_tier.type or None
                self._keep(frame, _METADATA_FIELDS)
                if event.usage is not None:
                    events.append(UsageReported(self._state.usage))

    def _keep(self, frame: Frame, named: frozenset[str]) -> None:
        try:
            fields: Any = msgspec.json.decode(frame.payload)
        except BAD_JSON:  # a string of a field nobody reads is not UTF-8
            return
        self._extra.update((name, value) for name, value in fields.items() if name not in named)

    def _start(self, event: StreamEvent, events: list[Event]) -> None:
        start = event.start
        if start is None:
            return
        self._end(event.content_block_index, events)  # nothing is open there, or it was never ended
        call = start.tool_use
        if call is not None and call.type is None:
            opened = self._begin(event.content_block_index, "tool_call")
            events.append(PartStarted(opened.part, "tool_call", id=call.tool_use_id or None, name=call.name))
        elif start.image is not None:
            opened = self._begin(event.content_block_index, "image")
            media_type = f"image/{start.image.get('format', 'png')}"
            events.append(PartStarted(opened.part, "image", media_type=media_type))
        else:
            self._open[event.content_block_index] = _Open(-1, "text", opaque=True)

    def _begin(self, index: int, kind: PartKind) -> _Open:
        self._open[index] = opened = _Open(self._parts, kind)
        self._parts += 1
        return opened

    def _delta(self, index: int, delta: Delta, events: list[Event]) -> None:
        opened = self._open.get(index)
        if opened is not None and opened.opaque:
            return
        thought = delta.reasoning_content
        if opened is None:
            kind: PartKind = "reasoning" if thought is not None else "text"
            if delta.tool_use is not None:  # a call that nobody announced has no name
                return
            opened = self._begin(index, kind)
            events.append(PartStarted(opened.part, kind, origin="bedrock" if kind == "reasoning" else None))
        part = opened.part
        if delta.text:
            events.append(PartDelta(part, text=delta.text))
        elif delta.tool_use is not None and delta.tool_use.input:
            opened.said = True
            events.append(PartDelta(part, text=delta.tool_use.input))
        elif thought is not None:
            if thought.text:
                events.append(PartDelta(part, text=thought.text))
            if thought.signature:
                events.append(PartDelta(part, signature=thought.signature))
            if thought.redacted_content:
                events.append(PartDelta(part, encrypted=thought.redacted_content))
        elif delta.citation is not None:
            events.append(PartDelta(part, citation=delta.citation))
        elif delta.image is not None and delta.image.source is not None and delta.image.source.bytes:
            events.append(PartDelta(part, text=delta.image.source.bytes))

    def _end(self, index: int, events: list[Event]) -> None:
        opened = self._open.pop(index, None)
        if opened is None or opened.opaque:
            return
        if opened.kind == "tool_call" and not opened.said:
            events.append(PartDelta(opened.part, text="{}"))
        events.append(PartEnded(opened.part))

    def _finish(self, events: list[Event]) -> None:
        for index in list(self._open):
            self._end(index, events)
        reason = self._state.stop_reason or ""
        events.append(
            Finished(
                finish_of(reason, self._state.called),
                stop_sequence=sequence_of(self._extra.get("additionalModelResponseFields")),
                raw_finish=reason,
                service_tier=self._tier,
                extra={"bedrock": self._extra} if self._extra else None,
            )
        )
        self._over = True
