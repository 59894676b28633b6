"""Watches a relayed stream: whole frames go on untouched, and what they say is kept."""

from passerelle.codecs.bedrock.automaton import Automaton
from passerelle.codecs.eventstream import EventStreamParser
from passerelle.core.errors import AnswerError
from passerelle.core.event import Failed


class Watcher(Automaton):
    """See `codecs.base.StreamWatcher`: its figures are the automaton's."""

    __slots__ = ("_parser",)

    def __init__(self) -> None:
        super().__init__()
        self._parser = EventStreamParser()

    def feed(self, data: bytes) -> bytes:
        """The whole frames in `data`, up to one that breaks the stream or past its end."""
        if self.done or self.failed is not None:
            return b""
        try:
            frames = self._parser.feed(data)
        except AnswerError as error:
            self.failed = Failed(error.failure, error.message)
            return b""
        return b"".join([frame.raw for frame in frames if self.step(frame) is not None])

    def close(self) -> bytes:
        """The bytes ended: an answer without its end has failed."""
        self.end(self._parser)
        return b""
