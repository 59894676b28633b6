"""What a stream may do next: the completion automaton, shared by the decoder and the watcher.

The order ("Streaming Messages" at platform.claude.com/docs, read 2026-11-22): `message_start`, then for
each block `content_block_start`, `content_block_delta`*, `content_block_stop`, then `message_delta`+ with
the reason it stopped, then `message_stop`. `ping` comes anywhere, `error` ends everything, and event
types we do not know are to be passed over.

    state   event                 next    note
    fresh   message_start         open    any other known event breaks the stream
    open    content_block_start   open    blocks are known by index: compatible APIs interleave them
    open    content_block_delta   open    of a block that is open, else broken
    open    content_block_stop    open    of a block that is open, else broken
    open    message_delta         open    its figures and reason replace the earlier ones
    open    message_stop          done    broken without a stop reason, or without any content
    open    message_start         broken
    done    anything              done    nothing is read any more

Only `message_stop` completes an answer: Anthropic always sends it, so a stream that ends after
`message_delta` was cut.
"""

from typing import Final

import msgspec

from passerelle.codecs.anthropic.errors import read_error
from passerelle.codecs.anthropic.response import EMPTY, not_an_answer
from passerelle.codecs.anthropic.stops import finish_of, may_be_empty
from passerelle.codecs.anthropic.types import StreamEvent, WatchedMessage, WireError
from passerelle.codecs.anthropic.usage import from_wire
from passerelle.codecs.fields import BAD_JSON
from passerelle.codecs.sse import Frame, SseParser
from passerelle.core.event import Failed
from passerelle.core.usage import NO_USAGE, Usage

NAMELESS: Final = StreamEvent(type="ping")
"""Stands for an event of no type at all, which is none of this dialect's: no caller is told of it."""
PASSED_OVER: Final = StreamEvent(type="ping")
"""Stands for an event that changes nothing."""

_events = msgspec.json.Decoder(StreamEvent)
_whole = msgspec.json.Decoder(WatchedMessage)


class Automaton:
    """One stream's state. `step` takes a frame and says what it was; `failed` says that it broke."""

    __slots__ = (
        "_any", "_blocks", "called", "content", "done", "failed", "finish", "model", "progress",
        "started", "stop_reason", "stop_sequence", "text_bytes", "usage",
    )  # fmt: skip

    def __init__(self) -> None:
        self.model = ""
        self.usage: Usage = NO_USAGE
        self.finish: str | None = None
        self.stop_reason: str | None = None
        self.stop_sequence: str | None = None
        self.started = False
        self.content = False
        self.progress = 0
        self.text_bytes = 0
        self.done = False
        self.failed: Failed | None = None
        self._blocks: set[int] = set()
        self.called = False
        self._any = False

    @property
    def over(self) -> bool:
        """Complete or broken: nothing more is read."""
        return self.done or self.failed is not None

    def step(self, frame: Frame) -> StreamEvent | None:
        """The event, or None when it broke the stream (see `failed`) or came after its end."""
        if self.done or self.failed is not None:
            return None
        try:
            event = _events.decode(frame.data)
        except BAD_JSON:
            return self._break("the provider sent a stream event that is not Anthropic's JSON")
        kind = event.type
        if kind == "content_block_delta":
            return self._delta(event)
        if kind == "ping":
            return PASSED_OVER
        if kind == "error" or event.error is not None or frame.event == b"error":
            self.failed = read_error(event.error or WireError())
            return None
        if kind == "message_start":
            return self._start(event)
        if not kind:
            return NAMELESS
        if not self.started:
            if kind in _LATER:
                return self._break("the provider's stream does not begin with `message_start`")
            return PASSED_OVER
        if kind == "content_block_start":
            return self._block_start(event)
        if kind == "content_block_stop":
            if event.index not in self._blocks:
                return self._break("the provider ended a content block that is not open")
            self._blocks.discard(event.index)
            return event
        if kind == "message_delta":
            return self._message_delta(event)
        if kind == "message_stop":
            return self._stop(event)
        return PASSED_OVER

    def end(self, parser: SseParser) -> tuple[StreamEvent, Frame] | None:
        """The bytes ended. Gives the last event when it is a whole `message_stop` that only lacks its
        blank line: nothing can follow it, so nothing was cut. Otherwise sets `failed` unless `done`.
        """
        if self.over:
            return None
        pending = parser.pending
        if self.started and b"message_stop" in pending:
            frames = parser.feed(b"\n\n")
            event = self.step(frames[0]) if len(frames) == 1 else None
            if event is not None and self.done:
                return event, frames[0]
        if not self.over:
            self._cut(pending)
        return None

    def _cut(self, pending: bytes) -> None:
        if pending and not self.started:
            self.failed = _instead(pending)
        elif pending:
            self._break("the provider's stream was cut inside an event")
        elif not self.started:
            self._break("the provider's stream ended before `message_start`")
        else:
            self._break("the provider's stream ended without `message_stop`")

    def _break(self, message: str) -> StreamEvent | None:
        self.failed = Failed("protocol", message)
        return None

    def _start(self, event: StreamEvent) -> StreamEvent | None:
        if self.started:
            return self._break("the provider's stream has a second `message_start`")
        self.started = True
        if event.message is not None:
            self.model = event.message.model or ""
            self.usage = from_wire(event.message.usage)
        return event

    def _block_start(self, event: StreamEvent) -> StreamEvent | None:
        block = event.content_block
        if block is None:
            return self._break("the provider began a content block without saying its type")
        if event.index in self._blocks:
            return self._break("the provider began a content block that is already open")
        self._blocks.add(event.index)
        if block.type == "tool_use":
            if not isinstance(block.name, str) or not block.name:
                return self._break("the provider began a tool call and never named the tool")
            self.called = True
            if self.finish == "stop":  # said before the call, by an API that minds no order
                self.finish = "tool_calls"
        self._any = self._any or block.type != "text"
        if block.type not in ("text", "thinking"):  # the name of a tool, the data of a redacted thought
            self.content = True
            self.progress += 1
        elif block.text or block.thinking:
            self._said(block.text or block.thinking or "")
        return event

    def _delta(self, event: StreamEvent) -> StreamEvent | None:
        delta = event.delta
        if delta is None or event.index not in self._blocks:
            return self._break("the provider sent more of a content block that is not open")
        text = delta.text or delta.partial_json or delta.thinking
        if text:
            self._said(text)
        elif delta.signature or delta.citation:
            self.content = True
            self.progress += 1
        elif delta.type == "thinking_delta":  # thoughts the caller asked to omit still take their time
            self.progress += 1
        return event

    def _said(self, text: str) -> None:
        self.content = True
        self.progress += 1
        self.text_bytes += len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))

    def _message_delta(self, event: StreamEvent) -> StreamEvent:
        self.usage = from_wire(event.usage, self.usage)
        delta = event.delta
        if delta is not None and delta.stop_reason is not None:
            self.stop_reason = delta.stop_reason
            self.stop_sequence = delta.stop_sequence
            self.finish = finish_of(delta.stop_reason, self.called)
        return event

    def _stop(self, event: StreamEvent) -> StreamEvent | None:
        if self.stop_reason is None:
            return self._break("the provider's stream does not say why it stopped")
        if not (self.content or self._any) and not may_be_empty(self.stop_reason):
            return self._break(EMPTY)
        self.done = True
        return event


_LATER: Final = frozenset(
    {"content_block_start", "content_block_delta", "content_block_stop", "message_delta", "message_stop"}
)


def _instead(body: bytes) -> Failed:
    """What a body that is no stream at all means: an error, a whole answer, or something else."""
    try:
        whole = _whole.decode(body)
    except BAD_JSON:
        return Failed("protocol", not_an_answer(body))
    if whole.error is not None or whole.type == "error":
        return read_error(whole.error or WireError())
    if whole.type == "message":
        return Failed("protocol", "the provider answered whole where a stream was asked for")
    return Failed("protocol", not_an_answer(body))
