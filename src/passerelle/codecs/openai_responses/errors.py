"""A provider's errors inside a 200 or a stream, and ours inside a stream; the body is `openai_errors`'s.

Codes: openai-python 3.54 `types/responses/response_error.py`, read 2026-11-22.
"""

from typing import Any, Final

from passerelle.codecs.openai_errors import BY_STATUS, status_in
from passerelle.codecs.openai_responses.types import Error
from passerelle.core.errors import FailureKind
from passerelle.core.event import Failed

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

_QUOTED: Final = 500
"""Longest quotation of a provider's words, in characters."""


def stream_error(failed: Failed) -> dict[str, Any]:
    """`response.error` of a stream that broke."""
    return {"code": _STREAM_CODES[failed.failure], "message": failed.message}


def decode_error(error: Error | str | None) -> Failed:
    """What a provider said went wrong, inside an answer or a stream."""
    if error is None or isinstance(error, str):
        words = error or "no reason given"
        return Failed("server_error", f"the provider answered with an error: {words[:_QUOTED]}")
    status = status_in(error.code)
    failure: FailureKind | None = None
    for word in (error.code, error.type):
        if failure is None and isinstance(word, str):
            failure = _BY_CODE.get(word.lower())
    if failure is None and status is not None:
        failure = BY_STATUS.get(status)
    words = error.message or "no reason given"
    return Failed(
        failure or "server_error",
        f"the provider answered with an error: {words[:_QUOTED]}",
        status=status,
        code=str(error.code) if error.code is not None else None,
    )
