"""Random (request, policy, catalogue, outage): no call leaves the eligible set, were all of it down."""

import asyncio
import logging
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from tests.properties.rules_oracle import eligible
from tests.properties.rules_road import HastyLoop, RulesRoad
from tests.properties.rules_worlds import a_caller, a_question, a_world, body_of

QUESTIONS = 20
"""Of each world."""
MOST_CALLS = 4
"""For one request, whatever happens."""
QUIET = ("passerelle.road", "passerelle.health")


@pytest.fixture
def quiet() -> Iterator[None]:
    """Thousands of failed providers need not be told of one by one."""
    before = {name: logging.getLogger(name).level for name in QUIET}
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    yield
    for name, level in before.items():
        logging.getLogger(name).setLevel(level)


async def walk(road: RulesRoad, seed: int, cases: int) -> Counter[str]:
    """That many cases; what they were, so that the test knows that it tried what it says."""
    seen: Counter[str] = Counter()
    for number in range(cases // QUESTIONS):
        draw = Random(f"{seed}-{number}")
        world = a_world(draw)
        road.enter(world)
        callers = [a_caller(draw, world, n) for n in range(4)]
        for place in range(QUESTIONS):
            question = a_question(draw, world, draw.choice(callers))
            may = eligible(world, question)
            body, where = body_of(question), (seed, number, place, question, world)

            planned = road.planned(question, body)
            assert (planned or set()) == may, ("the eligible set is another", where)
            calls, problem = await road.ask(question, body)
            assert set(calls) <= may, ("called outside the eligible set", where)
            assert len(calls) <= MOST_CALLS, where
            if not may:
                assert problem is not None, ("nobody may serve it, and nobody said so", where)
                seen["nobody may"] += 1
            elif may <= world.down.keys():
                seen["all who may are down"] += 1
            else:
                seen["some who may are up"] += 1
            seen["answered"] += problem is None
            seen["taken over"] += len(set(calls)) > 1
            seen["calls"] += len(calls)
        if not number % 50:
            road.app.store.flush(60)
    seen.update(road.cascades)
    return seen


def run(folder: Path, seed: int, cases: int) -> Counter[str]:
    """The cases on a loop that does not wait."""
    with asyncio.Runner(loop_factory=HastyLoop) as runner:

        async def all_of_them() -> Counter[str]:
            road = RulesRoad(folder)
            try:
                return await walk(road, seed, cases)
            finally:
                await road.app.generations.aclose()
                road.app.store.close()

        return runner.run(all_of_them())


def check(seen: Counter[str], cases: int) -> None:
    """The cases were worth trying: every sort of them often."""
    for sort in ("nobody may", "all who may are down", "some who may are up", "answered", "taken over"):
        assert seen[sort] > cases / 50, seen
    for sort in ("accepted", "escalated", "skipped"):
        assert seen[sort] > 0, seen


def test_no_call_leaves_the_eligible_set(tmp_path: Path, quiet: None) -> None:
    check(run(tmp_path, 1, 2_000), 2_000)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(2, 6))
def test_nor_does_it_in_a_hundred_thousand_cases(tmp_path: Path, quiet: None, seed: int) -> None:
    check(run(tmp_path, seed, 25_000), 25_000)
