"""Which deployment is tried next, and whether any is.

The candidates come from the plan, so every one of them is eligible. A failure that would be the same
anywhere (a refusal, a malformed request) ends the tour; one that speaks against the place moves on to the
next place; the last place may be tried once more after a pause when its failure is of a passing kind.
"""

from collections.abc import Callable

import msgspec

from passerelle.core.plan import Plan
from passerelle.providers.failures import Failure

MOST_ATTEMPTS = 3
"""All together, per request (governance §8)."""
MOST_VERIFIED = 4
"""Where the whole answer is waited for, there are more ways for an attempt to fail."""
LONGEST_PAUSE_S = 5.0
"""A provider that asks for a longer pause is not waited for: the caller is told how long instead."""
_BACKOFF_S = 0.25


class Stop(msgspec.Struct, frozen=True):
    """The next place, and how long to wait first."""

    deployment: str
    pause_s: float = 0.0


class Tour:
    """Walks a plan's candidates."""

    _made = 0
    _repeats = 0
    _last: str | None = None
    _before: str | None = None
    _deferred: frozenset[str] = frozenset()

    def __init__(
        self,
        plan: Plan,
        jitter: Callable[[], float],
        again: Callable[[str], bool] = lambda _: True,
        *,
        most: int = MOST_ATTEMPTS,
    ) -> None:
        """`jitter()` gives numbers in [0, 1). `again(deployment)` says whether the same place may be asked
        once more, and counts it. At most `most` stops are made.
        """
        self._most = most
        self._again = again
        self._waiting = [candidate.deployment for candidate in plan.candidates]
        self._jitter = jitter

    @property
    def others(self) -> bool:
        """Whether there is somewhere else to go than to the stop just given, should it be put off."""
        return bool(self._waiting) and self._last not in self._deferred

    def ahead(self, failure: Failure | None) -> str | None:
        """The place that is next after `failure` (None at the start), or None when the tour is over."""
        if self._made >= self._most or (failure is not None and not failure.retryable):
            return None
        return self._waiting[0] if self._waiting else self._last

    def next(self, ahead: str, failure: Failure | None, left_s: float) -> Stop | None:
        """Go to the place `ahead`, or None when that may not be. `left_s` is what is left of the request's
        deadline if it goes there.
        """
        if left_s <= 0:
            return None
        if self._waiting:
            self._made += 1
            self._before, self._last = self._last, self._waiting.pop(0)
            return Stop(self._last)
        if failure is None or not failure.same_deployment_retry:
            return None
        pause_s = failure.retry_after_s
        if pause_s is None:
            pause_s = _BACKOFF_S * 2**self._repeats * (0.5 + self._jitter())
        if pause_s > min(LONGEST_PAUSE_S, left_s) or not self._again(ahead):
            return None
        self._repeats += 1
        self._made += 1
        return Stop(ahead, pause_s)

    def defer(self) -> None:
        """The stop just given was not called: it counts for nothing, and is come back to after the others."""
        if self._last is not None:
            self._deferred |= {self._last}
            self._waiting.append(self._last)
        self.skip()

    def skip(self) -> None:
        """The stop just given was not called: it counts for nothing, and is not come back to."""
        self._made -= 1
        self._last = self._before
