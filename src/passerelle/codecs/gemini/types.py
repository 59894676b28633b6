"""The messages of the Gemini API, as far as this gateway reads them.

Shapes from the `google-genai` SDK 3.4.0 (`google/genai/types.py`) and ai.google.dev/api/generate-content,
both read 2026-11-22. Fields typed `Any` are known but only carried: naming them keeps the decoder on its
fast way, and `OPAQUE` says under which name they travel.
"""

from typing import Any, ClassVar

import msgspec

from passerelle.codecs.gemini.wire import Wire


class Blob(Wire, frozen=True):
    """Inline media, base64 in either alphabet."""

    mime_type: str | None = None
    data: str | None = None
    display_name: str | None = None


class FileData(Wire, frozen=True):
    """Media by URI: a Files API name, `gs://`, YouTube, or any public URL."""

    mime_type: str | None = None
    file_uri: str | None = None
    display_name: str | None = None


class FunctionCall(Wire, frozen=True):
    """The model asks for a function."""

    id: str | None = None
    name: str | None = None
    args: msgspec.Raw = msgspec.Raw()
    """An object, kept as it was written; empty when there is none."""
    partial_args: Any = None
    will_continue: bool | None = None


class FunctionResponsePart(Wire, frozen=True):
    """Media a function answered with."""

    inline_data: Blob | None = None
    file_data: FileData | None = None


class FunctionResponse(Wire, frozen=True):
    """What a function answered."""

    id: str | None = None
    name: str | None = None
    response: dict[str, Any] | None = None
    parts: list[FunctionResponsePart] | None = None


class Part(Wire, frozen=True):
    """A piece of content; at most one of its data fields is set."""

    text: str | None = None
    thought: bool | None = None
    thought_signature: str | None = None
    inline_data: Blob | None = None
    file_data: FileData | None = None
    function_call: FunctionCall | None = None
    function_response: FunctionResponse | None = None
    executable_code: Any = None
    code_execution_result: Any = None
    tool_call: Any = None
    tool_response: Any = None
    video_metadata: Any = None
    media_resolution: Any = None
    part_metadata: Any = None

    OPAQUE: ClassVar[tuple[tuple[str, str], ...]] = (
        ("executable_code", "executableCode"),
        ("code_execution_result", "codeExecutionResult"),
        ("tool_call", "toolCall"),
        ("tool_response", "toolResponse"),
        ("video_metadata", "videoMetadata"),
        ("media_resolution", "mediaResolution"),
        ("part_metadata", "partMetadata"),
    )


class Content(Wire, frozen=True):
    """One turn."""

    role: str | None = None
    parts: list[Part] | None = None

    BARE_LIST: ClassVar[str | None] = "parts"


# -- requests -------------------------------------------------------------------------------------------


class FunctionDeclaration(Wire, frozen=True):
    """A function the model may call; `parameters` is Google's own Schema, the other one JSON Schema."""

    name: str | None = None
    description: str | None = None
    parameters: dict[str, Any] | None = None
    parameters_json_schema: Any = None


class Tool(Wire, frozen=True):
    """Functions, or (in `extra`, by name) a tool that runs at Google."""

    function_declarations: list[FunctionDeclaration] | None = None


class FunctionCallingConfig(Wire, frozen=True):
    """Whether, and which, function must be called."""

    mode: str | None = None
    allowed_function_names: list[str] | None = None


class ToolConfig(Wire, frozen=True):
    """Settings of all tools together."""

    function_calling_config: FunctionCallingConfig | None = None


class ThinkingConfig(Wire, frozen=True):
    """How much to think. `thinking_budget`: tokens, 0 off, -1 the model decides."""

    thinking_budget: int | None = None
    thinking_level: str | None = None
    include_thoughts: bool | None = None


class GenerationConfig(Wire, frozen=True):
    """How to answer."""

    max_output_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: float | None = None
    candidate_count: int | None = None
    stop_sequences: list[str] | None = None
    seed: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    response_logprobs: bool | None = None
    logprobs: int | None = None
    response_mime_type: str | None = None
    response_schema: dict[str, Any] | None = None
    response_json_schema: Any = None
    thinking_config: ThinkingConfig | None = None


class GenerateContentRequest(Wire, frozen=True):
    """The body of generateContent and streamGenerateContent; the model stands in the path."""

    model: str | None = None
    contents: list[Content] | None = None
    system_instruction: Content | None = None
    tools: list[Tool] | None = None
    tool_config: ToolConfig | None = None
    generation_config: GenerationConfig | None = None
    service_tier: str | None = None


class CountTokensRequest(GenerateContentRequest, frozen=True):
    """The body of countTokens: bare contents, or a whole request (Vertex takes its fields at the top)."""

    generate_content_request: GenerateContentRequest | None = None


# -- answers --------------------------------------------------------------------------------------------


class ModalityTokens(Wire, frozen=True, forbid_unknown_fields=False):
    """Tokens of one kind of media."""

    modality: str | None = None
    token_count: int | None = None


class UsageMetadata(Wire, frozen=True, forbid_unknown_fields=False):
    """What an answer used. `prompt_token_count` includes the cached; candidates exclude thoughts."""

    prompt_token_count: int | None = None
    cached_content_token_count: int | None = None
    candidates_token_count: int | None = None
    thoughts_token_count: int | None = None
    tool_use_prompt_token_count: int | None = None
    total_token_count: int | None = None
    prompt_tokens_details: list[ModalityTokens] | None = None
    cache_tokens_details: list[ModalityTokens] | None = None
    candidates_tokens_details: list[ModalityTokens] | None = None
    tool_use_prompt_tokens_details: Any = None
    traffic_type: str | None = None
    service_tier: str | None = None


class Citation(Wire, frozen=True):
    """A source of some of the words."""

    start_index: int | None = None
    end_index: int | None = None
    uri: str | None = None
    title: str | None = None
    license: str | None = None


class CitationMetadata(Wire, frozen=True):
    """The sources of a candidate."""

    citations: list[Citation] | None = None
    citation_sources: list[Citation] | None = None
    """The name v1beta first gave them (ai.google.dev/api/generate-content#citationmetadata)."""


class LogprobsCandidate(Wire, frozen=True):
    """A token and how likely it was."""

    token: str | None = None
    token_id: int | None = None
    log_probability: float | None = None


class TopCandidates(Wire, frozen=True):
    """The likeliest tokens of one step."""

    candidates: list[LogprobsCandidate] | None = None


class LogprobsResult(Wire, frozen=True):
    """Log probabilities, step by step."""

    chosen_candidates: list[LogprobsCandidate] | None = None
    top_candidates: list[TopCandidates] | None = None
    log_probability_sum: float | None = None


class Candidate(Wire, frozen=True):
    """One answer."""

    content: Content | None = None
    finish_reason: str | None = None
    index: int | None = None
    citation_metadata: CitationMetadata | None = None
    logprobs_result: LogprobsResult | None = None
    safety_ratings: Any = None
    grounding_metadata: Any = None
    url_context_metadata: Any = None
    avg_logprobs: Any = None
    token_count: Any = None
    finish_message: str | None = None
    continuation_token: str | None = None

    OPAQUE: ClassVar[tuple[tuple[str, str], ...]] = (
        ("safety_ratings", "safetyRatings"),
        ("grounding_metadata", "groundingMetadata"),
        ("url_context_metadata", "urlContextMetadata"),
        ("avg_logprobs", "avgLogprobs"),
        ("token_count", "tokenCount"),
        ("finish_message", "finishMessage"),
        ("continuation_token", "continuationToken"),
    )


class PromptFeedback(Wire, frozen=True):
    """Why a prompt was not answered."""

    block_reason: str | None = None
    block_reason_message: str | None = None
    safety_ratings: Any = None


class ErrorInfo(Wire, frozen=True, forbid_unknown_fields=False):
    """Google's error (google.rpc.Status in JSON)."""

    code: int | None = None
    message: str | None = None
    status: str | None = None
    details: Any = None


class GenerateContentResponse(Wire, frozen=True):
    """A whole answer, or one chunk of a stream."""

    candidates: list[Candidate] | None = None
    prompt_feedback: PromptFeedback | None = None
    usage_metadata: UsageMetadata | None = None
    model_version: str | None = None
    response_id: str | None = None
    create_time: Any = None
    model_status: Any = None
    error: ErrorInfo | None = None

    OPAQUE: ClassVar[tuple[tuple[str, str], ...]] = (
        ("create_time", "createTime"),
        ("model_status", "modelStatus"),
    )


class CountTokensResponse(Wire, frozen=True):
    """The size of a prompt."""

    total_tokens: int | None = None
    error: ErrorInfo | None = None


def opaque(value: Part | Candidate | GenerateContentResponse) -> dict[str, Any]:
    """What `value` carries that we do not read, by its wire names."""
    kept = dict(value.extra) if value.extra else {}
    for attribute, name in value.OPAQUE:
        held = getattr(value, attribute)
        if held is not None:
            kept[name] = held
    return kept
