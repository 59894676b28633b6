"""Proof that a stream is whole, before any of it is sent on: delivery by `verified`.

The stream is read to the end that its dialect prescribes, and held back meanwhile. One that breaks, wherever,
has shown the caller nothing, so another place may take over as if no content had come. A refusal and an end
at the token limit are answers, and whole.
"""

import asyncio
import logging

from passerelle.core.errors import AnswerError, Problem
from passerelle.gateway.deliver import DRAIN_S, ENDS_WITH_MARKS, Opened
from passerelle.gateway.held import Held, HeldTooMuchError, Room
from passerelle.gateway.outcomes import UNREADABLE, Outcomes, observe
from passerelle.gateway.patience import Patience
from passerelle.gateway.trip import Trip
from passerelle.providers.base import SendError
from passerelle.providers.failures import Failure, from_answer_error, from_failed_event, from_send_error

log = logging.getLogger("passerelle.road")


class Prover:
    """Reads opened streams to their end. One per worker."""

    def __init__(self, outcomes: Outcomes) -> None:
        self._outcomes = outcomes
        self._room = Room()

    def held(self, trip: Trip) -> Held:
        """Where the answer of a trip is held."""
        rules = trip.generation.delivery
        return Held(self._room, most=rules.max_held_bytes, most_of_all=rules.max_held_bytes_per_worker)

    async def prove(self, trip: Trip, opened: Opened, held: Held) -> Failure | None:
        """None when the whole stream is in `held` and the attempt is booked as answered; else why the attempt
        failed, as which it is booked. Closes the stream.
        """
        leg, watcher = opened.leg, opened.watcher
        name, hidden = leg.deployment.provider, leg.provider.hidden
        failure: Failure | None = None
        try:
            held.add(opened.held)
            if not opened.ended and watcher.failed is None:
                await self._rest(opened, held)
        except SendError as error:
            if leg.outbound.relayed and watcher.finish and leg.outbound.dialect in ENDS_WITH_MARKS:
                held.add(watcher.close())
            if not watcher.done:
                failure = from_send_error(error, provider=name, hidden=hidden)
        except HeldTooMuchError as error:
            failure = _too_much(error)
        except asyncio.CancelledError:
            observe(leg, watcher)
            self._outcomes.cancelled(trip, leg)
            raise
        except Exception:
            # A mistake of ours in reading it; another place's answer may be one that can be read.
            log.exception("a stream cannot be read", extra={"receipt_id": trip.receipt_id})
            failure = from_answer_error(AnswerError(UNREADABLE), provider=name, hidden=hidden)
        finally:
            await opened.reply.aclose()
        if failure is None and not watcher.done:
            if watcher.failed is not None:
                failure = from_failed_event(watcher.failed, provider=name, hidden=hidden)
            else:
                failure = from_answer_error(
                    AnswerError("the stream ended before its end was said"), provider=name, hidden=hidden
                )
        observe(leg, watcher)
        if failure is None:
            self._outcomes.succeeded(trip, leg)
        else:
            held.clear()
            self._outcomes.failed(trip, leg, failure)
        return failure

    async def _rest(self, opened: Opened, held: Held) -> None:
        leg, reply, watcher = opened.leg, opened.reply, opened.watcher
        loop_time = asyncio.get_running_loop().time
        between_s = leg.deadlines.between_s
        over_at = loop_time() + self._outcomes.remaining_s(leg)
        progress, done = -1, watcher.done
        patience = Patience(between_s)
        if done:
            reply.set_deadline(loop_time() + DRAIN_S)
        async for data in opened.chunks:
            held.add(watcher.feed(data))
            if watcher.failed is not None:
                return
            if watcher.done:
                if not done:
                    done = True
                    reply.set_deadline(loop_time() + DRAIN_S)
            elif watcher.progress != progress:
                progress = watcher.progress
                reply.set_deadline(patience.renew(min(loop_time() + between_s, over_at)))
            else:
                patience.spend(len(data))
        held.add(watcher.close())


def _too_much(error: HeldTooMuchError) -> Failure:
    """Not asked for again elsewhere, where it would be as large, and billed; but for one without an end."""
    if error.here:
        problem = Problem(
            "overloaded",
            "This worker holds back as many answers as it may until they are whole; try again shortly, or "
            "ask with `x-passerelle-delivery: stream`.",
            retry_after_s=5,
        )
    else:
        problem = Problem(
            "upstream_error",
            "The answer is larger than may be held back until it is whole; ask with "
            "`x-passerelle-delivery: stream`.",
        )
    return Failure("oversized", error.endless, False, None, problem, False, str(error))
