"""What leaves together, and in which order."""

import asyncio
from typing import Any, cast

from passerelle.providers.http import outbox


class Socket:
    """A transport that notes when it was written to."""

    def __init__(self, told: list[tuple[str, bytes]], name: str) -> None:
        self.told = told
        self.name = name
        self.closing = False

    def write(self, data: bytes) -> None:
        self.told.append((self.name, data))

    def is_closing(self) -> bool:
        return self.closing


def busy() -> outbox.Outbox:
    box = outbox.of(asyncio.get_running_loop())
    box.under_way = range(100)
    return box


async def test_what_the_ready_tasks_post_leaves_in_their_order_once_all_of_them_ran() -> None:
    told: list[tuple[str, bytes]] = []
    box = busy()
    sockets = [Socket(told, name) for name in "abc"]

    async def one(socket: Socket) -> int:
        box.post(cast("Any", socket), socket.name.encode())
        return len(told)

    seen = await asyncio.gather(*map(one, sockets))
    assert seen == [0, 0, 0]
    assert told == [("a", b"a"), ("b", b"b"), ("c", b"c")]


async def test_what_is_posted_for_one_that_closes_is_dropped_and_the_others_get_theirs() -> None:
    told: list[tuple[str, bytes]] = []
    box = busy()
    gone, here = Socket(told, "gone"), Socket(told, "here")
    turn = box.post(cast("Any", gone), b"1")
    assert box.post(cast("Any", here), b"2") == turn == box.turn
    gone.closing = True
    await asyncio.sleep(0)
    assert told == [("here", b"2")]
    assert box.turn == turn + 1
    box.flush()
    assert box.turn == turn + 1, "nothing waited"


async def test_with_few_requests_under_way_nothing_waits_unless_something_does_already() -> None:
    told: list[tuple[str, bytes]] = []
    box, socket = busy(), Socket(told, "a")
    box.under_way = range(1)
    assert box.post(cast("Any", socket), b"1") == -1
    assert told == [("a", b"1")]
    box.under_way = range(100)
    box.post(cast("Any", socket), b"2")
    box.under_way = range(1)
    box.post(cast("Any", socket), b"3")
    assert told == [("a", b"1")], "what is posted later is never written earlier"
    await asyncio.sleep(0)
    assert told == [("a", b"1"), ("a", b"2"), ("a", b"3")]
