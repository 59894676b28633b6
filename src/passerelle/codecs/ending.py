"""What says why a relayed answer stopped, held back until the answer has ended.

Several dialects say why first and that it is over after: in between an error may come, or nothing any more,
and a caller that was told why already would then have two endings. Both come together as a rule, so that
nobody waits for it.
"""

_MOST_BYTES = 16 << 10
"""Of an ending there are a few hundred bytes."""


class Ending:
    """One stream's. Once more content comes after a reason to stop, nothing is held back any more."""

    __slots__ = ("_at", "_held")

    def __init__(self) -> None:
        self._held = b""
        self._at: int | None = 0
        """The watcher's progress when the last was held back; None when nothing is any more."""

    def hold(self, frame: bytes, progress: int) -> bytes:
        """What goes on to the caller now that `frame` has come, after the reason and before the end.
        `progress` is the watcher's, with that frame.
        """
        if self._at is None:
            return frame
        more = self._held and progress != self._at
        if more or len(self._held) + len(frame) > _MOST_BYTES:
            self._at = None
            return self.take() + frame
        self._held += frame
        self._at = progress
        return b""

    def take(self) -> bytes:
        """What was held back, once."""
        held, self._held = self._held, b""
        return held
