"""Token counts of the Responses API ⇄ disjoint buckets.

    input_tokens                includes cached_tokens and cache_write_tokens
    output_tokens               includes reasoning_tokens
    total_tokens                = input_tokens + output_tokens

Source: openai-python 3.54 `types/responses/response_usage.py` and agentgateway's recorded translation of a
cache-writing answer (30 in, 4 cached, 6 written → 20 uncached), both read 2026-11-22. The cache lives 30
minutes or 12 hours there; the buckets are our nearest, short and long.
"""

from typing import Any

import msgspec

from passerelle.core.usage import NO_USAGE, Usage


class _WriteDetails(msgspec.Struct):
    ttl_30m_tokens: int | None = None
    ttl_12h_tokens: int | None = None


class _InputDetails(msgspec.Struct):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    cache_write_tokens_details: _WriteDetails | None = None


class _OutputDetails(msgspec.Struct):
    reasoning_tokens: int | None = None


class WireUsage(msgspec.Struct):
    """`usage` as providers write it; compatible servers leave out what they do not count."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    total_tokens: int | None = None
    input_tokens_details: _InputDetails | None = None
    output_tokens_details: _OutputDetails | None = None


def usage_in(wire: WireUsage | None) -> Usage:
    """The buckets of `wire`; their sum is the provider's own total."""
    if wire is None:
        return NO_USAGE
    taken, given = max(wire.input_tokens or 0, 0), max(wire.output_tokens or 0, 0)
    cached = written = long = thought = 0
    details = wire.input_tokens_details
    if details is not None:
        cached = min(max(details.cached_tokens or 0, 0), taken)
        written = min(max(details.cache_write_tokens or 0, 0), taken - cached)
        if details.cache_write_tokens_details is not None:
            long = min(max(details.cache_write_tokens_details.ttl_12h_tokens or 0, 0), written)
    if wire.output_tokens_details is not None:
        thought = max(wire.output_tokens_details.reasoning_tokens or 0, 0)
        if thought and wire.total_tokens == taken + given + thought:
            given += thought  # some compatible servers count thoughts beside the output; the total says so
        thought = min(thought, given)
    return Usage(
        input_tokens=taken - cached - written,
        cache_read_tokens=cached,
        cache_write_5m_tokens=written - long,
        cache_write_1h_tokens=long,
        output_tokens=given - thought,
        reasoning_tokens=thought,
    )


def usage_out(usage: Usage) -> dict[str, Any] | None:
    """`usage` as a Responses client reads it; None when nothing was counted."""
    if usage.source == "none":
        return None
    details: dict[str, Any] = {
        "cached_tokens": usage.cache_read_tokens,
        "cache_write_tokens": usage.cache_write_tokens,
    }
    if usage.cache_write_1h_tokens:
        details["cache_write_tokens_details"] = {
            "ttl_30m_tokens": usage.cache_write_5m_tokens,
            "ttl_12h_tokens": usage.cache_write_1h_tokens,
        }
    return {
        "input_tokens": usage.total_input_tokens,
        "input_tokens_details": details,
        "output_tokens": usage.total_output_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.total_tokens,
    }
