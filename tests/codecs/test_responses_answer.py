"""Whole answers, both ways, and the errors."""

import json
from typing import Any

import httpx2
import openai
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.responses import Response as SdkResponse
from tests.codecs.responses_support import CHAT, context, dumps, finishes, some_words, usages

from passerelle.codecs.openai_responses import CLIENT, PROVIDER
from passerelle.codecs.sealed import unseal
from passerelle.core.errors import AnswerError, Problem, ProblemKind
from passerelle.core.event import Finished, PartDelta, PartEnded, PartStarted, Started
from passerelle.core.message import (
    ImagePart,
    Part,
    ReasoningPart,
    RefusalPart,
    TextPart,
    ToolCallPart,
)
from passerelle.core.response import Response
from passerelle.core.usage import NO_USAGE, Usage

USAGE = {
    "input_tokens": 30,
    "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 6},
    "output_tokens": 9,
    "output_tokens_details": {"reasoning_tokens": 5},
    "total_tokens": 39,
}


def words(text: str) -> dict[str, Any]:
    return {
        "type": "message",
        "id": "msg_1",
        "status": "completed",
        "role": "assistant",
        "content": [{"type": "output_text", "text": text, "annotations": []}],
    }


def answer(*output: dict[str, Any], **fields: Any) -> bytes:
    whole = {"id": "resp_1", "object": "response", "status": "completed", "model": "gpt-x", "usage": USAGE}
    return dumps(whole | {"output": list(output)} | fields)


def encode(response: Response, **asked: Any) -> dict[str, Any]:
    request = CLIENT.decode_request(dumps({"model": "m", "input": "hi"} | asked), CHAT)
    found: dict[str, Any] = json.loads(CLIENT.encode_response(response, context(request)))
    SdkResponse.model_validate(found)
    return found


# -- usage ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wire", "usage"),
    [
        (
            USAGE,
            Usage(
                input_tokens=20,
                cache_read_tokens=4,
                cache_write_5m_tokens=6,
                output_tokens=4,
                reasoning_tokens=5,
            ),
        ),
        (
            USAGE
            | {
                "input_tokens_details": {
                    "cached_tokens": 0,
                    "cache_write_tokens": 6,
                    "cache_write_tokens_details": {"ttl_30m_tokens": 2, "ttl_12h_tokens": 4},
                }
            },
            Usage(
                input_tokens=24,
                cache_write_5m_tokens=2,
                cache_write_1h_tokens=4,
                output_tokens=4,
                reasoning_tokens=5,
            ),
        ),
        (
            {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5},
            Usage(input_tokens=3, output_tokens=2),
        ),
        # A compatible server that counts thoughts beside the output; its total says so.
        (
            {
                "input_tokens": 3,
                "output_tokens": 2,
                "output_tokens_details": {"reasoning_tokens": 7},
                "total_tokens": 12,
            },
            Usage(input_tokens=3, output_tokens=2, reasoning_tokens=7),
        ),
        (None, NO_USAGE),
    ],
)
def test_usage_becomes_disjoint_buckets_that_sum_to_the_providers_total(wire: Any, usage: Usage) -> None:
    body = answer(words("x"), usage=wire)
    assert PROVIDER.decode_response(body).usage == usage
    assert PROVIDER.watch_response(body).usage == usage
    if wire is not None:
        assert usage.total_tokens == wire["total_tokens"]


@given(usages)
@settings(max_examples=50)
def test_usage_survives_the_way_there_and_back(usage: Usage) -> None:
    body = CLIENT.encode_response(Response((TextPart("x"),), "stop", usage=usage), context())
    assert PROVIDER.decode_response(body).usage == usage


# -- reading --------------------------------------------------------------------------------------------


def test_an_answer_with_everything() -> None:
    body = answer(
        {
            "type": "reasoning",
            "id": "rs_1",
            "summary": [{"type": "summary_text", "text": "A"}],
            "encrypted_content": "gAAA",
        },
        {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search"}},
        words("Hello"),
        {
            "type": "function_call",
            "id": "fc_1",
            "call_id": "c1",
            "name": "f",
            "arguments": "",
            "status": "completed",
        },
        {"type": "custom_tool_call", "id": "ctc_1", "call_id": "c2", "name": "exec", "input": "ls"},
        {
            "type": "image_generation_call",
            "id": "ig_1",
            "status": "completed",
            "result": "iVBO",
            "output_format": "webp",
        },
        service_tier="flex",
        billing={"payer": "developer"},
    )
    found = PROVIDER.decode_response(body)
    kinds: list[type[Part]] = [type(part) for part in found.parts]
    assert kinds == [ReasoningPart, TextPart, ToolCallPart, ToolCallPart, ImagePart]
    assert found.finish == "tool_calls"
    assert (found.model, found.id, found.service_tier) == ("gpt-x", "resp_1", "flex")
    assert found.parts[2] == ToolCallPart("c1", "f", "{}", memo={"id": "fc_1", "status": "completed"})
    again = encode(found)
    assert [item["type"] for item in again["output"]] == [
        "reasoning",
        "web_search_call",
        "message",
        "function_call",
        "custom_tool_call",
        "image_generation_call",
    ]
    assert [item["id"] for item in again["output"]] == ["rs_1", "ws_1", "msg_1", "fc_1", "ctc_1", "ig_1"]
    assert again["billing"] == {"payer": "developer"}
    assert again["usage"] == USAGE


@pytest.mark.parametrize(
    ("fields", "finish"),
    [
        ({}, "stop"),
        ({"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}, "length"),
        ({"status": "incomplete", "incomplete_details": {"reason": "content_filter"}}, "content_filter"),
        ({"status": "incomplete", "incomplete_details": {"reason": "steered"}}, "pause"),
        ({"status": "incomplete", "output": [], "usage": None}, "length"),
        (
            {"output": [{"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}]},
            "tool_calls",
        ),
        ({"output": [{"type": "message", "content": [{"type": "refusal", "refusal": "No"}]}]}, "refusal"),
        ({"output": [{"type": "reasoning", "id": "r", "summary": []}], "usage": None}, "stop"),
    ],
)
def test_why_it_ended(fields: dict[str, Any], finish: str) -> None:
    body = answer(words("x"), **fields)
    assert PROVIDER.decode_response(body).finish == finish
    assert PROVIDER.watch_response(body).finish == finish


@pytest.mark.parametrize(
    ("body", "failure", "said"),
    [
        (b"", "protocol", "empty body"),
        (b"<html>sign in</html>", "protocol", "web page"),
        (b'{"status": "completed", "output": [', "protocol", "truncated"),
        (b"[]", "protocol", "not a response object"),
        (b'{"object": "list"}', "protocol", "no `output`"),
        (dumps({"error": {"message": "busy", "code": "rate_limit_exceeded"}}), "rate_limited", "busy"),
        (dumps({"error": "sorry"}), "server_error", "sorry"),
        (
            answer(status="failed", error={"code": "invalid_prompt", "message": "flagged"}),
            "content_policy",
            "flagged",
        ),
        (answer(status="failed"), "server_error", "no reason"),
        (answer(status="in_progress"), "protocol", "in_progress"),
        (answer(status="queued"), "protocol", "queued"),
        (answer(usage=None), "protocol", "empty completion"),
        (answer(words(""), usage=None), "protocol", "empty completion"),
        (answer(words("x"), usage={"input_tokens": "many"}), "protocol", "input_tokens"),
        (answer({"type": "message", "content": []}, usage=None), "protocol", "empty completion"),
    ],
)
def test_what_is_not_a_complete_answer_is_refused(body: bytes, failure: str, said: str) -> None:
    for read in (PROVIDER.decode_response, PROVIDER.watch_response):
        with pytest.raises(AnswerError) as caught:
            read(body)
        assert caught.value.failure == failure
        assert said in caught.value.message


def test_a_call_without_a_name_is_refused() -> None:
    with pytest.raises(AnswerError, match=r"output\[0\].name"):
        PROVIDER.decode_response(answer({"type": "function_call", "call_id": "c", "arguments": "{}"}))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from(["", "x", "message", "reasoning"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(["type", "text", "content", "call_id", "output", "usage", "status", "summary"]),
            inner,
        )
    ),
    max_leaves=8,
)


@given(
    st.binary(max_size=60)
    | json_values.map(dumps)
    | json_values.map(lambda v: dumps({"output": v, "status": v}))
)
@settings(max_examples=200)
def test_any_bytes_are_an_answer_or_an_answer_error(body: bytes) -> None:
    outcomes = []
    for read in (PROVIDER.decode_response, PROVIDER.watch_response, PROVIDER.decode_token_count):
        try:
            read(body)
        except AnswerError:
            outcomes.append(False)
        else:
            outcomes.append(True)
    assert outcomes[1] or not outcomes[0]


# -- writing --------------------------------------------------------------------------------------------

some_parts = st.one_of(
    st.builds(TextPart, some_words),
    st.builds(RefusalPart, some_words),
    st.builds(
        ReasoningPart, some_words, origin=st.just("openai_responses"), encrypted=st.none() | st.just("gA")
    ),
    st.builds(
        ToolCallPart,
        st.uuids().map(str),
        st.sampled_from(["f", "g"]),
        st.sampled_from(["{}", '{"a": 1}']),
    ),
    st.builds(ToolCallPart, st.uuids().map(str), st.just("exec"), some_words, kind=st.just("custom")),
    st.just(ImagePart("image/webp", "iVBO")),
)


def bare(part: Part) -> Any:
    match part:
        case TextPart(text=text):
            return ("text", text)
        case RefusalPart(text=text):
            return ("refusal", text)
        case ReasoningPart():
            return ("reasoning", part.text, part.encrypted, part.origin)
        case ToolCallPart():
            return ("call", part.id, part.name, part.arguments, part.kind)
        case ImagePart():
            return ("image", part.media_type, part.data)
        case _:
            raise AssertionError(part)


@given(st.lists(some_parts, max_size=5), finishes, usages)
@settings(max_examples=60)
def test_an_answer_written_and_read_says_the_same_and_the_sdk_accepts_it(
    parts: list[Part], finish: Any, usage: Usage
) -> None:
    body = CLIENT.encode_response(Response(tuple(parts), finish, "true-model", usage=usage), context())
    SdkResponse.model_validate(json.loads(body))
    if not parts and finish in ("stop", "tool_calls") and not usage.explains_silence:
        with pytest.raises(AnswerError, match="empty completion"):
            PROVIDER.decode_response(body)
        return
    back = PROVIDER.decode_response(body)
    assert [bare(part) for part in back.parts] == [bare(part) for part in parts]
    assert (back.model, back.usage) == ("true-model", usage)
    if finish in ("length", "content_filter"):
        assert back.finish == finish
    watched = PROVIDER.watch_response(body)
    assert (watched.model, watched.usage, watched.finish) == (back.model, back.usage, back.finish)


def test_reasoning_of_another_dialect_is_sealed() -> None:
    (item,) = encode(Response((ReasoningPart("hm", signature="c2ln", origin="anthropic"),), "stop"))["output"]
    assert item["summary"][0]["text"] == "hm"
    sealed = unseal(item["encrypted_content"])
    assert sealed is not None
    assert (sealed.origin, sealed.signature) == ("anthropic", "c2ln")


def test_names_and_custom_tools_come_back_as_the_caller_declared_them() -> None:
    tools = [
        {"type": "custom", "name": "exec"},
        {
            "type": "namespace",
            "name": "crm",
            "description": "",
            "tools": [{"type": "function", "name": "find", "parameters": {}, "strict": False}],
        },
    ]
    parts = (
        ToolCallPart("c1", "exec", '{"input": "ls"}'),
        ToolCallPart("c2", "exec", '{"command": "ls"}'),
        ToolCallPart("c3", "exec", "not json"),
        ToolCallPart("c4", "crm__find", "{}"),
        ToolCallPart("c4", "other", "{}"),
    )
    output = encode(Response(parts, "tool_calls"), tools=tools)["output"]
    assert [item.get("input") for item in output[:3]] == ["ls", "ls", "not json"]
    assert (output[3]["name"], output[3]["namespace"]) == ("find", "crm")
    assert output[4]["call_id"] != "c4"  # the SDK refuses two calls of one id


def test_citations_of_any_provider_become_links() -> None:
    cited = (
        {
            "type": "url_citation",
            "url_citation": {"url": "u", "title": "t", "start_index": 1, "end_index": 2},
        },
        {"type": "web_search_result_location", "url": "v", "title": "w"},
        {"type": "char_location", "cited_text": "nothing to link to"},
    )
    found = encode(Response((TextPart("words", citations=cited),), "stop"))
    assert found["output"][0]["content"][0]["annotations"] == [
        {"type": "url_citation", "url": "u", "title": "t", "start_index": 1, "end_index": 2},
        {"type": "url_citation", "url": "v", "title": "w", "start_index": 0, "end_index": 5},
    ]


def test_logprobs_of_both_openai_dialects() -> None:
    entry = {"token": "x", "logprob": -0.5, "bytes": [120], "top_logprobs": []}
    for given_logprobs in ([entry], {"content": [entry], "refusal": None}):
        found = encode(Response((TextPart("x"),), "stop", logprobs=given_logprobs))
        assert found["output"][0]["content"][0]["logprobs"] == [entry]
    assert PROVIDER.decode_response(dumps(found)).logprobs == {"content": [entry]}


@pytest.mark.parametrize(
    ("tier", "told"), [("flex", "flex"), ("standard", "default"), ("batch", None), (None, None)]
)
def test_a_service_tier_is_said_in_this_dialects_words(tier: str | None, told: str | None) -> None:
    assert encode(Response((TextPart("x"),), "stop", service_tier=tier))["service_tier"] == told


def test_an_answer_cut_short_says_so_in_its_last_item() -> None:
    found = encode(Response((TextPart("half"),), "length"))
    assert (found["status"], found["output"][0]["status"]) == ("incomplete", "incomplete")
    assert found["incomplete_details"] == {"reason": "max_output_tokens"}


def test_a_token_count_there_and_back() -> None:
    body = CLIENT.encode_token_count(42)
    assert json.loads(body) == {"object": "response.input_tokens", "input_tokens": 42}
    assert PROVIDER.decode_token_count(body) == 42
    with pytest.raises(AnswerError):
        PROVIDER.decode_token_count(b'{"input_tokens": -1}')


# -- errors ---------------------------------------------------------------------------------------------


def sdk(status: int, body: bytes, headers: Any) -> openai.OpenAI:
    def reply(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(status, content=body, headers=headers)

    client = httpx2.Client(transport=httpx2.MockTransport(reply))
    return openai.OpenAI(api_key="k", base_url="http://gateway/v1", http_client=client, max_retries=0)


@pytest.mark.parametrize(
    ("kind", "raised", "code"),
    [
        ("invalid_request", openai.BadRequestError, None),
        ("unauthenticated", openai.AuthenticationError, "invalid_api_key"),
        ("permission_denied", openai.PermissionDeniedError, "permission_denied"),
        ("no_eligible_deployment", openai.PermissionDeniedError, "no_eligible_deployment"),
        ("not_found", openai.NotFoundError, "not_found"),
        ("model_not_found", openai.NotFoundError, "model_not_found"),
        ("method_not_allowed", openai.APIStatusError, "method_not_allowed"),
        ("conflict", openai.ConflictError, "conflict"),
        ("too_large", openai.APIStatusError, "request_too_large"),
        ("rate_limited", openai.RateLimitError, "rate_limit_exceeded"),
        ("budget_exhausted", openai.RateLimitError, "insufficient_quota"),
        ("content_policy", openai.BadRequestError, "content_policy_violation"),
        ("context_length", openai.BadRequestError, "context_length_exceeded"),
        ("overloaded", openai.InternalServerError, "overloaded"),
        ("upstream_error", openai.InternalServerError, "upstream_error"),
        ("upstream_timeout", openai.InternalServerError, "upstream_timeout"),
        ("internal", openai.InternalServerError, "internal_error"),
    ],
)
def test_the_official_sdk_raises_its_own_class_for_every_problem(
    kind: ProblemKind, raised: type[openai.APIStatusError], code: str | None
) -> None:
    told = CLIENT.encode_problem(Problem(kind, "`x` is wrong.", param="x", retry_after_s=1.2), "req_1")
    with pytest.raises(raised) as caught, sdk(told.status, told.body, told.headers) as client:
        client.responses.create(model="m", input="hi")
    error = caught.value
    assert (error.code, error.param, error.request_id) == (code, "x", "req_1")
    assert "`x` is wrong." in str(error)
    assert error.response.headers["retry-after"] == "2"
    assert (error.response.headers.get("x-should-retry") == "false") == (kind == "budget_exhausted")


def test_a_problem_keeps_its_own_code_status_and_headers() -> None:
    problem = Problem("invalid_request", "m", code="mine", status=422, headers=(("allow", "POST"),))
    told = CLIENT.encode_problem(problem, "req_1")
    assert told.status == 422
    assert json.loads(told.body)["error"]["code"] == "mine"
    assert told.headers == (("x-request-id", "req_1"), ("allow", "POST"))


def test_the_official_sdk_streams_our_answer() -> None:
    encoder = CLIENT.stream_encoder(context())
    events = [Started("true-model"), PartStarted(0, "text"), PartDelta(0, '{"a":'), PartDelta(0, " 1}")]
    stream = b"".join([encoder.encode(e) for e in [*events, PartEnded(0), Finished("stop")]])
    headers = [("content-type", "text/event-stream")]
    with sdk(200, stream, headers) as client, client.responses.stream(model="m", input="hi") as answered:
        said = [event.delta for event in answered if event.type == "response.output_text.delta"]
        final = answered.get_final_response()
    assert said == ['{"a":', " 1}"]
    assert (final.output_text, final.model, final.status) == ('{"a": 1}', "true-model", "completed")


def test_the_official_sdk_reads_our_answer() -> None:
    body = CLIENT.encode_response(Response((TextPart("Hello"),), "stop", "true-model"), context())
    with sdk(200, body, ()) as client:
        response = client.responses.create(model="m", input="hi")
    assert (response.output_text, response.model, response.id[:5]) == ("Hello", "true-model", "resp_")


def test_a_refusal_without_words_shows_in_the_status() -> None:
    found = encode(Response((TextPart("half"),), "refusal"))
    assert (found["status"], found["incomplete_details"]) == ("incomplete", {"reason": "content_filter"})
    assert encode(Response((RefusalPart("No."),), "refusal"))["status"] == "completed"
