"""What a stream may do next: the completion automaton, shared by the decoder and the watcher.

The order (docs.aws.amazon.com/bedrock "ConverseStream" and "Using the Converse API", read 2026-11-22):
`messageStart`, then for each block `contentBlockStart` (tool calls and pictures only),
`contentBlockDelta`*, `contentBlockStop`, then `messageStop` with the reason it stopped, then `metadata`
with the usage. An exception or error frame ends everything; events we do not know are passed over.

    state    event               next     note
    fresh    messageStart        open     any other known event breaks the stream
    open     contentBlockStart   open
    open     contentBlockDelta   open     text and thoughts begin with their first delta
    open     contentBlockStop    open
    open     messageStop         stopped  broken without any content, unless the reason excuses it
    open     metadata            open     kept: some count before they stop
    stopped  metadata            done
    stopped  end of the bytes    done     an answer that is whole, and not counted
    open     end of the bytes    broken
    done     anything            done     nothing is read any more
"""

from typing import Final

import msgspec

from passerelle.codecs.bedrock.errors import read_exception
from passerelle.codecs.bedrock.response import EMPTY, invoked
from passerelle.codecs.bedrock.stops import finish_of, may_be_empty
from passerelle.codecs.bedrock.types import Delta, StreamEvent
from passerelle.codecs.bedrock.usage import from_wire
from passerelle.codecs.eventstream import EventStreamParser, Frame
from passerelle.codecs.fields import BAD_JSON
from passerelle.core.event import Failed
from passerelle.core.usage import NO_USAGE, Usage

PASSED_OVER: Final = StreamEvent()
"""Stands for an event that changes nothing."""

_KNOWN: Final = frozenset(
    {"contentBlockStart", "contentBlockDelta", "contentBlockStop", "messageStop", "metadata"}
)
_events = msgspec.json.Decoder(StreamEvent)


class Automaton:
    """One stream's state. `step` takes a frame and says what it was; `failed` says that it broke."""

    __slots__ = (
        "_any", "called", "content", "done", "failed", "finish", "model", "progress", "started",
        "stop_reason", "text_bytes", "usage",
    )  # fmt: skip

    def __init__(self) -> None:
        self.model = ""
        self.usage: Usage = NO_USAGE
        self.finish: str | None = None
        self.stop_reason: str | None = None
        self.started = False
        self.content = False
        self.progress = 0
        self.text_bytes = 0
        self.done = False
        self.failed: Failed | None = None
        self.called = False
        self._any = False

    def step(self, frame: Frame) -> StreamEvent | None:
        """The event, or None when it broke the stream (see `failed`) or came after its end."""
        if self.done or self.failed is not None:
            return None
        if frame.kind.message != "event":
            self.failed = read_exception(frame)
            return None
        name = frame.kind.name
        if name not in _KNOWN and name != "messageStart":
            return PASSED_OVER
        try:
            event = _events.decode(frame.payload)
        except BAD_JSON:
            return self._break("the provider sent a stream event that is not Converse's JSON")
        if name == "contentBlockDelta" and self.started:
            return self._delta(event)
        if name == "messageStart":
            if self.started:
                return self._break("the provider's stream begins twice")
            self.started = True
            return event
        if not self.started:
            return self._break("the provider's stream does not begin with `messageStart`")
        if self.stop_reason is not None and name != "metadata":
            return self._break("the provider's stream goes on after `messageStop`")
        if name == "contentBlockStart":
            return self._start(event)
        if name == "messageStop":
            return self._stop(event)
        if name == "metadata":
            self._metadata(event)
        else:
            self.progress += 1
        return event

    def end(self, parser: EventStreamParser) -> None:
        """The bytes ended: sets `done` or `failed`."""
        if self.done or self.failed is not None:
            return
        if self.stop_reason is not None and not parser.pending:
            self.done = True
            return
        what = "inside a frame" if parser.pending else "before `messageStop`"
        self.failed = Failed("protocol", f"the provider's stream ended {what}")

    def _start(self, event: StreamEvent) -> StreamEvent | None:
        self.progress += 1
        start = event.start
        if start is not None and start.tool_use is not None and start.tool_use.type is None:
            if not start.tool_use.name:
                return self._break("the provider began a tool call and never named the tool")
            self.called = self.content = True
        self._any = True
        return event

    def _delta(self, event: StreamEvent) -> StreamEvent | None:
        if self.stop_reason is not None:
            return self._break("the provider's stream goes on after `messageStop`")
        delta = event.delta
        if delta is None:  # what it held was lost: an answer without it would be a shortened one
            return self._break("the provider sent a `contentBlockDelta` without a `delta`")
        said = _words(delta)
        if said or delta.citation is not None or delta.image is not None or delta.tool_result:
            self.content = self._any = True
        self.progress += 1
        self.text_bytes += len(said) if said.isascii() else len(said.encode("utf-8", "surrogatepass"))
        return event

    def _stop(self, event: StreamEvent) -> StreamEvent | None:
        reason = event.stop_reason
        if reason is None:
            return self._break("the provider's stream does not say why it stopped")
        if not self._any and not may_be_empty(reason):
            return self._break(EMPTY)
        self.stop_reason = reason
        self.finish = finish_of(reason, self.called)
        self.done = self.usage is not NO_USAGE
        return event

    def _metadata(self, event: StreamEvent) -> None:
        self.usage = from_wire(event.usage)
        self.model = invoked(event) or self.model
        self.done = self.stop_reason is not None

    def _break(self, words: str) -> StreamEvent | None:
        self.failed = Failed("protocol", words)
        return None


def _words(delta: Delta) -> str:
    """What a delta says, thoughts and arguments included."""
    if delta.text is not None:
        return delta.text
    if delta.tool_use is not None:
        return delta.tool_use.input
    thought = delta.reasoning_content
    if thought is not None:
        return thought.text or thought.redacted_content or thought.signature or ""
    return ""
