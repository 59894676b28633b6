r"""Regular expressions of others, matched in time that grows with the text alone: `re` cannot be stopped.

The engine is pydantic-core's, Rust's `regex` (docs.rs/regex, "Untrusted input", read 2026-11-22): it has no
look-around and no back references, and takes m × n steps for a pattern of size m and a text of size n.

    matcher   of patterns in that engine's own words, as operators configure them
    pattern   of patterns in ECMAScript's, for which JSON schemas are written: there `\d` and `\w` are those
              of ASCII, `.` leaves out four kinds of line ends, and a class holds no other one
              (tc39.es/ecma262, "Pattern Semantics", read 2026-11-22)
"""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final, NamedTuple

_LONGEST: Final = 512
_MOST_WEIGHT: Final = 8_192
"""Built in some 60 ms at the worst; most weigh less than 100, and take some 0.03 ms."""
_WIDE: Final = 64
"""Weight of a class of Unicode's, which is hundreds of ranges: `\\p{L}{200}` takes 112 ms to be built, and
6 µs for each letter, where 200 of `[^a]` take 0.02 ms, and 4 ns."""
_COUNT: Final = re.compile(r"(.)\{([0-9]+)(?:,([0-9]*))?\}", re.DOTALL)
_TOKEN: Final = re.compile(
    r"\\[pPu]\{\w+(?:=\w+)?\}|\\u[0-9A-Fa-f]{4}|\\x[0-9A-Fa-f]{2}|\\."  # what is escaped
    r"|\(\?(?::|<[A-Za-z])?|\{[0-9]+(?:,[0-9]*)?\}|.",  # groups, counts, and anything else
    re.DOTALL,
)
_SPACES: Final = r"\t-\r \x{A0}\x{FEFF}\x{2028}\x{2029}\p{Zs}"
_ESCAPED: Final = {
    r"\d": "[0-9]",
    r"\D": "[^0-9]",
    r"\w": "[0-9A-Za-z_]",
    r"\W": "[^0-9A-Za-z_]",
    r"\s": f"[{_SPACES}]",
    r"\S": f"[^{_SPACES}]",
}
_SAME: Final = frozenset("nrtfv")
"""Letters that mean the same after a backslash to both. Others that ECMAScript has mean something else."""


class Pattern(NamedTuple):
    """A pattern of a schema."""

    found: Callable[[str], bool]
    """Whether a text has a match for it."""
    weight: int
    """How large it is with its counts unfolded, to which the time for building it, and for each letter of a
    text, is in proportion at the worst."""


@lru_cache(maxsize=256)
def pattern(text: str) -> Pattern | None:
    """One of ECMAScript; None where the engine does not have it, or it is too large to be built."""
    weight = _weight(text)
    said = None if len(text) > _LONGEST or weight > _MOST_WEIGHT else _translated(text)
    found = None if said is None else matcher(said)
    return None if found is None else Pattern(found, weight)


def matcher(pattern: str) -> Callable[[str], bool] | None:
    """Whether a text has a match for it; None where the engine has no such patterns."""
    from pydantic_core import SchemaError, SchemaValidator, core_schema

    try:
        return SchemaValidator(
            core_schema.str_schema(pattern=pattern, regex_engine="rust-regex")
        ).isinstance_python
    except SchemaError:
        return None


def _weight(pattern: str) -> int:
    """Letters times counts: those of groups may stand in each other, and multiply."""
    added, multiplied = 0, 1
    for found in _COUNT.finditer(pattern):
        count = max(_figure(found[2]), _figure(found[3] or "0"), 1)
        if found[1] in ")}+*?":
            multiplied *= count
        else:
            added += count
    wide = _WIDE if re.search(r"\\[pP]", pattern) else 1
    return (len(pattern) + added) * multiplied * wide


def _figure(digits: str) -> int:
    return int(digits) if len(digits) < 7 else _MOST_WEIGHT


def _translated(pattern: str) -> str | None:
    """The same to the engine; None where it cannot be said."""
    said: list[str] = []
    opened: int | None = None  # where the class began that we are in
    for token in _TOKEN.finditer(pattern):
        word, place = token[0], token.start()
        if word[0] == "\\":
            one = _escape(word, inside=opened is not None)
            if one is None:
                return None
            said.append(one)
        elif opened is not None:
            if word == "]":
                if place == opened + 1 or pattern[opened + 1 : place] == "^":
                    return None  # a class of nothing, or of all
                opened = None
            elif pattern.startswith("--", place):
                return None
            # A count or a group's beginning is letters here, and `[`, `&` and `~` are no signs.
            said.append(re.sub(r"[\[&~]", lambda sign: "\\" + sign[0], word))
        elif word == "[":
            opened = place
            said.append(word)
        elif word in ("(?", "{"):
            return None
        else:
            said.append(r"[^\n\r\x{2028}\x{2029}]" if word == "." else word)
    return "".join(said)


def _escape(word: str, *, inside: bool) -> str | None:
    if len(word) == 1:
        return None
    if word in _ESCAPED:
        return _ESCAPED[word]
    letter = word[1]
    if letter in "bB":
        return r"\x08" if inside and letter == "b" else None if inside else f"(?-u:{word})"
    if letter.isascii() and letter.isalnum():
        return word if letter in _SAME or len(word) > 2 else None
    return letter if letter in "<>" else word
