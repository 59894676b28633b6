"""Looking for work under leases, by and by, for as long as a worker serves."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Collection

from passerelle.store import StoreUnavailable

LOOK_S = 1.0
"""Between two looks for work, cancellations and leases to renew."""


class Lookout:
    """Calls `turn` every `LOOK_S`, and at once when it is woken, until `stop`. Trouble ends no looking."""

    def __init__(self, turn: Callable[[bool], Awaitable[None]], what: str, log: logging.Logger) -> None:
        """`turn` is told whether it was woken. `what` is looked for, as `log` calls it."""
        self._turn = turn
        self._what = what
        self._log = log
        self._look = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._troubled = False
        self._stopping = False

    def start(self) -> None:
        """Begin looking."""
        self._task = asyncio.create_task(self._follow())

    @property
    def started(self) -> bool:
        """Whether it ever looked."""
        return self._task is not None

    def wake(self) -> None:
        """Look now."""
        self._look.set()

    async def stop(self) -> None:
        """Look no more; what the last look takes up is known when this returns."""
        self._stopping = True
        self._look.set()
        if self._task is not None:
            await self._task  # not cancelled: a claim that its thread still makes would be nobody's

    async def _follow(self) -> None:
        while not self._stopping:
            woken = self._look.is_set()
            self._look.clear()
            try:
                await self._turn(woken)
                self._troubled = False
            except StoreUnavailable as error:
                if not self._troubled:
                    self._log.warning("%s wait for the database: %s", self._what, error)
                self._troubled = True
            except Exception:
                # Any, because this is the last frame: nobody awaits the task, an error that left it would be
                # told at the worker's end only, and until then no work of any tenant would be taken up.
                self._log.exception("looking for %s failed unexpectedly", self._what)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._look.wait()


async def ended(tasks: Collection[asyncio.Task[None]], grace_s: float) -> None:
    """Wait until all have ended: by themselves within `grace_s`, or cancelled then."""
    if not tasks:
        return
    _, late = await asyncio.wait(tasks, timeout=grace_s)
    for task in late:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
