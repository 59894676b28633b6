"""A complete answer against its request: the format that was asked for, and the arguments of its calls.

Form alone. An answer that has it may say anything; one that has not is of no use to who asked for it.
"""

from typing import Any

import msgspec

from passerelle.core.message import TextPart, ToolCallPart
from passerelle.core.request import OutputFormat, Request
from passerelle.core.response import Response
from passerelle.gateway.proofs.schema import UndecidedError, fault

_WHOLE = frozenset({"stop", "tool_calls"})
"""How an answer ends that had room for all of itself. One that was cut at its caller's limit, refused or
filtered did not fail at its form."""
CALLING = "the model tried to call a tool and failed"


class Held(msgspec.Struct, frozen=True):
    """What came of it."""

    met: bool
    why: str = ""
    """What was not met, in the words of the schema and none of the answer's."""


MET = Held(True)


def held(request: Request, response: Response) -> Held | None:
    """Whether the answer has the form that its request asked for. None where none was asked for, where the
    answer did not get as far, or where it cannot be told.
    """
    if response.finish == "malformed_tool_call":
        return Held(False, CALLING)
    if response.finish not in _WHOLE:
        return None
    calls = [part for part in response.parts if isinstance(part, ToolCallPart)]
    try:
        if calls:
            return _calls(request, calls)
        if request.output.kind != "text":
            text = "".join(part.text for part in response.parts if isinstance(part, TextPart))
            return _formatted(request.output, text) if text else None
    except UndecidedError:
        return None
    return None


def asks(features: frozenset[str]) -> bool:
    """Whether a request of these features (`codecs.base.Envelope`) may ask for something to hold against."""
    return not features.isdisjoint(("json", "json_schema", "tools"))


def _formatted(output: OutputFormat, text: str) -> Held:
    value = _json(text)
    if value is msgspec.UNSET:
        return Held(False, "the answer is no JSON")
    if output.schema is not None:
        return _said(fault(output.schema, value), "the answer")
    # JSON mode: "the message the model generates is valid JSON", and all who have it promise an object.
    return MET if isinstance(value, dict) else Held(False, "the answer is no JSON object")


def _calls(request: Request, calls: list[ToolCallPart]) -> Held | None:
    """All of them, as far as their tools say what they take."""
    schemas = {tool.name: tool.parameters for tool in request.tools if tool.kind == "function"}
    told = False
    unsure: UndecidedError | None = None
    for call in calls:
        schema = schemas.get(call.name)
        if schema is None or call.kind != "function":
            continue
        value = _json(call.arguments)
        if value is msgspec.UNSET:
            return Held(False, f"the arguments of `{call.name}` are no JSON")
        try:
            found = _said(fault(schema, value), f"a call of `{call.name}`")
        except UndecidedError as error:
            unsure = error
            continue
        if not found.met:
            return found
        told = True
    if unsure is not None:
        raise unsure
    return MET if told else None


def _json(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return msgspec.UNSET


def _said(found: str | None, what: str) -> Held:
    return MET if found is None else Held(False, f"{what} does not meet its schema at {found}")
