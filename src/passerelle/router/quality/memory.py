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


def near(
    asked: F32, kept: F32, left: F32, *, apart: np.ndarray | None = None, groups: np.ndarray | None = None  # type: ignore[type-arg]
) -> tuple[F64, F64]:
    """(n×m residuals of the neighbours, n greatest cosines). With `apart` and `groups`, entries of a row's own
    group are not looked at.
    """
    out = np.zeros((len(asked), left.shape[1]))
    top = np.full(len(asked), -1.0)
    if not len(kept):
        return out, top
    seen = np.isfinite(left)
    whole = bool(seen.all())
    filled = np.nan_to_num(left)
    counted = seen.astype(np.float32)
    for first in range(0, len(asked), _ROWS):
        last = min(first + _ROWS, len(asked))
        cosine = asked[first:last] @ kept.T
        if apart is not None and groups is not None:
            cosine[apart[first:last, None] == groups] = -1.0
        top[first:last] = cosine.max(axis=1)
        weight = np.exp((cosine - np.float32(1)) * np.float32(1 / _WIDTH))
        total = weight.sum(axis=1, keepdims=True) if whole else weight @ counted
        out[first:last] = weight @ filled / (total + np.float32(_SHRINK))
    return out, top


class Memory:
    """The last `CAPACITY` requests that were learned from."""

    def __init__(self, models: int, dims: int) -> None:
        self.vectors: F32 = np.zeros((0, dims), np.float32)
        self.left: F32 = np.zeros((0, models), np.float32)
        self.next = 0
        """Where the next one goes, once it is full."""

    def put(self, vector: F32, left: F32) -> None:
        """Remember one more."""
        if len(self.vectors) < CAPACITY:
            self.vectors = np.concatenate([self.vectors, vector[None]])
            self.left = np.concatenate([self.left, left[None]])
            return
        self.vectors[self.next], self.left[self.next] = vector, left
        self.next = (self.next + 1) % CAPACITY

    def widen(self) -> None:
        """Room for one more model."""
        self.left = np.concatenate([self.left, np.full((len(self.left), 1), np.nan, np.float32)], axis=1)
