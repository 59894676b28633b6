"""The audit of administration: who changed what, from what to what. Rows are only ever added.

Every change through `keys` and `tenants` writes its record in the same transaction, so neither exists
without the other. What others do (a configuration reloaded) is recorded with `record`.
"""

from typing import Any

import msgspec
from sqlalchemy import Connection, select

from passerelle.core.clock import Clock, mint
from passerelle.core.receipt import Intent
from passerelle.ledger import tree
from passerelle.store.database import Database
from passerelle.store.schema import INSTALLATION, audit, intent, outcome

_encode = msgspec.json.Encoder(order="sorted").encode


class AuditRecord(msgspec.Struct, frozen=True):
    """One change."""

    id: str
    org_id: str
    at_ns: int
    actor: str
    """A key's id, or `cli:name` for someone on the machine."""
    action: str
    """`key.created`, `budget.changed`, `config.reloaded`…"""
    target: str
    """Id of what was changed."""
    before: str | None
    """Its state before, as JSON; None when it did not exist."""
    after: str | None


def write(
    connection: Connection,
    clock: Clock,
    *,
    org_id: str,
    actor: str,
    action: str,
    target: str,
    before: Any = None,
    after: Any = None,
) -> AuditRecord:
    """Add a record inside the caller's transaction. States are JSON-encoded; never pass a secret."""
    record = AuditRecord(
        id=mint("aud"),
        org_id=org_id,
        at_ns=clock.unix_ns(),
        actor=actor,
        action=action,
        target=target,
        before=None if before is None else _encode(before).decode(),
        after=None if after is None else _encode(after).decode(),
    )
    connection.execute(
        audit.insert().values(
            org_id=record.org_id,
            audit_id=record.id,
            at_ns=record.at_ns,
            actor=record.actor,
            action=record.action,
            target=record.target,
            before=record.before,
            after=record.after,
            leaf=tree.leaf_hash(_encode(record)),
        )
    )
    return record


class Audit:
    """Reads and adds audit records. Every query names its organisation."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def record(
        self,
        *,
        actor: str,
        action: str,
        target: str,
        org_id: str = INSTALLATION,
        before: Any = None,
        after: Any = None,
    ) -> AuditRecord:
        """Add a record of its own. Without an organisation it belongs to the installation's operator."""
        with self._database.write() as connection:
            return write(
                connection,
                self._clock,
                org_id=org_id,
                actor=actor,
                action=action,
                target=target,
                before=before,
                after=after,
            )

    def list(self, org_id: str, *, limit: int = 100, before: str | None = None) -> tuple[AuditRecord, ...]:
        """The newest records first; `before` is the id of the last one seen."""
        query = select(
            audit.c.audit_id, audit.c.org_id, audit.c.at_ns, audit.c.actor, audit.c.action, audit.c.target,
            audit.c.before, audit.c.after,
        ).where(audit.c.org_id == org_id)  # fmt: skip
        if before is not None:
            query = query.where(audit.c.audit_id < before)
        with self._database.read() as connection:
            rows = connection.execute(query.order_by(audit.c.audit_id.desc()).limit(limit)).all()
        return tuple(AuditRecord(*row) for row in rows)

    def open_intents(self, org_id: str, *, before_ns: int, limit: int = 100) -> tuple[Intent, ...]:
        """Intents older than `before_ns` without an outcome: running, or lost together with their journal."""
        columns = [intent.c[name] for name in Intent.__struct_fields__ if name != "holds"]
        query = (
            select(*columns)
            .select_from(
                intent.outerjoin(
                    outcome,
                    (outcome.c.org_id == intent.c.org_id) & (outcome.c.receipt_id == intent.c.receipt_id),
                )
            )
            .where(intent.c.org_id == org_id, intent.c.at_ns < before_ns, outcome.c.receipt_id.is_(None))
            .order_by(intent.c.at_ns)
            .limit(limit)
        )
        with self._database.read() as connection:
            return tuple(Intent(**row) for row in connection.execute(query).mappings())
