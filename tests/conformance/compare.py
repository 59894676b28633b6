"""What was asked beside what was heard, and what was answered beside what was told: where they differ.

Conversations are compared as a list of atoms, so that neither the grouping into turns nor the place of a
tool's pictures (in its result, or right after it) matters, but order, words, arguments and pairing do.
"""

import json
from typing import Any

from tests.conformance.hear_chat import BETWEEN, LABEL_OF_MOVED
from tests.conformance.house import House
from tests.conformance.talk import (
    Answer,
    Ask,
    Call,
    Document,
    Image,
    Refusal,
    Result,
    Sound,
    Text,
    Thought,
    Turn,
)

Atom = tuple[Any, ...]
_REMINDER = ("<system-reminder>", "</system-reminder>")


def differences(asked: Ask, heard: Ask) -> dict[str, str]:
    """By key: how what was heard differs from what was asked. Keys are those of a client's `LOST`."""
    found: dict[str, str] = {}
    one, other = atoms(asked.turns), atoms(heard.turns)
    kinds = {kind for kind, *_ in one} | {kind for kind, *_ in other}
    for kind in sorted(kinds):
        mine = [atom for atom in one if atom[0] == kind]
        theirs = [atom for atom in other if atom[0] == kind]
        if mine != theirs:
            found[kind] = f"{mine} became {theirs}"
    if not found and one != other:
        found["order"] = f"{one} became {other}"
    _settings(asked, heard, found)
    _tools(asked, heard, found)
    return found


def _settings(asked: Ask, heard: Ask, found: dict[str, str]) -> None:
    for key in (
        "stream", "max_tokens", "temperature", "top_p", "top_k", "seed", "stop", "presence", "frequency",
        "logprobs", "n", "json", "schema", "user", "metadata", "tier", "verbosity", "cache_key",
    ):  # fmt: skip
        mine, theirs = getattr(asked, key), getattr(heard, key)
        if key == "max_tokens" and mine is None:
            continue  # some dialects demand one
        if mine != theirs:
            found[key] = f"{mine} became {theirs}"
    if asked.parallel is False and heard.parallel is not False:
        found["parallel"] = "it may call in parallel"
    if asked.show and not heard.show:
        found["show"] = "thoughts are not asked for"
    mine, theirs = band(asked), band(heard)
    if mine != theirs:
        found["effort_off" if mine == "off" else "effort"] = f"{mine} became {theirs}"


def band(ask: Ask) -> str | None:
    """How much thinking is asked for, in words that hold for efforts and budgets alike."""
    if ask.budget is not None and ask.budget >= 0:
        if ask.budget == 0:
            return "off"
        return "low" if ask.budget < 4096 else "medium" if ask.budget < 16384 else "high"
    return {"minimal": "low", "xhigh": "high", "max": "high"}.get(ask.effort or "", ask.effort)


def _tools(asked: Ask, heard: Ask, found: dict[str, str]) -> None:
    mine = [(t.name, t.description, t.schema) for t in asked.tools if not t.free]
    theirs = [(t.name, t.description, _plain(t.schema)) for t in heard.tools if not t.free]
    free = [t.name for t in asked.tools if t.free]
    theirs = [tool for tool in theirs if tool[0] not in free]
    if asked.choice == "none" and not heard.tools:
        return  # not offered is not called
    if mine != theirs:
        found["tools"] = f"{mine} became {theirs}"
    if not set(free) <= {t.name for t in heard.tools}:
        found["tools"] = f"{free} is not offered"
    if any(t.strict for t in asked.tools) and not all(t.strict for t in heard.tools):
        calling = (heard.raw.get("toolConfig") or {}).get("functionCallingConfig") or {}
        if calling.get("mode") not in ("VALIDATED", "ANY"):
            found["strict"] = "the schema is not enforced"
    if any(t.cache for t in asked.tools) and not any(t.cache for t in heard.tools):
        found["cache"] = "the mark is gone"
    if (asked.choice or "auto") != (heard.choice or "auto"):
        found["choice"] = f"{asked.choice} became {heard.choice}"


def _plain(schema: Any) -> Any:
    """A schema without what a house adds or leaves out unasked."""
    return schema


def atoms(turns: tuple[Turn, ...]) -> list[Atom]:
    """The conversation."""
    said: list[Atom] = []
    calls: dict[str, int] = {}
    order: list[str] = []
    for turn in turns:
        role = "system" if turn.role == "developer" else turn.role
        for part in turn.parts:
            match part:
                case Text():
                    _words(said, role, part)
                case Refusal():
                    _words(said, role, Text(part.text))
                case Image():
                    said.append(("image_url" if part.url else "image", role, part.url or part.data))
                case Document():
                    said.append(("document", role, part.data))
                    if part.name:
                        said.append(("name", part.name.removesuffix(".pdf")))  # Converse takes no dots
                case Sound():
                    said.append(("sound", role, part.data))
                case Thought():
                    said.append(("thought", part.text, part.proof))
                case Call():
                    calls[part.id] = len(order)
                    order.append(part.name)
                    if part.proof:
                        said.append(("thought", "", part.proof))
                    args = part.free if part.free is not None else json.dumps(part.args, sort_keys=True)
                    said.append(("call", part.name, args))
                case Result():
                    _result(said, part, calls)
    return _in_order(said)


def _in_order(said: list[Atom]) -> list[Atom]:
    """Results that follow one another stand in the order of their calls."""
    for at in range(1, len(said)):
        place = at
        while place and said[place][0] == said[place - 1][0] == "result" and said[place] < said[place - 1]:
            said[place - 1], said[place] = said[place], said[place - 1]
            place -= 1
    return said


def _words(said: list[Atom], role: str, part: Text) -> None:
    text = part.text.strip()
    if role == "user" and text.startswith(_REMINDER[0]) and text.endswith(_REMINDER[1]):
        role, text = "system", text[len(_REMINDER[0]) : -len(_REMINDER[1])].strip()
    if text.startswith(LABEL_OF_MOVED) or (role == "assistant" and text == BETWEEN):
        return  # our own words: where a picture came from, and a word between a result and the user
    if text:
        squeezed = "".join(text.split())
        if said and said[-1][0] == "text" and said[-1][1] == role:
            said[-1] = ("text", role, said[-1][2] + squeezed)
        else:
            said.append(("text", role, squeezed))
    if part.cache:
        said.append(("cache", role))


def _result(said: list[Atom], part: Result, calls: dict[str, int]) -> None:
    text = "".join([p.text for p in part.parts if isinstance(p, Text)])
    error = part.error
    if text.startswith("Error:"):
        error, text = True, text.removeprefix("Error:")
    # Calls without ids are answered in their order.
    place = calls.get(part.call) if part.call else len([a for a in said if a[0] == "result"])
    said.append(("result", place, "".join(text.split()), error))
    said.extend([("image", "user", p.data) for p in part.parts if isinstance(p, Image)])


def told_differently(answer: Answer, told: Answer, model: str, house: House) -> dict[str, str]:
    """By key: how what the client was told differs from what was answered."""
    found: dict[str, str] = {}
    for key, mine, theirs in (
        ("words", _joined(answer, Text), _joined(told, Text)),
        ("refused", _joined(answer, Refusal), _joined(told, Refusal)),
        ("thoughts", _joined(answer, Thought), _joined(told, Thought)),
        ("calls", _calls(answer), _calls(told)),
        ("finish", answer.finish, told.finish),
        ("usage", answer.usage, told.usage),
        ("model", model, told.model),
        ("stop_sequence", answer.stop_sequence, told.stop_sequence),
        ("logprobs", answer.logprobs, told.logprobs),
        ("citations", answer.citations, told.citations),
    ):
        if mine != theirs:
            found[key] = f"{key}: {mine} became {theirs}"
    return found


def _joined(answer: Answer, kind: type) -> str:
    return "".join([part.text for part in answer.parts if isinstance(part, kind)])


def _calls(answer: Answer) -> list[tuple[str, Any]]:
    return [(p.name, p.free if p.free is not None else p.args) for p in answer.parts if isinstance(p, Call)]
