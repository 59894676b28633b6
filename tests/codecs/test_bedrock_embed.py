"""Embeddings by InvokeModel, in each maker's own body."""

import json
from typing import Any

import pytest

from passerelle.codecs import registry
from passerelle.codecs.base import Target
from passerelle.codecs.bedrock.embed import EmbedProvider
from passerelle.core.errors import AnswerError, ProblemError
from passerelle.core.request import EmbedRequest

SIDE = EmbedProvider()


def ask(model: str, *texts: Any, **more: Any) -> tuple[Any, tuple[str, ...]]:
    request = EmbedRequest("m", texts, "openai_chat", **more)
    encoded = SIDE.encode_request(request, Target(model))
    return json.loads(encoded.body), encoded.dropped


def test_each_maker_is_asked_in_its_own_form() -> None:
    titan = ask("amazon.titan-embed-text-v2:0", "a", "b", dimensions=256)
    assert titan == ([{"inputText": "a", "dimensions": 256}, {"inputText": "b", "dimensions": 256}], ())
    assert ask("amazon.titan-embed-text-v1", "a", dimensions=256) == ([{"inputText": "a"}], ("dimensions",))
    cohere = ask("eu.cohere.embed-v4:0", "a", "b", dimensions=512, task="RETRIEVAL_QUERY")
    assert cohere == ([{"texts": ["a", "b"], "input_type": "search_query", "output_dimension": 512}], ())
    assert ask("cohere.embed-english-v3", "a", user="u")[1] == ("user",)
    (nova,), _ = ask("amazon.nova-2-multimodal-embeddings-v1:0", "a", dimensions=1024)
    assert nova["singleEmbeddingParams"]["embeddingDimension"] == 1024


def test_many_texts_are_parted_as_the_model_takes_them() -> None:
    bodies, _ = ask("cohere.embed-v4:0", *["a"] * 200)
    assert [len(body["texts"]) for body in bodies] == [96, 96, 8]
    with pytest.raises(ProblemError, match="one text at a time"):
        ask("amazon.titan-embed-text-v2:0", *["a"] * 97)


@pytest.mark.parametrize(
    ("model", "text"), [("cohere.embed-v4:0", (1, 2)), ("amazon.nova-pro-v1:0x", (1,)), ("x.y", "a")]
)
def test_what_cannot_be_embedded_is_refused(model: str, text: Any) -> None:
    with pytest.raises(ProblemError):
        ask(model, text)


ANSWERS = [
    [{"embedding": [1, 2], "inputTextTokenCount": 3}, {"embedding": [3, 4], "inputTextTokenCount": 4}],
    [{"embeddings": [[1, 2], [3, 4]], "inputTextTokenCount": 7}],
    [{"embeddings": {"float": [[1, 2], [3, 4]]}, "inputTextTokenCount": 7}],
    [{"embeddings": [{"embedding": [1, 2]}, {"embedding": [3, 4]}], "inputTextTokenCount": 7}],
]


@pytest.mark.parametrize("answer", ANSWERS)
def test_vectors_are_read_from_every_form(answer: Any) -> None:
    found = SIDE.decode_response(json.dumps(answer).encode())
    assert found.vectors == ((1, 2), (3, 4))
    assert found.usage.input_tokens == 7


@pytest.mark.parametrize(
    "answer", [b"", b"[]", b"[{}]", b'[{"embeddings":[]}]', b'{"message":"no"}', b"[null]"]
)
def test_what_holds_no_vectors_is_no_answer(answer: bytes) -> None:
    with pytest.raises(AnswerError):
        SIDE.decode_response(answer)


def test_the_registry_knows_it() -> None:
    assert registry.task_provider("embed", "bedrock") is not None
    assert registry.task_client("embed", "bedrock") is None
