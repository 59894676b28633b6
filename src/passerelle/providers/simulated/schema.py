"""A value that fits a JSON schema, chosen by a hash: for tool calls and structured output.

Covers what tool and output schemas use in practice: types, `properties` and `required`, `items`,
`enum`, `const`, `anyOf`/`oneOf`/`allOf`, local `$ref`, lengths and bounds. A schema beyond that gives a value
of its outermost type.
"""

from collections.abc import Mapping
from typing import Any

_MAX_DEPTH = 12


def instance(schema: Mapping[str, Any], digest: bytes) -> Any:
    """A value for `schema`; the same for the same `digest`."""
    return _value(schema, schema, digest, 0)


def _value(schema: Any, root: Mapping[str, Any], digest: bytes, depth: int) -> Any:
    if not isinstance(schema, Mapping) or depth > _MAX_DEPTH:
        return None
    pick = digest[depth % len(digest)]
    if isinstance(schema.get("$ref"), str):
        return _value(_resolve(schema["$ref"], root), root, digest, depth + 1)
    if "const" in schema:
        return schema["const"]
    if isinstance(schema.get("enum"), list) and schema["enum"]:
        return schema["enum"][pick % len(schema["enum"])]
    for name in ("anyOf", "oneOf"):
        if isinstance(schema.get(name), list) and schema[name]:
            return _value(schema[name][0], root, digest, depth + 1)
    if isinstance(schema.get("allOf"), list):
        merged: dict[str, Any] = {}
        for part in schema["allOf"]:
            merged |= part if isinstance(part, Mapping) else {}
        return _value(merged, root, digest, depth + 1)
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = kind[0] if kind else None
    match str(kind).lower():  # Gemini writes types in capitals
        case "string":
            return _string(schema, pick)
        case "integer" | "number":
            return _number(schema, pick)
        case "boolean":
            return pick % 2 == 0
        case "null":
            return None
        case "array":
            count = max(1, _whole(schema.get("minItems"), 1))
            return [
                _value(schema.get("items", {}), root, digest, depth + 1 + n) for n in range(min(count, 16))
            ]
        case _:
            return _object(schema, root, digest, depth)


def _object(schema: Mapping[str, Any], root: Mapping[str, Any], digest: bytes, depth: int) -> dict[str, Any]:
    properties = schema.get("properties")
    if not isinstance(properties, Mapping):
        return {}
    required = schema.get("required")
    wanted = required if isinstance(required, list) else list(properties)
    return {
        name: _value(properties[name], root, digest, depth + 1 + n)
        for n, name in enumerate(wanted)
        if name in properties
    }


def _string(schema: Mapping[str, Any], pick: int) -> str:
    text = f"simulated-{pick}"
    shortest = _whole(schema.get("minLength"), 0)
    longest = _whole(schema.get("maxLength"), 1 << 16)
    return text.ljust(min(shortest, 1 << 16), ".")[:longest]


def _number(schema: Mapping[str, Any], pick: int) -> int:
    low = schema.get("minimum", schema.get("exclusiveMinimum", 0))
    high = schema.get("maximum", schema.get("exclusiveMaximum"))
    low = int(low) + ("exclusiveMinimum" in schema) if isinstance(low, int | float) else 0
    if isinstance(high, int | float):
        top = int(high) - ("exclusiveMaximum" in schema)
        return min(low + pick, top) if top >= low else top
    return low + pick


def _whole(value: Any, default: int) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else default


def _resolve(reference: str, root: Mapping[str, Any]) -> Any:
    if not reference.startswith("#/"):
        return root if reference == "#" else None
    found: Any = root
    for step in reference[2:].split("/"):
        if not isinstance(found, Mapping):
            return None
        found = found.get(step.replace("~1", "/").replace("~0", "~"))
    return found
