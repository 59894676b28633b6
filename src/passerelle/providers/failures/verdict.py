"""What a status means when no rule fits, and what may follow each kind of failure."""

from passerelle.core.errors import FailureKind

BY_STATUS: dict[int, FailureKind] = {
    401: "auth",
    402: "billing",
    403: "auth",
    404: "not_found",
    405: "not_found",
    407: "auth",
    408: "timeout",
    409: "server_error",
    413: "context_length",
    424: "server_error",
    425: "server_error",
    429: "rate_limited",
    498: "overloaded",
    499: "server_error",
    501: "not_found",
    503: "overloaded",
    504: "timeout",
    529: "overloaded",
}
"""What a status means when no rule fits. Other 4xx are `invalid_request`, other 5xx `server_error`,
anything below 400 `protocol`. 409 is retried by the OpenAI and Anthropic SDKs; 498 is Groq's "flex tier
over capacity"; 529 is Anthropic's `overloaded_error`."""

RETRY_ELSEWHERE: dict[FailureKind, bool] = {
    "rate_limited": True,
    "quota": True,
    "billing": True,
    "auth": True,
    "overloaded": True,
    "server_error": True,
    "timeout": True,
    "transport": True,
    "protocol": True,
    "oversized": False,  # it would be as large, and billed, again
    "not_found": True,
    "invalid_request": False,
    "context_length": False,  # this and the next only when the plan says so: see `Failure.retryable`
    "content_policy": False,
    "cancelled": False,
}
"""Whether another deployment may be asked after this failure."""

RETRY_SAME: frozenset[FailureKind] = frozenset(
    {"rate_limited", "overloaded", "server_error", "transport", "protocol"}
)
"""Failures after which the same deployment may be tried once more. Not `timeout`: the first try may still
be running, and billed, at the provider."""

ALARM: frozenset[FailureKind] = frozenset({"auth", "billing", "quota", "not_found"})
"""Failures only the operator can mend."""
