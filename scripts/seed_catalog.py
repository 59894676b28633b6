"""Write `catalog/data/prices.toml` from the installed `genai-prices` package.

    python scripts/seed_catalog.py [--on 2026-11-22]

One price for each offer of `catalog/data/offers.toml`, and the maker's list price of models that only
clouds without a provider kind of ours sell. genai-prices (github.com/pydantic/genai-prices, MIT) keeps one
list per provider, read from the providers' own pages. What our rows cannot say is settled on the dear side,
because budgets rest on them: a price by time of day becomes the day's highest in every bucket. A price that
is announced to change becomes a second row with `valid_from`. What is charged beside tokens (searches, a fee
for each request) is left out, and the row's `note` says so.

Prices of models that genai-prices does not know yet stand in `prices_manual.toml`, each with its source.
"""

import argparse
import hashlib
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from decimal import ROUND_CEILING, Decimal
from importlib.metadata import version
from pathlib import Path
from typing import Any

import genai_prices.data
from genai_prices import types

DATA = Path(__file__).resolve().parents[1] / "src" / "passerelle" / "catalog" / "data"

LISTS = {
    "openai": "openai",
    "anthropic": "anthropic",
    "gemini": "google",
    "mistral": "mistral",
    "xai": "x-ai",
    "meta": "meta",
    "deepseek": "deepseek",
    "perplexity": "perplexity",
    "cohere": "cohere",
    "groq": "groq",
    "together": "together",
    "fireworks": "fireworks",
    "openrouter": "openrouter",
    "bedrock": "aws",
}
"""Our template → genai-prices' provider."""

UNSERVED = {
    "anthropic": ("anthropic", ("claude-mythos-5-2", "claude-mythos-5-1", "claude-mythos-5")),
    "amazon": ("aws", ("nova-2-lite", "nova-premier", "nova-pro", "nova-lite", "nova-micro")),
    "microsoft": ("azure", ("phi-4",)),
}
"""Maker → genai-prices' provider and models without an offer of ours, priced as a list price."""

FIELDS = {
    "input_mtok": "input",
    "output_mtok": "output",
    "cache_read_mtok": "cache_read",
    "cache_write_mtok": "cache_write_5m",
    "cache_write_1h_mtok": "cache_write_1h",
    "output_reasoning_mtok": "reasoning",
    "input_audio_mtok": "input_audio",
    "output_audio_mtok": "output_audio",
    "input_image_mtok": "input_image",
    "output_image_mtok": "output_image",
    "input_mchars": "characters",
    "input_audio_hours": "audio_hour",
}

Row = dict[str, Any]


def main() -> None:
    """Write the file and say what has no price."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--on", type=date.fromisoformat, default=datetime.now(UTC).date())
    text, missing = rendered(parser.parse_args().on)
    (DATA / "prices.toml").write_text(text, "utf-8")
    for provider, model in missing:
        sys.stderr.write(f"no price in genai-prices: {provider}/{model}\n")


def rendered(on: date) -> tuple[str, list[tuple[str, str]]]:
    """The text of the file, and the provider and model of what has no price."""
    providers = {provider.id: provider for provider in genai_prices.data.providers}
    lines = [*_head(on)]
    missing: list[tuple[str, str]] = []
    for provider, list_name, model, names in _wanted():
        info = next((found for n in names if (found := providers[list_name].find_model(n))), None)
        if info is None:
            missing.append((provider, model))
            continue
        for row in _rows(info, on):
            lines += _written({"provider": provider, "model": model, **row})
    return "\n".join(lines), missing


def _head(on: date) -> Iterator[str]:
    module = Path(genai_prices.data.__file__)
    yield "# Written by scripts/seed_catalog.py; do not edit. Nanos of the currency per million tokens."
    yield ""
    yield "[source]"
    yield 'package = "genai-prices"'
    yield f'version = "{version("genai-prices")}"'
    yield f'sha256 = "{hashlib.sha256(module.read_bytes()).hexdigest()}"'
    yield f'read_on = "{on.isoformat()}"'
    yield ""


def _wanted() -> Iterator[tuple[str, str, str, tuple[str, ...]]]:
    """Provider of ours, price list, model of ours, and names it may have in the list."""
    offers = tomllib.loads((DATA / "offers.toml").read_text("utf-8"))["offers"]
    models = {m["id"]: m for m in tomllib.loads((DATA / "models.toml").read_text("utf-8"))["models"]}
    for offer in offers:
        provider = offer["provider"]
        if provider in LISTS:
            pairs = {**{m: m for m in offer.get("models", ())}, **offer.get("renamed", {})}
            for model, name in pairs.items():
                # Bedrock's profiles: the price of a geography, which is never below that of `global`.
                known = re.sub(r"\{.*?\}", "us", name)
                yield provider, LISTS[provider], model, (known, *models[model].get("aliases", ()))
    for maker, (list_name, ids) in UNSERVED.items():
        for model in ids:
            yield f"list:{maker}", list_name, model, (model, *models[model].get("aliases", ()))


def _rows(info: types.ModelInfo, on: date) -> Iterator[Row]:
    starts = {
        choice.constraint.start_date
        for choice in _choices(info)
        if isinstance(choice.constraint, types.StartDateConstraint) and choice.constraint.start_date > on
    }
    last: Row | None = None
    for start in [on, *sorted(starts)]:
        row = _row_on(info, start)
        if row != last:
            yield row if start == on else {"valid_from": start.isoformat(), **row}
        last = row


def _choices(info: types.ModelInfo) -> list[types.ConditionalPrice]:
    if isinstance(info.prices, types.ModelPrice):
        return [types.ConditionalPrice(prices=info.prices)]
    return list(info.prices)


def _row_on(info: types.ModelInfo, on: date) -> Row:
    """The last price whose date has come, or the dearest of those that take turns in the day."""
    turns: list[types.ModelPrice] = []
    for choice in _choices(info):
        if choice.constraint is None:
            turns = [choice.prices]
        elif isinstance(choice.constraint, types.StartDateConstraint):
            turns = [choice.prices] if choice.constraint.start_date <= on else turns
        else:
            turns.append(choice.prices)
    plain = [_figures(price) for price in turns]
    row = {key: max(p[0].get(key, 0) for p in plain) for key in plain[0][0]}
    left_out = sorted({name for p in plain for name in p[2]})
    notes = ["the day's highest"] if len(plain) > 1 else []
    if left_out:
        notes.append("leaves out " + ", ".join(left_out))
    above = {p[1] for p in plain}
    if len(above) != 1:
        raise SystemExit(f"{info.id}: tiers differ by time of day; teach this script what to do")
    threshold = above.pop()
    if threshold is not None:
        row["long_context_above"] = threshold
        row["long_context"] = {key: max(p[3].get(key, 0) for p in plain) for key in plain[0][3]}
    if notes:
        row["note"] = "; ".join(notes)
    return row


def _figures(price: types.ModelPrice) -> tuple[Row, int | None, list[str], Row]:
    """Base figures, where the long-context tier begins, what is left out, and the tier's figures."""
    base: Row = {"input": 0, "output": 0}
    tier: Row = {}
    starts: set[int] = set()
    left_out: list[str] = []
    said: Mapping[str, Any] = {
        k: v for k, v in vars(price).items() if v is not None and not k.startswith("_")
    }
    for name, value in said.items():
        if name == "audio_hours" and "input_audio_hours" in said:
            continue  # the same figure, under its older name
        if name not in FIELDS:
            left_out.append(name)
        elif isinstance(value, types.TieredPrices):
            base[FIELDS[name]] = _nanos(value.base)
            tier[FIELDS[name]] = _nanos(value.tiers[-1].price)
            starts |= {step.start for step in value.tiers}
        else:
            base[FIELDS[name]] = _nanos(value)
    if len(starts) > 1:
        raise SystemExit(f"several tiers at {sorted(starts)}; teach this script what to do")
    return base, (starts.pop() if starts else None), left_out, {**base, **tier} if tier else {}


def _nanos(amount: Decimal) -> int:
    """Dollars as nanos, rounded up: some lists hold quotients that never end."""
    return int((amount * 1_000_000_000).to_integral_value(ROUND_CEILING))


def _written(row: Row) -> Iterator[str]:
    yield "[[prices]]"
    for key, value in row.items():
        if isinstance(value, dict):
            inner = ", ".join(f"{name} = {amount:_}" for name, amount in value.items())
            yield f"{key} = {{ {inner} }}"
        else:
            yield f'{key} = "{value}"' if isinstance(value, str) else f"{key} = {value:_}"
    yield ""


if __name__ == "__main__":
    main()
