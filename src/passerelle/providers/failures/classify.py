"""One decision for every way an attempt can fail: what it was, whether to try again, where, and what to say.

What the caller is told depends on whose fault it is. Its own mistakes (`invalid_request`,
`context_length`, `content_policy`) come with the provider's words, made safe. Everything else is between
the operator and the provider: the caller hears it in our words, and the provider's stay in `detail` for the
receipt and the log. A refused credential of ours is never a 401 to the caller, whose own key is good.
"""

import time
from collections.abc import Mapping
from re import Pattern
from typing import assert_never

import msgspec

from passerelle.codecs.base import ProviderError
from passerelle.core.errors import OVERLOADED, AnswerError, FailureKind, Problem
from passerelle.core.event import Failed
from passerelle.providers.base import SendError
from passerelle.providers.failures.tables import RULES, Rule
from passerelle.providers.failures.verdict import ALARM, BY_STATUS, RETRY_ELSEWHERE, RETRY_SAME
from passerelle.providers.failures.wait import retry_after_s
from passerelle.providers.failures.words import HTML, quota_names, read_error, sanitise

LONG_WAIT_S = 900.0
"""A rate limit that asks for a longer wait is an allowance used up (`quota`): Groq's daily limit and Azure's
86,400 seconds arrive as plain 429s, and retrying them stalled a client for 50 minutes (NousResearch/
hermes-agent issue #91091)."""

_DETAIL_CHARS = 300


class Failure(msgspec.Struct, frozen=True):
    """Why an attempt failed and what may follow."""

    kind: FailureKind
    retryable: bool
    """Another deployment may be asked. False for `context_length` and `content_policy`, unless the plan says
    otherwise (`gateway.onward`); never for a malformed request."""
    same_deployment_retry: bool
    """The same deployment may be asked once more, after `retry_after_s` if that is given."""
    retry_after_s: float | None
    problem: Problem
    """What to tell the caller when nothing else works."""
    alarm: bool
    """Only the operator can mend it: a refused credential, no money, no such model."""
    detail: str = ""
    """For the receipt and the log: the provider's words, or ours, without secrets, at most 300 characters."""


def classify(
    status: int,
    headers: Mapping[str, str],
    error: ProviderError | bytes,
    *,
    provider: str,
    now_s: float | None = None,
    hidden: Pattern[str] | None = None,
) -> Failure:
    """What a provider's answer that is not an answer means.

    `headers` have lower-case names. `error` is the body, or what a codec read of it. A redirect, a web
    page and an error body under 200 are failures as well: `protocol`, unless the body says better.
    `now_s` (Unix seconds) is what dates in `headers` are counted from. What `hidden` finds, the provider's
    own credential, is not repeated.
    """
    read = _without(_named(read_error(error) if isinstance(error, bytes) else error, headers), hidden)
    now = time.time() if now_s is None else now_s
    wait = retry_after_s(headers, now_s=now, message=read.message, details=read.details)
    effective = _effective_status(status, read)
    rule = _rule(effective, read)
    if rule is not None:
        kind = rule.kind
    elif effective < 400:
        kind = "protocol"
    else:
        kind = BY_STATUS.get(effective, "server_error" if effective >= 500 else "invalid_request")
    if kind == "rate_limited" and wait is not None and wait > LONG_WAIT_S:
        kind = "quota"
    elif kind == "quota" and wait is not None and wait < LONG_WAIT_S and quota_names(read.details):
        wait = None  # Google's RetryInfo speaks of the minute even when the day is used up
    same = kind in RETRY_SAME
    if rule is not None and rule.same is not None:
        same = rule.same
    elif kind == "protocol":
        same = False  # a login page or a redirect does not go away by asking again
    words = sanitise(read.message)
    return _failure(
        kind,
        provider,
        same=same,
        wait=wait,
        words=words,
        detail=_detail(status, read, words),
        status=status,
        param=read.param,
        code=_caller_code(read),
    )


def _named(read: ProviderError, headers: Mapping[str, str]) -> ProviderError:
    """`read` with the type that Amazon says in a header alone (`ThrottlingException:http://…`)."""
    kind = headers.get("x-amzn-errortype")
    if not kind or read.type == HTML:
        return read
    return msgspec.structs.replace(read, type=kind.partition(":")[0].strip()[:80])


def _without(read: ProviderError, hidden: Pattern[str] | None) -> ProviderError:
    if hidden is None:
        return read
    said = [hidden.sub("[removed]", text) for text in (read.message, read.type, read.code, read.param or "")]
    return msgspec.structs.replace(read, message=said[0], type=said[1], code=said[2], param=said[3] or None)


def from_send_error(error: SendError, *, provider: str, hidden: Pattern[str] | None = None) -> Failure:
    """The exchange failed below the dialect; `error` says how."""
    return _failure(
        error.failure,
        provider,
        same=error.failure in RETRY_SAME,
        detail=sanitise(error.message, _DETAIL_CHARS, hidden),
    )


def from_answer_error(error: AnswerError, *, provider: str, hidden: Pattern[str] | None = None) -> Failure:
    """A codec refused the provider's answer: incomplete, malformed, empty, or an error dressed as success."""
    words = sanitise(error.message, hidden=hidden)
    return _failure(
        error.failure, provider, same=error.failure in RETRY_SAME, words=words, detail=words[:_DETAIL_CHARS]
    )


def from_failed_event(event: Failed, *, provider: str, hidden: Pattern[str] | None = None) -> Failure:
    """The stream said that it failed, or stopped too soon.

    The codec's `failure` stands unless the provider's own status, code or words tell more.
    """
    read = _without(ProviderError(message=event.message, code=event.code or ""), hidden)
    status = event.status or 0
    rule = _rule(status, read)
    kind: FailureKind = event.failure
    if event.failure in ("server_error", "protocol", "transport"):
        if rule is not None:
            kind = rule.kind
        elif status >= 400:
            kind = BY_STATUS.get(status, "server_error" if status >= 500 else "invalid_request")
    words = sanitise(read.message)
    return _failure(
        kind,
        provider,
        same=kind in RETRY_SAME,
        wait=retry_after_s({}, now_s=0.0, message=read.message),
        words=words,
        detail=_detail(status, read, words),
        status=status,
        code=_caller_code(read),
    )


def _effective_status(status: int, error: ProviderError) -> int:
    """The status to judge by: under 200 OpenRouter puts the real one in `error.code`."""
    if 200 <= status < 300 and error.code.isdigit():
        told = int(error.code)
        if 400 <= told < 600:
            return told
    return status


def _rule(status: int, error: ProviderError) -> Rule | None:
    if error.type == HTML:
        return None  # the words of a web page are not the provider's
    names = {error.code.lower(), error.type.lower(), *quota_names(error.details)}
    message = error.message[:4000].lower()
    for rule in RULES:
        if rule.statuses is not None and status not in rule.statuses:
            continue
        if not names.isdisjoint(rule.names) or any(words in message for words in rule.words):
            return rule
    return None


def _caller_code(error: ProviderError) -> str | None:
    """The provider's machine-readable word, if it is one: never a number, never a sentence."""
    for name in (error.code, error.type):
        if name and name.replace("_", "").isalnum() and not name.isdigit() and len(name) <= 64:
            return name
    return None


def _detail(status: int, error: ProviderError, words: str) -> str:
    said = " ".join(filter(None, (str(status) if status else "", _caller_code(error) or "")))
    text = f"{said}: {words}" if said and words else said or words
    return text if len(text) <= _DETAIL_CHARS else text[: _DETAIL_CHARS - 1].rstrip() + "…"


def _failure(
    kind: FailureKind,
    provider: str,
    *,
    same: bool,
    wait: float | None = None,
    words: str = "",
    detail: str = "",
    status: int = 0,
    param: str | None = None,
    code: str | None = None,
) -> Failure:
    return Failure(
        kind=kind,
        retryable=RETRY_ELSEWHERE[kind],
        same_deployment_retry=same,
        retry_after_s=wait,
        problem=_problem(kind, provider, wait=wait, words=words, status=status, param=param, code=code),
        alarm=kind in ALARM,
        detail=detail,
    )


# Both official SDK families obey this header (openai and anthropic `_base_client.py`, read 2026-11-22):
# they would otherwise repeat any 5xx and 429 by themselves.
_DO_NOT_RETRY = (("x-should-retry", "false"),)


def _problem(
    kind: FailureKind,
    provider: str,
    *,
    wait: float | None,
    words: str,
    status: int,
    param: str | None,
    code: str | None,
) -> Problem:
    """What the caller is told. Its own mistakes keep the provider's status and words."""
    name = f"`{provider}`"
    quoted = words or "no reason was given"
    match kind:
        case "rate_limited":
            when = f"in {max(1, round(wait))} s" if wait is not None else "in a few seconds"
            return Problem(
                "rate_limited",
                f"{name} is at its rate limit; try again {when}.",
                code="provider_rate_limited",
                retry_after_s=wait,
                provider=provider,
            )
        case "quota":
            return Problem(
                "rate_limited",
                f"the allowance at {name} is used up and waiting a moment will not help; "
                "ask for another model, or ask the operator to raise the allowance.",
                code="provider_quota_exhausted",
                retry_after_s=wait,
                provider=provider,
                headers=_DO_NOT_RETRY,
            )
        case "billing":
            return Problem(
                "upstream_error",
                f"{name} refuses to serve for want of payment; ask for another model, or ask the operator "
                "to settle the account.",
                code="provider_billing",
                provider=provider,
                headers=_DO_NOT_RETRY,
            )
        case "auth":
            return Problem(
                "upstream_error",
                f"{name} refused this gateway's own credential (yours is fine); ask for another model, or "
                "ask the operator to check the credential of this provider.",
                code="provider_auth",
                provider=provider,
                headers=_DO_NOT_RETRY,
            )
        case "not_found":
            return Problem(
                "model_not_found",
                f"{name} does not know the model this gateway asked it for; ask for another model, or ask "
                "the operator to check the deployment.",
                code="provider_model_not_found",
                provider=provider,
                headers=_DO_NOT_RETRY,
            )
        case "overloaded":
            return Problem(
                "overloaded",
                f"{name} has no capacity at the moment; try again shortly.",
                code="provider_overloaded",
                status=status if status == OVERLOADED else None,
                retry_after_s=wait,
                provider=provider,
            )
        case "timeout":
            return Problem(
                "upstream_timeout",
                f"{name} did not answer in time; try again, or ask for less.",
                code="provider_timeout",
                provider=provider,
            )
        case "server_error" | "transport" | "protocol":
            what = {
                "server_error": "failed",
                "transport": "could not be reached, or broke off",
                "protocol": "sent something that is not a complete answer",
            }[kind]
            return Problem(
                "upstream_error",
                f"{name} {what}; try again.",
                code=f"provider_{kind}",
                retry_after_s=wait,
                provider=provider,
            )
        case "oversized":
            return Problem(
                "upstream_error",
                f"{name} sent a larger piece of an answer than this gateway holds; ask for less, or not as a "
                "stream.",
                code="provider_oversized",
                provider=provider,
                headers=_DO_NOT_RETRY,
            )
        case "invalid_request":
            return Problem(
                "invalid_request",
                f"{name} refused the request: {quoted}",
                param=param,
                code=code,
                status=status if 400 <= status < 500 else None,
                provider=provider,
            )
        case "context_length":
            return Problem(
                "too_large" if status == 413 else "context_length",
                f"the request is too long for this model at {name}: {quoted}",
                param=param,
                provider=provider,
            )
        case "content_policy":
            return Problem(
                "content_policy",
                f"{name} refused the request by its content policy: {quoted}",
                param=param,
                provider=provider,
            )
        case "cancelled":
            return Problem("internal", "the request was cancelled before it was answered.", status=499)
        case _:
            assert_never(kind)
