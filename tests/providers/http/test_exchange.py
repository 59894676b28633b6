"""Requests and answers over real sockets, when all goes well, and what the client never does."""

import asyncio

import pytest
from tests.faultd import (
    LAST_CHUNK,
    Close,
    Received,
    Send,
    Step,
    StopReading,
    Until,
    Upstream,
    answer,
    chunk,
    chunked,
    chunked_head,
)
from tests.providers.http.asking import MakeClient, ask, fetch

from passerelle.providers.base import SendError


async def test_a_request_arrives_as_written_and_its_answer_comes_back(
    upstream: Upstream, connect: MakeClient
) -> None:
    headers = (("X-Id", "7"), ("Set-Cookie", "a"), ("Set-Cookie", "b"))
    upstream.script(Send(answer(b'{"a":1}', headers=headers)))
    reply = await ask(
        connect(upstream), b'{"q":1}', path="/v1/chat", headers=((b"authorization", b"Bearer k"),)
    )
    assert (reply.status, await reply.read()) == (200, b'{"a":1}')
    assert (reply.headers["x-id"], reply.headers["set-cookie"]) == ("7", "a, b")
    await reply.aclose()
    (request,) = upstream.requests
    assert (request.method, request.path, request.body) == ("POST", "/v1/chat", b'{"q":1}')
    assert request.headers == (
        ("host", f"127.0.0.1:{upstream.port}"),
        ("accept-encoding", "identity"),
        ("authorization", "Bearer k"),
        ("content-length", "7"),
    )


async def test_a_get_has_no_length(upstream: Upstream, connect: MakeClient) -> None:
    await fetch(connect(upstream), b"", method="GET", path="/v1/models?limit=1")
    (request,) = upstream.requests
    assert (request.method, request.path) == ("GET", "/v1/models?limit=1")
    assert request.header("content-length") is None


async def test_a_streamed_answer_comes_as_it_is_sent(upstream: Upstream, connect: MakeClient) -> None:
    second, third = asyncio.Event(), asyncio.Event()
    upstream.script(
        Send(chunked_head()), Send(chunk(b"one")),
        Until(second), Send(chunk(b"two") + chunk(b"2b")),
        Until(third), Send(LAST_CHUNK),
    )  # fmt: skip
    reply = await ask(connect(upstream))
    got = [await anext(aiter(reply))]
    second.set()
    got.append(await anext(aiter(reply)))
    third.set()
    got += [piece async for piece in reply]
    assert got == [b"one", b"two2b"]
    assert not reply.complete_by_eof
    await reply.aclose()


async def test_an_answer_without_a_length_ends_with_the_connection_and_says_so(
    upstream: Upstream, connect: MakeClient
) -> None:
    upstream.script(Send(b"HTTP/1.1 200 OK\r\n\r\nhalf"), Send(b" and half"), Close())
    reply = await ask(connect(upstream))
    assert await reply.read() == b"half and half"
    assert reply.complete_by_eof


async def test_interim_answers_are_passed_over(upstream: Upstream, connect: MakeClient) -> None:
    upstream.script(Send(b"HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n" * 3), Send(answer(b"real")))
    reply = await ask(connect(upstream))
    assert (reply.status, await reply.read()) == (200, b"real")
    assert "link" not in reply.headers


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_an_answer_and_goes_nowhere(
    upstream: Upstream, connect: MakeClient, status: int
) -> None:
    async with Upstream() as elsewhere:
        upstream.script(Send(answer(b"", status=status, headers=(("location", elsewhere.url + "/steal"),))))
        reply = await ask(connect(upstream), headers=((b"authorization", b"Bearer k"),))
        assert (reply.status, reply.headers["location"]) == (status, elsewhere.url + "/steal")
        assert await reply.read() == b""
        assert elsewhere.sessions == []


async def test_environment_proxies_are_not_read(
    upstream: Upstream, connect: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Upstream() as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        assert await fetch(connect(upstream)) == b"{}"
        assert proxy.sessions == []


@pytest.mark.parametrize("size", [64 << 10, (64 << 10) + 1, 1_100_000])
async def test_a_large_body_arrives_whole(upstream: Upstream, connect: MakeClient, size: int) -> None:
    body = bytes(range(256)) * (size // 256 + 1)
    client = connect(upstream)
    for _ in range(2):
        assert await fetch(client, body) == b"{}"
    assert [request.body == body for request in upstream.requests] == [True, True]
    assert len(upstream.sessions) == 1


async def test_an_answer_before_the_request_is_sent_is_given_and_ends_the_connection(
    upstream: Upstream, connect: MakeClient
) -> None:
    upstream.script(StopReading(), Send(answer(b"too big", status=413)), early=True)
    client = connect(upstream)
    reply = await ask(client, b"x" * 30_000_000)
    assert (reply.status, await reply.read()) == (413, b"too big")
    await reply.aclose()
    assert client.pool.idle == 0
    (session,) = upstream.sessions
    session.transport.resume_reading()
    await session.gone.wait()
    assert len(session.received) < 30_000_000


async def test_200_concurrent_answers_never_mix(upstream: Upstream, connect: MakeClient) -> None:
    def echo(request: Received) -> list[Step]:
        name = request.body
        if name.endswith(b"0"):
            return [Send(answer(name * 50))]
        return [Send(chunked_head()), *(Send(chunk(name)) for _ in range(50)), Send(LAST_CHUNK)]

    upstream.route = echo
    client = connect(upstream)

    async def one(number: int) -> None:
        for turn in range(3):
            name = b"<%d/%d>" % (number, turn)
            reply = await ask(client, name)
            if (number + turn) % 7 == 0:  # some give up in the middle, and their connections with them
                await reply.aclose()
                continue
            body = await reply.read() if number % 2 else b"".join([piece async for piece in reply])
            assert body == name * 50
            await reply.aclose()

    await asyncio.gather(*(one(number) for number in range(200)))
    assert client.pool.stats.reused > 0


async def test_a_reply_given_up_before_it_was_read_says_so(upstream: Upstream, connect: MakeClient) -> None:
    upstream.script(Send(answer(b"body")))
    reply = await ask(connect(upstream))
    await reply.aclose()
    await reply.aclose()
    with pytest.raises(SendError) as caught:
        await reply.read()
    assert caught.value.failure == "cancelled"


async def test_a_closed_client_refuses_and_ends_what_runs(upstream: Upstream, connect: MakeClient) -> None:
    upstream.script(Send(chunked_head() + chunk(b"a")))
    client = connect(upstream)
    reply = await ask(client)
    assert await anext(aiter(reply)) == b"a"
    waiting = asyncio.ensure_future(anext(aiter(reply)))
    await asyncio.sleep(0)
    await client.aclose()
    for attempt in (waiting, ask(client)):
        with pytest.raises(SendError) as caught:
            await attempt
        assert caught.value.failure == "transport"
    await upstream.sessions[0].gone.wait()
    await client.aclose()


async def test_chunked_answers_are_reusable_and_counted(upstream: Upstream, connect: MakeClient) -> None:
    upstream.always = (Send(chunked(b"a", b"b")),)
    client = connect(upstream)
    for _ in range(3):
        assert await fetch(client) == b"ab"
    stats = client.pool.stats
    assert (stats.opened, stats.reused, stats.closed) == (1, 2, 0)
    await client.aclose()
    assert stats.closed == 1
