"""Leases in SQL: what a worker may promise out of a budget, drawn and given back atomically.

Each function works inside the caller's write transaction. An account's row is locked before it is read
(`SELECT … FOR UPDATE` on PostgreSQL; SQLite's `BEGIN IMMEDIATE` has locked already), so a decision and
its update cannot be separated by another worker's. Accounts are always locked in the same order.
"""

from collections.abc import Iterable

import msgspec
from sqlalchemy import ColumnElement, Connection, bindparam, select, update

from passerelle.ledger import holds
from passerelle.ledger.holds import Account
from passerelle.ledger.periods import PeriodKind, period_at
from passerelle.store.budgets import Draw, Line
from passerelle.store.database import Database
from passerelle.store.errors import BudgetDenied
from passerelle.store.schema import budget, budget_account, budget_lease


class BudgetRow(msgspec.Struct, frozen=True):
    """What an administrator said of a budget, as the transaction sees it."""

    org_id: str
    budget_id: str
    limit_nanos: int
    currency: str
    period: PeriodKind


class LeaseRow(msgspec.Struct, frozen=True):
    """Where a lease belongs, and whether it is open."""

    org_id: str
    lease_id: str
    budget_id: str
    period: str
    state: str


class Grant(msgspec.Struct, frozen=True):
    """What one budget granted this worker in a transaction, to be applied once it is committed."""

    line: Line
    amount_nanos: int
    expires_at_ns: int
    fresh: bool
    """The lease is new; any former line on the budget is retired."""


def find(
    connection: Connection, budget_ids: Iterable[str], *, disabled: bool = False
) -> dict[str, BudgetRow]:
    """The enabled budgets among these ids; with `disabled`, those too."""
    columns = (
        budget.c.org_id, budget.c.budget_id, budget.c.limit_nanos, budget.c.currency, budget.c.period
    )  # fmt: skip
    query = select(*columns).where(budget.c.budget_id.in_(sorted(set(budget_ids))))
    if not disabled:
        query = query.where(budget.c.disabled_at_ns.is_(None))
    return {row.budget_id: BudgetRow(*row) for row in connection.execute(query)}


def lock_leases(connection: Connection, lease_ids: Iterable[str]) -> dict[str, LeaseRow]:
    """The leases with these ids, locked until the transaction ends."""
    rows = connection.execute(_LOCKED, {"ids": sorted(lease_ids)})
    return {row.lease_id: LeaseRow(*row) for row in rows}


def account(
    database: Database, connection: Connection, org_id: str, budget_id: str, period: str, limit_nanos: int
) -> Account:
    """The account, locked until the transaction ends; opened at zero when this is its first use."""
    connection.execute(
        database.insert(budget_account)
        .values(org_id=org_id, budget_id=budget_id, period=period, spent_nanos=0, leased_nanos=0)
        .on_conflict_do_nothing()
    )
    row = connection.execute(
        select(budget_account.c.spent_nanos, budget_account.c.leased_nanos)
        .where(*_is_account(org_id, budget_id, period))
        .with_for_update()
    ).one()
    return Account(limit_nanos, row.spent_nanos, row.leased_nanos)


def draw(
    database: Database,
    connection: Connection,
    row: BudgetRow,
    line: Line | None,
    draws: list[Draw],
    *,
    lease_id: str,
    worker: str,
    now_ns: int,
    expires_at_ns: int,
    fraction: int,
) -> tuple[Grant | None, BudgetDenied]:
    """Lease what the waiting reservations lack, and the denial for those it cannot cover.

    `line` is the worker's usable line on this budget; without one, a lease `lease_id` is opened.
    """
    period = period_at(row.period, now_ns)
    state = account(database, connection, row.org_id, row.budget_id, period.key, row.limit_nanos)
    denial = BudgetDenied(
        row.budget_id,
        0,
        final=True,
        limit_nanos=row.limit_nanos,
        spent_nanos=state.spent_nanos + state.leased_nanos,
        currency=row.currency,
        period=period.key,
        resets_at_ns=period.end_ns,
    )
    lease = holds.Lease() if line is None else line.lease
    need = holds.coverable(state, lease, [one.amount_nanos for one in draws])
    amount = holds.grant(state, need, fraction=fraction) if need else 0
    if line is not None:
        if amount == 0 or extend(connection, line, amount, expires_at_ns):
            return (Grant(line, amount, expires_at_ns, False) if amount else None), denial
        # The lease was taken back under us (we were away too long): all the needs go to a new one.
        need = holds.coverable(state, holds.Lease(), [one.amount_nanos for one in draws])
        amount = holds.grant(state, need, fraction=fraction) if need else 0
    fresh = Line(row.org_id, row.budget_id, lease_id, period, expires_at_ns)
    if amount or any(one.amount_nanos == 0 for one in draws):
        open_lease(connection, fresh, amount, worker, now_ns)
        return Grant(fresh, amount, expires_at_ns, True), denial
    return None, denial


def extend(connection: Connection, line: Line, amount_nanos: int, expires_at_ns: int) -> bool:
    """Grant an open lease more (or, negative, take back), and renew it. False if it is not open any more."""
    changed = connection.execute(
        update(budget_lease)
        .where(*_is_open(line.org_id, line.lease_id))
        .values(
            granted_nanos=budget_lease.c.granted_nanos + amount_nanos,
            expires_at_ns=expires_at_ns,
        )
    ).rowcount
    if changed and amount_nanos:
        _lease_more(connection, line.org_id, line.budget_id, line.period.key, amount_nanos)
    return bool(changed)


def spend(connection: Connection, row: LeaseRow, amount_nanos: int) -> None:
    """Book an amount against an open lease, locked before."""
    connection.execute(_SPENT, {"org": row.org_id, "lease": row.lease_id, "amount": amount_nanos})


def spend_late(
    database: Database, connection: Connection, org_id: str, budget_id: str, period: str, amount_nanos: int
) -> None:
    """Book an amount no lease backs any more, whatever the limit says."""
    account(database, connection, org_id, budget_id, period, 0)
    connection.execute(
        update(budget_account)
        .where(*_is_account(org_id, budget_id, period))
        .values(spent_nanos=budget_account.c.spent_nanos + amount_nanos)
    )


def close(connection: Connection, org_id: str, lease_id: str, state: str) -> bool:
    """End an open lease: book what it spent, free the rest. False if it was not open."""
    row = connection.execute(
        select(
            budget_lease.c.budget_id,
            budget_lease.c.period,
            budget_lease.c.granted_nanos,
            budget_lease.c.spent_nanos,
        )
        .where(*_is_open(org_id, lease_id))
        .with_for_update()
    ).one_or_none()
    if row is None:
        return False
    connection.execute(
        update(budget_lease)
        .where(budget_lease.c.org_id == org_id, budget_lease.c.lease_id == lease_id)
        .values(state=state)
    )
    connection.execute(
        update(budget_account)
        .where(*_is_account(org_id, row.budget_id, row.period))
        .values(
            spent_nanos=budget_account.c.spent_nanos + row.spent_nanos,
            leased_nanos=budget_account.c.leased_nanos - row.granted_nanos,
        )
    )
    return True


def close_expired(connection: Connection, now_ns: int, *, most: int = 100) -> int:
    """Take back leases whose worker has not renewed them; how many."""
    rows = connection.execute(
        select(budget_lease.c.org_id, budget_lease.c.lease_id)
        .where(budget_lease.c.state == "open", budget_lease.c.expires_at_ns < now_ns)
        .order_by(budget_lease.c.org_id, budget_lease.c.budget_id, budget_lease.c.lease_id)
        .limit(most)
    ).all()
    return sum(close(connection, row.org_id, row.lease_id, "expired") for row in rows)


def close_of_worker(connection: Connection, worker: str) -> int:
    """Take back every lease of a worker known to be dead; how many."""
    rows = connection.execute(
        select(budget_lease.c.org_id, budget_lease.c.lease_id)
        .where(budget_lease.c.state == "open", budget_lease.c.worker == worker)
        .order_by(budget_lease.c.org_id, budget_lease.c.budget_id, budget_lease.c.lease_id)
    ).all()
    return sum(close(connection, row.org_id, row.lease_id, "recovered") for row in rows)


def open_lease(connection: Connection, line: Line, amount_nanos: int, worker: str, now_ns: int) -> None:
    """Lease so much of an account that was locked before. `worker` is whose it is."""
    connection.execute(
        budget_lease.insert().values(
            org_id=line.org_id,
            lease_id=line.lease_id,
            budget_id=line.budget_id,
            period=line.period.key,
            worker=worker,
            granted_nanos=amount_nanos,
            spent_nanos=0,
            state="open",
            created_at_ns=now_ns,
            expires_at_ns=line.expires_at_ns,
        )
    )
    _lease_more(connection, line.org_id, line.budget_id, line.period.key, amount_nanos)


def _lease_more(connection: Connection, org_id: str, budget_id: str, period: str, amount_nanos: int) -> None:
    connection.execute(
        update(budget_account)
        .where(*_is_account(org_id, budget_id, period))
        .values(leased_nanos=budget_account.c.leased_nanos + amount_nanos)
    )


def _is_account(org_id: str, budget_id: str, period: str) -> tuple[ColumnElement[bool], ...]:
    return (
        budget_account.c.org_id == org_id,
        budget_account.c.budget_id == budget_id,
        budget_account.c.period == period,
    )


def _is_open(org_id: str, lease_id: str) -> tuple[ColumnElement[bool], ...]:
    return (
        budget_lease.c.org_id == org_id,
        budget_lease.c.lease_id == lease_id,
        budget_lease.c.state == "open",
    )


# What every group of the writer's asks, written once: SQLAlchemy takes longer to put a statement together
# than SQLite to answer it.
_LOCKED = (
    select(
        budget_lease.c.org_id, budget_lease.c.lease_id, budget_lease.c.budget_id, budget_lease.c.period,
        budget_lease.c.state,
    )
    .where(budget_lease.c.lease_id.in_(bindparam("ids", expanding=True)))
    .order_by(budget_lease.c.lease_id)
    .with_for_update()
)  # fmt: skip
_SPENT = (
    update(budget_lease)
    .where(
        budget_lease.c.org_id == bindparam("org"),
        budget_lease.c.lease_id == bindparam("lease"),
        budget_lease.c.state == "open",
    )
    .values(spent_nanos=budget_lease.c.spent_nanos + bindparam("amount"))
)
