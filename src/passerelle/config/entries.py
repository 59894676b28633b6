"""`[[models]]` and `[[deployments]]`: what the operator adds to the built-in catalog, or corrects in it."""

from decimal import Decimal, InvalidOperation
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from passerelle.config.providers import AttributeSettings
from passerelle.config.types import (
    SORTED,
    Flag,
    IsoDate,
    Name,
    Positive,
    Region,
    Section,
    Share,
    Text,
    Weight,
)
from passerelle.core.accepts import EFFORTS, Accepts, Range, Said, Setting
from passerelle.core.model import Capability, Modality, PromptCache
from passerelle.core.money import nanos_from_decimal
from passerelle.core.request import Dialect, Effort


def read_amount(value: object) -> int:
    """An amount in currency units as nanos. Numbers and text with a number both do; text is exact."""
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        raise ValueError("a price is a number of currency units, such as 2.50")
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        raise ValueError("a price is a number of currency units, such as 2.50") from None
    if not amount.is_finite() or amount < 0 or amount > 1_000_000:
        raise ValueError("a price lies between 0 and 1000000 currency units")
    return nanos_from_decimal(amount)


PerMillion = Annotated[int, BeforeValidator(read_amount)]
"""Written in currency units per million tokens (or characters); held in nanos per million."""

Amount = Annotated[int, BeforeValidator(read_amount)]
"""Written in currency units; held in nanos."""


def read_sum(value: object) -> int:
    """As `read_amount`, for sums that firms commit to: up to a milliard."""
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        raise ValueError("a sum is a number of currency units, such as 20000")
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        raise ValueError("a sum is a number of currency units, such as 20000") from None
    if not amount.is_finite() or amount <= 0 or amount > 1_000_000_000:
        raise ValueError("a sum lies above 0 and is at most 1000000000 currency units")
    return nanos_from_decimal(amount)


Sum = Annotated[int, BeforeValidator(read_sum)]
"""Written in currency units; held in nanos."""


class CommitmentSettings(Section):
    """`[[commitments]]`: capacity that is paid for whether it is used or not. Same names as
    `gateway.smart.Committed`.
    """

    provider: Name
    amount: Sum
    deployment: Name | None = None
    period: Literal["day", "month", "total"] = "month"
    currency: Text = "USD"


class PriceTier(Section):
    """The figures of a price. Same names as `core.model.Price`."""

    input: PerMillion = 0
    output: PerMillion = 0
    cache_read: PerMillion | None = None
    cache_write_5m: PerMillion | None = None
    cache_write_1h: PerMillion | None = None
    reasoning: PerMillion | None = None
    input_audio: PerMillion | None = None
    output_audio: PerMillion | None = None
    input_image: PerMillion | None = None
    output_image: PerMillion | None = None


class PriceSettings(PriceTier):
    """`price` of a model or a deployment."""

    image: Amount | None = None
    characters: PerMillion | None = None
    audio_hour: Amount | None = None
    search: Amount | None = None
    megapixel: Amount | None = None
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] = "USD"
    long_context_above: Positive | None = None
    long_context: PriceTier | None = None
    source: Text | None = None


class DeploymentLimits(Section):
    """`limits` of a deployment."""

    requests_per_minute: Positive | None = None
    concurrency: Positive | None = None
    context_tokens: Positive | None = None
    max_output_tokens: Positive | None = None


class RangeSettings(Section):
    """`accepts.ranges.NAME`: the values a setting takes, ends included."""

    least: float | None = None
    most: float | None = None


class AcceptsSettings(Section):
    """`accepts` of a model or a deployment: what it takes of a request's settings. Same names as
    `core.accepts.Accepts`."""

    refuses: Annotated[frozenset[Setting], SORTED] = frozenset()
    takes: Annotated[frozenset[Setting], SORTED] = frozenset()
    efforts: tuple[Effort, ...] | None = None
    stops: Positive | None = None
    one_sampler: Flag | None = None
    ranges: dict[Setting, RangeSettings] = Field(default_factory=dict)

    def as_said(self, source: str) -> Said:
        """As the catalog lays it over its own rows."""
        ranges = [Range(name, limit.least, limit.most) for name, limit in sorted(self.ranges.items())]
        efforts = None if self.efforts is None else tuple(e for e in EFFORTS if e in self.efforts)
        said = Accepts(
            refuses=self.refuses,
            ranges=tuple(ranges),
            efforts=efforts,
            stops=self.stops,
            one_sampler=self.one_sampler,
            sources=(source,),
        )
        return Said(said, self.takes)


class ModelSettings(Section):
    """`[[models]]`: a model of the operator's, or corrections to a built-in one of the same id."""

    id: Name
    maker: Name | None = None
    family: Name | None = None
    name: Text | None = None
    aliases: tuple[Name, ...] | None = None
    context_tokens: Positive | None = None
    max_output_tokens: Positive | None = None
    input_modalities: Annotated[frozenset[Modality], SORTED] | None = None
    output_modalities: Annotated[frozenset[Modality], SORTED] | None = None
    capabilities: Annotated[frozenset[Capability], SORTED] | None = None
    licence: Text | None = None
    quality: Share | None = None
    price: PriceSettings | None = None
    accepts: AcceptsSettings | None = None
    released: IsoDate | None = None
    retires: IsoDate | None = None


class DeploymentSettings(Section):
    """`[[deployments]]`: a model at a provider, or corrections to a built-in one of the same id."""

    provider: Name
    model: Name
    upstream_model: Text | None = None
    batch_model: Text | None = None
    id: Name | None = None
    dialect: Dialect | None = None
    also: Annotated[frozenset[Dialect], SORTED] | None = None
    region: Region | None = None
    weight: Weight | None = None
    limits: DeploymentLimits = DeploymentLimits()
    attributes: AttributeSettings = AttributeSettings()
    price: PriceSettings | None = None
    without: Annotated[frozenset[Text], SORTED] | None = None
    quirks: Annotated[frozenset[Text], SORTED] | None = None
    accepts: AcceptsSettings | None = None
    prompt_cache: PromptCache | None = None
    demo: Flag | None = None
