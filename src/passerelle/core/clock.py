"""Time and fresh identifiers: the only module of `core` that touches the world.

Pure code takes `now` as a value; the outer floors take a `Clock` and pass its readings down.
"""

import os
import threading
import time
from typing import Protocol

from passerelle.core.ids import ulid


class Clock(Protocol):
    """A source of wall-clock and monotonic time."""

    def unix_ns(self) -> int:
        """Wall-clock time, nanoseconds since the Unix epoch (UTC)."""
        ...

    def monotonic_s(self) -> float:
        """Monotonic time in seconds; only differences mean anything."""
        ...


class SystemClock:
    """The machine's own clocks."""

    unix_ns = staticmethod(time.time_ns)
    monotonic_s = staticmethod(time.monotonic)


class _Entropy:
    """Random bytes fetched a page at a time.

    `os.urandom` lets other threads run; on a busy worker each call then costs far more than its syscall,
    because the writer thread takes its turn. Four identifiers a request made that a third of the hop.
    """

    def __init__(self) -> None:
        self._page = b""
        self._at = 0
        self._pid = 0

    def take(self, count: int) -> bytes:
        """`count` bytes never given before, in this process or a fork of it."""
        start = self._at
        self._at = end = start + count
        if end > len(self._page) or self._pid != os.getpid():
            self._page, self._pid = os.urandom(_PAGE), os.getpid()
            start, self._at = 0, count
        return self._page[start : self._at]


_PAGE = 4096
_local = threading.local()


def mint(prefix: str) -> str:
    """A fresh identifier such as `req_01K…`, ordered by creation time to the millisecond."""
    try:
        entropy: _Entropy = _local.entropy
    except AttributeError:
        entropy = _local.entropy = _Entropy()
    return ulid(prefix, at_ms=time.time_ns() // 1_000_000, entropy=entropy.take(10))
