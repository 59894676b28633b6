"""The attempt engine: calls deployments in the plan's order until one answers.

Takeover is free until the first content: status lines and lifecycle frames are held back until then, so a
provider that fails before it is invisible to the caller. After it the stream is committed, and a failure is
told in-band, in the caller's dialect, as an incomplete end. One engine serves every dialect and operation.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable

import msgspec

from passerelle.codecs.base import ReplyContext, StreamWatcher
from passerelle.core.clock import Clock
from passerelle.core.errors import AnswerError, Problem, ProblemError
from passerelle.core.event import Failed
from passerelle.core.model import Deployment
from passerelle.gateway import leg as legs
from passerelle.gateway.holds import Holds
from passerelle.gateway.leg import Leg
from passerelle.gateway.settle import Settler
from passerelle.gateway.tour import Tour
from passerelle.gateway.translate import Answer, decode_whole, encode_for, in_band_error, watch_stream
from passerelle.gateway.trip import Trip
from passerelle.gateway.vitals import Vitals
from passerelle.providers.base import Call, Deadlines, Reply, SendError
from passerelle.providers.failures import (
    Failure,
    classify,
    from_answer_error,
    from_failed_event,
    from_send_error,
)
from passerelle.store import Store, StoreUnavailable

log = logging.getLogger("passerelle.road")

HELD_BACK_BOUND = 256 << 10
"""Bytes of lifecycle frames held before the first content; more is a provider fault."""
_DRAIN_S = 0.25
"""How long a finished stream may take to close its framing, so that its connection can be reused."""
_ERROR_BODY_S = 5.0
"""How long the words beside an error status are waited for."""
_UNREADABLE = "the answer could not be read here"
_NOT_KEPT = "Records cannot be written now; try again shortly."
_REQUEST_ID_HEADERS = ("x-request-id", "request-id", "apim-request-id")
_DEFAULT_DEADLINES = Deadlines()


class Opened(msgspec.Struct):
    """A stream whose first content has come: committed to its deployment."""

    leg: Leg
    reply: Reply
    chunks: AsyncIterator[bytes]
    watcher: StreamWatcher
    held: bytes
    ended: bool
    """The provider's bytes are all in `held` already."""


class _Setback(Exception):
    """An attempt failed; `failure` says what may be done about it."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.kind)
        self.failure = failure


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
        self._settler = settler
        self._vitals = vitals
        self._holds = holds
        self._clock = clock
        self._jitter = jitter

    async def whole(self, trip: Trip, context: ReplyContext) -> Answer:
        """The whole answer. Raises `ProblemError` when no deployment gave one."""
        tour, failure = Tour(trip.plan, self._jitter), None
        while True:
            leg = await self._next(trip, tour, failure)
            try:
                return await self._ask_whole(trip, leg, context)
            except _Setback as setback:
                failure = setback.failure

    async def open(self, trip: Trip, context: ReplyContext) -> Opened:
        """A committed stream. Raises `ProblemError` when no deployment came to its first content."""
        tour, failure = Tour(trip.plan, self._jitter), None
        while True:
            leg = await self._next(trip, tour, failure)
            try:
                return await self._ask_stream(trip, leg, context)
            except _Setback as setback:
                failure = setback.failure

    async def flow(self, trip: Trip, opened: Opened, context: ReplyContext) -> AsyncGenerator[bytes, None]:
        """The committed stream's bytes for the caller. Settles before the last of them; closing the
        generator early (the caller went away) cancels the provider's stream and settles too.
        """
        reply, watcher = opened.reply, opened.watcher
        failure: Failure | None = None
        try:
            if watcher.done:
                self._complete(trip, opened)
            yield _kept(trip, opened.held)
            if not opened.ended and watcher.failed is None:
                try:
                    async for out in self._onward(trip, opened):
                        yield _kept(trip, out)
                except SendError as error:
                    if not watcher.done:
                        failure = from_send_error(error, provider=opened.leg.deployment.provider)
                except StoreUnavailable:
                    # It came to its end, and that cannot be kept: the caller must not be told all went well.
                    yield in_band_error(trip, watcher, Failed("server_error", _NOT_KEPT), context)
                    return
                except Exception:
                    # A mistake of ours in reading it: the caller is told in its own words, not cut off.
                    log.exception("a stream cannot be read", extra={"receipt_id": trip.receipt_id})
                    failure = from_answer_error(
                        AnswerError(_UNREADABLE), provider=opened.leg.deployment.provider
                    )
            if watcher.failed is not None and not watcher.done:
                failure = from_failed_event(watcher.failed, provider=opened.leg.deployment.provider)
            if failure is not None:
                self._broke(trip, opened, failure)
                # In the words of `classify`: what a provider says of itself is for the receipt and the log.
                failed = Failed(failure.kind, failure.problem.message)
                yield in_band_error(trip, watcher, failed, context)
        finally:
            # Only reached unsettled when the caller went away (GeneratorExit, CancelledError).
            if not trip.settled:
                self._observe(opened.leg, watcher)
                legs.end(trip, opened.leg, self._clock, failure="cancelled", detail="the caller went away")
                self._settler.settle(trip, "cancelled")
            if trip.ticket is not None:
                trip.ticket.leave(trip.attempts)
            await reply.aclose()

    async def _onward(self, trip: Trip, opened: Opened) -> AsyncGenerator[bytes, None]:
        """The rest of a provider's stream, under the between-contents deadline."""
        reply, watcher = opened.reply, opened.watcher
        loop_time = asyncio.get_running_loop().time
        between_s = self._deadlines(trip, opened.leg).between_s
        over_at = loop_time() + self._remaining_s(trip, opened.leg.deployment)
        progress = -1
        async for data in opened.chunks:
            out = watcher.feed(data)
            if watcher.failed is not None:
                if out:
                    yield out  # what came whole before the failure; the encoder counts on its having gone
                return
            if watcher.done:
                if not trip.settled:
                    self._complete(trip, opened)
                    reply.set_deadline(loop_time() + _DRAIN_S)
            elif watcher.progress != progress:
                progress = watcher.progress
                reply.set_deadline(min(loop_time() + between_s, over_at))
            if out:
                yield out
        out = watcher.close()
        if watcher.done and not trip.settled:
            self._complete(trip, opened)
        if out:
            yield out

    async def _next(self, trip: Trip, tour: Tour, failure: Failure | None) -> Leg:
        """The next attempt, held for and announced. Raises `ProblemError` when the tour is over."""
        generation = trip.generation
        stop = tour.next(failure, lambda place: self._remaining_s(trip, generation.catalog.by_id[place]))
        if stop is None:
            if failure is None:
                raise ProblemError(Problem("upstream_timeout", "No time was left to call a provider."))
            raise ProblemError(failure.problem)
        if stop.pause_s:
            await asyncio.sleep(stop.pause_s)
        deployment = generation.catalog.by_id[stop.deployment]
        outbound = encode_for(trip, deployment)
        estimate = await self._holds.reserve(trip, deployment)
        leg = legs.begin(trip, deployment, generation.providers[deployment.provider], outbound, self._clock)
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
                self._bound_body(trip, leg, reply)
                data = await reply.read()
            finally:
                await reply.aclose()
            leg.first_content_s = self._clock.monotonic_s()
            answer = decode_whole(trip, leg.outbound, data, context)
        except SendError as error:
            raise self._setback(
                trip, leg, from_send_error(error, provider=leg.deployment.provider)
            ) from error
        except AnswerError as error:
            raise self._setback(
                trip, leg, from_answer_error(error, provider=leg.deployment.provider)
            ) from error
        except asyncio.CancelledError:
            legs.end(trip, leg, self._clock, failure="cancelled", detail="the caller went away")
            raise
        except _Setback:
            raise
        except Exception:
            # A mistake of ours in reading the answer is told as such; the provider bills it all the same.
            legs.end(trip, leg, self._clock, failure="protocol", detail=_UNREADABLE)
            raise
        leg.model, leg.usage, leg.finish = answer.model, answer.usage, answer.finish
        leg.answered_bytes = len(answer.body)
        self._succeed(trip, leg)
        return answer

    async def _ask_stream(self, trip: Trip, leg: Leg, context: ReplyContext) -> Opened:
        reply: Reply | None = None
        watcher = watch_stream(trip, leg.outbound, context)
        opened: Opened | None = None
        try:
            reply = await self._send(trip, leg, stream=True)
            opened = await self._until_content(trip, leg, reply, watcher)
        except SendError as error:
            self._observe(leg, watcher)
            failure = from_send_error(error, provider=leg.deployment.provider)
            raise self._setback(trip, leg, failure) from error
        except asyncio.CancelledError:
            self._observe(leg, watcher)
            legs.end(trip, leg, self._clock, failure="cancelled", detail="the caller went away")
            raise
        except _Setback:
            raise
        except Exception:
            self._observe(leg, watcher)
            legs.end(trip, leg, self._clock, failure="protocol", detail=_UNREADABLE)
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
        limit_s = self._deadlines(trip, leg).first_content_s - waited_s
        reply.set_deadline(
            asyncio.get_running_loop().time() + min(limit_s, self._remaining_s(trip, leg.deployment))
        )
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
            if len(held) > HELD_BACK_BOUND and not watcher.content:
                raise SendError("protocol", "the provider sent no content among its first 256 KiB")
        if watcher.failed is not None and not watcher.done:
            # Even when content came with it: none has been passed on, so another place may take over.
            self._observe(leg, watcher)
            raise self._setback(
                trip, leg, from_failed_event(watcher.failed, provider=leg.deployment.provider)
            )
        leg.first_content_s = self._clock.monotonic_s()
        return Opened(leg, reply, chunks, watcher, held, ended)

    async def _send(self, trip: Trip, leg: Leg, *, stream: bool) -> Reply:
        """The reply to a call that the provider accepted; any other status is a setback."""
        outbound = leg.outbound
        call = Call(
            deployment=leg.deployment,
            operation=trip.envelope.operation,
            body=outbound.body,
            stream=stream,
            dialect=outbound.dialect,
            deadlines=self._deadlines(trip, leg),
            headers=trip.ask.headers if outbound.relayed else (),
            remaining_s=self._remaining_s(trip, leg.deployment),
        )
        leg.sent = True
        try:
            reply = await leg.provider.send(call)
        except SendError as error:
            leg.sent = error.sent
            raise
        leg.status = reply.status
        for name in _REQUEST_ID_HEADERS:
            if name in reply.headers:
                leg.upstream_request_id = reply.headers[name][:120]
                break
        if 200 <= reply.status < 300:
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
            classify(reply.status, reply.headers, body, provider=leg.deployment.provider, now_s=now_s),
        )

    def _setback(self, trip: Trip, leg: Leg, failure: Failure) -> _Setback:
        legs.end(trip, leg, self._clock, failure=failure.kind, detail=failure.detail)
        self._vitals.failed(leg.deployment.id, failure)
        return _Setback(failure)

    def _succeed(self, trip: Trip, leg: Leg) -> None:
        attempt = legs.end(trip, leg, self._clock)
        trip.model, trip.deployment = attempt.model, leg.deployment.id
        trip.relayed, trip.dropped = leg.outbound.relayed, leg.outbound.dropped
        first_s = None if leg.first_content_s is None else leg.first_content_s - leg.started_s
        self._vitals.succeeded(leg.deployment.id, first_s)

    def _complete(self, trip: Trip, opened: Opened) -> None:
        """A stream came to its proper end: settle before the caller sees it."""
        self._observe(opened.leg, opened.watcher)
        self._succeed(trip, opened.leg)
        self._settler.settle(trip, "answered")

    def _broke(self, trip: Trip, opened: Opened, failure: Failure) -> None:
        """A committed stream was cut: settle as incomplete before the caller is told."""
        self._observe(opened.leg, opened.watcher)
        self._setback(trip, opened.leg, failure)
        self._settler.settle(trip, "incomplete", problem=failure.problem.kind)

    @staticmethod
    def _observe(leg: Leg, watcher: StreamWatcher) -> None:
        leg.model, leg.usage, leg.finish = watcher.model, watcher.usage, watcher.finish
        leg.answered_bytes = watcher.text_bytes

    @staticmethod
    def _deadlines(trip: Trip, leg: Leg) -> Deadlines:
        return trip.generation.deadlines.get(leg.deployment.provider, _DEFAULT_DEADLINES)

    def _bound_body(self, trip: Trip, leg: Leg, reply: Reply) -> None:
        """Bound the wait for a whole answer's body: as for first content from the request, and at least as
        between contents from the head, which some providers send at once and fill up with blanks.
        """
        deadlines = self._deadlines(trip, leg)
        waited_s = self._clock.monotonic_s() - leg.started_s
        limit_s = max(deadlines.first_content_s - waited_s, deadlines.between_s)
        reply.set_deadline(asyncio.get_running_loop().time() + limit_s)

    def _remaining_s(self, trip: Trip, deployment: Deployment) -> float:
        """What is left of the request's one deadline, which its attempts share, if it goes there."""
        total_s = trip.generation.deadlines.get(deployment.provider, _DEFAULT_DEADLINES).total_s
        return total_s - (self._clock.monotonic_s() - trip.ask.started_s)


def _kept(trip: Trip, data: bytes) -> bytes:
    """Pass `data` on, gathering it only for tenants that store content."""
    if trip.answer is not None:
        trip.answer.append(data)
    return data
