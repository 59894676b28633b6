"""Embeddings through the SDKs of OpenAI and Google, at either provider."""

from typing import Any
from urllib.parse import unquote

import pytest
from google.genai import types
from tests.contract.contract_world import CREDENTIALS, EMBEDDERS, World, embedder, upstream_model
from tests.contract.speak_gemini import gemini_client
from tests.contract.speak_openai import openai_client
from tests.upstream_answers import EMBEDDING_MODEL, EMBEDDING_TOKENS, VECTOR

TEXTS = ["the bridge", "the river"]
every_provider = pytest.mark.parametrize("provider", EMBEDDERS)


def check_asked(world: World, provider: str, texts: list[str]) -> dict[str, Any]:
    """The provider was asked for these texts in its own dialect, under its own credential; the body."""
    (seen,) = world.seen()
    told = f"{seen.headers}{seen.path}{seen.body}"
    assert CREDENTIALS[provider] in told
    assert world.token not in told
    if provider == "openai_chat":
        assert seen.path == "/v1/embeddings"
        assert seen.body["model"] == f"{upstream_model(embedder(provider))}"
        sent = seen.body["input"]
        assert (sent if isinstance(sent, list) else [sent]) == texts
        return seen.body
    if provider == "bedrock":
        assert unquote(seen.path) == f"/model/{upstream_model(embedder(provider))}/invoke"
        assert seen.body["texts"] == texts
        return seen.body
    assert seen.path.startswith(f"/v1beta/models/{upstream_model(embedder(provider))}:")
    requests = seen.body.get("requests") or [seen.body]
    assert [request["content"]["parts"][0]["text"] for request in requests] == texts
    return seen.body


@every_provider
@pytest.mark.parametrize("encoding", ["float", "base64", None], ids=["floats", "base64", "the SDK's default"])
def test_openai_s_sdk_gets_the_vectors_in_the_form_it_asks_for(
    world: World, provider: str, encoding: Any
) -> None:
    asked: dict[str, Any] = {"model": embedder(provider), "input": TEXTS}
    if encoding is not None:
        asked["encoding_format"] = encoding
    with openai_client(world.url, world.token) as client:
        raw = client.embeddings.with_raw_response.create(**asked)
    found = raw.parse()
    expected: object = "AAAAPwAAAL8=" if encoding == "base64" else list(VECTOR)
    assert [item.embedding for item in found.data] == [expected, expected]
    assert [item.index for item in found.data] == [0, 1]
    check_asked(world, provider, TEXTS)
    receipt = world.receipt(raw.headers["x-passerelle-receipt"])
    assert (receipt["operation"], receipt["outcome"]) == ("embed", "answered")
    # Gemini's answer names no model: the one it was asked for, in its own words.
    true = EMBEDDING_MODEL if provider == "openai_chat" else f"{upstream_model(embedder(provider))}"
    assert found.model == raw.headers["x-passerelle-model"] == true
    assert (found.usage.prompt_tokens, found.usage.total_tokens) == (EMBEDDING_TOKENS, EMBEDDING_TOKENS)
    assert receipt["usage"] == {"input_tokens": EMBEDDING_TOKENS}
    assert receipt["cost_nanos"] == 14_000  # 7 tokens at 2 dollars per million


@every_provider
def test_dimensions_reach_the_provider(world: World, provider: str) -> None:
    with openai_client(world.url, world.token) as client:
        client.embeddings.create(model=embedder(provider), input="the bridge", dimensions=2)
    body = check_asked(world, provider, ["the bridge"])
    said = (
        body.get("dimensions")
        or body.get("output_dimension")
        or (body.get("requests") or [body])[0]["outputDimensionality"]
    )
    assert said == 2


@every_provider
@pytest.mark.parametrize("texts", [["the bridge"], TEXTS], ids=["one", "two"])
def test_google_s_sdk_gets_the_vectors(world: World, provider: str, texts: list[str]) -> None:
    client = gemini_client(world.url, world.token)
    try:
        found = client.models.embed_content(
            model=embedder(provider),
            contents=list(texts),
            config=types.EmbedContentConfig(output_dimensionality=2),
        )
    finally:
        client.close()
    assert [item.values for item in found.embeddings or ()] == [list(VECTOR)] * len(texts)
    check_asked(world, provider, texts)
    headers = found.sdk_http_response.headers if found.sdk_http_response else {}
    receipt = world.receipt((headers or {})["x-passerelle-receipt"])
    assert (receipt["dialect"], receipt["operation"]) == ("gemini", "embed")
    assert receipt["usage"] == {"input_tokens": EMBEDDING_TOKENS}
    assert found.usage_metadata is not None
    assert found.usage_metadata.prompt_token_count == EMBEDDING_TOKENS
