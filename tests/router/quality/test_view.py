"""What a request is packed into: the request, and not how it happens to be typed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.router.embed import Static
from passerelle.router.quality.base import Sight
from passerelle.router.quality.view import pack, see

ASKED = "Which of these is not a noble gas?\nA. Helium\nB. Nitrogen\nC. Neon"


def sight(words: str) -> Sight:
    return Sight(words, system="", task=None, turns=1, tools=0, images=0, schema=False, input_tokens=20)


@pytest.mark.parametrize(
    "typed",
    ["\n" + ASKED + "  \n", ASKED.replace(" ", "   "), ASKED.replace("not a", "not  a")],
    ids=["lines around it", "all of it spaced", "one space more"],
)
def test_spaces_are_nothing_of_a_request(typed: str) -> None:
    assert pack(sight(typed), None) == pack(sight(ASKED), None)


def test_a_line_and_a_word_are_something_of_it() -> None:
    assert pack(sight(ASKED.replace("\nB", " B")), None) != pack(sight(ASKED), None)
    assert pack(sight(ASKED.replace(" not", "")), None) != pack(sight(ASKED), None)


def test_a_request_that_is_shouted_has_the_words_of_one_that_is_not() -> None:
    assert pack(sight(ASKED.upper()), None) == pack(sight(ASKED.lower()), None)


@given(st.text(max_size=300), st.integers(0, 9), st.booleans())
def test_what_is_seen_of_words_is_what_is_seen_of_them_packed(words: str, turns: int, known: bool) -> None:
    words = words.encode("utf-8", "ignore").decode()
    table = np.random.default_rng(1).standard_normal((50, 256)).astype(np.float16)
    static = Static(table, lambda text: [ord(char) % 50 for char in text]) if known else None
    one = Sight(words, turns=turns)
    at_once, later = see(one, static), see(Sight("", features=pack(one, static)), None)
    for name in ("figures", "static", "bucket", "count"):
        here, there = getattr(at_once, name), getattr(later, name)
        assert here.dtype == there.dtype
        assert (here == there).all()
