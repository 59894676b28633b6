"""The background responses of one worker: taken up under leases, kept while they run, left in good order.

A table and leases, as for batches: see `gateway/batch/runner`. A worker that dies loses its leases when its
journal is recovered (at the next start, or within fifteen seconds by another worker) or, at the latest,
`LEASE_S` after it renewed them last.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from passerelle.config.sections import BackgroundSettings
from passerelle.core.background import Background
from passerelle.core.clock import Clock
from passerelle.gateway.keep import Recall
from passerelle.gateway.lookout import Lookout, ended
from passerelle.gateway.road import Road
from passerelle.store import Store, StoreUnavailable

if TYPE_CHECKING:
    from passerelle.gateway.background.run import Run

log = logging.getLogger("passerelle.background")

LEASE_S = 20.0
_REST_S = 30.0
"""How long one is left alone after it failed in a way nobody foresaw."""


class BackgroundRunner:
    """Makes responses until `stop`."""

    def __init__(
        self,
        road: Road,
        recall: Recall,
        store: Store,
        clock: Clock,
        settings: BackgroundSettings,
        jitter: Callable[[], float],
        *,
        draining: Callable[[], bool] = lambda: False,
    ) -> None:
        """`draining()`: the worker takes no more work. `jitter()` gives numbers in [0, 1)."""
        self._road = road
        self._recall = recall
        self._store = store
        self._clock = clock
        self._settings = settings
        self._jitter = jitter
        self._draining = draining
        self._owner = store.instance
        self._most_of_one = settings.concurrency - settings.concurrency // 4  # room for the next tenant
        self._running: dict[str, tuple[Run, asyncio.Task[None]]] = {}
        self._resting: dict[str, float] = {}
        self._lookout = Lookout(self._turn, "background responses", log)

    def start(self) -> None:
        """Begin looking for work, unless this worker is to make no responses."""
        if self._settings.concurrency:
            self._lookout.start()

    def wake(self) -> None:
        """There is something new, or something was cancelled: look now."""
        self._lookout.wake()

    async def stop(self, grace_s: float) -> None:
        """Begin nothing more, let what is under way end for so long, and give the rest back."""
        if self._lookout.started:
            await self._lookout.stop()
            await ended([task for _, task in self._running.values()], grace_s)

    async def _turn(self, _woken: bool) -> None:
        if self._running:
            mine = await asyncio.to_thread(
                self._store.backgrounds.renew, self._owner, list(self._running), ttl_s=LEASE_S
            )
            for name, (run, _) in list(self._running.items()):
                if name not in mine:
                    run.leave()
        while len(self._running) < self._settings.concurrency and not self._draining():
            one = await self._claim()
            if one is None:
                return
            from passerelle.gateway.background.run import Run  # with the dialect: nobody pays who has none

            run = Run(
                one, self._owner, self._road, self._recall, self._store, self._clock, self._jitter,
                attempts=self._settings.attempts,
            )  # fmt: skip
            run.task = asyncio.create_task(self._attend(run))
            self._running[one.id] = run, run.task

    async def _claim(self) -> Background | None:
        now_s = self._clock.monotonic_s()
        self._resting = {name: until for name, until in self._resting.items() if until > now_s}
        orgs = [run.one.org_id for run, _ in self._running.values()]
        return await asyncio.to_thread(
            self._store.backgrounds.claim,
            self._owner,
            ttl_s=LEASE_S,
            passing=(*self._running, *self._resting),
            passing_orgs={org for org in orgs if orgs.count(org) >= self._most_of_one},
        )

    async def _attend(self, run: "Run") -> None:
        """Make a response, whatever happens."""
        name = run.one.id
        try:
            try:
                await run.go()
            except asyncio.CancelledError:
                if not run.left:  # this worker ends: another may ask again
                    await asyncio.shield(
                        asyncio.to_thread(self._store.backgrounds.release, self._owner, name)
                    )
                    raise
                await run.cancelled()
        except StoreUnavailable as error:
            # Its lease is let lapse, or taken up by us again: what was answered is in the journal.
            log.warning("a background response waits for the database: %s", error, extra={"response": name})
            self._resting[name] = self._clock.monotonic_s() + LEASE_S
        except Exception:
            # Any, for nobody awaits this task: what nobody foresaw is told, and the response taken up again.
            log.exception("a background response failed unexpectedly", extra={"response": name})
            self._resting[name] = self._clock.monotonic_s() + _REST_S
        finally:
            self._running.pop(name, None)
            run.task = None  # which holds this frame, and so the run
            self._lookout.wake()
