"""Errors in OpenAI's words: ours to callers, and a provider's inside a 200 or a stream.

Body and codes: OpenAI, "Error codes" guide, and openai-python 3.54 `types/responses/response_error.py`,
read 2026-11-22. The SDKs choose their exception by status alone; `x-should-retry` is theirs too
(`openai._base_client`): without it they would retry a spent budget twice.
"""

import math
from typing import Any, Final

import msgspec

from passerelle.codecs.base import EncodedProblem
from passerelle.codecs.openai_responses.types import Error
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
"""Each kind's `type` and `code`, the same as in Chat Completions."""

_STREAM_CODES: Final[dict[FailureKind, str]] = {
    "rate_limited": "rate_limit_exceeded",
    "quota": "insufficient_quota",
    "billing": "insufficient_quota",
    "auth": "server_error",  # our credential, not the caller's
    "overloaded": "server_error",
    "server_error": "server_error",
    "timeout": "server_error",
    "transport": "server_error",
    "oversized": "server_error",
    "protocol": "server_error",
    "invalid_request": "invalid_prompt",
    "context_length": "context_length_exceeded",
    "content_policy": "invalid_prompt",
    "not_found": "server_error",
    "cancelled": "server_error",
}
"""`response.error.code` of a failed stream. Codex acts on `context_length_exceeded`, `insufficient_quota`
and `rate_limit_exceeded`, which the API sends though only the last is in the SDK's list."""

_BY_CODE: Final[dict[str, FailureKind]] = {
    "rate_limit_exceeded": "rate_limited",
    "rate_limit_error": "rate_limited",
    "requests": "rate_limited",
    "tokens": "rate_limited",
    "insufficient_quota": "quota",
    "usage_limit_reached": "quota",
    "billing_hard_limit_reached": "billing",
    "billing_not_active": "billing",
    "invalid_api_key": "auth",
    "authentication_error": "auth",
    "permission_error": "auth",
    "overloaded": "overloaded",
    "overloaded_error": "overloaded",
    "server_is_overloaded": "overloaded",
    "slow_down": "overloaded",
    "service_unavailable": "overloaded",
    "context_length_exceeded": "context_length",
    "content_filter": "content_policy",
    "content_policy_violation": "content_policy",
    "invalid_prompt": "content_policy",  # "your prompt was flagged as potentially violating our usage policy"
    "bio_policy": "content_policy",
    "cyber_policy": "content_policy",
    "misalignment_policy_violation": "content_policy",
    "image_content_policy_violation": "content_policy",
    "model_not_found": "not_found",
    "not_found_error": "not_found",
    "timeout": "timeout",
    "vector_store_timeout": "timeout",
    "data_residency_mismatch": "invalid_request",
    "invalid_image": "invalid_request",
    "invalid_image_format": "invalid_request",
    "invalid_base64_image": "invalid_request",
    "invalid_image_url": "invalid_request",
    "invalid_image_mode": "invalid_request",
    "image_too_large": "invalid_request",
    "image_too_small": "invalid_request",
    "image_parse_error": "invalid_request",
    "image_file_too_large": "invalid_request",
    "image_file_not_found": "invalid_request",
    "unsupported_image_media_type": "invalid_request",
    "empty_image_file": "invalid_request",
    "failed_to_download_image": "invalid_request",
    "invalid_request_error": "invalid_request",
    "server_error": "server_error",
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

_QUOTED: Final = 500
"""Longest quotation of a provider's words, in characters."""


def encode_problem(problem: Problem, request_id: str) -> EncodedProblem:
    """The error body, status and headers."""
    kind, code = _WORDS[problem.kind]
    headers: list[tuple[str, str]] = [("x-request-id", request_id)]
    if problem.retry_after_s is not None:
        headers.append(("retry-after", str(max(0, math.ceil(problem.retry_after_s)))))
    if problem.kind == "budget_exhausted":
        headers.append(("x-should-retry", "false"))
    error = {"message": problem.message, "type": kind, "param": problem.param, "code": problem.code or code}
    return EncodedProblem(
        problem.http_status, _encoder.encode({"error": error}), (*headers, *problem.headers)
    )


def stream_error(failed: Failed) -> dict[str, Any]:
    """`response.error` of a stream that broke."""
    return {"code": _STREAM_CODES[failed.failure], "message": failed.message}


def decode_error(error: Error | str | None) -> Failed:
    """What a provider said went wrong, inside an answer or a stream."""
    if error is None or isinstance(error, str):
        words = error or "no reason given"
        return Failed("server_error", f"the provider answered with an error: {words[:_QUOTED]}")
    status = _status(error.code)
    failure: FailureKind | None = None
    for word in (error.code, error.type):
        if failure is None and isinstance(word, str):
            failure = _BY_CODE.get(word.lower())
    if failure is None and status is not None:
        failure = _BY_STATUS.get(status)
    words = error.message or "no reason given"
    return Failed(
        failure or "server_error",
        f"the provider answered with an error: {words[:_QUOTED]}",
        status=status,
        code=str(error.code) if error.code is not None else None,
    )


def _status(code: str | int | None) -> int | None:
    if isinstance(code, str) and len(code) == 3 and code.isdecimal():
        code = int(code)
    return code if isinstance(code, int) and 400 <= code <= 599 else None
