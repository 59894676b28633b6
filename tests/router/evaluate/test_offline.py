import json

import numpy as np
import pytest
from tests.router.evaluate.made import outcomes, pair
from tests.shared import shared_data

from passerelle.router.evaluate import bootstrap, choosing, offline
from passerelle.router.evaluate.contenders import Contender, Learned, LengthOnly, TaskMean, overall
from passerelle.router.evaluate.outcomes import Outcomes, Price, priced
from passerelle.router.evaluate.plain import PlainLearner
from passerelle.router.evaluate.result import BEST, ORACLE, OURS, RANDOM, ZERO, Measured
from passerelle.router.evaluate.splits import across


def _measured(data: Outcomes, *, by: str = "", seeds: int = 2, resamples: int = 40) -> Measured:
    contenders: list[Contender] = [Learned(PlainLearner, data, tagged=True), LengthOnly(), TaskMean()]
    trials = [across(data, seed, 4, by=by) for seed in range(seeds)]
    weights = bootstrap.weights(data.same(), resamples)
    return offline.measure(data, trials, contenders, weights, choosing.field(data), lambda said: None)


def _value(found: Measured, name: str, key: str) -> float:
    value = found.of(name).figures[key].value
    assert value is not None
    return value


@pytest.fixture(scope="module")
def three() -> Measured:
    return _measured(outcomes(400))


@pytest.fixture(scope="module")
def two() -> Measured:
    return _measured(pair(400))


def test_chance_recovers_half_and_the_oracle_needs_half_the_gap_in_calls_to_recover_half(
    two: Measured,
) -> None:
    data = pair(400)
    gap = 100 * float(np.diff(data.scores.mean(axis=0))[0])
    assert _value(two, RANDOM, "apgr") == pytest.approx(0.5)
    assert (_value(two, RANDOM, "cpt50"), _value(two, RANDOM, "cpt80")) == (
        pytest.approx(50),
        pytest.approx(80),
    )
    assert _value(two, ORACLE, "cpt50") == pytest.approx(-gap / 2)
    assert _value(two, ORACLE, "cpt80") == pytest.approx(-gap * 0.8)
    assert (two.strong, two.weak, two.best) == ("big", "small", "big")


def test_knowing_the_task_is_worth_more_than_the_length_and_less_than_the_truth(two: Measured) -> None:
    apgr = [_value(two, name, "apgr") for name in ("length only", "task mean", ORACLE)]
    assert apgr == sorted(apgr)
    assert _value(two, OURS, "apgr") > 0.6
    ahead = two.ahead["apgr"][RANDOM]
    assert ahead.low is not None
    assert ahead.low > 0


def test_without_costs_there_is_no_cost_figure_and_only_one_mode(two: Measured) -> None:
    assert not {"aiq", "save95"} & set(two.of(OURS).figures)
    assert [one.mode for one in two.modes] == ["quality"]
    assert two.hulls == {}
    assert ZERO not in [one.name for one in two.contestants]


def test_the_zero_router_closes_nothing_and_the_oracle_everything(three: Measured) -> None:
    assert _value(three, ZERO, "closed") == 0
    assert _value(three, ORACLE, "closed") == 100
    assert 0 < _value(three, OURS, "closed") < 100
    for one in three.contestants:
        if "aiq" in one.figures:
            assert _value(three, one.name, "aiq") <= _value(three, ORACLE, "aiq")


def test_the_best_single_model_saves_nothing_at_its_own_score(three: Measured) -> None:
    assert _value(three, BEST, "save100") == pytest.approx(0)
    assert _value(three, BEST, "gain") == 0
    savings = [_value(three, ORACLE, key) for key in ("save100", "save99", "save95")]
    assert savings == sorted(savings)
    assert three.of(RANDOM).figures["save100"].value is None


def test_modes_spend_less_from_quality_to_cost(three: Measured) -> None:
    assert [one.mode for one in three.modes] == ["quality", "balanced", "cost"]
    savings = [one.saving.value or 0.0 for one in three.modes if one.saving is not None]
    assert savings == sorted(savings)
    for one in three.modes:
        assert sum(one.shares.values()) == pytest.approx(1)


def test_every_interval_holds_its_figure(three: Measured) -> None:
    for one in three.contestants:
        for key, figure in one.figures.items():
            if figure.value is None or figure.low is None or figure.high is None or key in ("ece", "brier"):
                continue  # resampling widens calibration errors: what is folded does not average out
            assert figure.low - 1e-9 <= figure.value <= figure.high + 1e-9, (one.name, key)


def test_the_same_evaluation_twice_gives_the_same_figures(two: Measured) -> None:
    assert _measured(pair(400)) == two


def test_an_unseen_task_has_no_mean_of_its_own() -> None:
    found = _measured(pair(300), by="task")
    assert _value(found, "task mean", "apgr") == pytest.approx(0.5)
    assert found.worst_gain is not None


def test_rows_that_lack_a_score_are_not_judged_and_no_figure_is_lost() -> None:
    data = outcomes(200)
    data.scores[::7, 2] = np.nan
    found = _measured(data)
    assert found.tested == int(data.whole().sum())
    assert all(np.isfinite(_value(found, OURS, key)) for key in ("aiq", "apgr", "ece", "auc", "brier"))


def test_the_pair_is_the_best_and_the_cheapest_and_may_be_named() -> None:
    data = outcomes(200)
    parts = choosing.field(data)
    assert (data.models[parts.best], data.models[parts.cheapest]) == ("big", "small")
    named = choosing.field(data, ("small", "odd"))
    assert (named.strong, named.weak) == (1, 2)
    with pytest.raises(choosing.NoContest, match="no gap to recover"):
        choosing.field(data, ("odd", "big"))


def test_a_mean_of_nothing_is_a_half() -> None:
    assert overall(np.array([[1.0, np.nan], [0.0, np.nan]])).tolist() == [0.5, 0.5]


# What `design/routing.md` measured on larger parts of the same sets: by definition, or nearly the same here.
TWO = shared_data("routing", "two_models.parquet")
NINE = shared_data("routing", "nine_models.parquet")


def _shared(path: object, where: str = "") -> Outcomes:
    parquet = pytest.importorskip("pyarrow.parquet")
    columns = parquet.read_table(path).to_pydict()
    models = tuple(name[6:] for name in columns if name.startswith("score|"))
    data = Outcomes(
        prompts=tuple(columns["prompt"]),
        models=models,
        scores=np.array([columns[f"score|{model}"] for model in models], dtype=float).T,
        tasks=tuple(columns["task"]),
    )
    return data.some([row for row, task in enumerate(data.tasks or ()) if not where or task == where])


@pytest.mark.skipif(TWO is None, reason="the shared data are not here")
def test_the_baselines_on_grade_school_sums_are_those_of_the_feasibility_study() -> None:
    found = _measured(_shared(TWO, "gsm8k"), seeds=3, resamples=20)
    assert _value(found, RANDOM, "apgr") == pytest.approx(0.5)
    assert _value(found, ORACLE, "apgr") == pytest.approx(1.17, abs=0.03)
    assert _value(found, ORACLE, "cpt50") == pytest.approx(10.9, abs=0.6)
    assert _value(found, ORACLE, "cpt80") == pytest.approx(17.3, abs=0.8)
    assert _value(found, "length only", "apgr") == pytest.approx(0.568, abs=0.04)


@pytest.mark.skipif(NINE is None, reason="the shared data are not here")
def test_the_hulls_on_nine_models_are_those_of_the_feasibility_study() -> None:
    data = _shared(NINE)
    assert NINE is not None
    said = json.loads(NINE.with_name("nine_models_prices_usd_per_mtok.json").read_text())
    prices = {model: Price(said[model]["input_price"], said[model]["output_price"]) for model in data.models}
    found = _measured(priced(data, prices, 250), seeds=1, resamples=20)
    assert _value(found, ZERO, "aiq") == pytest.approx(0.5875, abs=0.03)
    assert _value(found, ORACLE, "aiq") == pytest.approx(0.795, abs=0.03)
    assert _value(found, "task mean", "aiq") == pytest.approx(0.653, abs=0.035)
    assert _value(found, "task mean", "closed") == pytest.approx(32, abs=4)
    assert _value(found, ORACLE, "save95") == pytest.approx(88, abs=1)
