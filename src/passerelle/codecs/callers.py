"""What a caller's own dialect calls a field that a codec could not carry.

A provider side knows a request as core does, so it reports losses in core's public words, which are for
the most part OpenAI Chat's (`stop`, `response_format`). A caller looks for what it wrote: names that differ
in its dialect stand here. A field inside another is named by its path (`generationConfig.topK`), a piece of
content by the word that marks its kind (`image`, `inlineData`), as the codecs name what they keep in `extra`.

`reasoning` is thoughts of the conversation that its next model cannot take; `reasoning.effort` and
`reasoning.summary` are what was asked of it now.

Where one name of ours may stand for two of the dialect's, none of them always right, the reported name
stays: Chat's `user` or `safety_identifier`, and Gemini's `inlineData` or `fileData`, of which the kind of
medium is said (`file`, `image`, `audio`, `video`).

Sources: the request types of openai 3.54 (`completion_create_params`, `response_create_params`), anthropic
2.12 (`message_create_params`) and google-genai 3.4.0 (`types.GenerateContentConfig`, `types.Part`), and the
service model of botocore 1.44.5 (`ConverseRequest`), read 2026-11-22.
"""

from collections.abc import Container, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from passerelle.core.request import Dialect

CALLERS_WORDS: Final[Mapping[Dialect, Mapping[str, str]]] = MappingProxyType(
    {
        "openai_chat": {
            "citations": "annotations",
            "image": "image_url",
            "json_schema": "response_format.json_schema",
            "reasoning.effort": "reasoning_effort",
            "response_format.schema": "response_format.json_schema.schema",
            "tools.format": "tools.custom.format",
            "video": "file",
        },
        "openai_responses": {
            "audio": "input_audio",
            "cache_control": "prompt_cache_breakpoint",
            "citations": "annotations",
            "file": "input_file",
            "image": "input_image",
            "image_url": "input_image",
            "json_schema": "text.format",
            "logprobs": "include",  # the only place to ask for them
            "max_tokens": "max_output_tokens",
            "response_format": "text.format",
            "response_format.json_schema": "text.format",
            "response_format.schema": "text.format.schema",
            "tool_calls": "function_call",
            "tool_results": "function_call_output",
            "verbosity": "text.verbosity",
            "video": "input_file",
        },
        "anthropic": {
            "file": "document",
            "filename": "title",
            "image_url": "image",
            "json_schema": "output_config.format",
            "parallel_tool_calls": "tool_choice.disable_parallel_tool_use",
            "reasoning": "thinking",
            "reasoning.effort": "thinking",
            "reasoning.summary": "thinking.display",
            "response_format": "output_config.format",
            "response_format.json_schema": "output_config.format",
            "response_format.schema": "output_config.format.schema",
            "stop": "stop_sequences",
            "tool_calls": "tool_use",
            "tool_results": "tool_result",
            "user": "metadata.user_id",
        },
        "gemini": {
            "file_id": "fileData",
            "filename": "displayName",
            "frequency_penalty": "generationConfig.frequencyPenalty",
            "image_url": "fileData",
            "input_audio": "audio",
            "json_schema": "generationConfig.responseSchema",
            "logprobs": "generationConfig.responseLogprobs",
            "max_tokens": "generationConfig.maxOutputTokens",
            "n": "generationConfig.candidateCount",
            "presence_penalty": "generationConfig.presencePenalty",
            "reasoning": "thought",
            "reasoning.effort": "generationConfig.thinkingConfig",
            "reasoning.summary": "generationConfig.thinkingConfig.includeThoughts",
            "response_format": "generationConfig.responseMimeType",  # JSON itself, with a schema or without
            "response_format.json_schema": "generationConfig.responseSchema",
            "response_format.schema": "generationConfig.responseSchema",
            "seed": "generationConfig.seed",
            "service_tier": "serviceTier",
            "stop": "generationConfig.stopSequences",
            "streamFunctionCallArguments": "toolConfig.functionCallingConfig.streamFunctionCallArguments",
            "system": "systemInstruction",
            "task_type": "taskType",
            "temperature": "generationConfig.temperature",
            "tool_calls": "functionCall",
            "tool_choice": "toolConfig.functionCallingConfig",
            "tool_results": "functionResponse",
            "top_k": "generationConfig.topK",
            "top_logprobs": "generationConfig.logprobs",
            "top_p": "generationConfig.topP",
        },
        "bedrock": {
            "cache_control": "cachePoint",
            "citations": "citationsContent",
            "file": "document",
            "filename": "document.name",
            "image_url": "image",
            "input_audio": "audio",
            "json_schema": "outputConfig.textFormat",
            "max_tokens": "inferenceConfig.maxTokens",
            "metadata": "requestMetadata",
            "reasoning": "reasoningContent",
            "reasoning.effort": "outputConfig.effort",
            "response_format": "outputConfig.textFormat",
            "response_format.json_schema": "outputConfig.textFormat",
            "response_format.schema": "outputConfig.textFormat",
            "service_tier": "serviceTier",
            "stop": "inferenceConfig.stopSequences",
            "strict": "toolConfig.tools.toolSpec.strict",
            "temperature": "inferenceConfig.temperature",
            "tool_calls": "toolUse",
            "tool_choice": "toolConfig.toolChoice",
            "tool_results": "toolResult",
            "tools": "toolConfig.tools",
            "top_k": "additionalModelRequestFields.top_k",
            "top_p": "inferenceConfig.topP",
        },
    }
)
"""For each dialect of a caller: the reported name → the caller's own, where they differ."""


def in_callers_words(dropped: tuple[str, ...], dialect: Dialect, own: Container[str] = ()) -> tuple[str, ...]:
    """`dropped` as a caller of `dialect` writes it: the order kept, each name once.

    `own` holds names the caller itself wrote (a request's `extra`), which stay: a Messages caller that
    sends a `stop` of its own is told of `stop`, not of a `stop_sequences` it never wrote.
    """
    words = CALLERS_WORDS[dialect]
    told = []
    for said in dropped:
        name, equals, value = said.partition("=")
        told.append((name if name in own else words.get(name, name)) + equals + value)
    return tuple(dict.fromkeys(told))


def listed(names: Sequence[str]) -> str:
    """`names` parted by commas, as many as a header holds; the last says how many had no room: `+12`."""
    said = ",".join(names)
    if len(said) <= _HEADER_CHARS:
        return said
    told: list[str] = []
    room = _HEADER_CHARS - len(f"+{len(names)}")
    for name in names:
        room -= len(name) + 1
        if room < 0:
            break
        told.append(name)
    return ",".join([*told, f"+{len(names) - len(told)}"])


_HEADER_CHARS: Final = 1_024
"""What is put into one header at most: clients and proxies refuse heads of a few kilobytes."""
