"""A whole answer, in no dialect."""

from typing import Any, Literal

import msgspec

from passerelle.core.message import Extra, Part
from passerelle.core.usage import NO_USAGE, Usage

FinishReason = Literal[
    "stop",  # the model was done, or hit a stop sequence
    "length",  # the output limit was reached
    "tool_calls",  # tools are to be called
    "refusal",  # the model declined (Anthropic `refusal`)
    "content_filter",  # a filter cut it (OpenAI `content_filter`, Gemini `SAFETY`…)
    "pause",  # the provider's long turn pauses and wants to be continued (Anthropic `pause_turn`)
    "context",  # the model's context window was full (Anthropic `model_context_window_exceeded`)
    "malformed_tool_call",  # the model tried to call a tool and failed (Gemini)
    "incomplete",  # cut by a failure after content was delivered; only ever said by us
]


class Response(msgspec.Struct, frozen=True, omit_defaults=True):
    """The one answer to a `Request`.

    `parts` holds text, reasoning, refusals, tool calls and generated images or audio in the order
    the model gave them.
    """

    parts: tuple[Part, ...]
    finish: FinishReason
    model: str = ""
    """The model that answered, in the provider's words; empty if it did not say."""
    id: str | None = None
    usage: Usage = NO_USAGE
    stop_sequence: str | None = None
    service_tier: str | None = None
    raw_finish: str | None = None
    """The provider's own word for why it stopped."""
    logprobs: Any = None
    extra: Extra = None


class EmbedResponse(msgspec.Struct, frozen=True, omit_defaults=True):
    """Vectors, in the order of the inputs."""

    vectors: tuple[tuple[float, ...] | str, ...]
    """Floats, or base64 of little-endian float32 when the caller asked for that and got it."""
    model: str = ""
    usage: Usage = NO_USAGE
