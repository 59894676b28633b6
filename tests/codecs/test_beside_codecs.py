"""Rankings, pictures and speech in providers' own words: what is sent, what is read, and what is refused."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.codecs import registry
from passerelle.codecs.base import PathTarget, Target
from passerelle.codecs.openai_chat.tasks.grok import RATIOS
from passerelle.codecs.shapes import MOST_SIDE, nearest, sides
from passerelle.core.errors import AnswerError, ProblemError
from passerelle.core.request import Dialect
from passerelle.core.tasks import ImageRequest, Media, RerankRequest, SpeakRequest

RANKERS: tuple[tuple[Dialect, str, frozenset[str]], ...] = (
    ("bedrock", "cohere.rerank-v3-5:0", frozenset()),
    ("bedrock", "amazon.rerank-v1:0", frozenset()),
    ("bedrock", "arn:aws:bedrock:eu-central-1::foundation-model/amazon.rerank-v1:0", frozenset()),
    ("gemini", "semantic-ranker-fast-004", frozenset({"on_vertex"})),
)
PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + b"\x00\x00\x00\x01" * 2 + b"\x08\x02\x00\x00\x00"


def ranking(*documents: str, **more: Any) -> RerankRequest:
    """A request for an order."""
    return RerankRequest("m", "bridges", documents, "openai_chat", **more)


def picture(**more: Any) -> ImageRequest:
    """A request for a picture."""
    return ImageRequest(**{"model": "m", "prompt": "a bridge", "dialect": "openai_chat", **more})


@given(st.integers(1, MOST_SIDE), st.integers(1, MOST_SIDE))
def test_the_nearest_shape_is_no_further_than_any_other_and_exact_when_it_is_one(
    wide: int, high: int
) -> None:
    found, exact = nearest(*sides(f"{wide}x{high}"), RATIOS)

    def off(ratio: str) -> float:
        across, _, down = ratio.partition(":")
        wanted = float(across) / float(down)
        return max(wide / high / wanted, wanted / (wide / high))

    assert off(found) <= min(map(off, RATIOS)) * 1.000001
    assert exact == (off(found) < 1.01)


@pytest.mark.parametrize(
    "size", ["", "x", "10", "10x", "-1x5", "0x5", "5x0", "1e3x5", "٣x٣", "16385x1", "9" * 5000]
)
def test_a_size_that_is_none_is_the_caller_s_mistake(size: str) -> None:
    with pytest.raises(ProblemError) as refused:
        sides(size)
    assert refused.value.problem.param == "size"


@pytest.mark.parametrize(("dialect", "model", "quirks"), RANKERS)
@given(scores=st.lists(st.floats(0, 1), min_size=1, max_size=250))
def test_every_document_is_asked_for_and_comes_back_best_first(
    dialect: Dialect, model: str, quirks: frozenset[str], scores: list[float]
) -> None:
    side: Any = registry.task_provider("rerank", dialect)
    request = ranking(*[f"document {at}" for at in range(len(scores))], top_n=1)
    body = json.loads(side.encode_request(request, Target(model, quirks=quirks)).body)
    if dialect == "bedrock":
        assert (len(body["documents"]), body["top_n"]) == (len(scores), len(scores))
        assert ("api_version" in body) == ("cohere" in model)
        answer: Any = {"results": [{"index": at, "relevance_score": s} for at, s in enumerate(scores)]}
    else:
        assert [record["id"] for record in body["records"]] == [str(at) for at in range(len(scores))]
        answer = {"records": [{"id": str(at), "score": s} for at, s in enumerate(scores)]}
    found = side.decode_response(json.dumps(answer).encode(), "application/json")
    assert [ranked.score for ranked in found.results] == sorted(scores, reverse=True)
    assert all(scores[ranked.index] == ranked.score for ranked in found.results)
    assert (found.usage.searches, found.usage.source) == (-(-len(scores) // 100), "estimated")


@pytest.mark.parametrize(("dialect", "operation"), [
    ("bedrock", "rerank"), ("gemini", "rerank"), ("bedrock", "generate_image"),
    ("openai_chat", "generate_image"),
])  # fmt: skip
@pytest.mark.parametrize(
    "body", [b"", b"null", b"[]", b"{}", b'{"results":[]}', b'{"records":[]}', b'{"images":[]}',
             b'{"data":[]}', b'{"results":[{"index":"x"}]}', b'{"records":[{"id":"x"}]}',
             b'{"images":["%"]}', b"<html>"],
)  # fmt: skip
def test_an_answer_that_is_none_is_said_to_be(dialect: Dialect, operation: Any, body: bytes) -> None:
    side: Any = registry.task_provider(operation, dialect)
    with pytest.raises(AnswerError):
        side.decode_response(body, "application/json")


def test_the_gemini_api_ranks_nothing() -> None:
    side: Any = registry.task_provider("rerank", "gemini")
    with pytest.raises(ProblemError):
        side.encode_request(ranking("d"), Target("gemini-3.8-flash"))


@pytest.mark.parametrize(
    ("operation", "model"),
    [
        ("rerank", "amazon.nova-lite-v1:0"),
        ("generate_image", "amazon.nova-canvas-v1:0"),
        ("embed", "meta.llama"),
    ],
)
def test_a_model_of_bedrock_s_that_is_known_for_something_else_is_not_asked(
    operation: Any, model: str
) -> None:
    side: Any = registry.task_provider(operation, "bedrock")
    client: Any = registry.task_client(operation, "openai_chat")
    body = {"model": "m", "query": "q", "documents": ["d"], "prompt": "p", "input": "i"}
    request = client.decode_request(json.dumps(body).encode(), PathTarget(operation))
    with pytest.raises(ProblemError) as refused:
        side.encode_request(request, Target(model))
    assert refused.value.problem.param == "model"


def test_what_a_ranker_has_no_word_for_is_told() -> None:
    side: Any = registry.task_provider("rerank", "bedrock")
    request = ranking("d", extra={"max_tokens_per_doc": 500})
    cohere = side.encode_request(request, Target("cohere.rerank-v3-5:0"))
    assert json.loads(cohere.body)["max_tokens_per_doc"] == 500
    assert cohere.dropped == ()
    assert side.encode_request(request, Target("amazon.rerank-v1:0")).dropped == ("max_tokens_per_doc",)


@pytest.mark.parametrize(("quirks", "ratio"), [(frozenset(), "3:2"), (frozenset({"image_ratio"}), "3:2")])
def test_a_size_becomes_the_shape_and_what_is_lost_is_named(quirks: frozenset[str], ratio: str) -> None:
    dialect: Dialect = "openai_chat" if quirks else "bedrock"
    side: Any = registry.task_provider("generate_image", dialect)
    target = Target("stability.stable-image-core-v1:1", quirks=quirks)
    asked = picture(size="1536x1024", background="transparent", compression=80, form="webp")
    encoded = side.encode_request(asked, target)
    assert json.loads(encoded.body)["aspect_ratio"] == ratio
    assert "size" not in encoded.dropped
    assert set(encoded.dropped) == {"background", "output_compression", "output_format"}
    assert "size" in side.encode_request(picture(size="1000x520"), target).dropped


def test_xai_is_asked_for_more_pixels_when_they_are_wanted() -> None:
    side: Any = registry.task_provider("generate_image", "openai_chat")
    target = Target("grok-imagine-image-2.0", quirks=frozenset({"image_ratio"}))
    large = json.loads(side.encode_request(picture(size="2048x2048", n=3, as_url=False), target).body)
    assert large == {
        "model": "grok-imagine-image-2.0", "prompt": "a bridge", "n": 3, "response_format": "b64_json",
        "aspect_ratio": "1:1", "resolution": "2k",
    }  # fmt: skip
    own = json.loads(side.encode_request(picture(extra={"aspect_ratio": "19.5:9"}), target).body)
    assert own["aspect_ratio"] == "19.5:9"


def test_a_picture_in_a_data_url_is_read() -> None:
    side: Any = registry.task_provider("generate_image", "openai_chat")
    data = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
    found = side.decode_response(json.dumps({"data": [{"b64_json": data}]}).encode(), "")
    assert found.images[0].image.data == PNG


@given(st.text(max_size=40))
def test_numbers_that_a_form_says_as_text_are_numbers_again(text: str) -> None:
    side: Any = registry.task_provider("edit_image", "bedrock")
    asked = picture(images=(Media("image/png", PNG),), extra={"seed": "7", "strength": "0.5", "style": text})
    body = json.loads(side.encode_request(asked, Target("stability.sd3-5-large-v1:0")).body)
    assert (body["seed"], body["strength"]) == (7, 0.5)
    assert isinstance(body["style"], str | int | float)


def test_what_a_caller_adds_never_takes_the_place_of_what_was_checked() -> None:
    side: Any = registry.task_provider("edit_image", "bedrock")
    sneaked = {"image": "x", "mask": "x", "prompt": "x", "mode": "x", "output_format": "x"}
    asked = picture(images=(Media("image/png", PNG),), extra=sneaked)
    body = json.loads(side.encode_request(asked, Target("stability.sd3-5-large-v1:0")).body)
    assert "x" not in body.values()


@pytest.mark.parametrize("content_type", ["application/json", ""])
def test_speech_in_json_is_sound_again(content_type: str) -> None:
    side: Any = registry.task_provider("speak", "openai_chat")
    body = json.dumps({"audio_data": base64.b64encode(b"ID3 sound").decode()}).encode()
    assert side.decode_response(body, content_type).sound == Media("audio/mpeg", b"ID3 sound")
    with pytest.raises(AnswerError):
        side.decode_response(b'{"audio_data":"%"}', "application/json")
    with pytest.raises(AnswerError):
        side.decode_response(b'{"error":{"message":"no"}}', "application/json")


def test_mistral_is_told_a_speaker_s_id_and_what_it_has_no_field_for_is_named() -> None:
    side: Any = registry.task_provider("speak", "openai_chat")
    asked = SpeakRequest(
        "m", "Sur le pont", "voice_592", "openai_chat", speed=1.5, instructions="softly", stream=True
    )
    encoded = side.encode_request(asked, Target("voxtral", quirks=frozenset({"speech_base64"})))
    assert json.loads(encoded.body) == {"model": "voxtral", "input": "Sur le pont", "voice_id": "voice_592"}
    assert encoded.dropped == ("speed", "instructions")
