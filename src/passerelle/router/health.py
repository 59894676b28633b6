"""How a deployment is doing: what is known of it, and how each outcome changes that.

A deployment has one breaker per circuit, because what is wrong with its credential says nothing about its
network, and is mended by somebody else:

    circuit    failures                                what it means
    auth       auth, not_found                         our credential or the model is refused there
    quota      quota, billing                          the account may not ask any more
    overload   rate_limited, overloaded                it is asked for more than it gives
    transport  transport, timeout, server_error        it cannot be reached, or breaks down
    semantic   protocol                                what it sends is no answer

A breaker opens after so many failures in a row, or when so large a share of the last half minute failed.
While it is open the deployment is tried last (see `standing`), but for one request at a time that tries it
out: when the first period is over, and from then on as often as `probe_every_s` says, however long the period
has become. Where that request can go elsewhere, it does so when no answer begins in the time that answers
take there. One complete answer to a request that began after it opened closes it.

Apart from our own judgement stands what the provider said itself: `retry-after`, or that its requests or
tokens are used up until a time. That is kept to.

Time and chance come in with every call, so the same history gives the same view. The figures are those of
Envoy's outlier detection (envoyproxy.io/docs, "Outlier detection": 5 consecutive failures, ejection time
multiplied, at most 300 s, read 2026-11-22), and the throttle is "Handling Overload" in Google's Site
Reliability Engineering (sre.google/sre-book/handling-overload, read 2026-11-22).
"""

from collections.abc import Mapping
from typing import Literal

import msgspec

from passerelle.core.errors import FailureKind

Circuit = Literal["auth", "quota", "overload", "transport", "semantic"]
CIRCUITS: tuple[Circuit, ...] = ("auth", "quota", "overload", "transport", "semantic")
CIRCUIT_OF: Mapping[FailureKind, Circuit] = {
    "auth": "auth",
    "not_found": "auth",
    "quota": "quota",
    "billing": "quota",
    "rate_limited": "overload",
    "overloaded": "overload",
    "transport": "transport",
    "timeout": "transport",
    "server_error": "transport",
    "protocol": "semantic",
}
"""The failures that speak against a deployment."""
ANSWERED: frozenset[FailureKind] = frozenset({"invalid_request", "context_length", "content_policy"})
"""Failures that are about the request: the deployment took it, read it and said no. It is well."""
Told = Literal["", "retry-after", "requests", "tokens"]
"""What the provider said is wanting until a time: see `Vital.told`."""

LONGEST_TOLD_S = 300.0
"""A provider that asks for a longer wait is tried again after this one: allowances are raised, too."""
_MOST_DOUBLINGS = 30
_PROBE_TIMES = 4.0


class Rules(msgspec.Struct, frozen=True):
    """`[health]`, as `docs/configuration.md` explains it."""

    open_after: int = 5
    window_s: float = 30.0
    window_least: int = 20
    window_share: float = 0.5
    open_s: float = 10.0
    longest_open_s: float = 300.0
    probe_every_s: float = 20.0
    probe_timeout_s: float = 10.0
    retry_share: float = 0.1
    retry_least: int = 3
    retry_window_s: float = 10.0

    @property
    def throttle_s(self) -> float:
        """The throttle looks back four windows: two minutes, as Google's does."""
        return 4 * self.window_s

    def probe_waits_s(self, usual_s: float) -> float:
        """How long a request that tries a place out waits for its answer to begin, where it can go elsewhere
        and answers there take `usual_s` as a rule: a caller must not pay for our wish to know with the
        minutes that are given to a place that is well.
        """
        return max(self.probe_timeout_s, _PROBE_TIMES * usual_s)

    @property
    def pardon_s(self) -> float:
        """How long a deployment that was pardoned (see `standing`) rests after it failed again."""
        return self.open_s / 10


class Tally(msgspec.Struct, frozen=True, gc=False):
    """Outcomes of a window, of all workers."""

    ok: int = 0
    bad: int = 0
    shed: int = 0
    """Not sent there, to spare it."""

    def throttled(self, least: int) -> float:
        """The share that should not be sent there: `max(0, (requests − 2·accepts)/(requests + 1))`.

        Requests are counted when their outcome is known: a model may think for minutes, and what is under
        way is no rejection. Of less than `least` nothing is concluded: one failure in the night would spare
        the place half of the next two minutes.
        """
        requests = self.ok + self.bad + self.shed
        return 0.0 if requests < least else max(0.0, (requests - 2 * self.ok) / (requests + 1))


NOTHING = Tally()


class Breaker(msgspec.Struct):
    """One circuit of one deployment."""

    failures: int = 0
    """In a row, while it is closed."""
    openings: int = 0
    """Since it was last closed; 0: it is closed."""
    opened_s: float = 0.0
    """When it last opened."""
    until_s: float = 0.0
    """End of the period for which it opened."""
    probe_at_s: float = 0.0
    """From when on a request may try it out."""
    last: FailureKind | None = None


class Vital(msgspec.Struct):
    """What is known of one deployment. Times are monotonic seconds."""

    breakers: dict[Circuit, Breaker] = msgspec.field(default_factory=lambda: {c: Breaker() for c in CIRCUITS})
    told: Told = ""
    told_at_s: float = 0.0
    told_until_s: float = 0.0
    probe_until_s: float = 0.0
    """A request tries it out, and has until then: whoever dies with it does not keep the place."""
    failed_s: float = 0.0
    """The last failure that spoke against it; 0: none ever did."""
    counted_from_s: float = 0.0
    """Outcomes before this moment count no more: it recovered since."""
    alarmed_s: float = 0.0
    """When the operator was last called for it."""
    last: FailureKind | None = None
    """The last failure that spoke against it."""

    @property
    def open(self) -> list[Circuit]:
        """The circuits whose breaker is not closed."""
        return [circuit for circuit, breaker in self.breakers.items() if breaker.openings]

    @property
    def troubled(self) -> bool:
        """Whether a success has anything to put right."""
        return self.told_until_s > 0 or any(b.failures or b.openings for b in self.breakers.values())

    @property
    def probe_at_s(self) -> float:
        """From when on a request may try it out."""
        return max(self.breakers[circuit].probe_at_s for circuit in self.open)

    @property
    def until_s(self) -> float:
        """When the last of its open periods ends."""
        return max(self.breakers[circuit].until_s for circuit in self.open)

    def failed(
        self, kind: FailureKind, now_s: float, *, started_s: float, window: Tally, draw: float, rules: Rules
    ) -> Circuit | None:
        """Record a failure of `CIRCUIT_OF`, of an attempt begun at `started_s`. Gives the circuit if its
        breaker opened with it. `window` are the outcomes of the last `rules.window_s`, this one included.
        """
        circuit = CIRCUIT_OF[kind]
        breaker = self.breakers[circuit]
        breaker.last = self.last = kind
        self.failed_s = now_s
        if breaker.openings:
            # What began before it opened, or was tried in want of anything better, is no news.
            if started_s >= breaker.opened_s and now_s >= breaker.probe_at_s:
                _open(breaker, now_s, draw, rules)
            return None
        breaker.failures += 1
        total = window.ok + window.bad
        often = total >= rules.window_least and window.bad >= rules.window_share * total
        if breaker.failures < rules.open_after and not often:
            return None
        _open(breaker, now_s, draw, rules)
        return circuit

    def answered(self, now_s: float, *, started_s: float) -> list[Circuit]:
        """Record a complete answer to an attempt begun at `started_s`. Gives the circuits that it closed."""
        closed: list[Circuit] = []
        for circuit, breaker in self.breakers.items():
            if breaker.openings:
                if started_s <= breaker.opened_s:
                    continue  # it began when all was well
                closed.append(circuit)
            breaker.failures = breaker.openings = 0
            breaker.opened_s = breaker.until_s = breaker.probe_at_s = 0.0
        if started_s >= self.told_at_s or now_s >= self.told_until_s:
            self.told, self.told_until_s = "", 0.0
        if closed and not self.open:
            self.counted_from_s = now_s
        return closed

    def tell(self, what: Told, wait_s: float, now_s: float) -> None:
        """Record that the provider wants to be left alone for so long."""
        until_s = now_s + min(wait_s, LONGEST_TOLD_S)
        if until_s > self.told_until_s:
            self.told, self.told_at_s, self.told_until_s = what, now_s, until_s

    def take_probe(self, now_s: float, rules: Rules) -> bool:
        """Have the request that asks be the one that tries it out. False when another one is."""
        if self.probe_until_s > now_s:
            return False
        self.probe_until_s = now_s + rules.probe_every_s
        return True

    def state(self, now_s: float) -> "State":
        """In a word, for people."""
        if self.open:
            return "open" if now_s < self.probe_at_s else "half-open"
        return "waiting" if self.told_until_s > now_s else "healthy"


State = Literal["healthy", "waiting", "open", "half-open", "unknown"]
"""`waiting`: the provider asked for it. `unknown`: it was never called."""


def _open(breaker: Breaker, now_s: float, draw: float, rules: Rules) -> None:
    """Open it, each time for twice as long, give or take a fifth: not all hosts are to come back at once."""
    period_s = rules.open_s * 2 ** min(breaker.openings, _MOST_DOUBLINGS) * (0.8 + 0.4 * draw)
    period_s = min(period_s, rules.longest_open_s)
    breaker.openings += 1
    breaker.opened_s = now_s
    breaker.until_s = now_s + period_s
    breaker.probe_at_s = now_s + min(period_s, rules.probe_every_s)
