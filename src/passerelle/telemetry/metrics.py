"""Prometheus metrics of the road, with bounded labels and children looked up once.

With several workers behind one port, prometheus-client's multiprocess mode gathers them: the parent sets
`PROMETHEUS_MULTIPROC_DIR` before any worker starts (see `cli/serve.py`).
"""

import os
from bisect import bisect_right
from collections import Counter as Counts
from operator import attrgetter

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector

from passerelle.core.receipt import Attempt, Receipt
from passerelle.telemetry import names

_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
_OVERHEAD = (0.0002, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25)

_MOST_FRESH = 64
"""Receipts kept until they are counted. They are small, and the journal keeps them for as long anyway."""

_kind_of = attrgetter("dialect", "operation", "outcome")


class _Spread:
    """Observations not yet in a histogram, by its bounds."""

    __slots__ = ("_bounds", "_counts", "_sum", "count")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0
        self.count = 0

    def add(self, values: list[float]) -> None:
        """Observe all of these at once."""
        values.sort()
        below = 0
        for at, bound in enumerate(self._bounds):
            upto = bisect_right(values, bound, below)
            self._counts[at] += upto - below
            below = upto
        self._counts[-1] += len(values) - below
        self._sum += sum(values)
        self.count += len(values)

    def move(self, histogram: Histogram) -> None:
        """`histogram.observe` for each, in as many steps as there are buckets.

        Its figures are private to prometheus-client (0.26), which has no such call; a test watches them.
        """
        if not self.count:
            return
        for bucket, count in zip(histogram._buckets, self._counts, strict=True):  # noqa: SLF001
            if count:
                bucket.inc(count)
        histogram._sum.inc(self._sum)  # noqa: SLF001
        self._counts = [0] * len(self._counts)
        self._sum = 0.0
        self.count = 0


class _Place:
    """What attempts at one deployment came to since the last fold."""

    __slots__ = ("costs", "counted", "first", "input", "output", "results")

    def __init__(self) -> None:
        self.results: dict[str, int] = {}
        self.costs: dict[str, int] = {}
        self.first = _Spread(_SECONDS)
        self.counted = False
        self.input = 0
        self.output = 0

    def add(self, attempts: list[Attempt]) -> None:
        first: list[float] = []
        for attempt in attempts:
            result = attempt.failure or "ok"
            self.results[result] = self.results.get(result, 0) + 1
            if attempt.first_content_ns is not None:
                first.append(attempt.first_content_ns / 1e9)
            if attempt.cost_nanos:
                self.costs[attempt.currency] = self.costs.get(attempt.currency, 0) + attempt.cost_nanos
            usage = attempt.usage
            if usage.source != "none":
                self.counted = True
                self.input += usage.total_input_tokens
                self.output += usage.total_output_tokens
        self.first.add(first)


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
        self._cascades = Counter(
            names.PROM_CASCADES, "Cascades, by what became of them", ["verifier", "end"], registry=r
        )
        self._edge = Counter(
            names.PROM_EDGE_ERRORS, "Requests refused at the edge", ["dialect", "kind"], registry=r
        )
        self._away = Counter(
            names.PROM_TURNED_AWAY, "Requests turned away unread for want of room", ["dialect"], registry=r
        )
        self.tasks = Gauge(names.PROM_TASKS, "Asyncio tasks, lately", registry=r, multiprocess_mode="livesum")
        self.in_flight = Gauge(
            names.PROM_IN_FLIGHT, "Requests on the road", registry=r, multiprocess_mode="livesum"
        )
        self.breaker = Gauge(
            names.PROM_BREAKER, "1 while a breaker is open", ["deployment", "circuit"], registry=r,
            multiprocess_mode="livemax",
        )  # fmt: skip
        self.openings = Counter(names.PROM_OPENINGS, "Breakers opened", ["deployment", "circuit"], registry=r)
        self.spared = Counter(
            names.PROM_SPARED, "Requests sent elsewhere by the throttle", ["deployment"], registry=r
        )
        self.retries_denied = Counter(
            names.PROM_RETRIES_DENIED, "Retries not made for want of budget", ["deployment"], registry=r
        )
        self.speed = Gauge(
            names.PROM_SPEED, "Output tokens a second, smoothed", ["deployment"], registry=r,
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
        self._seen: dict[tuple[str, str, str], int] = {}
        self._took: dict[str, _Spread] = {}
        self._ours = _Spread(_OVERHEAD)
        self._places: dict[str, _Place] = {}
        self._turned_away: dict[str, int] = {}
        self._fresh: list[Receipt] = []
        """Not counted yet."""

    def settled(self, receipt: Receipt) -> None:
        """Take note of one finished request: what it counts for is worked out later, of many at once.

        That leaves the road with one step instead of a dozen. prometheus-client, which takes a lock and looks
        labels up for each figure, fifteen times a request, hears of sums: `fold` brings them once a second
        and before each scrape.
        """
        self._fresh.append(receipt)
        if len(self._fresh) >= _MOST_FRESH:
            self._count_fresh()

    def _count_fresh(self) -> None:
        fresh, self._fresh = self._fresh, []
        seen = self._seen
        for kind, count in Counts(map(_kind_of, fresh)).items():
            seen[kind] = seen.get(kind, 0) + count
        took: dict[str, list[float]] = {}
        attempts: dict[str, list[Attempt]] = {}
        ours: list[float] = []
        for receipt in fresh:
            taken_ns = outside_ns = receipt.duration_ns
            took.setdefault(receipt.operation, []).append(taken_ns / 1e9)
            for attempt in receipt.attempts:
                attempts.setdefault(attempt.deployment, []).append(attempt)
                outside_ns -= attempt.duration_ns
            if receipt.attempts:
                ours.append(max(outside_ns, 0) / 1e9)
            if receipt.cascade is not None and receipt.plan is not None and receipt.plan.cascade is not None:
                self._cascades.labels(receipt.plan.cascade.verifier, receipt.cascade.end).inc()
        for operation, seconds in took.items():
            if operation not in self._took:
                self._took[operation] = _Spread(_SECONDS)
            self._took[operation].add(seconds)
        for deployment, of_place in attempts.items():
            if deployment not in self._places:
                self._places[deployment] = _Place()
            self._places[deployment].add(of_place)
        self._ours.add(ours)

    def fold(self) -> None:
        """Move what was counted into the instruments."""
        self._count_fresh()
        seen, self._seen = self._seen, {}
        for labels, count in seen.items():
            self._requests.labels(*labels).inc(count)
        for operation, took in self._took.items():
            took.move(self._duration.labels(operation))
        self._ours.move(self._overhead)
        away, self._turned_away = self._turned_away, {}
        for dialect, count in away.items():
            self._away.labels(dialect).inc(count)
        places, self._places = self._places, {}
        for deployment, place in places.items():
            for result, count in place.results.items():
                self._attempts.labels(deployment, result).inc(count)
            for currency, nanos in place.costs.items():
                self._cost.labels(deployment, currency).inc(nanos)
            if place.counted:
                self._tokens.labels(deployment, "input").inc(place.input)
                self._tokens.labels(deployment, "output").inc(place.output)
            if place.first.count:
                place.first.move(self._first.labels(deployment))

    def refused_at_edge(self, dialect: str, kind: str) -> None:
        """Count a request that never reached the road."""
        self._edge.labels(dialect, kind).inc()

    def turned_away(self, dialect: str) -> None:
        """Count a request that there was no room for, before it was read."""
        self._turned_away[dialect] = self._turned_away.get(dialect, 0) + 1

    def exposition(self) -> bytes:
        """The text Prometheus scrapes; every worker's figures when there are several."""
        self.fold()
        if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
            return generate_latest(self._registry)
        gathered = CollectorRegistry()
        MultiProcessCollector(gathered)  # type: ignore[no-untyped-call]  # the package does not annotate it
        return generate_latest(gathered)
