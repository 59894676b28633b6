"""The fixed sections of settings: server, store, telemetry, limits, deadlines, router, local…

`docs/configuration.md` says what each setting means; a test keeps the two alike.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, Strict

from passerelle.config.cascade import CascadeWord, Points, Samples, TestSettings
from passerelle.config.types import Count, Flag, Name, Positive, Seconds, Section, Share, Text, Whole
from passerelle.core.plan import Affinity, LearnFrom, OnContextLength, OnRefusal, SmartMode

Explored = Annotated[float, Strict(), Field(ge=0, le=0.05)]
"""A share of requests that is tried elsewhere: heavier exploration costs more than it gives."""


class ServerSettings(Section):
    """`[server]`: where we listen and how much we take at once."""

    host: Text = "127.0.0.1"
    port: Annotated[Whole, Field(ge=0, le=65_535)] = 8080
    workers: Annotated[Whole, Field(ge=1, le=256)] = 1
    allow_public_bind: Flag = False
    allowed_hosts: tuple[Text, ...] = ()
    public_url: Text | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    max_body_bytes: Annotated[Whole, Field(ge=1024, le=1 << 30)] = 32 << 20
    max_in_flight: Positive = 1024
    max_in_flight_per_tenant: Positive | None = None
    drain_s: Seconds = 120.0


class StoreSettings(Section):
    """`[store]`: where keys, receipts and budgets are kept, and for how long conversations are."""

    url: Text | None = None
    conversation_days: Annotated[Whole, Field(ge=1, le=3650)] = 30


class TelemetrySettings(Section):
    """`[telemetry]`: what is said about requests, and to whom."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["json", "text"] = "json"
    metrics: Flag = True
    otlp_endpoint: Text | None = None


class LimitSettings(Section):
    """`[limits]`: what a key may do when neither it nor anything above it says otherwise."""

    requests_per_minute: Positive | None = None
    tokens_per_minute: Positive | None = None
    concurrency: Positive | None = None
    priority: Literal["interactive", "agent", "batch"] | None = None


class DeadlineSettings(Section):
    """`[deadlines]`: how long each part of a call may take. Same names as `providers.base.Deadlines`."""

    connect_s: Seconds = 5.0
    headers_s: Seconds = 120.0
    first_content_s: Seconds = 120.0
    between_s: Seconds = 60.0
    total_s: Seconds = 600.0


class DeadlineOverrides(Section):
    """`[providers.NAME.deadlines]`: what differs from `[deadlines]` for this provider."""

    connect_s: Seconds | None = None
    headers_s: Seconds | None = None
    first_content_s: Seconds | None = None
    between_s: Seconds | None = None
    total_s: Seconds | None = None

    def over(self, base: DeadlineSettings) -> DeadlineSettings:
        """`base` with whatever is said here in its place."""
        return base.model_copy(update=self.model_dump(exclude_none=True))


class NameSettings(Section):
    """`[router.names.NAME]`: what differs for an alias, a model or `smart`."""

    on_context_length: OnContextLength | None = None
    on_refusal: OnRefusal | None = None


class SmartSettings(Section):
    """`[router.aliases.NAME]`: a name for a choice. Same names as `gateway.smart.Smart`."""

    family: Text | None = None
    mode: SmartMode | None = None
    cascade: CascadeWord | None = None
    models: tuple[Text, ...] = ()
    default_model: Name | None = None
    affinity: Affinity | None = None
    task: Text | None = None


class OrganisationSettings(Section):
    """`[router.organisations.NAME]`: what differs for one organisation, by its name or id."""

    mode: SmartMode | None = None
    default_model: Name | None = None
    affinity: Affinity | None = None
    explore: Explored | None = None
    learn_from: LearnFrom | None = None
    cascade: CascadeWord | None = None
    tests: Mapping[Name, TestSettings] = Field(default_factory=dict)
    aliases: Mapping[Name, SmartSettings] = Field(default_factory=dict)


class RouterSettings(Section):
    """`[router]`: how `smart` chooses when the caller does not say, and when another model is asked."""

    smart_mode: SmartMode = "balanced"
    default_model: Name | None = None
    affinity: Affinity = "adaptive"
    pacing: Flag = True
    second_points: Annotated[float, Strict(), Field(ge=0, le=100)] = 0.0
    explore: Explored = 0.0
    learn_from: LearnFrom = "smart"
    cascade_samples: Samples = 2
    cascade_within_points: Points = 30.0
    tests: Mapping[Name, TestSettings] = Field(default_factory=dict)
    aliases: Mapping[Name, SmartSettings] = Field(default_factory=dict)
    organisations: Mapping[Text, OrganisationSettings] = Field(default_factory=dict)
    on_context_length: OnContextLength = "fail"
    on_refusal: OnRefusal = "fail"
    names: Mapping[Name, NameSettings] = Field(default_factory=dict)


class HealthSettings(Section):
    """`[health]`: when a deployment is tried last, and when again. Same names as `router.health.Rules`."""

    open_after: Positive = 5
    window_s: Annotated[float, Strict(), Field(ge=0.1, le=3600)] = 30.0
    window_least: Positive = 20
    window_share: Annotated[float, Strict(), Field(gt=0, le=1)] = 0.5
    open_s: Seconds = 10.0
    longest_open_s: Seconds = 300.0
    probe_every_s: Seconds = 20.0
    probe_timeout_s: Seconds = 10.0
    retry_share: Share = 0.1
    retry_least: Count = 3
    retry_window_s: Annotated[float, Strict(), Field(ge=0.1, le=3600)] = 10.0


class FileSettings(Section):
    """`[files]`: what callers may keep with us."""

    max_bytes: Annotated[Whole, Field(ge=1024, le=8 << 30)] = 512 << 20
    max_project_bytes: Annotated[Whole, Field(ge=1024, le=1 << 50)] = 20 << 30
    retention_days: Annotated[Whole, Field(ge=1, le=3650)] | None = None


class BatchSettings(Section):
    """`[batches]`: requests asked as one piece of work, in the background."""

    native: Literal["auto", "never"] = "auto"
    concurrency: Annotated[Whole, Field(ge=0, le=1024)] = 8
    yield_above: Count = 32
    attempts: Annotated[Whole, Field(ge=1, le=100)] = 5
    max_lines: Annotated[Whole, Field(ge=1, le=1_000_000)] = 100_000
    max_bytes: Annotated[Whole, Field(ge=1024, le=8 << 30)] = 256 << 20
    max_active: Positive = 200
    window_s: Seconds = 86_400.0
    retention_days: Annotated[Whole, Field(ge=1, le=3650)] = 30


class BackgroundSettings(Section):
    """`[background]`: responses made while nobody waits for them."""

    concurrency: Annotated[Whole, Field(ge=0, le=1024)] = 16
    attempts: Annotated[Whole, Field(ge=1, le=10)] = 2
    max_active: Positive = 100


class DeliverySettings(Section):
    """`[delivery]`: how answers reach their callers."""

    default: Literal["stream", "verified"] = "stream"
    keepalive_s: Seconds = 10.0
    max_held_bytes: Annotated[Whole, Field(ge=1 << 16, le=1 << 30)] = 16 << 20
    max_held_bytes_per_worker: Annotated[Whole, Field(ge=1 << 16, le=1 << 34)] = 128 << 20
    hedge_after_s: Seconds | None = None


class ConcentrationSettings(Section):
    """`[concentration]`: the highest share of the requests, or of the spend, that may depend on one."""

    max_share_per_provider: Share | None = None
    max_share_per_jurisdiction: Share | None = None


class LocalSettings(Section):
    """`[local]`: the small model that runs in this machine, see `passerelle local install`."""

    enabled: Flag | None = None
    weights: Path | None = None
    threads: Annotated[Whole, Field(ge=1, le=256)] = 1
    context_tokens: Annotated[Whole, Field(ge=256, le=1 << 20)] = 4096
    slots: Annotated[Whole, Field(ge=1, le=64)] = 1
    max_queue: Count = 16
