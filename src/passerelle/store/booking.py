"""Booking: journal records become rows, in one transaction, each exactly once.

The gate is `outcome`: one row per receipt, inserted first. A settlement whose row is there already was
booked before (it is being replayed, or came twice) and changes nothing; for the others everything else
follows in the same transaction, so they are booked whole or not at all.

    Intended  → intent, unless its settlement is in the same group
    Settled   → outcome, ledger (one per attempt), usage_hour, usage_tag, hold, lease or account,
              signing_batch, content, turn (see `keeping`)
    Lost      → outcome `unknown`, ledger at the estimate, hold, lease or account (see `spending`)
"""

from collections.abc import Sequence
from zlib import crc32

import msgspec
from sqlalchemy import Connection, Table, select

from passerelle.core.receipt import Receipt
from passerelle.ledger import receipts
from passerelle.store import rows, schema
from passerelle.store.database import Bulk, Database
from passerelle.store.errors import RecordConflict
from passerelle.store.keeping import Keeper
from passerelle.store.records import Intended, Record, Settled
from passerelle.store.rows import Row
from passerelle.store.sealing import Sealer
from passerelle.store.signing import Signer
from passerelle.store.spending import Lost, Spending, charges

_SHARDS = 8


class Group(msgspec.Struct, frozen=True):
    """What one transaction books."""

    id: str
    worker: str
    """The worker whose records these are."""
    now_ns: int
    records: Sequence[Record] = ()
    lost: Sequence[Lost] = ()


class Booker:
    """Turns groups of records into rows. Holds no state but compiled statements and keys."""

    def __init__(
        self, database: Database, signer: Signer, sealer: Sealer, keeper: Keeper | None = None
    ) -> None:
        self._database = database
        self._keeper = keeper or Keeper(database, sealer)
        self._signer = signer
        self._sealer = sealer
        self._bulk = {
            table.name: Bulk(database, table)
            for table in (
                schema.intent, schema.outcome, schema.ledger, schema.hold, schema.signing_batch,
                schema.content,
            )
        }  # fmt: skip
        self._usage, self._tagged = (
            Bulk(database, table, rows.add_to_sums(table)) for table in (schema.usage_hour, schema.usage_tag)
        )

    def book(self, connection: Connection, group: Group) -> int:
        """Write the group; how many requests were new. Raises `RecordConflict` on a contradiction."""
        batch = _Batch()
        settled = self._fresh_settlements(connection, group, batch)
        # An intent whose end is booked in this very transaction says nothing that its ledger row and its
        # receipt do not: only those that stand alone, the durable ones among them, get a row.
        ended = {attempt.id for one in settled for attempt in one.settlement.receipt.attempts}
        self._insert(
            connection,
            schema.intent,
            [
                rows.intent(one, group.worker)
                for one in group.records
                if isinstance(one, Intended) and one.intent.attempt_id not in ended
            ],
        )
        lost = self._fresh_losses(connection, group)
        found = [charge for one in settled for charge in charges(one)]
        found += [charge for one in lost for charge in one.charges()]
        spending = Spending(found)
        late = spending.book(self._database, connection)
        self._insert(connection, schema.hold, spending.rows(group.now_ns))
        self._charge(connection, group, settled, lost, late)
        self._sign(connection, group, batch)
        self._keep_content(connection, settled)
        turns = [(one.settlement.receipt, one.settlement.turn) for one in settled]
        kept = [(receipt, turn) for receipt, turn in turns if turn is not None]
        if kept:
            self._keeper.book(connection, kept)
        return len(settled) + len(lost)

    def _fresh_settlements(self, connection: Connection, group: Group, batch: "_Batch") -> list[Settled]:
        unique: dict[tuple[str, str], Settled] = {}
        outcomes: list[Row] = []
        for one in group.records:
            if isinstance(one, Settled):
                receipt = one.settlement.receipt
                identity = (receipt.org_id, receipt.id)
                if identity not in unique:
                    unique[identity] = one
                    outcomes.append(rows.outcome(receipt, group.worker, group.id, batch.place(receipt)))
        fresh = self._pass_gate(connection, group, list(unique), outcomes)
        if len(fresh) < len(unique):
            batch.keep(fresh)
        return [one for identity, one in unique.items() if identity in fresh]

    def _fresh_losses(self, connection: Connection, group: Group) -> list[Lost]:
        unique = {(one.intents[0].intent.org_id, one.intents[0].intent.receipt_id): one for one in group.lost}
        outcomes = [
            rows.unknown_outcome(one, group.now_ns, group.worker, group.id) for one in unique.values()
        ]
        fresh = self._pass_gate(connection, group, list(unique), outcomes)
        return [one for identity, one in unique.items() if identity in fresh]

    def _pass_gate(
        self, connection: Connection, group: Group, identities: list[tuple[str, str]], outcomes: list[Row]
    ) -> set[tuple[str, str]]:
        """Insert the outcomes; the receipts that had none before."""
        if self._insert(connection, schema.outcome, outcomes) == len(outcomes):
            return set(identities)
        table = schema.outcome.c
        found = connection.execute(
            select(table.org_id, table.receipt_id).where(
                table.receipt_id.in_([receipt_id for _, receipt_id in identities]),
                table.group_id == group.id,
            )
        )
        return {(row.org_id, row.receipt_id) for row in found}

    def _charge(
        self, connection: Connection, group: Group, settled: list[Settled], lost: list[Lost], late: set[str]
    ) -> None:
        """Ledger rows and their hourly sums."""
        shard = crc32(group.worker.encode()) % _SHARDS
        charged: list[Row] = []
        sums = rows.Sums(shard)
        for one in settled:
            receipt = one.settlement.receipt
            for attempt in receipt.attempts:
                charged.append(rows.attempt(receipt, attempt, late=receipt.id in late))
                sums.count_attempt(receipt, attempt)
        for loss in lost:
            for record, amount in loss.amounts():
                charged.append(
                    rows.unknown_attempt(record.intent, amount, late=record.intent.receipt_id in late)
                )
                sums.count_unknown(record.intent, amount)
        if self._insert(connection, schema.ledger, charged) != len(charged):
            raise RecordConflict("an attempt id is in the ledger already, under another receipt")
        self._usage.run(connection, sums.rows())
        tagged = sums.tagged()
        if tagged:
            self._tagged.run(connection, tagged)

    def _sign(self, connection: Connection, group: Group, batch: "_Batch") -> None:
        """Keep the receipts, each organisation's as one signed tree: no proof holds another's hashes."""
        kept: list[Row] = []
        for org_id, places in batch.by_org.items():
            bodies = [b"" if receipt is None else receipts.body(receipt) for receipt in places]
            if any(bodies):
                sealed = receipts.seal(bodies, self._signer.sign, self._signer.key_id)
                kept.append(rows.signing_batch(org_id, group.id, sealed, bodies, group.now_ns))
        self._insert(connection, schema.signing_batch, kept)

    def _keep_content(self, connection: Connection, settled: list[Settled]) -> None:
        kept: list[Row] = []
        for one in settled:
            if one.settlement.content is not None:
                receipt = one.settlement.receipt
                plain = msgspec.json.encode(one.settlement.content)
                sealed = self._sealer.seal(connection, receipt.org_id, receipt.id, plain)
                kept.append((receipt.org_id, receipt.id, receipt.at_ns, *sealed))
        self._insert(connection, schema.content, kept)

    def _insert(self, connection: Connection, table: Table, new: Sequence[Row]) -> int:
        return self._bulk[table.name].run(connection, new) if new else 0


class _Batch:
    """The receipts of a group, by organisation, each at its leaf."""

    def __init__(self) -> None:
        self.by_org: dict[str, list[Receipt | None]] = {}

    def place(self, receipt: Receipt) -> int:
        """Its leaf."""
        places = self.by_org.setdefault(receipt.org_id, [])
        places.append(receipt)
        return len(places) - 1

    def keep(self, fresh: set[tuple[str, str]]) -> None:
        """Leave the others' leaves empty: they were booked before, under another signature."""
        for org_id, places in self.by_org.items():
            places[:] = [one if one is not None and (org_id, one.id) in fresh else None for one in places]
