"""Holds around attempts: reserve an upper bound before each call, settle with the trip.

The budget is checked on the deployment that bills, at every attempt: a takeover holds what earlier attempts
may have cost and the new one's upper bound, before the new place is called.
"""

from passerelle.core.errors import Problem, ProblemError
from passerelle.core.ids import same
from passerelle.core.receipt import HoldSettled
from passerelle.gateway.trip import Trip
from passerelle.store import BudgetDenied, Store, StoreUnavailable

_LONGEST_WAIT_S = 15.0
"""Most of a request's time that is given to a slow database: beyond it the database is not slow but down."""


class Holds:
    """Takes holds for trips; `Settler` ends them."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def reserve(self, trip: Trip, bound: int) -> bool:
        """Hold for one more attempt, which costs at most `bound` nanos; False where that
        takes a look at the database: `reserve_slow`. Raises `ProblemError` (`budget_exhausted`).
        """
        budgets = trip.ask.principal.budgets
        if not budgets:
            return True
        missing = _missing(trip, bound) if trip.attempts or trip.holds else bound
        if missing is None:
            return True
        answer = self._store.budgets.reserve(budgets, missing, _hold_id(trip))
        if isinstance(answer, BudgetDenied):
            if answer.final:
                raise ProblemError(_exhausted(answer, trip.ask.at_ns))
            return False
        trip.holds += answer
        return True

    async def reserve_slow(self, trip: Trip, bound: int, left_s: float) -> None:
        """The same, with what the database has still to give.

        A writer that is slow for a moment is waited for, as long as the request has time (`left_s`). Raises
        `ProblemError` (`budget_exhausted`, or `overloaded` when no new money can be promised now).
        """
        missing = _missing(trip, bound)
        if missing is None:
            return
        try:
            answer = await self._store.budgets.reserve_slow(
                trip.ask.principal.budgets,
                missing,
                _hold_id(trip),
                deadline_s=max(0.0, min(left_s, _LONGEST_WAIT_S)),
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


def _missing(trip: Trip, bound: int) -> int | None:
    """What is to be held beyond what is held already; None for nothing."""
    if not (trip.attempts or trip.holds):
        return bound
    spent = sum(attempt.cost_nanos for attempt in trip.attempts)
    held = sum(hold.held_nanos for hold in trip.holds) // len(trip.ask.principal.budgets)
    missing = spent + trip.aside_nanos + bound - held
    return None if missing <= 0 and trip.holds else missing


def _hold_id(trip: Trip) -> str:
    return same("hld", trip.receipt_id, trip.begun + 1)


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
