"""A request's words as vectors: static ones for their meaning, hashed ones for the words themselves.

*Static* vectors are a table looked up per token and averaged, here WordLlama's 256 dimensions, of which the
first 128 are kept: they were trained so that any beginning of them serves (github.com/dleemiller/WordLlama,
README, "Matryoshka", read 2026-11-22). A byte is kept of each number, and a size of each row: 4 MB that are
summed four times as quickly as half floats are; of a text's vector the cosine with the exact one is above
0.9999. The table and the tokeniser come as arguments (`catalog.language` reads the files); without them this
half is zero, and the other half does what it can.

*Hashed* ones count words, pairs of words and runs of four bytes inside them in a fixed number of buckets, so
any language and any jargon has a place without a vocabulary. Hashes of words come from one running sum over
the bytes (Σ byte·pⁱ mod 2⁶⁴, divided by pⁱ at the word's start), so there is no loop over words.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from passerelle.router.quality.base import WORDS_KEPT, cut

STATIC_DIMS = 128
WORD_BUCKETS = 4096
PIECE_BUCKETS = 4096
BUCKETS = WORD_BUCKETS + PIECE_BUCKETS
READ_CHARS = 800
"""Of a longer text the beginning and the end are averaged, in so many characters: tokens cost most."""

Encode = Callable[[str], Sequence[int]]
F32 = NDArray[np.float32]
_U64 = np.uint64
_BASE = 0x9E3779B97F4A7C15 | 1
_INVERSE = pow(_BASE, -1, 1 << 64)
_MASK = (1 << 64) - 1


def _powers(base: int, count: int) -> NDArray[np.uint64]:
    found, value = np.empty(count, _U64), 1
    for place in range(count):
        found[place] = value
        value = value * base & _MASK
    return found


_LONGEST = 4 * WORDS_KEPT + 2
_UP, _DOWN = _powers(_BASE, _LONGEST), _powers(_INVERSE, _LONGEST + 1)[1:]


def _kinds() -> bytes:
    """For each byte: what it becomes. Digits are all alike, and what is no letter parts words."""
    table = bytearray(b" " * 256)
    for byte in range(256):
        if byte >= 128 or chr(byte).isalpha():
            table[byte] = byte
        elif chr(byte).isdigit():
            table[byte] = ord("0")
    return bytes(table)


_KINDS = _kinds()
_SPREAD = _U64(0xD6E8FEB86659FD93)
_PAIR = _U64(0xA0761D6478BD642F)
_SHIFT = _U64(52)  # leaves 12 bits: 4,096 buckets
_HALF, _ONE, _PIECES_FROM = _U64(29), _U64(1), _U64(WORD_BUCKETS)
_NO_BUCKET, _NO_COUNT = np.zeros(0, np.uint16), np.zeros(0, np.uint8)
_AT_ONCE = 512
_ROWS_AT_ONCE = 240
"""Below 128 KiB of float32: larger blocks are the system's to give, and that takes four times as long."""


class Static:
    """Static vectors of a vocabulary. `table` may be a mapped file: nothing of it is held on to."""

    def __init__(self, table: NDArray[np.float16], encode: Encode) -> None:
        self._rows = np.empty((len(table), STATIC_DIMS), np.int8)
        self._size = np.empty(len(table), np.float32)
        for first in range(0, len(table), _AT_ONCE):
            some = table[first : first + _AT_ONCE, :STATIC_DIMS].astype(np.float32)
            size = np.abs(some).max(axis=1) / 127 + np.float32(1e-9)
            self._rows[first : first + len(some)] = np.rint(some / size[:, None])
            self._size[first : first + len(some)] = size
        self._encode = encode

    def total(self, text: str) -> F32 | None:
        """The sum of `text`'s tokens; None for no tokens."""
        ids = np.array(self._encode(cut(text, READ_CHARS)), np.intp)
        if not len(ids):
            return None
        if len(ids) <= _ROWS_AT_ONCE:
            return self._sum(ids)
        parts = (self._sum(ids[at : at + _ROWS_AT_ONCE]) for at in range(0, len(ids), _ROWS_AT_ONCE))
        return np.asarray(np.add.reduce(list(parts)))

    def _sum(self, ids: NDArray[np.intp]) -> F32:
        return np.asarray(self._size.take(ids) @ self._rows.take(ids, 0).astype(np.float32), np.float32)

    def of(self, text: str) -> F32:
        """The average of `text`'s tokens, of length 1; zero for no tokens."""
        total = self.total(text)
        if total is None:
            return np.zeros(STATIC_DIMS, np.float32)
        return np.asarray(total / (np.sqrt(total @ total) + np.float32(1e-9)), np.float32)


def buckets(text: str) -> NDArray[np.uint8]:
    """How often each bucket occurs, at most 255: words and their pairs first, then pieces of words."""
    counts = np.zeros(BUCKETS, np.uint8)
    which, often = counted(text)
    counts[which] = often
    return counts


def counted(text: str) -> tuple[NDArray[np.uint16], NDArray[np.uint8]]:
    """The buckets that occur, in order, and how often each does, at most 255."""
    raw = f" {text.lower()} ".encode()[:_LONGEST].translate(_KINDS)
    chars = np.frombuffer(raw, np.uint8)
    inside = chars != 32
    # The last byte before a word, and its own last.
    edges = (inside[1:] != inside[:-1]).nonzero()[0]
    before, ends = edges[0::2], edges[1::2]
    many = len(ends)
    if not many:
        return _NO_BUCKET, _NO_COUNT
    before = before[:many]
    running = chars + _ONE
    running *= _UP[: len(chars)]
    np.add.accumulate(running, out=running)
    words = running.take(ends)
    words -= running.take(before)
    words *= _DOWN.take(before)
    words *= _SPREAD
    words ^= words >> _HALF
    # Runs of four that begin in a word or at the space before it, and hold no space in their middle.
    middle = inside[1:-2] & inside[2:-1]
    middle &= inside[:-3] | inside[3:]
    fours = np.ndarray((len(chars) - 3,), "<u4", raw, strides=(1,))[middle]
    keys = np.empty(2 * many - 1 + len(fours), _U64)
    keys[:many] = words
    words *= _PAIR
    np.add(words[:-1], keys[1:many], out=keys[many : 2 * many - 1])
    keys[2 * many - 1 :] = fours
    keys *= _SPREAD
    keys >>= _SHIFT
    keys[2 * many - 1 :] += _PIECES_FROM
    # Sorted, each bucket ends where the next one is another. What comes before the first and after the last
    # is none.
    ordered = np.empty(len(keys) + 2, np.uint16)
    ordered[0] = ordered[-1] = BUCKETS
    held = ordered[1:-1]
    held[:] = keys
    held.sort(kind="stable")  # by digits: the quickest of short numbers
    last = (ordered[1:] != ordered[:-1]).nonzero()[0]
    often = last[1:] - last[:-1]
    if len(keys) > 255:
        np.minimum(often, 255, out=often)
    return ordered.take(last[1:]), often.astype(np.uint8)
