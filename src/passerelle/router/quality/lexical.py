"""The lexical level: which words and pieces of words go with better or worse outcomes.

A ridge over 8,192 hashed buckets weighted by rarity. In batch it is solved by some conjugate gradients,
which is a shrinkage of its own; online each outcome moves the weights by one step of the same kernel's mean,
which is the ridge's limit for a strong penalty, and a strong one is what outcomes ask for.
"""

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from passerelle.router.embed import BUCKETS
from passerelle.router.quality.base import Bools
from passerelle.router.quality.linear import F64
from passerelle.router.quality.view import F32, View

_STEPS = 6
_ROWS = 64
"""Requests at once: all words of all of them times all models would be a hundred megabytes."""


def rarity(view: View) -> F32:
    """What a bucket weighs: the rarer the more; one that was seen less than twice, nothing."""
    rows = len(view)
    often = np.bincount(view.bucket, minlength=BUCKETS)
    weight = np.log((1 + rows) / (1 + often)) + 1
    return np.where(often >= 2, weight, 0.0).astype(np.float32)


def say(view: View, value: F32, weights: F32) -> F64:
    """n×m: what the words say. `value` is `view.weighed(…)`."""
    if len(view) == 1:
        return np.asarray((value @ weights.take(view.bucket, 0))[None], np.float64)
    said = np.empty((len(view), weights.shape[1]))
    for first in range(0, len(view), _ROWS):
        start = view.start[first : first + _ROWS + 1]
        held = slice(start[0], start[-1])
        running = np.zeros((start[-1] - start[0] + 1, weights.shape[1]))
        np.cumsum(value[held, None] * weights[view.bucket[held]], axis=0, out=running[1:], dtype=np.float64)
        sums = running[start - start[0]]
        said[first : first + _ROWS] = sums[1:] - sums[:-1]
    return said


def solve(view: View, value: F32, targets: F64, rows: Bools, penalty: float, weights: F64) -> F32:
    """Weights, `BUCKETS`×m, of a ridge on the `rows` marked; NaN targets are left out, and each of the others
    counts as `weights` say.
    """
    used = np.where(np.isfinite(targets) & rows[:, None], weights, 0.0).astype(np.float32)
    goal = used * np.nan_to_num(targets).astype(np.float32)
    # Models × buckets: what is added up block by block lies in rows.
    rest = _back(view, value, lambda held, _: goal[held])
    found = np.zeros(rest.shape)
    along = rest.copy()
    size = np.einsum("ij,ij->i", rest, rest)
    for _ in range(_STEPS):
        short = along.astype(np.float32).T
        turned = _back(view, value, partial(_left, used, short))
        turned += penalty * along
        length = size / (np.einsum("ij,ij->i", along, turned) + 1e-12)
        found += along * length[:, None]
        rest -= turned * length[:, None]
        fresh = np.einsum("ij,ij->i", rest, rest)
        along = rest + along * (fresh / (size + 1e-12))[:, None]
        size = fresh
    return np.ascontiguousarray(found.T, np.float32)


def _back(view: View, value: F32, left: Callable[[slice, F32], F32]) -> F64:
    """m×`BUCKETS`: Xᵀ·left, turned. `left(rows, X of these)` gives rows×m."""
    parts = (left(held, block).T @ block for held, block in _blocks(view, value))
    total = next(parts)
    for part in parts:
        total += part
    return np.asarray(total, np.float64)


def _left(used: F32, weights: F32, held: slice, block: F32) -> F32:
    return used[held] * (block @ weights)


def _blocks(view: View, value: F32) -> Iterator[tuple[slice, F32]]:
    """Some requests at a time, as rows of all buckets; good until the next are asked for."""
    block = np.zeros((_ROWS, BUCKETS), np.float32)
    for first in range(0, len(view), _ROWS):
        start = view.start[first : first + _ROWS + 1]
        row = np.repeat(np.arange(len(start) - 1), np.diff(start))
        bucket = view.bucket[start[0] : start[-1]]
        block[row, bucket] = value[start[0] : start[-1]]
        yield slice(first, first + _ROWS), block[: len(start) - 1]
        block[row, bucket] = 0.0
