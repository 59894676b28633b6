"""A JSON value against a JSON schema: right, or undecided, and never long about it."""

import contextlib
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.gateway.proofs.schema import STEPS, UndecidedError, fault

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
    ("value", "said"),
    [
        (
            {"name": "Ada", "age": 36, "kind": None, "friends": ["Bo", {"first": "C"}], "code": "AB-1234"},
            None,
        ),
        ({"name": "Ada", "age": 36.0}, None),
        ({"age": 3}, ": `name` is `required`"),
        ({"name": ""}, "/name: `minLength`"),
        ({"name": "Ada", "age": True}, "/age: `type`"),
        ({"name": "Ada", "age": 150}, "/age: `exclusiveMaximum`"),
        ({"name": "Ada", "kind": False}, "/kind: `enum`"),
        ({"name": "Ada", "friends": ["Bo", 5]}, "/friends/1: `anyOf`"),
        ({"name": "Ada", "friends": ["Bo", "Bo"]}, "/friends: `uniqueItems`"),
        ({"name": "Ada", "code": "AB-1234\n"}, "/code: `pattern`"),
        ({"name": "Ada", "code": "AB-١٢٣٤"}, "/code: `pattern`"),
        ({"name": "Ada", "secret of the answer": 1}, ": `additionalProperties`"),
        (["Ada"], ": `type`"),
    ],
)
def test_what_is_not_met_is_named_by_its_place_and_keyword(value: Any, said: str | None) -> None:
    assert fault(PERSON, value) == said


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
    ],
)  # fmt: skip
def test_each_family_of_keywords_holds(schema: Any, good: Any, bad: Any) -> None:
    assert fault(schema, good) is None
    assert fault(schema, bad) is not None


def chained(length: int) -> dict[str, Any]:
    """Two ways at each of so many steps: 2^length of them."""
    steps: dict[str, Any] = {f"s{n}": {"anyOf": [{"$ref": f"#/$defs/s{n + 1}"}] * 2} for n in range(length)}
    return {"$ref": "#/$defs/s0", "$defs": {**steps, f"s{length}": {"type": "string"}}}


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        (chained(40), 1),
        ({"$ref": "#"}, 1),
        ({"type": "string", "pattern": "(a+)+$"}, "a" * 40 + "b"),
        ({"pattern": "^a*a*a*$"}, "a" * 500 + "b"),
        ({"pattern": "a?" * 30 + "b"}, "a" * 30),
        ({"pattern": r"(a)\1"}, "aa"),
        ({"pattern": "["}, "a"),
        ({"pattern": r"\p{L}"}, "a"),
        ({"uniqueItems": True}, [[n] for n in range(2000)]),
        ({"$ref": "https://example.com/schema"}, 1),
        ({"$ref": "#/$defs/none"}, 1),
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
    assert time.process_time() - before < 1.5


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
            assert fault(one, value) is None or isinstance(fault(one, value), str)
