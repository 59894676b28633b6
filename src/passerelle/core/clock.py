"""Time and fresh identifiers: the only module of `core` that touches the world.

Pure code takes `now` as a value; the outer floors take a `Clock` and pass its readings down.
"""

import os
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


def mint(prefix: str) -> str:
    """A fresh identifier such as `req_01K…`, ordered by creation time to the millisecond."""
    return ulid(prefix, at_ms=time.time_ns() // 1_000_000, entropy=os.urandom(10))
