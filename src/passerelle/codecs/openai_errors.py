"""Errors in OpenAI's words, as both of its APIs tell them: the body, and what a provider's status means.

Shape and codes: OpenAI, "Error codes" guide, and recorded answers (read 2026-11-22). The official SDKs
choose their exception by status alone; `code` and `type` are what programs compare. `x-should-retry` is
the SDKs' own header (`openai._base_client._should_retry`, SDK 3.54): without it they would retry a
spent budget twice.
"""

import math
from typing import Any, Final

import msgspec

from passerelle.codecs.base import EncodedProblem
from passerelle.core.errors import OVERLOADED, FailureKind, Problem, ProblemKind

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

BY_STATUS: Final[dict[int, FailureKind]] = {
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
"""A provider's status, in a body or a stream → what happened."""


def encode_problem(problem: Problem, request_id: str) -> EncodedProblem:
    """The error body, status and headers."""
    type_, code = _WORDS[problem.kind]
    headers: list[tuple[str, str]] = [("x-request-id", request_id)]
    if problem.retry_after_s is not None:
        headers.append(("retry-after", str(max(0, math.ceil(problem.retry_after_s)))))
    if problem.kind == "budget_exhausted":
        headers.append(("x-should-retry", "false"))
    body = error_body(problem.message, type_, problem.param, problem.code or code)
    status = 503 if problem.http_status == OVERLOADED else problem.http_status
    return EncodedProblem(status, body, (*headers, *problem.headers))


def error_body(message: str, type_: str, param: str | None, code: str | None) -> bytes:
    """The object that holds an error."""
    return _encoder.encode({"error": {"message": message, "type": type_, "param": param, "code": code}})


def status_in(value: Any) -> int | None:
    """The HTTP error status that a `code` or `status` field says, as a number or in digits."""
    if isinstance(value, str) and len(value) == 3 and value.isdecimal():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 400 <= value <= 599:
        return value
    return None
