"""How much each level is trusted: weights found on predictions made without what they predict.

Every level corrects the expected quality in two parts, weighted apart: by how much the request is hard or easy
for all models alike, and by how a model differs from the others on it. Choosing among models lives on the
second alone, and it is much fainter than the first; one weight for both would drown it.

There are two sets. *Near* comes from folds drawn at random. *Far* comes from folds of whole tasks: what still
holds on a task nobody has seen. Between them decides how near the request is (`Gate`). A level that does not
carry over, as a rule most of them, thereby falls silent outside what was learned, rather than misleading.
"""

import msgspec
import numpy as np
from numpy.typing import NDArray

from passerelle.router.quality.base import Floats
from passerelle.router.quality.linear import F64

LEVELS = 3
"""Linear, lexical, memory: the order everywhere."""
_ROWS_LEAST = 60


class Weights(msgspec.Struct, frozen=True):
    """One weight per level, for the part that all models share and for their differences."""

    shared: tuple[float, ...] = (0.7, 0.3, 0.1)
    apart: tuple[float, ...] = (0.7, 0.3, 0.1)

    def of(self, levels: list[F64]) -> F64:
        """n×m: what the levels together add to the expected quality."""
        total = np.zeros_like(levels[0])
        for level, shared, apart in zip(levels, self.shared, self.apart, strict=True):
            mean = level.mean(axis=1, keepdims=True)
            total += apart * level + (shared - apart) * mean
        return total


TIMID = Weights((0.3, 0.1, 0.05), (0.2, 0.0, 0.0))
"""Far from everything, when there was no second task to try it on."""


class Gate(msgspec.Struct, frozen=True):
    """How far a request is, from the cosine to its nearest neighbour: 0 near, 1 far."""

    middle: float = 0.35
    steepness: float = 12.0

    def far(self, cosine: F64) -> F64:
        """A share in [0, 1] for each request."""
        return np.asarray(1.0 / (1.0 + np.exp(np.clip(self.steepness * (cosine - self.middle), -30, 30))))


def weigh(levels: list[F64], left: F64, start: Weights) -> Weights:
    """The weights, none below zero, that explain best what the base left. Drawn towards `start`."""
    seen = np.isfinite(left)
    many = seen.sum(axis=1)
    full = many >= 2
    if full.sum() < _ROWS_LEAST:
        usable = many >= 1
        if usable.sum() < _ROWS_LEAST:
            return start
        found = _least([level[seen] for level in levels], left[seen], start.shared)
        return Weights(found, found)
    held = seen[full]
    count = many[full]

    def split(values: F64) -> tuple[F64, F64]:
        kept = np.where(held, values[full], 0.0)
        mean = kept.sum(axis=1) / count
        return mean, (values[full] - mean[:, None])[held]

    goals = split(np.nan_to_num(left))
    parts = [split(level) for level in levels]
    return Weights(
        _least([p[0] for p in parts], goals[0], start.shared),
        _least([p[1] for p in parts], goals[1], start.apart),
    )


def gate(near: F64, far: F64) -> Gate:
    """Where cosines of requests of known tasks and of unknown ones part: a logistic regression on one number."""
    if len(near) < _ROWS_LEAST or len(far) < _ROWS_LEAST:
        return Gate()
    both = np.concatenate([near, far])
    label = np.concatenate([np.zeros(len(near)), np.ones(len(far))])
    weight = np.concatenate([np.full(len(near), 1 / len(near)), np.full(len(far), 1 / len(far))])
    centre, width = float(both.mean()), float(both.std()) + 1e-6
    x = np.stack([np.ones(len(both)), (both - centre) / width], axis=1)
    beta = np.zeros(2)
    for _ in range(12):
        p = 1 / (1 + np.exp(-np.clip(x @ beta, -30, 30)))
        slope = x.T @ (weight * (label - p)) - 0.02 * beta
        bend = (x * (weight * p * (1 - p))[:, None]).T @ x + 0.02 * np.eye(2)
        beta += np.linalg.solve(bend, slope)
    steepness = max(float(-beta[1] / width), 1e-3)
    return Gate(middle=centre + float(beta[0]) / steepness, steepness=steepness)


def spread_between(wrong: F64, group: NDArray[np.int64]) -> float:
    """The variance of whole tasks' errors beyond what chance gives: how wrong it is on an unknown task."""
    found: list[float] = []
    for one in np.unique(group):
        errors = wrong[group == one]
        for column in range(errors.shape[1]):
            seen = errors[np.isfinite(errors[:, column]), column]
            if len(seen) >= 5:
                found.append(float(seen.mean() ** 2 - seen.var() / len(seen)))
    return max(float(np.mean(found)), 0.0) if found else 0.02


def _least(columns: list[F64], goal: F64, start: tuple[float, ...]) -> tuple[float, ...]:
    """Least squares with no negative weight, by coordinate descent."""
    x = np.stack(columns, axis=1)
    gram = x.T @ x
    pull = 0.02 * float(np.trace(gram)) / len(columns) + 1e-9
    aim = x.T @ goal + pull * np.array(start)
    gram[np.diag_indices_from(gram)] += pull
    weights: Floats = np.array(start)
    for _ in range(200):
        for k in range(len(weights)):
            rest = aim[k] - gram[k] @ weights + gram[k, k] * weights[k]
            weights[k] = max(0.0, rest / gram[k, k])
    return tuple(float(w) for w in np.minimum(weights, 2.0))
