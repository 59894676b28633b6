"""Counters of limits in memory that several workers share."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from passerelle.core.errors import ProblemError
from passerelle.gateway import counters
from passerelle.gateway.counters import OwnCounters, SharedCounters

ADD = """
import sys
from passerelle.gateway.counters import SharedCounters
shared = SharedCounters(int(sys.argv[1]), int(sys.argv[2]))
for _ in range(5000):
    slot = shared.lock("key_a", 0)
    requests, tokens, _ = shared.read(slot)
    shared.write(slot, requests + 1, tokens + 2, 1)
    shared.unlock(slot)
"""


@pytest.fixture
def memory() -> Iterator[int]:
    fd = counters.create(3)
    yield fd
    os.close(fd)


def put(shared: SharedCounters, name: str, requests: int, more: int, *, now: int = 0) -> None:
    slot = shared.lock(name, now)
    shared.write(slot, requests, 0, more)
    shared.unlock(slot)


def got(shared: SharedCounters, name: str, *, now: int = 0) -> tuple[int, ...]:
    slot = shared.lock(name, now)
    numbers = shared.read(slot)
    shared.unlock(slot)
    return tuple(numbers)


def test_processes_that_count_at_once_lose_nothing_and_a_dead_one_s_requests_are_forgotten(
    memory: int,
) -> None:
    command = [sys.executable, "-c", ADD, str(memory)]
    adding = [subprocess.Popen([*command, str(place)], pass_fds=[memory]) for place in range(2)]
    assert [one.wait(60) for one in adding] == [0, 0]

    mine = SharedCounters(memory, 2)
    assert got(mine, "key_a") == (10_000, 20_000, 10_000)
    counters.clear(memory, 0)
    assert got(mine, "key_a") == (10_000, 20_000, 5_000)


def test_what_one_worker_counts_another_sees_by_the_same_name_alone(memory: int) -> None:
    one, other = SharedCounters(memory, 0), SharedCounters(memory, 1)
    for number in range(3_000):
        put(one, f"key_{number}", number, 1)

    assert all(got(other, f"key_{number}") == (number, 0, 1) for number in range(3_000))
    assert got(other, "key_none") == (0, 0, 0)


def test_a_name_that_says_nothing_any_more_gives_its_slot_to_another(
    memory: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counters, "_BUCKETS", 1)  # every name meets every other
    one, other = SharedCounters(memory, 0), SharedCounters(memory, 1)
    for number in range(16):
        put(one, f"key_{number}", 100 + number, 1 if number % 2 else 0)

    put(one, "key_new", 7, 1, now=50)  # the first that would be whole, and has nothing under way, goes

    assert got(other, "key_new") == (7, 0, 1)
    assert got(other, "key_1") == (101, 0, 1)
    assert got(other, "key_0", now=50) == (0, 0, 0)


def test_a_bucket_in_which_all_is_under_way_has_no_room_and_stays_unlocked(
    memory: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counters, "_BUCKETS", 1)
    one = SharedCounters(memory, 0)
    for number in range(16):
        put(one, f"key_{number}", 0, 1)

    with pytest.raises(ProblemError) as refused:
        one.lock("key_new", 0)
    assert refused.value.problem.kind == "overloaded"
    put(one, "key_3", 0, -1)
    put(one, "key_new", 0, 1)


def test_one_worker_forgets_names_that_say_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counters, "_REMEMBERED", 3)
    own = OwnCounters()
    for name, record in {"whole": [5, 5, 0], "late": [5, 50, 0], "busy": [5, 0, 1]}.items():
        own.record(name, 10)[:] = record

    own.record("new", 10)

    assert own.records == {"late": [5, 50, 0], "busy": [5, 0, 1], "new": [0, 0, 0]}
