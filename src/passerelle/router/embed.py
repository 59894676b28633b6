"""A request's words as vectors: static ones for their meaning, hashed ones for the words themselves.

*Static* vectors are a table looked up per token and averaged, here WordLlama's 256 dimensions, of which the
first 128 are kept: they were trained so that any beginning of them serves (github.com/dleemiller/WordLlama,
README, "Matryoshka", read 2026-11-22). The table and the tokeniser come as arguments (`catalog.language`
reads them); without them this half is zero, and the other half does what it can.

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
_UP, _DOWN = _powers(_BASE, _LONGEST), _powers(_INVERSE, _LONGEST)


def _kinds() -> NDArray[np.uint8]:
    """For each byte: what it becomes. Digits are all alike, and what is no letter parts words."""
    table = np.full(256, 32, np.uint8)
    for byte in range(256):
        if byte >= 128 or chr(byte).isalpha():
            table[byte] = byte
        elif chr(byte).isdigit():
            table[byte] = ord("0")
    return table


_KINDS = _kinds()
_SPREAD = _U64(0xD6E8FEB86659FD93)
_PAIR = _U64(0xA0761D6478BD642F)
_SHIFT = _U64(52)  # leaves 12 bits: 4,096 buckets


class Static:
    """Static vectors of a vocabulary."""

    def __init__(self, table: NDArray[np.float16], encode: Encode) -> None:
        self._table = table
        self._encode = encode

    def of(self, text: str) -> NDArray[np.float32]:
        """The average of `text`'s tokens, of length 1; zero for no tokens."""
        ids = np.asarray(self._encode(cut(text, READ_CHARS)), np.int64)
        if not len(ids):
            return np.zeros(STATIC_DIMS, np.float32)
        mean = self._table[ids, :STATIC_DIMS].astype(np.float32).mean(axis=0)
        return np.asarray(mean / (np.sqrt(mean @ mean) + 1e-9), np.float32)


def buckets(text: str) -> NDArray[np.uint8]:
    """How often each bucket occurs, at most 255: words and their pairs first, then pieces of words."""
    counts = np.zeros(BUCKETS, np.uint8)
    raw = np.frombuffer(f" {text.lower()} ".encode()[:_LONGEST], np.uint8)
    chars = _KINDS[raw]
    inside = chars != 32
    edges = np.flatnonzero(inside[1:] != inside[:-1]) + 1
    starts, ends = edges[0::2], edges[1::2]
    starts = starts[: len(ends)]
    if not len(starts):
        return counts
    wide = chars.astype(_U64)
    running = np.zeros(len(chars) + 1, _U64)
    np.cumsum((wide + _U64(1)) * _UP[: len(chars)], out=running[1:])
    words = ((running[ends] - running[starts]) * _DOWN[starts]) * _SPREAD
    words ^= words >> _U64(29)
    pairs = words[:-1] * _PAIR + words[1:]
    single, double = words * _SPREAD >> _SHIFT, pairs * _SPREAD >> _SHIFT
    found = np.bincount(np.concatenate([single, double]).astype(np.int64), minlength=WORD_BUCKETS)
    counts[:WORD_BUCKETS] = np.minimum(found, 255)
    # Runs of four that begin in a word or at the space before it, and hold no space in their middle.
    four = wide[:-3] | wide[1:-2] << _U64(8) | wide[2:-1] << _U64(16) | wide[3:] << _U64(24)
    whole = inside[1:-2] & inside[2:-1] & (inside[:-3] | inside[3:])
    pieces = (four[whole] * _SPREAD >> _SHIFT).astype(np.int64)
    counts[WORD_BUCKETS:] = np.minimum(np.bincount(pieces, minlength=PIECE_BUCKETS), 255)
    return counts
