"""What real sockets do too seldom to be tested with them."""

import asyncio
import gc
import weakref
from typing import Any, cast

from tests.faultd import Upstream, answer
from tests.providers.http.asking import MakeClient, fetch

from passerelle.providers.http import outbox
from passerelle.providers.http.connection import Connection
from passerelle.providers.http.response import HttpReply


class Wire:
    """A transport that says how much of what was written has not left yet."""

    def __init__(self) -> None:
        self.unsent = 0
        self.written = b""
        self.aborted = False

    def write(self, data: bytes) -> None:
        self.written += data

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def is_closing(self) -> bool:
        return self.aborted

    def abort(self) -> None:
        self.aborted = True


class Keeper:
    """An owner that notes what comes back to it."""

    def __init__(self) -> None:
        self.released: list[Connection] = []

    def release(self, connection: Connection) -> None:
        self.released.append(connection)

    def discard(self, connection: Connection) -> None: ...

    def lost(self, connection: Connection) -> None: ...


async def exchange(unsent: int, *, posted: bool = False) -> tuple[Wire, Keeper, HttpReply]:
    loop, wire, keeper = asyncio.get_running_loop(), Wire(), Keeper()
    connection = Connection(keeper, loop, name="http://a.test", header_bytes=4096)
    connection.connection_made(cast("Any", wire))
    reply = HttpReply(connection, loop, cap=4096, deadline=loop.time() + 5, total_at=loop.time() + 5)
    outbox.of(loop).under_way = range(100) if posted else ()
    connection.start(reply, b"GET / HTTP/1.1\r\n\r\n")
    wire.unsent = unsent
    came = answer(b"x", status=408)
    connection.get_buffer(-1)[: len(came)] = came
    connection.buffer_updated(len(came))
    connection.connection_lost(None)
    return wire, keeper, reply


async def test_an_answer_to_a_request_still_in_our_buffer_ends_the_connection() -> None:
    """A server that says `408` to an idle connection as we write to it answers nobody's question."""
    wire, keeper, reply = await exchange(unsent=10)
    assert (wire.aborted, keeper.released, reply.status) == (True, [], 408)
    wire, keeper, reply = await exchange(unsent=0)
    assert (wire.aborted, len(keeper.released), reply.status) == (False, 1, 408)


async def test_bytes_before_the_request_has_left_answer_nothing_and_it_may_be_sent_elsewhere() -> None:
    wire, keeper, reply = await exchange(unsent=0, posted=True)
    assert (wire.aborted, keeper.released, reply.headed, reply.unanswered) == (True, [], False, True)
    await asyncio.sleep(0)
    assert wire.written == b"", "a closed connection sends nothing of what waited"


async def test_a_closed_connection_is_kept_by_nothing(upstream: Upstream, connect: MakeClient) -> None:
    client = connect(upstream)
    await fetch(client)
    (connection,) = client.pool._idle
    gone = asyncio.Event()
    weakref.finalize(connection, gone.set)
    del connection
    gc.disable()  # what only the collector finds piles up until it looks
    try:
        await client.aclose()
        async with asyncio.timeout(5):
            await gone.wait()
    finally:
        gc.enable()
