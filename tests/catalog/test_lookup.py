"""What names mean."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.catalog import Catalog
from passerelle.core.model import Deployment, Model

OPUS = Model("opus", "anthropic", "opus", aliases=("opus-latest", "anthropic.opus-v1:0"))
MINI = Model("mini", "openai", "mini")
PICTURE = Model("picture", "bfl", "picture", output_modalities=frozenset({"image"}))


def at(provider: str, model: Model, upstream: str | None = None) -> Deployment:
    name = upstream or model.id
    return Deployment(f"{provider}/{name}", model, provider, name, "openai_chat")


DIRECT, CLOUD = at("anthropic", OPUS), at("cloud", OPUS, "maker/opus-x")
OWN = at("openai", MINI)
ALIASES = {
    "quick": ("mini", "opus"),
    "both": ("quick", "mini"),
    "mini": ("mini", "opus"),  # hides the model and begins with it
    "here": ("here2",),
    "here2": ("here", "openai/mini"),  # leads back: the loop is not followed
    "nowhere": ("picture",),
}
CATALOG = Catalog.of((OPUS, MINI, PICTURE), (DIRECT, CLOUD, OWN), ALIASES, offered_by={"picture": ("bfl",)})


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("opus", (DIRECT, CLOUD)),
        ("opus-latest", (DIRECT, CLOUD)),
        ("anthropic.opus-v1:0", (DIRECT, CLOUD)),
        ("OPUS-Latest", (DIRECT, CLOUD)),
        ("anthropic/opus", (DIRECT,)),
        ("anthropic/opus-latest", (DIRECT,)),
        ("cloud/opus", (CLOUD,)),
        ("cloud/maker/opus-x", (CLOUD,)),
        ("maker/opus-x", (CLOUD,)),
        ("quick", (OWN, DIRECT, CLOUD)),
        ("both", (OWN, DIRECT, CLOUD)),
        ("mini", (OWN, DIRECT, CLOUD)),
        ("here", (OWN,)),
        ("nowhere", ()),
        ("picture", ()),
        ("unknown", ()),
        ("", ()),
    ],
)
def test_a_name_means_these_deployments_in_this_order(name: str, found: tuple[Deployment, ...]) -> None:
    assert CATALOG.resolve(name) == found


def test_an_aliases_targets_are_tiers_and_other_names_have_one() -> None:
    assert CATALOG.tiers("quick") == ((OWN,), (DIRECT, CLOUD))
    assert CATALOG.tiers("QUICK") == ((OWN,), (DIRECT, CLOUD))
    assert CATALOG.tiers("opus") == ((DIRECT, CLOUD),)
    assert CATALOG.tiers("unknown") == ()


@given(st.sampled_from([*CATALOG.names, "unknown"]))
def test_tiers_are_what_resolve_gives(name: str) -> None:
    assert tuple(d for tier in CATALOG.tiers(name) for d in tier) == CATALOG.resolve(name)


def test_every_deployment_answers_to_its_own_id() -> None:
    assert all(CATALOG.resolve(d.id) == (d,) and CATALOG.by_id[d.id] is d for d in CATALOG.deployments)


def test_near_names_are_suggested_and_the_same_thing_once() -> None:
    assert CATALOG.suggest("opsu")[0] == "opus"
    assert CATALOG.suggest("zzzz") == ()
    assert len(CATALOG.suggest("opus-latst")) == len(set(CATALOG.suggest("opus-latst"))) <= 3


def test_what_is_missing_is_said_in_words() -> None:
    assert "`[providers.bfl]`" in CATALOG.why_unknown("picture")
    assert "did you mean `opus`" in CATALOG.why_unknown("opsu")
    assert CATALOG.why_unknown("zzzz") == "it does not exist here; list the models with `GET /v1/models`."
    assert len(CATALOG.why_unknown("x" * 10_000)) < 300


def test_equal_catalogs_have_equal_versions_and_different_ones_do_not() -> None:
    again = Catalog.of((MINI, PICTURE, OPUS), (DIRECT, CLOUD, OWN), dict(reversed(ALIASES.items())))
    assert again.version == CATALOG.version
    assert Catalog.of((OPUS, MINI, PICTURE), (CLOUD, DIRECT, OWN), ALIASES).version != CATALOG.version
    assert Catalog.of((OPUS, MINI), (DIRECT, CLOUD, OWN), ALIASES).version != CATALOG.version


def test_a_catalog_does_not_change() -> None:
    with pytest.raises(TypeError):
        CATALOG.by_id["x"] = OWN  # type: ignore[index]
    with pytest.raises(AttributeError):
        CATALOG.version = "x"  # type: ignore[misc]


TARGETS = st.sampled_from(["a", "b", "c", "opus", "mini", "unknown", "cloud/opus"])


@given(
    st.dictionaries(st.sampled_from(["a", "b", "c"]), st.lists(TARGETS, min_size=1, max_size=4).map(tuple))
)
def test_aliases_of_any_shape_end_and_name_each_deployment_once(aliases: dict[str, tuple[str, ...]]) -> None:
    catalog = Catalog.of((OPUS, MINI), (DIRECT, CLOUD, OWN), aliases)
    for alias in aliases:
        found = catalog.resolve(alias)
        assert len(found) == len({d.id for d in found})
