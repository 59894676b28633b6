"""What the road reads of a Messages request before anything else, and how its bytes are relayed."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.codecs.anthropic_support import CHAT, COUNT

from passerelle.codecs.anthropic import CLIENT, PROVIDER
from passerelle.codecs.base import Envelope, Target
from passerelle.codecs.sealed import Sealed, seal
from passerelle.core.errors import ProblemError

MINIMAL: dict[str, Any] = {
    "model": "claude-sonnet-5",
    "max_tokens": 100,
    "messages": [{"role": "user", "content": "hi"}],
}


def envelope(target: Any = CHAT, **more: Any) -> Envelope:
    return CLIENT.envelope(json.dumps({**MINIMAL, **more}).encode(), target)


def refused(body: bytes, target: Any = CHAT) -> Any:
    with pytest.raises(ProblemError) as caught:
        CLIENT.envelope(body, target)
    problem = caught.value.problem
    assert problem.kind == "invalid_request"
    return problem


def test_a_minimal_request() -> None:
    body = json.dumps(MINIMAL).encode()
    assert CLIENT.envelope(body, CHAT) == Envelope(
        "chat", "claude-sonnet-5", max_output_tokens=100, text_bytes=len(body)
    )


def test_a_count_needs_no_max_tokens_and_never_streams() -> None:
    body = b'{"model":"m","messages":[{"role":"user","content":"hi"}],"stream":true}'
    read = CLIENT.envelope(body, COUNT)
    assert (read.operation, read.max_output_tokens, read.stream) == ("count_tokens", None, False)
    assert refused(body).param == "max_tokens"


@pytest.mark.parametrize(
    ("more", "features"),
    [
        ({"tools": []}, set()),
        ({"tools": [{"name": "f", "input_schema": {}}]}, {"tools"}),
        ({"tools": [{"type": "custom", "name": "f", "input_schema": {}}]}, {"tools"}),
        ({"tools": [{"type": "bash_20250124", "name": "bash"}]}, {"tools", "builtin_tools"}),
        ({"thinking": {"type": "enabled", "budget_tokens": 1024}}, {"reasoning"}),
        ({"thinking": {"type": "adaptive"}}, {"reasoning"}),
        ({"thinking": {"type": "disabled"}}, set()),
        ({"output_config": {"effort": "low"}}, set()),
        ({"output_config": {"format": None}}, set()),
        ({"output_config": {"format": {"type": "json_schema", "schema": {}}}}, {"json_schema"}),
        ({"output_format": {"type": "json_schema", "schema": {}}}, {"json_schema"}),
        ({"output_format": "markdown"}, set()),
    ],
)
def test_features_are_what_a_deployment_must_be_able_to_do(more: dict[str, Any], features: set[str]) -> None:
    assert envelope(**more).features == features


def test_pictures_and_documents_are_found_wherever_they_stand_and_are_no_words() -> None:
    data = "iVBORw0KGgo" * 500
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}}
    document = {"type": "document", "source": {"type": "url", "url": "https://example.org/a.pdf"}}
    read = envelope(
        messages=[
            {"role": "user", "content": [{"type": "text", "text": 'the word "image"'}, image]},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "f", "input": {}}]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "a", "content": [image, document]}
            ]},
        ]
    )  # fmt: skip
    assert read.images == 2
    assert read.features == {"images", "files", "file_urls"}
    assert read.text_bytes < 1_000


def test_words_that_speak_of_images_are_not_images() -> None:
    assert envelope(messages=[{"role": "user", "content": '{"type":"image"}'}]).features == set()


def test_the_session_is_the_end_user() -> None:
    assert envelope(metadata={"user_id": "u_1_session_2", "other": 1}).session == "u_1_session_2"


@pytest.mark.parametrize(
    ("signature", "relayable"),
    [("EqQBCgIYAh", True), ("", False), (seal(Sealed("gemini", "sig")), False)],
)
def test_thoughts_anthropic_would_refuse_are_not_relayed(signature: str, relayable: bool) -> None:
    thought = {"type": "thinking", "thinking": "Hm", "signature": signature}
    history = [{"role": "user", "content": "a"}, {"role": "assistant", "content": [thought]}]
    assert envelope(messages=history).relayable is relayable


def test_sealed_redacted_thoughts_are_not_relayed() -> None:
    block = {"type": "redacted_thinking", "data": seal(Sealed("openai_responses", encrypted="x"))}
    history = [{"role": "user", "content": "a"}, {"role": "assistant", "content": [block]}]
    assert not envelope(messages=history).relayable


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"model": None}, "model"),
        ({"model": 5}, "model"),
        ({"messages": None}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": {}}, "messages"),
        ({"messages": ["hi"]}, "messages.0"),
        ({"messages": [{"content": "hi"}]}, "messages.0.role"),
        ({"messages": [{"role": "tool", "content": "hi"}]}, "messages.0.role"),
        ({"messages": [{"role": "user"}]}, "messages.0.content"),
        ({"messages": [{"role": "user", "content": 7}]}, "messages.0.content"),
        ({"messages": [{"role": "user", "content": [{"text": "x"}]}]}, "messages.0.content.0.type"),
        (
            {"messages": [{"role": "user", "content": [{"type": "tool_result", "content": [1]}]}]},
            "messages.0.content.0.content.0",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "document", "source": {"type": 5}}]}]},
            "messages.0.content.0.source.type",
        ),
        ({"max_tokens": "10"}, "max_tokens"),
        ({"max_tokens": -1}, "max_tokens"),
        ({"stream": "yes"}, "stream"),
        ({"system": 5}, "system"),
        ({"tools": {}}, "tools"),
        ({"tools": [1]}, "tools.0"),
        ({"thinking": "adaptive"}, "thinking"),
        ({"metadata": {"user_id": 5}}, "metadata.user_id"),
    ],
)
def test_a_wrong_field_is_named_by_its_path(change: dict[str, Any], param: str) -> None:
    body = {**MINIMAL, **change}
    problem = refused(json.dumps({k: v for k, v in body.items() if v is not None}).encode())
    assert problem.param == param
    assert f"`{param}`" in problem.message
    assert ";" in problem.message, "ends with the next step"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "not valid JSON"),
        (b'{"model":"m",}', "byte 13"),
        (b"[1]", "JSON object"),
        (b'{"model":"m","system":"\xff","max_tokens":1,"messages":[]}', "UTF-8"),
    ],
)
def test_what_is_not_a_json_object_is_said_to_be_so(body: bytes, words: str) -> None:
    assert words in refused(body).message


def test_unknown_fields_blocks_and_tools_are_no_reason_to_refuse() -> None:
    read = envelope(
        messages=[
            {"role": "user", "content": [
                {"type": "hologram", "data": {"x": 1}, "signature": 4, "content": 9}
            ]},
            {"role": "system", "content": "be brief", "clear_at": 5},
        ],
        novelty={"a": [1]},
    )  # fmt: skip
    assert read.relayable


def test_relaying_changes_the_model_and_not_a_byte_more() -> None:
    body = (
        b'{ "system": "s",  "model":"smart", "messages" : [ {"role":"user","content":"\\u00e9"} ],'
        b'"max_tokens":1}'
    )
    sent = PROVIDER.relay_request(body, Target("claude-opus-5"), envelope())
    assert sent == (
        b'{"system":"s","model":"claude-opus-5","messages":[ {"role":"user","content":"\\u00e9"} ],'
        b'"max_tokens":1}'
    )


@given(st.binary(max_size=80))
def test_no_bytes_make_it_raise_anything_else(noise: bytes) -> None:
    for target in (CHAT, COUNT):
        for read in (CLIENT.envelope, CLIENT.decode_request):
            with pytest.raises(ProblemError):
                read(noise, target)


@pytest.mark.parametrize(
    ("more", "features"),
    [
        ({"tools": [{"type": "web_search_20250305", "name": "w"}]}, {"web_search"}),
        ({"tools": [{"type": "web_fetch_20250910", "name": "w"}]}, {"web_fetch"}),
        ({"tools": [{"type": "code_execution_20250825", "name": "c"}]}, {"code_execution"}),
        ({"tools": [{"type": "bash_20250124", "name": "b"}]}, set()),
        ({"mcp_servers": [{"type": "url", "url": "https://x.example", "name": "x"}]}, {"mcp"}),
        ({"inference_geo": "us"}, {"inference_geo"}),
        ({"inference_geo": None}, set()),
    ],
)
def test_what_a_place_must_have_is_told(more: dict[str, Any], features: set[str]) -> None:
    assert envelope(**more).features - {"tools", "builtin_tools"} == features


@pytest.mark.parametrize("kind", ["image", "document"])
@pytest.mark.parametrize(
    ("source", "feature"),
    [
        ({"type": "url", "url": "https://example.org/a"}, "{kind}_urls"),
        ({"type": "file", "file_id": "file_1"}, "file_ids"),
        ({"type": "base64", "media_type": "image/png", "data": "url" * 10}, None),
        ({"type": "base64", "media_type": "image/png", "data": "A" * 20_000}, None),
    ],
)
def test_a_source_that_must_be_fetched_is_told_from_one_that_is_there(
    kind: str, source: dict[str, str], feature: str | None
) -> None:
    read = envelope(messages=[{"role": "user", "content": [{"type": kind, "source": source}]}])
    named = None if feature is None else feature.format(kind={"document": "file"}.get(kind, kind))
    assert read.features - {"images", "files"} == ({named} if named else set())
