"""Bedrock's offers by region: the narrowest profile there is, and nothing promised beyond it."""

from pathlib import Path

import pytest

from passerelle.catalog import load_catalog
from passerelle.catalog.builtin import Offer, OfferGroup, builtin
from passerelle.catalog.profiles import offers_in
from passerelle.config import load_settings

CLAUDE = "{us|eu|jp|au|global}.anthropic.claude-x"
NOVA = "{us|eu|apac}.amazon.nova-x"


def asked(region: str, upstream: str) -> list[tuple[str, tuple[str, ...] | None]]:
    offers = offers_in([Offer("m", upstream, OfferGroup("bedrock"))], region)
    return [(offer.upstream, offer.regions) for offer in offers]


@pytest.mark.parametrize(
    ("region", "claude", "nova"),
    [
        ("us-east-1", "us", "us"),
        ("eu-central-1", "eu", "eu"),
        ("eu-west-2", "global", None),
        ("eu-central-2", "global", None),
        ("ap-northeast-1", "jp", "apac"),
        ("ap-southeast-2", "au", "apac"),
        ("ap-south-1", "global", "apac"),
        ("sa-east-1", "global", None),
        ("us-gov-west-1", None, None),
        ("cn-north-1", None, None),
    ],
)
def test_a_region_asks_by_its_narrowest_profile(region: str, claude: str | None, nova: str | None) -> None:
    for upstream, place in ((CLAUDE, claude), (NOVA, nova)):
        name = upstream.partition("}.")[2]
        assert asked(region, upstream) == ([] if place is None else [(f"{place}.{name}", (place,))])


def test_a_model_of_the_region_runs_there() -> None:
    assert asked("eu-west-3", "openai.gpt-oss-20b-1:0") == [("openai.gpt-oss-20b-1:0", ("eu-west-3",))]


def test_every_offer_names_profiles_that_exist() -> None:
    known = {"us", "eu", "apac", "jp", "au", "global"}
    for offer in builtin().offers["bedrock"]:
        listed, brace, _ = offer.upstream.removeprefix("{").partition("}.")
        assert not brace or set(listed.split("|")) <= known


def catalog(tmp_path: Path, *lines: str) -> dict[str, tuple[str, ...] | None]:
    file = tmp_path / "passerelle.toml"
    file.write_text("\n".join(["[providers.bedrock]", *lines]))
    env = {"AWS_BEARER_TOKEN_BEDROCK": "k", "PASSERELLE_DATA_DIR": str(tmp_path)}
    return {d.id: d.attributes.regions for d in load_catalog(load_settings(file, env)).deployments}


def test_a_deployment_s_regions_are_its_profile_s_unless_the_operator_says_more(tmp_path: Path) -> None:
    name = "bedrock/eu.anthropic.claude-sonnet-4-6"
    assert catalog(tmp_path, 'region = "eu-central-1"')[name] == ("eu",)
    said = catalog(
        tmp_path, 'region = "eu-central-1"', 'attributes = { regions = ["eu-central-1", "eu-west-1"] }'
    )
    assert said[name] == ("eu-central-1", "eu-west-1")


def test_models_may_be_named_by_their_profile(tmp_path: Path) -> None:
    found = catalog(
        tmp_path, 'region = "eu-central-1"', 'models = ["eu.anthropic.claude-sonnet-4-6", "nova-pro"]'
    )
    assert set(found) >= {"bedrock/eu.anthropic.claude-sonnet-4-6", "bedrock/eu.amazon.nova-pro-v1:0"}
    assert sum(name.startswith("bedrock/") for name in found) == 2
