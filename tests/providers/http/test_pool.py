"""Connections are few, warm and fairly shared."""

import asyncio

import pytest
from tests.faultd import Close, Hang, Send, Until, Upstream, answer, chunk, chunked_head
from tests.providers.http.asking import MakeClient, ask, fetch

from passerelle.providers.base import Deadlines, SendError
from passerelle.providers.http import HttpClient, PoolLimits
from passerelle.providers.http.connection import Connection

HURRIED = Deadlines(connect_s=0.05, headers_s=5)


class Occupied:
    """Requests that hold connections until they are let go."""

    def __init__(self) -> None:
        self.free = asyncio.Event()
        self.tasks: list[asyncio.Task[bytes]] = []

    async def let_go(self) -> None:
        self.free.set()
        assert await asyncio.gather(*self.tasks) == [b"late"] * len(self.tasks)


async def occupy(client: HttpClient, upstream: Upstream, count: int = 1) -> Occupied:
    """Make `count` connections busy."""
    occupied = Occupied()
    before = len(upstream.requests)
    for _ in range(count):
        upstream.script(Until(occupied.free), Send(answer(b"late")))
        occupied.tasks.append(asyncio.ensure_future(fetch(client)))
    await upstream.until(lambda: len(upstream.requests) == before + count)
    return occupied


async def test_never_more_connections_than_allowed_and_everybody_is_served(
    upstream: Upstream, connect: MakeClient
) -> None:
    client = connect(upstream, limits=PoolLimits(max_connections=3))
    assert await asyncio.gather(*(fetch(client) for _ in range(40))) == [b"{}"] * 40
    assert (len(upstream.sessions), client.pool.stats.opened, client.pool.stats.reused) == (3, 3, 37)
    assert (client.pool.open, client.pool.idle, client.pool.waiting) == (3, 3, 0)


async def test_the_queue_is_first_come_first_served(upstream: Upstream, connect: MakeClient) -> None:
    client = connect(upstream, limits=PoolLimits(max_connections=1))
    occupied = await occupy(client, upstream)
    tasks = []
    for number in range(10):
        tasks.append(asyncio.ensure_future(fetch(client, b"%d" % number)))
        await asyncio.sleep(0)
    occupied.free.set()
    await asyncio.gather(*tasks)
    assert [request.body for request in upstream.requests[1:]] == [b"%d" % number for number in range(10)]
    assert client.pool.stats.waited == 10


async def test_a_newcomer_does_not_overtake_the_queue(upstream: Upstream, connect: MakeClient) -> None:
    client = connect(upstream, limits=PoolLimits(max_connections=1))
    occupied = await occupy(client, upstream)
    waited = asyncio.ensure_future(fetch(client, b"waited"))
    await asyncio.sleep(0)
    occupied.free.set()
    while client.pool.waiting:  # noqa: ASYNC110 - the loop's own turn is what we wait for
        await asyncio.sleep(0)
    late = asyncio.ensure_future(fetch(client, b"late"))
    await asyncio.gather(waited, late, *occupied.tasks)
    assert [request.body for request in upstream.requests[1:]] == [b"waited", b"late"]


async def test_waiting_ends_at_the_connect_deadline(upstream: Upstream, connect: MakeClient) -> None:
    client = connect(upstream, limits=PoolLimits(max_connections=1))
    occupied = await occupy(client, upstream)
    with pytest.raises(SendError, match="max_connections") as caught:
        await ask(client, deadlines=HURRIED)
    assert (caught.value.failure, client.pool.waiting, client.pool.stats.refused) == ("timeout", 0, 1)
    occupied.free.set()
    assert await fetch(client) == b"{}"


async def test_a_full_queue_refuses_at_once(upstream: Upstream, connect: MakeClient) -> None:
    client = connect(upstream, limits=PoolLimits(max_connections=1, max_waiting=2))
    occupied = await occupy(client, upstream)
    waiting = [asyncio.ensure_future(fetch(client)) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(SendError) as caught:
        await ask(client)
    assert caught.value.failure == "overloaded"
    occupied.free.set()
    await asyncio.gather(*waiting)


async def test_a_cancelled_waiter_leaves_the_queue_and_costs_no_slot(
    upstream: Upstream, connect: MakeClient
) -> None:
    client = connect(upstream, limits=PoolLimits(max_connections=1))
    occupied = await occupy(client, upstream)
    tasks = [asyncio.ensure_future(fetch(client, b"%d" % number)) for number in range(3)]
    await asyncio.sleep(0)
    tasks[0].cancel()
    await asyncio.sleep(0)
    assert client.pool.waiting == 2
    occupied.free.set()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert [request.body for request in upstream.requests[1:]] == [b"1", b"2"]
    assert (client.pool.open, client.pool.idle) == (1, 1)


@pytest.mark.parametrize("turns", range(6))
async def test_a_waiter_cancelled_as_it_is_served_passes_it_on(
    upstream: Upstream, connect: MakeClient, turns: int
) -> None:
    client = connect(upstream, limits=PoolLimits(max_connections=1))
    occupied = await occupy(client, upstream)
    tasks = [asyncio.ensure_future(fetch(client)) for _ in range(2)]
    await asyncio.sleep(0)
    occupied.free.set()
    while client.pool.waiting == 2:  # noqa: ASYNC110 - the loop's own turn is what we wait for
        await asyncio.sleep(0)
    for _ in range(turns):
        await asyncio.sleep(0)
    tasks[0].cancel()
    assert await tasks[1] == b"{}"
    await asyncio.gather(tasks[0], return_exceptions=True)
    assert await fetch(client) == b"{}"
    assert (client.pool.open, client.pool.waiting) == (1, 0)


async def test_a_slot_whose_connection_cannot_be_opened_is_free_again(connect: MakeClient) -> None:
    async with Upstream() as upstream:
        url = upstream.url
    client = connect(url, limits=PoolLimits(max_connections=2))
    results = await asyncio.gather(*(fetch(client) for _ in range(8)), return_exceptions=True)
    assert {result.failure for result in results if isinstance(result, SendError)} == {"transport"}
    assert (client.pool.open, client.pool.waiting) == (0, 0)


async def test_a_request_cancelled_while_connecting_frees_its_slot(
    upstream: Upstream, connect: MakeClient
) -> None:
    for turns in range(8):
        client = connect(upstream, limits=PoolLimits(max_connections=1))
        task = asyncio.ensure_future(ask(client))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await fetch(client) == b"{}"
        assert client.pool.open == 1


async def test_a_retry_goes_before_those_who_came_after_it(upstream: Upstream, connect: MakeClient) -> None:
    client = connect(upstream, limits=PoolLimits(max_connections=1))
    await fetch(client)
    upstream.script(Close())
    retried = asyncio.ensure_future(fetch(client, b"retried"))
    await asyncio.sleep(0)
    later = asyncio.ensure_future(fetch(client, b"later"))
    assert await asyncio.gather(retried, later) == [b"{}", b"{}"]
    assert [request.body for request in upstream.requests[1:]] == [b"retried", b"retried", b"later"]
    assert (client.pool.stats.retried, client.pool.open) == (1, 1)


async def test_a_connection_lost_on_its_way_to_a_waiter_is_replaced(
    upstream: Upstream, connect: MakeClient
) -> None:
    client = connect(upstream, limits=PoolLimits(max_connections=1))
    occupied = await occupy(client, upstream)
    waiting = asyncio.ensure_future(fetch(client))
    await asyncio.sleep(0)
    (connection,) = client.pool._open
    release = client.pool.release

    def release_and_lose(connection: Connection) -> None:
        release(connection)
        connection.drop()

    client.pool.release = release_and_lose  # type: ignore[method-assign]
    occupied.free.set()
    while client.pool.waiting:  # noqa: ASYNC110 - the loop's own turn is what we wait for
        await asyncio.sleep(0)
    client.pool.release = release  # type: ignore[method-assign]
    assert connection.closed
    assert await waiting == b"{}"
    stats = client.pool.stats
    assert (stats.opened, stats.retried, client.pool.open) == (2, 0, 1)


async def test_the_connection_used_last_is_used_first(upstream: Upstream, connect: MakeClient) -> None:
    client = connect(upstream)
    occupied = await occupy(client, upstream, 3)
    await occupied.let_go()
    for _ in range(5):
        await fetch(client)
    assert len({request.session for request in upstream.requests[3:]}) == 1
    assert len(upstream.sessions) == 3


async def test_idle_connections_are_closed_after_their_time(upstream: Upstream, connect: MakeClient) -> None:
    client = connect(upstream, limits=PoolLimits(idle_s=0.05))
    await fetch(client)
    await asyncio.wait_for(upstream.sessions[0].gone.wait(), 2)
    assert client.pool.idle == 0
    await fetch(client)
    assert client.pool.stats.opened == 2


async def test_the_servers_own_keep_alive_hint_is_believed(upstream: Upstream, connect: MakeClient) -> None:
    client = connect(upstream)
    upstream.always = (Send(answer(headers=(("keep-alive", "timeout=1, max=100"),))),)
    await fetch(client)
    await fetch(client)
    assert client.pool.stats.opened == 2
    upstream.always = (Send(answer(headers=(("keep-alive", "timeout=5"),))),)
    await fetch(client)
    await fetch(client)
    assert client.pool.stats.opened == 3


async def test_only_so_many_stay_idle(upstream: Upstream, connect: MakeClient) -> None:
    client = connect(upstream, limits=PoolLimits(max_idle=2))
    occupied = await occupy(client, upstream, 5)
    await occupied.let_go()
    assert client.pool.idle == 2


async def test_an_old_connection_is_not_reused(upstream: Upstream, connect: MakeClient) -> None:
    client = connect(upstream, limits=PoolLimits(max_age_s=0))
    await fetch(client)
    await fetch(client)
    assert (client.pool.stats.opened, client.pool.stats.reused) == (2, 0)


@pytest.mark.parametrize(
    "head", [b"HTTP/1.1 200 OK\r\nConnection: close\r\n", b"HTTP/1.0 200 OK\r\n"], ids=["close", "1.0"]
)
async def test_a_connection_the_server_will_close_is_not_reused(
    upstream: Upstream, connect: MakeClient, head: bytes
) -> None:
    upstream.always = (Send(head + b"Content-Length: 2\r\n\r\nhi"),)
    client = connect(upstream)
    assert await fetch(client) == b"hi"
    assert client.pool.idle == 0
    await upstream.sessions[0].gone.wait()


async def test_a_connection_goes_back_as_soon_as_its_answer_is_here(
    upstream: Upstream, connect: MakeClient
) -> None:
    client = connect(upstream)
    reply = await ask(client)
    assert client.pool.idle == 1  # although nobody has read it
    assert await fetch(client) == b"{}"
    assert await reply.read() == b"{}"
    upstream.script(Send(chunked_head() + chunk(b"a")), Hang())
    unfinished = await ask(client)
    assert client.pool.idle == 0
    await unfinished.aclose()


async def test_closing_ends_those_who_wait(upstream: Upstream, connect: MakeClient) -> None:
    client = connect(upstream, limits=PoolLimits(max_connections=1))
    occupied = await occupy(client, upstream)
    waiting = asyncio.ensure_future(ask(client))
    await asyncio.sleep(0)
    await client.aclose()
    with pytest.raises(SendError) as caught:
        await waiting
    assert caught.value.failure == "transport"
    results = await asyncio.gather(*occupied.tasks, return_exceptions=True)
    assert [result.failure for result in results] == ["transport"]
    assert (client.pool.open, client.pool.idle, client.pool.waiting) == (0, 0, 0)
