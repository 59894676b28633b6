"""The evaluation on held-out rows: every router on the same rows, seeds and resamplings."""

from collections.abc import Callable, Mapping, Sequence

import msgspec
import numpy as np

from passerelle.router.evaluate import calibration, deferral
from passerelle.router.evaluate import hull as hulls
from passerelle.router.evaluate.bootstrap import Figure, difference, figure
from passerelle.router.evaluate.choosing import WINDOWS, Field, chosen
from passerelle.router.evaluate.contenders import Contender, Learned, overall
from passerelle.router.evaluate.outcomes import Floats, Ints, Outcomes
from passerelle.router.evaluate.result import (
    BEST,
    HEADLINE,
    ORACLE,
    OURS,
    RANDOM,
    ZERO,
    AtMode,
    Contestant,
    Measured,
    OfModel,
)
from passerelle.router.evaluate.splits import Trial

RECOVERED = {"cpt50": 0.5, "cpt80": 0.8}
SAVINGS = {"save100": 1.0, "save99": 0.99, "save95": 0.95}
_MANY = 1 << 30
_FITS = {"ece": (calibration.ece, _MANY), "auc": (calibration.auc, 200), "brier": (calibration.brier, _MANY)}
_BLOCK = 125
"""Resamplings handled at once: bounds memory."""


class Tested(msgspec.Struct, frozen=True):
    """One seed's test rows."""

    rows: Ints
    sizes: list[int]
    scores: Floats
    costs: Floats | None
    expected_costs: Floats | None
    weights: Floats


def measure(
    data: Outcomes,
    trials: Sequence[Trial],
    contenders: Sequence[Contender],
    weights: Floats,
    parts: Field,
    progress: Callable[[str], None],
) -> Measured:
    """All figures. `weights`: see `bootstrap.weights`. The contender named `passerelle` is the one tested."""
    learned = next(one for one in contenders if one.name == OURS)
    if isinstance(learned, Learned):
        learned.known.clear()
    found: dict[str, dict[str, list[Floats]]] = {}
    fits: dict[str, list[Floats]] = {}
    modes: dict[str, dict[str, list[Floats]]] = {mode: {} for mode in WINDOWS}
    shares: dict[str, list[Floats]] = {mode: [] for mode in WINDOWS}
    reliability: list[tuple[Floats, Floats]] = []
    worst: list[float] = []
    curves: dict[str, list[tuple[float, float]]] = {}
    corners: dict[str, list[tuple[float, float]]] = {}
    for number, trial in enumerate(trials, 1):
        tested = _tested(data, trial, weights)
        predictions: dict[str, Floats] = {}
        for contender in contenders:
            parts_of = []
            for place, fold in enumerate(trial.folds, 1):
                if contender.name == OURS:
                    progress(f"seed {number} of {len(trials)}, fold {place} of {len(trial.folds)}")
                parts_of.append(contender.predict(data, fold, trial.seed))
            predictions[contender.name] = np.concatenate(parts_of)
        progress(f"seed {number} of {len(trials)}, intervals")
        _compare(found, tested, predictions, parts, curves, corners)
        ours = predictions[OURS]
        for mode, seen, share in _modes(tested, ours, parts):
            for name, values in seen.items():
                modes[mode].setdefault(name, []).append(values)
            shares[mode].append(share)
        worst.append(_worst(tested, ours))
        reliability.append((ours, tested.scores))
        for name, fit in _fits(tested, predictions, data.models).items():
            fits.setdefault(name, []).append(fit)
    for name, group in found.items():
        for key in ("ece", "auc", "brier"):
            if f"{name}/{key}" in fits:
                group[key] = fits[f"{name}/{key}"]
    whole = data.whole()
    means = overall(data.scores[whole])
    spent = None if data.costs is None else data.costs[whole].mean(axis=0)
    known = np.concatenate(learned.known).mean() if isinstance(learned, Learned) else 1.0
    return Measured(
        labels=round(float(np.mean([len(fold.train) for trial in trials for fold in trial.folds]))),
        tested=round(float(np.mean([len(trial.tested) for trial in trials]))),
        strong=None if parts.strong is None else data.models[parts.strong],
        weak=None if parts.weak is None else data.models[parts.weak],
        best=data.models[parts.best],
        contestants=tuple(
            Contestant(name, {key: figure(values) for key, values in group.items()})
            for name, group in found.items()
        ),
        ahead={
            key: {
                name: difference(found[OURS][key], group[key])
                for name, group in found.items()
                if name != OURS and key in group
            }
            for key in HEADLINE
            if key in found[OURS]
        },
        models=tuple(
            OfModel(
                model, float(means[i]), None if spent is None else float(spent[i]),
                *(figure(fits[f"model {i}/{key}"]) for key in ("ece", "auc", "brier")),
            )
            for i, model in enumerate(data.models)
        ),
        modes=tuple(
            AtMode(
                mode, figure(seen["score"]), figure(seen["gain"]),
                figure(seen["saving"]) if "saving" in seen else None,
                {m: float(s) for m, s in zip(data.models, np.mean(shares[mode], axis=0), strict=True)},
            )
            for mode, seen in modes.items()
            if seen
        ),
        reliability=tuple(
            calibration.bins(
                np.concatenate([p.ravel() for p, _ in reliability]),
                np.concatenate([s.ravel() for _, s in reliability]),
            )
        ),
        known=float(known),
        worst_gain=float(np.mean(worst)),
        curves=curves,
        hulls=corners,
    )  # fmt: skip


def _tested(data: Outcomes, trial: Trial, weights: Floats) -> Tested:
    rows = trial.tested
    expected = None
    if data.costs is not None:
        lengths = np.array([len(prompt) for prompt in data.prompts], dtype=np.float64)
        expected = np.concatenate(
            [
                hulls.predicted_costs(data.costs[fold.train], lengths[fold.train], lengths[fold.test])
                for fold in trial.folds
            ]
        )
    return Tested(
        rows=rows,
        sizes=[len(fold.test) for fold in trial.folds],
        scores=data.scores[rows],
        costs=None if data.costs is None else data.costs[rows],
        expected_costs=expected,
        weights=weights[:, rows],
    )


def _compare(
    found: dict[str, dict[str, list[Floats]]],
    tested: Tested,
    predictions: Mapping[str, Floats],
    parts: Field,
    curves: dict[str, list[tuple[float, float]]],
    corners: dict[str, list[tuple[float, float]]],
) -> None:
    """Every router's figures of one seed, added to `found`; the drawings of the first seed."""

    def add(name: str, figures: Mapping[str, Floats]) -> None:
        group = found.setdefault(name, {})
        for key, values in figures.items():
            group.setdefault(key, []).append(values)

    everyone = {**predictions, ORACLE: tested.scores}
    if parts.strong is not None and parts.weak is not None:
        gain = tested.scores[:, parts.strong] - tested.scores[:, parts.weak]
        leanings = {name: p[:, parts.strong] - p[:, parts.weak] for name, p in everyone.items()}
        leanings[RANDOM] = np.zeros(len(gain))
        for name, leaning in leanings.items():
            ranked = gain if name == ORACLE else deferral.ranked_within(leaning, tested.sizes)
            curve = deferral.Curve(ranked, gain)
            add(name, _deferred(curve, tested.weights))
            curves.setdefault(name, deferral.thinned(*(line[0] for line in curve.points(tested.weights[:1]))))
    totals = tested.weights.sum(axis=1)
    singles = tested.weights @ tested.scores / totals[:, None]
    best = singles[:, parts.best]
    for name, predicted in everyone.items():
        taken = chosen(predicted, tested.costs if name == ORACLE else tested.expected_costs, 0.0)
        score = tested.weights @ _of(tested.scores, taken) / totals
        add(name, {"score": score, "gain": 100 * (score - best)})
    even = tested.weights @ tested.scores.mean(axis=1) / totals
    add(RANDOM, {"score": even, "gain": 100 * (even - best)})
    add(BEST, {"score": best, "gain": best - best})
    if tested.costs is None or tested.expected_costs is None:
        return
    points: dict[str, tuple[Floats, Floats]] = {
        RANDOM: (tested.costs.mean(axis=1)[:, None], tested.scores.mean(axis=1)[:, None]),
        BEST: (tested.costs[:, [parts.best]], tested.scores[:, [parts.best]]),
        ZERO: (tested.costs, tested.scores),
    }
    for name, predicted in everyone.items():
        costs = tested.costs if name == ORACLE else tested.expected_costs
        swept = hulls.choices(predicted, costs)
        points[name] = (
            np.take_along_axis(tested.costs, swept, axis=1),
            np.take_along_axis(tested.scores, swept, axis=1),
        )
    spent = tested.weights @ tested.costs / totals[:, None]
    bought = {
        name: _bought(both, tested, parts, spent, singles, name, corners) for name, both in points.items()
    }
    zero, most = bought[ZERO]["aiq"], bought[ORACLE]["aiq"]
    with np.errstate(invalid="ignore", divide="ignore"):
        for name, figures in bought.items():
            add(name, figures)
            add(name, {"closed": 100 * (figures["aiq"] - zero) / np.where(most > zero, most - zero, np.nan)})


def _deferred(curve: deferral.Curve, weights: Floats) -> dict[str, Floats]:
    made: dict[str, list[Floats]] = {"apgr": [], **{name: [] for name in RECOVERED}}
    for start in range(0, len(weights), _BLOCK):
        x, pgr = curve.points(weights[start : start + _BLOCK])
        made["apgr"].append(deferral.apgr(x, pgr))
        for name, part in RECOVERED.items():
            made[name].append(deferral.cpt(x, pgr, part))
    return {name: np.concatenate(values) for name, values in made.items()}


def _bought(
    points: tuple[Floats, Floats],
    tested: Tested,
    parts: Field,
    spent: Floats,
    singles: Floats,
    name: str,
    corners: dict[str, list[tuple[float, float]]],
) -> dict[str, Floats]:
    """What a router's points of cost and score are worth, under each resampling."""
    totals = tested.weights.sum(axis=1)[:, None]
    costs = np.hstack([tested.weights @ points[0] / totals, spent[:, [parts.cheapest]]])
    scores = np.hstack([tested.weights @ points[1] / totals, singles[:, [parts.cheapest]]])
    made = {key: np.empty(len(costs)) for key in ("aiq", "top", *SAVINGS)}
    for at in range(len(costs)):
        made_hull = hulls.hull(costs[at], scores[at])
        made["aiq"][at] = hulls.aiq(made_hull, float(spent[at].min()), float(spent[at].max()))
        made["top"][at] = made_hull[1][-1]
        for key, part in SAVINGS.items():
            least = hulls.cost_at(made_hull, part * float(singles[at, parts.best]))
            made[key][at] = 100 * (1 - least / float(spent[at, parts.best]))
        if at == 0:
            drawn = zip(made_hull[0].tolist(), made_hull[1].tolist(), strict=True)
            corners.setdefault(name, [(cost, score) for cost, score in drawn])
    return made


def _of(values: Floats, chosen: Ints) -> Floats:
    return np.asarray(np.take_along_axis(values, chosen[:, None], axis=1)[:, 0])


def _modes(tested: Tested, ours: Floats, parts: Field) -> list[tuple[str, dict[str, Floats], Floats]]:
    totals = tested.weights.sum(axis=1)
    best = tested.weights @ tested.scores[:, parts.best] / totals
    made = []
    for mode, window in WINDOWS.items():
        if window and tested.expected_costs is None:
            continue
        taken = chosen(ours, tested.expected_costs, window)
        score = tested.weights @ _of(tested.scores, taken) / totals
        seen = {"score": score, "gain": 100 * (score - best)}
        if tested.costs is not None:
            usual = tested.weights @ tested.costs[:, parts.best]
            seen["saving"] = 100 * (1 - tested.weights @ _of(tested.costs, taken) / usual)
        share = np.bincount(taken, minlength=ours.shape[1]) / len(taken)
        made.append((mode, seen, share))
    return made


def _worst(tested: Tested, ours: Floats) -> float:
    """The worst fold's points above its own best single model, chosen with hindsight."""
    score = _of(tested.scores, chosen(ours, tested.expected_costs, 0.0))
    gains, start = [], 0
    for size in tested.sizes:
        part = slice(start, start + size)
        gains.append(100 * (score[part].mean() - tested.scores[part].mean(axis=0).max()))
        start += size
    return float(min(gains))


def _fits(tested: Tested, predictions: Mapping[str, Floats], models: Sequence[str]) -> dict[str, Floats]:
    """ECE, AUC and Brier: per model for ours, and the mean over models for everyone who predicts."""
    made: dict[str, Floats] = {}
    for name, predicted in predictions.items():
        for key, (how, resamples) in _FITS.items():
            # An AUC sorts what the others only sum: fewer resamplings for ours, none for the baselines.
            most = 0 if key == "auc" and name != OURS else resamples
            some = tested.weights[: 1 + most]
            each = np.stack([how(predicted[:, i], tested.scores[:, i], some) for i in range(len(models))])
            made[f"{name}/{key}"] = _mean(each)
            if name == OURS:
                made.update({f"model {i}/{key}": values for i, values in enumerate(each)})
    return made


def _mean(each: Floats) -> Floats:
    """Over models; one that is always right, or always wrong, has no AUC and does not count."""
    seen = ~np.isnan(each)
    count = seen.sum(axis=0)
    total = np.where(seen, each, 0.0).sum(axis=0)
    return np.asarray(np.where(count > 0, total / np.maximum(count, 1), np.nan))


def figure_of(measured: Measured, name: str, key: str) -> Figure | None:
    """A figure of a contestant, where it has one."""
    return measured.of(name).figures.get(key)
