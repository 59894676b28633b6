"""`[providers.NAME]`: a place that models are reached at, and the terms that hold there."""

from typing import Annotated, Literal

from pydantic import Field, Strict, StringConstraints

from passerelle.config.sections import DeadlineOverrides
from passerelle.config.types import (
    SORTED,
    Count,
    Credential,
    Flag,
    IsoDate,
    Law,
    Name,
    Region,
    Section,
    Text,
    Weight,
)
from passerelle.core.model import (
    Attributes,
    BatchDialect,
    BatchService,
    DataClass,
    Evidence,
    Hosting,
    PromptCache,
    TrainingUse,
)
from passerelle.core.request import Dialect

ProviderKind = Literal[
    "openai_like", "anthropic", "gemini", "bedrock", "azure", "vertex", "bfl", "local", "simulated"
]
"""How a provider is spoken to; `providers/` has one adapter for each."""


class EvidenceSettings(Section):
    """Where an attribute's value comes from."""

    url: Text
    verified_on: IsoDate
    by: Text | None = None


class KeepsSettings(Section):
    """`keeps`: days for which something is kept of a request that asks for it."""

    web_search: Count | None = None
    web_fetch: Count | None = None
    code_execution: Count | None = None
    file_ids: Count | None = None
    mcp: Count | None = None
    batch: Count | None = None


class BatchServiceSettings(Section):
    """`batches`: the provider's own batch service. Left out means that batches are not handed to it."""

    dialect: BatchDialect
    percent: Annotated[int, Strict(), Field(ge=0, le=100)] = 100

    def as_service(self) -> BatchService:
        """The same as a value."""
        return BatchService(self.dialect, self.percent)


class AttributeSettings(Section):
    """`attributes`: what compliance rules may ask. Left out means unknown, which is never "no"."""

    regions: tuple[Region, ...] | None = None
    storage_regions: tuple[Region, ...] | None = None
    jurisdictions: tuple[Law, ...] | None = None
    hosting: Hosting | None = None
    retention_days: Count | None = None
    keeps: KeepsSettings = KeepsSettings()
    training_use: TrainingUse | None = None
    certifications: tuple[Text, ...] | None = None
    max_data_class: DataClass | None = None
    evidence: tuple[EvidenceSettings, ...] = ()

    def over(self, base: Attributes) -> Attributes:
        """`base` with what is said here in its place, the evidence of both kept."""
        said = self.model_dump(exclude_none=True, exclude={"evidence", "keeps"})
        keeps = self.keeps.model_dump(exclude_none=True)
        if keeps:
            said["keeps"] = tuple(sorted(keeps.items()))
        kept = {name: getattr(base, name) for name in Attributes.__struct_fields__ if name != "evidence"}
        own = tuple(Evidence(e.url, e.verified_on, e.by) for e in self.evidence)
        return Attributes(**{**kept, **said}, evidence=base.evidence + own)


Pause = Annotated[float, Strict(), Field(ge=0, le=3600)]
Often = Annotated[int, Strict(), Field(ge=0, le=1_000_000)]


class ScriptSettings(Section):
    """`script` of a simulated provider. Same names and defaults as `providers.simulated.script.Script`."""

    first_content_s: Pause = 0.05
    tokens_per_s: Annotated[float, Strict(), Field(ge=0)] = 100.0
    answer_tokens: Annotated[int, Strict(), Field(ge=1, le=100_000)] = 40
    answers: tuple[Text, ...] = ()
    call_tools: Flag = True
    fail_status: Annotated[int, Strict(), Field(ge=400, le=599)] = 503
    fail_first: Often = 0
    fail_every: Often = 0
    fail_retry_after_s: Pause | None = None
    refuse_every: Often = 0
    cut_after_events: Often | None = None
    dimensions: Annotated[int, Strict(), Field(ge=1, le=8192)] = 256


class AwsSettings(Section):
    """`aws` of a `bedrock` provider: access keys, in place of a Bedrock API key in `credential`."""

    access_key_id: Credential
    secret_access_key: Credential
    session_token: Credential | None = None


TenantId = Annotated[str, Strict(), StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9.-]{0,99}$")]
"""A GUID or a verified domain: it stands in the path that a secret is sent to."""
ProjectId = Annotated[str, Strict(), StringConstraints(pattern=r"^[a-z0-9][a-z0-9.:-]{0,99}$")]
ApiVersion = Annotated[
    str, Strict(), StringConstraints(pattern=r"^(?:\d{4}-\d{2}-\d{2}(?:-preview)?|v1|preview|latest)$")
]


class EntraSettings(Section):
    """`entra`: an application registered with Microsoft Entra, in place of a key."""

    tenant_id: TenantId
    client_id: TenantId
    client_secret: Credential
    cloud: Literal["public", "usgov", "china"] = "public"
    scope: Text | None = None


class ProviderSettings(Section):
    """A provider entry, its template already laid under it."""

    template: Name | None = None
    kind: ProviderKind
    base_url: Text | None = None
    credential: Credential | None = None
    aws: AwsSettings | None = None
    dialect: Dialect = "openai_chat"
    also: Annotated[frozenset[Dialect], SORTED] = frozenset()
    region: Region | None = None
    project: ProjectId | None = None
    api_version: ApiVersion | None = None
    entra: EntraSettings | None = None
    token_url: Text | None = None
    models: tuple[Text, ...] | None = None
    weight: Weight = 1.0
    prompt_cache: PromptCache = "auto"
    batches: BatchServiceSettings | None = None
    quirks: Annotated[frozenset[Text], SORTED] = frozenset()
    attributes: AttributeSettings = AttributeSettings()
    deadlines: DeadlineOverrides = DeadlineOverrides()
    allow_private_network: Flag = False
    on_disconnect: Literal["cancel", "drain"] = "cancel"
    script: ScriptSettings | None = None
