"""`kill -9` of a real process under load: nothing it acknowledged is lost, nothing is booked twice."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from tests.store.world import Tenant, a_budget, a_tenant, assert_books_balance, open_at, sql

from passerelle.core.clock import SystemClock
from passerelle.ledger import receipts
from passerelle.store import Budget, Store, check_signature

ROOT = Path(__file__).parents[2]
LIMIT = 10**9


class Workers:
    """A process that starts workers, and what they have acknowledged."""

    def __init__(self, path: Path, tenant: Tenant, budgets: list[Budget]) -> None:
        ids = ",".join(sorted(budget.id for budget in budgets))
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.store.crash_child", str(path), ids, *tenant[:4]],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self.settled: dict[str, tuple[str, int]] = {}
        self.intended: dict[str, int] = {}
        self.durable: set[str] = set()
        self._pid = 0
        self._born = threading.Event()
        self._opened = threading.Event()
        self._dead = threading.Event()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            match line.decode().split():
                case ["pid", pid]:
                    self._pid = int(pid)
                    self._born.set()
                case ["open"]:
                    self._opened.set()
                case ["dead"]:
                    self._dead.set()
                case ["i", attempt, estimate]:
                    self.intended[attempt] = int(estimate)
                case ["d", attempt]:
                    self.durable.add(attempt)
                case ["s", receipt, attempt, amount]:
                    self.settled[receipt] = (attempt, int(amount))
                case other:
                    raise AssertionError(other)

    def start_and_kill(self, seconds: float) -> None:
        """One worker's life: it opens the store, works for a while, and is killed."""
        assert self._process.stdin is not None
        self._born.clear()
        self._opened.clear()
        self._dead.clear()
        self._process.stdin.write(b"go\n")
        self._process.stdin.flush()
        assert self._born.wait(30)
        assert self._opened.wait(30), "the worker did not open its store"
        time.sleep(seconds)
        os.kill(self._pid, signal.SIGKILL)
        assert self._dead.wait(30)

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        assert self._process.wait(30) == 0
        self._reader.join(30)
        self._process.stdout.close()


def crash_and_check(path: Path, kills: int, seed: int) -> int:
    """Kill a child `kills` times at random moments; how many settlements were acknowledged."""
    rng = random.Random(seed)
    store: Store = open_at(path, SystemClock(), worker="parent")
    tenant = a_tenant(store)
    budgets = [a_budget(store, tenant, LIMIT), a_budget(store, tenant, 2 * LIMIT)]
    store.close()
    workers = Workers(path, tenant, budgets)
    try:
        for _ in range(kills):
            workers.start_and_kill(rng.uniform(0.0, 0.2))
    finally:
        workers.close()
    store = open_at(path, SystemClock(), worker="parent")
    try:
        check(store, path, workers)
        verify_some(store, tenant, list(workers.settled), rng)
        for budget in budgets:
            state = store.tenants.budget_state(tenant.org_id, budget.id)
            assert state is not None
            assert state.leased_nanos == 0, "dead workers strand nothing once they are recovered"
            assert state.spent_nanos <= budget.limit_nanos
    finally:
        store.close()
    assert not list((path / "journal").glob("*.journal"))
    assert_books_balance(path)
    return len(workers.settled)


def check(store: Store, path: Path, said: Workers) -> None:
    assert store.health()["quarantined"] == 0
    assert_books_balance(path)
    rows = sql(path, "select attempt_id, receipt_id, amount_nanos, unknown from ledger")
    booked = {attempt: (receipt, amount, unknown) for attempt, receipt, amount, unknown in rows}
    assert said.intended.keys() <= booked.keys(), "each acknowledged intent is charged: its cost or estimate"
    for receipt, (attempt, amount) in said.settled.items():
        assert booked[attempt] == (receipt, amount, 0), "an acknowledged settlement is booked as it was"
    for attempt, estimate in said.intended.items():
        _, amount, unknown = booked[attempt]
        assert not unknown or amount == estimate, "a lost outcome is charged its estimate"
    assert said.durable <= booked.keys()
    doubled = sql(path, "select receipt_id from ledger group by org_id, receipt_id having count(*) > 1")
    assert not doubled, "each request made one attempt"
    assert sql(path, "pragma integrity_check") == [("ok",)]


def verify_some(store: Store, tenant: Tenant, ids: list[str], rng: random.Random) -> None:
    for receipt_id in rng.sample(ids, min(100, len(ids))):
        signed = store.receipts.get(tenant.org_id, receipt_id)
        assert signed is not None
        assert receipts.verify(signed, store.public_key, check_signature)


def test_twenty_kills_under_load_lose_and_double_nothing(tmp_path: Path) -> None:
    assert crash_and_check(tmp_path, kills=20, seed=1) > 0


@pytest.mark.soak
@pytest.mark.timeout(3_600)
def test_five_hundred_kills_under_load_lose_and_double_nothing(tmp_path: Path) -> None:
    assert crash_and_check(tmp_path, kills=500, seed=2) > 10_000
