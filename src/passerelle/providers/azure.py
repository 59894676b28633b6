"""Azure OpenAI and Microsoft Foundry: models behind deployments that the operator has made and named.

One resource, four surfaces. From learn.microsoft.com, "Azure OpenAI in Microsoft Foundry Models REST API
reference" (the classic paths), "Azure OpenAI v1 API" and "Deploy and use Claude models in Microsoft
Foundry"; the anthropic SDK 2.12.0, `lib/foundry.py`; and for the rankers LiteLLM 1.109.1, azure_ai/rerank.
All read 2026-11-22:

    v1        `/openai/v1/chat/completions`, `/embeddings`, `/responses`; the deployment is the body's
              `model`; `api-version` may be left out, or say `preview`
    classic   `/openai/deployments/{deployment}/chat/completions?api-version=2024-10-21`, `/embeddings`;
              Responses has none of these, and is asked for by v1 whatever the entry says
    Cohere    `/providers/cohere/v2/rerank`, for its rankers; the deployment is the body's `model`
    Claude    `/anthropic/v1/messages`, `/count_tokens`; the deployment is the body's `model`

The key goes in `api-key`, and for Claude in `x-api-key`; a token of Entra's goes in `Authorization`, each
surface with one of its own scope.
"""

import re
from re import Pattern
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from passerelle.codecs.anthropic.clouds import CLOUDS
from passerelle.core.request import Dialect, Operation
from passerelle.providers.anthropic import VERSION, anthropic_routes
from passerelle.providers.auth import AuthHeader
from passerelle.providers.base import Call
from passerelle.providers.claude import with_known_betas
from passerelle.providers.entry import ProviderEntry
from passerelle.providers.http.origin import parse_origin
from passerelle.providers.openai_like import TASK_PATHS
from passerelle.providers.remote import Headers, HttpSender, RemoteProvider

if TYPE_CHECKING:
    from passerelle.providers.auth.token import TokenHeader

FORWARD: Final = frozenset({"anthropic-beta", "anthropic-version", "idempotency-key", "traceparent"})

_CLOUD: Final = CLOUDS["on_foundry"]
_SURFACES: Final = re.compile(r"/(?:openai/v1|openai|anthropic/v1|anthropic|models)\Z")
"""What people copy at the end of their resource's address; each surface adds its own."""
_CLASSIC: Final = {"chat": "chat/completions", **TASK_PATHS}
"""What stands below a deployment (learn.microsoft.com "Azure OpenAI REST API reference", read 2026-11-22)."""
_DATED: Final = re.compile(r"\d{4}-\d{2}-\d{2}(?:-preview)?\Z")


def is_dated(api_version: str) -> bool:
    """Whether an `api-version` belongs to the classic paths; the others are the v1 surface's."""
    return _DATED.match(api_version) is not None


def resource_url(entry: ProviderEntry) -> str:
    """The resource's own address. Raises `ValueError` when the entry has none: nobody's is the usual one."""
    if entry.base_url is None:
        raise ValueError(
            f"provider `{entry.name}` names no resource; set `base_url` to its endpoint, such as "
            "`https://NAME.openai.azure.com`"
        )
    return entry.base_url


class AzureProvider(RemoteProvider):
    """One resource. The paths of classic deployments are made once per deployment."""

    def __init__(
        self,
        entry: ProviderEntry,
        client: HttpSender,
        auth: "AuthHeader | TokenHeader",
        claude: "AuthHeader | TokenHeader",
    ) -> None:
        _, base_path = parse_origin(resource_url(entry))
        root = _SURFACES.sub("", base_path)
        version = entry.api_version
        classic = version is not None and is_dated(version)
        query = "" if version is None or classic else f"?api-version={quote(version, safe='')}"
        v1 = f"{root}/openai/v1"
        routes: dict[tuple[Dialect, Operation], str] = {
            ("openai_chat", "chat"): f"{v1}/chat/completions{query}",
            ("openai_responses", "chat"): f"{v1}/responses{query}",
            **{("openai_chat", task): f"{v1}/{path}{query}" for task, path in TASK_PATHS.items()},
            ("openai_chat", "rerank"): f"{root}/providers/cohere/v2/rerank",
            **anthropic_routes(f"{root}/anthropic"),
        }
        fixed: dict[Dialect, tuple[tuple[str, str], ...]] = {"anthropic": (("anthropic-version", VERSION),)}
        super().__init__(entry.name, client, auth, routes=routes, forward=FORWARD, fixed=fixed, root=v1)
        self._claude = claude
        self._claude_token: TokenHeader | None = None if isinstance(claude, AuthHeader) else claude
        self._deployments = f"{root}/openai/deployments"
        self._version = f"?api-version={version}" if classic else None
        # Grows with the deployments of the catalog, never with what callers send.
        self._made: dict[tuple[str, Operation], str] = {}

    @property
    def hidden(self) -> Pattern[str] | None:
        """See `Provider.hidden`."""
        return either(super().hidden, self._claude.hidden)

    async def aclose(self) -> None:
        """Close the connections."""
        if self._claude_token is not None:
            await self._claude_token.aclose()
        await super().aclose()

    def _path(self, call: Call) -> str:
        if self._version is None or call.dialect != "openai_chat" or call.operation not in _CLASSIC:
            return super()._path(call)
        key = (call.deployment.upstream_model, call.operation)
        path = self._made.get(key)
        if path is None:
            deployment = quote(key[0], safe="")
            path = f"{self._deployments}/{deployment}/{_CLASSIC[call.operation]}{self._version}"
            self._made[key] = path
        return path

    def _headers(self, call: Call) -> Headers:
        return super()._headers(with_known_betas(call, _CLOUD) if call.dialect == "anthropic" else call)

    def _shown(self, call: Call) -> tuple[bytes, bytes] | None:
        return self._claude.header() if call.dialect == "anthropic" else super()._shown(call)

    def _token_of(self, call: Call) -> "TokenHeader | None":
        return self._claude_token if call.dialect == "anthropic" else super()._token_of(call)


def azure(
    entry: ProviderEntry,
    client: HttpSender,
    tokens: "tuple[TokenHeader, TokenHeader] | None" = None,
) -> AzureProvider:
    """A resource. `client` is bound to the origin of `entry.base_url`; `tokens` are Entra's, for OpenAI's
    surfaces and for Claude's, when the entry has an application in place of a key.
    """
    if tokens is not None:
        return AzureProvider(entry, client, *tokens)
    return AzureProvider(
        entry,
        client,
        AuthHeader(entry.name, entry.credential, "api-key"),
        AuthHeader(entry.name, entry.credential, "x-api-key"),
    )


def either(one: Pattern[str] | None, other: Pattern[str] | None) -> Pattern[str] | None:
    """What finds what either finds."""
    if one is None or other is None or one is other:
        return one or other
    return re.compile(f"{one.pattern}|{other.pattern}", one.flags)
