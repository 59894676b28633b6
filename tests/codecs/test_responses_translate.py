"""Requests of other dialects, said in Responses."""

import json
from typing import Any

import pytest
from tests.codecs.responses_support import AGENT, TARGET, dumps, encode, foreign

from passerelle.codecs.base import PathTarget, Target
from passerelle.codecs.openai_responses import CLIENT, PROVIDER
from passerelle.codecs.openai_responses.items_out import NO_RESULT
from passerelle.core.message import (
    AudioPart,
    FilePart,
    ImagePart,
    Message,
    ReasoningPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from passerelle.core.request import OutputFormat, Reasoning, Sampling, Tool, ToolChoice


def test_a_request_of_another_dialect() -> None:
    request = foreign(
        Message("system", (TextPart("Be kind.", cache="5m"),)),
        Message(
            "user", (TextPart("Look"), ImagePart("image/png", "iVBO"), FilePart("application/pdf", "JVBE"))
        ),
        Message(
            "assistant",
            (
                ReasoningPart("hm", signature="c2ln", origin="anthropic"),
                TextPart("Calling"),
                ToolCallPart("toolu_1", "f.g", '{"a": 1}'),
                ToolCallPart("toolu_2", "f.g", "{}"),
            ),
        ),
        Message(
            "tool",
            (
                ToolResultPart("toolu_1", (TextPart("ok"), ImagePart(url="https://a.example/i.png"))),
                ToolResultPart("toolu_2", (TextPart("no such file"),), is_error=True),
            ),
        ),
        Message("user", (TextPart("Go on"),)),
        tools=(
            Tool("f.g", "does", {"type": "object"}),
            Tool("exec", kind="custom", grammar={"syntax": "regex", "definition": ".*"}),
            Tool("web_search", kind="builtin", origin="anthropic", extra={"type": "web_search_20250305"}),
        ),
        tool_choice=ToolChoice("tool", "f.g"),
        parallel_tool_calls=False,
        max_output_tokens=64,
        sampling=Sampling(
            temperature=0.2, top_k=5, seed=3, stop=("X",), logit_bias={"1": 2}, n=2, logprobs=True
        ),
        output=OutputFormat("json"),
        metadata={"k": "v"},
        user="u" * 200,
        service_tier="standard_only",
        extra={"context_management": {}},
        dropped=("mcp_servers",),
        stream=True,
    )
    encoded = PROVIDER.encode_request(request, TARGET)
    body = json.loads(encoded.body)
    assert body["instructions"] == "Be kind."
    fitted = body["tools"][0]["name"]
    assert encoded.renamed == {fitted: "f.g"}
    assert body["tools"] == [
        {
            "type": "function",
            "name": fitted,
            "description": "does",
            "parameters": {"type": "object", "properties": {}},
            "strict": False,
        },
        {
            "type": "custom",
            "name": "exec",
            "format": {"type": "grammar", "syntax": "regex", "definition": ".*"},
        },
    ]
    assert body["tool_choice"] == {"type": "function", "name": fitted}
    assert body["input"] == [
        {
            "type": "message",
            "role": "user",
            "content": [
                {"type": "input_text", "text": "Look"},
                {"type": "input_image", "image_url": "data:image/png;base64,iVBO"},
                {
                    "type": "input_file",
                    "file_data": "data:application/pdf;base64,JVBE",
                    "filename": "file.pdf",
                },
            ],
        },
        {"type": "message", "role": "assistant", "content": "Calling"},
        {"type": "function_call", "name": fitted, "call_id": "toolu_1", "arguments": '{"a": 1}'},
        {"type": "function_call", "name": fitted, "call_id": "toolu_2", "arguments": "{}"},
        {
            "type": "function_call_output",
            "call_id": "toolu_1",
            "output": [
                {"type": "input_text", "text": "ok"},
                {"type": "input_image", "image_url": "https://a.example/i.png"},
            ],
        },
        {"type": "function_call_output", "call_id": "toolu_2", "output": "Error: no such file"},
        {"type": "message", "role": "user", "content": "Go on"},
    ]
    assert len(body["safety_identifier"]) == 64
    assert body["include"] == ["message.output_text.logprobs"]
    assert body["store"] is False
    assert body["stream"] is True
    assert body["text"] == {"format": {"type": "json_object"}}
    assert set(encoded.dropped) == {
        "mcp_servers", "reasoning", "tools.web_search", "cache_control", "top_k", "seed", "stop",
        "logit_bias", "n", "service_tier", "context_management",
    }  # fmt: skip


def test_what_a_server_does_not_know_is_left_out_and_named() -> None:
    quirks = frozenset(
        {"no_metadata", "no_developer_role", "no_parallel_tool_calls_field", "no_json_schema", "no_image_url"}
    )
    request = foreign(
        Message("developer", (TextPart("a"),)),
        Message("user", (TextPart("b"), ImagePart(url="https://a.example/i.png"))),
        metadata={"k": "v"},
        user="u",
        parallel_tool_calls=True,
        output=OutputFormat("json_schema", "n", {"type": "object"}),
    )
    body, dropped = encode(request, Target("m", quirks=quirks))
    assert body == {
        "model": "m",
        "text": {"format": {"type": "json_object"}},
        "input": [
            {"type": "message", "role": "system", "content": "a"},
            {"type": "message", "role": "user", "content": "b"},
        ],
    }
    assert set(dropped) == {"image_url", "metadata", "user", "parallel_tool_calls", "json_schema"}


@pytest.mark.parametrize(
    ("capabilities", "quirks", "sent", "dropped"),
    [
        ({"reasoning"}, set(), {"effort": "none"}, ()),
        ({"reasoning"}, {"no_effort_none"}, None, ("reasoning.effort",)),
        ({"tools"}, set(), None, ()),
        (set(), set(), None, ("reasoning.effort",)),
    ],
)
def test_a_model_is_asked_not_to_reason_only_where_it_can(
    capabilities: set[str], quirks: set[str], sent: Any, dropped: tuple[str, ...]
) -> None:
    target = Target("m", capabilities=frozenset(capabilities), quirks=frozenset(quirks))
    asked = foreign(Message("user", (TextPart("x"),)), reasoning=Reasoning(enabled=False))
    body, lost = encode(asked, target)
    assert (body.get("reasoning"), lost) == (sent, dropped)


def test_sampling_a_model_refuses_is_named_when_it_would_matter() -> None:
    target = Target("m", quirks=frozenset({"no_sampling"}))
    message = Message("user", (TextPart("x"),))
    body, dropped = encode(foreign(message, sampling=Sampling(temperature=0.1, top_p=1.0)), target)
    assert not body.keys() & {"temperature", "top_p"}
    assert dropped == ("temperature",)


def test_call_ids_are_short_unique_and_stable() -> None:
    turn = (
        Message(
            "assistant", (ToolCallPart("same", "f"), ToolCallPart("same", "f"), ToolCallPart("x" * 90, "f"))
        ),
        Message(
            "tool",
            (
                ToolResultPart("same", (TextPart("1"),)),
                ToolResultPart("same", (TextPart("2"),)),
                ToolResultPart("x" * 90, (TextPart("3"),)),
            ),
        ),
    )
    first, _ = encode(foreign(*turn))
    second, _ = encode(foreign(*turn, *turn))
    calls = [item["call_id"] for item in second["input"] if item["type"] == "function_call"]
    results = {i["call_id"]: i["output"] for i in second["input"] if i["type"] == "function_call_output"}
    assert len(set(calls)) == 6
    assert all(len(call) <= 64 for call in calls)
    assert [results[call] for call in calls] == ["1", "2", "3"] * 2
    assert second["input"][: len(first["input"])] == first["input"]


def test_a_call_without_a_result_is_given_one() -> None:
    body, _ = encode(
        foreign(
            Message("assistant", (ToolCallPart("a", "f"), ToolCallPart("b", "exec", "ls", kind="custom"))),
            Message("tool", (ToolResultPart("a", ()),)),
        )
    )
    assert body["input"][2:] == [
        {"type": "custom_tool_call_output", "call_id": "b", "output": NO_RESULT},
        {"type": "function_call_output", "call_id": "a", "output": ""},
    ]


def test_a_limit_below_the_apis_least_is_raised_and_named() -> None:
    asked = foreign(Message("user", (TextPart("quota"),)), max_output_tokens=1)
    body, dropped = encode(asked)
    assert body["max_output_tokens"] == 16
    assert dropped == ("max_tokens",)


def test_reasoning_of_this_dialect_goes_home_through_another() -> None:
    thought = ReasoningPart("A", encrypted="gAAA", id="rs_1", origin="openai_responses")
    body, dropped = encode(
        foreign(
            Message("user", (TextPart("x"),)),
            Message(
                "assistant",
                (thought, TextPart("Hi"), ReasoningPart("B", id="rs_2", origin="openai_responses")),
            ),
            Message("user", (TextPart("y"),)),
        )
    )
    assert body["input"][1:3] == [
        {
            "type": "reasoning",
            "id": "rs_1",
            "summary": [{"type": "summary_text", "text": "A"}],
            "encrypted_content": "gAAA",
        },
        {"type": "message", "role": "assistant", "content": "Hi"},
    ]
    assert dropped == ("reasoning",)  # the second led to nothing, which the API refuses
    assert body["include"] == ["reasoning.encrypted_content"]


def test_a_picture_the_model_made_is_shown_back_to_it() -> None:
    body, dropped = encode(
        foreign(
            Message("assistant", (TextPart("Here"), ImagePart("image/png", "iVBO"))),
            Message("user", (TextPart("Bluer"),)),
        )
    )
    assert [item["role"] for item in body["input"]] == ["assistant", "user", "user"]
    assert body["input"][1]["content"][1] == {
        "type": "input_image",
        "image_url": "data:image/png;base64,iVBO",
    }
    assert dropped == ()


def test_parts_without_a_place_are_named() -> None:
    body, dropped = encode(
        foreign(
            Message(
                "user",
                (
                    AudioPart("audio/flac", "zz"),
                    FilePart("video/mp4", "zz"),
                    FilePart(file_id="file_anthropic"),
                    ImagePart(url="gs://bucket/i.png"),
                    TextPart("", extra={"search_result": {}}),
                    FilePart("image/png", "iVBO"),
                ),
                name="jo",
            ),
            Message(
                "assistant", (ImagePart("image/png", "iVBO"), TextPart("cited", citations=({"type": "x"},)))
            ),
        )
    )
    assert set(dropped) == {"audio", "video", "file", "image", "search_result", "name", "citations"}
    assert body["input"][0]["content"] == [{"type": "input_image", "image_url": "data:image/png;base64,iVBO"}]


def test_a_count_asks_only_what_the_counting_endpoint_takes() -> None:
    request = CLIENT.decode_request(dumps(AGENT), PathTarget("count_tokens"))
    body, _ = encode(request, Target("m", operation="count_tokens"))
    assert set(body) == {
        "model", "instructions", "input", "tools", "tool_choice", "parallel_tool_calls", "reasoning", "text",
        "truncation",
    }  # fmt: skip
