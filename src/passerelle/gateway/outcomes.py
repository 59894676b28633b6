"""What becomes of attempts: booked on the trip, told to the vitals, settled. And the time they have.

Shared by the engine, which makes attempts, and by the delivery of the one that came to its content.
"""

from passerelle.codecs.base import StreamWatcher
from passerelle.core.clock import Clock
from passerelle.gateway import leg as legs
from passerelle.gateway.leg import Leg
from passerelle.gateway.settle import Settler
from passerelle.gateway.trip import Trip
from passerelle.gateway.vitals import Vitals
from passerelle.providers.failures import Failure

UNREADABLE = "the answer could not be read here"


class Setback(Exception):
    """An attempt failed; `failure` says what may be done about it."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.kind)
        self.failure = failure


class Outcomes:
    """Ends legs. One per worker."""

    def __init__(self, settler: Settler, vitals: Vitals, clock: Clock) -> None:
        self._settler = settler
        self._vitals = vitals
        self._clock = clock

    def failed(self, trip: Trip, leg: Leg, failure: Failure) -> None:
        """The attempt failed, and that may speak against the place."""
        legs.end(trip, leg, self._clock, failure=failure.kind, detail=failure.detail)
        self._vitals.failed(leg.deployment.id, failure, started_s=leg.started_s, probing=leg.probing)

    def cancelled(self, trip: Trip, leg: Leg) -> None:
        """The caller went away during it, or another place answered first."""
        why = "another place answered first" if leg.beaten else "the caller went away"
        legs.end(trip, leg, self._clock, failure="cancelled", detail=why)
        self._vitals.left(leg.deployment.id, probing=leg.probing)

    def unreadable(self, trip: Trip, leg: Leg) -> None:
        """A mistake of ours in reading the answer: the provider bills it all the same."""
        legs.end(trip, leg, self._clock, failure="protocol", detail=UNREADABLE)
        self._vitals.left(leg.deployment.id, probing=leg.probing)

    def succeeded(self, trip: Trip, leg: Leg) -> None:
        """The answer is complete."""
        attempt = legs.end(trip, leg, self._clock)
        trip.model, trip.deployment = attempt.model, leg.deployment.id
        trip.relayed, trip.dropped = leg.outbound.relayed, leg.outbound.dropped
        first_s = None if leg.first_content_s is None else leg.first_content_s - leg.started_s
        self._vitals.succeeded(
            leg.deployment.id,
            started_s=leg.started_s,
            taken_s=attempt.duration_ns / 1e9,
            first_s=first_s,
            tokens=attempt.usage.total_output_tokens,
            stream=trip.envelope.stream,
            probing=leg.probing,
        )

    def stream_completed(self, trip: Trip, leg: Leg, watcher: StreamWatcher) -> None:
        """A committed stream came to its proper end: settled before the caller sees it."""
        observe(leg, watcher)
        self.succeeded(trip, leg)
        self._settler.settle(trip, "answered")

    def stream_broke(self, trip: Trip, leg: Leg, watcher: StreamWatcher, failure: Failure) -> None:
        """A committed stream was cut: settled as incomplete before the caller is told."""
        observe(leg, watcher)
        self.failed(trip, leg, failure)
        self._settler.settle(trip, "incomplete", problem=failure.problem.kind)

    def stream_given_up(self, trip: Trip, failure: Failure) -> None:
        """A committed stream was cut and could not be gone on with; its attempts are booked."""
        self._settler.settle(trip, "incomplete", problem=failure.problem.kind)

    def stream_left(self, trip: Trip, leg: Leg, watcher: StreamWatcher) -> None:
        """The caller of a committed stream went away: settled with what is known so far."""
        if all(attempt.id != leg.id for attempt in trip.attempts):
            observe(leg, watcher)
            self.cancelled(trip, leg)
        self._settler.settle(trip, "cancelled")

    def remaining_s(self, leg: Leg) -> float:
        """What is left of the request's one deadline."""
        return leg.until_s - self._clock.monotonic_s()


def observe(leg: Leg, watcher: StreamWatcher) -> None:
    """What a stream has said of itself so far."""
    leg.model, leg.usage, leg.finish = watcher.model, watcher.usage, watcher.finish
    leg.answered_bytes = watcher.text_bytes
