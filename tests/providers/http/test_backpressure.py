"""A slow reader slows the server down; it does not fill our memory."""

import asyncio

from tests.faultd import LAST_CHUNK, Flood, Send, Upstream, chunk, chunked_head
from tests.providers.http.asking import MakeClient, ask

from passerelle.providers.http.limits import ONE_READ_BYTES, UNREAD_HIGH_BYTES

PIECE = b"a" * 16_000
TIMES = 4_000  # 64 MB in all, more than the kernel keeps


async def test_an_unread_stream_blocks_its_sender_and_then_comes_whole(
    upstream: Upstream, connect: MakeClient
) -> None:
    upstream.script(Send(chunked_head()), Flood(chunk(PIECE), TIMES), Send(LAST_CHUNK))
    reply = await ask(connect(upstream))
    (session,) = upstream.sessions
    await session.blocked.wait()
    for _ in range(50):
        await asyncio.sleep(0)
    assert session.sent_bytes < 40_000_000
    assert reply.unread <= UNREAD_HIGH_BYTES + ONE_READ_BYTES
    total = 0
    async for piece in reply:
        assert len(piece) <= UNREAD_HIGH_BYTES + ONE_READ_BYTES
        total += len(piece)
    assert total == len(PIECE) * TIMES


async def test_a_reader_that_wants_all_of_it_after_all_gets_it(
    upstream: Upstream, connect: MakeClient
) -> None:
    upstream.script(Send(chunked_head()), Flood(chunk(PIECE), 1000), Send(LAST_CHUNK))
    client = connect(upstream)
    reply = await ask(client)
    await upstream.sessions[0].blocked.wait()
    assert len(await reply.read()) == len(PIECE) * 1000
    assert client.pool.idle == 1


async def test_a_blocked_stream_given_up_is_closed(upstream: Upstream, connect: MakeClient) -> None:
    upstream.script(Send(chunked_head()), Flood(chunk(PIECE)))
    reply = await ask(connect(upstream))
    (session,) = upstream.sessions
    await session.blocked.wait()
    await reply.aclose()
    await session.gone.wait()
