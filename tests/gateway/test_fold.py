"""What is learned is a fold over the outcomes in their order, changed by nothing else."""

from collections.abc import Sequence
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.gateway.learning_world import TRUTH, outcomes, words

from passerelle.core.outcome import Judged, Outcome
from passerelle.gateway.learning.fold import FIRST_FIT, Fold, again, from_table, steps
from passerelle.gateway.learning.kinds import MEANS, Kind, best
from passerelle.router.quality.base import Sight

KINDS = [pytest.param(MEANS, id="means"), pytest.param(best(), id="stacked")]


def folded(rows: Sequence[Outcome], kind: Kind, fold: Fold | None = None) -> Fold:
    fold = fold or Fold(kind)
    for step in steps([one for one in rows if one.number > fold.number]):
        if fold.due:
            fold.refit(lambda number, most: [r for r in rows if number - most < r.number <= number])
        fold.take(step)
    return fold


@pytest.mark.parametrize("kind", KINDS)
def test_a_state_comes_back_to_the_last_byte_and_goes_on_alike(kind: Kind) -> None:
    rows = outcomes(60, kind)
    half = folded(rows[:20], kind) if not rows[19].verdict_id else folded(rows[:21], kind)
    taken_up = Fold.from_state(half.state(), kind)
    assert taken_up.state() == half.state()
    assert folded(rows, kind, taken_up).state() == folded(rows, kind).state()


@given(cuts=st.sets(st.integers(1, 119)), seed=st.integers(0, 5))
@settings(max_examples=40)
def test_however_the_outcomes_are_cut_into_pieces_the_state_is_the_same(cuts: set[int], seed: int) -> None:
    rows = outcomes(120, MEANS, seed=seed)
    whole = folded(rows, MEANS)
    fold = Fold(MEANS)
    for end in [*sorted(cuts), 120]:
        piece = rows[:end]
        if end < 120 and piece[-1].verdict_id == rows[end].verdict_id != "":
            piece = piece[:-1]  # a reader never parts the two of a verdict
        fold = Fold.from_state(folded(piece, MEANS, fold).state(), MEANS)
    assert fold.state() == whole.state()


def test_an_outcome_that_is_not_the_next_is_refused() -> None:
    rows = outcomes(8, MEANS, seed=3)
    fold = folded(rows[:3], MEANS)
    with pytest.raises(ValueError, match="does not follow"):
        fold.take([rows[5]])


def test_a_state_of_another_kind_is_refused_in_words() -> None:
    state = folded(outcomes(5, MEANS), MEANS).state()
    with pytest.raises(ValueError, match="`means` learner"):
        Fold.from_state(state, best())
    with pytest.raises(ValueError, match="no state of a router"):
        Fold.from_state(b"nonsense", MEANS)


@pytest.mark.parametrize("kind", KINDS)
def test_after_fifty_outcomes_each_kind_of_work_has_its_model(kind: Kind) -> None:
    fold = folded(outcomes(100, kind), kind)
    assert fold.ready
    rng = Random(9)
    for task, better in (("code", "coder"), ("poem", "poet")):
        said = fold.learner.estimate(Sight(words(task, rng), task=task), sorted(TRUTH))
        worse = next(name for name in TRUTH if name != better)
        assert said[better].mean > said[worse].mean + 0.05


def test_before_the_first_fitting_the_catalog_speaks() -> None:
    kind = best()
    fold = folded(outcomes(FIRST_FIT - 2, kind, seed=4), kind)
    assert not fold.ready
    assert not fold.due


def test_a_model_that_falls_is_noticed_and_counted_anew() -> None:
    kind = MEANS
    rows = [
        Outcome(n, "key", n, Judged(f"rcp_{n}", "p", "d", "m", "person", 900_000 if n <= 100 else 0))
        for n in range(1, 161)
    ]
    fold = folded(rows, kind)
    assert len(fold.resets["m"]) == 1
    assert 100 < fold.resets["m"][0] < 130
    assert fold.told["m"][""].first == fold.resets["m"][0]
    assert fold.learner.estimate(Sight(""), ["m"])["m"].mean < 0.3


def _duel(number: int, verdict: str, model: str, score: float, kind: Kind) -> Outcome:
    judged = Judged(f"r{number}", "p", "d", model, "verdict", int(score * 1e6), prior_ppm=800_000)
    return Outcome(number, "key", number, judged, verdict)


def test_a_verdict_moves_the_two_apart_and_leaves_their_mean() -> None:
    fold = Fold(MEANS)
    for n in range(1, 61, 2):
        fold.take([_duel(n, f"v{n}", "a", 1.0, MEANS), _duel(n + 1, f"v{n}", "b", 0.0, MEANS)])
    said = fold.learner.estimate(Sight(""), ["a", "b"])
    assert said["a"].mean > said["b"].mean + 0.1
    assert (said["a"].mean + said["b"].mean) / 2 == pytest.approx(0.8, abs=0.1)


def test_ties_tell_nothing_against_two_good_ones_and_both_bad_does() -> None:
    for score, low, high in ((0.5, 0.79, 0.81), (0.0, 0.0, 0.5)):
        fold = Fold(MEANS)
        for n in range(1, 41, 2):
            fold.take([_duel(n, f"v{n}", "a", score, MEANS), _duel(n + 1, f"v{n}", "b", score, MEANS)])
        assert low <= fold.learner.estimate(Sight(""), ["a"])["a"].mean <= high


def test_half_a_comparison_without_features_teaches_nothing() -> None:
    kind = best()
    fold = Fold(kind)
    assert kind.pack is not None
    fold.take([_duel(1, "v", "a", 1.0, kind), _duel(2, "v", "b", 0.0, kind)])
    assert fold.number == 2
    assert fold.learned == 0


def test_learning_anew_gives_the_same_each_time_and_knows_what_was_learned() -> None:
    kind = best()
    rows = outcomes(80, kind)
    one, two = again(rows, kind), again(rows, kind)
    assert one.state() == two.state()
    assert one.number == 80
    assert not again(rows[:4], kind).ready


def test_learning_anew_counts_each_outcome_as_much_as_it_weighs() -> None:
    kind = best()
    rows = outcomes(64, kind)

    def weighed(weight: float) -> float:
        """What is expected of the poet where everything bad that is said of it weighs so much."""
        said = []
        for one in rows:
            bad = one.judged.model == "poet" and one.judged.score_ppm == 0
            judged = replace(one.judged, weight_ppm=round(weight * 1_000_000)) if bad else one.judged
            said.append(replace(one, judged=judged, verdict_id=""))
        fold = again(said, kind)
        return float(fold.learner.estimate(Sight("a verse of the moon"), ["poet"])["poet"].mean)

    assert weighed(0.05) > weighed(1.0) + 0.05


def test_a_table_is_never_learned_away_by_what_follows() -> None:
    np = pytest.importorskip("numpy")
    kind = best()
    rng = Random(2)
    sights = [Sight(words(task, rng), task=task) for task in ("code", "poem") * 40]
    scores = np.array([[TRUTH[m][s.task or ""] for m in sorted(TRUTH)] for s in sights])
    fold = from_table(sights, sorted(TRUTH), scores, {"coder": 0.7}, kind)
    assert fold.ready
    folded(outcomes(40, kind), kind, fold)
    assert not fold.due
    assert fold.told["coder"]["code"].outcomes > 40
