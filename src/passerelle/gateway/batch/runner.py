"""The batches of one worker: taken up under leases, kept while they run, left behind in good order.

A table and leases do what is needed of durable background work here: every step of a batch can be begun anew,
and what must not be done twice is keyed in SQL. A workflow engine would add a second table of the same facts.

A worker that dies loses its leases when its journal is recovered (at the next start, or within fifteen
seconds by another worker) or, at the latest, `LEASE_S` after it renewed them last.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from logging import DEBUG, INFO

from passerelle.core.batch import Batch
from passerelle.core.clock import Clock
from passerelle.gateway.batch.ask import Asker
from passerelle.gateway.batch.native.carry import Carrier
from passerelle.gateway.batch.pace import Pace
from passerelle.gateway.batch.run import Rules, Run
from passerelle.gateway.lookout import LOOK_S, Lookout, ended
from passerelle.gateway.road import Road
from passerelle.gateway.settle import Settler
from passerelle.store import Store, StoreUnavailable
from passerelle.store.batch_runs import LeaseLost

log = logging.getLogger("passerelle.batches")

LEASE_S = 20.0
_RENEW_EVERY_S = 1.0
_AFTER_S = 0.01
"""A batch that rests is looked at so long after its time: not before it by any rounding."""
MOST_AT_ONCE = 4
MOST_OF_ONE_ORGANISATION = 2
"""Batches in one worker: a tenant with many leaves room for the next."""
_REST_S = 30.0
"""How long a batch is left alone after it failed in a way nobody foresaw, or its input is not here."""


class Runner:
    """Runs batches until `stop`."""

    def __init__(
        self,
        road: Road,
        store: Store,
        clock: Clock,
        rules: Rules,
        settler: Settler,
        jitter: Callable[[], float],
        *,
        draining: Callable[[], bool] = lambda: False,
    ) -> None:
        """`draining()`: the worker takes no more work. `jitter()` gives numbers in [0, 1)."""
        settings = rules.batches
        self._store = store
        self._clock = clock
        self._rules = rules
        self._draining = draining
        self._owner = store.instance
        self._pace = Pace(
            concurrency=max(1, settings.concurrency),
            yield_above=settings.yield_above,
            road=road,
        )
        self._asker = Asker(road, store, self._pace, clock, jitter, attempts=settings.attempts)
        self._carrier = Carrier(road.generations, store, settler, clock)
        self._heavy = ThreadPoolExecutor(1, "passerelle-batches")
        self._running: dict[str, tuple[Run, asyncio.Task[None]]] = {}
        self._resting: dict[str, float] = {}
        self._lookout = Lookout(self._turn, "batches", log)
        self._renewed_s = 0.0

    def start(self) -> None:
        """Begin looking for work, unless this worker is to run no batches."""
        if self._rules.batches.concurrency:
            self._lookout.start()

    def wake(self) -> None:
        """There is something new: look now."""
        self._lookout.wake()

    async def stop(self, grace_s: float) -> None:
        """Begin nothing more, let lines under way end for so long, and give the leases back."""
        if not self._lookout.started:
            return
        await self._lookout.stop()
        for run, _ in self._running.values():
            run.leave()
        # A line that is late settles as cancelled; whoever goes on asks it again.
        await ended([task for _, task in self._running.values()], grace_s)
        self._heavy.shutdown(cancel_futures=True)

    async def _turn(self, woken: bool) -> None:
        if self._draining():
            for run, _ in self._running.values():
                run.leave()
            return
        now_s = self._clock.monotonic_s()
        if self._running and (woken or now_s - self._renewed_s >= _RENEW_EVERY_S):
            self._renewed_s = now_s
            await self._renew()
        while len(self._running) < MOST_AT_ONCE:
            batch = await self._claim()
            if batch is None:
                return
            run = Run(
                batch, self._owner, self._store, self._asker, self._clock, self._rules, self._draining,
                self._heavy, self._carrier,
            )  # fmt: skip
            self._running[batch.id] = run, asyncio.create_task(self._attend(run))

    async def _renew(self) -> None:
        """Keep our leases, and learn which batches were cancelled or taken from us."""
        states = await asyncio.to_thread(
            self._store.batch_runs.renew, self._owner, list(self._running), ttl_s=LEASE_S
        )
        for batch_id, (run, _) in list(self._running.items()):
            state = states.get(batch_id)
            if state is None:
                run.leave()
            elif state == "cancelling":
                run.stop.set()

    async def _claim(self) -> Batch | None:
        now_s = self._clock.monotonic_s()
        self._resting = {name: until for name, until in self._resting.items() if until > now_s}
        orgs = [run.batch.org_id for run, _ in self._running.values()]
        batch = await asyncio.to_thread(
            self._store.batch_runs.claim,
            self._owner,
            ttl_s=LEASE_S,
            passing=(*self._running, *self._resting),
            passing_orgs={org for org in orgs if orgs.count(org) >= MOST_OF_ONE_ORGANISATION},
        )
        if batch is not None and not self._store.files.is_here(batch.input_file_id):
            log.warning("a batch's input is not on this machine", extra={"batch": batch.id})
            self._resting[batch.id] = now_s + _REST_S
            await asyncio.to_thread(self._store.batch_runs.release, self._owner, [batch.id])
            return None
        return batch

    async def _attend(self, run: Run) -> None:
        """Run a batch to its end, whatever happens."""
        batch = run.batch
        away = batch.native is not None and batch.native.step == "waiting"
        # One at its provider is looked at every minute or so, for hours.
        log.log(
            DEBUG if away else INFO,
            "batch taken up",
            extra={"batch": batch.id, "org": batch.org_id, "state": batch.state},
        )
        try:
            await run.go()
        except* LeaseLost:
            log.warning("another worker runs the batch now", extra={"batch": batch.id})
        except* StoreUnavailable as errors:
            log.warning(
                "the batch waits for the database: %s", errors.exceptions[0], extra={"batch": batch.id}
            )
        except* Exception:
            # Any, for nobody awaits this task: what nobody foresaw is told, and the batch taken up again.
            log.exception("a batch failed unexpectedly", extra={"batch": batch.id})
            self._resting[batch.id] = self._clock.monotonic_s() + _REST_S
        finally:
            try:
                with contextlib.suppress(StoreUnavailable):  # the lease ends by itself
                    await asyncio.shield(
                        asyncio.to_thread(self._store.batch_runs.release, self._owner, [batch.id])
                    )
            finally:
                # Not before: the next look would take it up again, and lose the new lease to this release.
                self._running.pop(batch.id, None)
                self._lookout.wake()
            if run.rests_s is not None and run.rests_s < LOOK_S:
                asyncio.get_running_loop().call_later(run.rests_s + _AFTER_S, self._lookout.wake)
            log.log(
                DEBUG if away else INFO, "batch left", extra={"batch": batch.id, "state": run.batch.state}
            )
