"""Answers held back until they are whole: in memory, packed, and bounded for one answer and for a worker.

A stream is very repetitive (the same frame around every word), so it is packed as it comes: a long answer of
tens of megabytes of frames is held in about one. Both sizes are bounded: what is held, because memory is, and
what came, so that a provider that repeats itself for ever is not listened to.
"""

import zlib
from collections.abc import AsyncGenerator
from typing import Final

_BLOCK: Final = 64 << 10
"""Bytes that are packed together; also how much is sent on at once."""
_PLAIN: Final = 256 << 10
"""Most answers are shorter, and never packed."""
MOST_CAME: Final = 32
"""A whole answer may be so many times what may be held of it."""


class HeldTooMuchError(Exception):
    """An answer, or all answers of this worker, would be more than may be held."""

    def __init__(self, message: str, *, here: bool = False, endless: bool = False) -> None:
        super().__init__(message)
        self.here = here
        """This worker holds too much, whatever the answer."""
        self.endless = endless
        """So much came that no model says it: the same again and again."""


class Room:
    """How much this worker holds back, all answers together. One per worker."""

    def __init__(self) -> None:
        self.taken = 0
        """In bytes."""


class Held:
    """One answer as it is held back. Gives its room back when it is sent on, or dropped."""

    def __init__(self, room: Room, *, most: int, most_of_all: int) -> None:
        """`most` bytes of this answer, and `most_of_all` of all that share `room`."""
        self._room = room
        self._most = most
        self._most_of_all = most_of_all
        self._most_plain = min(_PLAIN, most // 4)
        self._packed: list[bytes] = []
        self._plain: list[bytes] = []
        self._plain_size = 0
        self._size = 0
        """Bytes in memory, as they are."""
        self.came = 0
        """Bytes of the answer."""

    def add(self, data: bytes) -> None:
        """Hold `data` too. Raises `HeldTooMuchError`."""
        if not data:
            return
        self.came += len(data)
        self._plain.append(data)
        self._plain_size += len(data)
        self._grow(len(data))
        if self._plain_size >= (_BLOCK if self._packed else self._most_plain):
            self._pack()
        if self._size > self._most:
            raise HeldTooMuchError(
                f"the answer is larger than may be held back until it is whole ({self._most} bytes)"
            )
        if self.came > self._most * MOST_CAME:
            raise HeldTooMuchError(f"the stream went on after {self.came} bytes", endless=True)
        if self._room.taken > self._most_of_all:
            raise HeldTooMuchError("this worker holds back as many answers as it may", here=True)

    def clear(self) -> None:
        """Forget it: another attempt begins, or all was sent."""
        self._grow(-self._size)
        self._packed, self._plain, self._plain_size, self.came = [], [], 0, 0

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """The answer, a piece at a time; each is forgotten when it was taken."""
        try:
            packed, self._packed = self._packed, []
            packed.reverse()
            while packed:
                block = packed.pop()
                self._grow(-len(block))
                yield zlib.decompress(block)
            plain, self._plain = self._plain, []
            if plain:
                yield b"".join(plain)
        finally:
            self.clear()

    def whole(self) -> bytes:
        """The answer in one piece; it stays held."""
        return b"".join([*(zlib.decompress(block) for block in self._packed), *self._plain])

    def _pack(self) -> None:
        data = b"".join(self._plain)
        self._plain, self._plain_size = [], 0
        self._grow(-len(data))
        for start in range(0, len(data), _BLOCK):
            block = zlib.compress(data[start : start + _BLOCK], 1)
            self._packed.append(block)
            self._grow(len(block))

    def _grow(self, size: int) -> None:
        self._size += size
        self._room.taken += size

    def __del__(self) -> None:
        self._room.taken -= self._size
