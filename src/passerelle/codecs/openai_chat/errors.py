"""Errors in OpenAI's words: ours to callers, and a provider's inside a 200 or a stream.

Shape and codes: OpenAI, "Error codes" guide, and recorded answers (read 2026-11-22). The official SDKs
choose their exception by status alone; `code` and `type` are what programs compare. `x-should-retry` is
the SDKs' own header (`openai._base_client._should_retry`, SDK 3.54): without it they would retry a
spent budget twice.
"""

import math
from typing import Any, Final

import msgspec

from passerelle.codecs.base import EncodedProblem
from passerelle.core.errors import FailureKind, Problem, ProblemKind
from passerelle.core.event import Failed

_encoder = msgspec.json.Encoder()

_WORDS: Final[dict[ProblemKind, tuple[str, str | None]]] = {
    "invalid_request": ("invalid_request_error", None),
    "unauthenticated": ("authentication_error", "invalid_api_key"),
    "permission_denied": ("permission_error", "permission_denied"),
    "no_eligible_deployment": ("permission_error", "no_eligible_deployment"),
    "not_found": ("invalid_request_error", "not_found"),
    "model_not_found": ("invalid_request_error", "model_not_found"),
    "method_not_allowed": ("invalid_request_error", "method_not_allowed"),
    "conflict": ("invalid_request_error", "conflict"),
    "too_large": ("invalid_request_error", "request_too_large"),
    "rate_limited": ("rate_limit_error", "rate_limit_exceeded"),
    "budget_exhausted": ("insufficient_quota", "insufficient_quota"),
    "content_policy": ("invalid_request_error", "content_policy_violation"),
    "context_length": ("invalid_request_error", "context_length_exceeded"),
    "overloaded": ("server_error", "overloaded"),
    "upstream_error": ("server_error", "upstream_error"),
    "upstream_timeout": ("server_error", "upstream_timeout"),
    "internal": ("server_error", "internal_error"),
}
"""Each kind's `type` and `code`."""

_FAILED: Final[dict[FailureKind, tuple[str, str]]] = {
    "rate_limited": ("rate_limit_error", "rate_limit_exceeded"),
    "quota": ("insufficient_quota", "insufficient_quota"),
    "billing": ("insufficient_quota", "billing_hard_limit_reached"),
    "auth": ("server_error", "upstream_error"),  # our credential, not the caller's
    "overloaded": ("server_error", "overloaded"),
    "server_error": ("server_error", "upstream_error"),
    "timeout": ("server_error", "upstream_timeout"),
    "transport": ("server_error", "upstream_error"),
    "oversized": ("server_error", "upstream_error"),
    "protocol": ("server_error", "upstream_error"),
    "invalid_request": ("invalid_request_error", "invalid_request"),
    "context_length": ("invalid_request_error", "context_length_exceeded"),
    "content_policy": ("invalid_request_error", "content_policy_violation"),
    "not_found": ("invalid_request_error", "model_not_found"),
    "cancelled": ("server_error", "cancelled"),
}
"""Each failure's `type` and `code`, inside a stream."""

_BY_CODE: Final[dict[str, FailureKind]] = {
    "rate_limit_exceeded": "rate_limited",
    "rate_limit_error": "rate_limited",
    "requests": "rate_limited",
    "tokens": "rate_limited",
    "insufficient_quota": "quota",
    "billing_hard_limit_reached": "billing",
    "billing_not_active": "billing",
    "invalid_api_key": "auth",
    "authentication_error": "auth",
    "permission_error": "auth",
    "overloaded": "overloaded",
    "overloaded_error": "overloaded",
    "engine_overloaded": "overloaded",
    "service_unavailable": "overloaded",
    "context_length_exceeded": "context_length",
    "content_filter": "content_policy",
    "content_policy_violation": "content_policy",
    "model_not_found": "not_found",
    "not_found_error": "not_found",
    "timeout": "timeout",
    "invalid_request_error": "invalid_request",
    "badrequesterror": "invalid_request",
    "server_error": "server_error",
    "internal_server_error": "server_error",
}
"""A provider's `code` or `type` → what happened."""

_BY_STATUS: Final[dict[int, FailureKind]] = {
    400: "invalid_request",
    401: "auth",
    402: "billing",
    403: "auth",
    404: "not_found",
    408: "timeout",
    413: "invalid_request",
    422: "invalid_request",
    429: "rate_limited",
    503: "overloaded",
    504: "timeout",
    529: "overloaded",
}


def encode_problem(problem: Problem, request_id: str) -> EncodedProblem:
    """The error body, status and headers."""
    type_, code = _WORDS[problem.kind]
    headers: list[tuple[str, str]] = [("x-request-id", request_id)]
    if problem.retry_after_s is not None:
        headers.append(("retry-after", str(max(0, math.ceil(problem.retry_after_s)))))
    if problem.kind == "budget_exhausted":
        headers.append(("x-should-retry", "false"))
    body = _body(problem.message, type_, problem.param, problem.code or code)
    return EncodedProblem(problem.http_status, body, (*headers, *problem.headers))


def encode_failed(failed: Failed) -> bytes:
    """The same body, for a stream that has begun."""
    type_, code = _FAILED[failed.failure]
    return _body(failed.message, type_, None, code)


def _body(message: str, type_: str, param: str | None, code: str | None) -> bytes:
    return _encoder.encode({"error": {"message": message, "type": type_, "param": param, "code": code}})


def decode_error(error: Any) -> Failed:
    """A provider's in-band `error`, which may be an object, a string, or anything."""
    if not isinstance(error, dict):
        words = error if isinstance(error, str) else "no reason given"
        return Failed("server_error", f"the provider answered with an error: {words[:500]}")
    code = error.get("code")
    type_ = error.get("type")
    message = error.get("message")
    metadata = error.get("metadata")
    words = message if isinstance(message, str) and message else "no reason given"
    if isinstance(metadata, dict) and isinstance(metadata.get("raw"), str):
        words = f"{words}: {metadata['raw']}"  # OpenRouter quotes the provider it asked
    status = _status(code) or _status(error.get("status")) or _status(error.get("status_code"))
    failure: FailureKind | None = None
    for word in (code, type_):
        if failure is None and isinstance(word, str):
            failure = _BY_CODE.get(word.lower())
    if failure is None and status is not None:
        failure = _BY_STATUS.get(status)
    return Failed(
        failure or "server_error",
        f"the provider answered with an error: {words[:500]}",
        status=status,
        code=str(code) if isinstance(code, str | int) and not isinstance(code, bool) else None,
    )


def decode_top_error(message: Any, code: Any, type_: Any) -> Failed:
    """The older form of vLLM, without an `error` field: `{"object":"error","message":…,"code":400}`."""
    return decode_error({"message": message, "code": code, "type": type_})


def _status(value: Any) -> int | None:
    if isinstance(value, str) and len(value) == 3 and value.isdecimal():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 400 <= value <= 599:
        return value
    return None
