"""Batches at a provider's own batch service: where each is, the money set aside, and its lines booked.

Such a batch is away for hours, longer than any hold in memory or intent in a journal may live. So its money
is a lease of its own (`budget_lease`), owned by no worker: drawn in the transaction that decides to hand the
batch over, charged line by line, closed when the provider has nothing more to tell. And a line is booked in
the transaction that keeps its result: ledger row, receipt and result are there together or not at all, each
under ids made of the batch's and the line's, so that reading results again after a crash books nothing twice.
Calls block: use a thread.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import update

from passerelle.core.batch import Batch, LineResult, Native, NativeStep
from passerelle.core.clock import Clock, mint
from passerelle.core.receipt import Settlement
from passerelle.ledger.periods import period_at
from passerelle.store import leases, schema
from passerelle.store.batch_rows import write
from passerelle.store.batch_runs import BatchRuns, free_money
from passerelle.store.booking import Booker, Group
from passerelle.store.budgets import Line
from passerelle.store.database import Database
from passerelle.store.records import Settled

_batch = schema.batch
_SLACK_NS = 2 * 86_400 * 1_000_000_000
"""A lease outlives the batch's window by this: results may be read late."""


_SETTLED: frozenset[NativeStep] = frozenset({"here", "collected", "over"})
"""Nothing more will be charged."""


class _Short(Exception):
    """A budget has not that much left: what was drawn of the others is undone."""


class NativeBatches:
    """What the worker that has a batch's lease keeps of it. Every method raises `LeaseLost`."""

    def __init__(self, database: Database, runs: BatchRuns, booker: Booker, clock: Clock) -> None:
        self._database = database
        self._runs = runs
        self._booker = booker
        self._clock = clock

    def begin(self, owner: str, batch: Batch, native: Native, budgets: Sequence[str]) -> Batch | None:
        """Set `native.held_nanos` of every budget aside and keep that the batch is handed over; None, and
        nothing is kept, when a budget has not that much left."""
        try:
            return self._begin(owner, batch, native, budgets)
        except _Short:
            return None

    def _begin(self, owner: str, batch: Batch, native: Native, budgets: Sequence[str]) -> Batch:
        now_ns = self._clock.unix_ns()
        with self._database.write() as connection:
            now = self._runs.mine(connection, owner, batch)
            known = leases.find(connection, budgets)
            drawn: list[tuple[str, str]] = []
            for budget_id in sorted(known):
                row = known[budget_id]
                period = period_at(row.period, now_ns)
                state = leases.account(
                    self._database, connection, row.org_id, budget_id, period.key, row.limit_nanos
                )
                if native.held_nanos > state.remaining_nanos:
                    raise _Short(budget_id)
                line = Line(row.org_id, budget_id, mint("lse"), period, batch.expires_at_ns + _SLACK_NS)
                leases.open_lease(connection, line, native.held_nanos, batch.id, now_ns)
                drawn.append((budget_id, line.lease_id))
            now = msgspec.structs.replace(now, native=msgspec.structs.replace(native, leases=tuple(drawn)))
            write(connection, now)
        return now

    def keep(self, owner: str, batch: Batch, native: Native) -> Batch:
        """Keep how far it is; on disk when this returns. What is over, or stays here, holds no money."""
        with self._database.write() as connection:
            now = self._runs.mine(connection, owner, batch)
            if native.step in _SETTLED:
                free_money(connection, now)
            now = msgspec.structs.replace(now, native=native)
            write(connection, now)
        return now

    def change(self, owner: str, batch: Batch, changes: Mapping[str, Any]) -> Batch:
        """As `keep`, with some fields of what is kept already."""
        with self._database.write() as connection:
            now = self._runs.mine(connection, owner, batch)
            if now.native is None:
                raise AssertionError("it was not decided where it goes")
            now = msgspec.structs.replace(now, native=msgspec.structs.replace(now.native, **changes))
            if now.native is not None and now.native.step in _SETTLED:
                free_money(connection, now)
            write(connection, now)
        return now

    def book(self, owner: str, batch: Batch, ended: Sequence[tuple[LineResult, Settlement]]) -> set[int]:
        """Keep results with their receipts and ledger rows, charged to the batch's own money; the lines that
        had no result yet: only these are booked."""
        with self._database.write() as connection:
            now = self._runs.mine(connection, owner, batch)
            fresh = self._runs.insert_results(connection, now, [result for result, _ in ended])
            lease_of = dict(now.native.leases) if now.native is not None else {}
            records = [
                Settled(settlement, tuple(lease_of.get(hold.budget_id, "") for hold in settlement.holds))
                for result, settlement in ended
                if result.line in fresh
            ]
            if records:
                group = Group(mint("grp"), owner, self._clock.unix_ns(), records=records)
                self._booker.book(connection, group)
        return fresh

    def rest(self, owner: str, batch: Batch, *, until_ns: int) -> None:
        """Give the lease back; nobody takes the batch up before `until_ns`, unless it is cancelled."""
        with self._database.write() as connection:
            now = self._runs.mine(connection, owner, batch)
            known = now.state == batch.state  # else it was cancelled meanwhile: at once, then
            connection.execute(
                update(_batch)
                .where(_batch.c.org_id == batch.org_id, _batch.c.batch_id == batch.id)
                .values(owner="", leased_until_ns=until_ns if known else 0)
            )
