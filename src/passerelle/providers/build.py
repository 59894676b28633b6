"""From a provider entry to a provider."""

from typing import assert_never

from passerelle.providers.anthropic import anthropic
from passerelle.providers.auth import AuthHeader
from passerelle.providers.base import Provider
from passerelle.providers.bfl import bfl
from passerelle.providers.egress import EgressRules
from passerelle.providers.entry import ProviderEntry
from passerelle.providers.gemini import gemini
from passerelle.providers.http import HttpClient, PoolLimits, parse_origin
from passerelle.providers.http.origin import Origin
from passerelle.providers.local.options import LocalOptions
from passerelle.providers.local.provider import LocalProvider
from passerelle.providers.openai_like import openai_like
from passerelle.providers.simulated import SimulatedProvider, read_script

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
