"""A provider's errors inside a 200 or a stream, and ours inside a stream; the body is `openai_errors`'s."""

from typing import Any, Final

from passerelle.codecs.openai_errors import BY_STATUS, error_body, status_in
from passerelle.core.errors import FailureKind
from passerelle.core.event import Failed

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


def encode_failed(failed: Failed) -> bytes:
    """The same body, for a stream that has begun."""
    type_, code = _FAILED[failed.failure]
    return error_body(failed.message, type_, None, code)


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
    status = status_in(code) or status_in(error.get("status")) or status_in(error.get("status_code"))
    failure: FailureKind | None = None
    for word in (code, type_):
        if failure is None and isinstance(word, str):
            failure = _BY_CODE.get(word.lower())
    if failure is None and status is not None:
        failure = BY_STATUS.get(status)
    return Failed(
        failure or "server_error",
        f"the provider answered with an error: {words[:500]}",
        status=status,
        code=str(code) if isinstance(code, str | int) and not isinstance(code, bool) else None,
    )


def decode_top_error(message: Any, code: Any, type_: Any) -> Failed:
    """The older form of vLLM, without an `error` field: `{"object":"error","message":…,"code":400}`."""
    return decode_error({"message": message, "code": code, "type": type_})
