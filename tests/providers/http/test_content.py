"""Bodies that are sent as they are read: whole, and as long as they said."""

from collections.abc import AsyncIterator

import pytest
from tests.faultd import Send, Upstream, answer
from tests.providers.http.asking import PATIENT, MakeClient

from passerelle.providers.base import Content, SendError
from passerelle.providers.http import HttpClient, HttpReply


def content(*pieces: bytes, size: int | None = None) -> Content:
    async def read() -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece

    return Content(sum(map(len, pieces)) if size is None else size, read)


async def send(client: HttpClient, body: Content) -> HttpReply:
    return await client.request("POST", "/v1/files", [], body, deadlines=PATIENT, remaining_s=10.0)


async def test_a_content_arrives_whole_and_the_connection_is_used_again(
    upstream: Upstream, connect: MakeClient
) -> None:
    client = connect(upstream)
    pieces = [bytes([65 + n]) * 300_000 for n in range(8)]
    for _ in range(2):
        upstream.script(Send(answer(b"{}")))
        reply = await send(client, content(*pieces))
        assert await reply.read() == b"{}"
        await reply.aclose()
    first, second = upstream.requests
    assert first.body == second.body == b"".join(pieces)
    assert first.header("content-length") == "2400000"


@pytest.mark.parametrize("size", [3, 9])
async def test_a_content_that_is_not_as_long_as_it_said_is_not_sent_as_one(
    upstream: Upstream, connect: MakeClient, size: int
) -> None:
    with pytest.raises(SendError) as refused:
        await send(connect(upstream), content(b"abc", b"def", size=size))
    assert refused.value.failure == "invalid_request"


async def test_what_reading_a_content_raises_is_raised(upstream: Upstream, connect: MakeClient) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"abc"
        raise LookupError("gone")

    with pytest.raises(LookupError):
        await send(connect(upstream), Content(6, broken))
