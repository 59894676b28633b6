"""What is weighed against what: quality, money and time, in each mode; and the price of money.

    mode       gives up          for                      among what is left
    quality    nothing           -                        the better, then the cheaper
    balanced   1.5 points        money                    the cheaper, then the better
    cost       5.5 points        money                    the cheaper, then the better
    fast       any quality       time                     the quicker, then the cheaper

Quality is in points of 100. Two prices turn the other two into points, in every mode:

    a second   `router.second_points`, 0 unless the operator says otherwise
    money      0 while the budget lasts. When a budget is spent faster than its period passes, the price rises
               until the spending fits into what is left, and falls again. It is the dual variable of "the
               best quality that this budget buys": one price for all requests, by which a dear request
               gives up more than a cheap one (Balseiro, Lu, Mirrokni, "The Best of Many Worlds: Dual Mirror
               Descent for Online Allocation Problems", Operations Research 71, 2023).

The windows follow the modes that Azure Foundry's model router documents (learn.microsoft.com, "model router",
read 2026-11-22).
"""

from collections.abc import Mapping
from typing import Final, Literal

import msgspec

from passerelle.core.plan import Mode

ANY_QUALITY: Final = 100.0


class Trade(msgspec.Struct, frozen=True, gc=False):
    """What a mode gives up for what."""

    within_points: float
    """What is so little worse than the best is as good."""
    by: Literal["quality", "money", "time"]
    """What decides among those."""


TRADES: Mapping[Mode, Trade] = {
    "named": Trade(ANY_QUALITY, "quality"),
    "quality": Trade(0.0, "quality"),
    "balanced": Trade(1.5, "money"),
    "cost": Trade(5.5, "money"),
    "fast": Trade(ANY_QUALITY, "time"),
}


class Prices(msgspec.Struct, frozen=True, gc=False):
    """What money and time are worth now, in points of quality."""

    second: float = 0.0
    money: float = 0.0
    """Of `usual_nanos`."""
    usual_nanos: int = 0
    """What a usual request costs at the best place for it; 0: unknown, and money is worth nothing."""


NO_PRICES = Prices()


def utility(
    quality: float | None, weighed_nanos: int | None, whole_s: float | None, prices: Prices
) -> float | None:
    """Points of quality less what its money and its time are worth; None where quality is unknown. What is
    not known of money and time costs nothing: a place nobody has tried is not to be shunned for it.
    """
    if quality is None:
        return None
    points = quality * 100
    if prices.money and prices.usual_nanos and weighed_nanos is not None:
        points -= prices.money * weighed_nanos / prices.usual_nanos
    if prices.second and whole_s is not None:
        points -= prices.second * whole_s
    return points


# --- the price of money

MOST_POINTS = 40.0
"""The highest price: beyond it everything goes to the cheapest place anyhow."""
_STEP_POINTS = 2.0
"""How far the price moves in a thirtieth of the period at twice the rate that fits."""
_STEPS = 30
"""Into how many the period is cut: as long the spending is averaged over, so that nights do not count."""
_MOST_OVER = 3.0


class Pace(msgspec.Struct, frozen=True):
    """One budget's price of money, and what it was made from."""

    period: str = ""
    points: float = 0.0
    rate: float = 0.0
    """Nanos a second, smoothed."""
    at_ns: int = 0
    spent_nanos: int = 0


def steer(
    pace: Pace, *, period: str, start_ns: int, end_ns: int, limit_nanos: int, spent_nanos: int, now_ns: int
) -> Pace:
    """The pace after a look at the budget: `spent_nanos` of `limit_nanos` at `now_ns`, in a period that goes
    from `start_ns` to `end_ns`. A new period begins with the price that the last one ended with.
    """
    length_s = (end_ns - start_ns) / 1e9
    even = limit_nanos / length_s
    if pace.period != period:
        gone_s = max((now_ns - start_ns) / 1e9, 1.0)
        # Of a period under way its own mean is known; at its beginning only what would be even.
        share = min(gone_s * _STEPS / length_s, 1.0)
        rate = (1 - share) * even + share * spent_nanos / gone_s
        return Pace(period, pace.points, rate, now_ns, spent_nanos)
    passed_s = (now_ns - pace.at_ns) / 1e9
    if passed_s <= 0:
        return pace
    step_s = length_s / _STEPS
    share = min(passed_s / step_s, 1.0)
    rate = pace.rate + share * ((spent_nanos - pace.spent_nanos) / passed_s - pace.rate)
    left_s = max((end_ns - now_ns) / 1e9, passed_s)
    fits = max(limit_nanos - spent_nanos, limit_nanos // 1000, 1) / left_s
    over = min(rate / fits - 1, _MOST_OVER)
    points = min(max(pace.points + _STEP_POINTS * share * over, 0.0), MOST_POINTS)
    return Pace(period, points, rate, now_ns, spent_nanos)
