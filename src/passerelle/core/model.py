"""Models and deployments: what exists, and where it can be had.

A `Model` is an identity (what it can do); a `Deployment` is that model at a provider, in a region,
under terms (what it may be given, what it costs). One model has many deployments.
"""

from typing import Literal, get_args

import msgspec

from passerelle.core.accepts import Said
from passerelle.core.request import Dialect, Operation

Modality = Literal[
    "text", "image", "audio", "video", "file", "embedding", "ranking", "verdict", "transcript", "speech"
]  # fmt: skip
"""What goes in or comes out. The last five only come out, each of one operation: see `OPERATION_GIVES`."""

OPERATION_GIVES: dict[Operation, Modality] = {
    "chat": "text", "count_tokens": "text", "embed": "embedding", "rerank": "ranking",
    "moderate": "verdict", "generate_image": "image", "edit_image": "image", "transcribe": "transcript",
    "translate": "transcript", "speak": "speech",
}  # fmt: skip
"""What a model must give to serve an operation. `audio` is sound within an answer, `speech` a text read out;
`text` is words of its own, `transcript` those it heard."""

Capability = Literal[
    "tools", "parallel_tools", "json_schema", "json", "reasoning", "prompt_cache", "streaming",
    "embeddings", "images", "computer_use", "web_search", "prefill",
]  # fmt: skip
"""What a model or deployment can be asked for beyond plain words."""

Feature = Literal[
    "image_urls", "file_urls", "file_ids", "web_fetch", "code_execution", "mcp", "inference_geo",
]  # fmt: skip
"""What a request may ask for that belongs to a place rather than to a model: fetching what a URL names,
files uploaded before, tools that run there, a geography for one request."""

Lack = Literal[Capability, Modality, Feature]
"""What a deployment may be without although its model has it elsewhere."""

LACKS: tuple[Lack, ...] = get_args(Lack)

DataClass = Literal[
    "public", "internal", "confidential", "personal", "financial", "health", "special_category",
    "secret", "defence",
]  # fmt: skip

DATA_CLASSES: tuple[DataClass, ...] = (
    "public", "internal", "confidential", "personal", "financial", "health", "special_category",
    "secret", "defence",
)  # fmt: skip
"""From least to most sensitive. Classification may only raise a request along this order."""

PromptCache = Literal["auto", "caller"]
"""`auto`: long conversations of callers whose dialect has no marks get them. `caller`: only callers mark."""

TrainingUse = Literal["no", "opt_in", "yes"]
Hosting = Literal["self", "eu_sovereign", "hyperscaler", "direct"]


class Evidence(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where an attribute's value comes from."""

    url: str
    verified_on: str
    """ISO date."""
    by: str | None = None


class Attributes(msgspec.Struct, frozen=True, omit_defaults=True):
    """What compliance rules may ask of a deployment. None means unknown, which is never "no".

    A rule that needs an attribute excludes the deployments where it is unknown.
    """

    regions: tuple[str, ...] | None = None
    """Where inference may run: `eu`, `us`, `global`, or finer `eu-west-3`. `local` is this machine."""
    storage_regions: tuple[str, ...] | None = None
    jurisdictions: tuple[str, ...] | None = None
    """Laws the operator answers to: ISO country codes or `EU`."""
    hosting: Hosting | None = None
    retention_days: int | None = None
    """Longest the provider keeps prompts or answers; 0 is zero retention."""
    keeps: tuple[tuple[str, int], ...] = ()
    """What is kept longer than `retention_days` because a request asks for it: the feature, and the days.
    `batch`: what is sent to the provider's own batch service; unknown there without a row."""
    training_use: TrainingUse | None = None
    certifications: tuple[str, ...] | None = None
    max_data_class: DataClass | None = None
    """The operator's own ceiling for this deployment, whatever its attributes say."""
    evidence: tuple[Evidence, ...] = ()


class Price(msgspec.Struct, frozen=True, omit_defaults=True):
    """One versioned row of the price book, in nanos of `currency`: per million tokens unless said otherwise.

    A bucket without a figure of its own takes the nearest one above it: cache reads, audio and images
    the input price; 5-minute cache writes the input price; 1-hour writes the 5-minute price;
    reasoning, audio and image output the output price.
    """

    version: str
    """A content hash of the row, so that equal prices have equal versions."""
    input: int = 0
    output: int = 0
    cache_read: int | None = None
    cache_write_5m: int | None = None
    cache_write_1h: int | None = None
    reasoning: int | None = None
    input_audio: int | None = None
    output_audio: int | None = None
    input_image: int | None = None
    output_image: int | None = None
    image: int | None = None
    """Per picture made."""
    characters: int | None = None
    """Per million characters spoken."""
    audio_hour: int | None = None
    """Per hour of sound heard."""
    search: int | None = None
    """Per search: a ranking of up to a hundred documents."""
    megapixel: int | None = None
    """Per million pixels of pictures given and made."""
    currency: str = "USD"
    long_context_above: int | None = None
    """When a request's total input exceeds this many tokens, `long_context` replaces the row."""
    long_context: "Price | None" = None
    source: str = ""
    """Where the figures come from, with the date they were read."""


class Model(msgspec.Struct, frozen=True, omit_defaults=True):
    """An identity: the same model wherever it runs."""

    id: str
    """Our name for it, e.g. `claude-sonnet-4-5`; what `model` may say."""
    maker: str
    """Who trained it: `anthropic`, `openai`, `mistral`…"""
    family: str
    name: str = ""
    """For people."""
    aliases: tuple[str, ...] = ()
    """Other ids that mean this model, those of the clouds included."""
    context_tokens: int | None = None
    max_output_tokens: int | None = None
    input_modalities: frozenset[Modality] = frozenset({"text"})
    output_modalities: frozenset[Modality] = frozenset({"text"})
    capabilities: frozenset[Capability] = frozenset()
    licence: str | None = None
    """SPDX id of open weights, or `proprietary`."""
    quality: float | None = None
    """Prior quality in [0, 1] for the first routing rule: the catalog's estimate, not a measurement."""
    price: Price | None = None
    """The maker's list price, used by deployments that have none of their own."""
    released: str | None = None
    retires: str | None = None
    """Day (UTC, ISO) from which its maker no longer serves it, on platforms of its own."""
    retires_source: str = ""
    """Who says so."""
    source: str = ""
    accepts: Said | None = None
    """What the operator says of the settings it takes; the catalog's rows stand in `catalog.parameters`."""


BatchDialect = Literal["anthropic", "azure", "gemini", "groq", "mistral", "openai"]
"""How a provider's batch service is spoken to: OpenAI's files and batches and who has copied them (`azure`,
`groq`), Anthropic's message batches, Gemini's batches, Mistral's batch jobs."""


class BatchService(msgspec.Struct, frozen=True):
    """A provider's own batch service."""

    dialect: BatchDialect
    percent: int
    """What is charged there, in percent of the price of the same request asked alone."""


class Limits(msgspec.Struct, frozen=True, omit_defaults=True):
    """Limits of a deployment, ours or the provider's."""

    requests_per_minute: int | None = None
    concurrency: int | None = None
    context_tokens: int | None = None
    max_output_tokens: int | None = None


class Deployment(msgspec.Struct, frozen=True, omit_defaults=True):
    """A model at a place, under terms."""

    id: str
    """`{provider}/{upstream model}` unless the operator names it."""
    model: Model
    provider: str
    """Name of the provider entry it is reached through."""
    upstream_model: str
    """The provider's own name for the model."""
    dialect: Dialect
    """The language this deployment is spoken to in, unless the caller speaks one of `also`."""
    also: frozenset[Dialect] = frozenset()
    """Further dialects the same place answers natively: a caller of one of these is relayed."""
    region: str | None = None
    attributes: Attributes = Attributes()
    limits: Limits = Limits()
    weight: float = 1.0
    """Share among equals; 0 takes it out of the rotation without removing it."""
    price: Price | None = None
    without: frozenset[Lack] = frozenset()
    """What the model has elsewhere and not here."""
    quirks: frozenset[str] = frozenset()
    """How it departs from its dialect; each quirk is documented where codecs define it."""
    template: str | None = None
    """The well-known provider its entry started from: whose parameters hold there."""
    supplier: str = ""
    """Who is depended on: the template's name where the entry is at its address, else (or empty) the entry's
    own."""
    accepts: Said | None = None
    """What the operator says of the settings taken there."""
    batches: BatchService | None = None
    """The place's own batch service, for many requests at once."""
    batch_model: str | None = None
    """The name of the model there, where it is another one: at Azure a deployment for batches is apart."""
    prompt_cache: PromptCache = "auto"
    """Whether prompts that come without marks are marked for its cache (`codecs.caching`)."""
    demo: bool = False
    """A demo or simulated model: said wherever a person sees it, never chosen over a real one."""
    retired: bool = False
    """By what is known its maker has ended it here: `smart` leaves it out, who names it may still try."""

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What the model can do here; empty when nothing is known of it."""
        return self.model.capabilities - self.without if self.without else self.model.capabilities

    @property
    def room_tokens(self) -> int | None:
        """Its context window: its own limit, or the model's, or None when unknown."""
        return self.limits.context_tokens or self.model.context_tokens

    @property
    def effective_price(self) -> Price | None:
        """Its own price, or the model's list price, or None when unknown."""
        return self.price or self.model.price
