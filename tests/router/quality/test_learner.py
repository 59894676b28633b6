"""What the learner promises: the same for the same, inside [0, 1], and modest where it knows nothing."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.router.quality.synthetic import MODELS, TRUTH, outcomes, requests

from passerelle.router.quality.base import Sight
from passerelle.router.quality.learner import StackedLearner


@pytest.fixture(scope="module")
def taught() -> StackedLearner:
    sights, kinds = requests(400, 1)
    learner = StackedLearner()
    learner.fit(sights, MODELS, outcomes(kinds, 1), seed=3)
    return learner


def again(learner: StackedLearner) -> StackedLearner:
    return StackedLearner.from_state(learner.state())


def test_it_knows_who_is_good_at_what(taught: StackedLearner) -> None:
    sights, kinds = requests(300, 2)
    said = taught.estimates(sights, MODELS)
    truth = np.array([TRUTH[kind] for kind in kinds])
    assert np.abs(said.mean - truth).mean() < 0.08
    assert said.known.all()


def test_from_scratch_each_outcome_counts_as_much_as_it_weighs() -> None:
    sights, kinds = requests(90, 1)
    scores = outcomes(kinds, 1)
    taught, alike = StackedLearner(), StackedLearner()
    taught.fit(sights, MODELS, scores, 3)
    alike.fit(sights, MODELS, scores, 3, np.ones(scores.shape))
    asked, _ = requests(60, 2)
    plain = taught.estimates(asked, MODELS).mean
    assert alike.estimates(asked, MODELS).mean == pytest.approx(plain, abs=1e-9)

    # As many again say that the first model is never any good, and weigh a hundredth, or as much.
    slandered = scores.copy()
    slandered[:, 0] = 0.0
    both, weights = np.concatenate([scores, slandered]), np.ones((2 * len(scores), len(MODELS)))
    means = []
    for weight in (0.01, 1.0):
        weights[len(scores) :] = weight
        learner = StackedLearner()
        learner.fit([*sights, *sights], MODELS, both, 3, weights)
        means.append(learner.estimates(asked, MODELS).mean[:, 0].mean())
    usual = plain[:, 0].mean()
    assert means[0] == pytest.approx(usual, abs=0.06)
    assert means[1] < 0.65 * usual


def test_without_tags_the_words_tell() -> None:
    sights, kinds = requests(600, 1, tagged=False)
    learner = StackedLearner()
    learner.fit(sights, MODELS, outcomes(kinds, 1))
    asked, asked_kinds = requests(300, 2, tagged=False)
    chosen = learner.estimates(asked, MODELS).mean.argmax(axis=1)
    truth = np.array([TRUTH[kind] for kind in asked_kinds])
    differ = truth[:, 0] != truth[:, 1]
    assert (chosen == truth.argmax(axis=1))[differ].mean() > 0.95


def test_tags_learned_help_requests_without_one(taught: StackedLearner) -> None:
    asked, kinds = requests(200, 5, tagged=False)
    chosen = taught.estimates(asked, MODELS).mean.argmax(axis=1)
    truth = np.array([TRUTH[kind] for kind in kinds])
    differ = truth[:, 0] != truth[:, 1]
    assert (chosen == truth.argmax(axis=1))[differ].mean() > 0.9


def test_intervals_hold_the_truth_nine_times_in_ten() -> None:
    held, asked = 0.0, 0
    for seed in range(5):
        sights, kinds = requests(250, 10 * seed)
        learner = StackedLearner()
        learner.fit(sights, MODELS, outcomes(kinds, 10 * seed))
        new, new_kinds = requests(60, 10 * seed + 5)
        said = learner.estimates(new, MODELS)
        truth = np.array([TRUTH[kind] for kind in new_kinds])
        held += ((said.low <= truth) & (truth <= said.high)).sum()
        asked += truth.size
    assert held / asked >= 0.85


def test_the_same_seed_gives_the_same_state() -> None:
    sights, kinds = requests(150, 3)
    states = []
    for _ in range(2):
        learner = StackedLearner()
        learner.fit(sights, MODELS, outcomes(kinds, 3), seed=11)
        learner.update(sights[0], "newcomer", 1.0)
        states.append(learner.state())
    assert states[0] == states[1]


def test_a_state_read_back_says_and_learns_the_same(taught: StackedLearner) -> None:
    twin, other = again(taught), again(taught)
    assert twin.state() == taught.state()
    assert twin.version == taught.version
    sights, _ = requests(20, 8)
    for sight in sights:
        for one in (twin, other):
            one.update(sight, "writer", 1.0)
        other = again(other)
    assert twin.state() == other.state()
    assert twin.estimate(sights[0], MODELS) == other.estimate(sights[0], MODELS)


def test_packed_features_give_the_same_to_the_last_bit(taught: StackedLearner) -> None:
    for sight in requests(20, 4)[0]:
        packed = Sight("", task=sight.task, features=taught.pack(sight))
        assert taught.estimate(packed, MODELS) == taught.estimate(sight, MODELS)


def test_one_request_gets_what_it_gets_among_many(taught: StackedLearner) -> None:
    sights, _ = requests(12, 5)
    sights += requests(12, 6, tagged=False)[0]
    among = taught.estimates(sights, MODELS)
    for row, sight in enumerate(sights):
        alone = taught.estimate(sight, MODELS)
        for column, name in enumerate(MODELS):
            told = (alone[name].low, alone[name].mean, alone[name].high)
            assert told == pytest.approx(
                (among.low[row, column], among.mean[row, column], among.high[row, column]), abs=1e-5
            )


@settings(deadline=None, max_examples=60)
@given(words=st.text(max_size=300), task=st.sampled_from([None, "sums", "never heard of"]))
def test_estimates_are_within_their_interval_within_zero_and_one(
    taught: StackedLearner, words: str, task: str | None
) -> None:
    for estimate in taught.estimate(Sight(words, task=task), (*MODELS, "unknown")).values():
        assert 0 <= estimate.low <= estimate.mean <= estimate.high <= 1


def test_a_task_nobody_named_before_falls_back_and_is_told() -> None:
    sights, kinds = requests(300, 6)
    learner = StackedLearner()
    learner.fit(sights, MODELS, outcomes(kinds, 6))
    far = learner.estimate(Sight("Übersetze dies: der Vertrag gilt ab Mai.", task="translation"), MODELS)
    assert not any(e.known for e in far.values())
    near = learner.estimate(sights[0], MODELS)
    assert all(e.known for e in near.values())
    assert far["writer"].high - far["writer"].low > near["writer"].high - near["writer"].low


def test_before_any_outcome_the_catalog_speaks() -> None:
    learner = StackedLearner()
    learner.set_priors({"strong": 0.8, "weak": 0.4})
    said = learner.estimate(Sight("anything"), ["strong", "weak", "unheard of"])
    assert (said["strong"].mean, said["weak"].mean, said["unheard of"].mean) == (0.8, 0.4, 0.5)
    assert not any(e.known or e.outcomes for e in said.values())


def test_it_begins_from_nothing_one_outcome_at_a_time() -> None:
    learner = StackedLearner()
    learner.set_priors(dict.fromkeys(MODELS, 0.5))
    sights, kinds = requests(200, 7)
    scores = outcomes(kinds, 7)
    for row, sight in enumerate(sights):
        for column, model in enumerate(MODELS):
            learner.update(sight, model, float(scores[row, column]))
    asked, asked_kinds = requests(100, 17)
    truth = np.array([TRUTH[kind] for kind in asked_kinds])
    differ = truth[:, 0] != truth[:, 1]
    chosen = learner.estimates(asked, MODELS).mean.argmax(axis=1)
    assert (chosen == truth.argmax(axis=1))[differ].mean() > 0.9


def test_a_new_model_beats_its_prior_after_thirty_outcomes(taught: StackedLearner) -> None:
    learner = again(taught)
    learner.set_priors({"twin of writer": 0.5})
    sights, kinds = requests(30, 20)
    scores = outcomes(kinds, 20)
    for row, sight in enumerate(sights):
        learner.update(sight, "twin of writer", float(scores[row, 1]))
    asked, asked_kinds = requests(150, 21)
    truth = np.array([TRUTH[kind][1] for kind in asked_kinds])
    said = learner.estimates(asked, ["twin of writer"]).mean[:, 0]
    assert np.abs(said - truth).mean() < 0.6 * np.abs(0.5 - truth).mean()


def test_a_model_that_falls_is_given_up_soon(taught: StackedLearner) -> None:
    learner = again(taught)
    sums = [s for s in requests(300, 30)[0] if s.task == "sums"]
    rng = np.random.default_rng(0)
    for sight in sums[:60]:
        learner.update(sight, "reckoner", float(rng.random() < 0.1))
    said = learner.estimate(sums[-1], MODELS)
    assert said["reckoner"].mean < said["writer"].mean


def test_typos_case_and_other_words_keep_the_choice(taught: StackedLearner) -> None:
    sights, _ = requests(150, 40, tagged=False)
    changed = [
        Sight(s.words.upper() if k % 2 else s.words.replace("e", "", 1).replace("the ", "teh ", 1))
        for k, s in enumerate(sights)
    ]
    one, two = (taught.estimates(s, MODELS).mean.argmax(axis=1) for s in (sights, changed))
    assert (one == two).mean() >= 0.85


def test_scores_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match="one row per request"):
        StackedLearner().fit([Sight("a")], ["m"], np.zeros((2, 1)))


@pytest.mark.parametrize("data", [b"", b"\x90", b"nonsense"])
def test_what_is_no_state_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="train one anew"):
        StackedLearner.from_state(data)


def test_features_of_another_kind_are_refused(taught: StackedLearner) -> None:
    with pytest.raises(ValueError, match="predict from the words"):
        taught.estimate(Sight("", features=b"\x01\x02"), MODELS)
