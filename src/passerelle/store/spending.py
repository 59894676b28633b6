"""Money leaving holds: charged to the lease that backs each, or late to the account.

What a crash leaves open (`Lost`)
    The provider may bill a call whose answer we lost, so it is charged, not forgotten: at its estimate,
    with `failure = cancelled`, `source = estimated` and `unknown` set. Attempts of one request are charged
    from the last one back, as far as what was held goes. When they shared one hold, that is the last one
    alone: that it was begun says the earlier ones had failed before any content. When each was held for
    (hedging), each is charged. The holds settle at the same sum, so Σ ledger = spent still holds and a
    crash overspends no budget. No receipt is written, we would be signing what we do not know; the
    `outcome` row closes the audit, and a reconciliation can adjust the ledger later.

A hold is late when no open lease backs it any more: it outlived its time, or its lease was taken back
from a worker that had been away. What it cost is booked all the same, straight to the account, and may
take it above its limit: said, not hidden.
"""

from collections.abc import Iterable
from typing import Any

import msgspec
from sqlalchemy import Connection

from passerelle.core.receipt import Held
from passerelle.ledger.periods import period_at
from passerelle.store import leases
from passerelle.store.database import Database
from passerelle.store.records import Intended, Settled


class Charge(msgspec.Struct, frozen=True):
    """One hold's end."""

    org_id: str
    receipt_id: str
    at_ns: int
    hold_id: str
    budget_id: str
    lease_id: str
    held_nanos: int
    amount_nanos: int
    state: str


class Lost(msgspec.Struct, frozen=True):
    """A request a dead worker left open: its intents, oldest first."""

    intents: tuple[Intended, ...]

    def amounts(self) -> list[tuple[Intended, int]]:
        """What to charge for each attempt: from the last one back, as far as what was held goes."""
        left = self._held_nanos()
        found = []
        for record in reversed(self.intents):
            amount = min(record.intent.estimate_nanos, left)
            left -= amount
            found.append((record, amount))
        return found[::-1]

    def charges(self) -> list[Charge]:
        """The ends of its holds: per budget they add up to what its attempts are charged."""
        total = sum(amount for _, amount in self.amounts())
        intent = self.intents[0].intent
        left: dict[str, int] = {}
        ends: dict[tuple[str, str], Charge] = {}
        for held, lease_id in self._holds():
            amount = min(held.held_nanos, left.setdefault(held.budget_id, total))
            left[held.budget_id] -= amount
            ends[(held.hold_id, held.budget_id)] = Charge(
                intent.org_id, intent.receipt_id, intent.at_ns, held.hold_id, held.budget_id, lease_id,
                held.held_nanos, amount, "unknown",
            )  # fmt: skip
        for identity, charge in reversed(list(ends.items())):
            rest = left.pop(charge.budget_id, 0)
            if rest:  # this budget held less than another: its last hold bears the difference
                ends[identity] = msgspec.structs.replace(charge, amount_nanos=charge.amount_nanos + rest)
        return list(ends.values())

    def _held_nanos(self) -> int:
        """The most that any budget held for the request; without holds, the last estimate."""
        sums: dict[str, int] = {}
        for held, _ in self._holds():
            sums[held.budget_id] = sums.get(held.budget_id, 0) + held.held_nanos
        return max(sums.values(), default=self.intents[-1].intent.estimate_nanos)

    def _holds(self) -> list[tuple[Held, str]]:
        """Every hold of the request once, with the lease behind it."""
        seen: dict[tuple[str, str], tuple[Held, str]] = {}
        for record in self.intents:
            for held, lease_id in zip(record.intent.holds, record.leases, strict=True):
                seen.setdefault((held.hold_id, held.budget_id), (held, lease_id))
        return list(seen.values())


def charges(record: Settled) -> list[Charge]:
    """The ends of a settlement's holds."""
    receipt = record.settlement.receipt
    return [
        Charge(
            receipt.org_id, receipt.id, receipt.at_ns, one.hold_id, one.budget_id,
            lease_id, one.held_nanos, one.amount_nanos, "settled",
        )
        for one, lease_id in zip(record.settlement.holds, record.leases, strict=True)
    ]  # fmt: skip


class Spending:
    """The charges of one transaction, added up per lease so that each row is touched once."""

    def __init__(self, found: Iterable[Charge]) -> None:
        self._charges = list(found)
        self._periods: dict[int, str] = {}
        self._late: set[int] = set()

    def book(self, database: Database, connection: Connection) -> set[str]:
        """Move the money; the receipts whose holds were late."""
        named = {charge.lease_id for charge in self._charges if charge.lease_id}
        known = leases.lock_leases(connection, named) if named else {}
        spent: dict[str, int] = {}
        late: list[int] = []
        for index, charge in enumerate(self._charges):
            lease = known.get(charge.lease_id)
            if lease is not None and lease.org_id == charge.org_id and lease.state == "open":
                spent[charge.lease_id] = spent.get(charge.lease_id, 0) + charge.amount_nanos
                self._periods[index] = lease.period
            else:
                late.append(index)
        for lease_id, amount in sorted(spent.items()):
            leases.spend(connection, known[lease_id], amount)
        if late:
            self._book_late(database, connection, late)
        return {self._charges[index].receipt_id for index in late}

    def _book_late(self, database: Database, connection: Connection, late: list[int]) -> None:
        self._late.update(late)
        wanted = {self._charges[index].budget_id for index in late}
        budgets = leases.find(connection, wanted, disabled=True)
        sums: dict[tuple[str, str, str], int] = {}
        for index in late:
            charge = self._charges[index]
            budget = budgets.get(charge.budget_id)
            if budget is None or budget.org_id != charge.org_id:
                continue  # no such budget: the ledger row still says what was spent
            period = period_at(budget.period, charge.at_ns).key
            self._periods[index] = period
            identity = (charge.org_id, charge.budget_id, period)
            sums[identity] = sums.get(identity, 0) + charge.amount_nanos
        for (org_id, budget_id, period), amount in sorted(sums.items()):
            leases.spend_late(database, connection, org_id, budget_id, period, amount)

    def rows(self, now_ns: int) -> list[tuple[Any, ...]]:
        """The rows of `hold`, in column order."""
        return [
            (
                charge.org_id, charge.receipt_id, charge.hold_id, charge.budget_id,
                self._periods.get(index, ""), charge.lease_id or None, charge.held_nanos,
                charge.amount_nanos, "late" if index in self._late else charge.state, now_ns,
            )
            for index, charge in enumerate(self._charges)
        ]  # fmt: skip
