"""Requests of any origin in Google's terms: what goes, what is lost, and that nothing else happens."""

import itertools
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.codecs.gemini_support import (
    CALLS,
    CHAT,
    COUNT,
    NAMES,
    OBJECTS,
    PRO,
    SAID,
    SIGNATURE,
    TEXT_PARTS,
    THOUGHTS,
    THREE,
    answered,
    call,
    model,
    text,
    user,
)

from passerelle.codecs.base import Target
from passerelle.codecs.gemini import CLIENT, PROVIDER
from passerelle.codecs.gemini.signatures import STAND_IN
from passerelle.codecs.names import restore
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
from passerelle.core.request import OutputFormat, Reasoning, Request, Sampling, Tool, ToolChoice
from passerelle.core.response import Response


def ask(*messages: Message, dialect: Any = "openai_chat", **fields: Any) -> Request:
    return Request("m", messages or (says("hi"),), dialect, **fields)


def says(*parts: str | Part, role: Any = "user", **more: Any) -> Message:
    return Message(role, tuple(TextPart(part) if isinstance(part, str) else part for part in parts), **more)


def sent(request: Request, target: Target = PRO) -> Any:
    return json.loads(PROVIDER.encode_request(request, target).body)


def lost(request: Request, target: Target = PRO) -> tuple[str, ...]:
    return PROVIDER.encode_request(request, target).dropped


def contents(*messages: Message, target: Target = PRO, **more: Any) -> Any:
    return sent(ask(*messages, **more), target)["contents"]


# -- messages -------------------------------------------------------------------------------------------


def test_leading_instructions_are_the_system_instruction_and_later_ones_are_marked() -> None:
    body = sent(
        ask(
            says("one", role="system"),
            says("two", role="developer"),
            says("hi"),
            says("hello", role="assistant"),
            says("now shout", role="system"),
            says("go on"),
        )
    )
    assert body["systemInstruction"] == {"parts": [text("one"), text("two")]}
    assert body["contents"] == [
        user(text("hi")),
        model(text("hello")),
        user(text("<system-reminder>\nnow shout\n</system-reminder>"), text("go on")),
    ]


def test_instructions_alone_become_the_users_words() -> None:
    body = sent(ask(says("do it", role="system")))
    assert body == {"contents": [user(text("do it"))]}


def test_roles_take_turns_and_empty_words_are_left_out() -> None:
    assert contents(
        says("a"), says(""), says("b"), says("", role="assistant"), says(RefusalPart("no"), role="assistant")
    ) == [
        user(text("a"), text("b")),
        model(text("no")),
    ]
    assert contents(says("")) == [user(text(""))]


def test_results_stand_together_in_the_order_of_their_calls() -> None:
    a, b = ToolCallPart("1", "f", '{"x": 1}'), ToolCallPart("2", "g", "")
    assert contents(
        says("hi"),
        says("on it", a, b, role="assistant"),
        says(ToolResultPart("2", (TextPart("two"),)), role="tool"),
        says(ToolResultPart("1", (TextPart("bad"),), is_error=True), role="tool"),
        says("so?"),
    ) == [
        user(text("hi")),
        model(text("on it"), call("f", {"x": 1}, id="1"), call("g", id="2")),
        user(answered("f", {"error": "bad"}, id="1"), answered("g", {"result": "two"}, id="2"), text("so?")),
    ]


def test_a_call_the_user_broke_off_gets_a_response() -> None:
    last = contents(says("hi"), says(ToolCallPart("1", "f"), role="assistant"), says("never mind"))[-1]
    assert last == user(answered("f", {"error": "the call was not carried out"}, id="1"), text("never mind"))
    assert len(contents(says("hi"), says(ToolCallPart("1", "f"), role="assistant"))) == 2


def test_repeated_ids_pair_within_their_own_turn() -> None:
    step = [
        says(ToolCallPart("same", "f"), ToolCallPart("same", "g"), role="assistant"),
        says(ToolResultPart("same", (TextPart("1"),)), ToolResultPart("same", (TextPart("2"),)), role="tool"),
    ]
    written = contents(says("hi"), *step, *step)
    assert (
        written[2]
        == written[4]
        == user(answered("f", {"result": "1"}, id="same"), answered("g", {"result": "2"}, id="same"))
    )


@pytest.mark.parametrize(
    ("words", "is_error", "response"),
    [
        ("plain", False, {"result": "plain"}),
        ("", False, {"result": ""}),
        ('{"a": 1}', False, {"a": 1}),
        ("[1]", False, {"result": "[1]"}),
        ("broke", True, {"error": "broke"}),
        ('{"code": 5}', True, {"error": {"code": 5}}),
        ('{"error": "x"}', False, {"result": '{"error": "x"}'}),
        ('{"a": ', False, {"result": '{"a": '}),
    ],
)
def test_tool_results_are_objects(words: str, is_error: bool, response: Any) -> None:
    result = ToolResultPart("1", (TextPart(words),), is_error=is_error)
    written = contents(says(ToolCallPart("1", "f"), role="assistant"), says(result, role="tool"))
    assert written[1]["parts"][0]["functionResponse"]["response"] == response


def test_pictures_in_results_stand_inside_from_gemini_3_on_and_beside_before() -> None:
    picture = ImagePart("image/png", data="AAAA")
    messages = (
        says(ToolCallPart("1", "f"), role="assistant"),
        says(ToolResultPart("1", (TextPart("see"), picture)), role="tool"),
        says("well?"),
    )
    inline = {"inlineData": {"mimeType": "image/png", "data": "AAAA"}}
    assert contents(*messages, target=THREE)[1] == user(
        answered("f", {"result": "see"}, id="1", parts=[inline]), text("well?")
    )
    assert contents(*messages, target=PRO)[1] == user(
        answered("f", {"result": "see"}, id="1"), inline, text("well?")
    )


def test_unsigned_calls_get_the_documented_stand_in_for_gemini_3_only() -> None:
    step = says(ToolCallPart("1", "f"), ToolCallPart("2", "g"), role="assistant")
    first, second = contents(says("hi"), step, target=THREE)[1]["parts"]
    assert first["thoughtSignature"] == STAND_IN
    assert "thoughtSignature" not in second
    assert all("thoughtSignature" not in part for part in contents(says("hi"), step, target=PRO)[1]["parts"])
    signed = says(ToolCallPart("1", "f", signature=SIGNATURE), role="assistant")
    assert contents(says("hi"), signed, target=THREE)[1]["parts"][0]["thoughtSignature"] == SIGNATURE


def test_another_providers_thoughts_are_left_out_and_reported_once() -> None:
    request = ask(
        says("hi"),
        says(
            ReasoningPart("a", signature="s", origin="anthropic"), ReasoningPart("b"), "ok", role="assistant"
        ),
        says(ReasoningPart("own", signature=SIGNATURE, origin="gemini"), "so", role="assistant"),
    )
    assert sent(request)["contents"][1] == model(
        text("ok"), text("own", thought=True, thoughtSignature=SIGNATURE), text("so")
    )
    assert lost(request) == ("reasoning",)


def test_media_inline_by_url_and_what_cannot_go() -> None:
    parts = (
        ImagePart("image/png", data="AAAA", detail="high"),
        ImagePart(url="https://example.org/a.webp?x=1"),
        ImagePart(url="data:image/gif;base64,AAAA"),
        ImagePart(file_id="file-123"),
        FilePart(url="https://example.org/paper"),
        FilePart("text/plain", data="AAAA", name="n.txt"),
        AudioPart("audio/wav", data="AAAA"),
        AudioPart("audio/wav", transcript="spoken"),
        AudioPart("audio/wav", id="audio_1"),
    )
    request = ask(says(*parts))
    assert sent(request)["contents"][0]["parts"] == [
        {"inlineData": {"mimeType": "image/png", "data": "AAAA"}},
        {"fileData": {"mimeType": "image/webp", "fileUri": "https://example.org/a.webp?x=1"}},
        {"inlineData": {"mimeType": "image/gif", "data": "AAAA"}},
        {"fileData": {"mimeType": "application/pdf", "fileUri": "https://example.org/paper"}},
        {"inlineData": {"mimeType": "text/plain", "data": "AAAA"}},
        {"inlineData": {"mimeType": "audio/wav", "data": "AAAA"}},
        text("spoken"),
    ]
    assert set(lost(request)) == {"detail", "file_id", "filename", "audio"}
    assert lost(ask(says("x", ImagePart(url="https://e.org/a.png"))), Target("gemini-2.0-flash")) == (
        "image_url",
    )


# -- tools, output, reasoning, settings ------------------------------------------------------------------

SCHEMA = {
    "type": "object",
    "properties": {"a": {"type": "string", "pattern": "x"}},
    "additionalProperties": False,
}


def test_functions_go_with_their_json_schema() -> None:
    body = sent(ask(tools=(Tool("f", "does", SCHEMA), Tool("g"))))
    assert body["tools"] == [
        {
            "functionDeclarations": [
                {"name": "f", "description": "does", "parametersJsonSchema": SCHEMA},
                {"name": "g"},
            ]
        }
    ]


def test_places_without_json_schema_get_googles_own() -> None:
    plain = Target("gemini-2.5-pro", quirks=frozenset({"no_json_schema"}))
    request = ask(
        tools=(Tool("f", parameters={**SCHEMA, "not": {}}),),
        output=OutputFormat("json_schema", schema=SCHEMA),
    )
    body = sent(request, plain)
    google = {"type": "OBJECT", "properties": {"a": {"type": "STRING", "pattern": "x"}}}
    assert body["tools"][0]["functionDeclarations"][0] == {"name": "f", "parameters": google}
    assert body["generationConfig"] == {"responseMimeType": "application/json", "responseSchema": google}
    assert lost(request, plain) == ("not",)


def test_tools_that_take_free_text_are_offered_with_one_input() -> None:
    tool = Tool("patch", kind="custom", grammar={"syntax": "lark", "definition": "x"})
    request = ask(
        says("hi"),
        says(ToolCallPart("1", "patch", "*** Begin", kind="custom"), role="assistant"),
        tools=(tool,),
    )
    body = sent(request)
    declared = body["tools"][0]["functionDeclarations"][0]["parametersJsonSchema"]
    assert declared["required"] == ["input"]
    assert body["contents"][1]["parts"][0]["functionCall"]["args"] == {"input": "*** Begin"}
    assert lost(request) == ("tools.format",)


def test_names_google_refuses_are_replaced_and_restored() -> None:
    long = "mcp__server__" + "x" * 80
    request = ask(
        says("hi"),
        says(ToolCallPart("1", long), ToolCallPart("2", "9lives"), role="assistant"),
        says(ToolResultPart("1", (TextPart("r"),)), ToolResultPart("2"), role="tool"),
        tools=(Tool(long), Tool("9lives"), Tool("fine.name:x")),
        tool_choice=ToolChoice("tool", name=long),
    )
    encoded = PROVIDER.encode_request(request, PRO)
    body = json.loads(encoded.body)
    names = [one["name"] for one in body["tools"][0]["functionDeclarations"]]
    assert all(len(name) <= 64 and (name[0].isalpha() or name[0] == "_") for name in names)
    assert names[2] == "fine.name:x"
    assert body["contents"][1]["parts"][0]["functionCall"]["name"] == names[0]
    assert body["contents"][2]["parts"][1]["functionResponse"]["name"] == names[1]
    assert body["toolConfig"]["functionCallingConfig"]["allowedFunctionNames"] == [names[0]]
    answer = Response((ToolCallPart("3", names[0]),), "tool_calls")
    assert restore(answer, encoded.renamed).parts == (ToolCallPart("3", long),)


@pytest.mark.parametrize(
    ("choice", "calling"),
    [
        (ToolChoice("auto"), {"mode": "AUTO"}),
        (ToolChoice("none"), {"mode": "NONE"}),
        (ToolChoice("required"), {"mode": "ANY"}),
        (ToolChoice("required", allowed=("f",)), {"mode": "ANY", "allowedFunctionNames": ["f"]}),
        (ToolChoice("tool", name="f"), {"mode": "ANY", "allowedFunctionNames": ["f"]}),
        (ToolChoice("auto", allowed=("f",)), {"mode": "VALIDATED", "allowedFunctionNames": ["f"]}),
    ],
)
def test_tool_choice(choice: ToolChoice, calling: Any) -> None:
    body = sent(ask(tools=(Tool("f"),), tool_choice=choice))
    assert body["toolConfig"] == {"functionCallingConfig": calling}


@pytest.mark.parametrize(
    ("tools", "choice"),
    [
        ((Tool("web_search", kind="builtin", origin="openai_responses"),), ToolChoice("required")),
        (
            (Tool("f"), Tool("googleSearch", kind="builtin", origin="gemini")),
            ToolChoice("tool", name="googleSearch"),
        ),
        ((Tool("f"),), ToolChoice("required", allowed=("web_search",))),
    ],
)
def test_a_choice_of_what_is_no_function_is_reported(tools: tuple[Tool, ...], choice: ToolChoice) -> None:
    request = ask(tools=tools, tool_choice=choice)
    assert "toolConfig" not in sent(request)
    assert "tool_choice" in lost(request)


def test_strict_schemas_are_validated_where_the_model_can() -> None:
    request = ask(tools=(Tool("f", strict=True), Tool("g", strict=False)))
    assert sent(request, THREE)["toolConfig"] == {"functionCallingConfig": {"mode": "VALIDATED"}}
    assert lost(request, THREE) == ()
    assert lost(request, PRO) == ("strict",)


@pytest.mark.parametrize(
    ("reasoning", "target", "config", "dropped"),
    [
        (Reasoning(effort="medium"), "gemini-2.5-pro", {"thinkingBudget": 8192}, ()),
        (
            Reasoning(effort="xhigh", show=True),
            "gemini-2.5-flash",
            {"thinkingBudget": 24576, "includeThoughts": True},
            (),
        ),
        (Reasoning(True, budget_tokens=64000), "gemini-2.5-pro", {"thinkingBudget": 32768}, ()),
        (Reasoning(True, adaptive=True), "gemini-2.5-pro", {"thinkingBudget": -1}, ()),
        (Reasoning(enabled=False), "gemini-2.5-flash", {"thinkingBudget": 0}, ()),
        (Reasoning(enabled=False), "gemini-2.5-pro", {"thinkingBudget": 128}, ("reasoning.effort",)),
        (Reasoning(budget_tokens=64), "gemini-2.5-flash-lite", {"thinkingBudget": 512}, ()),
        (Reasoning(effort="low"), "gemini-3-flash-preview", {"thinkingLevel": "LOW"}, ()),
        (Reasoning(effort="medium"), "gemini-3-pro-preview", {"thinkingLevel": "HIGH"}, ()),
        (Reasoning(effort="medium"), "gemini-3.1-pro-preview", {"thinkingLevel": "MEDIUM"}, ()),
        (Reasoning(effort="minimal"), "gemini-3.1-pro-preview", {"thinkingLevel": "LOW"}, ()),
        (Reasoning(True, budget_tokens=4000), "gemini-3.5-flash", {"thinkingLevel": "MEDIUM"}, ()),
        (Reasoning(enabled=False), "gemini-3-flash-preview", {"thinkingLevel": "MINIMAL"}, ()),
        (Reasoning(effort="none"), "gemini-3.1-pro-preview", {"thinkingLevel": "LOW"}, ("reasoning.effort",)),
        (Reasoning(True, adaptive=True), "gemini-3-flash-preview", None, ()),
        (Reasoning(summary="auto"), "gemini-3-flash-preview", {"includeThoughts": True}, ()),
        (Reasoning(effort="high"), "gemini-2.0-flash", None, ("reasoning.effort",)),
        (Reasoning(effort="none"), "gemini-2.0-flash", None, ()),
        (Reasoning(), "gemini-3-flash-preview", None, ()),
    ],
)
def test_thinking_by_generation(
    reasoning: Reasoning, target: str, config: Any, dropped: tuple[str, ...]
) -> None:
    request = ask(reasoning=reasoning)
    assert sent(request, Target(target)).get("generationConfig", {}).get("thinkingConfig") == config
    assert lost(request, Target(target)) == dropped


def test_the_catalog_knows_better_whether_a_model_thinks() -> None:
    request = ask(reasoning=Reasoning(effort="low"))
    assert lost(request, Target("gemini-2.5-pro", capabilities=frozenset({"tools"}))) == ("reasoning.effort",)
    tuned = Target("tuned-one", capabilities=frozenset({"reasoning"}))
    assert sent(request, tuned)["generationConfig"] == {"thinkingConfig": {"thinkingBudget": 1024}}


def test_settings() -> None:
    request = ask(
        max_output_tokens=100_000,
        sampling=Sampling(
            temperature=0.0,
            top_p=0.9,
            top_k=5,
            seed=3,
            stop=("a", ""),
            presence_penalty=0.5,
            frequency_penalty=0.25,
            logprobs=True,
            top_logprobs=2,
        ),
        output=OutputFormat("json_schema", name="n", schema=SCHEMA, strict=True),
        service_tier="default",
    )
    body = sent(request, Target("gemini-2.5-pro", max_output_tokens=65536))
    assert body["generationConfig"] == {
        "maxOutputTokens": 65536,
        "temperature": 0.0,
        "topP": 0.9,
        "topK": 5,
        "presencePenalty": 0.5,
        "frequencyPenalty": 0.25,
        "seed": 3,
        "stopSequences": ["a"],
        "responseLogprobs": True,
        "logprobs": 2,
        "responseMimeType": "application/json",
        "responseJsonSchema": SCHEMA,
    }
    assert body["serviceTier"] == "standard"
    assert lost(request) == ()


def test_what_google_has_no_word_for_is_reported_by_its_common_name() -> None:
    request = ask(
        Message("user", (TextPart("hi", cache="5m", extra={"odd": 1}),), name="ann", extra={"more": 1}),
        tools=(Tool("f", cache="1h"), Tool("web_search", kind="builtin", origin="openai_responses")),
        parallel_tool_calls=False,
        sampling=Sampling(n=2, logit_bias={"1": 2.0}, seed=1 << 40, stop=("1", "2", "3", "4", "5", "6")),
        user="u",
        metadata={"k": "v"},
        service_tier="scale",
        prompt_cache_key="p",
        verbosity="low",
        extra={"store": True},
        dropped=("already",),
    )
    assert set(lost(request)) == {
        "already",
        "cache_control",
        "odd",
        "name",
        "more",
        "tools.web_search",
        "parallel_tool_calls",
        "n",
        "logit_bias",
        "seed",
        "stop",
        "user",
        "metadata",
        "service_tier",
        "prompt_cache_key",
        "verbosity",
        "store",
    }
    assert lost(request)[0] == "already"
    assert len(lost(request)) == len(set(lost(request)))


def test_what_another_dialect_only_remembers_is_not_reported() -> None:
    part = TextPart("hi", memo={"id": "msg_1"})
    assert lost(ask(Message("user", (part,), memo={"status": "done"}), memo={"store": False})) == ()


def test_counting_takes_the_whole_request_with_its_model() -> None:
    body = sent(ask(says("s", role="system"), says("hi")), Target("gemini-2.5-pro", operation="count_tokens"))
    whole = body.pop("generateContentRequest")
    assert body == {}
    assert whole["model"] == "models/gemini-2.5-pro"
    assert whole["systemInstruction"] == {"parts": [text("s")]}
    assert CLIENT.decode_request(json.dumps({"generateContentRequest": whole}).encode(), COUNT).messages == (
        says("s", role="system"),
        says("hi"),
    )


# -- the same dialect on both sides loses nothing -------------------------------------------------------

OWN = {
    "contents": [
        {
            **user(
                text("hi", new=1),
                {"inlineData": {"mimeType": "image/png", "data": "AAAA", "displayName": "x"}},
            ),
            "k": 1,
        },
        model(
            text("mm", thought=True, thoughtSignature=SIGNATURE),
            text("said", thoughtSignature=SIGNATURE),
            text("", thoughtSignature=SIGNATURE),
            {"executableCode": {"code": "1", "language": "PYTHON"}},
            {**call("f", {"z": 1, "a": 2.5}), "thoughtSignature": SIGNATURE},
            call("f", {}, id="own"),
        ),
        user(
            answered("f", {"output": "x"}, scheduling="SILENT"),
            answered("f", {"result": '{"a": 1}'}, id="own"),
            text("next"),
        ),
    ],
    "systemInstruction": {"parts": [text("s")], "new": 2},
    "tools": [
        {"functionDeclarations": [{"name": "f", "parameters": {"type": "OBJECT"}, "behavior": "BLOCKING"}]},
        {"googleSearch": {}},
    ],
    "toolConfig": {"functionCallingConfig": {"mode": "VALIDATED"}, "retrievalConfig": {"languageCode": "fr"}},
    "generationConfig": {
        "maxOutputTokens": 9,
        "responseMimeType": "application/json",
        "responseSchema": {"type": "OBJECT", "propertyOrdering": ["a"]},
        "thinkingConfig": {"thinkingBudget": 128, "includeThoughts": True},
        "responseModalities": ["TEXT"],
    },
    "safetySettings": [{"category": "C", "threshold": "OFF"}],
    "serviceTier": "flex",
    "labels": {"a": "b"},
}


def test_a_gemini_request_comes_out_as_it_went_in() -> None:
    request = CLIENT.decode_request(json.dumps(OWN).encode(), CHAT)
    assert sent(request) == OWN
    assert lost(request) == ()


def test_function_arguments_keep_their_bytes() -> None:
    arguments = '{"b":1.0,"a":12345678901234567890123,"n":1e5}'
    body = '{"contents":[{"role":"model","parts":[{"functionCall":{"name":"f","args":' + arguments + "}}]}]}"
    request = CLIENT.decode_request(body.encode(), CHAT)
    assert arguments.encode() in PROVIDER.encode_request(request, PRO).body


def test_streamed_arguments_are_not_asked_for_in_translation() -> None:
    asked = {"functionCallingConfig": {"mode": "AUTO", "streamFunctionCallArguments": True}}
    request = CLIENT.decode_request(json.dumps({**OWN, "toolConfig": asked}).encode(), CHAT)
    assert sent(request)["toolConfig"] == {"functionCallingConfig": {"mode": "AUTO"}}
    assert lost(request) == ("streamFunctionCallArguments",)


@st.composite
def conversations(draw: st.DrawFn) -> tuple[Message, ...]:
    """Turns as an agent has them: words, thoughts, calls answered in order."""
    messages: list[Message] = []
    if draw(st.booleans()):
        messages.append(Message("system", (draw(TEXT_PARTS),)))
    for _ in range(draw(st.integers(1, 3))):
        messages.append(Message("user", tuple(draw(st.lists(TEXT_PARTS, min_size=1, max_size=2)))))
        calls = draw(st.lists(CALLS, max_size=3, unique_by=lambda one: one.id))
        said = draw(st.lists(TEXT_PARTS | THOUGHTS, min_size=1, max_size=2))
        messages.append(Message("assistant", (*said, *calls)))
        if calls:
            results = [
                ToolResultPart(
                    one.id,
                    (TextPart(draw(SAID | OBJECTS.map(lambda o: json.dumps(o, separators=(",", ":"))))),),
                    is_error=False,
                    name=one.name,
                )
                for one in calls
            ]
            messages.append(Message("tool", tuple(results)))
            messages.append(Message("assistant", (draw(TEXT_PARTS),)))
    return tuple(messages)


REQUESTS = st.builds(
    Request,
    model=st.just("gemini-2.5-pro"),
    messages=conversations(),
    dialect=st.just("gemini"),
    max_output_tokens=st.none() | st.integers(1, 9999),
    tools=st.lists(
        st.builds(Tool, name=NAMES, description=st.none() | SAID, parameters=st.none() | OBJECTS), max_size=2
    ).map(tuple),
    tool_choice=st.none() | st.sampled_from([ToolChoice("auto"), ToolChoice("none"), ToolChoice("required")]),
    output=st.sampled_from(
        [OutputFormat(), OutputFormat("json"), OutputFormat("json_schema", schema=SCHEMA)]
    ),
    reasoning=st.sampled_from(
        [Reasoning(), Reasoning(True, budget_tokens=99), Reasoning(True, effort="low", show=True)]
    ),
    sampling=st.builds(
        Sampling,
        temperature=st.none() | st.floats(0, 2),
        top_k=st.none() | st.integers(1, 99),
        seed=st.none() | st.integers(-(2**31), 2**31 - 1),
        stop=st.lists(SAID, max_size=5).map(tuple),
    ),
)


@settings(max_examples=50)
@given(REQUESTS)
def test_encoding_and_decoding_a_request_loses_nothing(request: Request) -> None:
    encoded = PROVIDER.encode_request(request, PRO)
    assert encoded.dropped == ()
    again = CLIENT.decode_request(encoded.body, CHAT)
    assert _comparable(again) == _comparable(request)


def _comparable(request: Request) -> Any:
    """A request without what JSON may write differently: the spacing of arguments and results."""
    messages = json.loads(_dump(request.messages))
    for message in messages:
        for part in message["parts"]:
            if part["part"] == "tool_call":
                part["arguments"] = json.loads(part["arguments"])
            if part["part"] == "tool_result":
                for piece in part["content"]:
                    piece["text"] = _json_or_text(piece["text"])
    return messages, [
        _dump(one)
        for one in (
            request.tools,
            request.tool_choice,
            request.output,
            request.reasoning,
            request.sampling,
            request.max_output_tokens,
        )
    ]


def _dump(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _json_or_text(words: str) -> Any:
    try:
        return json.loads(words)
    except ValueError:
        return words


@settings(max_examples=50)
@given(conversations(), st.sampled_from(["gemini-2.5-pro", "gemini-3-flash"]))
def test_any_conversation_keeps_googles_rules(messages: tuple[Message, ...], name: str) -> None:
    written = contents(*messages, target=Target(name))
    roles = [one["role"] for one in written]
    assert all(a != b for a, b in itertools.pairwise(roles))
    for at, content in enumerate(written):
        assert content["parts"]
        calls = [part for part in content["parts"] if "functionCall" in part]
        if calls and at + 1 < len(written):
            responses = [part for part in written[at + 1]["parts"] if "functionResponse" in part]
            assert [part["functionResponse"]["name"] for part in responses] == [
                part["functionCall"]["name"] for part in calls
            ]
        if calls and name.startswith("gemini-3"):
            assert calls[0]["thoughtSignature"]
        assert all(part.get("text") != "" for part in content["parts"])
