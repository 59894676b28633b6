import numpy as np
import pytest

from passerelle.router.evaluate.bootstrap import difference, figure, weights


def test_the_first_weighting_is_the_data_and_each_other_draws_as_many_prompts() -> None:
    drawn = weights(np.arange(50), 20)
    assert (drawn[0] == 1).all()
    assert (drawn[1:].sum(axis=1) == 50).all()
    assert (drawn == weights(np.arange(50), 20)).all()
    assert (drawn != weights(np.arange(50), 20, seed=1)).any()


def test_rows_of_the_same_words_are_drawn_together() -> None:
    drawn = weights(np.array([0, 0, 1, 2]), 30)
    assert (drawn[:, 0] == drawn[:, 1]).all()


def test_an_interval_holds_the_mean_about_as_wide_as_theory_says() -> None:
    values = np.random.default_rng(0).normal(0.5, 0.2, 400)
    drawn = weights(np.arange(400), 2000)
    found = figure([drawn @ values / drawn.sum(axis=1)])
    assert found.value == pytest.approx(values.mean())
    assert found.low is not None
    assert found.high is not None
    assert found.high - found.low == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.1)
    assert found.spread is None


def test_seeds_are_averaged_and_their_spread_is_told() -> None:
    found = figure([np.array([0.2, 0.1, 0.3]), np.array([0.4, 0.3, 0.5])])
    assert found.value == pytest.approx(0.3)
    assert (found.low, found.high) == (pytest.approx(0.2), pytest.approx(0.4))
    assert found.spread == pytest.approx(np.std([0.2, 0.4], ddof=1))


def test_what_is_not_reached_has_no_value_and_an_open_interval_where_some_resamples_reach_it() -> None:
    assert figure([np.array([-np.inf, 5.0, 6.0])]).value is None
    found = figure([np.array([4.0, *([-np.inf] * 50), *([5.0] * 50)])])
    assert (found.value, found.low, found.high) == (4.0, None, 5.0)


def test_a_difference_is_taken_on_the_same_resamples() -> None:
    ours = [np.array([0.5, 0.4, 0.6, 0.7])]
    found = difference(ours, [ours[0] - 0.1])
    assert (found.value, found.low, found.high) == tuple(pytest.approx(0.1) for _ in range(3))
