"""Connections that wait to be let in, over real sockets and the loop that is used."""

import asyncio
import contextlib
import socket
from types import SimpleNamespace

import pytest
import uvloop

from passerelle.server.arrivals import Arrivals

WAITING = 100


class Counted(asyncio.Protocol):
    """One connection, which is counted."""

    def __init__(self, made: list[asyncio.BaseTransport], **_: object) -> None:
        self._made = made

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._made.append(transport)


def turns_until_all_are_in(under_way: int) -> int:
    """How many turns of the loop pass until everybody who waits is let in."""

    async def run() -> int:
        made: list[asyncio.BaseTransport] = []
        loop = asyncio.get_running_loop()
        with contextlib.ExitStack() as stack:
            sock = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=2 * WAITING))
            arrivals = Arrivals(lambda **more: Counted(made, **more), sock, lambda: None)
            state = SimpleNamespace(tasks=set(range(under_way)))
            server = await loop.create_server(lambda: arrivals(server_state=state), sock=sock)
            for _ in range(WAITING):
                stack.enter_context(socket.create_connection(sock.getsockname()))
            turns = 0
            while len(made) < WAITING and turns < 1_000:
                await asyncio.sleep(0)
                turns += 1
            for transport in made:
                transport.close()
            server.close()
            await server.wait_closed()
            return turns

    return uvloop.run(run())


def test_a_worker_at_rest_takes_one_a_turn_and_leaves_the_others_to_its_fellows() -> None:
    assert turns_until_all_are_in(under_way=0) >= WAITING


@pytest.mark.parametrize("under_way", [40, 400])
def test_a_busy_worker_whose_turns_are_long_takes_many(under_way: int) -> None:
    assert turns_until_all_are_in(under_way) <= 2 * WAITING // (under_way // 2) + 6
