"""The asynchronous clients of the Python SDKs: many at once, streamed, at a provider of another dialect."""

import asyncio

import anthropic
import openai
from google import genai
from google.genai import types
from tests.contract.contract_said import MAX_TOKENS, QUESTION, USAGE
from tests.contract.contract_world import World, model, true_model
from tests.upstream import TEXT

AT_ONCE = 8


async def test_openai_s_asynchronous_client(world: World) -> None:
    async with openai.AsyncOpenAI(base_url=f"{world.url}/v1", api_key=world.token, max_retries=0) as client:

        async def chat() -> str:
            words = []
            async for chunk in await client.chat.completions.create(
                model=model("gemini"), messages=[{"role": "user", "content": QUESTION}], stream=True
            ):
                assert chunk.model == true_model("gemini")
                words.append(chunk.choices[0].delta.content or "")
            return "".join(words)

        async def respond() -> str:
            async with client.responses.stream(model=model("anthropic"), input=QUESTION) as stream:
                return (await stream.get_final_response()).output_text

        said = await asyncio.gather(*[ask() for ask in (chat, respond) * AT_ONCE])
    assert set(said) == {TEXT}
    assert len(world.seen()) == 2 * AT_ONCE


async def test_anthropic_s_asynchronous_client(world: World) -> None:
    async with anthropic.AsyncAnthropic(base_url=world.url, api_key=world.token, max_retries=0) as client:

        async def message() -> anthropic.types.Message:
            async with client.messages.stream(
                model=model("openai_responses"),
                max_tokens=MAX_TOKENS,
                messages=[{"role": "user", "content": QUESTION}],
            ) as stream:
                return await stream.get_final_message()

        said = await asyncio.gather(*[message() for _ in range(AT_ONCE)])
    for one in said:
        assert (one.content[0].text, one.model) == (TEXT, true_model("openai_responses"))  # type: ignore[union-attr]
        assert one.usage.input_tokens == USAGE["anthropic"]["input_tokens"]
    assert len(world.seen()) == AT_ONCE


async def test_google_s_asynchronous_client(world: World) -> None:
    options = types.HttpOptions(base_url=world.url)
    async with genai.Client(api_key=world.token, http_options=options).aio as client:

        async def generate() -> str:
            words = []
            async for chunk in await client.models.generate_content_stream(
                model=model("openai_chat"), contents=QUESTION
            ):
                assert chunk.model_version == true_model("openai_chat")
                words.append(chunk.text or "")
            return "".join(words)

        said = await asyncio.gather(*[generate() for _ in range(AT_ONCE)])
    assert set(said) == {TEXT}
    assert len(world.seen()) == AT_ONCE
