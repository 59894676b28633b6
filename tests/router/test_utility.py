"""What is weighed against what; and a month that lands on its budget."""

import math
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.router.utility import MOST_POINTS, NO_PRICES, TRADES, Pace, Prices, steer, utility

MONTH_NS = 30 * 86_400 * 10**9


def test_quality_is_told_in_points_and_costs_nothing_by_itself() -> None:
    assert utility(0.9, 10**9, 100.0, NO_PRICES) == 90.0
    assert utility(None, 1, 1.0, Prices(1.0, 1.0, 1)) is None


def test_money_and_time_are_taken_off_at_their_prices() -> None:
    prices = Prices(second=0.5, money=4.0, usual_nanos=1_000)
    assert utility(0.9, 2_000, 3.0, prices) == pytest.approx(90 - 8 - 1.5)
    assert utility(0.9, None, None, prices) == 90.0


def test_every_mode_has_a_trade() -> None:
    assert TRADES["balanced"].within_points == 1.5
    assert TRADES["cost"].within_points == 5.5
    assert TRADES["quality"].within_points == 0.0


def _month(demand: float, *, paced: bool, seed: int) -> tuple[float, float, float]:
    """A month of requests whose best answers would cost `demand` budgets: the share of the budget spent, the
    mean quality (a request that finds no money has none), and the part of the month that had passed when the
    money was gone.

    Three models; what each is good for differs from request to request. Days are busy, nights are not.
    """
    draw = Random(seed)
    models = ((90.0, 10_000), (86.0, 2_000), (75.0, 300))
    requests = 5_000
    limit = int(requests * 10_000 / demand)
    pace, spent, quality, gone = Pace(), 0, 0.0, 1.0
    moments = []
    while len(moments) < requests:
        at = draw.random() * 30
        if draw.random() < 0.55 + 0.45 * math.sin(2 * math.pi * at):
            moments.append(at)
    next_look = 0.0
    for at in sorted(moments):
        now_ns = int(at / 30 * MONTH_NS)
        if at >= next_look:
            next_look = at + 0.05
            pace = steer(
                pace, period="2026-11", start_ns=0, end_ns=MONTH_NS, limit_nanos=limit, spent_nanos=spent,
                now_ns=now_ns,
            )  # fmt: skip
        prices = Prices(money=pace.points if paced else 0.0, usual_nanos=10_000)
        size = draw.lognormvariate(-0.3, 0.8)
        offers = []
        for mean, cost in models:
            good = mean + draw.gauss(0, 4)
            worth = utility(good / 100, int(cost * size), None, prices)
            assert worth is not None
            offers.append((worth, good, int(cost * size)))
        _, good, cost = max(offers)
        if spent + cost > limit:
            gone = min(gone, at / 30)
            continue
        spent += cost
        quality += good
    return spent / limit, quality / requests, gone


@pytest.mark.parametrize("demand", [1.5, 2.0, 4.0])
def test_a_months_spend_lands_on_its_budget(demand: float) -> None:
    for seed in range(2):
        spent, quality, gone = _month(demand, paced=True, seed=seed)
        _, unpaced, _ = _month(demand, paced=False, seed=seed)
        assert 0.93 <= spent <= 1.0, (demand, seed, spent)
        assert gone > 0.93, (demand, seed, gone)
        assert quality > unpaced + 2


def test_a_budget_that_lasts_is_never_felt() -> None:
    paced, plain = _month(0.8, paced=True, seed=5), _month(0.8, paced=False, seed=5)
    assert paced == plain


@given(
    spends=st.lists(st.integers(0, 10**9), min_size=1, max_size=30),
    limit=st.integers(1, 10**9),
    steps=st.integers(1, 10**15),
)
def test_the_price_stays_within_its_bounds_whatever_is_spent(
    spends: list[int], limit: int, steps: int
) -> None:
    pace, spent = Pace(), 0
    for number, amount in enumerate(spends):
        spent += amount
        pace = steer(
            pace, period=f"{number // 10}", start_ns=0, end_ns=MONTH_NS, limit_nanos=limit, spent_nanos=spent,
            now_ns=number * steps,
        )  # fmt: skip
        assert 0 <= pace.points <= MOST_POINTS
        assert math.isfinite(pace.rate)
