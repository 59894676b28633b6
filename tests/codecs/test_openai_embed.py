"""OpenAI's embeddings, asked for and answered."""

import base64
import contextlib
import json
import struct
from typing import Any

import httpx2
import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types import CreateEmbeddingResponse
from tests.codecs.openai_chat_support import Json, dump

from passerelle.codecs.base import PathTarget, ReplyContext, Target
from passerelle.codecs.openai_chat.tasks import CLIENTS, PROVIDERS
from passerelle.core.errors import AnswerError, ProblemError
from passerelle.core.request import EmbedRequest
from passerelle.core.response import EmbedResponse
from passerelle.core.usage import Usage

EMBED = PathTarget("embed")
CONTEXT = ReplyContext("req_01TEST", "fallback-model", 1_700_000_000)
TARGET = Target("embed-x")


def ask(**fields: Any) -> bytes:
    return dump({"model": "m", **fields})


def read(**fields: Any) -> EmbedRequest:
    return CLIENTS["embed"].decode_request(ask(**fields), EMBED)


def answered(*vectors: Any, **more: Any) -> bytes:
    data = [{"object": "embedding", "index": i, "embedding": v} for i, v in enumerate(vectors)]
    return dump({"object": "list", "data": data, "model": "embed-x-1", **more})


def packed(*numbers: float) -> str:
    return base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()


@pytest.mark.parametrize(
    ("value", "inputs", "single"),
    [
        ("a", ("a",), True),
        (["a", "b"], ("a", "b"), False),
        (["a"], ("a",), False),
        ([1, 2], ((1, 2),), True),
        ([[1, 2], [3]], ((1, 2), (3,)), False),
    ],
)
def test_inputs_are_texts_or_tokens(value: Any, inputs: tuple[Any, ...], single: bool) -> None:
    request = read(input=value, dimensions=8, encoding_format="base64", user="u", input_type="query")
    assert request == EmbedRequest(
        "m", inputs, "openai_chat", 8, "base64", single=single, user="u", extra={"input_type": "query"}
    )
    encoded = PROVIDERS["embed"].encode_request(request, TARGET)
    assert encoded.dropped == ()
    assert json.loads(encoded.body) == {
        "model": "embed-x", "input": value, "dimensions": 8, "encoding_format": "base64", "user": "u",
        "input_type": "query",
    }  # fmt: skip
    envelope = CLIENTS["embed"].envelope(ask(input=value, user="u"), EMBED)
    assert (envelope.operation, envelope.model, envelope.session) == ("embed", "m", "u")


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({}, "input"),
        ({"input": ""}, "input"),
        ({"input": []}, "input"),
        ({"input": None}, "input"),
        ({"input": ["a", ""]}, "input[1]"),
        ({"input": ["a", []]}, "input[1]"),
        ({"input": "a", "model": ""}, "model"),
    ],
)
def test_what_is_wrong_is_named(fields: Json, param: str) -> None:
    with pytest.raises(ProblemError) as caught:
        CLIENTS["embed"].envelope(ask(**fields), EMBED)
    assert caught.value.problem.param == param
    if param == "model":
        return
    with pytest.raises(ProblemError) as caught:
        read(**fields)
    assert caught.value.problem.param == param


@pytest.mark.parametrize(
    ("fields", "param"), [({"encoding_format": "hex"}, "encoding_format"), ({"dimensions": 0}, "dimensions")]
)
def test_wrong_wishes_are_named(fields: Json, param: str) -> None:
    with pytest.raises(ProblemError) as caught:
        read(input="a", **fields)
    assert caught.value.problem.param == param


def test_a_foreign_request_says_what_it_lost() -> None:
    request = EmbedRequest(
        "m",
        ("a", "b"),
        "gemini",
        4,
        task="RETRIEVAL_QUERY",
        title="t",
        user="u" * 99,
        extra={"autoTruncate": True},
    )
    encoded = PROVIDERS["embed"].encode_request(request, Target("x", quirks=frozenset({"no_metadata"})))
    assert encoded.dropped == ("user", "task_type", "title", "autoTruncate")
    assert json.loads(encoded.body) == {"model": "x", "input": ["a", "b"], "dimensions": 4}
    body = json.loads(PROVIDERS["embed"].encode_request(request, TARGET).body)
    assert len(body["user"]) <= 64


def test_a_relayed_request_keeps_its_bytes() -> None:
    body = b'{"input": ["a",  "b"],"model":"m","user":"u"}'
    assert PROVIDERS["embed"].relay_request(body, TARGET) == (
        b'{"input":["a",  "b"],"model":"embed-x","user":"u"}'
    )
    quirky = Target("embed-x", quirks=frozenset({"no_metadata"}))
    assert PROVIDERS["embed"].relay_request(body, quirky) == b'{"input":["a",  "b"],"model":"embed-x"}'


def test_vectors_come_in_the_order_of_the_inputs() -> None:
    body = json.loads(answered([1.0, 2.0], [3.0, 4.0], usage={"prompt_tokens": 5, "total_tokens": 5}))
    body["data"].reverse()
    response = PROVIDERS["embed"].decode_response(dump(body))
    assert response == EmbedResponse(((1.0, 2.0), (3.0, 4.0)), "embed-x-1", Usage(5))
    watched = PROVIDERS["embed"].watch_response(dump(body))
    assert (watched.model, watched.usage) == ("embed-x-1", Usage(5))


@pytest.mark.parametrize(
    ("encoding", "vector", "written"),
    [
        ("float", (0.5, -1.0), [0.5, -1.0]),
        ("float", packed(0.5, -1.0), [0.5, -1.0]),
        ("base64", (0.5, -1.0), packed(0.5, -1.0)),
        ("base64", packed(0.5, -1.0), packed(0.5, -1.0)),
    ],
)
def test_vectors_are_given_in_the_form_asked_for(encoding: Any, vector: Any, written: Any) -> None:
    request = EmbedRequest("m", ("a",), "openai_chat", encoding=encoding)
    body = json.loads(
        CLIENTS["embed"].encode_response(EmbedResponse((vector,), "", Usage(3)), request, CONTEXT).body
    )
    assert body == {
        "id": "embedding",
        "object": "list",
        "data": [{"object": "embedding", "index": 0, "embedding": written}],
        "model": "m",
        "usage": {"prompt_tokens": 3, "total_tokens": 3},
    }
    if encoding == "float":
        CreateEmbeddingResponse.model_validate(body, strict=True)


def test_the_official_sdk_reads_the_vectors() -> None:
    def answer(request: httpx2.Request) -> httpx2.Response:
        asked = CLIENTS["embed"].decode_request(request.content, EMBED)
        assert asked.encoding == "base64", "the SDK asks for it by itself"
        response = EmbedResponse(((0.5, -1.0),) * len(asked.inputs), "x", Usage(3))
        return httpx2.Response(200, content=CLIENTS["embed"].encode_response(response, asked, CONTEXT).body)

    http = httpx2.Client(transport=httpx2.MockTransport(answer))
    with openai.OpenAI(api_key="k", base_url="http://gateway/v1", http_client=http) as client:
        result = client.embeddings.create(model="m", input=["a", "b"])
    assert [item.embedding for item in result.data] == [[0.5, -1.0], [0.5, -1.0]]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"{}",
        answered(),
        b'{"data":[{"embedding":{}}]}',
        dump({"error": {"message": "no"}}),
        dump({"data": [{"index": 0, "embedding": [1]}, {"index": 0, "embedding": [2]}]}),
        dump({"data": [{"index": 1, "embedding": [1]}]}),
    ],
)
def test_what_is_no_answer_is_not_taken_for_one(body: bytes) -> None:
    with pytest.raises(AnswerError):
        PROVIDERS["embed"].decode_response(body)


def test_base64_that_is_no_vector_is_the_providers_fault() -> None:
    request = EmbedRequest("m", ("a",), "openai_chat")
    for wrong in ("!", "AAA=", "AAAAAAA="):
        with pytest.raises(AnswerError):
            CLIENTS["embed"].encode_response(EmbedResponse((wrong,)), request, CONTEXT)
    with pytest.raises(AnswerError):
        CLIENTS["embed"].encode_response(
            EmbedResponse(((1e300,),)), EmbedRequest("m", ("a",), "openai_chat", encoding="base64"), CONTEXT
        )


@given(st.binary(max_size=120) | st.text(max_size=60).map(str.encode))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    for read_ask in (CLIENTS["embed"].envelope, CLIENTS["embed"].decode_request):
        with contextlib.suppress(ProblemError):
            read_ask(body, EMBED)
    for read_answer in (PROVIDERS["embed"].decode_response, PROVIDERS["embed"].watch_response):
        with contextlib.suppress(AnswerError):
            read_answer(body)
