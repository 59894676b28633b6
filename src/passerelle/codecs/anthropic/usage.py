"""Anthropic's token counts to and from the house's disjoint buckets.

Anthropic's convention (SDK 2.12 `types/message.py`, read 2026-11-22): total input is the *sum* of
`input_tokens`, `cache_creation_input_tokens` and `cache_read_input_tokens`; `input_tokens` excludes
both. `output_tokens` includes thinking; `output_tokens_details.thinking_tokens` says how much of it.
Cache writes are split by lifetime in `cache_creation`; counts in `message_delta` are cumulative and
come without that split.
"""

from typing import Any, Final

from passerelle.codecs.anthropic.types import WireUsage
from passerelle.core.usage import NO_USAGE, Usage

_TIERS: Final = {"standard": "standard", "priority": "priority", "batch": "batch", "default": "standard"}
"""SDK 2.12 `Usage.service_tier`, and OpenAI's word for the first; others have no counterpart."""


def from_wire(wire: WireUsage | None, before: Usage = NO_USAGE) -> Usage:
    """`wire` in buckets; figures it leaves out keep their value in `before`."""
    if wire is None:
        return before
    hour = before.cache_write_1h_tokens
    written = before.cache_write_tokens
    split = wire.cache_creation
    if split is not None:
        hour = _count(split.ephemeral_1h_input_tokens, 0)
        written = hour + _count(split.ephemeral_5m_input_tokens, 0)
    # The total counts: some answers carry a split of zeros beside a real total.
    written = _count(wire.cache_creation_input_tokens, written)
    hour = min(hour, written)

    output = _count(wire.output_tokens, before.output_tokens + before.reasoning_tokens)
    details = wire.output_tokens_details
    thinking = before.reasoning_tokens if details is None else _count(details.thinking_tokens, 0)
    thinking = min(thinking, output)
    return Usage(
        input_tokens=_count(wire.input_tokens, before.input_tokens),
        cache_read_tokens=_count(wire.cache_read_input_tokens, before.cache_read_tokens),
        cache_write_5m_tokens=written - hour,
        cache_write_1h_tokens=hour,
        output_tokens=output - thinking,
        reasoning_tokens=thinking,
    )


def to_wire(usage: Usage, service_tier: str | None = None) -> dict[str, Any]:
    """`usage` as Anthropic says it. Audio and images count as input and output there."""
    wire: dict[str, Any] = {
        "input_tokens": usage.input_tokens + usage.input_audio_tokens + usage.input_image_tokens,
        "cache_creation_input_tokens": usage.cache_write_tokens,
        "cache_read_input_tokens": usage.cache_read_tokens,
        "cache_creation": {
            "ephemeral_5m_input_tokens": usage.cache_write_5m_tokens,
            "ephemeral_1h_input_tokens": usage.cache_write_1h_tokens,
        },
        "output_tokens": usage.total_output_tokens,
    }
    if usage.reasoning_tokens:
        wire["output_tokens_details"] = {"thinking_tokens": usage.reasoning_tokens}
    if service_tier in _TIERS:
        wire["service_tier"] = _TIERS[service_tier]
    return wire


def _count(value: int | None, otherwise: int) -> int:
    return otherwise if value is None else max(value, 0)
