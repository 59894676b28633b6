"""Settings: the whole configuration, checked, as one immutable value.

Made by `config.load_settings`; tests may make one directly. `docs/configuration.md` says what each
setting means.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field, PrivateAttr

from passerelle.config.entries import CommitmentSettings, DeploymentSettings, ModelSettings
from passerelle.config.origin import Origin, Place
from passerelle.config.policy import PolicySettings
from passerelle.config.providers import ProviderSettings
from passerelle.config.secret import Secret, SecretRef
from passerelle.config.sections import (
    BackgroundSettings,
    BatchSettings,
    ConcentrationSettings,
    DeadlineSettings,
    DeliverySettings,
    FileSettings,
    HealthSettings,
    LimitSettings,
    LocalSettings,
    RouterSettings,
    ServerSettings,
    StoreSettings,
    TelemetrySettings,
)
from passerelle.config.types import Flag, Name, Section

_OF_ONE_MACHINE = {"data_dir", "server", "telemetry"}
"""What may differ between replicas that run the same configuration."""


def _one_or_many(value: object) -> object:
    return (value,) if isinstance(value, str) else value


Targets = Annotated[tuple[Name, ...], BeforeValidator(_one_or_many), Field(min_length=1)]


class Settings(Section):
    """Everything an installation is told."""

    data_dir: Path
    providers_from_environment: Flag | None = None
    server: ServerSettings = ServerSettings()
    store: StoreSettings = StoreSettings()
    telemetry: TelemetrySettings = TelemetrySettings()
    limits: LimitSettings = LimitSettings()
    deadlines: DeadlineSettings = DeadlineSettings()
    delivery: DeliverySettings = DeliverySettings()
    router: RouterSettings = RouterSettings()
    health: HealthSettings = HealthSettings()
    policy: PolicySettings = PolicySettings()
    files: FileSettings = FileSettings()
    batches: BatchSettings = BatchSettings()
    background: BackgroundSettings = BackgroundSettings()
    concentration: ConcentrationSettings = ConcentrationSettings()
    local: LocalSettings = LocalSettings()
    providers: Mapping[Name, ProviderSettings] = Field(default_factory=dict)
    models: tuple[ModelSettings, ...] = ()
    deployments: tuple[DeploymentSettings, ...] = ()
    aliases: Mapping[Name, Targets] = Field(default_factory=dict)
    commitments: tuple[CommitmentSettings, ...] = ()

    _origin: Origin = PrivateAttr(default_factory=Origin)

    @property
    def origin(self) -> Origin:
        """Where the values came from: for findings with a file and a line."""
        return self._origin

    def where(self, *path: str | int) -> Place:
        """File and line of a setting: `where("providers", "openai", "quirks")`."""
        return self._origin.place(path)

    def resolve(self, reference: SecretRef) -> Secret:
        """The secret a reference leads to, read now. Raises `SecretError`."""
        return reference.resolve(self._origin.env)

    @property
    def database_url(self) -> str | None:
        """`store.url` with its reference resolved; None for SQLite in `data_dir`. May hold a password:
        do not log it. Raises `SecretError`.
        """
        url = self.store.url
        if url is None or not url.startswith(("env:", "file:")):
            return url
        return self.resolve(SecretRef.parse(url)).reveal()

    def deadlines_for(self, provider: str) -> DeadlineSettings:
        """`[deadlines]` with the provider's own laid over them."""
        return self.providers[provider].deadlines.over(self.deadlines)

    @property
    def local_weights(self) -> Path:
        """Where the local model's GGUF is, or will be once installed."""
        return self.local.weights or default_weights(self.data_dir)

    @property
    def digest(self) -> str:
        """Content hash, equal on every worker and replica that runs this configuration. Covers what is
        decided by, not where a machine listens, logs or keeps its data; references, not secrets.
        """
        said = self.model_dump(mode="json", exclude=_OF_ONE_MACHINE)
        text = json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()


def default_weights(data_dir: Path) -> Path:
    """Where `passerelle local install` puts the weights when `local.weights` does not say."""
    return data_dir / "models" / "SmolLM2-135M-Instruct.Q4_1.gguf"
