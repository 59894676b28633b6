"""Time and fresh identifiers: the only module of `core` that touches the world.

Pure code takes `now` as a value; the outer floors take a `Clock` and pass its readings down.
"""

import os
import threading
import time
from typing import Protocol

from passerelle.core.ids import RANDOM_BYTES, random_letters, time_letters


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


class _Minter(threading.local):
    """A thread's random letters, fetched a page at a time, and those of the present millisecond.

    `os.urandom` lets other threads run; on a busy worker each call then costs far more than its syscall,
    because the writer thread takes its turn.
    """

    page = ""
    at = 0
    ms = -1
    time = ""

    def letters(self) -> str:
        """A fresh page. What a forked child would have in common with its parent is dropped there."""
        self.page = random_letters(os.urandom(_PAGE))
        self.at = 0
        return self.page

    def forget(self) -> None:
        """Use nothing of the page any more."""
        self.page = ""


_PAGE = 256 * RANDOM_BYTES
_minter = _Minter()
os.register_at_fork(after_in_child=_minter.forget)  # a child has only the thread that forked


def mint(prefix: str) -> str:
    """A fresh identifier such as `req_01K…`, ordered by creation time to the millisecond."""
    minter = _minter
    ms = time.time_ns() // 1_000_000
    if ms != minter.ms:
        minter.ms, minter.time = ms, time_letters(ms)
    page, at = minter.page, minter.at
    if at >= len(page):
        page, at = minter.letters(), 0
    minter.at = end = at + RANDOM_BYTES
    return f"{prefix}_{minter.time}{page[at:end]}"
