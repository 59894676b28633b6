"""Planning: nothing added, nothing lost, the rule of each mode as it is written."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests import worlds

from passerelle.core.model import Deployment
from passerelle.core.plan import Choice, Mode, Rejection
from passerelle.router.plan import Scene, Thought, in_words, plan
from passerelle.router.standing import Standing
from passerelle.router.utility import NO_PRICES

MODES: tuple[Mode, ...] = ("named", "quality", "balanced", "cost", "fast")


def scene(mode: Mode, **fields: object) -> Scene:
    base = Scene(
        requested="smart",
        mode=mode,
        data_class="internal",
        rejections=(),
        costs={},
        draw=0.3,
        generation=1,
        policy_version="p",
        catalog_version="c",
    )
    return msgspec.structs.replace(base, **fields)


@given(
    pool=worlds.deployments(),
    mode=st.sampled_from(MODES),
    draw=st.floats(0, 1, exclude_max=True),
    costs=st.dictionaries(st.integers(0, 7), st.none() | st.integers(0, 10**9)),
    last=st.dictionaries(st.integers(0, 7), st.booleans()),
)
def test_a_plan_is_a_permutation_with_demo_and_ailing_places_last(
    pool: tuple[Deployment, ...], mode: Mode, draw: float, costs: dict[int, int], last: dict[int, bool]
) -> None:
    pool = tuple(d for d in pool if d.weight > 0)
    said = {f"p{i}/d{i}": cost for i, cost in costs.items()}
    standings = {f"p{i}/d{i}": Standing(put, "it fell") for i, put in last.items()}
    seen = scene(mode, costs=said, standings=standings, draw=draw)
    made = plan(pool, seen)
    assert sorted(c.deployment for c in made.candidates) == sorted(d.id for d in pool)
    by_id = {d.id: d for d in pool}
    places = [
        (c.deployment in standings and standings[c.deployment].last, by_id[c.deployment].demo)
        for c in made.candidates
    ]
    assert places == sorted(places)
    assert plan(pool, seen) == made
    assert in_words(made)


def _pool() -> tuple[Deployment, ...]:
    return (
        worlds.deployment("p/best", worlds.model("best", quality=0.90)),
        worlds.deployment("p/near", worlds.model("near", quality=0.89)),
        worlds.deployment("p/fair", worlds.model("fair", quality=0.85)),
        worlds.deployment("p/poor", worlds.model("poor", quality=0.50)),
        worlds.deployment("p/unknown", worlds.model("unknown", quality=None)),
    )


COSTS = {"p/best": 1000, "p/near": 400, "p/fair": 100, "p/poor": 1, "p/unknown": 0}


def order(mode: Mode, **fields: object) -> list[str]:
    return [c.model for c in plan(_pool(), scene(mode, costs=COSTS, **fields)).candidates]


def test_quality_takes_the_best_first() -> None:
    assert order("quality") == ["best", "near", "fair", "poor", "unknown"]


def test_balanced_takes_the_cheapest_within_a_point_and_a_half() -> None:
    assert order("balanced") == ["near", "best", "fair", "poor", "unknown"]


def test_cost_takes_the_cheapest_within_five_and_a_half_points() -> None:
    assert order("cost") == ["fair", "near", "best", "poor", "unknown"]


def test_fast_takes_the_quickest_measured_place() -> None:
    latencies = {"p/poor": 0.2, "p/best": 0.9}
    assert order("fast", latencies=latencies)[:2] == ["poor", "best"]


def test_named_places_share_by_weight() -> None:
    pool = (worlds.deployment("p/a", weight=3.0), worlds.deployment("p/b", weight=1.0))
    firsts = [plan(pool, scene("named", draw=i / 400)).candidates[0].deployment for i in range(400)]
    assert firsts.count("p/a") == 300


def test_words_name_the_choice_and_the_rules_that_excluded() -> None:
    rejections = (Rejection("p/us", "policy.personal.regions", "`regions` include `us`"),)
    words = in_words(plan(_pool(), scene("balanced", costs=COSTS, rejections=rejections)))
    assert "`p/near`" in words
    assert "policy.personal.regions" in words
    assert "5 eligible, 1 excluded" in words


@pytest.mark.parametrize(
    ("choice", "words", "told"),
    [
        (Choice("prior", task="x", task_from="tag"), "the task is `x`, by its tag", "x"),
        (Choice("prior", task="x", task_from="route"), "the task is `x`, by the name asked for", "x"),
        (Choice("prior", task="x", task_from="role"), "the task is `x`, by the agent's role", "x"),
        (Choice("prior", task="x", task_from="images"), "the task is `x`, as it holds pictures", None),
        (Choice("prior", task="x", task_from="tools"), "the task is `x`, as it offers tools", None),
        (Choice("prior", task="x", task_from="words", task_sure=0.8), "told from its words (80% sure)", None),
        (Choice("prior", task_from="words", task_sure=0.3), "what kind of work it is is unknown", None),
        (Choice("prior", task="x"), "the task is `x`;", "x"),
    ],
)
def test_words_say_what_kind_of_work_it_is_and_how_that_is_known(
    choice: Choice, words: str, told: str | None
) -> None:
    made = plan(_pool(), scene("balanced", thought=Thought(choice, {}, {}, NO_PRICES)))
    assert words in in_words(made)
    assert choice.told_task == told


def test_a_plan_and_its_words_say_why_a_place_is_put_last() -> None:
    why = "its breaker `transport` is open for 8 s more"
    made = plan(_pool(), scene("balanced", costs=COSTS, standings={"p/near": Standing(True, why)}))
    assert made.candidates[-1].deployment == "p/near"
    assert made.candidates[-1].because.endswith(f"put last: {why}")
    assert f"`p/near` is put last: {why}." in in_words(made)
