"""Errors in Google's words: what callers are told, what a stream ends with, and what a provider said.

The shape is google.rpc.Status in JSON, `{"error": {"code", "message", "status", "details"}}`; names and
their HTTP codes are google.rpc.Code's (googleapis `google/rpc/code.proto` and `error_details.proto`, read
2026-11-22). The google-genai SDK (3.4.0, `errors.py`) raises `ClientError` for codes 400–499 and
`ServerError` for 500–599, in streams as well, where it knows a chunk for an error only when `error` is its
first key, and needs an integer `code` and a string `status`.
"""

import math
from typing import Any, Final

import msgspec

from passerelle.codecs.base import EncodedProblem
from passerelle.codecs.gemini.types import ErrorInfo
from passerelle.core.errors import OVERLOADED, FailureKind, Problem, ProblemKind
from passerelle.core.event import Failed

_encode = msgspec.json.Encoder().encode

STATUS_OF: Final[dict[ProblemKind, str]] = {
    "invalid_request": "INVALID_ARGUMENT",
    "unauthenticated": "UNAUTHENTICATED",
    "permission_denied": "PERMISSION_DENIED",
    "no_eligible_deployment": "PERMISSION_DENIED",
    "not_found": "NOT_FOUND",
    "model_not_found": "NOT_FOUND",
    "method_not_allowed": "UNIMPLEMENTED",
    "conflict": "ABORTED",
    "too_large": "INVALID_ARGUMENT",
    "rate_limited": "RESOURCE_EXHAUSTED",
    "budget_exhausted": "RESOURCE_EXHAUSTED",
    "content_policy": "FAILED_PRECONDITION",
    "context_length": "INVALID_ARGUMENT",
    "overloaded": "UNAVAILABLE",
    "upstream_error": "UNAVAILABLE",
    "upstream_timeout": "DEADLINE_EXCEEDED",
    "internal": "INTERNAL",
}
"""Google's name for each kind of problem."""

IN_BAND: Final[dict[FailureKind, tuple[int, str]]] = {
    "rate_limited": (429, "RESOURCE_EXHAUSTED"),
    "quota": (429, "RESOURCE_EXHAUSTED"),
    "billing": (502, "UNAVAILABLE"),  # the operator's bill, not the caller's
    "auth": (502, "UNAVAILABLE"),  # the operator's credential, not the caller's
    "overloaded": (503, "UNAVAILABLE"),
    "server_error": (502, "UNAVAILABLE"),
    "timeout": (504, "DEADLINE_EXCEEDED"),
    "transport": (502, "UNAVAILABLE"),
    "oversized": (502, "UNAVAILABLE"),
    "protocol": (502, "UNAVAILABLE"),
    "invalid_request": (400, "INVALID_ARGUMENT"),
    "context_length": (400, "INVALID_ARGUMENT"),
    "content_policy": (400, "FAILED_PRECONDITION"),
    "not_found": (404, "NOT_FOUND"),
    "cancelled": (499, "CANCELLED"),
}
"""The code and name a stream that failed ends with."""

_BY_STATUS: Final[dict[str, FailureKind]] = {
    "RESOURCE_EXHAUSTED": "rate_limited",
    "UNAVAILABLE": "overloaded",
    "DEADLINE_EXCEEDED": "timeout",
    "INTERNAL": "server_error",
    "UNKNOWN": "server_error",
    "DATA_LOSS": "server_error",
    "ABORTED": "server_error",
    "CANCELLED": "server_error",
    "UNIMPLEMENTED": "invalid_request",
    "INVALID_ARGUMENT": "invalid_request",
    "FAILED_PRECONDITION": "invalid_request",
    "OUT_OF_RANGE": "invalid_request",
    "ALREADY_EXISTS": "invalid_request",
    "UNAUTHENTICATED": "auth",
    "PERMISSION_DENIED": "auth",
    "NOT_FOUND": "not_found",
}

_BY_CODE: Final[dict[int, FailureKind]] = {
    400: "invalid_request",
    401: "auth",
    403: "auth",
    404: "not_found",
    408: "timeout",
    429: "rate_limited",
    503: "overloaded",
    504: "timeout",
}

_TOO_LONG: Final = ("exceeds the maximum number of tokens", "input token count", "context window")
"""What Google says of a prompt that does not fit ("The input token count (…) exceeds the maximum number
of tokens allowed (…)")."""


def encode_problem(problem: Problem, request_id: str) -> EncodedProblem:
    """The body, with Google's own details: the field at fault, the reason, the time to wait."""
    details: list[dict[str, Any]] = []
    if problem.code:
        reason = problem.code.upper()
        details.append({"@type": _TYPE + "ErrorInfo", "reason": reason, "domain": "passerelle"})
    if problem.param:
        violation = {"field": problem.param, "description": problem.message}
        details.append({"@type": _TYPE + "BadRequest", "fieldViolations": [violation]})
    headers = [("x-request-id", request_id)]
    if problem.retry_after_s is not None:
        wait = max(math.ceil(problem.retry_after_s), 0)
        details.append({"@type": _TYPE + "RetryInfo", "retryDelay": f"{wait}s"})
        headers.append(("retry-after", str(wait)))
    details.append({"@type": _TYPE + "RequestInfo", "requestId": request_id})
    status = 503 if problem.http_status == OVERLOADED else problem.http_status
    body = {"code": status, "message": problem.message, "status": STATUS_OF[problem.kind], "details": details}
    return EncodedProblem(status, _encode({"error": body}), (*headers, *problem.headers))


_TYPE: Final = "type.googleapis.com/google.rpc."


def in_band(failed: Failed) -> bytes:
    """The error object a stream ends with; `error` stands first, which the SDK relies on."""
    code, status = IN_BAND[failed.failure]
    return _encode({"error": {"code": code, "message": failed.message, "status": status}})


def read_failure(error: ErrorInfo) -> Failed:
    """What a provider's in-band error, or an error body under status 200, means."""
    message = error.message or "the provider gave an error without words"
    status = error.status or ""
    failure = _BY_STATUS.get(status)
    if failure is None and error.code is not None:
        failure = _BY_CODE.get(error.code, "invalid_request" if 400 <= error.code < 500 else "server_error")
    if failure == "invalid_request":
        lowered = message.lower()
        if any(words in lowered for words in _TOO_LONG):
            failure = "context_length"
    return Failed(failure or "server_error", message, status=error.code, code=status or None)
