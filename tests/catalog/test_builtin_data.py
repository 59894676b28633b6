"""The built-in data: consistent, sourced, priced."""

from datetime import date
from itertools import pairwise
from typing import Any

import pytest

from passerelle.catalog import builtin as source
from passerelle.catalog.builtin import builtin
from passerelle.catalog.capabilities import contradictions, servable
from passerelle.catalog.merge import maker_template
from passerelle.catalog.prices import FIGURES, price_book
from passerelle.catalog.references import DIALECTS_OF
from passerelle.codecs.base import QUIRKS
from passerelle.config import templates
from passerelle.config.network import objections
from passerelle.config.providers import ProviderSettings

ON = date(2026, 11, 22)
KNOWN = builtin()
BOOK = price_book(KNOWN.rows, ON, source=KNOWN.price_source)
UNPRICED = {
    ("bedrock", "embed-v4.0"),  # its maker's list price holds
    ("cohere", "command-a-plus-05-2026"),
    ("mistral", "mistral-moderation-latest"),
}
"""Offers whose price no source of ours states."""


def test_no_name_means_two_models() -> None:
    names = [name.casefold() for m in KNOWN.models.values() for name in {m.id, *m.aliases}]
    assert len(names) == len(set(names))


def test_no_alias_asks_for_a_region_that_could_not_be_kept() -> None:
    regional = ("us.", "eu.", "jp.", "au.", "apac.", "us-gov.", "in.")
    assert not [a for m in KNOWN.models.values() for a in m.aliases if a.startswith(regional)]


def test_models_do_not_contradict_themselves() -> None:
    assert [(m.id, *c) for m in KNOWN.models.values() for c in contradictions(m)] == []


def test_the_makers_asked_for_are_there() -> None:
    makers = {m.maker for m in KNOWN.models.values()}
    assert makers >= {
        "openai", "anthropic", "google", "mistral", "xai", "meta", "amazon", "microsoft", "black-forest-labs",
        "deepseek", "huggingface",
    }  # fmt: skip


def test_quality_is_a_prior_in_few_coarse_tiers() -> None:
    tiers = sorted({m.quality for m in KNOWN.models.values() if m.quality is not None})
    assert 3 <= len(tiers) <= 7
    assert all(0 <= tier <= 1 for tier in tiers)
    assert all(above - below >= 0.05 - 1e-9 for below, above in pairwise(tiers))
    assert KNOWN.models["smollm2-135m-instruct"].quality == tiers[0]


def test_every_offer_is_of_a_known_model_at_a_known_template() -> None:
    for provider, offers in KNOWN.offers.items():
        kind = templates()[provider].entry["kind"]
        assert len({o.upstream for o in offers}) == len(offers), provider
        for offer in offers:
            assert servable(KNOWN.models[offer.model]), offer
            assert offer.group.dialect is None or offer.group.dialect in DIALECTS_OF[kind]


def test_every_offer_is_a_templates_and_the_models_of_the_rest_are_the_operators_to_name() -> None:
    assert KNOWN.offers.keys() <= templates().keys()
    for name in templates().keys() - KNOWN.offers.keys():
        assert templates()[name].entry["kind"] == "openai_like"


@pytest.mark.parametrize("name", sorted(templates()))
def test_a_template_is_a_valid_entry_whose_terms_are_evidenced(name: str) -> None:
    template = templates()[name]
    entry = ProviderSettings.model_validate(template.entry)
    said = entry.attributes
    assert entry.quirks <= QUIRKS.keys()
    assert entry.kind in ("bedrock", "local", "simulated") or entry.base_url is not None or template.hosts
    private = entry.allow_private_network
    assert entry.base_url is None or objections(entry.base_url, allow_private=private) == []
    assert not private or (entry.base_url or "").startswith("http://127.0.0.1:")
    if entry.kind == "openai_like":
        assert template.credentials or name in ("openai", "azure", "bfl")
        assert entry.quirks <= template.sources.keys()
    if entry.kind not in ("local", "simulated") and not entry.allow_private_network:
        stated = (said.regions, said.storage_regions, said.jurisdictions, said.retention_days,
                  said.training_use, said.certifications)  # fmt: skip
        assert all(value is None for value in stated) or said.evidence
        assert template.env or template.example or 'credential = "env:' in template.note
        assert template.key_url is not None
    assert all(e.url.startswith("https://") for e in said.evidence)


def list_price(provider: str, model: str) -> bool:
    """Clouds sell at the maker's list price, where they have no row of their own."""
    maker = KNOWN.models[model].maker
    rows = (BOOK.at(maker_template(maker), model), BOOK.at(f"list:{maker}", model))
    return templates()[provider].hosts != () and rows != (None, None)


def test_every_offer_has_a_price() -> None:
    priced = {
        (provider, offer.model)
        for provider, offers in KNOWN.offers.items()
        for offer in offers
        if BOOK.at(provider, offer.model) is not None or list_price(provider, offer.model)
    }
    offered = {(provider, o.model) for provider, offers in KNOWN.offers.items() for o in offers}
    assert offered - priced == UNPRICED


def test_prices_say_where_they_come_from_and_what_they_leave_out() -> None:
    assert all(
        "read 2026-" in p.source or "machine" in p.source or "no one" in p.source
        for p in BOOK.prices.values()
    )
    assert "leaves out web_searches_kcount" in BOOK.prices["anthropic", "claude-opus-5-5"].source


def test_only_what_runs_here_or_is_given_away_is_free() -> None:
    free = {
        key for key, price in BOOK.prices.items() if not any(getattr(price, figure) for figure in FIGURES)
    }
    assert free == {
        ("local", "smollm2-135m-instruct"), ("simulated", "simulated"),
        ("gemini", "gemma-4-31b-it"), ("gemini", "gemma-4-26b-a4b-it"),
        ("openai", "omni-moderation-latest"),
    }  # fmt: skip


def test_the_demo_models_are_marked() -> None:
    assert all(o.group.demo for name in ("local", "simulated") for o in KNOWN.offers[name])


def test_each_file_of_built_in_data_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    toml = source._toml

    def noted(name: str) -> Any:
        read.append(name)
        return toml(name)

    monkeypatch.setattr(source, "_toml", noted)
    builtin.cache_clear()
    assert builtin() is builtin()
    assert sorted(read) == ["models.toml", "offers.toml", "prices.toml", "prices_manual.toml"]
