"""JSON schemas of other dialects, cut to what Anthropic's structured outputs compile.

A schema outside the subset is a 400. Taken: the basic types, `enum`, `const`, `anyOf`, `allOf`, local
references, `required`, `default`, a few string formats, `minItems` of 0 or 1; every object must say
`additionalProperties: false`. Refused: bounds on numbers, lengths and counts, recursion, open objects
(platform.claude.com/docs, "Structured outputs", JSON schema limitations; SDK 2.12
`lib/_parse/_transform.py` for the formats and for writing bounds into the description; read 2026-11-22).
"""

from typing import Any, Final

import msgspec

_FORMATS: Final = frozenset(
    {"date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"}
)
_PLAIN: Final = frozenset({"$ref", "type", "enum", "const", "description", "title", "default", "required"})
_NO_MEANING: Final = frozenset({"$schema", "$id", "$comment", "examples", "deprecated"})
_NESTED: Final = frozenset({"properties", "$defs", "definitions"})


def fit(schema: dict[str, Any]) -> tuple[dict[str, Any], bool]:
    """The schema in Anthropic's subset, and whether a constraint could only be put into words."""
    words: list[str] = []
    lost = False
    fitted: dict[str, Any] = {}

    def nested(value: Any) -> Any:
        nonlocal lost
        if not isinstance(value, dict):
            return value
        inner, inner_lost = fit(value)
        lost = lost or inner_lost
        return inner

    for key, value in schema.items():
        if key in _PLAIN:
            fitted[key] = value
        elif key in _NESTED and isinstance(value, dict):
            fitted[key] = {name: nested(item) for name, item in value.items()}
        elif key in ("anyOf", "allOf") and isinstance(value, list):
            fitted[key] = [nested(item) for item in value]
        elif key == "oneOf" and isinstance(value, list) and "anyOf" not in schema:
            fitted["anyOf"] = [nested(item) for item in value]
        elif key == "items" and isinstance(value, dict):
            fitted[key] = nested(value)
        elif (key == "format" and isinstance(value, str) and value in _FORMATS) or (
            key == "minItems" and value in (0, 1)
        ):
            fitted[key] = value
        elif key == "additionalProperties":
            lost = lost or value is not False
        elif key not in _NO_MEANING:
            words.append(f"{key}: {msgspec.json.encode(value).decode()}")
    if fitted.get("type") == "object" or "properties" in fitted:
        lost = lost or "properties" not in fitted  # any object at all cannot be said
        fitted["additionalProperties"] = False
        fitted.setdefault("properties", {})
    if words:
        note = "{" + ", ".join(words) + "}"
        fitted["description"] = "\n\n".join(filter(None, [str(fitted.get("description", "")), note]))
    return fitted, lost or bool(words)
