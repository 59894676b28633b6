"""From settings to provider entries: the operator's words as the adapters take them."""

import time

import msgspec

from passerelle.config import SecretRef, Settings
from passerelle.config.providers import ProviderSettings
from passerelle.providers.entry import AwsEntry, EntraEntry, ProviderEntry
from passerelle.providers.http.limits import PoolLimits
from passerelle.providers.local.options import LocalOptions

_READ_AGAIN_S = 5.0
"""A rotated credential file is noticed within this time."""


class Configured(msgspec.Struct, frozen=True):
    """An entry and what identifies it: equal identities need no new provider."""

    entry: ProviderEntry
    identity: str


class KeptCredential:
    """A credential read through its reference, kept a few seconds. Shows nothing of itself."""

    def __init__(self, settings: Settings, reference: SecretRef) -> None:
        self._settings = settings
        self._reference = reference
        self._value: str | None = None
        self._read_at_s = -_READ_AGAIN_S

    def __call__(self) -> str | None:
        """The credential as it is now. Raises `SecretError` when its reference leads nowhere."""
        now_s = time.monotonic()
        if now_s - self._read_at_s >= _READ_AGAIN_S:
            self._value = self._settings.resolve(self._reference).reveal()
            self._read_at_s = now_s
        return self._value

    def __repr__(self) -> str:
        return f"KeptCredential({self._reference})"


def configured(name: str, settings: Settings) -> Configured:
    """The entry of `[providers.{name}]`."""
    said = settings.providers[name]
    local = _local_options(settings) if said.kind == "local" else None
    entry = ProviderEntry(
        name=name,
        kind=said.kind,
        base_url=said.base_url,
        credential=None if said.credential is None else KeptCredential(settings, said.credential),
        region=said.region,
        aws=_aws(said, settings),
        project=said.project,
        api_version=said.api_version,
        token_url=said.token_url,
        entra=_entra(said, settings),
        allow_private=said.allow_private_network,
        pool=PoolLimits(),
        script={} if said.script is None else said.script.model_dump(),
        local=local,
    )
    identity = f"{said.model_dump_json()}|{local}"
    return Configured(entry, identity)


def _aws(said: ProviderSettings, settings: Settings) -> AwsEntry | None:
    aws = said.aws
    if aws is None:
        return None
    return AwsEntry(
        KeptCredential(settings, aws.access_key_id),
        KeptCredential(settings, aws.secret_access_key),
        None if aws.session_token is None else KeptCredential(settings, aws.session_token),
    )


def _entra(said: ProviderSettings, settings: Settings) -> EntraEntry | None:
    entra = said.entra
    if entra is None:
        return None
    return EntraEntry(
        entra.tenant_id,
        entra.client_id,
        KeptCredential(settings, entra.client_secret),
        entra.cloud,
        entra.scope,
        said.token_url,
    )


def _local_options(settings: Settings) -> LocalOptions:
    local = settings.local
    return LocalOptions(
        data_dir=settings.data_dir,
        weights=local.weights,
        threads=local.threads,
        context_tokens=local.context_tokens,
        slots=local.slots,
        max_queue=local.max_queue,
    )
