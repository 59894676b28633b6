"""The eligible set: exact, explained, and never wider than its rules."""

from hypothesis import given
from hypothesis import strategies as st
from tests import worlds

from passerelle.core.model import DATA_CLASSES, Attributes, DataClass, Deployment, Model
from passerelle.core.principal import Rights
from passerelle.policy.eligible import RequestClass, classify, eligible
from passerelle.policy.rules import Demands, compile_policy, rank


def _within(found: tuple[str, ...] | None, allowed: tuple[str, ...] | None) -> bool:
    if allowed is None:
        return True
    if found is None:
        return False
    return all(v == "local" or any(v == a or v.startswith(a + "-") for a in allowed) for v in found)


def _meets(attributes: Attributes, demands: Demands) -> bool:
    """The rules once more, written independently of how they are compiled."""
    return (
        _within(attributes.regions, demands.regions)
        and _within(attributes.storage_regions, demands.storage_regions)
        and _within(attributes.jurisdictions, demands.jurisdictions)
        and (demands.hosting is None or attributes.hosting in demands.hosting)
        and (
            demands.max_retention_days is None
            or (
                attributes.retention_days is not None
                and attributes.retention_days <= demands.max_retention_days
            )
        )
        and (demands.training_use is None or attributes.training_use in demands.training_use)
        and (
            not demands.certifications or set(demands.certifications) <= set(attributes.certifications or ())
        )
        and not (demands.certifications and attributes.certifications is None)
    )


@given(
    pool=worlds.deployments(),
    classes=st.dictionaries(st.sampled_from(DATA_CLASSES), worlds.demands, max_size=4),
    data_class=st.sampled_from(DATA_CLASSES),
)
def test_the_set_holds_exactly_what_every_rule_admits(
    pool: tuple[Deployment, ...], classes: dict[DataClass, Demands], data_class: DataClass
) -> None:
    policy = compile_policy(classes, default="public", version="v")
    result = eligible(policy, worlds.principal(), RequestClass("chat", data_class), pool)
    binding = [d for c, d in classes.items() if rank(c) <= rank(data_class)]
    expected = {
        d.id
        for d in pool
        if d.weight > 0
        and all(_meets(d.attributes, demands) for demands in binding)
        and (d.attributes.max_data_class is None or rank(data_class) <= rank(d.attributes.max_data_class))
    }
    assert {d.id for d in result.deployments} == expected
    assert {r.deployment for r in result.rejections} == {d.id for d in pool} - expected
    assert all(r.rule and r.reason for r in result.rejections)


@given(
    pool=worlds.deployments(),
    classes=st.dictionaries(st.sampled_from(DATA_CLASSES), worlds.demands, max_size=3),
    lower=st.sampled_from(DATA_CLASSES),
    higher=st.sampled_from(DATA_CLASSES),
)
def test_a_more_sensitive_class_never_sees_more(
    pool: tuple[Deployment, ...], classes: dict[DataClass, Demands], lower: DataClass, higher: DataClass
) -> None:
    if rank(lower) > rank(higher):
        lower, higher = higher, lower
    policy = compile_policy(classes, default="public", version="v")
    less = eligible(policy, worlds.principal(), RequestClass("chat", lower), pool)
    more = eligible(policy, worlds.principal(), RequestClass("chat", higher), pool)
    assert {d.id for d in more.deployments} <= {d.id for d in less.deployments}


@given(
    floor=st.none() | st.sampled_from(DATA_CLASSES),
    declared=st.none() | st.sampled_from(DATA_CLASSES),
    default=st.sampled_from(DATA_CLASSES),
)
def test_a_declaration_may_only_raise_the_data_class(
    floor: DataClass | None, declared: DataClass | None, default: DataClass
) -> None:
    policy = compile_policy({}, default=default, version="v")
    caller = worlds.principal(Rights(data_class=floor))
    found = classify(policy, caller, "chat", declared=declared).data_class
    assert rank(found) >= rank(floor or default)
    assert declared is None or rank(found) >= rank(declared)


def test_an_unknown_attribute_is_not_a_yes() -> None:
    policy = compile_policy({"personal": Demands(max_retention_days=30)}, default="public", version="v")
    pool = (worlds.deployment("p/unknown"),)
    result = eligible(policy, worlds.principal(), RequestClass("chat", "personal"), pool)
    assert not result.deployments
    assert result.rejections[0].rule == "policy.personal.max_retention_days"
    assert "unknown" in result.rejections[0].reason


def test_patterns_of_every_level_must_match() -> None:
    pool = (
        worlds.deployment("p/a", worlds.model("gpt-5")),
        worlds.deployment("p/b", worlds.model("claude-x")),
    )
    caller = worlds.principal(None, ("gpt-*", "claude-*"), ("claude-*",))
    policy = compile_policy({}, default="public", version="v")
    result = eligible(policy, caller, RequestClass("chat", "public"), pool)
    assert [d.id for d in result.deployments] == ["p/b"]
    assert result.rejections[0].rule == "key.models"


def test_a_request_narrows_its_own_models_and_never_widens_them() -> None:
    pool = (worlds.deployment("p/a", worlds.model("gpt-5")), worlds.deployment("p/b", worlds.model("other")))
    caller = worlds.principal(None, ("gpt-*",))
    policy = compile_policy({}, default="public", version="v")
    narrowed = RequestClass("chat", "public", allowed_models=("*",))
    assert [d.id for d in eligible(policy, caller, narrowed, pool).deployments] == ["p/a"]
    nothing = RequestClass("chat", "public", allowed_models=("other",))
    assert not eligible(policy, caller, nothing, pool).deployments


def test_a_place_without_something_is_excluded_for_a_request_that_needs_it() -> None:
    able = Model("m", "x", "x", capabilities=frozenset({"tools", "web_search"}),
                 input_modalities=frozenset({"text", "image"}))  # fmt: skip
    whole = Deployment("a/m", able, "a", "m", "anthropic")
    narrow = Deployment(
        "b/m", able, "b", "m", "anthropic", without=frozenset({"image_urls", "tools", "image"})
    )
    assert narrow.capabilities == {"web_search"}

    policy = compile_policy({}, default="public", version="v")

    def kept(*features: str) -> tuple[list[str], list[str]]:
        request = RequestClass("chat", "internal", frozenset(features))
        found = eligible(policy, worlds.principal(), request, (whole, narrow))
        return [d.id for d in found.deployments], [r.rule for r in found.rejections]

    assert kept() == (["a/m", "b/m"], [])
    assert kept("web_search") == (["a/m", "b/m"], [])
    assert kept("image_urls") == (["a/m"], ["capability.image_urls"])
    assert kept("tools") == (["a/m"], ["capability.tools"])
    assert kept("images") == (["a/m"], ["capability.images"])
    assert kept("a_feature_nobody_knows") == (["a/m", "b/m"], [])


def test_what_a_feature_keeps_longer_counts_for_requests_that_use_it() -> None:
    policy = compile_policy({"internal": Demands(max_retention_days=7)}, default="internal", version="v")

    def reason(retention: int | None, *features: str) -> str | None:
        attributes = Attributes(retention_days=retention, keeps=(("mcp", 3), ("web_search", 30)))
        place = Deployment("a/m", Model("m", "x", "x"), "a", "m", "gemini", attributes=attributes)
        request = RequestClass("chat", "internal", frozenset(features))
        found = eligible(policy, worlds.principal(), request, (place,))
        kept = [d.attributes.retention_days for d in found.deployments]
        assert kept in ([], [retention])  # what is planned with is the deployment itself
        return found.rejections[0].reason if found.rejections else None

    assert reason(0) is None
    assert reason(0, "tools", "mcp") is None
    assert reason(0, "web_search") == "`retention_days` is 30; at most 7 allowed"
    assert reason(90, "mcp") == "`retention_days` is 90; at most 7 allowed"
    assert "unknown" in (reason(None, "web_search") or "")
