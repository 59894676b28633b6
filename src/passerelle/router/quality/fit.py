"""Learning from scratch: every level in turn, each tried on what it has not seen."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from passerelle.router.embed import STATIC_DIMS
from passerelle.router.quality import calibrate, kin, lexical, memory
from passerelle.router.quality.linear import CARRIED, DIMS, F64, Ints, ridges
from passerelle.router.quality.stack import (
    FAR,
    FAR_WIDTHS,
    TASK_TELLS,
    Gate,
    Weights,
    gate,
    spread_between,
    weigh,
)
from passerelle.router.quality.tally import Shrink, Tally
from passerelle.router.quality.view import F32, View

PENALTIES = (10.0, 30.0, 100.0, 300.0)
LEXICAL_PENALTY = 12.0
GUESS_PENALTY = 3.0
NEAR_FOLDS = 4
FAR_FOLDS = 4
STACK_LEAST = 80
"""Requests from which the weights of the levels are found; below, they are given."""
_KMEANS_STEPS = 8


class Fitted(NamedTuple):
    """What `fit` finds, beside the tally it fills."""

    coefficients: F64
    carried: F64
    """Coefficients of the heads that see no subject and no task."""
    akin: kin.Akin
    gram: F64
    """Of all rows: what the shared spread is the inverse of, without the penalty."""
    penalty: float
    carried_penalty: float
    scale: F32
    words: F32
    left: F32
    near: Weights
    far: Weights
    gate: Gate
    maps: F64
    """m+2 maps: near, one per model and the pooled one; then that of a request's mean over models, far."""
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


def guess(points: F64, task: Ints, tasks: int) -> F64:
    """Coefficients that tell a request's task from how it is written: `DIMS`×tasks."""
    (found,) = ridges(points, np.eye(tasks)[task], (GUESS_PENALTY,))
    return found


def belonging(points: F64, coefficients: F64) -> F64:
    """n×tasks: the shares in which requests belong to tasks. They sum to less than one where it is vague."""
    return shares(points @ coefficients)


def shares(said: F64) -> F64:
    """See `belonging`: of what the coefficients say."""
    over = np.maximum(said - 0.05, 0.0)
    over *= over
    over /= over.sum(axis=1, keepdims=True) + 0.01
    return over


def vectors_of(points: F64) -> F32:
    """Points without their constant, as kinds are made of."""
    return np.asarray(points[:, 1:], np.float32)


def distance(sample: F32, middles: F32) -> F64:
    """From each row to the nearest middle."""
    half = 0.5 * np.einsum("ij,ij->i", middles, middles)
    own = 0.5 * np.einsum("ij,ij->i", sample, sample)
    least = own - (sample @ middles.T - half).max(axis=1)
    return np.asarray(np.sqrt(2 * np.maximum(least.astype(np.float64), 0.0)), np.float64)


def folds(count: int, many: int, rng: np.random.Generator) -> Ints:
    """A fold for each of `count`, as even as can be."""
    return np.asarray(rng.permutation(count) % many)


def fit(
    view: View, points: F64, task: Ints, named: kin.Named, tally: Tally, scores: F64, given: F64 | None,
    prior: F64, seed: int,
) -> Fitted:  # fmt: skip
    """Every level, its weight and its calibration. Fills `tally`, whose rows are the tasks in `task`.

    `named`: those that have a name. `given`: what each of `scores` counts; None: 1.
    """
    rows, models = scores.shape
    rng = np.random.Generator(np.random.PCG64(seed))
    seen = np.isfinite(scores)
    counted = np.where(seen, 1.0 if given is None else given, 0.0)
    tally.add(task, scores, counted)
    level = tally.levels(prior)
    tally.choose(task, scores, counted, level)
    base = tally.without_own(task, scores, counted, level, tally.shrink)
    left = scores - base

    scale = lexical.rarity(view)
    value = view.weighed(scale)
    form, over = points[:, :CARRIED], scores - level
    group = _groups(task, points, seed)
    penalty = carried_penalty = PENALTIES[1]
    weights, far_weights, map_gate = Weights(), FAR, Gate()
    far_map = calibrate.plain()
    near_maps = np.repeat(far_map[None], models + 1, axis=0)
    noise, unknown = _mean_square(left, counted) if seen.any() else 0.25, 0.02
    table = Table(view, value, points, task, named, scores, counted, given is None, prior)
    if rows >= STACK_LEAST:
        near = _without(table, folds(rows, NEAR_FOLDS, rng), tally.shrink, PENALTIES, PENALTIES)
        penalty, carried_penalty = near.penalty, near.carried_penalty
        weights = weigh(near.levels, scores - near.base, weights)
        near_score = near.base + weights.of(near.levels)
        noise = _mean_square(scores - near_score, counted)
        near_maps = _maps(near_score, scores, counted)
        if group is not None:
            fold = folds(int(group.max()) + 1, FAR_FOLDS, rng)[group]
            far = _without(table, fold, tally.shrink, (penalty,), PENALTIES)
            levels = [*far.levels[:3], far.levels[3] + far.base - far.level, *far.by_kin]
            far_left = scores - far.level
            worth = min(1.0, TASK_TELLS * (int(group.max()) + 1) / rows)
            far_weights = weigh(levels, far_left, FAR, FAR_WIDTHS, worth)
            far_score = far.level + far_weights.of(levels)
            unknown = spread_between(scores - far_score, group)
            far_map = _map(far_score, scores, counted)
            map_gate = gate(near.close, far.close)
    full = (points if given is None else points * counted.max(axis=1)[:, None]).T @ points
    weighed = None if given is None else counted
    return Fitted(
        coefficients=ridges(points, left, (penalty,), weighed)[0] if seen.any() else np.zeros((DIMS, models)),
        carried=ridges(form, over, (carried_penalty,), weighed)[0]
        if seen.any()
        else np.zeros((CARRIED, models)),
        akin=kin.akin(points, task, len(tally.rows)),
        gram=full,
        penalty=penalty,
        carried_penalty=carried_penalty,
        scale=scale,
        words=lexical.solve(view, value, left, np.ones(rows, np.bool_), LEXICAL_PENALTY, counted),
        left=left.astype(np.float32),
        near=weights,
        far=far_weights,
        gate=map_gate,
        maps=np.concatenate([near_maps, far_map[None]]),
        noise=noise,
        unknown=unknown,
    )


class Table(NamedTuple):
    """What is learned from."""

    view: View
    value: F32
    points: F64
    task: Ints
    named: kin.Named
    scores: F64
    counted: F64
    """What each counts; 0 where nothing was seen."""
    even: bool
    """All that were seen count 1."""
    prior: F64


class Without(NamedTuple):
    """What was said of each row by levels that had not seen its fold."""

    level: F64
    base: F64
    levels: list[F64]
    """As `Weights` wants them: linear, lexical, memory, carried and kin by words and form, over `base`."""
    by_kin: list[F64]
    """What is expected of a task that nobody knows, over `level`: by words, form and name."""
    close: F64
    penalty: float
    carried_penalty: float


def _without(
    table: Table, fold: Ints, shrink: Shrink, penalties: Sequence[float], carried: Sequence[float]
) -> Without:
    """Everything anew for each fold, from the tasks' means up: were these to know a row's own outcome, all
    that is learned from what they leave would point away from it.
    """
    view, value, points, task, names, scores, counted, even, prior = table
    shape = scores.shape
    linear, form = [np.zeros(shape) for _ in penalties], [np.zeros(shape) for _ in carried]
    words, memories, base, levels, about, alike = (np.zeros(shape) for _ in range(6))
    by_kin = [np.zeros(shape) for _ in range(3)]
    close = np.zeros((len(scores), 2))
    like = names.table(int(task.max()) + 1)
    vectors, places = np.asarray(points[:, -STATIC_DIMS:], np.float32), vectors_of(points)
    for one in np.unique(fold):
        out, kept = fold == one, fold != one
        tally = Tally(int(task.max()) + 1, shape[1])
        tally.shrink = shrink
        weights = counted[kept]
        weighed = None if even else weights
        tally.add(task[kept], scores[kept], weights)
        level = tally.levels(prior)
        left = np.full(shape, np.nan)
        left[kept] = scores[kept] - tally.without_own(task[kept], scores[kept], weights, level, shrink)
        means = tally.base(level)
        levels[out], base[out] = level, means[task[out]]
        akin = kin.expected(points[out], kin.akin(points[kept], task[kept], len(means)), means)
        about[out], alike[out] = akin[:, 0], akin[:, 1]
        told = names.told(means, tally.rows, level).of(like[task[out]])
        for kept_level, one_level in zip(by_kin, kin.levels(level, akin, told), strict=True):
            kept_level[out] = one_level
        for said, found in zip(linear, ridges(points[kept], left[kept], penalties, weighed), strict=True):
            said[out] = points[out] @ found
        over = scores[kept] - level
        for said, found in zip(form, ridges(points[kept, :CARRIED], over, carried, weighed), strict=True):
            said[out] = points[out, :CARRIED] @ found
        found_words = lexical.solve(view, value, left, kept, LEXICAL_PENALTY, counted)
        words[out] = lexical.say(view, value, found_words)[out]
        memories[out], close[out, 0] = memory.near(vectors[out], vectors[kept], left[kept].astype(np.float32))
        close[out, 1] = -distance(places[out], clusters(points[kept], 0))
    at = _best(linear, scores - base, counted)
    over_at = _best(form, scores - levels, counted)
    stacked = [linear[at], words, memories, form[over_at] + levels - base, about - base, alike - base]
    return Without(levels, base, stacked, by_kin, close, penalties[at], carried[over_at])


def _best(said: list[F64], came: F64, counted: F64) -> int:
    """Which of the attempts is nearest: in how models differ, where that can be seen."""
    errors = []
    for one in said:
        wrong = came - one
        errors.append(float(np.nansum(counted * (wrong - _row_mean(wrong)) ** 2)))
    return int(np.argmin(errors))


def _mean_square(wrong: F64, counted: F64) -> float:
    return float(np.nansum(counted * wrong**2) / counted.sum())


def _row_mean(values: F64) -> F64:
    seen = np.isfinite(values)
    # A row with one outcome has no difference to others: it counts as it is.
    many = seen.sum(axis=1, keepdims=True)
    mean = np.where(seen, values, 0.0).sum(axis=1, keepdims=True) / np.maximum(many, 1)
    return np.asarray(np.where(many > 1, mean, 0.0))


def _groups(task: Ints, points: F64, seed: int) -> Ints | None:
    """What counts as a whole task when trying what carries over; None when there are too few kinds."""
    _, group = np.unique(task, return_inverse=True)
    if group.max() + 1 >= FAR_FOLDS:
        return np.asarray(group)
    middles = clusters(points, seed)
    if len(middles) < FAR_FOLDS:
        return None
    return nearest(np.asarray(points[:, 1:], np.float32), middles)


def _map(said: F64, scores: F64, counted: F64) -> F64:
    """The map for the mean over models of a request, as far as they were seen."""
    seen = np.isfinite(scores)
    many = seen.sum(axis=1)
    rows = many > 0
    kept = np.where(seen, said, 0.0).sum(axis=1)[rows] / many[rows]
    came = np.nansum(scores[rows], axis=1) / many[rows]
    return calibrate.fitted(kept, came, counted[rows].max(axis=1))


def _maps(said: F64, scores: F64, counted: F64) -> F64:
    """A map for each model with enough outcomes, the pooled one for the others, and the pooled one."""
    seen = np.isfinite(scores)
    pooled = calibrate.fitted(said[seen], scores[seen], counted[seen])
    maps = np.repeat(pooled[None], scores.shape[1] + 1, axis=0)
    for column in range(scores.shape[1]):
        mine = seen[:, column]
        if mine.sum() >= calibrate.OWN_LEAST:
            maps[column] = calibrate.fitted(said[mine, column], scores[mine, column], counted[mine, column])
    return maps
