"""Converse requests, read from callers and written to Bedrock."""

import base64
import contextlib
import json
from typing import Any

import pytest
from botocore.validate import ParamValidator
from hypothesis import given
from hypothesis import strategies as st
from tests.codecs.bedrock_support import (
    CLAUDE,
    CLIENT,
    PROVIDER,
    SCHEMA,
    assistant,
    chat,
    from_dialect,
    path,
    read,
    sent,
    target,
    user,
)
from tests.upstream_bedrock import objection, service

from passerelle.codecs.bedrock.models import base_model, rules_for
from passerelle.codecs.sealed import Sealed, seal
from passerelle.core.errors import ProblemError
from passerelle.core.message import Message, TextPart, ToolResultPart
from passerelle.core.request import Reasoning, Request, Sampling, Tool, ToolChoice

PNG = "iVBORw0KGgo="
LLAMA = "us.meta.llama3-3-70b-instruct-v1:0"
TOOL = {"toolSpec": {"name": "f", "description": "F.", "inputSchema": {"json": SCHEMA}, "strict": True}}
EVERYTHING = {
    "system": [
        {"text": "S."},
        {"cachePoint": {"type": "default", "ttl": "1h"}},
        {"guardContent": {"text": {"text": "G"}}},
    ],
    "messages": [
        user(
            "Look.",
            {"image": {"format": "png", "source": {"bytes": PNG}}},
            {"image": {"format": "png", "source": {"s3Location": {"uri": "s3://b/k", "bucketOwner": "1"}}}},
            {
                "document": {
                    "format": "pdf",
                    "name": "d",
                    "source": {"bytes": "AAAA"},
                    "citations": {"enabled": True},
                }
            },
            {"document": {"format": "txt", "name": "t", "source": {"text": "words"}, "context": "c"}},
            {
                "document": {
                    "format": "md",
                    "name": "e",
                    "source": {"content": [{"text": "a"}, {"text": "b"}]},
                }
            },
            {"video": {"format": "three_gp", "source": {"bytes": "AAAA"}}},
            {"audio": {"format": "m4a", "source": {"bytes": "AAAA"}}},
            {"searchResult": {"source": "s", "title": "t", "content": [{"text": "w"}]}},
            {"cachePoint": {"type": "default"}},
        ),
        assistant(
            {"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": "sig"}}},
            {"reasoningContent": {"redactedContent": "AAAA"}},
            {
                "citationsContent": {
                    "content": [{"text": "Yes."}],
                    "citations": [{"title": "d", "location": {"documentChar": {"documentIndex": 0}}}],
                }
            },
            {"toolUse": {"toolUseId": "t1", "name": "f", "input": {"a": 1}}},
            {
                "toolUse": {
                    "toolUseId": "s1",
                    "name": "nova_grounding",
                    "input": {},
                    "type": "server_tool_use",
                }
            },
        ),
        user(
            {
                "toolResult": {
                    "toolUseId": "t1",
                    "status": "error",
                    "content": [
                        {"json": {"b": [1, None]}},
                        {"text": "x"},
                        {"image": {"format": "png", "source": {"bytes": PNG}}},
                        {"video": {"format": "mp4", "source": {"bytes": "AAAA"}}},
                    ],
                }
            },
            {"cachePoint": {"type": "default"}},
            "Well?",
        ),
        {"role": "system", "content": [{"text": "Mind the tone."}]},
    ],
    "inferenceConfig": {"maxTokens": 5, "temperature": 0.5, "topP": 0.9, "stopSequences": ["X"]},
    "toolConfig": {
        "tools": [TOOL, {"cachePoint": {"type": "default"}}, {"systemTool": {"name": "nova_grounding"}}],
        "toolChoice": {"any": {}},
    },
    "guardrailConfig": {"guardrailIdentifier": "g", "guardrailVersion": "1"},
    "additionalModelRequestFields": {
        "thinking": {"type": "enabled", "budget_tokens": 2048},
        "top_k": 3,
        "x": [1],
    },
    "additionalModelResponseFieldPaths": ["/stop_sequence"],
    "requestMetadata": {"k": "v"},
    "performanceConfig": {"latency": "standard"},
    "serviceTier": {"type": "reserved"},
    "outputConfig": {
        "effort": "high",
        "textFormat": {
            "type": "json_schema",
            "structure": {"jsonSchema": {"name": "n", "schema": json.dumps(SCHEMA, separators=(",", ":"))}},
        },
    },
}


def test_botocore_takes_the_request_of_these_tests() -> None:
    shape = service().operation_model("Converse").input_shape
    assert not ParamValidator().validate({"modelId": "m", **EVERYTHING}, shape).has_errors()


def test_everything_a_caller_of_converse_says_is_said_again() -> None:
    encoded = PROVIDER.encode_request(
        CLIENT.decode_request(json.dumps(EVERYTHING).encode(), path()), target()
    )
    assert sent(encoded) == EVERYTHING
    assert encoded.dropped == ()


def test_fields_of_tomorrow_are_kept() -> None:
    body = {
        "messages": [{**user({"hologram": {"x": 1}}, {"text": "a", "mood": 2}), "tone": "dry"}],
        "tomorrow": {"a": 1},
        "inferenceConfig": {"patience": 2},
        "outputConfig": {"colour": "red"},
    }
    assert sent(PROVIDER.encode_request(read(**body), target())) == body


def test_a_json_result_is_words_to_everybody_else() -> None:
    request = read(
        user("Go."),
        assistant({"toolUse": {"toolUseId": "t", "name": "f", "input": {}}}),
        user({"toolResult": {"toolUseId": "t", "content": [{"json": {"a": 1}}], "status": "success"}}),
    )
    (result,) = request.messages[-1].parts
    assert isinstance(result, ToolResultPart)
    assert result.name == "f"
    assert isinstance(result.content[0], TextPart)
    assert result.content[0].text == '{"a":1}'
    assert request.messages[-1].role == "tool"


MISTAKES = [
    ({"messages": []}, "messages"),
    ({"messages": [{"role": "robot", "content": []}]}, "messages.0.role"),
    ({"messages": [user({"text": 1})]}, "messages.0.content.0.text"),
    (
        {"messages": [user({"toolUse": {"toolUseId": "t", "name": "f", "input": "x"}})]},
        "messages.0.content.0.toolUse.input",
    ),
    ({"messages": [user("a")], "inferenceConfig": {"maxTokens": 0}}, "inferenceConfig.maxTokens"),
    ({"messages": [user("a")], "inferenceConfig": {"temperature": "hot"}}, "inferenceConfig.temperature"),
    (
        {"messages": [user("a")], "toolConfig": {"tools": [{"toolSpec": {"name": "f"}}]}},
        "toolConfig.tools.0.toolSpec.inputSchema",
    ),
    (
        {"messages": [user("a")], "toolConfig": {"tools": [TOOL], "toolChoice": {"some": {}}}},
        "toolConfig.toolChoice",
    ),
    (
        {
            "messages": [user("a")],
            "outputConfig": {
                "textFormat": {"type": "json_schema", "structure": {"jsonSchema": {"schema": "{"}}}
            },
        },
        "outputConfig.textFormat.structure.jsonSchema.schema",
    ),
]


@pytest.mark.parametrize(("body", "field"), MISTAKES)
def test_a_mistake_is_named_by_its_field(body: dict[str, Any], field: str) -> None:
    with pytest.raises(ProblemError) as caught:
        CLIENT.decode_request(json.dumps(body).encode(), path())
    assert caught.value.problem.param == field


# --- from other dialects


def objection_to(encoded: Any) -> str | None:
    return objection("/model/m/converse", {}, sent(encoded), encoded.body)


CALL = {
    "role": "assistant",
    "tool_calls": [
        {"id": "call 1", "type": "function", "function": {"name": "get.weather", "arguments": '{"a":1}'}}
    ],
}
TOOLS = [{"type": "function", "function": {"name": "get.weather", "parameters": SCHEMA}}]


def test_a_conversation_gets_the_turns_that_converse_demands() -> None:
    encoded = chat(
        {"role": "system", "content": "S."},
        {"role": "user", "content": "a"},
        {"role": "user", "content": "b"},
        CALL,
        {"role": "tool", "tool_call_id": "call 1", "content": "x"},
        {"role": "user", "content": "c"},
        {"role": "developer", "content": "D."},
        tools=TOOLS,
    )
    body = sent(encoded)
    assert objection_to(encoded) is None
    assert [turn["role"] for turn in body["messages"]] == ["user", "assistant", "user"]
    call = body["messages"][1]["content"][0]["toolUse"]
    assert encoded.renamed == {call["name"]: "get.weather"}
    assert body["messages"][2]["content"][0]["toolResult"]["toolUseId"] == call["toolUseId"] != "call 1"
    assert body["messages"][2]["content"][2] == {"text": "<system-reminder>\nD.\n</system-reminder>"}
    assert body["system"] == [{"text": "S."}]


def test_a_history_with_calls_has_its_tools_defined_even_when_none_are_offered() -> None:
    encoded = chat(
        {"role": "user", "content": "a"}, CALL, {"role": "tool", "tool_call_id": "call 1", "content": "x"}
    )
    assert objection_to(encoded) is None
    assert len(sent(encoded)["toolConfig"]["tools"]) == 1


def test_no_tool_is_offered_when_none_may_be_called() -> None:
    encoded = chat({"role": "user", "content": "a"}, tools=TOOLS, tool_choice="none")
    assert "toolConfig" not in sent(encoded)
    assert encoded.dropped == ()


def test_a_call_without_its_result_is_refused() -> None:
    with pytest.raises(ProblemError):
        chat({"role": "user", "content": "a"}, CALL, {"role": "user", "content": "b"})


def test_documents_get_names_that_differ_and_words_beside_them() -> None:
    files = [
        {"type": "file", "file": {"filename": name, "file_data": f"data:{kind};base64,AAAA"}}
        for name, kind in (
            ("a_b.pdf", "application/pdf"),
            ("a b.pdf", "application/pdf"),
            ("n.md", ""),
            ("x.csv", "text/csv"),
        )
    ]
    encoded = chat({"role": "user", "content": files})
    assert objection_to(encoded) is None
    blocks = sent(encoded)["messages"][0]["content"]
    named = [(b["document"]["name"], b["document"]["format"]) for b in blocks if "document" in b]
    assert named == [("a b", "pdf"), ("a b [2]", "pdf"), ("n", "md"), ("x", "csv")]


def test_what_cannot_be_carried_is_named() -> None:
    encoded = chat(
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "a"},
                {"type": "image_url", "image_url": {"url": "https://x.example/a.png"}},
                {"type": "image_url", "image_url": {"url": "data:image/tiff;base64,AAAA"}},
            ],
        },
        seed=1,
        n=2,
        logprobs=True,
        user="u",
        metadata={"a": "b"},
        parallel_tool_calls=False,
        tools=TOOLS,
        temperature=1.7,
        response_format={"type": "json_object"},
        frequency_penalty=1,
    )
    assert set(encoded.dropped) == {
        "image_url",
        "image",
        "seed",
        "n",
        "logprobs",
        "user",
        "metadata",
        "parallel_tool_calls",
        "temperature",
        "response_format",
        "frequency_penalty",
    }
    assert sent(encoded)["inferenceConfig"]["temperature"] == 1


THINKING = [
    (CLAUDE, {"thinking": {"type": "enabled", "budget_tokens": 24_576}}, None),
    ("eu.anthropic.claude-opus-4-6-v1", {"thinking": {"type": "adaptive"}}, {"effort": "high"}),
    (
        "us.amazon.nova-2-lite-v1:0",
        {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "high"}},
        None,
    ),
    ("openai.gpt-oss-120b-1:0", {"reasoning_effort": "high"}, None),
]


@pytest.mark.parametrize(("model", "additional", "output"), THINKING)
def test_thinking_is_asked_for_in_each_maker_s_form(model: str, additional: Any, output: Any) -> None:
    encoded = chat({"role": "user", "content": "a"}, reasoning_effort="high", to=target(model))
    body = sent(encoded)
    assert body["additionalModelRequestFields"] == additional
    assert body.get("outputConfig") == output
    assert encoded.dropped == ()


def test_thinking_that_cannot_be_asked_for_is_named() -> None:
    encoded = chat(
        {"role": "user", "content": "a"},
        reasoning_effort="high",
        to=target(LLAMA),
    )
    assert encoded.dropped == ("reasoning.effort",)


CACHED = {
    "model": "m",
    "max_tokens": 5,
    "system": [{"type": "text", "text": "S.", "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
    "tools": [{"name": "f", "input_schema": SCHEMA, "cache_control": {"type": "ephemeral"}}],
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}]}
    ],
}


def test_cache_marks_become_points_where_the_model_takes_them() -> None:
    body = sent(from_dialect("anthropic", CACHED))
    assert body["system"][1] == {"cachePoint": {"type": "default", "ttl": "1h"}}
    assert body["toolConfig"]["tools"][1] == {"cachePoint": {"type": "default"}}
    assert body["messages"][0]["content"][1] == {"cachePoint": {"type": "default"}}

    nova = from_dialect("anthropic", CACHED, target("us.amazon.nova-pro-v1:0"))
    assert len(sent(nova)["toolConfig"]["tools"]) == 1
    assert set(nova.dropped) == {"cache_control.ttl", "cache_control"}

    llama = from_dialect("anthropic", CACHED, target(LLAMA))
    assert "cachePoint" not in llama.body.decode()
    assert llama.dropped == ("cache_control",)


def test_a_result_s_error_is_a_status_or_a_word() -> None:
    body = {
        "model": "m",
        "max_tokens": 5,
        "messages": [
            {"role": "user", "content": "a"},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "f", "input": {}}]},
            {
                "role": "user",
                "content": [{"type": "tool_result", "tool_use_id": "t", "content": "no", "is_error": True}],
            },
        ],
    }
    result = sent(from_dialect("anthropic", body))["messages"][2]["content"][0]["toolResult"]
    assert result == {"toolUseId": "t", "content": [{"text": "no"}], "status": "error"}
    plain = from_dialect("anthropic", body, target("mistral.mistral-large-3-675b-instruct"))
    assert sent(plain)["messages"][2]["content"][0]["toolResult"]["content"] == [{"text": "Error: no"}]


def test_thoughts_go_back_to_whom_they_belong_alone() -> None:
    sealed = seal(Sealed("bedrock", "sig"))
    thinking = {"type": "thinking", "thinking": "Hm.", "signature": sealed}
    foreign = {"type": "thinking", "thinking": "Ah.", "signature": "anthropic's own"}
    body = {
        "model": "m",
        "max_tokens": 5,
        "messages": [
            {"role": "user", "content": "a"},
            {"role": "assistant", "content": [thinking, foreign, {"type": "text", "text": "b"}]},
            {"role": "user", "content": "c"},
        ],
    }
    encoded = from_dialect("anthropic", body)
    thought = {"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": "sig"}}}
    assert sent(encoded)["messages"][1]["content"] == [thought, {"text": "b"}]
    assert encoded.dropped == ("reasoning",)


def test_a_sealed_thought_keeps_a_body_from_being_relayed() -> None:
    sealed = seal(Sealed("gemini", "sig"))
    blob = base64.b64encode(sealed.encode()).decode()
    for block in ({"reasoningText": {"text": "x", "signature": sealed}}, {"redactedContent": blob}):
        body = {"messages": [user("a"), assistant({"reasoningContent": block}), user("b")]}
        assert not CLIENT.envelope(json.dumps(body).encode(), path()).relayable
        encoded = PROVIDER.encode_request(read(**body), target())
        assert "psl1" not in encoded.body.decode()
        assert encoded.dropped == ("reasoning",)


def test_counting_sends_what_can_be_counted() -> None:
    encoded = PROVIDER.encode_request(read(**EVERYTHING), target(operation="count_tokens"))
    counted = sent(encoded)["input"]["converse"]
    assert set(counted) == {"messages", "system", "toolConfig", "additionalModelRequestFields"}
    request = CLIENT.decode_request(encoded.body, path(operation="count_tokens"))
    assert request.messages == read(**EVERYTHING).messages
    with pytest.raises(ProblemError, match=r"input\.converse"):
        CLIENT.decode_request(b'{"input":{"invokeModel":{"body":"e30="}}}', path(operation="count_tokens"))


@pytest.mark.parametrize(
    ("model", "base"),
    [
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "anthropic.claude-sonnet-4-5-20250929-v1:0"),
        ("arn:aws:bedrock:us-east-1:1:inference-profile/us-gov.amazon.nova-pro-v1:0", "amazon.nova-pro-v1:0"),
        ("openai.gpt-oss-120b-1:0", "openai.gpt-oss-120b-1:0"),
        ("arn:aws:bedrock:us-east-1:1:application-inference-profile/abcd1234", "abcd1234"),
        ("meta.llama3-3-70b-instruct-v1:0", "meta.llama3-3-70b-instruct-v1:0"),
    ],
)
def test_a_model_is_known_by_any_of_its_ids(model: str, base: str) -> None:
    assert base_model(model) == base


def test_claude_s_versions_are_read_from_every_form_of_its_name() -> None:
    thinks = {
        m: rules_for(m).thinks
        for m in (
            "anthropic.claude-3-5-sonnet-20241022-v2:0",
            "anthropic.claude-3-7-sonnet-20250219-v1:0",
            "anthropic.claude-sonnet-4-20250514-v1:0",
            "anthropic.claude-opus-4-6-v1",
            "anthropic.claude-sonnet-5-5",
        )
    }
    assert list(thinks.values()) == [
        None,
        "claude_budget",
        "claude_budget",
        "claude_adaptive",
        "claude_adaptive",
    ]


# --- the envelope


def test_the_envelope_sees_what_a_deployment_must_be_able_to_do() -> None:
    envelope = CLIENT.envelope(json.dumps(EVERYTHING).encode(), path(stream=True))
    assert envelope.features == {
        "tools",
        "builtin_tools",
        "images",
        "files",
        "audio",
        "json_schema",
        "reasoning",
    }
    assert (envelope.images, envelope.max_output_tokens, envelope.stream) == (3, 5, True)
    assert envelope.unmeasured
    assert envelope.relayable


def test_pictures_are_not_counted_as_words() -> None:
    picture = {"image": {"format": "png", "source": {"bytes": "A" * 100_000}}}
    envelope = CLIENT.envelope(json.dumps({"messages": [user(picture, "Hi.")]}).encode(), path())
    assert envelope.text_bytes < 300
    assert not envelope.unmeasured


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "text",
                    "image",
                    "source",
                    "bytes",
                    "format",
                    "toolUse",
                    "toolResult",
                    "content",
                    "role",
                    "messages",
                    "cachePoint",
                    "reasoningContent",
                    "toolConfig",
                    "tools",
                    "inferenceConfig",
                    "document",
                    "name",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(sorted(EVERYTHING)), json_values, max_size=4))
def test_anything_is_read_or_refused_with_a_reason(body: Any) -> None:
    raw = json.dumps(body).encode()
    for reader in (CLIENT.envelope, CLIENT.decode_request):
        with contextlib.suppress(ProblemError):
            reader(raw, path())


words = st.text(st.characters(codec="utf-8"), min_size=1, max_size=30)
blocks = st.one_of(
    words.map(lambda text: {"text": text}),
    st.just({"image": {"format": "png", "source": {"bytes": PNG}}}),
    words.map(lambda text: {"reasoningContent": {"reasoningText": {"text": text, "signature": "s"}}}),
    st.just({"cachePoint": {"type": "default"}}),
    words.map(lambda text: {"guardContent": {"text": {"text": text}}}),
    words.map(lambda text: {"document": {"format": "txt", "name": "n", "source": {"text": text}}}),
)


@given(st.lists(st.lists(blocks, min_size=1, max_size=4), min_size=1, max_size=4))
def test_a_caller_s_own_words_come_out_as_they_went_in(turns: list[list[Any]]) -> None:
    messages = [{"role": ("user", "assistant")[at % 2], "content": turn} for at, turn in enumerate(turns)]
    for turn in messages:  # blank text is refused by the service, and left out
        turn["content"] = [b for b in turn["content"] if b.get("text", "x").strip()] or [{"text": "x"}]
    body = sent(PROVIDER.encode_request(read(*messages), target()))
    assert body["messages"] == messages


def sampled(model: str, **said: Any) -> tuple[dict[str, Any], tuple[str, ...]]:
    """A request of Chat's with these samplers and a tool that must be called, for a model at Bedrock."""
    tool = Tool("f", parameters={"type": "object"})
    request = Request(
        "m", (Message("user", (TextPart("Hi."),)),), "openai_chat", tools=(tool,), sampling=Sampling(**said),
        tool_choice=ToolChoice("required"),
    )  # fmt: skip
    done = PROVIDER.encode_request(request, target(model))
    return dict(json.loads(done.body)), done.dropped


@pytest.mark.parametrize(
    ("model", "inference", "forced", "dropped"),
    [
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", {"temperature": 0.5}, True, ("top_p",)),
        ("us.anthropic.claude-opus-4-8", None, True, ("temperature", "top_p")),
        ("us.anthropic.claude-opus-5-5", None, False, ("tool_choice", "temperature", "top_p")),
        ("anthropic.claude-mock", {"temperature": 0.5}, True, ("top_p",)),
        ("anthropic.claude-3-5-sonnet-20241022-v2:0", {"temperature": 0.5, "topP": 0.8}, True, ()),
        ("us.amazon.nova-pro-v1:0", {"temperature": 0.5, "topP": 0.8}, True, ()),
    ],
)
def test_each_claude_is_sent_what_its_generation_takes(
    model: str, inference: Any, forced: bool, dropped: tuple[str, ...]
) -> None:
    body, lost = sampled(model, temperature=0.5, top_p=0.8)
    assert body.get("inferenceConfig") == inference
    assert (body["toolConfig"].get("toolChoice") == {"any": {}}) is forced
    assert lost == dropped


@pytest.mark.parametrize(
    ("model", "thinking", "dropped"),
    [
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", {"type": "disabled"}, ()),
        ("us.anthropic.claude-sonnet-5-5", {"type": "between_tools"}, ()),
        ("us.anthropic.claude-opus-5-5", None, ("reasoning.effort",)),
        ("anthropic.claude-3-5-haiku-20241022-v1:0", None, ()),
    ],
)
def test_thinking_is_turned_off_in_the_words_of_each_claude(model: str, thinking: Any, dropped: Any) -> None:
    message = Message("user", (TextPart("Hi."),))
    done = PROVIDER.encode_request(
        Request("m", (message,), "openai_chat", reasoning=Reasoning(enabled=False)), target(model)
    )
    assert json.loads(done.body).get("additionalModelRequestFields", {}).get("thinking") == thinking
    assert done.dropped == dropped


def test_claude_is_asked_which_sequence_stopped_it() -> None:
    message = Message("user", (TextPart("Hi."),))
    request = Request("m", (message,), "anthropic", sampling=Sampling(stop=("END",)))
    body = json.loads(PROVIDER.encode_request(request, target()).body)
    assert body["additionalModelResponseFieldPaths"] == ["/stop_sequence"]
    said = {
        "output": {"message": {"role": "assistant", "content": [{"text": "x"}]}},
        "stopReason": "stop_sequence", "usage": {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2},
        "additionalModelResponseFields": {"stop_sequence": "END"},
    }  # fmt: skip
    assert PROVIDER.decode_response(json.dumps(said).encode()).stop_sequence == "END"
