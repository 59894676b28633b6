"""Learning from scratch: every level in turn, each tried on what it has not seen."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from passerelle.router.embed import STATIC_DIMS
from passerelle.router.quality import calibrate, lexical, memory
from passerelle.router.quality.base import Bools
from passerelle.router.quality.linear import DIMS, F64, Space, ridge
from passerelle.router.quality.stack import TIMID, Gate, Weights, gate, spread_between, weigh
from passerelle.router.quality.tally import Tally
from passerelle.router.quality.view import F32, View

PENALTIES = (10.0, 30.0, 100.0, 300.0)
LEXICAL_PENALTY = 12.0
NEAR_FOLDS = 5
LEXICAL_FOLDS = 3
FAR_FOLDS = 4
STACK_LEAST = 80
"""Requests from which the weights of the levels are found; below, they are given."""
_KMEANS_STEPS = 8

Ints = NDArray[np.int64]


class Fitted(NamedTuple):
    """What `fit` finds, beside the tally it fills."""

    coefficients: F64
    gram: F64
    """Of all rows: what the shared spread is the inverse of, without the penalty."""
    penalty: float
    scale: F32
    words: F32
    left: F32
    near: Weights
    far: Weights
    gate: Gate
    maps: F64
    """m+2 maps: one per model, the pooled one, and the one for far requests."""
    noise: float
    unknown: float
    """Variance of whole tasks' errors, far from everything."""


def clusters(points: F64, seed: int) -> F32:
    """Middles of kinds of requests, where nobody said what their task is: k-means from far-apart starts."""
    many = int(np.clip(len(points) // 100, 1, 32))
    rng = np.random.Generator(np.random.PCG64(seed))
    sample = np.asarray(points[:, 1:], np.float32)
    middles = sample[rng.choice(len(sample), many, replace=False)].copy()
    for _ in range(_KMEANS_STEPS):
        own = nearest(sample, middles)
        for k in range(many):
            mine = own == k
            if mine.any():
                middles[k] = sample[mine].mean(axis=0)
    return middles


def nearest(sample: F32, middles: F32) -> Ints:
    """The nearest middle of each row."""
    half = 0.5 * np.einsum("ij,ij->i", middles, middles)
    return np.asarray(np.argmax(sample @ middles.T - half, axis=1))


def folds(count: int, many: int, rng: np.random.Generator) -> Ints:
    """A fold for each of `count`, as even as can be."""
    return np.asarray(rng.permutation(count) % many)


def fit(view: View, points: F64, task: Ints, tally: Tally, scores: F64, prior: F64, seed: int) -> Fitted:
    """Every level, its weight and its calibration. Fills `tally`, whose rows are the tasks in `task`."""
    rows, models = scores.shape
    rng = np.random.Generator(np.random.PCG64(seed))
    seen = np.isfinite(scores)
    np.add.at(tally.count, task, seen.astype(float))
    np.add.at(tally.total, task, np.where(seen, scores, 0.0))
    np.add.at(tally.rows, task, 1.0)
    level = tally.levels(prior)
    tally.choose(task, scores, level)
    base = tally.without_own(task, scores, level, tally.shrink)
    left = scores - base

    scale = lexical.rarity(view)
    value = view.weighed(scale)
    vectors = np.asarray(points[:, -STATIC_DIMS:], np.float32)
    everything = np.ones(rows, np.bool_)
    near_fold = folds(rows, NEAR_FOLDS, rng)
    penalty, said = _linear_out(points, left, near_fold)
    weights, far_weights, map_gate = Weights(), TIMID, Gate()
    maps = np.repeat(calibrate.plain()[None], models + 2, axis=0)
    noise, unknown = float(np.nanmean(left**2)) if seen.any() else 0.25, 0.02
    if rows >= STACK_LEAST:
        word_fold = folds(rows, LEXICAL_FOLDS, rng)
        words_said = _words_out(view, value, left, word_fold)
        neighbours, close = memory.near(
            vectors, vectors, left.astype(np.float32), apart=np.arange(rows), groups=np.arange(rows)
        )
        levels = [said, words_said, neighbours]
        weights = weigh(levels, left, weights)
        near_score = base + weights.of(levels)
        noise = float(np.nanmean((scores - near_score) ** 2))
        _calibrate(maps, near_score, scores)
        group = _groups(task, points, seed)
        if group is not None:
            far_fold = folds(int(group.max()) + 1, FAR_FOLDS, rng)[group]
            far_base = _level_without(far_fold, tally, scores, prior)
            # The heads correct what the task leaves; far from every task they correct the level instead.
            _, far_said = _linear_out(points, left, far_fold, (penalty,))
            far_words = _words_out(view, value, left, far_fold)
            far_neighbours, far_close = memory.near(
                vectors, vectors, left.astype(np.float32), apart=far_fold, groups=far_fold
            )
            far_levels = [far_said, far_words, far_neighbours]
            far_weights = weigh(far_levels, scores - far_base, far_weights)
            far_score = far_base + far_weights.of(far_levels)
            unknown = spread_between(scores - far_score, group)
            map_gate = gate(close, far_close)
    full = points.T @ points
    return Fitted(
        coefficients=ridge(points, left, penalty) if seen.any() else np.zeros((DIMS, models)),
        gram=full,
        penalty=penalty,
        scale=scale,
        words=lexical.solve(view, value, left, everything, LEXICAL_PENALTY),
        left=left.astype(np.float32),
        near=weights,
        far=far_weights,
        gate=map_gate,
        maps=maps,
        noise=noise,
        unknown=unknown,
    )


def _linear_out(
    points: F64, left: F64, fold: Ints, penalties: tuple[float, ...] = PENALTIES
) -> tuple[float, F64]:
    """The best of `penalties`, and what each row is said to be by heads that did not see its fold."""
    best, least, kept = penalties[0], np.inf, np.zeros_like(left)
    for penalty in penalties:
        said = np.zeros_like(left)
        for one in np.unique(fold):
            out = fold == one
            said[out] = points[out] @ ridge(points[~out], left[~out], penalty)
        wrong = left - said
        if left.shape[1] > 1:
            wrong = wrong - _row_mean(wrong)
        error = float(np.nansum(wrong**2))
        if error < least:
            best, least, kept = penalty, error, said
    return best, kept


def _row_mean(values: F64) -> F64:
    seen = np.isfinite(values)
    # A row with one outcome has no difference to others: it counts as it is.
    many = seen.sum(axis=1, keepdims=True)
    mean = np.where(seen, values, 0.0).sum(axis=1, keepdims=True) / np.maximum(many, 1)
    return np.asarray(np.where(many > 1, mean, 0.0))


def _words_out(view: View, value: F32, left: F64, fold: Ints) -> F64:
    said = np.zeros_like(left)
    for one in np.unique(fold):
        out = fold == one
        weights = lexical.solve(view, value, left, ~out, LEXICAL_PENALTY)
        said[out] = lexical.say(view, value, weights)[out]
    return said


def _groups(task: Ints, points: F64, seed: int) -> Ints | None:
    """What counts as a whole task when trying what carries over; None when there are too few kinds."""
    _, group = np.unique(task, return_inverse=True)
    if group.max() + 1 >= FAR_FOLDS:
        return np.asarray(group)
    middles = clusters(points, seed)
    if len(middles) < FAR_FOLDS:
        return None
    return nearest(np.asarray(points[:, 1:], np.float32), middles)


def _level_without(fold: Ints, tally: Tally, scores: F64, prior: F64) -> F64:
    """n×m: each model's level over the tasks of the other folds."""
    out = np.zeros_like(scores)
    for one in np.unique(fold):
        others = Tally(1, scores.shape[1])
        kept = scores[fold != one]
        others.count[0] = np.isfinite(kept).sum(axis=0)
        others.total[0] = np.nansum(kept, axis=0)
        out[fold == one] = others.levels(prior)
    return out


def _calibrate(maps: F64, said: F64, scores: F64) -> None:
    """Fill the maps: each model's own where it has enough outcomes, the pooled one for the others."""
    seen = np.isfinite(scores)
    pooled = calibrate.fitted(said[seen], scores[seen])
    maps[-2] = pooled
    for column in range(scores.shape[1]):
        mine = seen[:, column]
        own = mine.sum() >= calibrate.OWN_LEAST
        maps[column] = calibrate.fitted(said[mine, column], scores[mine, column]) if own else pooled
