"""A streamed answer, in no dialect: the events between first byte and last.

The order is a grammar, and codecs on both sides keep to it:

    stream  = Started part* UsageReported? Finished            a complete answer
            | Started part* PartDelta* Failed                  an honest failure
            | Failed
    part    = PartStarted(i) PartDelta(i)* PartEnded(i)

Parts may interleave (OpenAI's parallel tool calls do); encoders of dialects that forbid it reorder by
holding back. `UsageReported` may come early and again: the last one counts, whole, and always stands
before `Finished`. A decoder that reaches the end of its input without the dialect's terminal event
gives `Failed`, never `Finished`.
"""

from typing import Any, Literal

import msgspec

from passerelle.core.errors import FailureKind
from passerelle.core.message import Extra
from passerelle.core.response import FinishReason
from passerelle.core.usage import Usage

PartKind = Literal["text", "reasoning", "refusal", "tool_call", "image", "audio"]


class Started(msgspec.Struct, frozen=True, tag=True):
    """The provider accepted and named itself. Not content: held back until content comes."""

    model: str = ""
    id: str | None = None
    usage: Usage | None = None
    """Input counted already (Anthropic says it at the start)."""
    extra: Extra = None


class PartStarted(msgspec.Struct, frozen=True, tag=True):
    """Part `index` begins. Indices count from 0 and are never reused within an answer."""

    index: int
    kind: PartKind
    id: str | None = None
    """The tool call's id, or the reasoning item's."""
    name: str | None = None
    """The tool's name, for `tool_call`."""
    tool_kind: Literal["function", "custom"] = "function"
    origin: str | None = None
    """For `reasoning`, and for a signed call: the dialect that made it, which alone can read its
    signature or encrypted text."""
    media_type: str | None = None
    extra: Extra = None


class PartDelta(msgspec.Struct, frozen=True, tag=True):
    """More of part `index`: words, argument text, base64 data, or a signature."""

    index: int
    text: str = ""
    """Words; JSON text for `tool_call`; base64 for `image` and `audio`."""
    signature: str | None = None
    encrypted: str | None = None
    citation: dict[str, Any] | None = None
    logprobs: Any = None


class PartEnded(msgspec.Struct, frozen=True, tag=True):
    """Part `index` is whole."""

    index: int
    extra: Extra = None
    transcript: str | None = None
    """What was spoken in it, for `audio` whose provider wrote it down."""


class UsageReported(msgspec.Struct, frozen=True, tag=True):
    """The provider's count so far; replaces any earlier one."""

    usage: Usage


class Finished(msgspec.Struct, frozen=True, tag=True):
    """The answer is complete, by the dialect's own rules."""

    finish: FinishReason
    stop_sequence: str | None = None
    raw_finish: str | None = None
    service_tier: str | None = None
    extra: Extra = None


class Failed(msgspec.Struct, frozen=True, tag=True):
    """The answer ended, or was cut, without being complete."""

    failure: FailureKind
    message: str
    status: int | None = None
    """The status the provider gave for it in the stream, if any (529 for Anthropic's overloaded)."""
    code: str | None = None


Event = Started | PartStarted | PartDelta | PartEnded | UsageReported | Finished | Failed
