"""Drills in earnest: begun and ended in the audit, known to every worker, over by the clock."""

import time
from pathlib import Path

import pytest
from tests.store.world import sql
from tests.worlds import principal

from passerelle.core.clock import SystemClock
from passerelle.policy.removal import Without
from passerelle.store import Store, default_url, open_store
from passerelle.store.drills import LONGEST_S, MOST, Drill, TooManyDrills

WHO = principal()
OUT = Without("openai")


@pytest.fixture
def two(tmp_path: Path):  # type: ignore[no-untyped-def]
    stores = [open_store(default_url(tmp_path), tmp_path, clock=SystemClock(), worker=f"w{i}") for i in "01"]
    yield stores
    for store in stores:
        store.close()


def begin(store: Store, for_s: int = 60) -> Drill:
    return store.drills.start(
        OUT,
        org_id=WHO.org_id,
        scope="key",
        scope_id=WHO.key_id,
        for_s=for_s,
        actor="key_operator",
        reason="test",
    )


def test_a_drill_binds_its_scope_in_every_worker_until_it_is_ended(two: list[Store], tmp_path: Path) -> None:
    here, there = two
    assert here.drills.binding(WHO) == ()
    drill = begin(here)
    there.catch_up().result(5)
    for store in two:
        (removal,) = store.drills.binding(WHO)
        assert (removal.drill, removal.without, removal.until_ns) == (drill.id, OUT, drill.until_ns)
    ended = there.drills.end(drill.id, actor="key_other")
    here.catch_up().result(5)
    assert ended is not None
    assert ended.ended_at_ns is not None
    assert here.drills.binding(WHO) == there.drills.binding(WHO) == ()
    assert here.drills.newest() == (ended,)
    assert here.drills.end(drill.id, actor="key_third") == ended
    rows = sql(
        tmp_path, "select action, actor, org_id from audit where target = ? order by audit_id", drill.id
    )
    assert rows == [("drill.started", "key_operator", ""), ("drill.ended", "key_other", "")]


def test_a_store_opened_later_knows_what_runs_and_not_what_is_over(two: list[Store], tmp_path: Path) -> None:
    drill = begin(two[0])
    over = begin(two[0])
    two[0].drills.end(over.id, actor="key_operator")
    later = open_store(default_url(tmp_path), tmp_path, clock=SystemClock(), worker="w2")
    try:
        assert [removal.drill for removal in later.drills.binding(WHO)] == [drill.id]
    finally:
        later.close()


class Shifted(SystemClock):
    """A clock that can be set forward."""

    ahead_ns = 0

    def unix_ns(self) -> int:  # type: ignore[override]
        return time.time_ns() + self.ahead_ns


def test_it_is_over_by_the_clock_without_any_look_at_the_database(tmp_path: Path) -> None:
    clock = Shifted()
    store = open_store(default_url(tmp_path), tmp_path, clock=clock, worker="w0")
    drill = begin(store, for_s=600)
    store.close()  # nothing refreshes it any more
    assert len(store.drills.binding(WHO)) == 1
    clock.ahead_ns = drill.until_ns - time.time_ns() - 5_000_000_000
    assert len(store.drills.binding(WHO)) == 1
    clock.ahead_ns += 5_000_000_000
    assert store.drills.binding(WHO) == ()


def test_a_time_that_is_none_or_too_long_and_too_many_at_once_are_refused(two: list[Store]) -> None:
    for for_s in (0, -1, LONGEST_S + 1):
        with pytest.raises(ValueError, match="seconds"):
            begin(two[0], for_s)
    for _ in range(MOST):
        begin(two[0])
    with pytest.raises(TooManyDrills):
        begin(two[1])
    assert two[0].drills.get("drl_none") is None
