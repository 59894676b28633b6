"""The price book: figures, versions, dates."""

from datetime import date
from decimal import Decimal

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from passerelle.catalog.prices import FIGURES, Row, from_settings, price_book, versioned
from passerelle.config.entries import PriceSettings
from passerelle.core.model import Price

AMOUNTS = st.integers(0, 10**13)
PRICES = st.builds(
    lambda figures, currency: msgspec.structs.replace(Price("", currency=currency), **figures),
    st.fixed_dictionaries(
        {"input": AMOUNTS, "output": AMOUNTS}, optional=dict.fromkeys(FIGURES[2:], AMOUNTS)
    ),
    st.sampled_from(["USD", "EUR"]),
)


@given(PRICES, PRICES)
def test_prices_have_equal_versions_exactly_when_their_figures_are_equal(one: Price, other: Price) -> None:
    a, b = versioned(one), versioned(other)
    assert (a.version == b.version) == (one == other)


@given(PRICES, st.text(max_size=20))
def test_a_version_is_of_the_figures_not_of_where_they_come_from(price: Price, source: str) -> None:
    assert versioned(msgspec.structs.replace(price, source=source)).version == versioned(price).version


def test_the_tier_is_part_of_the_version() -> None:
    plain = Price("", input=1, output=2)
    tiered = msgspec.structs.replace(plain, long_context_above=10, long_context=Price("", input=2, output=3))
    assert versioned(plain).version != versioned(tiered).version


def test_a_row_takes_effect_on_its_day_and_the_next_change_is_known() -> None:
    rows = (
        Row("p", "m", 1, 1),
        Row("p", "m", 3, 3, valid_from="2027-02-01"),
        Row("p", "m", 2, 2, valid_from="2026-12-01"),
    )
    seen = []
    for day in (date(2026, 11, 30), date(2026, 12, 1), date(2027, 2, 1)):
        book = price_book(rows, day, source="s")
        price = book.at("p", "m")
        assert price is not None
        seen.append((price.input, book.next_change))
    assert seen == [(1, date(2026, 12, 1)), (2, date(2027, 2, 1)), (3, None)]


def test_an_operators_price_is_exact_to_the_nano() -> None:
    said = PriceSettings.model_validate(
        {
            "input": "0.15",
            "output": 0.6,
            "cache_read": Decimal("0.000000001"),
            "long_context_above": 1000,
            "long_context": {"input": 1, "output": "2.5"},
        }
    )
    price = from_settings(said, "passerelle.toml")
    assert (price.input, price.output, price.cache_read) == (150_000_000, 600_000_000, 1)
    assert price.long_context is not None
    assert (price.long_context.input, price.long_context.output) == (10**9, 25 * 10**8)
    assert price.source == "passerelle.toml"
    assert price.version
