"""Connections go to judged addresses only, in turn, and within the deadline."""

import asyncio
import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack

import pytest
from tests.faultd import Upstream
from tests.providers.http.asking import MakeClient, ask, fetch

from passerelle.providers.base import Deadlines, SendError
from passerelle.providers.egress import EgressRules


def answering(*addresses: str) -> object:
    async def resolve(host: str, port: int) -> Sequence[str]:
        return addresses

    return resolve


async def test_loopback_is_refused_unless_the_entry_allows_it(
    upstream: Upstream, connect: MakeClient
) -> None:
    for url in (upstream.url, upstream.url.replace("127.0.0.1", "localhost")):
        with pytest.raises(SendError, match="allow_private_network"):
            await ask(connect(url, egress=EgressRules()))
    assert upstream.sessions == []


async def test_a_public_name_that_leads_home_gets_no_connection(
    upstream: Upstream, connect: MakeClient
) -> None:
    url = f"http://models.example.test:{upstream.port}"
    for address in ("127.0.0.1", "::ffff:127.0.0.1", "0.0.0.0", "169.254.169.254"):
        with pytest.raises(SendError):
            await ask(connect(url, egress=EgressRules(), resolve=answering(address)))
    assert upstream.sessions == []


async def test_the_next_address_is_tried_when_one_refuses(upstream: Upstream, connect: MakeClient) -> None:
    url = f"http://models.example.test:{upstream.port}"
    client = connect(url, resolve=answering("127.0.0.2", "127.0.0.1"))  # we listen on the second only
    assert await fetch(client) == b"{}"
    assert upstream.requests[0].header("host") == f"models.example.test:{upstream.port}"


async def test_addresses_that_failed_are_asked_for_again(upstream: Upstream, connect: MakeClient) -> None:
    answers = [["127.0.0.2"], ["127.0.0.1"]]

    async def resolve(host: str, port: int) -> Sequence[str]:
        return answers.pop(0)

    client = connect(f"http://models.example.test:{upstream.port}", resolve=resolve)
    with pytest.raises(SendError, match="refused") as caught:
        await ask(client)
    assert not caught.value.sent
    assert await fetch(client) == b"{}"


@pytest.fixture
def black_hole(upstream: Upstream) -> Iterator[str]:
    """An address where nothing answers: the kernel drops a SYN when the queue of those to accept is full."""
    with ExitStack() as sockets:
        hole = sockets.enter_context(socket.socket())
        hole.bind(("127.0.0.9", upstream.port))
        hole.listen(0)
        for _ in range(4):
            plug = sockets.enter_context(socket.socket())
            plug.setblocking(False)
            plug.connect_ex(hole.getsockname())
        yield "127.0.0.9"


async def test_a_black_hole_costs_its_share_of_the_deadline_only(
    upstream: Upstream, connect: MakeClient, black_hole: str
) -> None:
    url = f"http://models.example.test:{upstream.port}"
    client = connect(url, resolve=answering(black_hole, "127.0.0.1"))
    loop = asyncio.get_running_loop()
    before = loop.time()
    assert await fetch(client, deadlines=Deadlines(connect_s=0.3)) == b"{}"
    assert 0.1 < loop.time() - before < 0.3
    client = connect(url, resolve=answering(black_hole))
    with pytest.raises(SendError) as caught:
        await ask(client, deadlines=Deadlines(connect_s=0.05))
    assert caught.value.failure == "timeout"


async def test_a_name_server_that_does_not_answer_ends_at_the_connect_deadline(connect: MakeClient) -> None:
    async def resolve(host: str, port: int) -> Sequence[str]:
        await asyncio.get_running_loop().create_future()
        raise AssertionError

    client = connect("http://models.example.test", resolve=resolve)
    with pytest.raises(SendError) as caught:
        await ask(client, deadlines=Deadlines(connect_s=0.05))
    assert caught.value.failure == "timeout"
    assert client.pool.open == 0
