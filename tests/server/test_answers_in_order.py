"""Answers that leave together still come in the order of their requests, and before a connection ends."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from passerelle.providers.http import outbox
from passerelle.server.exchange import SCOPE_KEY
from passerelle.server.protocol import BoundedProtocol


async def _echo(scope: Any, receive: Any, send: Any) -> None:
    """Answers with the path, in one piece, as if many requests were under way."""
    outbox.of(asyncio.get_running_loop()).under_way = range(100)
    exchange, body = scope.pop(SCOPE_KEY), scope["path"].encode()
    assert exchange.answer(200, [(b"content-length", b"%d" % len(body))], body)
    assert outbox.of(asyncio.get_running_loop()).waiting or not exchange.keep_alive
    if body == b"/then-nonsense":  # comes before what waits has left
        exchange.on_response.__self__.data_received(b"\0\0\r\n\r\n")


@pytest.fixture
async def port() -> AsyncIterator[int]:
    config = uvicorn.Config(_echo, http=BoundedProtocol, lifespan="off", ws="none", log_config=None)
    config.load()
    server = await asyncio.get_running_loop().create_server(
        lambda: BoundedProtocol(config, ServerState(), {}), "127.0.0.1", 0
    )
    yield server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()


async def _told(port: int, *pieces: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for piece in pieces:
        writer.write(piece)
        await asyncio.sleep(0)
    said = await asyncio.wait_for(reader.read(), 5)
    writer.close()
    return said


def _get(path: bytes, *lines: bytes) -> bytes:
    return b"GET %b HTTP/1.1\r\n%b\r\n" % (path, b"".join([line + b"\r\n" for line in (b"host: a", *lines)]))


async def test_pipelined_requests_are_answered_in_their_order_and_the_last_before_the_end(port: int) -> None:
    said = await _told(port, _get(b"/1") + _get(b"/2"), _get(b"/3"), _get(b"/4", b"connection: close"))
    places = [said.index(b"/%d" % number) for number in range(1, 5)]
    assert places == sorted(places)
    assert said.count(b" 200 OK") == 4


async def test_what_cannot_be_read_is_refused_after_the_answer_that_waits(port: int) -> None:
    said = await _told(port, _get(b"/then-nonsense"))
    assert said.index(b" 200 OK") < said.index(b" 400 ")
