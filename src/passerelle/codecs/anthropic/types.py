"""The wire of Anthropic Messages, as typed structs that name only the fields someone reads.

Shapes: the types of the official Python SDK, `anthropic` 2.12 (`anthropic.types.Message`, `Usage`,
`MessageDeltaUsage`, `RawMessageStreamEvent`, `MessageCreateParams`; read 2026-11-22), and "Streaming
Messages" at platform.claude.com/docs/en/build-with-claude/streaming (read 2026-11-22).
"""

from typing import Annotated, Any, Literal

import msgspec

# ── a request, as the envelope reads it ────────────────────────────────────────────────────────────


class BlockSign(msgspec.Struct):
    """Of a content block, only what the envelope must know."""

    type: str
    signature: Any = None
    """A thinking block's: a string there, anything in blocks we do not know."""
    data: Any = None
    """A redacted thinking block's: likewise."""
    content: msgspec.Raw = msgspec.Raw()
    """A tool result's own blocks, or a string."""
    source: msgspec.Raw = msgspec.Raw()
    """Where a picture or document comes from."""
    citations: msgspec.Raw = msgspec.Raw()
    """Of words: where they come from."""


class SourceSign(msgspec.Struct):
    """Of a document's source, whether it is words, and their blocks."""

    type: str | None = None
    content: msgspec.Raw = msgspec.Raw()


class MessageSign(msgspec.Struct):
    """Of a message, its role and the signs of its blocks."""

    role: Literal["user", "assistant", "system"]
    content: str | list[BlockSign]


class ToolSign(msgspec.Struct, gc=False):
    """Of a tool, whether it is one of Anthropic's own."""

    type: str | None = None


class ThinkingSign(msgspec.Struct):
    """Of `thinking`, its mode, and how many tokens of it."""

    type: str = ""
    budget_tokens: Any = None


class OutputConfigSign(msgspec.Struct, gc=False):
    """Of `output_config`, whether a schema binds the answer, and whether an effort is asked for."""

    format: msgspec.Raw = msgspec.Raw()
    effort: Any = None


class MetadataSign(msgspec.Struct, gc=False):
    """Of `metadata`, the end user."""

    user_id: str | None = None


class CountEnvelope(msgspec.Struct):
    """What is read of a `count_tokens` request before it is sent on."""

    model: str
    messages: list[MessageSign]
    stream: bool | None = None
    system: msgspec.Raw = msgspec.Raw()
    tools: list[ToolSign] | None = None
    thinking: ThinkingSign | None = None
    output_config: OutputConfigSign | None = None
    output_format: msgspec.Raw = msgspec.Raw()
    metadata: MetadataSign | None = None
    max_tokens: int | None = None
    mcp_servers: msgspec.Raw = msgspec.Raw()
    temperature: Any = None
    top_p: Any = None
    top_k: Any = None
    tool_choice: Any = None
    container: msgspec.Raw = msgspec.Raw()
    inference_geo: str | None = None


class MessagesEnvelope(CountEnvelope, kw_only=True):
    """What is read of a Messages request before it is sent on: `max_tokens` is required there."""

    max_tokens: int


# ── usage ──────────────────────────────────────────────────────────────────────────────────────────


class CacheCreation(msgspec.Struct, gc=False):
    """Cache writes by how long they live."""

    ephemeral_5m_input_tokens: int | None = None
    ephemeral_1h_input_tokens: int | None = None


class OutputDetails(msgspec.Struct, gc=False):
    """What of `output_tokens` was thinking (SDK `OutputTokensDetails`: always ≤ `output_tokens`)."""

    thinking_tokens: int | None = None


class WireUsage(msgspec.Struct):
    """Token counts. In a stream each figure is cumulative and an absent one keeps its last value."""

    input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation: CacheCreation | None = None
    output_tokens: int | None = None
    output_tokens_details: OutputDetails | None = None


# ── answers ────────────────────────────────────────────────────────────────────────────────────────


class WireError(msgspec.Struct, gc=False):
    """An error's type and words, in a body or in a stream."""

    type: str | None = None
    message: str | None = None


class BlockStart(msgspec.Struct):
    """Of a block that begins, what the automaton needs."""

    type: str = ""
    text: str | None = None
    thinking: str | None = None
    name: Any = None
    """A tool's: a string there, anything in blocks we do not know."""


class Delta(msgspec.Struct):
    """More of a block, or of the message (`message_delta`)."""

    type: str = ""
    text: str | None = None
    partial_json: str | None = None
    thinking: str | None = None
    signature: str | None = None
    citation: dict[str, Any] | None = None
    stop_reason: str | None = None
    stop_sequence: str | None = None


class StartMessage(msgspec.Struct):
    """The message of `message_start`."""

    id: str | None = None
    model: str | None = None
    usage: WireUsage | None = None


class StreamEvent(msgspec.Struct):
    """Any event of a stream."""

    type: str = ""
    index: int = 0
    delta: Delta | None = None
    content_block: BlockStart | None = None
    message: StartMessage | None = None
    usage: WireUsage | None = None
    error: WireError | None = None


class WatchedBlock(msgspec.Struct, gc=False):
    """Of a block in a whole answer, whether it holds anything."""

    type: str = ""
    text: str | None = None


class WatchedMessage(msgspec.Struct):
    """Of a whole answer, what the road reads."""

    type: str = ""
    model: str | None = None
    content: list[WatchedBlock] | None = None
    stop_reason: str | None = None
    usage: WireUsage | None = None
    error: WireError | None = None


class TokenCount(msgspec.Struct, gc=False):
    """The answer of the counting endpoint."""

    input_tokens: Annotated[int, msgspec.Meta(ge=0)]
