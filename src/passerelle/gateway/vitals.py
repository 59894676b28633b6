"""How deployments are doing, kept per worker: outcomes in, log lines on change only, a gauge."""

import logging

from passerelle.core.clock import Clock
from passerelle.core.errors import FailureKind
from passerelle.providers.failures import Failure
from passerelle.router.health import DeploymentHealth
from passerelle.telemetry.metrics import Metrics

log = logging.getLogger("passerelle.health")

_SPEAKS_AGAINST_THE_PLACE: frozenset[FailureKind] = frozenset(
    {
        "rate_limited", "quota", "billing", "auth", "overloaded", "server_error", "timeout", "transport",
        "protocol", "not_found",
    }
)  # fmt: skip
"""The others are about the request (refusals, lengths, malformed) or the caller (cancelled)."""


class Vitals:
    """The health of every deployment this worker has called."""

    def __init__(self, metrics: Metrics, clock: Clock) -> None:
        self.health: dict[str, DeploymentHealth] = {}
        self._metrics = metrics
        self._clock = clock

    def succeeded(self, deployment: str, first_content_s: float | None) -> None:
        """A complete answer came."""
        health = self.health.get(deployment)
        if health is None:
            health = self.health[deployment] = DeploymentHealth()
        if health.succeeded(first_content_s):
            self._metrics.breaker.labels(deployment).set(0)
            log.warning("deployment recovered", extra={"deployment": deployment})

    def failed(self, deployment: str, failure: Failure) -> None:
        """An attempt failed there."""
        if failure.kind not in _SPEAKS_AGAINST_THE_PLACE:
            return
        health = self.health.get(deployment)
        if health is None:
            health = self.health[deployment] = DeploymentHealth()
        first_alarm = failure.alarm and health.last_failure != failure.kind
        if health.failed(failure.kind, self._clock.monotonic_s(), failure.retry_after_s):
            self._metrics.breaker.labels(deployment).set(1)
            log.warning(
                "deployment set back: tried last until it recovers",
                extra={"deployment": deployment, "failure": failure.kind, "detail": failure.detail},
            )
        elif first_alarm:
            log.error(
                "a provider needs the operator",
                extra={"deployment": deployment, "failure": failure.kind, "detail": failure.detail},
            )
