"""Where conversations are: remembered by all workers of a host, within bounds, and told apart by tenant."""

import os
from collections.abc import Iterator
from multiprocessing import get_context

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from passerelle.gateway.charts import TALKS, Charts, create
from passerelle.gateway.whereabouts import Turn, Whereabouts, conversation


@pytest.fixture
def memory() -> Iterator[int]:
    fd = create(2)
    yield fd
    os.close(fd)


def test_one_worker_knows_what_another_one_kept(memory: int) -> None:
    one, two = Whereabouts(Charts(memory, 0)), Whereabouts(Charts(memory, 1))
    name = conversation("org_1", "called", "talk")
    assert two.find(name) is None

    one.keep(name, Turn(7, 12.5, 900))
    assert two.find(name) == Turn(7, 12.5, 900)
    two.keep(name, Turn(8, 13.5, 950))
    assert one.find(name) == Turn(8, 13.5, 950)


def test_a_name_is_of_one_tenant_and_of_one_kind() -> None:
    names = {
        conversation(org, kind, said)
        for org in ("org_1", "org_2")
        for kind in ("called", "opened")
        for said in ("a", "b")
    }
    assert len(names) == 8


@settings(max_examples=50)
@given(st.lists(st.tuples(st.integers(1, 2**64 - 1), st.integers(1, 9)), max_size=80))
def test_what_is_found_is_what_was_kept_last(kept: list[tuple[int, int]]) -> None:
    where = Whereabouts(Charts())
    last: dict[int, Turn] = {}
    for at, (name, place) in enumerate(kept):
        last[name] = Turn(place, float(at + 1), at)
        where.keep(name, last[name])
        assert where.find(name) == last[name]
    for name, turn in last.items():
        assert where.find(name) in (turn, None)


def test_when_there_is_no_room_the_one_used_longest_ago_gives_way() -> None:
    where = Whereabouts(Charts())
    same = [5 + TALKS * n + ((9 + TALKS * n) << 32) for n in range(1, 4)]
    slots = {(name % TALKS, (name >> 32) % TALKS) for name in same}
    assert len(slots) == 1
    for at, name in enumerate(same):
        where.keep(name, Turn(1, float(at + 1), 1))

    assert where.find(same[0]) is None
    assert where.find(same[1]) is not None
    assert where.find(same[2]) is not None


def _write(fd: int, place: int, rounds: int) -> None:
    where = Whereabouts(Charts(fd, place))
    for n in range(1, rounds):
        where.keep(42, Turn(place + 1, float(n * 10 + place), n))


def test_two_workers_that_write_at_once_leave_one_of_both(memory: int) -> None:
    context = get_context("fork")
    workers = [context.Process(target=_write, args=(memory, place, 3_000)) for place in (0, 1)]
    for worker in workers:
        worker.start()
    where = Whereabouts(Charts(memory, 0))
    for worker in workers:
        worker.join(30)
        assert worker.exitcode == 0
    found = where.find(42)
    assert found is None or found.place in (1, 2)
