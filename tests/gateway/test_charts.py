"""The health of deployments in memory that several workers share."""

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.core.errors import FailureKind
from passerelle.gateway import charts
from passerelle.gateway.charts import Charts, cell_of
from passerelle.router.health import CIRCUITS, Breaker, Tally, Told, Vital

FAIL = """
import sys
from passerelle.gateway.charts import Charts
mine = Charts(int(sys.argv[1]), int(sys.argv[2]))
slot = mine.slot("p/d")
for number in range(2000):
    mine.count(slot, 7, ok=1, bad=2)
    with mine.change(slot) as vital:
        vital.breakers["transport"].failures += 1
    mine.slot(f"p/{number % 50}")
"""
times = st.floats(0, 1e9)


@pytest.fixture
def memory() -> Iterator[int]:
    fd = charts.create(3)
    yield fd
    os.close(fd)


def test_workers_that_fail_at_once_lose_nothing(memory: int) -> None:
    command = [sys.executable, "-c", FAIL, str(memory)]
    failing = [subprocess.Popen([*command, str(place)], pass_fds=[memory]) for place in range(2)]
    assert [one.wait(60) for one in failing] == [0, 0]

    mine = Charts(memory, 2)
    slot = mine.slot("p/d")
    assert mine.read(slot).breakers["transport"].failures == 4000
    assert mine.tally(slot, 7, 7) == Tally(ok=4000, bad=8000)
    assert mine.totals(slot) == (4000, 8000)
    assert mine.words[mine.troubled_at(slot)]
    assert len({mine.slot(f"p/{number}") for number in range(50)} | {slot}) == 51


breakers = st.builds(
    Breaker,
    failures=st.integers(0, 1000),
    openings=st.integers(0, 40),
    opened_s=times,
    until_s=times,
    probe_at_s=times,
    last=st.none() | st.sampled_from(get_args(FailureKind)),
)


@given(
    vital=st.builds(
        Vital,
        breakers=st.fixed_dictionaries(dict.fromkeys(CIRCUITS, breakers)),
        told=st.sampled_from(get_args(Told)),
        told_at_s=times,
        told_until_s=times,
        probe_until_s=times,
        failed_s=times,
        counted_from_s=times,
        alarmed_s=times,
        last=st.none() | st.sampled_from(get_args(FailureKind)),
    )
)
def test_what_is_kept_is_what_was_known(vital: Vital) -> None:
    own = Charts()
    slot = own.slot("p/d")
    with own.change(slot) as kept:
        for field in Vital.__struct_fields__:
            setattr(kept, field, getattr(vital, field))
    assert own.read(slot) == vital
    assert bool(own.words[own.troubled_at(slot)]) == vital.troubled
    assert own.last_failure_s(slot) == vital.failed_s


def test_only_a_change_is_news() -> None:
    own = Charts()
    slot = own.slot("p/d")
    before = own.words[0]
    with own.change(slot):
        pass
    own.count(slot, 1, ok=1)
    assert own.words[0] == before
    with own.change(slot) as vital:
        vital.failed_s = 1.0
    assert own.words[0] != before


@given(counted=st.lists(st.tuples(st.integers(0, 60), st.booleans()), max_size=60))
def test_a_window_holds_the_outcomes_of_its_buckets(counted: list[tuple[int, bool]]) -> None:
    own, counted = Charts(), sorted(counted)
    slot = own.slot("p/d")
    for bucket, good in counted:
        own.count(slot, bucket, ok=int(good), bad=int(not good))
    last = counted[-1][0] if counted else 0
    for first in (last, last - 5, last - 23):
        seen = [good for bucket, good in counted if bucket >= first]
        assert own.tally(slot, first, last) == Tally(ok=seen.count(True), bad=seen.count(False))


def test_every_deployment_of_a_large_catalogue_has_a_record_of_its_own(memory: int) -> None:
    one, other = Charts(memory, 0), Charts(memory, 1)
    names = [f"p/{number}" for number in range(10_000)]
    slots = {name: (one if number % 3 else other).slot(name) for number, name in enumerate(names)}
    assert len(set(slots.values())) == len(names)
    for charts_of_one in (one, other, Charts(memory, 0)):
        assert {name: charts_of_one.slot(name) for name in names} == slots


def test_when_there_is_no_room_the_one_that_was_well_longest_gives_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(charts, "_SLOTS", 3)
    one = Charts()
    for name, failed_s in (("ill", 1.0), ("late", 9.0), ("early", 5.0)):
        slot = one.slot(name)
        one.count(slot, 1, ok=3)
        with one.change(slot) as vital:
            vital.failed_s = failed_s
            vital.breakers["auth"].failures = int(name == "ill")
    early = one.slot("early")

    assert one.slot("new") == early
    assert one.read(early) == Vital()
    assert one.totals(early) == (0, 0)
    assert one.read(one.slot("ill")).breakers["auth"].failures == 1


def test_times_are_smoothed_and_known_to_all(memory: int) -> None:
    one, other = Charts(memory, 0), Charts(memory, 1)
    slot = one.slot("p/d")
    one.pace(slot, "first", 1.0, 1)
    other.pace(other.slot("p/d"), "first", 2.0, 1)
    assert one.paces(slot) == (pytest.approx(1.2), 0.0, 0.0)
    one.pace(slot, "first", 3.0, 1000)
    assert other.paces(slot)[0] == pytest.approx(3.0)


def test_retries_of_all_workers_are_counted_together(memory: int) -> None:
    one, other = Charts(memory, 0), Charts(memory, 1)
    cell = cell_of("org\np/d")
    one.asked(cell, 10, requests=5)
    other.asked(cell, 11, requests=2, retries=1)
    assert one.asked_lately(cell, 8, 11) == (7, 1)
    assert one.asked_lately(cell, 11, 14) == (2, 1)
    one.asked(cell, 15, requests=1)  # takes the place of the tenth
    assert other.asked_lately(cell, 10, 15) == (3, 1)
