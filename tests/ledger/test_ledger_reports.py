"""Roll-ups."""

from hypothesis import given
from hypothesis import strategies as st

from passerelle.core.usage import BUCKETS, Usage
from passerelle.ledger.reports import DIMENSIONS, Row, roll_up

names = st.sampled_from(["a", "b"])
rows_lists = st.lists(
    st.builds(
        Row,
        **dict.fromkeys(DIMENSIONS, names),
        currency=st.sampled_from(["USD", "EUR"]),
        attempts=st.integers(1, 3),
        failed=st.integers(0, 1),
        unpriced=st.integers(0, 1),
        estimated_nanos=st.integers(0, 5),
        amount_nanos=st.integers(0, 10**12),
        usage=st.builds(Usage, **dict.fromkeys(BUCKETS, st.integers(0, 100))),
    ),
    max_size=12,
)


@given(rows_lists, st.lists(st.sampled_from(DIMENSIONS), unique=True))
def test_every_report_adds_up_to_the_same_totals(rows: list[Row], by: list[str]) -> None:
    lines = roll_up(rows, by)  # type: ignore[arg-type]
    for currency in ("USD", "EUR"):
        of_rows = [row for row in rows if row.currency == currency]
        of_lines = [line for line in lines if line.currency == currency]
        for figure in ("attempts", "failed", "unpriced", "estimated_nanos", "amount_nanos"):
            assert sum(getattr(line, figure) for line in of_lines) == sum(
                getattr(row, figure) for row in of_rows
            )
        assert sum(line.usage.total_tokens for line in of_lines) == sum(
            row.usage.total_tokens for row in of_rows
        )


@given(rows_lists, st.lists(st.sampled_from(DIMENSIONS), unique=True))
def test_lines_are_sorted_unique_and_named_as_asked(rows: list[Row], by: list[str]) -> None:
    lines = roll_up(rows, by)  # type: ignore[arg-type]
    identities = [(*line.group.values(), line.currency) for line in lines]
    assert identities == sorted(set(identities))
    assert all(list(line.group) == by for line in lines)


def test_currencies_are_never_added() -> None:
    row = Row("w", "p", "k", "v", "d", "m", "2026-11-22", "USD", 1, 0, 0, 0, 5, Usage(input_tokens=1))
    euro = Row("w", "p", "k", "v", "d", "m", "2026-11-22", "EUR", 1, 0, 0, 0, 7, Usage(input_tokens=1))
    assert [(line.currency, line.amount_nanos) for line in roll_up([row, euro], [])] == [
        ("EUR", 7),
        ("USD", 5),
    ]


def test_no_rows_make_no_lines() -> None:
    assert roll_up([], ["model"]) == ()
