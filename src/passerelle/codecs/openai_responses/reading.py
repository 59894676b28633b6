"""Reading a caller's JSON by hand, where every mistake is named by its path (`input[2].content[0].text`)."""

import re
from typing import Any, NoReturn, TypeVar

import msgspec

from passerelle.core.errors import ProblemError, invalid

Json = dict[str, Any]
T = TypeVar("T")

_KINDS = {
    dict: "an object",
    list: "a list",
    str: "a string",
    bool: "a boolean",
    int: "an integer",
    float: "a number",
    type(None): "null",
}

_AT = re.compile(r"^(?P<said>.*?)(?: - at `\$\.?(?P<path>[^`]*)`)?$", re.DOTALL)
_MISSING = re.compile(r"^Object missing required field `(?P<field>[^`]*)`")
_WORDS = {"str": "string", "int": "integer", "float": "number", "bool": "boolean", "array": "list"}


def wrong(at: str, wanted: str, value: Any) -> ProblemError:
    """The error for a field that is not what it must be."""
    return invalid(f"`{at}` must be {wanted}, not {_KINDS[type(value)]}; correct it and send again.", at)


def missing(at: str, wanted: str) -> ProblemError:
    """The error for a field that must be there."""
    return invalid(f"`{at}` is missing; add {wanted}.", at)


def an_object(value: Any, at: str) -> Json:
    """`value`, which must be an object."""
    if not isinstance(value, dict):
        raise wrong(at, "an object", value)
    return value


def a_list(value: Any, at: str) -> list[Any]:
    """`value`, which must be a list."""
    if not isinstance(value, list):
        raise wrong(at, "a list", value)
    return value


def text_of(fields: Json, name: str, at: str) -> str:
    """The string `name`, which must be there. Taken out of `fields`."""
    if name not in fields:
        raise missing(_under(at, name), "it as a string")
    value = fields.pop(name)
    if not isinstance(value, str):
        raise wrong(_under(at, name), "a string", value)
    return value


def maybe_text(fields: Json, name: str, at: str = "") -> str | None:
    """The string `name`, if it is there and not null. Taken out of `fields`."""
    value = fields.pop(name, None)
    if value is not None and not isinstance(value, str):
        raise wrong(_under(at, name), "a string", value)
    return value


def maybe_bool(fields: Json, name: str, at: str = "") -> bool | None:
    """The boolean `name`, if it is there and not null. Taken out of `fields`."""
    value = fields.pop(name, None)
    if value is not None and not isinstance(value, bool):
        raise wrong(_under(at, name), "true or false", value)
    return value


def maybe_int(fields: Json, name: str, at: str = "", *, least: int = 0) -> int | None:
    """The integer `name` ≥ `least`, if it is there and not null. Taken out of `fields`."""
    value = fields.pop(name, None)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise wrong(_under(at, name), "an integer", value)
    if value < least:
        raise invalid(f"`{_under(at, name)}` is {value}; give at least {least}.", _under(at, name))
    return value


def maybe_number(fields: Json, name: str, at: str = "") -> float | None:
    """The number `name`, if it is there and not null. Taken out of `fields`."""
    value = fields.pop(name, None)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise wrong(_under(at, name), "a number", value)
    return value


def maybe_object(fields: Json, name: str, at: str = "") -> Json | None:
    """The object `name`, if it is there and not null. Taken out of `fields`."""
    value = fields.pop(name, None)
    if value is not None and not isinstance(value, dict):
        raise wrong(_under(at, name), "an object", value)
    return value


def maybe_list(fields: Json, name: str, at: str = "") -> list[Any] | None:
    """The list `name`, if it is there and not null. Taken out of `fields`."""
    value = fields.pop(name, None)
    if value is not None and not isinstance(value, list):
        raise wrong(_under(at, name), "a list", value)
    return value


def left(fields: Json) -> Json | None:
    """What nobody took, for `extra`; null says nothing."""
    return {name: value for name, value in fields.items() if value is not None} or None


def _under(at: str, name: str) -> str:
    return f"{at}.{name}" if at else name


def decode(decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    """`body` decoded. Raises `ProblemError` naming the field or the byte at fault."""
    try:
        if not body.isascii():
            body.decode()  # msgspec does not look into strings it skips
        return decoder.decode(body)
    except UnicodeDecodeError as error:
        raise invalid(
            f"The body is not UTF-8 at byte {error.start}; encode it as UTF-8 and send again."
        ) from None
    except RecursionError:
        raise invalid("The body is nested too deeply; flatten it and send again.") from None
    except msgspec.ValidationError as error:
        _explain(str(error))
    except msgspec.DecodeError as error:
        said = str(error).removeprefix("JSON is malformed: ")
        raise invalid(f"The body is not valid JSON: {said}; correct it and send again.") from None


def _explain(said: str) -> NoReturn:
    """What msgspec says of a wrong type, in our words."""
    match = _AT.match(said)
    path = (match["path"] or "") if match else ""
    about = match["said"] if match else said
    absent = _MISSING.match(about)
    if absent:
        raise missing(_under(path, absent["field"]), "it to the request") from None
    about = about.replace("Expected ", "must be ").replace(", got ", ", not ")
    about = re.sub(r"`([a-z]+(?: \| [a-z]+)*)`", _plain, about)
    if not path:
        raise invalid(f"The body {about}; send one JSON object.") from None
    raise invalid(f"`{path}` {about}; correct it and send again.", path) from None


def _plain(match: re.Match[str]) -> str:
    words = [_WORDS.get(word, word) for word in match[1].split(" | ") if word != "null"] or ["null"]
    named = [word if word == "null" else f"{'an' if word[0] in 'aeiou' else 'a'} {word}" for word in words]
    return " or ".join(named)
