"""Wakes the writer thread without a system call per request."""

import threading
from collections.abc import Callable


class Bell:
    """One sleeper, many ringers. A ring reaches the kernel only when the sleeper sleeps."""

    def __init__(self) -> None:
        self._woken = threading.Event()
        self._urgent = threading.Event()
        self._sleeping = False

    def ring(self, urgent: bool = False) -> None:
        """There is work; `urgent` when someone waits for its end."""
        if urgent:
            self._urgent.set()
        if self._sleeping:
            self._woken.set()

    def sleep(self, timeout_s: float, has_work: Callable[[], bool]) -> None:
        """Until rung or timed out; not at all when there is work already."""
        self._sleeping = True  # before the look, so that work after it rings
        if not has_work():
            self._woken.wait(timeout_s)
        self._sleeping = False
        self._woken.clear()

    def gather(self, timeout_s: float) -> None:
        """Let more work come in, unless something urgent waits."""
        self._urgent.wait(timeout_s)
        self._urgent.clear()
