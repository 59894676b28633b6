"""The writer thread: drains the journal's queue into the database, a group per transaction.

    wait for work ─→ gather ─→ book ≤ 1,000 records + draw leases ─→ commit
                       │                                              │
      ≤ 4 ms when calm, ≤ 100 ms under load,                          └─→ delete journal segments, resolve
      not at all when someone waits                                       durable intents, hand out leases

A request's records are in the database within about 5 ms when the worker is calm and 110 under load, and a
commit is shared by whatever came in meanwhile. When the database cannot be used the group stays at the head
of the queue and is tried again, ever more slowly (up to a second). From the second failure on health says
so, and reservations that need a lease are refused; but while it is only another writer that is in the way,
they wait as long as their requests do, up to `_PATIENCE_S`: on a busy machine that is most often over in a
moment. What held up writing is over only when something was written, if only an empty transaction, which is
also tried from time to time while nobody asks for anything. The queue is bounded where it is filled
(`Journal`). This thread never ends before it is told to.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence

from passerelle.core.clock import Clock, mint
from passerelle.store.bell import Bell
from passerelle.store.booking import Booker, Group
from passerelle.store.budgets import Draw
from passerelle.store.database import Database
from passerelle.store.errors import StoreBusy, StoreUnavailable
from passerelle.store.journal import Item, Journal
from passerelle.store.quarantine import Quarantine
from passerelle.store.records import Intended, Record, Settled, encode
from passerelle.store.upkeep import Drawn, Upkeep

log = logging.getLogger(__name__)

GROUP = 1000
"""Records of one transaction at most."""
_GATHER_S = 0.004
_BUSY_GATHER_S = 0.1
_BUSY_FROM = 6
"""A group of so many records means load: the next one gathers longer. Every record is in the journal before
its request is answered, so nothing but the database's view waits; and each group makes the writer thread
take the interpreter's lock from the requests some thirty times, and costs some milliseconds whatever is in
it (588 to 472 µs a request at full load with 50 ms instead of 4, to 410 with 100). Each further 50 ms
would cost 3 MiB of memory."""
_UPKEEP_S = 0.25
_SWEEP_S = 15.0
_PROBE_S = 2.0
"""An idle worker looks so often whether it could write: for the health that is told of it."""
_SLOWEST_RETRY_S = 1.0
_PATIENCE_S = 5.0
"""Another writer that keeps the database for longer is an outage: new money is refused at once then."""


class Writer:
    """Owns the thread. `prepare` is called, until it succeeds, before anything is written."""

    def __init__(
        self,
        *,
        database: Database,
        booker: Booker,
        journal: Journal,
        upkeep: Upkeep,
        quarantine: Quarantine,
        bell: Bell,
        draws: deque[Draw],
        clock: Clock,
        worker: str,
        prepare: Callable[[], None] | None,
        sweep: Callable[[], object],
    ) -> None:
        self._database = database
        self._booker = booker
        self._journal = journal
        self._upkeep = upkeep
        self._quarantine = quarantine
        self._bell = bell
        self._draws = draws
        self._clock = clock
        self._worker = worker
        self._prepare = prepare
        self._sweep = sweep
        self._closing = threading.Event()
        self._closed_clean = False
        self._next_upkeep_s = 0.0
        self._next_sweep_s = clock.monotonic_s() + _SWEEP_S
        self._failures = 0
        self._failing_since_s = 0.0
        self._next_probe_s = 0.0
        self._busy = False
        self.last_commit_s: float | None = None
        self.last_error: str | None = None
        self._thread = threading.Thread(target=self._run, name="passerelle-writer", daemon=True)

    def start(self) -> None:
        """Begin writing."""
        self._thread.start()

    def prepare_with(self, prepare: Callable[[], None]) -> None:
        """Another database was taken up: make it ready before anything is written."""
        self._prepare = prepare

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    def close(self, deadline_s: float) -> bool:
        """Write what is queued, give the leases back, and end; whether all of it was done in time."""
        self._closing.set()
        self._bell.ring(urgent=True)
        self._thread.join(deadline_s)
        return self._closed_clean and not self._thread.is_alive()

    def _run(self) -> None:
        while True:
            if self._closing.is_set() and (self._failures or not self._has_work()):
                break
            if not self._has_work():
                self._bell.sleep(_UPKEEP_S, lambda: self._has_work() or self._closing.is_set())
            if 0 < self._journal.backlog < GROUP and not self._closing.is_set():
                self._bell.gather(_BUSY_GATHER_S if self._busy else _GATHER_S)
            self._guarded(self._turn)
        self._guarded(self._finish)

    def _has_work(self) -> bool:
        return bool(self._journal.backlog or self._draws)

    def _guarded(self, step: Callable[[], None]) -> None:
        """Run a step; a failure is remembered, said once, and waited out. The thread goes on."""
        try:
            step()
        except Exception as error:
            # StoreUnavailable is the expected one; any other must not end the only thread that writes.
            now_s = self._clock.monotonic_s()
            if not self._failures:
                self._failing_since_s = now_s
            self._failures += 1
            expected = isinstance(error, StoreUnavailable)
            if self._failures > 1 or not expected:  # one lost race for the lock is no outage
                if not isinstance(error, StoreBusy) or now_s - self._failing_since_s >= _PATIENCE_S:
                    self._refuse_draws(error)
                    self._journal.held_up = str(error)
                self.last_error = str(error)
                if self._failures == 2 or not expected:
                    log.error("writing is held up: %s", error, exc_info=not expected)
            self._closing.wait(min(_SLOWEST_RETRY_S, 0.02 * 2 ** min(self._failures, 10)))
        else:
            if self._failures > 1:
                log.warning("writing goes on after %d failed tries", self._failures)
            self._failures = 0
            self.last_error = self._journal.held_up = None

    def _turn(self) -> None:
        prepare = self._prepare
        if prepare is not None:
            prepare()
            if self._prepare is prepare:
                self._prepare = None
        items = self._journal.take(GROUP)
        self._busy = len(items) >= _BUSY_FROM
        intents = self._journal.unsaid(GROUP)
        waiting = [self._draws.popleft() for _ in range(len(self._draws))]
        draws = [draw for draw in waiting if draw.wanted()]
        try:
            self._write(intents, items, draws)
        except Exception:  # whatever it is, nobody may wait for ever; it goes on to `_guarded`
            self._draws.extendleft(reversed(draws))  # still waiting: answered by the next turn or refused
            raise
        now_s = self._clock.monotonic_s()
        if intents or items or draws:
            self._next_probe_s = now_s + _PROBE_S
        elif self._failures or now_s >= self._next_probe_s:
            with self._database.write():
                self._next_probe_s = now_s + _PROBE_S
        if now_s >= self._next_upkeep_s:
            self._next_upkeep_s = now_s + _UPKEEP_S
            self._upkeep.run()
            self._journal.grow_old()
            self._journal.rotate_if_large()
        if now_s >= self._next_sweep_s:
            self._next_sweep_s = now_s + _SWEEP_S
            self._upkeep.sweep()
            self._sweep()

    def _write(self, intents: list[Intended], items: list[Item], draws: list[Draw]) -> None:
        if not (intents or items or draws):
            return
        drawn = Drawn()
        waiting: list[Draw] = draws

        def transaction(records: Sequence[Record]) -> None:
            nonlocal drawn, waiting
            leases = [lease for one in records if isinstance(one, Settled) for lease in one.leases if lease]
            with self._database.write() as connection:
                if records:
                    group = Group(mint("grp"), self._worker, self._clock.unix_ns(), records=records)
                    self._booker.book(connection, group)
                covered = self._upkeep.cover_shortages(connection, leases)
                result = self._upkeep.draw(connection, waiting)
            self._upkeep.apply((*covered, *result.grants))
            if waiting:
                drawn, waiting = result, []

        if intents or items:
            records = [*intents, *(item.record for item in items)]
            self._quarantine.book(records, transaction, lambda one: [encode(one)])
        if waiting:
            transaction(())
        self.last_commit_s = self._clock.monotonic_s()
        self._upkeep.settled(item.record for item in items)
        self._journal.said(intents)
        self._journal.committed(items)
        self._upkeep.answer(draws, drawn)

    def _refuse_draws(self, error: Exception) -> None:
        refusal = StoreUnavailable(f"no budget can be drawn now: {error}")
        while self._draws:
            self._draws.popleft().deliver(refusal)

    def _finish(self) -> None:
        self._refuse_draws(StoreUnavailable("Passerelle is stopping; ask another instance"))
        if not self._journal.backlog:
            self._closed_clean = self._upkeep.close()
