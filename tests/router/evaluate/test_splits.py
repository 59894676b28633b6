import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.router.evaluate.made import outcomes

from passerelle.router.evaluate.outcomes import Outcomes
from passerelle.router.evaluate.splits import TooFew, across


def _repeated() -> Outcomes:
    data = outcomes(60)
    again = [*range(60), 0, 1, 2, 3]
    return data.some(again)


@settings(max_examples=25)
@given(seed=st.integers(0, 10_000), folds=st.integers(2, 7))
def test_each_row_is_tested_once_and_never_learned_from_where_it_is_tested(seed: int, folds: int) -> None:
    data = _repeated()
    trial = across(data, seed, folds)
    assert sorted(trial.tested.tolist()) == list(range(64))
    same = data.same()
    for fold in trial.folds:
        assert not set(same[fold.train]) & set(same[fold.test])
        assert len(fold.train) + len(fold.test) == 64
        assert abs(len(fold.test) - 64 / folds) <= 3


def test_the_same_seed_gives_the_same_folds_and_another_one_others() -> None:
    data = outcomes(80)
    one, again, other = (across(data, seed, 4).tested.tolist() for seed in (1, 1, 2))
    assert one == again != other


def test_fit_learns_from_exactly_so_many_rows_and_tests_on_all_others() -> None:
    (fold,) = across(_repeated(), 3, 5, fit=20).folds
    assert len(fold.train) == 20
    assert not set(_repeated().same()[fold.train]) & set(_repeated().same()[fold.test])
    assert len(fold.test) >= 64 - 20 - 4


def test_a_held_out_task_is_never_learned_from() -> None:
    data = outcomes(120)
    assert data.tasks is not None
    tasks = np.array(data.tasks)
    trial = across(data, 0, 5, by="task")
    assert len(trial.folds) == 3
    for fold in trial.folds:
        assert not set(tasks[fold.train]) & set(tasks[fold.test])


def test_other_columns_can_be_held_out_and_labels_be_few() -> None:
    trial = across(outcomes(100), 0, 5, by="half", fit=10)
    assert [len(fold.train) for fold in trial.folds] == [10, 10]


def test_rows_that_lack_a_score_are_learned_from_and_not_tested_on() -> None:
    data = outcomes(50)
    data.scores[:10, 1] = np.nan
    trial = across(data, 0, 5)
    assert sorted(trial.tested.tolist()) == list(range(10, 50))
    assert any(0 in fold.train for fold in trial.folds)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"folds": 99}, "lower `--folds`"),
        ({"folds": 5, "fit": 60}, "leaves nothing to test on"),
        ({"folds": 5, "by": "half", "fit": 40}, "more than the 30 rows"),
        ({"folds": 5, "by": "colour"}, "no column `colour`"),
    ],
)
def test_what_cannot_be_divided_is_refused_with_the_reason(asked: dict, said: str) -> None:
    with pytest.raises(TooFew, match=said):
        across(outcomes(60), 0, **asked)
