"""What only translating brings to light is told of the caller's own field, never of the target's."""

import json
from typing import Any

import pytest

from passerelle.codecs import registry
from passerelle.codecs.base import PathTarget, Target
from passerelle.codecs.places import named_for_caller, nested_too_deeply
from passerelle.core.errors import Problem, ProblemError
from passerelle.core.request import Dialect

LONG = "call|" + "x" * 80
"""An id that Anthropic would refuse: it goes as a hash, and is told as the caller wrote it."""


def refused(dialect: Dialect, conversation: list[Any]) -> Problem:
    root = {"openai_responses": "input", "gemini": "contents"}.get(dialect, "messages")
    body = json.dumps({"model": "m", root: conversation}).encode()
    request = registry.client(dialect).decode_request(body, PathTarget("chat", model="m"))
    with pytest.raises(ProblemError) as caught:
        registry.provider("anthropic").encode_request(request, Target("claude-sonnet-5"))
    return named_for_caller(caught.value, body, dialect).problem


def chat_call(name: str) -> dict[str, Any]:
    call = {"id": name, "type": "function", "function": {"name": "f", "arguments": "{}"}}
    return {"role": "assistant", "content": None, "tool_calls": [call]}


CASES: list[tuple[Dialect, list[Any], str, str]] = [
    (
        "openai_chat",
        [{"role": "user", "content": "a"}, chat_call(LONG), {"role": "user", "content": "b"}],
        "messages[1]",
        "has no result",
    ),
    (
        "openai_chat",
        [{"role": "system", "content": "s"}, {"role": "tool", "tool_call_id": LONG, "content": "x"}],
        "messages[1]",
        "answers no tool call",
    ),
    (
        "openai_responses",
        [
            {"role": "user", "content": "a"},
            {"type": "reasoning", "id": "rs_1", "summary": []},
            {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
            {"type": "function_call", "call_id": LONG, "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c1", "output": "x"},
        ],
        "input[3]",
        "has no result",
    ),
    (
        "openai_responses",
        [{"role": "user", "content": "a"}, {"type": "function_call_output", "call_id": LONG, "output": "x"}],
        "input[1]",
        "answers no tool call",
    ),
    (
        "gemini",
        [
            {"role": "user", "parts": [{"text": "a"}]},
            {"role": "model", "parts": [{"text": "b"}, {"functionCall": {"id": LONG, "name": "f"}}]},
            {"role": "user", "parts": [{"text": "c"}]},
        ],
        "contents[1].parts[1]",
        "has no result",
    ),
]


@pytest.mark.parametrize(("dialect", "conversation", "place", "words"), CASES)
def test_an_unpaired_call_is_named_as_the_caller_wrote_it(
    dialect: Dialect, conversation: list[Any], place: str, words: str
) -> None:
    problem = refused(dialect, conversation)
    assert problem.kind == "invalid_request"
    assert problem.param == place
    assert f"`{place}`" in problem.message
    assert f"`{LONG}` {words}" in problem.message


@pytest.mark.parametrize(
    ("dialect", "conversation", "root"),
    [
        ("openai_chat", [{"role": "user", "content": ""}], "messages"),
        ("openai_responses", [{"role": "user", "content": ""}], "input"),
        ("gemini", [{"role": "user", "parts": [{"text": ""}]}], "contents"),
    ],
)
def test_an_empty_conversation_is_the_callers_field(
    dialect: Dialect, conversation: list[Any], root: str
) -> None:
    problem = refused(dialect, conversation)
    assert problem.param == root
    assert f"`{root}` holds nothing" in problem.message


def test_other_errors_stay_as_they_are() -> None:
    error = ProblemError(Problem("invalid_request", "x", param="y"))
    assert named_for_caller(error, b"{}", "gemini") is error


@pytest.mark.parametrize(
    ("dialect", "body", "place"),
    [
        ("openai_chat", {"tools": [{"a": 1}, {"function": {"parameters": 0}}]}, "tools[1].function"),
        ("openai_responses", {"text": {"format": {"schema": 0}}}, "text.format.schema"),
        ("anthropic", {"tools": [{"input_schema": 0}]}, "tools.0.input_schema"),
        ("gemini", {"generationConfig": {"responseSchema": 0}}, "generationConfig.responseSchema.p"),
    ],
)
def test_what_is_nested_too_deeply_is_named(dialect: Dialect, body: Any, place: str) -> None:
    deep = '{"p":' * 400 + "{}" + "}" * 400
    raw = json.dumps({"model": "m", **body}).replace(": 0}", f": {deep}}}").encode()
    problem = nested_too_deeply(raw, dialect).problem
    assert problem.param == place
    assert "nested too deeply" in problem.message


def test_a_body_nested_too_deeply_to_be_read_is_told_so() -> None:
    assert nested_too_deeply(b'{"a":' * 100_000, "gemini").problem.param is None
