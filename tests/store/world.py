"""What the store's tests share: a clock that obeys, tenants, requests, and the books that must balance."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

from passerelle.core.clock import mint
from passerelle.core.ids import same
from passerelle.core.receipt import (
    Attempt,
    Held,
    HoldSettled,
    Intent,
    OutcomeKind,
    Receipt,
    Settlement,
)
from passerelle.core.usage import BUCKETS, Usage
from passerelle.store import (
    Bounds,
    Budget,
    LeaseRules,
    Store,
    StoreUnavailable,
    default_url,
    open_store,
)

SECOND = 1_000_000_000
NOON = 1_795_348_800 * SECOND
"""2026-11-22 12:00 UTC."""


class StillClock:
    """Time that moves when told to."""

    def __init__(self, unix_ns: int = NOON) -> None:
        self.now_ns = unix_ns
        self.monotonic = 1_000.0

    def unix_ns(self) -> int:
        return self.now_ns

    def monotonic_s(self) -> float:
        self.monotonic += 0.001
        return self.monotonic

    def advance(self, seconds: float) -> None:
        self.now_ns += int(seconds * SECOND)
        self.monotonic += seconds


_NUMBERS = count(1)


class Tenant(NamedTuple):
    """One organisation with a workspace, a project and a key."""

    org_id: str
    workspace_id: str
    project_id: str
    key_id: str
    token: str


def open_at(
    path: Path,
    clock: Any = None,
    *,
    worker: str = "w0",
    bounds: Bounds | None = None,
    rules: LeaseRules | None = None,
) -> Store:
    """A store on the SQLite file in `path`."""
    return open_store(
        default_url(path), path, clock=clock or StillClock(), worker=worker, bounds=bounds, rules=rules
    )


def a_tenant(store: Store, name: str = "acme") -> Tenant:
    """A fresh organisation down to a key."""
    organisation = store.tenants.create_organisation(name, actor="cli:test")
    workspace = store.tenants.create_workspace(organisation.id, "main", actor="cli:test")
    project = store.tenants.create_project(organisation.id, workspace.id, "app", actor="cli:test")
    key, token = store.keys.create(organisation.id, project.id, name=f"{name} key", actor="cli:test")
    return Tenant(organisation.id, workspace.id, project.id, key.id, token)


def a_budget(store: Store, tenant: Tenant, limit_nanos: int = 1_000, **options: Any) -> Budget:
    """A budget on the tenant's project."""
    return store.tenants.create_budget(
        tenant.org_id, "project", tenant.project_id,
        name="b", limit_nanos=limit_nanos, actor="cli:test", **{"period": "total", **options},
    )  # fmt: skip


def an_intent(
    tenant: Tenant,
    *,
    at_ns: int = NOON,
    estimate_nanos: int = 100,
    holds: tuple[Held, ...] = (),
    receipt_id: str | None = None,
    attempt_id: str | None = None,
) -> Intent:
    """An intent of the tenant's key."""
    receipt_id = receipt_id or mint("rcp")
    return Intent(
        attempt_id=attempt_id or same("att", receipt_id, next(_NUMBERS)),
        receipt_id=receipt_id,
        request_id=mint("req"),
        at_ns=at_ns,
        org_id=tenant.org_id,
        workspace_id=tenant.workspace_id,
        project_id=tenant.project_id,
        key_id=tenant.key_id,
        deployment="prov/model-x",
        provider="prov",
        model="model-x",
        data_class="internal",
        policy_version="pol1",
        generation=3,
        estimate_nanos=estimate_nanos,
        holds=holds,
    )


def a_settlement(
    intent: Intent,
    *,
    amount_nanos: int = 70,
    outcome: OutcomeKind = "answered",
    usage: Usage | None = None,
    content: Any = None,
    **attempt: Any,
) -> Settlement:
    """The end of a request with one attempt, paid from the intent's holds."""
    used = usage or Usage(input_tokens=11, cache_read_tokens=5, output_tokens=7, reasoning_tokens=2)
    one = Attempt(
        **{
            "id": intent.attempt_id,
            "deployment": intent.deployment,
            "provider": intent.provider,
            "model": intent.model,
            "started_at_ns": intent.at_ns,
            "duration_ns": 1_500_000,
            "ok": outcome == "answered",
            "first_content_ns": 900_000,
            "usage": used,
            "cost_nanos": amount_nanos,
            "price_version": "price1",
            **attempt,
        }
    )
    receipt = Receipt(
        id=intent.receipt_id,
        request_id=intent.request_id,
        at_ns=intent.at_ns,
        org_id=intent.org_id,
        workspace_id=intent.workspace_id,
        project_id=intent.project_id,
        key_id=intent.key_id,
        dialect="openai_chat",
        operation="chat",
        stream=False,
        outcome=outcome,
        plan=None,
        attempts=(one,),
        usage=used,
        cost_nanos=amount_nanos,
        currency="USD",
        duration_ns=2_000_000,
        generation=3,
    )
    ends = tuple(
        HoldSettled(held.hold_id, held.budget_id, held.held_nanos, amount_nanos) for held in intent.holds
    )
    return Settlement(receipt, ends, content)


def sql(path: Path, query: str, *values: Any) -> list[tuple[Any, ...]]:
    """What the database file says, read past the store."""
    connection = sqlite3.connect(path / "passerelle.db", timeout=10)
    try:
        return connection.execute(query, values).fetchall()
    finally:
        connection.close()


def assert_books_balance(path: Path) -> None:
    """Every identity that must hold between any two transactions. All is read in one of its own: a worker
    that runs may renew a lease or add to the books between two looks.
    """
    with closing(sqlite3.connect(path / "passerelle.db", timeout=10, isolation_level=None)) as connection:
        connection.execute("BEGIN")
        _balance(lambda query: connection.execute(query).fetchall())


def _balance(sql: Callable[[str], list[tuple[Any, ...]]]) -> None:
    spent = {
        row[:3]: row[3]
        for row in sql(
            "select org_id, budget_id, period, sum(spent_nanos) from ("
            " select org_id, budget_id, period, spent_nanos from budget_account union all"
            " select org_id, budget_id, period, spent_nanos from budget_lease where state = 'open'"
            ") group by 1, 2, 3",
        )
    }
    of_holds = {
        row[:3]: row[3]
        for row in sql("select org_id, budget_id, period, sum(amount_nanos) from hold group by 1, 2, 3")
    }
    assert {key: amount for key, amount in spent.items() if amount} == {
        key: amount for key, amount in of_holds.items() if amount
    }, "Σ holds that ended = spent, per budget and period"
    leased = sql(
        "select a.leased_nanos, (select coalesce(sum(granted_nanos), 0) from budget_lease l"
        " where l.org_id = a.org_id and l.budget_id = a.budget_id and l.period = a.period"
        " and l.state = 'open') from budget_account a",
    )
    assert all(account == leases for account, leases in leased), "leased = Σ granted of open leases"
    unequal = sql(
        "select h.receipt_id, h.budget_id, h.paid, coalesce(g.charged, 0) from"
        " (select org_id, receipt_id, budget_id, sum(amount_nanos) as paid from hold group by 1, 2, 3) h"
        " left join (select org_id, receipt_id, sum(amount_nanos) as charged from ledger group by 1, 2) g"
        " on g.org_id = h.org_id and g.receipt_id = h.receipt_id where h.paid <> coalesce(g.charged, 0)",
    )
    assert not unequal, "Σ ledger of a request = what each of its budgets paid"
    figures = ["amount_nanos", *BUCKETS]
    sums = ", ".join(f"coalesce(sum({figure}), 0)" for figure in figures)
    ledger = sql(f"select org_id, currency, count(*), {sums} from ledger group by 1, 2")
    hours = sql(f"select org_id, currency, sum(attempts), {sums} from usage_hour group by 1, 2")
    assert sorted(ledger) == sorted(hours), "Σ hourly sums = Σ ledger"
    orphans = sql("select count(*) from outcome where (leaf is null) <> (outcome = 'unknown')")
    assert orphans == [(0,)], "every known outcome has its receipt, no unknown one has"
    leaves = sql("select org_id, group_id, leaf from outcome where leaf is not null")
    assert len(leaves) == len(set(leaves)), "no leaf is two receipts"
    lines = {
        (org_id, batch_id): bodies.split(b"\n")
        for org_id, batch_id, bodies in sql("select org_id, batch_id, bodies from signing_batch")
    }
    assert all(lines[org_id, group_id][leaf] for org_id, group_id, leaf in leaves), "each leaf is written"
    written = sum(1 for bodies in lines.values() for body in bodies if body)
    assert written == len(leaves), "no receipt is kept that no outcome leads to"


def kill(store: Store) -> None:
    """End a worker as `kill -9` would: nothing more is written, its locks go, its files stay."""

    def dead() -> None:
        raise StoreUnavailable("killed")

    store._writer._turn = dead  # type: ignore[method-assign]
    store._writer._finish = lambda: None  # type: ignore[method-assign]
    store._closed = True
    store._bell.ring(urgent=True)
    store._writer.close(10)
    store._poller.stop(10)
    store.journal.close(clean=False)
    store._database.close()
