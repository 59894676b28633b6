"""Tools of free text where a provider has none: functions of one text, and the way back.

A custom tool (OpenAI) reaches other dialects as a function whose schema has one field, `input`; its call is
told to the caller as what it declared.
"""

from typing import Any, Final

import msgspec

from passerelle.core.request import Request

_any: Final[msgspec.json.Decoder[Any]] = msgspec.json.Decoder()


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
