"""Errors in Amazon's words: what callers are told, what a stream ends with, and what a provider said.

A REST-JSON error has its type in the `x-amzn-errortype` header and `{"message": …}` for a body; SDKs choose
their exception by that type alone (smithy.io "AWS restJson1 protocol", "Operation error serialization").
Types and statuses: the errors of `Converse` in botocore 1.44.5's service model, and for a credential nobody
knows `UnrecognizedClientException` with 403 (docs.aws.amazon.com "Common error types"). Inside a stream the
exceptions are the members of `ConverseStreamOutput` and `ResponseStream`. All read 2026-11-22.
"""

import math
from typing import Final

import msgspec

from passerelle.codecs.base import EncodedProblem
from passerelle.codecs.bedrock.types import StreamEvent
from passerelle.codecs.eventstream import Frame, exception_headers, write_frame
from passerelle.codecs.fields import BAD_JSON
from passerelle.core.errors import FailureKind, Problem, ProblemKind
from passerelle.core.event import Failed

_MOST_WORDS: Final = 500

_OF_PROBLEM: Final[dict[ProblemKind, tuple[str, int]]] = {
    "invalid_request": ("ValidationException", 400),
    "unauthenticated": ("UnrecognizedClientException", 403),
    "permission_denied": ("AccessDeniedException", 403),
    "no_eligible_deployment": ("AccessDeniedException", 403),
    "not_found": ("UnknownOperationException", 404),
    "model_not_found": ("ResourceNotFoundException", 404),
    "method_not_allowed": ("UnknownOperationException", 405),
    "conflict": ("ConflictException", 400),
    "too_large": ("ValidationException", 413),
    "rate_limited": ("ThrottlingException", 429),
    # Botocore repeats a throttled call by itself; waiting does not refill a budget.
    "budget_exhausted": ("ServiceQuotaExceededException", 400),
    "content_policy": ("ValidationException", 400),
    "context_length": ("ValidationException", 400),
    "overloaded": ("ServiceUnavailableException", 503),
    # Everything eligible was tried already: 424 and 408 are told, 500 would be repeated by the SDK.
    "upstream_error": ("ModelErrorException", 424),
    "upstream_timeout": ("ModelTimeoutException", 408),
    "internal": ("InternalServerException", 500),
}

_OF_FAILURE: Final[dict[FailureKind, str]] = {
    "rate_limited": "throttlingException",
    "quota": "throttlingException",
    "billing": "internalServerException",
    "auth": "internalServerException",
    "overloaded": "serviceUnavailableException",
    "server_error": "internalServerException",
    "timeout": "modelStreamErrorException",
    "transport": "modelStreamErrorException",
    "oversized": "modelStreamErrorException",
    "protocol": "modelStreamErrorException",
    "invalid_request": "validationException",
    "context_length": "validationException",
    "content_policy": "validationException",
    "not_found": "validationException",
    "cancelled": "internalServerException",
}

_OF_EXCEPTION: Final[dict[str, tuple[FailureKind, int]]] = {
    "internalserverexception": ("server_error", 500),
    "modelstreamerrorexception": ("server_error", 424),
    "modelerrorexception": ("server_error", 424),
    "modeltimeoutexception": ("timeout", 408),
    "modelnotreadyexception": ("overloaded", 429),
    "serviceunavailableexception": ("overloaded", 503),
    "throttlingexception": ("rate_limited", 429),
    "servicequotaexceededexception": ("quota", 400),
    "validationexception": ("invalid_request", 400),
    "accessdeniedexception": ("auth", 403),
    "resourcenotfoundexception": ("not_found", 404),
}

TOO_LONG: Final = (
    "input is too long",
    "too many input tokens",
    "prompt is too long",
    "maximum context length",
)
"""How Bedrock's models say that a conversation does not fit."""

_payload = msgspec.json.Decoder(StreamEvent)


def write_problem(problem: Problem, request_id: str) -> EncodedProblem:
    """The error body and headers a caller of this dialect expects."""
    message = problem.message
    if problem.param and problem.param not in message:
        message = f"{problem.param}: {message}"
    kind, status = _OF_PROBLEM[problem.kind]
    headers = [("x-amzn-errortype", kind), ("x-amzn-requestid", request_id)]
    if problem.retry_after_s is not None:
        headers.append(("retry-after", str(max(math.ceil(problem.retry_after_s), 0))))
    if problem.status is not None and problem.kind in ("invalid_request", "conflict"):
        status = problem.status
    return EncodedProblem(status, msgspec.json.encode({"message": message}), (*headers, *problem.headers))


def write_failure(failed: Failed) -> bytes:
    """The exception frame that ends a stream."""
    headers = exception_headers(_OF_FAILURE[failed.failure])
    return write_frame(headers, msgspec.json.encode({"message": failed.message}))


def read_exception(frame: Frame) -> Failed:
    """An exception or error frame of the provider's."""
    name, words = frame.kind.name, frame.kind.words
    if not words:
        try:
            said = _payload.decode(frame.payload)
            words = said.message or said.original_message or ""
        except BAD_JSON:
            words = ""
    words = words[:_MOST_WORDS]
    failure: FailureKind
    status: int | None
    failure, status = _OF_EXCEPTION.get(name.lower(), ("server_error", None))
    if failure == "invalid_request" and any(mark in words.lower() for mark in TOO_LONG):
        failure = "context_length"
    told = f"the provider ended with `{name or 'an error'}`" + (f": {words}" if words else "")
    return Failed(failure, told, status=status, code=name or None)
