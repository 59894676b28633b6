"""Budgets: reserved before, settled after, never overspent, never stranded for long."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from tests.store.test_store_journal import locked_database
from tests.store.world import (
    NOON,
    SECOND,
    StillClock,
    Tenant,
    a_budget,
    a_settlement,
    a_tenant,
    an_intent,
    assert_books_balance,
    kill,
    sql,
)

from passerelle.core.receipt import Held, HoldSettled
from passerelle.store import Budget, BudgetDenied, LeaseRules, Store, StoreUnavailable
from passerelle.store.recovery import Recovery

Opener = Callable[..., Store]


async def hold(store: Store, budget: Budget, amount: int, hold_id: str) -> tuple[Held, ...]:
    answer = await store.budgets.reserve_slow((budget.id,), amount, hold_id)
    assert not isinstance(answer, BudgetDenied), answer.message
    return answer


def spend(store: Store, tenant: Tenant, held: tuple[Held, ...], amount: int, *, at_ns: int = NOON) -> str:
    intent = an_intent(tenant, holds=held, at_ns=at_ns)
    store.journal.intent(intent)
    store.journal.settle(a_settlement(intent, amount_nanos=amount))
    assert store.flush()
    return intent.receipt_id


def standing(store: Store, budget: Budget) -> tuple[int, int]:
    """(spent, leased) as the database says."""
    state = store.tenants.budget_state(budget.org_id, budget.id)
    assert state is not None
    return state.spent_nanos, state.leased_nanos


def tidy(store: Store, clock: StillClock, seconds: float = 3) -> None:
    """Let time pass and the worker put its leases in order."""
    clock.advance(seconds)
    store._writer._upkeep.run()


async def test_the_first_hold_draws_a_lease_and_the_next_needs_no_database(
    store: Store, tmp_path: Path
) -> None:
    tenant = a_tenant(store)
    budget = a_budget(store, tenant, 800)
    first = store.budgets.reserve((budget.id,), 10, "hld_1")
    assert isinstance(first, BudgetDenied)
    assert not first.final
    assert await hold(store, budget, 10, "hld_1") == (Held("hld_1", budget.id, 10),)
    with locked_database(tmp_path):
        second = store.budgets.reserve((budget.id,), 10, "hld_2")
    assert second == (Held("hld_2", budget.id, 10),)
    assert standing(store, budget) == (0, 100), "an eighth of what remains"


async def test_what_was_not_used_of_a_hold_can_be_held_again(store: Store) -> None:
    tenant = a_tenant(store)
    budget = a_budget(store, tenant, 100)
    spend(store, tenant, await hold(store, budget, 100, "hld_1"), 40)
    await hold(store, budget, 60, "hld_2")
    denied = await store.budgets.reserve_slow((budget.id,), 1, "hld_3")
    assert isinstance(denied, BudgetDenied)
    assert denied.final
    assert (denied.limit_nanos, denied.spent_nanos, denied.currency, denied.period) == (
        100,
        100,
        "USD",
        "total",
    )
    assert budget.id in denied.message


async def test_a_denial_from_memory_costs_no_database_and_is_soon_asked_again(
    store: Store, clock: StillClock, tmp_path: Path
) -> None:
    tenant = a_tenant(store)
    budget = a_budget(store, tenant, 100)
    held = await hold(store, budget, 100, "hld_1")
    await store.budgets.reserve_slow((budget.id,), 50, "hld_2")
    with locked_database(tmp_path):
        denied = store.budgets.reserve((budget.id,), 50, "hld_3")
    assert isinstance(denied, BudgetDenied)
    assert denied.final
    store.budgets.release(held)
    clock.advance(1)
    assert isinstance(store.budgets.reserve((budget.id,), 50, "hld_4"), tuple)


async def test_all_budgets_of_a_key_are_held_or_none(store: Store) -> None:
    tenant = a_tenant(store)
    wide, narrow = a_budget(store, tenant, 1_000), a_budget(store, tenant, 50)
    both = tuple(sorted((wide.id, narrow.id)))
    denied = await store.budgets.reserve_slow(both, 60, "hld_1")
    assert isinstance(denied, BudgetDenied)
    assert denied.budget_id == narrow.id
    assert store.budgets.open_holds == 0
    held = await store.budgets.reserve_slow(both, 50, "hld_2")
    assert isinstance(held, tuple)
    assert [one.budget_id for one in held] == list(both)
    spend(store, tenant, held, 20)
    assert standing(store, wide)[0] == standing(store, narrow)[0] == 20


async def test_reserving_an_open_hold_again_changes_nothing(store: Store) -> None:
    tenant = a_tenant(store)
    budget = a_budget(store, tenant, 100)
    once = await hold(store, budget, 100, "hld_1")
    assert await hold(store, budget, 100, "hld_1") == once
    assert store.budgets.held_nanos(budget.id) == 100


async def test_a_hold_id_open_on_other_budgets_is_a_mistake(store: Store) -> None:
    tenant = a_tenant(store)
    one, other = a_budget(store, tenant, 100), a_budget(store, tenant, 100)
    await hold(store, one, 10, "hld_1")
    with pytest.raises(ValueError, match="other budgets"):
        await store.budgets.reserve_slow((one.id, other.id), 10, "hld_1")


async def test_a_negative_hold_is_a_mistake(store: Store) -> None:
    with pytest.raises(ValueError, match="negative"):
        store.budgets.reserve(("bud_x",), -1, "hld_1")


async def test_no_budgets_hold_nothing_and_a_free_call_holds_zero(store: Store) -> None:
    tenant = a_tenant(store)
    budget = a_budget(store, tenant, 0)
    assert store.budgets.reserve((), 5, "hld_0") == ()
    assert await hold(store, budget, 0, "hld_1") == (Held("hld_1", budget.id, 0),)


async def test_a_cost_above_its_hold_is_booked_whole_and_blocks_what_is_left(store: Store) -> None:
    tenant = a_tenant(store)
    budget = a_budget(store, tenant, 100)
    spend(store, tenant, await hold(store, budget, 10, "hld_1"), 95)
    assert standing(store, budget)[0] == 95
    denied = await store.budgets.reserve_slow((budget.id,), 10, "hld_2")
    assert isinstance(denied, BudgetDenied)
    await hold(store, budget, 5, "hld_3")


async def test_a_cost_above_its_hold_is_charged_before_another_worker_can_draw(
    opened: Opener, tmp_path: Path
) -> None:
    one, two = opened(worker="w1"), opened(worker="w2")
    tenant = a_tenant(one)
    budget = a_budget(one, tenant, 100)
    spend(one, tenant, await hold(one, budget, 10, "hld_1"), 95)
    denied = await two.budgets.reserve_slow((budget.id,), 10, "hld_2")
    assert isinstance(denied, BudgetDenied)
    await hold(two, budget, 5, "hld_3")
    assert_books_balance(tmp_path)


async def test_a_cost_above_the_limit_itself_is_booked_whole(store: Store, tmp_path: Path) -> None:
    tenant = a_tenant(store)
    budget = a_budget(store, tenant, 100)
    spend(store, tenant, await hold(store, budget, 10, "hld_1"), 150)
    assert standing(store, budget)[0] == 150
    assert isinstance(await store.budgets.reserve_slow((budget.id,), 1, "hld_2"), BudgetDenied)
    assert_books_balance(tmp_path)


async def test_two_holds_of_one_request_may_carry_its_cost_on_the_first(store: Store, tmp_path: Path) -> None:
    """A takeover tops the hold up; the road books the whole sum on the first of the two."""
    tenant = a_tenant(store)
    budget = a_budget(store, tenant, 1_000)
    first = await hold(store, budget, 100, "hld_1")
    second = await hold(store, budget, 50, "hld_2")
    intent = an_intent(tenant, holds=(*first, *second))
    settlement = a_settlement(intent, amount_nanos=130)
    ends = (HoldSettled("hld_1", budget.id, 100, 130), HoldSettled("hld_2", budget.id, 50, 0))
    store.journal.intent(intent)
    store.journal.settle(msgspec.structs.replace(settlement, holds=ends))
    assert store.flush()
    assert standing(store, budget)[0] == 130
    assert store.budgets.open_holds == 0
    assert_books_balance(tmp_path)


async def test_a_released_hold_costs_nothing(store: Store) -> None:
    tenant = a_tenant(store)
    budget = a_budget(store, tenant, 100)
    held = await hold(store, budget, 100, "hld_1")
    store.budgets.release(held)
    store.budgets.release(held)
    await hold(store, budget, 100, "hld_2")


async def test_an_idle_lease_is_given_back(store: Store, clock: StillClock) -> None:
    tenant = a_tenant(store)
    budget = a_budget(store, tenant, 800)
    spend(store, tenant, await hold(store, budget, 10, "hld_1"), 10)
    assert standing(store, budget) == (10, 90)
    tidy(store, clock)
    assert standing(store, budget) == (10, 0)
    await hold(store, budget, 10, "hld_2")


async def test_a_lease_with_an_open_hold_gives_back_all_but_the_hold(store: Store, clock: StillClock) -> None:
    tenant = a_tenant(store)
    budget = a_budget(store, tenant, 800)
    held = await hold(store, budget, 10, "hld_1")
    tidy(store, clock)
    assert standing(store, budget) == (0, 10)
    spend(store, tenant, held, 7)
    tidy(store, clock)
    assert standing(store, budget) == (7, 0)


async def test_a_second_worker_gets_what_the_first_gave_back(opened: Opener, clock: StillClock) -> None:
    one, two = opened(worker="w1"), opened(worker="w2")
    tenant = a_tenant(one)
    budget = a_budget(one, tenant, 100)
    held = await hold(one, budget, 100, "hld_1")
    denied = await two.budgets.reserve_slow((budget.id,), 50, "hld_2")
    assert isinstance(denied, BudgetDenied)
    spend(one, tenant, held, 20)
    tidy(one, clock)
    await hold(two, budget, 80, "hld_3")


async def test_a_raised_limit_is_usable_at_once_and_a_lowered_one_holds(
    store: Store, clock: StillClock
) -> None:
    tenant = a_tenant(store)
    budget = a_budget(store, tenant, 100)
    held = await hold(store, budget, 100, "hld_1")
    assert store.tenants.change_budget(tenant.org_id, budget.id, actor="cli:test", limit_nanos=200)
    await hold(store, budget, 100, "hld_2")
    store.budgets.release(held)
    assert store.tenants.change_budget(tenant.org_id, budget.id, actor="cli:test", limit_nanos=150)
    tidy(store, clock, 0.1)
    denied = await store.budgets.reserve_slow((budget.id,), 60, "hld_3")
    assert isinstance(denied, BudgetDenied)
    await hold(store, budget, 50, "hld_4")


async def test_a_disabled_or_unknown_budget_denies(store: Store, clock: StillClock) -> None:
    tenant = a_tenant(store)
    budget = a_budget(store, tenant, 100)
    store.tenants.change_budget(tenant.org_id, budget.id, actor="cli:test", disabled=True)
    for budget_id in (budget.id, "bud_none"):
        denied = await store.budgets.reserve_slow((budget_id,), 1, "hld_1")
        assert isinstance(denied, BudgetDenied)
        assert denied.final
        assert "unknown or disabled" in denied.message


@pytest.mark.parametrize(
    ("period", "key", "after"), [("day", "2026-11-22", 86_400), ("month", "2026-11", 9 * 86_400)]
)
async def test_a_new_period_begins_with_the_whole_limit(
    store: Store, clock: StillClock, period: str, key: str, after: int
) -> None:
    tenant = a_tenant(store)
    budget = a_budget(store, tenant, 100, period=period)
    spend(store, tenant, await hold(store, budget, 100, "hld_1"), 100)
    denied = await store.budgets.reserve_slow((budget.id,), 10, "hld_2")
    assert isinstance(denied, BudgetDenied)
    assert denied.period == key
    assert denied.resets_at_ns is not None
    assert clock.now_ns < denied.resets_at_ns <= clock.now_ns + after * SECOND
    clock.advance(after)
    await hold(store, budget, 100, "hld_3")
    state = store.tenants.budget_state(tenant.org_id, budget.id, at_ns=NOON)
    assert state is not None
    assert (state.period, state.spent_nanos) == (key, 100)


async def test_a_hold_taken_before_midnight_is_paid_from_its_own_day(
    store: Store, clock: StillClock, tmp_path: Path
) -> None:
    tenant = a_tenant(store)
    budget = a_budget(store, tenant, 100, period="day")
    held = await hold(store, budget, 60, "hld_1")
    clock.advance(13 * 3_600)
    spend(store, tenant, held, 55, at_ns=clock.now_ns)
    tidy(store, clock)
    assert sql(tmp_path, "select period, spent_nanos, leased_nanos from budget_account") == [
        ("2026-11-22", 55, 0)
    ]
    assert_books_balance(tmp_path)


async def test_a_hold_that_outlives_its_time_is_given_up_and_booked_late_if_it_settles(
    opened: Opener, clock: StillClock, tmp_path: Path
) -> None:
    store = opened(rules=LeaseRules(ttl_s=40, hold_s=30, renew_s=5))
    tenant = a_tenant(store)
    budget = a_budget(store, tenant, 100)
    held = await hold(store, budget, 100, "hld_1")
    tidy(store, clock, 31)
    assert store.budgets.open_holds == 0
    await hold(store, budget, 100, "hld_2")
    receipt_id = spend(store, tenant, held, 80)
    assert standing(store, budget) == (80, 100), "above the limit, said and not hidden"
    (row,) = store.usage.rows(tenant.org_id, receipt_id=receipt_id)
    assert row.late
    assert sql(tmp_path, "select state from hold") == [("late",)]
    assert_books_balance(tmp_path)


async def test_a_lease_in_use_is_renewed_and_an_abandoned_one_expires(
    opened: Opener, clock: StillClock, tmp_path: Path
) -> None:
    rules = LeaseRules(ttl_s=40, hold_s=30, renew_s=5)
    one, two = opened(worker="w1", rules=rules), opened(worker="w2", rules=rules)
    tenant = a_tenant(one)
    budget = a_budget(one, tenant, 100)
    held = await hold(one, budget, 100, "hld_1")
    for _ in range(3):
        tidy(one, clock, 9)
        assert two._writer._upkeep.sweep() == 0
    clock.advance(41)
    assert two._writer._upkeep.sweep() == 1
    await hold(two, budget, 100, "hld_2")
    spend(one, tenant, held, 30)
    assert sql(tmp_path, "select late from ledger") == [(1,)]
    assert_books_balance(tmp_path)


async def test_a_worker_that_was_away_takes_no_holds_from_a_lease_that_may_have_expired(
    opened: Opener, clock: StillClock
) -> None:
    store = opened(rules=LeaseRules(ttl_s=40, hold_s=30, renew_s=5))
    tenant = a_tenant(store)
    budget = a_budget(store, tenant, 100)
    held = await hold(store, budget, 10, "hld_1")
    store.budgets.release(held)
    clock.advance(11)
    answer = store.budgets.reserve((budget.id,), 1, "hld_2")
    assert isinstance(answer, BudgetDenied)
    assert not answer.final


async def test_without_the_database_no_new_money_is_promised(store: Store, tmp_path: Path) -> None:
    tenant = a_tenant(store)
    budget = a_budget(store, tenant, 100)
    with locked_database(tmp_path), pytest.raises(StoreUnavailable):
        await store.budgets.reserve_slow((budget.id,), 10, "hld_1", deadline_s=0.05)


async def test_a_caller_that_leaves_while_waiting_leaves_no_hold(store: Store, tmp_path: Path) -> None:
    tenant = a_tenant(store)
    budget = a_budget(store, tenant, 100)
    with locked_database(tmp_path):
        waiting = asyncio.create_task(store.budgets.reserve_slow((budget.id,), 100, "hld_1"))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    await hold(store, budget, 100, "hld_2")
    assert store.budgets.open_holds == 1


async def test_a_clean_close_strands_nothing(opened: Opener, tmp_path: Path) -> None:
    store = opened()
    tenant = a_tenant(store)
    budget = a_budget(store, tenant, 100)
    spend(store, tenant, await hold(store, budget, 10, "hld_1"), 10)
    store.close()
    assert sql(tmp_path, "select spent_nanos, leased_nanos from budget_account") == [(10, 0)]
    assert sql(tmp_path, "select state from budget_lease") == [("closed",)]


async def test_a_crash_frees_its_leases_and_charges_what_was_running(opened: Opener, tmp_path: Path) -> None:
    store = opened()
    tenant = a_tenant(store)
    budget = a_budget(store, tenant, 1_000)
    running = an_intent(tenant, holds=await hold(store, budget, 100, "hld_1"))
    store.journal.intent(running)
    await hold(store, budget, 5, "hld_2")
    kill(store)
    again = opened(worker="w1")
    assert standing(again, budget) == (100, 0)
    (row,) = again.usage.rows(tenant.org_id)
    assert (row.attempt_id, row.amount_nanos, row.failure, row.unknown) == (
        running.attempt_id,
        100,
        "cancelled",
        True,
    )
    assert row.usage.source == "estimated"
    assert sql(tmp_path, "select outcome from outcome") == [("unknown",)]
    assert sql(tmp_path, "select state, amount_nanos from hold") == [("unknown", 100)]
    assert again.receipts.get(tenant.org_id, running.receipt_id) is None
    assert_books_balance(tmp_path)


async def test_a_living_worker_recovers_a_dead_sibling(opened: Opener, tmp_path: Path) -> None:
    one, two = opened(worker="w1"), opened(worker="w2")
    tenant = a_tenant(one)
    budget = a_budget(one, tenant, 100)
    done = an_intent(tenant, holds=await hold(one, budget, 60, "hld_1"))
    one.journal.intent(done)
    one.journal.intent(an_intent(tenant, estimate_nanos=0))
    one.journal.settle(a_settlement(done, amount_nanos=0))
    kill(one)
    recovery: Recovery = two._recovery
    found = recovery.run()
    assert (found.workers, found.records, found.lost) == ((one.instance,), 3, 1)
    assert recovery.run().workers == ()
    await hold(two, budget, 100, "hld_2")
    assert_books_balance(tmp_path)


async def test_recovery_killed_on_the_way_is_begun_again_and_books_nothing_twice(
    opened: Opener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = opened()
    tenant = a_tenant(store)
    budget = a_budget(store, tenant, 1_000)
    held = await hold(store, budget, 100, "hld_1")
    done = an_intent(tenant, holds=held)
    with locked_database(tmp_path):
        store.journal.intent(done)
        store.journal.settle(a_settlement(done, amount_nanos=60))
        store.journal.intent(an_intent(tenant, estimate_nanos=30))
        kill(store)

    def power_cut(path: Path, **_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as cut:
        cut.setattr(Path, "unlink", power_cut)
        with pytest.raises(KeyboardInterrupt):
            opened(worker="w1")
    again = opened(worker="w2")
    assert standing(again, budget) == (60, 0)
    assert sorted(row.amount_nanos for row in again.usage.rows(tenant.org_id)) == [30, 60]
    assert_books_balance(tmp_path)
