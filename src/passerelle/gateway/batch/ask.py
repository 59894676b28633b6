"""One line of a batch on the road: with the rights its key has now, tried again when that may help.

Every try is a request of its own, with its own receipt and ledger rows, tagged with the batch. What would be
the same next time (a refusal, a malformed request, an empty budget) ends the line; what passes (a rate limit,
an overload, a provider's failure) is tried again. Being turned away by our own limits costs no try: the line
waits for its turn.
"""

import asyncio
from collections.abc import Callable

import msgspec

from passerelle.codecs import registry
from passerelle.core.batch import Batch, LineResult
from passerelle.core.clock import Clock, mint
from passerelle.core.errors import Problem, ProblemError, ProblemKind
from passerelle.core.ids import same
from passerelle.core.principal import Principal
from passerelle.gateway.batch.lines import Line, asked_of
from passerelle.gateway.batch.outputs import result_of
from passerelle.gateway.batch.pace import Pace
from passerelle.gateway.road import Road
from passerelle.gateway.trip import Ask, Wishes
from passerelle.store import Store, StoreUnavailable

_PASSING: frozenset[ProblemKind] = frozenset(
    {"rate_limited", "overloaded", "upstream_error", "upstream_timeout"}
)
_OURS: frozenset[ProblemKind] = frozenset({"rate_limited", "overloaded"})
_FIRST_PAUSE_S = 1.0
_LONGEST_PAUSE_S = 60.0


class Asker:
    """Asks lines. One per worker."""

    def __init__(
        self,
        road: Road,
        store: Store,
        pace: Pace,
        clock: Clock,
        jitter: Callable[[], float],
        *,
        attempts: int,
    ) -> None:
        """`jitter()` gives numbers in [0, 1)."""
        self._road = road
        self._store = store
        self._pace = pace
        self._clock = clock
        self._jitter = jitter
        self._attempts = attempts

    async def ask(self, batch: Batch, line: Line, stop: asyncio.Event) -> LineResult | None:
        """How the line ended; None when `stop` was set, or the window passed, before it had."""
        pause_s, tries = _FIRST_PAUSE_S, 0
        while True:
            async with self._pace.place():
                if stop.is_set() or self._clock.unix_ns() >= batch.expires_at_ns:
                    return None
                request_id = mint("req")
                receipt_id = same("rcp", request_id)
                problem, body = await self._once(batch, line, request_id, receipt_id)
            if problem is None:
                return result_of(
                    batch.surface, line, receipt_id=receipt_id, request_id=request_id, status=200, body=body
                )
            turned_away = problem.provider is None and problem.kind in _OURS
            tries += not turned_away
            if problem.kind not in _PASSING or tries >= self._attempts:
                told = registry.client(asked_of(batch.endpoint)[0]).encode_problem(problem, request_id)
                return result_of(
                    batch.surface, line, receipt_id=receipt_id, request_id=request_id,
                    status=told.status, body=told.body,
                )  # fmt: skip
            wanted_s = pause_s if problem.retry_after_s is None else problem.retry_after_s
            pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)
            # Apart by chance: lines turned away together must not come back together.
            left_s = (batch.expires_at_ns - self._clock.unix_ns()) / 1e9
            await _pause(stop, min(wanted_s * (1 + self._jitter() / 2), left_s))

    async def _once(
        self, batch: Batch, line: Line, request_id: str, receipt_id: str
    ) -> tuple[Problem | None, bytes]:
        dialect, target = asked_of(batch.endpoint)
        try:
            ask = Ask(
                principal=self._principal(batch),
                dialect=dialect,
                target=target,
                body=line.body,
                request_id=request_id,
                receipt_id=receipt_id,
                at_ns=self._clock.unix_ns(),
                started_s=self._clock.monotonic_s(),
                wishes=_wishes(batch),
                headers=batch.terms.headers,
            )
            delivery = await self._road.travel(ask)
        except ProblemError as error:
            return error.problem, b""
        except StoreUnavailable:
            return Problem("overloaded", "Records cannot be written now; try again shortly."), b""
        if delivery.chunks is not None:
            await delivery.chunks.aclose()
            told = "Streams cannot be asked for in a batch; leave `stream` out."
            return Problem("invalid_request", told, param="stream"), b""
        return None, delivery.body

    def _principal(self, batch: Batch) -> Principal:
        """Whoever the key speaks for now: rights narrowed since the batch was made hold for what is left."""
        entry = self._store.identity.entry(batch.key_id)
        if entry is None or entry.state != "active":
            state = "gone" if entry is None else entry.state
            said = f"The key `{batch.key_id}` that made the batch is {state}; make it anew with another."
            raise ProblemError(Problem("unauthenticated", said, code=f"{state}_api_key"))
        return entry.principal


def _wishes(batch: Batch) -> Wishes:
    wishes = msgspec.convert(batch.terms.wishes, Wishes)
    return msgspec.structs.replace(wishes, tags=(*wishes.tags, batch.id), explain=False, priority="batch")


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(max(0.0, seconds)):
            await stop.wait()
    except TimeoutError:
        return
