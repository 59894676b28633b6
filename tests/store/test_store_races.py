"""Many at once on one database: nothing is overspent, nothing is lost, nothing is booked twice."""

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.store.world import (
    Tenant,
    a_budget,
    a_settlement,
    a_tenant,
    an_intent,
    assert_books_balance,
    sql,
)

from passerelle.core.clock import SystemClock, mint
from passerelle.store import BudgetDenied, Store

Opener = Callable[..., Store]
WORKERS, TASKS, CALL = 4, 16, 10


async def call(store: Store, tenant: Tenant, budgets: tuple[str, ...], amount: int) -> bool:
    """One request, from hold to settlement; whether it was admitted."""
    hold_id = mint("hld")
    answer = store.budgets.reserve(budgets, amount, hold_id)
    if isinstance(answer, BudgetDenied) and not answer.final:
        answer = await store.budgets.reserve_slow(budgets, amount, hold_id, deadline_s=60)
    if isinstance(answer, BudgetDenied):
        return False
    intent = an_intent(tenant, holds=answer, estimate_nanos=amount)
    store.journal.intent(intent)
    await asyncio.sleep(0.001)
    settlement = a_settlement(intent, amount_nanos=amount)
    store.journal.settle(settlement)
    store.journal.settle(settlement)
    return True


def crowd(stores: list[Store], tenant: Tenant, budgets: tuple[str, ...], calls: int) -> int:
    """`TASKS` tasks on each store, each store in a thread with a loop of its own; how many were admitted."""
    admitted: list[int] = []

    def run(store: Store) -> None:
        async def everyone() -> int:
            async def one() -> int:
                return sum([await call(store, tenant, budgets, CALL) for _ in range(calls)])

            return sum(await asyncio.gather(*(one() for _ in range(TASKS))))

        admitted.append(asyncio.run(everyone()))

    threads = [threading.Thread(target=run, args=(store,)) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(admitted)


def test_sixty_four_clients_of_four_workers_never_overspend(opened: Opener, tmp_path: Path) -> None:
    """192 calls of 10 at a limit of 1,000: what fits is spent, less what leases strand for a moment."""
    stores = [opened(worker=f"w{index}", clock=SystemClock()) for index in range(WORKERS)]
    tenant = a_tenant(stores[0])
    narrow, wide = a_budget(stores[0], tenant, 1_000), a_budget(stores[0], tenant, 5_000)
    admitted = crowd(stores, tenant, tuple(sorted((narrow.id, wide.id))), calls=3)
    for store in stores:
        assert store.flush(60)
    state = stores[0].tenants.budget_state(tenant.org_id, narrow.id)
    assert state is not None
    assert state.spent_nanos == admitted * CALL
    assert state.spent_nanos + state.leased_nanos <= 1_000
    assert admitted >= 80
    assert sql(tmp_path, "select count(*), count(distinct receipt_id) from outcome") == [(admitted, admitted)]
    assert_books_balance(tmp_path)
    for store in stores:
        store.close()
    assert sql(tmp_path, "select sum(leased_nanos) from budget_account") == [(0,)]
    assert_books_balance(tmp_path)


def test_threads_sharing_one_lease_never_promise_more_than_it_holds(store: Store) -> None:
    tenant = a_tenant(store)
    budget = a_budget(store, tenant, 8_000)

    async def warm() -> None:
        held = await store.budgets.reserve_slow((budget.id,), 1, "hld_warm")
        assert isinstance(held, tuple)
        store.budgets.release(held)

    asyncio.run(warm())
    got: list[int] = []

    def take(worker: int) -> None:
        got.append(
            sum(
                not isinstance(store.budgets.reserve((budget.id,), 1, f"hld_{worker}_{n}"), BudgetDenied)
                for n in range(100)
            )
        )

    threads = [threading.Thread(target=take, args=(worker,)) for worker in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(got) == 1_000, "an eighth of 8,000 was leased"
    assert store.budgets.held_nanos(budget.id) == 1_000


@pytest.mark.soak
def test_a_long_crowd_keeps_the_sums(opened: Opener, tmp_path: Path) -> None:
    stores = [opened(worker=f"w{index}", clock=SystemClock()) for index in range(WORKERS)]
    tenant = a_tenant(stores[0])
    narrow = a_budget(stores[0], tenant, 100_000)
    admitted = crowd(stores, tenant, (narrow.id,), calls=500)
    for store in stores:
        assert store.flush(60)
        store.close()
    assert sql(tmp_path, "select spent_nanos, leased_nanos from budget_account") == [(admitted * CALL, 0)]
    assert admitted * CALL <= 100_000
    assert_books_balance(tmp_path)
