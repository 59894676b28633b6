import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from passerelle.router.evaluate.deferral import Curve, apgr, cpt, ranked_within, thinned

ONES = np.ones((1, 4))


def _figures(leaning: list[float], gain: list[float]) -> tuple[float, float, float]:
    curve = Curve(np.array(leaning, dtype=float), np.array(gain, dtype=float))
    x, pgr = curve.points(np.ones((1, len(gain))))
    return float(apgr(x, pgr)[0]), float(cpt(x, pgr, 0.5)[0]), float(cpt(x, pgr, 0.8)[0])


def test_four_requests_of_which_two_gain_by_hand() -> None:
    # The gap of 2 is recovered by the first two of four: PGR 0, .5, 1, 1, 1 at x 0, .25, .5, .75, 1.
    area, half, most = _figures([4, 3, 2, 1], [1, 1, 0, 0])
    assert area == pytest.approx(0.25 * (0.25 + 0.75 + 1 + 1))
    assert half == pytest.approx(25)
    assert most == pytest.approx(40)


def test_a_weak_model_that_wins_some_makes_more_than_the_whole_gap_recoverable() -> None:
    # Gains 1, 1, 0, −1: the gap is 1, and two calls recover 2 of it. PGR 0, 1, 2, 2, 1.
    area, half, most = _figures([4, 3, 2, 1], [1, 1, 0, -1])
    assert area == pytest.approx(0.25 * (0.5 + 1.5 + 2 + 1.5))
    assert (half, most) == (pytest.approx(12.5), pytest.approx(20))


def test_a_router_that_tells_nothing_apart_is_exactly_chance() -> None:
    assert _figures([1, 1, 1, 1], [1, 0, 1, 0]) == (pytest.approx(0.5), pytest.approx(50), pytest.approx(80))


def test_equals_go_over_together() -> None:
    # The first two are equal and gain 1 and 0: a straight line to half the calls.
    area, half, _ = _figures([2, 2, 1, 0], [1, 0, 0, 1])
    assert half == pytest.approx(50)
    assert area == pytest.approx(0.5 * 0.25 + 0.25 * 0.5 + 0.25 * 0.75)


def test_a_strong_model_that_is_no_stronger_has_no_gap_to_recover() -> None:
    curve = Curve(np.array([1.0, 0.0]), np.array([-1.0, 1.0]))
    x, pgr = curve.points(np.ones((1, 2)))
    assert np.isnan(apgr(x, pgr)[0])
    assert np.isnan(cpt(x, pgr, 0.5)[0])


def test_weights_count_a_request_as_often_as_it_was_drawn() -> None:
    leaning, gain = np.array([3.0, 2.0, 1.0]), np.array([1.0, 0.0, 1.0])
    weighted = Curve(leaning, gain).points(np.array([[2.0, 1.0, 1.0]]))
    repeated = Curve(np.array([3.0, 3.0, 2.0, 1.0]), np.array([1.0, 1.0, 0.0, 1.0])).points(ONES)
    assert apgr(*weighted)[0] == pytest.approx(apgr(*repeated)[0])
    assert cpt(*weighted, 0.5)[0] == pytest.approx(cpt(*repeated, 0.5)[0])


def test_ranks_put_each_fold_on_its_own_threshold() -> None:
    ranked = ranked_within(np.array([0.9, 0.8, 0.2, 0.1]), [2, 2])
    assert ranked.tolist() == [0.75, 0.25, 0.75, 0.25]
    assert ranked_within(np.array([0.5, 0.5, 0.1]), [2, 1]).tolist() == [0.5, 0.5, 0.5]


def test_a_drawn_curve_begins_at_nothing_and_ends_at_the_whole_gap() -> None:
    x, pgr = Curve(np.arange(9.0), np.ones(9)).points(np.ones((1, 9)))
    drawn = thinned(x[0], pgr[0])
    assert (drawn[0], drawn[-1]) == ((0.0, 0.0), (1.0, 1.0))


GAINS = arrays.arrays(np.float64, st.integers(2, 40), elements=st.sampled_from([-1.0, 0.0, 0.5, 1.0]))


@given(gain=GAINS, seed=st.integers(0, 1000))
def test_no_order_beats_the_oracle_and_none_is_worse_than_its_reverse(gain: np.ndarray, seed: int) -> None:
    if gain.sum() <= 0.25:
        return
    ones = np.ones((1, len(gain)))
    leaning = np.random.default_rng(seed).random(len(gain))

    def area(order: np.ndarray) -> float:
        return float(apgr(*Curve(order, gain).points(ones))[0])

    assert area(-gain) - 1e-9 <= area(leaning) <= area(gain) + 1e-9
    assert area(gain) >= 0.5 - 1e-9
    # Turning the order round mirrors the curve: the two areas make one.
    assert area(leaning) + area(-leaning) == pytest.approx(1.0)


@given(gain=GAINS, seed=st.integers(0, 1000))
def test_only_the_order_of_the_leanings_matters(gain: np.ndarray, seed: int) -> None:
    if gain.sum() <= 0.25:
        return
    ones = np.ones((1, len(gain)))
    leaning = np.random.default_rng(seed).integers(0, 5, len(gain)).astype(float)
    first = Curve(leaning, gain).points(ones)
    other = Curve(np.exp(leaning) * 3 - 7, gain).points(ones)
    assert apgr(*first)[0] == pytest.approx(apgr(*other)[0])
    assert cpt(*first, 0.8)[0] == pytest.approx(cpt(*other, 0.8)[0])
    assert cpt(*first, 0.5)[0] <= cpt(*first, 0.8)[0] <= 100 + 1e-9
