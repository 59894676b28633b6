"""Nothing is lost unsaid: native requests through core and back, foreign ones held against their losses."""

import contextlib
import itertools
import json
import re
from collections.abc import Iterator
from typing import Any

from anthropic.types.message_create_params import MessageCreateParamsNonStreaming
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter
from tests.codecs.anthropic_support import CHAT

from passerelle.codecs.anthropic import CLIENT, PROVIDER
from passerelle.codecs.base import Target
from passerelle.codecs.claude import rules_for
from passerelle.core.errors import ProblemError
from passerelle.core.message import (
    AudioPart,
    FilePart,
    ImagePart,
    Message,
    ReasoningPart,
    RefusalPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from passerelle.core.request import OutputFormat, Reasoning, Request, Sampling, Tool, ToolChoice

PARAMS: TypeAdapter[Any] = TypeAdapter(MessageCreateParamsNonStreaming)
MODELS = (
    "claude-sonnet-4-5",
    "claude-opus-4-6",
    "claude-opus-4-8",
    "claude-sonnet-5-5",
    "claude-fable-5",
    "glm-5",
)

BOUNDED = {"type": "object", "properties": {"a": {"type": "integer", "minimum": 1}}}
words = st.text("ab é\n", min_size=1, max_size=6).filter(str.strip)
ids = st.text("ab.:-_", min_size=1, max_size=4) | st.just("x" * 90)

# ── native requests, as a client writes them ──

cache = st.sampled_from(
    [{"type": "ephemeral"}, {"type": "ephemeral", "ttl": "1h"}, {"type": "ephemeral", "scope": "turn"}]
)


def with_cache(block: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    return st.builds(lambda b, c: {**b, "cache_control": c} if c else b, block, st.none() | cache)


text_block = with_cache(
    st.fixed_dictionaries(
        {"type": st.just("text"), "text": words},
        optional={
            "citations": st.just([{"type": "page_location", "cited_text": "x"}]),
            "novel": st.integers(),
        },
    )
)
image_block = with_cache(
    st.fixed_dictionaries(
        {
            "type": st.just("image"),
            "source": st.sampled_from(
                [
                    {"type": "base64", "media_type": "image/png", "data": "AAAA"},
                    {"type": "url", "url": "https://example.org/a.png"},
                    {"type": "file", "file_id": "file_1"},
                    {"type": "novel", "x": 1},
                ]
            ),
        },
        optional={"transformations": st.just({"oversized_image": "error"})},
    )
)
document_block = with_cache(
    st.fixed_dictionaries(
        {
            "type": st.just("document"),
            "source": st.sampled_from(
                [
                    {"type": "base64", "media_type": "application/pdf", "data": "AAAA"},
                    {"type": "text", "media_type": "text/plain", "data": "née"},
                    {"type": "url", "url": "https://example.org/a.pdf"},
                    {"type": "file", "file_id": "file_1"},
                    {"type": "content", "content": "words"},
                    {"type": "content", "content": [{"type": "text", "text": "words"}]},
                ]
            ),
        },
        optional={"title": words, "context": words, "citations": st.just({"enabled": True})},
    )
)
opaque_block = st.sampled_from(
    [{"type": "container_upload", "file_id": "f"}, {"type": "compaction", "content": "c"}, {"type": "novel"}]
)
thought_block = st.sampled_from(
    [
        {"type": "thinking", "thinking": "Hm", "signature": "sig"},
        {"type": "thinking", "thinking": "", "signature": "sig"},
        {"type": "redacted_thinking", "data": "d"},
        {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"q": 1}},
    ]
)


@st.composite
def native_requests(draw: st.DrawFn) -> dict[str, Any]:
    messages: list[dict[str, Any]] = []
    for turn in range(draw(st.integers(1, 3))):
        content = draw(
            words | st.lists(text_block | image_block | document_block | opaque_block, min_size=1, max_size=3)
        )
        if messages and messages[-1]["role"] == "user":
            if isinstance(content, list) and isinstance(messages[-1]["content"], list):
                messages[-1]["content"] += content
        elif not messages or messages[-1]["role"] == "assistant":
            messages.append({"role": "user", "content": content})
        if not draw(st.booleans()):
            continue
        calls = [f"t{turn}_{n}" for n in range(draw(st.integers(0, 2)))]
        said = draw(st.lists(thought_block | text_block, min_size=0 if calls else 1, max_size=2))
        said += [
            {"type": "tool_use", "id": c, "name": "f", "input": draw(st.sampled_from([{}, {"a": 1.5}]))}
            for c in calls
        ]
        if messages[-1]["role"] == "assistant":
            continue
        messages.append({"role": "assistant", "content": said})
        if calls:
            results: list[dict[str, Any]] = [
                {
                    "type": "tool_result",
                    "tool_use_id": c,
                    **draw(
                        st.fixed_dictionaries(
                            {},
                            optional={
                                "content": words | st.lists(text_block | image_block, min_size=1, max_size=2),
                                "is_error": st.just(True),
                            },
                        )
                    ),
                }
                for c in calls
            ]
            messages.append({"role": "user", "content": results})
    request: dict[str, Any] = {
        "model": "m",
        "max_tokens": draw(st.integers(2_000, 9_000)),
        "messages": messages,
    }
    request |= draw(
        st.fixed_dictionaries(
            {},
            optional={
                "system": words | st.lists(text_block, min_size=1, max_size=2),
                "thinking": st.sampled_from(
                    [{"type": "adaptive"}, {"type": "adaptive", "display": "updates"}, {"type": "disabled"}]
                ),
                "output_config": st.sampled_from(
                    [
                        {"effort": "low"},
                        {"format": {"type": "json_schema", "schema": {"a": 1}}},
                        {"task_budget": {}},
                    ]
                ),
                "stop_sequences": st.lists(st.sampled_from(["a", "\n"]), min_size=1, max_size=2),
                "metadata": st.sampled_from([{"user_id": "u"}, {"user_id": "u", "n": 1}, {"trace": "t"}]),
                "service_tier": st.sampled_from(["auto", "standard_only"]),
                "stream": st.just(True),
                "context_management": st.just({"edits": []}),
                "novel": st.none() | st.integers(),
                "tools": st.lists(
                    with_cache(
                        st.sampled_from(
                            [
                                {"name": "f", "input_schema": {"type": "object", "properties": {}}},
                                {
                                    "name": "f",
                                    "description": "d",
                                    "input_schema": {"type": "object"},
                                    "strict": False,
                                },
                                {"name": "f", "input_schema": {"type": "object"}, "defer_loading": True},
                                {"type": "bash_20250124", "name": "bash"},
                            ]
                        )
                    ),
                    min_size=1,
                    max_size=2,
                ),
            },
        )
    )
    if "tools" in request and draw(st.booleans()):
        request["tool_choice"] = draw(
            st.sampled_from(
                [{"type": "auto", "disable_parallel_tool_use": True}, {"type": "tool", "name": "f"}]
            )
        )
    return request


def normal(value: Any) -> Any:
    """A lone text block is its string, by Anthropic's own word ("shorthand for an array of one")."""
    if isinstance(value, dict):
        read = {name: normal(inner) for name, inner in value.items()}
        for name in ("content", "system"):
            blocks = read.get(name)
            lone = blocks[0] if isinstance(blocks, list) and len(blocks) == 1 else None
            if isinstance(lone, dict) and lone.keys() == {"type", "text"}:
                read[name] = lone["text"]
        return read
    return [normal(inner) for inner in value] if isinstance(value, list) else value


@settings(max_examples=100)
@given(native_requests())
def test_a_native_request_comes_back_with_nothing_lost(request: dict[str, Any]) -> None:
    core = CLIENT.decode_request(json.dumps(request).encode(), CHAT)
    encoded = PROVIDER.encode_request(core, Target("claude-opus-4-8"))
    assert encoded.dropped == ()
    assert encoded.renamed == {}
    assert normal(json.loads(encoded.body)) == normal({**request, "model": "claude-opus-4-8"})
    CLIENT.envelope(encoded.body, CHAT)


# ── requests of other dialects ──

user_parts = st.one_of(
    st.builds(TextPart, words | st.just(""), cache=st.sampled_from([None, "5m", "1h"])),
    st.builds(ImagePart, st.just("image/png"), st.just("AAAA"), detail=st.sampled_from([None, "low"])),
    st.builds(ImagePart, url=st.just("https://example.org/i.png")),
    st.builds(FilePart, st.sampled_from(["application/pdf", "text/csv", "application/zip"]), st.just("AAAA")),
    st.builds(FilePart, file_id=st.just("file-1")),
    st.builds(AudioPart, st.just("audio/wav"), st.just("AAAA"), transcript=st.none() | words),
)
assistant_parts = st.one_of(
    st.builds(TextPart, words | st.just("")),
    st.builds(RefusalPart, words),
    st.builds(
        ReasoningPart, words, signature=st.none() | words,
        origin=st.sampled_from(["anthropic", "gemini", "openai_responses", None]),
    ),
)  # fmt: skip


@st.composite
def foreign_requests(draw: st.DrawFn) -> Request:
    messages: list[Message] = []
    if draw(st.booleans()):
        messages.append(Message(draw(st.sampled_from(["system", "developer"])), (TextPart(draw(words)),)))
    for _ in range(draw(st.integers(1, 3))):
        messages.append(Message("user", (TextPart(draw(words)), *draw(st.lists(user_parts, max_size=2)))))
        if draw(st.integers(0, 4)) == 0:
            messages.append(Message("developer", (TextPart(draw(words)),)))
        calls = draw(st.lists(ids, max_size=3))
        parts: list[Any] = draw(st.lists(assistant_parts, max_size=2))
        parts += [
            ToolCallPart(
                call, draw(st.sampled_from(["f", "files.read"])),
                draw(st.sampled_from(["", "{}", '{"a": 1}', "*** raw"])),
                draw(st.sampled_from(["function", "custom"])),
            )
            for call in calls
        ]  # fmt: skip
        messages.append(Message("assistant", tuple(parts)))
        for call in calls:
            content = draw(st.lists(st.builds(TextPart, words | st.just("")), max_size=2))
            messages.append(
                Message("tool", (ToolResultPart(call, tuple(content), is_error=draw(st.booleans())),))
            )
    messages.append(Message("user", (TextPart("finally"),)))
    tools = draw(
        st.lists(
            st.builds(
                Tool, st.sampled_from(["f", "files.read", "g" * 140]), st.none() | words,
                st.none() | st.just(BOUNDED),
                st.none() | st.booleans(), st.sampled_from(["function", "custom"]),
            )
            | st.builds(
                Tool, st.just("web"), kind=st.just("builtin"), origin=st.sampled_from(["gemini", "anthropic"])
            ),
            max_size=2,
        )
    )  # fmt: skip
    names = [tool.name for tool in tools if tool.kind != "builtin"]
    choices: st.SearchStrategy[Any] = st.none() | st.builds(
        ToolChoice, st.sampled_from(["auto", "none", "required"])
    )
    if names:
        choices |= st.builds(ToolChoice, st.just("tool"), st.sampled_from(names))
    number = st.none() | st.floats(0, 2)
    return Request(
        "gpt", tuple(messages), draw(st.sampled_from(["openai_chat", "openai_responses", "gemini"])),
        max_output_tokens=draw(st.none() | st.integers(1, 50_000)),
        stream=draw(st.booleans()),
        tools=tuple(tools),
        tool_choice=draw(choices),
        parallel_tool_calls=draw(st.none() | st.booleans()),
        output=draw(st.sampled_from([
            OutputFormat(), OutputFormat("json"), OutputFormat("json_schema", schema=BOUNDED),
        ])),
        reasoning=draw(st.builds(
            Reasoning, enabled=st.none() | st.booleans(),
            effort=st.none() | st.sampled_from(["none", "minimal", "medium", "max"]),
            budget_tokens=st.none() | st.integers(0, 60_000),
        )),
        sampling=draw(st.builds(
            Sampling, temperature=number, top_p=st.none() | st.floats(0, 1),
            top_k=st.none() | st.integers(1, 9),
            seed=st.none() | st.integers(), stop=st.lists(st.sampled_from(["a", " "]), max_size=2).map(tuple),
            presence_penalty=number, n=st.integers(1, 2),
        )),
        user=draw(st.none() | words), metadata=draw(st.none() | st.just({"a": "b"})),
        service_tier=draw(st.sampled_from([None, "auto", "default", "priority"])),
        verbosity=draw(st.sampled_from([None, "low"])),
        extra=draw(st.none() | st.just({"store": True})),
    )  # fmt: skip


def blocks_of(body: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for turn in body["messages"]:
        content = turn["content"]
        for block in [{"type": "text", "text": content}] if isinstance(content, str) else content:
            yield turn["role"], block


@settings(max_examples=100)
@given(foreign_requests(), st.sampled_from(MODELS))
def test_a_foreign_request_is_legal_and_its_losses_are_said(request: Request, model: str) -> None:
    encoded = PROVIDER.encode_request(request, Target(model, max_output_tokens=64_000))
    body = json.loads(encoded.body)
    dropped = set(encoded.dropped)
    rules = rules_for(model)
    PARAMS.validate_python({**body, "stream": False})
    CLIENT.envelope(encoded.body, CHAT)

    # The conversation.
    roles = [turn["role"] for turn in body["messages"]]
    assert set(roles) <= {"user", "assistant"}
    assert all(a != b for a, b in itertools.pairwise(roles)), "the same role twice"
    before: set[str] = set()
    seen: set[str] = set()
    for turn in body["messages"]:
        content = [] if isinstance(turn["content"], str) else turn["content"]
        kinds = [block["type"] for block in content]
        results = [block["tool_use_id"] for block in content if block["type"] == "tool_result"]
        assert kinds[: len(results)] == ["tool_result"] * len(results), "results come first"
        assert set(results) == before
        assert len(results) == len(set(results))
        calls = [block["id"] for block in content if block["type"] == "tool_use"]
        assert not seen & set(calls), "an id twice"
        seen |= set(calls)
        before = set(calls)
    assert before == set()
    for role, block in blocks_of(body):
        if block["type"] == "text":
            assert block["text"].strip()
        if block["type"] == "tool_use":
            assert re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", block["id"])
            assert isinstance(block["input"], dict)
        if block["type"] == "thinking":
            assert role == "assistant"
            assert block["signature"]

    # What the model refuses.
    thinking = body.get("thinking", {"type": None})
    if thinking["type"] == "enabled":
        assert rules.budget
        assert 1_024 <= thinking["budget_tokens"] < body["max_tokens"]
        if rules.claude:
            assert body.get("temperature", 1) == 1
            assert "top_k" not in body
            assert body.get("tool_choice", {}).get("type") not in ("any", "tool")
    assert thinking["type"] != "adaptive" or rules.adaptive
    if not rules.sampling:
        assert body.get("temperature", 1) == body.get("top_p", 1) == 1
        assert "top_k" not in body
    assert 0 <= body.get("temperature", 1) <= 1

    # Everything asked is there, or named.
    said = json.dumps([body.get("system"), body["messages"]], ensure_ascii=False)
    for message in request.messages:
        for part in message.parts:
            if isinstance(part, (TextPart, RefusalPart)) and part.text.strip():
                assert json.dumps(part.text.rstrip(), ensure_ascii=False)[1:-1] in said
            if isinstance(part, ReasoningPart) and not (
                part.origin == "anthropic" and part.signature is not None
            ):
                assert "reasoning" in dropped
            if isinstance(part, AudioPart):
                assert "input_audio" in dropped
    sampling = request.sampling
    for name, asked in (
        ("temperature", sampling.temperature), ("top_p", sampling.top_p), ("top_k", sampling.top_k),
    ):  # fmt: skip
        assert asked is None or body.get(name) == asked or name in dropped or asked == 1
    assert sampling.seed is None or "seed" in dropped
    assert sampling.n == 1 or "n" in dropped
    assert not sampling.presence_penalty or "presence_penalty" in dropped
    assert list(sampling.stop) == body.get("stop_sequences", []) or "stop" in dropped
    assert request.metadata is None or "metadata" in dropped
    assert request.user is None or body["metadata"] == {"user_id": request.user}
    assert request.verbosity is None or "verbosity" in dropped
    assert request.extra is None or "store" in dropped
    assert request.service_tier != "priority" or "service_tier" in dropped
    assert request.output.kind == "text" or "output_config" in body or "response_format" in dropped
    sent = {encoded.renamed.get(tool.get("name", ""), tool.get("name")) for tool in body.get("tools", ())}
    for tool in request.tools:
        assert tool.name in sent or f"tools.{tool.name}" in dropped or tool.origin == "anthropic"
    choice = request.tool_choice
    if choice is not None and choice.mode in ("required", "tool"):
        assert body.get("tool_choice", {}).get("type") in ("any", "tool") or "tool_choice" in dropped
    reasoning = request.reasoning
    off = reasoning.enabled is False or reasoning.effort == "none" or reasoning.budget_tokens == 0
    if not off and (reasoning.budget_tokens or reasoning.enabled):
        assert "thinking" in body or "reasoning.effort" in dropped


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from(["user", "assistant", "text", "x"]),
    lambda inner: st.lists(inner, max_size=2)
    | st.dictionaries(
        st.sampled_from(
            ["role", "content", "type", "text", "source", "id", "name", "input", "system", "tools",
             "thinking", "signature", "tool_choice", "input_schema", "cache_control", "budget_tokens"]
        ),
        inner,
        max_size=4,
    ),
    max_leaves=8,
)  # fmt: skip


@settings(max_examples=200)
@given(
    st.dictionaries(
        st.sampled_from(["system", "tools", "thinking", "tool_choice", "metadata", "output_config"]),
        json_values,
    ),
    json_values,
)
def test_no_json_makes_reading_or_writing_raise_anything_else(fields: dict[str, Any], content: Any) -> None:
    body = {"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": content}], **fields}
    raw = json.dumps(body).encode()
    for read in (CLIENT.envelope, CLIENT.decode_request):
        with contextlib.suppress(ProblemError):
            request = read(raw, CHAT)
            if isinstance(request, Request):
                PROVIDER.encode_request(request, Target("claude-opus-4-8"))
