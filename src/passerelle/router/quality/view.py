"""A request as the levels of prediction see it: figures, a static vector and counted buckets, all rounded.

The rounding happens before anything is predicted or learned, and `pack` keeps exactly what is left: a
receipt's decision is made again to the last bit from `Sight.features`, without the prompt. What is kept is no
text, but it is not nothing either: whoever guesses a word can tell whether its bucket is set.
"""

import re
import struct
from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from passerelle.router.embed import BUCKETS, STATIC_DIMS, Static, counted
from passerelle.router.features import NAMES, features
from passerelle.router.quality.base import Sight

FIGURES = len(NAMES)
BUCKETS_KEPT = 768
"""Of one request; a longer one keeps the commonest."""
_FORMAT = 1
_ALIKE = 0.8
"""A word more or less, another mark or case."""
_SPACES = re.compile(r" {2,}")
_SHOUT_CHARS = 400
_HEAD = 3 + 2 * FIGURES + STATIC_DIMS
_FIGURES = struct.Struct(f"<{FIGURES}e")  # half floats
_BUCKET = np.dtype("<u2")
_LOG: NDArray[np.float32] = np.log1p(np.arange(256, dtype=np.float32))

F32 = NDArray[np.float32]
Buckets = NDArray[np.uint16]
Counts = NDArray[np.uint8]


class Seen(msgspec.Struct, frozen=True, gc=False):
    """One request."""

    figures: F32
    static: F32
    bucket: NDArray[np.int64]
    """Numbers of the buckets that occur."""
    count: F32
    """Of each of them: the logarithm of how often, plus one."""


class View(msgspec.Struct, frozen=True, gc=False):
    """Many requests: row by row."""

    figures: F32
    static: F32
    bucket: NDArray[np.uint16 | np.int64]
    """The buckets of all rows, one row after the other."""
    count: F32
    start: NDArray[np.int64]
    """Where each row begins in `bucket`, and the end of the last."""

    def __len__(self) -> int:
        return len(self.figures)

    def weighed(self, scale: F32) -> F32:
        """`count` multiplied by `scale` per bucket, each row of length 1."""
        value = self.count * scale.take(self.bucket)
        if len(self) == 1:
            value /= np.sqrt(value @ value) + np.float32(1e-9)
            return value
        rows = np.repeat(np.arange(len(self)), np.diff(self.start))
        norm = np.sqrt(np.bincount(rows, value * value, minlength=len(self))) + 1e-9
        return np.asarray(value / norm[rows], np.float32)


def pack(sight: Sight, static: Static | None) -> bytes:
    """A request's words in about 800 bytes."""
    figures, vector, which, often = _read(sight, static)
    many = len(which)
    return b"".join(
        (
            bytes((_FORMAT, many & 255, many >> 8)),
            _FIGURES.pack(*figures),
            vector.astype(np.int8).tobytes(),
            which.astype(_BUCKET, copy=False).tobytes(),
            often.tobytes(),
        )
    )


def _read(sight: Sight, static: Static | None) -> tuple[list[float], F32, Buckets, Counts]:
    """The figures, the static vector in whole numbers up to 127, the buckets that occur and how often."""
    words = sight.words.strip()
    if "  " in words:  # however it is spaced, it is the same request
        words = _SPACES.sub(" ", words)
    if words[:_SHOUT_CHARS].isupper():  # the same request shouted: cased vocabularies know none of it
        words = words.lower()
    if words is not sight.words:
        sight = msgspec.structs.replace(sight, words=words)
    raw = None if static is None else static.total(sight.words)
    if raw is None:
        vector = np.zeros(STATIC_DIMS, np.float32)
    else:
        raw *= np.float32(127) / (np.maximum.reduce(np.abs(raw)) + np.float32(1e-9))
        vector = np.rint(raw, out=raw)
    which, often = counted(sight.words)
    if len(which) > BUCKETS_KEPT:
        kept = np.sort(np.argsort(-often.astype(np.int64), kind="stable")[:BUCKETS_KEPT])
        which, often = which[kept], often[kept]
    return features(sight), vector, which, often


def unpack(packed: bytes) -> Seen:
    """What `pack` kept. ValueError for what it did not make."""
    if len(packed) < _HEAD or packed[0] != _FORMAT:
        raise ValueError("these are no packed features of this version; predict from the words instead")
    many = packed[1] | packed[2] << 8
    if len(packed) != _HEAD + 3 * many:
        raise ValueError("these packed features are cut short; predict from the words instead")
    figures = np.frombuffer(packed, np.float16, FIGURES, 3)
    vector = np.frombuffer(packed, np.int8, STATIC_DIMS, 3 + 2 * FIGURES).astype(np.float32)
    bucket = np.frombuffer(packed, _BUCKET, many, _HEAD)
    if many and np.maximum.reduce(bucket) >= BUCKETS:
        raise ValueError(
            "these packed features name a bucket that is not there; predict from the words instead"
        )
    return _seen(figures, vector, bucket, np.frombuffer(packed, np.uint8, many, _HEAD + 2 * many))


def _seen(figures: NDArray[np.float16], vector: F32, bucket: Buckets, often: Counts) -> Seen:
    """What was read, as it is predicted from. `vector` is taken over."""
    vector /= np.sqrt(vector @ vector) + np.float32(1e-9)
    return Seen(figures.astype(np.float32), vector, bucket.astype(np.int64), _LOG.take(often))


def alike(one: bytes, other: bytes) -> bool:
    """Whether two packed requests hold nearly the same words: of all their buckets `_ALIKE` in common."""
    if one == other:
        return True
    rows = np.zeros((2, BUCKETS), np.float32)
    for row, seen in zip(rows, (unpack(one), unpack(other)), strict=True):
        row[seen.bucket] = seen.count
    most = float(np.maximum(rows[0], rows[1]).sum())
    return bool(most) and float(np.minimum(rows[0], rows[1]).sum()) >= _ALIKE * most


def see(sight: Sight, static: Static | None) -> Seen:
    """One request, from its packed features or its words: either gives the same."""
    if sight.features is not None:
        return unpack(sight.features)
    figures, vector, bucket, often = _read(sight, static)
    return _seen(np.array(figures, np.float16), vector, bucket, often)


def together(seen: Sequence[Seen]) -> View:
    """Many requests as one."""
    if len(seen) == 1:
        one = seen[0]
        return View(
            one.figures[None],
            one.static[None],
            one.bucket,
            one.count,
            np.array((0, len(one.bucket)), np.int64),
        )
    start = np.zeros(len(seen) + 1, np.int64)
    np.cumsum([len(s.bucket) for s in seen], out=start[1:])
    if not seen:
        empty = np.zeros(0, np.float32)
        figures, static = np.zeros((0, FIGURES), np.float32), np.zeros((0, STATIC_DIMS), np.float32)
        return View(figures, static, empty.astype(np.uint16), empty, start)
    return View(
        np.stack([s.figures for s in seen]),
        np.stack([s.static for s in seen]),
        np.concatenate([s.bucket for s in seen]).astype(np.uint16),
        np.concatenate([s.count for s in seen]),
        start,
    )
