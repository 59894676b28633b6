"""The price of money, by budget; and what is left of commitments. Looked up once a minute, off the road.

Budgets and the ledger are read from the database, which has what every worker and replica spent, so that all
of them steer by the same figures. Only budgets of callers who leave the choice to us are looked at.
"""

import asyncio
import logging
from collections.abc import Sequence

from passerelle.core.clock import Clock
from passerelle.core.principal import Principal
from passerelle.gateway.smart import Committed
from passerelle.ledger.periods import period_at
from passerelle.router.cost import NO_COMMITMENTS, Commitment, Commitments
from passerelle.router.utility import Pace, steer
from passerelle.store import Store, StoreUnavailable

LOOK_EVERY_S = 60.0
_MOST_BUDGETS = 1024
log = logging.getLogger("passerelle.road")


class Pacer:
    """One per worker."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self.commitments: Commitments = NO_COMMITMENTS
        self._store = store
        self._clock = clock
        self._watched: dict[str, str] = {}
        """Budget → its organisation."""
        self._paces: dict[str, Pace] = {}
        self._looked_s = float("-inf")

    def watch(self, principal: Principal) -> None:
        """Look after the budgets that this caller's requests draw on, from now on."""
        for budget in principal.budgets:
            if budget not in self._watched:
                if len(self._watched) >= _MOST_BUDGETS:
                    oldest = next(iter(self._watched))
                    del self._watched[oldest]
                    self._paces.pop(oldest, None)
                self._watched[budget] = principal.org_id
                self._looked_s = float("-inf")  # it is not waited for a minute with the first look

    def points(self, principal: Principal) -> float:
        """What the money of a usual request is worth, by the budget that is shortest of it."""
        if not principal.budgets:
            return 0.0
        return max(
            pace.points if (pace := self._paces.get(budget)) is not None else 0.0
            for budget in principal.budgets
        )

    async def look(self, commitments: Sequence[Committed]) -> None:
        """Steer by what was spent since the last look, if that is a minute ago."""
        now_s = self._clock.monotonic_s()
        if now_s < self._looked_s + LOOK_EVERY_S:
            return
        self._looked_s = now_s
        if not (self._watched or commitments):
            self.commitments = NO_COMMITMENTS
            return
        try:
            await asyncio.to_thread(self.read, tuple(commitments))
        except StoreUnavailable as error:
            log.warning("budgets cannot be looked at; prices stay", extra={"detail": str(error)})

    def read(self, commitments: Sequence[Committed]) -> None:
        """As `look`, now and here. Raises `StoreUnavailable`."""
        now_ns = self._clock.unix_ns()
        paces: dict[str, Pace] = {}
        for budget_id, org_id in list(self._watched.items()):
            state = self._store.tenants.budget_state(org_id, budget_id, at_ns=now_ns)
            if state is None:
                continue
            period = period_at(state.budget.period, now_ns)
            if period.end_ns is None or state.budget.limit_nanos <= 0:
                continue  # without an end there is nothing to land on
            paces[budget_id] = steer(
                self._paces.get(budget_id, Pace()),
                period=period.key,
                start_ns=period.start_ns,
                end_ns=period.end_ns,
                limit_nanos=state.budget.limit_nanos,
                spent_nanos=state.spent_nanos,
                now_ns=now_ns,
            )
        left = tuple(self._left(one, now_ns) for one in commitments)
        self._paces, self.commitments = paces, left

    def _left(self, said: Committed, now_ns: int) -> Commitment:
        since = period_at(said.period, now_ns).start_ns
        spent = self._store.usage.spent_at(said.provider, said.deployment, said.currency, since=since)
        return Commitment(said.provider, said.deployment, max(0, said.amount - spent))
