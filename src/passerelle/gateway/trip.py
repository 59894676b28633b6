"""One request on the road: what the edge brings, and what gathers on the way."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Any

import msgspec

from passerelle.codecs.base import Envelope, PathTarget
from passerelle.core.cascade import Cascaded
from passerelle.core.conversation import Turn
from passerelle.core.model import DataClass
from passerelle.core.plan import Affinity, Mode, Plan, Rejection
from passerelle.core.principal import Principal, Priority, Way
from passerelle.core.receipt import Attempt, Held
from passerelle.core.request import Dialect, Request
from passerelle.gateway.generation import Generation
from passerelle.gateway.limits import Ticket


class Wishes(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What the caller asked for beside the request itself (`x-passerelle-*`). All of it only narrows."""

    mode: Mode | None = None
    models: tuple[str, ...] = ()
    data_class: DataClass | None = None
    tags: tuple[str, ...] = ()
    strict: bool = False
    """Refuse rather than drop what a translation cannot carry."""
    session: str | None = None
    """The conversation's name, as its client says it."""
    affinity: Affinity | None = None
    cascade: str | None = None
    """What is to check a cheaper model's answer first: see `core.cascade.verifier_of`; or `off`."""
    task: str | None = None
    """What kind of work it is, as somebody says who knows."""
    keep_name: bool = False
    """Call the model in the answer what the caller called it: see `server.wishes`."""
    explain: bool = False
    """Plan only: nothing is called, held or billed."""
    delivery: Way | None = None
    continues: bool = False
    hedge: bool = False
    priority: Priority | None = None
    """Lower than the key's own, when there is not room for all; a higher one changes nothing."""


NO_WISHES = Wishes()


class Keeping(msgspec.Struct, frozen=True, gc=False):
    """What a request is to leave behind, and what it was rebuilt from: see `gateway/keep`."""

    response_id: str
    items: tuple[bytes, ...]
    """The caller's new items."""
    expires_at_ns: int
    store: bool
    """The response itself is kept, not only its conversation."""
    previous_id: str | None = None
    conversation_id: str | None = None
    sent: bytes = b""
    """The body as the caller sent it."""
    opaque: tuple[tuple[int, str], ...] = ()
    """Items of the rebuilt input that only one provider can read: (place, provider)."""
    background: bool = False
    """It is made in the background."""


class Presence(msgspec.Struct):
    """What the edge must know of an attempt under way when its caller leaves."""

    drains: bool = False
    """It is read to its end, within bounds, so that it is booked with the provider's own count."""
    left: Callable[[], object] | None = None
    """Set when the caller has left: ends the request. No further attempt is begun for nobody."""


class Ask(msgspec.Struct, frozen=True, gc=False):
    """A request as it arrives: authenticated, unread."""

    principal: Principal
    dialect: Dialect
    target: PathTarget
    body: bytes
    request_id: str
    """What the caller knows it by."""
    receipt_id: str
    """Ours alone, fresh for every request: attempts and holds are named after it."""
    at_ns: int
    """Wall clock at arrival."""
    started_s: float
    """Monotonic clock at arrival; the total deadline counts from here."""
    wishes: Wishes = NO_WISHES
    headers: tuple[tuple[str, str], ...] = ()
    """Protocol headers a provider may see: the edge's fixed list, never credentials."""
    traceparent: str | None = None
    """The caller's trace context (W3C), for telemetry only."""
    original: bytes | None = None
    """The body as it came, where files were put into `body`: what is digested and stored."""
    presence: Presence | None = None
    """Only where a provider's answers are read on without a caller."""
    keeping: Keeping | None = None
    """Set where the tenant allows it and the caller asks."""


class Trip(msgspec.Struct):
    """The state of one request between admission and settlement. Never shared, never stored."""

    ask: Ask
    envelope: Envelope
    generation: Generation
    plan: Plan
    receipt_id: str
    attempts: list[Attempt] = []
    holds: tuple[Held, ...] = ()
    """Open holds."""
    hold_id: str = ""
    estimate_nanos: int = 0
    request: Request | None = None
    """Decoded at the first attempt that translates."""
    task: Any = None
    """The same, of an operation that is no conversation: see `core.tasks`."""
    dropped: tuple[str, ...] = ()
    relayed: bool = False
    model: str | None = None
    deployment: str | None = None
    sight: tuple[str | None, bytes | None] = (None, None)
    """Of a named model, where such requests are learned from: the task, and the request packed."""
    answer: list[bytes] | None = None
    """The answer's bytes, gathered when the tenant stores content, or when its form is to be looked at."""
    turn: Turn | None = None
    """What is kept once it is settled as answered."""
    booked: "asyncio.Future[None] | None" = None
    """Done when the database has `turn`."""
    settled: bool = False
    streaming: bool = False
    """A stream was committed: `Deliverer.flow` ends the trip, not `Road.travel`."""
    begun: int = 0
    """How many attempts were begun, those under way among them."""
    aside_nanos: int = 0
    """The most that an attempt may cost which is under way beside the one to be begun."""
    continues: bool = False
    """A text that breaks off may be gone on with."""
    broken_off: Any = None
    """The `Continuable` to be gone on with, while that is tried."""
    way: Way = "stream"
    """How the answer is delivered."""
    cascades: bool = False
    """Its plan has a pair: the first's answer is held back until it is checked."""
    cascaded: Cascaded | None = None
    """What became of that."""
    ticket: Ticket | None = None
    """Its place among the requests under way."""
    noted: Any = None
    """What is to be learned from, which is told how it was settled: see `gateway.choosing`."""
    deliberation: Any = None
    """What its plan was made from, where the choice of model was ours: see `gateway.choosing`."""


def pass_over(trip: Trip, rejection: Rejection) -> None:
    """Write into the plan that a candidate was not called, and why. One that was called before stays."""
    place = rejection.deployment
    if any(attempt.deployment == place for attempt in trip.attempts):
        return
    trip.plan = msgspec.structs.replace(
        trip.plan,
        candidates=tuple([c for c in trip.plan.candidates if c.deployment != place]),
        rejections=(*trip.plan.rejections, rejection),
    )


def way_of(ask: Ask, generation: Generation) -> Way:
    """How a request's answer is to be delivered: its own word, its key's, or everybody's."""
    return ask.wishes.delivery or ask.principal.rights.delivery or generation.delivery.default


def put_off(trip: Trip, place: str, why: str) -> None:
    """Write into the plan that a candidate is called after all others, and why."""
    candidates = trip.plan.candidates
    moved = [
        msgspec.structs.replace(c, because=f"{c.because}, {why}" if c.because else why)
        for c in candidates
        if c.deployment == place
    ]
    trip.plan = msgspec.structs.replace(
        trip.plan, candidates=(*[c for c in candidates if c.deployment != place], *moved)
    )


class Delivery(msgspec.Struct):
    """What goes back to the edge: a whole body, or chunks. Chunks must be closed if not exhausted."""

    status: int
    headers: list[tuple[bytes, bytes]]
    generation: bytes
    """The generation it was decided by."""
    content_type: bytes = b"application/json"
    body: bytes = b""
    chunks: AsyncGenerator[bytes, None] | None = None
