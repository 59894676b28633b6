"""Relaying: only what must change changes, and what quirks take away can be named."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from tests.codecs.openai_chat_support import CHAT, TARGET, Json, asked, few, requests

from passerelle.codecs.base import QUIRKS, Target
from passerelle.codecs.openai_chat import CLIENT, PROVIDER
from passerelle.codecs.openai_chat.relay import relay_losses
from passerelle.core.request import Request


def relayed(body: bytes, *quirks: str) -> Json:
    assert set(quirks) <= set(QUIRKS)
    target = Target("gpt-x", quirks=frozenset(quirks))
    sent: Json = json.loads(PROVIDER.relay_request(body, target, CLIENT.envelope(body, CHAT)))
    return sent


def lost(body: bytes, *quirks: str) -> tuple[str, ...]:
    return relay_losses(body, Target("gpt-x", quirks=frozenset(quirks)))


def test_only_the_model_changes() -> None:
    body = b'{"messages": [ {"role":"user", "content":"caf\\u00e9"} ], "model":"mine", "x_new": 1.0}'
    assert PROVIDER.relay_request(body, TARGET, CLIENT.envelope(body, CHAT)) == (
        b'{"messages":[ {"role":"user", "content":"caf\\u00e9"} ],"model":"gpt-x","x_new":1.0}'
    )


def test_usage_is_asked_for_in_a_stream_and_nothing_else_there_is_touched() -> None:
    assert relayed(asked(stream=True))["stream_options"] == {"include_usage": True}
    assert relayed(asked(stream=True, stream_options=None))["stream_options"] == {"include_usage": True}
    assert relayed(asked(stream=True, stream_options={"include_obfuscation": False, "include_usage": False}))[
        "stream_options"
    ] == {"include_obfuscation": False, "include_usage": True}
    assert "stream_options" not in relayed(asked())
    assert "stream_options" not in relayed(asked(stream=True), "no_stream_options")
    given = asked(stream=True, stream_options={"include_usage": True})
    assert "stream_options" not in relayed(given, "no_stream_options")


@pytest.mark.parametrize(
    ("quirk", "given", "sent", "losses"),
    [
        ("max_tokens_field", {"max_completion_tokens": 5}, {"max_tokens": 5}, ()),
        ("max_tokens_field", {"max_completion_tokens": None, "max_tokens": 6}, {"max_tokens": 6}, ()),
        ("max_tokens_field", {"max_tokens": 6}, {"max_tokens": 6}, ()),
        ("no_parallel_tool_calls_field", {"parallel_tool_calls": False}, {}, ("parallel_tool_calls",)),
        (
            "no_metadata",
            {"metadata": {"a": "b"}, "store": True, "user": "u", "seed": 1, "prompt_cache_key": None},
            {"seed": 1},
            ("metadata", "store", "user"),
        ),
        ("no_sampling", {"temperature": 0.5, "top_p": 1, "seed": 1}, {"seed": 1}, ("temperature", "top_p")),
        (
            "no_json_schema",
            {"response_format": {"type": "json_schema", "json_schema": {"name": "x"}}},
            {"response_format": {"type": "json_object"}},
            ("response_format.json_schema",),
        ),
        (
            "no_json_schema",
            {"response_format": {"type": "json_object"}},
            {"response_format": {"type": "json_object"}},
            (),
        ),
        ("thinking_tokens_apart", {"temperature": 0.5}, {"temperature": 0.5}, ()),
    ],
)
def test_quirks_change_what_the_server_would_refuse(
    quirk: str, given: Json, sent: Json, losses: tuple[str, ...]
) -> None:
    body = asked(**given)
    got = relayed(body, quirk)
    assert {name: value for name, value in got.items() if name not in ("model", "messages")} == sent
    assert lost(body, quirk) == losses


def test_a_developer_becomes_a_system_where_it_must_and_other_messages_keep_their_bytes() -> None:
    body = (
        b'{"model":"m","messages":[{"role":"developer","content":"d"},'
        b'{"role":"user","content":"\\u0041", "name":"n"}]}'
    )
    target = Target("m", quirks=frozenset({"no_developer_role"}))
    sent = PROVIDER.relay_request(body, target, CLIENT.envelope(body, CHAT))
    assert sent == body.replace(b'"developer"', b'"system"').replace(b'", "name"', b'","name"')
    assert lost(body, "no_developer_role") == ()


def test_lists_of_words_become_one_string_where_they_must() -> None:
    body = asked(
        {"role": "system", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
        {"role": "user", "content": [{"type": "text", "text": "c"},
                                     {"type": "image_url", "image_url": {"url": "u"}}]},
        {"role": "assistant", "content": [{"type": "text", "text": "d"}, {"type": "text", "text": "e"}]},
    )  # fmt: skip
    sent = relayed(body, "string_content")["messages"]
    assert sent[0]["content"] == "a\n\nb"
    assert isinstance(sent[1]["content"], list)
    assert sent[2]["content"] == "de"


@few
@given(requests())
def test_a_relayed_request_is_the_callers_own(request: Request) -> None:
    body = PROVIDER.encode_request(request, Target("mine")).body
    before: dict[str, Any] = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    sent = PROVIDER.relay_request(body, TARGET, CLIENT.envelope(body, CHAT))
    after: dict[str, Any] = msgspec.json.decode(sent, type=dict[str, msgspec.Raw])
    assert list(before) == list(after)
    assert bytes(after.pop("model")) == b'"gpt-x"'
    before.pop("model")
    assert {name: bytes(raw) for name, raw in before.items()} == {n: bytes(raw) for n, raw in after.items()}
