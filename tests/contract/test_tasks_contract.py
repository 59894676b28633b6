"""Rankings and moderation: what callers get, what providers are asked, and what it costs."""

import json
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import openai
import pytest
from tests.contract.contract_world import World
from tests.contract.speak_openai import openai_client

DOCUMENTS = ["a pier", "the bridge of Avignon", {"text": "a river"}]


def post(world: World, path: str, body: Any) -> tuple[Any, Any]:
    """What a plain client gets: the body, and the receipt."""
    headers = {"authorization": f"Bearer {world.token}", "content-type": "application/json"}
    request = Request(world.url + path, json.dumps(body).encode(), headers)
    with urlopen(request, timeout=10) as answer:
        return json.load(answer), world.receipt(answer.headers["x-passerelle-receipt"])


@pytest.mark.parametrize("path", ["/v1/rerank", "/v2/rerank"])
def test_a_ranking_shows_the_documents_as_they_were_given_and_is_billed_by_the_search(
    world: World, path: str
) -> None:
    asked = {"model": "chat-ranks", "query": "bridges", "documents": DOCUMENTS, "top_n": 2}
    found, receipt = post(world, path, {**asked, "return_documents": True})
    assert [(line["index"], line["document"]) for line in found["results"]] == [
        (1, {"text": "the bridge of Avignon"}),
        (2, {"text": "a river"}),
    ]
    assert [line["relevance_score"] for line in found["results"]] == [1.0, 0.5]
    assert found["meta"] == {"billed_units": {"search_units": 1}}
    (seen,) = world.seen()
    assert seen.path == "/v1/rerank"
    texts = ["a pier", "the bridge of Avignon", "a river"]
    assert seen.body == {"model": "up-chat-ranks", "query": "bridges", "documents": texts, "top_n": 2}
    assert (receipt["operation"], receipt["usage"]) == ("rerank", {"searches": 1})
    assert receipt["cost_nanos"] == 2_000_000


def test_a_ranking_billed_in_tokens_comes_back_in_the_same_form(world: World) -> None:
    asked = {"model": "voyage-ranks", "query": "bridges", "documents": DOCUMENTS, "top_n": 1}
    found, receipt = post(world, "/v1/rerank", asked)
    assert found["results"] == [{"index": 1, "relevance_score": 1.0}]
    assert found["model"] == "rerank-replay"
    assert found["usage"]["total_tokens"] == 31
    (seen,) = world.seen()
    assert seen.body["top_k"] == 1
    assert "top_n" not in seen.body
    assert (receipt["usage"], receipt["cost_nanos"]) == ({"input_tokens": 31}, 124_000)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"query": "q", "documents": ["d"]}, "model"),
        ({"model": "chat-ranks", "documents": ["d"]}, "query"),
        ({"model": "chat-ranks", "query": "q"}, "documents"),
        ({"model": "chat-ranks", "query": "q", "documents": []}, "documents"),
        ({"model": "chat-ranks", "query": "q", "documents": ["d", 3]}, "documents[1]"),
        ({"model": "chat-ranks", "query": "q", "documents": ["d"], "top_n": 0}, "top_n"),
        ({"model": "chat-plain", "query": "q", "documents": ["d"]}, "model"),
    ],
)
def test_a_wrong_ranking_is_refused_naming_the_field(world: World, body: Any, field: str) -> None:
    with pytest.raises(HTTPError) as refused:
        post(world, "/v1/rerank", body)
    with refused.value as answer:
        said = json.load(answer)["error"]
    assert (answer.status, said["param"]) == (400, field)
    assert not world.seen()


@pytest.mark.parametrize("model", ["chat-judges", "mistral-judges"])
def test_openai_s_sdk_gets_a_verdict_per_text(world: World, model: str) -> None:
    with openai_client(world.url, world.token) as client:
        raw = client.moderations.with_raw_response.create(model=model, input=["be kind", "do harm"])
    found = raw.parse()
    assert [verdict.flagged for verdict in found.results] == [False, True]
    assert found.results[1].categories.violence
    assert found.results[1].category_scores.violence == 0.9
    assert found.model == raw.headers["x-passerelle-model"] == "moderation-replay"
    (seen,) = world.seen()
    assert seen.path == "/v1/moderations"
    assert seen.body == {"model": f"up-{model}", "input": ["be kind", "do harm"]}
    assert world.receipt(raw.headers["x-passerelle-receipt"])["operation"] == "moderate"


def test_a_picture_and_its_text_are_judged_as_one(world: World) -> None:
    parts: list[Any] = [
        {"type": "text", "text": "look, harm"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}},
    ]
    with openai_client(world.url, world.token) as client:
        found = client.moderations.create(model="chat-judges", input=parts)
    assert [verdict.flagged for verdict in found.results] == [True]
    (seen,) = world.seen()
    assert seen.body["input"] == parts


def test_a_model_that_judges_does_not_converse(world: World) -> None:
    with openai_client(world.url, world.token) as client, pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(model="chat-judges", messages=[{"role": "user", "content": "hello"}])
    assert "`verdict`" in refused.value.message
    assert not world.seen()
