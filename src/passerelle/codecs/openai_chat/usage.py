"""Token counts of OpenAI Chat and its many likes, into core's disjoint buckets and back.

How providers count (each read 2026-11-22):

- OpenAI (`openai.types.completion_usage`, SDK 3.54): `prompt_tokens` includes cached, cache-written,
  audio and image tokens; `completion_tokens` includes reasoning and audio tokens.
- xAI (docs.x.ai, "Consumption and rate limits"): `completion_tokens` leaves reasoning out;
  `total_tokens` = prompt + completion + reasoning.
- Gemini's OpenAI-compatible endpoint: thoughts are in `total_tokens` only (a recorded answer: 7 + 12,
  total 402).
- DeepSeek: `prompt_cache_hit_tokens` + `prompt_cache_miss_tokens` = `prompt_tokens`.
- Moonshot: `cached_tokens` beside `prompt_tokens`. DashScope and LiteLLM name cache writes
  `cache_creation_input_tokens` and `cache_creation_tokens` in the details.
- Groq streams: the same object under `x_groq.usage`.

So the provider's own `total_tokens` decides: what it holds beyond prompt and completion is reasoning.
"""

from typing import Any, Final

import msgspec

from passerelle.core.usage import NO_USAGE, Usage

Count = int | float | None
"""Some servers write `12.0`, and `null` for what they did not count."""


class InputDetails(msgspec.Struct):
    """`prompt_tokens_details`."""

    cached_tokens: Count = None
    cache_write_tokens: Count = None
    cache_creation_tokens: Count = None
    cache_creation_input_tokens: Count = None
    audio_tokens: Count = None
    image_tokens: Count = None


class OutputDetails(msgspec.Struct):
    """`completion_tokens_details`."""

    reasoning_tokens: Count = None
    audio_tokens: Count = None
    image_tokens: Count = None


class WireUsage(msgspec.Struct):
    """`usage`, as any of them writes it."""

    prompt_tokens: Count = None
    completion_tokens: Count = None
    total_tokens: Count = None
    prompt_tokens_details: InputDetails | None = None
    completion_tokens_details: OutputDetails | None = None
    prompt_cache_hit_tokens: Count = None
    cached_tokens: Count = None


_MOST: Final = 10**15
"""No real count is as large."""
_NO_INPUT_DETAILS: Final = InputDetails()
_NO_OUTPUT_DETAILS: Final = OutputDetails()


def decode_usage(wire: WireUsage | None) -> Usage:
    """The disjoint buckets. A bucket never takes more than what is left of the whole it is part of."""
    if wire is None or (wire.prompt_tokens is None and wire.completion_tokens is None):
        return NO_USAGE
    went, came, total = wire.prompt_tokens, wire.completion_tokens, wire.total_tokens
    prompt, completion, apart = 0, 0, 0
    if (
        isinstance(went, int) and isinstance(came, int) and isinstance(total, int)
        and went >= 0 <= came and went + came == total < _MOST
    ):  # fmt: skip
        prompt, completion = went, came
    else:
        prompt, completion = _count(went), _count(came)
        apart = max(0, _count(total) - prompt - completion)
    left, cached, written, heard, seen = prompt, 0, 0, 0, 0
    # Nearly every figure of the details is absent or 0: those are not even looked at twice.
    given = wire.prompt_tokens_details or _NO_INPUT_DETAILS
    if given.cached_tokens or wire.prompt_cache_hit_tokens or wire.cached_tokens:
        cached = min(left, _first(given.cached_tokens, wire.prompt_cache_hit_tokens, wire.cached_tokens))
        left -= cached
    if given.cache_write_tokens or given.cache_creation_tokens or given.cache_creation_input_tokens:
        written = min(
            left,
            _first(given.cache_write_tokens, given.cache_creation_tokens, given.cache_creation_input_tokens),
        )
        left -= written
    if given.audio_tokens:
        heard = min(_count(given.audio_tokens), left)
        left -= heard
    if given.image_tokens:
        seen = min(_count(given.image_tokens), left)
        left -= seen

    made = wire.completion_tokens_details or _NO_OUTPUT_DETAILS
    output, reasoning, spoken, drawn = completion + apart, apart, 0, 0
    if made.reasoning_tokens:
        reasoning = min(max(_count(made.reasoning_tokens), apart), output)
    output -= reasoning
    if made.audio_tokens:
        spoken = min(_count(made.audio_tokens), output)
        output -= spoken
    if made.image_tokens:
        drawn = min(_count(made.image_tokens), output)
        output -= drawn
    return Usage(
        input_tokens=left,
        cache_read_tokens=cached,
        cache_write_5m_tokens=written,
        input_audio_tokens=heard,
        input_image_tokens=seen,
        output_tokens=output,
        reasoning_tokens=reasoning,
        output_audio_tokens=spoken,
        output_image_tokens=drawn,
    )


def encode_usage(usage: Usage) -> dict[str, Any]:
    """OpenAI's object: totals that include their details."""
    given = {"cached_tokens": usage.cache_read_tokens, "audio_tokens": usage.input_audio_tokens}
    if usage.cache_write_tokens:
        given["cache_write_tokens"] = usage.cache_write_tokens
    if usage.input_image_tokens:
        given["image_tokens"] = usage.input_image_tokens
    made = {"reasoning_tokens": usage.reasoning_tokens, "audio_tokens": usage.output_audio_tokens}
    if usage.output_image_tokens:
        made["image_tokens"] = usage.output_image_tokens
    return {
        "prompt_tokens": usage.total_input_tokens,
        "completion_tokens": usage.total_output_tokens,
        "total_tokens": usage.total_tokens,
        "prompt_tokens_details": given,
        "completion_tokens_details": made,
    }


def _first(*values: Count) -> int:
    """The first that counts anything."""
    return next((count for value in values if (count := _count(value))), 0)


def _count(value: Count) -> int:
    """A token count, whatever came: never negative, never a fraction, never beyond what can be real."""
    if value is None or not 0 < value < _MOST:  # also false for NaN
        return 0
    return int(value)
