"""Recorded traffic decided again, on worlds made from a number: what is reproduced, what never is."""

from collections import Counter
from dataclasses import replace
from random import Random
from time import process_time
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.gateway.replayed import SINCE_NS, Traffic, an_open_world, rules_in_force
from tests.properties.rules_generation import generation_of
from tests.properties.rules_oracle import eligible
from tests.properties.rules_worlds import a_world

from passerelle.core.plan import Plan
from passerelle.gateway.drill.shapes import case_of
from passerelle.gateway.judgement import ByPrior
from passerelle.gateway.replay.decide import Decider, Decision
from passerelle.gateway.replay.reckon import Reckoner
from passerelle.gateway.replay.record import Recorded, read
from passerelle.gateway.replay.result import Result
from passerelle.gateway.replay.rules import Rules
from passerelle.gateway.replay.run import replay
from passerelle.policy.removal import Without

SEEDS = st.integers(0, 10_000)


def replayed(traffic: Traffic, rules: Rules) -> Result:
    return replay(
        traffic,  # type: ignore[arg-type]
        rules,
        ("org_1",),
        since_ns=SINCE_NS,
        until_ns=traffic.until_ns,
    )


def decisions(traffic: Traffic, rules: Rules) -> list[tuple[Recorded, Decision]]:
    """Every planned request with its decision, each as if it were alone."""
    decider = Decider(rules, Reckoner(rules, ByPrior(), {}))
    found = []
    for line in traffic.lines:
        seen = read(line)
        case = case_of(seen, traffic.keys[seen.key_id])
        if case is not None and seen.plan is not None:
            found.append((seen, decider.decide(seen, seen.plan, case)))
    return found


def order(plan: Any) -> list[str]:
    return [] if plan is None else [one.deployment for one in plan.candidates]


@settings(max_examples=60, deadline=None)
@given(SEEDS)
def test_a_receipts_decision_is_reproduced(seed: int) -> None:
    """First choice and order: named and smart, in every mode, with weights, health, affinity, sealed
    reasoning, a price of money, and places tried out.
    """
    traffic = Traffic(seed, 40)
    for seen, decision in decisions(traffic, rules_in_force(traffic.generation)):
        assert order(decision.plan) == order(seen.plan), (seen.id, seen.plan)
        if decision.plan is not None and seen.plan is not None and seen.plan.choice is not None:
            made, then = decision.plan.choice, seen.plan.choice
            assert made is not None
            assert (made.explored, made.explore, made.moved) == (then.explored, then.explore, then.moved)
            assert [c.propensity for c in decision.plan.candidates] == [
                c.propensity for c in seen.plan.candidates
            ]


def test_all_sorts_of_decisions_are_among_those_reproduced() -> None:
    sorts: Counter[str] = Counter()
    for seed in range(40):
        for line in Traffic(seed, 40).lines:
            plan = read(line).plan
            if plan is None or len(plan.candidates) < 2:
                continue
            sorts[plan.mode] += 1
            sorts["spread"] += plan.draw is not None
            sorts["explored"] += plan.choice is not None and plan.choice.explored
            sorts["stayed"] += plan.choice is not None and plan.choice.stay == plan.candidates[0].deployment
            sorts["put last"] += bool(plan.standings())
    for sort in ("named", "quality", "balanced", "cost", "fast", "spread", "explored", "stayed", "put last"):
        assert sorts[sort] > 5, sorts


@settings(max_examples=15, deadline=None)
@given(SEEDS)
def test_removing_nothing_changes_nothing_and_the_same_input_gives_the_same_bytes(seed: int) -> None:
    traffic = Traffic(seed, 60)
    result = replayed(traffic, rules_in_force(traffic.generation))
    totals = result.totals
    assert totals.changed == totals.lost == totals.gained == totals.forbidden == 0
    assert totals.same == totals.same_order
    assert totals.same + totals.unserved == totals.requests == result.inputs.judged
    assert result.costs.recorded == result.costs.replayed
    assert not any(result.costs.difference.values())
    assert not result.models + result.providers + result.jurisdictions + result.deployments
    again = replayed(Traffic(seed, 60), rules_in_force(Traffic(seed, 60).generation))
    assert msgspec.json.encode(again) == msgspec.json.encode(result)


@settings(max_examples=30, deadline=None)
@given(SEEDS, st.sampled_from(["prov-0", "prov-1", "prov-2", "prov-3"]))
def test_without_a_supplier_nothing_is_decided_for_it_and_the_sums_add_up(seed: int, supplier: str) -> None:
    traffic = Traffic(seed, 40)
    rules = rules_in_force(traffic.generation, without=Without(supplier))
    by_id = traffic.generation.catalog.by_id
    for seen, decision in decisions(traffic, rules):
        may = set(order(seen.plan))
        found = order(decision.plan)
        assert not any(by_id[place].provider == supplier for place in found)
        assert set(found) == {place for place in may if by_id[place].provider != supplier}
    result = replayed(traffic, rules)
    totals = result.totals
    assert totals.same + totals.changed + totals.lost + totals.gained + totals.unserved == totals.requests
    assert totals.gained == 0
    assert sum(one.requests for one in result.deployments) == totals.changed + totals.lost
    assert sum(one.requests for one in result.losses) == totals.lost + totals.unserved
    assert sum(one.requests for one in result.forbidden) == totals.forbidden
    for currency, nanos in result.costs.difference.items():
        assert nanos == result.costs.replayed.get(currency, 0) - result.costs.recorded.get(currency, 0)
    assert sum(point.requests for point in result.series) == totals.requests


@settings(max_examples=30, deadline=None)
@given(SEEDS, st.sampled_from(["quality", "balanced", "cost", "fast"]), st.sampled_from(["model-0", "*-1"]))
def test_another_mode_or_subset_never_leaves_the_eligible_set(seed: int, mode: str, only: str) -> None:
    traffic = Traffic(seed, 40)
    rules = rules_in_force(traffic.generation, mode=mode, models=(only,))
    for seen, decision in decisions(traffic, rules):
        assert set(order(decision.plan)) <= set(order(seen.plan))
        if decision.plan is not None and decision.plan.mode != "named":
            assert decision.plan.mode == mode
            left = {one.id for one in rules.among(traffic.generation.catalog.deployments)}
            assert set(order(decision.plan)) <= left


@settings(max_examples=30, deadline=None)
@given(SEEDS, st.integers(0, 10_000))
def test_under_another_policy_the_choice_is_of_what_that_policy_allows(seed: int, other: int) -> None:
    """Held against the oracle, which judges by the definitions alone."""
    traffic = Traffic(seed, 40)
    stranger = a_world(Random(other))
    world = replace(traffic.world, classes=stranger.classes, default_class=stranger.default_class)
    generation = generation_of(world, traffic.generation.router.second_points)
    rules = rules_in_force(generation, policy_in_force="another")
    asked = {f"rcp_{number:08}": question for number, question in enumerate(traffic.questions)}
    for seen, decision in decisions(traffic, rules):
        may = eligible(world, asked[seen.id])
        found = order(decision.plan)
        assert set(found) == may
        assert len(found) == len(may)
    result = replayed(traffic, rules)
    served = {(one.deployment, one.rule) for one in result.forbidden}
    assert not any(rule == "catalog.gone" for _, rule in served)


def test_receipts_of_another_catalog_are_said_to_be_decided_under_another() -> None:
    traffic = Traffic(7, 40)
    planned = sum(read(line).plan is not None for line in traffic.lines)
    lines = [line.replace(traffic.generation.catalog.version.encode(), b"gone") for line in traffic.lines]
    traffic.lines = lines
    result = replayed(traffic, rules_in_force(traffic.generation))
    assert result.basis.under_another_catalog == planned > 0
    assert any("decided under another catalog" in note for note in result.notes)
    assert result.basis.under_another_policy == 0


@pytest.mark.soak
def test_thousands_of_decisions_a_second() -> None:
    """Of one core's own time, and half of what is promised at twelve candidates: the machine is not ours."""
    traffic = Traffic(3, 1_500, an_open_world(12))
    rules = rules_in_force(traffic.generation, mode="cost")
    began_s = process_time()
    result = replayed(traffic, rules)
    took_s = process_time() - began_s
    assert result.totals.left_to_us == 1_500
    assert result.totals.requests / took_s > 1_000


def test_an_empty_period_says_that_it_shows_nothing() -> None:
    traffic = Traffic(1, 0)
    result = replayed(traffic, rules_in_force(traffic.generation))
    assert result.totals.requests == 0
    assert result.quality.recorded is None
    assert any("shows nothing" in note for note in result.notes)


@pytest.mark.parametrize("plan", [Plan])
def test_a_plan_is_read_back_with_all_that_decides(plan: type[Plan]) -> None:
    """What `RecordedPlan` reads is what `Plan` writes, under the same names."""
    from passerelle.gateway.replay.record import RecordedPlan

    assert set(RecordedPlan.__struct_fields__) <= set(plan.__struct_fields__)
