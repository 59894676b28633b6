"""Batches at a provider: money of their own that outlives workers, lines booked with their results, once."""

from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.store.test_store_batches import PURGE_NS, a_batch
from tests.store.world import (
    StillClock,
    Tenant,
    a_budget,
    a_settlement,
    a_tenant,
    an_intent,
    assert_books_balance,
    kill,
    open_at,
    sql,
)

from passerelle.core.batch import Batch, LineResult, Native
from passerelle.core.ids import same
from passerelle.core.receipt import Held, Settlement
from passerelle.store import BudgetDenied, Store
from passerelle.store.batch_runs import LeaseLost

SENDING = Native("sending", provider="prov", deployment="prov/model-x", lines=9, held_nanos=600)


def away(store: Store, clock: StillClock, tenant: Tenant, budgets: Sequence[str], **said: object) -> Batch:
    """A batch under the lease of `w1`, handed over."""
    batch = a_batch(store, clock, tenant.org_id, project_id=tenant.project_id, key_id=tenant.key_id)
    store.batch_runs.claim("w1", ttl_s=10)
    batch = store.batch_runs.advance("w1", batch, "in_progress", total=9)
    begun = store.native_batches.begin("w1", batch, msgspec.structs.replace(SENDING, **said), budgets)
    assert begun is not None
    return begun


def line(batch: Batch, tenant: Tenant, number: int, amount_nanos: int) -> tuple[LineResult, Settlement]:
    """A line's end, under the ids that are always its own."""
    receipt_id = same("rcp", batch.id, number)
    leases = batch.native.leases if batch.native is not None else ()
    holds = tuple(Held(same("hld", receipt_id), budget_id, 0) for budget_id, _ in leases)
    intent = an_intent(tenant, receipt_id=receipt_id, attempt_id=same("att", receipt_id, 1), holds=holds)
    settlement = a_settlement(intent, amount_nanos=amount_nanos)
    return LineResult(number, "ok", receipt_id, b"{}"), settlement


def test_its_money_is_nobody_elses_until_it_is_back(store: Store, clock: StillClock, tmp_path: Path) -> None:
    tenant = a_tenant(store)
    budget = a_budget(store, tenant, 1_000)
    batch = away(store, clock, tenant, [budget.id])

    state = store.tenants.budget_state(tenant.org_id, budget.id)
    assert state is not None
    assert (state.spent_nanos, state.leased_nanos) == (0, 600)
    store.native_batches.book("w1", batch, [line(batch, tenant, n, 50) for n in (1, 2)])
    state = store.tenants.budget_state(tenant.org_id, budget.id)
    assert state is not None
    assert (state.spent_nanos, state.leased_nanos) == (100, 500)
    assert batch.native is not None
    batch = store.native_batches.keep("w1", batch, msgspec.structs.replace(batch.native, step="collected"))
    state = store.tenants.budget_state(tenant.org_id, budget.id)
    assert state is not None
    assert (state.spent_nanos, state.leased_nanos) == (100, 0)
    assert_books_balance(tmp_path)


def test_a_budget_with_less_left_gives_nothing_and_keeps_nothing(
    store: Store, clock: StillClock, tmp_path: Path
) -> None:
    tenant = a_tenant(store)
    rich, poor = a_budget(store, tenant, 1_000), a_budget(store, tenant, 599)
    batch = a_batch(store, clock, tenant.org_id)
    store.batch_runs.claim("w1", ttl_s=10)

    assert store.native_batches.begin("w1", batch, SENDING, [rich.id, poor.id]) is None

    assert sql(tmp_path, "select native from batch") == [(None,)]
    assert sql(tmp_path, "select count(*) from budget_lease") == [(0,)]
    state = store.tenants.budget_state(tenant.org_id, rich.id)
    assert state is not None
    assert state.leased_nanos == 0


def test_its_money_outlives_the_worker_and_its_lease(
    opened: Callable[..., Store], clock: StillClock, tmp_path: Path
) -> None:
    store = opened(worker="w1")
    tenant = a_tenant(store)
    budget = a_budget(store, tenant, 1_000)
    batch = away(store, clock, tenant, [budget.id])
    kill(store)
    clock.advance(3_600)
    store = opened(worker="w2")

    taken = store.batch_runs.claim("w2", ttl_s=10)
    assert taken == batch
    answer = store.budgets.reserve([budget.id], 500, "hld_x")
    assert isinstance(answer, BudgetDenied)
    store.native_batches.book("w2", batch, [line(batch, tenant, 1, 50)])
    state = store.tenants.budget_state(tenant.org_id, budget.id)
    assert state is not None
    assert (state.spent_nanos, state.leased_nanos) == (50, 550)
    assert_books_balance(tmp_path)


@pytest.mark.parametrize("ending", ["failed", "cancelled"])
def test_however_a_batch_ends_its_money_is_given_back(
    store: Store, clock: StillClock, tmp_path: Path, ending: str
) -> None:
    tenant = a_tenant(store)
    budget = a_budget(store, tenant, 1_000)
    batch = away(store, clock, tenant, [budget.id])
    if ending == "cancelled":
        assert store.batches.cancel(tenant.org_id, tenant.project_id, "openai", batch.id) is not None
    store.batch_runs.finish("w1", batch, ending, purge_at_ns=PURGE_NS)  # type: ignore[arg-type]

    state = store.tenants.budget_state(tenant.org_id, budget.id)
    assert state is not None
    assert state.leased_nanos == 0
    assert_books_balance(tmp_path)


def test_nobody_takes_up_a_batch_that_rests_but_when_it_is_cancelled(store: Store, clock: StillClock) -> None:
    tenant = a_tenant(store)
    batch = away(store, clock, tenant, [])
    store.native_batches.rest("w1", batch, until_ns=clock.unix_ns() + 60 * 10**9)
    assert store.batch_runs.claim("w2", ttl_s=10) is None
    assert store.batch_runs.renew("w1", [batch.id], ttl_s=10) == {}
    store.batches.cancel(tenant.org_id, tenant.project_id, "openai", batch.id)
    taken = store.batch_runs.claim("w2", ttl_s=10)
    assert taken is not None
    assert taken.state == "cancelling"


def test_a_batch_cancelled_just_before_its_rest_is_taken_up_at_once(store: Store, clock: StillClock) -> None:
    tenant = a_tenant(store)
    batch = away(store, clock, tenant, [])
    store.batches.cancel(tenant.org_id, tenant.project_id, "openai", batch.id)
    store.native_batches.rest("w1", batch, until_ns=clock.unix_ns() + 60 * 10**9)
    assert store.batch_runs.claim("w2", ttl_s=10) is not None


def test_whoever_lost_the_lease_keeps_and_books_nothing(
    store: Store, clock: StillClock, tmp_path: Path
) -> None:
    tenant = a_tenant(store)
    batch = away(store, clock, tenant, [])
    clock.advance(11)
    store.batch_runs.claim("w2", ttl_s=10)
    assert batch.native is not None
    natives = store.native_batches
    for attempt in (
        lambda: natives.book("w1", batch, [line(batch, tenant, 1, 5)]),
        lambda: natives.keep("w1", batch, SENDING),
        lambda: natives.change("w1", batch, {"step": "over"}),
        lambda: natives.begin("w1", batch, SENDING, []),
        lambda: natives.rest("w1", batch, until_ns=0),
    ):
        with pytest.raises(LeaseLost):
            attempt()
    assert sql(tmp_path, "select count(*) from ledger") == [(0,)]


@settings(max_examples=8)
@given(
    groups=st.lists(st.lists(st.integers(1, 9), min_size=1, max_size=9, unique=True), max_size=6),
    amounts=st.lists(st.integers(0, 90), min_size=10, max_size=10),
)
def test_results_read_again_in_any_groups_are_booked_once(
    tmp_path_factory: pytest.TempPathFactory, groups: list[list[int]], amounts: list[int]
) -> None:
    clock, path = StillClock(), tmp_path_factory.mktemp("books")
    store = open_at(path, clock)
    try:
        tenant = a_tenant(store)
        budget = a_budget(store, tenant, 1_000)
        batch = away(store, clock, tenant, [budget.id])
        seen: set[int] = set()
        for numbers in groups:
            group = [line(batch, tenant, n, amounts[n]) for n in numbers]
            assert store.native_batches.book("w1", batch, group) == set(numbers) - seen
            seen |= set(numbers)
        assert store.batch_runs.done(batch) == seen
        spent = sum(amounts[n] for n in seen)
        assert sql(path, "select count(*), coalesce(sum(amount_nanos), 0) from ledger") == [
            (len(seen), spent)
        ]
        state = store.tenants.budget_state(tenant.org_id, budget.id)
        assert state is not None
        assert (state.spent_nanos, state.leased_nanos) == (spent, 600 - spent)
        assert_books_balance(path)
    finally:
        store.close()
