"""Anthropic's errors, both ways.

Types and statuses: "Errors" at platform.claude.com/docs/en/api/errors and SDK 2.12
`types/shared/error_type.py` (read 2026-11-22): 400 `invalid_request_error`, 401 `authentication_error`,
402 `billing_error`, 403 `permission_error`, 404 `not_found_error`, 409 `conflict_error`, 413
`request_too_large`, 429 `rate_limit_error`, 500 `api_error`, 504 `timeout_error`, 529
`overloaded_error`. The request's id stands in the `request-id` header and in the body. The SDKs choose
their exception by status, read `retry-after`, and obey `x-should-retry` (SDK 2.12 `_base_client.py`).
"""

import math
from typing import Final

import msgspec

from passerelle.codecs.anthropic.types import WireError
from passerelle.codecs.base import EncodedProblem
from passerelle.core.errors import FailureKind, Problem, ProblemKind
from passerelle.core.event import Failed

_MOST_WORDS: Final = 500
"""How much of a provider's own words is quoted, in characters."""

_TYPE_OF_PROBLEM: Final[dict[ProblemKind, str]] = {
    "invalid_request": "invalid_request_error",
    "unauthenticated": "authentication_error",
    "permission_denied": "permission_error",
    "no_eligible_deployment": "permission_error",
    "not_found": "not_found_error",
    "model_not_found": "not_found_error",
    "method_not_allowed": "invalid_request_error",
    "conflict": "conflict_error",
    "too_large": "request_too_large",
    "rate_limited": "rate_limit_error",
    "budget_exhausted": "rate_limit_error",
    "content_policy": "invalid_request_error",
    "context_length": "invalid_request_error",
    "overloaded": "overloaded_error",
    "upstream_error": "api_error",
    "upstream_timeout": "timeout_error",
    "internal": "api_error",
}

_TYPE_OF_FAILURE: Final[dict[FailureKind, str]] = {
    "rate_limited": "rate_limit_error",
    "quota": "rate_limit_error",
    # Our account with the provider is not the caller's business, nor his to repair.
    "billing": "api_error",
    "auth": "api_error",
    "overloaded": "overloaded_error",
    "server_error": "api_error",
    "timeout": "timeout_error",
    "transport": "api_error",
    "oversized": "api_error",
    "protocol": "api_error",
    "invalid_request": "invalid_request_error",
    "context_length": "invalid_request_error",
    "content_policy": "invalid_request_error",
    "not_found": "not_found_error",
    "cancelled": "api_error",
}

_FAILURE_OF_TYPE: Final[dict[str, tuple[FailureKind, int]]] = {
    "invalid_request_error": ("invalid_request", 400),
    "authentication_error": ("auth", 401),
    "billing_error": ("billing", 402),
    "permission_error": ("auth", 403),
    "not_found_error": ("not_found", 404),
    "conflict_error": ("invalid_request", 409),
    "request_too_large": ("invalid_request", 413),
    "rate_limit_error": ("rate_limited", 429),
    "api_error": ("server_error", 500),
    "timeout_error": ("timeout", 504),
    "overloaded_error": ("overloaded", 529),
}


def write_problem(problem: Problem, request_id: str) -> EncodedProblem:
    """The error body and headers a caller of this dialect expects."""
    message = problem.message
    if problem.param and not message.startswith((problem.param, f"`{problem.param}`")):
        message = f"{problem.param}: {message}"  # Anthropic names the field in the words themselves
    kind = "billing_error" if problem.status == 402 else _TYPE_OF_PROBLEM[problem.kind]
    error: dict[str, object] = {"type": kind, "message": message}
    if problem.code is not None:
        error["details"] = {"error_code": problem.code}
    headers = [("request-id", request_id)]
    if problem.retry_after_s is not None:
        headers.append(("retry-after", str(max(math.ceil(problem.retry_after_s), 0))))
    elif problem.kind == "budget_exhausted":
        headers.append(("x-should-retry", "false"))  # a 429 that waiting does not cure
    body = msgspec.json.encode({"type": "error", "error": error, "request_id": request_id})
    return EncodedProblem(problem.http_status, body, (*headers, *problem.headers))


def write_failure(failed: Failed) -> bytes:
    """The payload of an in-band `error` event."""
    error = {"type": _TYPE_OF_FAILURE[failed.failure], "message": failed.message}
    return msgspec.json.encode({"type": "error", "error": error})


def read_error(error: WireError | None) -> Failed:
    """An error of the provider's, in a body with status 200 or in a stream."""
    kind = (error.type if error else None) or "api_error"
    words = ((error.message if error else None) or "")[:_MOST_WORDS]
    failure: FailureKind = "server_error"
    status: int | None = None
    if kind in _FAILURE_OF_TYPE:
        failure, status = _FAILURE_OF_TYPE[kind]
    if failure == "invalid_request" and words.startswith("prompt is too long"):
        failure = "context_length"
    said = f": {words}" if words else ""
    return Failed(failure, f"the provider ended with `{kind}`{said}", status=status, code=kind)
