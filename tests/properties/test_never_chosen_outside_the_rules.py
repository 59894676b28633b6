"""Random (policy, request, catalogue) triples with anything that could be predicted of them: what is chosen,
and every place after it, is of the eligible set. Admission and plan alone, without a socket.
"""

from collections import Counter
from random import Random

import msgspec
import pytest
from tests.properties.rules_generation import generation_of
from tests.properties.rules_oracle import eligible
from tests.properties.rules_worlds import (
    AFFINITIES,
    Question,
    World,
    a_caller,
    a_question,
    a_world,
    maybe,
    principal_of,
)

from passerelle.codecs.base import Envelope
from passerelle.core.errors import ProblemError
from passerelle.core.plan import Choice, Plan
from passerelle.gateway.admit import Admission, admit, planned
from passerelle.gateway.generation import Generation
from passerelle.gateway.trip import Wishes
from passerelle.router.plan import Figure, Thought
from passerelle.router.quality.base import Estimate
from passerelle.router.standing import Standing
from passerelle.router.utility import Prices

QUESTIONS = 50
"""Of each world."""


def envelope_of(question: Question) -> Envelope:
    """As its codec would read it."""
    features = {
        name
        for name, there in (
            ("tools", question.tools), ("json_schema", question.schema), ("images", question.picture),
        )
        if there
    }  # fmt: skip
    return Envelope(
        "chat", question.model, features=frozenset(features), text_bytes=5 * question.words + 100,
        images=int(question.picture),
    )  # fmt: skip


def a_thought(draw: Random, world: World) -> Thought:
    """Anything that might be predicted, true or not: places outside the set, too."""
    ids = [place.id for place in world.places]
    return Thought(
        Choice(
            router_version="v",
            known=draw.random() < 0.5,
            default=maybe(draw, 0.5, draw.choice([*ids, *(kind.id for kind in world.kinds), "nobody"])),
            affinity=draw.choice(AFFINITIES),  # type: ignore[arg-type]
            stay=maybe(draw, 0.5, draw.choice([*ids, "gone"])),
            bound=(draw.choice(("prov-0", "prov-9")),) if draw.random() < 0.3 else (),
            turns=draw.randint(1, 9),
            explore=draw.choice((0.0, 0.5)),
        ),
        {
            kind.id: Estimate(draw.random(), 0.0, 1.0, 9, known=True)
            for kind in world.kinds
            if draw.random() < 0.7
        },
        {
            name: Figure(
                maybe(draw, 0.8, draw.randint(0, 10**9)), maybe(draw, 0.8, draw.randint(0, 10**9)),
                whole_s=maybe(draw, 0.7, draw.random() * 60),
            )
            for name in ids
            if draw.random() < 0.8
        },
        Prices(draw.choice((0.0, 1.0)), draw.choice((0.0, 9.0)), draw.choice((0, 10**6))),
    )  # fmt: skip


def made(generation: Generation, question: Question, draw: Random, world: World) -> Plan | None:
    """The plan of a request, or None where it is refused; the same for the same number, to the byte."""
    envelope = envelope_of(question)
    wishes = Wishes(
        mode=question.mode,  # type: ignore[arg-type]
        models=question.only,
        data_class=question.declared,  # type: ignore[arg-type]
        affinity=question.affinity,  # type: ignore[arg-type]
    )
    try:
        admission: Admission = admit(generation, principal_of(question.who), 1, envelope, wishes)
    except ProblemError:
        return None
    standings = {
        place.id: Standing(draw.random() < 0.5, "so it fell") for place in world.places if draw.random() < 0.2
    }
    thought, number = a_thought(draw, world), draw.random()
    plans = [
        planned(
            envelope, generation, admission, standings=standings, latencies={}, draw=number, thought=thought
        )
        for _ in range(2)
    ]
    assert msgspec.json.encode(plans[0]) == msgspec.json.encode(plans[1])
    return plans[0]


def run(seed: int, cases: int) -> Counter[str]:
    """That many triples; what they were."""
    seen: Counter[str] = Counter()
    for number in range(cases // QUESTIONS):
        draw = Random(f"{seed}-{number}")
        world = a_world(draw)
        generation = generation_of(world)
        callers = [a_caller(draw, world, n) for n in range(4)]
        for place in range(QUESTIONS):
            question = a_question(draw, world, draw.choice(callers))
            plan = made(generation, question, draw, world)
            found = [] if plan is None else [c.deployment for c in plan.candidates]
            may = eligible(world, question)
            assert set(found) == may, (seed, number, place, question, world)
            assert len(found) == len(may), (seed, number, place)
            if plan is None:
                seen["refused"] += 1
            else:
                seen[plan.mode] += 1
                choice = plan.choice
                seen["stayed"] += choice is not None and choice.stay == found[0] and len(found) > 1
                seen["tried out"] += choice is not None and choice.explored
                if choice is not None:
                    total = sum(c.propensity or 0.0 for c in plan.candidates)
                    assert abs(total - 1) < 1e-9, (seed, number, place)
    return seen


def test_no_choice_leaves_the_eligible_set() -> None:
    seen = run(1, 2_000)

    for sort in ("refused", "named", "quality", "balanced", "cost", "fast", "stayed", "tried out"):
        assert seen[sort] > 5, seen


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(2, 12))
def test_nor_does_any_of_a_million(seed: int) -> None:
    run(seed, 100_000)
