"""Patterns of schemas: ECMAScript's meaning, in linear time."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.router.verifier.patterns import pattern


@pytest.mark.parametrize(
    ("said", "good", "bad"),
    [
        (r"^[A-Z]{2}-\d{4}$", "AB-1234", "AB-1234\n"),
        (r"^\d+$", "12", "١٢"),
        (r"^\w\W$", "a-", "é-"),
        (r"^[\w-]+$", "a-b", "é"),
        (r"^\s\S$", "\ufeffx", "\x85x"),
        (r"^.$", "x", "\u2028"),
        (r"\bl", "él", "al"),
        (r"^(?:\d{3}-)+\d$", "123-456-7", "123-45-6"),
        (r"^(?<year>[0-9]{4})$", "2026", "26"),
        (r"^[[a&&b]+$", "[a&", "c"),
        (r"^[+*?.(){}|^$]+$", "(?+){}^", "a"),
        (r"^\u00e9\x41$", "éA", "eA"),
        (r"^\p{Lu}\P{L}$", "É1", "é1"),
        (r"^\/\<\-$", "/<-", "/x-"),
        (r"^[^\n\]]$", "a", "]"),
        (r"", "", None),
    ],
)
def test_it_means_what_ecmascript_means(said: str, good: str, bad: str | None) -> None:
    known = pattern(said)
    assert known is not None
    assert known.found(good)
    assert bad is None or not known.found(bad)


@pytest.mark.parametrize(
    "said",
    [
        r"(a)\1", r"\k<a>", "(?=x)y", "(?<!x)y", "(?i)x", "(?x) y", "[", "[]a]", "[^]", "[a--b]", "(", "a{",
        "a{ 5}", r"\A", r"\z", r"\Q", r"\0", r"\cJ", r"\pL", r"\u{110000}", r"\uD83D", r"[\B]", "\\",
        "a{0009000}", "(a{50}){500}", "a" * 513, r"\p{L}{200}",
    ],
)  # fmt: skip
def test_what_means_something_else_to_the_engine_or_is_large_is_not_run(said: str) -> None:
    assert pattern(said) is None


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ("(a+)+$", "a" * 50_000 + "b"),
        ("^a*a*a*$", "a" * 50_000 + "b"),
        ("(?:a?){30}[bc]", "a" * 50_000),
        ("[ab]*a[ab]{90}[cd]", "abbabaaab" * 5000),
    ],
)
def test_no_text_takes_long(said: str, text: str) -> None:
    before = time.process_time()
    known = pattern(said)
    assert known is not None
    assert not known.found(text)
    assert time.process_time() - before < 0.5


@given(st.text(r"ab01\dwsSbpu{}[]()^$.*+?|-&~,:<", max_size=8), st.text("ab01-&~ ", max_size=4))
def test_whatever_is_given_is_a_pattern_or_none(said: str, text: str) -> None:
    known = pattern(said)
    assert known is None or known.found(text) in (True, False)
