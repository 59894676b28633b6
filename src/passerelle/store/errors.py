"""What the store raises, and the values it answers a refusal with.

    PasserelleError
    └─ StoreUnavailable     the record could not be kept: refuse the request with 503, or try again
       ├─ StoreBusy         somebody else is writing: most often over in a moment
       └─ SchemaMismatch    the database belongs to another version: an operator must act

`BudgetDenied` is a value, not an exception: a request that may not be paid for is an ordinary answer.
"""

import msgspec

from passerelle.core.errors import PasserelleError
from passerelle.core.money import show


class StoreUnavailable(PasserelleError):
    """The disk or the database cannot keep what must be kept now. Retrying later may succeed."""


class StoreBusy(StoreUnavailable):
    """Another writer had the database for as long as was waited. The next try most often gets it."""


class SchemaMismatch(StoreUnavailable):
    """The database was migrated by a newer Passerelle than this one."""


class RecordConflict(PasserelleError):
    """A record contradicts one already kept (an attempt id used by two receipts). Never raised to callers:
    the writer sets the record aside in `quarantine` and says so in `health`."""


class BudgetDenied(msgspec.Struct, frozen=True):
    """A budget that cannot cover a reservation."""

    budget_id: str
    need_nanos: int
    final: bool
    """False: only this worker's lease is too small; `await reserve_slow(...)` decides."""
    limit_nanos: int | None = None
    spent_nanos: int | None = None
    """Booked, leases of all workers included."""
    currency: str = "USD"
    period: str | None = None
    """`total`, `2026-11-22` or `2026-11`."""
    resets_at_ns: int | None = None
    """When the next period begins; None for a budget without one."""

    @property
    def message(self) -> str:
        """What to tell the caller, with the next step."""
        if self.limit_nanos is None:
            return f"Budget `{self.budget_id}` is unknown or disabled; ask an administrator to check it."
        return (
            f"Budget `{self.budget_id}` has not {show(self.need_nanos, self.currency)} left of "
            f"{show(self.limit_nanos, self.currency)} ({self.period}); "
            "wait for its next period or ask an administrator to raise it."
        )


class ConversationTooLong(PasserelleError):
    """A kept conversation has grown beyond what may be held in memory at once."""
