"""Watches a relayed stream: whole events go on untouched, and what they say is kept."""

import msgspec

from passerelle.codecs.anthropic.automaton import NAMELESS, Automaton
from passerelle.codecs.splice import join, quoted, splice, split
from passerelle.codecs.sse import Frame, SseParser, write_event
from passerelle.core.errors import AnswerError
from passerelle.core.event import Failed


class Watcher(Automaton):
    """See `codecs.base.StreamWatcher`: its figures are the automaton's."""

    __slots__ = ("_parser", "named")

    def __init__(self) -> None:
        super().__init__()
        self._parser = SseParser()
        self.named = ""
        """See `codecs.base.NamingWatcher`."""

    def feed(self, data: bytes) -> bytes:
        """The whole events in `data`, up to one that breaks the stream or past its end."""
        if self.done or self.failed is not None:
            return b""
        try:
            frames = self._parser.feed(data)
        except AnswerError as error:
            self.failed = Failed(error.failure, error.message)
            return b""
        if self.named and not self.started:
            return b"".join([self._named(frame) for frame in frames if self._goes_on(frame)])
        if len(frames) == 1:  # nearly always
            frame = frames[0]
            return frame.raw if self._goes_on(frame) else b""
        return b"".join([frame.raw for frame in frames if self._goes_on(frame)])

    def _goes_on(self, frame: Frame) -> bool:
        """Whether the frame is passed on to the caller."""
        event = self.step(frame)
        return event is not None and event is not NAMELESS

    def close(self) -> bytes:
        """The bytes ended: an answer without its end has failed."""
        last = self.end(self._parser)
        return last[1].raw if last is not None else b""

    def _named(self, frame: Frame) -> bytes:
        """A frame of the beginning, with the name the caller wants in `message_start`."""
        if frame.event != b"message_start" or self.model == self.named:
            return frame.raw
        fields = split(frame.data)
        fields["message"] = msgspec.Raw(splice(bytes(fields["message"]), {"model": quoted(self.named)}))
        return write_event(b"message_start", join(fields))
