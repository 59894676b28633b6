"""Reading a decoded JSON object field by field: typed, and named by its path when it is wrong.

Each reader takes a field out of a private copy of the object, so that what is left at the end is what
we do not name: the object's `extra`.
"""

from math import isfinite
from typing import Any, Final

import msgspec

from passerelle.core.errors import ProblemError, invalid

JsonObject = dict[str, Any]

_NAMES: dict[type, str] = {
    dict: "an object",
    list: "a list",
    str: "a string",
    int: "a number",
    float: "a number",
    bool: "a boolean",
    type(None): "null",
}


BAD_JSON: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What msgspec raises for bytes that are not JSON, not UTF-8, or nested beyond its depth."""


def parse_body(body: bytes) -> JsonObject:
    """The JSON object a caller sent. Raises `ProblemError` saying where it is malformed."""
    try:
        value = msgspec.json.decode(body)
    except BAD_JSON as error:
        raise malformed(error) from None
    if not isinstance(value, dict):
        raise invalid(f"the body is {said(value)}; send a JSON object")
    return value


def malformed(error: msgspec.DecodeError | UnicodeDecodeError | RecursionError) -> ProblemError:
    """The problem of a body that is not JSON, or not UTF-8."""
    if isinstance(error, RecursionError):
        return invalid("the body is nested too deeply; flatten it and send it again")
    if isinstance(error, UnicodeDecodeError):
        return invalid("the body is not valid UTF-8; encode it as UTF-8 JSON and send it again")
    if isinstance(error, msgspec.ValidationError):  # numbers and dates msgspec cannot hold
        return invalid(f"the body holds a value that cannot be read ({error}); correct it and send it again")
    return invalid(f"the body is not valid JSON: {error}; correct it and send it again")


def said(value: object) -> str:
    """What a JSON value is, in words."""
    return _NAMES.get(type(value), "another type")


def wrong(path: str, value: object, wanted: str) -> ProblemError:
    """`path` holds the wrong type."""
    return invalid(f"`{path}` is {said(value)}; make it {wanted}", path)


def missing(path: str) -> ProblemError:
    """`path` is required and absent."""
    return invalid(f"`{path}` is missing; add it", path)


def obj(value: object, path: str) -> JsonObject:
    """`value` as an object, copied so that fields may be taken out of it."""
    if not isinstance(value, dict):
        raise wrong(path, value, "an object")
    return dict(value)


def array(value: object, path: str) -> list[Any]:
    """`value` as a list."""
    if not isinstance(value, list):
        raise wrong(path, value, "a list")
    return value


def take_str(fields: JsonObject, name: str, path: str) -> str | None:
    """Take an optional string; null counts as absent."""
    value = fields.pop(name, None)
    if value is not None and not isinstance(value, str):
        raise wrong(join(path, name), value, "a string")
    return value


def need_str(fields: JsonObject, name: str, path: str) -> str:
    """Take a required string."""
    value = fields.pop(name, None)
    if isinstance(value, str):
        return value
    where = join(path, name)
    raise missing(where) if value is None else wrong(where, value, "a string")


def take_int(fields: JsonObject, name: str, path: str) -> int | None:
    """Take an optional whole number."""
    value = fields.pop(name, None)
    if value is None:
        return None
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise wrong(join(path, name), value, "a whole number")
    return value


def take_number(fields: JsonObject, name: str, path: str) -> float | None:
    """Take an optional number."""
    value = fields.pop(name, None)
    if value is None:
        return None
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise wrong(join(path, name), value, "a number")
    return value


def take_bool(fields: JsonObject, name: str, path: str) -> bool | None:
    """Take an optional boolean."""
    value = fields.pop(name, None)
    if value is not None and not isinstance(value, bool):
        raise wrong(join(path, name), value, "`true` or `false`")
    return value


def number_in(text: str) -> float | None:
    """The number that a text is, as forms have no other way to say one; None for anything else, infinities
    and "nan" included, which JSON cannot say.
    """
    if "_" in text:  # Python's own way to write them
        return None
    try:
        number = float(text)
    except ValueError:
        return None
    if not isfinite(number):
        return None
    return int(text) if text.strip().lstrip("+-").isdecimal() and abs(number) < 2**63 else number


def join(path: str, name: str | int) -> str:
    """`path.name`, or `name` at the top."""
    return f"{path}.{name}" if path else str(name)
