"""Embeddings, both sides and both forms."""

import base64
import json
import struct
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.codecs.gemini_support import PRO, SAID, dump, sdk_client

from passerelle.codecs.base import PathTarget, ReplyContext
from passerelle.codecs.gemini.embed import is_single
from passerelle.codecs.gemini.tasks import CLIENTS, PROVIDERS
from passerelle.core.errors import AnswerError, ProblemError
from passerelle.core.request import EmbedRequest
from passerelle.core.response import EmbedResponse
from passerelle.core.usage import NO_USAGE, Usage

CONTEXT = ReplyContext("req_01TEST", "fallback-model", 1_700_000_000)
BATCH = PathTarget("embed", model="text-embed")
SINGLE = PathTarget("embed", model="text-embed", single=True)


def one(words: str, **more: Any) -> Any:
    return {"model": "models/alias", "content": {"parts": [{"text": words}]}, **more}


def test_a_batch_and_a_single_text_are_read() -> None:
    body = dump(
        {
            "requests": [
                one("a", taskType="RETRIEVAL_QUERY", outputDimensionality=8),
                one("b", task_type="RETRIEVAL_QUERY", output_dimensionality=8),
            ]
        }
    )
    request = CLIENTS["embed"].decode_request(body, BATCH)
    assert request == EmbedRequest("text-embed", ("a", "b"), "gemini", dimensions=8, task="RETRIEVAL_QUERY")
    seen = CLIENTS["embed"].envelope(body, BATCH)
    assert (seen.operation, seen.model, seen.text_bytes) == ("embed", "text-embed", len(body))
    alone = CLIENTS["embed"].decode_request(dump({"content": {"parts": {"text": "a"}}, "title": "t"}), SINGLE)
    assert alone == EmbedRequest("text-embed", ("a",), "gemini", title="t", single=True)
    assert CLIENTS["embed"].envelope(dump(one("a")), PathTarget("embed", single=True)).model == "alias"


@pytest.mark.parametrize(
    ("body", "target", "param"),
    [
        ({}, BATCH, "requests"),
        ({"requests": []}, BATCH, "requests"),
        ({"requests": [{"content": {}}]}, BATCH, "requests[0].content"),
        (
            {"requests": [one("a"), {"content": {"parts": [{"inlineData": {}}]}}]},
            BATCH,
            "requests[1].content.parts[0]",
        ),
        ({"content": {"parts": []}}, SINGLE, "content"),
        ({"content": 4}, SINGLE, "content"),
    ],
)
def test_mistakes_are_named(body: Any, target: PathTarget, param: str) -> None:
    for read in (CLIENTS["embed"].envelope, CLIENTS["embed"].decode_request):
        with pytest.raises(ProblemError) as caught:
            read(dump(body), target)
        assert caught.value.problem.param == param


def test_differing_settings_are_relayed_but_not_translated() -> None:
    body = dump({"requests": [one("a", taskType="X"), one("b", taskType="Y")]})
    assert CLIENTS["embed"].envelope(body, BATCH).model == "text-embed"
    with pytest.raises(ProblemError) as caught:
        CLIENTS["embed"].decode_request(body, BATCH)
    assert caught.value.problem.param == "requests[1].taskType"


def test_relaying_splices_every_model() -> None:
    body = dump({"requests": [one("a"), one("b")], "z": 1})
    relayed = json.loads(PROVIDERS["embed"].relay_request(body, PRO))
    assert [each["model"] for each in relayed["requests"]] == ["models/gemini-2.5-pro"] * 2
    assert relayed["z"] == 1
    bare = dump({"content": {"parts": [{"text": "a"}]}})
    assert PROVIDERS["embed"].relay_request(bare, PRO) is bare
    assert is_single(bare)
    assert not is_single(body)


def test_requests_of_openai_callers() -> None:
    request = EmbedRequest("m", ("a", "b"), "openai_chat", dimensions=4, user="u", extra={"odd": 1})
    encoded = PROVIDERS["embed"].encode_request(request, PRO)
    content = {"model": "models/gemini-2.5-pro", "outputDimensionality": 4}
    assert json.loads(encoded.body) == {
        "requests": [{**content, "content": {"parts": [{"text": words}]}} for words in ("a", "b")]
    }
    assert encoded.dropped == ("odd", "user")
    with pytest.raises(ProblemError) as caught:
        PROVIDERS["embed"].encode_request(EmbedRequest("m", ((1, 2),), "openai_chat"), PRO)
    assert caught.value.problem.param == "input[0]"


@given(
    st.lists(SAID, min_size=1, max_size=3),
    st.none() | st.integers(1, 99),
    st.none() | st.just("RETRIEVAL_QUERY"),
    st.booleans(),
)
def test_requests_survive_the_journey(
    texts: list[str], dimensions: int | None, task: str | None, single: bool
) -> None:
    inputs = tuple(texts[:1] if single else texts)
    request = EmbedRequest(
        "gemini-2.5-pro", inputs, "gemini", dimensions=dimensions, task=task, single=single
    )
    encoded = PROVIDERS["embed"].encode_request(request, PRO)
    target = PathTarget("embed", model="gemini-2.5-pro", single=single)
    assert encoded.dropped == ()
    assert is_single(encoded.body) == single
    assert CLIENTS["embed"].decode_request(encoded.body, target) == request


def test_answers_in() -> None:
    usage = {"promptTokenCount": 5, "totalTokenCount": 5}
    batch = dump({"embeddings": [{"values": [0.5, 1]}, {"values": [2.0]}], "usageMetadata": usage})
    assert PROVIDERS["embed"].decode_response(batch) == EmbedResponse(((0.5, 1.0), (2.0,)), usage=Usage(5))
    assert PROVIDERS["embed"].watch_response(batch).usage == Usage(5)
    single = dump({"embedding": {"values": [0.25]}})
    assert PROVIDERS["embed"].decode_response(single) == EmbedResponse(((0.25,),))
    assert PROVIDERS["embed"].watch_response(single).usage == NO_USAGE


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"{}", b'{"embeddings": []}', b'{"embedding": {"values": []}}', b'{"embeddings": "x"}',
     b'{"error": {"code": 429, "message": "slow", "status": "RESOURCE_EXHAUSTED"}}'],
)  # fmt: skip
def test_what_holds_no_vectors_is_no_answer(body: bytes) -> None:
    with pytest.raises(AnswerError):
        PROVIDERS["embed"].decode_response(body)
    if b'"values": []' not in body:  # the watcher does not read vectors
        with pytest.raises(AnswerError):
            PROVIDERS["embed"].watch_response(body)


def test_the_sdk_reads_our_answers() -> None:
    packed = base64.b64encode(struct.pack("<2f", 0.5, -2.0)).decode()
    response = EmbedResponse((packed, (1.0, 3.0)), usage=Usage(7))

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked = CLIENTS["embed"].decode_request(request.content, BATCH)
        return httpx2.Response(200, content=CLIENTS["embed"].encode_response(response, asked, CONTEXT).body)

    client = sdk_client(answer)
    read = client.models.embed_content(model="text-embed", contents=["a", "b"])
    assert read.embeddings is not None
    assert [each.values for each in read.embeddings] == [[0.5, -2.0], [1.0, 3.0]]
    alone = EmbedRequest("m", ("a",), "gemini", single=True)
    assert json.loads(CLIENTS["embed"].encode_response(EmbedResponse(((1.0,),)), alone, CONTEXT).body) == {
        "embedding": {"values": [1.0]}
    }
