"""The stretch of time a budget counts over: all of it, a UTC day, or a UTC month."""

from datetime import UTC, datetime, timedelta
from typing import Literal, assert_never

import msgspec

PeriodKind = Literal["total", "day", "month"]

_SECOND_NS = 1_000_000_000


class Period(msgspec.Struct, frozen=True):
    """One period of a budget, from `start_ns` (included) to `end_ns` (excluded; None: never ends)."""

    key: str
    """`total`, `2026-11-22` or `2026-11`: sorts by time within a kind."""
    start_ns: int
    end_ns: int | None

    def holds(self, at_ns: int) -> bool:
        """Whether the moment lies in it."""
        return self.start_ns <= at_ns and (self.end_ns is None or at_ns < self.end_ns)


TOTAL = Period("total", 0, None)


def period_at(kind: PeriodKind, at_ns: int) -> Period:
    """The period of `kind` that holds the moment `at_ns` (Unix nanoseconds, ≥ 0)."""
    match kind:
        case "total":
            return TOTAL
        case "day":
            day = _utc(at_ns).replace(hour=0, minute=0, second=0)
            return Period(day.strftime("%Y-%m-%d"), _ns(day), _ns(day + timedelta(days=1)))
        case "month":
            first = _utc(at_ns).replace(day=1, hour=0, minute=0, second=0)
            after = (first + timedelta(days=32)).replace(day=1)
            return Period(first.strftime("%Y-%m"), _ns(first), _ns(after))
        case _:
            assert_never(kind)


def _utc(at_ns: int) -> datetime:
    return datetime.fromtimestamp(at_ns // _SECOND_NS, UTC)


def _ns(moment: datetime) -> int:
    return int(moment.timestamp()) * _SECOND_NS
