"""Rate limits as values: the generic cell rate algorithm in whole numbers.

GCRA keeps one number per limit, the *theoretical arrival time* (TAT): when the bucket would be full
again. A request is admitted when the TAT after it lies at most one burst ahead of now. Source: ITU-T
I.371 annex A, the virtual scheduling form.

The TAT is kept in units of 1/`limit` of a nanosecond, so that 7 per minute has no rounding error: at any
time t no more than `burst + limit·t/period` units have passed. State is a plain integer that its owner
stores where it likes; `START` is a full bucket.
"""

import msgspec

START = 0
"""The state of a limit nobody has drawn on yet."""

_MINUTE_NS = 60_000_000_000


class Gcra(msgspec.Struct, frozen=True):
    """`limit` units per `period_ns`, of which up to `burst` may come at once. All three are ≥ 1."""

    limit: int
    period_ns: int
    burst: int

    def __post_init__(self) -> None:
        if self.limit < 1 or self.period_ns < 1 or self.burst < 1:
            raise ValueError(
                f"a rate limit needs `limit`, `period_ns` and `burst` of at least 1, not {self}; "
                "to forbid every request, take the right away instead"
            )

    def decide(self, state: int, now_ns: int, cost: int = 1) -> tuple[int, float | None]:
        """Admit `cost` units at `now_ns`: the new state, and None; or the same state and seconds to wait.

        A cost above the burst could never fit: it passes when the bucket is full and is then charged
        whole, so the rate holds over time. Waiting the seconds returned, with nobody else drawing,
        always suffices.
        """
        now, period_ns = now_ns * self.limit, self.period_ns
        start = max(now, state)
        if start > now:  # otherwise the bucket is full, and anything passes
            room = (self.burst - cost if cost < self.burst else 0) * period_ns
            late = start - now - room
            if late > 0:
                wait_ns = -(-late // self.limit)
                return state, wait_ns / 1_000_000_000
        return start + cost * period_ns, None

    def correct(self, state: int, now_ns: int, difference: int) -> int:
        """The state after an admitted cost proved `difference` units larger (or, negative, smaller)."""
        now = now_ns * self.limit
        corrected = (max(now, state)) + difference * self.period_ns
        return max(now, corrected)


def per_minute(limit: int, *, burst: int | None = None) -> Gcra:
    """`limit` units a minute. Unless said, a tenth of them (six seconds' worth) may come at once."""
    return Gcra(limit, _MINUTE_NS, max(1, limit // 10) if burst is None else burst)
