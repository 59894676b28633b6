"""From a score to a probability: a map that only rises, learned from predictions made without the outcome.

Pool-adjacent-violators (Ayer et al., "An Empirical Distribution Function for Sampling with Incomplete
Information", 1955) in bins, blended with the identity by how much data there is, so it never flattens into
steps that routing would stumble over.
"""

from collections.abc import Sequence

import numpy as np

from passerelle.router.quality.linear import F64

_BINS = 15
GRID = 65
"""A map is its values at so many even steps from 0 to 1."""
OWN_LEAST = 200
"""Outcomes of a model from which it has a map of its own; below, all models share one."""
_PULL = 60.0
"""As if this many outcomes per bin had fallen exactly where predicted."""


def plain() -> F64:
    """The map that changes nothing."""
    return np.linspace(0.0, 1.0, GRID)


def fitted(said: F64, came: F64, weights: F64 | None = None) -> F64:
    """The map for predictions `said` of which `came` came true, each counting as `weights` say; None: 1."""
    if weights is None:
        weights = np.ones(len(said))
    if len(said) < 50:
        return plain()
    order = np.argsort(said, kind="stable")
    bins = np.array_split(order, min(_BINS, max(2, len(said) // 40)))
    at = np.array([said[b].mean() for b in bins])
    size = np.array([weights[b].sum() for b in bins])
    truth = np.array([(weights[b] * came[b]).sum() for b in bins])
    value = (truth + _PULL * at) / (size + _PULL)
    value = _rising(value, size)
    # Nothing is known beyond the outermost bins: the map runs on beside the identity.
    first, last = max(0.0, at[0] - 0.15), min(1.0, at[-1] + 0.15)
    source = np.concatenate([[first], at, [last]])
    goal = np.concatenate([[value[0] + first - at[0]], value, [value[-1] + last - at[-1]]])
    grid = plain()
    inside = np.interp(grid, source, goal)
    beyond = grid - np.clip(grid, source[0], source[-1])
    # A slope of a hundredth everywhere keeps what differs from tying.
    return np.asarray(0.99 * np.clip(inside + beyond, 0.0, 1.0) + 0.01 * grid)


def at(said: float, table: Sequence[float]) -> float:
    """A score through a map, into [0, 1]."""
    if said <= 0.0:
        return table[0]
    if said >= 1.0:
        return table[-1]
    place = said * (GRID - 1)
    low = int(place)
    first = table[low]
    return first + (table[low + 1] - first) * (place - low)


def _rising(value: F64, size: F64) -> F64:
    """The nearest sequence that never falls."""
    blocks: list[tuple[float, float, int]] = []
    for v, s in zip(value, size, strict=True):
        blocks.append((float(v), float(s), 1))
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            (v1, s1, n1), (v2, s2, n2) = blocks[-2], blocks.pop()
            blocks[-1] = ((v1 * s1 + v2 * s2) / (s1 + s2), s1 + s2, n1 + n2)
    return np.concatenate([np.full(n, v) for v, _, n in blocks])
