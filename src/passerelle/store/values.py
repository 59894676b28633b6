"""The store's own values: budgets, and what authentication answers."""

from typing import Literal

import msgspec

from passerelle.core.principal import Key, Principal
from passerelle.ledger.periods import PeriodKind

BudgetScope = Literal["organisation", "workspace", "project", "key"]

KeyState = Literal["active", "revoked", "expired"]


class Budget(msgspec.Struct, frozen=True):
    """A limit on what one node of the tenancy tree may spend in a period."""

    id: str
    org_id: str
    scope: BudgetScope
    scope_id: str
    """Id of the node it limits."""
    name: str
    limit_nanos: int
    currency: str
    period: PeriodKind


class BudgetState(msgspec.Struct, frozen=True):
    """Where a budget stands in one period. Amounts in nanos of its currency."""

    budget: Budget
    period: str
    spent_nanos: int
    """Settled, in open leases too: the sum of the ledger over requests under this budget."""
    leased_nanos: int
    """Granted to workers and not spent yet: open holds and what they may still promise."""

    @property
    def remaining_nanos(self) -> int:
        """What no worker has been granted yet."""
        return max(0, self.budget.limit_nanos - self.spent_nanos - self.leased_nanos)


class KeyEntry(msgspec.Struct, frozen=True):
    """A key that proved its secret, and for whom it speaks."""

    key: Key
    principal: Principal
    state: KeyState
    """Only `active` may be served; the others tell the caller why not."""

    def __repr__(self) -> str:
        return f"KeyEntry(key={self.key.id!r}, org={self.key.org_id!r}, state={self.state!r})"
