"""What is left out is named as the caller's own dialect writes it."""

import json
from collections.abc import Iterator
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.codecs import registry
from passerelle.codecs.base import QUIRKS, PathTarget, Target
from passerelle.codecs.callers import CALLERS_WORDS, in_callers_words, listed
from passerelle.core.model import Capability
from passerelle.core.request import Dialect

DIALECTS: tuple[Dialect, ...] = get_args(Dialect)
SCHEMA = {"type": "object", "properties": {"a": {"type": "string", "minLength": 2}}}
PNG = "iVBORw0KGgo="
STOPS = ["A", "B", "C", "D", "E", " "]

ASKED: dict[Dialect, dict[str, Any]] = {
    "openai_chat": {
        "model": "m",
        "messages": [
            {"role": "user", "name": "ann", "content": [
                {"type": "text", "text": "Look.", "cache_control": {"type": "ephemeral"}},
                {"type": "image_url", "image_url": {"url": "https://a.example/i.png", "detail": "low"}},
                {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}},
                {"type": "file", "file": {"file_id": "file-1"}},
                {"type": "file", "file": {"filename": "a.mp4", "file_data": "data:video/mp4;base64,AAAA"}},
            ]},
            {"role": "assistant", "content": "Yes.", "reasoning": "Hm.", "annotations": [
                {"type": "url_citation", "url_citation": {"url": "https://a.example"}}]},
            {"role": "user", "content": "And?"},
        ],
        "tools": [
            {"type": "custom", "custom": {"name": "c", "format": {
                "type": "grammar", "grammar": {"syntax": "regex", "definition": "a"}}}},
            {"type": "function", "function": {"name": "f", "parameters": SCHEMA, "strict": True}},
        ],
        "tool_choice": {"type": "function", "function": {"name": "g"}},
        "parallel_tool_calls": False,
        "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}},
        "temperature": 1.5, "top_p": 0.5, "top_k": 3, "seed": 1 << 40, "stop": STOPS, "n": 2,
        "presence_penalty": 1, "frequency_penalty": 1, "logit_bias": {"1": 2}, "logprobs": True,
        "top_logprobs": 2, "reasoning_effort": "high", "verbosity": "low", "user": "u",
        "metadata": {"k": "v"}, "prompt_cache_key": "k", "service_tier": "scale", "store": True,
    },
    "openai_responses": {
        "model": "m",
        "input": [
            {"role": "user", "content": [
                {"type": "input_text", "text": "Look.", "prompt_cache_breakpoint": {"mode": "explicit"}},
                {"type": "input_image", "image_url": "https://a.example/i.png", "detail": "low"},
                {"type": "input_image", "file_id": "file-2"},
                {"type": "input_file", "file_id": "file-1"},
                {"type": "input_file", "filename": "a.mp4", "file_data": "data:video/mp4;base64,AAAA"},
            ]},
            {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "g"},
            {"role": "assistant", "content": [{"type": "output_text", "text": "Yes.", "annotations": [
                {"type": "url_citation", "url": "https://a.example"}]}]},
            {"role": "user", "content": "And?"},
        ],
        "tools": [
            {"type": "custom", "name": "c", "format": {
                "type": "grammar", "syntax": "regex", "definition": "a"}},
            {"type": "function", "name": "f", "parameters": SCHEMA, "strict": True},
            {"type": "web_search"},
        ],
        "tool_choice": {"type": "function", "name": "g"},
        "parallel_tool_calls": False,
        "text": {"format": {"type": "json_schema", "name": "n", "schema": SCHEMA}, "verbosity": "low"},
        "include": ["message.output_text.logprobs"], "top_logprobs": 2, "temperature": 1.5, "top_p": 0.5,
        "max_output_tokens": 4, "reasoning": {"effort": "high", "summary": "auto"}, "user": "u",
        "metadata": {"k": "v"}, "prompt_cache_key": "k", "service_tier": "scale", "truncation": "auto",
    },
    "anthropic": {
        "model": "m",
        "max_tokens": 4,
        "system": [{"type": "text", "text": "S.", "cache_control": {"type": "ephemeral"}}],
        "messages": [
            {"role": "user", "content": [
                {"type": "image", "source": {"type": "url", "url": "https://a.example/i.png"}},
                {"type": "image", "source": {"type": "file", "file_id": "file_2"}},
                {"type": "document", "source": {"type": "url", "url": "https://a.example/d.pdf"}},
                {"type": "document", "title": "d", "citations": {"enabled": True},
                 "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0x"}},
            ]},
            {"role": "assistant", "content": [
                {"type": "thinking", "thinking": "Hm.", "signature": "s"}, {"type": "text", "text": "Yes."}]},
            {"role": "user", "content": "And?"},
        ],
        "tools": [{"name": "f", "input_schema": SCHEMA, "strict": True}],
        "tool_choice": {"type": "tool", "name": "g", "disable_parallel_tool_use": True},
        "thinking": {"type": "enabled", "budget_tokens": 1024, "display": "summarized"},
        "output_config": {"format": {"type": "json_schema", "schema": SCHEMA}},
        "temperature": 0.5, "top_p": 0.5, "top_k": 3, "stop_sequences": STOPS,
        "metadata": {"user_id": "u"}, "service_tier": "standard_only",
    },
    "gemini": {
        "systemInstruction": {"parts": [{"text": "S."}]},
        "contents": [
            {"role": "user", "parts": [
                {"fileData": {"mimeType": "image/png", "fileUri": "https://a.example/i.png"}},
                {"fileData": {"mimeType": "application/pdf", "fileUri":
                    "https://generativelanguage.googleapis.com/v1beta/files/x", "displayName": "d"}},
            ]},
            {"role": "model", "parts": [{"text": "Hm.", "thought": True}, {"text": "Yes."}]},
            {"role": "user", "parts": [{"text": "And?"}]},
        ],
        "tools": [{"functionDeclarations": [{"name": "f", "parametersJsonSchema": SCHEMA}]}],
        "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["g"]}},
        "generationConfig": {
            "responseMimeType": "application/json", "responseSchema": {"type": "OBJECT"},
            "maxOutputTokens": 4, "temperature": 1.5, "topP": 0.5, "topK": 3, "seed": 1 << 30,
            "stopSequences": STOPS, "presencePenalty": 1, "frequencyPenalty": 1, "candidateCount": 2,
            "responseLogprobs": True, "logprobs": 2,
            "thinkingConfig": {"thinkingBudget": 1024, "includeThoughts": True},
        },
        "serviceTier": "flex",
    },
    "bedrock": {
        "system": [{"text": "S."}, {"cachePoint": {"type": "default"}},
                   {"guardContent": {"text": {"text": "G"}}}],
        "messages": [
            {"role": "user", "content": [
                {"image": {"format": "png", "source": {"s3Location": {"uri": "s3://bucket/i.png"}}}},
                {"document": {"format": "docx", "name": "d", "source": {"bytes": "AAAA"}, "context": "c",
                              "citations": {"enabled": True}}},
                {"video": {"format": "mp4", "source": {"bytes": "AAAA"}}},
                {"audio": {"format": "wav", "source": {"bytes": "AAAA"}}},
                {"searchResult": {"source": "s", "title": "t", "content": [{"text": "w"}]}},
                {"text": "Look."},
            ]},
            {"role": "assistant", "content": [
                {"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": "s"}}},
                {"citationsContent": {"content": [{"text": "Yes."}],
                                      "citations": [{"location": {"web": {"url": "https://a.example"}}}]}}]},
            {"role": "user", "content": [{"text": "And?"}]},
        ],
        "toolConfig": {
            "tools": [
                {"toolSpec": {"name": "f", "inputSchema": {"json": SCHEMA}, "strict": True}},
                {"systemTool": {"name": "nova_grounding"}},
            ],
            "toolChoice": {"tool": {"name": "g"}},
        },
        "inferenceConfig": {"maxTokens": 4, "temperature": 0.5, "topP": 0.5, "stopSequences": STOPS},
        "additionalModelRequestFields": {
            "thinking": {"type": "enabled", "budget_tokens": 1024}, "top_k": 3, "anthropic_beta": ["b"]},
        "additionalModelResponseFieldPaths": ["/stop_sequence"],
        "outputConfig": {"effort": "high", "textFormat": {"type": "json_schema", "structure": {
            "jsonSchema": {"name": "n", "schema": json.dumps(SCHEMA)}}}},
        "guardrailConfig": {"guardrailIdentifier": "g", "guardrailVersion": "1"},
        "performanceConfig": {"latency": "optimized"},
        "requestMetadata": {"k": "v"}, "serviceTier": {"type": "reserved"},
    },
}  # fmt: skip
"""As much as can be asked at once of each dialect."""

TARGETS = [
    Target("m", capabilities=frozenset(get_args(Capability))),
    Target("m", capabilities=frozenset({"tools"})),
    Target("gemini-2.0-flash"),
    Target("claude-3-5-haiku-latest", quirks=frozenset(QUIRKS)),
]

MEDIA = {"file", "image", "audio", "video"}
"""What Gemini's callers hear of media, which may stand in `inlineData` or in `fileData`."""


def words_of(value: Any) -> Iterator[str]:
    """Every key in a body, and what its `type`s say."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from words_of(inner)
        for kind in (value.get("type"), value.get("name")):
            if isinstance(kind, str):
                yield kind
    elif isinstance(value, list):
        for inner in value:
            yield from words_of(inner)


def losses(ours: Dialect, theirs: Dialect, target: Target) -> tuple[str, ...]:
    path = PathTarget("chat", model="m", stream=False)
    request = registry.client(ours).decode_request(json.dumps(ASKED[ours]).encode(), path)
    return registry.provider(theirs).encode_request(request, target).dropped


def placed(name: str, body: Any) -> bool:
    """`name` is a path into the body, as far as it begins at the top."""
    head, *rest = name.split(".")
    for key in (head, *rest):
        if isinstance(body, list):
            return True  # pieces of lists are named by kind
        if not isinstance(body, dict) or key not in body:
            return key == head
        body = body[key]
    return True


@pytest.mark.parametrize("theirs", DIALECTS)
@pytest.mark.parametrize("ours", DIALECTS)
def test_every_name_said_is_in_what_the_caller_wrote(ours: Dialect, theirs: Dialect) -> None:
    written = {*words_of(ASKED[ours]), *(MEDIA if ours == "gemini" else ())}
    for target in TARGETS:
        dropped = losses(ours, theirs, target)
        assert dropped or ours == theirs
        for name in in_callers_words(dropped, ours):
            assert written.issuperset(name.split(".")), (name, dropped)
            assert placed(name, ASKED[ours]), name


@pytest.mark.parametrize("dialect", DIALECTS)
def test_no_name_is_renamed_to_itself_nor_twice(dialect: Dialect) -> None:
    words = CALLERS_WORDS[dialect]
    assert list(words) == sorted(words)
    for name, own in words.items():
        assert own != name
        assert own not in words


def test_the_same_loss_has_each_dialect_s_name() -> None:
    told = {dialect: in_callers_words(("stop", "reasoning.effort"), dialect) for dialect in DIALECTS}
    assert told == {
        "openai_chat": ("stop", "reasoning_effort"),
        "openai_responses": ("stop", "reasoning.effort"),
        "anthropic": ("stop_sequences", "thinking"),
        "gemini": ("generationConfig.stopSequences", "generationConfig.thinkingConfig"),
        "bedrock": ("inferenceConfig.stopSequences", "outputConfig.effort"),
    }


def test_the_order_is_kept_and_each_name_is_said_once() -> None:
    dropped = ("user", "reasoning", "mcp_servers", "reasoning.effort", "user")
    assert in_callers_words(dropped, "anthropic") == ("metadata.user_id", "thinking", "mcp_servers")


def test_a_field_of_the_caller_s_own_keeps_its_name() -> None:
    """Not a field of Messages, but it is what this caller wrote."""
    assert in_callers_words(("stop", "user"), "anthropic", {"stop": ["x"]}) == ("stop", "metadata.user_id")


NAMES = st.sampled_from(sorted({name for words in CALLERS_WORDS.values() for name in words})) | st.text()


@given(st.lists(NAMES).map(tuple), st.sampled_from(DIALECTS))
def test_nothing_lost_goes_unsaid(dropped: tuple[str, ...], dialect: Dialect) -> None:
    told = in_callers_words(dropped, dialect)
    assert len(set(told)) == len(told)
    assert all(CALLERS_WORDS[dialect].get(name, name) in told for name in dropped)


@given(st.lists(st.text("abcdefghij._", min_size=1, max_size=90), max_size=120))
def test_a_header_tells_every_name_or_how_many_it_left_out(names: list[str]) -> None:
    said = listed(names)
    assert len(said) <= 1_024
    told = said.split(",") if said else []
    if told != names:
        last = told.pop()
        assert told == names[: len(told)]
        assert last == f"+{len(names) - len(told)}"


def test_one_name_longer_than_a_header_is_counted() -> None:
    assert listed(["x" * 2_000, "y"]) == "+2"
    assert listed([f"field{n}" for n in range(400)]).rpartition(",")[2].startswith("+")
