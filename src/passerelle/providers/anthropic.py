"""Anthropic, and servers that present themselves as it (DeepSeek's and Moonshot's `/anthropic`).

Paths and headers from platform.claude.com/docs/en/api/overview (read 2026-11-22): `/v1/messages`,
`/v1/messages/count_tokens`, `x-api-key`, `anthropic-version: 2023-06-01`. The caller's own
`anthropic-version` and `anthropic-beta` are forwarded: agents depend on betas that change every week.
"""

from passerelle.core.request import Dialect, Operation
from passerelle.providers.auth import AuthHeader
from passerelle.providers.entry import ProviderEntry
from passerelle.providers.http.origin import parse_origin
from passerelle.providers.remote import HttpSender, RemoteProvider

VERSION = "2023-06-01"

FORWARD = frozenset({"anthropic-beta", "anthropic-version", "idempotency-key", "traceparent"})


def anthropic_routes(base_path: str) -> dict[tuple[Dialect, Operation], str]:
    """The path of each operation below `base_path`, which may end in `/v1` or not."""
    root = _root(base_path)
    return {
        ("anthropic", "chat"): f"{root}/messages",
        ("anthropic", "count_tokens"): f"{root}/messages/count_tokens",
    }


def _root(base_path: str) -> str:
    return base_path if base_path.endswith("/v1") else f"{base_path}/v1"


def anthropic(entry: ProviderEntry, client: HttpSender) -> RemoteProvider:
    """Anthropic's API. `client` is bound to the origin of `entry.base_url`."""
    _, base_path = parse_origin(entry.base_url or "https://api.anthropic.com")
    return RemoteProvider(
        entry.name,
        client,
        AuthHeader(entry.name, entry.credential, "x-api-key"),
        routes=anthropic_routes(base_path),
        forward=FORWARD,
        fixed={"anthropic": (("anthropic-version", VERSION),)},
        root=_root(base_path),
    )
