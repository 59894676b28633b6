"""Usage × price row → nanos."""

from fractions import Fraction

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.core.model import Price
from passerelle.core.usage import BUCKETS, NO_USAGE, TOKENS, Usage
from passerelle.ledger import price as pricing

RATE = st.integers(0, 200_000_000_000)
COUNT = st.integers(0, 2_000_000)


@st.composite
def price_rows(draw: st.DrawFn, *, nested: int = 2) -> Price:
    optional = st.none() | RATE
    longer = nested and draw(st.booleans())
    return Price(
        version="v",
        input=draw(RATE),
        output=draw(RATE),
        cache_read=draw(optional),
        cache_write_5m=draw(optional),
        cache_write_1h=draw(optional),
        reasoning=draw(optional),
        input_audio=draw(optional),
        output_audio=draw(optional),
        input_image=draw(optional),
        output_image=draw(optional),
        image=draw(optional),
        characters=draw(optional),
        audio_hour=draw(optional),
        search=draw(optional),
        megapixel=draw(optional),
        long_context_above=draw(st.integers(0, 500_000)) if longer else None,
        long_context=draw(price_rows(nested=nested - 1)) if longer else None,
    )


usages = st.builds(Usage, **dict.fromkeys(BUCKETS, COUNT))
tokens_alone = st.builds(Usage, **dict.fromkeys(TOKENS, COUNT))

SONNET = Price(
    version="sonnet",
    input=3_000_000_000,
    output=15_000_000_000,
    cache_read=300_000_000,
    cache_write_5m=3_750_000_000,
    cache_write_1h=6_000_000_000,
)


def test_each_bucket_costs_its_own_figure() -> None:
    usage = Usage(
        input_tokens=1_000_000,
        cache_read_tokens=1_000_000,
        cache_write_5m_tokens=1_000_000,
        cache_write_1h_tokens=1_000_000,
        output_tokens=1_000_000,
    )
    expected = 3_000_000_000 + 300_000_000 + 3_750_000_000 + 6_000_000_000 + 15_000_000_000
    assert pricing.cost(usage, SONNET) == expected


@pytest.mark.parametrize(
    ("bucket", "figure"),
    [
        ("cache_read_tokens", "input"),
        ("cache_write_5m_tokens", "input"),
        ("cache_write_1h_tokens", "input"),
        ("input_audio_tokens", "input"),
        ("input_image_tokens", "input"),
        ("reasoning_tokens", "output"),
        ("output_audio_tokens", "output"),
        ("output_image_tokens", "output"),
    ],
)
def test_a_bucket_without_a_figure_takes_the_nearest_above(bucket: str, figure: str) -> None:
    row = Price(version="v", input=7_000_000, output=11_000_000)
    assert pricing.cost(Usage(**{bucket: 1_000_000}), row) == getattr(row, figure)


def test_one_hour_writes_without_a_figure_cost_as_five_minute_ones() -> None:
    row = Price(version="v", input=1, output=1, cache_write_5m=9_000_000)
    assert pricing.cost(Usage(cache_write_1h_tokens=1_000_000), row) == 9_000_000


def test_a_free_bucket_is_free_and_not_missing() -> None:
    row = Price(version="v", input=5_000_000, output=5_000_000, cache_read=0)
    assert pricing.cost(Usage(cache_read_tokens=1_000_000), row) == 0


def test_without_a_price_the_cost_is_unknown_and_not_zero() -> None:
    assert pricing.cost(Usage(input_tokens=5), None) is None
    assert pricing.upper_bound(5, 5, None) is None


def test_nothing_costs_nothing() -> None:
    assert pricing.cost(NO_USAGE, SONNET) == 0


def test_a_fraction_of_a_nano_is_rounded_up_once() -> None:
    row = Price(version="v", input=1, output=1)
    assert pricing.cost(Usage(input_tokens=1), row) == 1
    assert pricing.cost(Usage(input_tokens=1, output_tokens=1), row) == 1


@pytest.mark.parametrize(("tokens", "expected"), [(200_000, 200_000 * 2), (200_001, 200_001 * 4)])
def test_the_long_context_row_replaces_the_whole_row_strictly_above_its_threshold(
    tokens: int, expected: int
) -> None:
    row = Price(
        version="v",
        input=2_000_000,
        output=0,
        long_context_above=200_000,
        long_context=Price(version="long", input=4_000_000, output=0),
    )
    half = tokens // 2
    usage = Usage(input_tokens=half, cache_read_tokens=tokens - half)
    assert pricing.cost(usage, row) == expected


@given(usages, price_rows())
def test_a_cost_is_the_exact_rational_sum_rounded_up(usage: Usage, row: Price) -> None:
    applied = pricing.tier(row, usage.total_input_tokens)
    figures = {
        "input_tokens": applied.input,
        "cache_read_tokens": applied.input if applied.cache_read is None else applied.cache_read,
        "cache_write_5m_tokens": applied.input if applied.cache_write_5m is None else applied.cache_write_5m,
        "input_audio_tokens": applied.input if applied.input_audio is None else applied.input_audio,
        "input_image_tokens": applied.input if applied.input_image is None else applied.input_image,
        "output_tokens": applied.output,
        "reasoning_tokens": applied.output if applied.reasoning is None else applied.reasoning,
        "output_audio_tokens": applied.output if applied.output_audio is None else applied.output_audio,
        "output_image_tokens": applied.output if applied.output_image is None else applied.output_image,
    }
    figures["cache_write_1h_tokens"] = (
        figures["cache_write_5m_tokens"] if applied.cache_write_1h is None else applied.cache_write_1h
    )
    exact = sum(Fraction(getattr(usage, bucket) * figures[bucket], 1_000_000) for bucket in TOKENS)
    exact += usage.output_images * (row.image or 0) + usage.searches * (row.search or 0)
    exact += Fraction(usage.input_characters * (row.characters or 0), 1_000_000)
    exact += Fraction(usage.image_pixels * (row.megapixel or 0), 1_000_000)
    exact += Fraction(usage.input_audio_ms * (row.audio_hour or 0), 3_600_000)
    cost = pricing.cost(usage, row)
    assert exact <= cost < exact + 1


@given(usages, usages, price_rows(nested=0))
def test_splitting_a_usage_never_makes_it_cheaper(one: Usage, other: Usage, row: Price) -> None:
    assert pricing.cost(one, row) + pricing.cost(other, row) >= pricing.cost(one + other, row)


@given(tokens_alone, price_rows(), st.integers(0, 1_000), st.integers(0, 1_000))
def test_the_upper_bound_covers_every_usage_within_its_tokens(
    usage: Usage, row: Price, more_in: int, more_out: int
) -> None:
    bound = pricing.upper_bound(usage.total_input_tokens + more_in, usage.total_output_tokens + more_out, row)
    assert pricing.cost(usage, row) <= bound


@given(st.integers(0, 100_000), st.integers(0, 100_000), RATE, RATE)
def test_the_upper_bound_of_a_plain_price_is_tight(inp: int, out: int, into: int, outof: int) -> None:
    row = Price(version="v", input=into, output=outof)
    usage = Usage(input_tokens=inp, output_tokens=out)
    assert pricing.upper_bound(inp, out, row) == pricing.cost(usage, row)


def test_prices_and_costs_are_integers_throughout() -> None:
    row = msgspec.structs.replace(SONNET, input=3_000_000_001)
    assert type(pricing.cost(Usage(input_tokens=10**15), row)) is int


@given(usages, price_rows(), st.integers(0, 100))
def test_a_part_of_a_price_is_exact_and_rounded_up_once(usage: Usage, price: Price, percent: int) -> None:
    whole, part = pricing.cost(usage, price), pricing.cost(usage, price, percent=percent)
    assert pricing.cost(usage, price, percent=100) == whole
    # The whole was rounded up by less than a nano, and so was the part.
    assert Fraction(whole - 1) * percent / 100 < max(part, Fraction(1, 10**9))
    assert part <= pricing.part_of(whole, percent) <= whole


@given(usages, price_rows(), st.integers(0, 99))
def test_a_larger_part_never_costs_less(usage: Usage, price: Price, percent: int) -> None:
    smaller = pricing.cost(usage, price, percent=percent)
    assert smaller <= pricing.cost(usage, price, percent=percent + 1)
    assert pricing.cost(usage, None, percent=percent) is None


@given(st.integers(0, 10**20), st.integers(0, 100), st.sampled_from([1, 1_000_000]))
def test_part_of_is_the_ceiling_of_the_exact_part(amount: int, percent: int, per: int) -> None:
    exact = Fraction(amount * percent, 100 * per)
    assert exact <= pricing.part_of(amount, percent, per) < exact + 1


def test_half_of_an_odd_price_is_rounded_up() -> None:
    usage = Usage(input_tokens=1)
    assert pricing.cost(usage, Price("v", input=3_000_000), percent=50) == 2
    assert pricing.cost(usage, SONNET, percent=50) == 1_500
