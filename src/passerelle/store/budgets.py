"""Budgets in memory: holds taken from this worker's leases, without touching the database.

    reserve       sync, from a lease already drawn: the hot path
    reserve_slow  awaits the writer thread, which draws a lease in SQL and reserves in the same breath
    settle        ends holds; the journal calls it with every settlement
    release       ends holds of a request that never reached a provider

The arithmetic is `ledger.holds`; the SQL side is `leases.py`. A lease serves new holds only while it
cannot expire before the longest request it could back (`LeaseRules`). A hold that outlives `hold_s` is
given up, its amount promised anew; if it settles after all it is booked and flagged late.
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterable, Sequence

import msgspec

from passerelle.core.clock import Clock
from passerelle.core.receipt import Held, HoldSettled
from passerelle.ledger import holds
from passerelle.ledger.holds import Lease
from passerelle.ledger.periods import Period
from passerelle.store.errors import BudgetDenied, StoreUnavailable

_SECOND_NS = 1_000_000_000


class LeaseRules(msgspec.Struct, frozen=True):
    """Times of leases and holds, in seconds."""

    ttl_s: int = 1_200
    """A lease nobody renews is taken back after this long: what a lost worker strands, and how long."""
    hold_s: int = 900
    """The longest a hold may stay open: above the longest total deadline of a request."""
    idle_s: float = 2.0
    """A lease unused for this long gives back what it has left."""
    renew_s: int = 60
    """How often a lease in use is renewed."""
    dry_s: float = 0.5
    """How long an exhausted budget is refused from memory before the database is asked again."""
    fraction: int = 8
    """A draw takes this part of what remains, or what is needed."""


class Line:
    """This worker's lease on one budget in one period. Changed only under `Budgets.lock`."""

    __slots__ = (
        "budget_id", "expires_at_ns", "lease", "lease_id", "org_id", "pending", "period", "recalled",
        "used_at_ns",
    )  # fmt: skip

    def __init__(
        self, org_id: str, budget_id: str, lease_id: str, period: Period, expires_at_ns: int
    ) -> None:
        self.org_id = org_id
        self.budget_id = budget_id
        self.lease_id = lease_id
        self.period = period
        self.lease = Lease()
        self.expires_at_ns = expires_at_ns
        self.used_at_ns = 0
        self.pending = 0
        """Settlements that are journalled and not committed yet: the lease must stay open for them."""
        self.recalled = False

    @property
    def idle(self) -> bool:
        """Whether nothing depends on the lease any more."""
        return self.lease.held_nanos == 0 and self.pending == 0


class Draw(msgspec.Struct, frozen=True):
    """A reservation that waits for the writer thread."""

    budget_ids: tuple[str, ...]
    amount_nanos: int
    hold_id: str
    deliver: Callable[[tuple[Held, ...] | BudgetDenied | StoreUnavailable], None]
    wanted: Callable[[], bool]
    """False once its caller has gone: then nothing is drawn or held for it."""


class Budgets:
    """The worker's leases and open holds. Any thread may call it."""

    def __init__(self, clock: Clock, rules: LeaseRules, submit: Callable[[Draw], None]) -> None:
        self.lock = threading.Lock()
        self.rules = rules
        self._hold_ns = rules.hold_s * _SECOND_NS
        self.lines: dict[str, Line] = {}
        """Budget → the line new holds are taken from."""
        self._by_lease: dict[str, Line] = {}
        """Every line, the retired ones too: those no longer drawn on, until nothing depends on them."""
        self._clock = clock
        self._submit = submit
        self._open: dict[tuple[str, str], tuple[Line, int, int]] = {}
        """(hold, budget) → line, amount, since when."""
        self._dry: dict[str, tuple[int, int, BudgetDenied]] = {}
        """Budget → until when, from which need on, and the answer."""

    # --- the road's side

    def reserve(
        self, budget_ids: Sequence[str], amount_nanos: int, hold_id: str
    ) -> tuple[Held, ...] | BudgetDenied:
        """Hold `amount_nanos` of every budget, or of none. Reserving an open `hold_id` again changes nothing.

        A `BudgetDenied` that is not `final` only means that a lease must be drawn: `reserve_slow`.
        """
        now_ns = self._clock.unix_ns()
        with self.lock:
            return self._reserve(budget_ids, amount_nanos, hold_id, now_ns)

    async def reserve_slow(
        self, budget_ids: Sequence[str], amount_nanos: int, hold_id: str, *, deadline_s: float = 2.0
    ) -> tuple[Held, ...] | BudgetDenied:
        """Like `reserve`, drawing leases as needed; every answer is final.

        Raises `StoreUnavailable` when the database does not answer within `deadline_s`: without it no new
        money may be promised.
        """
        answer = self.reserve(budget_ids, amount_nanos, hold_id)
        if not isinstance(answer, BudgetDenied) or answer.final:
            return answer
        loop = asyncio.get_running_loop()
        waiting: asyncio.Future[tuple[Held, ...] | BudgetDenied] = loop.create_future()

        def settle(result: tuple[Held, ...] | BudgetDenied | StoreUnavailable) -> None:
            if waiting.done():  # the caller went away or ran out of time
                self._drop(result)
            elif isinstance(result, StoreUnavailable):
                waiting.set_exception(result)
            else:
                waiting.set_result(result)

        def deliver(result: tuple[Held, ...] | BudgetDenied | StoreUnavailable) -> None:
            try:
                loop.call_soon_threadsafe(settle, result)
            except RuntimeError:  # the loop is closed: nobody will ever take it
                self._drop(result)

        self._submit(Draw(tuple(budget_ids), amount_nanos, hold_id, deliver, lambda: not waiting.done()))
        try:
            async with asyncio.timeout(deadline_s):
                return await waiting
        except TimeoutError:
            raise StoreUnavailable(
                f"no budget could be drawn within {deadline_s} s; see `database` on `/readyz` and try again"
            ) from None

    def release(self, held: Iterable[Held]) -> None:
        """End holds with nothing spent. Unknown ones are ignored."""
        with self.lock:
            for one in held:
                entry = self._open.pop((one.hold_id, one.budget_id), None)
                if entry is not None:
                    line, amount, _ = entry
                    line.lease = holds.release(line.lease, amount)

    @property
    def open_holds(self) -> int:
        """How many holds are open in this worker."""
        return len(self._open)

    def held_nanos(self, budget_id: str) -> int:
        """Σ of this worker's open holds on a budget."""
        with self.lock:
            return sum(amount for (_, budget), (_, amount, _) in self._open.items() if budget == budget_id)

    # --- the journal's side

    def leases(self, held: Sequence[Held | HoldSettled]) -> tuple[str, ...]:
        """The lease behind each hold; empty where there is none any more."""
        if not held:
            return ()
        if len(held) == 1:  # nearly always; a single look-up needs no lock
            known = self._open.get((held[0].hold_id, held[0].budget_id))
            return ("",) if known is None else (known[0].lease_id,)
        with self.lock:
            entries = [self._open.get((one.hold_id, one.budget_id)) for one in held]
        return tuple(["" if entry is None else entry[0].lease_id for entry in entries])

    def settle(self, settled: Sequence[HoldSettled], leases: Sequence[str]) -> None:
        """End holds with what they cost. `leases` is what `leases()` said when it was journalled."""
        if not settled:
            return
        with self.lock:
            for one, lease_id in zip(settled, leases, strict=True):
                entry = self._open.pop((one.hold_id, one.budget_id), None)
                if entry is not None and lease_id:
                    line, amount, _ = entry
                    line.lease = holds.settle(line.lease, amount, one.amount_nanos)
                    line.pending += 1

    # --- the writer's side

    def booked(self, leases: Iterable[str]) -> None:
        """Settlements that named these leases are committed (once per hold)."""
        with self.lock:
            for lease_id in leases:
                line = self._by_lease.get(lease_id)
                if line is not None and line.pending:
                    line.pending -= 1

    def conclude(self, draw: Draw, denials: dict[str, BudgetDenied]) -> tuple[Held, ...] | BudgetDenied:
        """Answer a draw for good, after leases grew: what it holds, or the denial of the budget it lacks."""
        now_ns = self._clock.unix_ns()
        with self.lock:
            answer = self._reserve(draw.budget_ids, draw.amount_nanos, draw.hold_id, now_ns)
            if not isinstance(answer, BudgetDenied):
                return answer
            known = denials.get(answer.budget_id)
            if known is None:
                return msgspec.structs.replace(answer, final=True)
            denied = msgspec.structs.replace(known, need_nanos=draw.amount_nanos, final=True)
            until = now_ns + int(self.rules.dry_s * _SECOND_NS)
            self._dry[answer.budget_id] = (until, draw.amount_nanos, denied)
            return denied

    def usable(self, budget_id: str, now_ns: int) -> Line | None:
        """The line new holds on a budget may be taken from, if there is one. Call under `lock`."""
        line = self.lines.get(budget_id)
        if line is None or not self._serves(line, now_ns):
            return None
        return line

    def adopt(self, line: Line) -> None:
        """Take new holds on its budget from this line; a former one is retired. Call under `lock`."""
        self.lines[line.budget_id] = line
        self._by_lease[line.lease_id] = line

    def retire(self, line: Line) -> None:
        """Take no more holds from a line; it closes when nothing depends on it. Call under `lock`."""
        if self.lines.get(line.budget_id) is line:
            del self.lines[line.budget_id]

    def forget(self, line: Line) -> None:
        """The line's lease is closed in the database."""
        with self.lock:
            self.retire(line)
            self._by_lease.pop(line.lease_id, None)

    def every_line(self) -> list[Line]:
        """Lines in use and retired ones."""
        with self.lock:
            return list(self._by_lease.values())

    def line_of(self, lease_id: str) -> Line | None:
        """The line on a lease, if it is this worker's and still open."""
        return self._by_lease.get(lease_id)

    def expire_holds(self, now_ns: int) -> int:
        """Give up holds older than `hold_s`; how many there were."""
        before = now_ns - self._hold_ns
        with self.lock:
            old = [identity for identity, (_, _, since) in self._open.items() if since < before]
            for identity in old:
                line, amount, _ = self._open.pop(identity)
                line.lease = holds.release(line.lease, amount)
        return len(old)

    def recall(self, budget_ids: Iterable[str] | None = None) -> None:
        """Give back soon what is left of these leases (of all, when unsaid): a limit changed, or we close."""
        with self.lock:
            for budget_id in tuple(self.lines) if budget_ids is None else budget_ids:
                line = self.lines.get(budget_id)
                if line is not None:
                    line.recalled = True
                self._dry.pop(budget_id, None)

    # --- inside, under the lock

    def _reserve(
        self, budget_ids: Sequence[str], amount_nanos: int, hold_id: str, now_ns: int
    ) -> tuple[Held, ...] | BudgetDenied:
        if amount_nanos < 0:
            raise ValueError(f"a hold cannot be negative: {amount_nanos}")
        lines: list[Line] = []
        for budget_id in budget_ids:
            if (hold_id, budget_id) in self._open:
                return self._again(budget_ids, hold_id)
            line = self.lines.get(budget_id)
            if line is None or not self._serves(line, now_ns):
                return self._denied(budget_id, amount_nanos, now_ns)
            lease = line.lease
            if lease.granted_nanos - lease.spent_nanos - lease.held_nanos < amount_nanos:
                return self._denied(budget_id, amount_nanos, now_ns)
            lines.append(line)
        for line in lines:
            lease = line.lease
            line.lease = Lease(lease.granted_nanos, lease.spent_nanos, lease.held_nanos + amount_nanos)
            line.used_at_ns = now_ns
            self._open[(hold_id, line.budget_id)] = (line, amount_nanos, now_ns)
        if len(lines) == 1:
            return (Held(hold_id, budget_ids[0], amount_nanos),)
        return tuple([Held(hold_id, budget_id, amount_nanos) for budget_id in budget_ids])

    def _again(self, budget_ids: Sequence[str], hold_id: str) -> tuple[Held, ...]:
        entries = [(budget_id, self._open.get((hold_id, budget_id))) for budget_id in budget_ids]
        if any(entry is None for _, entry in entries):
            raise ValueError(f"hold `{hold_id}` is open on other budgets; mint a new id for a new hold")
        return tuple(Held(hold_id, budget_id, entry[1]) for budget_id, entry in entries if entry is not None)

    def _denied(self, budget_id: str, amount_nanos: int, now_ns: int) -> BudgetDenied:
        dry = self._dry.get(budget_id)
        if dry is not None:
            until, need, denied = dry
            if now_ns < until and amount_nanos >= need:
                return msgspec.structs.replace(denied, need_nanos=amount_nanos)
            if now_ns >= until:
                del self._dry[budget_id]
        return BudgetDenied(budget_id, amount_nanos, final=False)

    def _serves(self, line: Line, now_ns: int) -> bool:
        if line.recalled or now_ns + self._hold_ns > line.expires_at_ns:
            return False
        period = line.period  # as `Period.holds`, without a call
        return period.start_ns <= now_ns and (period.end_ns is None or now_ns < period.end_ns)

    def _drop(self, result: tuple[Held, ...] | BudgetDenied | StoreUnavailable) -> None:
        if isinstance(result, tuple):
            with contextlib.suppress(ValueError):
                self.release(result)
