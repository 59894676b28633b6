"""The wire of Converse, as typed structs that name only the fields someone reads.

Shapes: the service model of botocore 1.44.5 (`bedrock-runtime/2023-09-30/service-2.json`: `ConverseRequest`,
`ConverseResponse`, `ConverseStreamOutput`, `CountTokensRequest`; read 2026-11-22), and "Converse" and
"ConverseStream" of docs.aws.amazon.com/bedrock/latest/APIReference (read 2026-11-22). Blobs are base64.
"""

from typing import Annotated, Any

import msgspec

_ABSENT = msgspec.Raw()

# ── a request, as the envelope reads it ────────────────────────────────────────────────────────────


class SourceSign(msgspec.Struct, rename="camel"):
    """Of a medium's source, how large it is and whether it is words."""

    bytes: msgspec.Raw = _ABSENT
    text: msgspec.Raw = _ABSENT
    content: msgspec.Raw = _ABSENT


class MediaSign(msgspec.Struct, rename="camel"):
    """Of an image, document, video or sound, its format and source."""

    format: str | None = None
    source: SourceSign | None = None


class ThoughtSign(msgspec.Struct, rename="camel"):
    """Of a thought, its proof."""

    signature: str | None = None


class ReasoningSign(msgspec.Struct, rename="camel"):
    """Of reasoning, what may be ours under seal."""

    reasoning_text: ThoughtSign | None = None
    redacted_content: str | None = None


class ResultSign(msgspec.Struct, rename="camel"):
    """Of a tool's result, the blocks in it."""

    content: "list[BlockSign]" = []


class BlockSign(msgspec.Struct, rename="camel"):
    """Of a content block, only what the envelope must know."""

    image: MediaSign | None = None
    document: MediaSign | None = None
    video: MediaSign | None = None
    audio: MediaSign | None = None
    tool_result: ResultSign | None = None
    reasoning_content: ReasoningSign | None = None


class MessageSign(msgspec.Struct):
    """Of a message, its role and the signs of its blocks."""

    role: str
    content: list[BlockSign]


class ToolSign(msgspec.Struct, rename="camel"):
    """Of a tool, whether it is one of Amazon's own."""

    system_tool: msgspec.Raw = _ABSENT
    tool_spec: msgspec.Raw = _ABSENT


class ToolsSign(msgspec.Struct, rename="camel"):
    """The tools, and whether one must be called."""

    tools: list[ToolSign] = []
    tool_choice: Any = None


class InferenceSign(msgspec.Struct, rename="camel"):
    """The limit and the sampling settings, as they were written."""

    max_tokens: int | None = None
    temperature: Any = None
    top_p: Any = msgspec.field(default=None, name="topP")
    stop_sequences: Any = None


class OutputSign(msgspec.Struct, rename="camel"):
    """Whether a schema binds the answer, and the effort."""

    text_format: msgspec.Raw = _ABSENT
    effort: Any = None


class ConverseSign(msgspec.Struct, rename="camel"):
    """What is read of a Converse request before it is sent on."""

    messages: list[MessageSign] = []
    inference_config: InferenceSign | None = None
    tool_config: ToolsSign | None = None
    output_config: OutputSign | None = None
    service_tier: Any = None
    additional_model_request_fields: msgspec.Raw = _ABSENT
    prompt_variables: msgspec.Raw = _ABSENT


class CountInput(msgspec.Struct, rename="camel"):
    """What is to be counted: a Converse request, or the body of an InvokeModel call."""

    converse: ConverseSign | None = None
    invoke_model: msgspec.Raw = _ABSENT


class CountSign(msgspec.Struct):
    """A CountTokens request."""

    input: CountInput


# ── usage ──────────────────────────────────────────────────────────────────────────────────────────


class CacheDetail(msgspec.Struct, rename="camel", gc=False):
    """Cache writes of one lifetime."""

    ttl: str = ""
    input_tokens: int = 0


class WireUsage(msgspec.Struct, rename="camel"):
    """Token counts."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_write_input_tokens: int | None = None
    cache_details: list[CacheDetail] | None = None


# ── answers ────────────────────────────────────────────────────────────────────────────────────────


class RouterTrace(msgspec.Struct, rename="camel"):
    """Which model a prompt router took."""

    invoked_model_id: str | None = None


class Trace(msgspec.Struct, rename="camel"):
    """Of a trace, what tells the model."""

    prompt_router: RouterTrace | None = None


class Tier(msgspec.Struct):
    """A service tier."""

    type: str = ""


class ToolUseStart(msgspec.Struct, rename="camel"):
    """A tool call that begins."""

    tool_use_id: str = ""
    name: str = ""
    type: str | None = None


class BlockStart(msgspec.Struct, rename="camel"):
    """A block that begins; text and thoughts begin without one."""

    tool_use: ToolUseStart | None = None
    tool_result: dict[str, Any] | None = None
    image: dict[str, Any] | None = None


class ToolUseDelta(msgspec.Struct):
    """More of a call's arguments, as JSON text."""

    input: str = ""


class ReasoningDelta(msgspec.Struct, rename="camel"):
    """More of a thought."""

    text: str | None = None
    signature: str | None = None
    redacted_content: str | None = None


class ImageSource(msgspec.Struct):
    """A picture's bytes."""

    bytes: str | None = None


class ImageDelta(msgspec.Struct):
    """More of a picture."""

    source: ImageSource | None = None


class Delta(msgspec.Struct, rename="camel"):
    """More of a block."""

    text: str | None = None
    tool_use: ToolUseDelta | None = None
    reasoning_content: ReasoningDelta | None = None
    citation: dict[str, Any] | None = None
    image: ImageDelta | None = None
    tool_result: list[Any] | None = None


class StreamEvent(msgspec.Struct, rename="camel"):
    """The payload of any event of a stream."""

    content_block_index: int = 0
    start: BlockStart | None = None
    delta: Delta | None = None
    stop_reason: str | None = None
    usage: WireUsage | None = None
    trace: Trace | None = None
    service_tier: Tier | None = None
    message: str | None = None
    """An exception's words."""
    original_message: str | None = None


class WatchedBlock(msgspec.Struct, rename="camel"):
    """Of a block in a whole answer, whether it holds anything."""

    text: str | None = None
    tool_use: ToolUseStart | None = None
    reasoning_content: msgspec.Raw = _ABSENT
    image: msgspec.Raw = _ABSENT
    citations_content: msgspec.Raw = _ABSENT
    tool_result: msgspec.Raw = _ABSENT


class WatchedMessage(msgspec.Struct):
    """The message of a whole answer."""

    content: list[WatchedBlock] | None = None


class WatchedOutput(msgspec.Struct):
    """The output of a whole answer."""

    message: WatchedMessage | None = None


class WatchedAnswer(msgspec.Struct, rename="camel"):
    """Of a whole answer, what the road reads."""

    output: WatchedOutput | None = None
    stop_reason: str | None = None
    usage: WireUsage | None = None
    trace: Trace | None = None
    service_tier: Tier | None = None
    message: str | None = None


class TokenCount(msgspec.Struct, rename="camel", gc=False):
    """The answer of CountTokens."""

    input_tokens: Annotated[int, msgspec.Meta(ge=0)]
