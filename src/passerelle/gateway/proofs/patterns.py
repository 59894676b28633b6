"""Patterns of callers, run only where what they may take can be told: `re` cannot be stopped."""

import re
from functools import lru_cache
from typing import NamedTuple

LONGEST = 512
MOST = 2_000_000
"""Steps that one pattern may take on one text at the worst: some 20 ms."""


class Pattern(NamedTuple):
    """A pattern, and what decides how long it may take."""

    found: "re.Pattern[str]"
    loose: int
    """Parts that may be of any length: each may have to be tried at as many as the text is long."""
    twofold: int
    """Parts that may be there or not, or be one of two."""

    def worst(self, size: int) -> float:
        """Steps at most for a text of that size: from each start, each combination."""
        return float(max(size, 1)) ** (self.loose + 1) * 2.0**self.twofold


_PARTS = re.compile(
    r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\(\?:|\(\?|[()|$]|[*+?]|\{[^}]*\}|[^\\\[()|$*+?{]+|.", re.DOTALL
)


@lru_cache(maxsize=256)
def pattern(text: str) -> Pattern | None:
    """The pattern, where what it may take can be told: no group is repeated, none looks around, nothing
    refers back. Classes are ASCII's and `$` is the very end, as in ECMAScript, which schemas are written for.
    """
    if len(text) > LONGEST:
        return None
    parts: list[str] = _PARTS.findall(text)
    loose = twofold = 0
    before = ""
    for place, part in enumerate(parts):
        if part == "(?" or (part[0] == "\\" and part[1:2] in "123456789k"):
            return None
        if part in ("*", "+", "?") or (part[0] == "{" and part != "{"):
            if before == ")":
                return None
            if part == "?":
                twofold += before not in ("*", "+", "?", "}")
            else:
                loose += not part[1:-1].isdigit()
        twofold += part == "|"
        if part == "$":
            parts[place] = r"\Z"
        before = "}" if part[0] == "{" else part
    try:
        return Pattern(re.compile("".join(parts), re.ASCII), loose, twofold)
    except (re.error, OverflowError, RecursionError):
        return None
