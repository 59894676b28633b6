"""Keeping up with what other processes changed: a thread that looks four times a second, and when asked.

It is asked when a caller shows a key nobody here has heard of: made a moment ago by a command or another
worker, it must be good at once, and "not known yet" must not be told as "not one of ours".
"""

import logging
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future

from passerelle.store.errors import StoreUnavailable

log = logging.getLogger(__name__)

POLL_S = 0.25
_GAP_S = 0.01
"""Between two readings at least: however many strangers come, the database is read 100 times a second."""


class Poller:
    """Calls `look()` every `POLL_S` on a thread of its own, and earlier when asked."""

    def __init__(self, look: Callable[[], object]) -> None:
        self.error: str | None = None
        """Why the last look failed; None when it did not."""
        self._look = look
        self._asks: deque[Future[None]] = deque()
        self._asked = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="passerelle-identity", daemon=True)

    def start(self) -> None:
        """Begin. The first look is `POLL_S` away."""
        self._thread.start()

    def ask(self) -> Future[None]:
        """Done when a look that began after this call has ended; fails with `StoreUnavailable` if it did."""
        ask: Future[None] = Future()
        self._asks.append(ask)
        self._asked.set()
        if self._stopping.is_set():
            self._answer(StoreUnavailable("this worker is stopping"))
        return ask

    def stop(self, deadline_s: float) -> None:
        """End the thread; who still waits is told so. Stopping again does nothing."""
        self._stopping.set()
        self._asked.set()
        self._thread.join(deadline_s)
        self._answer(StoreUnavailable("this worker is stopping"))

    def _run(self) -> None:
        while True:
            asked = self._asked.wait(POLL_S)
            if self._stopping.is_set():
                return
            self._asked.clear()  # before the look: who asks from now on waits for the next
            waiting = len(self._asks)
            try:
                self._look()
            except Exception as error:
                # A thread of its own, so that no stalled commit delays a revocation; it must not end.
                if self.error is None:
                    log.error("keys and budgets cannot be refreshed: %s", error)
                self.error = str(error)
                self._answer(StoreUnavailable(self.error), waiting)
            else:
                self.error = None
                self._answer(None, waiting)
            if asked:
                self._stopping.wait(_GAP_S)

    def _answer(self, error: StoreUnavailable | None, count: int | None = None) -> None:
        """Tell the first `count` who asked, or everyone."""
        for _ in range(len(self._asks) if count is None else count):
            try:
                ask = self._asks.popleft()
            except IndexError:  # another thread tells the rest
                return
            if not ask.set_running_or_notify_cancel():  # gave up waiting
                continue
            if error is None:
                ask.set_result(None)
            else:
                ask.set_exception(error)
