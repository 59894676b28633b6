"""What is held back comes out as it went in, within its bounds, and gives its room back."""

import asyncio
import random
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.gateway.held import MOST_CAME, Held, HeldTooMuchError, Room

MOST = 1 << 20


def _held(room: Room, most: int = MOST, most_of_all: int = 1 << 30) -> Held:
    return Held(room, most=most, most_of_all=most_of_all)


async def _pieces(held: Held) -> list[bytes]:
    return [piece async for piece in held.pieces()]


def _fill(held: Held, pieces: Sequence[bytes]) -> None:
    for piece in pieces:
        held.add(piece)


@given(st.lists(st.tuples(st.binary(max_size=40), st.integers(1, 4000)), max_size=30))
def test_all_of_it_comes_out_in_its_order(pieces: list[tuple[bytes, int]]) -> None:
    room = Room()
    held = _held(room, most=1 << 24)
    data = [piece * times for piece, times in pieces]
    for one in data:
        held.add(one)
    assert held.whole() == b"".join(data)
    assert held.came == len(b"".join(data))
    assert b"".join(asyncio.run(_pieces(held))) == b"".join(data)
    assert room.taken == 0


def test_a_long_stream_takes_little() -> None:
    room = Room()
    held = _held(room)
    for number in range(100_000):
        held.add(
            b'data: {"id":"chatcmpl-1","choices":[{"index":0,"delta":{"content":"word %d"}}]}\n\n' % number
        )
    assert held.came > 7 << 20
    assert room.taken < MOST
    assert max(map(len, asyncio.run(_pieces(held)))) <= 256 << 10


def test_more_than_may_be_held_is_told() -> None:
    held = _held(Room())
    noise = random.Random(1)
    with pytest.raises(HeldTooMuchError) as told:
        _fill(held, [noise.randbytes(64 << 10) for _ in range(40)])
    assert not told.value.here
    assert not told.value.endless


def test_the_same_for_ever_is_told_as_endless() -> None:
    held = _held(Room())
    with pytest.raises(HeldTooMuchError) as told:
        _fill(held, [b"again and again " * (MOST // 16)] * (MOST_CAME + 1))
    assert told.value.endless


def test_all_answers_of_a_worker_share_one_bound_and_give_it_back() -> None:
    room = Room()
    noise = random.Random(1).randbytes(100_000)
    first = _held(room, most_of_all=150_000)
    first.add(noise)
    second = _held(room, most_of_all=150_000)
    with pytest.raises(HeldTooMuchError) as told:
        second.add(noise)
    assert told.value.here
    second.clear()
    assert room.taken == 100_000
    first.clear()
    assert room.taken == 0
    third = _held(room, most_of_all=150_000)
    third.add(noise)
    del third, first
    assert room.taken == 0
