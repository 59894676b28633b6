"""Requests of the Responses API: read whole, given back unchanged, and said for other dialects."""

import json
from typing import Any

import pytest
from tests.codecs.responses_support import AGENT, CHAT, TARGET, decode, dumps, encode, foreign

from passerelle.codecs.base import Target
from passerelle.codecs.openai_responses import CLIENT, PROVIDER
from passerelle.codecs.sealed import Sealed, seal
from passerelle.core.errors import ProblemError
from passerelle.core.message import (
    Message,
    ReasoningPart,
    RefusalPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from passerelle.core.request import Reasoning, ToolChoice


def explicit(item: dict[str, Any]) -> dict[str, Any]:
    """An item with what the API supplies when it is left out."""
    if "role" not in item:
        return item
    content = item["content"]
    if item["role"] != "assistant" and isinstance(content, list) and len(content) == 1:
        (part,) = content
        content = part["text"] if part.keys() == {"type", "text"} else content
    return {"type": "message", **item, "content": content}


def test_a_whole_agent_request_goes_back_as_it_came() -> None:
    request = CLIENT.decode_request(dumps(AGENT), CHAT)
    body, dropped = encode(request, Target("m"))
    assert dropped == ()
    assert [explicit(item) for item in body.pop("input")] == [explicit(item) for item in AGENT["input"]]
    assert body == {key: value for key, value in AGENT.items() if key != "input"}


def test_an_agent_request_is_read_into_turns() -> None:
    request = CLIENT.decode_request(dumps(AGENT), CHAT)
    roles = [message.role for message in request.messages]
    assert roles == [
        "system",
        "developer",
        "user",
        "user",
        "assistant",
        "tool",
        "assistant",
        "system",
        "user",
    ]
    assistant = request.messages[4].parts
    kinds = [type(part) for part in assistant]
    assert kinds == [ReasoningPart, ReasoningPart, TextPart, RefusalPart, TextPart] + [ToolCallPart] * 3
    assert isinstance(assistant[0], ReasoningPart)
    assert (assistant[0].text, assistant[0].encrypted, assistant[0].origin) == (
        "A\n\nB",
        "gAAA",
        "openai_responses",
    )
    assert isinstance(assistant[5], ToolCallPart)
    assert assistant[5].name == "crm__lookup"
    results = request.messages[5].parts
    assert [part.name for part in results if isinstance(part, ToolResultPart)] == [
        "crm__lookup",
        "exec",
        "shoot",
    ]
    names = [tool.name for tool in request.tools]
    assert names == ["shoot", "bare", "exec", "crm__lookup", "crm__note", "web_search", "mcp"]
    assert request.tools[2].grammar == {"syntax": "lark", "definition": "start: WORD"}
    assert request.reasoning == Reasoning(effort="high", show=True, summary="auto")
    assert request.user == "someone"


def test_only_what_matters_is_left_for_other_dialects_to_report() -> None:
    request = CLIENT.decode_request(dumps(AGENT), CHAT)
    assert set(request.extra or ()) == {
        "client_metadata", "include", "max_tool_calls", "reasoning.mode", "text.tone", "tool_choice",
        "truncation",
    }  # fmt: skip
    quiet = decode(
        store=False, truncation="disabled", include=["reasoning.encrypted_content"], background=None
    )
    assert quiet.extra is None


def test_an_input_string_goes_back_as_a_string() -> None:
    body, _ = encode(decode())
    assert body == {"model": "gpt-x", "input": "hi", "store": False}


def test_a_provider_is_never_asked_to_store_and_a_caller_who_asked_is_told() -> None:
    for store, lost in ((True, ("store",)), (None, ()), (False, ())):
        body, dropped = encode(decode(store=store))
        assert (body["store"], dropped) == (False, lost)


def test_reasoning_comes_back_encrypted_when_nothing_is_stored() -> None:
    assert encode(decode(reasoning={"effort": "low"}))[0]["include"] == ["reasoning.encrypted_content"]
    asked_to_store = encode(decode(reasoning={"effort": "low"}, store=True))[0]
    assert asked_to_store["include"] == ["reasoning.encrypted_content"]
    assert "include" not in encode(decode())[0]
    thought = {"type": "reasoning", "id": "rs", "summary": [], "encrypted_content": "g"}
    asked = decode(input=[{"role": "user", "content": "x"}, thought, {"role": "user", "content": "y"}])
    assert encode(asked)[0]["include"] == ["reasoning.encrypted_content"]


def test_a_model_that_does_not_reason_is_not_asked_to() -> None:
    target = Target("m", capabilities=frozenset({"tools"}))
    body, dropped = encode(
        foreign(Message("user", (TextPart("x"),)), reasoning=Reasoning(effort="high")), target
    )
    assert "reasoning" not in body
    assert "include" not in body
    assert dropped == ("reasoning.effort",)


@pytest.mark.parametrize(
    ("wanted", "effort"),
    [
        (Reasoning(effort="xhigh"), "xhigh"),
        (Reasoning(enabled=False), "none"),
        (Reasoning(budget_tokens=1024), "low"),
        (Reasoning(budget_tokens=10_000), "medium"),
        (Reasoning(budget_tokens=32_000), "high"),
        (Reasoning(adaptive=True), None),
    ],
)
def test_every_way_to_ask_for_thought_is_an_effort(wanted: Reasoning, effort: str | None) -> None:
    target = Target("m", capabilities=frozenset({"reasoning"}))
    body, dropped = encode(foreign(Message("user", (TextPart("x"),)), reasoning=wanted), target)
    assert body.get("reasoning", {}).get("effort") == effort
    assert dropped == ()


def test_flat_names_stay_apart_and_short() -> None:
    tools = [
        {"type": "function", "name": "a__b"},
        {"type": "namespace", "name": "a", "description": "", "tools": [{"type": "function", "name": "b"}]},
        {
            "type": "namespace",
            "name": "mcp__x__",
            "description": "",
            "tools": [{"type": "function", "name": "c"}],
        },
        {
            "type": "namespace",
            "name": "n" * 60,
            "description": "",
            "tools": [{"type": "function", "name": "long"}],
        },
    ]
    names = [tool.name for tool in decode(tools=tools).tools]
    assert names[0] == "a__b"
    assert names[2] == "mcp__x__c"
    assert len(set(names)) == 4
    assert all(len(name) <= 64 for name in names)
    again = json.loads(PROVIDER.encode_request(decode(tools=tools), TARGET).body)["tools"]
    assert again == tools


@pytest.mark.parametrize(
    ("choice", "core"),
    [
        ("auto", ToolChoice("auto")),
        ("none", ToolChoice("none")),
        ("required", ToolChoice("required")),
        ({"type": "function", "name": "f"}, ToolChoice("tool", "f")),
        ({"type": "custom", "name": "g"}, ToolChoice("tool", "g")),
        (
            {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "f"}]},
            ToolChoice("required", allowed=("f",)),
        ),
        ({"type": "web_search"}, None),
        (None, None),
    ],
)
def test_every_tool_choice_is_read_and_given_back(choice: Any, core: ToolChoice | None) -> None:
    tools = [{"type": "function", "name": "f"}, {"type": "custom", "name": "g"}, {"type": "web_search"}]
    request = decode(tools=tools, tool_choice=choice)
    assert request.tool_choice == core
    assert encode(request)[0].get("tool_choice") == choice


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"instructions": 3}, "instructions"),
        ({"input": [3]}, "input[0]"),
        ({"input": [{"type": 3}]}, "input[0].type"),
        ({"input": [{"role": "user", "content": 3}]}, "input[0].content"),
        ({"input": [{"role": "user", "content": ["x"]}]}, "input[0].content[0]"),
        ({"input": [{"role": "user", "content": [{}]}]}, "input[0].content[0].type"),
        ({"input": [{"role": "user", "content": [{"type": "input_text"}]}]}, "input[0].content[0].text"),
        (
            {"input": [{"role": "user", "content": [{"type": "input_image"}]}]},
            "input[0].content[0].image_url",
        ),
        (
            {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": {"url": "u"}}]}]},
            "input[0].content[0].image_url",
        ),
        ({"input": [{"role": "user", "content": [{"type": "input_file"}]}]}, "input[0].content[0].file_data"),
        (
            {"input": [{"role": "user", "content": [{"type": "input_audio"}]}]},
            "input[0].content[0].input_audio",
        ),
        ({"input": [{"type": "function_call", "call_id": "c", "arguments": "{}"}]}, "input[0].name"),
        (
            {"input": [{"type": "function_call", "call_id": "c", "name": "f", "arguments": {}}]},
            "input[0].arguments",
        ),
        ({"input": [{"type": "function_call", "name": "f", "arguments": ""}]}, "input[0].call_id"),
        ({"input": [{"type": "custom_tool_call", "call_id": "c", "name": "f"}]}, "input[0].input"),
        ({"input": [{"type": "function_call_output", "call_id": "c"}]}, "input[0].output"),
        ({"input": [{"type": "function_call_output", "call_id": "c", "output": {}}]}, "input[0].output"),
        (
            {
                "input": [
                    {
                        "type": "function_call_output",
                        "call_id": "c",
                        "output": [{"type": "refusal", "refusal": "n"}],
                    }
                ]
            },
            "input[0].output[0]",
        ),
        ({"input": [{"type": "reasoning", "summary": "x"}]}, "input[0].summary"),
        ({"tools": {}}, "tools"),
        ({"tools": [3]}, "tools[0]"),
        ({"tools": [{"type": "function"}]}, "tools[0].name"),
        ({"tools": [{"type": "function", "name": "f", "parameters": []}]}, "tools[0].parameters"),
        ({"tools": [{"type": "function", "name": "f", "strict": "yes"}]}, "tools[0].strict"),
        (
            {"tools": [{"type": "namespace", "name": "n", "tools": [{"type": "custom"}]}]},
            "tools[0].tools[0].name",
        ),
        ({"tool_choice": "some"}, "tool_choice"),
        ({"tool_choice": {}}, "tool_choice.type"),
        ({"tool_choice": {"type": "function"}}, "tool_choice.name"),
        ({"tool_choice": {"type": "allowed_tools", "mode": "x"}}, "tool_choice.mode"),
        ({"text": {"format": {}}}, "text.format.type"),
        ({"text": {"format": {"type": "json_schema", "name": "a"}}}, "text.format.schema"),
        ({"text": {"format": {"type": "json_schema", "schema": {}}}}, "text.format.name"),
        ({"text": {"verbosity": 1}}, "text.verbosity"),
        ({"reasoning": {"effort": 3}}, "reasoning.effort"),
        ({"include": [3]}, "include[0]"),
        ({"metadata": {"a": 1}}, "metadata.a"),
        ({"temperature": "hot"}, "temperature"),
        ({"temperature": True}, "temperature"),
        ({"top_logprobs": 1.5}, "top_logprobs"),
        ({"max_output_tokens": 0}, "max_output_tokens"),
        ({"store": "no"}, "store"),
        ({"parallel_tool_calls": 1}, "parallel_tool_calls"),
    ],
)
def test_a_mistake_is_named_by_its_path(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(ProblemError) as caught:
        decode(**fields)
    problem = caught.value.problem
    assert (problem.kind, problem.param) == ("invalid_request", param)
    assert f"`{param}`" in problem.message
    assert problem.message.endswith(".")


def test_sealed_reasoning_is_given_back_to_its_own_dialect() -> None:
    thought = {
        "type": "reasoning",
        "id": "rs_ours",
        "summary": [{"type": "summary_text", "text": "hm"}],
        "encrypted_content": seal(Sealed("anthropic", "c2ln")),
    }
    signed = {
        "type": "reasoning",
        "id": "rs_carrier",
        "summary": [],
        "encrypted_content": seal(Sealed("gemini", "dGg=", call_id="c1")),
    }
    call = {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"}
    answer = {"type": "function_call_output", "call_id": "c1", "output": "1"}
    request = decode(input=[{"role": "user", "content": "x"}, thought, call, signed, answer])
    reasoning, called = request.messages[1].parts
    assert reasoning == ReasoningPart("hm", signature="c2ln", origin="anthropic")
    assert isinstance(called, ToolCallPart)
    assert called.signature == "dGg="
    body, dropped = encode(request)
    assert dropped == ("reasoning",)
    assert [item["type"] for item in body["input"]] == ["message", "function_call", "function_call_output"]
