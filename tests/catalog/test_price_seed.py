"""The seeded prices: what the script writes is what stands in the repository, and it charges alike."""

import importlib.util
import tomllib
import warnings
from datetime import UTC, date, datetime
from importlib.resources import files
from pathlib import Path
from types import ModuleType

import pytest

from passerelle.catalog.builtin import builtin
from passerelle.catalog.prices import price_book
from passerelle.core.usage import Usage
from passerelle.ledger.price import cost

SCRIPT = Path(__file__).parents[2] / "scripts" / "seed_catalog.py"
SEEDED = files("passerelle.catalog").joinpath("data/prices.toml").read_text("utf-8")
SOURCE = tomllib.loads(SEEDED)["source"]
ON = date.fromisoformat(SOURCE["read_on"])


@pytest.fixture(scope="module")
def genai_prices() -> ModuleType:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module: ModuleType = pytest.importorskip("genai_prices")
    if importlib.metadata.version("genai-prices") != SOURCE["version"]:
        pytest.skip(f"the seed is of genai-prices {SOURCE['version']}")
    return module


def test_the_file_is_what_the_script_writes(genai_prices: ModuleType) -> None:
    spec = importlib.util.spec_from_file_location("seed_catalog", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    text, missing = script.rendered(ON)
    assert text == SEEDED
    manual = {(r.provider, r.model) for r in builtin().rows if r.source}
    assert {tuple(m) for m in missing} - manual == {
        ("cohere", "command-a-plus-05-2026"), ("list:anthropic", "claude-mythos-5-1"),
        ("list:anthropic", "claude-mythos-5"), ("bedrock", "embed-v4.0"),
        ("mistral", "mistral-moderation-latest"),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("ours", "theirs", "model"),
    [
        ("openai", "openai", "gpt-6.1-sol"),
        ("openai", "openai", "gpt-6-luna"),
        ("openai", "openai", "gpt-4o-mini"),
        ("anthropic", "anthropic", "claude-opus-5-5"),
        ("anthropic", "anthropic", "claude-haiku-5-5"),
        ("gemini", "google", "gemini-2.5-pro"),
        ("mistral", "mistral", "mistral-large-4"),
        ("xai", "x-ai", "grok-4.7"),
        ("meta", "meta", "muse-spark-1.3"),
        ("groq", "groq", "gpt-oss-120b"),
    ],
)
@pytest.mark.parametrize("total_input", [1_000, 100_000, 100_001, 250_000, 300_000])
def test_our_row_charges_what_genai_prices_charges(
    genai_prices: ModuleType, ours: str, theirs: str, model: str, total_input: int
) -> None:
    known = builtin()
    price = price_book(known.rows, ON, source="").at(ours, model)
    assert price is not None
    cached = total_input // 4 if price.cache_read is not None else 0
    usage = Usage(input_tokens=total_input - cached, cache_read_tokens=cached, output_tokens=777)
    upstream = next(o.upstream for o in known.offers[ours] if o.model == model)
    expected = genai_prices.calc_price(
        genai_prices.Usage(input_tokens=total_input, cache_read_tokens=cached or None, output_tokens=777),
        model_ref=upstream,
        provider_id=theirs,
        genai_request_timestamp=datetime(ON.year, ON.month, ON.day, tzinfo=UTC),
    ).total_price
    assert abs(cost(usage, price) - expected * 10**9) <= 1  # rounded up to the nano
