"""How many lines a worker asks at once: few, and none while people wait.

A line takes a place on the road like any request, so the bound is small beside `server.max_in_flight`; and
while more interactive requests than `yield_above` are under way, no further line begins. What runs is not
interrupted.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

_LOOK_AGAIN_S = 0.05


class Pace:
    """One worker's pace, shared by its batches: whoever has waited longest is next."""

    def __init__(self, *, concurrency: int, yield_above: int, in_flight: Callable[[], int]) -> None:
        """`in_flight()` counts every request of the worker, lines included."""
        self._places = asyncio.Semaphore(concurrency)
        self._yield_above = yield_above
        self._in_flight = in_flight
        self.lines = 0
        """Under way now."""

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Wait for a place and hold it."""
        async with self._places:
            while self._in_flight() - self.lines > self._yield_above:  # noqa: ASYNC110 - no request tells its end
                await asyncio.sleep(_LOOK_AGAIN_S)
            self.lines += 1
            try:
                yield
            finally:
                self.lines -= 1
