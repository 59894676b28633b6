"""The attempt engine: calls deployments in the plan's order until one answers.

Takeover is free until the first content: status lines and lifecycle frames are held back until then, so a
provider that fails before it is invisible to the caller. After it the stream is committed: see `deliver`. One
engine serves every dialect and operation.
"""

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from passerelle.codecs.base import ReplyContext, StreamWatcher
from passerelle.codecs.fitting import UnfitError
from passerelle.core.clock import Clock
from passerelle.core.errors import AnswerError, Problem, ProblemError
from passerelle.core.model import Deployment
from passerelle.core.plan import Rejection
from passerelle.gateway import hedge
from passerelle.gateway import leg as legs
from passerelle.gateway.deliver import Deliverer, Opened
from passerelle.gateway.estimate import most_it_can_cost
from passerelle.gateway.going_on import Continuable, plan_of
from passerelle.gateway.held import Held
from passerelle.gateway.holds import Holds
from passerelle.gateway.leg import Leg
from passerelle.gateway.limits import Full
from passerelle.gateway.onward import onward, too_small
from passerelle.gateway.outbound import Answer, Outbound
from passerelle.gateway.outcomes import Outcomes, observe
from passerelle.gateway.outcomes import Setback as _Setback
from passerelle.gateway.patience import Patience, expect_size
from passerelle.gateway.proof import Prover
from passerelle.gateway.settle import Settler
from passerelle.gateway.tour import MOST_ATTEMPTS, MOST_VERIFIED, Tour
from passerelle.gateway.translate import decode_whole, encode_for, watch_stream
from passerelle.gateway.trip import Trip, pass_over, put_off
from passerelle.gateway.vitals import Vitals
from passerelle.providers.base import Call, Reply, SendError
from passerelle.providers.failures import (
    Failure,
    classify,
    from_answer_error,
    from_failed_event,
    from_send_error,
)
from passerelle.store import Store, StoreUnavailable

if TYPE_CHECKING:  # most gateways are never asked for one
    from passerelle.gateway.cascading import Cascader

HELD_BACK_BOUND = 256 << 10
"""Bytes of lifecycle frames held before the first content; more is a provider fault."""
log = logging.getLogger("passerelle.road")
_ERROR_BODY_S = 5.0
"""How long the words beside an error status are waited for."""
BEING_TRIED_OUT = "put last: its breaker is open and another request is trying it out"
_REQUEST_ID_HEADERS = ("x-request-id", "request-id", "apim-request-id", "x-amzn-requestid")


class Engine:
    """Makes attempts. One per worker."""

    def __init__(
        self,
        store: Store,
        settler: Settler,
        vitals: Vitals,
        holds: Holds,
        clock: Clock,
        jitter: Callable[[], float],
    ) -> None:
        self._store = store
        self._outcomes = Outcomes(settler, vitals, clock)
        self._vitals = vitals
        self._holds = holds
        self._clock = clock
        self._jitter = jitter
        self._hedger = hedge.Hedger(clock)
        self._prover = Prover(self._outcomes)
        self._cascading: Cascader | None = None
        self.flow = Deliverer(self._outcomes, self._go_on).flow
        """What an opened stream gives the caller: see `deliver`."""

    async def whole(self, trip: Trip, context: ReplyContext) -> Answer:
        """The whole answer. Raises `ProblemError` when no deployment gave one."""
        if trip.cascades:
            return await self._cascader().answer(trip, lambda leg: self._ask_whole(trip, leg, context))
        tour, failure = self._tour(trip), None
        hedged = trip.ask.wishes.hedge and hedge.allowed(trip)
        while True:
            leg = await self._next(trip, tour, failure)
            try:
                if hedged and failure is None:
                    return await self._hedger.race(
                        trip,
                        leg,
                        lambda leg: self._ask_whole(trip, leg, context),
                        lambda: self._next(trip, tour, None),
                    )
                return await self._ask_whole(trip, leg, context)
            except _Setback as setback:
                failure = setback.failure

    async def open(self, trip: Trip, context: ReplyContext) -> Opened:
        """A committed stream. Raises `ProblemError` when no deployment came to its first content."""
        tour, failure = self._tour(trip), None
        while True:
            leg = await self._next(trip, tour, failure)
            try:
                return await self._ask_stream(trip, leg, context)
            except _Setback as setback:
                failure = setback.failure

    async def proven(self, trip: Trip, context: ReplyContext) -> Held:
        """A whole stream, its attempt booked. Raises `ProblemError` when no deployment came to its end."""
        if trip.cascades:
            return await self._cascader().answer(
                trip, lambda leg: self._ask_proven(trip, leg, context, self._prover.held(trip))
            )
        tour, failure = self._tour(trip, MOST_VERIFIED), None
        held = self._prover.held(trip)
        while True:
            leg = await self._next(trip, tour, failure)
            try:
                return await self._ask_proven(trip, leg, context, held)
            except _Setback as setback:
                failure = setback.failure
            # Nothing of the broken answer is left: neither whose it was, nor what is to be kept of it.
            trip.model, trip.deployment, trip.turn = None, None, None
            trip.relayed, trip.dropped = False, ()

    async def _ask_proven(self, trip: Trip, leg: Leg, context: ReplyContext, held: Held) -> Held:
        """A whole stream in `held`."""
        opened = await self._ask_stream(trip, leg, context)
        broken = await self._prover.prove(trip, opened, held)
        if broken is not None:
            raise _Setback(onward(trip.plan, broken))
        return held

    def _cascader(self) -> "Cascader":
        """Made when the first cascade is."""
        if self._cascading is None:
            from passerelle.gateway.cascading import Cascader

            self._cascading = Cascader(
                self._next,
                lambda trip, plan, most: Tour(plan, self._jitter, partial(self._again, trip), most=most),
            )
        return self._cascading

    async def _go_on(self, trip: Trip, opened: Opened, context: ReplyContext) -> Opened | None:
        """A stream that goes on where `opened` broke off, or None: then the error is the one of `opened`."""
        before = opened.watcher
        if not isinstance(before, Continuable) or before.part is None:
            return None
        trip.broken_off = before
        tour = Tour(plan_of(trip, opened.leg.deployment.id), self._jitter, most=1)
        try:
            if trip.ticket is not None:
                trip.ticket.vacate()
            leg = await self._next(trip, tour, None)
            leg.continued = True
            return await self._ask_stream(trip, leg, context)
        except (ProblemError, _Setback):
            return None
        except Exception:
            # A mistake of ours; the stream's own error is told all the same.
            log.exception("a stream cannot be gone on with", extra={"receipt_id": trip.receipt_id})
            return None

    def _tour(self, trip: Trip, most: int = MOST_ATTEMPTS) -> Tour:
        return Tour(trip.plan, self._jitter, partial(self._again, trip), most=most)

    def _again(self, trip: Trip, place: str) -> bool:
        return self._vitals.again(place, trip.ask.principal.tenant)

    async def _next(self, trip: Trip, tour: Tour, failure: Failure | None) -> Leg:
        """The next attempt, held for and announced. Raises `ProblemError` when the tour is over."""
        generation, ticket = trip.generation, trip.ticket
        if failure is not None and ticket is not None:
            ticket.vacate()
        presence = trip.ask.presence
        if presence is not None and presence.left is not None:
            presence.left()
            await asyncio.sleep(0)
        by_id, now_s = generation.catalog.by_id, self._clock.monotonic_s()
        full: Full | None = None
        unfit: Problem | None = None
        while True:
            ahead = tour.ahead(failure)
            stop = None
            if ahead is not None:
                until_s = trip.ask.started_s + legs.deadlines_of(trip, by_id[ahead]).total_s
                stop = tour.next(ahead, failure, until_s - now_s)
            if stop is None:
                raise ProblemError(_nowhere(trip, failure, full, unfit))
            if stop.pause_s:
                await asyncio.sleep(stop.pause_s)
            deployment = by_id[stop.deployment]
            if (smaller := too_small(trip, deployment)) is not None:
                pass_over(trip, smaller)
                tour.skip()
                continue
            probing = self._vitals.enter(
                deployment.id, trip.ask.principal.tenant, others=tour.others and not stop.pause_s
            )
            if probing is None:
                put_off(trip, deployment.id, BEING_TRIED_OUT)
                tour.defer()
                continue
            if deployment.id in generation.limited and ticket is not None:
                found = ticket.occupy(deployment)
                if found is not None:
                    full = found if full is None or found.wait_s < full.wait_s else full
                    pass_over(trip, found.rejection)
                    self._vitals.left(deployment.id, probing=probing)
                    tour.skip()
                    continue
            try:
                outbound = encode_for(trip, deployment)
            except UnfitError as error:  # what one model cannot do, the next may
                unfit = error.problem  # not the error: it holds this frame, and a ring would be left
                self._vitals.left(deployment.id, probing=probing)
                if ticket is not None:
                    ticket.vacate()
                pass_over(
                    trip, Rejection(deployment.id, f"parameters.{error.setting}", error.problem.message)
                )
                tour.skip()
                continue
            break
        try:
            leg = await self._begin(trip, deployment, outbound)
        except BaseException:
            self._vitals.left(deployment.id, probing=probing)
            raise
        leg.probing = probing
        if probing and tour.others:
            stream = trip.envelope.stream
            waits_s = self._vitals.probe_waits_s(deployment.id, stream=stream)
            if waits_s is not None:
                leg.deadlines = leg.deadlines.begun_within(waits_s, stream=stream)
        return leg

    async def _begin(self, trip: Trip, deployment: Deployment, outbound: Outbound) -> Leg:
        """An attempt, held for and announced."""
        generation = trip.generation
        estimate = most_it_can_cost(trip.envelope, deployment)
        if not self._holds.reserve(trip, estimate):
            until_s = trip.ask.started_s + legs.deadlines_of(trip, deployment).total_s
            await self._holds.reserve_slow(trip, estimate, until_s - self._clock.monotonic_s())
        leg = legs.begin(trip, deployment, generation.providers[deployment.provider], outbound, self._clock)
        if trip.ask.presence is not None:
            trip.ask.presence.drains = deployment.provider in generation.drained
        intent = legs.intent_of(trip, leg, estimate)
        try:
            if trip.ask.principal.rights.audit == "required":
                await self._store.journal.intent_durable(intent)
            else:
                self._store.journal.intent(intent)
        except StoreUnavailable as error:
            raise ProblemError(
                Problem(
                    "overloaded",
                    "The audit record cannot be written now; try again shortly.",
                    retry_after_s=5,
                )
            ) from error
        return leg

    async def _ask_whole(self, trip: Trip, leg: Leg, context: ReplyContext) -> Answer:
        try:
            reply = await self._send(trip, leg, stream=False)
            try:
                if expect_size(reply, trip.envelope.operation):
                    self._bound_body(leg, reply)
                data = await reply.read()
            finally:
                await reply.aclose()
            leg.first_content_s = self._clock.monotonic_s()
            content_type = reply.headers.get("content-type", "")
            answer = decode_whole(trip, leg.outbound, data, context, content_type)
        except SendError as error:
            raise self._setback(
                trip,
                leg,
                from_send_error(error, provider=leg.deployment.provider, hidden=leg.provider.hidden),
            ) from error
        except AnswerError as error:
            raise self._setback(
                trip,
                leg,
                from_answer_error(error, provider=leg.deployment.provider, hidden=leg.provider.hidden),
            ) from error
        except asyncio.CancelledError:
            self._outcomes.cancelled(trip, leg)
            raise
        except _Setback:
            raise
        except Exception:
            # A mistake of ours in reading the answer: the provider bills it, so it is booked all the same.
            self._outcomes.unreadable(trip, leg)
            raise
        leg.model, leg.usage, leg.finish = answer.model, answer.usage, answer.finish
        leg.answered_bytes = answer.said_bytes
        self._outcomes.succeeded(trip, leg)
        return answer

    async def _ask_stream(self, trip: Trip, leg: Leg, context: ReplyContext) -> Opened:
        reply: Reply | None = None
        watcher = watch_stream(trip, leg.outbound, context)
        opened: Opened | None = None
        try:
            reply = await self._send(trip, leg, stream=True)
            opened = await self._until_content(trip, leg, reply, watcher)
        except SendError as error:
            observe(leg, watcher)
            failure = from_send_error(error, provider=leg.deployment.provider, hidden=leg.provider.hidden)
            raise self._setback(trip, leg, failure) from error
        except asyncio.CancelledError:
            observe(leg, watcher)
            self._outcomes.cancelled(trip, leg)
            raise
        except _Setback:
            raise
        except Exception:
            # As above: whatever it is, what has come of the stream is booked first.
            observe(leg, watcher)
            self._outcomes.unreadable(trip, leg)
            raise
        finally:
            if opened is None and reply is not None:
                await reply.aclose()
        trip.model = watcher.model or leg.deployment.upstream_model
        trip.deployment, trip.relayed = leg.deployment.id, leg.outbound.relayed
        trip.dropped = leg.outbound.dropped
        return opened

    async def _until_content(self, trip: Trip, leg: Leg, reply: Reply, watcher: StreamWatcher) -> Opened:
        """Read, holding everything back, until there is content to commit to."""
        waited_s = self._clock.monotonic_s() - leg.started_s
        limit_s = leg.deadlines.first_content_s - waited_s
        patience = Patience(min(limit_s, self._outcomes.remaining_s(leg)))
        reply.set_deadline(patience.until)
        chunks = aiter(reply)
        held = b""
        ended = False
        while not (watcher.content or watcher.done or watcher.failed):
            try:
                data = await anext(chunks)
            except StopAsyncIteration:
                held += watcher.close()
                ended = True
                break
            held += watcher.feed(data)
            if not watcher.content:
                patience.spend(len(data))
                if len(held) > HELD_BACK_BOUND:
                    raise SendError("protocol", "the provider sent no content among its first 256 KiB")
        failed = watcher.failed if not watcher.done else None
        if watcher.content or failed is None:
            leg.first_content_s = self._clock.monotonic_s()
        if failed is not None:
            # Even when content came with it: none has been passed on, so another place may take over.
            observe(leg, watcher)
            raise self._setback(
                trip,
                leg,
                from_failed_event(failed, provider=leg.deployment.provider, hidden=leg.provider.hidden),
            )
        return Opened(leg, reply, chunks, watcher, held, ended)

    async def _send(self, trip: Trip, leg: Leg, *, stream: bool) -> Reply:
        """The reply to a call that the provider accepted; any other status is a setback."""
        outbound = leg.outbound
        call = Call(
            deployment=leg.deployment,
            operation=trip.envelope.operation,
            body=outbound.body,
            stream=stream and not outbound.gathered,
            dialect=outbound.dialect,
            deadlines=leg.deadlines,
            headers=trip.ask.headers if outbound.relayed else (),
            remaining_s=leg.until_s - self._clock.monotonic_s(),
            content_type=outbound.content_type,
        )
        leg.sent = True
        try:
            reply = await leg.provider.send(call)
        except SendError as error:
            leg.sent = error.sent
            raise
        leg.status = reply.status
        said = reply.headers
        if not said.keys().isdisjoint(_REQUEST_ID_HEADERS):
            leg.upstream_request_id = next(said[n][:120] for n in _REQUEST_ID_HEADERS if n in said)
        if 200 <= reply.status < 300:
            self._vitals.told(leg.deployment.id, said)
            return reply
        reply.set_deadline(asyncio.get_running_loop().time() + _ERROR_BODY_S)
        try:
            body = await reply.read()
        except SendError:
            body = b""  # the status speaks for itself
        finally:
            await reply.aclose()
        now_s = self._clock.unix_ns() / 1e9
        raise self._setback(
            trip,
            leg,
            classify(
                reply.status,
                reply.headers,
                body,
                provider=leg.deployment.provider,
                hidden=leg.provider.hidden,
                now_s=now_s,
            ),
        )

    def _setback(self, trip: Trip, leg: Leg, failure: Failure) -> _Setback:
        self._outcomes.failed(trip, leg, failure)
        return _Setback(onward(trip.plan, failure))

    def _bound_body(self, leg: Leg, reply: Reply) -> None:
        """Bound the wait for a whole answer's body: as for first content from the request, and at least as
        between contents from the head, which some providers send at once and fill up with blanks.
        """
        deadlines = leg.deadlines
        waited_s = self._clock.monotonic_s() - leg.started_s
        limit_s = max(deadlines.first_content_s - waited_s, deadlines.between_s)
        reply.set_deadline(asyncio.get_running_loop().time() + limit_s)


def _nowhere(trip: Trip, failure: Failure | None, full: Full | None, unfit: Problem | None) -> Problem:
    """What to tell the caller when the tour is over."""
    if failure is not None:
        return failure.problem
    if unfit is not None and full is None:
        return unfit
    if full is None:
        return Problem("upstream_timeout", "No time was left to call a provider.")
    return Problem(
        "rate_limited",
        f"Every deployment that may serve `{trip.envelope.model}` is given all that its limits allow; "
        "wait as long as `retry-after` says.",
        retry_after_s=full.wait_s,
    )
