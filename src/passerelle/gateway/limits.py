"""What a worker takes on at once, and how fast each key may come.

Rate limits are GCRA per key, in this worker's memory. With N workers each enforces a share of 1/N, so that
together they never exceed the limit. Concurrency is counted until the last byte is delivered.
"""

from collections.abc import Sequence

import msgspec

from passerelle.core.clock import Clock
from passerelle.core.errors import Problem, ProblemError
from passerelle.core.principal import Principal
from passerelle.core.receipt import Attempt
from passerelle.gateway.generation import Generation
from passerelle.ledger.limits import START, Gcra

_MINUTE_NS = 60_000_000_000
_REMEMBERED = 200_000


class Limits:
    """One worker's counters."""

    def __init__(self, *, max_in_flight: int, workers: int, clock: Clock) -> None:
        self._max_in_flight = max_in_flight
        self._workers = workers
        self._clock = clock
        self._in_flight = 0
        self._by_key: dict[str, int] = {}
        self._drawn: dict[tuple[str, str], tuple[int, Gcra, int]] = {}
        """Key and what is limited → the limit, its rate, and its state."""

    @property
    def in_flight(self) -> int:
        """Requests on the road now."""
        return self._in_flight

    def enter(self, principal: Principal, generation: Generation, tokens: int) -> "Ticket":
        """A place on the road for a request of probably `tokens` tokens.

        Raises `ProblemError` (`overloaded`, `rate_limited`).
        """
        if self._in_flight >= self._max_in_flight:
            raise ProblemError(
                Problem(
                    "overloaded",
                    f"This worker already carries {self._max_in_flight} requests; try again shortly.",
                    retry_after_s=1,
                )
            )
        rights, default, key_id = principal.rights, generation.default_rights, principal.key_id
        concurrency = rights.concurrency or default.concurrency
        if concurrency is not None and self._by_key.get(key_id, 0) >= concurrency:
            raise ProblemError(
                Problem(
                    "rate_limited",
                    f"This key may have {concurrency} requests under way; wait for one to end.",
                    retry_after_s=1,
                )
            )
        requests = rights.requests_per_minute or default.requests_per_minute
        if requests is not None:
            self._draw(key_id, "requests", requests, 1)
        token_limit = rights.tokens_per_minute or default.tokens_per_minute
        if token_limit is not None:
            self._draw(key_id, "tokens", token_limit, tokens)
        self._in_flight += 1
        self._by_key[key_id] = self._by_key.get(key_id, 0) + 1
        return Ticket(self, key_id, None if token_limit is None else tokens)

    def _draw(self, key_id: str, what: str, per_minute: int, cost: int) -> None:
        known = self._drawn.get((key_id, what))
        if known is None or known[0] != per_minute:
            if len(self._drawn) >= _REMEMBERED:
                self._drawn.clear()
            known = (per_minute, _share(per_minute, self._workers), START)
        _, limit, state = known
        state, wait_s = limit.decide(state, self._clock.unix_ns(), cost)
        self._drawn[key_id, what] = (per_minute, limit, state)
        if wait_s is not None:
            raise ProblemError(
                Problem(
                    "rate_limited",
                    f"This key may send {per_minute} {what} a minute; wait as long as `retry-after` says.",
                    retry_after_s=wait_s,
                )
            )

    def leave(self, key_id: str, expected_tokens: int | None, used_tokens: int) -> None:
        """A request is over. Called once per ticket, by the ticket."""
        self._in_flight -= 1
        left = self._by_key[key_id] - 1
        if left:
            self._by_key[key_id] = left
        else:
            del self._by_key[key_id]
        known = self._drawn.get((key_id, "tokens"))
        if expected_tokens is not None and known is not None:
            per_minute, limit, state = known
            state = limit.correct(state, self._clock.unix_ns(), used_tokens - expected_tokens)
            self._drawn[key_id, "tokens"] = (per_minute, limit, state)


class Ticket(msgspec.Struct):
    """A place on the road, given back exactly once."""

    limits: Limits
    key_id: str
    expected_tokens: int | None
    """Drawn from the key's tokens a minute, where it has such a limit."""
    given_back: bool = False

    def leave(self, attempts: Sequence[Attempt]) -> None:
        """Give the place back, with what was really used; later calls do nothing."""
        if self.given_back:
            return
        self.given_back = True
        used = 0
        if self.expected_tokens is not None:
            used = sum(attempt.usage.total_tokens for attempt in attempts)
        self.limits.leave(self.key_id, self.expected_tokens, used)


def _share(per_minute: int, workers: int) -> Gcra:
    """One worker's part of a limit: the same number in N times the time, a tenth of it at once."""
    return Gcra(per_minute, _MINUTE_NS * workers, max(1, per_minute // (10 * workers)))
