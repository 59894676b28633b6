"""A cascade on the road: the cheap model's answer is held back, checked, and passed on only where it holds.

    first     the plan's cheap place is asked (for `agreement` several times), and its answer is held
    verdict   the verifier's, on what the caller would get; off the event loop, in bounded steps
    then      where it does not hold: the best place, and after it whoever of the plan beats the first

Every place is one of the plan's candidates, so nobody is asked who was not eligible. All attempts share the
request's one deadline and its bound on attempts, each is held for before it is made, and each is booked. When
nobody better answers, the answer that did not hold is delivered all the same, and the receipt says so: it is
an answer, and what it fails is a wish of ours.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar

import msgspec

from passerelle.codecs import registry
from passerelle.core.cascade import Cascade, Cascaded
from passerelle.core.conversation import Turn
from passerelle.core.errors import AnswerError, ProblemError
from passerelle.core.event import Event
from passerelle.core.plan import Plan
from passerelle.core.request import Request
from passerelle.gateway.hedge import put_last
from passerelle.gateway.held import Held
from passerelle.gateway.leg import Leg
from passerelle.gateway.outbound import Answer
from passerelle.gateway.outcomes import Setback
from passerelle.gateway.smart import checks_of
from passerelle.gateway.tour import MOST_VERIFIED, Tour
from passerelle.gateway.trip import Ask, Trip
from passerelle.providers.failures import Failure
from passerelle.router.verifier import agreement, checks, schema
from passerelle.router.verifier.base import Said, UndecidedError, Verdict, heard, said

log = logging.getLogger("passerelle.road")

_Answer = TypeVar("_Answer", Answer, Held)
Next = Callable[[Trip, Tour, Failure | None], Awaitable[Leg]]
"""The next attempt of a tour, held for and announced."""


class _Given(msgspec.Struct, Generic[_Answer]):
    """An answer of the first place, and what the trip knew when it came."""

    answer: _Answer
    leg: Leg
    turn: Turn | None


class Cascader:
    """Makes cascades. One per worker."""

    def __init__(self, begin: Next, tour: Callable[[Trip, Plan, int], Tour]) -> None:
        """`tour(trip, plan, most)` walks the plan's candidates."""
        self._begin = begin
        self._tour = tour

    async def answer(self, trip: Trip, ask: Callable[[Leg], Awaitable[_Answer]]) -> _Answer:
        """The answer that is delivered. Raises `ProblemError` when there is none. `ask` gives a whole answer,
        or raises `Setback`.
        """
        cascade = trip.plan.cascade
        if cascade is None or cascade.first is None or cascade.then is None:
            raise AssertionError("a trip without a pair does not cascade")
        given: list[_Given[_Answer]] = []
        failure: Failure | None = None
        verdict: Verdict | None = None
        try:
            while len(given) < cascade.samples:
                if trip.ticket is not None:
                    trip.ticket.vacate()
                leg = await self._begin(trip, self._tour(trip, _among(trip.plan, {cascade.first}), 1), None)
                leg.step = "again" if given else "first"
                given.append(_Given(await ask(leg), leg, trip.turn))
        except Setback as setback:
            failure = setback.failure
            if not given and not failure.retryable:  # it would be the same anywhere, as without a cascade
                raise ProblemError(failure.problem) from setback
            verdict = Verdict(False, f"`{cascade.first}` failed: {failure.kind}", tells=False)
        except ProblemError as error:
            verdict = Verdict(
                False, f"`{cascade.first}` could not be asked: {error.problem.kind}", tells=False
            )
        if verdict is None:
            verdict = await asyncio.to_thread(_verdict, trip, cascade, [one.answer for one in given])
            if verdict.holds:
                trip.cascaded = Cascaded("accepted", verdict.why, tells=verdict.tells)
                return given[-1].answer
        _forget(trip)
        if not given:
            trip.cascaded = Cascaded("skipped", verdict.why, tells=False)
            return await self._better(trip, ask, cascade, failure, alone=True)
        trip.cascaded = Cascaded("kept", verdict.why, tells=verdict.tells)
        try:
            answer = await self._better(trip, ask, cascade, None, alone=False)
        except ProblemError as error:
            failing = error.problem.kind
        except Exception:
            # A mistake of ours on the way to a better answer: there is one that can be delivered.
            log.exception("a cascade cannot be gone on with", extra={"receipt_id": trip.receipt_id})
            failing = "internal"
        else:
            holds = await asyncio.to_thread(_also, trip, cascade, answer)
            trip.cascaded = Cascaded("escalated", verdict.why, escalated_holds=holds, tells=verdict.tells)
            return answer
        last = given[-1]
        put_last(trip, last.leg)
        trip.turn = last.turn
        trip.cascaded = Cascaded("kept", verdict.why, failing=failing, tells=verdict.tells)
        return last.answer

    async def _better(
        self,
        trip: Trip,
        ask: Callable[[Leg], Awaitable[_Answer]],
        cascade: Cascade,
        failure: Failure | None,
        *,
        alone: bool,
    ) -> _Answer:
        """The answer of a better place; `alone`: of any other, for there is no answer yet."""
        if trip.ticket is not None:
            trip.ticket.vacate()
        tour = self._tour(trip, _upward(trip.plan, cascade, alone=alone), MOST_VERIFIED - trip.begun)
        while True:
            leg = await self._begin(trip, tour, failure)
            leg.step = None if alone else "escalated"
            try:
                return await ask(leg)
            except Setback as setback:
                failure = setback.failure
                _forget(trip)


def _among(plan: Plan, places: set[str]) -> Plan:
    return msgspec.structs.replace(
        plan, candidates=tuple([one for one in plan.candidates if one.deployment in places])
    )


def _upward(plan: Plan, cascade: Cascade, *, alone: bool) -> Plan:
    """Who may be asked after the first: the best, then the others in their order. Unless they are asked for
    want of any answer, only those that are predicted to do better than the first.
    """
    first = next((one for one in plan.candidates if one.deployment == cascade.first), None)
    least = -1.0 if alone or first is None or first.quality is None else first.quality
    able = [
        one
        for one in plan.candidates
        if one.deployment != cascade.first
        and (alone or one.deployment == cascade.then or (one.quality or 0.0) > least)
    ]
    able.sort(key=lambda one: one.deployment != cascade.then)
    return msgspec.structs.replace(plan, candidates=tuple(able))


def _forget(trip: Trip) -> None:
    """Nothing of an answer is left that is not delivered: neither whose it was, nor what is kept of it."""
    trip.model, trip.deployment, trip.turn = None, None, None
    trip.relayed, trip.dropped = False, ()


# --- verdicts: in a thread


def _verdict(trip: Trip, cascade: Cascade, answers: list[Any]) -> Verdict:
    """The verifier's word on the answers as their caller would get them."""
    try:
        seen = tuple([_seen(trip.ask, answer) for answer in answers])
        return _looked_at(trip, cascade, seen)
    except UndecidedError as error:
        return Verdict(False, str(error), tells=False)
    except (AnswerError, ProblemError, RecursionError):
        return Verdict(False, "it cannot be read here", tells=False)
    except Exception:
        # A mistake of ours proves nothing: the better model is asked.
        log.exception("an answer cannot be checked", extra={"receipt_id": trip.receipt_id})
        return Verdict(False, "it cannot be checked here", tells=False)


def _looked_at(trip: Trip, cascade: Cascade, seen: tuple[Said, ...]) -> Verdict:
    match cascade.verifier:
        case "schema":
            return schema.verdict(_request(trip), seen[-1])
        case "agreement":
            return agreement.verdict(seen)
        case "tests":
            name = cascade.tests or ""
            found = checks_of(trip.generation.router, trip.ask.principal, name)
            return checks.verdict(name, msgspec.convert(found, checks.Tests), seen[-1])


def _also(trip: Trip, cascade: Cascade, answer: Any) -> bool | None:
    """Whether the better answer meets the same; None where that says nothing."""
    if cascade.verifier == "agreement":
        return None
    verdict = _verdict(trip, cascade, [answer])
    return verdict.holds if verdict.tells else None


def _request(trip: Trip) -> Request:
    if trip.request is not None:
        return trip.request
    ask = trip.ask
    return registry.client(ask.dialect).decode_request(ask.body, ask.target)


def _seen(ask: Ask, answer: Answer | Held) -> Said:
    """What an answer says, read from the caller's own bytes. Raises `AnswerError`, `UndecidedError`."""
    side = registry.provider(ask.dialect)
    if isinstance(answer, Answer):
        return said(side.decode_response(answer.body))
    decoder = side.stream_decoder()
    data = answer.whole()
    events: list[Event] = []
    if ask.target.json_array:
        for one in msgspec.json.decode(data, type=list[msgspec.Raw]):
            events += decoder.feed(b"data: " + msgspec.json.encode(msgspec.json.decode(one)) + b"\r\n\r\n")
    else:
        events += decoder.feed(data)
    return heard([*events, *decoder.close()])
