"""Money: integers of nano-units, with their currency said beside them.

A nano-dollar is 10⁻⁹ USD. Prices are quoted per million units (tokens, mostly), so a price is an
integer of *nanos per million units*: 0.15 USD per million tokens is 150_000_000. A cost is the sum of
quantity × price over its lines, divided once by a million and rounded up, so that no split of the
same usage into lines can make it cheaper.
"""

from decimal import ROUND_HALF_EVEN, Decimal

NANOS = 1_000_000_000
PER_MILLION = 1_000_000


def nanos_from_decimal(amount: Decimal | str | float) -> int:
    """The amount in currency units (dollars, euros) as nanos, half-even at the last nano."""
    value = amount if isinstance(amount, Decimal) else Decimal(str(amount))
    return int((value * NANOS).quantize(Decimal(1), rounding=ROUND_HALF_EVEN))


def ceil_per_million(weighted: int) -> int:
    """`weighted` = Σ quantity × nanos-per-million; the cost in nanos, rounded up."""
    return -(-weighted // PER_MILLION)


def show(nanos: int, currency: str = "USD", *, places: int = 6) -> str:
    """A person's form, e.g. `0.000150 USD`; amounts below the last place keep their digits.

    `places` is at most 9. Rounds half up at the last place.
    """
    if places == 6 and nanos >= 500:  # nearly always
        whole, part = divmod((nanos + 500) // 1_000, 1_000_000)
        return f"{whole}.{part:06} {currency}"
    step = 10 ** (9 - places)
    shown = (abs(nanos) + step // 2) // step
    if nanos and not shown:
        places, shown = 9, abs(nanos)
    whole, part = divmod(shown, 10**places)
    return f"{'-' if nanos < 0 else ''}{whole}.{part:0{places}d} {currency}"
