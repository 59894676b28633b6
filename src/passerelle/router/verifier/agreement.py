r"""Verifier `agreement`: a model that is asked twice, and answers alike, is more likely to be right.

Compared is what the answers come to, the strictest thing that both have:

    calls          the same tools with the same arguments, as JSON
    JSON           the same value
    a final answer marked as one (`\boxed{…}`, `#### …`, `Answer: …`): the same, but for case and signs
    few words      the same words, but for case and signs; or nine tenths of them
    a text         at least six tenths of its words, counted as often as they come

That models which agree with themselves are right more often is X. Wang et al., "Self-Consistency Improves
Chain of Thought Reasoning in Language Models", ICLR 2023 (arXiv 2203.11171, read 2026-11-22). The shares of
words are ours: two tellings of one text have some 0.7 of their words in common, two different ones 0.3.
"""

from collections import Counter
from typing import Any, Final

from passerelle.router.verifier.base import Said, Verdict, read_json

_FEW: Final = 12
_ALIKE_FEW: Final = 0.9
_ALIKE: Final = 0.6
_LOOK: Final = 64 << 10
"""Letters that are compared, from the end: the answer is there."""
_MARKS: Final = ("final answer:", "answer:", "réponse finale :", "réponse :", "####")


def verdict(answers: tuple[Said, ...]) -> Verdict:
    """Whether the answers agree, each with the first."""
    if any(said.declined for said in answers):
        if all(said.declined for said in answers):
            return Verdict(True, "the model declined each time, which is an answer", tells=False)
        return Verdict(False, "the model declined once, and not again")
    if any(not said.whole for said in answers):
        return Verdict(False, "an answer is cut")
    told = f"{len(answers)} answers"
    why = ""
    for other in answers[1:]:
        alike, why = _alike(answers[0], other)
        if not alike:
            return Verdict(False, f"{told} of the same model differ: {why}")
    return Verdict(True, f"{told} of the same model agree: {why}")


def _alike(one: Said, other: Said) -> tuple[bool, str]:
    if one.calls or other.calls:
        return _calls(one) == _calls(other), "the tools they call"
    (known, value), (known_too, value_too) = read_json(one.text), read_json(other.text)
    if known and known_too:
        return _plain(value) == _plain(value_too), "the JSON they give"
    final, final_too = _final(one.text), _final(other.text)
    if final and final_too:
        return final == final_too, "the final answer they mark"
    words, words_too = _words(one.text), _words(other.text)
    if max(len(words), len(words_too)) <= _FEW:
        share = 1.0 if words == words_too else _share(words, words_too)
        return share >= _ALIKE_FEW, f"{share:.0%} of a few words"
    share = _share(words, words_too)
    return share >= _ALIKE, f"{share:.0%} of their words"


def _calls(said: Said) -> list[tuple[str, Any]]:
    made = []
    for call in said.calls:
        known, value = read_json(call.arguments)
        made.append((call.name, _plain(value) if known and not call.custom else call.arguments.strip()))
    return sorted(made, key=repr)


def _plain(value: Any) -> Any:
    """JSON with texts but for case and blanks at their ends, and `true` no number."""
    if isinstance(value, bool):
        return "true" if value else "false", None
    if isinstance(value, str):
        return value.strip().casefold()
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return value


def _final(text: str) -> str:
    """What the text marks as its answer, in plain words; empty where it marks none."""
    end = text[-_LOOK:]
    at = end.rfind("\\boxed{")
    if at >= 0:
        return " ".join(_words(_braced(end[at + len("\\boxed{") :])))
    lowered = end.casefold()
    for mark in _MARKS:
        at = lowered.rfind(mark)
        if at >= 0:
            return " ".join(_words(lowered[at + len(mark) :].strip().partition("\n")[0]))
    return ""


def _braced(text: str) -> str:
    depth = 1
    for place, letter in enumerate(text):
        depth += (letter == "{") - (letter == "}")
        if depth == 0:
            return text[:place]
    return text


def _words(text: str) -> list[str]:
    """Letters and figures, without case, signs and thousands' commas; a minus and a point within a number
    stay."""
    kept: list[str] = []
    letters = text[-_LOOK:].casefold()
    for place, letter in enumerate(letters):
        after = letters[place + 1 : place + 2]
        if letter.isalnum() or (letter in ".-" and after.isdigit()):
            kept.append(letter)
        elif letter != "," or not (after.isdigit() and letters[place - 1 : place].isdigit()):
            kept.append(" ")
    return "".join(kept).split()


def _share(one: list[str], other: list[str]) -> float:
    """How much of both is in both: the F1 of their words, each as often as it comes."""
    if not one or not other:
        return 0.0
    both = sum((Counter(one) & Counter(other)).values())
    return 2 * both / (len(one) + len(other))
