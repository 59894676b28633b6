"""Tool arguments of answers, for dialects where they are an object and not the model's own text.

A model may write arguments that are no JSON, or be cut in the middle of them. Such a call cannot be said
where its input is an object, and inventing one would have a tool run on what nobody asked: the call is
left out, or left unfinished, and the answer ends as malformed.
"""

from typing import Final

import msgspec

from passerelle.core.message import ToolCallPart
from passerelle.core.response import FinishReason

_object: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])


def is_whole(arguments: str) -> bool:
    """Whether a function's arguments are a JSON object, or nothing at all, which means an empty one."""
    if not arguments or arguments.isspace():
        return True
    try:
        _object.decode(arguments)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return False
    return True


def is_malformed(part: object) -> bool:
    """Whether `part` is a call of a function that no object can stand for."""
    return isinstance(part, ToolCallPart) and part.kind == "function" and not is_whole(part.arguments)


def ending(finish: FinishReason, *, malformed: bool) -> FinishReason:
    """How an answer ends that has, or has not, lost a call: never as if it were complete."""
    return "malformed_tool_call" if malformed and finish in ("stop", "tool_calls") else finish


class UniqueIds:
    """Ids of an answer's calls, each given once: some providers name two calls alike."""

    __slots__ = ("_stem", "_used")

    def __init__(self, stem: str) -> None:
        self._stem = stem
        self._used: set[str] = set()

    def take(self, given: str | None, index: int) -> str:
        """`given`, unless it is empty or was given before: then one of our own, of the call's `index`."""
        call_id = given if given and given not in self._used else f"{self._stem}{index}"
        self._used.add(call_id)
        return call_id
