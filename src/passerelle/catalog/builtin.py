"""The built-in catalog as it stands in `data/`: models, offers, prices. Read once, on first use."""

import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from itertools import chain

import msgspec

from passerelle.catalog.prices import Row
from passerelle.core.model import Attributes, Capability, Lack, Modality, Model, TrainingUse
from passerelle.core.request import Dialect


class Profile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the models of a range have in common."""

    input_modalities: frozenset[Modality]
    capabilities: frozenset[Capability]
    output_modalities: frozenset[Modality] = frozenset({"text"})
    maker: str | None = None
    licence: str | None = None


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A model as `data/models.toml` has it; what it leaves out is its profile's."""

    id: str
    profile: str
    family: str
    name: str
    maker: str | None = None
    tier: str | None = None
    aliases: tuple[str, ...] = ()
    context_tokens: int | None = None
    max_output_tokens: int | None = None
    input_modalities: frozenset[Modality] | None = None
    capabilities: frozenset[Capability] | None = None
    licence: str | None = None
    released: str | None = None
    retires: str | None = None
    """Day from which its maker no longer serves it, on platforms of its own."""
    retires_source: str = ""
    """Who says so; never without `retires`."""


class ModelsFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`data/models.toml`."""

    tiers: dict[str, float]
    profiles: dict[str, Profile]
    models: tuple[Entry, ...]


class OfferGroup(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An entry of `data/offers.toml`."""

    provider: str
    models: tuple[str, ...] = ()
    renamed: dict[str, str] = {}
    dialect: Dialect | None = None
    also: frozenset[Dialect] | None = None
    training_use: TrainingUse | None = None
    demo: bool = False
    named_only: bool = False
    """Served only where the entry's `models` names it: a deployment there has to be made by its operator."""
    only_in: frozenset[str] = frozenset()
    """Regions that have it, where not all do: an entry of another one is not offered it. `global` is an entry
    without a region."""
    without: frozenset[Lack] = frozenset()
    """What the model has elsewhere and not here."""
    attributes: Attributes | None = None
    """What holds for these in place of the provider's own: what is not said is unknown."""


class Offer(msgspec.Struct, frozen=True):
    """One model as a provider template serves it."""

    model: str
    upstream: str
    group: OfferGroup
    regions: tuple[str, ...] | None = None
    """Where it runs, when its name says so (`catalog/profiles.py`)."""


class PriceSource(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the seeded rows come from."""

    package: str
    version: str
    sha256: str
    read_on: str

    def __str__(self) -> str:
        return f"{self.package} {self.version} (sha256 {self.sha256[:12]}), read {self.read_on}"


class PricesFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`data/prices.toml` or `data/prices_manual.toml`."""

    prices: tuple[Row, ...]
    source: PriceSource | None = None


class Builtin(msgspec.Struct, frozen=True):
    """Everything the package knows by itself."""

    models: Mapping[str, Model]
    """By id, without prices."""
    offers: Mapping[str, tuple[Offer, ...]]
    """By provider template."""
    rows: tuple[Row, ...]
    price_source: str

    def templates_offering(self, model: str) -> tuple[str, ...]:
        """Provider templates that serve a model."""
        return tuple(name for name, offers in self.offers.items() if any(o.model == model for o in offers))


@cache
def builtin() -> Builtin:
    """The built-in catalog."""
    models_file = msgspec.convert(_toml("models.toml"), ModelsFile)
    groups = msgspec.convert(_toml("offers.toml")["offers"], tuple[OfferGroup, ...])
    seeded = msgspec.convert(_toml("prices.toml"), PricesFile)
    manual = msgspec.convert(_toml("prices_manual.toml"), PricesFile)
    offers: dict[str, tuple[Offer, ...]] = {}
    for group in groups:
        offers[group.provider] = offers.get(group.provider, ()) + tuple(_offers(group))
    known = {(row.provider, row.model) for row in seeded.prices}
    rows = (*(r for r in manual.prices if (r.provider, r.model) not in known), *seeded.prices)
    return Builtin(
        {entry.id: _model(entry, models_file) for entry in models_file.models},
        offers,
        rows,
        str(seeded.source),
    )


def _toml(name: str) -> dict[str, object]:
    return tomllib.loads(files("passerelle.catalog").joinpath("data", name).read_text("utf-8"))


def _offers(group: OfferGroup) -> Iterator[Offer]:
    for model, upstream in chain(((m, m) for m in group.models), group.renamed.items()):
        yield Offer(model, upstream, group)


def _model(entry: Entry, file: ModelsFile) -> Model:
    profile = file.profiles[entry.profile]
    maker = entry.maker or profile.maker
    if maker is None:
        raise ValueError(f"the built-in model `{entry.id}` has no maker")
    if (entry.retires is None) is not (entry.retires_source == ""):
        raise ValueError(
            f"the built-in model `{entry.id}` has a day it retires without a source, or the reverse"
        )
    return Model(
        id=entry.id,
        maker=maker,
        family=entry.family,
        name=entry.name,
        aliases=entry.aliases,
        context_tokens=entry.context_tokens,
        max_output_tokens=entry.max_output_tokens,
        input_modalities=entry.input_modalities or profile.input_modalities,
        output_modalities=profile.output_modalities,
        capabilities=entry.capabilities or profile.capabilities,
        licence=entry.licence or profile.licence,
        quality=None if entry.tier is None else file.tiers[entry.tier],
        released=entry.released,
        retires=entry.retires,
        retires_source=entry.retires_source,
        source="built in",
    )
