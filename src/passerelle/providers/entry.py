"""A provider entry as the adapters take it: plain values, the credential hidden behind a call."""

from collections.abc import Callable, Mapping
from typing import Any, Literal

import msgspec

from passerelle.providers.base import Caps
from passerelle.providers.http.limits import PoolLimits
from passerelle.providers.http.tls import TlsSettings
from passerelle.providers.local.options import LocalOptions

ProviderKind = Literal[
    "openai_like", "anthropic", "gemini", "bedrock", "azure", "vertex", "bfl", "local", "simulated"
]

Credential = Callable[[], str | None]
"""Gives the credential as it is now. Called for every request, so that a rotated one is seen; it should
keep what it read and look again only now and then. Its repr shows nothing."""


class AwsEntry(msgspec.Struct, frozen=True):
    """Access keys of AWS, permanent or temporary. Its repr shows no secret."""

    access_key_id: Credential
    secret_access_key: Credential
    session_token: Credential | None = None


class EntraEntry(msgspec.Struct, frozen=True):
    """An application registered with Microsoft Entra. Its repr shows no secret."""

    tenant_id: str
    client_id: str
    client_secret: Credential
    cloud: Literal["public", "usgov", "china"] = "public"
    scope: str | None = None
    """What the token is for, when it is not what the cloud's models want."""
    token_url: str | None = None
    """In place of the cloud's own endpoint; from the operator's configuration only."""


class ProviderEntry(msgspec.Struct, frozen=True):
    """Everything needed to build one provider. Made by the composition root from the settings."""

    name: str
    kind: ProviderKind
    base_url: str | None = None
    """From the operator's configuration only; with or without the version at its end."""
    credential: Credential | None = None
    region: str | None = None
    """Vertex: the location, which stands in the path."""
    project: str | None = None
    """Vertex: the project that is billed; None takes the credential's own."""
    api_version: str | None = None
    """Azure: a dated one means the classic paths of deployments; None the v1 surface."""
    token_url: str | None = None
    """Where tokens are asked for, in place of the known endpoint."""
    entra: EntraEntry | None = None
    aws: AwsEntry | None = None
    """Bedrock: keys that sign its requests, in place of `credential`."""
    allow_private: bool = False
    """Loopback, private and shared address ranges may be connected to."""
    caps: Caps = Caps()
    pool: PoolLimits = PoolLimits()
    tls: TlsSettings | None = None
    script: Mapping[str, Any] = msgspec.field(default_factory=dict)
    """How a simulated provider behaves; see `simulated.script.Script`."""
    local: LocalOptions | None = None
    """What a local engine runs; required for `local`."""
