"""Whether predictions mean what they say.

ECE    predictions in ten bins of equal width; the distance between mean prediction and mean outcome of
       each bin, weighted by what it holds (Guo et al., "On Calibration of Modern Neural Networks",
       arXiv 1706.04599, section 2, read 2026-11-22)
Brier  the mean square of prediction − outcome
AUC    how often a prompt the model got right (score ≥ 0.5) is predicted above one it got wrong
"""

import msgspec
import numpy as np

from passerelle.router.evaluate.outcomes import Floats

BINS = 10


class Bin(msgspec.Struct, frozen=True):
    """One bin of a reliability diagram."""

    count: int
    predicted: float
    seen: float


def bins(predicted: Floats, seen: Floats) -> list[Bin]:
    """The bins that hold something, from low to high."""
    place = np.minimum((predicted * BINS).astype(np.intp), BINS - 1)
    return [
        Bin(int(held.sum()), float(predicted[held].mean()), float(seen[held].mean()))
        for held in (place == b for b in range(BINS))
        if held.any()
    ]


def ece(predicted: Floats, seen: Floats, weights: Floats) -> Floats:
    """The expected calibration error under each of B weightings (B×n)."""
    place = np.minimum((predicted * BINS).astype(np.intp), BINS - 1)
    inside = place[:, None] == np.arange(BINS)
    apart = weights @ (inside * (predicted - seen)[:, None])
    return np.asarray(np.abs(apart).sum(axis=1) / weights.sum(axis=1))


def brier(predicted: Floats, seen: Floats, weights: Floats) -> Floats:
    """The mean squared error under each of B weightings."""
    return np.asarray(weights @ (predicted - seen) ** 2 / weights.sum(axis=1))


def auc(predicted: Floats, seen: Floats, weights: Floats) -> Floats:
    """The area under the ROC curve under each of B weightings; NaN where all are right, or all are wrong."""
    right = seen >= 0.5
    wrong = np.flatnonzero(~right)
    wrong = wrong[np.argsort(predicted[wrong], kind="stable")]
    ordered = predicted[wrong]
    below = np.searchsorted(ordered, predicted[right], side="left")
    up_to = np.searchsorted(ordered, predicted[right], side="right")
    passed = np.zeros((len(weights), len(wrong) + 1))
    np.cumsum(weights[:, wrong], axis=1, out=passed[:, 1:])
    positive = weights[:, right]
    won = (positive * (passed[:, below] + passed[:, up_to])).sum(axis=1) / 2
    both = positive.sum(axis=1) * passed[:, -1]
    return np.asarray(won / np.where(both > 0, both, np.nan))
