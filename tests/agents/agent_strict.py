"""What a strict provider refuses: anything its own official SDK could not have sent, by that SDK's types.

A field the types do not know, one that is missing, a value of another kind: each is told with its place.
"""

import types as python_types
import typing
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

import typing_extensions
from google.genai import types as google
from pydantic import ValidationError

Body = dict[str, Any]

_WRAPPERS = (typing.Required, typing.NotRequired, typing_extensions.Required, typing_extensions.NotRequired)


def faults(value: Any, kind: Any, at: str = "") -> list[str]:
    """Why `value` is not of this type, a line for each reason; nothing when it is."""
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin in _WRAPPERS or origin is typing.Annotated:
        return faults(value, inner[0], at)
    if typing_extensions.is_typeddict(kind):
        return _of_dict(value, kind, at)
    if origin in (typing.Union, python_types.UnionType):
        return _of_union(value, inner, at)
    if origin is typing.Literal:
        return [] if value in inner else [f"{at}: {value!r} is none of {inner}"]
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return [] if isinstance(value, dict) else [f"{at}: no object"]
    if isinstance(origin, type) and issubclass(origin, Iterable):
        if not isinstance(value, list):
            return [f"{at}: no list"]
        return [fault for n, each in enumerate(value) for fault in faults(each, inner[0], f"{at}[{n}]")]
    return _of_plain(value, kind, at)


def gemini_faults(body: Body) -> list[str]:
    """The same for a Gemini request, by the models of `google-genai`, which forbid what they do not know."""
    known: dict[str, Any] = {
        "contents": google.Content,
        "tools": google.Tool,
        "toolConfig": google.ToolConfig,
        "systemInstruction": google.Content,
        "generationConfig": google.GenerationConfig,
        "safetySettings": google.SafetySetting,
    }
    found = [f"{name}: unknown" for name in body.keys() - known.keys() - {"cachedContent", "serviceTier"}]
    for name in known.keys() & body.keys():
        for value in body[name] if isinstance(body[name], list) else [body[name]]:
            try:
                known[name].model_validate(value)
            except ValidationError as error:
                found += [f"{name}.{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
    return found


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return typing_extensions.get_type_hints(kind, include_extras=False)


def _of_dict(value: Any, kind: Any, at: str) -> list[str]:
    if not isinstance(value, dict):
        return [f"{at}: no object"]
    hints = _hints(kind)
    found = [f"{at}.{name}: unknown to {kind.__name__}" for name in value.keys() - hints.keys()]
    found += [f"{at}.{name}: missing" for name in kind.__required_keys__ - value.keys()]
    for name in value.keys() & hints.keys():
        found += faults(value[name], hints[name], f"{at}.{name}")
    return found


def _of_union(value: Any, kinds: tuple[Any, ...], at: str) -> list[str]:
    """The reasons of the member that came nearest."""
    nearest: list[str] | None = None
    for kind in kinds:
        found = faults(value, kind, at)
        if not found:
            return []
        if nearest is None or len(found) < len(nearest):
            nearest = found
    return nearest or []


def _of_plain(value: Any, kind: Any, at: str) -> list[str]:
    if kind is Any or kind is object:
        return []
    if kind is float:
        kind = (int, float)
    if not isinstance(kind, (type, tuple)):
        return []
    right = isinstance(value, kind) and not (isinstance(value, bool) and kind is not bool)
    return [] if right else [f"{at}: {type(value).__name__} instead of {kind}"]
