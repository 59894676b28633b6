"""Holds around attempts: reserve an upper bound before each call, settle with the trip.

The budget is checked on the deployment that bills, at every attempt: a takeover holds what earlier attempts
may have cost and the new one's upper bound, before the new place is called.
"""

from passerelle.core.errors import Problem, ProblemError
from passerelle.core.ids import same
from passerelle.core.model import Deployment
from passerelle.core.receipt import HoldSettled
from passerelle.gateway.estimate import most_it_can_cost
from passerelle.gateway.trip import Trip
from passerelle.store import BudgetDenied, Store, StoreUnavailable

_LONGEST_WAIT_S = 15.0
"""Most of a request's time that is given to a slow database: beyond it the database is not slow but down."""


class Holds:
    """Takes holds for trips; `Settler` ends them."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def reserve(self, trip: Trip, deployment: Deployment, left_s: float) -> int:
        """Hold for one more attempt at `deployment`; gives its upper bound in nanos.

        A writer that is slow for a moment is waited for, as long as the request has time (`left_s`). Raises
        `ProblemError` (`budget_exhausted`, or `overloaded` when no new money can be promised now).
        """
        bound = most_it_can_cost(trip.envelope, deployment)
        budgets = trip.ask.principal.budgets
        if not budgets:
            return bound
        missing = bound
        if trip.attempts or trip.holds:
            spent = sum(attempt.cost_nanos for attempt in trip.attempts)
            held = sum(hold.held_nanos for hold in trip.holds) // len(budgets)
            missing = spent + trip.aside_nanos + bound - held
            if missing <= 0 and trip.holds:
                return bound
        hold_id = same("hld", trip.receipt_id, trip.begun + 1)
        answer = self._store.budgets.reserve(budgets, missing, hold_id)
        if isinstance(answer, BudgetDenied) and not answer.final:
            try:
                answer = await self._store.budgets.reserve_slow(
                    budgets, missing, hold_id, deadline_s=max(0.0, min(left_s, _LONGEST_WAIT_S))
                )
            except StoreUnavailable as error:
                raise ProblemError(
                    Problem(
                        "overloaded",
                        "The budget cannot be checked now; try again shortly.",
                        code="budget_unavailable",
                        retry_after_s=5,
                    )
                ) from error
        if isinstance(answer, BudgetDenied):
            raise ProblemError(_exhausted(answer, trip.ask.at_ns))
        trip.holds += answer
        return bound


def _exhausted(denied: BudgetDenied, now_ns: int) -> Problem:
    wait_s = None if denied.resets_at_ns is None else max(1.0, (denied.resets_at_ns - now_ns) / 1e9)
    return Problem("budget_exhausted", denied.message, code="budget_exhausted", retry_after_s=wait_s)


def settled(trip: Trip) -> tuple[HoldSettled, ...]:
    """The trip's holds with what was spent. Each budget's first hold carries the whole amount."""
    holds = trip.holds
    if not holds:
        return ()
    attempts = trip.attempts
    spent = attempts[0].cost_nanos if len(attempts) == 1 else sum([one.cost_nanos for one in attempts])
    if len(holds) == 1:
        only = holds[0]
        return (HoldSettled(only.hold_id, only.budget_id, only.held_nanos, spent),)
    seen: set[str] = set()
    ended: list[HoldSettled] = []
    for hold in holds:
        amount = 0 if hold.budget_id in seen else spent
        seen.add(hold.budget_id)
        ended.append(HoldSettled(hold.hold_id, hold.budget_id, hold.held_nanos, amount))
    return tuple(ended)
