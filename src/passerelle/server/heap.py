"""Memory as the C library holds it."""

import contextlib
import ctypes
import sys

_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8  # mallopt(3), read 2026-11-22


def share_one_heap() -> None:
    """Have glibc give every thread the same heap. One each, as it does, keeps what it once held for itself:
    2 MiB under load, and nothing is won, because the interpreter's lock lets one thread run at a time. And
    have it go on giving large blocks back at once: otherwise it keeps larger ones with each that it sees.
    """
    if sys.platform.startswith("linux"):
        with contextlib.suppress(AttributeError):  # musl has one heap, and no such call
            set_option = ctypes.CDLL(None).mallopt
            set_option(_M_ARENA_MAX, 1)
            set_option(_M_MMAP_THRESHOLD, 128 << 10)
