"""Whether a question asked differently gets the same model, and how long a decision takes."""

from collections.abc import Callable

import numpy as np

from passerelle.router.evaluate import perturb
from passerelle.router.evaluate.bootstrap import figure, weights
from passerelle.router.evaluate.choosing import WINDOWS, Field, chosen
from passerelle.router.evaluate.hull import predicted_costs
from passerelle.router.evaluate.outcomes import Bools, Floats, Ints, Outcomes, sight_of
from passerelle.router.evaluate.result import Decision, Robustness, SameChoice
from passerelle.router.evaluate.splits import Fold
from passerelle.router.quality.base import Learner

HALF = "half to the strong"
"""Choosing between two models at the threshold that sends half of the prompts to the strong one."""


def robustness(
    data: Outcomes,
    fold: Fold,
    learner: Learner,
    parts: Field,
    *,
    tagged: bool,
    seed: int = 0,
    prompts: int = 300,
    resamples: int = 1000,
) -> Robustness:
    """The same choice under each change and way of choosing, over some of a fold's test rows.

    `learner` has learned the fold's train rows. The task tag, where shown, does not change with the words.
    """
    rng = np.random.default_rng([seed, 0x57EAD])
    rows = np.sort(rng.permutation(fold.test)[:prompts])
    some = data.some(rows)
    tags = some.tasks if tagged and some.tasks is not None else ("",) * len(some.prompts)
    costs = _costs(data, fold, rows)

    def predicted(texts: list[str]) -> Floats:
        sights = [sight_of(text, tag) for text, tag in zip(texts, tags, strict=True)]
        return np.asarray(learner.estimates(sights, data.models).mean, dtype=np.float64)

    said = predicted(list(some.prompts))
    middle = None
    if parts.strong is not None and parts.weak is not None:
        middle = float(np.median(said[:, parts.strong] - said[:, parts.weak]))
    before = _ways(said, costs, parts, middle)
    drawn = weights(np.arange(len(rows)), resamples, seed)
    found = []
    for change in perturb.CHANGES:
        after = _ways(predicted(perturb.changed(change, list(some.prompts), seed)), costs, parts, middle)
        for policy, choice in after.items():
            same = (choice == before[policy]).astype(np.float64)
            found.append(SameChoice(change, policy, figure([100 * (drawn @ same) / drawn.sum(axis=1)])))
    return Robustness(len(rows), tuple(sorted(found, key=lambda row: list(before).index(row.policy))))


def _costs(data: Outcomes, fold: Fold, rows: Ints) -> Floats | None:
    if data.costs is None:
        return None
    lengths = np.array([len(prompt) for prompt in data.prompts], dtype=np.float64)
    return predicted_costs(data.costs[fold.train], lengths[fold.train], lengths[rows])


def _ways(
    predicted: Floats, costs: Floats | None, parts: Field, middle: float | None
) -> dict[str, Ints | Bools]:
    """Each way of choosing: the model's number, or whether it is the strong one."""
    made: dict[str, Ints | Bools] = {
        mode: chosen(predicted, costs, window)
        for mode, window in WINDOWS.items()
        if costs is not None or not window
    }
    if middle is not None and parts.strong is not None and parts.weak is not None:
        made[HALF] = np.asarray(predicted[:, parts.strong] - predicted[:, parts.weak] > middle)
    return made


def decision(
    data: Outcomes,
    fold: Fold,
    learner: Learner,
    clock_ns: Callable[[], int],
    cpu_ns: Callable[[], int],
    *,
    tagged: bool,
    decisions: int = 1000,
    memory_mb: float | None = None,
) -> Decision:
    """The time of single decisions, features and embedding included, on test prompts one after the other.

    Each is from the prompt's words to the best model's name; twenty decisions before them are not counted.
    """
    rows = fold.test[np.arange(decisions + 20) % len(fold.test)]
    some = data.some(rows)
    sights = some.sights(tagged=tagged)
    spent, busy = np.empty(len(sights)), np.empty(len(sights))
    for place, sight in enumerate(sights):
        start, busy_from = clock_ns(), cpu_ns()
        said = learner.estimate(sight, data.models)
        max(said, key=lambda model: said[model].mean)
        busy[place] = (cpu_ns() - busy_from) / 1e6
        spent[place] = (clock_ns() - start) / 1e6
    counted, working = spent[20:], busy[20:]
    return Decision(
        decisions=len(counted),
        p50_ms=float(np.percentile(counted, 50)),
        p99_ms=float(np.percentile(counted, 99)),
        cpu_p50_ms=float(np.percentile(working, 50)),
        cpu_p99_ms=float(np.percentile(working, 99)),
        state_bytes=len(learner.state()),
        memory_mb=memory_mb,
    )
