import numpy as np
import pytest
from tests.router.evaluate.made import outcomes

from passerelle.router.evaluate.plain import PlainLearner
from passerelle.router.evaluate.result import BEST, ORACLE, OURS, RANDOM, Streamed
from passerelle.router.evaluate.stream import Drift, by_length, recovery, stream


def _streamed(
    *, drift: Drift | None = None, requests: int = 500, warm: int = 60, explore: float = 0.0
) -> Streamed:
    return stream(
        outcomes(700),
        PlainLearner,
        range(2),
        tagged=True,
        warm=warm,
        requests=requests,
        drift=drift,
        explore=explore,
        resamples=30,
        progress=lambda said: None,
    )


def _last(found: Streamed, name: str) -> float:
    return next(policy.last.value or 0.0 for policy in found.policies if policy.name == name)


def test_policies_stand_between_chance_and_the_oracle() -> None:
    found = _streamed()
    assert _last(found, RANDOM) < _last(found, OURS) < _last(found, ORACLE)
    assert found.repeats == 0
    assert found.recovery is None
    for name in ("without updates", "task mean", "length only", BEST):
        assert 0 < _last(found, name) < _last(found, ORACLE)


def test_only_who_learns_recovers_when_the_best_model_degrades() -> None:
    found = _streamed(drift=Drift(model=0, factor=0.1, at=100), requests=640)
    assert _last(found, OURS) > _last(found, "without updates") + 0.05
    ahead = found.ahead["without updates"]
    assert ahead.low is not None
    assert ahead.low > 0
    assert (found.drift, found.drift_at) == ("big", 100)
    assert found.recovery is not None


def test_without_labels_it_learns_from_what_it_chose_alone() -> None:
    found = _streamed(warm=0, explore=0.1, requests=600)
    assert _last(found, OURS) > _last(found, RANDOM)


def test_requests_asked_again_are_counted() -> None:
    assert _streamed(requests=700, warm=100).repeats == 100


def test_the_same_stream_twice_gives_the_same_figures() -> None:
    assert _streamed(requests=200) == _streamed(requests=200)


def test_recovery_is_the_first_time_the_mean_of_250_is_back() -> None:
    earned = np.concatenate([np.ones(100), np.zeros(300), np.full(3000, 0.8)])
    # 0.95 · 0.8 is reached when 237.5 of the last 250 are good ones.
    assert recovery(earned, 100) == 300 + 238
    assert recovery(np.ones(120), 100) == 20


def test_the_model_of_a_length_is_the_one_that_was_best_at_it() -> None:
    data = outcomes(300)
    for row, prompt in enumerate(data.prompts):
        data.scores[row] = (1.0, 0.0, 0.0) if len(prompt) > 110 else (0.0, 1.0, 0.0)
    best = by_length(data, np.arange(200))
    assert best[int(np.argmax([len(p) for p in data.prompts]))] == 0
    assert best[int(np.argmin([len(p) for p in data.prompts]))] == 1
    assert by_length(data, np.arange(0)).tolist() == [0] * 300


@pytest.mark.parametrize("requests", [10, 99])
def test_short_streams_have_short_windows(requests: int) -> None:
    found = _streamed(requests=requests)
    assert (found.first, found.last) == (requests, requests)
