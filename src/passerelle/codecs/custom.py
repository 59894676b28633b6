"""Tools of free text where a provider has none: functions of one text, and the way back.

A custom tool (OpenAI) reaches other dialects as a function whose schema has one field, `input`; its call is
told to the caller as what it declared.
"""

from typing import Any, Final

import msgspec

from passerelle.core.request import Request

_encode = msgspec.json.Encoder().encode
_any: Final[msgspec.json.Decoder[Any]] = msgspec.json.Decoder()


TEXT_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {"input": {"type": "string", "description": "The tool's whole input, as plain text."}},
    "required": ["input"],
    "additionalProperties": False,
}
"""The parameters of a function that stands for a tool of free text."""


def wrap(text: str) -> str:
    """Free text as the arguments of such a function."""
    return _encode({"input": text}).decode()


def unwrapped(arguments: str) -> str:
    """The text in a call's JSON arguments: its `input`, or its only text; the arguments themselves when they
    hold neither."""
    try:
        found = _any.decode(arguments)
    except (msgspec.DecodeError, RecursionError):
        return arguments
    if isinstance(found, dict):
        if isinstance(found.get("input"), str):
            return str(found["input"])
        words = [value for value in found.values() if isinstance(value, str)]
        if len(found) == len(words) == 1:
            return words[0]
    return arguments


def custom_names(request: Request | None) -> frozenset[str]:
    """The names of the caller's tools of free text."""
    if request is None or not request.tools:
        return frozenset()
    return frozenset([tool.name for tool in request.tools if tool.kind == "custom"])
