"""What usage costs: integer nanos from disjoint buckets and a versioned price row.

Every function here takes a price that may be None, meaning *unpriced*: the answer is then None, never 0.
A cost is one sum divided once and rounded up (`core.money`), so splitting a usage cannot make it cheaper.
"""

import functools
from operator import attrgetter
from typing import overload

from passerelle.core.model import Price
from passerelle.core.money import PER_MILLION, ceil_per_million
from passerelle.core.usage import UNITS, Usage

_counted = attrgetter(*UNITS)
_HOUR_MS = 3_600_000


def tier(price: Price, total_input_tokens: int) -> Price:
    """The row that applies to a request with this much input: `price`, or a long-context row inside it."""
    while price.long_context is not None and price.long_context_above is not None:
        if total_input_tokens <= price.long_context_above:
            break
        price = price.long_context
    return price


@overload
def cost(usage: Usage, price: Price, *, percent: int = 100) -> int: ...
@overload
def cost(usage: Usage, price: None, *, percent: int = 100) -> None: ...
@overload
def cost(usage: Usage, price: Price | None, *, percent: int = 100) -> int | None: ...
def cost(usage: Usage, price: Price | None, *, percent: int = 100) -> int | None:
    """Cost of `usage` in nanos of the price's currency, rounded up; None when there is no price.

    `percent`: charged at so much of the row's figures, as providers' batch services do; still one sum,
    rounded once.

    A bucket without a figure takes the one documented at `core.model.Price`: cache reads, audio and
    image input the input price; 5-minute cache writes the input price; 1-hour writes the 5-minute price;
    reasoning, audio and image output the output price. Pictures, pixels, characters, sound and searches cost
    something only where the row names a figure: otherwise the provider counts their tokens.
    """
    if price is None:
        return None
    row = price if price.long_context is None else tier(price, usage.total_input_tokens)
    into, out = row.input, row.output
    units = _units(usage, price) if any(_counted(usage)) else 0
    if usage.total_tokens == usage.input_tokens + usage.output_tokens:  # nothing in any other bucket
        plain = usage.input_tokens * into + usage.output_tokens * out + units
        return ceil_per_million(plain) if percent == 100 else part_of(plain, percent, PER_MILLION)
    write_5m = into if row.cache_write_5m is None else row.cache_write_5m
    write_1h = write_5m if row.cache_write_1h is None else row.cache_write_1h
    weighted = (
        usage.input_tokens * into
        + usage.cache_read_tokens * (into if row.cache_read is None else row.cache_read)
        + usage.cache_write_5m_tokens * write_5m
        + usage.cache_write_1h_tokens * write_1h
        + usage.input_audio_tokens * (into if row.input_audio is None else row.input_audio)
        + usage.input_image_tokens * (into if row.input_image is None else row.input_image)
        + usage.output_tokens * out
        + usage.reasoning_tokens * (out if row.reasoning is None else row.reasoning)
        + usage.output_audio_tokens * (out if row.output_audio is None else row.output_audio)
        + usage.output_image_tokens * (out if row.output_image is None else row.output_image)
        + units
    )
    return ceil_per_million(weighted) if percent == 100 else part_of(weighted, percent, PER_MILLION)


def part_of(amount: int, percent: int, per: int = 1) -> int:
    """`percent` of `amount` / `per`, rounded up once: what of a bound is a bound of the part."""
    return -(-amount * percent // (100 * per))


def _units(usage: Usage, price: Price) -> int:
    """What the buckets that count no tokens cost, times a million; nothing where the price does not say."""
    cost_here = usage.output_images * price.image * 1_000_000 if usage.output_images and price.image else 0
    if usage.searches and price.search:
        cost_here += usage.searches * price.search * 1_000_000
    if usage.input_characters and price.characters:
        cost_here += usage.input_characters * price.characters
    if usage.image_pixels and price.megapixel:
        cost_here += usage.image_pixels * price.megapixel
    if usage.input_audio_ms and price.audio_hour:
        cost_here -= -usage.input_audio_ms * price.audio_hour * 1_000_000 // _HOUR_MS
    return cost_here


@overload
def upper_bound(input_tokens: int, max_output_tokens: int, price: Price) -> int: ...
@overload
def upper_bound(input_tokens: int, max_output_tokens: int, price: None) -> None: ...
@overload
def upper_bound(input_tokens: int, max_output_tokens: int, price: Price | None) -> int | None: ...
def upper_bound(input_tokens: int, max_output_tokens: int, price: Price | None) -> int | None:
    """The most a request can cost, in nanos: what a hold must cover. None when there is no price.

    It holds for every usage with at most `input_tokens` in and `max_output_tokens` out, whatever the
    buckets: all input could be written to the dearest cache, all output could be reasoning. A request
    estimated into the long-context tier may still fall below it, so every tier within reach counts.
    """
    if price is None:
        return None
    most = 0
    for above, dearest_input, dearest_output in _dearest(price):
        reachable = input_tokens if above is None or input_tokens < above else above
        cost_here = reachable * dearest_input + max_output_tokens * dearest_output
        if cost_here > most:
            most = cost_here
        if above is None or input_tokens <= above:
            break
    return ceil_per_million(most)


@functools.lru_cache(maxsize=4096)
def _dearest(price: Price) -> tuple[tuple[int | None, int, int], ...]:
    """Of each row that may apply: where it ends, and its dearest input and output figures."""
    rows = []
    row: Price | None = price
    while row is not None:
        above = row.long_context_above if row.long_context is not None else None
        rows.append((above, _dearest_input(row), _dearest_output(row)))
        row = row.long_context if above is not None else None
    return tuple(rows)


def _dearest_input(row: Price) -> int:
    figures = (row.cache_read, row.cache_write_5m, row.cache_write_1h, row.input_audio, row.input_image)
    return max(row.input, *(figure for figure in figures if figure is not None), 0)


def _dearest_output(row: Price) -> int:
    figures = (row.reasoning, row.output_audio, row.output_image)
    return max(row.output, *(figure for figure in figures if figure is not None), 0)
