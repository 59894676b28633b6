"""Messages requests into core, and core requests of any origin into Messages requests."""

import base64
import json
from typing import Any

import pytest
from tests.codecs.anthropic_support import CHAT, COUNT

from passerelle.codecs.anthropic import CLIENT, PROVIDER
from passerelle.codecs.base import Target
from passerelle.codecs.sealed import Sealed, seal
from passerelle.core.errors import ProblemError
from passerelle.core.message import (
    AudioPart,
    FilePart,
    ImagePart,
    Message,
    Part,
    ReasoningPart,
    RefusalPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from passerelle.core.request import (
    OutputFormat,
    Reasoning,
    Request,
    Sampling,
    Tool,
    ToolChoice,
)

OPUS = Target("claude-opus-4-8")
SONNET_4 = Target("claude-sonnet-4-20250514")
HI = {"role": "user", "content": "hi"}


def decode(target: Any = CHAT, **fields: Any) -> Request:
    body = {"model": "m", "max_tokens": 10, "messages": [HI], **fields}
    return CLIENT.decode_request(json.dumps(body).encode(), target)


def encode(request: Request, target: Target = OPUS) -> tuple[dict[str, Any], tuple[str, ...]]:
    encoded = PROVIDER.encode_request(request, target)
    return json.loads(encoded.body), encoded.dropped


def again(target: Target = OPUS, **fields: Any) -> dict[str, Any]:
    """A native request through core and back; nothing of it may be lost."""
    body, dropped = encode(decode(**fields), target)
    assert dropped == ()
    return body


def foreign(*messages: Message, **more: Any) -> Request:
    return Request("gpt", messages or (user("hi"),), "openai_chat", **more)


def user(*parts: Part | str) -> Message:
    return Message("user", tuple(TextPart(p) if isinstance(p, str) else p for p in parts))


def assistant(*parts: Part | str) -> Message:
    return Message("assistant", tuple(TextPart(p) if isinstance(p, str) else p for p in parts))


def result(call_id: str, text: str = "ok", **more: Any) -> Message:
    return Message("tool", (ToolResultPart(call_id, (TextPart(text),), **more),))


# ── reading ──


def test_every_block_of_a_conversation_becomes_its_part() -> None:
    request = decode(
        system=[{"type": "text", "text": "S", "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
        messages=[
            {"role": "user", "content": [
                {"type": "text", "text": "look", "cache_control": {"type": "ephemeral"}},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA=="}},
                {"type": "image", "source": {"type": "url", "url": "https://example.org/x.png"}},
                {"type": "image", "source": {"type": "file", "file_id": "file_1"}},
                {"type": "document", "title": "T", "source":
                    {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="}},
                {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "née"}},
                {"type": "document", "source": {"type": "url", "url": "https://example.org/x.pdf"}},
                {"type": "document", "source": {"type": "file", "file_id": "file_2"}},
            ]},
            {"role": "assistant", "content": [
                {"type": "thinking", "thinking": "Hm", "signature": "sig"},
                {"type": "redacted_thinking", "data": "opaque"},
                {"type": "text", "text": "ok", "citations": [{"type": "page_location"}]},
                {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": 1.0}},
            ]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "t1", "is_error": True, "content": [
                    {"type": "text", "text": "bad"},
                    {"type": "image", "source":
                        {"type": "base64", "media_type": "image/gif", "data": "BB=="}},
                ]},
                {"type": "text", "text": "go on"},
            ]},
            {"role": "system", "content": "be brief"},
        ],
    )  # fmt: skip
    data = base64.b64encode("née".encode()).decode()
    assert request.messages == (
        Message("system", (TextPart("S", cache="1h"),)),
        user(
            TextPart("look", cache="5m"),
            ImagePart("image/png", "AA=="),
            ImagePart(url="https://example.org/x.png"),
            ImagePart(file_id="file_1"),
            FilePart("application/pdf", "JVBERi0=", name="T"),
            FilePart("text/plain", data),
            FilePart("application/pdf", url="https://example.org/x.pdf"),
            FilePart(file_id="file_2"),
        ),
        assistant(
            ReasoningPart("Hm", signature="sig", origin="anthropic"),
            ReasoningPart(encrypted="opaque", origin="anthropic"),
            TextPart("ok", citations=({"type": "page_location"},)),
            ToolCallPart("t1", "f", '{"a":1.0}'),
        ),
        Message(
            "tool",
            (
                ToolResultPart(
                    "t1", (TextPart("bad"), ImagePart("image/gif", "BB==")), is_error=True, name="f"
                ),
            ),
        ),
        user("go on"),
        Message("system", (TextPart("be brief"),)),
    )


@pytest.mark.parametrize(
    ("choice", "read", "parallel"),
    [
        ({"type": "auto"}, ToolChoice("auto"), None),
        ({"type": "any", "disable_parallel_tool_use": True}, ToolChoice("required"), False),
        ({"type": "tool", "name": "f", "disable_parallel_tool_use": False}, ToolChoice("tool", "f"), True),
        ({"type": "none"}, ToolChoice("none"), None),
    ],
)
def test_tool_choices_are_read_and_written_back(
    choice: dict[str, Any], read: ToolChoice, parallel: bool | None
) -> None:
    tools = [{"name": "f", "input_schema": {"type": "object"}}]
    request = decode(tools=tools, tool_choice=choice)
    assert (request.tool_choice, request.parallel_tool_calls) == (read, parallel)
    assert encode(request)[0]["tool_choice"] == choice


def test_the_words_about_the_answer_are_read() -> None:
    request = decode(
        thinking={"type": "enabled", "budget_tokens": 2048, "display": "summarized"},
        output_config={"effort": "high", "format": {"type": "json_schema", "schema": {"type": "object"}}},
        temperature=0.5, top_p=0.9, top_k=4, stop_sequences=["END"], stream=True,
        metadata={"user_id": "u", "trace": "t"}, service_tier="standard_only",
    )  # fmt: skip
    assert request.reasoning == Reasoning(enabled=True, effort="high", budget_tokens=2048, show=True)
    assert request.output == OutputFormat("json_schema", schema={"type": "object"})
    assert request.sampling == Sampling(temperature=0.5, top_p=0.9, top_k=4, stop=("END",))
    assert (request.user, request.metadata, request.service_tier) == ("u", {"trace": "t"}, "standard_only")
    assert request.stream


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"max_tokens": None}, "max_tokens"),
        ({"max_tokens": 1.5}, "max_tokens"),
        ({"max_tokens": True}, "max_tokens"),
        ({"temperature": "hot"}, "temperature"),
        ({"system": [5]}, "system.0"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages.0.content.0.text"),
        ({"messages": [{"role": "user", "content": [{"type": "image"}]}]}, "messages.0.content.0.source"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "url"}}]}]},
            "messages.0.content.0.source.url",
        ),
        (
            {"messages": [{"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": 1}]}]},
            "messages.0.content.0.name",
        ),
        (
            {"messages": [{"role": "assistant", "content": [{"type": "tool_use", "input": "x"}]}]},
            "messages.0.content.0.input",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "tool_result", "content": "x"}]}]},
            "messages.0.content.0.tool_use_id",
        ),
        ({"tools": [{"name": "f"}]}, "tools.0.input_schema"),
        ({"tools": [{"input_schema": {}}]}, "tools.0.name"),
        ({"tool_choice": {"type": "maybe"}}, "tool_choice.type"),
        ({"tool_choice": {"type": "tool"}}, "tool_choice.name"),
        ({"stop_sequences": [1]}, "stop_sequences.0"),
        ({"thinking": {"type": "enabled", "budget_tokens": "x"}}, "thinking.budget_tokens"),
        ({"output_config": {"format": {"type": "json_schema"}}}, "output_config.format.schema"),
        ({"stream": 1}, "stream"),
    ],
)
def test_a_wrong_field_is_named_by_its_path(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(ProblemError) as caught:
        decode(**fields)
    assert caught.value.problem.param == param
    assert caught.value.problem.http_status == 400


# ── what a caller of this dialect wrote comes out as he wrote it ──


def test_what_has_no_name_in_the_house_comes_back_unchanged() -> None:
    fields: dict[str, Any] = {
        "container": {"id": "c", "skills": []},
        "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
        "mcp_servers": [{"type": "url", "url": "https://example.org", "name": "n"}],
        "inference_geo": "eu",
        "thinking": {"type": "adaptive", "display": "updates", "block_binding": {"a": 1}},
        "output_config": {"effort": "xhigh", "task_budget": {"type": "tokens", "total": 5}},
        "metadata": {"user_id": "u", "trace": "t", "n": 5},
        "messages": [
            {"role": "user", "content": [
                {"type": "hologram", "x": 1},
                {"type": "search_result", "source": "https://example.org", "title": "T",
                 "content": [{"type": "text", "text": "found"}]},
                {"type": "document", "source": {"type": "content", "content": [
                    {"type": "text", "text": "chunk"}]}, "citations": {"enabled": True}, "context": "C"},
                {"type": "text", "text": "q", "cache_control": {"type": "ephemeral", "scope": "turn"}},
            ], "output_config": {"effort": "low"}},
            {"role": "assistant", "content": [
                {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"q": "x"}},
                {"type": "web_search_tool_result", "tool_use_id": "s1", "content": [{"type": "y"}]},
                {"type": "tool_use", "id": "t1", "name": "f", "input": {}, "caller": {"type": "direct"}},
            ]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": [
                {"type": "tool_reference", "tool_name": "g"}], "toolset_name": "z"}]},
            {"role": "system", "content": [{"type": "tool_addition", "tool": {"type": "ref"}}]},
        ],
        "tools": [
            {"type": "web_search_20260318", "name": "web_search", "max_uses": 3},
            {"type": "computer_toolset_20260801", "configs": {}},
            {"name": "f", "description": "d", "input_schema": {"type": "object"}, "strict": True,
             "defer_loading": True, "cache_control": {"type": "ephemeral", "ttl": "1h"}},
        ],
    }  # fmt: skip
    assert again(**fields) == {"model": "claude-opus-4-8", "max_tokens": 10, **fields}


def test_the_same_blocks_reach_another_dialect_as_names_to_report() -> None:
    request = decode(
        messages=[{"role": "user", "content": [
            {"type": "container_upload", "file_id": "f"},
            {"type": "search_result", "source": "src", "title": "T",
             "content": [{"type": "text", "text": "found"}]},
        ]}],
        mcp_servers=[],
    )  # fmt: skip
    upload, found = request.messages[0].parts
    assert isinstance(upload, TextPart)
    assert (upload.text, list(upload.extra or {})) == ("", ["container_upload"])
    assert isinstance(found, TextPart)
    assert found.text == "T (src)\nfound"
    assert request.extra == {"mcp_servers": []}


@pytest.mark.parametrize(
    "thinking",
    [
        {"type": "adaptive"},
        {"type": "adaptive", "display": "omitted"},
        {"type": "disabled"},
        {"type": "tomorrow", "a": 1},
    ],
)
def test_thinking_comes_back_as_it_was_written(thinking: dict[str, Any]) -> None:
    assert again(thinking=thinking)["thinking"] == thinking


def test_a_budget_comes_back_where_the_model_takes_budgets() -> None:
    thinking = {"type": "enabled", "budget_tokens": 2000, "display": "summarized"}
    assert again(Target("claude-haiku-4-5"), thinking=thinking, max_tokens=4000)["thinking"] == thinking


def test_the_betas_output_format_takes_its_place_in_output_config() -> None:
    form = {"type": "json_schema", "schema": {"type": "object"}}
    assert again(output_format=form)["output_config"] == {"format": form}
    assert again(output_format="markdown")["output_format"] == "markdown"


def test_a_count_carries_what_the_counting_endpoint_takes() -> None:
    request = decode(
        COUNT, temperature=0.5, stop_sequences=["x"], metadata={"user_id": "u"}, stream=True,
        container="c", context_management={"edits": []}, system="S", service_tier="auto",
        tools=[{"name": "f", "input_schema": {"type": "object"}}], tool_choice={"type": "auto"},
    )  # fmt: skip
    body, dropped = encode(request, Target("claude-opus-4-8", operation="count_tokens"))
    assert set(body) == {"model", "messages", "system", "tools", "tool_choice", "context_management"}
    assert dropped == ()


def test_system_turns_are_told_as_reminders_to_models_that_refuse_them() -> None:
    turns = [HI, {"role": "assistant", "content": "yes?"}, HI, {"role": "system", "content": "be brief"}]
    assert again(messages=turns)["messages"] == turns
    assert again(Target("claude-haiku-4-5"), messages=turns)["messages"][2]["content"] == [
        {"type": "text", "text": "hi"},
        {"type": "text", "text": "<system-reminder>\nbe brief\n</system-reminder>"},
    ]


# ── writing what another dialect's caller asked ──


def test_leading_system_messages_are_hoisted_and_later_ones_marked() -> None:
    body, dropped = encode(
        foreign(
            Message("system", (TextPart("A"),)), Message("developer", (TextPart("B"),)),
            user("q"), assistant("a"), Message("developer", (TextPart("C"),)), user("r"),
        )
    )  # fmt: skip
    assert body["system"] == [{"type": "text", "text": "A"}, {"type": "text", "text": "B"}]
    assert body["messages"] == [
        {"role": "user", "content": "q"},
        {"role": "assistant", "content": "a"},
        {"role": "user", "content": [
            {"type": "text", "text": "<system-reminder>\nC\n</system-reminder>"},
            {"type": "text", "text": "r"},
        ]},
    ]  # fmt: skip
    assert dropped == ()


def test_a_prompt_that_is_all_system_becomes_a_turn() -> None:
    body, _ = encode(foreign(Message("system", (TextPart("A"),)), Message("system", (TextPart("B"),))))
    assert body["system"] == "A"
    assert body["messages"] == [{"role": "user", "content": "B"}]


def test_turns_of_one_role_become_one_and_results_come_first() -> None:
    body, _ = encode(
        foreign(
            user("q"),
            assistant(ToolCallPart("a", "f", '{"x": 1}')),
            assistant(ToolCallPart("b", "g", "")),
            result("a"),
            user("by the way"),
            result("b", is_error=True),
        )
    )
    assert body["messages"][1:] == [
        {"role": "assistant", "content": [
            {"type": "tool_use", "id": "a", "name": "f", "input": {"x": 1}},
            {"type": "tool_use", "id": "b", "name": "g", "input": {}},
        ]},
        {"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": "a", "content": "ok"},
            {"type": "tool_result", "tool_use_id": "b", "content": "ok", "is_error": True},
            {"type": "text", "text": "by the way"},
        ]},
    ]  # fmt: skip


@pytest.mark.parametrize(
    "messages",
    [
        (user("q"), assistant(ToolCallPart("call_9", "f"))),
        (user("q"), assistant(ToolCallPart("call_9", "f")), user("and?")),
        (user("q"), result("call_9")),
    ],
)
def test_a_call_without_its_result_is_refused_by_name(messages: tuple[Message, ...]) -> None:
    with pytest.raises(ProblemError) as caught:
        PROVIDER.encode_request(foreign(*messages), OPUS)
    assert "`call_9`" in caught.value.problem.message


def test_no_empty_text_is_ever_sent() -> None:
    body, dropped = encode(
        foreign(
            user("", " \n", "q"),
            assistant("", ToolCallPart("a", "f")),
            result("a", ""),
            assistant(" "),
            user("r"),
        )
    )
    assert body["messages"] == [
        {"role": "user", "content": "q"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "f", "input": {}}]},
        {"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": "a"}, {"type": "text", "text": "r"},
        ]},
    ]  # fmt: skip
    assert dropped == ()


def test_nothing_to_answer_is_refused() -> None:
    with pytest.raises(ProblemError, match="nothing to answer"):
        PROVIDER.encode_request(foreign(user(" ")), OPUS)


def test_a_prefill_does_not_end_in_white_space() -> None:
    body, _ = encode(foreign(user("q"), assistant("The answer is ")))
    assert body["messages"][-1] == {"role": "assistant", "content": "The answer is"}


def test_media_goes_where_anthropic_has_a_place_for_it() -> None:
    words = base64.b64encode(b"a,b").decode()
    body, dropped = encode(
        foreign(
            user(
                ImagePart("image/png", "AA==", detail="high"),
                ImagePart(url="https://example.org/a.png"),
                ImagePart(url="data:image/webp;base64,BB=="),
                FilePart("application/pdf", "CC==", name="a.pdf"),
                FilePart(None, "JVBERi0="),
                FilePart("text/csv", words),
                FilePart("application/octet-stream", words, name="a.md"),
                FilePart("image/gif", "DD=="),
                FilePart(url="https://example.org/a.pdf"),
                FilePart("application/zip", "EE=="),
                FilePart(file_id="file-openai"),
                AudioPart("audio/wav", "FF==", transcript="said"),
                RefusalPart("no"),
            )
        )
    )
    assert [b.get("source", b.get("text")) for b in body["messages"][0]["content"]] == [
        {"type": "base64", "media_type": "image/png", "data": "AA=="},
        {"type": "url", "url": "https://example.org/a.png"},
        {"type": "base64", "media_type": "image/webp", "data": "BB=="},
        {"type": "base64", "media_type": "application/pdf", "data": "CC=="},
        {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="},
        {"type": "text", "media_type": "text/plain", "data": "a,b"},
        {"type": "text", "media_type": "text/plain", "data": "a,b"},
        {"type": "base64", "media_type": "image/gif", "data": "DD=="},
        {"type": "url", "url": "https://example.org/a.pdf"},
        "said",
        "no",
    ]
    assert dropped == ("detail", "file", "file_id", "input_audio")


def test_images_in_tool_results_stay_in_them() -> None:
    part = ToolResultPart("a", (TextPart("see"), ImagePart("image/png", "AA==")))
    body, _ = encode(foreign(user("q"), assistant(ToolCallPart("a", "f")), Message("tool", (part,))))
    assert [b["type"] for b in body["messages"][2]["content"][0]["content"]] == ["text", "image"]


def test_ids_anthropic_refuses_are_mapped_the_same_on_every_turn() -> None:
    first = [
        user("q"), assistant(ToolCallPart("call.1/é", "f"), ToolCallPart("x" * 80, "g")),
        result("call.1/é"), result("x" * 80),
    ]  # fmt: skip
    later = [
        *first,
        assistant(ToolCallPart("call.1/é", "f")),
        result("call.1/é"),
        assistant("done"),
        user("r"),
    ]
    body, _ = encode(foreign(*first))
    again, _ = encode(foreign(*later))
    assert again["messages"][: len(body["messages"])] == body["messages"]
    calls = [
        b["id"]
        for m in again["messages"]
        for b in m["content"]
        if isinstance(b, dict) and b["type"] == "tool_use"
    ]
    answers = [
        b["tool_use_id"]
        for m in again["messages"]
        for b in m["content"]
        if isinstance(b, dict) and b["type"] == "tool_result"
    ]
    assert calls == answers
    assert len(set(calls)) == 3
    assert all(len(i) <= 64 and i.replace("_", "").replace("-", "").isascii() for i in calls)


def test_a_second_call_of_the_same_id_gets_its_own() -> None:
    """Gemini clients name calls after their function."""
    body, _ = encode(
        foreign(
            user("q"),
            assistant(ToolCallPart("f", "f"), ToolCallPart("f", "f")),
            result("f", "1"),
            result("f", "2"),
        )
    )
    calls = [b["id"] for b in body["messages"][1]["content"]]
    answers = {b["tool_use_id"]: b["content"] for b in body["messages"][2]["content"]}
    assert answers == {calls[0]: "1", calls[1]: "2"}


def test_tool_names_anthropic_refuses_are_mapped_and_the_way_back_is_told() -> None:
    request = foreign(
        user("q"), assistant(ToolCallPart("a", "files.read")), result("a"),
        tools=(Tool("files.read", parameters={"type": "object"}), Tool("ok", parameters={})),
        tool_choice=ToolChoice("tool", "files.read"),
    )  # fmt: skip
    encoded = PROVIDER.encode_request(request, OPUS)
    body = json.loads(encoded.body)
    sent = body["tools"][0]["name"]
    assert encoded.renamed == {sent: "files.read"}
    assert body["messages"][1]["content"][0]["name"] == body["tool_choice"]["name"] == sent


def test_free_text_tools_take_their_text_under_input() -> None:
    grammar = {"syntax": "lark", "definition": "start: WORD"}
    body, dropped = encode(
        foreign(
            user("q"), assistant(ToolCallPart("a", "apply_patch", "*** Begin", "custom")), result("a"),
            tools=(Tool("apply_patch", kind="custom", grammar=grammar),),
        )
    )  # fmt: skip
    assert body["messages"][1]["content"][0]["input"] == {"input": "*** Begin"}
    schema = body["tools"][0]["input_schema"]
    assert schema["required"] == ["input"]
    assert "start: WORD" in schema["properties"]["input"]["description"]
    assert dropped == ("tools.format",)


def test_tools_are_carried_and_another_makers_builtin_is_reported() -> None:
    body, dropped = encode(
        foreign(
            tools=(
                Tool("f", "d", {"properties": {}}, strict=False, cache="1h"),
                Tool("g"),
                Tool("web_search", kind="builtin", origin="openai_responses", extra={"type": "web_search"}),
            ),
            parallel_tool_calls=False,
        )
    )
    assert body["tools"] == [
        {"name": "f", "description": "d", "input_schema": {"type": "object", "properties": {}},
         "cache_control": {"type": "ephemeral", "ttl": "1h"}},
        {"name": "g", "input_schema": {"type": "object"}},
    ]  # fmt: skip
    assert body["tool_choice"] == {"type": "auto", "disable_parallel_tool_use": True}
    assert dropped == ("tools.web_search",)


def test_strict_is_kept_where_the_schema_can_be_compiled() -> None:
    closed = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
    bounded = {"type": "object", "properties": {"a": {"type": "integer", "minimum": 0}}}
    body, dropped = encode(
        foreign(tools=(Tool("f", parameters=closed, strict=True), Tool("g", parameters=bounded, strict=True)))
    )
    assert body["tools"][0]["strict"] is True
    assert body["tools"][0]["input_schema"]["additionalProperties"] is False
    assert body["tools"][1] == {"name": "g", "input_schema": bounded}
    assert dropped == ("strict",)


def test_a_narrowed_choice_narrows_the_list() -> None:
    tools = (Tool("f"), Tool("g"), Tool("h"))
    body, dropped = encode(foreign(tools=tools, tool_choice=ToolChoice("required", allowed=("g", "h"))))
    assert [t["name"] for t in body["tools"]] == ["g", "h"]
    assert body["tool_choice"] == {"type": "any"}
    assert dropped == ()


def test_a_forced_tool_is_only_wished_for_where_force_is_refused() -> None:
    body, dropped = encode(
        foreign(tools=(Tool("f"),), tool_choice=ToolChoice("tool", "f")), Target("claude-opus-5-5")
    )
    assert body["tool_choice"] == {"type": "auto"}
    assert dropped == ("tool_choice",)


def test_a_choice_without_tools_is_reported() -> None:
    body, dropped = encode(foreign(tool_choice=ToolChoice("required")))
    assert "tool_choice" not in body
    assert dropped == ("tool_choice",)


def test_a_choice_of_a_tool_that_was_lost_is_lost_with_it() -> None:
    tools = (Tool("f"), Tool("web", kind="builtin", origin="gemini"))
    body, dropped = encode(foreign(tools=tools, tool_choice=ToolChoice("tool", "web")))
    assert body["tool_choice"] == {"type": "auto"}
    assert dropped == ("tools.web", "tool_choice")


def test_a_forced_tool_goes_before_thinking() -> None:
    asked = foreign(
        tools=(Tool("f"),), tool_choice=ToolChoice("required"), reasoning=Reasoning(effort="high")
    )
    body, dropped = encode(asked, SONNET_4)
    assert body["tool_choice"] == {"type": "any"}
    assert "thinking" not in body
    assert dropped == ("reasoning.effort",)


def test_everything_anthropic_has_no_word_for_is_reported() -> None:
    body, dropped = encode(
        foreign(
            Message("user", (TextPart("q", extra={"novel": 1}),), name="Ann", extra={"weight": 0}),
            sampling=Sampling(
                seed=1, n=2, presence_penalty=0.5, frequency_penalty=0.5, logprobs=True, top_logprobs=2,
                logit_bias={"1": 2.0}, stop=("END", "\n\n"),
            ),
            output=OutputFormat("json"), metadata={"a": "b"}, service_tier="flex", prompt_cache_key="k",
            verbosity="low", extra={"store": True}, dropped=("earlier",),
        )
    )  # fmt: skip
    assert set(dropped) == {
        "earlier", "name", "weight", "novel", "seed", "n", "presence_penalty", "frequency_penalty",
        "logprobs", "top_logprobs", "logit_bias", "stop", "response_format", "metadata", "service_tier",
        "prompt_cache_key", "verbosity", "store",
    }  # fmt: skip
    assert body["stop_sequences"] == ["END"]
    assert set(body) == {"model", "messages", "max_tokens", "stop_sequences"}


def test_penalties_of_nothing_and_one_answer_are_no_loss() -> None:
    _, dropped = encode(
        foreign(sampling=Sampling(presence_penalty=0, frequency_penalty=0, logprobs=False, n=1))
    )
    assert dropped == ()


@pytest.mark.parametrize(
    ("model", "asked", "sent", "lost"),
    [
        ("claude-sonnet-4-20250514", {"temperature": 1.7}, {"temperature": 1.0}, ("temperature",)),
        (
            "claude-sonnet-4-20250514",
            {"temperature": 0.2, "top_p": 0.9},
            {"temperature": 0.2, "top_p": 0.9},
            (),
        ),
        ("claude-sonnet-4-5", {"temperature": 0.2, "top_p": 0.9}, {"temperature": 0.2}, ("top_p",)),
        ("claude-sonnet-4-5", {"temperature": 0.2, "top_p": 1}, {"temperature": 0.2}, ()),
        (
            "claude-sonnet-5",
            {"temperature": 0.2, "top_p": 0.5, "top_k": 3},
            {},
            ("temperature", "top_p", "top_k"),
        ),
        ("claude-sonnet-5", {"temperature": 1, "top_p": 1}, {"temperature": 1}, ()),
        (
            "glm-5",
            {"temperature": 0.2, "top_p": 0.9, "top_k": 3},
            {"temperature": 0.2, "top_p": 0.9, "top_k": 3},
            (),
        ),
    ],
)
def test_sampling_is_what_the_generation_takes(
    model: str, asked: dict[str, Any], sent: dict[str, Any], lost: tuple[str, ...]
) -> None:
    body, dropped = encode(foreign(sampling=Sampling(**asked)), Target(model))
    assert {k: v for k, v in body.items() if k in ("temperature", "top_p", "top_k")} == sent
    assert dropped == lost


@pytest.mark.parametrize(
    ("asked", "target", "sent"),
    [
        (50, Target("claude-opus-4-8", max_output_tokens=100), 50),
        (500, Target("claude-opus-4-8", max_output_tokens=100), 100),
        (None, Target("claude-opus-4-8", max_output_tokens=100), 100),
        (None, OPUS, 4096),
    ],
)
def test_max_tokens_is_always_said(asked: int | None, target: Target, sent: int) -> None:
    assert encode(foreign(max_output_tokens=asked), target)[0]["max_tokens"] == sent


def test_a_schema_becomes_structured_output_within_anthropics_subset() -> None:
    schema = {
        "$schema": "x", "type": "object",
        "properties": {
            "n": {"type": "integer", "minimum": 1, "description": "how many"},
            "u": {"oneOf": [{"type": "null"}]},
        },
    }  # fmt: skip
    body, dropped = encode(foreign(output=OutputFormat("json_schema", name="x", schema=schema, strict=True)))
    assert body["output_config"] == {"format": {"type": "json_schema", "schema": {
        "type": "object",
        "properties": {
            "n": {"type": "integer", "description": "how many\n\n{minimum: 1}"},
            "u": {"anyOf": [{"type": "null"}]},
        },
        "additionalProperties": False,
    }}}  # fmt: skip
    assert dropped == ("response_format.schema",)


@pytest.mark.parametrize(
    "target",
    [
        Target("glm-5", quirks=frozenset({"no_json_schema"})),
        Target("claude-3-5-haiku", capabilities=frozenset({"tools"})),
    ],
)
def test_a_schema_is_reported_where_none_can_be_bound(target: Target) -> None:
    body, dropped = encode(foreign(output=OutputFormat("json_schema", schema={"type": "object"})), target)
    assert "output_config" not in body
    assert dropped == ("response_format",)


def test_quirks_of_a_deployment_are_obeyed() -> None:
    target = Target("glm-5", quirks=frozenset({"no_image_url", "no_metadata"}))
    body, dropped = encode(foreign(user("q", ImagePart(url="https://example.org/x")), user="u"), target)
    assert body["messages"] == [{"role": "user", "content": "q"}]
    assert dropped == ("image_url", "user")


# ── thoughts of others ──


def test_thoughts_of_another_origin_are_stripped_and_reported_once() -> None:
    body, dropped = encode(
        foreign(
            user("q"),
            assistant(
                ReasoningPart("a", signature="s", origin="gemini"), ReasoningPart("b", origin="openai_chat"),
                ReasoningPart("c", signature="s3", origin="anthropic"), "said",
            ),
            user("r"),
        )
    )  # fmt: skip
    assert body["messages"][1]["content"] == [
        {"type": "thinking", "thinking": "c", "signature": "s3"},
        {"type": "text", "text": "said"},
    ]
    assert dropped == ("reasoning",)


def test_sealed_thoughts_are_taken_out_of_a_clients_blocks() -> None:
    request = decode(
        messages=[
            HI,
            {"role": "assistant", "content": [
                {"type": "thinking", "thinking": "Hm",
                 "signature": seal(Sealed("openai_responses", None, "enc", "rs_1"))},
                {"type": "redacted_thinking", "data": seal(Sealed("gemini", encrypted="e"))},
                {"type": "tool_use", "id": "c1", "name": "f", "input": {}},
                {"type": "redacted_thinking", "data": seal(Sealed("gemini", "GSIG", call_id="c1"))},
            ]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c1", "content": "x"}]},
        ]
    )  # fmt: skip
    assert request.messages[1].parts == (
        ReasoningPart("Hm", encrypted="enc", id="rs_1", origin="openai_responses"),
        ReasoningPart(encrypted="e", origin="gemini"),
        ToolCallPart("c1", "f", signature="GSIG"),
    )
    body, dropped = encode(request)
    assert body["messages"][1]["content"] == [{"type": "tool_use", "id": "c1", "name": "f", "input": {}}]
    assert dropped == ("reasoning",)


def test_unsigned_thoughts_reach_only_those_who_give_none_signed() -> None:
    turns = [HI, {"role": "assistant", "content": [
        {"type": "thinking", "thinking": "Hm", "signature": ""}, {"type": "text", "text": "x"},
    ]}, HI]  # fmt: skip
    body, dropped = encode(decode(messages=turns))
    assert body["messages"][1] == {"role": "assistant", "content": "x"}
    assert dropped == ("reasoning",)
    assert again(Target("glm-5"), messages=turns)["messages"] == turns


def test_an_answers_own_fields_come_back_as_history() -> None:
    """An agent's next request is made of the last answer's parts."""
    part = ToolCallPart("a", "f", extra={"anthropic": {"caller": {"type": "x"}}})
    body, dropped = encode(foreign(user("q"), assistant(part), result("a")))
    assert body["messages"][1]["content"][0]["caller"] == {"type": "x"}
    assert dropped == ()
