"""What another dialect cannot carry: said in a header, or refused before any call to the strict."""

from collections.abc import Callable
from typing import Any

import anthropic
import openai
import pytest
from google.genai import errors, types
from tests.contract.contract_said import MAX_TOKENS, QUESTION, TOOL_SCHEMA
from tests.contract.contract_world import CLIENTS, DIALECTS, World, model
from tests.contract.speak_anthropic import anthropic_client
from tests.contract.speak_gemini import gemini_client
from tests.contract.speak_openai import openai_client

Headers = dict[str, str]
STRICT = {"x-passerelle-strict": "1"}
every_pair = pytest.mark.parametrize(
    ("client", "provider"), [(client, provider) for client in CLIENTS for provider in DIALECTS]
)
across = pytest.mark.parametrize(
    ("client", "provider"), [(c, provider) for c in CLIENTS for provider in DIALECTS if c != provider]
)


def _chat(world: World, provider: str, headers: Headers) -> Headers:
    with openai_client(world.url, world.token) as client:
        raw = client.chat.completions.with_raw_response.create(
            model=model(provider),
            messages=[{"role": "user", "content": QUESTION}],
            logit_bias={"50256": -100},
            extra_headers=headers,
        )
    return dict(raw.headers)


def _responses(world: World, provider: str, headers: Headers) -> Headers:
    with openai_client(world.url, world.token) as client:
        raw = client.responses.with_raw_response.create(
            model=model(provider), input=QUESTION, truncation="auto", extra_headers=headers
        )
    return dict(raw.headers)


def _messages(world: World, provider: str, headers: Headers) -> Headers:
    with anthropic_client(world.url, world.token) as client:
        raw = client.messages.with_raw_response.create(
            model=model(provider),
            max_tokens=MAX_TOKENS,
            messages=[{"role": "user", "content": QUESTION}],
            inference_geo="us",
            extra_headers=headers,
        )
    return dict(raw.headers)


def _generation(world: World, provider: str, headers: Headers) -> Headers:
    harm = types.SafetySetting(
        category=types.HarmCategory.HARM_CATEGORY_HARASSMENT,
        threshold=types.HarmBlockThreshold.BLOCK_ONLY_HIGH,
    )
    config = types.GenerateContentConfig(
        safety_settings=[harm], http_options=types.HttpOptions(headers=headers)
    )
    client = gemini_client(world.url, world.token)
    try:
        found = client.models.generate_content(model=model(provider), contents=QUESTION, config=config)
    finally:
        client.close()
    assert found.sdk_http_response is not None
    return dict(found.sdk_http_response.headers or {})


ASK: dict[str, tuple[str, Callable[[World, str, Headers], Headers]]] = {
    "openai_chat": ("logit_bias", _chat),
    "openai_responses": ("truncation", _responses),
    "anthropic": ("inference_geo", _messages),
    "gemini": ("safetySettings", _generation),
}
"""A field of each dialect that no other has, and a question with it."""


@every_pair
def test_what_cannot_be_carried_is_said(world: World, client: str, provider: str) -> None:
    field, ask = ASK[client]
    headers = ask(world, provider, {})
    (seen,) = world.seen()
    receipt = world.receipt(headers["x-passerelle-receipt"])
    if client == provider:
        assert field in seen.body
        assert "x-passerelle-dropped" not in headers
    else:
        assert field not in str(seen.body)
        assert headers["x-passerelle-dropped"] == field
        assert receipt["dropped"] == [field]


@across
def test_the_strict_are_refused_before_any_call(world: World, client: str, provider: str) -> None:
    field, ask = ASK[client]
    refusals = (openai.BadRequestError, anthropic.BadRequestError, errors.ClientError)
    with pytest.raises(refusals) as caught:
        ask(world, provider, STRICT)
    error: Any = caught.value
    assert getattr(error, "status_code", None) or error.code == 400
    assert f"`{field}`" in str(error)
    assert world.seen() == []


def test_a_loss_is_named_as_its_caller_wrote_it(world: World) -> None:
    """In the header, in the receipt, and as the field to blame."""
    with openai_client(world.url, world.token) as client:

        def ask(headers: Headers) -> Headers:
            raw = client.responses.with_raw_response.create(
                model=model("anthropic"), input=QUESTION, text={"verbosity": "low"}, extra_headers=headers
            )
            return dict(raw.headers)

        headers = ask({})
        with pytest.raises(openai.BadRequestError) as caught:
            ask(STRICT)
    assert headers["x-passerelle-dropped"] == "text.verbosity"
    assert world.receipt(headers["x-passerelle-receipt"])["dropped"] == ["text.verbosity"]
    assert caught.value.param == "text.verbosity"
    assert len(world.seen()) == 1


@pytest.mark.parametrize("client", CLIENTS)
def test_the_strict_are_served_where_all_is_carried(world: World, client: str) -> None:
    field, ask = ASK[client]
    ask(world, client, STRICT)
    (seen,) = world.seen()
    assert field in seen.body


def test_a_strict_schema_of_a_tool_is_not_silently_loosened(world: World) -> None:
    """Anthropic promises the same of its tools; Gemini promises nothing, which is said."""
    tool: Any = {"type": "function", "function": {"name": "f", "parameters": TOOL_SCHEMA, "strict": True}}
    for provider, dropped in (("anthropic", None), ("gemini", "strict")):
        with openai_client(world.url, world.token) as client:
            raw = client.chat.completions.with_raw_response.create(
                model=model(provider), messages=[{"role": "user", "content": QUESTION}], tools=[tool]
            )
        (seen,) = world.seen()
        assert (seen.body["tools"][0].get("strict") is True) is (dropped is None)
        assert raw.headers.get("x-passerelle-dropped") == dropped


@pytest.mark.parametrize("provider", DIALECTS)
def test_the_proof_on_words_of_gemini_is_not_lost_in_silence(world: World, provider: str) -> None:
    signed = types.Part(text="Half of it fell.", thought_signature=b"proof")
    history = [
        types.Content(role="user", parts=[types.Part(text=QUESTION)]),
        types.Content(role="model", parts=[signed]),
        types.Content(role="user", parts=[types.Part(text="When?")]),
    ]
    client = gemini_client(world.url, world.token)
    try:
        found = client.models.generate_content(model=model(provider), contents=history)
    finally:
        client.close()
    assert found.sdk_http_response is not None
    headers = dict(found.sdk_http_response.headers or {})
    assert headers.get("x-passerelle-dropped") == (None if provider == "gemini" else "thoughtSignature")
    (seen,) = world.seen()
    assert ("thoughtSignature" in str(seen.body)) is (provider == "gemini")
