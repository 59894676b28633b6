"""The operator's settings laid over the built-in catalog, field by field."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from fnmatch import fnmatchcase
from pathlib import Path

import msgspec

from passerelle.catalog.builtin import Builtin, Offer, OfferGroup
from passerelle.catalog.capabilities import servable
from passerelle.catalog.prices import PriceBook, from_settings, versioned
from passerelle.catalog.profiles import offers_in
from passerelle.config.entries import DeploymentSettings, ModelSettings
from passerelle.config.providers import AttributeSettings, ProviderSettings
from passerelle.config.settings import Settings
from passerelle.config.templates import moved_elsewhere, templates
from passerelle.core.model import LACKS, Attributes, Deployment, Limits, Model, Price

MAKER_TEMPLATE = {"google": "gemini", "huggingface": "local", "passerelle": "simulated"}
"""Makers whose own provider template has another name than theirs."""


def maker_template(maker: str) -> str:
    """The provider template through which a maker sells its own models."""
    return MAKER_TEMPLATE.get(maker, maker)


QUIRKS_OF_KINDS = {
    "vertex": ("on_vertex", frozenset({"anthropic", "gemini"})),
    "bedrock": ("on_bedrock", frozenset({"anthropic"})),
    "azure": ("on_foundry", frozenset({"anthropic"})),
}
"""Kind → its quirk and the dialects it changes: the cloud's own, whatever quirks the operator gives."""

QUIRKS_OF_FAMILIES = {"gpt-image": ("images_base64",)}
"""A model's own, under whatever name it is deployed."""


PLAIN = ("maker", "family", "name", "aliases", "context_tokens", "max_output_tokens", "input_modalities",
         "output_modalities", "capabilities", "licence", "quality", "released", "retires")  # fmt: skip
"""Fields of `[[models]]` that stand in `Model` as they are."""


def models_of(settings: Settings, known: Builtin, book: PriceBook) -> dict[str, Model]:
    """Every model: the built-in ones with list prices, the operator's over them."""
    models = {identity: _priced(model, book) for identity, model in known.models.items()}
    if settings.local.weights is not None:
        mine = own_local_model(settings.local.weights)
        models.setdefault(mine.id, mine)
    for said in settings.models:
        models[said.id] = _laid_over(models.get(said.id), said, settings)
    return models


def own_local_model(weights: Path) -> Model:
    """What the operator's own weights are called: the file's name, as the local engine says it."""
    return Model(
        id=weights.stem.lower(),
        maker="operator",
        family=weights.stem.lower(),
        capabilities=frozenset({"json_schema", "json", "streaming"}),
        price=versioned(Price("", source="runs on this machine")),
    )


def _priced(model: Model, book: PriceBook) -> Model:
    price = book.at(maker_template(model.maker), model.id) or book.at(f"list:{model.maker}", model.id)
    return msgspec.structs.replace(model, price=price)


def _laid_over(base: Model | None, said: ModelSettings, settings: Settings) -> Model:
    if base is None:
        base = Model(said.id, said.maker or "operator", said.family or said.id)
    changes = {name: value for name in PLAIN if (value := getattr(said, name)) is not None}
    if said.aliases is not None:
        changes["aliases"] = tuple(dict.fromkeys((*base.aliases, *said.aliases)))
    if said.price is not None:
        changes["price"] = from_settings(said.price, _file(settings))
    if said.accepts is not None:
        changes["accepts"] = said.accepts.as_said(_file(settings))
    return msgspec.structs.replace(base, **changes, source=f"{base.source}, {_file(settings)}".lstrip(", "))


def deployments_of(
    settings: Settings, known: Builtin, models: Mapping[str, Model], book: PriceBook
) -> Iterator[Deployment]:
    """Every deployment, the operator's own first where ids are equal, in the order of the providers."""
    names = {alias: model.id for model in models.values() for alias in (*model.aliases, model.id)}
    own: dict[str, list[DeploymentSettings]] = {}
    for said in settings.deployments:
        own.setdefault(said.provider, []).append(said)
    for name, entry in settings.providers.items():
        implied = {d.id: d for d in _implied(name, entry, settings, known, models, book)}
        for said in own.get(name, ()):
            if said.model not in names:
                continue  # a finding says so
            model = models[names[said.model]]
            identity = said.id or f"{name}/{said.upstream_model or said.model}"
            base = implied.pop(identity, None) or _plain(name, entry, model, said)
            yield _with_quirks(_corrected(base, model, identity, said, settings), entry)
        yield from (_with_quirks(deployment, entry) for deployment in implied.values())


def _with_quirks(deployment: Deployment, entry: ProviderSettings) -> Deployment:
    """What the place and the model bring with them, whatever quirks the operator gives."""
    quirks = set(QUIRKS_OF_FAMILIES.get(deployment.model.family, ()))
    quirk, dialects = QUIRKS_OF_KINDS.get(entry.kind, ("", frozenset[str]()))
    if not dialects.isdisjoint((deployment.dialect, *deployment.also)):
        quirks.add(quirk)
    if not quirks:
        return deployment
    return msgspec.structs.replace(deployment, quirks=deployment.quirks | quirks)


def _implied(
    name: str,
    entry: ProviderSettings,
    settings: Settings,
    known: Builtin,
    models: Mapping[str, Model],
    book: PriceBook,
) -> Iterator[Deployment]:
    attributes = provider_attributes(entry)
    if entry.kind == "local" and settings.local.weights is not None:
        mine = models[own_local_model(settings.local.weights).id]
        offer = Offer(mine.id, mine.id, OfferGroup(name))
        yield _from_offer(name, entry, settings, offer, mine, attributes, book)
        return
    for offer in offers_of(entry, known):
        model = models[offer.model]
        if servable(model):
            yield _from_offer(name, entry, settings, offer, model, attributes, book)


def offers_of(entry: ProviderSettings, known: Builtin) -> Iterator[Offer]:
    """What a provider's template serves, narrowed to the entry's `models`."""
    for offer in offers_by_name(known.offers.get(entry.template or "", ()), entry.kind, entry.region):
        if entry.models is None and offer.group.named_only:
            continue
        if offer.group.only_in and (entry.region or "global") not in offer.group.only_in:
            continue
        if entry.models is None or any(
            fnmatchcase(label, pattern) for pattern in entry.models for label in (offer.model, offer.upstream)
        ):
            yield offer


def offers_by_name(offers: Iterable[Offer], kind: object, region: str | None) -> Iterable[Offer]:
    """A template's offers under the names by which they are asked for."""
    return offers_in(offers, region) if kind == "bedrock" else offers


_OWN_SCHEDULES: frozenset[str] = frozenset({"bedrock", "vertex"})
"""Kinds of provider that end models on days of their own: "Partner-operated platforms (Amazon Bedrock and
Google Cloud) set their own retirement schedules"
(platform.claude.com/docs/en/about-claude/model-deprecations, read 2026-11-22). Azure follows its own for
OpenAI's models, and Anthropic's for Claude."""


def follows_maker(model: Model, kind: str) -> bool:
    """Whether the maker's day is also that of a provider of this kind."""
    return kind not in _OWN_SCHEDULES and not (kind == "azure" and model.maker != "anthropic")


def retired(model: Model, kind: str, on: date) -> bool:
    """Whether a provider of this kind has stopped serving it by then, as far as its maker says. Makers put
    such days off, so it stays where it was for those who name it: the provider has the last word.
    """
    return model.retires is not None and model.retires <= on.isoformat() and follows_maker(model, kind)


def provider_attributes(entry: ProviderSettings) -> Attributes:
    """An entry's attributes. A `region` that is said is where inference runs, unless `regions` says more."""
    attributes = entry.attributes.over(Attributes())
    return _placed(entry, attributes)


def _placed(entry: ProviderSettings, attributes: Attributes) -> Attributes:
    place = "global" if entry.kind == "vertex" and entry.region is None else entry.region
    if place is not None and attributes.regions is None:
        return msgspec.structs.replace(attributes, regions=(place,))
    return attributes


def _from_offer(
    name: str,
    entry: ProviderSettings,
    settings: Settings,
    offer: Offer,
    model: Model,
    attributes: Attributes,
    book: PriceBook,
) -> Deployment:
    group = offer.group
    price = book.at(entry.template, offer.model)
    if group.attributes is not None:
        attributes = _placed(entry, _own_terms(entry, group.attributes))
    if offer.regions is not None and entry.attributes.regions is None:
        attributes = msgspec.structs.replace(attributes, regions=offer.regions)
    if group.training_use is not None and entry.attributes.training_use in (None, "no"):
        attributes = msgspec.structs.replace(attributes, training_use=group.training_use)
    return Deployment(
        id=f"{name}/{offer.upstream}",
        model=model,
        provider=name,
        upstream_model=offer.upstream,
        dialect=group.dialect or entry.dialect,
        also=(entry.also if group.also is None else group.also) - {group.dialect or entry.dialect},
        region=entry.region,
        attributes=attributes,
        limits=Limits(context_tokens=settings.local.context_tokens) if entry.kind == "local" else Limits(),
        weight=entry.weight,
        # The list price is the model's own: a deployment states only what differs.
        price=None if price == model.price or _is_maker(entry, model) else price,
        without=group.without,
        quirks=entry.quirks,
        template=entry.template,
        supplier=_supplier(name, entry),
        batches=None if entry.batches is None else entry.batches.as_service(),
        prompt_cache=entry.prompt_cache,
        demo=group.demo,
        retired=retired(model, entry.kind, book.on),
    )


def _supplier(name: str, entry: ProviderSettings) -> str:
    """Who is behind a provider's entry: several entries of one well-known provider are one supplier."""
    template = templates().get(entry.template or "")
    if template is None or moved_elsewhere({"base_url": entry.base_url}, template):
        return name
    return entry.template or name


def _own_terms(entry: ProviderSettings, terms: Attributes) -> Attributes:
    """The terms of some models of a provider, with what the operator says laid over them: what differs from
    the template is theirs.
    """
    template = templates().get(entry.template or "")
    known = AttributeSettings.model_validate(template.entry.get("attributes", {})) if template else None
    said = entry.attributes
    if known is None:
        return said.over(terms)
    own = {
        name: value
        for name, value in said
        if name != "evidence" and value is not None and value != getattr(known, name)
    }
    evidence = tuple(item for item in said.evidence if item not in known.evidence)
    return AttributeSettings().model_copy(update={**own, "evidence": evidence}).over(terms)


def _is_maker(entry: ProviderSettings, model: Model) -> bool:
    return entry.template == maker_template(model.maker)


def _plain(name: str, entry: ProviderSettings, model: Model, said: DeploymentSettings) -> Deployment:
    """A deployment that no offer implies: the provider's terms, the operator's names."""
    dialect = said.dialect or entry.dialect
    return Deployment(
        id=f"{name}/{said.upstream_model or said.model}",
        model=model,
        provider=name,
        upstream_model=said.upstream_model or said.model,
        dialect=dialect,
        also=entry.also - {dialect},
        region=entry.region,
        attributes=provider_attributes(entry),
        weight=entry.weight,
        quirks=entry.quirks,
        template=entry.template,
        supplier=_supplier(name, entry),
        batches=None if entry.batches is None else entry.batches.as_service(),
        prompt_cache=entry.prompt_cache,
        demo=entry.kind == "simulated",
    )


def _corrected(
    base: Deployment, model: Model, identity: str, said: DeploymentSettings, settings: Settings
) -> Deployment:
    dialect = said.dialect or base.dialect
    attributes = said.attributes.over(base.attributes)
    if said.region is not None and said.attributes.regions is None:
        attributes = msgspec.structs.replace(attributes, regions=(said.region,))
    said_limits = {k: v for k, v in said.limits.model_dump().items() if v is not None}
    return msgspec.structs.replace(
        base,
        id=identity,
        model=model,
        upstream_model=said.upstream_model or base.upstream_model,
        batch_model=said.batch_model or base.batch_model,
        dialect=dialect,
        also=(base.also if said.also is None else said.also) - {dialect},
        region=said.region or base.region,
        attributes=attributes,
        limits=msgspec.structs.replace(base.limits, **said_limits),
        weight=base.weight if said.weight is None else said.weight,
        price=base.price if said.price is None else from_settings(said.price, _file(settings)),
        without=base.without if said.without is None else frozenset(k for k in LACKS if k in said.without),
        quirks=base.quirks if said.quirks is None else said.quirks,
        prompt_cache=said.prompt_cache or base.prompt_cache,
        accepts=base.accepts if said.accepts is None else said.accepts.as_said(_file(settings)),
        demo=base.demo if said.demo is None else said.demo,
    )


def _file(settings: Settings) -> str:
    """The file's name without its folder: replicas keep it in different places and mean the same."""
    return Path(settings.origin.file).name
