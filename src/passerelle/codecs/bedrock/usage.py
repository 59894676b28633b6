"""Converse's token counts to and from the house's disjoint buckets.

`inputTokens` leaves out what was read from the cache and what was written to it: "total input tokens =
inputTokens + cacheReadInputTokens + cacheWriteInputTokens" (docs.aws.amazon.com/bedrock "Prompt caching for
faster model inference", read 2026-11-22). Writes are split by lifetime in `cacheDetails`. Thoughts are inside
`outputTokens` and not told apart.

Streams of OpenAI's newest models on Bedrock were seen to count cached input twice (maximhq/bifrost pull 6942,
2026-09); nothing in the event tells such a count from a right one, so it stands as it is said.
"""

from typing import Any

from passerelle.codecs.bedrock.types import WireUsage
from passerelle.core.usage import NO_USAGE, Usage


def from_wire(wire: WireUsage | None) -> Usage:
    """`wire` in buckets; `NO_USAGE` when there is none."""
    if wire is None or (wire.input_tokens is None and wire.output_tokens is None):
        return NO_USAGE
    written = max(wire.cache_write_input_tokens or 0, 0)
    hour = 0
    for detail in wire.cache_details or ():
        if detail.ttl == "1h":
            hour += max(detail.input_tokens, 0)
    hour = min(hour, written)
    return Usage(
        input_tokens=max(wire.input_tokens or 0, 0),
        cache_read_tokens=max(wire.cache_read_input_tokens or 0, 0),
        cache_write_5m_tokens=written - hour,
        cache_write_1h_tokens=hour,
        output_tokens=max(wire.output_tokens or 0, 0),
    )


def to_wire(usage: Usage) -> dict[str, Any]:
    """`usage` as Converse says it. Audio and images count as input and output there."""
    wire: dict[str, Any] = {
        "inputTokens": usage.input_tokens + usage.input_audio_tokens + usage.input_image_tokens,
        "outputTokens": usage.total_output_tokens,
        "totalTokens": usage.total_tokens,
    }
    if usage.cache_read_tokens or usage.cache_write_tokens:
        wire["cacheReadInputTokens"] = usage.cache_read_tokens
        wire["cacheWriteInputTokens"] = usage.cache_write_tokens
    details = [
        {"ttl": ttl, "inputTokens": tokens}
        for ttl, tokens in (("1h", usage.cache_write_1h_tokens), ("5m", usage.cache_write_5m_tokens))
        if tokens
    ]
    if details:
        wire["cacheDetails"] = details
    return wire
