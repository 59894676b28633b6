"""Errors as values, and the one exception that carries them to the edge.

    PasserelleError
    ├─ ProblemError        carries a Problem: said to the caller in its own dialect
    └─ AnswerError         a provider's answer is not what its dialect promises (raised by codecs)

A `Problem` answers three questions for the caller: whose fault, what status, what to do next. Its
`message` puts names in backticks and ends with the next step. Dialect codecs turn it into their own
error shape; nothing else in the house writes an error body.
"""

from typing import Literal

import msgspec

ProblemKind = Literal[
    "invalid_request",
    "unauthenticated",
    "permission_denied",
    "no_eligible_deployment",
    "not_found",
    "model_not_found",
    "method_not_allowed",
    "conflict",
    "too_large",
    "rate_limited",
    "budget_exhausted",
    "content_policy",
    "context_length",
    "overloaded",
    "upstream_error",
    "upstream_timeout",
    "internal",
]

STATUS: dict[ProblemKind, int] = {
    "invalid_request": 400,
    "unauthenticated": 401,
    "permission_denied": 403,
    "no_eligible_deployment": 403,
    "not_found": 404,
    "model_not_found": 404,
    "method_not_allowed": 405,
    "conflict": 409,
    "too_large": 413,
    "rate_limited": 429,
    "budget_exhausted": 429,
    "content_policy": 400,
    "context_length": 400,
    "overloaded": 503,
    "upstream_error": 502,
    "upstream_timeout": 504,
    "internal": 500,
}
"""The HTTP status each kind is told with, in every dialect."""

OVERLOADED = 529
"""Anthropic's own status for a provider without capacity; its callers keep it, all others are told 503."""

FailureKind = Literal[
    "rate_limited",  # slow down: the provider's rate limit
    "quota",  # a periodic allowance is used up; waiting seconds does not help
    "billing",  # no credit, or payment refused
    "auth",  # our credential was refused: alarm, never retry
    "overloaded",  # the provider says it has no capacity now
    "server_error",  # any other 5xx
    "timeout",  # one of our deadlines passed
    "transport",  # refused, reset, TLS, or cut in the middle
    "protocol",  # bytes arrived that are not the dialect's complete answer
    "oversized",  # a part of the answer is longer than we hold: it would be so, and billed, again
    "invalid_request",  # the provider refuses this request as malformed
    "context_length",  # too long for this model
    "content_policy",  # refused by policy: a refusal, not an outage
    "not_found",  # the provider does not know the model or path
    "cancelled",  # the caller went away
]
"""Why an attempt failed. `providers/failures.py` is the only place that decides it."""


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """Something to tell a caller, in no dialect yet."""

    kind: ProblemKind
    message: str
    """What is wrong, names in backticks, and the next step."""
    param: str | None = None
    """The field at fault, as the caller wrote it (`messages.0.content`), if there is one."""
    code: str | None = None
    """A finer machine-readable word, e.g. `invalid_api_key`; dialects choose their own if unset."""
    status: int | None = None
    """The HTTP status, when it is not the kind's own (a provider's own 4xx passed on)."""
    retry_after_s: float | None = None
    """Seconds to wait before trying again; said in `retry-after`."""
    provider: str | None = None
    """The provider whose words `message` quotes, if any."""
    headers: tuple[tuple[str, str], ...] = ()
    """Further response headers, lower-case names (e.g. `allow` on 405)."""

    @property
    def http_status(self) -> int:
        """The HTTP status to answer with."""
        return self.status or STATUS[self.kind]


class PasserelleError(Exception):
    """The root of what this package raises on purpose."""


class ProblemError(PasserelleError):
    """Ends a request with a `Problem` said in the caller's dialect."""

    def __init__(self, problem: Problem, receipt_id: str | None = None) -> None:
        super().__init__(problem.message)
        self.problem = problem
        self.receipt_id = receipt_id
        """The receipt of the request that ended so, once it has one."""


class AnswerError(PasserelleError):
    """A provider's answer is incomplete, malformed, empty, or an error dressed as success.

    `failure` is how the attempt is classified; `message` is ours, never the provider's raw body.
    """

    def __init__(self, message: str, failure: FailureKind = "protocol") -> None:
        super().__init__(message)
        self.message = message
        self.failure: FailureKind = failure


def invalid(message: str, param: str | None = None, *, code: str | None = None) -> ProblemError:
    """The caller's request is malformed: 400, naming the field."""
    return ProblemError(Problem("invalid_request", message, param=param, code=code))
