"""One model, many places: every cloud's id means one model, and one that asks for a place that place."""

import re
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.catalog import Catalog
from passerelle.catalog.builtin import builtin
from passerelle.catalog.regional import PLACES, base_ids, split
from passerelle.core.model import Attributes, Deployment, Model

KNOWN = builtin()
MODELS = KNOWN.models
CLAUDE = MODELS["claude-sonnet-4-5"]
IDS = {
    "anthropic": "claude-sonnet-4-5-20250929",
    "bedrock": "anthropic.claude-sonnet-4-5-20250929-v1:0",
    "bedrock, global": "global.anthropic.claude-sonnet-4-5-20250929-v1:0",
    "vertex": "claude-sonnet-4-5@20250929",
}
BASES = sorted(base for model in MODELS.values() for base in base_ids(model))


def at(provider: str, model: Model = CLAUDE, upstream: str = "x", *regions: str) -> Deployment:
    attributes = Attributes(regions=regions or None)
    return Deployment(f"{provider}/{upstream}", model, provider, upstream, "anthropic", attributes=attributes)


PLACED = (
    at("anthropic", CLAUDE, "claude-sonnet-4-5"),
    at("bedrock", CLAUDE, "eu.anthropic.claude-sonnet-4-5-20250929-v1:0", "eu"),
    at("bedrock-us", CLAUDE, "us.anthropic.claude-sonnet-4-5-20250929-v1:0", "us-east-1", "us-west-2"),
    at("vertex", CLAUDE, "claude-sonnet-4-5@20250929", "europe-west4"),
    at("london", CLAUDE, "claude-sonnet-4-5@20250929", "europe-west2"),
    at("foundry", CLAUDE, "claude-for-legal", "global"),
)
CATALOG = Catalog.of(MODELS.values(), PLACED)


def reached(name: str, catalog: Catalog = CATALOG) -> list[str]:
    return [d.provider for d in catalog.resolve(name)]


@pytest.mark.parametrize("name", ["claude-sonnet-4-5", *IDS.values(), "CLAUDE-Sonnet-4-5"])
def test_any_clouds_id_reaches_every_place_of_the_model(name: str) -> None:
    assert reached(name) == [d.provider for d in PLACED]


def test_a_deployments_own_name_reaches_the_place_that_has_it() -> None:
    assert reached("claude-for-legal") == ["foundry"]
    assert reached("foundry/claude-for-legal") == ["foundry"]
    assert reached("foundry/claude-sonnet-4-5") == ["foundry"]


@pytest.mark.parametrize(
    ("place", "who"),
    [
        ("eu", ["bedrock", "vertex"]),
        ("us", ["bedrock-us"]),
        ("jp", []),
        ("apac", []),
        ("EU", ["bedrock", "vertex"]),
    ],
)
def test_an_id_that_asks_for_a_place_reaches_who_stays_there(place: str, who: list[str]) -> None:
    assert reached(f"{place}.anthropic.claude-sonnet-4-5-20250929-v1:0") == who


def test_where_nobody_stays_the_reason_is_said() -> None:
    why = CATALOG.why_unknown("jp.anthropic.claude-sonnet-4-5-20250929-v1:0")
    assert "asks for `claude-sonnet-4-5` in `jp`" in why
    assert "let the operator state the `regions`" in why


def test_a_place_whose_regions_are_unknown_is_reached_by_the_id_it_has_itself_and_by_no_other() -> None:
    own = at("bedrock", CLAUDE, "au.anthropic.claude-sonnet-4-5-20250929-v1:0")
    catalog = Catalog.of(MODELS.values(), (own,))
    assert reached("au.anthropic.claude-sonnet-4-5-20250929-v1:0", catalog) == ["bedrock"]
    assert reached("eu.anthropic.claude-sonnet-4-5-20250929-v1:0", catalog) == []


def test_a_provider_that_calls_its_model_so_but_is_elsewhere_is_not_reached_by_it() -> None:
    elsewhere = at("bedrock", CLAUDE, "eu.anthropic.claude-sonnet-4-5-20250929-v1:0", "us-east-1")
    catalog = Catalog.of(MODELS.values(), (elsewhere,))
    assert reached("eu.anthropic.claude-sonnet-4-5-20250929-v1:0", catalog) == []
    assert reached("bedrock/eu.anthropic.claude-sonnet-4-5-20250929-v1:0", catalog) == ["bedrock"]


def test_every_claude_has_the_ids_of_every_cloud_that_sells_it() -> None:
    sold = {offer.model: offer.upstream for offer in KNOWN.offers["vertex"] if "claude" in offer.model}
    for model, upstream in sold.items():
        assert upstream in MODELS[model].aliases
        assert [*base_ids(MODELS[model])]
        assert re.fullmatch(rf"{model}@(default|\d{{8}})", upstream)


def test_what_a_cloud_calls_a_model_means_that_model_alone() -> None:
    catalog = Catalog.of(MODELS.values(), ())
    for provider, offers in KNOWN.offers.items():
        for offer in offers:
            known = catalog.model(offer.upstream)
            assert known is None or known.id == offer.model, (provider, offer.upstream)


EVERYWHERE = Catalog.of(MODELS.values(), tuple(at("p", model, model.id) for model in MODELS.values()))


@given(st.sampled_from(sorted({n for m in MODELS.values() for n in (m.id, *m.aliases)})))
def test_every_id_means_exactly_one_model_in_any_case_of_letters(name: str) -> None:
    for said in (name, name.upper(), name.lower()):
        found = EVERYWHERE.resolve(said)
        assert len({d.model.id for d in found}) == 1
        known = EVERYWHERE.model(said)
        assert known is not None
        assert {d.model.id for d in found} == {known.id}


REGIONS = [
    "eu",
    "eu-west-3",
    "europe-west4",
    "europe-west2",
    "us",
    "us-east-1",
    "jp",
    "ap-northeast-1",
    "global",
]


@given(
    st.sampled_from(BASES),
    st.sampled_from(sorted(PLACES)),
    st.lists(st.one_of(st.none(), st.lists(st.sampled_from(REGIONS), max_size=3)), min_size=1, max_size=5),
)
def test_an_id_that_asks_for_a_place_never_reaches_another(
    base: str, place: str, regions: list[list[str] | None]
) -> None:
    model = next(m for m in MODELS.values() if base in m.aliases)
    served = tuple(
        msgspec.structs.replace(
            at(f"p{n}", model, base), attributes=Attributes(regions=None if r is None else tuple(r))
        )
        for n, r in enumerate(regions)
    )
    catalog = Catalog.of((model,), served)
    name = f"{place}.{base}"
    assert split(name) == (place, base)
    inside = {"eu": {"eu", "eu-west-3", "europe-west4"}, "us": {"us", "us-east-1"},
              "jp": {"jp", "ap-northeast-1"}, "apac": {"jp", "ap-northeast-1"}}.get(place, set())  # fmt: skip
    for deployment in catalog.resolve(name):
        assert deployment.attributes.regions
        assert set(deployment.attributes.regions) <= inside
    assert len(catalog.resolve(base)) == len(served)


def test_no_regional_id_is_an_alias() -> None:
    data = Path(__file__).parents[2] / "src/passerelle/catalog/data/models.toml"
    assert not re.findall(r'"(?:us|eu|apac|jp|au|us-gov|ca|in)\.[a-z]+\.', data.read_text())
