"""A provider entry as the adapters take it: plain values, the credential hidden behind a call."""

from collections.abc import Callable, Mapping
from typing import Any, Literal

import msgspec

from passerelle.providers.base import Caps
from passerelle.providers.http.limits import PoolLimits
from passerelle.providers.http.tls import TlsSettings
from passerelle.providers.local.options import LocalOptions

ProviderKind = Literal["openai_like", "anthropic", "gemini", "bfl", "local", "simulated"]

Credential = Callable[[], str | None]
"""Gives the credential as it is now. Called for every request, so that a rotated one is seen; it should
keep what it read and look again only now and then. Its repr shows nothing."""


class ProviderEntry(msgspec.Struct, frozen=True):
    """Everything needed to build one provider. Made by the composition root from the settings."""

    name: str
    kind: ProviderKind
    base_url: str | None = None
    """From the operator's configuration only; with or without the version at its end."""
    credential: Credential | None = None
    region: str | None = None
    allow_private: bool = False
    """Loopback, private and shared address ranges may be connected to."""
    caps: Caps = Caps()
    pool: PoolLimits = PoolLimits()
    tls: TlsSettings | None = None
    script: Mapping[str, Any] = msgspec.field(default_factory=dict)
    """How a simulated provider behaves; see `simulated.script.Script`."""
    local: LocalOptions | None = None
    """What a local engine runs; required for `local`."""
