"""Who watches the caller: gone, or reading nothing for too long, ends the request; anything else does not."""

import asyncio
import gc
import socket
import weakref
from collections.abc import AsyncIterator
from typing import Any

import pytest

from passerelle.gateway.trip import Delivery, Presence
from passerelle.server import answer, listen
from passerelle.server.answer import Watch, Watches, send_delivery
from passerelle.server.route import Arrival

SHORT_S = 0.05


class Caller:
    """The other end: takes what it is sent while `reads`, and may go away."""

    def __init__(self) -> None:
        self.reads = asyncio.Event()
        self.reads.set()
        self.gone = asyncio.Event()
        self.took = asyncio.Event()
        """It was given something."""
        self.taken: list[bytes] = []

    async def receive(self) -> dict[str, Any]:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: dict[str, Any]) -> None:
        await self.reads.wait()
        self.taken.append(message.get("body", b""))
        self.took.set()

    def arrival(self) -> Arrival:
        scope = {"method": "POST"}
        return Arrival(scope, self.receive, self.send, "req_1", "rcp_1", b"1-0", {})


class Chunks:
    """A stream that knows how it ended."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            for number in range(self.count):
                await asyncio.sleep(0)
                yield b"%d" % number
        finally:
            self.closed = True


def _delivery(chunks: Chunks) -> Delivery:
    return Delivery(200, [], b"1-0", chunks=chunks.__aiter__())


@pytest.fixture
def caller() -> Caller:
    return Caller()


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answer, "STALLED_READER_S", SHORT_S)


async def test_what_was_delivered_is_kept_by_nothing() -> None:
    caller, gone = Caller(), asyncio.Event()
    weakref.finalize(caller, gone.set)
    gc.disable()  # what only the collector finds piles up until it looks
    try:
        await send_delivery(caller.arrival(), _delivery(Chunks(2)))
        del caller
        async with asyncio.timeout(5):
            await gone.wait()
    finally:
        gc.enable()


async def test_a_reader_that_takes_everything_gets_everything(caller: Caller) -> None:
    chunks = Chunks(100)

    await send_delivery(caller.arrival(), _delivery(chunks))

    assert b"".join(caller.taken) == b"".join(b"%d" % n for n in range(100))
    assert chunks.closed


async def test_a_reader_that_takes_nothing_is_given_up_and_its_stream_closed(caller: Caller) -> None:
    chunks, arrival = Chunks(100), caller.arrival()
    sending = asyncio.create_task(send_delivery(arrival, _delivery(chunks)))
    await caller.took.wait()
    caller.reads.clear()

    with pytest.raises(asyncio.CancelledError):
        async with asyncio.timeout(2):
            await sending
    assert arrival.caller_gone
    assert chunks.closed


async def test_a_reader_that_waits_for_a_slow_provider_is_not_given_up(caller: Caller) -> None:
    async def slow() -> AsyncIterator[bytes]:
        yield b"a"
        await asyncio.sleep(SHORT_S * 4)
        yield b"b"

    await send_delivery(caller.arrival(), Delivery(200, [], b"1-0", chunks=slow()))

    assert b"".join(caller.taken) == b"ab"


async def test_a_caller_that_goes_ends_the_request_at_once(caller: Caller) -> None:
    arrival, begun = caller.arrival(), asyncio.Event()

    async def request() -> None:
        watch = Watch(arrival)
        watch.start()
        try:
            begun.set()
            await asyncio.Event().wait()  # for ever
        finally:
            watch.stop()

    task = asyncio.create_task(request())
    await begun.wait()
    caller.gone.set()

    with pytest.raises(asyncio.CancelledError):
        async with asyncio.timeout(1):
            await task
    assert arrival.caller_gone


async def test_a_watch_that_was_stopped_cancels_nobody(caller: Caller) -> None:
    watch = Watch(caller.arrival())
    watch.start()
    watch.stop()
    caller.gone.set()

    await asyncio.sleep(SHORT_S * 2)


async def test_a_watch_whose_request_is_over_early_never_begins(
    caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answer, "_WATCH_AFTER_S", 0.01)
    watches = Watches()
    over, slow = caller.arrival(), caller.arrival()
    over.receipt_id, slow.receipt_id = "rcp_1", "rcp_2"
    watches.begin_soon(over, None)
    watches.over(over)
    caller.gone.set()

    async def request() -> None:
        watches.begin_soon(slow, None)
        await asyncio.Event().wait()  # for ever

    task = asyncio.create_task(request())
    with pytest.raises(asyncio.CancelledError):
        async with asyncio.timeout(1):
            await task
    watches.over(slow)


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="the kernel has no such option")
async def test_a_peer_that_never_takes_a_finished_answer_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listen, "STALLED_PEER_S", 1)
    lost = asyncio.Event()

    class Sender(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            assert isinstance(transport, asyncio.Transport)
            transport.write(b"a" * (32 << 20))
            transport.close()

        def connection_lost(self, exc: Exception | None) -> None:
            lost.set()

    sock = listen.bind("127.0.0.1", 0)
    server = await asyncio.get_running_loop().create_server(Sender, sock=sock)
    with socket.create_connection(sock.getsockname()):
        async with asyncio.timeout(10):
            await lost.wait()
    server.close()


async def test_what_is_read_for_nobody_has_an_end_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answer, "DRAIN_S", SHORT_S)
    caller, presence, never = Caller(), Presence(drains=True), asyncio.Event()

    async def request() -> None:
        watch = Watch(arrival, presence=presence)
        watch.start()
        try:
            await never.wait()
        finally:
            watch.stop()

    arrival = caller.arrival()
    task = asyncio.create_task(request())
    caller.gone.set()
    await asyncio.wait([task], timeout=10)
    assert task.cancelled()
    assert arrival.caller_gone
    assert presence.left is not None


async def test_what_is_read_for_nobody_has_an_end_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answer, "DRAIN_BYTES", 500)
    caller, chunks = Caller(), Chunks(10_000)
    caller.gone.set()
    task = asyncio.create_task(send_delivery(caller.arrival(), _delivery(chunks), Presence(drains=True)))
    await asyncio.wait([task], timeout=10)
    assert task.cancelled()
    assert chunks.closed
