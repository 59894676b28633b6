"""Booking: journal records become rows, in one transaction, each exactly once.

The gate is `outcome`: one row per receipt, inserted first. A settlement whose row is there already was
booked before (it is being replayed, or came twice) and changes nothing; for the others everything else
follows in the same transaction, so they are booked whole or not at all.

    Intended  → intent
    Settled   → outcome, ledger (one per attempt), usage_hour, hold, lease or account, receipt, content
    unknown   → outcome `unknown`, ledger at the estimate, hold, lease or account (after a crash)

What a crash leaves open
    The provider may bill a call whose answer we lost, so it is charged, not forgotten: the last attempt
    of the request at its estimate (the upper bound it held), `failure = cancelled`, `source = estimated`,
    `unknown` set. Earlier attempts of the same request are booked at 0: that a later one was begun
    proves they had failed before any content. The holds settle at the same amount, so that Σ ledger =
    spent still holds, and never at more than they held. No receipt is written: we would be signing what
    we do not know. The `outcome` row closes the audit; a reconciliation can adjust the ledger later.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, Table, select

from passerelle.core.receipt import Attempt, Held, HoldSettled, Intent, Receipt
from passerelle.core.usage import BUCKETS
from passerelle.ledger import receipts
from passerelle.ledger.periods import period_at
from passerelle.store import leases, schema
from passerelle.store.database import Bulk, Database
from passerelle.store.errors import RecordConflict
from passerelle.store.records import Intended, Settled
from passerelle.store.sealing import Sealer
from passerelle.store.signing import Signer

_HOUR_NS = 3_600_000_000_000
_SHARDS = 8

_USAGE_IDENTITY = 10
"""How many columns of `usage_hour` identify a row; the rest are sums."""


class Lost(msgspec.Struct, frozen=True):
    """A request a dead worker left open: its intents, oldest first."""

    intents: tuple[Intended, ...]


class Group(msgspec.Struct):
    """What one transaction books."""

    id: str
    worker: str
    """The worker whose records these are."""
    now_ns: int
    intents: list[Intended]
    settled: list[Settled]
    lost: Sequence[Lost] = ()


class Booker:
    """Turns groups of records into rows. Holds no state but compiled statements and keys."""

    def __init__(self, database: Database, signer: Signer, sealer: Sealer) -> None:
        self._database = database
        self._signer = signer
        self._sealer = sealer
        self._bulk = {
            table.name: Bulk(database, table)
            for table in (
                schema.intent, schema.outcome, schema.ledger, schema.hold, schema.receipt,
                schema.signing_batch, schema.content,
            )
        }  # fmt: skip
        self._usage = Bulk(database, schema.usage_hour, _add_to_sums)

    def book(self, connection: Connection, group: Group) -> int:
        """Write the group; how many settlements were new. Raises `RecordConflict` on a contradiction."""
        self._insert(connection, schema.intent, [_intent_row(one.intent, group) for one in group.intents])
        settled = self._fresh_settlements(connection, group)
        lost = self._fresh_losses(connection, group)
        spending = _Spending(self._database, connection, group)
        ledger: list[tuple[Any, ...]] = []
        usage: dict[tuple[Any, ...], list[int]] = {}
        for one in settled:
            receipt = one.settlement.receipt
            late = spending.settle(receipt, one.settlement.holds, one.leases)
            for attempt in receipt.attempts:
                ledger.append(_attempt_row(receipt, attempt, late=late))
                _count_attempt(usage, receipt, attempt, group.worker)
        for loss in lost:
            late = spending.lose(loss)
            last = len(loss.intents) - 1
            for index, one_intent in enumerate(loss.intents):
                amount = one_intent.intent.estimate_nanos if index == last else 0
                ledger.append(_unknown_row(one_intent.intent, amount, late=late))
                _count_unknown(usage, one_intent.intent, amount, group.worker)
        if self._insert(connection, schema.ledger, ledger) != len(ledger):
            raise RecordConflict("an attempt id is in the ledger already, under another receipt")
        self._insert(connection, schema.hold, spending.rows)
        self._usage.run(connection, [(*key, *sums) for key, sums in sorted(usage.items())])
        self._sign(connection, group, [one.settlement.receipt for one in settled])
        self._keep_content(connection, settled)
        return len(settled)

    def _insert(self, connection: Connection, table: Table, rows: Sequence[tuple[Any, ...]]) -> int:
        return self._bulk[table.name].run(connection, rows) if rows else 0

    def _fresh_settlements(self, connection: Connection, group: Group) -> list[Settled]:
        unique: dict[tuple[str, str], Settled] = {}
        for one in group.settled:
            receipt = one.settlement.receipt
            unique.setdefault((receipt.org_id, receipt.id), one)
        rows = [_outcome_row(one.settlement.receipt, group) for one in unique.values()]
        fresh = self._pass_gate(connection, group, list(unique), rows)
        return [one for identity, one in unique.items() if identity in fresh]

    def _fresh_losses(self, connection: Connection, group: Group) -> list[Lost]:
        if not group.lost:
            return []
        unique = {(loss.intents[0].intent.org_id, loss.intents[0].intent.receipt_id): loss for loss in group.lost}
        rows = [_unknown_outcome_row(loss, group) for loss in unique.values()]
        fresh = self._pass_gate(connection, group, list(unique), rows)
        return [loss for identity, loss in unique.items() if identity in fresh]

    def _pass_gate(
        self,
        connection: Connection,
        group: Group,
        identities: list[tuple[str, str]],
        rows: list[tuple[Any, ...]],
    ) -> set[tuple[str, str]]:
        """Insert the outcomes; the receipts that had none before."""
        if self._insert(connection, schema.outcome, rows) == len(rows):
            return set(identities)
        table = schema.outcome.c
        found = connection.execute(
            select(table.org_id, table.receipt_id).where(
                table.receipt_id.in_([receipt_id for _, receipt_id in identities]),
                table.group_id == group.id,
            )
        )
        return {(row.org_id, row.receipt_id) for row in found}

    def _sign(self, connection: Connection, group: Group, fresh: list[Receipt]) -> None:
        """Keep the receipts, each organisation's as one signed tree: no proof holds another's hashes."""
        by_org: dict[str, list[Receipt]] = {}
        for receipt in fresh:
            by_org.setdefault(receipt.org_id, []).append(receipt)
        rows: list[tuple[Any, ...]] = []
        batches: list[tuple[Any, ...]] = []
        for org_id, batch in by_org.items():
            bodies = [receipts.body(receipt) for receipt in batch]
            proofs = receipts.sign_batch(bodies, self._signer.sign, self._signer.key_id)
            batches.append(receipts_batch_row(org_id, group, proofs[0]))
            rows += [
                (
                    org_id, receipt.id, receipt.request_id, receipt.project_id, receipt.key_id,
                    receipt.at_ns, body.decode(), group.id, proof.index,
                    bytes.fromhex("".join(proof.path)),
                )
                for receipt, body, proof in zip(batch, bodies, proofs, strict=True)
            ]  # fmt: skip
        self._insert(connection, schema.signing_batch, batches)
        self._insert(connection, schema.receipt, rows)

    def _keep_content(self, connection: Connection, settled: list[Settled]) -> None:
        rows = []
        for one in settled:
            if one.settlement.content is not None:
                receipt = one.settlement.receipt
                plain = msgspec.json.encode(one.settlement.content)
                sealed = self._sealer.seal(connection, receipt.org_id, receipt.id, plain)
                rows.append((receipt.org_id, receipt.id, receipt.at_ns, *sealed))
        self._insert(connection, schema.content, rows)


class _Spending:
    """Money leaving holds: against the lease that backs them, or late against the account."""

    def __init__(self, database: Database, connection: Connection, group: Group) -> None:
        self._database = database
        self._connection = connection
        self._group = group
        self._budgets: dict[str, leases.BudgetRow | None] = {}
        self.rows: list[tuple[Any, ...]] = []

    def settle(self, receipt: Receipt, settled: Iterable[HoldSettled], lease_ids: Iterable[str]) -> bool:
        """Book the holds of one settlement; whether any had lost its lease."""
        late = False
        for one, lease_id in zip(settled, lease_ids, strict=True):
            state = self._spend(
                receipt.org_id, receipt.id, receipt.at_ns, one, lease_id, one.amount_nanos, "settled"
            )
            late = late or state == "late"
        return late

    def lose(self, loss: Lost) -> bool:
        """Book the holds of a request lost in a crash, at the estimate of its last attempt."""
        last = loss.intents[-1]
        intent = last.intent
        late = False
        for one, lease_id in zip(intent.holds, last.leases, strict=True):
            amount = min(intent.estimate_nanos, one.held_nanos)
            state = self._spend(
                intent.org_id, intent.receipt_id, intent.at_ns, one, lease_id, amount, "unknown"
            )
            late = late or state == "late"
        return late

    def _spend(
        self,
        org_id: str,
        receipt_id: str,
        at_ns: int,
        held: Held | HoldSettled,
        lease_id: str,
        amount_nanos: int,
        state: str,
    ) -> str:
        row = self._budget(held.budget_id)
        period = period_at(row.period, at_ns) if row is not None else None
        if not (lease_id and leases.spend(self._connection, org_id, lease_id, amount_nanos)):
            state = "late"
            if row is not None and period is not None:
                leases.spend_late(self._database, self._connection, row, period, amount_nanos)
        self.rows.append(
            (
                org_id, receipt_id, held.hold_id, held.budget_id,
                leases.period_of(self._connection, org_id, lease_id) or (period.key if period else ""),
                lease_id or None, held.held_nanos, amount_nanos, state, self._group.now_ns,
            )
        )  # fmt: skip
        return state

    def _budget(self, budget_id: str) -> leases.BudgetRow | None:
        if budget_id not in self._budgets:
            self._budgets[budget_id] = leases.find(self._connection, [budget_id]).get(budget_id)
        return self._budgets[budget_id]
