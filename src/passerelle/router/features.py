"""What can be told of a request's words cheaply: length, numbers, symbols, form. Some 20 µs.

None of it knows a language or a subject. On outcome data these thirty-odd figures carry further outside what
was learned from than any embedding does (`docs/routing.md`, "What it was measured on"), so they come first.
"""

import math
import re
from collections.abc import Callable
from typing import Final

from passerelle.router.quality.base import Sight, cut

READ_CHARS = 2000
"""Of a longer text the beginning and the end are looked at, so many characters; its length counts whole."""

_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_CHOICE = re.compile(r"\n[(]?[A-Ha-h1-8][.):] (.*)")
_WORD = re.compile(r"[^\W\d_]+")
_DIGIT = re.compile(r"\d")


def _kept(kept: Callable[[str], bool]) -> bytes:
    """A table that makes spaces of all ASCII but this, and lets the bytes of other characters be."""
    return bytes(byte if byte >= 128 or kept(chr(byte)) else 32 for byte in range(256))


_LETTERS = _kept(str.isalpha)
_DIGITS = bytes(byte if chr(byte) in "0123456789.," else 32 for byte in range(256))
_ASCII = bytes(range(128))
_CAPITALS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_SHORT, _UP_TO_EIGHT = bytes(range(4)), bytes(range(9))
_CODE = (
    b"def ",
    b"return",
    b"import ",
    b"class ",
    b"function",
    b"const ",
    b"SELECT ",
    b"```",
    b"=>",
    b"{\n",
    b";\n",
    b"print",
)
_HOW_MANY, _RECKON, _NOT, _IF, _RANK, _WHY, _SELF, _WHICH = range(8)
_SAYS = {
    _HOW_MANY: "many much far long old tall often combien",
    _RECKON: "calculate compute find solve evaluate simplify determine prove derive calcule calculer "
    "calculez résous résoudre résolvez trouve trouver trouvez démontre démontrer simplifie",
    _NOT: "not except never without false incorrect sauf jamais sans pas faux",
    _IF: "if suppose assume given let when si supposons soit lorsque",
    _RANK: "best most least mostly likely main mainly primary meilleur meilleure plus",
    _WHY: "why because explain reason therefore pourquoi expliquer explique expliquez",
    _SELF: "i my me we our us je mon ma mes nous notre nos",
    _WHICH: "which following statement statements true lequel laquelle suivant suivante suivantes",
}
_SAID = {word: kind for kind, words in _SAYS.items() for word in words.split()}
_TELLING = frozenset(_SAID)

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
    plain = text.encode("utf-8", "surrogatepass")
    words, numbers = _words_and_numbers(text, plain)
    others = "" if text.isascii() else plain.translate(None, _ASCII).decode("utf-8", "surrogatepass")
    count = len(words) + 1
    sizes = _sizes(words)
    bag = set(words)
    said = [0] * len(_SAYS)
    for word in bag & _TELLING:
        said[_SAID[word]] += 1
    choices = _CHOICE.findall(f"\n{text}")
    tally = plain.count
    lines = tally(b"\n")
    log = math.log1p
    capitals = len(plain) - len(plain.translate(None, _CAPITALS)) + sum(map(str.isupper, others))
    return [
        log(len(whole)),
        log(len(words) * len(whole) / size),
        sum(sizes) / count,
        log(len(numbers)),
        min(len(numbers) / count, 2.0),
        log(max(map(len, numbers), default=0)),
        10 * (len(plain) - len(plain.translate(None, b"+-*/=^<>"))) / size,
        min(10 * tally(b"\\") / size, 1.0),
        min(10 * tally(b"$") / size, 1.0),
        log(tally(b"?")),
        log(lines),
        min(10 * lines / size, 1.0),
        float(len(choices) > 1),
        log(sum(map(len, choices)) / len(choices)) if len(choices) > 1 else 0.0,
        log(len(text.partition("\n")[0])),
        5 * capitals / size,
        10 * (len(plain) - len(plain.translate(None, b"(){}[];"))) / size,
        len(bag) / count,
        len(sizes.translate(None, _UP_TO_EIGHT)) / count,
        (len(sizes) - len(sizes.translate(None, _SHORT))) / count,
        min(5 * len(others) / size, 2.0),
        log(sum(map(tally, _CODE))),
        float(said[_HOW_MANY] > 0),
        float(said[_RECKON] > 0),
        log(said[_NOT]),
        log(said[_IF]),
        float(said[_RANK] > 0),
        float(said[_WHY] > 0),
        log(said[_SELF]),
        log(said[_WHICH]),
        float(b"__" in plain),
        log(tally(b'"')),
        log(tally(b"%")),
        log(len(sight.system)),
        log(max(sight.turns - 1, 0)),
        log(sight.tools),
        log(sight.images),
        float(sight.schema),
    ]


def _sizes(words: list[str]) -> bytes:
    """The length of each, 255 for a longer one."""
    try:
        return bytes(map(len, words))
    except ValueError:
        return bytes([min(len(word), 255) for word in words])


def _words_and_numbers(text: str, plain: bytes) -> tuple[list[str], list[str]]:
    """What `_WORD` and `_NUMBER` find, the words in small letters. Of plain ASCII bytes tell it sooner; of
    the rest the few words that hold something else are looked at one by one.
    """
    small = text.lower()
    whole = plain if small == text else small.encode("utf-8", "surrogatepass")
    words = whole.translate(_LETTERS).decode("utf-8", "surrogatepass").split()
    digits = " ".join(plain.translate(_DIGITS).decode().split())
    if text.isascii():
        return words, _NUMBER.findall(digits)
    found: list[str] = []
    odd = False
    for word in words:
        if word.isalpha():
            found.append(word)
        else:  # quotes, dashes, other scripts' signs and digits
            odd = odd or _DIGIT.search(word) is not None
            found += _WORD.findall(word)
    return found, _NUMBER.findall(text if odd else digits)
