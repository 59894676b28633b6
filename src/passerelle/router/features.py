"""What can be told of a request's words cheaply: length, numbers, symbols, form. About 0.1 ms.

None of it knows a language or a subject. On outcome data these thirty-odd figures carry further outside what
was learned from than any embedding does (`docs/routing.md`, "What it was measured on"), so they come first.
"""

import math
import re
from typing import Final

from passerelle.router.quality.base import Sight, cut

READ_CHARS = 2000
"""Of a longer text the beginning and the end are looked at, so many characters; its length counts whole."""

_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_CHOICE = re.compile(r"^[(]?[A-Ha-h1-8][.):] (.*)$", re.MULTILINE)
_WORD = re.compile(r"[^\W\d_]+")
_CODE = (
    "def ",
    "return",
    "import ",
    "class ",
    "function",
    "const ",
    "SELECT ",
    "```",
    "=>",
    "{\n",
    ";\n",
    "print",
)
_ASKED = frozenset(["many", "much", "far", "long", "old", "tall", "often", "combien"])
_RECKON = frozenset(
    [
        "calculate",
        "compute",
        "find",
        "solve",
        "evaluate",
        "simplify",
        "determine",
        "prove",
        "derive",
        "calcule",
        "calculer",
        "calculez",
        "résous",
        "résoudre",
        "résolvez",
        "trouve",
        "trouver",
        "trouvez",
        "démontre",
        "démontrer",
        "simplifie",
    ]
)
_NOT = frozenset(
    ["not", "except", "never", "without", "false", "incorrect", "sauf", "jamais", "sans", "pas", "faux"]
)
_IF = frozenset(["if", "suppose", "assume", "given", "let", "when", "si", "supposons", "soit", "lorsque"])
_RANK = frozenset(
    [
        "best",
        "most",
        "least",
        "mostly",
        "likely",
        "main",
        "mainly",
        "primary",
        "meilleur",
        "meilleure",
        "plus",
    ]
)
_WHY = frozenset(
    ["why", "because", "explain", "reason", "therefore", "pourquoi", "expliquer", "explique", "expliquez"]
)
_SELF = frozenset(["i", "my", "me", "we", "our", "us", "je", "mon", "ma", "mes", "nous", "notre", "nos"])
_WHICH = frozenset(
    [
        "which",
        "following",
        "statement",
        "statements",
        "true",
        "lequel",
        "laquelle",
        "suivant",
        "suivante",
        "suivantes",
    ]
)

NAMES: Final = (
    "characters", "words", "word_length", "numbers", "number_share", "number_digits", "operators",
    "backslashes", "dollars",
    "questions", "lines", "line_share", "choices", "choice_length", "first_line", "capitals",
    "brackets", "variety", "long_words", "short_words", "foreign", "code", "how_many", "reckon", "negations",
    "conditions", "superlatives", "reasons", "self", "which", "blanks", "quotes", "percents", "system",
    "turns",
    "tools", "images", "schema",
)  # fmt: skip
"""One for each figure of `features`, in order."""


def features(sight: Sight) -> list[float]:
    """The figures named in `NAMES`, each of about the size of one."""
    whole = sight.words
    text = cut(whole, READ_CHARS)
    size = len(text) + 1
    words = _WORD.findall(text.lower())
    count = len(words) + 1
    sizes = list(map(len, words))
    bag = set(words)
    numbers = _NUMBER.findall(text)
    choices = _CHOICE.findall(text)
    lines = text.count("\n")
    tally = text.count
    log = math.log1p
    ascii_size = len(text.encode("ascii", "ignore"))
    return [
        log(len(whole)),
        log(len(words) * len(whole) / size),
        sum(sizes) / count,
        log(len(numbers)),
        min(len(numbers) / count, 2.0),
        log(max(map(len, numbers), default=0)),
        10 * sum(map(tally, "+-*/=^<>")) / size,
        min(10 * tally("\\") / size, 1.0),
        min(10 * tally("$") / size, 1.0),
        log(tally("?")),
        log(lines),
        min(10 * lines / size, 1.0),
        float(len(choices) > 1),
        log(sum(map(len, choices)) / len(choices)) if len(choices) > 1 else 0.0,
        log(len(text.partition("\n")[0])),
        5 * sum(map(str.isupper, text)) / size,
        10 * sum(map(tally, "(){}[];")) / size,
        len(bag) / count,
        sum(n > 8 for n in sizes) / count,
        sum(n < 4 for n in sizes) / count,
        min(5 * (size - 1 - ascii_size) / size, 2.0),
        log(sum(map(tally, _CODE))),
        float(not bag.isdisjoint(_ASKED)),
        float(not bag.isdisjoint(_RECKON)),
        log(len(bag & _NOT)),
        log(len(bag & _IF)),
        float(not bag.isdisjoint(_RANK)),
        float(not bag.isdisjoint(_WHY)),
        log(len(bag & _SELF)),
        log(len(bag & _WHICH)),
        float("__" in text),
        log(tally('"')),
        log(tally("%")),
        log(len(sight.system)),
        log(max(sight.turns - 1, 0)),
        log(sight.tools),
        log(sight.images),
        float(sight.schema),
    ]
