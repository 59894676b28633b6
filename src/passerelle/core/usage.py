"""Usage: disjoint buckets, the same for every provider.

Providers count differently. OpenAI's `prompt_tokens` includes cached tokens and `completion_tokens`
includes reasoning; Anthropic's `input_tokens` excludes both cache reads and cache writes; Gemini's
`promptTokenCount` includes cached tokens and `candidatesTokenCount` excludes thoughts. Each codec
turns its provider's figures into these buckets once, so that no token is priced twice or never.
The buckets are disjoint and `total_tokens` is the sum of those that count tokens.

What is not billed in tokens has buckets of its own: pictures by the piece or by their pixels, speech by the
character, sound by its length, searches by number. A provider that tells tokens for such work fills those
instead, and a price names either, so that nothing is paid twice.
"""

from collections.abc import Callable
from operator import attrgetter
from typing import Literal

import msgspec

UsageSource = Literal["provider", "estimated", "none"]

_END_TOKENS = 2


class Usage(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What one attempt used. Every figure is ≥ 0, and a count of tokens unless its name says otherwise."""

    input_tokens: int = 0
    """Uncached text (and whatever the provider does not count apart) sent to the model."""
    cache_read_tokens: int = 0
    """Input served from the provider's prompt cache."""
    cache_write_5m_tokens: int = 0
    """Input written to the provider's cache for five minutes (also where a provider names no time)."""
    cache_write_1h_tokens: int = 0
    """Input written to the provider's cache for an hour."""
    input_audio_tokens: int = 0
    """Uncached audio input, where the provider counts it apart."""
    input_image_tokens: int = 0
    """Uncached image input, where the provider counts it apart."""
    output_tokens: int = 0
    """Visible text and tool calls produced by the model, reasoning left out."""
    reasoning_tokens: int = 0
    """Hidden or shown reasoning, where the provider counts it; priced as output unless priced apart."""
    output_audio_tokens: int = 0
    """Audio output, where the provider counts it apart."""
    output_image_tokens: int = 0
    """Image output, where the provider counts it apart."""
    output_images: int = 0
    """Pictures made, where they are not counted in tokens."""
    input_characters: int = 0
    """Characters spoken, where speech is not counted in tokens."""
    input_audio_ms: int = 0
    """Milliseconds of sound heard, where it is not counted in tokens."""
    searches: int = 0
    """Rankings of up to a hundred documents each (Cohere's `search_units`)."""
    image_pixels: int = 0
    """Pixels of pictures given and made, where they are billed by the megapixel, rounded as their provider
    does."""
    source: UsageSource = "provider"
    """Whose figures these are: the provider's, our estimate, or none (nothing was processed)."""

    @property
    def cache_write_tokens(self) -> int:
        """All input written to a cache."""
        return self.cache_write_5m_tokens + self.cache_write_1h_tokens

    @property
    def total_input_tokens(self) -> int:
        """Everything that went in: uncached, cached, audio and images."""
        return sum(_into(self))

    @property
    def total_output_tokens(self) -> int:
        """Everything that came out, reasoning included."""
        return sum(_out_of(self))

    @property
    def explains_silence(self) -> bool:
        """An answer without content can be all that was made: thoughts, or the token or two that end a turn.
        Counted as nothing, or as words that never came, it is none.
        """
        return self.output_tokens <= _END_TOKENS and self.total_output_tokens > 0

    @property
    def total_tokens(self) -> int:
        """The sum of all buckets that count tokens."""
        return sum(_into(self)) + sum(_out_of(self))

    def __add__(self, other: "Usage") -> "Usage":
        """Bucket by bucket; the sum is `estimated` as soon as one side is."""
        source: UsageSource = "provider"
        if "estimated" in (self.source, other.source):
            source = "estimated"
        elif self.source == other.source == "none":
            source = "none"
        return Usage(**{b: getattr(self, b) + getattr(other, b) for b in BUCKETS}, source=source)


_into: Callable[[Usage], tuple[int, ...]] = attrgetter(
    "input_tokens", "cache_read_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens",
    "input_audio_tokens", "input_image_tokens",
)  # fmt: skip
_out_of: Callable[[Usage], tuple[int, ...]] = attrgetter(
    "output_tokens", "reasoning_tokens", "output_audio_tokens", "output_image_tokens"
)
# Totals are asked for several times a request: this takes them in two steps instead of a dozen.

BUCKETS = tuple(name for name in Usage.__struct_fields__ if name != "source")
"""The names of the disjoint buckets, in the order of `Usage`'s fields: first those that count tokens."""

TOKENS = tuple(name for name in BUCKETS if name.endswith("_tokens"))
"""The buckets that count tokens."""

UNITS = BUCKETS[len(TOKENS) :]
"""The buckets that count something else."""

NO_USAGE = Usage(source="none")
"""Nothing was processed: a refusal before the provider, or a failed connection."""
