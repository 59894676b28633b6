"""The cheap figures: as many as named, finite for anything, and telling what they say."""

import math
import re

from hypothesis import given
from hypothesis import strategies as st

from passerelle.router.features import NAMES, _words_and_numbers, features
from passerelle.router.quality.base import WORDS_KEPT, Sight, cut


@given(words=st.text(max_size=500), turns=st.integers(0, 50), tools=st.integers(0, 90))
def test_any_request_gives_a_finite_figure_for_each_name(words: str, turns: int, tools: int) -> None:
    found = features(Sight(words, turns=turns, tools=tools))
    assert len(found) == len(NAMES)
    assert all(math.isfinite(figure) and abs(figure) < 1000 for figure in found)


def test_figures_tell_what_their_names_say() -> None:
    said = dict(
        zip(NAMES, features(Sight("How many of 12 apples?\nA. 3\nB. 40", tools=2, schema=True)), strict=True)
    )
    assert said["how_many"] == said["choices"] == said["schema"] == 1.0
    assert said["numbers"] == math.log1p(3)
    assert said["code"] == said["images"] == 0.0


@given(st.text(max_size=200), st.integers(4, 60))
def test_a_cut_text_keeps_its_beginning_and_its_end(text: str, most: int) -> None:
    short = cut(text, most)
    assert len(short) <= most
    assert short[: most // 2 - 1] == text[: most // 2 - 1]
    assert not text or short[-1] == text[-1]


def test_a_very_long_request_is_no_slower_to_look_at_than_a_long_one() -> None:
    assert features(Sight("word " * WORDS_KEPT))[0] == math.log1p(5 * WORDS_KEPT)


@given(st.text("aBé ²1.,_-\n’ñ日\u0301٣'(€İǅ½\x1c\x85\xa0", max_size=40) | st.text(max_size=60))
def test_words_and_numbers_are_those_that_patterns_find(text: str) -> None:
    words, numbers = _words_and_numbers(text, text.encode("utf-8", "surrogatepass"))
    assert words == re.findall(r"[^\W\d_]+", text.lower())
    assert numbers == re.findall(r"\d+(?:[.,]\d+)*", text)
