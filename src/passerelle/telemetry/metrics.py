"""Prometheus metrics of the road, with bounded labels and children looked up once.

With several workers behind one port, prometheus-client's multiprocess mode gathers them: the parent sets
`PROMETHEUS_MULTIPROC_DIR` before any worker starts (see `cli/serve.py`).
"""

import os

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector

from passerelle.core.receipt import Receipt
from passerelle.telemetry import names

_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
_FOLD_AT = 10_000
"""Receipts that wait at most."""
_OVERHEAD = (0.0002, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25)


class Metrics:
    """One worker's instruments."""

    content_type = CONTENT_TYPE_LATEST

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        r = self._registry
        self._requests = Counter(
            names.PROM_REQUESTS, "Settled requests", ["dialect", "operation", "outcome"], registry=r
        )
        self._attempts = Counter(
            names.PROM_ATTEMPTS, "Calls to providers", ["deployment", "result"], registry=r
        )
        self._tokens = Counter(names.PROM_TOKENS, "Tokens settled", ["deployment", "type"], registry=r)
        self._cost = Counter(names.PROM_COST, "Cost settled, nanos", ["deployment", "currency"], registry=r)
        self._duration = Histogram(
            names.PROM_DURATION, "Request duration", ["operation"], buckets=_SECONDS, registry=r
        )
        self._first = Histogram(
            names.PROM_FIRST_CONTENT, "Attempt start to first content", ["deployment"], buckets=_SECONDS,
            registry=r,
        )  # fmt: skip
        self._overhead = Histogram(
            names.PROM_OVERHEAD, "Request duration outside attempts", buckets=_OVERHEAD, registry=r
        )
        self._edge = Counter(
            names.PROM_EDGE_ERRORS, "Requests refused at the edge", ["dialect", "kind"], registry=r
        )
        self.in_flight = Gauge(
            names.PROM_IN_FLIGHT, "Requests on the road", registry=r, multiprocess_mode="livesum"
        )
        self.breaker = Gauge(
            names.PROM_BREAKER, "1 while a deployment is tried last", ["deployment"], registry=r,
            multiprocess_mode="livemax",
        )  # fmt: skip
        self.writer_queue = Gauge(
            names.PROM_WRITER_QUEUE, "Records waiting for the database", registry=r,
            multiprocess_mode="livesum",
        )  # fmt: skip
        self.generation = Gauge(
            names.PROM_GENERATION, "Configuration generation in force", registry=r,
            multiprocess_mode="livemax",
        )  # fmt: skip
        self._waiting: list[Receipt] = []

    def settled(self, receipt: Receipt) -> None:
        """Count one finished request and its attempts: a microsecond now, the instruments later.

        prometheus-client takes a lock and looks labels up for each figure, fifteen times a request. Receipts
        wait in a list that `fold` empties once a second and before each scrape.
        """
        self._waiting.append(receipt)
        if len(self._waiting) >= _FOLD_AT:
            self.fold()

    def fold(self) -> None:
        """Move what waits into the instruments."""
        waiting, self._waiting = self._waiting, []
        counts: dict[tuple[Counter, tuple[str, ...]], int] = {}

        def add(metric: Counter, amount: int, *labels: str) -> None:
            counts[metric, labels] = counts.get((metric, labels), 0) + amount

        for receipt in waiting:
            add(self._requests, 1, receipt.dialect, receipt.operation, receipt.outcome)
            self._duration.labels(receipt.operation).observe(receipt.duration_ns / 1e9)
            inside = 0
            for attempt in receipt.attempts:
                inside += attempt.duration_ns
                add(self._attempts, 1, attempt.deployment, attempt.failure or "ok")
                if attempt.first_content_ns is not None:
                    self._first.labels(attempt.deployment).observe(attempt.first_content_ns / 1e9)
                if attempt.cost_nanos:
                    add(self._cost, attempt.cost_nanos, attempt.deployment, attempt.currency)
                usage = attempt.usage
                if usage.source != "none":
                    add(self._tokens, usage.total_input_tokens, attempt.deployment, "input")
                    add(self._tokens, usage.total_output_tokens, attempt.deployment, "output")
            if receipt.attempts:
                self._overhead.observe(max(receipt.duration_ns - inside, 0) / 1e9)
        for (metric, labels), amount in counts.items():
            metric.labels(*labels).inc(amount)

    def refused_at_edge(self, dialect: str, kind: str) -> None:
        """Count a request that never reached the road."""
        self._edge.labels(dialect, kind).inc()

    def exposition(self) -> bytes:
        """The text Prometheus scrapes; every worker's figures when there are several."""
        self.fold()
        if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
            return generate_latest(self._registry)
        gathered = CollectorRegistry()
        MultiProcessCollector(gathered)  # type: ignore[no-untyped-call]
        return generate_latest(gathered)
