"""JSON of Google's APIs into typed values, as lenient as Google's own parser.

Google reads requests by the proto JSON rules (protobuf.dev, "ProtoJSON Format", read 2026-11-22): field
names in lowerCamelCase or as in the proto file (snake_case), null for "not set", numbers also as strings.
Its parser also takes one object where a list is wanted; the curl examples of its own documentation use it
(`"contents": {"parts": {"text": …}}`).

Two speeds. What every SDK sends (camelCase, known fields) is decoded by msgspec alone. Anything else goes
through `_Lenient`, which gives the same values: unknown fields are kept in `extra`, and what is wrong is
named as the caller wrote it.
"""

from types import UnionType
from typing import Any, ClassVar, Final, NamedTuple, TypeVar, get_args, get_origin, get_type_hints

import msgspec

from passerelle.codecs.fields import BAD_JSON


class Wire(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True, kw_only=True):
    """A message of Google's API."""

    extra: dict[str, Any] | None = msgspec.field(default=None, name="+extra")
    """Fields the struct does not name, in their own names."""

    BARE_LIST: ClassVar[str | None] = None
    """The field meant when a bare list stands where the object should."""


W = TypeVar("W", bound=Wire)


class WireError(Exception):
    """The JSON is malformed, or a field has the wrong type. `path` names it as it was written."""

    def __init__(self, message: str, path: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.path = path


def check_utf8(body: bytes) -> None:
    """Raises `WireError` saying where `body` is not UTF-8."""
    if body.isascii():
        return
    try:
        body.decode()
    except UnicodeDecodeError as error:
        raise WireError(f"the body is not UTF-8 (byte {error.start}): send UTF-8 encoded JSON") from None


_strict: dict[type[Wire], msgspec.json.Decoder[Any]] = {}


def parse(body: bytes | msgspec.Raw, type_: type[W]) -> W:
    """`body` as a `type_`. Raises `WireError`. `body` must be checked UTF-8."""
    decoder = _strict.get(type_)
    if decoder is None:
        decoder = _strict[type_] = msgspec.json.Decoder(type_)
    try:
        value: W = decoder.decode(body)
    except msgspec.ValidationError:
        return lenient(body, type_)
    except BAD_JSON as error:
        raise malformed(error) from None
    return value


def lenient(body: bytes | msgspec.Raw, type_: type[W]) -> W:
    """`parse` by the slow and forgiving way. Raises `WireError`."""
    try:
        value: W = _struct(msgspec.Raw(body) if isinstance(body, bytes) else body, type_, "")
    except (UnicodeDecodeError, RecursionError) as error:
        raise malformed(error) from None
    return value


def canonical(value: Wire) -> bytes:
    """`value` as every SDK writes it, unknown fields in their places."""
    return msgspec.json.encode(_written(value))


_NOTHING: Final = msgspec.Raw()
"""The arguments of a call that came without any: written as it is, it would be no JSON."""


def _written(value: Any) -> Any:
    if isinstance(value, Wire):
        held = dict(value.extra or ())
        for name, attribute in zip(value.__struct_encode_fields__, value.__struct_fields__, strict=True):
            inner = getattr(value, attribute)
            if attribute != "extra" and inner is not None and inner != _NOTHING:
                held[name] = _written(inner)
        return held
    return [_written(one) for one in value] if isinstance(value, list) else value


def malformed(error: Exception) -> WireError:
    """What msgspec says of JSON that is none, with the next step."""
    if isinstance(error, RecursionError):
        return WireError("the JSON is nested too deeply: send a flatter body")
    if isinstance(error, UnicodeDecodeError):
        return WireError("the JSON holds text that is not UTF-8: send UTF-8 encoded JSON")
    said = str(error)
    if "truncated" in said:
        return WireError("the JSON ends too soon: send the whole body")
    return WireError(f"the JSON is malformed ({said.removeprefix('JSON is malformed: ')}): correct it")


# -- the lenient way ------------------------------------------------------------------------------------


class _Field(NamedTuple):
    attribute: str
    kind: str
    """`struct`, `structs` (a list of them), `number`, or `plain`."""
    type: Any
    """The struct's type for the first two, the field's own type for the others."""


_ANY: Final = msgspec.json.Decoder()
_OBJECT: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_LIST: Final = msgspec.json.Decoder(list[msgspec.Raw])
_NAMES: Final[dict[type, str]] = {
    str: "a string",
    int: "an integer",
    float: "a number",
    bool: "true or false",
}
_tables: dict[type[Wire], dict[str, _Field]] = {}


def _table(type_: type[Wire]) -> dict[str, _Field]:
    """Every name a field of `type_` answers to."""
    known = _tables.get(type_)
    if known is not None:
        return known
    hints = get_type_hints(type_)
    table: dict[str, _Field] = {}
    for attribute, encoded in zip(type_.__struct_fields__, type_.__struct_encode_fields__, strict=True):
        if attribute == "extra":
            continue
        inner = _without_none(hints[attribute])
        if isinstance(inner, type) and issubclass(inner, Wire):
            field = _Field(attribute, "struct", inner)
        elif get_origin(inner) is list and _is_wire(get_args(inner)[0]):
            field = _Field(attribute, "structs", get_args(inner)[0])
        elif inner in (int, float):
            field = _Field(attribute, "number", inner)
        else:
            field = _Field(attribute, "plain", inner)
        table[encoded] = table[attribute] = field
    _tables[type_] = table
    return table


def _without_none(hint: Any) -> Any:
    if isinstance(hint, UnionType):
        left = [argument for argument in get_args(hint) if argument is not type(None)]
        return left[0] if len(left) == 1 else Any
    return hint


def _is_wire(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, Wire)


def _struct(raw: msgspec.Raw, type_: type[W], path: str) -> W:
    table = _table(type_)
    if bytes(raw)[:1] == b"[" and type_.BARE_LIST:
        bare = table[type_.BARE_LIST]
        return type_(**{bare.attribute: _value(raw, bare, path)})
    try:
        members = _OBJECT.decode(raw)
    except msgspec.ValidationError:
        raise _wrong(path, "an object", raw) from None
    except msgspec.DecodeError as error:
        raise malformed(error) from None
    values: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    for name, member in members.items():
        field = table.get(name)
        if field is None:
            extra[name] = _plain(member, Any, f"{path}.{name}" if path else name)
        elif bytes(member) != b"null":
            values[field.attribute] = _value(member, field, f"{path}.{name}" if path else name)
    return type_(**values, extra=extra or None)


def _value(raw: msgspec.Raw, field: _Field, path: str) -> Any:
    match field.kind:
        case "struct":
            return _struct(raw, field.type, path)
        case "structs":
            if bytes(raw)[:1] == b"{":  # one object where a list is wanted
                return [_struct(raw, field.type, path)]
            try:
                items = _LIST.decode(raw)
            except msgspec.ValidationError:
                raise _wrong(path, "a list of objects", raw) from None
            return [_struct(item, field.type, f"{path}[{at}]") for at, item in enumerate(items)]
        case "number":
            return _number(raw, field.type, path)
        case _:
            return _plain(raw, field.type, path)


def _plain(raw: msgspec.Raw, type_: Any, path: str) -> Any:
    if type_ is msgspec.Raw:
        return msgspec.Raw(bytes(raw))  # a copy: the body need not be kept for it
    try:
        return msgspec.json.decode(raw, type=type_)
    except msgspec.ValidationError as error:
        said, _, where = str(error).partition(" - at `$")
        if where:  # inside a list or object: msgspec knows better than the table
            name = path + where.rstrip("`")
            raise WireError(f"`{name}` is wrong ({said}): correct it and send again", name) from None
        raise _wrong(path, _wanted(type_), raw) from None
    except msgspec.DecodeError as error:
        raise malformed(error) from None


def _number(raw: msgspec.Raw, type_: Any, path: str) -> Any:
    text = bytes(raw)
    if text[:1] == b'"':
        text = text[1:-1]
    try:
        return msgspec.json.decode(text, type=type_)
    except msgspec.DecodeError:
        raise _wrong(path, _wanted(type_), raw) from None


def _wanted(type_: Any) -> str | None:
    if get_origin(type_) is list:
        inner = _NAMES.get(get_args(type_)[0])
        return f"a list, each item {inner}" if inner else "a list"
    if get_origin(type_) is dict:
        return "an object"
    return _NAMES.get(type_)


def _wrong(path: str, wanted: str | None, raw: msgspec.Raw) -> WireError:
    first = bytes(raw)[:1]
    got = {b"{": "an object", b"[": "a list", b'"': "a string", b"t": "true", b"f": "false", b"n": "null"}
    name = f"`{path}`" if path else "the body"
    needs = f"must be {wanted}" if wanted else "has the wrong type"
    return WireError(
        f"{name} {needs}, not {got.get(first, 'a number')}: correct it and send again", path or None
    )
