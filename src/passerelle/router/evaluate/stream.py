"""Online: requests come one by one, one model answers, and nothing is learned of the others.

Some labelled rows (`warm`) are learned first; the others are then asked in a drawn order, again from the
beginning in another order when the data run out. From request `drift.at` on, one model's scores are
multiplied by `drift.factor`.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec
import numpy as np

from passerelle.router.evaluate.bootstrap import Figure, figure
from passerelle.router.evaluate.contenders import SHRINK, overall, packed
from passerelle.router.evaluate.outcomes import Floats, Ints, Outcomes
from passerelle.router.evaluate.result import BEST, ORACLE, OURS, RANDOM, Policy, Streamed
from passerelle.router.quality.base import Learner, Sight

FIRST, LAST = 1000, 1500
ROLLING = 250
NEAR = 0.95
_DRAWN = 100
"""Points of a drawn line."""


class Drift(msgspec.Struct, frozen=True):
    """A model that gets worse."""

    model: int
    factor: float
    at: int


class Chooser(Protocol):
    """Chooses a model for a row, and hears what came of it."""

    def choose(self, row: int) -> int:
        """The model's number."""

    def hear(self, row: int, model: int, score: float) -> None:
        """The chosen model's outcome."""


class _Ours:
    def __init__(
        self, learner: Learner, sights: Sequence[Sight], models: Sequence[str], *, explore: float, seed: int,
        learns: bool,
    ) -> None:  # fmt: skip
        self._learner, self._sights, self._models = learner, sights, models
        self._explore, self._learns = explore, learns
        self._rng = np.random.default_rng([seed, 0xE3])

    def choose(self, row: int) -> int:
        said = self._learner.estimate(self._sights[row], self._models)
        means = np.array([said[model].mean for model in self._models])
        if self._explore and self._rng.random() < self._explore:
            near = np.flatnonzero(means >= means.max() - 0.05)
            return int(self._rng.choice(near))
        best = np.flatnonzero(means >= means.max() - 1e-12)
        return int(best[0]) if len(best) == 1 else int(self._rng.choice(best))

    def hear(self, row: int, model: int, score: float) -> None:
        if self._learns:
            self._learner.update(self._sights[row], self._models[model], score)


class _TaskMean:
    """The mean of each task and model, brought up to date with each outcome."""

    def __init__(self, data: Outcomes, warm: Ints, seed: int) -> None:
        tasks = data.tasks or ("",) * len(data.prompts)
        self._tasks = tasks
        self._sums: dict[str, Floats] = {}
        self._counts: dict[str, Floats] = {}
        self._prior = overall(data.scores[warm]) if len(warm) else np.full(len(data.models), 0.5)
        self._rng = np.random.default_rng([seed, 0x7A])
        for row in warm:
            for model in np.flatnonzero(~np.isnan(data.scores[row])):
                self.hear(int(row), int(model), float(data.scores[row, model]))

    def choose(self, row: int) -> int:
        task = self._tasks[row]
        if task not in self._sums:
            means = self._prior
        else:
            means = (self._sums[task] + SHRINK * self._prior) / (self._counts[task] + SHRINK)
        return int(self._rng.choice(np.flatnonzero(means >= means.max() - 1e-12)))

    def hear(self, row: int, model: int, score: float) -> None:
        task = self._tasks[row]
        nothing = np.zeros(len(self._prior))
        self._sums.setdefault(task, nothing.copy())[model] += score
        self._counts.setdefault(task, nothing.copy())[model] += 1.0


class _Always:
    def __init__(self, models: Ints) -> None:
        self._models = models

    def choose(self, row: int) -> int:
        return int(self._models[row])

    def hear(self, row: int, model: int, score: float) -> None:
        return


def by_length(data: Outcomes, warm: Ints) -> Ints:
    """For each row the model that was best, of five lengths, among the warm rows."""
    lengths = np.array([len(prompt) for prompt in data.prompts], dtype=np.float64)
    if not len(warm):
        return np.zeros(len(lengths), dtype=np.intp)
    edges = np.quantile(lengths[warm], [0.2, 0.4, 0.6, 0.8])
    place, everywhere = np.searchsorted(edges, lengths), overall(data.scores[warm])
    best = np.empty(5, dtype=np.intp)
    for part in range(5):
        rows = data.scores[warm][place[warm] == part]
        count = (~np.isnan(rows)).sum(axis=0)
        best[part] = np.argmax((np.nansum(rows, axis=0) + SHRINK * everywhere) / (count + SHRINK))
    return np.asarray(best[place])


def stream(
    data: Outcomes,
    make: Callable[[], Learner],
    seeds: Sequence[int],
    *,
    tagged: bool,
    warm: int,
    requests: int,
    drift: Drift | None,
    explore: float,
    resamples: int,
    progress: Callable[[str], None],
) -> Streamed:
    """Every policy on the same requests in the same order."""
    data = data.some(np.flatnonzero(data.whole()))
    sights = packed(make(), data.sights(tagged=tagged))
    best = int(np.argmax(data.scores.mean(axis=0)))
    earned: dict[str, list[Floats]] = {}
    ours_at_drift: list[float] = []
    repeats = 0
    for number, seed in enumerate(seeds, 1):
        learned, order = _order(data, seed, warm, requests)
        repeats = max(repeats, requests - (len(data.prompts) - len(learned)))
        scores = data.scores[order].copy()
        if drift is not None:
            scores[drift.at :, drift.model] *= drift.factor

        def fitted(learned: Ints = learned, seed: int = seed) -> Learner:
            learner = make()
            if len(learned):
                learner.fit([sights[i] for i in learned], data.models, data.scores[learned], seed)
            return learner

        choosers: dict[str, Chooser] = {
            OURS: _Ours(fitted(), sights, data.models, explore=explore, seed=seed, learns=True),
            "without updates": _Ours(fitted(), sights, data.models, explore=0.0, seed=seed, learns=False),
            "task mean": _TaskMean(data, learned, seed),
            "length only": _Always(by_length(data, learned)),
        }
        for name, chooser in choosers.items():
            got = np.empty(requests)
            for at, row in enumerate(order):
                if name in (OURS, "without updates") and at % 500 == 0:
                    progress(f"seed {number} of {len(seeds)}, {name}: request {at} of {requests}")
                model = chooser.choose(int(row))
                got[at] = scores[at, model]
                chooser.hear(int(row), model, float(got[at]))
            earned.setdefault(name, []).append(got)
        earned.setdefault(RANDOM, []).append(scores.mean(axis=1))
        earned.setdefault(BEST, []).append(scores[:, best])
        earned.setdefault(ORACLE, []).append(scores.max(axis=1))
        if drift is not None:
            ours_at_drift.append(float(recovery(earned[OURS][-1], drift.at)))
    first, last = min(FIRST, requests), min(LAST, requests)
    windows = {
        "first": slice(0, first),
        "last": slice(requests - last, requests),
        "every": slice(0, requests),
    }
    means = {
        name: {key: _means(lines, part, resamples) for key, part in windows.items()}
        for name, lines in earned.items()
    }
    return Streamed(
        warm=warm,
        requests=requests,
        repeats=max(0, repeats),
        first=first,
        last=last,
        drift=None if drift is None else data.models[drift.model],
        drift_at=None if drift is None else drift.at,
        policies=tuple(
            Policy(
                name,
                figure(found["first"]),
                figure(found["last"]),
                figure(found["every"]),
                _rolling(earned[name]),
            )
            for name, found in means.items()
        ),
        ahead={
            name: figure([a - b for a, b in zip(means[OURS]["last"], found["last"], strict=True)])
            for name, found in means.items()
            if name != OURS
        },
        recovery=_spread(ours_at_drift),
    )


def _order(data: Outcomes, seed: int, warm: int, requests: int) -> tuple[Ints, Ints]:
    """Rows learned first, and the rows asked, in order."""
    rng = np.random.default_rng([seed, 0x57EA])
    same = data.same()
    mixed = rng.permutation(len(same))
    learned = mixed[:warm]
    rest = mixed[warm:]
    rest = rest[~np.isin(same[rest], same[learned])]
    order = [rest]
    while sum(map(len, order)) < requests:
        order.append(rng.permutation(rest))
    return learned, np.concatenate(order)[:requests]


def _means(lines: list[Floats], part: slice, resamples: int) -> list[Floats]:
    """Per seed the mean of a window, then of its resamplings; the same for every policy."""
    made = []
    for number, line in enumerate(lines):
        inside = line[part]
        rng = np.random.default_rng([number, len(inside), 0xB007])
        drawn = rng.multinomial(len(inside), np.full(len(inside), 1 / len(inside)), size=resamples)
        made.append(np.concatenate([[inside.mean()], drawn @ inside / len(inside)]))
    return made


def recovery(earned: Floats, at: int) -> int:
    """Requests after `at` until the mean of `ROLLING` is `NEAR` of what it is over the last ones."""
    after = earned[at:]
    if len(after) <= ROLLING:
        return len(after)
    target = NEAR * float(after[-min(LAST, len(after)) :].mean())
    sums = np.cumsum(np.concatenate([[0.0], after]))
    rolling = (sums[ROLLING:] - sums[:-ROLLING]) / ROLLING
    reached = np.flatnonzero(rolling >= target)
    return int(reached[0]) + ROLLING if len(reached) else len(after)


def _rolling(lines: list[Floats]) -> list[tuple[int, float]]:
    mean = np.mean(lines, axis=0)
    sums = np.cumsum(np.concatenate([[0.0], mean]))
    width = min(ROLLING, len(mean))
    ends = np.unique(np.linspace(width, len(mean), _DRAWN).astype(np.intp))
    return [(int(end), round(float((sums[end] - sums[end - width]) / width), 5)) for end in ends]


def _spread(values: list[float]) -> Figure | None:
    if not values:
        return None
    held = np.array(values)
    return Figure(float(held.mean()), spread=float(held.std(ddof=1)) if len(held) > 1 else None)
