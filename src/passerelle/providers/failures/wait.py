"""How long a provider asks us to wait, from every place it may say so.

In order of trust: `retry-after-ms`; `retry-after` (seconds, with or without a fraction, or an HTTP date:
RFC 9110 §10.2.3); Google's `RetryInfo.retryDelay` (`"37s"`); the reset of the limit that is used up
(`x-ratelimit-reset-*`: durations such as `6m0s` and `120ms` at OpenAI, seconds elsewhere, milliseconds of
the epoch at OpenRouter; `anthropic-ratelimit-*-reset`: RFC 3339); and the words of the message ("Please try
again in 9m38.016s", Groq). A reset counts only when its own `remaining` is 0: the others tell
when an allowance will be full again, which is not when the next request may be sent.
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Literal

MAX_WAIT_S = 86_400.0
"""A longer wait is cut to a day: Azure has been seen to ask for exactly that, and nothing sane for more."""

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|h|m|s)")
_WHOLE_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|h|m|s))+")
_WORDS = re.compile(
    r"(?:try again|retry|retry after|try again after)(?: in| after)?:? "
    r"((?:\d+(?:\.\d+)?(?:ms|h|m|s))+\b|(\d+(?:\.\d+)?) ?(?:seconds|second|secs|sec)\b)",
    re.IGNORECASE,
)
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def duration_s(text: str) -> float | None:
    """Seconds of `6m0s`, `1h2m3.5s`, `120ms`; None when it is not such a duration."""
    if not _WHOLE_DURATION.fullmatch(text):
        return None
    return sum(float(number) * _UNITS[unit] for number, unit in _DURATION.findall(text))


def retry_after_s(
    headers: Mapping[str, str],
    *,
    now_s: float,
    message: str = "",
    details: Mapping[str, object] | None = None,
) -> float | None:
    """Seconds to wait from `now_s` (Unix), within 0 and `MAX_WAIT_S`; None when nothing is said."""
    seconds = _number(headers.get("retry-after-ms"), 0.001)
    if seconds is None:
        seconds = _retry_after(headers.get("retry-after"), now_s)
    if seconds is None:
        seconds = _retry_info(details)
    if seconds is None:
        seconds = _resets(headers, now_s)
    if seconds is None and message:
        seconds = _from_words(message)
    return None if seconds is None else min(max(seconds, 0.0), MAX_WAIT_S)


_LEFT: tuple[tuple[str, Literal["requests", "tokens"]], ...] = (
    ("x-ratelimit-remaining-requests", "requests"),
    ("x-ratelimit-remaining-tokens", "tokens"),
    ("anthropic-ratelimit-requests-remaining", "requests"),
    ("anthropic-ratelimit-tokens-remaining", "tokens"),
    ("anthropic-ratelimit-input-tokens-remaining", "tokens"),
    ("anthropic-ratelimit-output-tokens-remaining", "tokens"),
)
"""Where providers say what is left, with good answers too: OpenAI ("Rate limits", "Rate limits in headers")
and those who follow it, Anthropic ("Rate limits", "Response headers"), both read 2026-11-22."""
SAID_LEFT = frozenset(name for name, _ in _LEFT)
"""The names alone."""


def spent(
    headers: Mapping[str, str], unix_ns: Callable[[], int]
) -> tuple[Literal["requests", "tokens"], float] | None:
    """What is used up according to an answer's headers, and the seconds from now until its reset. None when
    something is left, or nothing is said.
    """
    for name, what in _LEFT:
        if headers.get(name) == "0":
            wait = _resets(headers, unix_ns() / 1e9)
            return (what, min(wait, MAX_WAIT_S)) if wait is not None and wait > 0 else None
    return None


def _number(text: str | None, unit: float = 1.0) -> float | None:
    if not text or len(text) > 32:
        return None
    try:
        value = float(text)
    except ValueError:
        return None
    return value * unit if value >= 0 else None  # false for NaN too


def _retry_after(text: str | None, now_s: float) -> float | None:
    if not text:
        return None
    seconds = _number(text.strip())
    if seconds is not None:
        return seconds
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return duration_s(text.strip())
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return moment.timestamp() - now_s


def _retry_info(details: Mapping[str, object] | None) -> float | None:
    entries = (details or {}).get("details")
    if not isinstance(entries, list):
        return None
    for entry in entries:
        if isinstance(entry, dict) and isinstance(entry.get("retryDelay"), str):
            return duration_s(entry["retryDelay"])
    return None


def _resets(headers: Mapping[str, str], now_s: float) -> float | None:
    waits: list[float] = []
    for name, value in headers.items():
        if "ratelimit" not in name or "remaining" not in name or value.strip() not in ("0", "0.0"):
            continue
        if name.startswith("anthropic-"):  # anthropic-ratelimit-requests-remaining → …-requests-reset
            reset = headers.get(name.removesuffix("-remaining") + "-reset")
        else:  # x-ratelimit-remaining-requests → x-ratelimit-reset-requests
            reset = headers.get(name.replace("remaining", "reset"))
        wait = _reset(reset.strip(), now_s) if reset else None
        if wait is not None:
            waits.append(wait)
    return max(waits, default=None)


def _reset(text: str, now_s: float) -> float | None:
    number = _number(text)
    if number is not None:
        if number > 1e11:  # milliseconds of the epoch
            return number / 1000 - now_s
        return number - now_s if number > 1e9 else number
    seconds = duration_s(text)
    if seconds is not None:
        return seconds
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - now_s


def _from_words(message: str) -> float | None:
    found = _WORDS.search(message[:2000])
    if not found:
        return None
    return float(found.group(2)) if found.group(2) else duration_s(found.group(1).lower())
