"""What coding agents do with what we give them, as seen on the wire with unmodified clients (2026-11-22)."""

import json

import msgspec
import pytest

from passerelle.codecs import registry
from passerelle.codecs.anthropic.response import call_seal
from passerelle.codecs.base import PathTarget, ReplyContext, Target
from passerelle.core.errors import ProblemError
from passerelle.core.event import Finished, PartDelta, PartEnded, PartStarted, Started
from passerelle.core.message import ToolCallPart

SIGNED = (
    Started("gemini-3.8-flash"),
    PartStarted(0, "tool_call", "call_1", "read", origin="gemini"),
    PartDelta(0, '{"path": "a"}', signature="c2ln"),
    PartEnded(0),
    Finished("tool_calls"),
)


def test_the_ai_sdk_finds_a_calls_signature_in_the_chunk_that_names_it() -> None:
    encoder = registry.client("openai_chat").stream_encoder(ReplyContext("1", "m", 0))
    written = b"".join(encoder.encode(event) for event in SIGNED).decode()
    chunks = [json.loads(line[6:]) for line in written.splitlines() if line.startswith("data: {")]
    calls = [call for chunk in chunks for c in chunk["choices"] for call in c["delta"].get("tool_calls", ())]
    assert calls[0]["function"] == {"name": "read", "arguments": ""}
    assert calls[0]["extra_content"] == {"google": {"thought_signature": "c2ln"}}
    assert [call["function"]["arguments"] for call in calls[1:]] == ['{"path": "a"}']
    assert all("extra_content" not in call for call in calls[1:])


def test_a_call_whose_signature_never_came_is_opened_all_the_same() -> None:
    encoder = registry.client("openai_chat").stream_encoder(ReplyContext("1", "m", 0))
    events = (*SIGNED[:2], *SIGNED[3:])
    written = b"".join(encoder.encode(event) for event in events)
    assert b'"name":"read"' in written
    assert b'"arguments":"{}"' in written


def test_opencodes_cache_marks_on_tool_calls_reach_anthropic() -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "read", "arguments": "{}"}}
    mark = {"cache_control": {"type": "ephemeral"}}
    messages = [
        {"role": "user", "content": "go"},
        {"role": "assistant", "content": "", "tool_calls": [{**call, **mark}]},
        {"role": "tool", "tool_call_id": "call_1", "content": "done"},
    ]
    body = json.dumps({"model": "m", "messages": messages}).encode()
    request = registry.client("openai_chat").decode_request(body, PathTarget("chat"))
    encoded = registry.provider("anthropic").encode_request(request, Target("claude-sonnet-5-5"))
    assert encoded.dropped == ()
    sent = json.loads(encoded.body)["messages"][1]["content"]
    assert sent[-1]["cache_control"] == {"type": "ephemeral"}
    back = json.loads(registry.provider("openai_chat").encode_request(request, Target("gpt")).body)
    assert back["messages"][1]["tool_calls"][0]["cache_control"] == {"type": "ephemeral"}


@pytest.mark.parametrize("in_front", [True, False])
def test_a_seal_signs_its_call_wherever_claude_code_puts_it(in_front: bool) -> None:
    call = {"type": "tool_use", "id": "toolu_1", "name": "Read", "input": {}}
    seal = call_seal("toolu_1", "gemini", "c2ln")
    history = [
        {"role": "user", "content": "go"},
        {"role": "assistant", "content": [seal, call] if in_front else [call, seal]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "done"}]},
    ]
    body = json.dumps({"model": "m", "max_tokens": 9, "messages": history}).encode()
    request = registry.client("anthropic").decode_request(body, PathTarget("chat"))
    (part,) = request.messages[1].parts
    assert isinstance(part, ToolCallPart)
    assert part.signature == "c2ln"
    sent = registry.provider("gemini").encode_request(request, Target("gemini-3.8-flash"))
    contents = msgspec.json.decode(sent.body)["contents"]
    assert contents[1]["parts"][0]["thoughtSignature"] == "c2ln"


CODE_MODE = {
    "type": "additional_tools",
    "id": "at_1",
    "role": "developer",
    "tools": [
        {
            "type": "namespace",
            "name": "functions",
            "description": "",
            "tools": [
                {"type": "custom", "name": "exec", "description": "Run JavaScript."},
                {"type": "function", "name": "wait", "parameters": {"type": "object", "properties": {}}},
            ],
        },
        {"type": "function", "name": "ask", "parameters": {"type": "object", "properties": {}}},
    ],
}
"""As Codex CLI 0.169.0 begins its `input` for a model it knows."""


def code_mode(**more: object) -> bytes:
    history = [CODE_MODE, {"type": "message", "role": "user", "content": "go"}]
    return json.dumps({"model": "gpt-6.1-sol", "input": history, **more}).encode()


@pytest.mark.parametrize("dialect", ["anthropic", "gemini", "openai_chat"])
def test_tools_that_codex_puts_into_its_input_are_offered_to_other_dialects(dialect: str) -> None:
    side = registry.client("openai_responses")
    assert {"tools", "custom_tools"} <= side.envelope(code_mode(), PathTarget("chat")).features
    request = side.decode_request(code_mode(), PathTarget("chat"))
    encoded = registry.provider(dialect).encode_request(request, Target("m"))  # type: ignore[arg-type]
    assert encoded.dropped == ()
    body = encoded.body.decode()
    for name in ("functions__exec", "functions__wait", "ask"):
        assert body.count(f'"name":"{name}"') == 1
    sent = json.loads(encoded.body)
    assert len(sent.get("messages") or sent["contents"]) == 1


def test_tools_in_the_input_go_back_to_their_own_dialect_where_they_stood() -> None:
    own = {"type": "function", "name": "ask", "parameters": {"type": "object", "properties": {}}}
    body = code_mode(tools=[own])
    request = registry.client("openai_responses").decode_request(body, PathTarget("chat"))
    assert [tool.name for tool in request.tools] == ["ask", "functions__exec", "functions__wait"]
    sent = json.loads(registry.provider("openai_responses").encode_request(request, Target("m")).body)
    assert sent["input"][0] == CODE_MODE
    assert [tool["name"] for tool in sent["tools"]] == ["ask"]


def test_a_call_in_code_mode_names_its_namespace_again() -> None:
    request = registry.client("openai_responses").decode_request(code_mode(), PathTarget("chat"))
    context = ReplyContext("1", "m", 0, request=request)
    encoder = registry.client("openai_responses").stream_encoder(context)
    events = (
        Started("claude"),
        PartStarted(0, "tool_call", "toolu_1", "functions__exec"),
        PartDelta(0, '{"input": "text(1)"}'),
        PartEnded(0),
        Finished("tool_calls"),
    )
    written = b"".join(encoder.encode(event) for event in events).decode()
    done = [json.loads(line[6:]) for line in written.splitlines() if line.startswith("data: {")]
    (item,) = [event["item"] for event in done if event["type"] == "response.output_item.done"]
    assert (item["type"], item["namespace"], item["name"]) == ("custom_tool_call", "functions", "exec")
    assert item["input"] == "text(1)"


def test_additional_tools_of_the_wrong_shape_are_refused_by_name() -> None:
    body = json.dumps({"model": "m", "input": [{"type": "additional_tools", "role": "developer"}]}).encode()
    with pytest.raises(ProblemError) as caught:
        registry.client("openai_responses").decode_request(body, PathTarget("chat"))
    assert caught.value.problem.param == "input[0].tools"
