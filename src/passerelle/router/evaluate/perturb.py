"""The same question asked differently: case, typing mistakes, spaces, politeness and synonyms.

Each change keeps what is asked: somebody who reads both would want the same model. English and French.
"""

import re
from collections.abc import Callable

import numpy as np

Rng = np.random.Generator

_WORD = re.compile(r"[^\W\d_]+")
_FRENCH = frozenset(
    _WORD.findall(
        "le la les un une des du de et est que qui dans pour sur avec ce cette ces il elle vous nous au aux "
        "en ne pas quel quelle quels quelles combien comment pourquoi sont ont plus par"
    )
)
_ENGLISH = frozenset(
    _WORD.findall(
        "the a an of and is are that which in for on with this these it he she you we to not what how why "
        "many much was were has have from by as at be or if"
    )
)

_BEFORE = {
    "en": ("Please help me with this: ", "Hi! ", "Could you answer this? ", "I have a question. "),
    "fr": (
        "Bonjour, ",
        "S'il vous plaît, aidez-moi : ",
        "Pouvez-vous m'aider ? ",
        "J'ai une question. ",
    ),
}
_AFTER = {
    "en": ("\nThank you!", "\nThanks in advance.", " Please."),
    "fr": ("\nMerci !", "\nMerci d'avance.", " S'il vous plaît."),
}
_SYNONYMS = {
    "en": {
        "answer": "reply", "big": "large", "buy": "purchase", "buys": "purchases", "calculate": "compute",
        "choose": "pick", "correct": "right", "describe": "outline", "determine": "work out", "during": "in",
        "explain": "describe", "following": "below", "give": "provide", "gives": "provides",
        "kids": "children", "often": "frequently", "primary": "main", "rapidly": "quickly",
        "show": "demonstrate", "small": "little", "start": "begin", "starts": "begins", "statement": "claim",
        "statements": "claims", "total": "overall", "usually": "generally", "write": "compose",
    },
    "fr": {
        "aussi": "également", "beaucoup": "énormément", "calculer": "déterminer", "calculez": "déterminez",
        "choisir": "sélectionner", "choisissez": "sélectionnez", "donner": "fournir", "donnez": "fournissez",
        "début": "commencement", "expliquer": "exposer", "expliquez": "exposez", "mais": "cependant",
        "rapidement": "vite", "seulement": "uniquement", "souvent": "fréquemment", "suivant": "ci-après",
        "suivante": "ci-après", "trouver": "déterminer", "trouvez": "déterminez", "écrire": "rédiger",
        "écrivez": "rédigez",
    },
}  # fmt: skip
_KEYS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_NEIGHBOURS = {
    letter: row[max(place - 1, 0) : place] + row[place + 1 : place + 2]
    for row in _KEYS
    for place, letter in enumerate(row)
}
CHARACTERS_PER_TYPO = 60
"""About one mistake in twelve words: a hurried writer. At most `MOST_TYPOS` in all."""
MOST_TYPOS = 12


def language(text: str) -> str:
    """`fr` or `en`, by the small words in the first 2,000 characters."""
    words = [word.lower() for word in _WORD.findall(text[:2000])]
    french = sum(word in _FRENCH for word in words)
    english = sum(word in _ENGLISH for word in words)
    return "fr" if french > english else "en"


def case(text: str, rng: Rng) -> str:
    """All small, all capital, or every sentence begun small."""
    match int(rng.integers(3)):
        case 0:
            return text.lower()
        case 1:
            return text.upper()
        case _:
            return re.sub(r"(^|[.!?]\s+)([^\W\d_])", lambda m: m[1] + m[2].lower(), text)


def typos(text: str, rng: Rng) -> str:
    """Letters swapped, left out, doubled or hit beside, in words of four letters and more."""
    words = [found for found in _WORD.finditer(text) if len(found[0]) >= 4]
    if not words:
        return text
    wanted = min(MOST_TYPOS, max(1, len(text) // CHARACTERS_PER_TYPO), len(words))
    letters = list(text)
    for place in rng.choice(len(words), size=wanted, replace=False):
        start, end = words[place].span()
        at = int(rng.integers(start + 1, end - 1))
        kind = int(rng.integers(4))
        if kind == 0:
            letters[at], letters[at + 1] = text[at + 1], text[at]
        elif kind == 1:
            letters[at] = ""
        elif kind == 2:
            letters[at] = text[at] * 2
        else:
            near = _NEIGHBOURS.get(text[at].lower(), "")
            letters[at] = near[int(rng.integers(len(near)))] if near else text[at] * 2
    return "".join(letters)


def spaces(text: str, rng: Rng) -> str:
    """Some spaces doubled, a line or a space before and after, and all that was at the ends gone."""
    kept = text.strip()
    doubled = "".join("  " if letter == " " and rng.random() < 0.15 else letter for letter in kept)
    return (
        ("", " ", "\n", "\n\n")[int(rng.integers(4))]
        + doubled
        + ("", " ", "\n", "\n\n ")[int(rng.integers(4))]
    )


def paraphrase(text: str, rng: Rng) -> str:
    """Politeness around it, and some words for others of the same meaning."""
    spoken = language(text)
    known = _SYNONYMS[spoken]

    def other(found: re.Match[str]) -> str:
        word = found[0]
        new = known.get(word.lower())
        if new is None or rng.random() < 0.3:
            return word
        return new.capitalize() if word[0].isupper() else new

    before, after = _BEFORE[spoken], _AFTER[spoken]
    polite = int(rng.integers(3))
    opening = before[int(rng.integers(len(before)))] if polite != 1 else ""
    closing = after[int(rng.integers(len(after)))] if polite != 0 else ""
    return opening + _WORD.sub(other, text) + closing


CHANGES: dict[str, Callable[[str, Rng], str]] = {
    "case": case,
    "paraphrase": paraphrase,
    "spaces": spaces,
    "typos": typos,
}


def changed(change: str, texts: list[str], seed: int) -> list[str]:
    """Each text under one change; the same seed gives the same texts."""
    rng = np.random.default_rng([seed, sorted(CHANGES).index(change)])
    return [CHANGES[change](text, rng) for text in texts]
