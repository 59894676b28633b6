"""What a schema says of one value by itself: its type, its bounds. And what schemas are made of.

See `json_schema` for the source of the keywords. All of it raises `UndecidedError` where a schema is none.
"""

import math
import operator
from collections.abc import Callable
from typing import Any, Final

from passerelle.router.verifier.base import UndecidedError

Facet = Callable[[Any, Any, dict[str, Any]], bool]
"""Whether it holds: what the keyword says, the value, the schema. It does of values that it is not about."""


def is_number(value: Any) -> bool:
    """As JSON has it: true is none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


TYPES: Final[dict[str, Callable[[Any], bool]]] = {
    "array": lambda value: isinstance(value, list),
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: is_number(value) and (isinstance(value, int) or value.is_integer()),
    "null": lambda value: value is None,
    "number": is_number,
    "object": lambda value: isinstance(value, dict),
    "string": lambda value: isinstance(value, str),
}


def number(said: Any) -> float:
    """A number of a schema."""
    if not is_number(said):
        raise UndecidedError("the schema has no number where one belongs")
    return said  # type: ignore[no-any-return]


def listed(said: Any) -> list[Any]:
    """A list of a schema."""
    if not isinstance(said, list):
        raise UndecidedError("the schema has no list where one belongs")
    return said


def mapped(said: Any) -> dict[str, Any]:
    """An object of a schema."""
    if not isinstance(said, dict):
        raise UndecidedError("the schema has no object where one belongs")
    return said


def _multiple(said: Any, value: Any, schema: dict[str, Any]) -> bool:
    if not is_number(value):
        return True
    step = number(said)
    if step <= 0:
        raise UndecidedError("the schema asks for a multiple of nothing")
    if isinstance(value, int) and isinstance(step, int):
        return value % step == 0
    try:
        times = value / step
    except OverflowError:
        raise UndecidedError("the numbers are too large") from None
    if not math.isfinite(times):
        raise UndecidedError("the numbers are too large")
    # 0.3 is a multiple of 0.1, though not of the nearest doubles of both.
    return bool(abs(times - round(times)) < 1e-9 * max(1.0, abs(times)))


def _bounded(holds: Callable[[Any, Any], bool], strictly: str = "") -> Facet:
    """A bound of numbers. `strictly`: the word beside which draft 4 has a boolean that sharpens it."""

    def held(said: Any, value: Any, schema: dict[str, Any]) -> bool:
        if isinstance(said, bool) or not is_number(value):  # that boolean itself
            return True
        return holds(value, number(said)) and not (value == said and schema.get(strictly) is True)

    return held


def _sized(kind: type[Any], holds: Callable[[Any, Any], bool]) -> Facet:
    """A bound of how long or large something is."""

    def held(said: Any, value: Any, schema: dict[str, Any]) -> bool:
        return not isinstance(value, kind) or holds(len(value), number(said))

    return held


FACETS: Final[dict[str, Facet]] = {
    "exclusiveMaximum": _bounded(operator.lt),
    "exclusiveMinimum": _bounded(operator.gt),
    "maxItems": _sized(list, operator.le),
    "maxLength": _sized(str, operator.le),
    "maxProperties": _sized(dict, operator.le),
    "maximum": _bounded(operator.le, "exclusiveMaximum"),
    "minItems": _sized(list, operator.ge),
    "minLength": _sized(str, operator.ge),
    "minProperties": _sized(dict, operator.ge),
    "minimum": _bounded(operator.ge, "exclusiveMinimum"),
    "multipleOf": _multiple,
}
