"""A JSON value against a JSON schema: right, or undecided, and never long about it."""

import contextlib
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.router.verifier.base import UndecidedError
from passerelle.router.verifier.json_schema import STEPS, Fault, fault

PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 1},
        "age": {"type": "integer", "minimum": 0, "exclusiveMaximum": 150},
        "kind": {"enum": ["staff", "guest", None]},
        "friends": {"type": "array", "items": {"$ref": "#/$defs/name"}, "maxItems": 2, "uniqueItems": True},
        "code": {"type": "string", "pattern": r"^[A-Z]{2}-\d{4}$"},
    },
    "required": ["name"],
    "additionalProperties": False,
    "$defs": {"name": {"anyOf": [{"type": "string"}, {"type": "object", "required": ["first"]}]}},
}


@pytest.mark.parametrize(
    ("value", "keyword", "level"),
    [
        ({"age": 3}, "required", 0),
        ({"name": ""}, "minLength", 1),
        ({"name": "Ada", "age": True}, "type", 1),
        ({"name": "Ada", "age": 36.5}, "type", 1),
        ({"name": "Ada", "age": -1}, "minimum", 1),
        ({"name": "Ada", "age": 150}, "exclusiveMaximum", 1),
        ({"name": "Ada", "kind": False}, "enum", 1),
        ({"name": "Ada", "friends": ["Bo", 5]}, "anyOf", 2),
        ({"name": "Ada", "friends": ["Bo", "Bo"]}, "uniqueItems", 1),
        ({"name": "Ada", "friends": [{"first": 1}, {"first": 1.0}]}, "uniqueItems", 1),
        ({"name": "Ada", "friends": ["A", "B", "C"]}, "maxItems", 1),
        ({"name": "Ada", "code": "AB-1234\n"}, "pattern", 1),
        ({"name": "Ada", "code": "AB-١٢٣٤"}, "pattern", 1),
        ({"name": "Ada", "secret of the answer": 1}, "additionalProperties", 0),
        (["Ada"], "type", 0),
    ],
)
def test_what_is_not_met_is_named_by_its_keyword_and_how_deep_it_is(
    value: Any, keyword: str, level: int
) -> None:
    assert fault(PERSON, value) == Fault(keyword, level)


@pytest.mark.parametrize(
    "value",
    [
        {"name": "Ada", "age": 36, "kind": None, "friends": ["Bo", {"first": "C"}], "code": "AB-1234"},
        {"name": "Ada", "age": 36.0},
    ],
)
def test_what_meets_it_has_no_fault(value: Any) -> None:
    assert fault(PERSON, value) is None


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        ({"oneOf": [{"type": "integer"}, {"minimum": 2}]}, 1, 3),
        ({"not": {"type": "null"}}, 1, None),
        ({"if": {"type": "string"}, "then": {"maxLength": 1}, "else": {"minimum": 5}}, "a", 4),
        ({"allOf": [{"minimum": 1}, {"maximum": 2}]}, 2, 3),
        ({"multipleOf": 0.1}, 0.3, 0.35),
        ({"const": {"a": [1]}}, {"a": [1.0]}, {"a": [True]}),
        ({"prefixItems": [{"type": "string"}], "items": {"type": "null"}}, ["a", None], ["a", 1]),
        ({"contains": {"type": "null"}, "maxContains": 1}, [1, None], [None, None]),
        ({"dependentRequired": {"a": ["b"]}}, {"a": 1, "b": 2}, {"a": 1}),
        ({"patternProperties": {"^x": {}}, "additionalProperties": False}, {"xa": None}, {"y": 1}),
        ({"propertyNames": {"maxLength": 2}}, {"ab": 1}, {"abc": 1}),
        ({"minimum": 2, "exclusiveMinimum": True}, 3, 2),
        ({"items": [{}], "additionalItems": False}, [1], [1, 2]),
        ({"properties": {"a": {"$ref": "#"}}, "type": "object"}, {"a": {}}, {"a": {"a": 1}}),
        ({"anyOf": [{"type": "string"}, {"minimum": 3}]}, 3, 2),
        ({"dependencies": {"a": {"required": ["b"]}}}, {"a": 1, "b": 1}, {"a": 1}),
        ({"multipleOf": 3}, 10**30 + 2, 10**30),
        ({"$ref": "#/definitions/a~1b", "definitions": {"a/b": {"type": "string"}}}, "", 1),
        ({"properties": {"a": False}}, {"b": 1}, {"a": 1}),
    ],
)  # fmt: skip
def test_each_family_of_keywords_holds(schema: Any, good: Any, bad: Any) -> None:
    assert fault(schema, good) is None
    assert fault(schema, bad) is not None


def chained(length: int) -> dict[str, Any]:
    """Two ways at each of so many steps: 2^length of them."""
    steps: dict[str, Any] = {f"s{n}": {"anyOf": [{"$ref": f"#/$defs/s{n + 1}"}] * 2} for n in range(length)}
    return {"$ref": "#/$defs/s0", "$defs": {**steps, f"s{length}": {"type": "string"}}}


def nested(depth: int) -> Any:
    value: Any = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        (chained(40), 1),
        ({"$ref": "#"}, 1),
        ({"allOf": [{"$ref": "#"}, {"$ref": "#"}]}, 1),
        ({"items": {"$ref": "#"}}, nested(900)),
        ({"anyOf": [{"items": {"$ref": "#"}, "minItems": 1}] * 2}, nested(40)),
        ({"const": nested(900)}, nested(900)),
        ({"pattern": r"(a)\1"}, "aa"),
        ({"pattern": "(?=x)y"}, "y"),
        ({"pattern": "["}, "a"),
        ({"pattern": r"\p{L}{200}"}, "a"),
        ({"pattern": "(a{50}){50}" * 3}, "a"),
        ({"patternProperties": {f"[a-z]{{1,{n}}}": {} for n in range(300, 400)}}, {"a": 1}),
        ({"items": {"pattern": "[^x]{1000}"}}, ["a" * 50_000] * 20),
        ({"uniqueItems": True}, [[n] for n in range(2000)]),
        ({"multipleOf": 0.1}, 10**400),
        ({"$ref": "https://example.com/schema"}, 1),
        ({"$ref": "#/$defs/none"}, 1),
        ({"$ref": "#anchor"}, 1),
        ({"$ref": "#/anyOf/²", "anyOf": [{}]}, 1),
        ({"$ref": "#/anyOf/" + "9" * 5000, "anyOf": [{}]}, 1),
        ({"$schema": "https://example.com/own"}, 1),
        ({"unevaluatedProperties": False}, {}),
        ({"type": "text"}, 1),
        ({"minimum": "1"}, 1),
        ({"required": "name"}, {}),
        ([], 1),
    ],
)
def test_what_cannot_be_told_or_would_take_too_long_is_left_undecided(schema: Any, value: Any) -> None:
    before = time.process_time()
    with pytest.raises(UndecidedError):
        fault(schema, value)
    assert time.process_time() - before < 1.0


MANY = [f"n{n}" for n in range(5000)]


@pytest.mark.parametrize(
    "schema",
    [
        {"properties": dict.fromkeys(MANY, False)},
        {"required": ["a"] * 5000},
        {"dependencies": dict.fromkeys(MANY, False)},
        dict.fromkeys(MANY, 1),
        {"type": ["string"] * 5000 + ["object"]},
        {"enum": MANY},
        {"additionalProperties": {}, "properties": dict.fromkeys(MANY, False)},
        {"$ref": "#/" + "a" * 100_000},
    ],
)
def test_long_lists_and_names_in_a_schema_cost_what_they_cost(schema: Any) -> None:
    """50,000 values are held against it: looked at without counting, that is minutes."""
    before = time.process_time()
    with contextlib.suppress(UndecidedError):
        fault({"items": schema, "a" * 100_000: {}}, [{"a": 1}] * 50_000)
    assert time.process_time() - before < 1.0


def test_what_the_others_settle_needs_no_more() -> None:
    remote = {"$ref": "https://example.com/schema"}
    assert fault({"anyOf": [remote, {"type": "integer"}]}, 1) is None
    with pytest.raises(UndecidedError):
        fault({"anyOf": [remote, {"type": "string"}]}, 1)


def test_a_large_answer_fits_into_what_is_given() -> None:
    item = {"name": "Ada", "age": 36, "friends": ["Bo", "Cy"]}
    assert fault({"type": "array", "items": PERSON, "$defs": PERSON["$defs"]}, [item] * 1500) is None
    assert STEPS >= 100_000


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(-5, 5) | st.text("ab", max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)


def schema_of(value: Any) -> Any:
    match value:
        case dict():
            return {
                "type": "object",
                "properties": {name: schema_of(one) for name, one in value.items()},
                "required": sorted(value),
                "additionalProperties": False,
            }
        case list():
            return {
                "type": "array",
                "prefixItems": [schema_of(one) for one in value],
                "items": False,
                "minItems": len(value),
            }
        case _:
            return {"const": value}


@given(JSON, JSON)
def test_only_the_same_value_meets_the_schema_that_describes_it_whole(one: Any, other: Any) -> None:
    assert fault(schema_of(one), one) is None
    assert fault({"enum": [one]}, one) is None
    assert fault({"not": {"const": one}}, one) == Fault("not")
    assert (fault(schema_of(one), other) is None) == (fault({"const": one}, other) is None)


@given(JSON, JSON)
def test_whatever_is_given_for_a_schema_it_answers_or_says_that_it_cannot(schema: Any, value: Any) -> None:
    keywords = {"properties": schema, "items": schema, "anyOf": schema, "required": schema, "$defs": schema}
    for one in (
        schema,
        keywords,
        *({name: schema} for name in ("type", "enum", "not", "pattern", "contains")),
    ):
        with contextlib.suppress(UndecidedError):
            fault(one, value)
