"""The catalog as rows for a person: what `passerelle models` shows."""

from decimal import Decimal
from typing import Literal

import msgspec

from passerelle.catalog.capabilities import in_words
from passerelle.catalog.lookup import Catalog
from passerelle.catalog.parameters import accepted, accepts_of
from passerelle.catalog.parameters import in_words as parameters_in_words
from passerelle.catalog.prices import units_in_words
from passerelle.core.model import Deployment, Model, Price
from passerelle.core.money import NANOS
from passerelle.core.request import Dialect

Status = Literal["served", "demo", "not configured", "known only"]
"""`not configured`: a well-known provider would serve it. `known only`: none of ours does."""


KIND_DIALECTS: dict[str, Dialect] = {"anthropic": "anthropic", "gemini": "gemini"}
"""What the templates that are not OpenAI-like are spoken to in."""


class ModelRow(msgspec.Struct, frozen=True):
    """A model and where it can be had here."""

    id: str
    name: str
    maker: str
    status: Status
    deployments: tuple[str, ...]
    providers: tuple[str, ...]
    """Configured ones that serve it; templates that would, when none does."""
    context_tokens: int | None
    max_output_tokens: int | None
    abilities: str
    input_price: str
    """Currency units per million tokens, `?` when unknown; the cheapest of its deployments."""
    output_price: str
    unit_prices: str
    """What it costs beside tokens, in words."""
    quality: float | None
    licence: str | None
    aliases: tuple[str, ...]
    deprecated: str | None
    price_source: str
    accepts: dict[str, dict[str, str]]
    """Dialect → setting → how it is taken, `no` when it is not, by the first of its deployments or at its
    maker's; settings of which nothing is known are left out."""


def describe(catalog: Catalog, *, everything: bool = False) -> tuple[ModelRow, ...]:
    """A row for each model served here, best prior quality first; with `everything`, the others after."""
    served: dict[str, list[Deployment]] = {}
    for deployment in catalog.deployments:
        served.setdefault(deployment.model.id, []).append(deployment)
    shown = [m for m in catalog.models.values() if everything or m.id in served]
    rows = [_row(catalog, model, served.get(model.id, [])) for model in shown]
    return tuple(sorted(rows, key=lambda r: (not r.deployments, r.status == "demo", -(r.quality or 0), r.id)))


def _row(catalog: Catalog, model: Model, deployments: list[Deployment]) -> ModelRow:
    prices = [d.effective_price for d in deployments] or [model.price]
    price = min((p for p in prices if p is not None), key=lambda p: p.input + p.output, default=None)
    templates = catalog.offered_by.get(model.id, ())
    status: Status = "served"
    if not deployments:
        status = "not configured" if templates else "known only"
    elif all(d.demo for d in deployments):
        status = "demo"
    return ModelRow(
        id=model.id,
        name=model.name or model.id,
        maker=model.maker,
        status=status,
        deployments=tuple(d.id for d in deployments),
        providers=tuple(dict.fromkeys(d.provider for d in deployments)) or templates,
        context_tokens=model.context_tokens,
        max_output_tokens=model.max_output_tokens,
        abilities=in_words(model),
        input_price=_amount(price, "input"),
        output_price=_amount(price, "output"),
        unit_prices=units_in_words(price),
        quality=model.quality,
        licence=model.licence,
        aliases=model.aliases,
        deprecated=model.deprecated,
        price_source="" if price is None else price.source,
        accepts=_accepts(model, deployments, templates),
    )


def _accepts(
    model: Model, deployments: list[Deployment], templates: tuple[str, ...]
) -> dict[str, dict[str, str]]:
    if deployments:
        first = deployments[0]
        found = {dialect: accepts_of(first, dialect) for dialect in (first.dialect, *sorted(first.also))}
    elif templates:
        dialect = KIND_DIALECTS.get(templates[0], "openai_chat")
        found = {dialect: accepted(model.id, templates[0], dialect)}
    else:
        return {}
    return {dialect: dict(parameters_in_words(accepts)) for dialect, accepts in found.items()}


def _amount(price: Price | None, field: Literal["input", "output"]) -> str:
    if price is None:
        return "?"
    amount = Decimal(getattr(price, field)) / NANOS
    return f"{amount.normalize():f} {price.currency}" if amount else f"0 {price.currency}"
