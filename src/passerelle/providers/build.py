"""From a provider entry to a provider."""

from typing import TYPE_CHECKING, assert_never

from msgspec.structs import replace

from passerelle.providers.anthropic import anthropic
from passerelle.providers.auth import AuthHeader
from passerelle.providers.base import Caps, Provider
from passerelle.providers.bfl import bfl
from passerelle.providers.egress import EgressRules
from passerelle.providers.entry import EntraEntry, ProviderEntry
from passerelle.providers.gemini import gemini
from passerelle.providers.http import HttpClient, PoolLimits, parse_origin
from passerelle.providers.http.origin import Origin
from passerelle.providers.local.options import LocalOptions
from passerelle.providers.local.provider import LocalProvider
from passerelle.providers.openai_like import openai_like
from passerelle.providers.simulated import SimulatedProvider, read_script

if TYPE_CHECKING:
    from passerelle.providers.auth.token import TokenHeader

DEFAULT_BASE_URLS = {
    "openai_like": "https://api.openai.com/v1",
    "anthropic": "https://api.anthropic.com",
    "gemini": "https://generativelanguage.googleapis.com",
    "bfl": "https://api.bfl.ai",
}
"""Where an entry without a `base_url` leads."""

_LOOPBACK_IDLE_S = 4.0
"""llama.cpp's server closes a kept connection after five seconds (its `Keep-Alive: timeout=5`)."""


def build_provider(entry: ProviderEntry) -> Provider:
    """The provider of `entry`; opens nothing yet.

    Raises `ValueError`, in words for the operator, for an entry that cannot work: a wrong base URL, an
    unusable TLS file, a script with unknown settings, a local entry without its options.
    """
    match entry.kind:
        case "openai_like":
            return openai_like(entry, _client(entry))
        case "anthropic":
            return anthropic(entry, _client(entry))
        case "gemini":
            return gemini(entry, _client(entry))
        case "bedrock":
            from passerelle.providers.bedrock import bedrock, bedrock_url

            reached = entry if entry.base_url else replace(entry, base_url=bedrock_url(entry.region))
            return bedrock(reached, _client(reached))
        case "azure":
            from passerelle.providers.azure import azure, resource_url

            reached = replace(entry, base_url=resource_url(entry))
            return azure(reached, _client(reached), _entra_tokens(entry))
        case "vertex":
            from passerelle.providers.vertex import ranking_url, vertex, vertex_url

            reached = entry if entry.base_url else replace(entry, base_url=vertex_url(entry.region))
            url = None if entry.base_url else ranking_url(entry.region)
            ranking = None if url is None else _client_of(entry, parse_origin(url)[0])
            return vertex(reached, _client(reached), _google_token(entry), ranking)
        case "bfl":
            auth = AuthHeader(entry.name, entry.credential, "x-key")
            base_url = entry.base_url or DEFAULT_BASE_URLS["bfl"]
            return bfl(entry.name, base_url, auth, lambda origin: _client_of(entry, origin))
        case "simulated":
            return SimulatedProvider(entry.name, read_script(entry.script))
        case "local":
            if entry.local is None:
                raise ValueError(
                    f"provider `{entry.name}` is local but says nothing of its engine; set `local`"
                )
            options = entry.local
            return LocalProvider(entry.name, options, make_client=lambda url: local_client(url, options))
        case _:
            assert_never(entry.kind)


def local_client(address: str, options: LocalOptions) -> HttpClient:
    """The client of an engine on loopback: a connection for each slot, and a bounded queue."""
    origin, _ = parse_origin(address)
    return HttpClient(
        origin,
        limits=PoolLimits(
            max_connections=options.slots,
            max_waiting=options.max_queue,
            max_idle=options.slots,
            idle_s=_LOOPBACK_IDLE_S,
        ),
        egress=EgressRules(allow_private=True),
    )


_TOKEN_LIMITS = PoolLimits(max_connections=2, max_waiting=2, max_idle=1)
_TOKEN_CAPS = Caps(body_bytes=256 << 10)


def _entra_tokens(entry: ProviderEntry) -> "tuple[TokenHeader, TokenHeader] | None":
    if entry.entra is None:
        return None
    from passerelle.providers.auth.entra import entra_grant
    from passerelle.providers.auth.token import TokenHeader

    def token(said: EntraEntry, *, claude: bool) -> TokenHeader:
        url, grant = entra_grant(entry.name, said, claude=claude)
        return TokenHeader(entry.name, grant, _token_client(entry, url))

    return token(entry.entra, claude=False), token(entry.entra, claude=True)


def _google_token(entry: ProviderEntry) -> "TokenHeader":
    from passerelle.providers.auth.google import TOKEN_URL, GoogleGrant
    from passerelle.providers.auth.token import TokenHeader

    url = entry.token_url or TOKEN_URL
    _, path = parse_origin(url)
    grant = GoogleGrant(entry.name, entry.credential, path=path, audience=url)
    return TokenHeader(entry.name, grant, _token_client(entry, url))


def _token_client(entry: ProviderEntry, url: str) -> HttpClient:
    """A client of a token endpoint: an origin of its own, so that no model's host ever sees a secret."""
    origin, _ = parse_origin(url)
    rules = EgressRules(allow_private=entry.allow_private)
    return HttpClient(origin, limits=_TOKEN_LIMITS, caps=_TOKEN_CAPS, egress=rules)


def _client(entry: ProviderEntry) -> HttpClient:
    origin, _ = parse_origin(entry.base_url or DEFAULT_BASE_URLS[entry.kind])
    return _client_of(entry, origin)


def _client_of(entry: ProviderEntry, origin: Origin) -> HttpClient:
    return HttpClient(
        origin,
        tls=entry.tls,
        limits=entry.pool,
        caps=entry.caps,
        egress=EgressRules(allow_private=entry.allow_private),
    )
