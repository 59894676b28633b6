"""Each wait has its own end, and none of them is put off by dripping."""

import asyncio

import pytest
from tests.faultd import (
    LAST_CHUNK,
    Drip,
    Hang,
    ReadOn,
    Send,
    StopReading,
    Upstream,
    Wait,
    answer,
    chunk,
    chunked_head,
)
from tests.providers.http.asking import MakeClient, ask, fetch

from passerelle.providers.base import Deadlines, SendError
from passerelle.providers.http.tls import build_context

SHORT_S = 0.06
"""For what never comes."""
PLENTY_S = 0.5
"""For what comes at once: a busy machine may hold it up for longer than `SHORT_S`."""
SHORT = Deadlines(connect_s=5, headers_s=SHORT_S)


async def expect_timeout(awaitable: object, within_s: float = 5.0) -> str:
    loop = asyncio.get_running_loop()
    before = loop.time()
    with pytest.raises(SendError) as caught:
        await awaitable  # type: ignore[misc]
    assert caught.value.failure == "timeout"
    assert SHORT_S / 2 <= loop.time() - before < within_s
    return caught.value.message


async def test_silence_instead_of_a_head_ends(upstream: Upstream, connect: MakeClient) -> None:
    upstream.script(Hang())
    client = connect(upstream)
    assert "response head" in await expect_timeout(ask(client, deadlines=SHORT))
    await (await upstream.session()).gone.wait()
    assert client.pool.stats.retried == 0


async def test_a_dripped_head_does_not_put_it_off(upstream: Upstream, connect: MakeClient) -> None:
    upstream.script(Drip(answer(b"", headers=tuple((f"x-{n}", "y") for n in range(100))), every_s=0.02))
    assert "response head" in await expect_timeout(ask(connect(upstream), deadlines=SHORT))


async def test_interim_answers_do_not_put_it_off(upstream: Upstream, connect: MakeClient) -> None:
    upstream.script(Drip(b"HTTP/1.1 100 Continue\r\n\r\n" * 12, every_s=0.01, size=25), Hang())
    assert "response head" in await expect_timeout(ask(connect(upstream), deadlines=SHORT))


async def test_a_silent_reused_connection_is_not_asked_twice(upstream: Upstream, connect: MakeClient) -> None:
    client = connect(upstream)
    await fetch(client)
    upstream.script(Hang())
    await expect_timeout(ask(client, deadlines=SHORT))
    assert len(upstream.requests) == 2


async def test_a_server_that_takes_no_request_ends_the_sending(
    upstream: Upstream, connect: MakeClient
) -> None:
    upstream.script(StopReading(), Hang(), early=True)
    message = await expect_timeout(ask(connect(upstream), b"x" * 30_000_000, deadlines=SHORT))
    assert "did not take the request" in message


async def test_the_headers_deadline_runs_from_the_request_sent(
    upstream: Upstream, connect: MakeClient
) -> None:
    upstream.script(StopReading(), Wait(0.8), ReadOn(), Wait(0.9), Send(answer(b"slow")), early=True)
    reply = await ask(connect(upstream), b"x" * 16_000_000, deadlines=Deadlines(headers_s=1.5))
    assert await reply.read() == b"slow"


async def test_the_total_bounds_the_connecting(upstream: Upstream, connect: MakeClient) -> None:
    build_context(None)
    upstream.on_connect = (Hang(),)
    client = connect(upstream.url.replace("http:", "https:"))
    await expect_timeout(ask(client, remaining_s=SHORT_S))


async def test_a_server_that_never_finishes_tls_ends_the_connecting(
    upstream: Upstream, connect: MakeClient
) -> None:
    build_context(None)  # takes some 30 ms the first time
    upstream.on_connect = (Hang(),)
    client = connect(upstream.url.replace("http:", "https:"))
    hurried = Deadlines(connect_s=SHORT_S, headers_s=5)
    assert "not connected" in await expect_timeout(ask(client, deadlines=hurried))
    await (await upstream.session()).gone.wait()
    assert client.pool.open == 0


async def test_the_total_bounds_every_part(upstream: Upstream, connect: MakeClient) -> None:
    client = connect(upstream)
    upstream.script(Hang())
    assert "total time" in await expect_timeout(ask(client, remaining_s=SHORT_S))
    upstream.script(Send(chunked_head()), Hang())
    reply = await ask(client, remaining_s=PLENTY_S)
    assert "total time" in await expect_timeout(reply.read())
    upstream.script(Send(chunked_head()), Drip(chunk(b"a") * 500, every_s=0.005, size=6))
    reply = await ask(client, remaining_s=PLENTY_S)
    with pytest.raises(SendError, match="total time"):  # noqa: PT012 - the loop is what raises
        async for _ in reply:
            reply.set_deadline(asyncio.get_running_loop().time() + 60)


async def test_the_total_ends_an_answer_that_nobody_reads(upstream: Upstream, connect: MakeClient) -> None:
    upstream.script(Send(chunked_head() + chunk(b"a")), Hang())
    client = connect(upstream)
    reply = await ask(client, deadlines=Deadlines(headers_s=PLENTY_S * 0.8), remaining_s=PLENTY_S)
    await (await upstream.session()).gone.wait()
    assert await anext(aiter(reply)) == b"a"
    with pytest.raises(SendError, match="total time"):
        await anext(aiter(reply))


async def test_no_later_deadline_puts_the_total_off(upstream: Upstream, connect: MakeClient) -> None:
    upstream.script(Send(chunked_head()), Hang())
    early = Deadlines(headers_s=PLENTY_S * 0.8)
    reply = await ask(connect(upstream), deadlines=early, remaining_s=PLENTY_S)
    reply.set_deadline(asyncio.get_running_loop().time() + 60)
    assert "total time" in await expect_timeout(reply.read())


async def test_the_headers_deadline_is_over_with_the_headers(upstream: Upstream, connect: MakeClient) -> None:
    upstream.script(Send(chunked_head()), Wait(PLENTY_S * 1.2), Send(chunk(b"a") + LAST_CHUNK))
    reply = await ask(connect(upstream), deadlines=Deadlines(headers_s=PLENTY_S))
    assert await reply.read() == b"a"


async def test_nothing_left_of_the_total_is_a_timeout(upstream: Upstream, connect: MakeClient) -> None:
    client = connect(upstream)
    for _ in range(2):
        with pytest.raises(SendError) as caught:
            await ask(client, remaining_s=0)
        assert caught.value.failure == "timeout"
        await fetch(client)  # the second time there is an idle connection


async def test_a_read_ends_at_the_deadline_set_for_it(upstream: Upstream, connect: MakeClient) -> None:
    upstream.script(Send(chunked_head() + chunk(b"a")), Hang())
    loop = asyncio.get_running_loop()
    reply = await ask(connect(upstream))
    assert await anext(aiter(reply)) == b"a"
    reply.set_deadline(loop.time() + SHORT_S)
    assert "nothing more" in await expect_timeout(anext(aiter(reply)))
    await (await upstream.session()).gone.wait()


async def test_a_deadline_can_be_brought_forward_and_put_off_while_a_read_waits(
    upstream: Upstream, connect: MakeClient
) -> None:
    upstream.script(Send(chunked_head()), Hang())
    loop = asyncio.get_running_loop()
    reply = await ask(connect(upstream))
    reading = asyncio.ensure_future(anext(aiter(reply)))
    await asyncio.sleep(0)
    reply.set_deadline(loop.time() + SHORT_S / 2)
    reply.set_deadline(loop.time() + SHORT_S)
    await expect_timeout(reading)


async def test_events_that_move_the_deadline_keep_a_slow_stream_alive(
    upstream: Upstream, connect: MakeClient
) -> None:
    upstream.script(Send(chunked_head()), Drip(chunk(b"a") * 12 + b"0\r\n\r\n", every_s=0.05, size=6))
    loop = asyncio.get_running_loop()
    reply = await ask(connect(upstream))
    reply.set_deadline(loop.time() + PLENTY_S)
    count = 0
    async for piece in reply:
        count += len(piece)
        reply.set_deadline(loop.time() + PLENTY_S)
    assert count == 12


async def test_a_slow_reader_is_not_the_servers_fault(upstream: Upstream, connect: MakeClient) -> None:
    upstream.script(Send(chunked_head() + chunk(b"a")), Hang())
    loop = asyncio.get_running_loop()
    reply = await ask(connect(upstream))
    reply.set_deadline(loop.time() + 0.01)
    await asyncio.sleep(0.05)
    assert await anext(aiter(reply)) == b"a"
    reply.set_deadline(None)
    reading = asyncio.ensure_future(anext(aiter(reply)))
    await asyncio.sleep(0.05)
    assert not reading.done()
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    await reply.aclose()
