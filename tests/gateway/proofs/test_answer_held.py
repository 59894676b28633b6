"""A complete answer against its request."""

from typing import Any

import pytest

from passerelle.core.message import Message, TextPart, ToolCallPart
from passerelle.core.request import OutputFormat, Request, Tool
from passerelle.core.response import FinishReason, Response
from passerelle.gateway.proofs.answer import Held, asks, held

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOL = Tool("weather", parameters=SCHEMA)


def request(output: OutputFormat | None = None, *tools: Tool) -> Request:
    return Request(
        "smart",
        (Message("user", (TextPart("Where?"),)),),
        "openai_chat",
        tools=tools,
        output=output or OutputFormat(),
    )


def said(text: str, finish: FinishReason = "stop") -> Response:
    return Response((TextPart(text),), finish)


def calling(*arguments: str, name: str = "weather", **more: Any) -> Response:
    return Response(tuple(ToolCallPart("c", name, one, **more) for one in arguments), "tool_calls")


@pytest.mark.parametrize(
    ("text", "met"),
    [('{"city": "Lyon"}', True), ('{"town": "Lyon"}', False), ('```json\n{"city": "Lyon"}\n```', False)],
)
def test_an_answer_is_held_against_the_schema_asked_for(text: str, met: bool) -> None:
    found = held(request(OutputFormat("json_schema", schema=SCHEMA)), said(text))
    assert found is not None
    assert found.met is met
    assert "Lyon" not in found.why


def test_json_mode_wants_an_object() -> None:
    asked = request(OutputFormat("json"))
    assert held(asked, said("{}")) == Held(True)
    assert held(asked, said("[]")) == Held(False, "the answer is no JSON object")
    assert held(asked, said("{")) == Held(False, "the answer is no JSON")


@pytest.mark.parametrize("finish", ["length", "refusal", "content_filter", "pause", "context", "incomplete"])
def test_an_answer_that_was_cut_or_refused_did_not_fail_at_its_form(finish: FinishReason) -> None:
    assert held(request(OutputFormat("json")), said('{"cut', finish)) is None


def test_the_arguments_of_calls_are_held_against_their_tools() -> None:
    asked = request(None, TOOL)
    assert held(asked, calling('{"city": "Lyon"}')) == Held(True)
    second = held(asked, calling('{"city": "Lyon"}', '{"city": 5}'))
    assert second == Held(False, "a call of `weather` does not meet its schema at /city: `type`")
    assert held(asked, calling('{"city"')) == Held(False, "the arguments of `weather` are no JSON")
    assert held(asked, Response((), "malformed_tool_call")) is not None


def test_what_declares_no_schema_is_not_judged() -> None:
    asked = request(None, TOOL, Tool("free", kind="custom"), Tool("bare"))
    assert held(asked, said("Lyon")) is None
    assert held(asked, calling("anything", name="free", kind="custom")) is None
    assert held(asked, calling("{}", name="bare")) is None
    assert held(asked, calling("{}", name="unheard of")) is None
    assert held(request(), said("Lyon")) is None


def test_a_call_before_the_answer_asked_for_is_judged_as_a_call() -> None:
    asked = request(OutputFormat("json_schema", schema=SCHEMA), TOOL)
    assert held(asked, calling('{"city": "Lyon"}')) == Held(True)


def test_what_cannot_be_told_is_not_told() -> None:
    remote = {"$ref": "https://example.com/schema"}
    assert held(request(OutputFormat("json_schema", schema=remote)), said("{}")) is None
    far = Tool("far", parameters=remote)
    both = Response(
        (ToolCallPart("1", "far", "{}"), ToolCallPart("2", "weather", '{"city": "Lyon"}')), "tool_calls"
    )
    assert held(request(None, TOOL, far), both) is None


def test_only_requests_that_ask_for_a_form_are_looked_at() -> None:
    assert asks(frozenset({"json_schema"}))
    assert asks(frozenset({"images", "tools"}))
    assert not asks(frozenset({"images", "reasoning"}))
