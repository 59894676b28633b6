"""A head met again is served as the parser would have it, and never for anything but the same bytes."""

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Any, cast

import pytest
import uvicorn
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from uvicorn.server import ServerState

from passerelle.core.errors import Problem
from passerelle.server.door import Door, Refusal, Words
from passerelle.server.exchange import SCOPE_KEY
from passerelle.server.head import Head, learn
from passerelle.server.protocol import BoundedProtocol

HEAD = b"POST /v1/x?a=1 HTTP/1.1\r\nhost: gate\r\nContent-Length: %d\r\nx-one: 1\r\n\r\n"
HEADERS = [(b"host", b"gate"), (b"content-length", b"2"), (b"x-one", b"1")]


def scope_of(headers: list[tuple[bytes, bytes]]) -> dict[str, Any]:
    return {
        "type": "http", "asgi": {}, "http_version": "1.1", "scheme": "http", "method": "POST",
        "root_path": "", "path": "/v1/x", "raw_path": b"/v1/x", "query_string": b"a=1",
        "headers": headers, "server": None, "client": None, "state": {},
    }  # fmt: skip


def learned() -> Head:
    head = learn(HEAD % 2 + b"{}", scope_of(HEADERS), 2)
    assert head is not None
    return head


def test_another_length_is_the_same_head() -> None:
    head = learned()
    assert head.body_of(HEAD % 11 + b"hello world") == b"hello world"
    scope = head.scope(11)
    assert scope["headers"] == [(b"host", b"gate"), (b"content-length", b"11"), (b"x-one", b"1")]
    assert (scope["path"], scope["query_string"]) == ("/v1/x", b"a=1")
    assert HEADERS[1] == (b"content-length", b"2"), "what was learned is not changed"


@pytest.mark.parametrize(
    "data",
    [
        HEAD % 3 + b"{}",
        HEAD % 1 + b"{}",
        HEAD % 2,
        HEAD.replace(b"%d", b"+2") + b"{}",
        HEAD.replace(b"%d", b"2 ") + b"{}",
        HEAD.replace(b"%d", b"2, 2") + b"{}",
        HEAD.replace(b"%d", b"0x2") + b"{}",
        HEAD.replace(b"%d", b"") + b"{}",
        HEAD.replace(b"%d", b"2\r\ncontent-length: 3") + b"{}",
        HEAD.replace(b"%d", b"2\r\ntransfer-encoding: chunked") + b"{}",
        HEAD.replace(b"x-one: 1", b"x-one: 2") % 2 + b"{}",
        b" " + HEAD % 2 + b"{}",
    ],
)
def test_anything_else_is_another_head(data: bytes) -> None:
    assert learned().body_of(data) is None


@pytest.mark.parametrize(
    ("data", "headers"),
    [
        (b"POST / HTTP/1.1\r\n\r\n{}", []),
        (b"POST / HTTP/1.1\r\ncontent-length: 02\r\n\r\n{}", [(b"content-length", b"02")]),
        (b"\r\nPOST / HTTP/1.1\r\ncontent-length: 2\r\n\r\n{}", [(b"content-length", b"2")]),
        (
            b"GET / HTTP/1.1\r\n\r\nPOST / HTTP/1.1\r\ncontent-length: 2\r\n\r\n{}",
            [(b"content-length", b"2")],
        ),
        (b"POST / HTTP/1.1\r\nx: a\r\ncontent-length:b\r\n\r\n{}", [(b"content-length", b"2")]),
    ],
)
def test_what_is_not_plain_is_not_learned(data: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    assert learn(data, scope_of(headers), 2) is None


@given(st.binary(max_size=40), st.integers(0, 120))
def test_bytes_put_in_anywhere_are_never_taken_for_the_head(extra: bytes, at: int) -> None:
    data = HEAD % 2 + b"{}"
    changed = data[:at] + extra + data[at:]
    body = learned().body_of(changed)
    assert (body is None) or changed == HEAD % len(body) + body or changed.partition(b"\r\n\r\n")[2] == body


class Keeper:
    """Answers 204 and keeps what it was asked."""

    def __init__(self) -> None:
        self.seen: list[tuple[dict[str, Any], bytes]] = []
        self.knew: list[bool] = []
        self.reads = True
        """Whether it looks at bodies: whoever is refused for his key has his left unread."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        exchange = scope.pop(SCOPE_KEY)
        self.knew.append(exchange.head is not None)
        body = b""
        more = self.reads
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        said = {name: value for name, value in scope.items() if name not in ("client", "server")}
        self.seen.append((said, body))
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})


@pytest.fixture
def keeper() -> Keeper:
    return Keeper()


class Doorkeeper:
    """Turns away whom it is told to, by their `x-one`."""

    def __init__(self) -> None:
        self.unwanted: set[bytes] = set()
        self.words = Words("openai_chat", Problem("overloaded", "Full.", retry_after_s=5), b"1")

    def turns_away(self, loop: object, url: bytes, headers: list[tuple[bytes, bytes]]) -> Refusal | None:
        assert url.partition(b"?")[0] == b"/v1/x"
        return Refusal(self.words, b"req_1") if dict(headers).get(b"x-one") in self.unwanted else None


@pytest.fixture
def doorkeeper() -> Doorkeeper:
    return Doorkeeper()


@pytest.fixture
async def port(keeper: Keeper, doorkeeper: Any) -> AsyncIterator[int]:
    config = uvicorn.Config(keeper, http=BoundedProtocol, lifespan="off", ws="none", log_config=None)
    config.load()
    server = await asyncio.get_running_loop().create_server(
        lambda: BoundedProtocol(config, ServerState(), {}, door=doorkeeper), "127.0.0.1", 0
    )
    yield server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()


async def told(port: int, *requests: bytes) -> list[int]:
    """Send each in one piece on one connection, and wait for its answer; the statuses."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    statuses: list[int] = []
    for request in requests:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        statuses.append(int(head.split()[1]))
        length = head.partition(b"content-length: ")[2].partition(b"\r")[0]
        await reader.readexactly(int(length or b"0"))
    writer.close()
    await writer.wait_closed()
    return statuses


async def asked(port: int, *requests: bytes) -> None:
    assert set(await told(port, *requests)) == {204}


async def test_a_request_with_a_known_head_is_what_the_parser_would_have_made_of_it(
    port: int, keeper: Keeper
) -> None:
    first, second = HEAD % 2 + b"{}", HEAD % 5 + b"[1,2]"
    await asked(port, first, second, first)
    await asked(port, second)
    assert keeper.knew == [False, True, True, False]
    assert keeper.seen[1] == keeper.seen[3]
    assert keeper.seen[0] == keeper.seen[2]


async def test_a_changed_head_is_parsed_and_then_known_instead(port: int, keeper: Keeper) -> None:
    other = HEAD.replace(b"x-one: 1", b"x-one: 2")
    await asked(port, HEAD % 2 + b"{}", other % 2 + b"[]", other % 4 + b"[10]", HEAD % 2 + b"{}")
    assert keeper.knew == [False, False, True, False]
    assert [dict(said["headers"])[b"x-one"] for said, _ in keeper.seen] == [b"1", b"2", b"2", b"1"]


async def test_heads_that_never_come_again_are_not_learned_for_ever(port: int, keeper: Keeper) -> None:
    heads = [HEAD.replace(b"x-one: 1", b"x-one: %d" % n) % 2 + b"{}" for n in range(100, 110)]
    await asked(port, *heads, heads[-1])
    assert not any(keeper.knew)


async def test_a_head_of_a_connection_that_closes_is_not_known(port: int, keeper: Keeper) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(HEAD.replace(b"x-one: 1", b"connection: close") % 2 + b"{}")
    assert b"connection: close" in await reader.read()
    writer.close()
    assert keeper.knew == [False]


async def test_a_known_head_is_turned_away_as_any_other(
    port: int, keeper: Keeper, doorkeeper: Doorkeeper
) -> None:
    request = HEAD % 2 + b"{}"
    await asked(port, request, request)
    doorkeeper.unwanted.add(b"2")
    full = HEAD.replace(b"x-one: 1", b"x-one: 2") % 2 + b"[]"
    assert await told(port, request, request, full) == [204, 204, 503]
    doorkeeper.unwanted.add(b"1")
    assert await told(port, request, request) == [503, 503]
    assert len(keeper.seen) == 4


async def test_the_head_of_one_turned_away_is_never_taken_for_the_last_one_that_was_served(
    port: int, keeper: Keeper, doorkeeper: Doorkeeper
) -> None:
    """Two callers behind one proxy share a connection: neither may ever be served as the other."""
    one, two = HEAD % 2 + b"{}", HEAD.replace(b"x-one: 1", b"x-one: 2") % 2 + b"[]"
    keeper.reads = False
    config = uvicorn.Config(keeper, http=BoundedProtocol, lifespan="off", ws="none", log_config=None)
    config.load()
    transport = _Sink()
    protocol = BoundedProtocol(
        config, ServerState(), {}, asyncio.get_running_loop(), door=cast("Door", doorkeeper)
    )
    protocol.connection_made(transport)
    for request, unwanted in ((one, set()), (two, {b"2"}), (two, set()), (two, set())):
        doorkeeper.unwanted = cast("set[bytes]", unwanted)
        transport.answered.clear()
        protocol.data_received(request)
        await transport.answered.wait()
    protocol.connection_lost(None)
    assert [dict(said["headers"])[b"x-one"] for said, _ in keeper.seen] == [b"1", b"2", b"2"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 240), max_size=6), st.lists(st.integers(0, 30), min_size=1, max_size=5))
def test_however_requests_are_split_they_are_the_same(cuts: list[int], sizes: list[int]) -> None:
    requests = [HEAD % size + b"x" * size for size in sizes]

    async def run() -> list[bytes]:
        keeper = Keeper()
        config = uvicorn.Config(keeper, http=BoundedProtocol, lifespan="off", ws="none", log_config=None)
        config.load()
        transport = _Sink()
        one = BoundedProtocol(config, ServerState(), {}, asyncio.get_running_loop())
        one.connection_made(transport)
        for request in requests:
            bounds = sorted({0, len(request), *(cut for cut in cuts if cut < len(request))})
            for start, end in pairwise(bounds):
                one.data_received(request[start:end])
            await transport.answered.wait()
            transport.answered.clear()
        one.connection_lost(None)
        return [body for _, body in keeper.seen]

    assert asyncio.run(run()) == [b"x" * size for size in sizes]


class _Sink(asyncio.Transport):
    """Takes answers."""

    def __init__(self) -> None:
        super().__init__()
        self.answered = asyncio.Event()

    def write(self, data: Any) -> None:
        if data.startswith(b"HTTP/1.1 "):
            self.answered.set()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def is_closing(self) -> bool:
        return False

    def close(self) -> None:
        pass

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass
