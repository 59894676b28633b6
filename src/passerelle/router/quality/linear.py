"""The linear level: ridge regression of what the task does not explain, on figures and static vector.

The figures enter twice: as they are, and through random Fourier features of a Gaussian kernel (Rahimi and
Recht, "Random Features for Large-Scale Kernel Machines", NIPS 2007), which let the heads bend. In trying,
the bent figures alone ranked two models as well as TF-IDF over all words did.

`Head.learn` is recursive least squares: after any number of outcomes the coefficients are those of the batch
solution with the same weights, and forgetting multiplies the weight of the past.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from passerelle.router.embed import STATIC_DIMS
from passerelle.router.quality.view import F32, FIGURES

F64 = NDArray[np.float64]
Ints = NDArray[np.int64]
BENT = 128
CARRIED = 1 + FIGURES + BENT
"""The first of the dimensions, which know the form of a request and not its subject."""
DIMS = CARRIED + STATIC_DIMS
_FIGURE_SHARE = 0.3
_PLAIN_SIZE, _BENT_SIZE = np.float32(np.sqrt(_FIGURE_SHARE / FIGURES)), np.float32(np.sqrt(2 / BENT))
_WIDEST = 4.0  # standard deviations: one odd prompt must not pull a line


def squares(vectors: F32) -> F32:
    """Of each row the squared length. In this way since `einsum` takes four times as long for one row."""
    return np.asarray(np.add.reduce(vectors * vectors, axis=1), np.float32)


class Space:
    """How figures and vectors become the `DIMS` numbers that heads are linear in."""

    def __init__(self, mean: F32, scale: F32, centre: F32) -> None:
        self.mean, self.scale, self.centre = mean, scale, centre
        rng = np.random.Generator(np.random.PCG64(20261122))
        self._waves = (rng.standard_normal((FIGURES, BENT)) / np.sqrt(FIGURES)).astype(np.float32)
        self._phase = (rng.random(BENT) * 2 * np.pi).astype(np.float32)

    @classmethod
    def around(cls, figures: F32, static: F32) -> "Space":
        """The space whose middle and width are those of these requests."""
        # A figure that never varied says nothing yet; its width is kept from blowing up what comes later.
        return cls(figures.mean(axis=0), np.maximum(figures.std(axis=0), 0.05), static.mean(axis=0))

    def of(self, figures: F32, static: F32) -> F32:
        """n×`DIMS`."""
        plain = figures - self.mean
        plain /= self.scale
        np.minimum(plain, _WIDEST, out=plain)
        np.maximum(plain, -_WIDEST, out=plain)
        vector = static - self.centre
        bent = plain @ self._waves
        bent += self._phase
        np.cos(bent, out=bent)
        out = np.empty((len(figures), DIMS), np.float32)
        out[:, 0] = 1.0
        np.multiply(plain, _PLAIN_SIZE, out=out[:, 1 : 1 + FIGURES])
        np.multiply(bent, _BENT_SIZE, out=out[:, 1 + FIGURES : CARRIED])
        length = np.sqrt(squares(vector))[:, None] + np.float32(1e-9)
        np.divide(vector, length, out=out[:, CARRIED:])
        return out


def ridges(points: F64, targets: F64, penalties: Sequence[float], weights: F64 | None = None) -> list[F64]:
    """For each penalty, coefficients for each column of `targets`; NaN is what was not seen. `weights` are of
    their shape, or 1.
    """
    out = [np.zeros((points.shape[1], targets.shape[1])) for _ in penalties]
    seen = np.isfinite(targets)
    done = np.zeros(targets.shape[1], np.bool_)
    for column in range(targets.shape[1]):
        if done[column]:
            continue
        alike = ~done & (seen == seen[:, column, None]).all(axis=0)
        if weights is not None:
            alike &= (weights == weights[:, column, None]).all(axis=0)
        done |= alike
        used = points[seen[:, column]]
        weighed = used if weights is None else used * weights[seen[:, column], column, None]
        gram, aim = weighed.T @ used, weighed.T @ targets[seen[:, column]][:, alike]
        for found, penalty in zip(out, penalties, strict=True):
            found[:, alike] = np.linalg.solve(gram + penalty * np.eye(len(gram)), aim)
    return out


def inverse(gram: F64, penalty: float) -> F64:
    """What a head's `spread` is after outcomes at points of this Gram matrix."""
    return np.asarray(np.linalg.inv(gram + penalty * np.eye(len(gram))), np.float64)


class Head:
    """One model's coefficients, and the inverse of what they rest on, shared until it changes."""

    def __init__(self, coefficients: F64, spread: F64) -> None:
        self.coefficients, self.spread = coefficients, spread
        self._own = False

    @classmethod
    def blank(cls, dims: int, penalty: float, coefficients: F64 | None = None) -> "Head":
        """Before any outcome: nothing, or what another head says."""
        start = np.zeros(dims) if coefficients is None else coefficients.copy()
        return cls(start, np.eye(dims) / penalty)

    def learn(self, point: F64, target: float, *, weight: float = 1.0, keep: float = 1.0) -> None:
        """One more outcome, the past multiplied by `keep`. O(d²)."""
        if not self._own:
            self.spread, self._own = self.spread.copy(), True
        if keep < 1.0:
            self.spread /= keep
        reach = self.spread @ point
        gain = reach * (weight / (1.0 + weight * float(point @ reach)))
        self.coefficients += gain * (target - float(point @ self.coefficients))
        self.spread -= np.outer(gain, reach)

    def leverage(self, points: F64) -> F64:
        """xᵀA⁻¹x for each row: how little was learned in its direction."""
        return np.asarray(((points @ self.spread) * points).sum(axis=1))

    def loosen(self, share: float, penalty: float) -> None:
        """Keep this share of what it rests on: after a change, new outcomes count for more."""
        self.spread = (
            np.minimum(share, 1.0) * np.eye(len(self.coefficients)) / penalty + (1 - share) * self.spread
        )
        self._own = True
