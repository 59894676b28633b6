"""A Gemini caller's request in core's terms."""

from typing import Any

import pytest
from tests.codecs.gemini_support import CHAT, COUNT, SIGNATURE, answered, call, dump, model, text, user

from passerelle.codecs import registry
from passerelle.codecs.base import PathTarget, Target
from passerelle.codecs.gemini import CLIENT
from passerelle.codecs.gemini.signatures import STAND_IN, keep
from passerelle.codecs.sealed import Sealed
from passerelle.core.errors import ProblemError
from passerelle.core.message import (
    AudioPart,
    FilePart,
    ImagePart,
    Message,
    ReasoningPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from passerelle.core.request import Dialect, OutputFormat, Reasoning, Request, Tool, ToolChoice


def read(*contents: Any, **fields: Any) -> Request:
    return CLIENT.decode_request(dump({"contents": list(contents) or [user(text("hi"))], **fields}), CHAT)


def refused(*contents: Any, **fields: Any) -> str | None:
    with pytest.raises(ProblemError) as caught:
        read(*contents, **fields)
    problem = caught.value.problem
    assert problem.kind == "invalid_request"
    assert problem.param is not None
    assert f"`{problem.param}`" in problem.message
    return problem.param


def config(**settings: Any) -> Request:
    return read(generationConfig=settings)


def test_words_roles_and_system_instruction() -> None:
    request = read(
        user(text("hi")),
        model(text("hello")),
        {"parts": [text("more")]},
        systemInstruction={"parts": [text("be kind")]},
    )
    assert request.messages == (
        Message("system", (TextPart("be kind"),)),
        Message("user", (TextPart("hi"),)),
        Message("assistant", (TextPart("hello"),)),
        Message("user", (TextPart("more"),)),
    )
    assert request.model == "gemini-2.5-pro"
    assert request.dialect == "gemini"


def test_media_become_the_part_of_their_kind() -> None:
    (message,) = read(
        user(
            {"inlineData": {"mimeType": "image/png", "data": "_-8"}},
            {"inlineData": {"mimeType": "audio/wav", "data": "AAAA"}},
            {"inlineData": {"mimeType": "application/pdf", "data": "AAAA", "displayName": "a.pdf"}},
            {"fileData": {"mimeType": "image/jpeg", "fileUri": "https://example.org/cat"}},
            {"fileData": {"fileUri": "https://generativelanguage.googleapis.com/v1beta/files/x"}},
            {"fileData": {"mimeType": "video/mp4", "fileUri": "gs://b/c.mp4"}, "videoMetadata": {"fps": 2}},
        )
    ).messages
    assert message.parts == (
        ImagePart("image/png", data="/+8="),
        AudioPart("audio/wav", data="AAAA"),
        FilePart("application/pdf", data="AAAA", name="a.pdf"),
        ImagePart("image/jpeg", url="https://example.org/cat"),
        FilePart(file_id="https://generativelanguage.googleapis.com/v1beta/files/x"),
        FilePart("video/mp4", file_id="gs://b/c.mp4", extra={"videoMetadata": {"fps": 2}}),
    )


def test_calls_of_one_function_without_ids_do_not_collide_and_pair_in_order() -> None:
    request = read(
        user(text("both")),
        model(call("weather", {"at": "Rome"}), call("weather", {"at": "Oslo"})),
        user(answered("weather", {"result": "sun"}), answered("weather", {"t": -3}), text("well?")),
        model(call("weather", {"at": "Lima"})),
        user(answered("weather", {"error": "no such place"})),
    )
    _, calls, results, asked, again, failure = request.messages
    ids = [part.id for part in (*calls.parts, *again.parts) if isinstance(part, ToolCallPart)]
    assert len(set(ids)) == 3
    assert all(len(one) <= 40 for one in ids)
    assert results == Message(
        "tool",
        (
            ToolResultPart(ids[0], (TextPart("sun"),), name="weather"),
            ToolResultPart(ids[1], (TextPart('{"t":-3}'),), name="weather"),
        ),
    )
    assert asked == Message("user", (TextPart("well?"),))
    assert failure.parts == (
        ToolResultPart(ids[2], (TextPart("no such place"),), is_error=True, name="weather"),
    )


def test_the_same_history_gives_the_same_ids() -> None:
    history = [user(text("x")), model(call("f"), call("f")), user(answered("f", {}), answered("f", {}))]
    assert read(*history).messages == read(*history, model(text("y"))).messages[:3]


def test_responses_out_of_order_find_their_call_by_id_or_name() -> None:
    request = read(
        model(call("a", id="1"), call("b"), call("a", id="2")),
        user(answered("b", {}), answered("a", {}, id="2"), answered("a", {}, id="1")),
    )
    calls = [part for part in request.messages[0].parts if isinstance(part, ToolCallPart)]
    results = [part for part in request.messages[1].parts if isinstance(part, ToolResultPart)]
    assert [part.call_id for part in results] == [calls[1].id, "2", "1"]


def test_a_response_to_a_new_step_is_not_taken_for_an_old_unanswered_call() -> None:
    request = read(
        model(call("f", {"n": 1}), call("g")),
        user(answered("g", {})),
        model(call("f", {"n": 2})),
        user(answered("f", {})),
    )
    (new,) = [part for part in request.messages[2].parts if isinstance(part, ToolCallPart)]
    (result,) = [part for part in request.messages[3].parts if isinstance(part, ToolResultPart)]
    assert result.call_id == new.id


def test_thoughts_signatures_and_unknown_parts_are_kept() -> None:
    (message,) = read(
        model(
            text("hmm", thought=True, thoughtSignature=SIGNATURE),
            text("well", thoughtSignature=SIGNATURE),
            {**call("f"), "thoughtSignature": SIGNATURE},
            {**call("g"), "thoughtSignature": STAND_IN},
            {"executableCode": {"code": "1+1", "language": "PYTHON"}},
        )
    ).messages
    thought, said, signed, unsigned, code = message.parts
    assert thought == ReasoningPart("hmm", signature=SIGNATURE, origin="gemini")
    assert said == TextPart("well", extra={"thoughtSignature": SIGNATURE})
    assert isinstance(signed, ToolCallPart)
    assert signed.signature == SIGNATURE
    assert isinstance(unsigned, ToolCallPart)
    assert unsigned.signature is None
    assert code == TextPart("", extra={"executableCode": {"code": "1+1", "language": "PYTHON"}})


@pytest.mark.parametrize("dialect", ["openai_chat", "openai_responses", "anthropic"])
@pytest.mark.parametrize(
    "said", [{"text": "well"}, {"text": ""}, {"inlineData": {"mimeType": "image/png", "data": "AAAA"}}]
)
def test_the_proof_on_words_or_a_picture_is_reported_where_it_cannot_go(
    dialect: Dialect, said: dict[str, Any]
) -> None:
    def losses(**beside: str) -> tuple[str, ...]:
        request = read(user(text("hi")), model(text("so"), {**said, **beside}), user(text("go on")))
        return registry.provider(dialect).encode_request(request, Target("m")).dropped

    assert losses(thoughtSignature=SIGNATURE) == (*losses(), "thoughtSignature")
    assert losses(thoughtSignature=STAND_IN) == losses()


@pytest.mark.parametrize("alphabet", [str.maketrans("", ""), str.maketrans("+/", "-_")])
def test_anothers_reasoning_comes_back_out_of_its_seal(alphabet: dict[int, int]) -> None:
    kept = keep(Sealed("anthropic", signature="sig~?>", id="rs_1")).translate(alphabet)
    body = dump({"contents": [model(text("mused", thought=True, thoughtSignature=kept))]})
    (message,) = CLIENT.decode_request(body, CHAT).messages
    assert message.parts == (ReasoningPart("mused", signature="sig~?>", id="rs_1", origin="anthropic"),)
    assert not CLIENT.envelope(body, CHAT).relayable


@pytest.mark.parametrize("apart", [False, True], ids=["parts", "contents"])
def test_a_streamed_thought_of_another_is_whole_again_when_it_comes_back(apart: bool) -> None:
    """Its pieces are parts of one content, or contents each as Google's chat helper keeps them."""
    proof = keep(Sealed("anthropic", signature="sig"))
    pieces = [
        {"text": "Is it ", "thought": True},
        {"text": "windy?", "thought": True},
        {"text": "", "thought": True, "thoughtSignature": proof},
    ]
    said = [model(piece) for piece in pieces] if apart else [model(*pieces)]
    thought = ReasoningPart("Is it windy?", signature="sig", origin="anthropic")
    assert read(user(text("hi")), *said).messages == (
        Message("user", (TextPart("hi"),)),
        Message("assistant", (thought,)),
    )


def test_google_s_own_thoughts_are_not_joined() -> None:
    own = [{"text": "a", "thought": True}, {"text": "b", "thought": True, "thoughtSignature": SIGNATURE}]
    (message,) = read(model(*own)).messages
    assert [part.text for part in message.parts if isinstance(part, ReasoningPart)] == ["a", "b"]


def test_function_response_media_and_scheduling() -> None:
    (message,) = read(
        user(
            answered(
                "shot",
                {"ok": True},
                scheduling="SILENT",
                parts=[{"inlineData": {"mimeType": "image/png", "data": "AAAA"}}],
            )
        )
    ).messages
    (part,) = message.parts
    assert isinstance(part, ToolResultPart)
    assert part.content == (TextPart('{"ok":true}'), ImagePart("image/png", data="AAAA"))
    assert part.extra == {"functionResponse.scheduling": "SILENT"}


def test_tools_schemas_and_builtins() -> None:
    request = read(
        tools=[
            {
                "functionDeclarations": [
                    {
                        "name": "f",
                        "description": "d",
                        "behavior": "BLOCKING",
                        "parameters": {
                            "type": "OBJECT",
                            "properties": {"n": {"type": "INTEGER", "nullable": True}},
                        },
                    },
                    {"name": "g", "parametersJsonSchema": {"type": "object", "additionalProperties": False}},
                ]
            },
            {"googleSearch": {}, "urlContext": {}},
        ]
    )
    f, g, search, url = request.tools
    assert f.parameters == {"type": "object", "properties": {"n": {"type": ["integer", "null"]}}}
    assert f.extra == {"behavior": "BLOCKING"}
    assert g == Tool("g", parameters={"type": "object", "additionalProperties": False})
    assert search == Tool("googleSearch", kind="builtin", origin="gemini", extra={"googleSearch": {}})
    assert url.name == "urlContext"


@pytest.mark.parametrize(
    ("calling", "choice"),
    [
        ({"mode": "AUTO"}, ToolChoice("auto")),
        ({"mode": "NONE"}, ToolChoice("none")),
        ({"mode": "ANY"}, ToolChoice("required")),
        ({"mode": "any", "allowedFunctionNames": ["f"]}, ToolChoice("tool", name="f")),
        ({"mode": "ANY", "allowed_function_names": ["f", "g"]}, ToolChoice("required", allowed=("f", "g"))),
        ({"mode": "VALIDATED", "allowedFunctionNames": ["f"]}, ToolChoice("auto", allowed=("f",))),
        ({}, ToolChoice("auto")),
    ],
)
def test_tool_choice(calling: dict[str, Any], choice: ToolChoice) -> None:
    assert read(toolConfig={"functionCallingConfig": calling}).tool_choice == choice


@pytest.mark.parametrize(
    ("settings", "output"),
    [
        ({}, OutputFormat()),
        ({"responseMimeType": "text/plain"}, OutputFormat()),
        ({"responseMimeType": "application/json"}, OutputFormat("json")),
        (
            {"responseMimeType": "application/json", "responseSchema": {"type": "STRING"}},
            OutputFormat("json_schema", schema={"type": "string"}),
        ),
        (
            {"responseMimeType": "application/json", "responseJsonSchema": {"type": "string"}},
            OutputFormat("json_schema", schema={"type": "string"}),
        ),
    ],
)
def test_output_format(settings: dict[str, Any], output: OutputFormat) -> None:
    assert config(**settings).output == output


def test_an_enum_output_stays_googles_own() -> None:
    request = config(responseMimeType="text/x.enum", responseSchema={"type": "STRING", "enum": ["a"]})
    assert request.output == OutputFormat()
    assert request.extra == {
        "generationConfig.responseMimeType": "text/x.enum",
        "generationConfig.responseSchema": {"type": "STRING", "enum": ["a"]},
    }


@pytest.mark.parametrize(
    ("thinking", "reasoning"),
    [
        ({"thinkingBudget": 0}, Reasoning(enabled=False, budget_tokens=0)),
        ({"thinkingBudget": -1}, Reasoning(enabled=True, adaptive=True)),
        ({"thinkingBudget": 512, "includeThoughts": True}, Reasoning(True, budget_tokens=512, show=True)),
        ({"thinkingLevel": "HIGH"}, Reasoning(enabled=True, effort="high")),
        ({"includeThoughts": False}, Reasoning(show=False)),
    ],
)
def test_thinking(thinking: dict[str, Any], reasoning: Reasoning) -> None:
    assert config(thinkingConfig=thinking).reasoning == reasoning


def test_sampling_and_the_rest() -> None:
    request = read(
        generationConfig={
            "temperature": 0.5,
            "topP": 0.9,
            "topK": 40,
            "seed": 7,
            "stopSequences": ["a", "b"],
            "presencePenalty": 0.1,
            "frequencyPenalty": 0.2,
            "responseLogprobs": True,
            "logprobs": 3,
            "candidateCount": 2,
            "maxOutputTokens": 99,
            "speechConfig": {"voice": 1},
        },
        safetySettings=[{"category": "C", "threshold": "OFF"}],
        cachedContent="cachedContents/1",
        labels={"team": "x"},
        serviceTier="flex",
    )
    sampling = request.sampling
    assert (sampling.temperature, sampling.top_p, sampling.top_k, sampling.seed) == (0.5, 0.9, 40, 7)
    assert (sampling.stop, sampling.logprobs, sampling.top_logprobs, sampling.n) == (("a", "b"), True, 3, 2)
    assert (request.max_output_tokens, request.service_tier) == (99, "flex")
    assert request.extra == {
        "safetySettings": [{"category": "C", "threshold": "OFF"}],
        "cachedContent": "cachedContents/1",
        "labels": {"team": "x"},
        "generationConfig.speechConfig": {"voice": 1},
    }


def test_mistakes_are_named_by_their_path() -> None:
    assert refused({"role": "tool", "parts": []}) == "contents[0].role"
    assert refused(user({"functionCall": {"args": {}}})) == "contents[0].parts[0].functionCall.name"
    assert refused(user(text("a"), call("f", [1]))) == "contents[0].parts[1].functionCall.args"  # type: ignore[arg-type]
    assert refused(user({"functionResponse": {"name": "f", "response": 3}})) == (
        "contents[0].parts[0].functionResponse.response"
    )
    assert refused(user({"inlineData": {"data": "A"}})) == "contents[0].parts[0].inlineData.mimeType"
    assert refused(user({"fileData": {}})) == "contents[0].parts[0].fileData.fileUri"
    assert refused(tools=[{"functionDeclarations": [{}]}]) == "tools[0].functionDeclarations[0].name"
    assert refused(toolConfig={"functionCallingConfig": {"mode": "MAYBE"}}) == (
        "toolConfig.functionCallingConfig.mode"
    )
    assert refused(generationConfig={"maxOutputTokens": 0}) == "generationConfig.maxOutputTokens"
    assert refused(generationConfig={"candidateCount": 0}) == "generationConfig.candidateCount"
    with pytest.raises(ProblemError) as caught:
        CLIENT.decode_request(b'{"contents": []}', CHAT)
    assert caught.value.problem.param == "contents"
    with pytest.raises(ProblemError) as caught:
        CLIENT.decode_request(dump({"contents": [user(text("x"))]}), PathTarget("chat"))
    assert caught.value.problem.param == "model"


def test_count_tokens_takes_bare_contents_and_whole_requests() -> None:
    bare = {"contents": [user(text("hi"))]}
    whole = {
        "generateContentRequest": {"model": "models/x", **bare, "systemInstruction": {"parts": [text("s")]}}
    }
    assert CLIENT.decode_request(dump(bare), COUNT).messages == (Message("user", (TextPart("hi"),)),)
    assert len(CLIENT.decode_request(dump(whole), COUNT).messages) == 2
    assert CLIENT.envelope(dump(whole), COUNT).operation == "count_tokens"
    in_body = CLIENT.envelope(dump(whole), PathTarget("count_tokens"))
    assert in_body.model == "x"


# -- the envelope ---------------------------------------------------------------------------------------


def glance(*contents: Any, **fields: Any) -> Any:
    return CLIENT.envelope(dump({"contents": list(contents) or [user(text("hi"))], **fields}), CHAT)


def test_the_envelope_tells_what_a_deployment_must_be_able_to_do() -> None:
    seen = glance(
        user(
            text("x"),
            {"inlineData": {"mimeType": "image/png", "data": "A" * 4000}},
            {"inline_data": {"mime_type": "audio/wav", "data": "AAAA"}},
            {"fileData": {"mimeType": "application/pdf", "fileUri": "u"}},
        ),
        tools=[{"function_declarations": [{"name": "f"}]}, {"googleSearch": {}}],
        generation_config={
            "max_output_tokens": 5,
            "response_json_schema": {},
            "candidateCount": 2,
            "response_logprobs": True,
            "thinking_config": {"thinking_budget": 9},
        },
        cachedContent="cachedContents/7",
    )
    assert seen.features == {
        "images",
        "audio",
        "files",
        "tools",
        "builtin_tools",
        "web_search",
        "json_schema",
        "n",
        "logprobs",
        "reasoning",
    }
    assert (seen.images, seen.max_output_tokens, seen.session) == (1, 5, "cachedContents/7")
    assert seen.text_bytes < 1000


def test_no_thinking_is_no_reasoning_and_plain_json_no_schema() -> None:
    seen = glance(
        generationConfig={"thinkingConfig": {"thinkingBudget": 0}, "responseMimeType": "application/json"}
    )
    assert seen.features == {"json"}


def test_a_json_array_stream_cannot_be_relayed() -> None:
    body = dump({"contents": [user(text("hi"))]})
    assert not CLIENT.envelope(body, PathTarget("chat", model="m", stream=True, json_array=True)).relayable
    assert CLIENT.envelope(body, PathTarget("chat", model="models/m", stream=True)).model == "m"


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "contents"),
        ({"contents": []}, "contents"),
        ({"contents": [{"parts": 3}]}, "contents[0].parts"),
        ({"contents": "hi"}, "contents"),
        (
            {"contents": [{}], "generationConfig": {"maxOutputTokens": "x"}},
            "generationConfig.maxOutputTokens",
        ),
        ({"contents": [{}], "generationConfig": {"maxOutputTokens": -1}}, "generationConfig.maxOutputTokens"),
        ({"contents": [{}], "tools": [3]}, "tools[0]"),
    ],
)
def test_the_envelope_names_what_is_wrong(body: Any, param: str) -> None:
    with pytest.raises(ProblemError) as caught:
        CLIENT.envelope(dump(body), CHAT)
    assert caught.value.problem.param == param
