"""Who predicts quality: the learner under test, and what it must be better than to be worth anything."""

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from passerelle.router.evaluate.outcomes import Bools, Floats, Ints, Outcomes
from passerelle.router.evaluate.splits import Fold
from passerelle.router.quality.base import Learner, Sight

SHRINK = 5.0
"""How many outcomes of a task's mean the overall mean is worth."""
_RIDGE = 1.0


class Contender(Protocol):
    """Predicts the scores of a fold's test rows from its train rows."""

    @property
    def name(self) -> str:
        """What it is called in the tables."""

    def predict(self, data: Outcomes, fold: Fold, seed: int) -> Floats:
        """test×m, in [0, 1]."""


class Learned:
    """The router's own learner, fitted anew for each fold."""

    name = "passerelle"

    def __init__(self, make: Callable[[], Learner], data: Outcomes, *, tagged: bool) -> None:
        """`make` gives an empty learner. Features do not change from fold to fold: they are packed once."""
        self._make = make
        self.sights = packed(make(), data.sights(tagged=tagged))
        self.known: list[Bools] = []
        """For each fold predicted: which requests were like what had been learned."""
        self._largest: tuple[int, Fold, Learner] | None = None

    def predict(self, data: Outcomes, fold: Fold, seed: int) -> Floats:
        """Fit on the one side, estimate the other."""
        learner = self._make()
        learner.fit([self.sights[i] for i in fold.train], data.models, data.scores[fold.train], seed)
        said = learner.estimates([self.sights[i] for i in fold.test], data.models)
        self.known.append(np.asarray(said.known, dtype=bool))
        if self._largest is None or len(fold.train) > self._largest[0]:
            self._largest = len(fold.train), fold, learner
        return np.clip(np.asarray(said.mean, dtype=np.float64), 0.0, 1.0)

    @property
    def largest(self) -> tuple[Fold, Learner]:
        """The fold with most rows learned from, and what was learned of it: for whoever wants to ask more."""
        if self._largest is None:
            raise ValueError("nothing has been predicted yet")
        return self._largest[1], self._largest[2]


def packed(learner: Learner, sights: Sequence[Sight]) -> list[Sight]:
    """The same sights with their features, so that words are read once for all fits."""
    return [
        Sight(
            words=sight.words,
            task=sight.task,
            input_tokens=sight.input_tokens,
            features=learner.pack(sight),
        )
        for sight in sights
    ]


class LengthOnly:
    """Per model a parabola over the logarithm of the prompt's length: what a rule of thumb would reach."""

    name = "length only"

    def predict(self, data: Outcomes, fold: Fold, seed: int) -> Floats:
        """By ridge regression on the train rows."""
        logs = np.log1p(np.array([len(prompt) for prompt in data.prompts], dtype=np.float64))
        train = logs[fold.train]
        centre, scale = train.mean(), train.std() or 1.0

        def design(rows: Ints) -> Floats:
            z = np.clip((logs[rows] - centre) / scale, -3, 3)
            return np.stack([np.ones_like(z), z, z * z], axis=1)

        x, y = design(fold.train), data.scores[fold.train]
        made = np.empty((len(fold.test), len(data.models)))
        for model in range(len(data.models)):
            seen = ~np.isnan(y[:, model])
            a = x[seen].T @ x[seen] + np.diag([1e-6, _RIDGE, _RIDGE])
            made[:, model] = design(fold.test) @ np.linalg.solve(a, x[seen].T @ y[seen, model])
        return np.clip(made, 0.0, 1.0)


class TaskMean:
    """Each model's mean score on the prompt's task, drawn to its overall mean; knows the tag in any case."""

    name = "task mean"

    def predict(self, data: Outcomes, fold: Fold, seed: int) -> Floats:
        """An unseen task gets the overall means."""
        tasks = data.tasks or ("",) * len(data.prompts)
        numbers = {task: number for number, task in enumerate(dict.fromkeys(tasks))}
        of = np.array([numbers[task] for task in tasks], dtype=np.intp)
        y = data.scores[fold.train]
        means = overall(y)
        made = np.tile(means, (len(numbers), 1))
        for task in np.unique(of[fold.train]):
            rows = y[of[fold.train] == task]
            count = (~np.isnan(rows)).sum(axis=0)
            made[task] = (np.nansum(rows, axis=0) + SHRINK * means) / (count + SHRINK)
        return np.asarray(made[of[fold.test]])


def overall(scores: Floats) -> Floats:
    """Each model's mean over what was seen of it; a half where nothing was."""
    seen = ~np.isnan(scores)
    count = seen.sum(axis=0)
    total = np.where(seen, scores, 0.0).sum(axis=0)
    return np.asarray(np.where(count > 0, total / np.maximum(count, 1), 0.5))
