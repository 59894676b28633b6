"""From a score to a probability: a map that only rises, learned from predictions made without their own outcome.

Pool-adjacent-violators (Ayer et al., "An Empirical Distribution Function for Sampling with Incomplete
Information", 1955) in bins, blended with the identity by how much data there is, so it never flattens ties into
steps that routing would stumble over.
"""

import numpy as np

from passerelle.router.quality.linear import F64

KNOTS = 17
OWN_LEAST = 200
"""Outcomes of a model from which it has a map of its own; below, all models share one."""
_PULL = 60.0
"""As if this many outcomes per bin had fallen exactly where predicted."""


def plain() -> F64:
    """The map that changes nothing: 2×`KNOTS`, from and to."""
    return np.tile(np.linspace(0.0, 1.0, KNOTS), (2, 1))


def fitted(said: F64, came: F64) -> F64:
    """The map for predictions `said` of which `came` came true."""
    if len(said) < 50:
        return plain()
    order = np.argsort(said, kind="stable")
    bins = np.array_split(order, min(KNOTS - 2, max(2, len(said) // 40)))
    at = np.array([said[b].mean() for b in bins])
    size = np.array([float(len(b)) for b in bins])
    truth = np.array([came[b].sum() for b in bins])
    value = (truth + _PULL * at) / (size + _PULL)
    value = _rising(value, size)
    # Nothing is known beyond the outermost bins: the map runs on beside the identity.
    first, last = max(0.0, at[0] - 0.15), min(1.0, at[-1] + 0.15)
    source = np.concatenate([[first], at, [last]])
    goal = np.concatenate([[value[0] + first - at[0]], value, [value[-1] + last - at[-1]]])
    out = np.empty((2, KNOTS))
    out[0] = np.interp(np.linspace(0, len(source) - 1, KNOTS), np.arange(len(source)), source)
    out[1] = np.clip(np.interp(out[0], source, goal), 0.0, 1.0)
    return out


def mapped(said: F64, knots: F64) -> F64:
    """`said` through the map, with a slope of a hundredth kept so that order never ties."""
    value = np.interp(said, knots[0], knots[1])
    beyond = said - np.clip(said, knots[0, 0], knots[0, -1])
    return np.asarray(np.clip(0.99 * (value + beyond) + 0.01 * np.clip(said, 0, 1), 0.0, 1.0))


def _rising(value: F64, size: F64) -> F64:
    """The nearest sequence that never falls."""
    blocks: list[tuple[float, float, int]] = []
    for v, s in zip(value, size, strict=True):
        blocks.append((float(v), float(s), 1))
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            (v1, s1, n1), (v2, s2, n2) = blocks[-2], blocks.pop()
            blocks[-1] = ((v1 * s1 + v2 * s2) / (s1 + s2), s1 + s2, n1 + n2)
    return np.concatenate([np.full(n, v) for v, _, n in blocks])
