"""Watches a relayed stream: whole events go on untouched, and what they say is kept."""

import msgspec

from passerelle.codecs.anthropic.automaton import NAMELESS, Automaton
from passerelle.codecs.ending import Ending
from passerelle.codecs.splice import join, quoted, splice, split
from passerelle.codecs.sse import Frame, SseParser, write_event
from passerelle.core.errors import AnswerError
from passerelle.core.event import Failed


class Watcher(Automaton):
    """See `codecs.base.StreamWatcher`: its figures are the automaton's."""

    __slots__ = ("_ending", "_parser", "named")

    def __init__(self) -> None:
        super().__init__()
        self._parser = SseParser()
        self._ending = Ending()
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
            return b"".join([self._named(self._passed(frame), frame) for frame in frames])
        if len(frames) == 1:  # nearly always
            return self._passed(frames[0])
        return b"".join([self._passed(frame) for frame in frames])

    def _passed(self, frame: Frame) -> bytes:
        """What goes to the caller now that the frame has come."""
        event = self.step(frame)
        if event is None or event is NAMELESS:
            return b""
        if self.finish is None:
            return frame.raw
        return self._ending.take() + frame.raw if self.done else self._ending.hold(frame.raw, self.progress)

    def close(self) -> bytes:
        """The bytes ended: an answer without its end has failed."""
        last = self.end(self._parser)
        return self._ending.take() + last[1].raw if last is not None else b""

    def _named(self, passed: bytes, frame: Frame) -> bytes:
        """What is passed on of the beginning, with the name the caller wants in `message_start`."""
        if not passed or frame.event != b"message_start" or self.model == self.named:
            return passed
        fields = split(frame.data)
        fields["message"] = msgspec.Raw(splice(bytes(fields["message"]), {"model": quoted(self.named)}))
        return write_event(b"message_start", join(fields))
