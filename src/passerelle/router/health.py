"""How deployments are doing, as a value the planner can read.

The attempt engine feeds outcomes in; planning reads. Time comes in with every call, so the same history
gives the same view.
"""

import msgspec

OPEN_AFTER = 5
"""Consecutive failures that open a breaker (Envoy's default outlier detection, governance §2)."""
FIRST_OPEN_S = 10.0
LONGEST_OPEN_S = 300.0
_SMOOTHING = 0.2


class DeploymentHealth(msgspec.Struct):
    """Running figures of one deployment, as this worker saw them."""

    successes: int = 0
    failures: int = 0
    consecutive_failures: int = 0
    openings: int = 0
    open_until_s: float = 0.0
    """Monotonic time until which it is tried last."""
    first_content_s: float | None = None
    """Smoothed time to first content."""
    last_failure: str | None = None

    def succeeded(self, first_content_s: float | None) -> bool:
        """Record a success. True when it closes an open breaker."""
        self.successes += 1
        self.consecutive_failures = 0
        if first_content_s is not None:
            before = self.first_content_s
            self.first_content_s = (
                first_content_s if before is None else before + _SMOOTHING * (first_content_s - before)
            )
        reopened = self.openings > 0
        self.openings = 0
        self.open_until_s = 0.0
        return reopened

    def failed(self, kind: str, now_s: float, retry_after_s: float | None = None) -> bool:
        """Record a failure that speaks against the deployment. True when it opens the breaker."""
        self.failures += 1
        self.consecutive_failures += 1
        self.last_failure = kind
        was_open = self.open_until_s > now_s
        if retry_after_s is not None:
            self.open_until_s = max(self.open_until_s, now_s + min(retry_after_s, LONGEST_OPEN_S))
        elif self.consecutive_failures >= OPEN_AFTER:
            self.open_until_s = now_s + min(FIRST_OPEN_S * 2**self.openings, LONGEST_OPEN_S)
            self.openings += 1
        return not was_open and self.open_until_s > now_s

    def state(self, now_s: float) -> str:
        """`healthy`, `open` (tried last until its time is over), or `unknown` before any call."""
        if self.open_until_s > now_s:
            return "open"
        return "healthy" if self.successes or self.failures else "unknown"
