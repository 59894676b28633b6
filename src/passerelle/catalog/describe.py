"""The catalog as rows for a person: what `passerelle models` shows."""

from datetime import UTC, date, datetime
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


Lifecycle = Literal["current", "deprecated", "retired"]

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
    lifecycle: Lifecycle
    """`deprecated` once there is a day it `retires` on, `retired` from that day: on its maker's platforms."""
    retires: str | None
    retires_source: str
    price_source: str
    accepts: dict[str, dict[str, str]]
    """Dialect → setting → how it is taken, `no` when it is not, by the first of its deployments or at its
    maker's; settings of which nothing is known are left out."""


def lifecycle(model: Model, on: date) -> Lifecycle:
    """What a model is on a day, by what its maker has announced."""
    if model.retires is None:
        return "current"
    return "retired" if model.retires <= on.isoformat() else "deprecated"


def describe(catalog: Catalog, *, everything: bool = False, on: date | None = None) -> tuple[ModelRow, ...]:
    """A row for each model served here, best prior quality first; with `everything`, the others after.

    `on`: the day their lifecycle is told of, today (UTC) when not said.
    """
    served: dict[str, list[Deployment]] = {}
    for deployment in catalog.deployments:
        served.setdefault(deployment.model.id, []).append(deployment)
    shown = [m for m in catalog.models.values() if everything or m.id in served]
    today = on or datetime.now(UTC).date()
    rows = [_row(catalog, model, served.get(model.id, []), today) for model in shown]
    return tuple(sorted(rows, key=lambda r: (not r.deployments, r.status == "demo", -(r.quality or 0), r.id)))


def _row(catalog: Catalog, model: Model, deployments: list[Deployment], on: date) -> ModelRow:
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
        lifecycle=lifecycle(model, on),
        retires=model.retires,
        retires_source=model.retires_source,
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
