"""Money under every order of events: three workers, crashes, late and doubled settlements, time passing."""

import asyncio
import shutil
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, rule
from tests.store.world import (
    StillClock,
    a_budget,
    a_settlement,
    a_tenant,
    an_intent,
    assert_books_balance,
    kill,
    open_at,
    sql,
)

from passerelle.core.receipt import Intent
from passerelle.store import BudgetDenied, LeaseRules, Store

LIMIT = 1_000
RULES = LeaseRules(ttl_s=40, hold_s=30, renew_s=5)
WORKERS = st.integers(0, 1)


class Holding:
    """A request as its road sees it."""

    def __init__(self, worker: int, life: int, intent: Intent) -> None:
        self.worker = worker
        self.life = life
        self.intent = intent
        self.settled: int | None = None


class Money(RuleBasedStateMachine):
    """Two workers on one database, one budget over another."""

    requests = Bundle("requests")

    def __init__(self) -> None:
        super().__init__()
        self.path = Path(tempfile.mkdtemp(prefix="passerelle-money-"))
        self.clock = StillClock()
        self.stores: list[Store] = [self.start(0), self.start(1)]
        self.life = [0, 0]
        self.tenant = a_tenant(self.stores[0])
        self.narrow = a_budget(self.stores[0], self.tenant, LIMIT)
        self.wide = a_budget(self.stores[0], self.tenant, 2 * LIMIT)
        self.ids = tuple(sorted((self.narrow.id, self.wide.id)))
        self.number = 0
        self.open: list[Holding] = []
        self.acknowledged: dict[str, int] = {}
        self.beyond = 0
        """What may lawfully stand above the limit: costs above their holds, and late settlements."""

    def start(self, worker: int) -> Store:
        return open_at(self.path, self.clock, worker=f"w{worker}", rules=RULES)

    @rule(target=requests, worker=WORKERS, amount=st.sampled_from([0, 1, 40, 150, 400, 999, 1_001]))
    def begin(self, worker: int, amount: int) -> object:
        self.number += 1
        store = self.stores[worker]
        answer = asyncio.run(
            store.budgets.reserve_slow(self.ids, amount, f"hld_{self.number:06d}", deadline_s=20)
        )
        if isinstance(answer, BudgetDenied):
            assert answer.final
            return multiple()
        intent = an_intent(self.tenant, at_ns=self.clock.now_ns, estimate_nanos=amount, holds=answer)
        store.journal.intent(intent)
        request = Holding(worker, self.life[worker], intent)
        self.open.append(request)
        return request

    @rule(request=requests, share=st.sampled_from([0.0, 0.3, 1.0, 1.0, 1.5]))
    def settle(self, request: Holding, share: float) -> None:
        if request.life != self.life[request.worker]:
            return  # its process is dead: nobody is left to settle
        held = request.intent.estimate_nanos
        amount = int(held * share)
        first = request.settled is None
        store = self.stores[request.worker]
        if first:
            alive = store.budgets.leases(request.intent.holds)
            self.beyond += max(0, amount - held) if all(alive) else amount
            request.settled = amount
            self.acknowledged[request.intent.receipt_id] = amount
        else:
            amount = (request.settled or 0) + 7  # a doubled settlement, even a different one, books nothing
        store.journal.settle(a_settlement(request.intent, amount_nanos=amount))

    @rule(worker=WORKERS, amount=st.sampled_from([40, 400]))
    def hold_and_let_go(self, worker: int, amount: int) -> None:
        self.number += 1
        budgets = self.stores[worker].budgets
        answer = asyncio.run(budgets.reserve_slow(self.ids, amount, f"hld_{self.number:06d}", deadline_s=20))
        if not isinstance(answer, BudgetDenied):
            budgets.release(answer)

    @rule(seconds=st.sampled_from([0.3, 3, 11, 45]))
    def time_passes(self, seconds: float) -> None:
        """Leases age and expire; holds of `alive` requests may have become late."""
        self.flush()
        self.clock.advance(seconds)
        for store in self.stores:
            store._writer._upkeep.run()
            store._writer._upkeep.sweep()

    @rule(worker=WORKERS, clean=st.booleans())
    def restart(self, worker: int, clean: bool) -> None:
        """By `kill -9` or in order; either way requests that were running are booked as lost."""
        if clean:
            self.stores[worker].close()
        else:
            self.flush_others(worker)
            kill(self.stores[worker])
        self.life[worker] += 1
        self.stores[worker] = self.start(worker)
        for request in self.open:
            if request.worker == worker and request.settled is None:
                request.settled = request.intent.estimate_nanos
                self.acknowledged[request.intent.receipt_id] = request.settled

    def flush(self) -> None:
        for store in self.stores:
            assert store.flush(20)

    def flush_others(self, worker: int) -> None:
        for index, store in enumerate(self.stores):
            assert index == worker or store.flush(20)

    @invariant()
    def the_books_balance(self) -> None:
        self.flush()
        assert_books_balance(self.path)
        booked = dict(sql(self.path, "select receipt_id, sum(amount_nanos) from ledger group by 1"))
        assert booked == self.acknowledged, "every request that ended is booked, once, at its amount"
        assert not [store.health() for store in self.stores if store.health()["quarantined"]]
        late = sql(self.path, "select coalesce(sum(amount_nanos), 0) from hold where state = 'late'")[0][0]
        assert sum(self.acknowledged.values()) <= LIMIT + self.beyond + late

    @invariant()
    def memory_promises_no_more_than_was_set_aside(self) -> None:
        self.flush()  # or a row is read before the commit that makes its line whole, and the line after it
        for store in self.stores:
            for line in store.budgets.every_line():
                found = sql(
                    self.path,
                    "select granted_nanos, spent_nanos from budget_lease"
                    " where lease_id = ? and state = 'open'",
                    line.lease_id,
                )
                if found and line.pending == 0:
                    granted, spent = found[0]
                    assert line.lease.granted_nanos <= granted
                    assert line.lease.spent_nanos == spent

    def teardown(self) -> None:
        for store in self.stores:
            store.close()
        assert_books_balance(self.path)
        shutil.rmtree(self.path)


TestMoney = Money.TestCase
TestMoney.settings = settings(max_examples=8, stateful_step_count=15, suppress_health_check=list(HealthCheck))
