"""Paired bootstrap intervals: the same drawn prompts for every router, so that differences have them too."""

import msgspec
import numpy as np

from passerelle.router.evaluate.outcomes import Floats, Ints

LEVEL = 95.0


class Figure(msgspec.Struct, frozen=True):
    """A measured number with its 95 % interval. None: it was not reached."""

    value: float | None
    low: float | None = None
    high: float | None = None
    spread: float | None = None
    """The standard deviation over seeds: what the choice of rows to learn from does to it."""


def weights(same: Ints, resamples: int, seed: int = 0) -> Floats:
    """(1 + `resamples`)×n: how often each row was drawn. The first line is the data as they are.

    Rows of the same words are drawn together, since they are one observation.
    """
    rng = np.random.default_rng([seed, 0xB007])
    count = int(same.max()) + 1
    drawn = rng.multinomial(count, np.full(count, 1 / count), size=resamples)
    return np.concatenate([np.ones((1, len(same))), drawn[:, same].astype(np.float64)])


def figure(by_seed: list[Floats]) -> Figure:
    """The mean over seeds, and what it is under each resampling. Each array: the figure, then resamples."""
    stacked = np.stack(by_seed)
    with np.errstate(invalid="ignore"):
        mean = stacked.mean(axis=0)
        value = _plain(mean[0])
        spread = None
        if value is not None and len(stacked) > 1:
            spread = float(stacked[:, 0].std(ddof=1))
    others = mean[1:]
    if value is None or not len(others):
        return Figure(value, spread=spread)
    # −inf (never reached) sorts below everything; NaN (undefined in this resampling) is left out.
    held = np.sort(others[~np.isnan(others)])
    if not len(held):
        return Figure(value, spread=spread)
    tail = (100 - LEVEL) / 200
    last = len(held) - 1
    low, high = held[round(tail * last)], held[round((1 - tail) * last)]
    return Figure(value, _plain(low), _plain(high), spread)


def difference(ours: list[Floats], theirs: list[Floats]) -> Figure:
    """Ours − theirs under the same resamplings."""
    return figure([a - b for a, b in zip(ours, theirs, strict=True)])


def _plain(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
