"""Verifier `tests`: what an organisation's configuration says an answer must be, by a closed list of checks.

Callers name tests and never make them, and no code of anybody runs: Python is parsed and not executed, and
patterns are matched by an engine that takes linear time. Where an answer has one fenced block of code,
`is_json` and `is_python` look at what is in it.
"""

import ast
from functools import lru_cache
from typing import Final

import msgspec

from passerelle.router.verifier.base import Said, Verdict, read_json
from passerelle.router.verifier.patterns import matcher

_MOST_PYTHON: Final = 32 << 10
"""Letters: parsing takes some milliseconds for them."""
_FENCE: Final = "```"
_DECLINING: Final = (
    "i'm sorry, but i", "i am sorry, but i", "i'm sorry, i can", "i apologize, but i", "i cannot help",
    "i can't help", "i cannot assist", "i can't assist", "i'm unable to", "i am unable to", "i won't",
    "i cannot provide", "i can't provide", "i must decline", "as an ai language model",
    "je suis désolé, mais je", "désolé, je ne peux", "désolé, mais je ne peux", "je ne peux pas",
    "je ne suis pas en mesure", "je regrette, mais je",
)  # fmt: skip
"""How answers begin that decline, as models are commonly heard to, in English and French."""


class Tests(msgspec.Struct, frozen=True):
    """`[router.tests.NAME]`: what an answer must be. Every check that is set must hold."""

    is_json: bool = False
    is_python: bool = False
    not_a_refusal: bool = False
    contains: tuple[str, ...] = ()
    """All of these texts, without regard to case."""
    lacks: tuple[str, ...] = ()
    """None of these."""
    starts_with: str | None = None
    ends_with: str | None = None
    """Blanks around the answer do not count."""
    one_of: tuple[str, ...] = ()
    """The whole answer, without regard to case."""
    pattern: str | None = None
    """A regular expression that some part of the answer matches."""
    min_chars: int | None = None
    max_chars: int | None = None


def verdict(name: str, tests: Tests, said: Said) -> Verdict:
    """Whether an answer passes the tests of that name."""
    if said.calls:
        return Verdict(True, "it calls tools, which tests do not look at", tells=False)
    failing = _failing(tests, said)
    if failing is None:
        return Verdict(True, f"it passes the tests `{name}`")
    return Verdict(False, f"it fails `{failing}` of the tests `{name}`")


def _failing(tests: Tests, said: Said) -> str | None:
    """The first check that does not hold."""
    text = said.text.strip()
    folded = text.casefold()
    if not said.whole and not said.declined:
        return "whole"  # what was cut has passed nothing, whatever it begins with
    if tests.not_a_refusal and (said.declined or folded.replace("’", "'").startswith(_DECLINING)):
        return "not_a_refusal"
    if tests.is_json and not read_json(_fenced(text))[0]:
        return "is_json"
    if tests.is_python and not _is_python(_fenced(text)):
        return "is_python"
    if any(one.casefold() not in folded for one in tests.contains):
        return "contains"
    if any(one.casefold() in folded for one in tests.lacks):
        return "lacks"
    if tests.starts_with is not None and not folded.startswith(tests.starts_with.casefold()):
        return "starts_with"
    if tests.ends_with is not None and not folded.endswith(tests.ends_with.casefold()):
        return "ends_with"
    if tests.one_of and folded not in {one.strip().casefold() for one in tests.one_of}:
        return "one_of"
    if tests.pattern is not None:
        matches = _matcher(tests.pattern)
        if matches is None or not matches(text):
            return "pattern"
    if tests.min_chars is not None and len(text) < tests.min_chars:
        return "min_chars"
    if tests.max_chars is not None and len(text) > tests.max_chars:
        return "max_chars"
    return None


_matcher = lru_cache(maxsize=64)(matcher)
"""The operator's own patterns: there are few, and they come again and again."""


def _fenced(text: str) -> str:
    """What is in the only fenced block; without one, all of it."""
    parts = text.split(_FENCE, 3)
    if len(parts) != 3:
        return text
    head, newline, rest = parts[1].partition("\n")
    return rest if newline and " " not in head.strip() else parts[1]


def _is_python(text: str) -> bool:
    if not text or len(text) > _MOST_PYTHON:
        return False
    try:
        ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True
