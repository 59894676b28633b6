"""Texts fall into the pieces that the vocabulary's own tokeniser gives."""

from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from passerelle.catalog.language import static_vectors
from passerelle.router.tokens import Pieces

SMALL = {
    " ": 5,
    "a": 6,
    "b": 7,
    "ab": 8,
    " a": 9,
    " ab": 10,
    "  ": 4,
    ".": 11,
    "<0x0A>": 2,
    "<0xC3>": 12,
    "<0xA9>": 13,
}
PIECES = [
    "the",
    " cat",
    "é",
    "²",
    "1",
    "42",
    ".",
    "--",
    "_",
    "\n",
    "  ",
    "\t",
    "▁",
    "ñ",
    "日本",
    "A",
    "’",
    "\u0301",
    "(",
    "zq",
]


@cache
def both() -> tuple[Pieces, object]:
    """Ours, and the one the vocabulary was made with."""
    found, origin = static_vectors(), find_spec("wordllama")
    tokenizers = pytest.importorskip("tokenizers")
    if found is None or origin is None or origin.origin is None:
        pytest.skip("the extra `router` is not here")
    file = Path(origin.origin).parent / "tokenizers" / "l2_supercat_tokenizer_config.json"
    return Pieces(found[1]), tokenizers.Tokenizer.from_file(str(file))


@settings(max_examples=300, deadline=None)
@given(st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=6)), max_size=12).map("".join))
def test_pieces_are_those_of_the_vocabularys_own_tokeniser(text: str) -> None:
    text = text.encode("utf-8", "ignore").decode()
    ours, theirs = both()
    assert ours(text) == theirs.encode(text, add_special_tokens=False).ids  # type: ignore[attr-defined]


def test_what_is_joined_first_was_learned_first() -> None:
    assert Pieces(SMALL)("ab") == [10]
    assert Pieces(SMALL)("b ab.") == [5, 7, 10, 11]


def test_spaces_are_joined_last_and_lines_end_alone() -> None:
    assert Pieces(SMALL)("   ab\na") == [4, 5, 10, 2, 6]


def test_what_has_no_piece_is_spelled_in_bytes() -> None:
    assert Pieces(SMALL)("aé") == [9, 12, 13]
    assert Pieces(SMALL)("") == []


def test_a_text_without_end_is_cut_in_parts_and_remembered_in_bounds() -> None:
    pieces = Pieces(SMALL)
    pieces(" ".join(f"{k:b}".translate({48: "a", 49: "ba"}) for k in range(9000)))
    assert 0 < len(pieces._seen) <= 8192
    assert 0 < len(pieces._seen_before) <= 8192
    assert pieces("b" * 100) == [5, *[7] * 100]
