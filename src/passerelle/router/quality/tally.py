"""The first two levels: a model's mean quality, and its mean on each task, both shrunk.

A task's mean is built from two parts, each shrunk on its own: how hard the task is for all models together,
which few outcomes tell, and how a model differs there from what it is elsewhere, which takes more. So a model
that never met a task is expected to do on it as others do, no better.
"""

import msgspec
import numpy as np
from numpy.typing import NDArray

from passerelle.router.quality.linear import F64

PRIOR_COUNT = 8.0
"""The catalog's prior counts as much as so many outcomes."""
_SHARED = (1.0, 4.0, 16.0, 64.0)
_OWN = (2.0, 8.0, 32.0, 128.0)


class Shrink(msgspec.Struct, frozen=True, gc=False):
    """As if so many outcomes had said nothing: for a task's difficulty, and for a model's own way with it."""

    shared: float = 4.0
    own: float = 16.0


class Tally:
    """Counts and sums, by task and model."""

    def __init__(self, tasks: int, models: int) -> None:
        self.count: F64 = np.zeros((tasks, models))
        self.total: F64 = np.zeros((tasks, models))
        self.rows: F64 = np.zeros(tasks)
        """Requests, of which each may have outcomes of several models."""
        self.shrink = Shrink()

    def add(self, task: NDArray[np.int64], scores: F64, weights: F64) -> None:
        """Count a row of outcomes for each of `task`; NaN is what was not seen, and weighs nothing."""
        np.add.at(self.count, task, weights)
        np.add.at(self.total, task, weights * np.nan_to_num(scores))
        np.add.at(self.rows, task, weights.max(axis=1))

    def levels(self, prior: F64) -> F64:
        """Each model's mean over all tasks. `prior` is NaN where the catalog says nothing."""
        count, total = self.count.sum(axis=0), self.total.sum(axis=0)
        usual = total.sum() / count.sum() if count.sum() else 0.5
        start = np.where(np.isfinite(prior), prior, usual)
        return np.asarray((total + PRIOR_COUNT * start) / (count + PRIOR_COUNT))

    def base(self, level: F64) -> F64:
        """tasks×models: the expected quality."""
        return _posterior(self.count, self.total, self.rows, level, self.shrink)

    def without_own(
        self, task: NDArray[np.int64], scores: F64, weights: F64, level: F64, shrink: Shrink
    ) -> F64:
        """n×models: what would be expected of each row if it had not been counted."""
        count = self.count[task] - weights
        total = self.total[task] - weights * np.nan_to_num(scores)
        return _posterior(count, total, self.rows[task] - weights.max(axis=1), level, shrink)

    def choose(self, task: NDArray[np.int64], scores: F64, weights: F64, level: F64) -> None:
        """Take the shrinkage that foretells each row best from the others."""
        best, least = self.shrink, np.inf
        for shared in _SHARED:
            for own in _OWN:
                shrink = Shrink(shared, own)
                wrong = scores - self.without_own(task, scores, weights, level, shrink)
                error = float(np.nansum(weights * wrong**2))
                if error < least * (1 - 1e-9):
                    best, least = shrink, error
        self.shrink = best

    def widen(self) -> None:
        """Room for one more model."""
        self.count = np.concatenate([self.count, np.zeros((len(self.count), 1))], axis=1)
        self.total = np.concatenate([self.total, np.zeros((len(self.total), 1))], axis=1)

    def lengthen(self) -> None:
        """Room for one more task."""
        self.count = np.concatenate([self.count, np.zeros((1, self.count.shape[1]))])
        self.total = np.concatenate([self.total, np.zeros((1, self.total.shape[1]))])
        self.rows = np.append(self.rows, 0.0)


def _posterior(count: F64, total: F64, rows: F64, level: F64, shrink: Shrink) -> F64:
    excess = total - count * level
    many = count.sum(axis=1)
    ease = excess.sum(axis=1) / np.maximum(many, 1.0) * rows / (rows + shrink.shared)
    ease = ease[:, None]
    return np.asarray(level + ease + (excess - count * ease) / (count + shrink.own))
