"""Delivery: a committed stream on its way to the caller, to its proper end or an honest one.

After the first content nothing is taken over: a failure is told in-band, in the caller's dialect, as an
incomplete end, unless the caller asked for texts to be gone on with (see `going_on`). A caller that goes away
cancels the provider's stream. Either way it is settled before the caller is told how it ended.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable

import msgspec

from passerelle.codecs.base import ReplyContext, StreamWatcher
from passerelle.core.errors import AnswerError
from passerelle.core.event import Failed
from passerelle.core.request import Dialect
from passerelle.gateway import keep
from passerelle.gateway.leg import Leg
from passerelle.gateway.outcomes import UNREADABLE, Outcomes, observe
from passerelle.gateway.patience import Patience
from passerelle.gateway.translate import in_band_error
from passerelle.gateway.trip import Trip
from passerelle.providers.base import Reply, SendError
from passerelle.providers.failures import Failure, from_answer_error, from_failed_event, from_send_error
from passerelle.store import StoreUnavailable

log = logging.getLogger("passerelle.road")

DRAIN_S = 0.25
"""How long a finished stream may take to close its framing, so that its connection can be reused."""
ENDS_WITH_MARKS: frozenset[Dialect] = frozenset({"openai_chat", "bedrock"})
"""Dialects whose answer is whole once it says why it stopped: what follows are a count and a mark. Relayed,
that reason has gone to the caller, and an error after it would be a second end."""
_NOT_KEPT = "Records cannot be written now; try again shortly."


class Opened(msgspec.Struct):
    """A stream whose first content has come: committed to its deployment."""

    leg: Leg
    reply: Reply
    chunks: AsyncIterator[bytes]
    watcher: StreamWatcher
    held: bytes
    ended: bool
    """The provider's bytes are all in `held` already."""


GoOn = Callable[[Trip, Opened, ReplyContext], Awaitable[Opened | None]]
"""A stream that goes on where another broke off, if there is one."""


class Deliverer:
    """Delivers opened streams. One per worker."""

    def __init__(self, outcomes: Outcomes, go_on: GoOn) -> None:
        self._outcomes = outcomes
        self._go_on = go_on

    async def flow(self, trip: Trip, opened: Opened, context: ReplyContext) -> AsyncGenerator[bytes, None]:
        """The committed stream's bytes for the caller. Settles before the last of them; closing the
        generator early (the caller went away) cancels the provider's stream and settles too.
        """
        try:
            while True:
                failure: Failure | None = None
                leg, watcher = opened.leg, opened.watcher
                name, hidden = leg.deployment.provider, leg.provider.hidden
                out = opened.held
                _keep(trip, out)
                if watcher.done:
                    self._outcomes.stream_completed(trip, leg, watcher)
                    if trip.booked is not None:
                        await keep.booked(trip)
                if out:
                    yield out
                if not opened.ended and watcher.failed is None:
                    try:
                        async for out in self._onward(trip, opened):
                            yield out
                    except SendError as error:
                        if (
                            leg.outbound.relayed
                            and watcher.finish
                            and leg.outbound.dialect in ENDS_WITH_MARKS
                        ):
                            out = watcher.close()
                            _keep(trip, out)
                            if watcher.done and not trip.settled:
                                self._outcomes.stream_completed(trip, leg, watcher)
                            yield out
                        elif not watcher.done:
                            failure = from_send_error(error, provider=name, hidden=hidden)
                    except StoreUnavailable:
                        # It came to its end, and that cannot be kept: the caller must be told.
                        yield in_band_error(trip, watcher, Failed("server_error", _NOT_KEPT), context, out)
                        return
                    except Exception:
                        # A mistake of ours in reading it: the caller is told in its own words, not cut off.
                        log.exception("a stream cannot be read", extra={"receipt_id": trip.receipt_id})
                        failure = from_answer_error(AnswerError(UNREADABLE), provider=name, hidden=hidden)
                if watcher.failed is not None and not watcher.done:
                    failure = from_failed_event(watcher.failed, provider=name, hidden=hidden)
                if failure is None:
                    return
                more = await self._more(trip, opened, failure, context)
                if more is None:
                    # In the words of `classify`: what a provider says of itself is for receipt and log.
                    failed = Failed(failure.kind, failure.problem.message)
                    yield in_band_error(trip, watcher, failed, context, out)
                    return
                await opened.reply.aclose()
                opened = more
        finally:
            # Only reached unsettled when the caller went away (GeneratorExit, CancelledError).
            if not trip.settled:
                self._outcomes.stream_left(trip, opened.leg, opened.watcher)
            if trip.ticket is not None:
                trip.ticket.leave(trip.attempts)
            await opened.reply.aclose()

    async def _more(
        self, trip: Trip, opened: Opened, failure: Failure, context: ReplyContext
    ) -> Opened | None:
        """A stream that goes on where this one broke off; None when there is none, and all is settled."""
        if not trip.continues or trip.broken_off is not None or not failure.retryable:
            self._outcomes.stream_broke(trip, opened.leg, opened.watcher, failure)
            return None
        observe(opened.leg, opened.watcher)
        self._outcomes.failed(trip, opened.leg, failure)
        more = await self._go_on(trip, opened, context)
        if more is None:
            self._outcomes.stream_given_up(trip, failure)
        return more

    async def _onward(self, trip: Trip, opened: Opened) -> AsyncGenerator[bytes, None]:
        """The rest of a provider's stream, under the between-contents deadline."""
        leg, reply, watcher = opened.leg, opened.reply, opened.watcher
        loop_time = asyncio.get_running_loop().time
        between_s = leg.deadlines.between_s
        over_at = loop_time() + self._outcomes.remaining_s(leg)
        progress = -1
        patience = Patience(between_s)
        async for data in opened.chunks:
            out = watcher.feed(data)
            _keep(trip, out)
            if watcher.failed is not None:
                if out:
                    yield out  # what came whole before the failure; the encoder counts on its having gone
                return
            if watcher.done:
                if not trip.settled:
                    self._outcomes.stream_completed(trip, leg, watcher)
                    if trip.booked is not None:
                        await keep.booked(trip)
                    reply.set_deadline(loop_time() + DRAIN_S)
            elif watcher.progress != progress:
                progress = watcher.progress
                reply.set_deadline(patience.renew(min(loop_time() + between_s, over_at)))
            else:
                patience.spend(len(data))
            if out:
                data = b""  # a caller that does not read keeps us here: one copy is enough
                yield out
        out = watcher.close()
        _keep(trip, out)
        if watcher.done and not trip.settled:
            self._outcomes.stream_completed(trip, leg, watcher)
            if trip.booked is not None:
                await keep.booked(trip)
        if out:
            yield out


def _keep(trip: Trip, data: bytes) -> None:
    """Gather the answer for tenants that store content, before it is settled, or its end would be missing."""
    if trip.answer is not None:
        trip.answer.append(data)
