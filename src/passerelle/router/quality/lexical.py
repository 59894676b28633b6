"""The lexical level: which words and pieces of words go with better or worse outcomes.

A ridge over 8,192 hashed buckets weighted by rarity. In batch it is solved by some conjugate gradients,
which is a shrinkage of its own; online each outcome moves the weights by one step of the same kernel's mean,
which is the ridge's limit for a strong penalty, and a strong one is what outcomes ask for.
"""

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
    used = np.where(np.isfinite(targets) & rows[:, None], weights, 0.0)
    goal = used * np.nan_to_num(targets)
    bucket = view.bucket.astype(np.int64)
    row = np.repeat(np.arange(len(view)), np.diff(view.start))

    def back(left: F64) -> F64:
        """Xᵀ·left."""
        columns = [np.bincount(bucket, value * left[row, c], minlength=BUCKETS) for c in range(left.shape[1])]
        return np.stack(columns, axis=1)

    found = np.zeros((BUCKETS, goal.shape[1]))
    rest = back(goal)
    along = rest.copy()
    size = np.einsum("ij,ij->j", rest, rest)
    for _ in range(_STEPS):
        turned = back(say(view, value, along.astype(np.float32)) * used) + penalty * along
        length = size / (np.einsum("ij,ij->j", along, turned) + 1e-12)
        found += along * length
        rest -= turned * length
        fresh = np.einsum("ij,ij->j", rest, rest)
        along = rest + along * (fresh / (size + 1e-12))
        size = fresh
    return found.astype(np.float32)
