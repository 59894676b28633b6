"""How much each level is trusted: weights found on predictions made without what they predict.

Every level corrects the expected quality in two parts, weighted apart: by how much the request is hard or
easy for all models alike, and by how a model differs from the others on it. Choosing among models lives on
the second alone, and it is much fainter than the first; one weight for both would drown it.

There are two sets. *Near* comes from folds drawn at random. *Far* comes from folds of whole tasks: what
still holds on a task nobody has seen. Between them decides how near the request is (`Gate`). A level that
does not carry over, as a rule most of them, thereby falls silent outside what was learned.

The requests of a task err together, so a task counts as `TASK_TELLS` of them when far weights are found.
With ten tasks they stay where they start, with the kin (`kin`): there, all that was found was noise.
"""

import math
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from passerelle.router.quality.base import Floats
from passerelle.router.quality.linear import F64

LEVELS = 7
"""Linear, lexical, memory, carried, kin by words, kin by form, kin by name: the order everywhere. *Near*
needs no name: it has the first six."""
LAYERS = LEVELS + 2
"""What a request's estimates are mixed of: what the levels say of each model (the kin by words and form as
quality, the others as what they add), then each model's level, and what is expected of it on the task."""
_ROWS_LEAST = 60
_NEAR_ODDS = 1.1  # three to one: most requests are like those before
TASK_TELLS = 1.0
NEAR_WIDTHS, FAR_WIDTHS = (0.5, 0.5), (0.5, 0.15)
"""How far weights are expected from their start: the shared ones, and those of differences."""


class Weights(msgspec.Struct, frozen=True):
    """One weight per level, for the part that all models share and for their differences."""

    shared: tuple[float, ...] = (0.7, 0.4, 0.1, 0.1, 0.0, 0.0)
    apart: tuple[float, ...] = (0.7, 0.5, 0.2, 0.1, 0.0, 0.0)

    def of(self, levels: list[F64]) -> F64:
        """n×m: what the levels together add to the expected quality."""
        said = np.zeros(levels[0].shape)
        for level, shared, apart in zip(levels, self.shared, self.apart, strict=True):
            said += apart * level
            said += (shared - apart) * np.add.reduce(level, axis=1, keepdims=True) / max(level.shape[1], 1)
        return said


class Mixer(NamedTuple):
    """Both sets of weights over layers, so that one product gives near and far (see `mixer`)."""

    plain: F64
    """4×`LAYERS`: near apart, near shared beyond that, and the same far, where a name tells nothing."""
    named: F64
    """What comes to it where a name tells all."""

    def of(self, layers: F64, trust: F64) -> F64:
        """n×2×m: the expected quality near and far. `layers` is n×`LAYERS`×m, `trust` of a name n."""
        weights = self.plain + trust[:, None, None] * self.named if np.count_nonzero(trust) else self.plain
        parts = weights @ layers
        found = parts[:, ::2]
        found += np.add.reduce(parts[:, 1::2], axis=2, keepdims=True) / max(layers.shape[2], 1)
        return np.asarray(found)


def mixer(near: Weights, far: Weights) -> Mixer:
    """As `Weights.of` of each: near over what is expected on the task, far over the model's level."""
    plain, named = np.zeros((4, LAYERS)), np.zeros((4, LAYERS))
    for row, weights in ((0, near), (2, far)):
        apart = np.array(weights.apart)
        for at, values in ((row, apart), (row + 1, np.array(weights.shared) - apart)):
            plain[at, :4], kin = values[:4], values[4:6]
            whole = float(at == row)
            if row == 0:  # the carried level and the kin are over the base here
                plain[at, 4:6] = kin
                plain[at, LEVELS:] = values[3], whole - values[3] - kin.sum()
            else:  # and what a name tells takes the place of the other kin
                plain[at, 4:6], named[at, 4:6], named[at, 6] = kin, -kin, values[6]
                plain[at, LEVELS], named[at, LEVELS] = whole - kin.sum(), kin.sum()
    return Mixer(plain, named)


FAR = Weights((0.0, 0.05, 0.05, 0.1, 0.5, 0.5, 0.3), (0.0, 0.1, 0.1, 0.0, 0.5, 0.5, 1.0))
"""Far from everything, before there were tasks enough to try it on."""


class Gate(msgspec.Struct, frozen=True):
    """How far a request is, from how near its nearest neighbour and the nearest kind are: 0 near, 1 far."""

    offset: float = 2.0
    slopes: tuple[float, float] = (-12.0, -2.0)

    def far(self, close: F64, *, new: bool = False) -> F64:
        """A share in [0, 1] for each request. `close` is n×2: the cosine, and minus the distance.

        `new`: somebody gave it a task that nobody had outcomes of, which turns the odds.
        """
        offset = self.offset + 2 * _NEAR_ODDS if new else self.offset
        (by_cosine, by_distance), shares = self.slopes, []
        for cosine, distance in close.tolist():
            odds = offset + cosine * by_cosine + distance * by_distance
            shares.append(1.0 / (1.0 + math.exp(-min(max(odds, -30.0), 30.0))))
        return np.array(shares)


def weigh(
    levels: list[F64],
    left: F64,
    start: Weights,
    widths: tuple[float, float] = NEAR_WIDTHS,
    worth: float = 1.0,
) -> Weights:
    """The weights, none below zero, that explain best what the base left. Drawn towards `start`.

    `worth`: what a request counts, where many err together.
    """
    seen = np.isfinite(left)
    many = seen.sum(axis=1)
    full = many >= 2
    if full.sum() < _ROWS_LEAST:
        usable = many >= 1
        if usable.sum() < _ROWS_LEAST:
            return start
        found = _least([level[seen] for level in levels], left[seen], start.shared, widths[0], worth)
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
        _least([p[0] for p in parts], goals[0], start.shared, widths[0], worth),
        _least([p[1] for p in parts], goals[1], start.apart, widths[1], worth),
    )


def gate(near: F64, far: F64) -> Gate:
    """Where requests of known tasks part from those of unknown ones: a logistic regression on `close`."""
    if len(near) < _ROWS_LEAST or len(far) < _ROWS_LEAST:
        return Gate()
    both = np.concatenate([near, far])
    label = np.concatenate([np.zeros(len(near)), np.ones(len(far))])
    weight = np.concatenate([np.full(len(near), 1 / len(near)), np.full(len(far), 1 / len(far))])
    centre, width = both.mean(axis=0), both.std(axis=0) + 1e-6
    x = np.concatenate([np.ones((len(both), 1)), (both - centre) / width], axis=1)
    beta = np.zeros(3)
    for _ in range(12):
        p = 1 / (1 + np.exp(-np.clip(x @ beta, -30, 30)))
        slope = x.T @ (weight * (label - p)) - 0.02 * beta
        bend = (x * (weight * p * (1 - p))[:, None]).T @ x + 0.02 * np.eye(3)
        beta += np.linalg.solve(bend, slope)
    slopes = np.minimum(beta[1:] / width, 0.0)
    return Gate(float(beta[0] - centre @ slopes) - _NEAR_ODDS, (float(slopes[0]), float(slopes[1])))


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


def _least(
    columns: list[F64], goal: F64, start: tuple[float, ...], width: float, worth: float
) -> tuple[float, ...]:
    """Least squares with no negative weight, by coordinate descent."""
    x = np.stack(columns, axis=1)
    gram = worth * (x.T @ x)
    pull = float(goal.var()) / width**2
    aim = worth * (x.T @ goal) + pull * np.array(start)
    gram[np.diag_indices_from(gram)] += pull
    weights: Floats = np.array(start)
    for _ in range(200):
        for k in range(len(weights)):
            rest = aim[k] - gram[k] @ weights + gram[k, k] * weights[k]
            weights[k] = max(0.0, rest / gram[k, k])
    return tuple(float(w) for w in np.minimum(weights, 2.0))
