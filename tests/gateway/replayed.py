"""Worlds with recorded traffic: decisions as the road makes them, kept as receipts, in a store."""

from collections.abc import Iterator
from random import Random
from typing import Any

import msgspec
from tests.properties.rules_generation import generation_of
from tests.properties.rules_worlds import (
    Ask,
    Kind,
    Place,
    Question,
    Who,
    World,
    a_caller,
    a_question,
    a_world,
    principal_of,
)

from passerelle.codecs.base import Envelope
from passerelle.core.errors import ProblemError
from passerelle.core.plan import Choice, Plan
from passerelle.core.principal import Principal
from passerelle.core.receipt import Attempt, Receipt, Shape
from passerelle.core.usage import Usage
from passerelle.gateway.admit import Admission, Refusal, admit, planned
from passerelle.gateway.generation import Generation
from passerelle.gateway.replay.rules import Rules
from passerelle.gateway.trip import Wishes
from passerelle.ledger.price import cost
from passerelle.router.plan import Figure, Thought
from passerelle.router.quality.base import Estimate
from passerelle.router.standing import Standing
from passerelle.router.utility import Prices

SINCE_NS = 1_795_000_000_000_000_000
STEP_NS = 1_000_000_000


def rules_in_force(generation: Generation, **more: Any) -> Rules:
    """The generation's own, with some replaced."""
    return Rules(
        **{
            "generation": generation,
            "rights_revision": 1,
            "in_force": generation.catalog,
            "policy_in_force": generation.policy.version,
            **more,
        }
    )


def an_open_world(places: int) -> World:
    """So many models at a place each, and no rule: all of them may serve every request."""
    kinds = [
        Kind(f"model-{n}", "fam-a", "text", ("text", "image"), (), None, 0.6 + n / 40) for n in range(places)
    ]
    return World(
        kinds,
        [
            Place(
                id=f"prov-{n % 4}/{kind.id}", provider=f"prov-{n % 4}", kind=kind, dialect="openai_chat",
                regions=("eu",), storage=None, laws=("EU",), hosting="direct", days=0, keeps=(),
                training="no", badges=None, ceiling=None, weight=1.0, window=None, without=(), demo=False,
                retired=False, rpm=None, configured=True,
            )
            for n, kind in enumerate(kinds)
        ],
        {}, "public", {}, {},
    )  # fmt: skip


def a_choice(draw: Random) -> Question:
    """A choice left to the gateway, by a key that may do everything."""
    return Question(
        who=Who("key_0", (), None, Ask(), None, None), model="smart", dialect="openai_chat", stream=False,
        declared=None, only=(), mode=None, tools=False, schema=False, picture=False, words=100,
        session=f"talk-{draw.randint(0, 300)}",
    )  # fmt: skip


class _Entry(msgspec.Struct):
    principal: Principal
    state: str = "active"


class Traffic:
    """A world, its rules, and what was asked in it. Speaks as a `Store` of its receipts does."""

    def __init__(self, seed: int, requests: int, world: World | None = None) -> None:
        draw = Random(seed)
        self.world = a_world(draw) if world is None else world
        second = draw.choice((0.0, 0.4))
        self.generation = generation_of(self.world, second)
        self.keys: dict[str, Principal] = {}
        self.lines: list[bytes] = []
        self.questions: list[Question] = []
        self.until_ns = SINCE_NS + requests * STEP_NS
        callers = [a_caller(draw, self.world, number) for number in range(4)]
        for number in range(requests):
            if world is None:
                question = a_question(draw, self.world, draw.choice(callers))
            else:
                question = a_choice(draw)
            self.questions.append(question)
            self.lines.append(msgspec.json.encode(self._receipt(draw, question, number, second)))

    def _receipt(self, draw: Random, question: Question, number: int, second: float) -> Receipt:
        principal = principal_of(question.who)
        self.keys[principal.key_id] = principal
        envelope, wishes = envelope_of(question), wishes_of(question)
        attempts: tuple[Attempt, ...] = ()
        plan: Plan | None
        try:
            admission = admit(self.generation, principal, 1, envelope, wishes)
        except Refusal as refusal:
            plan = nobody(self.generation, envelope, refusal)
        except ProblemError:
            plan = None
        else:
            plan = self._plan(draw, envelope, admission, second)
            attempts = (self._attempt(draw, plan, number),)
        usage = attempts[0].usage if attempts else Usage(source="none")
        return Receipt(
            id=f"rcp_{number:08}",
            request_id=f"req_{number}",
            at_ns=SINCE_NS + number * STEP_NS,
            org_id=principal.org_id,
            workspace_id="wsp_1",
            project_id="prj_1",
            key_id=principal.key_id,
            dialect=question.dialect,  # type: ignore[arg-type]
            operation="chat",
            stream=question.stream,
            outcome="answered" if attempts else "refused",
            plan=plan,
            attempts=attempts,
            usage=usage,
            cost_nanos=sum(one.cost_nanos for one in attempts),
            currency="USD",
            duration_ns=10**9,
            generation=1,
            deployment=attempts[0].deployment if attempts else None,
            shape=Shape(
                features=tuple(sorted(envelope.features)),
                text_bytes=envelope.text_bytes,
                images=envelope.images,
                data_class=wishes.data_class,
                mode=wishes.mode,
                models=wishes.models,
                affinity=wishes.affinity,
                conversation=question.session,
            ),
        )

    def _plan(self, draw: Random, envelope: Envelope, admission: Admission, second: float) -> Plan:
        standings = {
            place.id: Standing(draw.random() < 0.5, "so it fell")
            for place in self.world.places
            if draw.random() < 0.2
        }
        thought = None if admission.mode == "named" else a_thought(draw, admission, second)
        latencies = {d.id: draw.random() for d in admission.deployments if draw.random() < 0.7}
        return planned(
            envelope,
            self.generation,
            admission,
            standings=standings,
            latencies=latencies,
            draw=draw.random(),
            thought=thought,
        )

    def _attempt(self, draw: Random, plan: Plan, number: int) -> Attempt:
        place = self.generation.catalog.by_id[plan.candidates[0].deployment]
        usage = Usage(input_tokens=draw.randint(1, 5_000), output_tokens=draw.randint(1, 900))
        return Attempt(
            id=f"att_{number}",
            deployment=place.id,
            provider=place.provider,
            model=place.model.id,
            started_at_ns=SINCE_NS + number * STEP_NS,
            duration_ns=draw.randint(1, 9) * 10**8,
            first_content_ns=draw.randint(1, 9) * 10**7,
            ok=True,
            usage=usage,
            cost_nanos=cost(usage, place.effective_price) or 0,
        )

    # --- as a store

    @property
    def receipts(self) -> "Traffic":
        """Itself."""
        return self

    @property
    def identity(self) -> "Traffic":
        """Itself."""
        return self

    def bodies(self, org_id: str, *, since_ns: int, until_ns: int) -> Iterator[bytes]:
        """All of them."""
        yield from self.lines

    def entry(self, key_id: str) -> _Entry | None:
        """Whose key it is."""
        principal = self.keys.get(key_id)
        return None if principal is None else _Entry(principal)


def envelope_of(question: Question) -> Envelope:
    """As its codec would read it."""
    said = (("tools", question.tools), ("json_schema", question.schema), ("images", question.picture))
    return Envelope(
        "chat",
        question.model,
        stream=question.stream,
        features=frozenset(name for name, there in said if there),
        text_bytes=5 * question.words + 100,
        images=int(question.picture),
    )


def wishes_of(question: Question) -> Wishes:
    """What its caller asked for beside it."""
    return Wishes(
        mode=question.mode,  # type: ignore[arg-type]
        models=question.only,
        data_class=question.declared,  # type: ignore[arg-type]
        affinity=question.affinity,  # type: ignore[arg-type]
    )


def nobody(generation: Generation, envelope: Envelope, refusal: Refusal) -> Plan:
    """As the road keeps a refusal."""
    return Plan(
        requested=envelope.model,
        mode="named",
        data_class=refusal.data_class,
        candidates=(),
        rejections=refusal.rejections,
        generation=1,
        policy_version=generation.policy.version,
        catalog_version=generation.catalog.version,
    )


def a_thought(draw: Random, admission: Admission, second: float) -> Thought:
    """Anything that may be predicted of those admitted."""
    models = sorted({one.model.id for one in admission.deployments})
    ids = [one.id for one in admission.deployments]
    money, usual = draw.choice((0.0, 0.0, 3.5)), draw.randint(1, 10**6)
    known = draw.random() < 0.6
    estimates = {}
    for model in models:
        if draw.random() < 0.8:
            mean = draw.choice((draw.random(), 0.50, 0.52))
            estimates[model] = Estimate(mean, mean * 0.9, min(mean * 1.1, 1.0), draw.randint(0, 99), known)
    figures = {}
    for place in ids:
        nanos = draw.randint(0, 10**7) if draw.random() < 0.9 else None
        weighed = nanos if nanos is None or draw.random() < 0.5 else draw.randint(0, nanos)
        figures[place] = Figure(
            nanos, weighed, draw.randint(1, 900), draw.choice((0, 0, 50)), draw.choice((None, 0.5, 2.0, 9.0))
        )
    return Thought(
        Choice(
            router_version="v1",
            known=known,
            default=admission.default,
            affinity=admission.affinity,
            stay=draw.choice([None] * len(ids) + [*ids, "gone"]),
            warm=draw.random() < 0.5,
            bound=(draw.choice(("prov-0", "prov-9")),) if draw.random() < 0.2 else (),
            turns=1 if admission.affinity == "none" else draw.randint(1, 9),
            money_points=money,
            usual_nanos=usual if money else None,
            second_points=second,
            explore=draw.choice((0.0, 0.02, 0.9)),
        ),
        estimates,
        figures,
        Prices(second, money, usual if money else 0),
    )
