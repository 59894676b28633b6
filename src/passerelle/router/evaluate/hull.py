"""Many models with costs: what quality is bought at each cost.

RouterBench's figure (Hu et al., "RouterBench: A Benchmark for Multi-LLM Routing System", arXiv 2403.12031,
section 3, read 2026-11-22). A router is asked at many prices of money λ, each giving a mean cost and a mean
score. Between two of these points it can be mixed, so it is judged by their non-decreasing convex hull:

    AIQ          the area under the hull from the cheapest model's cost to the dearest's, over that range
    zero router  the hull of the models themselves: what is reached by tossing coins between two of them
    gap closed   (AIQ − zero's) / (oracle's − zero's)
    saving(p)    1 − (the cost at which the hull reaches p of the best single model's score) / (its cost)

The cheapest model belongs to every hull: any router can be told to use nothing else.
"""

import numpy as np

from passerelle.router.evaluate.outcomes import Floats, Ints

SWEEP = 61
"""Prices of money tried, from one that hardly matters to one that leaves only the cheapest."""


def choices(quality: Floats, cost: Floats) -> Ints:
    """n×`SWEEP`: the model chosen for each request at each λ, from predicted quality and cost (n×m).

    The first column is quality alone, the cheaper of equals; the last is cost alone, the better of equals.
    """
    scale = float(np.mean(cost.max(axis=1) - cost.min(axis=1))) or 1.0
    relative = cost / scale
    prices = np.concatenate([[1e-9], np.geomspace(1e-3, 1e2, SWEEP - 2), [1e9]])
    chosen = [np.argmax(quality - price * relative, axis=1) for price in prices]
    return np.stack(chosen, axis=1)


def hull(costs: Floats, scores: Floats) -> tuple[Floats, Floats]:
    """The corners of the non-decreasing convex hull of points, by rising cost."""
    corners: list[tuple[float, float]] = []
    best = -np.inf
    for at in np.lexsort((-scores, costs)):
        cost, score = float(costs[at]), float(scores[at])
        if score <= best:
            continue
        best = score
        while len(corners) >= 2:
            (c1, s1), (c2, s2) = corners[-2], corners[-1]
            if (s2 - s1) * (cost - c1) > (score - s1) * (c2 - c1):
                break
            corners.pop()
        corners.append((cost, score))
    made = np.array(corners)
    return made[:, 0], made[:, 1]


def aiq(corners: tuple[Floats, Floats], low: float, high: float) -> float:
    """The area under a hull from cost `low` to `high`, over the range: a mean score. Flat beyond the ends."""
    costs, scores = corners
    if high <= low:
        return float(np.interp(low, costs, scores))
    inside = costs[(costs > low) & (costs < high)]
    at = np.concatenate([[low], inside, [high]])
    value = np.interp(at, costs, scores)
    return float(((value[1:] + value[:-1]) / 2 * np.diff(at)).sum() / (high - low))


def cost_at(corners: tuple[Floats, Floats], score: float) -> float:
    """The least cost at which a hull reaches `score`; infinite where it never does."""
    costs, scores = corners
    if score > scores[-1] + 1e-12:
        return float("inf")
    return float(np.interp(min(score, scores[-1]), scores, costs))


def predicted_costs(train: Floats, lengths: Floats, test_lengths: Floats) -> Floats:
    """Costs nobody has seen yet: per model a straight line over the prompt's length, learned from others'.

    A router does not know what an answer will cost; to choose by the cost that it did have would be to peek.
    """
    made = np.empty((len(test_lengths), train.shape[1]))
    for model in range(train.shape[1]):
        seen = ~np.isnan(train[:, model])
        y, x = train[seen, model], lengths[seen]
        if not len(y):
            made[:, model] = np.nanmax(train)  # nothing is known of it: as dear as the dearest
            continue
        spread = float(((x - x.mean()) ** 2).sum())
        slope = float(((x - x.mean()) * (y - y.mean())).sum() / spread) if spread > 0 else 0.0
        made[:, model] = np.maximum(y.mean() + max(slope, 0.0) * (test_lengths - x.mean()), 0.0)
    return made
