"""Two models: what quality is bought by each share of requests that goes to the stronger one.

RouteLLM's figures (Ong et al., "RouteLLM: Learning to Route LLMs with Preference Data", arXiv 2406.18665,
section 3.3, read 2026-11-22), from the exact curve instead of ten thresholds:

    PGR(x)   (score with a share x of calls to the strong model − weak alone) / (strong alone − weak alone)
    APGR     the area under PGR; 0.5 for chance, above 1 possible where the weak model wins some prompts
    CPT(p)   the smallest share x at which PGR reaches p

Requests that a router does not tell apart go over together, so that chance is exactly a straight line.
"""

import numpy as np

from passerelle.router.evaluate.outcomes import Floats, Ints


class Curve:
    """Requests in the order in which a router would send them to the strong model."""

    def __init__(self, leaning: Floats, gain: Floats) -> None:
        """`leaning`: the larger, the sooner. `gain`: what the strong model scores more, per request."""
        self.order: Ints = np.argsort(-leaning, kind="stable")
        ordered = leaning[self.order]
        self._ends = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True))
        self._gain = gain[self.order]

    def points(self, weights: Floats) -> tuple[Floats, Floats]:
        """Shares of calls x and PGR(x), for each of B weightings of the requests (B×n): two arrays B×(k+1).

        PGR is NaN where the strong model is no better than the weak one.
        """
        w = weights[:, self.order]
        calls = np.cumsum(w, axis=1)[:, self._ends]
        gained = np.cumsum(w * self._gain, axis=1)[:, self._ends]
        gap = gained[:, -1:]
        gap = np.where(gap > 0, gap, np.nan)
        start = np.zeros((len(w), 1))
        return np.hstack([start, calls / calls[:, -1:]]), np.hstack([start, gained / gap])


def apgr(x: Floats, pgr: Floats) -> Floats:
    """The area under each curve."""
    return np.asarray(((pgr[:, 1:] + pgr[:, :-1]) / 2 * np.diff(x, axis=1)).sum(axis=1))


def cpt(x: Floats, pgr: Floats, recovered: float) -> Floats:
    """The smallest share of calls, in per cent, at which `recovered` (0.5, 0.8) of the gap is recovered."""
    reached = pgr >= recovered
    at = np.maximum(np.argmax(reached, axis=1), 1)
    rows = np.arange(len(x))
    low, high = pgr[rows, at - 1], pgr[rows, at]
    with np.errstate(invalid="ignore", divide="ignore"):
        part = np.clip((recovered - low) / (high - low), 0, 1)
    found = x[rows, at - 1] + part * (x[rows, at] - x[rows, at - 1])
    return np.asarray(np.where(reached.any(axis=1), 100 * found, np.nan))


def ranked_within(leaning: Floats, sizes: list[int]) -> Floats:
    """The rank of each request within its own fold, in (0, 1), equals sharing the middle one.

    Folds are learned from different rows, so their levels differ a little, and always against the fold: a
    fold whose strong model wins more often was learned from others where it wins less. Ranks put each fold
    on its own threshold, and leave nothing of that.
    """
    made = np.empty_like(leaning)
    start = 0
    for size in sizes:
        part = leaning[start : start + size]
        _, which, counts = np.unique(part, return_inverse=True, return_counts=True)
        middle = np.cumsum(counts) - counts / 2
        made[start : start + size] = middle[which] / size
        start += size
    return made


def thinned(x: Floats, pgr: Floats, points: int = 201) -> list[tuple[float, float]]:
    """One curve at even shares of calls, for drawing."""
    grid = np.linspace(0, 1, points)
    drawn = np.interp(grid, x, pgr)
    return [(round(float(a), 5), round(float(b), 5)) for a, b in zip(grid, drawn, strict=True)]
