"""JSON Schema and Google's Schema, both ways.

Google's Schema (ai.google.dev/api/caching#Schema, read 2026-11-22) is a part of OpenAPI 3.0: `type` is one
upper-case word, null is `nullable`, numbers like `minItems` may be strings (int64), `propertyOrdering` is
its own. Since 2025 the API also takes plain JSON Schema (`parametersJsonSchema`, `responseJsonSchema`;
both stand in `google-genai` 3.4.0), which is what we send. `to_google` is for places that do not
(quirk `no_json_schema`).
"""

from typing import Any, Final

from passerelle.codecs.gemini.loss import Loss

Schema = dict[str, Any]

_TYPES: Final = {
    "STRING": "string",
    "NUMBER": "number",
    "INTEGER": "integer",
    "BOOLEAN": "boolean",
    "ARRAY": "array",
    "OBJECT": "object",
    "NULL": "null",
}
_CAMEL: Final = {
    "any_of": "anyOf",
    "max_items": "maxItems",
    "min_items": "minItems",
    "max_length": "maxLength",
    "min_length": "minLength",
    "max_properties": "maxProperties",
    "min_properties": "minProperties",
    "property_ordering": "propertyOrdering",
    "additional_properties": "additionalProperties",
    "defs": "$defs",
    "ref": "$ref",
}
_COUNTS: Final = frozenset(
    {"maxItems", "minItems", "maxLength", "minLength", "maxProperties", "minProperties"}
)


def to_json_schema(schema: Schema) -> Schema:
    """Google's Schema as JSON Schema. Lower-case types and JSON Schema's own words pass unchanged."""
    result: Schema = {}
    nullable = False
    for key, value in schema.items():
        name = _CAMEL.get(key, key)
        if name == "type" and isinstance(value, str):
            word = value.upper()
            if word in _TYPES:
                result["type"] = _TYPES[word]
            elif word != "TYPE_UNSPECIFIED":
                result["type"] = value
        elif name == "nullable":
            nullable = value is True
        elif name in ("properties", "$defs") and isinstance(value, dict):
            order = schema.get("propertyOrdering", schema.get("property_ordering"))
            result[name] = {inner: _json(value[inner]) for inner in _ordered(value, order)}
        elif name in ("items", "additionalProperties"):
            result[name] = _json(value)
        elif name in ("anyOf", "oneOf", "allOf", "prefixItems") and isinstance(value, list):
            result[name] = [_json(sub) for sub in value]
        elif name in _COUNTS and isinstance(value, str) and value.isdigit():
            result[name] = int(value)
        elif name == "propertyOrdering" or (name == "format" and value == "enum"):
            continue  # the first is the order of the properties here; the second says that `enum` is there
        elif name == "example":
            result["examples"] = [value]
        else:
            result[name] = value
    return _with_null(result) if nullable else result


def _ordered(properties: Schema, order: Any) -> list[str]:
    """The names of `properties`, those that Google was told an order of first."""
    first = (
        [name for name in order if isinstance(name, str) and name in properties]
        if isinstance(order, list)
        else []
    )
    return list(dict.fromkeys([*first, *properties]))


def _json(value: Any) -> Any:
    return to_json_schema(value) if isinstance(value, dict) else value


def _with_null(schema: Schema) -> Schema:
    if isinstance(schema.get("type"), str):
        schema["type"] = [schema["type"], "null"]
        if isinstance(schema.get("enum"), list) and None not in schema["enum"]:
            schema["enum"] = [*schema["enum"], None]
    elif isinstance(schema.get("anyOf"), list):
        schema["anyOf"] = [*schema["anyOf"], {"type": "null"}]
    return schema


_KEPT: Final = frozenset(
    {
        "title", "description", "default", "maximum", "minimum", "pattern", "required",
        "propertyOrdering", "maxItems", "minItems", "maxLength", "minLength", "maxProperties",
        "minProperties",
    }
)  # fmt: skip
"""JSON Schema's words that mean the same in Google's Schema."""

_FORMATS: Final = {
    "string": frozenset({"date-time", "enum"}),
    "number": frozenset({"float", "double"}),
    "integer": frozenset({"int32", "int64"}),
}
"""The others are refused ("only 'enum' and 'date-time' are supported for STRING type", hideya/
langchain-mcp-tools-ts issue #36)."""

_SILENT: Final = frozenset({"$schema", "$id", "$defs", "definitions", "additionalProperties", "examples"})
"""Left out without a word: they do not say what a value may be, or are resolved in place."""

_DEEPEST: Final = 32
"""References nest without end in recursive schemas; Google's Schema cannot, so they stop here."""


def to_google(schema: Schema, lost: Loss) -> Schema:
    """JSON Schema as Google's Schema; keywords it has no word for are added to `lost`."""
    definitions = {**_object(schema.get("definitions")), **_object(schema.get("$defs"))}
    return _google(schema, definitions, lost, 0)


def _object(value: Any) -> Schema:
    return value if isinstance(value, dict) else {}


def _google(schema: Any, definitions: Schema, lost: Loss, depth: int) -> Schema:
    if not isinstance(schema, dict) or depth > _DEEPEST:
        return {"type": "STRING"} if depth > _DEEPEST else {}
    reference = schema.get("$ref")
    if isinstance(reference, str):
        target = definitions.get(reference.rpartition("/")[2])
        if isinstance(target, dict):
            rest = {key: value for key, value in schema.items() if key != "$ref"}
            return _google({**target, **rest}, definitions, lost, depth + 1)
        lost.add("$ref")
    result: Schema = {}
    kind = _type(schema, result, lost)
    for key, value in schema.items():
        match key:
            case "type" | "$ref":
                pass
            case "properties" if isinstance(value, dict):
                result[key] = {
                    name: _google(sub, definitions, lost, depth + 1) for name, sub in value.items()
                }
            case "items" if isinstance(value, dict):
                result[key] = _google(value, definitions, lost, depth + 1)
            case "anyOf" | "oneOf" if isinstance(value, list):
                _choices(value, result, definitions, lost, depth)
            case "allOf" if isinstance(value, list) and len(value) == 1:
                result = {**_google(value[0], definitions, lost, depth + 1), **result}
            case "enum" if isinstance(value, list):
                _enum(value, result)
            case "const":
                _enum([value], result)
            case "exclusiveMinimum" if kind == "integer" and isinstance(value, int):
                result["minimum"] = value + 1
            case "exclusiveMaximum" if kind == "integer" and isinstance(value, int):
                result["maximum"] = value - 1
            case "format":
                if isinstance(value, str) and value in _FORMATS.get(kind, ()):
                    result["format"] = value
                else:
                    lost.add("format")
            case _ if key in _KEPT:
                result[key] = value
            case _ if key not in _SILENT:
                lost.add(key)
    return result


def _type(schema: Schema, result: Schema, lost: Loss) -> str:
    """Sets `type` and `nullable`; gives JSON Schema's word for the type, if it is one."""
    said = schema.get("type")
    kinds = [said] if isinstance(said, str) else said if isinstance(said, list) else []
    plain = [kind for kind in kinds if isinstance(kind, str) and kind != "null"]
    if len(plain) < len(kinds) and plain:
        result["nullable"] = True
    if len(plain) == 1:
        result["type"] = plain[0].upper()
        return plain[0]
    if len(plain) > 1:
        result["anyOf"] = [{"type": kind.upper()} for kind in plain]
    elif kinds:
        result["type"] = "NULL"
    elif "properties" in schema:
        result["type"] = "OBJECT"
        return "object"
    return ""


def _choices(choices: list[Any], result: Schema, definitions: Schema, lost: Loss, depth: int) -> None:
    """`anyOf` and `oneOf` are one to Google; a choice of null is `nullable`."""
    real = [choice for choice in choices if not (isinstance(choice, dict) and choice.get("type") == "null")]
    if len(real) < len(choices):
        result["nullable"] = True
    if len(real) == 1:
        result.update({**_google(real[0], definitions, lost, depth + 1), **result})
    elif real:
        result["anyOf"] = [_google(choice, definitions, lost, depth + 1) for choice in real]


def _enum(values: list[Any], result: Schema) -> None:
    """Google's enums are of strings, whatever the type."""
    if None in values:
        result["nullable"] = True
    result["enum"] = [
        value if isinstance(value, str) else _word(value) for value in values if value is not None
    ]
    result.setdefault("type", "STRING")


def _word(value: Any) -> str:
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)
