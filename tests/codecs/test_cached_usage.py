"""From a provider's own count of cached tokens to nanos: no token twice, none at the wrong price."""

import json
from typing import Any

import pytest

from passerelle.catalog.builtin import builtin
from passerelle.codecs import registry
from passerelle.core.model import Price
from passerelle.core.request import Dialect
from passerelle.core.usage import Usage
from passerelle.ledger.price import cost

ROW = Price("v", input=10**9, output=4 * 10**9, cache_read=10**8, cache_write_5m=125 * 10**7,
            cache_write_1h=2 * 10**9)  # fmt: skip
"""1, 4, 0.1, 1.25 and 2 of the currency per million tokens: 1,000 nanos an uncached token."""


def chat(**usage: Any) -> dict[str, Any]:
    message = {"role": "assistant", "content": "Hi."}
    return {
        "id": "c", "object": "chat.completion", "created": 1, "model": "m",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}], "usage": usage,
    }  # fmt: skip


def details(**cached: int) -> dict[str, Any]:
    return {"prompt_tokens_details": cached}


RESPONSES = {
    "id": "r", "object": "response", "created_at": 1, "status": "completed", "model": "m", "error": None,
    "output": [{"type": "message", "id": "i", "role": "assistant", "status": "completed",
                "content": [{"type": "output_text", "text": "Hi.", "annotations": []}]}],
    "usage": {"input_tokens": 1000, "output_tokens": 10, "total_tokens": 1010,
              "input_tokens_details": {"cached_tokens": 600, "cache_write_tokens": 300},
              "output_tokens_details": {"reasoning_tokens": 4}},
}  # fmt: skip
MESSAGES = {
    "id": "m", "type": "message", "role": "assistant", "model": "m", "stop_reason": "end_turn",
    "stop_sequence": None, "content": [{"type": "text", "text": "Hi."}],
    "usage": {"input_tokens": 100, "cache_read_input_tokens": 600, "cache_creation_input_tokens": 300,
              "cache_creation": {"ephemeral_5m_input_tokens": 200, "ephemeral_1h_input_tokens": 100},
              "output_tokens": 10},
}  # fmt: skip
GEMINI = {
    "candidates": [{"content": {"role": "model", "parts": [{"text": "Hi."}]}, "finishReason": "STOP"}],
    "modelVersion": "m",
    "usageMetadata": {"promptTokenCount": 1000, "cachedContentTokenCount": 600, "candidatesTokenCount": 6,
                      "thoughtsTokenCount": 4, "totalTokenCount": 1010},
}  # fmt: skip
COMMON = {"prompt_tokens": 1000, "completion_tokens": 10, "total_tokens": 1010}
READ_600 = 400 * 1000 + 600 * 100 + 10 * 4000
"""400 uncached, 600 read, 10 out."""

SAID: list[tuple[str, Dialect, dict[str, Any], int]] = [
    ("openai", "openai_chat", chat(**COMMON, **details(cached_tokens=600)), READ_600),
    ("openai writes", "openai_chat", chat(**COMMON, **details(cached_tokens=600, cache_write_tokens=300)),
     100 * 1000 + 600 * 100 + 300 * 1250 + 10 * 4000),
    ("openai responses", "openai_responses", RESPONSES,
     100 * 1000 + 600 * 100 + 300 * 1250 + 10 * 4000),
    ("anthropic", "anthropic", MESSAGES, 100 * 1000 + 600 * 100 + 200 * 1250 + 100 * 2000 + 10 * 4000),
    ("gemini", "gemini", GEMINI, READ_600),
    ("deepseek", "openai_chat", chat(**COMMON, prompt_cache_hit_tokens=600, prompt_cache_miss_tokens=400),
     READ_600),
    ("mistral", "openai_chat", chat(**COMMON, **details(cached_tokens=600)), READ_600),
    ("xai", "openai_chat",
     chat(prompt_tokens=1000, completion_tokens=6, total_tokens=1010,
          prompt_tokens_details={"text_tokens": 1000, "audio_tokens": 0, "cached_tokens": 600},
          completion_tokens_details={"reasoning_tokens": 4}), READ_600),
    ("groq", "openai_chat", chat(**COMMON, queue_time=0.1, **details(cached_tokens=600)), READ_600),
    ("fireworks", "openai_chat", chat(**COMMON, **details(cached_tokens=600)), READ_600),
    ("moonshot", "openai_chat", chat(**COMMON, cached_tokens=600), READ_600),
    ("alibaba", "openai_chat",
     chat(**COMMON, **details(cached_tokens=600, cache_creation_input_tokens=300)),
     100 * 1000 + 600 * 100 + 300 * 1250 + 10 * 4000),
    ("together, which tells nothing", "openai_chat", chat(**COMMON), 1000 * 1000 + 10 * 4000),
]  # fmt: skip


@pytest.mark.parametrize(("dialect", "answer", "nanos"), [s[1:] for s in SAID], ids=[s[0] for s in SAID])
def test_cached_tokens_cost_what_cached_tokens_cost(
    dialect: Dialect, answer: dict[str, Any], nanos: int
) -> None:
    side = registry.provider(dialect)
    body = json.dumps(answer).encode()
    usage = side.decode_response(body).usage
    assert usage.total_tokens == 1010
    assert cost(usage, ROW) == nanos
    assert side.watch_response(body).usage == usage  # relayed and translated answers cost the same


def test_usage_in_groqs_streams_is_found_under_its_own_name() -> None:
    chunk = {
        "id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m",
        "choices": [{"index": 0, "delta": {"content": "Hi."}, "finish_reason": "stop"}],
        "x_groq": {"id": "r", "usage": {**COMMON, **details(cached_tokens=600)}},
    }  # fmt: skip
    decoder = registry.provider("openai_chat").stream_decoder()
    events = decoder.feed(f"data: {json.dumps(chunk)}\n\ndata: [DONE]\n\n".encode())
    (usage,) = [e.usage for e in events if hasattr(e, "usage") and isinstance(e.usage, Usage)]
    assert cost(usage, ROW) == READ_600


def test_models_that_cache_have_a_price_for_it() -> None:
    """A cached token without a figure of its own would cost as much as an uncached one."""
    known = builtin()
    priced = {(row.provider, row.model): row.cache_read for row in known.rows}
    makers = {"openai", "anthropic", "gemini", "deepseek", "xai", "mistral"}
    without = [
        (maker, offer.model)
        for maker in makers
        for offer in known.offers[maker]
        if "prompt_cache" in known.models[offer.model].capabilities
        and (maker, offer.model) in priced
        and priced[maker, offer.model] is None
        and not offer.model.endswith("-pro")  # OpenAI sells these without a discount
    ]
    assert without == []
