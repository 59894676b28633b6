"""What a budget counts over."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.ledger.periods import TOTAL, PeriodKind, period_at

SECOND = 1_000_000_000


def ns(*parts: int) -> int:
    return int(datetime(*parts, tzinfo=UTC).timestamp()) * SECOND


def test_the_last_nanosecond_of_a_month_belongs_to_it() -> None:
    last = ns(2026, 12, 1) - 1
    assert period_at("month", last).key == "2026-11"
    assert period_at("month", last + 1).key == "2026-12"
    assert period_at("day", last).key == "2026-11-30"


def test_a_leap_day_and_a_year_end_are_days_like_others() -> None:
    assert period_at("day", ns(2028, 2, 29, 23)).end_ns == ns(2028, 3, 1)
    assert period_at("month", ns(2026, 12, 31)).end_ns == ns(2027, 1, 1)


def test_the_total_never_ends() -> None:
    assert period_at("total", 5) is TOTAL
    assert TOTAL.holds(2**63)


@pytest.mark.parametrize("kind", ["day", "month"])
@given(at=st.integers(0, ns(2200, 1, 1)))
def test_periods_tile_time(kind: PeriodKind, at: int) -> None:
    period = period_at(kind, at)
    assert period.holds(at)
    assert period.end_ns is not None
    assert not period.holds(period.end_ns)
    after = period_at(kind, period.end_ns)
    assert after.start_ns == period.end_ns
    assert after.key > period.key
