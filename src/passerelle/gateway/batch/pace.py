"""How many lines a worker asks at once: few, and none while people wait.

A line takes a place on the road like any request, so the bound is small beside `server.max_in_flight`; and
while more interactive requests than `yield_above` are under way, no further line begins. What runs is not
interrupted.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Protocol


class Traffic(Protocol):
    """What a pace needs of the road."""

    @property
    def in_flight(self) -> int:
        """Every request of the worker, lines included."""
        ...

    def on_leaving(self, told: Callable[[], None]) -> None:
        """Have `told()` called when the next request is over, once."""
        ...


class Pace:
    """One worker's pace, shared by its batches: whoever has waited longest is next."""

    def __init__(self, *, concurrency: int, yield_above: int, road: Traffic) -> None:
        self._places = asyncio.Semaphore(concurrency)
        self._yield_above = yield_above
        self._road = road
        self._left: asyncio.Event | None = None
        """Set when a request leaves the road; None while no line waits for that."""
        self.lines = 0
        """Under way now."""

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Wait for a place and hold it."""
        async with self._places:
            while self._road.in_flight - self.lines > self._yield_above:
                await self._next_leaving()
            self.lines += 1
            try:
                yield
            finally:
                self.lines -= 1

    async def _next_leaving(self) -> None:
        left = self._left
        if left is None:
            left = self._left = asyncio.Event()
            self._road.on_leaving(self._tell)
        await left.wait()

    def _tell(self) -> None:
        if self._left is not None:
            self._left.set()
            self._left = None
