"""Real error bodies, as providers have been seen to send them, and what each must become."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.codecs import registry
from passerelle.codecs.base import ProviderError
from passerelle.core.errors import AnswerError
from passerelle.core.event import Failed
from passerelle.core.request import Dialect
from passerelle.providers.base import SendError
from passerelle.providers.failures import (
    Failure,
    classify,
    from_answer_error,
    from_failed_event,
    from_send_error,
    read_error,
    sanitise,
)
from passerelle.providers.failures.tables import RULES
from passerelle.providers.failures.verdict import BY_STATUS, RETRY_ELSEWHERE

NOW = 1_795_318_633.0


def seen(status: int, body: object, **headers: str) -> Failure:
    raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return classify(status, named, raw, provider="acme", now_s=NOW)


def openai(message: str, type_: str | None = None, code: object = None, **more: object) -> object:
    return {"error": {"message": message, "type": type_, "param": None, "code": code, **more}}


def gemini(code: int, status: str, message: str, *details: object) -> object:
    return {"error": {"code": code, "message": message, "status": status, "details": list(details)}}


def quota(*ids: str) -> object:
    return {
        "@type": "type.googleapis.com/google.rpc.QuotaFailure",
        "violations": [{"quotaId": name} for name in ids],
    }


RETRY_37 = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "37s"}
DAY = "GenerateRequestsPerDayPerProjectPerModel-FreeTier"
MINUTE = "GenerateRequestsPerMinutePerProjectPerModel-FreeTier"

CASES = [
    msgspec.json.decode(line)
    for line in (Path(__file__).parent / "error_bodies.jsonl").read_text().splitlines()
]


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_each_known_body_becomes_its_kind(case: dict[str, Any]) -> None:
    failure = seen(case["status"], case["text"].encode() if "text" in case else case["body"])
    assert failure.kind == case["kind"]
    assert failure.retryable is RETRY_ELSEWHERE[failure.kind]
    assert failure.problem.http_status >= 400
    if failure.problem.kind not in ("invalid_request", "context_length", "content_policy", "too_large"):
        assert failure.problem.message.endswith(".")


def test_a_refusal_is_never_taken_elsewhere() -> None:
    for kind in ("content_policy", "invalid_request", "context_length", "cancelled"):
        assert RETRY_ELSEWHERE[kind] is False


def test_our_refused_credential_alarms_and_is_not_the_callers_401() -> None:
    failure = seen(401, openai("Incorrect API key provided: sk-live-1234567890", None, "invalid_api_key"))
    assert failure.alarm
    assert failure.retryable
    assert not failure.same_deployment_retry
    assert failure.problem.http_status == 502
    assert ("x-should-retry", "false") in failure.problem.headers
    assert "1234567890" not in failure.problem.message + failure.detail


def test_an_unknown_upstream_model_alarms_and_may_be_had_elsewhere() -> None:
    failure = seen(404, openai("gone", None, "model_not_found"))
    assert (failure.alarm, failure.retryable, failure.same_deployment_retry) == (True, True, False)


def test_a_model_unknown_there_is_not_found_and_529_is_kept_for_those_who_know_it() -> None:
    body = b'{"error": {"type": "overloaded_error", "message": "Overloaded"}}'
    problem = classify(529, {}, body, provider="p").problem
    assert (problem.kind, problem.http_status) == ("overloaded", 529)
    told = [registry.client(dialect).encode_problem(problem, "req_1").status for dialect in DIALECTS]
    assert dict(zip(DIALECTS, told, strict=True)) == {**dict.fromkeys(DIALECTS, 503), "anthropic": 529}
    unknown = classify(404, {}, b'{"error": {"message": "no such model"}}', provider="p").problem
    assert (unknown.kind, unknown.http_status) == ("model_not_found", 404)
    assert ("x-should-retry", "false") in unknown.headers


DIALECTS: tuple[Dialect, ...] = ("openai_chat", "openai_responses", "anthropic", "gemini")


def test_a_request_larger_than_the_minute_is_not_sent_to_the_same_place_again() -> None:
    failure = seen(413, openai("Request too large for model x on tokens per minute", "tokens"))
    assert (failure.kind, failure.retryable, failure.same_deployment_retry) == ("rate_limited", True, False)


def test_the_callers_mistake_keeps_the_providers_words_field_and_status() -> None:
    body = openai("Invalid type for 'x'", "invalid_request_error", "invalid_type")
    body["error"]["param"] = "messages.0"  # type: ignore[index]
    problem = seen(422, body).problem
    assert (problem.http_status, problem.param, problem.code) == (422, "messages.0", "invalid_type")
    assert "Invalid type for 'x'" in problem.message
    assert problem.provider == "acme"


def test_the_operators_account_is_not_the_callers_business() -> None:
    failure = seen(
        429, openai("Rate limit reached in organization org-AbC123456789", None, "rate_limit_exceeded")
    )
    assert "organization" not in failure.problem.message
    assert "org-AbC" not in failure.detail


def test_a_daily_quota_does_not_promise_the_delay_of_the_minute() -> None:
    assert seen(429, gemini(429, "RESOURCE_EXHAUSTED", "q", quota(DAY), RETRY_37)).retry_after_s is None
    assert seen(429, gemini(429, "RESOURCE_EXHAUSTED", "q", quota(MINUTE), RETRY_37)).retry_after_s == 37.0


def test_a_redirect_is_not_tried_again_at_the_same_place() -> None:
    failure = seen(302, b"", location="http://127.0.0.1/")
    assert (failure.kind, failure.same_deployment_retry, failure.retryable) == ("protocol", False, True)


def test_what_failed_below_the_dialect_keeps_its_kind() -> None:
    assert from_send_error(SendError("timeout", "no answer in 5 s"), provider="a").kind == "timeout"
    assert not from_send_error(SendError("timeout", "x"), provider="a").same_deployment_retry
    cut = from_send_error(SendError("transport", "cut"), provider="a")
    assert (cut.retryable, cut.same_deployment_retry, cut.detail) == (True, True, "cut")


def test_an_answer_that_is_none_is_protocol() -> None:
    failure = from_answer_error(AnswerError("no content at all"), provider="a")
    assert (failure.kind, failure.problem.http_status) == ("protocol", 502)
    assert from_answer_error(AnswerError("x", "content_policy"), provider="a").retryable is False


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        (Failed("overloaded", "Overloaded", 529, "overloaded_error"), "overloaded"),
        (Failed("server_error", "Overloaded", None, "overloaded_error"), "overloaded"),
        (Failed("protocol", "the stream ended without [DONE]"), "protocol"),
        (Failed("server_error", "high demand", 503, "UNAVAILABLE"), "overloaded"),
        (Failed("server_error", "x", None, "rate_limit_exceeded"), "rate_limited"),
        (Failed("content_policy", "we are overloaded"), "content_policy"),
        (Failed("server_error", "prompt is too long"), "context_length"),
        (Failed("server_error", "quota", 429, None), "rate_limited"),
    ],
)
def test_a_failure_inside_a_stream_is_refined_by_what_it_says(event: Failed, kind: str) -> None:
    assert from_failed_event(event, provider="a").kind == kind


WAITS: list[tuple[dict[str, str], float | None]] = [
    ({"retry-after": "7"}, 7.0),
    ({"retry-after": "0.25"}, 0.25),
    ({"retry-after-ms": "1500", "retry-after": "2"}, 1.5),
    ({"retry-after": "Sun, 22 Nov 2026 03:37:43 GMT"}, 30.0),
    ({"retry-after": "Sun, 22 Nov 2026 03:00:00 GMT"}, 0.0),
    ({"retry-after": "999999999"}, 86_400.0),
    ({"retry-after": "-3"}, None),
    ({"retry-after": "nan"}, None),
    ({"retry-after": "soon"}, None),
    ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "6m0s"}, 360.0),
    ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "120ms"}, 0.12),
    ({"x-ratelimit-remaining-tokens": "9", "x-ratelimit-reset-tokens": "6m0s"}, None),
    ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1795318643000"}, 10.0),
    (
        {
            "anthropic-ratelimit-input-tokens-remaining": "0",
            "anthropic-ratelimit-input-tokens-reset": "2026-11-22T03:37:33Z",
            "anthropic-ratelimit-requests-remaining": "3",
            "anthropic-ratelimit-requests-reset": "2026-11-22T04:37:33Z",
        },
        20.0,
    ),
]


@pytest.mark.parametrize(("headers", "wait"), WAITS)
def test_every_way_of_asking_to_wait_is_understood(headers: dict[str, str], wait: float | None) -> None:
    failure = classify(429, headers, b"{}", provider="a", now_s=NOW)
    assert failure.retry_after_s == (pytest.approx(wait) if wait is not None else None)
    assert failure.problem.retry_after_s == failure.retry_after_s


def test_a_wait_in_words_is_the_last_resort() -> None:
    assert seen(429, openai("Please try again in 1.2s.")).retry_after_s == pytest.approx(1.2)
    assert seen(429, openai("Please try again in 1.2s."), retry_after="9").retry_after_s == 9.0
    assert seen(429, {"message": "Rate limit is exceeded. Try again in 30 seconds."}).retry_after_s == 30.0


SECRETS = [
    "sk-proj-abcDEF123456",
    "sk-ant-api03-abc_DEF-xyz",
    "sk-abc***xyz",
    "psk_01ABC_deadbeef",
    "AIzaSyA1234567890abcdef",
    "gsk_abcdefgh12345678",
    "xai-abcdefgh12345678",
    "Bearer abc.def.ghi",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.sig",
    "AKIAIOSFODNN7EXAMPLE",
    "ya29.a0AfH6SMBx",
    "na***ys",
    "org-AbCdEfGh1234",
    "ak-f817m9q3k3wi11gj",
]


@pytest.mark.parametrize("secret", SECRETS)
def test_nothing_that_looks_like_a_key_survives(secret: str) -> None:
    words = sanitise(f"Incorrect API key provided: {secret}. Find it at https://x.test/?key={secret}&a=1")
    assert secret not in words
    assert secret[4:] not in words
    assert "a=1" in words


def test_ordinary_words_survive() -> None:
    text = "Unsupported parameter: 'max_tokens' is not supported; use `api-version` 2024 or a risk-based key."
    assert sanitise(text) == text


def test_words_are_one_capped_line() -> None:
    assert sanitise("a\r\n\tb\x1b[31m") == "a b [31m"
    assert len(sanitise("word " * 10_000)) <= 600


@given(st.binary(max_size=400), st.integers(100, 599))
def test_no_body_breaks_the_reader(body: bytes, status: int) -> None:
    assert isinstance(read_error(body), ProviderError)
    failure = classify(status, {}, body, provider="a", now_s=NOW)
    assert len(failure.detail) <= 300


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            ["error", "message", "type", "code", "details", "detail", "metadata", "raw", "param",
             "violations", "quotaId", "retryDelay", "errors", "status", "loc", "msg"]
        ),
        inner, max_size=5,
    ),
    max_leaves=12,
)  # fmt: skip


@given(
    _json,
    st.integers(200, 599),
    st.dictionaries(st.sampled_from([*WAITS[-1][0], "retry-after"]), st.text(max_size=9)),
)
def test_no_shape_of_error_breaks_the_classifier(body: object, status: int, headers: dict[str, str]) -> None:
    failure = classify(status, headers, msgspec.json.encode(body), provider="a", now_s=NOW)
    assert failure.retry_after_s is None or 0 <= failure.retry_after_s <= 86_400
    assert failure.problem.message


def test_a_deeply_nested_body_is_only_text() -> None:
    assert read_error(b"[" * 100_000).message.startswith("[")


def test_every_rule_is_written_in_lower_case_and_says_why() -> None:
    for rule in RULES:
        assert rule.why
        assert all(name == name.lower() for name in rule.names)
        assert all(words == words.lower() for words in rule.words)
    assert all(400 <= status < 600 for status in BY_STATUS)
