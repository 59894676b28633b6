"""Chat requests into core and out of it, for callers of any dialect and servers with quirks."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from msgspec.structs import replace
from tests.codecs.openai_chat_support import CHAT, TARGET, Json, asked, few, requests

from passerelle.codecs.base import QUIRKS, Target
from passerelle.codecs.names import fit_name
from passerelle.codecs.openai_chat import CLIENT, PROVIDER
from passerelle.codecs.sealed import Sealed, seal
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
from passerelle.core.request import Dialect, OutputFormat, Reasoning, Request, Sampling, Tool, ToolChoice

USER = Message("user", (TextPart("hi"),))


def read(body: bytes) -> Request:
    return CLIENT.decode_request(body, CHAT)


def write(request: Request, **target: Any) -> tuple[Json, tuple[str, ...]]:
    encoded = PROVIDER.encode_request(request, Target("gpt-x", **target))
    return json.loads(encoded.body), encoded.dropped


def foreign(*messages: Message, **fields: Any) -> Request:
    return Request("m", messages or (USER,), "anthropic", **fields)


def quirky(*names: str) -> dict[str, Any]:
    assert set(names) <= set(QUIRKS)
    return {"quirks": frozenset(names)}


# ---- in


def test_roles_and_words_keep_their_place() -> None:
    request = read(
        asked(
            {"role": "system", "content": "a"},
            {"role": "developer", "content": [{"type": "text", "text": "b"}]},
            {"role": "user", "content": "c", "name": "ann"},
            {"role": "assistant", "content": "d"},
            {"role": "system", "content": "e"},
            {"role": "user", "content": ""},
        )
    )
    assert [(m.role, m.text, m.name) for m in request.messages] == [
        ("system", "a", None),
        ("developer", "b", None),
        ("user", "c", "ann"),
        ("assistant", "d", None),
        ("system", "e", None),
        ("user", "", None),
    ]


def test_media_comes_inline_by_address_or_by_id() -> None:
    (message,) = read(
        asked(
            {
                "role": "user",
                "content": [
                    {
                        "type": "image_url",
                        "image_url": {"url": "data:image/png;base64,AAAA", "detail": "low"},
                    },
                    {"type": "image_url", "image_url": {"url": "https://x/y.png"}},
                    {"type": "image_url", "image_url": "https://x/z.png"},
                    {"type": "input_audio", "input_audio": {"data": "BBBB", "format": "mp3"}},
                    {
                        "type": "file",
                        "file": {"file_data": "data:application/pdf;base64,CC==", "filename": "a"},
                    },
                    {"type": "file", "file": {"file_id": "file-1"}},
                ],
            }
        )
    ).messages
    assert message.parts == (
        ImagePart("image/png", "AAAA", detail="low"),
        ImagePart(url="https://x/y.png"),
        ImagePart(url="https://x/z.png"),
        AudioPart("audio/mpeg", "BBBB"),
        FilePart("application/pdf", "CC==", name="a"),
        FilePart(file_id="file-1"),
    )


def test_tools_calls_and_results_are_read() -> None:
    request = read(
        asked(
            {"role": "user", "content": "x"},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}},
                    {"id": "c2", "type": "function", "function": {"name": "g", "arguments": ""}},
                    {"id": "c3", "type": "custom", "custom": {"name": "h", "input": "raw"}},
                ],
            },
            {"role": "tool", "tool_call_id": "c1", "content": "one", "name": "f"},
            {"role": "tool", "tool_call_id": "c2", "content": [{"type": "text", "text": "two"}]},
            {"role": "tool", "tool_call_id": "c3", "content": None},
            tools=[
                {"type": "function", "function": {"name": "f", "parameters": {"type": "object"},
                                                  "strict": True}},
                {"type": "custom", "custom": {"name": "h", "format": {"type": "grammar", "grammar": {
                    "syntax": "lark", "definition": "start: /x/"}}}},
                {"type": "web_search", "depth": 2},
            ],
            tool_choice={"type": "function", "function": {"name": "f"}},
            parallel_tool_calls=False,
        )
    )  # fmt: skip
    assert request.messages[1].parts == (
        ToolCallPart("c1", "f", '{"a":1}'),
        ToolCallPart("c2", "g", "{}"),
        ToolCallPart("c3", "h", "raw", "custom"),
    )
    assert [m.parts[0] for m in request.messages[2:]] == [
        ToolResultPart("c1", (TextPart("one"),), name="f"),
        ToolResultPart("c2", (TextPart("two"),)),
        ToolResultPart("c3"),
    ]
    assert request.tools == (
        Tool("f", parameters={"type": "object"}, strict=True),
        Tool("h", kind="custom", grammar={"syntax": "lark", "definition": "start: /x/"}),
        Tool("web_search", kind="builtin", origin="openai_chat", extra={"type": "web_search", "depth": 2}),
    )
    assert request.tool_choice == ToolChoice("tool", "f")
    assert request.parallel_tool_calls is False


@pytest.mark.parametrize(
    ("value", "choice"),
    [
        ("auto", ToolChoice("auto")),
        ("none", ToolChoice("none")),
        ("required", ToolChoice("required")),
        ("any", ToolChoice("required")),
        ({"type": "custom", "custom": {"name": "f"}}, ToolChoice("tool", "f")),
        (
            {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [
                {"type": "function", "function": {"name": "f"}}]}},
            ToolChoice("required", allowed=("f",)),
        ),
        ({"type": "new_kind"}, None),
        (None, None),
    ],
)  # fmt: skip
def test_every_form_of_tool_choice_is_understood(value: Any, choice: ToolChoice | None) -> None:
    request = read(asked(tool_choice=value, tools=[{"type": "function", "function": {"name": "f"}}]))
    assert request.tool_choice == choice
    if value == {"type": "new_kind"}:
        assert request.extra == {"tool_choice": value}


def test_the_old_form_of_functions_is_the_new_one() -> None:
    request = read(
        asked(
            {"role": "user", "content": "x"},
            {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}},
            {"role": "function", "name": "f", "content": "one"},
            {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}},
            {"role": "function", "name": "f", "content": "two"},
            functions=[{"name": "f", "parameters": {"type": "object"}}],
            function_call={"name": "f"},
        )
    )
    assert [p.id for m in request.messages for p in m.parts if isinstance(p, ToolCallPart)] == [
        "call_fn_1",
        "call_fn_2",
    ]
    results = [p for m in request.messages for p in m.parts if isinstance(p, ToolResultPart)]
    assert [(r.call_id, r.content[0].text) for r in results if isinstance(r.content[0], TextPart)] == [
        ("call_fn_1", "one"),
        ("call_fn_2", "two"),
    ]
    assert request.tool_choice == ToolChoice("tool", "f")
    assert request.parallel_tool_calls is False
    body, dropped = write(request)
    assert [tool["function"]["name"] for tool in body["tools"]] == ["f"]
    assert dropped == ()


def test_every_other_field_has_its_place() -> None:
    request = read(
        asked(
            max_tokens=5,
            temperature=0.5,
            top_p=0.9,
            top_k=40,
            seed=1,
            stop="END",
            presence_penalty=0.1,
            frequency_penalty=0.2,
            logprobs=True,
            top_logprobs=3,
            n=2,
            logit_bias={"5": -100},
            user="u",
            metadata={"a": "b"},
            service_tier="flex",
            prompt_cache_key="k",
            verbosity="low",
            reasoning_effort="high",
            response_format={
                "type": "json_schema",
                "json_schema": {"name": "x", "schema": {}, "strict": True},
            },
            store=True,
            prediction={"type": "content", "content": "p"},
            new_field=None,
        )
    )
    assert request.max_output_tokens == 5
    assert request.sampling == Sampling(
        0.5, 0.9, 40, 1, ("END",), 0.1, 0.2, logprobs=True, top_logprobs=3, n=2, logit_bias={"5": -100}
    )
    assert (request.user, request.metadata, request.service_tier) == ("u", {"a": "b"}, "flex")
    assert (request.prompt_cache_key, request.verbosity) == ("k", "low")
    assert request.reasoning == Reasoning(effort="high")
    assert request.output == OutputFormat("json_schema", "x", {}, strict=True)
    assert request.extra == {"store": True, "prediction": {"type": "content", "content": "p"}}
    assert request.dropped == ()


def test_what_asks_for_nothing_elsewhere_is_remembered_not_reported() -> None:
    request = read(asked(stream=True, store=False, stream_options={"include_obfuscation": False}))
    assert request.extra is None
    assert write(replace(request, dialect="anthropic"))[1] == ()
    body, _ = write(request)
    assert body["store"] is False
    assert body["stream_options"] == {"include_usage": True, "include_obfuscation": False}


def test_cache_marks_are_read_in_both_of_their_forms() -> None:
    request = read(
        asked(
            {"role": "system", "content": [
                {"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}},
                {"type": "text", "text": "b", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
                {"type": "text", "text": "c", "prompt_cache_breakpoint": {"mode": "explicit", "ttl": "12h"}},
            ]},
            {"role": "user", "content": "d", "cache_control": {"type": "ephemeral"}},
            {"role": "tool", "tool_call_id": "c", "content": "e", "cache_control": {"type": "ephemeral"}},
        )
    )  # fmt: skip
    marks = [getattr(part, "cache", None) for message in request.messages for part in message.parts]
    assert marks == ["5m", "1h", "1h", "5m", "5m"]
    body, dropped = write(request)
    assert body["messages"][0]["content"][2] == {
        "type": "text",
        "text": "c",
        "prompt_cache_breakpoint": {"mode": "explicit", "ttl": "12h"},
    }
    assert dropped == ()
    assert write(replace(request, dialect="gemini"))[1] == ("cache_control",)


def test_thoughts_come_back_under_any_of_their_names() -> None:
    for field in ("reasoning_content", "reasoning"):
        (message,) = read(asked({"role": "assistant", "content": "x", field: "hm"})).messages
        assert message.parts == (ReasoningPart("hm", origin="openai_chat"), TextPart("x"))
    piece = {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}
    (message,) = read(
        asked({"role": "assistant", "content": [piece, {"type": "text", "text": "x"}]})
    ).messages
    assert message.parts == (ReasoningPart("hm", origin="openai_chat"), TextPart("x"))


def test_sealed_thoughts_go_back_to_where_they_came_from() -> None:
    details = [
        {"type": "reasoning.text", "text": "hm", "signature": seal(Sealed("anthropic", "sig")), "index": 0},
        {"type": "reasoning.encrypted", "data": seal(Sealed("gemini", None, "enc")), "index": 1},
    ]
    (message,) = read(
        asked({"role": "assistant", "content": "x", "reasoning_content": "hm", "reasoning_details": details})
    ).messages
    assert message.parts == (
        ReasoningPart("hm", "sig", origin="anthropic"),
        ReasoningPart("", None, "enc", origin="gemini"),
        TextPart("x"),
    )


def test_a_message_of_which_nothing_is_left_is_left_out() -> None:
    lost = Message("user", (AudioPart("audio/wav", url="https://x"),))
    body, dropped = write(foreign(USER, lost, Message("user", ())))
    assert [message["content"] for message in body["messages"]] == ["hi", ""]
    assert dropped == ("audio",)
    assert write(foreign(lost))[0]["messages"] == [{"role": "user", "content": ""}]


def test_kinds_of_content_nobody_knows_go_back_whole_or_are_named() -> None:
    part = {"type": "video_url", "video_url": {"url": "https://x/y.mp4"}, "fps": 2}
    request = read(asked({"role": "user", "content": [{"type": "text", "text": "see"}, dict(part)]}))
    body, dropped = write(request)
    assert body["messages"][0]["content"][1] == part
    assert dropped == ()
    body, dropped = write(replace(request, dialect="anthropic"))
    assert body["messages"][0]["content"] == "see"
    assert dropped == ("video_url",)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (asked({"content": "x"}), "messages[0].role"),
        (asked({"role": "king", "content": "x"}), "messages[0].role"),
        (asked({"role": "user"}), "messages[0].content"),
        (asked({"role": "user", "content": None}), "messages[0].content"),
        (asked({"role": "user", "content": [{"text": "x"}]}), "messages[0].content[0].type"),
        (asked({"role": "user", "content": [{"type": "text"}]}), "messages[0].content[0].text"),
        (
            asked({"role": "user", "content": [{"type": "image_url", "image_url": {}}]}),
            "messages[0].content[0].image_url.url",
        ),
        (
            asked({"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "A"}}]}),
            "messages[0].content[0].input_audio.format",
        ),
        (asked({"role": "user", "content": [{"type": "file", "file": {}}]}), "messages[0].content[0].file"),
        (asked({"role": "tool", "content": "x"}), "messages[0].tool_call_id"),
        (asked({"role": "assistant", "tool_calls": [{"type": "function"}]}), "messages[0].tool_calls[0].id"),
        (
            asked(
                {"role": "assistant", "tool_calls": [{"id": "c", "function": {"name": "f", "arguments": {}}}]}
            ),
            "messages[0].tool_calls[0].function.arguments",
        ),
        (asked(tools=[{"type": "function", "function": {}}]), "tools[0].function.name"),
        (
            asked(tools=[{"type": "function", "function": {"name": "f", "strict": "y"}}]),
            "tools[0].function.strict",
        ),
        (asked(tool_choice="maybe"), "tool_choice"),
        (asked(tool_choice={"type": "function", "function": {}}), "tool_choice.function.name"),
        (asked(temperature="hot"), "temperature"),
        (asked(stop=["a", 1]), "stop[1]"),
        (asked(logit_bias={"a": "b"}), "logit_bias.a"),
        (asked(response_format={"type": "json_schema"}), "response_format.json_schema"),
        (asked(response_format={}), "response_format.type"),
        (asked(reasoning_effort=3), "reasoning_effort"),
    ],
)
def test_a_wrong_field_is_named_by_its_path(body: bytes, param: str) -> None:
    with pytest.raises(ProblemError) as caught:
        read(body)
    assert caught.value.problem.param == param
    assert f"`{param}`" in caught.value.problem.message


# ---- out


@few
@given(requests())
def test_a_request_written_and_read_again_is_the_same_but_for_what_is_reported(request: Request) -> None:
    quirks = frozenset({"reasoning_content_field", "custom_tools"})
    encoded = PROVIDER.encode_request(request, Target("m", quirks=quirks))
    again = read(encoded.body)
    assert encoded.dropped == ()
    assert strip_memo(again) == strip_memo(request)


def strip_memo(request: Request) -> Request:
    """A reading adds an empty thought to no message, and gives each tool result a message of its own."""
    return replace(request, memo=None)


@few
@given(requests())
def test_the_same_request_always_gives_the_same_bytes(request: Request) -> None:
    assert PROVIDER.encode_request(request, TARGET) == PROVIDER.encode_request(request, TARGET)


def test_a_foreign_request_says_what_chat_cannot_carry() -> None:
    body, dropped = write(
        foreign(
            Message("system", (TextPart("s", cache="5m"), ImagePart(url="https://x"))),
            Message("user", (TextPart("hi", extra={"odd": 1}), AudioPart("audio/wav", url="https://x"),
                             FilePart(url="https://x"), ImagePart(file_id="f"))),
            Message("assistant", (ReasoningPart("hm", "sig", origin="anthropic"),
                                  TextPart("yes", citations=({"a": 1},)))),
            Message("assistant", (ReasoningPart("only this", "sig", origin="anthropic"),)),
            tools=(Tool("web_search_1", kind="builtin", origin="anthropic", extra={}),),
            sampling=Sampling(top_k=5, n=3, stop=("a", "b", "c", "d", "e")),
            metadata={"a": "b"}, extra={"context_management": {}}, reasoning=Reasoning(summary="auto"),
            dropped=("already",),
        )
    )  # fmt: skip
    assert dropped == (
        "already", "cache_control", "image", "odd", "audio", "file", "citations", "reasoning",
        "tools.web_search_1", "reasoning.summary", "top_k", "stop", "n", "metadata", "context_management",
    )  # fmt: skip
    assert body == {
        "model": "gpt-x",
        "messages": [
            {"role": "system", "content": "s"},
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": "yes"},
        ],
        "stop": ["a", "b", "c", "d"],
    }


def test_every_call_has_its_result_right_behind_it() -> None:
    body, _ = write(
        foreign(
            Message("assistant", (ToolCallPart("a", "f"), ToolCallPart("b", "f"), ToolCallPart("c", "f"))),
            Message("tool", (ToolResultPart("b", (TextPart("2"),)),)),
            Message("user", (TextPart("and?"),)),
            Message("tool", (ToolResultPart("a", (TextPart("1"),)),)),
        )
    )
    assert [(m["role"], m.get("tool_call_id"), m["content"]) for m in body["messages"]] == [
        ("assistant", None, None),
        ("tool", "a", "1"),
        ("tool", "b", "2"),
        ("tool", "c", "(no result was given)"),
        ("user", None, "and?"),
    ]


def test_ids_fit_and_are_not_used_twice() -> None:
    long = "toolu_" + "x" * 60
    turn = (
        Message("assistant", (ToolCallPart(long, "f"), ToolCallPart("same", "f"), ToolCallPart("same", "g"))),
        Message("tool", (ToolResultPart("same", (TextPart("1"),)), ToolResultPart("same", (TextPart("2"),)))),
        Message("tool", (ToolResultPart(long, (TextPart("3"),)),)),
    )
    body, _ = write(foreign(*turn, Message("assistant", (ToolCallPart("same", "h"),))))
    calls = [call["id"] for m in body["messages"] for call in m.get("tool_calls", ())]
    results = [(m["tool_call_id"], m["content"]) for m in body["messages"] if m["role"] == "tool"]
    assert len(set(calls)) == 4
    assert all(len(identifier) <= 40 for identifier in calls)
    assert [identifier for identifier, _ in results] == calls
    assert [content for _, content in results][:3] == ["3", "1", "2"]
    shorter, _ = write(foreign(*turn))
    assert [c["id"] for m in shorter["messages"] for c in m.get("tool_calls", ())] == calls[:3]


def test_tool_names_fit_and_the_way_back_is_told() -> None:
    name = "mcp__server.with.dots__" + "x" * 60
    request = foreign(
        Message("assistant", (ToolCallPart("a", name),)),
        tools=(Tool(name), Tool("plain")),
        tool_choice=ToolChoice("tool", name),
    )
    encoded = PROVIDER.encode_request(request, TARGET)
    body = json.loads(encoded.body)
    sent = fit_name(name)
    assert len(sent) <= 64
    assert body["tools"][0]["function"]["name"] == sent
    assert body["messages"][0]["tool_calls"][0]["function"]["name"] == sent
    assert body["tool_choice"]["function"]["name"] == sent
    assert encoded.renamed == {sent: name}


def test_pictures_in_a_tools_result_follow_in_a_users_message() -> None:
    body, dropped = write(
        foreign(
            Message("assistant", (ToolCallPart("a", "f"), ToolCallPart("b", "f"))),
            Message("tool", (ToolResultPart("a", (TextPart("shot"), ImagePart("image/png", "AAAA"))),)),
            Message("tool", (ToolResultPart("b", (ImagePart("image/png", "BBBB"),)),)),
            Message("user", (TextPart("what is it?"),)),
        )
    )
    assert dropped == ()
    assert [m["role"] for m in body["messages"]] == ["assistant", "tool", "tool", "user"]
    assert body["messages"][1]["content"] == "shot"
    assert body["messages"][2]["content"] == "(the result is in the next user message)"
    assert [part.get("text") or part["image_url"]["url"] for part in body["messages"][3]["content"]] == [
        "From the result of tool call a:",
        "data:image/png;base64,AAAA",
        "From the result of tool call b:",
        "data:image/png;base64,BBBB",
        "what is it?",
    ]


def test_pictures_of_a_last_tool_result_get_a_message_of_their_own() -> None:
    body, _ = write(
        foreign(
            Message("assistant", (ToolCallPart("a", "f"),)),
            Message("tool", (ToolResultPart("a", (ImagePart("image/png", "AAAA"),)),)),
        )
    )
    assert [m["role"] for m in body["messages"]] == ["assistant", "tool", "user"]


def test_a_tools_error_is_said_in_words() -> None:
    def result(*texts: str) -> Any:
        parts = tuple(TextPart(text) for text in texts)
        body, _ = write(
            foreign(
                Message("assistant", (ToolCallPart("a", "f"),)),
                Message("tool", (ToolResultPart("a", parts, is_error=True),)),
            )
        )
        return body["messages"][1]["content"]

    assert result("not found") == "Error: not found"
    assert result("Error: not found") == "Error: not found"
    assert result() == "Error"


def test_texts_of_other_dialects_travel_as_words() -> None:
    data = base64.b64encode(b"a,b\n1,2").decode()
    body, dropped = write(
        foreign(Message("user", (FilePart("text/csv", data, name="t.csv"), TextPart("sum?"))))
    )
    assert body["messages"][0]["content"][0] == {"type": "text", "text": "t.csv:\na,b\n1,2"}
    unnamed = FilePart("application/octet-stream", base64.b64encode(b"# hi").decode(), name="notes.md")
    assert write(foreign(Message("user", (unnamed,))))[0]["messages"][0]["content"] == "notes.md:\n# hi"
    assert dropped == ()
    body, _ = write(foreign(Message("user", (FilePart("application/pdf", "AAAA"),))))
    assert body["messages"][0]["content"] == [
        {
            "type": "file",
            "file": {"file_data": "data:application/pdf;base64,AAAA", "filename": "document.pdf"},
        }
    ]


def test_an_assistants_refusal_sound_and_picture_are_carried() -> None:
    body, dropped = write(
        foreign(
            Message("assistant", (RefusalPart("no"),)),
            Message("assistant", (AudioPart("audio/wav", "AA", transcript="spoken"),)),
            Message("assistant", (TextPart("here"), ImagePart("image/png", "AAAA"))),
            USER,
        )
    )
    assert body["messages"][0] == {"role": "assistant", "content": None, "refusal": "no"}
    assert body["messages"][1]["content"] == "spoken"
    assert body["messages"][3]["content"][1]["image_url"]["url"] == "data:image/png;base64,AAAA"
    assert dropped == ("audio",)


def test_usage_in_a_stream_is_always_asked_for() -> None:
    assert write(foreign(stream=True))[0]["stream_options"] == {"include_usage": True}
    assert "stream_options" not in write(foreign(stream=True), **quirky("no_stream_options"))[0]
    assert "stream_options" not in write(foreign())[0]


def test_quirk_max_tokens_field_and_the_models_own_ceiling() -> None:
    request = foreign(max_output_tokens=64_000)
    assert write(request)[0]["max_completion_tokens"] == 64_000
    assert write(request, max_output_tokens=32_768)[0]["max_completion_tokens"] == 32_768
    assert write(request, **quirky("max_tokens_field"))[0]["max_tokens"] == 64_000


def test_quirk_no_developer_role() -> None:
    request = foreign(Message("developer", (TextPart("d"),)), USER)
    assert write(request)[0]["messages"][0]["role"] == "developer"
    assert write(request, **quirky("no_developer_role"))[0]["messages"][0]["role"] == "system"


def test_quirk_no_parallel_tool_calls_field() -> None:
    for parallel, lost in ((False, ("parallel_tool_calls",)), (True, ())):
        request = foreign(tools=(Tool("f"),), parallel_tool_calls=parallel)
        assert write(request)[0]["parallel_tool_calls"] is parallel
        body, dropped = write(request, **quirky("no_parallel_tool_calls_field"))
        assert "parallel_tool_calls" not in body
        assert dropped == lost


def test_quirk_no_json_schema() -> None:
    request = foreign(
        Message("user", (TextPart("as JSON, please"),)),
        output=OutputFormat("json_schema", schema={"type": "object"}),
    )
    assert write(request)[0]["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "answer", "schema": {"type": "object"}},
    }
    body, dropped = write(request, **quirky("no_json_schema"))
    assert body["response_format"] == {"type": "json_object"}
    assert dropped == ("response_format.json_schema",)


def test_json_is_asked_for_in_words_where_the_caller_did_not() -> None:
    body, _ = write(foreign(output=OutputFormat("json")))
    assert body["messages"][-1] == {"role": "system", "content": "Answer in JSON."}
    body, _ = write(foreign(Message("user", (TextPart("in Json"),)), output=OutputFormat("json")))
    assert len(body["messages"]) == 1


def test_quirk_no_metadata() -> None:
    request = read(asked(user="u", metadata={"a": "b"}, store=True, prompt_cache_key="k"))
    body, dropped = write(request, **quirky("no_metadata"))
    assert not {"user", "metadata", "store", "prompt_cache_key"} & set(body)
    assert set(dropped) == {"user", "metadata", "store", "prompt_cache_key"}


def test_quirk_no_image_url() -> None:
    request = foreign(
        Message("user", (TextPart("?"), ImagePart(url="https://x"), ImagePart("image/png", "AA")))
    )
    body, dropped = write(request, **quirky("no_image_url"))
    assert [part["type"] for part in body["messages"][0]["content"]] == ["text", "image_url"]
    assert dropped == ("image_url",)


def test_quirk_string_content() -> None:
    request = foreign(
        Message("system", (TextPart("a"), TextPart("b"))),
        Message("user", (TextPart("c"), ImagePart("image/png", "AA"))),
    )
    assert isinstance(write(request)[0]["messages"][0]["content"], list)
    body, dropped = write(request, **quirky("string_content"))
    assert [message["content"] for message in body["messages"]] == ["a\n\nb", "c"]
    assert dropped == ("image",)
    said = asked(
        {"role": "user", "content": [{"type": "text", "text": "a", "k": 1}, {"type": "text", "text": "b"}]}
    )
    body, dropped = write(read(said), **quirky("string_content"))
    assert (body["messages"][0]["content"], dropped) == ("a\n\nb", ("k",))


@pytest.mark.parametrize("dialect", ["openai_chat", "gemini"])
def test_what_stood_beside_no_words_is_reported(dialect: Dialect) -> None:
    empty = TextPart("", extra={"executableCode": {"code": "1"}})
    request = foreign(Message("user", (TextPart("hi"), empty)))
    body, dropped = write(replace(request, dialect=dialect))
    assert body["messages"] == [{"role": "user", "content": "hi"}]
    assert dropped == ("executableCode",)


def test_quirk_no_sampling() -> None:
    request = foreign(sampling=Sampling(temperature=0.2, top_p=1.0, logprobs=True))
    body, dropped = write(request, **quirky("no_sampling"))
    assert not {"temperature", "top_p", "logprobs"} & set(body)
    assert dropped == ("temperature", "logprobs")


def test_thoughts_go_only_to_servers_that_read_them() -> None:
    turn = Message("assistant", (ReasoningPart("hm", origin="openai_chat"), TextPart("yes")))
    body, dropped = write(foreign(turn, USER))
    assert "reasoning_content" not in body["messages"][0]
    assert dropped == ("reasoning",)
    body, dropped = write(foreign(turn, USER), **quirky("reasoning_content_field"))
    assert body["messages"][0]["reasoning_content"] == "hm"
    assert dropped == ()
    # DeepSeek wants the field beside a tool call, even when there is nothing to put in it.
    body, _ = write(
        foreign(Message("assistant", (ToolCallPart("a", "f"),))), **quirky("reasoning_content_field")
    )
    assert body["messages"][0]["reasoning_content"] == ""


ABLE = {"capabilities": frozenset({"reasoning", "tools"})}
UNABLE = {"capabilities": frozenset({"tools"})}


@pytest.mark.parametrize(
    ("reasoning", "target", "sent", "dropped"),
    [
        (Reasoning(effort="high"), ABLE, "high", ()),
        (Reasoning(effort="high"), {}, "high", ()),
        (Reasoning(effort="high"), UNABLE, None, ("reasoning.effort",)),
        (Reasoning(enabled=True, budget_tokens=1024), ABLE, "low", ()),
        (Reasoning(enabled=True, budget_tokens=8000), ABLE, "medium", ()),
        (Reasoning(enabled=True, budget_tokens=32000), ABLE, "high", ()),
        (Reasoning(budget_tokens=0), ABLE, "none", ()),
        (Reasoning(budget_tokens=-1, adaptive=True), ABLE, None, ()),
        (Reasoning(enabled=True, adaptive=True, effort="high"), ABLE, "high", ()),
        (Reasoning(enabled=False), ABLE, "none", ()),
        (Reasoning(enabled=False), {**ABLE, **quirky("no_effort_none")}, None, ("reasoning.effort",)),
        (Reasoning(enabled=False), UNABLE, None, ()),
        (Reasoning(enabled=False), {}, None, ("reasoning.effort",)),
        (Reasoning(), ABLE, None, ()),
        (Reasoning(show=True), {**ABLE, **quirky("reasoning_content_field")}, None, ()),
    ],
)
def test_foreign_reasoning_finds_its_word(
    reasoning: Reasoning, target: Json, sent: str | None, dropped: tuple[str, ...]
) -> None:
    body, lost = write(foreign(reasoning=reasoning), **target)
    assert body.get("reasoning_effort") == sent
    assert lost == dropped


def test_own_thinking_goes_back_as_it_came() -> None:
    for thinking in ({"type": "enabled", "budget_tokens": 99}, {"type": "disabled"}, {"type": "adaptive"}):
        request = read(asked(thinking=dict(thinking), reasoning_effort="high"))
        body, _ = write(request)
        assert body["thinking"] == thinking
        assert body["reasoning_effort"] == "high"
    request = read(asked(thinking={"type": "enabled", "clear_thinking": False}))
    assert write(request)[0]["thinking"] == {"type": "enabled", "clear_thinking": False}


def test_a_narrowed_list_of_tools_is_kept_or_narrows_the_tools() -> None:
    request = foreign(tools=(Tool("f"), Tool("g")), tool_choice=ToolChoice("required", allowed=("g",)))
    body, _ = write(request)
    assert [tool["function"]["name"] for tool in body["tools"]] == ["g"]
    assert body["tool_choice"] == "required"
    body, _ = write(replace(request, dialect="openai_chat"))
    assert len(body["tools"]) == 2
    assert body["tool_choice"]["allowed_tools"]["tools"] == [{"type": "function", "function": {"name": "g"}}]


def test_no_choice_of_tools_is_sent_without_tools() -> None:
    body, dropped = write(foreign(tool_choice=ToolChoice("auto"), parallel_tool_calls=True))
    assert "tool_choice" not in body
    assert "parallel_tool_calls" not in body
    assert dropped == ()


def test_a_long_user_id_is_hashed_the_same_way_every_time() -> None:
    user = '{"device_id":"' + "d" * 64 + '","session_id":"s"}'
    body, dropped = write(foreign(user=user))
    assert body["user"].startswith("user_")
    assert len(body["user"]) <= 64
    assert body == write(foreign(user=user))[0]
    assert dropped == ()


def test_the_end_user_goes_back_under_the_name_it_came_with() -> None:
    assert write(read(asked(user="u")))[0]["user"] == "u"
    body, _ = write(read(asked(safety_identifier="s")))
    assert body["safety_identifier"] == "s"
    assert "user" not in body
    body, _ = write(read(asked(safety_identifier="s", user="u")))
    assert (body["safety_identifier"], body["user"]) == ("s", "u")


def test_thought_signatures_on_calls_stay_in_their_dialect() -> None:
    call = {
        "id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"},
        "extra_content": {"google": {"thought_signature": "sig"}},
    }  # fmt: skip
    request = read(asked({"role": "assistant", "content": None, "tool_calls": [dict(call)]}))
    part = request.messages[0].parts[0]
    assert isinstance(part, ToolCallPart)
    assert part.signature == "sig"
    assert write(request)[0]["messages"][0]["tool_calls"] == [call]
    assert write(replace(request, dialect="gemini"))[1] == ("reasoning",)
