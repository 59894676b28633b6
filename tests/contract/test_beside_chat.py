"""Rankings, pictures and speech at clouds and at houses with ways of their own, from the built-in catalog:
what callers get, what it costs, and who takes over."""

import base64
import io
import json
from collections.abc import Iterator
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import openai
import pytest
from tests.serving import Gateway
from tests.upstream_answers import PIXEL
from tests.upstream_beside import KEY, PROJECT, SAMPLES, SOUND, Asked, Beside
from tests.upstream_clouds import service_account

PICTURE = base64.b64decode(PIXEL)
MASK = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + b"\x00\x00\x00\x01" * 2 + b"\x08\x00\x00\x00\x00"
SEEN_THROUGH = MASK.replace(b"\x08\x00", b"\x08\x06", 1)
DOCUMENTS = ["a pier", "the bridge of Avignon", {"text": "a river"}]
CONFIG = """
providers_from_environment = false
[local]
enabled = false
[providers.bedrock]
region = "us-west-2"
base_url = "{url}"
credential = "env:KEY"
allow_private_network = true
[providers.vertex]
base_url = "{url}"
token_url = "{url}/token"
credential = "file:{file}"
allow_private_network = true
[providers.paris]
template = "vertex"
region = "europe-west9"
base_url = "{url}"
token_url = "{url}/token"
credential = "file:{file}"
allow_private_network = true
models = ["semantic-*"]
[providers.azure]
base_url = "{url}"
credential = "env:KEY"
allow_private_network = true
models = ["gpt-image-2", "rerank-*"]
[providers.cohere]
base_url = "{url}/c/v1"
credential = "env:KEY"
allow_private_network = true
models = ["rerank-v3.5"]
[providers.fireworks]
base_url = "{url}/f/inference/v1"
credential = "env:KEY"
allow_private_network = true
[providers.xai]
base_url = "{url}/x/v1"
credential = "env:KEY"
allow_private_network = true
[providers.mistral]
base_url = "{url}/m/v1"
credential = "env:KEY"
allow_private_network = true
"""


@pytest.fixture(scope="module")
def upstream() -> Iterator[Beside]:
    with Beside() as beside:
        yield beside


@pytest.fixture(scope="module")
def gateway(upstream: Beside, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("beside")
    file = folder / "vertex.json"
    file.write_text(json.dumps(service_account()))
    file.chmod(0o600)
    config = CONFIG.format(url=upstream.base_url, file=file)
    with Gateway(folder, config, env={"KEY": KEY}) as gateway:
        yield gateway


@pytest.fixture(scope="module")
def key(gateway: Gateway) -> str:
    token: str = gateway.key("--name", "beside", "--role", "admin")["token"]
    return token


@pytest.fixture
def seen(upstream: Beside) -> Iterator[list[Asked]]:
    upstream.seen.clear()
    upstream.troubles.clear()
    yield upstream.seen
    assert upstream.wrong == []


@pytest.fixture
def client(gateway: Gateway, key: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{gateway.base_url}/v1", api_key=key, max_retries=0) as client:
        yield client


@pytest.fixture
def told(gateway: Gateway, key: str) -> Any:
    """A receipt, by its id."""

    def receipt(receipt_id: str | None) -> Any:
        headers = {"authorization": f"Bearer {key}"}
        with urlopen(
            Request(f"{gateway.base_url}/api/receipts/{receipt_id}", None, headers), timeout=10
        ) as answer:
            return json.load(answer)["receipt"]

    return receipt


def rank(gateway: Gateway, key: str, **body: Any) -> tuple[Any, Any]:
    """What a plain client gets: the body and the headers."""
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    request = Request(f"{gateway.base_url}/v1/rerank", json.dumps(body).encode(), headers)
    with urlopen(request, timeout=10) as answer:
        return json.load(answer), answer.headers


@pytest.mark.parametrize(
    ("model", "path", "usage", "nanos"),
    [
        ("amazon-rerank-v1", "/model/amazon.rerank-v1%3A0/invoke", "searches", 1_000_000),
        ("bedrock/cohere.rerank-v3-5:0", "/model/cohere.rerank-v3-5%3A0/invoke", "searches", 2_000_000),
        (
            "semantic-ranker-default-004",
            f"/v1/projects/{PROJECT}/locations/global/rankingConfigs/default_ranking_config:rank",
            "searches",
            1_000_000,
        ),
        ("azure/Cohere-rerank-v4.0-pro", "/providers/cohere/v2/rerank", "searches", 2_500_000),
        ("qwen3-reranker-8b", "/f/inference/v1/rerank", "input_tokens", 31 * 200),
    ],
)
def test_a_ranking_comes_in_one_form_whoever_ranked_and_is_billed_as_they_do(
    gateway: Gateway, key: str, seen: list[Asked], told: Any, model: str, path: str, usage: str, nanos: int
) -> None:
    found, headers = rank(
        gateway, key, model=model, query="bridges", documents=DOCUMENTS, top_n=2, return_documents=True
    )
    assert [(line["index"], line["relevance_score"]) for line in found["results"]] == [(1, 0.75), (2, 0.5)]
    assert [line["document"] for line in found["results"]] == [
        {"text": "the bridge of Avignon"},
        {"text": "a river"},
    ]
    (asked,) = seen
    assert asked.path == path
    receipt = told(headers["x-passerelle-receipt"])
    assert (receipt["operation"], receipt["outcome"]) == ("rerank", "answered")
    assert receipt["usage"][usage] == (31 if usage == "input_tokens" else 1)
    assert receipt["cost_nanos"] == nanos


@pytest.mark.parametrize("model", ["amazon-rerank-v1", "semantic-ranker-fast-004"])
def test_searches_are_counted_by_the_documents_sent_not_by_those_asked_for(
    gateway: Gateway, key: str, seen: list[Asked], told: Any, model: str
) -> None:
    found, headers = rank(gateway, key, model=model, query="q", documents=["a bridge"] * 201, top_n=1)
    assert len(found["results"]) == 1
    receipt = told(headers["x-passerelle-receipt"])
    assert receipt["usage"] == {"searches": 3, "source": "estimated"}
    assert receipt["cost_nanos"] == 3_000_000


def test_many_long_documents_fit_though_all_together_exceed_a_window(
    gateway: Gateway, key: str, seen: list[Asked]
) -> None:
    found, _ = rank(
        gateway, key, model="bedrock/cohere.rerank-v3-5:0", query="q", documents=["bridge " * 200] * 300
    )
    assert len(found["results"]) == 300


@pytest.mark.parametrize("model", ["amazon-rerank-v1", "semantic-ranker-fast-004"])
def test_too_many_documents_are_refused_before_any_call(
    gateway: Gateway, key: str, seen: list[Asked], model: str
) -> None:
    with pytest.raises(HTTPError) as refused:
        rank(gateway, key, model=model, query="q", documents=["d"] * 1001)
    with refused.value as answer:
        assert (answer.status, json.load(answer)["error"]["param"]) == (400, "documents")
    assert seen == []


def test_a_ranking_is_taken_over_by_another_place_of_the_same_model(
    gateway: Gateway, key: str, upstream: Beside, seen: list[Asked], told: Any
) -> None:
    busy = {"message": "Too many requests, please wait before trying again."}
    upstream.troubles.append((429, {"x-amzn-errortype": "ThrottlingException"}, busy))
    found, headers = rank(gateway, key, model="rerank-v3.5", query="q", documents=["a", "b"])
    assert [line["index"] for line in found["results"]] == [1, 0]
    receipt = told(headers["x-passerelle-receipt"])
    failed, answered = receipt["attempts"]
    assert failed["failure"] == "rate_limited"
    assert {failed["deployment"], answered["deployment"]} == {
        "bedrock/cohere.rerank-v3-5:0",
        "cohere/rerank-v3.5",
    }
    assert receipt["cost_nanos"] == 2_000_000
    assert len(seen) == 2


@pytest.mark.parametrize(
    ("model", "status", "headers", "body", "failure", "told_status"),
    [
        ("amazon-rerank-v1", 429, {"x-amzn-errortype": "ThrottlingException"},
         {"message": "Too many requests"}, "rate_limited", 429),
        ("amazon-rerank-v1", 400, {"x-amzn-errortype": "ValidationException"},
         {"message": "Malformed input request"}, "invalid_request", 400),
        ("amazon-rerank-v1", 403, {"x-amzn-errortype": "AccessDeniedException"},
         {"message": "You don't have access to the model with the specified model ID."}, "not_found", 404),
        ("semantic-ranker-fast-004", 429, {}, {"error": {"code": 429, "status": "RESOURCE_EXHAUSTED",
         "message": "Quota exceeded for quota metric 'Ranking requests'"}}, None, 429),
        ("semantic-ranker-fast-004", 503, {}, {"error": {"code": 503, "status": "UNAVAILABLE",
         "message": "The service is currently unavailable."}}, "overloaded", 503),
        ("grok-imagine-image", 400, {}, {"code": "Client specified an invalid argument", "error": "bad"},
         "invalid_request", 400),
    ],
)  # fmt: skip
def test_what_a_provider_refuses_is_classified_as_for_chat(
    gateway: Gateway, key: str, client: openai.OpenAI, upstream: Beside, seen: list[Asked], told: Any,
    model: str, status: int, headers: dict[str, str], body: Any, failure: str | None, told_status: int,
) -> None:  # fmt: skip
    upstream.troubles.extend([(status, headers, body)] * 3)
    path = "/images/generations" if model.startswith("grok") else "/rerank"
    body_sent = {"model": model, "prompt": "a bridge", "query": "q", "documents": ["d"]}
    with pytest.raises(openai.APIStatusError) as failed:
        client.post(path, body=body_sent, cast_to=object)
    assert failed.value.status_code == told_status
    receipt = told(failed.value.response.headers["x-passerelle-receipt"])
    assert receipt["attempts"][0]["failure"] in (failure, *([] if failure else ["rate_limited", "quota"]))
    assert receipt["cost_nanos"] == 0


def test_rankings_stay_out_of_a_region_that_has_none(gateway: Gateway, key: str) -> None:
    headers = {"authorization": f"Bearer {key}"}
    with urlopen(Request(f"{gateway.base_url}/v1/models", None, headers), timeout=10) as answer:
        names = {model["id"] for model in json.load(answer)["data"]}
    assert "semantic-ranker-fast-004" in names
    assert not {name for name in names if name.startswith("paris/")}


@pytest.mark.parametrize(
    ("model", "nanos"),
    [
        ("stable-image-core", 40_000_000),
        ("stable-image-ultra", 140_000_000),
        ("sd3-5-large", 80_000_000),
        ("grok-imagine-image-2.0", 60_000_000),
        ("vertex/gemini-nano-banana-2.1", 9 * 1_500 + 1120 * 30_000),
        ("azure/gpt-image-2", 10 * 5_000 + 272 * 30_000),
    ],
)
def test_a_picture_is_made_and_priced(
    client: openai.OpenAI, seen: list[Asked], told: Any, model: str, nanos: int
) -> None:
    raw = client.images.with_raw_response.generate(
        model=model, prompt="a bridge", size="1536x1024", extra_headers={"x-passerelle-strict": "1"},
        **({} if model.startswith("azure") else {"response_format": "b64_json"}),
    )  # fmt: skip
    found = raw.parse()
    assert found.data is not None
    assert [image.b64_json for image in found.data] == [PIXEL]
    (asked,) = seen
    shape = asked.body.get("aspect_ratio") or asked.body.get("size")
    assert shape in ("3:2", "1536x1024", None)
    receipt = told(raw.headers["x-passerelle-receipt"])
    assert (receipt["operation"], receipt["usage"]["output_images"]) == ("generate_image", 1)
    assert receipt["cost_nanos"] == nanos


def named(name: str, data: bytes = PICTURE) -> Any:
    """A file to send."""
    file = io.BytesIO(data)
    file.name = name
    return file


def test_a_picture_is_edited_where_it_can_be(client: openai.OpenAI, seen: list[Asked]) -> None:
    client.images.edit(model="sd3-5-large", image=named("one.png"), prompt="add a river")
    client.images.edit(
        model="stable-image-inpaint", image=named("one.png"), mask=named("mask.png", MASK), prompt="fill it",
        extra_body={"grow_mask": 8},
    )  # fmt: skip
    client.images.edit(model="grok-imagine-image", image=named("one.png"), prompt="add a river")
    two = [named("one.png"), named("two.png")]
    client.images.edit(model="grok-imagine-image", image=two, prompt="join them")
    whole, painted, one, both = (asked.body for asked in seen)
    assert whole == {"prompt": "add a river", "image": PIXEL, "mode": "image-to-image", "strength": 0.75}
    assert painted == {
        "prompt": "fill it", "image": PIXEL, "mask": base64.b64encode(MASK).decode(), "grow_mask": 8,
    }  # fmt: skip
    given = {"type": "image_url", "url": f"data:image/png;base64,{PIXEL}"}
    assert one == {"model": "grok-imagine-image", "prompt": "add a river", "image": given}
    assert both["images"] == [given, given]


@pytest.mark.parametrize(
    ("model", "more", "param"),
    [
        ("stable-image-inpaint", {"mask": ("mask.png", SEEN_THROUGH)}, "mask"),
        ("sd3-5-large", {"mask": ("mask.png", MASK)}, "mask"),
        ("grok-imagine-image", {"mask": ("mask.png", MASK)}, "mask"),
        ("sd3-5-large", {"n": 2}, "n"),
        ("sd3-5-large", {"image": [("a.png", PICTURE), ("b.png", PICTURE)]}, "image"),
    ],
)
def test_what_would_make_another_picture_is_refused_before_any_call(
    client: openai.OpenAI, seen: list[Asked], model: str, more: Any, param: str
) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        client.images.edit(**{"model": model, "image": ("a.png", PICTURE), "prompt": "a bridge", **more})
    assert refused.value.param == param
    assert seen == []


def test_a_model_that_only_works_on_pictures_makes_none(client: openai.OpenAI, seen: list[Asked]) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        client.images.generate(model="stable-image-inpaint", prompt="a bridge")
    assert "/v1/images/edits" in refused.value.message
    assert seen == []


def test_a_picture_kept_back_is_a_refusal_and_no_outage(
    client: openai.OpenAI, seen: list[Asked], told: Any
) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        client.images.generate(model="sd3-5-large", prompt="a forbidden bridge")
    assert "Filter reason: prompt" in refused.value.message
    receipt = told(refused.value.response.headers["x-passerelle-receipt"])
    assert [attempt["failure"] for attempt in receipt["attempts"]] == ["content_policy"]
    assert receipt["cost_nanos"] == 0
    assert len(seen) == 1


@pytest.mark.parametrize("model", ["sd3-5-large", "grok-imagine-image-2.0"])
def test_a_stream_ends_with_the_whole_picture(client: openai.OpenAI, seen: list[Asked], model: str) -> None:
    asked: Any = {"response_format": "b64_json"} if model.startswith("grok") else {}
    events: list[Any] = list(client.images.generate(model=model, prompt="a bridge", stream=True, **asked))
    assert [(event.type, event.b64_json) for event in events] == [("image_generation.completed", PIXEL)]


def test_mistral_reads_out_in_its_own_words(client: openai.OpenAI, seen: list[Asked], told: Any) -> None:
    found = client.audio.speech.with_raw_response.create(
        model="voxtral-mini-tts-3-0",
        input="é" * 1000,
        voice="gb_jane_neutral",
        speed=1.5,
        response_format="mp3",
    )
    assert (found.content, found.headers["content-type"]) == (SOUND, "audio/mpeg")
    assert found.headers["x-passerelle-dropped"] == "speed"
    (asked,) = seen
    assert asked.body == {
        "model": "voxtral-mini-tts-3-0", "input": "é" * 1000, "voice_id": "gb_jane_neutral",
        "response_format": "mp3",
    }  # fmt: skip
    receipt = told(found.headers["x-passerelle-receipt"])
    assert (receipt["usage"]["input_characters"], receipt["cost_nanos"]) == (1000, 13_000_000)


def test_mistral_s_speech_streams_as_events_when_asked(client: openai.OpenAI, seen: list[Asked]) -> None:
    with client.audio.speech.with_streaming_response.create(
        model="voxtral-mini-tts-3-0", input="Sur le pont", voice="x", stream_format="sse"
    ) as answer:
        frames = answer.read().decode()
    assert base64.b64encode(SOUND).decode() in frames
    assert frames.count("event: speech.audio.done") == 1


def test_gemini_speaks_at_vertex(client: openai.OpenAI, seen: list[Asked], told: Any) -> None:
    found = client.audio.speech.with_raw_response.create(
        model="vertex/gemini-3.8-flash-tts", input="Sur le pont", voice="Kore", response_format="pcm"
    )
    assert found.content == SAMPLES
    (asked,) = seen
    assert asked.path.endswith("/gemini-3.8-flash-tts:generateContent")
    receipt = told(found.headers["x-passerelle-receipt"])
    assert receipt["cost_nanos"] == 9 * 500 + 1120 * 9_000


def test_titan_s_embeddings_come_from_the_catalog(
    client: openai.OpenAI, seen: list[Asked], told: Any
) -> None:
    raw = client.embeddings.with_raw_response.create(
        model="titan-embed-text-v2", input=["a bridge", "a river"], dimensions=256, encoding_format="float"
    )
    assert [line.embedding for line in raw.parse().data] == [[0.5, -0.5]] * 2
    texts = sorted(asked.body.pop("inputText") for asked in seen)
    assert (texts, seen[0].body) == (["a bridge", "a river"], {"dimensions": 256})
    receipt = told(raw.headers["x-passerelle-receipt"])
    assert (receipt["usage"], receipt["cost_nanos"]) == ({"input_tokens": 14}, 14 * 20)
