"""What gateways are apt to lose: stop sequences, pictures in tool results, betas, a doubled `/v1`."""

from typing import Any

import pytest
from google.genai import types
from tests.contract.contract_heard import hear
from tests.contract.contract_said import MAX_TOKENS, QUESTION, TOOL, WEATHER
from tests.contract.contract_world import DIALECTS, World, model
from tests.contract.speak_anthropic import ANTHROPIC_TOOL, anthropic_client
from tests.contract.speak_gemini import gemini_client
from tests.contract.speak_openai import RESPONSES_TOOL, openai_client
from tests.contract.test_structured_contract import PIXEL
from tests.upstream import TEXT

every_provider = pytest.mark.parametrize("provider", DIALECTS)
STOPS = ["END", "FIN"]


def stops_heard(world: World, provider: str) -> list[str]:
    (seen,) = world.seen()
    found = hear(provider, seen).stops
    assert bool(found) is (provider != "openai_responses")  # has no such field, which is said
    return found


def check_stops(world: World, provider: str, dropped: str | None, name: str) -> None:
    """All of them are heard, or the caller is told of `name`, its own for them."""
    assert dropped == (None if stops_heard(world, provider) == STOPS else name)


@every_provider
def test_stop_sequences_of_chat_completions(world: World, provider: str) -> None:
    with openai_client(world.url, world.token) as client:
        raw = client.chat.completions.with_raw_response.create(
            model=model(provider), messages=[{"role": "user", "content": QUESTION}], stop=STOPS
        )
    check_stops(world, provider, raw.headers.get("x-passerelle-dropped"), "stop")


@every_provider
def test_stop_sequences_of_messages(world: World, provider: str) -> None:
    with anthropic_client(world.url, world.token) as client:
        raw = client.messages.with_raw_response.create(
            model=model(provider),
            max_tokens=MAX_TOKENS,
            messages=[{"role": "user", "content": QUESTION}],
            stop_sequences=STOPS,
        )
    check_stops(world, provider, raw.headers.get("x-passerelle-dropped"), "stop_sequences")


@every_provider
def test_stop_sequences_of_generations(world: World, provider: str) -> None:
    client = gemini_client(world.url, world.token)
    try:
        found = client.models.generate_content(
            model=model(provider),
            contents=QUESTION,
            config=types.GenerateContentConfig(stop_sequences=STOPS),
        )
    finally:
        client.close()
    headers = (found.sdk_http_response.headers if found.sdk_http_response else None) or {}
    dropped = headers.get("x-passerelle-dropped")
    check_stops(world, provider, dropped, "generationConfig.stopSequences")


def check_result(world: World, provider: str, dropped: str | None) -> None:
    """The result is at its call, and its picture is somewhere the model sees it."""
    assert dropped is None
    (seen,) = world.seen()
    heard = hear(provider, seen)
    ((name, arguments, words),) = heard.answered
    assert (name, arguments) == (TOOL, {"city": "Arles"})
    assert WEATHER["Arles"] in words
    assert str(seen.body).count(PIXEL) == 1


@every_provider
def test_a_picture_in_a_tool_s_result_from_messages(world: World, provider: str) -> None:
    source: Any = {"type": "base64", "media_type": "image/png", "data": PIXEL}
    result: Any = [{"type": "text", "text": WEATHER["Arles"]}, {"type": "image", "source": source}]
    messages: Any = [
        {"role": "user", "content": QUESTION},
        {
            "role": "assistant",
            "content": [{"type": "tool_use", "id": "toolu_7", "name": TOOL, "input": {"city": "Arles"}}],
        },
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_7", "content": result}]},
    ]
    with anthropic_client(world.url, world.token) as client:
        raw = client.messages.with_raw_response.create(
            model=model(provider), max_tokens=MAX_TOKENS, messages=messages, tools=[ANTHROPIC_TOOL]
        )
    check_result(world, provider, raw.headers.get("x-passerelle-dropped"))


@every_provider
def test_a_picture_in_a_tool_s_result_from_responses(world: World, provider: str) -> None:
    result: Any = [
        {"type": "input_text", "text": WEATHER["Arles"]},
        {"type": "input_image", "image_url": f"data:image/png;base64,{PIXEL}"},
    ]
    items: Any = [
        {"role": "user", "content": QUESTION},
        {"type": "function_call", "call_id": "call_7", "name": TOOL, "arguments": '{"city": "Arles"}'},
        {"type": "function_call_output", "call_id": "call_7", "output": result},
    ]
    with openai_client(world.url, world.token) as client:
        raw = client.responses.with_raw_response.create(
            model=model(provider), input=items, tools=[RESPONSES_TOOL]
        )
    check_result(world, provider, raw.headers.get("x-passerelle-dropped"))


@every_provider
def test_betas_go_to_anthropic_and_to_nobody_else(world: World, provider: str) -> None:
    with anthropic_client(world.url, world.token) as client:
        message = client.beta.messages.create(
            model=model(provider),
            max_tokens=MAX_TOKENS,
            messages=[{"role": "user", "content": QUESTION}],
            betas=["context-1m-2025-08-07"],
        )
    assert [block.type for block in message.content] == ["text"]
    (seen,) = world.seen()
    assert seen.headers.get("anthropic-beta") == (
        "context-1m-2025-08-07" if provider == "anthropic" else None
    )


def test_a_doubled_version_in_the_address_does_no_harm(world: World) -> None:
    with openai_client(f"{world.url}/v1", world.token) as client:
        completion = client.chat.completions.create(
            model=model("anthropic"), messages=[{"role": "user", "content": QUESTION}]
        )
        assert completion.choices[0].message.content == TEXT
        assert model("anthropic") in {m.id for m in client.models.list()}
    with anthropic_client(f"{world.url}/v1", world.token) as claude:
        message = claude.messages.create(
            model=model("gemini"), max_tokens=MAX_TOKENS, messages=[{"role": "user", "content": QUESTION}]
        )
    assert [block.text for block in message.content if block.type == "text"] == [TEXT]
    gem = gemini_client(f"{world.url}/v1", world.token)
    try:
        assert gem.models.generate_content(model=model("openai_chat"), contents=QUESTION).text == TEXT
    finally:
        gem.close()
