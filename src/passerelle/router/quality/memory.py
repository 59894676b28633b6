"""The memory of neighbours: what was left unexplained by requests of nearly the same meaning.

It also tells how far a request is from everything seen. Entries hold a vector and residuals, no text, and the
oldest gives way to the newest. Of a vector the beginning is kept, which serves as well (see `embed`: APGR on
MMLU .692, with all of it .693): all are looked at for every request, and reading them is what that takes. The
last 2,048 of 3,400 serve as well, too: APGR .727, with all of them .722, one seed.
"""

import math

import numpy as np

from passerelle.router.quality.linear import F64, squares
from passerelle.router.quality.view import F32

CAPACITY = 2048
KEPT_DIMS = 32
_WIDTH = 0.08
"""Of the kernel exp((cosine − 1)/width): at a cosine of 0.9 a neighbour counts a quarter."""
_SHRINK = 1.0
"""As if this many neighbours had said nothing."""
_ROWS = 256
_SHARPER, _FULL = np.float32(1 / _WIDTH), np.float32(np.exp(1 / _WIDTH))


def short(vectors: F32) -> F32:
    """What is kept of vectors: their first `KEPT_DIMS` numbers, of length 1."""
    kept = vectors[:, :KEPT_DIMS]
    return np.asarray(kept / (np.sqrt(squares(kept))[:, None] + np.float32(1e-9)))


def near(asked: F32, kept: F32, left: F32) -> tuple[F64, F64]:
    """(n×m residuals of the neighbours, n greatest cosines). NaN residuals are left out."""
    seen = np.isfinite(left)
    table = np.concatenate([np.nan_to_num(left), seen], axis=1, dtype=np.float32).T.copy()
    return _near(short(asked), short(kept), table, whole=bool(seen.all()))


def _near(asked: F32, kept: F32, table: F32, *, whole: bool) -> tuple[F64, F64]:
    """`asked` and `kept` shortened. `table`: 2·models × kept, residuals, then 1 where there is one; `whole`:
    everywhere.
    """
    models = len(table) // 2
    out = np.zeros((len(asked), models))
    top = np.zeros(len(asked)) - 1.0
    if not len(kept):
        return out, top
    for first in range(0, len(asked), _ROWS):
        last = min(first + _ROWS, len(asked))
        # exp(cosine/width) in place of exp((cosine − 1)/width): everything is greater by one factor.
        weight = (asked[first:last] * _SHARPER) @ kept.T
        top[first:last] = np.maximum.reduce(weight, axis=1)
        np.exp(weight, out=weight)
        if whole:
            said, total = weight @ table[:models].T, np.add.reduce(weight, axis=1, keepdims=True)
        else:
            both = weight @ table.T
            said, total = both[:, :models], both[:, models:]
        total += np.float32(_SHRINK) * _FULL
        out[first:last] = said / total
    top *= _WIDTH
    return out, top


def _near_one(asked: F32, kept: F32, table: F32, *, whole: bool) -> tuple[F32, F32]:
    """The same for one request, not shortened to length 1, with half the calls: they are what it takes."""
    models = len(table) // 2
    weight = kept @ (asked * np.float32(1 / _WIDTH / (math.sqrt(asked @ asked) + 1e-9)))
    top = np.maximum.reduce(weight, keepdims=True)
    top *= np.float32(_WIDTH)
    np.exp(weight, out=weight)
    if whole:
        said, total = table[:models] @ weight, np.add.reduce(weight)
    else:
        both = table @ weight
        said, total = both[:models], both[models:]
    said /= total + np.float32(_SHRINK) * _FULL
    return said[None], top


class Memory:
    """The last `CAPACITY` requests that were learned from."""

    def __init__(self, vectors: F32, left: F32, start: int = 0) -> None:
        """`vectors` shortened (size×`KEPT_DIMS`), `left` size×m with NaN where nothing is known. The oldest
        is at `start`; of more than `CAPACITY`, as a state of before may hold, the newest are kept.
        """
        if len(left) > CAPACITY:
            newest = np.roll(np.arange(len(left)), -start)[-CAPACITY:]
            vectors, left, start = vectors[newest], left[newest], 0
        self.next = start
        """Where the next one goes, once it is full."""
        self.size, self._models = left.shape
        room = min(CAPACITY, max(256, self.size))
        self._vectors = np.zeros((room, KEPT_DIMS), np.float32)
        self._vectors[: self.size] = vectors
        seen = np.isfinite(left)
        self._table = np.zeros((2 * self._models, room), np.float32)
        self._table[: self._models, : self.size] = np.nan_to_num(left).T
        self._table[self._models :, : self.size] = seen.T
        self._whole = bool(seen.all())

    @property
    def vectors(self) -> F32:
        """size×`KEPT_DIMS`."""
        return self._vectors[: self.size]

    @property
    def left(self) -> F32:
        """size×m, NaN where nothing is known."""
        residuals, known = self._table[:, : self.size].reshape(2, self._models, self.size)
        return np.where(known > 0, residuals, np.float32(np.nan)).T

    def near(self, asked: F32) -> tuple[F64 | F32, F64 | F32]:
        """See `near`."""
        table = self._table[:, : self.size]
        if len(asked) == 1 and self.size:
            return _near_one(asked[0, :KEPT_DIMS], self.vectors, table, whole=self._whole)
        return _near(short(asked), self.vectors, table, whole=self._whole)

    def put(self, vector: F32, model: int, left: float) -> None:
        """Remember one more outcome."""
        if self.size < CAPACITY:
            if self.size == len(self._vectors):
                more = min(self.size, CAPACITY - self.size)
                self._vectors = np.concatenate([self._vectors, np.zeros((more, KEPT_DIMS), np.float32)])
                room = np.zeros((len(self._table), more), np.float32)
                self._table = np.concatenate([self._table, room], axis=1)
            place = self.size
            self.size += 1
        else:
            place, self.next = self.next, (self.next + 1) % CAPACITY
        self._vectors[place] = short(vector[None])[0]
        self._table[:, place] = 0.0
        self._table[model, place], self._table[self._models + model, place] = left, 1.0
        self._whole = False

    def forget(self, model: int) -> None:
        """Nothing that was remembered of this model holds any more."""
        self._table[[model, self._models + model]] = 0.0
        self._whole = False

    def widen(self) -> None:
        """Room for one more model."""
        more = np.zeros((1, self._table.shape[1]), np.float32)
        residuals, known = self._table[: self._models], self._table[self._models :]
        self._table = np.concatenate([residuals, more, known, more])
        self._models += 1
        self._whole = False
