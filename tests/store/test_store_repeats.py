"""Idempotency keys: of two workers one has a name, an answer is kept a day, nothing stays locked for ever."""

from collections.abc import Callable

import pytest
from tests.store.world import StillClock

from passerelle.store import Store, repeats
from passerelle.store.repeats import KEPT_S, LEASE_S, Before, Claim

Opener = Callable[..., Store]


def named(receipt: str = "rcp_1", *, org_id: str = "org_a", digest: str = "d") -> Claim:
    return Claim(org_id, "name", digest, receipt)


@pytest.fixture
def pair(opened: Opener) -> tuple[Store, Store]:
    return opened(worker="w1"), opened(worker="w2")


def test_of_two_workers_one_has_it_and_the_other_learns_what_it_is(pair: tuple[Store, Store]) -> None:
    mine, theirs = pair
    assert mine.repeats.claim(named()) is None
    assert theirs.repeats.claim(named("rcp_2", digest="other")) == Before("d", "rcp_1", True)
    assert theirs.repeats.claim(named("rcp_3", org_id="org_b")) is None
    mine.repeats.finish(named(), b"said")
    assert theirs.repeats.claim(named("rcp_2")) == Before("d", "rcp_1", False, b"said")


def test_an_answer_that_may_not_be_kept_leaves_its_receipt_alone(pair: tuple[Store, Store]) -> None:
    mine, theirs = pair
    mine.repeats.claim(named())
    mine.repeats.finish(named(), None)
    assert theirs.repeats.claim(named("rcp_2")) == Before("d", "rcp_1", False, None)


def test_what_came_to_nothing_is_free_at_once(pair: tuple[Store, Store]) -> None:
    mine, theirs = pair
    mine.repeats.claim(named())
    mine.repeats.release(named())
    assert theirs.repeats.claim(named("rcp_2")) is None


def test_a_lease_that_is_not_renewed_ends_and_its_late_holder_changes_nothing(
    pair: tuple[Store, Store], clock: StillClock
) -> None:
    mine, theirs = pair
    mine.repeats.claim(named())
    clock.advance(LEASE_S - 1)
    mine.repeats.renew([named()])
    clock.advance(LEASE_S - 1)
    assert theirs.repeats.claim(named("rcp_2")) is not None
    clock.advance(2)
    assert theirs.repeats.claim(named("rcp_2")) is None
    mine.repeats.finish(named(), b"late")
    mine.repeats.release(named())
    assert theirs.repeats.claim(named("rcp_3")) == Before("d", "rcp_2", True)


def test_what_a_dead_worker_ran_is_free_and_what_it_answered_stays(pair: tuple[Store, Store]) -> None:
    mine, theirs = pair
    mine.repeats.claim(named())
    answered = Claim("org_a", "another", "d", "rcp_9")
    mine.repeats.claim(answered)
    mine.repeats.finish(answered, b"said")
    with theirs._database.write() as connection:
        assert repeats.free_of_worker(connection, mine.instance) == 1
    assert theirs.repeats.claim(named("rcp_2")) is None
    assert theirs.repeats.claim(answered) == Before("d", "rcp_9", False, b"said")


def test_after_a_day_it_is_forgotten(pair: tuple[Store, Store], clock: StillClock) -> None:
    mine, _ = pair
    mine.repeats.claim(named())
    mine.repeats.finish(named(), b"said")
    clock.advance(KEPT_S - 1)
    assert mine.repeats.claim(named("rcp_2")) is not None
    clock.advance(2)
    assert mine.repeats.claim(named("rcp_2")) is None


def test_an_answer_lies_sealed_and_is_gone_with_its_tenant_s_keys(pair: tuple[Store, Store]) -> None:
    mine, _ = pair
    mine.repeats.claim(named())
    mine.repeats.finish(named(), b"a secret answer")
    with mine._database.read() as connection:
        bodies = connection.exec_driver_sql("select body from repeat").scalars().all()
    assert all(b"secret" not in body for body in bodies)
    mine.contents.shred("org_a", actor="test")
    assert mine.repeats.claim(named("rcp_2")) == Before("d", "rcp_1", False, None)
