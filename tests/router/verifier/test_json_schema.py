"""Our bounded validator: what the standard says, and an end within its steps whatever it is given."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.router.verifier.base import TooMuchError
from passerelle.router.verifier.json_schema import fault

BRIDGE = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 1, "pattern": "^[A-Z]"},
        "arches": {"type": ["integer", "null"], "minimum": 0, "maximum": 30},
        "kind": {"enum": ["stone", "iron"]},
        "parts": {"type": "array", "items": {"$ref": "#/$defs/part"}, "uniqueItems": True, "maxItems": 3},
    },
    "required": ["name"],
    "additionalProperties": False,
    "$defs": {"part": {"type": "object", "properties": {"of": {"$ref": "#/$defs/part"}}, "required": ["id"]}},
}
GOOD = {"name": "Pont", "arches": 4.0, "kind": "stone", "parts": [{"id": 1}, {"id": 2, "of": {"id": 3}}]}


def test_a_value_that_meets_it_has_no_fault() -> None:
    assert fault(BRIDGE, GOOD) is None


@pytest.mark.parametrize(
    ("change", "keyword", "level"),
    [
        ({"name": ""}, "minLength", 1),
        ({"name": "pont"}, "pattern", 1),
        ({"name": 7}, "type", 1),
        ({"arches": 4.5}, "type", 1),
        ({"arches": True}, "type", 1),
        ({"arches": -1}, "minimum", 1),
        ({"arches": 31}, "maximum", 1),
        ({"kind": "wood"}, "enum", 1),
        ({"more": 1}, "additionalProperties", 0),
        ({"parts": [{}]}, "required", 2),
        ({"parts": [{"id": 1}, {"id": 1.0}]}, "uniqueItems", 1),
        ({"parts": [{"id": n} for n in range(4)]}, "maxItems", 1),
        ({"parts": [{"id": 1, "of": {}}]}, "required", 3),
    ],
)
def test_the_first_thing_that_is_wrong_is_named_by_its_keyword(
    change: dict[str, Any], keyword: str, level: int
) -> None:
    found = fault(BRIDGE, {**GOOD, **change})
    assert found is not None
    assert (found.keyword, found.level) == (keyword, level)


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        (False, None, 1),
        ({"const": {"a": [1]}}, {"a": [1.0]}, {"a": [True]}),
        ({"anyOf": [{"type": "string"}, {"minimum": 3}]}, 3, 2),
        ({"oneOf": [{"multipleOf": 2}, {"multipleOf": 3}]}, 4, 6),
        ({"not": {"type": "null"}}, 0, None),
        ({"if": {"type": "string"}, "then": {"maxLength": 1}, "else": {"type": "array"}}, "a", "ab"),
        ({"prefixItems": [{"type": "string"}], "items": {"type": "integer"}}, ["a", 1], ["a", "b"]),
        ({"items": [{"type": "string"}], "additionalItems": False}, ["a"], ["a", 1]),
        ({"contains": {"const": 1}, "maxContains": 1}, [1, 2], [1, 1]),
        (
            {"patternProperties": {"^x": {"type": "string"}}, "additionalProperties": False},
            {"xa": ""},
            {"a": ""},
        ),
        ({"propertyNames": {"maxLength": 1}}, {"a": 1}, {"ab": 1}),
        ({"dependentRequired": {"a": ["b"]}}, {"a": 1, "b": 1}, {"a": 1}),
        ({"dependencies": {"a": {"required": ["b"]}}}, {"a": 1, "b": 1}, {"a": 1}),
        ({"minimum": 1, "exclusiveMinimum": True}, 2, 1),
        ({"exclusiveMaximum": 2}, 1, 2),
        ({"multipleOf": 0.1}, 0.3, 0.35),
        ({"multipleOf": 3}, 10**30 + 2, 10**30),
        ({"$ref": "#/definitions/a~1b", "definitions": {"a/b": {"type": "string"}}}, "", 1),
    ],
)
def test_keywords_of_the_standard_and_of_older_drafts(schema: Any, good: Any, bad: Any) -> None:
    if schema is not False:
        assert fault(schema, good) is None
    if bad is not None or schema == {"not": {"type": "null"}}:
        assert fault(schema, bad) is not None


def test_what_is_not_checked_allows_anything() -> None:
    for schema in (
        {"format": "email"},
        {"$ref": "http://127.0.0.1/schema.json"},
        {"$ref": "#anchor"},
        {"$ref": "#/$defs/absent"},
        {"pattern": "(?=x)y"},
        {"pattern": "[a-z]{5000}"},
        {"pattern": "(a{50}){50}"},
        {"type": "thing"},
        {"minLength": "one", "enum": 7, "required": "name", "properties": [1]},
    ):
        assert fault(schema, "word") is None


def _nested(depth: int) -> Any:
    value: Any = []
    for _ in range(depth):
        value = [value]
    return value


def _doubling() -> dict[str, Any]:
    steps: dict[str, Any] = {"s0": {"type": "integer"}}
    for step in range(1, 40):
        twice = {"allOf": [{"$ref": f"#/$defs/s{step - 1}"}, {"type": "string"}]}
        steps[f"s{step}"] = {"anyOf": [twice, twice]}
    return {"$defs": steps, "$ref": "#/$defs/s39"}


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"$ref": "#"}, 1),
        ({"allOf": [{"$ref": "#"}, {"$ref": "#"}]}, 1),
        (_doubling(), 1),
        ({"items": {"$ref": "#"}}, _nested(900)),
        ({"anyOf": [{"items": {"$ref": "#"}, "minItems": 1}] * 2}, _nested(60)),
        ({"uniqueItems": True}, list(range(5000))),
        ({"multipleOf": 0.1}, 10**400),
    ],
)
def test_what_would_take_for_ever_is_given_up(schema: Any, value: Any) -> None:
    with pytest.raises(TooMuchError):
        fault(schema, value, most_steps=20_000)


_words = st.text("abé", max_size=3)
_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | _words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_words, inner, max_size=3),
    max_leaves=8,
)


@given(_values, _values)
def test_any_schema_and_any_value_end(schema: Any, value: Any) -> None:
    fault(schema, value, most_steps=10_000)


@given(_values)
def test_a_value_is_what_it_is(value: Any) -> None:
    assert fault({"const": value}, value) is None
    assert fault({"enum": [value]}, value) is None
    assert fault({"not": {"const": value}}, value) is not None
