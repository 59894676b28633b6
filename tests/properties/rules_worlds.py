"""Worlds made from a number: models, places, rules, keys and requests, each told twice.

Once as plain facts (`Place`, `Who`, `Question`), which `rules_oracle` judges by the definitions alone; once
as the gateway's own values, made from the same facts.
"""

import json
from dataclasses import dataclass, field
from random import Random
from typing import Any

from passerelle.core.model import DATA_CLASSES, Attributes, Deployment, Limits, Model, Price
from passerelle.core.plan import Onward
from passerelle.core.principal import ROLE_PERMISSIONS, Principal, Rights
from passerelle.gateway.smart import RouterRules, Smart, Tenant
from passerelle.policy.rules import Demands

REGIONS = ("eu", "eu-west-3", "eu-central-1", "eu-west-2", "us", "us-east-1", "global", "local")
LAWS = ("FR", "EU", "US", "CN")
HOSTING = ("self", "eu_sovereign", "hyperscaler", "direct")
TRAINING = ("no", "opt_in", "yes")
BADGES = ("iso27001", "hds", "secnumcloud")
DAYS = (0, 7, 30, 400)
WINDOWS = (None, 1_500, 3_000, 200_000)
CAPABILITIES = ("tools", "json_schema", "reasoning")
FAMILIES = ("fam-a", "fam-b")
MODES = ("quality", "balanced", "cost", "fast")
AFFINITIES = ("adaptive", "sticky", "none")
TROUBLES = (
    "rate_limited", "quota", "auth", "server_error", "overloaded", "not_found", "reset", "timeout", "html",
    "malformed", "too_long", "refused", "bad_request", "empty", "cut",
)  # fmt: skip


@dataclass(frozen=True)
class Kind:
    """A model, in facts."""

    id: str
    family: str
    gives: str
    takes: tuple[str, ...]
    can: tuple[str, ...]
    """Empty: nothing is known."""
    window: int | None
    quality: float | None


@dataclass(frozen=True)
class Place:
    """A deployment, in facts. None is unknown."""

    id: str
    provider: str
    kind: Kind
    dialect: str
    regions: tuple[str, ...] | None
    storage: tuple[str, ...] | None
    laws: tuple[str, ...] | None
    hosting: str | None
    days: int | None
    keeps: tuple[tuple[str, int], ...]
    training: str | None
    badges: tuple[str, ...] | None
    ceiling: str | None
    weight: float
    window: int | None
    without: tuple[str, ...]
    demo: bool
    retired: bool
    rpm: int | None
    configured: bool
    """Its provider is there."""


@dataclass(frozen=True)
class Ask:
    """What is demanded of a place, by a class of data or by a key."""

    regions: tuple[str, ...] | None = None
    storage: tuple[str, ...] | None = None
    laws: tuple[str, ...] | None = None
    hosting: tuple[str, ...] | None = None
    days: int | None = None
    training: tuple[str, ...] | None = None
    badges: tuple[str, ...] = ()


@dataclass(frozen=True)
class Who:
    """A key, in facts."""

    id: str
    patterns: tuple[tuple[str, ...], ...]
    data_class: str | None
    demands: Ask
    length: str | None
    refusal: str | None


@dataclass(frozen=True)
class Named:
    """An alias for a choice, in facts."""

    family: str | None
    only: tuple[str, ...]
    mode: str | None
    default: str | None
    affinity: str | None


@dataclass(frozen=True)
class Question:
    """A request, in facts."""

    who: Who
    model: str
    dialect: str
    stream: bool
    declared: str | None
    only: tuple[str, ...]
    mode: str | None
    tools: bool
    schema: bool
    picture: bool
    words: int
    affinity: str | None = None
    session: str | None = None
    cascade: str | None = None


@dataclass
class World:
    """Everything that one generation decides by."""

    kinds: list[Kind]
    places: list[Place]
    aliases: dict[str, tuple[str, ...]]
    default_class: str
    classes: dict[str, Ask]
    onward: dict[str, Onward]
    choices: dict[str, Named] = field(default_factory=dict)
    """Everybody's aliases for a choice."""
    own_choices: dict[str, Named] = field(default_factory=dict)
    """Those of the organisation that asks; they go first."""
    default: str | None = None
    down: dict[str, str] = field(default_factory=dict)
    """Place → what every call to it meets; the others answer."""


def some(draw: Random, values: tuple[Any, ...], most: int = 3) -> tuple[Any, ...]:
    """One to `most` of the values."""
    return tuple(draw.sample(values, draw.randint(1, min(most, len(values)))))


def maybe(draw: Random, chance: float, value: Any) -> Any:
    """The value, or None."""
    return value if draw.random() < chance else None


def a_world(draw: Random) -> World:
    """A catalogue of 2 to 9 places with rules, and an outage: none, some, or all of it."""
    kinds = [_kind(draw, n) for n in range(draw.randint(1, 4))]
    absent = {f"prov-{n}" for n in range(4) if draw.random() < 0.05}
    places = [_place(draw, n, draw.choice(kinds), absent) for n in range(draw.randint(2, 9))]
    names = [kind.id for kind in kinds] + [place.id for place in places]
    aliases: dict[str, tuple[str, ...]] = {}
    for n in range(draw.randint(0, 3)):
        aliases[f"alias-{n}"] = tuple(draw.sample(names, min(len(names), draw.randint(1, 4))))
        names.append(f"alias-{n}")
    classes = {name: _demands(draw, 0.07) for name in DATA_CLASSES if draw.random() < 0.3}
    onward = {"": Onward(draw.choice(("fail", "fail", "larger")), draw.choice(("fail", "fail", "next")))}
    if draw.random() < 0.3:
        onward["smart"] = Onward("larger", "next")
    world = World(kinds, places, aliases, draw.choice(DATA_CLASSES[:4]), classes, onward)
    _choices(draw, world)
    lost = draw.choice((0.0, 0.3, 0.7, 1.0))
    world.down = {place.id: draw.choice(TROUBLES) for place in places if draw.random() < lost}
    return world


def _choices(draw: Random, world: World) -> None:
    known = [kind.id for kind in world.kinds] + [place.id for place in world.places]
    for mine in (world.choices, world.own_choices):
        for n in range(draw.randint(0, 2)):
            mine[f"choice-{n}"] = Named(
                family=maybe(draw, 0.3, draw.choice(FAMILIES)),
                only=some(draw, ("model-*", "prov-[02]/*", "*-0", *known), 4) if draw.random() < 0.6 else (),
                mode=maybe(draw, 0.5, draw.choice(MODES)),
                default=maybe(draw, 0.3, draw.choice(known)),
                affinity=maybe(draw, 0.3, draw.choice(AFFINITIES)),
            )
    world.default = maybe(draw, 0.3, draw.choice(known))


def _kind(draw: Random, number: int) -> Kind:
    return Kind(
        id=f"model-{number}",
        family=draw.choice(FAMILIES),
        gives="text" if draw.random() < 0.93 else "embedding",
        takes=("text", "image") if draw.random() < 0.6 else ("text",),
        can=some(draw, CAPABILITIES) if draw.random() < 0.7 else (),
        window=draw.choice(WINDOWS),
        quality=maybe(draw, 0.8, draw.random()),
    )


def _place(draw: Random, number: int, kind: Kind, absent: set[str]) -> Place:
    provider = f"prov-{draw.randint(0, 3)}"
    return Place(
        id=f"{provider}/{kind.id}.{number}",
        provider=provider,
        kind=kind,
        dialect=draw.choice(("openai_chat", "anthropic")),
        regions=maybe(draw, 0.93, some(draw, REGIONS, 2)),
        storage=maybe(draw, 0.7, some(draw, REGIONS, 2)),
        laws=maybe(draw, 0.93, some(draw, LAWS, 2)),
        hosting=maybe(draw, 0.93, draw.choice(HOSTING)),
        days=maybe(draw, 0.93, draw.choice(DAYS)),
        keeps=(("json_schema", 365),) if draw.random() < 0.15 else (),
        training=maybe(draw, 0.93, draw.choice(TRAINING)),
        badges=maybe(draw, 0.8, some(draw, BADGES)),
        ceiling=maybe(draw, 0.2, draw.choice(DATA_CLASSES[2:])),
        weight=draw.choice((1.0, 1.0, 1.0, 3.0, 0.5, 0.1, 0.0)),
        window=maybe(draw, 0.2, draw.choice((1_500, 50_000))),
        without=(draw.choice(("tools", "json_schema", "image")),) if draw.random() < 0.15 else (),
        demo=draw.random() < 0.1,
        retired=draw.random() < 0.1,
        rpm=1 if draw.random() < 0.05 else None,
        configured=provider not in absent,
    )


def _demands(draw: Random, chance: float) -> Ask:
    return Ask(
        regions=maybe(draw, 2 * chance, some(draw, ("eu", "us", "eu-west-3", "uk"), 2)),
        storage=maybe(draw, chance, some(draw, ("eu", "us"), 2)),
        laws=maybe(draw, chance, some(draw, LAWS)),
        hosting=maybe(draw, chance, some(draw, HOSTING)),
        days=maybe(draw, chance, draw.choice(DAYS)),
        training=maybe(draw, chance, some(draw, TRAINING, 2)),
        badges=some(draw, BADGES, 1) if draw.random() < chance / 2 else (),
    )


def a_caller(draw: Random, world: World, number: int) -> Who:
    """A key with rights of up to two levels."""
    asked = _demands(draw, 0.06)
    return Who(
        id=f"key_{number}",
        patterns=tuple(_patterns(draw, world) for _ in range(draw.choice((0, 0, 0, 1, 2)))),
        data_class=maybe(draw, 0.3, draw.choice(DATA_CLASSES)),
        demands=Ask(regions=asked.regions, days=asked.days, training=asked.training),
        length=draw.choice((None, None, "larger", "fail")),
        refusal=draw.choice((None, None, "next", "fail")),
    )


def _patterns(draw: Random, world: World) -> tuple[str, ...]:
    known = [kind.id for kind in world.kinds] + [place.id for place in world.places]
    return some(draw, ("*", "model-*", "prov-1/*", "prov-[02]/*", "*-0", *known), 4)


def a_question(draw: Random, world: World, who: Who) -> Question:
    """A request of that key's: any name, wishes that narrow, and what it needs of a model."""
    names = [*world.aliases, *(kind.id for kind in world.kinds), *(place.id for place in world.places)]
    common = ["smart", "smart", "smart/fam-a", draw.choice(("SMART", "nobody-knows-it"))]
    common += [*world.choices, *world.own_choices, "choice-0"]
    return Question(
        who=who,
        model=draw.choice([*names, *world.aliases, "smart", *common]),
        dialect=draw.choice(("openai_chat", "anthropic")),
        stream=draw.random() < 0.5,
        declared=maybe(draw, 0.2, draw.choice(DATA_CLASSES)),
        only=_patterns(draw, world) if draw.random() < 0.15 else (),
        mode=maybe(draw, 0.3, draw.choice(MODES)),
        tools=draw.random() < 0.2,
        schema=draw.random() < 0.15,
        picture=draw.random() < 0.1,
        words=draw.choice((1, 1, 1, 1, 1, 5_000)),
        affinity=maybe(draw, 0.3, draw.choice(AFFINITIES)),
        session=maybe(draw, 0.4, draw.choice(("talk-1", "talk-2"))),
        cascade=maybe(draw, 0.8, draw.choice(("agreement", "tests:never", "schema"))),
    )


# --- the same as the gateway's values


def models_of(world: World) -> dict[str, Model]:
    """Its models."""
    return {
        kind.id: Model(
            id=kind.id,
            maker="maker",
            family=kind.family,
            context_tokens=kind.window,
            input_modalities=frozenset(kind.takes),  # type: ignore[arg-type]
            output_modalities=frozenset({kind.gives}),  # type: ignore[arg-type]
            capabilities=frozenset(kind.can),  # type: ignore[arg-type]
            quality=kind.quality,
            # The better the dearer, so that cascades pay.
            price=Price("p1", input=10 ** int(9 * (kind.quality or 0.3)), output=2_000),
            retires="2026-01-01",
        )
        for kind in world.kinds
    }


def rules_of(world: World) -> RouterRules:
    """How it chooses."""
    return RouterRules(
        cascade_within_points=100.0,
        tests={"never": {"max_chars": 1}},
        default_model=world.default,
        aliases={name: _smart(said) for name, said in world.choices.items()},
        organisations={"org_1": Tenant(aliases={n: _smart(said) for n, said in world.own_choices.items()})},
    )


def _smart(said: Named) -> Smart:
    return Smart(
        family=said.family,
        mode=said.mode,  # type: ignore[arg-type]
        models=said.only,
        default_model=said.default,
        affinity=said.affinity,  # type: ignore[arg-type]
    )


def deployments_of(world: World, models: dict[str, Model]) -> list[Deployment]:
    """Its places."""
    return [
        Deployment(
            id=place.id,
            model=models[place.kind.id],
            provider=place.provider,
            upstream_model=place.id,
            dialect=place.dialect,  # type: ignore[arg-type]
            attributes=Attributes(
                regions=place.regions,
                storage_regions=place.storage,
                jurisdictions=place.laws,
                hosting=place.hosting,  # type: ignore[arg-type]
                retention_days=place.days,
                keeps=place.keeps,
                training_use=place.training,  # type: ignore[arg-type]
                certifications=place.badges,
                max_data_class=place.ceiling,  # type: ignore[arg-type]
            ),
            limits=Limits(requests_per_minute=place.rpm, context_tokens=place.window),
            weight=place.weight,
            without=frozenset(place.without),  # type: ignore[arg-type]
            demo=place.demo,
            retired=place.retired,
        )
        for place in world.places
    ]


def demands_of(asked: Ask) -> Demands:
    """What a class of data demands, as configuration says it."""
    return Demands(
        regions=asked.regions,
        storage_regions=asked.storage,
        jurisdictions=asked.laws,
        hosting=asked.hosting,
        max_retention_days=asked.days,
        training_use=asked.training,
        certifications=asked.badges,
    )


def principal_of(who: Who) -> Principal:
    """The key as the edge knows it."""
    rights = Rights(
        data_class=who.data_class,  # type: ignore[arg-type]
        regions=who.demands.regions,
        max_retention_days=who.demands.days,
        training_use=who.demands.training,
        on_context_length=who.length,  # type: ignore[arg-type]
        on_refusal=who.refusal,  # type: ignore[arg-type]
        cascade=True,
    )
    return Principal(
        org_id="org_1",
        workspace_id="wsp_1",
        project_id="prj_1",
        key_id=who.id,
        key_name=who.id,
        role="member",
        permissions=ROLE_PERMISSIONS["member"],
        rights=rights,
        model_patterns=who.patterns,
    )


_SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
_PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def body_of(question: Question) -> bytes:
    """The request as its caller writes it."""
    text = "word " * question.words
    body: dict[str, Any] = {"model": question.model, "stream": question.stream, "max_tokens": 50}
    if question.dialect == "anthropic":
        content: list[dict[str, Any]] = [{"type": "text", "text": text}]
        if question.picture:
            source = {"type": "base64", "media_type": "image/png", "data": _PIXEL}
            content.append({"type": "image", "source": source})
        if question.tools:
            body["tools"] = [{"name": "t", "description": "d", "input_schema": _SCHEMA}]
        if question.schema:
            body["output_config"] = {"format": {"type": "json_schema", "schema": _SCHEMA}}
    else:
        content = [{"type": "text", "text": text}]
        if question.picture:
            address = f"data:image/png;base64,{_PIXEL}"
            content.append({"type": "image_url", "image_url": {"url": address}})
        if question.tools:
            body["tools"] = [{"type": "function", "function": {"name": "t", "parameters": _SCHEMA}}]
        if question.schema:
            named = {"name": "n", "schema": _SCHEMA}
            body["response_format"] = {"type": "json_schema", "json_schema": named}
    body["messages"] = [{"role": "user", "content": content}]
    return json.dumps(body).encode()
