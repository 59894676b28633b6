import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from passerelle.router.evaluate.calibration import auc, bins, brier, ece

ONE = np.ones((1, 4))


def test_ece_by_hand() -> None:
    # Two bins of two: |0.25 − 0.5| and |0.95 − 0.5|, each weighing a half.
    predicted, seen = np.array([0.25, 0.25, 0.9, 1.0]), np.array([1.0, 0.0, 1.0, 0.0])
    assert ece(predicted, seen, ONE)[0] == pytest.approx(0.5 * 0.25 + 0.5 * 0.45)


def test_brier_by_hand() -> None:
    predicted, seen = np.array([0.5, 0.0, 1.0, 0.2]), np.array([1.0, 0.0, 0.0, 0.2])
    assert brier(predicted, seen, ONE)[0] == pytest.approx((0.25 + 1.0) / 4)


def test_auc_counts_pairs_in_order_and_ties_by_half() -> None:
    # Right: .9 and .4; wrong: .4 and .1. Of four pairs three are in order and one is a tie.
    predicted, seen = np.array([0.9, 0.4, 0.4, 0.1]), np.array([1.0, 1.0, 0.0, 0.0])
    assert auc(predicted, seen, ONE)[0] == pytest.approx(3.5 / 4)


def test_auc_has_no_meaning_where_all_are_right() -> None:
    assert np.isnan(auc(np.array([0.1, 0.9]), np.ones(2), np.ones((1, 2)))[0])


def test_bins_hold_every_prediction_the_certain_ones_too() -> None:
    held = bins(np.array([0.0, 0.05, 1.0]), np.array([0.0, 1.0, 1.0]))
    assert [(one.count, one.predicted, one.seen) for one in held] == [(2, 0.025, 0.5), (1, 1.0, 1.0)]


PART = arrays.arrays(np.float64, 25, elements=st.floats(0, 1))


@given(PART, st.integers(0, 99))
def test_figures_stay_within_their_bounds_and_a_perfect_prediction_has_none(
    predicted: np.ndarray, seed: int
) -> None:
    seen = np.random.default_rng(seed).integers(0, 2, 25).astype(float)
    w = np.ones((1, 25))
    assert 0 <= ece(predicted, seen, w)[0] <= 1
    assert 0 <= brier(predicted, seen, w)[0] <= 1
    assert ece(seen, seen, w)[0] == brier(seen, seen, w)[0] == 0
    if 0 < seen.sum() < 25:
        assert auc(predicted, seen, w)[0] + auc(-predicted, seen, w)[0] == pytest.approx(1)
        assert auc(seen, seen, w)[0] == 1


@given(PART, st.integers(0, 99))
def test_a_row_drawn_twice_counts_twice(predicted: np.ndarray, seed: int) -> None:
    rng = np.random.default_rng(seed)
    seen = rng.integers(0, 2, 25).astype(float)
    times = rng.integers(0, 3, 25)
    if times.sum() == 0 or not 0 < seen[times > 0].mean() < 1:
        return
    again = np.repeat(np.arange(25), times)
    one = np.ones((1, len(again)))
    for figure in (ece, brier, auc):
        weighted = figure(predicted, seen, times[None].astype(float))[0]
        assert weighted == pytest.approx(figure(predicted[again], seen[again], one)[0])
