"""Servers of the dialect with shapes of their own get them, from callers of the dialect and from others."""

import json
from typing import Any

import pytest

from passerelle.codecs import registry
from passerelle.codecs.base import PathTarget, Target
from passerelle.core.message import Message, TextPart
from passerelle.core.request import Reasoning, Request, Sampling, Tool, ToolChoice

SIDE = registry.provider("openai_chat")
HELLO = [{"role": "user", "content": "hi"}]


def target(*quirks: str) -> Target:
    return Target("m", quirks=frozenset(quirks), capabilities=frozenset({"reasoning", "tools"}))


def relayed(fields: dict[str, Any], *quirks: str) -> tuple[dict[str, Any], tuple[str, ...]]:
    body = json.dumps({"model": "x", "messages": HELLO, **fields}).encode()
    envelope = registry.client("openai_chat").envelope(body, PathTarget("chat"))
    sent = SIDE.relay_request(body, target(*quirks), envelope)
    return json.loads(sent), SIDE.relay_losses(body, target(*quirks))


def translated(request: Request, *quirks: str) -> tuple[dict[str, Any], tuple[str, ...]]:
    encoded = SIDE.encode_request(request, target(*quirks))
    return json.loads(encoded.body), encoded.dropped


def foreign(*messages: Message, **fields: Any) -> Request:
    return Request("x", messages or (Message("user", (TextPart("hi"),)),), "anthropic", **fields)


def test_a_seed_is_a_random_seed_at_mistral() -> None:
    body, lost = relayed({"seed": 7}, "random_seed_field")
    assert (body["random_seed"], "seed" in body, lost) == (7, False, ())
    body, lost = translated(foreign(sampling=Sampling(seed=7)), "random_seed_field")
    assert (body["random_seed"], "seed" in body, lost) == (7, False, ())


def test_thinking_is_turned_off_by_its_own_switch() -> None:
    body, lost = relayed({"reasoning_effort": "none"}, "thinking_toggle")
    assert (body["thinking"], "reasoning_effort" in body, lost) == ({"type": "disabled"}, False, ())
    body, lost = translated(foreign(reasoning=Reasoning(enabled=False)), "thinking_toggle")
    assert (body["thinking"], "reasoning_effort" in body, lost) == ({"type": "disabled"}, False, ())
    assert relayed({"reasoning_effort": "low"}, "thinking_toggle")[0]["reasoning_effort"] == "low"


def test_a_last_message_of_the_assistants_is_a_prefix() -> None:
    begun = {"role": "assistant", "content": "It is"}
    body, lost = relayed({"messages": [*HELLO, begun]}, "prefix_field")
    assert (body["messages"], lost) == ([*HELLO, {**begun, "prefix": True}], ())
    said = {**begun, "prefix": False}
    assert relayed({"messages": [*HELLO, said]}, "prefix_field")[0]["messages"][-1] == said
    request = foreign(Message("user", (TextPart("hi"),)), Message("assistant", (TextPart("It is"),)))
    assert translated(request, "prefix_field")[0]["messages"][-1]["prefix"] is True
    assert "prefix" not in relayed({}, "prefix_field")[0]["messages"][-1]


def test_a_call_that_waits_for_its_result_is_no_prefix() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    assert relayed({"messages": [*HELLO, message]}, "prefix_field")[0]["messages"][-1] == message


def test_names_of_speakers_are_taken_out_and_told() -> None:
    named = [{"role": "user", "content": "hi", "name": "ada"}]
    body, lost = relayed({"messages": named}, "no_name")
    assert (body["messages"], lost) == (HELLO, ("name",))
    body, lost = translated(foreign(Message("user", (TextPart("hi"),), name="ada")), "no_name")
    assert ("name" in body["messages"][0], "name" in lost) == (False, True)
    assert relayed({}, "no_name") == ({"model": "m", "messages": HELLO}, ())


@pytest.mark.parametrize(("quirks", "kept"), [(("no_metadata",), False),
                                              (("no_metadata", "keeps_prompt_cache_key"), True)])  # fmt: skip
def test_mistral_keeps_the_cache_key_of_all_the_identity_it_refuses(
    quirks: tuple[str, ...], kept: bool
) -> None:
    body, lost = relayed({"prompt_cache_key": "k", "user": "u"}, *quirks)
    assert ("prompt_cache_key" in body, "user" in body) == (kept, False)
    assert set(lost) == ({"user"} if kept else {"user", "prompt_cache_key"})
    body, lost = translated(foreign(prompt_cache_key="k", user="u"), *quirks)
    assert ("prompt_cache_key" in body, "user" in body) == (kept, False)
    assert set(lost) == ({"user"} if kept else {"user", "prompt_cache_key"})


def test_messages_that_are_no_messages_are_the_servers_to_judge() -> None:
    fields: dict[str, Any] = {"messages": [{"role": "assistant", "content": "a"}]}
    assert relayed(fields, "prefix_field", "no_name")[0]["messages"][0]["prefix"] is True


def test_no_choice_of_none_means_that_no_tools_are_sent() -> None:
    tools = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]
    body, lost = relayed({"tools": tools, "tool_choice": "none"}, "no_choice_of_none")
    assert (body.keys() & {"tools", "tool_choice"}, lost) == (set(), ())
    request = foreign(tools=(Tool("f", parameters={"type": "object"}),), tool_choice=ToolChoice("none"))
    body, lost = translated(request, "no_choice_of_none")
    assert (body.keys() & {"tools", "tool_choice"}, lost) == (set(), ())
    assert relayed({"tools": tools, "tool_choice": "auto"}, "no_choice_of_none")[0]["tools"] == tools


@pytest.mark.parametrize(("store", "lost"), [(True, ("store",)), (False, ())])
def test_a_server_that_refuses_store_is_not_told_of_it(store: bool, lost: tuple[str, ...]) -> None:
    body, told = relayed({"store": store}, "no_store")
    assert ("store" in body, told) == (False, lost)
