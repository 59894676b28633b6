"""Google's Schema and JSON Schema, both ways."""

from typing import Any

import pytest
from google.genai import types as sdk
from hypothesis import given
from hypothesis import strategies as st
from tests.codecs.gemini_support import NAMES, SAID

from passerelle.codecs.gemini.loss import Loss
from passerelle.codecs.gemini.schema import to_google, to_json_schema

BOTH = [
    ({"type": "STRING", "nullable": True}, {"type": ["string", "null"]}),
    (
        {"type": "INTEGER", "format": "int32", "minimum": 1},
        {"type": "integer", "format": "int32", "minimum": 1},
    ),
    ({"type": "STRING", "enum": ["a", "b"]}, {"type": "string", "enum": ["a", "b"]}),
    (
        {
            "type": "OBJECT",
            "properties": {"type": {"type": "ARRAY", "items": {"type": "NUMBER"}}},
            "required": ["type"],
        },
        {
            "type": "object",
            "properties": {"type": {"type": "array", "items": {"type": "number"}}},
            "required": ["type"],
        },
    ),
    (
        {"anyOf": [{"type": "STRING"}, {"type": "BOOLEAN"}]},
        {"anyOf": [{"type": "string"}, {"type": "boolean"}]},
    ),
]


@pytest.mark.parametrize(("google", "json_schema"), BOTH)
def test_both_ways(google: Any, json_schema: Any) -> None:
    lost = Loss()
    assert to_json_schema(google) == json_schema
    assert to_google(json_schema, lost) == google
    assert lost.names() == ()


@pytest.mark.parametrize(
    ("google", "json_schema"),
    [
        ({"type": "TYPE_UNSPECIFIED"}, {}),
        ({"type": "string", "format": "enum", "enum": ["x"]}, {"type": "string", "enum": ["x"]}),
        (
            {"type": "ARRAY", "min_items": "2", "items": {"type": "STRING"}},
            {"type": "array", "minItems": 2, "items": {"type": "string"}},
        ),
        (
            {"type": "STRING", "enum": ["x"], "nullable": True},
            {"type": ["string", "null"], "enum": ["x", None]},
        ),
        (
            {"any_of": [{"type": "STRING"}], "nullable": True},
            {"anyOf": [{"type": "string"}, {"type": "null"}]},
        ),
        ({"example": 5}, {"examples": [5]}),
    ],
)
def test_googles_spellings_become_json_schema(google: Any, json_schema: Any) -> None:
    assert to_json_schema(google) == json_schema


@pytest.mark.parametrize(
    ("json_schema", "google", "lost"),
    [
        (
            {"$ref": "#/$defs/A", "$defs": {"A": {"type": "string"}}, "description": "d"},
            {"type": "STRING", "description": "d"},
            (),
        ),
        ({"$ref": "#/nowhere"}, {}, ("$ref",)),
        ({"type": "integer", "exclusiveMinimum": 0}, {"type": "INTEGER", "minimum": 1}, ()),
        ({"type": "number", "exclusiveMinimum": 0}, {"type": "NUMBER"}, ("exclusiveMinimum",)),
        ({"const": 5}, {"enum": ["5"], "type": "STRING"}, ()),
        ({"type": "string", "format": "uri"}, {"type": "STRING"}, ("format",)),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, {"type": "STRING", "nullable": True}, ()),
        ({"type": ["string", "integer"]}, {"anyOf": [{"type": "STRING"}, {"type": "INTEGER"}]}, ()),
        ({"allOf": [{"type": "string"}]}, {"type": "STRING"}, ()),
        ({"allOf": [{"type": "string"}, {}]}, {}, ("allOf",)),
        ({"properties": {"a": True}}, {"type": "OBJECT", "properties": {"a": {}}}, ()),
        ({"enum": [None, True, "x"]}, {"nullable": True, "enum": ["true", "x"], "type": "STRING"}, ()),
        ({"type": "null"}, {"type": "NULL"}, ()),
        (
            {"type": "object", "patternProperties": {}, "$schema": "x"},
            {"type": "OBJECT"},
            ("patternProperties",),
        ),
    ],
)
def test_what_google_cannot_say_is_lost_by_name(json_schema: Any, google: Any, lost: tuple[str, ...]) -> None:
    losing = Loss()
    assert to_google(json_schema, losing) == google
    assert losing.names() == lost


def test_an_order_of_properties_becomes_their_order() -> None:
    google = {
        "properties": {"a": {}, "b": {}, "c": {}},
        "propertyOrdering": ["c", "a", "gone", ["odd"]],
    }
    assert list(to_json_schema(google)["properties"]) == ["c", "a", "b"]
    assert to_google({"propertyOrdering": ["a"]}, Loss()) == {"propertyOrdering": ["a"]}


def test_recursive_schemas_end() -> None:
    tree = {
        "$ref": "#/$defs/T",
        "$defs": {"T": {"type": "object", "properties": {"next": {"$ref": "#/$defs/T"}}}},
    }
    sdk.Schema.model_validate(to_google(tree, Loss()))


SCHEMAS = st.recursive(
    st.sampled_from(
        [{"type": "string"}, {"type": "integer"}, {"type": "boolean"}, {"type": ["number", "null"]}]
    ),
    lambda inner: (
        st.builds(
            lambda properties, words: {"type": "object", "properties": properties, "description": words},
            st.dictionaries(NAMES, inner, max_size=3),
            SAID,
        )
        | st.builds(lambda items: {"type": "array", "items": items}, inner)
        | st.builds(lambda choices: {"anyOf": choices}, st.lists(inner, min_size=2, max_size=3))
    ),
    max_leaves=6,
)


@given(SCHEMAS)
def test_what_both_can_say_comes_back_as_it_went(schema: Any) -> None:
    lost = Loss()
    google = to_google(schema, lost)
    sdk.Schema.model_validate(google)
    assert lost.names() == ()
    assert to_json_schema(google) == schema


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | SAID,
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "type",
                        "properties",
                        "items",
                        "anyOf",
                        "oneOf",
                        "allOf",
                        "enum",
                        "const",
                        "format",
                        "$ref",
                        "$defs",
                        "nullable",
                        "required",
                        "minItems",
                        "exclusiveMinimum",
                    ]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=10,
    )
)
def test_no_schema_however_wrong_breaks_the_translation(schema: Any) -> None:
    if isinstance(schema, dict):
        to_google(schema, Loss())
        to_json_schema(schema)
