import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.router.evaluate.hull import aiq, choices, cost_at, hull, predicted_costs


def test_a_hull_leaves_out_what_is_dearer_and_no_better_and_what_lies_below_a_mixture() -> None:
    # 2 is dearer and worse than 1; 3 lies below the line from 1 to 4; 5 is dearer than 4 and equal.
    costs, scores = hull(np.array([1.0, 2.0, 3.0, 4.0, 5.0]), np.array([0.4, 0.3, 0.5, 0.8, 0.8]))
    assert costs.tolist() == [1.0, 4.0]
    assert scores.tolist() == [0.4, 0.8]


def test_aiq_of_two_models_is_the_mean_of_their_scores() -> None:
    assert aiq(hull(np.array([1.0, 3.0]), np.array([0.4, 0.8])), 1.0, 3.0) == pytest.approx(0.6)


def test_aiq_counts_the_flat_part_up_to_the_dearest_model() -> None:
    # From 1 to 2 rising .4 to .8, then flat to 5: (0.6 · 1 + 0.8 · 3) / 4.
    corners = hull(np.array([1.0, 2.0, 5.0]), np.array([0.4, 0.8, 0.7]))
    assert aiq(corners, 1.0, 5.0) == pytest.approx(0.75)


def test_aiq_where_everything_costs_the_same_is_the_best_score_there() -> None:
    assert aiq(hull(np.array([2.0, 2.0]), np.array([0.4, 0.9])), 2.0, 2.0) == pytest.approx(0.9)


def test_the_cost_of_a_score_is_read_off_the_hull() -> None:
    corners = hull(np.array([1.0, 3.0]), np.array([0.4, 0.8]))
    assert cost_at(corners, 0.6) == pytest.approx(2.0)
    assert cost_at(corners, 0.8) == pytest.approx(3.0)
    assert cost_at(corners, 0.3) == pytest.approx(1.0)
    assert cost_at(corners, 0.81) == float("inf")


POINTS = st.lists(st.tuples(st.floats(0.1, 10), st.floats(0, 1)), min_size=1, max_size=30)


@given(POINTS)
def test_a_hull_is_concave_never_falls_and_lies_above_every_point(points: list[tuple[float, float]]) -> None:
    costs, scores = hull(np.array([p[0] for p in points]), np.array([p[1] for p in points]))
    assert (np.diff(costs) > 0).all()
    assert (np.diff(scores) > 0).all()
    slopes = np.diff(scores) / np.diff(costs)
    assert (np.diff(slopes) <= 1e-6 * np.abs(slopes[:-1]) + 1e-9).all()
    assert all(score <= np.interp(cost, costs, scores) + 1e-9 for cost, score in points)


@given(POINTS, st.tuples(st.floats(0.1, 10), st.floats(0, 1)))
def test_another_choice_never_lowers_aiq_which_stays_between_the_scores(
    points: list[tuple[float, float]], other: tuple[float, float]
) -> None:
    low, high = min(p[0] for p in points), max(p[0] for p in points)
    before = aiq(hull(*_arrays(points)), low, high)
    after = aiq(hull(*_arrays([*points, other])), low, high)
    if other[0] >= low:  # else the hull begins before the range
        assert after >= before - 1e-9
    assert min(p[1] for p in points) - 1e-9 <= before <= max(p[1] for p in points) + 1e-9


@given(POINTS, st.floats(0.01, 100))
def test_the_unit_of_money_does_not_matter(points: list[tuple[float, float]], unit: float) -> None:
    costs, scores = _arrays(points)
    low, high = costs.min(), costs.max()
    if high - low < 1e-3:
        return
    assert aiq(hull(costs, scores), low, high) == pytest.approx(
        aiq(hull(costs * unit, scores), low * unit, high * unit), abs=1e-6
    )


def _arrays(points: list[tuple[float, float]]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([p[0] for p in points]), np.array([p[1] for p in points])


def test_the_sweep_goes_from_quality_alone_to_cost_alone() -> None:
    quality = np.array([[0.9, 0.5, 0.9], [0.2, 0.8, 0.1]])
    cost = np.array([[3.0, 1.0, 2.0], [3.0, 1.0, 2.0]])
    swept = choices(quality, cost)
    assert swept[:, 0].tolist() == [2, 1]  # of equals the cheaper
    assert swept[:, -1].tolist() == [1, 1]
    spent = np.take_along_axis(cost, swept, axis=1).sum(axis=0)
    assert (np.diff(spent) <= 0).all()


def test_costs_are_predicted_from_length_and_never_from_the_row_itself() -> None:
    lengths = np.array([100.0, 200.0, 300.0])
    train = np.stack([2 + 0.01 * lengths, np.full(3, 5.0)], axis=1)
    told = predicted_costs(train, lengths, np.array([400.0, 100.0]))
    assert told == pytest.approx(np.array([[6.0, 5.0], [3.0, 5.0]]))


def test_a_model_of_unknown_cost_is_as_dear_as_the_dearest() -> None:
    train = np.array([[1.0, np.nan], [3.0, np.nan]])
    assert predicted_costs(train, np.ones(2), np.ones(1))[0].tolist() == [2.0, 3.0]
