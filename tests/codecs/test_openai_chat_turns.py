"""Servers that demand more of a conversation than the dialect does."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.codecs import registry
from passerelle.codecs.base import PathTarget, ReplyContext, Target
from passerelle.codecs.openai_chat.turns import BETWEEN, short_id
from passerelle.core.event import Event, PartEnded, PartStarted, Started
from passerelle.core.message import ToolCallPart
from passerelle.core.response import Response

CALL = {"id": "call_abc", "type": "function", "function": {"name": "f", "arguments": "{}"}}
BODY: dict[str, Any] = {
    "model": "m",
    "messages": [
        {"role": "user", "content": "Hi."},
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "call_abc", "content": "1"},
        {"role": "user", "content": "And?"},
    ],
}
CHAT, WIRE = registry.client("openai_chat"), registry.provider("openai_chat")


def relayed(body: dict[str, Any], *quirks: str) -> dict[str, Any]:
    """What a server with `quirks` gets of a caller's own body."""
    data = json.dumps(body).encode()
    target = Target("up", quirks=frozenset(quirks))
    sent: dict[str, Any] = json.loads(
        WIRE.relay_request(data, target, CHAT.envelope(data, PathTarget("chat")))
    )
    return sent


def translated(body: dict[str, Any], *quirks: str) -> dict[str, Any]:
    """The same, decoded and encoded."""
    request = CHAT.decode_request(json.dumps(body).encode(), PathTarget("chat"))
    sent: dict[str, Any] = json.loads(
        WIRE.encode_request(request, Target("up", quirks=frozenset(quirks))).body
    )
    return sent


@pytest.mark.parametrize("way", [relayed, translated])
def test_ids_get_a_short_stand_in_the_same_in_call_and_result(way: Any) -> None:
    _, said, result, _ = way(BODY, "short_call_ids")["messages"]
    (call,) = said["tool_calls"]
    assert call["id"] == result["tool_call_id"] == short_id("call_abc")
    assert len(call["id"]) == 9
    assert call["id"].isalnum()


@pytest.mark.parametrize("way", [relayed, translated])
def test_the_assistant_speaks_between_a_result_and_the_user(way: Any) -> None:
    messages = way(BODY, "no_user_after_tool")["messages"]
    assert [m["role"] for m in messages] == ["user", "assistant", "tool", "assistant", "user"]
    assert messages[3] == {"role": "assistant", "content": BETWEEN}


@pytest.mark.parametrize("way", [relayed, translated])
def test_a_call_without_thoughts_has_empty_ones(way: Any) -> None:
    assert way(BODY, "reasoning_content_field")["messages"][1]["reasoning_content"] == ""


@pytest.mark.parametrize("way", [relayed, translated])
def test_a_key_for_the_cache_is_left_out_where_it_is_refused(way: Any) -> None:
    assert "prompt_cache_key" not in way({**BODY, "prompt_cache_key": "k"}, "no_prompt_cache_key")


def test_a_body_that_needs_nothing_keeps_its_bytes() -> None:
    messages = '[ {"role":"user" , "content":"Hi."} ]'
    body = f'{{"model":"m","messages":{messages}}}'.encode()
    target = Target(
        "up", quirks=frozenset({"short_call_ids", "no_user_after_tool", "reasoning_content_field"})
    )
    assert messages in WIRE.relay_request(body, target, CHAT.envelope(body, PathTarget("chat"))).decode()


@given(st.text(max_size=60))
def test_a_short_id_is_always_fit_and_stays_when_it_is(identifier: str) -> None:
    short = short_id(identifier)
    assert len(short) == 9
    assert short.isascii()
    assert short.isalnum()
    assert short_id(short) == short


def test_a_tool_of_free_text_is_a_function_but_at_openai() -> None:
    custom = {"type": "custom", "custom": {"name": "sql", "description": "Runs."}}
    past = {"id": "c1", "type": "custom", "custom": {"name": "sql", "input": "SELECT 1"}}
    body = {
        "model": "m", "tools": [custom], "tool_choice": {"type": "custom", "custom": {"name": "sql"}},
        "messages": [
            {"role": "user", "content": "Hi."}, {"role": "assistant", "content": None, "tool_calls": [past]},
            {"role": "tool", "tool_call_id": "c1", "content": "1"},
        ],
    }  # fmt: skip
    sent = translated(body)
    (tool,) = sent["tools"]
    assert tool["function"]["parameters"]["required"] == ["input"]
    assert sent["tool_choice"] == {"type": "function", "function": {"name": "sql"}}
    (call,) = sent["messages"][1]["tool_calls"]
    assert json.loads(call["function"]["arguments"]) == {"input": "SELECT 1"}
    own = translated(body, "custom_tools")
    assert own["tools"] == [custom]
    assert own["messages"][1]["tool_calls"] == [past]


def test_calls_that_a_provider_names_alike_have_ids_of_their_own() -> None:
    parts = (ToolCallPart("c", "f"), ToolCallPart("c", "f"))
    context = ReplyContext(id="req_1", model="m", created_s=1)
    said = json.loads(CHAT.encode_response(Response(parts, "tool_calls", model="m"), context))
    whole = [call["id"] for call in said["choices"][0]["message"]["tool_calls"]]
    encoder = CHAT.stream_encoder(context)
    events: list[Event] = [Started("m")]
    for at in range(2):
        events += [PartStarted(at, "tool_call", id="c", name="f"), PartEnded(at)]
    told = b"".join([encoder.encode(event) for event in events]).decode()
    assert whole[0] == "c"
    assert len(set(whole)) == 2
    assert all(f'"id":"{identifier}"' in told for identifier in whole)
