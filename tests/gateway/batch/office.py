"""Batches as callers make them, with the official SDKs: what the tests of this folder share."""

import json
from collections.abc import Iterable
from typing import Any

import anthropic
import openai
from google import genai
from google.genai import types
from tests.gateway.house import Caller, House, until

ENDPOINT = "/v1/chat/completions"
MADE: list[openai.OpenAI | anthropic.Anthropic | genai.Client] = []
"""The clients made since the last test ended, to be closed with the one that made them."""
OVER = ("completed", "failed", "expired", "cancelled")


def openai_of(house: House, caller: Caller) -> openai.OpenAI:
    """The client as its documentation makes it, pointed at the gateway as it runs now."""
    url = f"{house.gateway.base_url}/v1"
    client = openai.OpenAI(base_url=url, api_key=caller.token, max_retries=0)
    MADE.append(client)
    return client


def anthropic_of(house: House, caller: Caller) -> anthropic.Anthropic:
    """Likewise."""
    client = anthropic.Anthropic(base_url=house.gateway.base_url, api_key=caller.token, max_retries=0)
    MADE.append(client)
    return client


def gemini_of(house: House, caller: Caller) -> genai.Client:
    """Likewise."""
    options = types.HttpOptions(base_url=house.gateway.base_url)
    client = genai.Client(api_key=caller.token, http_options=options)
    MADE.append(client)
    return client


def chat_line(number: int | str, model: str = "m-chat", /, **body: Any) -> dict[str, Any]:
    """A line of an input file."""
    said = {"model": model, "messages": [{"role": "user", "content": f"question {number}"}], **body}
    return {"custom_id": f"c{number}", "method": "POST", "url": ENDPOINT, "body": said}


def jsonl(lines: Iterable[Any]) -> bytes:
    """Lines as a file; what is bytes already stays."""
    return b"\n".join(one if isinstance(one, bytes) else json.dumps(one).encode() for one in lines) + b"\n"


def message(number: int, model: str = "m-claude") -> Any:
    """A request of a message batch."""
    said = {"model": model, "max_tokens": 64, "messages": [{"role": "user", "content": f"question {number}"}]}
    return {"custom_id": f"r{number}", "params": said}


def inlined(count: int) -> list[Any]:
    """Requests of a Gemini batch."""
    return [
        {
            "contents": [{"parts": [{"text": f"question {n}"}], "role": "user"}],
            "metadata": {"number": str(n)},
        }
        for n in range(count)
    ]


def gemini_ended(client: genai.Client, batch: Any) -> Any:
    """The Gemini batch, once it is over."""

    def over() -> Any:
        now = client.batches.get(name=batch.name)
        return now if now.done else None

    return until(over, f"{batch.name} is over", within_s=20.0)


def begin(client: openai.OpenAI, lines: Iterable[Any], **more: Any) -> Any:
    """Upload an input and make a batch of it."""
    file = client.files.create(file=("in.jsonl", jsonl(lines)), purpose="batch")
    said: Any = {"endpoint": ENDPOINT, "completion_window": "24h", **more}
    return client.batches.create(input_file_id=file.id, **said)


def ended(client: openai.OpenAI, batch: Any, *, within_s: float = 20.0) -> Any:
    """The batch, once it is over."""

    def over() -> Any:
        now = client.batches.retrieve(batch.id)
        return now if now.status in OVER else None

    return until(over, f"{batch.id} is over", within_s=within_s)


def messages_ended(client: anthropic.Anthropic, batch: Any) -> Any:
    """The message batch, once it has ended."""

    def over() -> Any:
        now = client.messages.batches.retrieve(batch.id)
        return now if now.processing_status == "ended" else None

    return until(over, f"{batch.id} has ended", within_s=20.0)


def read(client: openai.OpenAI, file_id: str | None) -> list[dict[str, Any]]:
    """The lines of a result file; none where there is no file."""
    if file_id is None:
        return []
    return [json.loads(line) for line in client.files.content(file_id).text.splitlines()]


def numbers(lines: Iterable[dict[str, Any]]) -> list[int]:
    """The `custom_id`s as numbers."""
    return [int(line["custom_id"][1:]) for line in lines]
