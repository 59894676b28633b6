"""What a worker takes on at once, and how fast each key may come.

Rate limits are GCRA per key, in this worker's memory. With N workers each enforces a share of 1/N, so that
together they never exceed the limit. Concurrency is counted until the last byte is delivered.
"""

import msgspec

from passerelle.core.clock import Clock
from passerelle.core.errors import Problem, ProblemError
from passerelle.core.principal import Principal
from passerelle.gateway.generation import Generation
from passerelle.ledger.limits import START, Gcra
from passerelle.telemetry.metrics import Metrics

_MINUTE_NS = 60_000_000_000
_REMEMBERED_KEYS = 100_000


class Limits:
    """One worker's counters."""

    def __init__(self, *, max_in_flight: int, workers: int, metrics: Metrics, clock: Clock) -> None:
        self._max_in_flight = max_in_flight
        self._workers = workers
        self._metrics = metrics
        self._clock = clock
        self._in_flight = 0
        self._by_key: dict[str, int] = {}
        self._arrivals: dict[str, tuple[int, Gcra, int]] = {}

    @property
    def in_flight(self) -> int:
        """Requests on the road now."""
        return self._in_flight

    def enter(self, principal: Principal, generation: Generation) -> "Ticket":
        """A place on the road. Raises `ProblemError` (`overloaded`, `rate_limited`)."""
        if self._in_flight >= self._max_in_flight:
            raise ProblemError(
                Problem(
                    "overloaded",
                    f"This worker already carries {self._max_in_flight} requests; try again shortly.",
                    retry_after_s=1,
                )
            )
        rights, key_id = principal.rights, principal.key_id
        if rights.concurrency is not None and self._by_key.get(key_id, 0) >= rights.concurrency:
            raise ProblemError(
                Problem(
                    "rate_limited",
                    f"This key may have {rights.concurrency} requests under way; wait for one to end.",
                    retry_after_s=1,
                )
            )
        per_minute = rights.requests_per_minute or generation.default_requests_per_minute
        if per_minute is not None:
            self._arrive(key_id, per_minute)
        self._in_flight += 1
        self._by_key[key_id] = self._by_key.get(key_id, 0) + 1
        return Ticket(self, key_id)

    def _arrive(self, key_id: str, per_minute: int) -> None:
        known = self._arrivals.get(key_id)
        if known is None or known[0] != per_minute:
            if len(self._arrivals) >= _REMEMBERED_KEYS:
                self._arrivals.clear()
            known = (per_minute, _share(per_minute, self._workers), START)
        _, limit, state = known
        state, wait_s = limit.decide(state, self._clock.unix_ns())
        self._arrivals[key_id] = (per_minute, limit, state)
        if wait_s is not None:
            raise ProblemError(
                Problem(
                    "rate_limited",
                    f"This key may send {per_minute} requests a minute; wait as long as `retry-after` says.",
                    retry_after_s=wait_s,
                )
            )

    def leave(self, key_id: str) -> None:
        """A request is over. Called once per ticket, by the ticket."""
        self._in_flight -= 1
        left = self._by_key[key_id] - 1
        if left:
            self._by_key[key_id] = left
        else:
            del self._by_key[key_id]


class Ticket(msgspec.Struct):
    """A place on the road, given back exactly once."""

    limits: Limits
    key_id: str
    given_back: bool = False

    def leave(self) -> None:
        """Give the place back; later calls do nothing."""
        if not self.given_back:
            self.given_back = True
            self.limits.leave(self.key_id)


def _share(per_minute: int, workers: int) -> Gcra:
    """One worker's part of a limit: the same number in N times the time, a tenth of it at once."""
    return Gcra(per_minute, _MINUTE_NS * workers, max(1, per_minute // (10 * workers)))
