"""What a verifier is given and what it gives."""

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from passerelle.core.event import Event, Finished, PartDelta, PartStarted
from passerelle.core.message import RefusalPart, TextPart, ToolCallPart
from passerelle.core.response import Response

MOST_LETTERS: Final = 1 << 20
"""A longer answer is not looked at: it is not proven."""
_REFUSALS: Final = frozenset({"refusal", "content_filter"})


class Call(msgspec.Struct, frozen=True, gc=False):
    """A tool that an answer calls."""

    name: str
    arguments: str
    custom: bool = False
    """Its arguments are free text."""


class Said(msgspec.Struct, frozen=True, gc=False):
    """An answer as a verifier sees it: thoughts, pictures and sound are left out."""

    text: str = ""
    calls: tuple[Call, ...] = ()
    finish: str = "stop"
    """Core's `FinishReason`."""
    declined: bool = False
    """The model refused in the dialect's own way, or a filter cut it."""

    @property
    def whole(self) -> bool:
        """It came to its own end, not to a limit."""
        return self.finish in ("stop", "tool_calls")


class Verdict(msgspec.Struct, frozen=True, gc=False):
    """Whether an answer holds."""

    holds: bool
    why: str
    """In words. Never a word of the answer: receipts keep it."""
    tells: bool = True
    """It says something of the model, too, that can be learned from."""


class UndecidedError(Exception):
    """It cannot be told here; the message says why."""


def said(response: Response) -> Said:
    """A whole answer. Raises `UndecidedError`."""
    text = "".join([part.text for part in response.parts if isinstance(part, TextPart)])
    calls = [
        Call(part.name, part.arguments, part.kind == "custom")
        for part in response.parts
        if isinstance(part, ToolCallPart)
    ]
    declined = any(isinstance(part, RefusalPart) for part in response.parts)
    return _bounded(text, calls, response.finish, declined=declined)


def heard(events: Iterable[Event]) -> Said:
    """A streamed one. Raises `UndecidedError`."""
    kinds: dict[int, PartStarted] = {}
    words: dict[int, list[str]] = {}
    finish = "incomplete"
    for event in events:
        if isinstance(event, PartStarted):
            kinds[event.index], words[event.index] = event, []
        elif isinstance(event, PartDelta) and event.index in words:
            words[event.index].append(event.text)
        elif isinstance(event, Finished):
            finish = event.finish
    text = "".join(["".join(words[index]) for index, part in kinds.items() if part.kind == "text"])
    calls = [
        Call(part.name or "", "".join(words[index]) or "{}", part.tool_kind == "custom")
        for index, part in kinds.items()
        if part.kind == "tool_call"
    ]
    return _bounded(text, calls, finish, declined=any(part.kind == "refusal" for part in kinds.values()))


def _bounded(text: str, calls: list[Call], finish: str, *, declined: bool) -> Said:
    if len(text) + sum(len(call.arguments) for call in calls) > MOST_LETTERS:
        raise UndecidedError(f"the answer has more than {MOST_LETTERS} letters")
    return Said(text, tuple(calls), finish, declined or finish in _REFUSALS)


def read_json(text: str) -> tuple[bool, Any]:
    """Whether it is JSON, and the value."""
    try:
        return True, msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        return False, None
