"""Everything a server can do wrong, on real sockets: the caller always gets a `SendError`, and soon."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.faultd import (
    LAST_CHUNK,
    Close,
    Flood,
    HalfClose,
    Hang,
    Reset,
    Send,
    StopReading,
    Until,
    Upstream,
    answer,
    chunk,
    chunked,
    chunked_head,
)
from tests.providers.http.asking import PATIENT, MakeClient, ask, fetch

from passerelle.codecs.base import MAX_WORDS_BYTES
from passerelle.providers.base import Caps, SendError
from passerelle.providers.egress import EgressRules
from passerelle.providers.http import HttpClient, parse_origin
from passerelle.providers.http.connection import Connection

SIZED = answer(b"0123456789")
STREAM = chunked(b"one", b"two", b"three")


async def failure_of(client: HttpClient, body: bytes = b"{}") -> SendError:
    with pytest.raises(SendError) as caught:
        await fetch(client, body)
    return caught.value


async def test_a_port_where_nobody_listens_is_refused(connect: MakeClient) -> None:
    async with Upstream() as gone:
        url = gone.url
    error = await failure_of(connect(url))
    assert (error.failure, "refused" in error.message) == ("transport", True)


@pytest.mark.parametrize("end", [Close(), Reset()], ids=["closed", "reset"])
@pytest.mark.parametrize("whole", [SIZED, STREAM], ids=["sized", "chunked"])
async def test_a_cut_at_any_byte_is_a_transport_failure(
    upstream: Upstream, connect: MakeClient, whole: bytes, end: Close | Reset
) -> None:
    client = connect(upstream)
    for at in range(0, len(whole), 3 if isinstance(end, Close) else 17):
        upstream.script(Send(whole[:at]), end)
        assert (await failure_of(client)).failure == "transport"
    await client.aclose()
    assert (client.pool.open, client.pool.stats.retried) == (0, 0)


async def test_what_came_before_a_cut_is_given_before_the_failure(
    upstream: Upstream, connect: MakeClient
) -> None:
    upstream.script(Send(chunked_head() + chunk(b"one") + b"5\r\ntw"), Close())
    reply = await ask(connect(upstream))
    got = b""
    with pytest.raises(SendError) as caught:  # noqa: PT012 - the loop is what raises
        async for piece in reply:
            got += piece
    assert (got, caught.value.failure) == (b"onetw", "transport")


async def test_a_break_is_no_end_of_an_answer_without_a_length(
    upstream: Upstream, connect: MakeClient
) -> None:
    read = asyncio.Event()
    upstream.script(Send(b"HTTP/1.1 200 OK\r\n\r\nhalf"), Until(read), Reset())
    reply = await ask(connect(upstream))
    assert await anext(aiter(reply)) == b"half"
    read.set()
    with pytest.raises(SendError) as caught:
        await anext(aiter(reply))
    assert (caught.value.failure, reply.complete_by_eof) == ("transport", False)


async def test_a_half_close_before_the_end_is_a_cut(upstream: Upstream, connect: MakeClient) -> None:
    upstream.script(Send(SIZED[:-1]), HalfClose(), Hang())
    assert (await failure_of(connect(upstream))).failure == "transport"
    await upstream.sessions[0].gone.wait()


PROTOCOL = {
    "login page without HTTP": b"<html>please log in</html>",
    "compressed": answer(b"\x1f\x8b", headers=(("content-encoding", "gzip"),)),
    "both framings": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "bare line feeds": SIZED.replace(b"\r\n", b"\n"),
    "bad chunk size": chunked_head() + b"zz\r\nhi\r\n",
    "bad chunk size after a good chunk": chunked_head() + chunk(b"hi") + b"zz\r\nhi\r\n",
    "second answer": SIZED + SIZED,
    "rubbish after the end": SIZED + b"rubbish",
    "rubbish after the last chunk": STREAM + b"rubbish",
    "change of protocol": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
}


@pytest.mark.parametrize("case", PROTOCOL)
async def test_unsafe_framing_is_refused_and_the_connection_dropped(
    upstream: Upstream, connect: MakeClient, case: str
) -> None:
    upstream.script(Send(PROTOCOL[case]), Hang())
    client = connect(upstream)
    error = await failure_of(client)
    assert error.failure == "protocol"
    assert "rubbish" not in error.message
    await upstream.sessions[0].gone.wait()
    assert await fetch(client) == b"{}"
    assert len(upstream.sessions) == 2


@pytest.mark.parametrize(
    "flood",
    [Flood(b"X: y\r\n"), Flood(b"a" * 1000), Flood(b"HTTP/1.1 103 E\r\nX: y\r\n\r\n")],
    ids=["headers", "one header", "interim answers"],
)
async def test_a_head_without_end_is_refused(upstream: Upstream, connect: MakeClient, flood: Flood) -> None:
    start = b"" if b"HTTP" in flood.data else b"HTTP/1.1 200 OK\r\nX: "
    upstream.script(Send(start), flood)
    assert (await failure_of(connect(upstream))).failure == "protocol"
    await upstream.sessions[0].gone.wait()


async def test_a_body_beyond_the_cap_is_refused_when_announced_and_when_it_comes(
    upstream: Upstream, connect: MakeClient
) -> None:
    client = connect(upstream, caps=Caps(body_bytes=100_000))
    upstream.script(Send(b"HTTP/1.1 200 OK\r\nContent-Length: 100001\r\n\r\n"), Hang())
    assert "100000 bytes" in (await failure_of(client)).message
    upstream.script(Send(chunked_head()), Flood(chunk(b"a" * 1000)))
    assert (await failure_of(client)).failure == "oversized"
    upstream.script(Send(b"HTTP/1.1 200 OK\r\n\r\n"), Flood(b"a" * 1000))
    assert (await failure_of(client)).failure == "oversized"
    upstream.script(Send(answer(b"a" * 100_000)))
    assert len(await fetch(client)) == 100_000
    for session in upstream.sessions[:3]:
        await session.gone.wait()


async def test_a_small_body_beyond_a_smaller_cap_is_refused_although_it_is_here(
    upstream: Upstream, connect: MakeClient
) -> None:
    upstream.script(Send(answer(b"12345")))
    assert (await failure_of(connect(upstream, caps=Caps(body_bytes=4)))).failure == "oversized"


async def test_trailers_without_end_are_refused(upstream: Upstream, connect: MakeClient) -> None:
    upstream.script(Send(chunked_head() + chunk(b"a") + b"0\r\n"), Flood(b"X: " + b"y" * 500 + b"\r\n"))
    assert (await failure_of(connect(upstream))).failure == "protocol"


# The keep-alive race


async def warm(upstream: Upstream, connect: MakeClient) -> HttpClient:
    """A client with one idle connection."""
    client = connect(upstream)
    assert await fetch(client) == b"{}"
    assert client.pool.idle == 1
    return client


@pytest.mark.parametrize("end", [Close(), Reset()], ids=["closed", "reset"])
async def test_a_reused_connection_that_ends_unanswered_is_retried_once_on_a_fresh_one(
    upstream: Upstream, connect: MakeClient, end: Close | Reset
) -> None:
    client = await warm(upstream, connect)
    upstream.script(end)
    upstream.script(Send(answer(b"second try")))
    assert await fetch(client, b"again?") == b"second try"
    assert [request.body for request in upstream.requests] == [b"{}", b"again?", b"again?"]
    assert (client.pool.stats.retried, client.pool.stats.opened) == (1, 2)


async def test_it_is_retried_once_only(upstream: Upstream, connect: MakeClient) -> None:
    client = await warm(upstream, connect)
    upstream.script(Close())
    upstream.script(Close())
    assert (await failure_of(client)).failure == "transport"
    assert len(upstream.requests) == 3


async def test_it_is_retried_once_only_even_when_the_second_connection_is_not_fresh(
    upstream: Upstream, connect: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = await warm(upstream, connect)
    acquire = client.pool.acquire

    async def handed_over(until: float, *, again: bool = False) -> Connection:
        connection = await acquire(until, again=again)
        connection.reused = True
        return connection

    monkeypatch.setattr(client.pool, "acquire", handed_over)
    upstream.always = (Close(),)
    assert (await failure_of(client)).failure == "transport"
    assert len(upstream.requests) == 3


async def test_a_fresh_connection_that_ends_unanswered_is_not_retried(
    upstream: Upstream, connect: MakeClient
) -> None:
    upstream.script(Close())
    assert (await failure_of(connect(upstream))).failure == "transport"
    assert len(upstream.requests) == 1


async def test_a_retry_that_finds_no_connection_says_that_the_request_may_have_arrived(
    upstream: Upstream, connect: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = await warm(upstream, connect)

    async def nobody(until: float) -> Connection:
        raise SendError("transport", "refused", sent=False)

    monkeypatch.setattr(client.pool, "_dial", nobody)
    upstream.script(Close())
    assert (await failure_of(client)).sent
    error = await failure_of(client)
    assert (error.failure, error.sent) == ("transport", False)


async def test_one_byte_of_an_answer_forbids_the_retry(upstream: Upstream, connect: MakeClient) -> None:
    client = await warm(upstream, connect)
    upstream.script(Send(b"H"), Close())
    assert (await failure_of(client)).failure == "transport"
    assert len(upstream.requests) == 2


async def test_a_server_that_thought_before_it_closed_is_not_asked_again(
    upstream: Upstream, connect: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("passerelle.providers.http.client.STALE_WINDOW_S", -1.0)
    client = await warm(upstream, connect)
    upstream.script(Close())
    assert (await failure_of(client)).failure == "transport"
    assert len(upstream.requests) == 2


async def test_a_large_request_cut_while_it_is_sent_is_retried(
    upstream: Upstream, connect: MakeClient
) -> None:
    client = await warm(upstream, connect)
    upstream.script(Reset(), early=True)
    assert await fetch(client, b"x" * 8_000_000) == b"{}"
    assert client.pool.stats.retried == 1


async def test_a_connection_closed_while_idle_is_not_handed_out(
    upstream: Upstream, connect: MakeClient
) -> None:
    client = await warm(upstream, connect)
    upstream.sessions[0].transport.close()
    while client.pool.idle:  # noqa: ASYNC110 - the loop's own turn is what we wait for
        await asyncio.sleep(0)
    assert await fetch(client) == b"{}"
    assert client.pool.stats.retried == 0


async def test_bytes_nobody_asked_for_end_an_idle_connection(upstream: Upstream, connect: MakeClient) -> None:
    client = await warm(upstream, connect)
    upstream.sessions[0].transport.write(answer(b"poison"))
    await upstream.sessions[0].gone.wait()
    assert await fetch(client) == b"{}"
    assert len(upstream.sessions) == 2


# Giving up


async def test_cancelling_a_request_closes_its_socket(upstream: Upstream, connect: MakeClient) -> None:
    upstream.script(Hang())
    client = connect(upstream)
    task = asyncio.ensure_future(ask(client))
    await upstream.until(lambda: bool(upstream.requests))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await upstream.sessions[0].gone.wait()


async def test_cancelling_while_a_large_body_is_sent_closes_its_socket(
    upstream: Upstream, connect: MakeClient
) -> None:
    stopped = asyncio.Event()
    upstream.script(StopReading(), Until(stopped), early=True)
    task = asyncio.ensure_future(ask(connect(upstream), b"x" * 30_000_000))
    await upstream.until(lambda: bool(upstream.requests))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    upstream.sessions[0].transport.resume_reading()
    await upstream.sessions[0].gone.wait()


async def test_closing_a_reply_before_its_end_closes_its_socket(
    upstream: Upstream, connect: MakeClient
) -> None:
    upstream.script(Send(chunked_head() + chunk(b"a")), Hang())
    client = connect(upstream)
    reply = await ask(client)
    assert await anext(aiter(reply)) == b"a"
    await reply.aclose()
    await upstream.sessions[0].gone.wait()
    assert client.pool.idle == 0


async def test_a_cancelled_read_can_be_read_again(upstream: Upstream, connect: MakeClient) -> None:
    more = asyncio.Event()
    upstream.script(Send(chunked_head()), Until(more), Send(chunk(b"a") + LAST_CHUNK))
    reply = await ask(connect(upstream))
    reading = asyncio.ensure_future(anext(aiter(reply)))
    await asyncio.sleep(0)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    more.set()
    assert [piece async for piece in reply] == [b"a"]


# Whatever else


@settings(max_examples=40)
@given(
    start=st.sampled_from([b"", b"HTTP/1.1 200 OK\r\n", chunked_head(), SIZED[:-4], STREAM[:-9]]),
    pieces=st.lists(st.binary(min_size=1, max_size=40), max_size=4),
    end=st.sampled_from([Close(), Reset()]),
    stream=st.booleans(),
)
async def test_no_bytes_hang_or_raise_anything_but_a_send_error(
    start: bytes, pieces: list[bytes], end: Close | Reset, stream: bool
) -> None:
    failure = ""
    async with Upstream() as upstream:
        upstream.always = (*(Send(piece) for piece in [start, *pieces] if piece), end)
        client = HttpClient(parse_origin(upstream.url)[0], egress=EgressRules(allow_private=True))
        try:
            async with asyncio.timeout(PATIENT.headers_s):
                reply = await ask(client)
                if stream:
                    assert all([piece async for piece in reply])
                else:
                    await reply.read()
        except SendError as error:
            failure = error.failure
        finally:
            await client.aclose()
    assert failure in ("", "transport", "protocol")
    assert client.pool.open == 0


async def test_words_without_end_are_given_up_long_before_the_cap(
    upstream: Upstream, connect: MakeClient
) -> None:
    upstream.script(Send(chunked_head()), Flood(chunk(b"a" * 65_536)))
    reply = await ask(connect(upstream))
    reply.expect_words()
    with pytest.raises(SendError) as caught:
        await reply.read()
    assert caught.value.failure == "protocol"
    await upstream.sessions[0].gone.wait()
    assert upstream.sessions[0].sent_bytes < 2 * MAX_WORDS_BYTES


async def test_a_picture_among_the_words_may_be_as_large_as_the_cap(
    upstream: Upstream, connect: MakeClient
) -> None:
    picture = b'{"inlineData": "' + b"a" * (MAX_WORDS_BYTES + 1) + b'"}'
    upstream.script(Send(answer(picture)))
    reply = await ask(connect(upstream))
    reply.expect_words()
    assert await reply.read() == picture


async def test_words_that_say_they_are_beyond_the_cap_are_none(
    upstream: Upstream, connect: MakeClient
) -> None:
    upstream.script(Send(b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n{"), Hang())
    reply = await ask(connect(upstream))
    reply.expect_words()
    with pytest.raises(SendError) as caught:
        await reply.read()
    assert caught.value.failure == "protocol"
