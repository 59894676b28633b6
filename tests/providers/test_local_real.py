"""The real engine with the real weights, when both are on this machine: see `tests/prepared.py`."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.prepared import local_model_missing, weights

from passerelle.core.model import Deployment, Model
from passerelle.core.request import Dialect, Operation
from passerelle.providers.base import Call
from passerelle.providers.build import build_provider
from passerelle.providers.entry import ProviderEntry
from passerelle.providers.failures import classify
from passerelle.providers.local.options import MODEL, LocalOptions
from passerelle.providers.local.provider import LocalProvider

WEIGHTS = weights()
MISSING = local_model_missing()
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"THE REAL LOCAL ENGINE IS NOT TESTED: {MISSING}")


@pytest.fixture
async def local(tmp_path: Path) -> AsyncIterator[LocalProvider]:
    options = LocalOptions(tmp_path, WEIGHTS, MODEL, context_tokens=8192)
    provider = build_provider(ProviderEntry("local", "local", local=options))
    assert isinstance(provider, LocalProvider)
    yield provider
    await provider.aclose()


def call(body: dict[str, Any], dialect: Dialect = "openai_chat", operation: Operation = "chat") -> Call:
    deployment = Deployment("local/s", Model("s", "x", "x"), "local", MODEL, dialect)
    return Call(deployment, operation, msgspec.json.encode(body), bool(body.get("stream")), dialect)


def asking(words: str, **more: Any) -> dict[str, Any]:
    return {"model": MODEL, "messages": [{"role": "user", "content": words}], "temperature": 0, **more}


async def whole(local: LocalProvider, sent: Call) -> tuple[int, Any]:
    reply = await local.send(sent)
    try:
        return reply.status, msgspec.json.decode(await reply.read())
    finally:
        await reply.aclose()


async def test_the_engine_keeps_its_word_in_one_life(local: LocalProvider) -> None:
    """One engine for all of it: loading takes a second."""
    await local.start()

    status, said = await whole(local, call(asking("What is the capital of France?", max_tokens=12)))
    assert status == 200
    assert said["model"] == MODEL
    assert said["choices"][0]["message"]["content"]  # what it says is another matter: it is a demo model
    assert (
        said["usage"]["total_tokens"] == said["usage"]["prompt_tokens"] + said["usage"]["completion_tokens"]
    )

    streamed = call(asking("Say hello.", max_tokens=5, stream=True, stream_options={"include_usage": True}))
    reply = await local.send(streamed)
    raw = b"".join([chunk async for chunk in reply])
    await reply.aclose()
    *events, done = [line[6:] for line in raw.split(b"\n") if line.startswith(b"data: ")]
    assert done == b"[DONE]"
    chunks = [msgspec.json.decode(event) for event in events]
    assert {chunk["model"] for chunk in chunks} == {MODEL}
    assert chunks[-1]["usage"]["completion_tokens"] == 5
    assert chunks[-1]["timings"]["predicted_n"] == 5

    schema = {
        "type": "object",
        "properties": {"size": {"type": "string", "enum": ["small", "big"]}, "n": {"type": "integer"}},
        "required": ["size", "n"],
        "additionalProperties": False,
    }
    shape = {"type": "json_schema", "json_schema": {"name": "s", "strict": True, "schema": schema}}
    _, said = await whole(local, call(asking("A city.", max_tokens=60, response_format=shape)))
    value = msgspec.json.decode(said["choices"][0]["message"]["content"])
    assert set(value) == {"size", "n"}
    assert value["size"] in ("small", "big")

    tool = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
    status, said = await whole(local, call(asking("Weather?", max_tokens=8, tools=[tool])))
    assert status == 200  # it takes tools; it is not a model that knows when to call one

    status, said = await whole(local, call(asking("word " * 9000, max_tokens=5)))
    failure = classify(status, {}, msgspec.json.encode(said), provider="local")
    assert (status, failure.kind, failure.retryable) == (400, "context_length", False)

    claude = call(asking("Say hello.", max_tokens=5), "anthropic")
    status, said = await whole(local, claude)
    assert (status, said["type"], said["usage"]["output_tokens"]) == (200, "message", 5)
    status, said = await whole(local, call(asking("Say hello."), "anthropic", "count_tokens"))
    assert said["input_tokens"] > 5


async def test_a_dropped_stream_stops_the_generation(local: LocalProvider) -> None:
    """The engine has one slot: what came before must be over, and by itself would be so in minutes."""
    await local.start()
    endless = call(asking("Write a very long story.", max_tokens=8000, ignore_eos=True, stream=True))
    reply = await local.send(endless)
    async for _ in reply:
        break
    await reply.aclose()
    async with asyncio.timeout(60):
        await whole(local, call(asking("Say hello.", max_tokens=1)))
