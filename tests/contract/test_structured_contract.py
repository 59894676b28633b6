"""Structured output and pictures: the SDKs' own helpers, at every provider."""

import base64
import json
from typing import Any, Literal

import pytest
from google.genai import types
from pydantic import BaseModel
from tests.contract.contract_heard import Heard, hear
from tests.contract.contract_said import MAX_TOKENS, QUESTION
from tests.contract.contract_world import DIALECTS, World, model
from tests.contract.speak_anthropic import anthropic_client
from tests.contract.speak_gemini import gemini_client
from tests.contract.speak_openai import openai_client
from tests.upstream import TEXT
from tests.upstream_answers import JSON_TEXT

PIXEL = base64.b64encode(
    bytes.fromhex(
        "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154789c63606060000000"
        "0400015d0a2db40000000049454e44ae426082"
    )
).decode()
"""A PNG of one pixel."""
every_provider = pytest.mark.parametrize("provider", DIALECTS)
River = Literal["Rhône", "Durance"]


class Bridge(BaseModel):
    """What the answer must look like."""

    river: River
    arches: int


def heard(world: World, provider: str) -> Heard:
    """The one request the provider got."""
    (seen,) = world.seen()
    return hear(provider, seen)


def check_schema(world: World, provider: str, found: Bridge | None) -> None:
    """The provider was told the shape, and the SDK read the answer into it."""
    assert found == Bridge(river="Rhône", arches=4)
    schema: Any = heard(world, provider).schema
    assert schema["type"] == "object"
    assert set(schema["properties"]) == {"river", "arches"}
    assert schema["properties"]["river"]["enum"] == ["Rhône", "Durance"]
    assert schema["properties"]["arches"]["type"] == "integer"
    assert set(schema["required"]) == {"river", "arches"}


@every_provider
def test_chat_completions_parse_into_a_model(world: World, provider: str) -> None:
    with openai_client(world.url, world.token) as client:
        completion = client.chat.completions.parse(
            model=model(provider), messages=[{"role": "user", "content": QUESTION}], response_format=Bridge
        )
    check_schema(world, provider, completion.choices[0].message.parsed)


@every_provider
def test_responses_parse_into_a_model(world: World, provider: str) -> None:
    with openai_client(world.url, world.token) as client:
        response = client.responses.parse(model=model(provider), input=QUESTION, text_format=Bridge)
    check_schema(world, provider, response.output_parsed)


@every_provider
def test_messages_parse_into_a_model(world: World, provider: str) -> None:
    with anthropic_client(world.url, world.token) as client:
        message = client.messages.parse(
            model=model(provider),
            max_tokens=MAX_TOKENS,
            messages=[{"role": "user", "content": QUESTION}],
            output_format=Bridge,
        )
    check_schema(world, provider, message.parsed_output)


@every_provider
def test_a_stream_of_messages_parses_into_a_model(world: World, provider: str) -> None:
    with (
        anthropic_client(world.url, world.token) as client,
        client.messages.stream(
            model=model(provider),
            max_tokens=MAX_TOKENS,
            messages=[{"role": "user", "content": QUESTION}],
            output_format=Bridge,
        ) as stream,
    ):
        message = stream.get_final_message()
    check_schema(world, provider, message.parsed_output)


@every_provider
def test_generations_parse_into_a_model(world: World, provider: str) -> None:
    client = gemini_client(world.url, world.token)
    try:
        generation = client.models.generate_content(
            model=model(provider),
            contents=QUESTION,
            config=types.GenerateContentConfig(response_mime_type="application/json", response_schema=Bridge),
        )
    finally:
        client.close()
    assert json.loads(generation.text or "") == json.loads(JSON_TEXT)
    assert isinstance(generation.parsed, Bridge)
    check_schema(world, provider, generation.parsed)


def check_picture(world: World, provider: str, text: str | None) -> None:
    assert text == TEXT
    asked = heard(world, provider)
    assert asked.images == [("image/png", PIXEL)]
    assert asked.question == QUESTION


@every_provider
def test_a_picture_reaches_the_provider_from_chat_completions(world: World, provider: str) -> None:
    url = f"data:image/png;base64,{PIXEL}"
    content: Any = [{"type": "text", "text": QUESTION}, {"type": "image_url", "image_url": {"url": url}}]
    with openai_client(world.url, world.token) as client:
        completion = client.chat.completions.create(
            model=model(provider), messages=[{"role": "user", "content": content}]
        )
    check_picture(world, provider, completion.choices[0].message.content)


@every_provider
def test_a_picture_reaches_the_provider_from_responses(world: World, provider: str) -> None:
    url = f"data:image/png;base64,{PIXEL}"
    content: Any = [
        {"type": "input_text", "text": QUESTION},
        {"type": "input_image", "image_url": url, "detail": "auto"},
    ]
    with openai_client(world.url, world.token) as client:
        response = client.responses.create(
            model=model(provider), input=[{"role": "user", "content": content}]
        )
    check_picture(world, provider, response.output_text)


@every_provider
def test_a_picture_reaches_the_provider_from_messages(world: World, provider: str) -> None:
    source: Any = {"type": "base64", "media_type": "image/png", "data": PIXEL}
    content: Any = [{"type": "image", "source": source}, {"type": "text", "text": QUESTION}]
    with anthropic_client(world.url, world.token) as client:
        message = client.messages.create(
            model=model(provider), max_tokens=MAX_TOKENS, messages=[{"role": "user", "content": content}]
        )
    check_picture(world, provider, "".join([b.text for b in message.content if b.type == "text"]))


@every_provider
def test_a_picture_reaches_the_provider_from_generations(world: World, provider: str) -> None:
    picture = types.Part.from_bytes(data=base64.b64decode(PIXEL), mime_type="image/png")
    client = gemini_client(world.url, world.token)
    try:
        generation = client.models.generate_content(model=model(provider), contents=[QUESTION, picture])
    finally:
        client.close()
    check_picture(world, provider, generation.text)
