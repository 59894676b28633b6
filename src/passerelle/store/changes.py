"""Reading and stamping changes of the tenancy tree."""

import os
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Table, select, update
from sqlalchemy.sql import ColumnElement

from passerelle.store.database import Database
from passerelle.store.directory import BudgetEntry, Changes, KeyRow, Node
from passerelle.store.schema import (
    INSTALLATION,
    api_key,
    budget,
    meta,
    organisation,
    project,
    workspace,
)
from passerelle.store.values import Budget

COUNTER = "identity"
NAME = "database"
"""A random number made with the database: tells it from another one under the same address."""
_STANDING = select(meta.c.name, meta.c.value).where(
    meta.c.org_id == INSTALLATION, meta.c.name.in_((COUNTER, NAME))
)


def read(database: Database, known: int, name: int) -> Changes | None:
    """What changed after revision `known` of the database `name`; None when nothing did.

    When the database has been exchanged or restored from a backup, that is everything. Raises
    `StoreUnavailable`.
    """
    if _standing(database.glance(_STANDING)) == (known, name):  # nearly always
        return None
    with database.read() as connection:
        revision, own_name = _standing(connection.execute(_STANDING).all())
        if (revision, own_name) == (known, name):
            return None
        whole = revision < known or own_name != name
        if whole:
            known = -1
        # Revisions are handed out under the counter's lock, so what is stamped ≤ `revision` is committed.
        return Changes(
            revision,
            _nodes(connection, organisation, organisation.c.org_id, known),
            _nodes(connection, workspace, workspace.c.workspace_id, known),
            _nodes(connection, project, project.c.project_id, known),
            _keys(connection, known),
            _budgets(connection, known),
            own_name,
            whole,
        )


def _standing(rows: Iterable[Sequence[Any]]) -> tuple[int, int]:
    """The revision, and the database's name."""
    values = {row[0]: row[1] for row in rows}
    return values.get(COUNTER, 0), values.get(NAME, 0)


def give_name(database: Database, connection: Connection) -> None:
    """Name the database, unless it has a name."""
    connection.execute(
        database.insert(meta)
        .values(org_id=INSTALLATION, name=NAME, value=int.from_bytes(os.urandom(7), "big"))
        .on_conflict_do_nothing()
    )


def stamp(database: Database, connection: Connection) -> int:
    """The next revision, locked until the transaction ends: give it to every row the change touches."""
    connection.execute(
        database.insert(meta).values(org_id=INSTALLATION, name=COUNTER, value=0).on_conflict_do_nothing()
    )
    statement = update(meta).where(*_is_counter()).values(value=meta.c.value + 1).returning(meta.c.value)
    return int(connection.execute(statement).scalar_one())


def _nodes(connection: Connection, table: Table, identity: ColumnElement[str], known: int) -> list[Node]:
    parent = table.c.workspace_id if table is project else None
    columns = [table.c.org_id, identity, table.c.name, table.c.rights, table.c.disabled_at_ns]
    if parent is not None:
        columns.append(parent)
    rows = connection.execute(select(*columns).where(table.c.revision > known))
    return [
        Node(row[0], row[1], row[5] if parent is not None else "", row[2], row[3], row[4] is not None)
        for row in rows
    ]


def _keys(connection: Connection, known: int) -> list[KeyRow]:
    column = api_key.c
    rows: Any = connection.execute(
        select(
            column.org_id, column.key_id, column.workspace_id, column.project_id, column.name, column.role,
            column.env, column.digest, column.rights, column.created_at_ns, column.expires_at_ns,
            column.revoked_at_ns,
        ).where(column.revision > known)
    )  # fmt: skip
    return [KeyRow(*row) for row in rows]


def _budgets(connection: Connection, known: int) -> list[BudgetEntry]:
    column = budget.c
    rows = connection.execute(
        select(
            column.budget_id, column.org_id, column.scope, column.scope_id, column.name,
            column.limit_nanos, column.currency, column.period, column.disabled_at_ns,
        ).where(column.revision > known)
    )  # fmt: skip
    return [BudgetEntry(Budget(*row[:8]), row[8] is not None) for row in rows]


def _is_counter() -> tuple[ColumnElement[bool], ...]:
    return meta.c.org_id == INSTALLATION, meta.c.name == COUNTER
