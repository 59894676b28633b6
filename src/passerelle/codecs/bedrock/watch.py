"""Watches a relayed stream: whole frames go on untouched, and what they say is kept."""

from passerelle.codecs.bedrock.automaton import Automaton
from passerelle.codecs.ending import Ending
from passerelle.codecs.eventstream import EventStreamParser, Frame
from passerelle.core.event import Failed


class Watcher(Automaton):
    """See `codecs.base.StreamWatcher`: its figures are the automaton's."""

    __slots__ = ("_ending", "_parser")

    def __init__(self) -> None:
        super().__init__()
        self._parser = EventStreamParser()
        self._ending = Ending()

    def feed(self, data: bytes) -> bytes:
        """The whole frames in `data`, up to one that breaks the stream or past its end."""
        if self.done or self.failed is not None:
            return b""
        frames = self._parser.feed(data)
        passed = b"".join([self._passed(frame) for frame in frames])
        broken = self._parser.broken
        if broken is not None and not self.done and self.failed is None:
            self.failed = Failed(broken.failure, broken.message)
        return passed

    def close(self) -> bytes:
        """The bytes ended: an answer without its end has failed."""
        self.end(self._parser)
        return self._ending.take() if self.done else b""

    def _passed(self, frame: Frame) -> bytes:
        """What goes to the caller now that the frame has come."""
        if self.step(frame) is None:
            return b""
        if self.stop_reason is None:
            return frame.raw
        return self._ending.take() + frame.raw if self.done else self._ending.hold(frame.raw, self.progress)
