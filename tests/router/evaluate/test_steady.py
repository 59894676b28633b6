from collections.abc import Sequence
from itertools import count

import numpy as np
import pytest
from tests.router.evaluate.made import outcomes

from passerelle.router.evaluate import choosing, steady
from passerelle.router.evaluate.outcomes import Floats
from passerelle.router.evaluate.plain import PlainLearner
from passerelle.router.evaluate.splits import across
from passerelle.router.quality.base import Estimates, Sight


class Nervous(PlainLearner):
    """Prefers `big` when the first letter is a capital, `small` otherwise."""

    def estimates(self, sights: Sequence[Sight], models: Sequence[str]) -> Estimates:
        mean = np.array([[0.9, 0.1, 0.0] if s.words[:1].isupper() else [0.1, 0.9, 0.0] for s in sights])
        return Estimates(mean, mean, mean, np.ones(len(sights), dtype=np.bool_))


def _fitted() -> tuple:
    data = outcomes(200)
    (fold, *_) = across(data, 0, 4).folds
    learner = PlainLearner()
    learner.fit(data.some(fold.train).sights(tagged=True), data.models, data.scores[fold.train])
    return data, fold, learner


def test_a_router_that_looks_at_the_tag_alone_is_not_moved_by_case() -> None:
    data, fold, learner = _fitted()
    found = steady.robustness(data, fold, learner, choosing.field(data), tagged=True, resamples=20)
    same = {(row.change, row.policy): row.same.value for row in found.rows}
    assert found.prompts == len(fold.test)
    assert found.policies == ("quality", "balanced", "cost", steady.HALF)
    assert same["case", "quality"] == 100.0
    assert all(value is not None and 0 <= value <= 100 for value in same.values())


def test_a_router_that_looks_at_capitals_is_found_out() -> None:
    data, fold, _ = _fitted()
    found = steady.robustness(data, fold, Nervous(), choosing.field(data), tagged=True, resamples=20)
    same = {(row.change, row.policy): row.same.value or 0.0 for row in found.rows}
    assert same["case", "quality"] < 90  # prompts begin small; a third of them is shouted
    assert same["paraphrase", "quality"] < 90  # “Please …”
    assert same["typos", "quality"] == 100


def test_decisions_are_timed_one_by_one_by_the_clock_given() -> None:
    data, fold, learner = _fitted()
    ticks, working = count(0, 3_000_000), count(0, 1_000_000)
    found = steady.decision(
        data, fold, learner, lambda: next(ticks), lambda: next(working), tagged=True, decisions=30
    )
    assert found.decisions == 30
    assert (found.p50_ms, found.p99_ms) == (pytest.approx(3.0), pytest.approx(3.0))
    assert found.cpu_p99_ms == pytest.approx(1.0)
    assert found.state_bytes == len(learner.state())


def test_a_plain_learner_updated_one_by_one_says_what_one_fitted_at_once_says() -> None:
    data, fold, learner = _fitted()
    sights = data.sights(tagged=True)
    other = PlainLearner()
    for row in fold.train:
        for place, model in enumerate(data.models):
            other.update(sights[row], model, float(data.scores[row, place]))
    some: list[Sight] = [sights[row] for row in fold.test]
    said: Floats = learner.estimates(some, data.models).mean
    assert other.estimates(some, data.models).mean == pytest.approx(said)
    again = PlainLearner.from_state(learner.state())
    assert (again.estimates(some, data.models).mean == said).all()
    assert again.version == learner.version
