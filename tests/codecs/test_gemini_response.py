"""Whole answers and their usage, both ways; the official SDK reads what we write."""

import json
from typing import Any

import pytest
from google.genai import types as sdk
from hypothesis import given
from hypothesis import strategies as st
from tests.codecs.gemini_support import (
    CALLS,
    CHAT,
    SIGNATURE,
    TEXT_PARTS,
    THOUGHTS,
    USAGES,
    call,
    chunk,
    context,
    counts,
    dump,
    text,
)

from passerelle.codecs.gemini import CLIENT, PROVIDER
from passerelle.codecs.gemini.finish import FINISH
from passerelle.codecs.gemini.types import UsageMetadata
from passerelle.codecs.gemini.usage import read_usage, write_usage
from passerelle.codecs.gemini.wire import parse
from passerelle.core.errors import AnswerError, FailureKind
from passerelle.core.message import (
    AudioPart,
    ImagePart,
    ReasoningPart,
    RefusalPart,
    TextPart,
    ToolCallPart,
)
from passerelle.core.response import FinishReason, Response
from passerelle.core.usage import NO_USAGE, Usage


def decode(body: Any) -> Response:
    raw = body if isinstance(body, bytes) else dump(body)
    response = PROVIDER.decode_response(raw)
    watched = PROVIDER.watch_response(raw)
    assert (watched.model, watched.usage, watched.finish) == (response.model, response.usage, response.finish)
    return response


def fails(body: Any) -> tuple[FailureKind, str]:
    raw = body if isinstance(body, bytes) else dump(body)
    with pytest.raises(AnswerError) as watched:
        PROVIDER.watch_response(raw)
    with pytest.raises(AnswerError) as caught:
        PROVIDER.decode_response(raw)
    assert watched.value.failure == caught.value.failure
    return caught.value.failure, caught.value.message


def encode(response: Response) -> Any:
    body = CLIENT.encode_response(response, context())
    sdk.GenerateContentResponse.model_validate(json.loads(body))
    return json.loads(body)


# -- usage ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "buckets"),
    [
        (
            {"promptTokenCount": 8, "candidatesTokenCount": 6, "totalTokenCount": 14},
            Usage(8, output_tokens=6),
        ),
        (  # the prompt includes what was cached; the candidates exclude the thoughts
            {
                "promptTokenCount": 100,
                "cachedContentTokenCount": 60,
                "candidatesTokenCount": 10,
                "thoughtsTokenCount": 30,
                "totalTokenCount": 140,
            },
            Usage(40, cache_read_tokens=60, output_tokens=10, reasoning_tokens=30),
        ),
        (  # tool results stand apart from the prompt
            {
                "promptTokenCount": 10,
                "toolUsePromptTokenCount": 90,
                "candidatesTokenCount": 5,
                "totalTokenCount": 105,
            },
            Usage(100, output_tokens=5),
        ),
        (  # modalities, with the cached ones taken out of theirs
            {
                "promptTokenCount": 100,
                "cachedContentTokenCount": 30,
                "candidatesTokenCount": 50,
                "totalTokenCount": 150,
                "promptTokensDetails": [
                    {"modality": "TEXT", "tokenCount": 20},
                    {"modality": "AUDIO", "tokenCount": 50},
                    {"modality": "IMAGE", "tokenCount": 30},
                ],
                "cacheTokensDetails": [
                    {"modality": "AUDIO", "tokenCount": 20},
                    {"modality": "TEXT", "tokenCount": 10},
                ],
                "candidatesTokensDetails": [
                    {"modality": "AUDIO", "tokenCount": 40},
                    {"modality": "TEXT", "tokenCount": 10},
                ],
            },
            Usage(
                10,
                cache_read_tokens=30,
                input_audio_tokens=30,
                input_image_tokens=30,
                output_tokens=10,
                output_audio_tokens=40,
            ),
        ),
        (  # a model that counts its thoughts among the candidates
            {
                "promptTokenCount": 10,
                "candidatesTokenCount": 50,
                "thoughtsTokenCount": 30,
                "totalTokenCount": 60,
            },
            Usage(10, output_tokens=20, reasoning_tokens=30),
        ),
        (  # thoughts that only the total tells of
            {"promptTokenCount": 7, "candidatesTokenCount": 12, "totalTokenCount": 402},
            Usage(7, output_tokens=12, reasoning_tokens=383),
        ),
        ({"promptTokenCount": 5, "totalTokenCount": 5}, Usage(5)),
    ],
)
def test_googles_counts_become_disjoint_buckets_with_the_same_total(said: Any, buckets: Usage) -> None:
    usage = read_usage(parse(dump(said), UsageMetadata))
    assert usage == buckets
    assert usage.total_tokens == said["totalTokenCount"]


@given(USAGES)
def test_our_counts_come_back_as_they_went(usage: Usage) -> None:
    said = write_usage(usage)
    assert said["totalTokenCount"] == usage.total_tokens
    assert read_usage(parse(dump(said), UsageMetadata)) == usage


@given(
    st.fixed_dictionaries(
        {},
        optional={
            name: st.integers(0, 500)
            for name in (
                "promptTokenCount",
                "cachedContentTokenCount",
                "candidatesTokenCount",
                "thoughtsTokenCount",
                "toolUsePromptTokenCount",
                "totalTokenCount",
            )
        }
        | {
            name: st.lists(
                st.fixed_dictionaries(
                    {
                        "modality": st.sampled_from(["TEXT", "AUDIO", "IMAGE", "VIDEO"]),
                        "tokenCount": st.integers(0, 500),
                    }
                ),
                max_size=3,
            )
            for name in ("promptTokensDetails", "cacheTokensDetails", "candidatesTokensDetails")
        },
    )
)
def test_no_bucket_is_ever_negative(said: Any) -> None:
    usage = read_usage(parse(dump(said), UsageMetadata))
    assert all(getattr(usage, name) >= 0 for name in usage.__struct_fields__ if name != "source")


# -- answers in -----------------------------------------------------------------------------------------


def test_every_kind_of_part() -> None:
    response = decode(
        chunk(
            text("hmm", thought=True, thoughtSignature=SIGNATURE),
            text("It is", thoughtSignature=SIGNATURE),
            {"executableCode": {"code": "1", "language": "PYTHON"}},
            {**call("f", {"a": [1]}, id="c1"), "thoughtSignature": SIGNATURE},
            {"inlineData": {"mimeType": "image/png", "data": "AAAA"}},
            {"inlineData": {"mimeType": "audio/L16;rate=24000", "data": "AAAA"}},
            finish="STOP",
            usage=counts(3, 4),
            groundingMetadata={"webSearchQueries": ["x"]},
            citationMetadata={"citations": [{"startIndex": 1, "endIndex": 3, "uri": "https://e.org"}]},
        )
    )
    assert response.parts == (
        ReasoningPart("hmm", signature=SIGNATURE, origin="gemini"),
        TextPart("It is", memo={"thoughtSignature": SIGNATURE}),
        TextPart(
            "",
            citations=({"startIndex": 1, "endIndex": 3, "uri": "https://e.org"},),
            extra={"executableCode": {"code": "1", "language": "PYTHON"}},
        ),
        ToolCallPart("c1", "f", '{"a": [1]}', signature=SIGNATURE),
        ImagePart("image/png", data="AAAA"),
        AudioPart("audio/L16;rate=24000", data="AAAA"),
    )
    assert (response.finish, response.raw_finish, response.model, response.id) == (
        "tool_calls",
        "STOP",
        "gemini-2.5-pro",
        "r1",
    )
    assert response.extra == {"candidate.groundingMetadata": {"webSearchQueries": ["x"]}}


def test_calls_without_ids_get_distinct_ones_and_other_answers_others() -> None:
    body = chunk(call("f"), call("f"), finish="STOP")
    ids = [part.id for part in decode(body).parts if isinstance(part, ToolCallPart)]
    again = [part.id for part in decode(body).parts if isinstance(part, ToolCallPart)]
    other = [part.id for part in decode({**body, "responseId": "r2"}).parts if isinstance(part, ToolCallPart)]
    assert ids == again
    assert len({*ids, *other}) == 4


@pytest.mark.parametrize("word", sorted(FINISH))
def test_every_finish_reason(word: str) -> None:
    response = decode(chunk(text("x"), finish=word))
    assert response.finish == FINISH[word]
    assert encode(response)["candidates"][0]["finishReason"] == word


def test_unknown_finish_reasons_are_a_stop_and_the_sdk_knows_all_of_ours() -> None:
    assert decode(chunk(text("x"), finish="SOMETHING_NEW")).finish == "stop"
    known = {reason.value for reason in sdk.FinishReason}
    assert set(FINISH) <= known


@pytest.mark.parametrize(
    "word", ["SAFETY", "MAX_TOKENS", "MALFORMED_FUNCTION_CALL", "RECITATION", "CONTINUATION"]
)
def test_an_answer_cut_before_its_first_word_is_still_an_answer(word: str) -> None:
    assert decode({"candidates": [{"finishReason": word}]}).parts == ()


@pytest.mark.parametrize("parts", [[], [text("")], [{"text": "", "thought": True}]])
@pytest.mark.parametrize("word", ["STOP", "OTHER", "SOMETHING_NEW", "NO_IMAGE"])
def test_an_empty_completion_is_a_failure(parts: list[Any], word: str) -> None:
    failure, message = fails(chunk(*parts, finish=word, usage=counts(9, 0)))
    assert failure == "protocol"
    assert "empty completion" in message


def test_a_stop_with_output_counted_or_thoughts_only_is_legitimate() -> None:
    assert decode(chunk(finish="STOP", usage=counts(9, 1))).finish == "stop"
    assert decode(chunk(text("hm", thought=True), finish="STOP")).finish == "stop"


def test_a_refused_prompt_is_a_refusal_not_a_failure() -> None:
    response = decode(
        {"promptFeedback": {"blockReason": "SAFETY", "safetyRatings": []}, "usageMetadata": counts(9, 0)}
    )
    assert (response.finish, response.raw_finish, response.parts) == ("content_filter", "SAFETY", ())
    written = encode(response)
    assert "candidates" not in written
    assert written["promptFeedback"] == {"blockReason": "SAFETY", "safetyRatings": []}


@pytest.mark.parametrize(
    ("body", "failure", "words"),
    [
        (b"", "protocol", "empty"),
        (b"<html><body>Sign in", "protocol", "web page"),
        (b'{"candidates": [{"content"', "protocol", "ends too soon"),
        (b"[1, 2]", "protocol", "list"),
        ({}, "protocol", "no candidate"),
        ({"candidates": []}, "protocol", "no candidate"),
        (chunk(text("x")), "protocol", "incomplete"),
        (chunk(text("x"), finish="MALFORMED_RESPONSE"), "protocol", "malformed"),
        (chunk(finish="MISSING_THOUGHT_SIGNATURE"), "invalid_request", "signature"),
        ({"error": {"code": 429, "message": "slow", "status": "RESOURCE_EXHAUSTED"}}, "rate_limited", "slow"),
        ([{"error": {"code": 503, "message": "busy", "status": "UNAVAILABLE"}}], "overloaded", "busy"),
        (
            {
                "error": {
                    "code": 400,
                    "message": "The input token count (9) exceeds the maximum number of tokens",
                }
            },
            "context_length",
            "token count",
        ),
        ({"error": {"code": 500}}, "server_error", "without words"),
    ],
)
def test_what_is_no_answer_is_told_as_what_it_is(body: Any, failure: FailureKind, words: str) -> None:
    assert fails(body)[0] == failure
    assert words in fails(body)[1]


# -- answers out ----------------------------------------------------------------------------------------


def test_the_true_model_and_our_id_stand_in_the_answer() -> None:
    written = encode(Response((TextPart("hi"),), "stop", model="claude-x", id="msg_1"))
    assert (written["modelVersion"], written["responseId"]) == ("claude-x", "req_01TEST")
    assert encode(Response((TextPart("hi"),), "stop"))["modelVersion"] == "fallback-model"
    assert "usageMetadata" not in written


@pytest.mark.parametrize(
    ("finish", "word"),
    [
        ("stop", "STOP"),
        ("tool_calls", "STOP"),
        ("length", "MAX_TOKENS"),
        ("context", "MAX_TOKENS"),
        ("refusal", "SAFETY"),
        ("content_filter", "SAFETY"),
        ("pause", "OTHER"),
        ("incomplete", "OTHER"),
        ("malformed_tool_call", "MALFORMED_FUNCTION_CALL"),
    ],
)
def test_finish_reasons_of_other_dialects(finish: FinishReason, word: str) -> None:
    assert (
        encode(Response((TextPart("x"),), finish, raw_finish="end_turn"))["candidates"][0]["finishReason"]
        == word
    )


def test_another_providers_answer_in_googles_words() -> None:
    written = encode(
        Response(
            (
                ReasoningPart("let me", signature="ErUB", origin="anthropic"),
                TextPart(
                    "See",
                    citations=(
                        {"type": "url_citation", "url_citation": {"url": "https://e.org", "title": "E"}},
                    ),
                    extra={"annotations": []},
                    memo={"id": "msg"},
                ),
                RefusalPart("no"),
                ToolCallPart("toolu_1", "f", ""),
                ImagePart("image/png", data="AAAA", extra={"revised_prompt": "x"}),
            ),
            "tool_calls",
            usage=Usage(5, cache_write_5m_tokens=3, output_tokens=2),
            extra={"system_fingerprint": "fp"},
            logprobs={"content": [{"token": "a", "logprob": -0.5, "bytes": None, "top_logprobs": []}]},
        )
    )
    thought, *others = written["candidates"][0]["content"]["parts"]
    assert thought["text"] == "let me"
    assert others == [
        text("See"),
        text("no"),
        {"functionCall": {"id": "toolu_1", "name": "f", "args": {}}},
        {"inlineData": {"mimeType": "image/png", "data": "AAAA"}},
    ]
    assert written["candidates"][0]["citationMetadata"] == {
        "citations": [{"uri": "https://e.org", "title": "E"}]
    }
    assert written["candidates"][0]["logprobsResult"] == {
        "chosenCandidates": [{"token": "a", "logProbability": -0.5}]
    }
    assert written["usageMetadata"]["promptTokenCount"] == 8
    assert "system_fingerprint" not in written
    back = CLIENT.decode_request(dump({"contents": [{"role": "model", "parts": [thought]}]}), CHAT)
    assert back.messages[0].parts == (ReasoningPart("let me", signature="ErUB", origin="anthropic"),)


RESPONSES = st.builds(
    Response,
    parts=st.lists(TEXT_PARTS | THOUGHTS | CALLS, min_size=1, max_size=4).map(tuple),
    finish=st.sampled_from(["stop", "length", "content_filter", "malformed_tool_call"]),
    model=st.just("gemini-2.5-pro"),
    id=st.just("req_01TEST"),
    usage=st.just(NO_USAGE) | USAGES,
)


@given(RESPONSES)
def test_encoding_and_decoding_an_answer_loses_nothing(response: Response) -> None:
    again = PROVIDER.decode_response(CLIENT.encode_response(response, context()))
    assert encode(again) == encode(response)
    assert [type(part) for part in again.parts] == [type(part) for part in response.parts]
    assert again.usage == response.usage
    called = any(isinstance(part, ToolCallPart) for part in response.parts)
    assert again.finish == ("tool_calls" if called and response.finish == "stop" else response.finish)


# -- token counts ---------------------------------------------------------------------------------------


def test_token_counts() -> None:
    assert CLIENT.encode_token_count(12) == b'{"totalTokens":12}'
    assert PROVIDER.decode_token_count(b'{"totalTokens": 31, "promptTokensDetails": []}') == 31
    for body in (b"{}", b"<html>", b'{"error": {"code": 404, "message": "no", "status": "NOT_FOUND"}}'):
        with pytest.raises(AnswerError):
            PROVIDER.decode_token_count(body)
