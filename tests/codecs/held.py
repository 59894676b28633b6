"""A buffer that counts how much of it is gone through: what grows with the square shows without a clock."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import pytest

from passerelle.codecs import sse


class Held(bytearray):
    """What a parser holds of an event, in place of its own `bytearray`."""

    read: ClassVar[int] = 0
    """Bytes copied or searched, of all of them."""

    def _note(self) -> None:
        Held.read += len(self)

    def __bytes__(self) -> bytes:
        self._note()
        return bytes(memoryview(self))

    def __contains__(self, item: Any) -> bool:
        self._note()
        return super().__contains__(item)

    def __add__(self, other: Any) -> bytearray:
        self._note()
        return bytearray(self).__add__(other)

    def __radd__(self, other: Any) -> bytes:
        self._note()
        return bytes(other) + bytes(memoryview(self))

    def __getitem__(self, item: Any) -> Any:
        if isinstance(item, slice):
            self._note()
        return super().__getitem__(item)

    def find(self, *asked: Any) -> int:
        self._note()
        return super().find(*asked)

    def split(self, *asked: Any) -> Any:
        self._note()
        return super().split(*asked)

    def strip(self, *asked: Any) -> bytearray:
        self._note()
        return super().strip(*asked)


@contextmanager
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Held]]:
    """Every SSE parser made within holds its events in `Held`; it begins at nothing."""
    Held.read = 0
    with monkeypatch.context() as patch:
        patch.setattr(sse, "bytearray", Held, raising=False)
        yield Held
