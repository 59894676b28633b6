"""Budgets as administrators see them: made, changed, and where each stands."""

from collections.abc import Callable
from typing import Any

import msgspec
from sqlalchemy import Connection, Table, func, select, update

from passerelle.core.clock import Clock, mint
from passerelle.ledger.periods import PeriodKind, period_at
from passerelle.store import audit, changes, schema
from passerelle.store.database import Database
from passerelle.store.values import Budget, BudgetScope, BudgetState

_SCOPES: dict[BudgetScope, tuple[Table, str]] = {
    "organisation": (schema.organisation, "org_id"),
    "workspace": (schema.workspace, "workspace_id"),
    "project": (schema.project, "project_id"),
    "key": (schema.api_key, "key_id"),
}
_COLUMNS = [
    schema.budget.c[name]
    for name in ("budget_id", "org_id", "scope", "scope_id", "name", "limit_nanos", "currency", "period")
]


class Budgeting:
    """Management of budgets. Every method names the organisation."""

    def __init__(self, database: Database, clock: Clock, changed: Callable[[], object]) -> None:
        self._database = database
        self._clock = clock
        self._changed = changed

    def create_budget(
        self,
        org_id: str,
        scope: BudgetScope,
        scope_id: str,
        *,
        name: str,
        limit_nanos: int,
        actor: str,
        currency: str = "USD",
        period: PeriodKind = "month",
    ) -> Budget:
        """A limit on a node of the organisation. Raises `LookupError` when there is no such node."""
        made = Budget(mint("bud"), org_id, scope, scope_id, name, limit_nanos, currency, period)
        with self._database.write() as connection:
            if not _exists(connection, org_id, scope, scope_id):
                raise LookupError(f"organisation `{org_id}` has no {scope} `{scope_id}`; create it first")
            insert_budget(self._database, connection, self._clock, made, actor)
        self._changed()
        return made

    def change_budget(
        self,
        org_id: str,
        budget_id: str,
        *,
        actor: str,
        limit_nanos: int | None = None,
        disabled: bool | None = None,
    ) -> bool:
        """Raise or lower a limit, or switch the budget off or on. False when there is none of that id.

        Workers give back what they have leased, so a lowered limit holds from their next draw on.
        """
        table = schema.budget
        where = (table.c.org_id == org_id, table.c.budget_id == budget_id)
        columns = (table.c.limit_nanos, table.c.disabled_at_ns)
        with self._database.write() as connection:
            row = connection.execute(select(*columns).where(*where).with_for_update()).one_or_none()
            if row is None:
                return False
            values: dict[str, Any] = {"revision": changes.stamp(self._database, connection)}
            if limit_nanos is not None:
                values["limit_nanos"] = limit_nanos
            if disabled is not None:
                values["disabled_at_ns"] = self._clock.unix_ns() if disabled else None
            connection.execute(update(table).where(*where).values(**values))
            after = connection.execute(select(*columns).where(*where)).one()
            self._record(
                connection, org_id, actor, "budget.changed", budget_id, row._asdict(), after._asdict()
            )
        self._changed()
        return True

    def budgets(self, org_id: str) -> tuple[BudgetState, ...]:
        """The organisation's enabled budgets and where each stands in its current period."""
        now_ns = self._clock.unix_ns()
        with self._database.read() as connection:
            rows = connection.execute(
                select(*_COLUMNS)
                .where(schema.budget.c.org_id == org_id, schema.budget.c.disabled_at_ns.is_(None))
                .order_by(schema.budget.c.created_at_ns, schema.budget.c.budget_id)
            ).all()
            return tuple(_state(connection, Budget(*row), now_ns) for row in rows)

    def budget_state(self, org_id: str, budget_id: str, *, at_ns: int | None = None) -> BudgetState | None:
        """Where one budget stands in the period that holds `at_ns` (unsaid: now)."""
        with self._database.read() as connection:
            row = connection.execute(
                select(*_COLUMNS).where(
                    schema.budget.c.org_id == org_id, schema.budget.c.budget_id == budget_id
                )
            ).one_or_none()
            if row is None:
                return None
            return _state(connection, Budget(*row), self._clock.unix_ns() if at_ns is None else at_ns)

    def _record(
        self,
        connection: Connection,
        org_id: str,
        actor: str,
        action: str,
        target: str,
        before: Any,
        after: Any,
    ) -> None:
        audit.write(
            connection,
            self._clock,
            org_id=org_id,
            actor=actor,
            action=action,
            target=target,
            before=before,
            after=after,
        )


def insert_budget(database: Database, connection: Connection, clock: Clock, made: Budget, actor: str) -> None:
    """Add a budget inside the caller's transaction."""
    values = msgspec.structs.asdict(made)
    connection.execute(
        schema.budget.insert().values(
            budget_id=values.pop("id"),
            **values,
            created_at_ns=clock.unix_ns(),
            disabled_at_ns=None,
            revision=changes.stamp(database, connection),
        )
    )
    audit.write(
        connection,
        clock,
        org_id=made.org_id,
        actor=actor,
        action="budget.created",
        target=made.id,
        after=made,
    )


def _state(connection: Connection, budget: Budget, now_ns: int) -> BudgetState:
    period = period_at(budget.period, now_ns).key
    account, lease = schema.budget_account.c, schema.budget_lease.c
    booked = connection.execute(
        select(account.spent_nanos, account.leased_nanos).where(
            account.org_id == budget.org_id, account.budget_id == budget.id, account.period == period
        )
    ).one_or_none()
    # What open leases have spent is still counted as leased in the account: move it over.
    in_leases = connection.scalar(
        select(func.coalesce(func.sum(lease.spent_nanos), 0)).where(
            lease.org_id == budget.org_id,
            lease.budget_id == budget.id,
            lease.period == period,
            lease.state == "open",
        )
    )
    spent, leased = (0, 0) if booked is None else (booked.spent_nanos, booked.leased_nanos)
    return BudgetState(budget, period, spent + int(in_leases or 0), leased - int(in_leases or 0))


def _exists(connection: Connection, org_id: str, scope: BudgetScope, scope_id: str) -> bool:
    table, identity = _SCOPES[scope]
    found = connection.scalar(
        select(func.count()).where(table.c.org_id == org_id, table.c[identity] == scope_id)
    )
    return bool(found)
