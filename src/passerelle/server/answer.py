"""Sending answers: whole bodies, streams, and problems in the caller's dialect."""

import asyncio
from typing import Any

from passerelle.codecs import registry
from passerelle.core.errors import Problem
from passerelle.core.request import Dialect
from passerelle.gateway.trip import Delivery, Presence
from passerelle.server.route import Arrival

STALLED_READER_S = 120.0
"""A caller that takes nothing for this long is given up."""
DRAIN_S = 30.0
DRAIN_BYTES = 4 << 20
"""How long, and how much of, an answer is read whose caller has left, where its provider's entry says so."""
_WATCH_AFTER_S = 0.05
"""Answers quicker than this need no watch on the caller; every other is watched before twice as long."""


async def send_whole(
    arrival: Arrival,
    status: int,
    body: bytes,
    headers: list[tuple[bytes, bytes]],
    content_type: bytes = b"application/json",
    generation: bytes | None = None,
) -> None:
    """One body, with its length. `generation` is what it was decided by, if not the one at arrival."""
    headers += (
        (b"content-type", content_type),
        (b"content-length", b"%d" % len(body)),
        (b"x-request-id", arrival.request_id.encode()),
        (b"x-passerelle-generation", generation or arrival.generation),
    )
    arrival.answered = True
    exchange = arrival.exchange
    if exchange is not None and exchange.answer(status, headers, body):
        return
    await arrival.send({"type": "http.response.start", "status": status, "headers": headers})
    if arrival.scope["method"] == "HEAD":
        body = b""
    await arrival.send({"type": "http.response.body", "body": body})


async def send_problem(
    arrival: Arrival, dialect: Dialect, problem: Problem, receipt_id: str | None = None
) -> None:
    """The dialect's own error, with its own headers, and the receipt of a request that has one."""
    encoded = registry.client(dialect).encode_problem(problem, arrival.request_id)
    headers = [(name.encode(), value.encode()) for name, value in encoded.headers if name != "x-request-id"]
    if receipt_id is not None:
        headers.append((b"x-passerelle-receipt", receipt_id.encode()))
    await send_whole(arrival, encoded.status, encoded.body, headers)


async def send_delivery(arrival: Arrival, delivery: Delivery, presence: Presence | None = None) -> None:
    """What the road gave. A stream is always closed, so that it settles whatever becomes of the caller; with
    `presence`, perhaps not before it is read to its end.
    """
    chunks = delivery.chunks
    if chunks is None:
        await send_whole(
            arrival,
            delivery.status,
            delivery.body,
            delivery.headers,
            delivery.content_type,
            delivery.generation,
        )
        return
    watch: Watch | None = None
    try:
        # The first piece is there already; taking it first means the generator has begun, and its own
        # `finally` runs from here on, even if the caller is gone before the status line.
        first = await anext(chunks)
        watch = Watch(arrival, stalled_after_s=STALLED_READER_S, presence=presence)
        watch.start()
        headers = delivery.headers
        headers.append((b"content-type", delivery.content_type))
        headers.append((b"cache-control", b"no-store"))
        headers.append((b"x-accel-buffering", b"no"))
        headers.append((b"x-request-id", arrival.request_id.encode()))
        headers.append((b"x-passerelle-generation", delivery.generation))
        send = arrival.send
        arrival.answered = True
        await send({"type": "http.response.start", "status": delivery.status, "headers": headers})
        await send({"type": "http.response.body", "body": first, "more_body": True})
        async for chunk in chunks:
            watch.pulse += 1
            watch.sending = True
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
            watch.sending = False
            if arrival.caller_gone:
                watch.unread(len(chunk))
        await send({"type": "http.response.body", "body": b""})
    finally:
        if watch is not None:
            watch.stop()
        await chunks.aclose()


class Watch:
    """Cancels the request's task when its caller goes away, or stops reading."""

    __slots__ = (
        "_arrival",
        "_presence",
        "_stalled_after_s",
        "_task",
        "_unread",
        "_watcher",
        "pulse",
        "sending",
    )

    def __init__(
        self,
        arrival: Arrival,
        *,
        stalled_after_s: float | None = None,
        presence: Presence | None = None,
        task: "asyncio.Task[Any] | None" = None,
    ) -> None:
        """`task` is what it may cancel: the one that answers the request, unless said."""
        self.pulse = 0
        """Grows with every chunk."""
        self.sending = False
        """A chunk waits for the caller to take it."""
        self._arrival = arrival
        self._stalled_after_s = stalled_after_s
        self._presence = presence
        self._unread = 0
        self._task = task or arrival.task or asyncio.current_task()
        self._watcher: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin now."""
        self._watcher = asyncio.create_task(self._watch())

    def stop(self) -> None:
        """End it; the request is over. It is let go of, too: a cancelled task holds its frame, which holds
        this, and such rings pile up by the thousand before Python looks for them.
        """
        watcher, self._watcher = self._watcher, None
        if watcher is not None:
            watcher.cancel()

    def unread(self, size: int) -> None:
        """So many bytes more were read for a caller who has left. Ends the request when it is too much."""
        self._unread += size
        if self._unread > DRAIN_BYTES and self._task is not None:
            self._task.cancel()

    async def _watch(self) -> None:
        seen = -1
        while True:
            try:
                async with asyncio.timeout(self._stalled_after_s):
                    message = await self._arrival.receive()
            except TimeoutError:
                if self.sending and seen == self.pulse:
                    break
                seen = self.pulse
                continue
            if message["type"] == "http.disconnect":
                self._arrival.caller_gone = True
                if self._presence is not None and self._presence.drains and self._task is not None:
                    self._presence.left = self._task.cancel
                    await asyncio.sleep(DRAIN_S)
                break
        self._arrival.caller_gone = True
        if self._task is not None:
            self._task.cancel()


class Watches:
    """Watches that begin in a moment, because most whole answers are over before: one timer for all."""

    def __init__(self) -> None:
        self._young: dict[str, _Watched] = {}
        self._old: dict[str, _Watched] = {}
        """By receipt; those that are over before their turn leave nothing else behind."""
        self._begun: dict[str, Watch] = {}
        self._timer: asyncio.TimerHandle | None = None

    def begin_soon(self, arrival: Arrival, presence: Presence | None) -> None:
        """Have a watch on the caller begin, unless its request is `over` before."""
        exchange = arrival.exchange
        task = asyncio.current_task() if exchange is None else exchange.task
        self._young[arrival.receipt_id] = arrival, presence, task
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_WATCH_AFTER_S, self._look)

    def over(self, arrival: Arrival) -> None:
        """The request is over."""
        name = arrival.receipt_id
        if self._young.pop(name, None) is None and self._old.pop(name, None) is None:
            watch = self._begun.pop(name, None)
            if watch is not None:
                watch.stop()

    def _look(self) -> None:
        for name, (arrival, presence, task) in self._old.items():
            watch = self._begun[name] = Watch(arrival, presence=presence, task=task)
            watch.start()
        self._old, self._young = self._young, {}
        again = bool(self._old)
        self._timer = asyncio.get_running_loop().call_later(_WATCH_AFTER_S, self._look) if again else None


_Watched = tuple[Arrival, Presence | None, "asyncio.Task[Any] | None"]
"""Whose watch is to begin, what it must know of the attempt under way, and what it is to cancel."""
