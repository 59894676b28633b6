"""Whole answers both ways, problems, and what the official SDK makes of them."""

import json
from typing import Any

import anthropic
import httpx2
import pytest
from anthropic.types import Message as SdkMessage
from hypothesis import given
from hypothesis import strategies as st
from tests.codecs.anthropic_support import context, usages, words

from passerelle.codecs.anthropic import CLIENT, PROVIDER
from passerelle.codecs.base import Watched
from passerelle.codecs.sealed import Sealed, unseal
from passerelle.core.errors import STATUS, AnswerError, Problem, ProblemKind
from passerelle.core.message import (
    AudioPart,
    ReasoningPart,
    RefusalPart,
    TextPart,
    ToolCallPart,
)
from passerelle.core.request import Reasoning, Request
from passerelle.core.response import Response
from passerelle.core.usage import Usage

ANSWER: dict[str, Any] = {
    "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-opus-4-8-20260528",
    "content": [{"type": "text", "text": "Hi"}], "stop_reason": "end_turn", "stop_sequence": None,
    "usage": {"input_tokens": 3, "output_tokens": 2},
}  # fmt: skip


def body(**changes: Any) -> bytes:
    return json.dumps({**ANSWER, **changes}).encode()


def written(response: Response, **more: Any) -> dict[str, Any]:
    raw = CLIENT.encode_response(response, context(**more))
    SdkMessage.model_validate_json(raw)
    read: dict[str, Any] = json.loads(raw)
    return read


# ── reading ──


def test_a_whole_answer_is_read() -> None:
    read = PROVIDER.decode_response(
        body(
            content=[
                {"type": "thinking", "thinking": "Hm", "signature": "s"},
                {"type": "redacted_thinking", "data": "d"},
                {"type": "text", "text": "See", "citations": [{"type": "page_location"}]},
                {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {}},
                {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": 1}, "caller": {"type": "x"}},
            ],
            stop_reason="tool_use",
            usage={
                "input_tokens": 3, "cache_read_input_tokens": 5, "cache_creation_input_tokens": 7,
                "cache_creation": {"ephemeral_5m_input_tokens": 3, "ephemeral_1h_input_tokens": 4},
                "output_tokens": 20, "output_tokens_details": {"thinking_tokens": 8},
                "service_tier": "standard", "inference_geo": "eu",
            },
            container=None,
        )
    )  # fmt: skip
    assert read == Response(
        parts=(
            ReasoningPart("Hm", signature="s", origin="anthropic"),
            ReasoningPart(encrypted="d", origin="anthropic"),
            TextPart("See", citations=({"type": "page_location"},)),
            TextPart("", extra={"server_tool_use": {
                "type": "server_tool_use", "id": "s1", "name": "web_search", "input": {},
            }}),
            ToolCallPart("t1", "f", '{"a":1}', extra={"anthropic": {"caller": {"type": "x"}}}),
        ),
        finish="tool_calls",
        model="claude-opus-4-8-20260528",
        id="msg_1",
        usage=Usage(
            input_tokens=3, cache_read_tokens=5, cache_write_5m_tokens=3, cache_write_1h_tokens=4,
            output_tokens=12, reasoning_tokens=8,
        ),
        service_tier="standard",
        raw_finish="tool_use",
        extra={"anthropic": {"container": None, "usage": {"inference_geo": "eu"}}},
    )  # fmt: skip
    assert read.usage.total_tokens == 3 + 5 + 7 + 20


@pytest.mark.parametrize(
    ("usage", "buckets"),
    [
        ({"input_tokens": 9, "output_tokens": 4}, Usage(input_tokens=9, output_tokens=4)),
        # The input excludes what was cached: the three are added, never subtracted.
        (
            {"input_tokens": 9, "cache_read_input_tokens": 100, "cache_creation_input_tokens": 10,
             "output_tokens": 4},
            Usage(input_tokens=9, cache_read_tokens=100, cache_write_5m_tokens=10, output_tokens=4),
        ),
        # A split of zeros beside a real total: seen in recorded answers.
        (
            {"input_tokens": 9, "cache_creation_input_tokens": 10, "output_tokens": 4,
             "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0}},
            Usage(input_tokens=9, cache_write_5m_tokens=10, output_tokens=4),
        ),
        # Thinking is inside the output.
        (
            {"input_tokens": 1, "output_tokens": 50, "output_tokens_details": {"thinking_tokens": 30}},
            Usage(input_tokens=1, output_tokens=20, reasoning_tokens=30),
        ),
        ({"input_tokens": None, "output_tokens": 4, "cache_creation": None}, Usage(output_tokens=4)),
    ],
)  # fmt: skip
def test_usage_falls_into_disjoint_buckets(usage: dict[str, Any], buckets: Usage) -> None:
    read = PROVIDER.decode_response(body(usage=usage)).usage
    assert read == buckets
    said = sum(usage.get(k) or 0 for k in (
        "input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens", "output_tokens"
    ))  # fmt: skip
    assert read.total_tokens == said


@given(usages)
def test_usage_is_written_and_read_back_whole(usage: Usage) -> None:
    answer = Response((TextPart("x"),), "stop", usage=usage)
    raw = CLIENT.encode_response(answer, context())
    assert PROVIDER.decode_response(raw).usage == usage
    assert PROVIDER.watch_response(raw).usage == usage


@pytest.mark.parametrize(
    ("stop_reason", "finish"),
    [
        ("end_turn", "stop"), ("max_tokens", "length"), ("stop_sequence", "stop"), ("tool_use", "tool_calls"),
        ("pause_turn", "pause"), ("compaction", "pause"), ("refusal", "refusal"),
        ("model_context_window_exceeded", "context"), ("something_new", "stop"),
    ],
)  # fmt: skip
def test_stop_reasons_are_a_table(stop_reason: str, finish: str) -> None:
    raw = body(stop_reason=stop_reason)
    assert PROVIDER.decode_response(raw).finish == finish
    assert PROVIDER.watch_response(raw).finish == finish


NOT_ANSWERS = {
    "an error with 200": (
        b'{"type":"error","error":{"type":"overloaded_error","message":"x"}}',
        "overloaded",
    ),
    "another's error": (b'{"error":{"message":"x","type":"whatever"}}', "server_error"),
    "a login page": (b"<html>log in</html>", "protocol"),
    "nothing": (b"", "protocol"),
    "half an answer": (body()[:-20], "protocol"),
    "bad utf-8": (body().replace(b"Hi", b"\xff\xff"), "protocol"),
    "bad utf-8 elsewhere": (body(extra="Ho").replace(b"Ho", b"\xff\xff"), "protocol"),
    "a list": (b"[]", "protocol"),
    "no content": (b'{"type":"message","stop_reason":"end_turn"}', "protocol"),
    "no reason": (body(stop_reason=None), "protocol"),
    "an empty completion": (body(content=[]), "protocol"),
    "an empty text": (body(content=[{"type": "text", "text": ""}]), "protocol"),
    "a block without words": (body(content=[{"type": "text"}, {"type": "text", "text": "x"}]), "protocol"),
}


@pytest.mark.parametrize("name", NOT_ANSWERS)
def test_what_is_not_a_complete_answer_is_said_to_be_so(name: str) -> None:
    raw, failure = NOT_ANSWERS[name]
    with pytest.raises(AnswerError) as caught:
        PROVIDER.decode_response(raw)
    assert caught.value.failure == failure
    assert "log in" not in caught.value.message
    if name not in ("bad utf-8 elsewhere", "a block without words"):  # the watcher reads less
        with pytest.raises(AnswerError):
            PROVIDER.watch_response(raw)


@pytest.mark.parametrize("stop_reason", ["max_tokens", "stop_sequence", "refusal", "pause_turn"])
def test_an_empty_answer_with_a_reason_for_it_is_complete(stop_reason: str) -> None:
    assert PROVIDER.decode_response(body(content=[], stop_reason=stop_reason)).parts == ()


def test_the_watcher_reads_what_the_road_needs() -> None:
    assert PROVIDER.watch_response(body()) == Watched(
        "claude-opus-4-8-20260528", Usage(input_tokens=3, output_tokens=2), "stop"
    )


def test_a_count_is_read_and_written() -> None:
    assert PROVIDER.decode_token_count(CLIENT.encode_token_count(17)) == 17
    with pytest.raises(AnswerError):
        PROVIDER.decode_token_count(b'{"tokens":17}')


@given(st.binary(max_size=60))
def test_no_bytes_make_it_raise_anything_else(noise: bytes) -> None:
    for read in (PROVIDER.decode_response, PROVIDER.watch_response, PROVIDER.decode_token_count):
        with pytest.raises(AnswerError):
            read(noise)


# ── writing ──


def test_an_answer_of_another_dialect_is_a_message() -> None:
    response = Response(
        (
            ReasoningPart(summary=("One.", "Two."), encrypted="enc", id="rs_1", origin="openai_responses"),
            TextPart("Words", citations=({"type": "url_citation", "url": "u"},)),
            TextPart(""),
            RefusalPart("No."),
            AudioPart("audio/wav", "AA=="),
            ToolCallPart("call_1", "f", '{"a": 1}', signature="GSIG"),
            ToolCallPart("", "g", ""),
        ),
        "stop",
        model="gpt-5.2",
        id="chatcmpl-1",
        usage=Usage(input_tokens=1, input_audio_tokens=2, output_tokens=3, output_image_tokens=4),
        extra={"system_fingerprint": "fp"},
    )
    message = written(response)
    thinking, text, refusal, call, sealed, other = message.pop("content")
    assert unseal(thinking["signature"]) == Sealed("openai_responses", None, "enc", "rs_1")
    assert thinking["thinking"] == "One.\n\nTwo."
    assert (text["type"], text["text"], text["citations"][0]["url"]) == ("text", "Words", "u")
    assert refusal == {"type": "text", "text": "No."}
    assert call == {"type": "tool_use", "id": "call_1", "name": "f", "input": {"a": 1}}
    assert unseal(sealed["data"]) == Sealed("gemini", "GSIG", call_id="call_1")
    assert other["input"] == {}
    assert other["id"].startswith("toolu_")
    assert message == {
        "id": "msg_01TEST", "type": "message", "role": "assistant", "model": "gpt-5.2",
        "stop_reason": "tool_use", "stop_sequence": None,
        "usage": {
            "input_tokens": 3, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0,
            "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
            "output_tokens": 7,
        },
    }  # fmt: skip


def test_a_caller_who_turned_thinking_off_sees_no_thoughts_of_others() -> None:
    request = Request("m", (), "anthropic", reasoning=Reasoning(enabled=False))
    answer = Response((ReasoningPart("Hm", signature="s", origin="gemini"), TextPart("x")), "stop")
    assert [b["type"] for b in written(answer, request=request)["content"]] == ["text"]
    own = Response((ReasoningPart("Hm", signature="s", origin="anthropic"), TextPart("x")), "stop")
    assert [b["type"] for b in written(own, request=request)["content"]] == ["thinking", "text"]


@pytest.mark.parametrize(
    ("tier", "said"), [("priority", "priority"), ("default", "standard"), ("flex", None), (None, None)]
)
def test_only_tiers_anthropic_knows_are_named(tier: str | None, said: str | None) -> None:
    answer = Response((TextPart("x"),), "stop", service_tier=tier)
    assert written(answer)["usage"].get("service_tier") == said


def test_free_text_is_put_under_input() -> None:
    answer = Response((ToolCallPart("a", "f", "*** Begin", "custom"),), "tool_calls")
    assert [b["input"] for b in written(answer)["content"]] == [{"input": "*** Begin"}]


parts = st.one_of(
    st.builds(TextPart, words.filter(bool)),
    st.builds(ReasoningPart, words, signature=words.filter(bool), origin=st.just("anthropic")),
    st.builds(ReasoningPart, encrypted=words.filter(bool), origin=st.just("anthropic")),
    st.builds(
        ToolCallPart, words.filter(bool), words, st.sampled_from(["{}", '{"a":1}', '{"b":[1.5,null]}'])
    ),
)


@given(
    st.lists(parts, min_size=1, max_size=4, unique_by=lambda part: getattr(part, "id", None) or id(part)),
    st.sampled_from(["stop", "length", "refusal", "pause", "context"]),
    usages,
    st.none() | words,
)
def test_an_answer_written_and_read_back_is_the_same(
    given_parts: list[Any], finish: Any, usage: Usage, sequence: str | None
) -> None:
    called = any(isinstance(part, ToolCallPart) for part in given_parts)
    answer = Response(
        tuple(given_parts), "tool_calls" if called and finish == "stop" else finish,
        "m", "msg_9", usage, sequence, "standard",
    )  # fmt: skip
    raw = CLIENT.encode_response(answer, context())
    SdkMessage.model_validate_json(raw)
    read = PROVIDER.decode_response(raw)
    assert read.parts == answer.parts
    assert (read.finish, read.usage, read.id, read.model) == (answer.finish, usage, "msg_9", "m")
    assert (read.stop_sequence, read.service_tier) == (sequence, "standard")


# ── problems ──

CLASSES: dict[ProblemKind, tuple[type[anthropic.APIStatusError], str]] = {
    "invalid_request": (anthropic.BadRequestError, "invalid_request_error"),
    "unauthenticated": (anthropic.AuthenticationError, "authentication_error"),
    "permission_denied": (anthropic.PermissionDeniedError, "permission_error"),
    "no_eligible_deployment": (anthropic.PermissionDeniedError, "permission_error"),
    "not_found": (anthropic.NotFoundError, "not_found_error"),
    "model_not_found": (anthropic.NotFoundError, "not_found_error"),
    "method_not_allowed": (anthropic.APIStatusError, "invalid_request_error"),
    "conflict": (anthropic.ConflictError, "conflict_error"),
    "too_large": (anthropic.APIStatusError, "request_too_large"),
    "rate_limited": (anthropic.RateLimitError, "rate_limit_error"),
    "budget_exhausted": (anthropic.RateLimitError, "rate_limit_error"),
    "content_policy": (anthropic.BadRequestError, "invalid_request_error"),
    "context_length": (anthropic.BadRequestError, "invalid_request_error"),
    "overloaded": (anthropic.InternalServerError, "overloaded_error"),
    "upstream_error": (anthropic.InternalServerError, "api_error"),
    "upstream_timeout": (anthropic.InternalServerError, "timeout_error"),
    "internal": (anthropic.InternalServerError, "api_error"),
}


def test_every_kind_of_problem_has_its_class() -> None:
    assert set(CLASSES) == set(STATUS)


@pytest.mark.parametrize("kind", CLASSES)
def test_the_official_sdk_raises_the_right_class(kind: ProblemKind) -> None:
    said = CLIENT.encode_problem(
        Problem(kind, "`model` is unknown; ask for another", code="a_code"), "req_42"
    )

    def answer(_: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(said.status, content=said.body, headers=dict(said.headers))

    http = httpx2.Client(transport=httpx2.MockTransport(answer))
    client = anthropic.Anthropic(api_key="k", base_url="http://test", http_client=http, max_retries=0)
    expected, error_type = CLASSES[kind]
    with pytest.raises(expected) as caught:
        client.messages.create(model="m", max_tokens=1, messages=[{"role": "user", "content": "x"}])
    assert caught.value.status_code == STATUS[kind]
    assert caught.value.request_id == "req_42"
    assert caught.value.type == error_type
    assert caught.value.error_code == "a_code"
    assert caught.value.api_message == "`model` is unknown; ask for another"


def test_a_problem_names_its_field_and_says_when_to_come_back() -> None:
    said = CLIENT.encode_problem(
        Problem(
            "rate_limited", "slow down", param="messages.0", retry_after_s=1.2, headers=(("allow", "POST"),)
        ),
        "req_1",
    )
    assert json.loads(said.body) == {
        "type": "error",
        "error": {"type": "rate_limit_error", "message": "messages.0: slow down"},
        "request_id": "req_1",
    }
    assert said.headers == (("request-id", "req_1"), ("retry-after", "2"), ("allow", "POST"))


def test_a_spent_budget_is_not_to_be_tried_again() -> None:
    assert ("x-should-retry", "false") in CLIENT.encode_problem(Problem("budget_exhausted", "x"), "r").headers


def test_a_providers_own_status_is_passed_on() -> None:
    said = CLIENT.encode_problem(Problem("upstream_error", "pay first", status=402), "r")
    assert said.status == 402
    assert json.loads(said.body)["error"]["type"] == "billing_error"
