"""How deployments are doing: outcomes in; standings, log lines on change only, and figures out.

The rules are in `router.health` and `router.standing`, the memory in `charts`. A request to a deployment that
is well costs some additions here; they are folded into the memory once a second, and everything else is done
when something failed, or changed.
"""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from passerelle.core.clock import Clock
from passerelle.core.model import Deployment
from passerelle.gateway.charts import Charts, cell_of
from passerelle.providers.failures import Failure
from passerelle.providers.failures.wait import SAID_LEFT, spent
from passerelle.router.health import ANSWERED, CIRCUIT_OF, NOTHING, Rules, State, Tally, Vital
from passerelle.router.standing import ALL_WELL, Standings, standings
from passerelle.telemetry.metrics import Metrics

log = logging.getLogger("passerelle.health")

_WINDOW_BUCKETS = 6
"""Into how many the window is cut; the throttle's has four times as many."""
_RETRY_BUCKETS = 4
_SHARE_HOLDS_S = 0.2
"""How long a throttle's share is not computed anew."""
PATIENT_EVERY = 8
"""Of the requests that try a place out, one in so many has all the time of a place that is well."""
_DEFAULTS = Rules()
_ASKED_BOUND = 10_000
"""(tenant, deployment) pairs counted before they are folded, come the second or not."""
_WAITS_AGAIN_S = 60.0
"""One that asks to be left alone again and again, a second each time, is named again after such a quiet."""
_ALARM_AGAIN_S = 300.0
"""A deployment that only the operator can mend is said to be so no oftener."""


class _Pulse:
    """What this worker counted of a deployment since the last fold."""

    __slots__ = (
        "ok", "probes", "slot", "stream_s", "streams", "taken_s", "tokens", "troubled_at", "whole_s",
        "wholes",
    )  # fmt: skip

    def __init__(self, slot: int, troubled_at: int) -> None:
        self.slot = slot
        self.troubled_at = troubled_at
        self.probes = 0
        """Since this worker began."""
        self.clear()

    def clear(self) -> None:
        self.ok = self.streams = self.wholes = self.tokens = 0
        self.stream_s = self.whole_s = self.taken_s = 0.0


class Vitals:
    """The health of every deployment. One per worker; several share what they know through `charts`."""

    def __init__(
        self,
        metrics: Metrics,
        clock: Clock,
        draw: Callable[[], float],
        *,
        charts: Charts | None = None,
        rules: Rules = _DEFAULTS,
    ) -> None:
        """`draw()` gives numbers in [0, 1). Without `charts` it is the only worker."""
        self.latencies: dict[str, float] = {}
        """Seconds to first content by deployment, where known: of all workers, as of a second ago."""
        self.speeds: dict[str, float] = {}
        """Output tokens a second by deployment, likewise."""
        self._metrics = metrics
        self._clock = clock
        self._draw = draw
        self._charts = charts or Charts()
        self._words = self._charts.words
        self._pulses: dict[str, _Pulse] = {}
        self._asked: dict[tuple[str, str], int] = {}
        """Requests of a tenant at a place since the last fold."""
        self._version = 0
        self._known: dict[str, Vital | None] = {}
        """Of this version; None where there is nothing to say."""
        self._shares: dict[str, tuple[float, float]] = {}
        """Place → when it was computed, the share to be spared."""
        self.follow(rules)

    def follow(self, rules: Rules) -> None:
        """Go by these rules from now on."""
        self.rules = rules
        self._buckets_per_s = _WINDOW_BUCKETS / rules.window_s
        self._retry_buckets_per_s = _RETRY_BUCKETS / rules.retry_window_s

    @property
    def charts(self) -> Charts:
        """The memory that this host's workers share."""
        return self._charts

    # --- before the call

    def standings(self, deployments: Sequence[Deployment], draw: float) -> Standings:
        """What their health means for one request: see `router.standing`."""
        version = self._words[0]
        if not version or len(deployments) < 2:
            return ALL_WELL  # nothing ever failed, or there is nothing to put before another
        now_s = self._clock.monotonic_s()
        if version != self._version:
            self._version = version
            self._known.clear()
        ailing: dict[str, Vital] = {}
        for deployment in deployments:
            place = deployment.id
            try:
                vital = self._known[place]
            except KeyError:
                vital = self._known[place] = self._look(place, now_s)
            if vital is not None:
                ailing[place] = vital
        if not ailing:
            return ALL_WELL
        places = [deployment.id for deployment in deployments]
        shares = {place: self._share(place, vital, now_s) for place, vital in ailing.items()}
        return standings(places, ailing, shares, now_s=now_s, draw=draw, rules=self.rules)

    def spared(self, found: Standings) -> None:
        """The request goes by these standings: count where it was not sent."""
        for place, standing in found.items():
            if standing.spared:
                self._charts.count(self._charts.slot(place), self._bucket(self._clock.monotonic_s()), shed=1)
                self._metrics.spared.labels(place).inc()

    def enter(self, deployment: str, tenant: str, *, others: bool) -> bool | None:
        """An attempt begins there. True when it is the one that tries the place out: give that to what ends
        it. None when another one does and there are `others` to go to: it should go there first.
        """
        try:
            pulse = self._pulses[deployment]
        except KeyError:
            pulse = self._pulse(deployment)
        probing = False
        if self._words[pulse.troubled_at]:
            now_s = self._clock.monotonic_s()
            with self._charts.change(pulse.slot) as vital:
                probing = bool(vital.open) and vital.take_probe(now_s, self.rules)
                if others and not probing and vital.open:
                    return None
        try:
            self._asked[tenant, deployment] += 1
        except KeyError:
            if len(self._asked) >= _ASKED_BOUND:
                self._fold_asked()
            self._asked[tenant, deployment] = 1
        return probing

    def probe_waits_s(self, deployment: str, *, stream: bool) -> float | None:
        """See `Rules.probe_waits_s`. None where it is not known how long answers take there, and for each
        eighth: a place that became slower would never be returned to otherwise.
        """
        pulse = self._pulse(deployment)
        pulse.probes += 1
        if pulse.probes % PATIENT_EVERY == 0:
            return None
        first_s, whole_s, _ = self._charts.paces(pulse.slot)
        usual_s = first_s if stream else whole_s
        return self.rules.probe_waits_s(usual_s) if usual_s else None

    def again(self, deployment: str, tenant: str) -> bool:
        """Whether the same place may be asked once more: counted if so. Retries of a tenant at a place are a
        bounded share of its requests there, lest they keep down what has just fallen.
        """
        self._fold_asked()
        rules, cell = self.rules, cell_of(_pair(tenant, deployment))
        bucket = int(self._clock.monotonic_s() * self._retry_buckets_per_s)
        requests, retries = self._charts.asked_lately(cell, bucket - _RETRY_BUCKETS + 1, bucket)
        if retries >= max(rules.retry_least, rules.retry_share * requests):
            self._metrics.retries_denied.labels(deployment).inc()
            return False
        self._charts.asked(cell, bucket, retries=1)
        return True

    # --- after it

    def told(self, deployment: str, headers: Mapping[str, str]) -> None:
        """Read what an accepted request's answer says of what is left there."""
        if headers.keys().isdisjoint(SAID_LEFT):
            return
        found = spent(headers, self._clock.unix_ns)
        if found is not None:
            what, wait_s = found
            with self._charts.change(self._charts.slot(deployment)) as vital:
                vital.tell(what, wait_s, self._clock.monotonic_s())

    def succeeded(
        self,
        deployment: str,
        *,
        started_s: float,
        taken_s: float,
        first_s: float | None,
        tokens: int,
        stream: bool,
        probing: bool = False,
    ) -> None:
        """A complete answer of so many `tokens` came to an attempt begun at `started_s` that took `taken_s`;
        its first content was there after `first_s`.
        """
        try:
            pulse = self._pulses[deployment]
        except KeyError:
            pulse = self._pulse(deployment)
        pulse.ok += 1
        pulse.tokens += tokens
        pulse.taken_s += taken_s
        if first_s is not None:
            if stream:
                pulse.streams += 1
                pulse.stream_s += first_s
            else:
                pulse.wholes += 1
                pulse.whole_s += first_s
            if deployment not in self.latencies:
                self.latencies[deployment] = first_s
        if self._words[pulse.troubled_at]:
            self._well(deployment, pulse.slot, started_s, self._clock.monotonic_s(), probing=probing)

    def failed(self, deployment: str, failure: Failure, *, started_s: float, probing: bool = False) -> None:
        """An attempt failed there."""
        charts, now_s = self._charts, self._clock.monotonic_s()
        slot = charts.slot(deployment)
        if failure.kind in ANSWERED:
            if self._words[charts.troubled_at(slot)]:
                self._well(deployment, slot, started_s, now_s, probing=probing)
            return
        if failure.kind not in CIRCUIT_OF:
            self.left(deployment, probing=probing)
            return
        self._fold(self._pulse(deployment), now_s)
        charts.count(slot, self._bucket(now_s), bad=1)
        self._shares.pop(deployment, None)
        with charts.change(slot) as vital:
            was_open = vital.open
            window = self._window(slot, vital, now_s, _WINDOW_BUCKETS)
            opened = vital.failed(
                failure.kind, now_s, started_s=started_s, window=window, draw=self._draw(), rules=self.rules
            )
            waits = False
            if failure.retry_after_s:
                waits = not vital.told_at_s or now_s >= vital.told_at_s + _WAITS_AGAIN_S
                vital.tell("retry-after", failure.retry_after_s, now_s)
            if probing:
                vital.probe_until_s = 0.0
            alarm = failure.alarm and (not vital.alarmed_s or now_s >= vital.alarmed_s + _ALARM_AGAIN_S)
            if alarm:
                vital.alarmed_s = now_s
        said: dict[str, object] = {
            "deployment": deployment,
            "failure": failure.kind,
            "detail": failure.detail,
        }
        if opened is not None:
            self._metrics.openings.labels(deployment, opened).inc()
            said["circuit"] = opened
        if not was_open and (opened is not None or waits):
            log.warning("deployment set back: tried last until it recovers", extra=said)
        if alarm:
            log.error("a provider needs the operator", extra=said)

    def left(self, deployment: str, *, probing: bool) -> None:
        """An attempt ended that says nothing of the place: another may try it out."""
        if probing:
            with self._charts.change(self._charts.slot(deployment)) as vital:
                vital.probe_until_s = 0.0

    def _well(self, deployment: str, slot: int, started_s: float, now_s: float, *, probing: bool) -> None:
        with self._charts.change(slot) as vital:
            closed = vital.answered(now_s, started_s=started_s)
            if probing:
                vital.probe_until_s = 0.0
            recovered = bool(closed) and not vital.open
        self._shares.pop(deployment, None)
        if recovered:
            log.warning("deployment recovered", extra={"deployment": deployment})

    # --- for people

    def measure(self, deployments: Iterable[Deployment]) -> None:
        """Fold in what was counted, and bring the gauges and `latencies` up to date with what other workers
        saw: once a second.
        """
        charts, now_s = self._charts, self._clock.monotonic_s()
        for pulse in self._pulses.values():
            self._fold(pulse, now_s)
        self._fold_asked()
        for deployment in deployments:
            slot, place = charts.slot(deployment.id), deployment.id
            first_s, whole_s, speed = charts.paces(slot)
            if first_s or whole_s:
                self.latencies[place] = first_s or whole_s
                self._metrics.speed.labels(place).set(speed)
            if speed:
                self.speeds[place] = speed
            if charts.last_failure_s(slot):
                for circuit, breaker in charts.read(slot).breakers.items():
                    if breaker.last is not None:
                        self._metrics.breaker.labels(place, circuit).set(int(breaker.openings > 0))

    def report(self, deployments: Sequence[Deployment]) -> "list[Report]":
        """How they are doing, as all workers of this host saw it."""
        now_s = self._clock.monotonic_s()
        made = []
        for pulse in self._pulses.values():
            self._fold(pulse, now_s)
        for deployment in deployments:
            slot = self._charts.slot(deployment.id)
            vital = self._charts.read(slot)
            ok, bad = self._charts.totals(slot)
            first_s, whole_s, speed = self._charts.paces(slot)
            window = self._window(slot, vital, now_s, _WINDOW_BUCKETS)
            made.append(
                Report(
                    deployment=deployment.id,
                    state=vital.state(now_s) if ok or bad or vital.troubled else "unknown",
                    circuits=[
                        {
                            "circuit": circuit,
                            "state": "open" if now_s < breaker.probe_at_s else "half-open",
                            "openings": breaker.openings,
                            "tried_out_in_s": round(max(breaker.probe_at_s - now_s, 0.0), 1),
                            "period_ends_in_s": round(max(breaker.until_s - now_s, 0.0), 1),
                            "last_failure": breaker.last,
                        }
                        for circuit, breaker in vital.breakers.items()
                        if breaker.openings
                    ],
                    waits_for=vital.told if vital.told_until_s > now_s else None,
                    waits_s=round(max(vital.told_until_s - now_s, 0.0), 1),
                    successes=ok,
                    failures=bad,
                    window_ok=window.ok,
                    window_failed=window.bad,
                    spared=round(self._share(deployment.id, vital, now_s), 3),
                    last_failure=vital.last,
                    last_failure_s=round(now_s - vital.failed_s, 1) if vital.failed_s else None,
                    first_content_s=first_s or None,
                    whole_answer_s=whole_s or None,
                    tokens_per_s=round(speed, 1) or None,
                )
            )
        return made

    # ---

    def _look(self, place: str, now_s: float) -> Vital | None:
        """What is known of a place, if there is anything to say of it."""
        slot = self._charts.slot(place)
        lately = now_s - self._charts.last_failure_s(slot) < self.rules.throttle_s
        if not (self._words[self._charts.troubled_at(slot)] or lately):
            return None
        return self._charts.read(slot)

    def _share(self, place: str, vital: Vital, now_s: float) -> float:
        """The share of requests that it should be spared."""
        if not vital.failed_s or now_s - vital.failed_s > self.rules.throttle_s:
            return 0.0
        known = self._shares.get(place)
        if known is not None and now_s - known[0] < _SHARE_HOLDS_S:
            return known[1]
        tally = self._window(self._charts.slot(place), vital, now_s, 4 * _WINDOW_BUCKETS)
        share = tally.throttled(self.rules.window_least)
        self._shares[place] = now_s, share
        return share

    def _window(self, slot: int, vital: Vital, now_s: float, buckets: int) -> Tally:
        """Outcomes of the last `buckets`, since it recovered last."""
        last = self._bucket(now_s)
        first = max(last - buckets + 1, self._bucket(vital.counted_from_s) + 1 if vital.counted_from_s else 0)
        return NOTHING if first > last else self._charts.tally(slot, first, last)

    def _bucket(self, now_s: float) -> int:
        return int(now_s * self._buckets_per_s)

    def _pulse(self, deployment: str) -> _Pulse:
        pulse = self._pulses.get(deployment)
        if pulse is None:
            slot = self._charts.slot(deployment)
            pulse = self._pulses[deployment] = _Pulse(slot, self._charts.troubled_at(slot))
        return pulse

    def _fold(self, pulse: _Pulse, now_s: float) -> None:
        """Tell the other workers what was counted here."""
        if not pulse.ok:
            return
        charts = self._charts
        charts.count(pulse.slot, self._bucket(now_s), ok=pulse.ok)
        if pulse.streams:
            charts.pace(pulse.slot, "first", pulse.stream_s / pulse.streams, pulse.streams)
        if pulse.wholes:
            charts.pace(pulse.slot, "whole", pulse.whole_s / pulse.wholes, pulse.wholes)
        if pulse.tokens and pulse.taken_s:
            charts.pace(pulse.slot, "speed", pulse.tokens / pulse.taken_s, pulse.ok)
        pulse.clear()

    def _fold_asked(self) -> None:
        bucket = int(self._clock.monotonic_s() * self._retry_buckets_per_s)
        asked, self._asked = self._asked, {}
        for (tenant, deployment), requests in asked.items():
            self._charts.asked(cell_of(_pair(tenant, deployment)), bucket, requests=requests)


def _pair(tenant: str, deployment: str) -> str:
    return f"{tenant}\n{deployment}"


class Report(msgspec.Struct, frozen=True):
    """How a deployment is doing, for `GET /api/health`. Times are seconds from now, or before it."""

    deployment: str
    state: State
    circuits: list[dict[str, Any]]
    """Those whose breaker is open."""
    waits_for: str | None
    """What the provider said is wanting: `retry-after`, `requests`, `tokens`."""
    waits_s: float
    successes: int
    failures: int
    window_ok: int
    window_failed: int
    spared: float
    """The share of requests that the throttle sends elsewhere."""
    last_failure: str | None
    last_failure_s: float | None
    first_content_s: float | None
    whole_answer_s: float | None
    tokens_per_s: float | None
