"""What a worker takes on at once, how fast each key may come, and how much each deployment is given.

Rates are GCRA: so many a minute, of which a few may come at once. Concurrency is counted until the last byte
is delivered. With several workers the counters are shared by all of this host (see `counters`), so that it
makes no difference which worker a connection ends at. Nothing is counted for what has no limit.

What comes when there is no room is turned away at once, the lowest priority first: `batch` while 30 %
of the places are free, `agent` while 10 % are. There is no queue. A model call takes seconds: a queue would
fill at once and stay full, adding its length to everybody's wait and nothing to what is done; a free place is
taken by the next that comes, and whoever was turned away is told when to come again. Places that are kept
free, not a queue, put a waiting person before a nightly batch.
"""

from collections.abc import Callable, Sequence

import msgspec

from passerelle.core.clock import Clock
from passerelle.core.errors import Problem, ProblemError
from passerelle.core.model import Deployment
from passerelle.core.plan import Rejection
from passerelle.core.principal import Principal, Priority
from passerelle.core.receipt import Attempt
from passerelle.gateway.counters import OwnCounters, Record, SharedCounters
from passerelle.gateway.generation import Generation
from passerelle.ledger.limits import Gcra

_MINUTE_NS = 60_000_000_000
_FEWEST_AT_ONCE = 5
"""Requests: an SDK opens with a few, and a second one right after the first is no flood."""
_WAIT_FOR_A_PLACE_S = 1.0
_RANK: dict[Priority | None, int] = {None: 0, "interactive": 0, "agent": 1, "batch": 2}
_PERCENT = (100, 90, 70)
"""By rank: of all places, those that may be taken when a request of that priority still comes in."""
_FULL_BOUND = 16
_COME_AGAIN_S = (1, 2, 5)
"""By rank: whoever goes last comes back last."""


class Limits:
    """One worker's limits."""

    def __init__(self, *, clock: Clock, counters: SharedCounters | None = None) -> None:
        """`counters`: those shared with other workers, where there are any."""
        self._clock = clock
        self._shared = counters
        self._own = OwnCounters()
        """Where nothing is shared."""
        self._in_flight = 0
        self._of_tenants: dict[str, int] = {}
        """Under way, by organisation, where that is bounded."""
        self._leaving: list[Callable[[], None]] = []
        self._full: dict[tuple[int, int], Problem] = {}
        """What is told where no place is left, by their number and the rank."""
        self._requests: dict[int, Gcra] = {}
        self._tokens: dict[int, Gcra] = {}

    @property
    def in_flight(self) -> int:
        """Requests on the road now."""
        return self._in_flight

    def on_leaving(self, told: Callable[[], None]) -> None:
        """Have `told()` called when the next request is over, once."""
        self._leaving.append(told)

    def no_room(self, generation: Generation, wish: Priority | None, coming: int) -> Problem | None:
        """What any request that wants at most the priority `wish` is told, whoever sends it, when `coming`
        others are about to `enter`; None when there may be room for it.
        """
        most, rank = generation.intake.max_in_flight, _RANK[wish]
        if self._in_flight + coming < _share(most, rank):
            return None
        full = self._full.get((most, rank))
        if full is None:
            if len(self._full) >= _FULL_BOUND:
                self._full.clear()
            full = self._full[most, rank] = _no_room("This worker", most, rank)
        return full

    def look(self, principal: Principal, generation: Generation, wish: Priority | None = None) -> None:
        """Find a place for a request, without taking it. Raises `ProblemError` (`overloaded`)."""
        rank = max(_RANK[principal.rights.priority or generation.default_rights.priority], _RANK[wish])
        most = generation.intake.max_in_flight
        if self._in_flight >= (_share(most, rank) if rank else most):
            raise ProblemError(_no_room("This worker", most, rank))
        most_of_one = generation.intake.max_in_flight_per_tenant
        if most_of_one is not None:
            of_this = self._of_tenants.get(principal.org_id, 0)
            if of_this >= _share(most_of_one, rank):
                raise ProblemError(_no_room("Your organisation", most_of_one, rank))

    def enter(
        self, principal: Principal, generation: Generation, tokens: int, wish: Priority | None = None
    ) -> "Ticket":
        """A place on the road for a request of probably `tokens` tokens, whose caller wants it to have at
        most the priority `wish`. Raises `ProblemError` (`overloaded`, `rate_limited`).
        """
        self.look(principal, generation, wish)
        ticket = self._ticket(principal, generation, tokens)
        if generation.intake.max_in_flight_per_tenant is not None:
            ticket.tenant = tenant = principal.org_id
            self._of_tenants[tenant] = self._of_tenants.get(tenant, 0) + 1
        self._in_flight += 1
        return ticket

    def _ticket(self, principal: Principal, generation: Generation, tokens: int) -> "Ticket":
        rights, default = principal.rights, generation.default_rights
        concurrency = rights.concurrency or default.concurrency
        requests = rights.requests_per_minute or default.requests_per_minute
        per_minute = rights.tokens_per_minute or default.tokens_per_minute
        if concurrency is None and requests is None and per_minute is None:
            return Ticket(self)
        refused = self._take(principal.key_id, concurrency, requests, per_minute, tokens)
        if refused is not None:
            raise ProblemError(_told(refused, concurrency, requests, per_minute))
        return Ticket(self, principal.key_id, concurrency is not None, per_minute, tokens)

    def occupy(self, ticket: "Ticket", deployment: Deployment) -> "Full | None":
        """Give the request a place at a deployment that has limits, or say how full it is. One place at a
        time: `vacate` the one before.
        """
        limits = deployment.limits
        name = f"@{deployment.id}"
        refused = self._take(name, limits.concurrency, limits.requests_per_minute, None, 0)
        if refused is not None:
            what, wait_s = refused
            if what == "concurrency":
                said = f"it works on {limits.concurrency} requests already"
                return Full(Rejection(deployment.id, "limits.concurrency", said), wait_s)
            said = f"it was sent its {limits.requests_per_minute} requests a minute"
            return Full(Rejection(deployment.id, "limits.requests_per_minute", said), wait_s)
        if limits.concurrency is not None:
            ticket.place = name
        return None

    def vacate(self, name: str) -> None:
        """A place counted by `occupy` is free again."""
        self._give_back(name, 1, None, 0)

    def leave(self, ticket: "Ticket", used_tokens: int) -> None:
        """A request is over. Called once per ticket, by the ticket."""
        self._in_flight -= 1
        if ticket.tenant:
            left = self._of_tenants[ticket.tenant] - 1
            if left:
                self._of_tenants[ticket.tenant] = left
            else:
                del self._of_tenants[ticket.tenant]
        if self._leaving:
            told, self._leaving = self._leaving, []
            for one in told:
                one()
        if ticket.place is not None:
            self.vacate(ticket.place)
            ticket.place = None
        if ticket.counted or ticket.per_minute is not None:
            more = used_tokens - ticket.expected_tokens
            self._give_back(ticket.key_id, 1 if ticket.counted else 0, ticket.per_minute, more)

    def _give_back(self, name: str, places: int, per_minute: int | None, more_tokens: int) -> None:
        """End a request of `name`, which used so many tokens more than were drawn for it."""
        now_ns = self._clock.unix_ns()
        shared = self._shared
        if shared is None:
            record = self._own.records.get(name) or self._own.record(name, now_ns)
            self._correct(record, now_ns, per_minute, more_tokens)
            record[2] -= places
            return
        slot = shared.lock(name, now_ns)
        try:
            record = shared.read(slot)
            self._correct(record, now_ns, per_minute, more_tokens)
            shared.write(slot, record[0], record[1], -places)
        finally:
            shared.unlock(slot)

    def _correct(self, record: Record, now_ns: int, per_minute: int | None, more_tokens: int) -> None:
        if per_minute is not None:
            limit = self._rate(self._tokens, per_minute, 1)
            record[1] = -(-limit.correct(record[1] * per_minute, now_ns, more_tokens) // per_minute)

    def _take(
        self, name: str, concurrency: int | None, requests: int | None, per_minute: int | None, tokens: int
    ) -> tuple[str, float] | None:
        """Count one request against every limit of a name, or none: then which refuses, and the seconds to
        wait.
        """
        now_ns = self._clock.unix_ns()
        shared = self._shared
        if shared is None:
            record = self._own.records.get(name) or self._own.record(name, now_ns)
            refused = self._decide(record, now_ns, concurrency, requests, per_minute, tokens)
            if refused is None and concurrency is not None:
                record[2] += 1
            return refused
        slot = shared.lock(name, now_ns)
        try:
            record = shared.read(slot)
            refused = self._decide(record, now_ns, concurrency, requests, per_minute, tokens)
            if refused is None:
                shared.write(slot, record[0], record[1], 0 if concurrency is None else 1)
            return refused
        finally:
            shared.unlock(slot)

    def _decide(
        self,
        record: Record,
        now_ns: int,
        concurrency: int | None,
        requests: int | None,
        per_minute: int | None,
        tokens: int,
    ) -> tuple[str, float] | None:
        """Draw from both minutes of a record, or leave it as it is and say which limit refuses. Whole
        nanoseconds, rounded against the caller, so that they mean the same when the limit changes.
        """
        if concurrency is not None and record[2] >= concurrency:
            return "concurrency", _WAIT_FOR_A_PLACE_S
        requests_ns = record[0]
        if requests is not None:
            limit = self._requests.get(requests) or self._rate(self._requests, requests, _FEWEST_AT_ONCE)
            state, wait_s = limit.decide(requests_ns * requests, now_ns)
            if wait_s is not None:
                return "requests", wait_s
            requests_ns = -(-state // requests)
        if per_minute is not None:
            limit = self._tokens.get(per_minute) or self._rate(self._tokens, per_minute, 1)
            state, wait_s = limit.decide(record[1] * per_minute, now_ns, tokens)
            if wait_s is not None:
                return "tokens", wait_s
            record[1] = -(-state // per_minute)
        record[0] = requests_ns
        return None

    def _rate(self, known: dict[int, Gcra], per_minute: int, fewest: int) -> Gcra:
        """A tenth of the minute's worth may come at once, and no fewer than `fewest`."""
        limit = known.get(per_minute)
        if limit is None:
            burst = min(per_minute, max(fewest, per_minute // 10))
            limit = known[per_minute] = Gcra(per_minute, _MINUTE_NS, burst)
        return limit


class Full(msgspec.Struct, frozen=True):
    """Why a deployment is passed over now."""

    rejection: Rejection
    wait_s: float


class Ticket(msgspec.Struct):
    """A place on the road, given back exactly once."""

    limits: Limits
    key_id: str = ""
    """Empty when the key has no limits."""
    counted: bool = False
    """Among the key's requests under way."""
    per_minute: int | None = None
    """The key's tokens a minute, where it has such a limit."""
    expected_tokens: int = 0
    """Drawn from them."""
    place: str | None = None
    """The deployment with limits at which the request is under way."""
    tenant: str = ""
    """The organisation among whose requests it counts, where those are bounded."""
    given_back: bool = False

    def occupy(self, deployment: Deployment) -> "Full | None":
        """See `Limits.occupy`."""
        return self.limits.occupy(self, deployment)

    def vacate(self) -> None:
        """The deployment it was at has failed."""
        if self.place is not None:
            self.limits.vacate(self.place)
            self.place = None

    def leave(self, attempts: Sequence[Attempt]) -> None:
        """Give the place back, with what was really used; later calls do nothing."""
        if self.given_back:
            return
        self.given_back = True
        used = 0
        if self.per_minute is not None:
            used = sum(attempt.usage.total_tokens for attempt in attempts)
        self.limits.leave(self, used)


def _share(most: int, rank: int) -> int:
    """How many of `most` places may be taken when a request of that rank still comes in."""
    return max(1, most * _PERCENT[rank] // 100)


def _no_room(who: str, most: int, rank: int) -> Problem:
    if rank:
        said = f"{who} may have {most} requests under way, and what is left is kept for higher priorities"
    else:
        said = f"{who} already has {most} requests under way"
    return Problem(
        "overloaded", f"{said}; try again when `retry-after` says.", retry_after_s=_COME_AGAIN_S[rank]
    )


def _told(
    refused: tuple[str, float], concurrency: int | None, requests: int | None, per_minute: int | None
) -> Problem:
    what, wait_s = refused
    if what == "concurrency":
        said = f"This key may have {concurrency} requests under way; wait for one to end."
    else:
        number = requests if what == "requests" else per_minute
        said = f"This key may send {number} {what} a minute; wait as long as `retry-after` says."
    return Problem("rate_limited", said, retry_after_s=wait_s)
