"""The price book: what a model costs at a provider on a day, as integers.

Rows come from `data/prices.toml` (written by `scripts/seed_catalog.py`), `data/prices_manual.toml` and the
operator's settings. A price's version is the hash of its figures, so that equal prices have equal versions
wherever they come from, and a receipt can name the figures it was computed with.
"""

import hashlib
from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal

import msgspec

from passerelle.config.entries import PriceSettings, PriceTier
from passerelle.core.model import Price
from passerelle.core.money import NANOS

FIGURES = (
    "input", "output", "cache_read", "cache_write_5m", "cache_write_1h", "reasoning", "input_audio",
    "output_audio", "input_image", "output_image", "image", "characters", "audio_hour", "search",
    "megapixel",
)  # fmt: skip
"""The fields of `Price` that are amounts."""


UNITS_IN_WORDS = {
    "image": "picture",
    "megapixel": "megapixel",
    "characters": "million characters",
    "audio_hour": "hour of sound",
    "search": "search",
}
"""The figures that are not per million tokens, and what each is for one of."""


class Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A row of the price book's files. Amounts are nanos, per what `core.model.Price` says."""

    provider: str
    """A provider template, or `list:MAKER` for a list price without an offer of ours."""
    model: str
    """Our id of the model."""
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
    characters: int | None = None
    audio_hour: int | None = None
    search: int | None = None
    megapixel: int | None = None
    currency: str = "USD"
    long_context_above: int | None = None
    long_context: dict[str, int] | None = None
    valid_from: str | None = None
    """ISO date; the row holds from then on, in place of the ones before it."""
    note: str = ""
    source: str = ""


class PriceBook(msgspec.Struct, frozen=True):
    """Prices on one day."""

    on: date
    prices: Mapping[tuple[str, str], Price]
    """By provider template (or `list:MAKER`) and model id."""
    next_change: date | None = None
    """The first later day on which some row takes effect; reload the catalog then."""

    def at(self, provider: str | None, model: str) -> Price | None:
        """The price of a model at a provider template, or None when unknown."""
        return None if provider is None else self.prices.get((provider, model))


def units_in_words(price: Price | None) -> str:
    """What a price asks beside tokens: `0.015 USD a picture, 0.015 USD a megapixel`; empty when nothing."""
    said = []
    for field, unit in UNITS_IN_WORDS.items():
        amount = None if price is None else getattr(price, field)
        if price is not None and amount:
            article = "an" if unit[0] in "aeh" else "a"
            said.append(f"{(Decimal(amount) / NANOS).normalize():f} {price.currency} {article} {unit}")
    return ", ".join(said)


def price_book(rows: Iterable[Row], on: date, *, source: str) -> PriceBook:
    """The rows in force on `on`. `source` is said of rows that have none of their own."""
    prices: dict[tuple[str, str], Price] = {}
    since: dict[tuple[str, str], str] = {}
    coming: list[date] = []
    for row in rows:
        key = (row.provider, row.model)
        start = row.valid_from or ""
        if start > on.isoformat():
            coming.append(date.fromisoformat(start))
        elif start >= since.get(key, ""):
            since[key] = start
            prices[key] = _from_row(row, source)
    return PriceBook(on, prices, min(coming, default=None))


def _from_row(row: Row, source: str) -> Price:
    figures = {name: getattr(row, name) for name in FIGURES}
    tier = None
    if row.long_context is not None:
        tier = _figured(row.long_context, row.currency)
    said = row.source or source
    return msgspec.structs.replace(
        _figured(figures, row.currency, above=row.long_context_above, tier=tier),
        source=f"{said}; {row.note}" if row.note else said,
    )


def from_settings(said: PriceSettings, origin: str) -> Price:
    """The operator's own price. `origin` is said as its source when they give none."""
    tier = None
    if said.long_context is not None:
        tier = _figured(_figures(said.long_context), said.currency)
    price = _figured(_figures(said), said.currency, above=said.long_context_above, tier=tier)
    return msgspec.structs.replace(price, source=said.source or origin)


def _figures(tier: PriceTier) -> dict[str, int]:
    return {name: value for name in FIGURES if (value := getattr(tier, name, None)) is not None}


def _figured(
    figures: Mapping[str, int], currency: str, *, above: int | None = None, tier: Price | None = None
) -> Price:
    plain = Price("", currency=currency, long_context_above=above, long_context=tier)
    return versioned(msgspec.structs.replace(plain, **figures))


def versioned(price: Price) -> Price:
    """`price` with the version its figures give it."""
    plain = msgspec.structs.replace(price, version="", source="")
    if plain.long_context is not None:
        plain = msgspec.structs.replace(
            plain, long_context=msgspec.structs.replace(plain.long_context, version="", source="")
        )
    digest = hashlib.sha256(msgspec.json.encode(plain)).hexdigest()
    return msgspec.structs.replace(price, version=digest[:16])
