"""Hedging: a second place called beside the first when the first is slow, and the first whole answer taken.

Only for whole answers, where the key's rights and the request both ask for it: two calls are paid for. The
budget holds both before the second is made. The loser is cancelled and settled as what it may cost; the
answer is the last attempt of the receipt. Never with tools that run at the provider, which may do something
twice, and never where a place counts what it is given (`limits`): a request has one place at a time there.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final

from passerelle.core.clock import Clock
from passerelle.core.errors import ProblemError
from passerelle.core.receipt import Attempt
from passerelle.gateway.estimate import most_it_can_cost
from passerelle.gateway.leg import Leg
from passerelle.gateway.outbound import Answer
from passerelle.gateway.outcomes import Setback
from passerelle.gateway.trip import Trip

_KEPT: Final = 64
"""Answers of a place whose times are remembered."""
_FEWEST: Final = 20
"""With fewer times known there is no p95."""
_UNKNOWN_S: Final = 10.0
"""How long a place is waited for whose times are not known."""
Runs = dict["asyncio.Future[Answer]", Leg]
"""Attempts under way."""
_OPERATIONS: Final = frozenset({"chat", "embed"})


def allowed(trip: Trip) -> bool:
    """Whether a second place may be called beside the first."""
    places = trip.plan.candidates
    return (
        trip.ask.principal.rights.hedge is True
        and len(places) > 1
        and trip.envelope.operation in _OPERATIONS
        and "builtin_tools" not in trip.envelope.features
        and trip.generation.limited.isdisjoint([place.deployment for place in places])
    )


class Hedger:
    """Races two places, and remembers how long places take. One per worker."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._times: dict[str, deque[float]] = {}

    def after_s(self, trip: Trip, deployment: str) -> float:
        """How long to wait for a place before another is called too."""
        told = trip.generation.delivery.hedge_after_s
        if told is not None:
            return told
        times = self._times.get(deployment)
        if times is None or len(times) < _FEWEST:
            return _UNKNOWN_S
        return sorted(times)[len(times) * 95 // 100]

    async def race(
        self,
        trip: Trip,
        leg: Leg,
        ask: Callable[[Leg], Awaitable[Answer]],
        begin: Callable[[], Awaitable[Leg]],
    ) -> Answer:
        """The answer of `leg`, or of the one that `begin` gives if that comes first. Raises `Setback` when no
        answer came.
        """
        runs: Runs = {asyncio.ensure_future(ask(leg)): leg}
        try:
            done, _ = await asyncio.wait(runs, timeout=self.after_s(trip, leg.deployment.id))
            if not done:
                second = await self._second(trip, leg, begin)
                if second is not None:
                    runs[asyncio.ensure_future(ask(second))] = second
            winner = await _winner(runs)
        except BaseException:
            await _over(runs)
            runs.clear()  # they hold what is raised, which holds this frame: a ring, left behind each time
            raise
        for run, one in runs.items():
            one.beaten = run is not winner
        await _over(runs)
        won = runs[winner]
        self._times.setdefault(won.deployment.id, deque(maxlen=_KEPT)).append(
            self._clock.monotonic_s() - won.started_s
        )
        put_last(trip, won)
        return winner.result()

    async def _second(self, trip: Trip, leg: Leg, begin: Callable[[], Awaitable[Leg]]) -> Leg | None:
        """An attempt beside `leg`, or None where there is no place or no money for one."""
        trip.aside_nanos = most_it_can_cost(trip.envelope, leg.deployment)
        try:
            second = await begin()
        except ProblemError:
            return None  # the first is still under way, and may well answer
        finally:
            trip.aside_nanos = 0
        second.hedge = True
        return second


async def _winner(runs: Runs) -> "asyncio.Future[Answer]":
    """The first run that gave an answer. Raises `Setback` when none did, or when one failed as any would."""
    waiting = set(runs)
    while True:
        done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        won = next((run for run in done if run.exception() is None), None)
        if won is not None:
            return won
        try:
            for run in done:
                failed = run.exception()
                if not isinstance(failed, Setback) or not failed.failure.retryable or not waiting:
                    run.result()  # raises it
        finally:
            del done, run, failed  # as above


async def _over(runs: Runs) -> None:
    """Have none of them under way any more; each is booked."""
    for run in runs:
        run.cancel()
    await asyncio.wait(runs)
    for run in runs:
        if not run.cancelled():
            run.exception()  # looked at, so that it is not reported as forgotten


def put_last(trip: Trip, won: Leg) -> None:
    """Have the answer's attempt be the last, and the trip say what it says, whichever ended last."""
    mine: Attempt = next(attempt for attempt in trip.attempts if attempt.id == won.id)
    trip.attempts.remove(mine)
    trip.attempts.append(mine)
    trip.model, trip.deployment = mine.model, mine.deployment
    trip.relayed, trip.dropped = won.outbound.relayed, won.outbound.dropped
