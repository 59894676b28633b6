"""How a request may arrive: bounds in bytes and in time, on real sockets, with the clocks made short."""

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from passerelle.core.errors import ProblemError
from passerelle.server import protocol
from passerelle.server.body import CallerGone, read_body
from passerelle.server.protocol import HEAD_BYTES, BoundedProtocol
from passerelle.server.route import WANTED, Arrival

LIMIT = 1 << 20
HEAD = b"POST /x HTTP/1.1\r\nhost: gate\r\n"


def _arrival(scope: Any, receive: Any, send: Any) -> Arrival:
    headers = {name: value for name, value in scope["headers"] if name in WANTED}
    return Arrival(scope, receive, send, "req_1", "rcp_1", b"1-0", headers)


class Echo:
    """Answers with the size of the body, as `read_body` gives it."""

    def __init__(self) -> None:
        self.began = 0
        self.gone = asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.began += 1
        try:
            body = await read_body(_arrival(scope, receive, send), LIMIT)
            status, said = 200, b"%d" % len(body)
        except ProblemError as error:
            status, said = error.problem.http_status, error.problem.message.encode()
        except CallerGone:
            self.gone.set()
            return
        length = [(b"content-length", b"%d" % len(said))]
        await send({"type": "http.response.start", "status": status, "headers": length})
        await send({"type": "http.response.body", "body": said})


class Peer:
    """A socket to the server under test."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def say(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def status(self) -> int:
        return int((await self.reader.readuntil(b"\r\n\r\n")).split(b" ")[1])

    async def rest(self) -> bytes:
        """Everything up to the end of the connection."""
        return await self.reader.read()


@pytest.fixture
def echo() -> Echo:
    return Echo()


@pytest.fixture
async def server(echo: Echo, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[int]:
    monkeypatch.setattr(protocol, "HEAD_S", 0.25)
    monkeypatch.setattr(protocol, "BODY_S", 0.25)
    config = uvicorn.Config(echo, http=BoundedProtocol, lifespan="off", ws="none", log_config=None)
    config.load()
    state = ServerState()
    listening = await asyncio.get_running_loop().create_server(
        lambda: BoundedProtocol(config, state, {}), "127.0.0.1", 0
    )
    yield listening.sockets[0].getsockname()[1]
    listening.close()
    for connection in list(state.connections):
        connection.transport.abort()
    await asyncio.gather(*state.tasks, return_exceptions=True)
    await asyncio.sleep(0)


@pytest.fixture
async def peer(server: int) -> AsyncIterator[Peer]:
    reader, writer = await asyncio.open_connection("127.0.0.1", server, limit=1 << 20)
    yield Peer(reader, writer)
    writer.close()


def header(size: int) -> bytes:
    """Header lines of `size` bytes together."""
    line = b"x-filling: " + b"a" * 1_000 + b"\r\n"
    return line * (size // len(line) + 1)


@pytest.mark.parametrize("ends", ["idle", "leaving"])
async def test_a_request_that_came_in_time_is_answered_by_a_loop_that_is_late(
    server: int, echo: Echo, ends: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A busy loop looks at its timers before its sockets: there is a request on the connection to close."""
    made, was = [], BoundedProtocol.connection_made

    def noted(connection: BoundedProtocol, transport: asyncio.BaseTransport) -> None:
        made.append(connection)
        was(connection, transport)

    monkeypatch.setattr(BoundedProtocol, "connection_made", noted)
    ask = HEAD + b"content-length: 2\r\n\r\nhi"
    with socket.create_connection(("127.0.0.1", server)) as peer:
        peer.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(peer, ask)
        assert (await loop.sock_recv(peer, 1000)).startswith(b"HTTP/1.1 200 ")
        (connection,) = made
        peer.send(ask)
        connection._idle_from = 0.0
        if ends == "idle":
            connection.timeout_keep_alive_handler()
        else:
            connection._leave()
        assert (await loop.sock_recv(peer, 1000)).startswith(b"HTTP/1.1 200 ")
    assert echo.began == 2


@pytest.mark.parametrize("pieces", [1, 7, 300])
async def test_a_head_above_64_kb_is_refused_with_431_however_it_comes(
    peer: Peer, echo: Echo, pieces: int
) -> None:
    data = HEAD + header(HEAD_BYTES) + b"content-length: 0\r\n\r\n"
    step = len(data) // pieces + 1
    for start in range(0, len(data), step):
        await peer.say(data[start : start + step])
        await asyncio.sleep(0)

    assert await peer.status() == 431
    assert b"64 KB" in await peer.rest()
    assert echo.began == 0


async def test_a_peer_that_goes_on_sending_still_reads_why_it_was_refused(peer: Peer, echo: Echo) -> None:
    await peer.say(HEAD)
    for _ in range(40):
        await peer.say(header(HEAD_BYTES))

    assert await peer.status() == 431
    assert echo.began == 0


async def test_a_head_of_60_kb_is_served(peer: Peer) -> None:
    await peer.say(HEAD + header(60_000) + b"content-length: 2\r\n\r\nhi")

    assert await peer.status() == 200


async def test_a_long_url_counts_as_head(peer: Peer, echo: Echo) -> None:
    await peer.say(b"GET /" + b"a" * (HEAD_BYTES + 1) + b" HTTP/1.1\r\nhost: gate\r\n\r\n")

    assert await peer.status() == 431
    assert echo.began == 0


async def test_a_silent_connection_is_closed(peer: Peer) -> None:
    async with asyncio.timeout(2):
        assert await peer.rest() == b""


async def test_a_head_that_drips_is_cut_off_in_time(peer: Peer, echo: Echo) -> None:
    async def drip() -> None:
        for byte in HEAD * 100:
            await peer.say(bytes([byte]))
            await asyncio.sleep(0.01)

    async with asyncio.timeout(2):
        with pytest.raises(ConnectionError):
            await drip()
    assert echo.began == 0


async def test_the_second_head_of_a_connection_is_bounded_too(peer: Peer, echo: Echo) -> None:
    await peer.say(HEAD + b"content-length: 2\r\n\r\nhi")
    assert await peer.status() == 200
    assert await peer.reader.readexactly(1) == b"2"
    await peer.say(HEAD)

    async with asyncio.timeout(2):
        assert await peer.rest() == b""
    assert echo.began == 1


async def test_an_announced_body_that_never_comes_is_answered_with_408(peer: Peer) -> None:
    await peer.say(HEAD + b"content-length: 10\r\n\r\n")

    async with asyncio.timeout(2):
        assert await peer.status() == 408
        assert b"did not arrive within" in await peer.rest()


async def test_a_body_that_drips_is_answered_with_408(peer: Peer) -> None:
    await peer.say(HEAD + b"content-length: 100000\r\n\r\n")

    async def drip() -> None:
        while True:
            await peer.say(b"a")
            await asyncio.sleep(0.01)

    dripping = asyncio.create_task(drip())
    async with asyncio.timeout(2):
        assert await peer.status() == 408
    dripping.cancel()
    await asyncio.gather(dripping, return_exceptions=True)


async def test_a_body_in_time_is_whole_and_the_connection_serves_again(peer: Peer) -> None:
    for _ in range(2):
        await peer.say(HEAD + b"content-length: 300000\r\n\r\n")
        for _ in range(3):
            await asyncio.sleep(0.02)
            await peer.say(b"a" * 100_000)
        assert await peer.status() == 200
        assert await peer.reader.readexactly(6) == b"300000"


async def test_a_body_larger_than_announced_limits_is_413_without_being_kept(peer: Peer) -> None:
    await peer.say(HEAD + b"content-length: %d\r\n\r\n" % (LIMIT + 1))

    assert await peer.status() == 413


async def test_a_chunked_body_that_grows_too_large_is_413(peer: Peer) -> None:
    await peer.say(HEAD + b"transfer-encoding: chunked\r\n\r\n")
    for _ in range(5):
        await peer.say(b"40000\r\n" + b"a" * 0x40000 + b"\r\n")

    assert await peer.status() == 413


async def test_a_caller_that_leaves_before_its_body_is_whole_costs_nothing(peer: Peer, echo: Echo) -> None:
    await peer.say(HEAD + b"content-length: 10\r\n\r\nabc")
    peer.writer.close()

    async with asyncio.timeout(2):
        await echo.gone.wait()


@pytest.mark.parametrize(
    "lines",
    [
        b"content-length: 3\r\ntransfer-encoding: chunked\r\n",
        b"content-length: 3\r\ncontent-length: 4\r\n",
        b"content-length: +3\r\n",
        b"content-length: -1\r\n",
        b"transfer-encoding: chunked, identity\r\n",
        b"x-a: 1\n\r\nb: 2\r\n",
        b"x a: 1\r\n",
        b": 1\r\n",
        b"x-a: \x00\r\n",
    ],
)
async def test_an_ambiguous_head_is_never_served(peer: Peer, echo: Echo, lines: bytes) -> None:
    await peer.say(HEAD + lines + b"\r\nabc")

    said = await peer.rest()
    assert said.startswith((b"HTTP/1.1 400", b"HTTP/1.1 408")) or not said
    assert said.count(b"HTTP/1.1") <= 1
