"""OpenAI, and everybody whose server speaks one of its dialects: one adapter, many catalog entries.

Paths as in platform.openai.com/docs/api-reference (read 2026-11-22), below the version: `/chat/completions`,
`/embeddings`, `/responses`. A base URL without a path gets `/v1`; any path the operator wrote is kept as
it is (`/openai/v1` at Groq and Azure, `/api/v1` at OpenRouter, `/v1beta/openai` at Google).

Some such servers answer Anthropic's dialect too, at `/v1/messages` beside it: vLLM, llama.cpp, Ollama (seen
from llama.cpp of November 2026; documented in each project's server reference). A deployment says so
with `also`.
"""

from typing import Final

from passerelle.core.request import Dialect, Operation
from passerelle.providers.auth import AuthHeader, openai_carrier
from passerelle.providers.entry import ProviderEntry
from passerelle.providers.http.origin import parse_origin
from passerelle.providers.remote import HttpSender, RemoteProvider

OPENAI_HOST = "api.openai.com"
"""Counts tokens of a Responses request (openai-python 3.54, `resources/responses/input_tokens.py`); no other
server is known to."""

TASK_PATHS: Final[dict[Operation, str]] = {
    "embed": "embeddings",
    "moderate": "moderations",
    "generate_image": "images/generations",
    "edit_image": "images/edits",
    "speak": "audio/speech",
    "transcribe": "audio/transcriptions",
    "translate": "audio/translations",
}
"""Where OpenAI does what is no conversation, below the version."""

RERANK_PATHS = {"api.cohere.ai": "/v2/rerank", "api.cohere.com": "/v2/rerank"}
"""Rankings that do not stand beside the chat (docs.cohere.com/reference/rerank, read 2026-11-22)."""

FORWARD = frozenset({"idempotency-key", "traceparent", "anthropic-beta", "anthropic-version"})


def openai_routes(base_path: str, *, host: str = "") -> dict[tuple[Dialect, Operation], str]:
    """The path of each operation below `base_path` (no final slash)."""
    root = base_path or "/v1"
    messages = (root if root.endswith("/v1") else f"{root}/v1") + "/messages"
    routes: dict[tuple[Dialect, Operation], str] = {
        ("openai_chat", "chat"): f"{root}/chat/completions",
        **{("openai_chat", task): f"{root}/{path}" for task, path in TASK_PATHS.items()},
        ("openai_chat", "rerank"): RERANK_PATHS.get(host) or f"{root}/rerank",
        ("openai_responses", "chat"): f"{root}/responses",
        ("anthropic", "chat"): messages,
        ("anthropic", "count_tokens"): f"{messages}/count_tokens",
    }
    if host == OPENAI_HOST:
        routes["openai_responses", "count_tokens"] = f"{root}/responses/input_tokens"
    return routes


def openai_like(entry: ProviderEntry, client: HttpSender) -> RemoteProvider:
    """An OpenAI-compatible provider. `client` is bound to the origin of `entry.base_url`."""
    origin, base_path = parse_origin(entry.base_url or "https://api.openai.com")
    return RemoteProvider(
        entry.name,
        client,
        AuthHeader(entry.name, entry.credential, openai_carrier(origin.host)),
        routes=openai_routes(base_path, host=origin.host),
        forward=FORWARD,
        fixed={"anthropic": (("anthropic-version", "2023-06-01"),)},
        root=base_path or "/v1",
    )
