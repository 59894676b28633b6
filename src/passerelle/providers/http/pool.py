"""The connections of one origin: a bounded number, the warmest first, and a fair queue.

    take      the connection used last (LIFO: the others may go cold and be closed)
    acquire   a new one if there is room, otherwise a place in the queue (FIFO, bounded, with a deadline)
    release   to the first in the queue, otherwise idle

Room is counted in slots. A slot belongs to a connection from before it is opened until its socket is
closed; when it is freed while somebody waits, it is handed to the first of them. So there are never more
sockets than slots, and nobody overtakes the queue.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from passerelle.providers.base import SendError
from passerelle.providers.http.connection import Connection
from passerelle.providers.http.limits import PoolLimits


class PoolStats:
    """Counters since the pool was made."""

    __slots__ = ("closed", "opened", "refused", "retried", "reused", "waited")

    def __init__(self) -> None:
        self.opened = 0
        """Connections made."""
        self.reused = 0
        """Requests that got a connection already open."""
        self.closed = 0
        """Connections closed, by either side."""
        self.waited = 0
        """Requests that had to queue."""
        self.refused = 0
        """Requests refused because the queue was full or its deadline passed."""
        self.retried = 0
        """Requests sent again because a reused connection turned out closed."""


class Pool:
    """See the module. `dial` opens a connection by a loop time, or raises `SendError`."""

    def __init__(
        self, dial: Callable[[float], Awaitable[Connection]], limits: PoolLimits, *, name: str
    ) -> None:
        self.stats = PoolStats()
        self._dial = dial
        self._limits = limits
        self._name = name
        self._slots = 0
        self._idle: dict[Connection, None] = {}  # in the order of release
        self._queue: deque[asyncio.Future[Connection | None]] = deque()
        self._open: set[Connection] = set()
        self._sweeper: asyncio.TimerHandle | None = None
        self._closing = False
        self._emptied: asyncio.Future[None] | None = None

    @property
    def open(self) -> int:
        """Connections open or being opened."""
        return self._slots

    @property
    def idle(self) -> int:
        """Connections waiting for work."""
        return len(self._idle)

    @property
    def waiting(self) -> int:
        """Requests in the queue."""
        return len(self._queue)

    def take(self, now: float) -> Connection | None:
        """The idle connection used last, if there is one that is still good at `now`."""
        while self._idle:
            connection, _ = self._idle.popitem()
            if now < connection.idle_until:
                self.stats.reused += 1
                return connection
            connection.drop()
        return None

    async def acquire(self, until: float, *, again: bool = False) -> Connection:
        """A connection by loop time `until`: new, or handed over by another request that ends.

        `again` is for a request that had one and lost it: it goes to the head of the queue, where the slot
        of the lost one will come. Raises `SendError`: `timeout`, `overloaded` when the
        queue is full, or what dialling raises.
        """
        if self._closing:
            raise SendError("transport", f"the client of `{self._name}` was closed")
        if self._slots < self._limits.max_connections:
            self._slots += 1
        else:
            handed = await self._wait(until, first=again)
            if handed is not None:
                if handed.closed:  # between being handed over and now; its slot went to the next in line
                    return await self.acquire(until, again=True)
                return handed
        return await self._open_one(until)

    def release(self, connection: Connection) -> None:
        """`connection` has carried a whole answer and can carry another."""
        now = asyncio.get_running_loop().time()
        if self._closing or now >= connection.retire_at:
            connection.drop()
            return
        while self._queue:
            waiter = self._queue.popleft()
            if not waiter.done():
                self.stats.reused += 1
                waiter.set_result(connection)
                return
        if len(self._idle) >= self._limits.max_idle:
            connection.drop()
            return
        connection.idle_until = now + min(self._limits.idle_s, connection.keep_alive_s)
        self._idle[connection] = None
        if self._sweeper is None:
            self._sweep_in(self._limits.idle_s)

    def discard(self, connection: Connection) -> None:
        """`connection` is closing: do not hand it out."""
        self._idle.pop(connection, None)

    def lost(self, connection: Connection) -> None:
        """`connection` is closed: its slot is free."""
        if connection in self._open:
            self._open.remove(connection)
            self.stats.closed += 1
            self._free_slot()
            if self._emptied is not None and not self._open and not self._emptied.done():
                self._emptied.set_result(None)

    async def aclose(self) -> None:
        """Close everything at once, and return when it is. Requests under way fail as `transport`."""
        self._closing = True
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None
        while self._queue:
            waiter = self._queue.popleft()
            if not waiter.done():
                waiter.set_exception(SendError("transport", f"the client of `{self._name}` was closed"))
        if self._open:
            if self._emptied is None:
                self._emptied = asyncio.get_running_loop().create_future()
            for connection in list(self._open):
                connection.drop()
            await asyncio.shield(self._emptied)

    async def _open_one(self, until: float) -> Connection:
        """Use the slot already taken."""
        try:
            connection = await self._dial(until)
        except BaseException:
            self._free_slot()
            raise
        if connection.closed or self._closing:
            connection.drop()
            self._free_slot()
            raise SendError("transport", f"`{self._name}` closed the connection as soon as it was open")
        self._open.add(connection)
        self.stats.opened += 1
        connection.retire_at = asyncio.get_running_loop().time() + self._limits.max_age_s
        return connection

    async def _wait(self, until: float, *, first: bool) -> Connection | None:
        """A connection, or None for a slot, in turn."""
        if len(self._queue) >= self._limits.max_waiting:
            self.stats.refused += 1
            raise SendError(
                "overloaded",
                f"all {self._slots} connections to `{self._name}` are busy and {len(self._queue)} requests "
                "wait; raise `max_connections` or send less at once",
            )
        waiter: asyncio.Future[Connection | None] = asyncio.get_running_loop().create_future()
        if first:
            self._queue.appendleft(waiter)
        else:
            self._queue.append(waiter)
        self.stats.waited += 1
        try:
            async with asyncio.timeout_at(until):
                return await waiter
        except BaseException as error:
            if not waiter.done() or waiter.cancelled():
                if waiter in self._queue:
                    self._queue.remove(waiter)
            elif waiter.exception() is None:  # given in the same instant: pass it on
                given = waiter.result()
                if given is None:
                    self._free_slot()
                elif not given.closed:
                    self.release(given)
            if isinstance(error, TimeoutError):
                self.stats.refused += 1
                raise SendError(
                    "timeout",
                    f"no connection to `{self._name}` became free before the connect deadline; raise "
                    "`max_connections` or send less at once",
                ) from None
            raise

    def _free_slot(self) -> None:
        while self._queue:
            waiter = self._queue.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return
        self._slots -= 1

    def _sweep_in(self, delay_s: float) -> None:
        self._sweeper = asyncio.get_running_loop().call_later(delay_s, self._sweep)

    def _sweep(self) -> None:
        """Close what has been idle too long. One timer for all, running only while something is idle."""
        self._sweeper = None
        now = asyncio.get_running_loop().time()
        for connection in list(self._idle):
            if now >= connection.idle_until:
                connection.drop()
        if self._idle:
            self._sweep_in(max(0.05, min(c.idle_until for c in self._idle) - now))
