"""Which model is chosen from predictions, and which models play which part."""

import msgspec
import numpy as np

from passerelle.router.evaluate.contenders import overall
from passerelle.router.evaluate.outcomes import Floats, Ints, Outcomes

WINDOWS = {"quality": 0.0, "balanced": 0.015, "cost": 0.055}
"""The modes of `smart`: the cheapest within so much of the best predicted quality."""


class Field(msgspec.Struct, frozen=True):
    """Which models play which part; fixed before anything is resampled."""

    best: int
    cheapest: int
    strong: int | None
    weak: int | None


class NoContest(ValueError):
    """The data leave nothing to choose; says why."""


def field(data: Outcomes, pair: tuple[str, str] | None = None) -> Field:
    """The best single model, the cheapest (without costs: the weakest), and the pair to be told apart."""
    whole = data.whole()
    means = overall(data.scores[whole])
    best = int(np.argmax(means))
    if data.costs is not None:
        spent = data.costs[whole].mean(axis=0)
        cheapest = int(np.lexsort((-means, spent))[0])
    else:
        cheapest = int(np.argmin(means))
    strong, weak = best, cheapest
    if pair is not None:
        strong, weak = data.models.index(pair[0]), data.models.index(pair[1])
    elif len(data.models) == 2:
        weak = 1 - best
    if means[strong] <= means[weak]:
        if pair is not None:
            raise NoContest(
                f"`{pair[0]}` scores {means[strong]:.3f}, no more than `{pair[1]}` with {means[weak]:.3f}: "
                "there is no gap to recover. Give the stronger one first in `--pair`"
            )
        return Field(best, cheapest, None, None)
    return Field(best, cheapest, strong, weak)


def chosen(predicted: Floats, costs: Floats | None, window: float) -> Ints:
    """The cheapest within the window of the best predicted; without costs, the best."""
    if costs is None:
        return np.asarray(np.argmax(predicted, axis=1))
    near = predicted >= predicted.max(axis=1, keepdims=True) - window - 1e-12
    # Of equally cheap ones the better: a point of quality weighs a hundred-millionth of the dearest price.
    scale = float(costs.max()) or 1.0
    return np.asarray(np.argmin(np.where(near, costs - 1e-6 * scale * predicted, np.inf), axis=1))
