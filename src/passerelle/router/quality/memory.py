"""The memory of neighbours: what was left unexplained by requests of nearly the same meaning.

It also tells how far a request is from everything seen. Entries hold a vector and residuals, no text, and the
oldest gives way to the newest.
"""

import numpy as np

from passerelle.router.quality.linear import F64
from passerelle.router.quality.view import F32

CAPACITY = 4096
_WIDTH = 0.08
"""Of the kernel exp((cosine − 1)/width): at a cosine of 0.9 a neighbour counts a quarter."""
_SHRINK = 1.0
"""As if this many neighbours had said nothing."""
_ROWS = 256


def near(asked: F32, kept: F32, left: F32) -> tuple[F64, F64]:
    """(n×m residuals of the neighbours, n greatest cosines). NaN residuals are left out."""
    seen = np.isfinite(left)
    return _near(asked, kept, np.nan_to_num(left), None if seen.all() else seen.astype(np.float32))


def _near(asked: F32, kept: F32, filled: F32, counted: F32 | None) -> tuple[F64, F64]:
    out = np.zeros((len(asked), filled.shape[1]))
    top = np.full(len(asked), -1.0)
    if not len(kept):
        return out, top
    for first in range(0, len(asked), _ROWS):
        last = min(first + _ROWS, len(asked))
        cosine = asked[first:last] @ kept.T
        top[first:last] = cosine.max(axis=1)
        cosine -= np.float32(1)
        cosine *= np.float32(1 / _WIDTH)
        weight = np.exp(cosine, out=cosine)
        total = weight.sum(axis=1, keepdims=True) if counted is None else weight @ counted
        out[first:last] = weight @ filled / (total + np.float32(_SHRINK))
    return out, top


class Memory:
    """The last `CAPACITY` requests that were learned from."""

    def __init__(self, vectors: F32, left: F32, start: int = 0) -> None:
        self.next = start
        """Where the next one goes, once it is full."""
        self.size = len(vectors)
        room = min(CAPACITY, max(256, self.size))
        self._vectors = np.zeros((room, vectors.shape[1]), np.float32)
        self._vectors[: self.size] = vectors
        seen = np.isfinite(left)
        self._filled = np.zeros((room, left.shape[1]), np.float32)
        self._filled[: self.size] = np.nan_to_num(left)
        self._counted = np.zeros((room, left.shape[1]), np.float32)
        self._counted[: self.size] = seen
        self._whole = bool(seen.all())

    @property
    def vectors(self) -> F32:
        """size×d."""
        return self._vectors[: self.size]

    @property
    def left(self) -> F32:
        """size×m, NaN where nothing is known."""
        return np.where(self._counted[: self.size] > 0, self._filled[: self.size], np.float32(np.nan))

    def near(self, asked: F32) -> tuple[F64, F64]:
        """See `near`."""
        counted = None if self._whole else self._counted[: self.size]
        return _near(asked, self.vectors, self._filled[: self.size], counted)

    def put(self, vector: F32, model: int, left: float) -> None:
        """Remember one more outcome."""
        if self.size < CAPACITY:
            if self.size == len(self._vectors):
                more = min(self.size, CAPACITY - self.size)
                self._vectors, self._filled, self._counted = (
                    np.concatenate([one, np.zeros((more, one.shape[1]), np.float32)])
                    for one in (self._vectors, self._filled, self._counted)
                )
            place = self.size
            self.size += 1
        else:
            place, self.next = self.next, (self.next + 1) % CAPACITY
        self._vectors[place] = vector
        self._filled[place], self._counted[place] = 0.0, 0.0
        self._filled[place, model], self._counted[place, model] = left, 1.0
        self._whole = False

    def forget(self, model: int) -> None:
        """Nothing that was remembered of this model holds any more."""
        self._filled[:, model] = self._counted[:, model] = 0.0
        self._whole = False

    def widen(self) -> None:
        """Room for one more model."""
        self._filled, self._counted = (
            np.concatenate([one, np.zeros((len(one), 1), np.float32)], axis=1)
            for one in (self._filled, self._counted)
        )
        self._whole = False
