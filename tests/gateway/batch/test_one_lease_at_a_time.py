"""A batch that is left is taken up again by its own worker only when its former lease has been given back."""

import asyncio
import threading
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.store.test_store_batches import a_batch
from tests.store.world import StillClock, open_at

from passerelle.config.settings import Settings
from passerelle.gateway.batch import runner
from passerelle.gateway.batch.run import Rules
from passerelle.store import Store

WITHIN_S = 20.0


class Left:
    """A run that leaves its batch, to be taken up again at once, and says whether its lease was its own."""

    owned: list[bool]
    twice: asyncio.Event
    released: threading.Event

    def __init__(self, batch: Any, owner: str, store: Store, *_: object) -> None:
        self.batch, self.rests_s = batch, None
        self._owner, self._store = owner, store

    def leave(self) -> None:
        """There is nothing to end."""

    async def go(self) -> None:
        if self.owned:
            await asyncio.to_thread(self.released.wait, WITHIN_S)
        states = self._store.batch_runs.renew(self._owner, [self.batch.id], ttl_s=20)
        self.owned.append(self.batch.id in states)
        if len(self.owned) == 2:
            self.twice.set()
        else:
            self._store.native_batches.rest(self._owner, self.batch, until_ns=0)


def test_a_late_release_takes_no_new_lease_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = StillClock()
    with closing(open_at(tmp_path, clock)) as store:
        a_batch(store, clock)
        looked = threading.Event()
        claim, release = store.batch_runs.claim, store.batch_runs.release

        def claiming(*args: Any, **said: Any) -> Any:
            clock.advance(0.001)  # a lease given back just now is free from the next moment on
            found = claim(*args, **said)
            looked.set()
            return found

        def late(owner: str, ids: Sequence[str]) -> None:
            if not Left.released.is_set():
                looked.clear()
                looked.wait(WITHIN_S)  # the worker looks for work meanwhile, as it does every second
            release(owner, ids)
            Left.released.set()

        monkeypatch.setattr(store.batch_runs, "claim", claiming)
        monkeypatch.setattr(store.batch_runs, "release", late)
        monkeypatch.setattr(runner, "Run", Left)

        async def twice() -> None:
            Left.owned, Left.twice, Left.released = [], asyncio.Event(), threading.Event()
            settings = Settings(data_dir=tmp_path)
            rules = Rules(settings.files, settings.batches, settings.server.max_body_bytes)
            road: Any = SimpleNamespace(generations=None)
            nobody: Any = None
            batches = runner.Runner(road, store, clock, rules, nobody, lambda: 0.0)
            batches.start()
            async with asyncio.timeout(WITHIN_S):
                await Left.twice.wait()
            await batches.stop(1.0)

        asyncio.run(twice())
        assert Left.owned[:2] == [True, True]
