"""Reading the JSON of an OpenAI caller: typed, every mistake named by its path (`input[2].content[0].text`).

The readers take a field out of the (private, freshly decoded) object, so that what is left at the end is
what we do not name: the `extra` that goes back to the same dialect.
"""

import re
from typing import Any, Final, TypeVar

import msgspec

from passerelle.core.errors import ProblemError, invalid

Json = dict[str, Any]
T = TypeVar("T")

_any_decoder = msgspec.json.Decoder()

_SAID: Final[dict[type, str]] = {
    dict: "an object",
    list: "an array",
    str: "a string",
    int: "an integer",
    float: "a number",
    bool: "a boolean",
    type(None): "null",
}
_WIRE: Final = {
    "object": "an object",
    "array": "an array",
    "str": "a string",
    "int": "an integer",
    "float": "a number",
    "bool": "a boolean",
    "null": "null",
}
_AT: Final = re.compile(r" - at `\$\.?([^`]*)`$")
_EXPECTED: Final = re.compile(r"^Expected `(?P<wanted>[^`]*)`(?P<bound>[^,]*), got `(?P<got>[^`]*)`")
_BOUND: Final = re.compile(r"^Expected `(?P<wanted>[^`]*)` (?P<bound>[<>]=? .*)$")
_MISSING: Final = re.compile(r"^Object missing required field `([^`]*)`")


def decode(decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    """`body` decoded. Raises `ProblemError` naming the field, or the byte, at fault."""
    try:
        if not body.isascii():
            body.decode()  # msgspec does not look inside strings it skips
        return decoder.decode(body)
    except UnicodeDecodeError as error:
        raise invalid(
            f"The body is not UTF-8 (byte {error.start}); encode it as UTF-8 and send it again."
        ) from None
    except RecursionError:
        raise invalid("The body is nested too deeply; flatten it and send it again.") from None
    except msgspec.ValidationError as error:
        raise explained(str(error)) from None
    except msgspec.DecodeError as error:
        said = str(error).removeprefix("JSON is malformed: ")
        raise invalid(f"The body is not valid JSON: {said}; correct it and send it again.") from None


def decode_object(body: bytes) -> Json:
    """The body, which must be one JSON object."""
    value = decode(_any_decoder, body)
    if not isinstance(value, dict):
        raise invalid(f"The body is {_SAID[type(value)]}; send one JSON object.")
    return value


def explained(said: str, below: str = "") -> ProblemError:
    """The words msgspec has for a wrong type, in ours; `below` is the path of what was decoded."""
    at = _AT.search(said)
    path = below + (at[1] if at else "")
    about = said[: at.start()] if at else said
    if absent := _MISSING.match(about):
        return missing(f"{path}.{absent[1]}" if path else absent[1])
    if expected := _EXPECTED.match(about):
        wanted = " or ".join(_WIRE.get(w, w) for w in expected["wanted"].split(" | ") if w != "null")
        got = _WIRE.get(expected["got"], expected["got"])
        if not path:
            return invalid(f"The body is {got}; send one JSON object.")
        return invalid(f"`{path}` must be {wanted}, not {got}; correct it and send it again.", path)
    if bound := _BOUND.match(about):
        return invalid(f"`{path}` must be {bound['bound']}; correct it and send it again.", path)
    return invalid(f"`{path or 'body'}` cannot be read: {about}; correct it and send it again.", path or None)


def wrong(path: str, wanted: str, value: Any) -> ProblemError:
    """`path` does not hold what it must."""
    return invalid(
        f"`{path}` must be {wanted}, not {_SAID[type(value)]}; correct it and send it again.", path
    )


def missing(path: str, what: str = "it") -> ProblemError:
    """`path` is required and absent; `what` is to be added."""
    return invalid(f"`{path}` is missing; add {what} and send the request again.", path)


def an_object(value: Any, path: str) -> Json:
    """`value` as an object."""
    if not isinstance(value, dict):
        raise wrong(path, "an object", value)
    return value


def a_list(value: Any, path: str) -> list[Any]:
    """`value` as a list."""
    if not isinstance(value, list):
        raise wrong(path, "an array", value)
    return value


def need_text(fields: Json, name: str, path: str) -> str:
    """Take the string `name`, which must be there."""
    value = fields.pop(name, None)
    if isinstance(value, str):
        return value
    raise missing(under(path, name)) if value is None else wrong(under(path, name), "a string", value)


def need_object(fields: Json, name: str, path: str) -> Json:
    """Take the object `name`, which must be there."""
    value = fields.pop(name, None)
    if value is None:
        raise missing(under(path, name))
    return an_object(value, under(path, name))


def take_text(fields: Json, name: str, path: str = "") -> str | None:
    """Take the string `name`; null counts as absent, here and below."""
    value = fields.pop(name, None)
    if value is not None and not isinstance(value, str):
        raise wrong(under(path, name), "a string", value)
    return value


def take_bool(fields: Json, name: str, path: str = "") -> bool | None:
    """Take the boolean `name`."""
    value = fields.pop(name, None)
    if value is not None and not isinstance(value, bool):
        raise wrong(under(path, name), "a boolean", value)
    return value


def take_int(fields: Json, name: str, path: str = "", *, least: int | None = None) -> int | None:
    """Take the integer `name`, at least `least`."""
    value = fields.pop(name, None)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool):
        raise wrong(under(path, name), "an integer", value)
    if least is not None and value < least:
        where = under(path, name)
        raise invalid(f"`{where}` is {value}; give at least {least}.", where)
    return value


def take_number(fields: Json, name: str, path: str = "") -> float | None:
    """Take the number `name`."""
    value = fields.pop(name, None)
    if value is None:
        return None
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise wrong(under(path, name), "a number", value)
    return value


def take_object(fields: Json, name: str, path: str = "") -> Json | None:
    """Take the object `name`."""
    value = fields.pop(name, None)
    return None if value is None else an_object(value, under(path, name))


def take_list(fields: Json, name: str, path: str = "") -> list[Any] | None:
    """Take the list `name`."""
    value = fields.pop(name, None)
    return None if value is None else a_list(value, under(path, name))


def left(fields: Json) -> Json | None:
    """What nobody took, for `extra`; null says nothing."""
    return {name: value for name, value in fields.items() if value is not None} or None


def under(path: str, name: str) -> str:
    """`path.name`, or `name` at the top."""
    return f"{path}.{name}" if path else name
