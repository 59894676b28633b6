"""The road: every model call, from any dialect, console page or agent, walks these steps and no others.

    read     the envelope: only the fields a decision needs
    admit    the eligible set with reasons, the rate limit, a place in the queue
    plan     the order of trying, and why
    attempt  hold, intent, call, takeover until the first content
    settle   price, ledger, holds, receipt: synchronous, so nobody can interrupt it

The road speaks no HTTP and no SQL. It is given an `Ask` and gives a `Delivery`, or raises `ProblemError`.
"""

import asyncio
import functools
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from passerelle.codecs import registry
from passerelle.codecs.base import Envelope, ReplyContext
from passerelle.codecs.callers import listed
from passerelle.core.clock import Clock
from passerelle.core.errors import Problem, ProblemError
from passerelle.core.money import show
from passerelle.core.plan import Plan
from passerelle.core.principal import Principal, Priority
from passerelle.core.request import TASKS
from passerelle.gateway import going_on, keep, tasks
from passerelle.gateway.admit import Admission, Refusal, admit, planned
from passerelle.gateway.attached import FEATURES, MARK, Attacher
from passerelle.gateway.attempt import Engine
from passerelle.gateway.count import count_here, counts_natively
from passerelle.gateway.estimate import input_tokens
from passerelle.gateway.generation import Generation, Generations
from passerelle.gateway.limits import Limits
from passerelle.gateway.settle import Settler
from passerelle.gateway.smart import keeps_named
from passerelle.gateway.trip import Ask, Delivery, Trip, way_of
from passerelle.gateway.vitals import Vitals
from passerelle.router.plan import in_words
from passerelle.store import Store, StoreUnavailable

if TYPE_CHECKING:
    from passerelle.gateway.choosing import Chooser, Deliberation
    from passerelle.gateway.judgement import Judgement

_LONGEST_VALUE = 1024
log = logging.getLogger("passerelle.road")


class Explanation(msgspec.Struct, frozen=True):
    """What `x-passerelle-plan: 1` answers: nothing was called, held or billed."""

    plan: Plan
    words: str
    request_id: str
    generation: str


class Road:
    """One per worker. Holds no state of a request; each has its own `Trip`."""

    def __init__(
        self,
        *,
        generations: Generations,
        store: Store,
        engine: Engine,
        settler: Settler,
        vitals: Vitals,
        limits: Limits,
        clock: Clock,
        draw: Callable[[], float],
        attacher: Attacher | None = None,
        judging: "Callable[[], Judgement] | None" = None,
    ) -> None:
        """`draw()` gives numbers in [0, 1). Without an `attacher`, names of files go on as they are.
        `judging()` is called when the choice of model is first left to us; without it, the catalog judges.
        """
        self.generations = generations
        self.vitals = vitals
        self._store = store
        self._engine = engine
        self._settler = settler
        self._limits = limits
        self._clock = clock
        self._draw = draw
        self._attacher = attacher
        self._judging = judging
        self._choosing: Chooser | None = None
        self._recalling: asyncio.Task[None] | None = None

    @property
    def in_flight(self) -> int:
        """Requests on the road now."""
        return self._limits.in_flight

    def no_room(self, wish: Priority | None, coming: int) -> Problem | None:
        """See `Limits.no_room`."""
        return self._limits.no_room(self.generations.current, wish, coming)

    def look(self, principal: Principal, wish: Priority | None) -> None:
        """Whether there is room for a caller's request. Raises `ProblemError` (`overloaded`), and nothing is
        kept of it: of what is turned away before it is read, there is nothing to keep.
        """
        self._limits.look(principal, self.generations.current, wish)

    def on_leaving(self, told: Callable[[], None]) -> None:
        """Have `told()` called when the next request has left the road, once."""
        self._limits.on_leaving(told)

    async def travel(self, ask: Ask) -> Delivery:
        """The whole way. Raises `ProblemError`; settles whatever was begun, cancellation included."""
        generation = self.generations.current
        envelope = read(ask)
        if self._attacher is not None and not envelope.features.isdisjoint(FEATURES) and MARK in ask.body:
            ask = await self._attacher.attach(ask, most_bytes=generation.intake.max_body_bytes)
            envelope = read(ask)
        admission = self._admitted(ask, envelope, generation)
        deliberation = None
        if admission.mode != "named" and envelope.operation == "chat":
            deliberation = self._chooser().think(ask, envelope, generation, admission)
        if ask.wishes.explain:
            plan = self._plan(envelope, generation, admission, deliberation, told=True)
            return _explained(ask, generation, plan)
        made = self._plan_or_known(envelope, generation, admission, deliberation)
        trip = Trip(ask, envelope, generation, made, ask.receipt_id)
        trip.way = way_of(ask, generation)
        if deliberation is not None:
            trip.deliberation, trip.request = deliberation, deliberation.taken(ask, made)
            trip.noted = deliberation
            if made.cascade is not None and made.cascade.first is not None:
                trip.cascades, trip.way = True, "verified"
        elif keeps_named(generation.router, ask.principal) and envelope.operation == "chat":
            trip.noted = noted = self._chooser().noted(ask, envelope, generation)
            trip.sight = noted.seen.sight.task, noted.packed
        if ask.wishes.continues or ask.principal.rights.continues:
            trip.continues = going_on.wanted(ask) and going_on.possible(trip)
        if ask.principal.rights.content == "full":
            trip.answer = []
        if trip.noted is not None:
            trip.answer = trip.noted.follow(trip.answer)
        try:
            trip.ticket = self._limits.enter(
                ask.principal, generation, input_tokens(envelope), ask.wishes.priority
            )
            if envelope.operation == "count_tokens" and not counts_natively(trip):
                body = count_here(trip)
                self._settler.settle(trip, "answered")
                headers = [*_headers(trip), (b"x-passerelle-estimated", b"1")]
                return Delivery(200, headers, generation.label_bytes, body=body)
            if envelope.stream:
                return await (self._stream(trip) if trip.way == "stream" else self._proven(trip))
            return await self._whole(trip)
        except ProblemError as error:
            self._settler.settle(trip, "failed" if trip.attempts else "refused", problem=error.problem.kind)
            error.receipt_id = trip.receipt_id
            raise
        except asyncio.CancelledError:
            self._settler.settle(trip, "cancelled")
            raise
        finally:
            # A committed stream keeps its place until its last byte (`Deliverer.flow` gives it back).
            if not trip.streaming:
                if trip.ticket is not None:
                    trip.ticket.leave(trip.attempts)
                if not trip.settled:  # an unexpected error: its holds must not stay behind
                    self._settler.settle(trip, "failed", problem="internal")

    def check(self, ask: Ask) -> None:
        """Raise what `travel` would before it does anything, leaving the same receipt of a refusal."""
        self._admitted(ask, read(ask), self.generations.current)

    def _admitted(self, ask: Ask, envelope: Envelope, generation: Generation) -> Admission:
        try:
            return self._admit(ask, envelope, generation)
        except Refusal as refusal:
            if not ask.wishes.explain:
                self._refuse(ask, envelope, generation, refusal)
            raise

    def _admit(self, ask: Ask, envelope: Envelope, generation: Generation) -> Admission:
        store = self._store
        removed = store.drills.binding(ask.principal)
        return admit(generation, ask.principal, store.identity.revision, envelope, ask.wishes, removed)

    def explain(self, ask: Ask) -> Explanation:
        """The plan for a request, without walking it. Raises `ProblemError`."""
        generation = self.generations.current
        envelope = read(ask)
        admission = self._admit(ask, envelope, generation)
        deliberation = None
        if admission.mode != "named" and envelope.operation == "chat":
            deliberation = self._chooser().think(ask, envelope, generation, admission)
        made = self._plan(envelope, generation, admission, deliberation, told=True)
        return Explanation(made, in_words(made), ask.request_id, generation.label)

    def _chooser(self) -> "Chooser":
        """Made when a choice is first left to us."""
        if self._choosing is None:
            from passerelle.gateway.choosing import Chooser
            from passerelle.gateway.judgement import ByPrior
            from passerelle.gateway.pacing import Pacer

            judgement = ByPrior() if self._judging is None else self._judging()
            self._choosing = Chooser(self._clock, judgement, self.vitals, Pacer(self._store, self._clock))
        return self._choosing

    async def _recall(self, choosing: "Chooser") -> None:
        """What settled before this start, read beside the first choices."""
        from passerelle.gateway.recall import recall

        catalog, orgs = self.generations.current.catalog, self._store.identity.organisations()
        try:
            found = await asyncio.to_thread(
                recall,
                self._store,
                [org.id for org in orgs],
                catalog.by_id,
                now_ns=self._clock.unix_ns(),
            )
        except StoreUnavailable as error:
            log.warning("what settled before cannot be read; lengths and caches begin anew: %s", error)
            return
        choosing.recall(found, self._settler.conversation)

    async def tend(self) -> None:
        """Look after what choices rest on: once a second; most of the time there is nothing to do."""
        if self._choosing is not None:
            if self._recalling is None:
                self._recalling = asyncio.create_task(self._recall(self._choosing))
            await self._choosing.judgement.tend()
            await self._choosing.pacer.look(self.generations.current.router.commitments)
            await self._keep_verdicts(self._choosing)

    async def heard(self) -> None:
        """An answer was judged: learn from it now, where choices are left to us."""
        if self._choosing is not None:
            await self._choosing.judgement.tend()

    async def _keep_verdicts(self, choosing: "Chooser") -> None:
        """Have the store keep what verifiers found of answers, to be learned from."""
        if choosing.verdicts:
            from passerelle.gateway.cascade_wanted import keep_verdicts

            await asyncio.to_thread(keep_verdicts, self._store, choosing.verdicts)

    async def aclose(self) -> None:
        """Let go of what choices rest on."""
        if self._recalling is not None:
            self._recalling.cancel()
            await asyncio.gather(self._recalling, return_exceptions=True)
        if self._choosing is not None:
            await self._keep_verdicts(self._choosing)
            await self._choosing.judgement.aclose()

    def _plan_or_known(
        self,
        envelope: Envelope,
        generation: Generation,
        admission: Admission,
        deliberation: "Deliberation | None" = None,
    ) -> Plan:
        """A named model at one place leaves nothing to choose: no cost is estimated, and the plan is kept."""
        if admission.mode != "named" or len(admission.deployments) > 1:
            return self._plan(envelope, generation, admission, deliberation)
        if admission.plan is None:
            full = self._plan(envelope, generation, admission)
            only = msgspec.structs.replace(full.candidates[0], cost_nanos=None, latency_s=None)
            admission.plan = msgspec.structs.replace(full, candidates=(only,))
        return admission.plan

    def _plan(
        self,
        envelope: Envelope,
        generation: Generation,
        admission: Admission,
        deliberation: "Deliberation | None" = None,
        *,
        told: bool = False,
    ) -> Plan:
        """`told`: nothing is sent by it."""
        draw = self._draw()
        found = self.vitals.standings(admission.deployments, draw)
        if found and not told:
            self.vitals.spared(found)
        return planned(
            envelope,
            generation,
            admission,
            standings=found,
            latencies=self.vitals.latencies,
            draw=draw,
            thought=None if deliberation is None else deliberation.thought,
        )

    async def _whole(self, trip: Trip) -> Delivery:
        answer = await self._engine.whole(trip, _context(trip))
        keeping = trip.ask.keeping
        body = answer.body if keeping is None else keep.whole(trip, keeping, answer.body)
        if trip.answer is not None:
            trip.answer.append(body)
        receipt = self._settler.settle(trip, "answered")
        if trip.booked is not None:
            await keep.booked(trip)
        headers = _headers(trip)
        if receipt is not None:
            headers.append((b"x-passerelle-cost", show(receipt.cost_nanos, receipt.currency).encode()))
        content_type = answer.content_type.encode()
        return Delivery(200, headers, trip.generation.label_bytes, content_type, body=body)

    async def _stream(self, trip: Trip) -> Delivery:
        context = _context(trip)
        opened = await self._engine.open(trip, context)
        trip.streaming = True
        content_type = registry.client(trip.ask.dialect).stream_encoder(context).content_type
        chunks = self._engine.flow(trip, opened, context)
        return Delivery(
            200, _headers(trip), trip.generation.label_bytes, content_type.encode(), chunks=chunks
        )

    async def _proven(self, trip: Trip) -> Delivery:
        """A stream that has come to its end, and is settled: the caller is told nothing before."""
        context = _context(trip)
        held = await self._engine.proven(trip, context)
        if trip.answer is not None:
            trip.answer.append(held.whole())
        receipt = self._settler.settle(trip, "answered")
        if trip.booked is not None:
            await keep.booked(trip)
        headers = _headers(trip)
        if receipt is not None:
            headers.append((b"x-passerelle-cost", show(receipt.cost_nanos, receipt.currency).encode()))
        content_type = registry.client(trip.ask.dialect).stream_encoder(context).content_type
        return Delivery(
            200, headers, trip.generation.label_bytes, content_type.encode(), chunks=held.pieces()
        )

    def explain_refusal(self, ask: Ask, refusal: Refusal) -> Explanation:
        """The plan of a request that nobody may serve: no candidate, and every rule."""
        generation = self.generations.current
        made = _nobody(read(ask), generation, refusal)
        return Explanation(made, in_words(made), ask.request_id, generation.label)

    def _refuse(self, ask: Ask, envelope: Envelope, generation: Generation, refusal: Refusal) -> None:
        """A refusal by rule leaves a receipt that names every rule."""
        made = _nobody(envelope, generation, refusal)
        trip = Trip(ask, envelope, generation, made, ask.receipt_id)
        self._settler.settle(trip, "refused", problem=refusal.problem.kind)
        refusal.receipt_id = trip.receipt_id


def _nobody(envelope: Envelope, generation: Generation, refusal: Refusal) -> Plan:
    return Plan(
        requested=envelope.model,
        mode="named",
        data_class=refusal.data_class,
        candidates=(),
        rejections=refusal.rejections,
        generation=generation.number,
        policy_version=generation.policy.version,
        catalog_version=generation.catalog.version,
    )


def read(ask: Ask) -> Envelope:
    """The fields a decision needs. Raises `ProblemError` in no dialect yet, naming the field."""
    if ask.target.operation in TASKS:
        return tasks.asked(ask.target.operation, ask.dialect).envelope(ask.body, ask.target)
    return registry.client(ask.dialect).envelope(ask.body, ask.target)


def _context(trip: Trip) -> ReplyContext:
    ask = trip.ask
    return ReplyContext(
        id=trip.receipt_id[4:],
        model=trip.envelope.model,
        named=trip.envelope.model if ask.wishes.keep_name and ask.dialect == "anthropic" else "",
        created_s=ask.at_ns // 1_000_000_000,
        include_usage=trip.envelope.include_usage,
        json_array=ask.target.json_array,
        speaker=ask.target.speaker,
    )


def _headers(trip: Trip) -> list[tuple[bytes, bytes]]:
    """What every answer carries beside its body. All values are ours or checked: none can split a line."""
    headers = [
        (b"x-passerelle-receipt", trip.receipt_id.encode()),
        (b"x-passerelle-attempts", b"%d" % (len(trip.attempts) + trip.streaming)),
    ]
    if trip.model:
        headers.append((b"x-passerelle-model", _shown(trip.model[:_LONGEST_VALUE])))
    if trip.deployment:
        headers.append((b"x-passerelle-deployment", _shown(trip.deployment[:_LONGEST_VALUE])))
    if trip.cascaded is not None:
        headers.append((b"x-passerelle-cascaded", trip.cascaded.end.encode()))
    if trip.dropped:
        headers.append((b"x-passerelle-dropped", header_value(listed(trip.dropped))))
    return headers


def header_value(text: str) -> bytes:
    """`text` as a header value: what is not printable ASCII becomes `?`."""
    if text.isascii() and text.isprintable():
        return text[:_LONGEST_VALUE].encode()
    return "".join([c if " " <= c <= "~" else "?" for c in text])[:_LONGEST_VALUE].encode()


_shown = functools.lru_cache(maxsize=512)(header_value)
"""Names of models and deployments as header values: the same ones come again and again."""


def _explained(ask: Ask, generation: Generation, made: Plan) -> Delivery:
    explanation = Explanation(made, in_words(made), ask.request_id, generation.label)
    return Delivery(200, [], generation.label_bytes, body=msgspec.json.encode(explanation))
