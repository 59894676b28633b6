"""A chat stream's chunks, naming only what we read, as loosely as its many servers write them.

Shapes: `openai.types.chat.chat_completion_chunk` (SDK 3.54), and what Azure, Groq, OpenRouter, Mistral,
vLLM and Gemini's compatible endpoint add (read 2026-11-22).
"""

from typing import Any, Final

import msgspec

from passerelle.codecs.openai_chat.usage import WireUsage


class FunctionDelta(msgspec.Struct, gc=False):
    """`tool_calls[].function`, and the old `function_call`."""

    name: str | None = None
    arguments: str | dict[str, Any] | None = None
    """Some servers send the object itself."""


class CustomDelta(msgspec.Struct, gc=False):
    """`tool_calls[].custom`."""

    name: str | None = None
    input: str | None = None


class ToolCallDelta(msgspec.Struct, gc=False):
    """`tool_calls[]`."""

    index: int | None = None
    id: str | None = None
    type: str | None = None
    function: FunctionDelta | None = None
    custom: CustomDelta | None = None
    extra_content: dict[str, Any] | None = None


class AudioDelta(msgspec.Struct, gc=False):
    """`audio`."""

    id: str | None = None
    data: str | None = None
    transcript: str | None = None
    expires_at: int | None = None


class Delta(msgspec.Struct, gc=False):
    """`choices[].delta`."""

    content: str | list[Any] | None = None
    """A list of typed pieces in Mistral's reasoning models."""
    reasoning_content: str | None = None
    reasoning: Any = None
    """A string, where it is one of thoughts."""
    reasoning_details: list[Any] | None = None
    refusal: str | None = None
    tool_calls: list[ToolCallDelta] | None = None
    function_call: FunctionDelta | None = None
    audio: AudioDelta | None = None
    images: list[Any] | None = None
    annotations: list[Any] | None = None


class Choice(msgspec.Struct, gc=False):
    """`choices[]`."""

    index: int | None = None
    delta: Delta | None = None
    finish_reason: str | None = None
    logprobs: Any = None
    stop_reason: Any = None
    """vLLM: the stop sequence that was hit, or the token's number."""


class GroqExtra(msgspec.Struct, gc=False):
    """`x_groq`, where Groq reports usage unasked, and errors of a stream that has begun."""

    usage: WireUsage | None = None
    error: Any = None


class Chunk(msgspec.Struct, gc=False):
    """One event of a stream."""

    choices: list[Choice] | None = None
    model: str | None = None
    id: str | int | None = None
    usage: WireUsage | None = None
    error: Any = None
    x_groq: GroqExtra | None = None
    service_tier: str | None = None
    system_fingerprint: str | None = None
    citations: Any = None
    search_results: Any = None
    object: str | None = None
    message: Any = None
    code: Any = None
    type: Any = None


_chunk_decoder: Final = msgspec.json.Decoder(Chunk)
_any_decoder: Final = msgspec.json.Decoder()


def read_chunk(data: bytes) -> Chunk:
    """One event's data. Raises one of `BAD_JSON`.

    Figures in a shape nobody knows are no reason to lose an answer: they are left out.
    """
    try:
        return _chunk_decoder.decode(data)
    except msgspec.ValidationError:
        value = _any_decoder.decode(data)
        if not isinstance(value, dict) or not ("usage" in value or "x_groq" in value):
            raise
        return msgspec.convert({**value, "usage": None, "x_groq": None}, Chunk)
