"""One gateway in front of one replayed provider that speaks every dialect: what it serves, and what is true.

Every model stands for one provider dialect and, by its last word, for one behaviour of the provider
(`tests/upstream_troubles.py`). Its price has a figure of its own for each bucket, so that no two buckets
can be confused without the cost telling.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from tests.serving import Gateway
from tests.upstream import (
    CACHED_TOKENS,
    INPUT_TOKENS,
    MODELS,
    OUTPUT_TOKENS,
    REASONING_TOKENS,
    Exchange,
    Upstream,
)
from tests.upstream_troubles import STATUSES

CLIENTS = ("openai_chat", "openai_responses", "anthropic", "gemini")
"""Dialects whose SDKs ask for several answers in `contract_said`'s words; boto3 has `test_boto3`."""
DIALECTS = (*CLIENTS, "bedrock")
"""Dialects of providers."""
WAYS = ("plain", "twice", "steps", "thinks", "ponders", "bare", "talks", "short", "halts", "filtered")
BEHAVIOURS = (*WAYS, *STATUSES, "cut", "sick", "slow")
_SHORT = {
    "openai_chat": "chat",
    "openai_responses": "responses",
    "anthropic": "claude",
    "gemini": "gem",
    "bedrock": "rock",
}
_KINDS = {"openai_chat": "openai_like", "openai_responses": "openai_like"}
CREDENTIALS = {d: f"upstream-credential-of-{name}-0123456789abcdef" for d, name in _SHORT.items()}
"""What the gateway shows to each provider."""
PRICE = 'price = { input = "3", cache_read = "0.30", output = "15", reasoning = "20" }'
COST_NANOS = 542_200
"""Of every answer, by hand: 40 uncached · 3 + 24 cached · 0.30 + 21 visible · 15 + 5 reasoned · 20 dollars
per million tokens."""
BUCKETS = {
    "input_tokens": INPUT_TOKENS,
    "cache_read_tokens": CACHED_TOKENS,
    "output_tokens": OUTPUT_TOKENS,
    "reasoning_tokens": REASONING_TOKENS,
}
"""What the ledger must hold of every answer."""
EMBEDDERS = ("openai_chat", "gemini", "bedrock")
_TASKS = ("openai_chat", "gemini")
"""Those that draw and speak."""


def model(provider: str, behaviour: str = "plain") -> str:
    """What to ask for, so that a provider of that dialect answers, in that way."""
    return f"{_SHORT[provider]}-{behaviour}"


def upstream_model(asked: str) -> str:
    """What the provider calls it: by a name whose generation is known, so that its rules are."""
    if asked == embedder("bedrock"):
        return "eu.cohere.embed-v4:0"
    known = asked.replace("claude-", "claude-sonnet-4-5-").replace("gem-", "gemini-2.5-flash-")
    return f"up-{known}".replace("up-rock-", "eu.anthropic.claude-sonnet-4-5-v1:0-")


def embedder(provider: str) -> str:
    """The embedding model of a provider."""
    return f"{_SHORT[provider]}-vectors"


def _config(base_url: str) -> str:
    lines = ["providers_from_environment = false", "[local]", "enabled = false"]
    for dialect in DIALECTS:
        name = _SHORT[dialect]
        lines += [
            f"[providers.{name}]",
            f'kind = "{_KINDS.get(dialect, dialect)}"',
            f'dialect = "{dialect}"',
            f'base_url = "{base_url}{"/v1" if dialect in _KINDS else ""}"',
            f'credential = "env:CONTRACT_{name.upper()}"',
            "allow_private_network = true",
            "models = []",
            *(['region = "eu-central-1"'] if dialect == "bedrock" else ()),
        ]
    for dialect in DIALECTS:
        for behaviour in BEHAVIOURS:
            lines += _model(
                dialect, model(dialect, behaviour), f'{PRICE}\ninput_modalities = ["text", "image", "file"]'
            )
    for dialect in EMBEDDERS:
        lines += _model(
            dialect, embedder(dialect), 'price = { input = "2" }\noutput_modalities = ["embedding"]'
        )
    draws = 'price = { input = "5", input_image = "8", output_image = "30" }\noutput_modalities = ["image"]'
    takes = 'input_modalities = ["text", "image"]'
    for dialect in _TASKS:
        lines += _model(dialect, f"{_SHORT[dialect]}-draws", f"{draws}\n{takes}")
    lines += _model("openai_chat", "grok-draws", 'price = { image = "0.07" }\noutput_modalities = ["image"]')
    says = 'price = { input = "0.6", output_audio = "12" }\noutput_modalities = ["speech"]'
    for dialect in _TASKS:
        lines += _model(dialect, f"{_SHORT[dialect]}-says", says)
    hears = 'output_modalities = ["transcript"]\ninput_modalities = ["audio"]'
    lines += _model(
        "openai_chat", "chat-says-letters", 'price = { characters = "15" }\noutput_modalities = ["speech"]'
    )
    lines += _model(
        "openai_chat", "chat-hears", 'price = { input = "2.5", input_audio = "6", output = "10" }\n' + hears
    )
    lines += _model("openai_chat", "whisper-hears", 'price = { audio_hour = "0.36" }\n' + hears)
    judge = 'price = { input = "1" }\noutput_modalities = ["verdict"]\ninput_modalities = ["text", "image"]'
    lines += _model("openai_chat", "chat-judges", judge)
    lines += _model("openai_chat", "mistral-judges", judge)
    ranks = 'price = { search = "0.002", input = "4" }\noutput_modalities = ["ranking"]'
    lines += _model("openai_chat", "chat-ranks", ranks)
    lines += [*_model("openai_chat", "voyage-ranks", ranks), 'quirks = ["rerank_top_k"]']
    return "\n".join(lines)


def _model(dialect: str, name: str, more: str) -> list[str]:
    return [
        "[[models]]",
        f'id = "{name}"',
        more,
        "[[deployments]]",
        f'provider = "{_SHORT[dialect]}"',
        f'model = "{name}"',
        f'upstream_model = "{upstream_model(name)}"',
    ]


@dataclass
class World:
    """The running gateway, the provider behind it, and a key."""

    gateway: Gateway
    upstream: Upstream
    admin: str
    """A key that may make others."""
    token: str = ""
    """A key that may call models."""
    keeper: str = ""
    """See `keeping_key`."""

    def __post_init__(self) -> None:
        self.token = self.new_key()

    @property
    def url(self) -> str:
        """Where callers send."""
        return self.gateway.base_url

    def new_key(self, **fields: Any) -> str:
        """A fresh key's token. `fields` as `POST /api/keys` takes them."""
        made = self._manage("keys", self.admin, {"name": "contract", **fields})
        token: str = made["token"]
        return token

    def keeping_key(self) -> str:
        """The token of a key whose conversations are kept: only the command line makes such."""
        if not self.keeper:
            self.keeper = self.gateway.key("--name", "keeper", "--store-conversations")["token"]
        return self.keeper

    def seen(self) -> list[Exchange]:
        """What the provider was asked since the last look."""
        exchanges = self.upstream.exchanges[:]
        del self.upstream.exchanges[: len(exchanges)]
        return exchanges

    def receipt(self, receipt_id: str) -> dict[str, Any]:
        """A receipt, from the gateway itself."""
        shown = self._manage(f"receipts/{receipt_id}", self.token)
        assert shown["verified"] is True
        receipt: dict[str, Any] = shown["receipt"]
        return receipt

    def _manage(self, path: str, token: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        with urlopen(Request(f"{self.url}/api/{path}", data, headers), timeout=10) as answer:
            found: dict[str, Any] = json.load(answer)
        return found


def make_world(folder: Path, upstream: Upstream) -> Gateway:
    """The gateway, not started yet."""
    env = {f"CONTRACT_{name.upper()}": CREDENTIALS[dialect] for dialect, name in _SHORT.items()}
    return Gateway(folder, _config(upstream.base_url), env=env)


def true_model(provider: str, asked: str = "") -> str:
    """What the provider calls itself; where it does not say, what it is asked for by `asked`."""
    return MODELS[provider] or upstream_model(asked or model(provider))


def buckets(provider: str) -> dict[str, int]:
    """What the ledger must hold of an answer: Converse tells thoughts as part of the output only."""
    if provider != "bedrock":
        return BUCKETS
    merged = {name: tokens for name, tokens in BUCKETS.items() if name != "reasoning_tokens"}
    return {**merged, "output_tokens": OUTPUT_TOKENS + REASONING_TOKENS}


def cost_nanos(provider: str) -> int:
    """What it must cost: at Bedrock the 5 thoughts are paid for as words, 15 dollars and not 20."""
    return COST_NANOS if provider != "bedrock" else COST_NANOS - REASONING_TOKENS * 5_000
