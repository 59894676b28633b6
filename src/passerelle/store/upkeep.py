"""Upkeep of a worker's leases: draw what requests wait for, renew, give back, close.

Runs in the writer thread. What a transaction grants is applied to memory only once it is committed; what
it takes back leaves memory before, and returns there if the transaction fails. So memory never promises
what the database has not set aside.
"""

from collections.abc import Iterable, Sequence

import msgspec
from sqlalchemy import Connection

from passerelle.core.clock import Clock, mint
from passerelle.ledger import holds
from passerelle.store import leases
from passerelle.store.budgets import Budgets, Draw, Line
from passerelle.store.database import Database
from passerelle.store.errors import BudgetDenied, StoreUnavailable
from passerelle.store.keeping import forget
from passerelle.store.leases import Grant
from passerelle.store.records import Record, Settled

_SECOND_NS = 1_000_000_000
_BATCHES = 20
"""Of kept rows deleted in one sweep."""


class Drawn(msgspec.Struct, frozen=True):
    """What a transaction granted and denied, to be applied after its commit."""

    grants: Sequence[Grant] = ()
    denials: dict[str, BudgetDenied] = msgspec.field(default_factory=dict)


class Upkeep:
    """Keeps `Budgets` and the database in step."""

    def __init__(self, database: Database, budgets: Budgets, clock: Clock, worker: str) -> None:
        self._database = database
        self._budgets = budgets
        self._clock = clock
        self._worker = worker

    # --- inside the writer's transaction

    def draw(self, connection: Connection, draws: Sequence[Draw]) -> Drawn:
        """Lease what waiting reservations lack. Budgets come in one order, so workers cannot deadlock."""
        if not draws:
            return Drawn()
        now_ns = self._clock.unix_ns()
        waiting: dict[str, list[Draw]] = {}
        for one in draws:
            for budget_id in one.budget_ids:
                waiting.setdefault(budget_id, []).append(one)
        grants: list[Grant] = []
        denials: dict[str, BudgetDenied] = {}
        for budget_id, row in sorted(leases.find(connection, waiting).items()):
            with self._budgets.lock:
                line = self._budgets.usable(budget_id, now_ns)
            grant, denials[budget_id] = leases.draw(
                self._database,
                connection,
                row,
                line,
                waiting[budget_id],
                lease_id=mint("lse"),
                worker=self._worker,
                now_ns=now_ns,
                expires_at_ns=self._expiry(now_ns),
                fraction=self._budgets.rules.fraction,
            )
            if grant is not None:
                grants.append(grant)
        return Drawn(grants, denials)

    def cover_shortages(self, connection: Connection, lease_ids: Iterable[str]) -> list[Grant]:
        """Charge accounts for what requests cost beyond their holds, limit or not."""
        grants: list[Grant] = []
        for lease_id in sorted(set(lease_ids)):
            line = self._budgets.line_of(lease_id)
            shortage = 0 if line is None else line.lease.shortage_nanos
            if line is not None and shortage:
                expires_at_ns = line.expires_at_ns
                if leases.extend(connection, line, shortage, expires_at_ns):
                    grants.append(Grant(line, shortage, expires_at_ns, False))
        return grants

    # --- after its commit

    def apply(self, grants: Iterable[Grant]) -> None:
        """Put committed grants at the disposal of requests."""
        with self._budgets.lock:
            for grant in grants:
                line = grant.line
                if grant.fresh:
                    self._budgets.adopt(line)
                line.lease = holds.grow(line.lease, grant.amount_nanos)
                line.expires_at_ns = grant.expires_at_ns
                line.used_at_ns = self._clock.unix_ns()

    def settled(self, records: Iterable[Record]) -> None:
        """These records are committed: their leases need no longer stay open for them."""
        self._budgets.booked(
            lease for one in records if isinstance(one, Settled) for lease in one.leases if lease
        )

    def answer(self, draws: Iterable[Draw], drawn: Drawn) -> None:
        """Reserve for those who waited, and tell them."""
        for one in draws:
            one.deliver(self._budgets.conclude(one, drawn.denials))

    # --- from time to time

    def run(self) -> None:
        """Expire holds; close, shrink and renew leases. Raises `StoreUnavailable`, nothing lost."""
        now_ns = self._clock.unix_ns()
        self._budgets.expire_holds(now_ns)
        closing, returning, renewing = self._plan(now_ns)
        if not (closing or returning or renewing):
            return
        expires_at_ns = self._expiry(now_ns)
        gone: list[Line] = []
        try:
            with self._database.write() as connection:
                for line in closing:
                    leases.close(connection, line.org_id, line.lease_id, "closed")
                for line, amount in returning:
                    if not leases.extend(connection, line, -amount, expires_at_ns):
                        gone.append(line)
                gone += [line for line in renewing if not leases.extend(connection, line, 0, expires_at_ns)]
        except StoreUnavailable:
            with self._budgets.lock:
                for line, amount in returning:
                    line.lease = holds.grow(line.lease, amount)
            raise
        for line in closing:
            self._budgets.forget(line)
        with self._budgets.lock:
            for line in (*renewing, *(line for line, _ in returning)):
                line.expires_at_ns = expires_at_ns
            for line in gone:  # taken back while we were away; its holds will settle late
                self._budgets.retire(line)

    def close(self) -> bool:
        """Give every lease back; False when open holds keep some (a crash recovery will book them)."""
        self._budgets.recall()
        self.run()
        return not self._budgets.every_line()

    def sweep(self) -> int:
        """Take back leases that other workers let expire; how many. Delete what has been kept long enough."""
        now_ns = self._clock.unix_ns()
        with self._database.write() as connection:
            closed = leases.close_expired(connection, now_ns)
        for _ in range(_BATCHES):  # a transaction each: nobody waits for more than one
            with self._database.write() as connection:
                if not forget(connection, now_ns):
                    break
        return closed

    def _plan(self, now_ns: int) -> tuple[list[Line], list[tuple[Line, int]], list[Line]]:
        """Lines to close, to shrink (their spare part is taken out of use here), and to renew."""
        rules = self._budgets.rules
        idle_before = now_ns - int(rules.idle_s * _SECOND_NS)
        renew_before = now_ns + (rules.ttl_s - rules.renew_s) * _SECOND_NS
        closing: list[Line] = []
        returning: list[tuple[Line, int]] = []
        renewing: list[Line] = []
        for line in self._budgets.every_line():
            with self._budgets.lock:
                unused = line.used_at_ns < idle_before
                if line.recalled or not line.period.holds(now_ns) or (line.idle and unused):
                    self._budgets.retire(line)
                retired = self._budgets.lines.get(line.budget_id) is not line
                spare = line.lease.available_nanos
                if retired and line.idle:
                    closing.append(line)
                elif spare > 0 and (retired or unused):
                    line.lease = holds.grow(line.lease, -spare)
                    returning.append((line, spare))
                elif line.expires_at_ns < renew_before:
                    renewing.append(line)
        return closing, returning, renewing

    def _expiry(self, now_ns: int) -> int:
        return now_ns + self._budgets.rules.ttl_s * _SECOND_NS
