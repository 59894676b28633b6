"""Google's JSON, read fast when it is plain and leniently when it is not; any bytes, no surprises."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.codecs.gemini_support import (
    CHAT,
    COUNT,
    ENVELOPE,
    JSON_VALUES,
    chunk,
    counts,
    dump,
    events_of,
    text,
)

from passerelle.codecs.gemini import CLIENT, PROVIDER
from passerelle.codecs.gemini.tasks import CLIENTS, PROVIDERS
from passerelle.codecs.gemini.types import GenerateContentRequest, GenerateContentResponse
from passerelle.codecs.gemini.wire import WireError, lenient, parse
from passerelle.core.errors import AnswerError, ProblemError
from passerelle.core.event import Failed, Finished

PLAIN = dump(chunk(text("hi"), finish="STOP", usage=counts(3, 2), safetyRatings=[{"category": "X"}]))


def test_both_ways_read_the_same() -> None:
    assert parse(PLAIN, GenerateContentResponse) == lenient(PLAIN, GenerateContentResponse)


def test_snake_case_names_and_single_objects_are_read_as_google_reads_them() -> None:
    plain = {
        "contents": [{"parts": [{"inlineData": {"mimeType": "image/png", "data": "AAAA"}}]}],
        "systemInstruction": {"parts": [{"text": "short"}]},
        "generationConfig": {"maxOutputTokens": 12, "stopSequences": ["x"], "topK": 3.0},
    }
    loose = {
        "contents": {"parts": {"inline_data": {"mime_type": "image/png", "data": "AAAA"}}},
        "system_instruction": [{"text": "short"}],
        "generation_config": {"max_output_tokens": "12", "stop_sequences": ["x"], "top_k": 3, "seed": None},
    }
    assert parse(dump(loose), GenerateContentRequest) == parse(dump(plain), GenerateContentRequest)


def test_unknown_fields_are_kept_at_every_level() -> None:
    read = parse(
        dump({"contents": [{"parts": [{"text": "x", "new": [1]}], "n": 2}], "m": {}}), GenerateContentRequest
    )
    assert read.extra == {"m": {}}
    assert read.contents is not None
    assert read.contents[0].extra == {"n": 2}
    assert read.contents[0].parts is not None
    assert read.contents[0].parts[0].extra == {"new": [1]}


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (b'{"contents": 3}', "contents"),
        (b'{"contents": [4]}', "contents[0]"),
        (b'{"contents": [{"parts": [{"text": 5}]}]}', "contents[0].parts[0].text"),
        (
            b'{"contents": [{"parts": [{"inline_data": {"data": 5}}]}]}',
            "contents[0].parts[0].inline_data.data",
        ),
        (b'{"generation_config": {"max_output_tokens": "many"}}', "generation_config.max_output_tokens"),
        (b'{"generationConfig": {"stopSequences": ["a", 1]}}', "generationConfig.stopSequences[1]"),
        (b'{"generationConfig": {"temperature": true}}', "generationConfig.temperature"),
    ],
)
def test_a_wrong_type_is_named_as_the_caller_wrote_it(body: bytes, path: str) -> None:
    with pytest.raises(WireError) as caught:
        parse(body, GenerateContentRequest)
    assert caught.value.path == path
    assert f"`{path}`" in caught.value.message
    assert caught.value.message.endswith("correct it and send again")


ODD = st.one_of(
    st.binary(max_size=60),
    JSON_VALUES.map(dump),
    st.dictionaries(
        st.sampled_from(
            [
                "contents",
                "tools",
                "generationConfig",
                "candidates",
                "requests",
                "content",
                "error",
                "usageMetadata",
                "embedding",
                "embeddings",
                "systemInstruction",
                "promptFeedback",
                "generateContentRequest",
                "totalTokens",
                "toolConfig",
                "tool_config",
            ]
        ),
        st.recursive(
            JSON_VALUES,
            lambda inner: (
                st.lists(inner, max_size=2)
                | st.dictionaries(
                    st.sampled_from(
                        [
                            "parts",
                            "role",
                            "text",
                            "functionCall",
                            "function_call",
                            "functionResponse",
                            "name",
                            "args",
                            "response",
                            "inlineData",
                            "mimeType",
                            "data",
                            "content",
                            "finishReason",
                            "index",
                            "functionDeclarations",
                            "thinkingConfig",
                            "error",
                            "parameters",
                            "functionCallingConfig",
                            "mode",
                            "thought",
                            "values",
                            "code",
                        ]
                    ),
                    inner,
                    max_size=3,
                )
            ),
            max_leaves=8,
        ),
        max_size=3,
    ).map(dump),
)


@settings(max_examples=50)
@given(ODD)
def test_any_bytes_give_the_documented_errors_and_no_others(body: bytes) -> None:
    kinds = set()
    for target in (CHAT, COUNT):
        for read in (
            CLIENT.envelope,
            CLIENT.decode_request,
            CLIENTS["embed"].envelope,
            CLIENTS["embed"].decode_request,
        ):
            try:
                read(body, target)
            except ProblemError as error:
                kinds.add(error.problem.kind)
    assert kinds <= {"invalid_request"}
    for answer in (
        PROVIDER.decode_response,
        PROVIDER.watch_response,
        PROVIDER.decode_token_count,
        PROVIDERS["embed"].decode_response,
        PROVIDERS["embed"].watch_response,
    ):
        try:
            answer(body)
        except AnswerError:
            continue
    try:
        watched = PROVIDER.watch_response(body)
        answer_ = PROVIDER.decode_response(body)
    except AnswerError:
        pass
    else:
        assert (watched.model, watched.usage, watched.finish) == (
            answer_.model,
            answer_.usage,
            answer_.finish,
        )
    for stream in (body, b"data: " + body + b"\n\n"):
        events = events_of(PROVIDER.stream_decoder(), stream)
        assert isinstance(events[-1], Finished | Failed)
        watcher = PROVIDER.stream_watcher(ENVELOPE)
        watcher.feed(stream)
        watcher.close()
        assert watcher.done != (watcher.failed is not None)
        if isinstance(events[-1], Finished):
            assert watcher.done


@settings(max_examples=50)
@given(ODD)
def test_the_envelope_takes_what_the_decoder_takes(body: bytes) -> None:
    try:
        request = CLIENT.decode_request(body, CHAT)
    except ProblemError:
        return
    assert CLIENT.envelope(body, CHAT).max_output_tokens == request.max_output_tokens


def test_deep_nesting_and_bad_text_are_told_as_mistakes() -> None:
    for body in (
        b'{"contents":' + b"[" * 100_000,
        b'{"contents":[{"parts":[{"text":"\xff"}]}]}',
        b"",
        b"[]",
        b"null",
    ):
        with pytest.raises(ProblemError):
            CLIENT.decode_request(body, CHAT)
        with pytest.raises(ProblemError):
            CLIENT.envelope(body, CHAT)
        with pytest.raises(AnswerError):
            PROVIDER.decode_response(body)


@pytest.mark.parametrize("depth", [100, 300, 450, 600, 900, 980])
def test_nesting_of_any_depth_is_read_or_refused(depth: int) -> None:
    deep = "[" * depth + "]" * depth
    schema = '{"type":"OBJECT","items":' * depth + "{}" + "}" * depth
    for body in (
        f'{{"contents":[{{"parts":[{{"text":"x","new":{deep}}}]}}]}}',
        f'{{"contents":[{{"parts":[{{"functionResponse":{{"name":"f","response":{{"a":{deep}}}}}}}]}}]}}',
        f'{{"contents":[{{}}],"tools":[{{"functionDeclarations":[{{"name":"f","parameters":{schema}}}]}}]}}',
    ):
        for read in (CLIENT.envelope, CLIENT.decode_request):
            try:
                read(body.encode(), CHAT)
            except ProblemError as error:
                told = error.problem.message
            else:
                told = "nested too deeply"
            assert "nested too deeply" in told
    answer = (
        f'{{"candidates":[{{"content":{{"parts":[{{"text":"x"}}]}},"finishReason":"STOP","new":{deep}}}]}}'
    )
    events_of(PROVIDER.stream_decoder(), b"data: " + answer.encode() + b"\n\n")
    for read_answer in (PROVIDER.decode_response, PROVIDER.watch_response):
        try:
            read_answer(answer.encode())
        except AnswerError:
            continue


def test_malformed_json_says_where() -> None:
    with pytest.raises(ProblemError, match="byte 13"):
        CLIENT.envelope(b'{"contents":[}', CHAT)
    with pytest.raises(ProblemError, match="not UTF-8 \\(byte"):
        CLIENT.envelope(b'{"contents":"\xff"}', CHAT)
    with pytest.raises(ProblemError, match="ends too soon"):
        CLIENT.envelope(json.dumps({"contents": []}).encode()[:-1], CHAT)
