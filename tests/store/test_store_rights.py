"""Rights narrow downwards."""

from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.core.model import DATA_CLASSES
from passerelle.core.principal import PRIORITIES, Rights
from passerelle.store.rights import intersect, model_patterns

regions = st.none() | st.lists(st.sampled_from(["eu", "us", "fr"]), unique=True).map(tuple)
numbers = st.none() | st.integers(0, 5)
levels_lists = st.lists(
    st.builds(
        Rights,
        models=st.none() | st.lists(st.sampled_from(["gpt-*", "*-mini", "smart"]), max_size=2).map(tuple),
        data_class=st.none() | st.sampled_from(DATA_CLASSES),
        regions=regions,
        max_retention_days=numbers,
        training_use=st.none() | st.just(("no",)) | st.just(("no", "opt_in")),
        requests_per_minute=numbers,
        tokens_per_minute=numbers,
        concurrency=numbers,
        audit=st.sampled_from([None, "standard", "required"]),
        content=st.sampled_from([None, "none", "full"]),
        priority=st.sampled_from([None, *PRIORITIES]),
    ),
    min_size=1,
    max_size=4,
)


@given(levels_lists)
def test_no_level_can_widen_another(levels: list[Rights]) -> None:
    result = intersect(levels)
    for level in levels:
        for name in ("max_retention_days", "requests_per_minute", "tokens_per_minute", "concurrency"):
            said, left = getattr(level, name), getattr(result, name)
            assert said is None or (left is not None and left <= said)
        for name in ("regions", "training_use"):
            said, left = getattr(level, name), getattr(result, name)
            assert said is None or (left is not None and set(left) <= set(said))
        if level.data_class is not None:
            assert result.data_class is not None
            assert DATA_CLASSES.index(result.data_class) >= DATA_CLASSES.index(level.data_class)
        assert level.audit != "required" or result.audit == "required"
        assert level.content != "none" or result.content == "none"
        if level.priority is not None:
            assert result.priority is not None
            assert PRIORITIES.index(result.priority) >= PRIORITIES.index(level.priority)


@given(levels_lists, st.sampled_from(["gpt-5", "gpt-5-mini", "smart", "claude-mini"]))
def test_a_model_must_match_every_level(levels: list[Rights], model: str) -> None:
    allowed = all(any(fnmatchcase(model, p) for p in level) for level in model_patterns(levels))
    expected = all(
        level.models is None or any(fnmatchcase(model, p) for p in level.models) for level in levels
    )
    assert allowed == expected


@given(levels_lists)
def test_saying_nothing_changes_nothing(levels: list[Rights]) -> None:
    assert intersect([Rights(), *levels, Rights()]) == intersect(levels)


def test_an_empty_list_allows_nothing_and_no_list_allows_everything() -> None:
    assert intersect([Rights(regions=("eu",)), Rights(regions=("us",))]).regions == ()
    assert intersect([Rights(), Rights()]).regions is None


@pytest.mark.parametrize(("field", "allowing"), [("on_context_length", "larger"), ("on_refusal", "next")])
def test_what_one_level_forbids_to_go_on_none_below_allows(field: str, allowing: str) -> None:
    def of(*levels: str | None) -> object:
        return getattr(intersect([Rights(**{field: level}) for level in levels]), field)

    assert of(None, None) is None
    assert of(None, allowing, None) == allowing
    assert of("fail", None, allowing) == of(allowing, "fail", None) == "fail"


def test_the_nearest_word_on_delivery_counts_and_what_costs_more_may_be_forbidden_anywhere() -> None:
    organisation, project = (
        Rights(delivery="verified", continues=False),
        Rights(delivery="stream", hedge=True),
    )
    assert intersect([organisation, Rights()]).delivery == "verified"
    both = intersect([organisation, project, Rights(continues=True)])
    assert (both.delivery, both.continues, both.hedge) == ("stream", False, True)
    assert intersect([project, Rights(hedge=False)]).hedge is False
