"""The quick look at a chat request: what it must know, and how it says what is wrong."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.codecs.openai_chat_support import CHAT, TARGET, Json, asked, dump, few, requests

from passerelle.codecs.openai_chat import CLIENT, PROVIDER
from passerelle.codecs.sealed import Sealed, seal
from passerelle.core.errors import ProblemError


def look(body: bytes) -> Any:
    return CLIENT.envelope(body, CHAT)


def test_a_plain_request_needs_nothing_special() -> None:
    envelope = look(asked())
    assert (envelope.operation, envelope.model, envelope.stream, envelope.include_usage) == (
        "chat",
        "m",
        False,
        True,
    )
    assert envelope.features == frozenset()
    assert envelope.text_bytes == len(asked())
    assert envelope.relayable


@pytest.mark.parametrize(
    ("fields", "features"),
    [
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, {"tools"}),
        ({"tools": [{"type": "custom", "custom": {"name": "f"}}]}, {"tools", "custom_tools"}),
        ({"tools": [{"type": "web_search"}]}, {"tools", "builtin_tools"}),
        ({"functions": [{"name": "f"}]}, {"tools"}),
        ({"tools": []}, set()),
        ({"response_format": {"type": "json_object"}}, {"json"}),
        ({"response_format": {"type": "json_schema", "json_schema": {"name": "x"}}}, {"json_schema"}),
        ({"response_format": {"type": "text"}}, set()),
        ({"reasoning_effort": "high"}, {"reasoning"}),
        ({"reasoning_effort": "none"}, set()),
        ({"thinking": {"type": "enabled"}}, {"reasoning"}),
        ({"thinking": {"type": "disabled"}}, set()),
        ({"n": 2}, {"n"}),
        ({"n": 1}, set()),
        ({"logprobs": True}, {"logprobs"}),
        ({"modalities": ["text", "audio"]}, {"audio"}),
        ({"web_search_options": {}}, {"builtin_tools"}),
    ],
)
def test_features_say_what_a_deployment_must_be_able_to_do(fields: Json, features: set[str]) -> None:
    assert look(asked(**fields)).features == features


def test_media_is_seen_counted_and_kept_out_of_the_words() -> None:
    big = "data:image/png;base64," + "A" * 40_000
    body = asked(
        {"role": "user", "content": [
            {"type": "text", "text": "what are these?"},
            {"type": "image_url", "image_url": {"url": big}},
            {"type": "image_url", "image_url": {"url": "https://example.com/x.png"}},
            {"type": "input_audio", "input_audio": {"data": "A" * 30_000, "format": "wav"}},
            {"type": "file", "file": {"file_data": "A" * 20_000, "filename": "x.pdf"}},
        ]}
    )  # fmt: skip
    envelope = look(body)
    assert envelope.features == {"images", "image_urls", "audio", "files"}
    assert envelope.images == 2
    assert 100 < envelope.text_bytes < 800


def test_media_hidden_behind_json_escapes_is_still_seen() -> None:
    body = (
        rb'{"model":"m","messages":[{"role":"user","content":'
        rb'[{"type":"image\u005furl","image_url":{"url":"x"}}]}]}'
    )
    assert look(body).features == {"images"}


def test_words_about_media_are_not_media() -> None:
    assert (
        look(asked({"role": "user", "content": 'use {"type": "image_url"} for it'})).features == frozenset()
    )


def test_session_and_limits_come_from_whichever_field_was_used() -> None:
    assert look(asked(prompt_cache_key="k", user="u")).session == "k"
    assert look(asked(safety_identifier="s")).session == "s"
    assert look(asked(user="u")).session == "u"
    assert look(asked(max_tokens=5)).max_output_tokens == 5
    assert look(asked(max_tokens=5, max_completion_tokens=6)).max_output_tokens == 6
    assert look(asked(store=True)).stored


def test_usage_in_a_stream_is_wanted_only_when_asked_for() -> None:
    assert not look(asked(stream=True)).include_usage
    assert not look(asked(stream=True, stream_options=None)).include_usage
    assert look(asked(stream=True, stream_options={"include_usage": True})).include_usage


def test_a_body_that_carries_sealed_thoughts_is_not_relayed() -> None:
    detail = {"type": "reasoning.text", "text": "hm", "signature": seal(Sealed("anthropic", "sig"))}
    assert not look(asked({"role": "assistant", "content": "x", "reasoning_details": [detail]})).relayable
    other = {"type": "reasoning.text", "text": "hm", "signature": "the provider's own"}
    assert look(asked({"role": "assistant", "content": "x", "reasoning_details": [other]})).relayable


@pytest.mark.parametrize(
    ("body", "param", "words"),
    [
        (b"", None, "not valid JSON"),
        (b'{"model":"m" "messages":[]}', None, "byte 13"),
        (b"[1]", None, "an array"),
        (b'"x"', None, "a string"),
        (b'{"model":"m","messages":[{"role":"user","content":"\xff"}]}', None, "UTF-8"),
        (b'{"model":"\xff","messages":[{"role":"user"}]}', None, "UTF-8"),
        (b'{"messages":[{"role":"user"}]}', "model", "missing"),
        (asked(model=None), "model", "must be a string"),
        (asked(model=""), "model", "empty"),
        (dump({"model": "m"}), "messages", "missing"),
        (dump({"model": "m", "messages": []}), "messages", "empty"),
        (dump({"model": "m", "messages": "hi"}), "messages", "must be an array, not a string"),
        (dump({"model": "m", "messages": ["hi"]}), "messages[0]", "must be an object"),
        (dump({"model": "m", "messages": [{"content": "x"}]}), "messages[0].role", "missing"),
        (asked({"role": "user", "content": 5}), "messages[0].content", "a string or"),
        (
            asked({"role": "user", "content": [{"type": "text", "text": "x"}, {"type": 5}]}),
            "messages[0].content[1].type",
            "must be a string",
        ),
        (asked(stream="yes"), "stream", "must be a boolean, not a string"),
        (asked(max_tokens=1.5), "max_tokens", "must be an integer, not a number"),
        (asked(max_completion_tokens=0), "max_completion_tokens", ">= 1"),
        (asked(n=0), "n", ">= 1"),
        (asked(tools={}), "tools", "must be an array"),
        (asked(tools=[{"type": 3}]), "tools[0].type", "must be a string"),
        (asked(response_format="json"), "response_format", "must be an object"),
        (asked(stream_options={"include_usage": "yes"}), "stream_options.include_usage", "must be a boolean"),
        (b'{"model":"m","x":' + b"[" * 100_000, None, "nested"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_the_next_step(body: bytes, param: str | None, words: str) -> None:
    with pytest.raises(ProblemError) as caught:
        look(body)
    problem = caught.value.problem
    assert problem.kind == "invalid_request"
    assert problem.param == param
    assert words in problem.message
    assert problem.message.endswith((".", "array"))


@few
@given(requests())
def test_every_request_the_codec_writes_passes_the_quick_look(request_: Any) -> None:
    body = PROVIDER.encode_request(request_, TARGET).body
    envelope = look(body)
    assert envelope.model == "gpt-x"
    assert envelope.stream == request_.stream
    assert envelope.max_output_tokens == request_.max_output_tokens
    assert ("tools" in envelope.features) == bool(request_.tools)


_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
_FIELDS = st.sampled_from(
    ["model", "messages", "stream", "tools", "n", "response_format", "stop", "tool_choice", "functions",
     "reasoning_effort", "stream_options", "logit_bias", "thinking", "metadata", "user", "max_tokens"]
)  # fmt: skip
_MESSAGE_FIELDS = st.sampled_from(
    ["role", "content", "tool_calls", "tool_call_id", "name", "refusal", "audio", "reasoning_content",
     "reasoning_details", "function_call", "annotations", "images", "cache_control"]
)  # fmt: skip
_messages = st.fixed_dictionaries(
    {"role": st.sampled_from(["user", "assistant", "tool", "system", "function", "x"])},
    optional={"content": _JSON | st.lists(st.fixed_dictionaries(
        {"type": st.sampled_from(["text", "image_url", "input_audio", "file", "refusal", "thinking", "x"])},
        optional=dict.fromkeys(("text", "image_url", "input_audio", "file", "thinking", "refusal"), _JSON),
    ), max_size=3)},
)  # fmt: skip


@given(
    st.dictionaries(_FIELDS, _JSON, max_size=6),
    st.lists(st.tuples(_messages, st.dictionaries(_MESSAGE_FIELDS, _JSON, max_size=4)), max_size=3),
)
def test_any_json_is_read_or_refused_with_a_problem(fields: Json, messages: list[tuple[Json, Json]]) -> None:
    body = {"model": "m", "messages": [{**more, **message} for message, more in messages], **fields}
    for read in (CLIENT.envelope, CLIENT.decode_request):
        with contextlib.suppress(ProblemError):
            read(json.dumps(body).encode(), CHAT)


@given(st.binary(max_size=200) | st.text(max_size=80).map(str.encode))
def test_any_bytes_are_read_or_refused_with_a_problem(body: bytes) -> None:
    for read in (CLIENT.envelope, CLIENT.decode_request):
        with contextlib.suppress(ProblemError):
            read(body, CHAT)
