"""What a worker knows of the organisations that leave choices to it: loaded at the first, then followed.

    estimates   of requests, on the event loop, in half a millisecond; the catalog's until they are loaded
    tend        once a second: a task reads new outcomes and takes them, one at a time, between requests
    due         learning anew: one worker does it, under a lease, in a thread; the others take over its state

Every worker folds every outcome by itself, so none waits for another; a state is kept from time to time only
so that a start need not begin with the first outcome.
"""

import asyncio
import logging
import zlib
from collections.abc import Mapping

import msgspec

from passerelle.core.clock import Clock
from passerelle.core.outcome import Head, Judged, Outcome
from passerelle.gateway.judgement import ByPrior
from passerelle.gateway.learning.fold import Fold, steps
from passerelle.gateway.learning.kinds import Kind, best
from passerelle.gateway.learning.signals import Answered, Signals
from passerelle.router.quality.base import Estimate, Sight
from passerelle.router.task import Work, looked_at
from passerelle.store import Store, StoreUnavailable

log = logging.getLogger("passerelle.router")

KEEP_AFTER = 200
"""Outcomes after which a state is kept."""
KEEP_AFTER_S = 600.0
"""And seconds, if there was any."""
_LEASE_S = 120.0
_AT_ONCE = 200
"""Outcomes read at once; learning from so many takes a fifth of a second, in pieces of a millisecond."""
_MOST_FOLLOWED = 256
"""Organisations; of more, those asked least recently are let go."""


class _Followed(msgspec.Struct, gc=False):
    """One organisation's fold, and where it stands among the versions."""

    fold: Fold
    epoch: int
    kept: int
    """The outcome up to which a state is kept."""
    kept_at_s: float


class Learned:
    """A `Judgement`. Everything but reading, writing and learning anew happens on the event loop."""

    def __init__(self, store: Store, clock: Clock, owner: str, kind: Kind | None = None) -> None:
        self._store = store
        self._clock = clock
        self._owner = owner
        self._kind = kind
        """None until it is loaded."""
        self._loading: asyncio.Task[None] | None = None
        self._prior = ByPrior()
        self._followed: dict[str, _Followed | None] = {}
        """By organisation, the one asked least recently first; None: not loaded yet."""
        self._task: asyncio.Task[None] | None = None
        self._failing = False
        self._signals = Signals(store, clock)

    # --- on the road

    def version(self, org_id: str) -> str:
        """See `Judgement`."""
        fold = self._ready(org_id)
        return self._prior.version(org_id) if fold is None else fold.learner.version

    def estimates(
        self, org_id: str, sight: Sight, priors: Mapping[str, float | None]
    ) -> Mapping[str, Estimate]:
        """What was learned, and what the catalog says: see `estimated`."""
        self._ask(org_id)
        fold = self._ready(org_id)
        return ByPrior().estimates(org_id, sight, priors) if fold is None else estimated(fold, sight, priors)

    def pack(self, org_id: str, sight: Sight) -> bytes | None:
        """See `Judgement`. Of everybody's requests: what is judged later can be learned from then."""
        self._ask(org_id)
        kind = self._kind
        return None if kind is None or kind.pack is None else kind.pack(sight)

    def work(self, sight: Sight) -> Work:
        """See `Judgement`."""
        return looked_at(sight, None if self._kind is None else self._kind.guess)

    def learns(self, org_id: str) -> bool:
        """It does, of whoever asks."""
        return True

    def looks(self, org_id: str, features: frozenset[str]) -> bool:
        """See `Judgement`."""
        return self._kind is not None and self._signals.looks(org_id, features)

    def answered(self, case: Answered) -> None:
        """See `Judgement`."""
        if self._kind is None:
            return
        try:
            self._signals.answered(case, self._usable, self._kind.alike)
        except Exception:
            # A hint is not worth a settlement, which a mistake of ours would stop here.
            log.exception("a hint is lost", extra={"receipt_id": case.receipt.id})

    def _usable(self, outcome: Judged) -> bool:
        """Whether it could be learned from."""
        return self._kind is not None and (self._kind.pack is None or outcome.features is not None)

    def _ready(self, org_id: str) -> Fold | None:
        known = self._followed.get(org_id)
        return known.fold if known is not None and known.fold.ready else None

    def _ask(self, org_id: str) -> None:
        """Follow this organisation from now on."""
        if self._kind is None and self._loading is None:
            self._loading = asyncio.create_task(self._load_kind())
        known = self._followed.pop(org_id, None)
        if known is None and len(self._followed) >= _MOST_FOLLOWED:
            del self._followed[next(iter(self._followed))]
        self._followed[org_id] = known

    # --- beside it

    async def _load_kind(self) -> None:
        """In a thread: it takes half a second, for which nobody's stream should stand still."""
        self._kind = await asyncio.to_thread(best)
        await self.tend()

    async def tend(self) -> None:
        """See `Judgement`."""
        if self._kind is not None and self._followed and (self._task is None or self._task.done()):
            self._task = asyncio.create_task(self._follow())

    async def aclose(self) -> None:
        """End what is under way; whatever it was is done again by whoever comes next."""
        under_way = [task for task in (self._loading, self._task) if task is not None]
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)

    async def _follow(self) -> None:
        """Bring every followed organisation up to date."""
        await self._tell()
        for org_id in list(self._followed):
            try:
                await self.catch_up(org_id)
            except StoreUnavailable as error:
                if not self._failing:
                    log.warning("outcomes cannot be read; what was learned stays: %s", error)
                self._failing = True
                return
            except Exception:
                # A mistake of ours in learning must not end choosing: it goes on as it stands.
                log.exception("an organisation's outcomes cannot be learned", extra={"org_id": org_id})
        self._failing = False

    async def _tell(self) -> None:
        """Keep what answers told by themselves."""
        if self._signals.idle:
            return
        try:
            await self._signals.tell(self._usable)
        except StoreUnavailable as error:
            log.warning("what answers told by themselves cannot be kept, and is let go: %s", error)

    async def catch_up(self, org_id: str) -> None:
        """Take every outcome that is known now. Raises `StoreUnavailable`."""
        head = await asyncio.to_thread(self._store.router_states.head, org_id)
        known = self._followed.get(org_id)
        if known is None or known.epoch != head.epoch:
            known = await asyncio.to_thread(self._load, head)
            self._followed[org_id] = known
        until = head.number if head.frozen_at is None else min(head.number, head.frozen_at)
        while known.fold.number < until:
            if known.fold.due and not await self._refitted(org_id, head, known):
                return
            rows = await asyncio.to_thread(
                self._store.feedback.after, org_id, known.fold.number, limit=_AT_ONCE, until=until
            )
            if not rows:
                return
            for step in steps(rows):
                if known.fold.due:
                    break
                known.fold.take(step)
                await asyncio.sleep(0)  # requests go first
        if known.fold.due and head.frozen_at is None and not await self._refitted(org_id, head, known):
            return
        await self._keep(org_id, head, known)

    async def _refitted(self, org_id: str, head: Head, known: _Followed) -> bool:
        """Learn anew, or take over the state of the worker that did. False: it is at it still."""
        now = await asyncio.to_thread(self._store.router_states.head, org_id)
        if now.epoch != known.epoch:
            return False
        if now.version and now.rests_on >= known.fold.number:
            taken = await asyncio.to_thread(self._load, now)
            if taken.fold.number > known.fold.number or not taken.fold.due:
                known.fold, known.kept, known.kept_at_s = taken.fold, taken.kept, taken.kept_at_s
                return True
        states = self._store.router_states
        if not await asyncio.to_thread(states.lease, org_id, self._owner, for_s=_LEASE_S):
            return False
        try:
            known.fold = await asyncio.to_thread(self._learn_anew, org_id, known.fold)
            await self._keep(org_id, head, known, now=True)
        finally:
            await asyncio.to_thread(states.release, org_id, self._owner)
        return True

    def _learn_anew(self, org_id: str, fold: Fold) -> Fold:
        """A thread's work: on a copy, since requests are asking meanwhile."""
        copy = Fold.from_state(fold.state(), fold.kind)
        copy.refit(lambda number, most: self._store.feedback.before(org_id, number, most=most))
        return copy

    async def _keep(self, org_id: str, head: Head, known: _Followed, *, now: bool = False) -> None:
        since = known.fold.number - known.kept
        late = self._clock.monotonic_s() - known.kept_at_s >= KEEP_AFTER_S
        if not (now or since >= KEEP_AFTER or (since > 0 and late)):
            return
        known.kept, known.kept_at_s = known.fold.number, self._clock.monotonic_s()
        await asyncio.to_thread(self._write, org_id, known)

    def _write(self, org_id: str, known: _Followed) -> None:
        # Nobody changes the fold meanwhile: only the task that waits for this does.
        fold = known.fold
        self._store.router_states.keep(
            org_id,
            number=fold.number,
            epoch=known.epoch,
            learner=fold.learner.version,
            body=pressed(fold),
            actor=self._owner,
        )

    def _load(self, head: Head) -> _Followed:
        """The state in force, or an empty one."""
        return _Followed(
            load(self._store, head, self._kind or best()),
            head.epoch,
            head.rests_on,
            self._clock.monotonic_s(),
        )


def estimated(fold: Fold, sight: Sight, priors: Mapping[str, float | None]) -> Mapping[str, Estimate]:
    """What was learned of the models with outcomes. Of another one the catalog speaks, moved towards where
    they turned out to stand against their figures: the more of them did, the more it is a matter of the work
    and not of the model. One alone that disappoints moves another by half of it, and is left.
    """
    said = dict(ByPrior().estimates("", sight, priors))
    learned = [model for model in priors if model in fold.learner.models]
    if not learned:
        return said
    found: dict[str, Estimate] = fold.learner.estimate(sight, learned)
    apart = [found[model].mean - said[model].mean for model in learned if model in said]
    if apart and len(said) > len(apart):
        moved = sum(apart) / (len(apart) + 1)
        said = {model: _moved(estimate, moved) for model, estimate in said.items()}
    return {**said, **found}


def load(store: Store, head: Head, kind: Kind) -> Fold:
    """The state in force, opened; an empty one where none was kept, or none that can be read here."""
    state = store.router_states.get(head.org_id, head.version) if head.version else None
    if state is None:
        return Fold(kind)
    try:
        fold = Fold.from_state(zlib.decompress(state.body), kind)
    except (ValueError, zlib.error) as error:
        log.warning("version %d of what was learned cannot be read; learning anew: %s", state.version, error)
        return Fold(kind)
    fold.pass_over(state.number)
    return fold


def pressed(fold: Fold) -> bytes:
    """The state as it is kept."""
    return zlib.compress(fold.state(), 1)


def _moved(estimate: Estimate, by: float) -> Estimate:
    low, mean, high = (min(max(one + by, 0.0), 1.0) for one in (estimate.low, estimate.mean, estimate.high))
    return Estimate(mean, low, high, 0, False)


def caught_up(store: Store, head: Head, kind: Kind) -> Fold:
    """What a worker that follows has, for who looks from beside: the state in force and what came since."""
    fold = load(store, head, kind)
    until = head.number if head.frozen_at is None else min(head.number, head.frozen_at)

    def past(number: int, most: int) -> list[Outcome]:
        return store.feedback.before(head.org_id, number, most=most)

    while fold.number < until:
        rows = store.feedback.after(head.org_id, fold.number, limit=_AT_ONCE, until=until)
        for step in steps(rows):
            if fold.due:
                fold.refit(past)
            fold.take(step)
        if not rows:
            break
    if fold.due and head.frozen_at is None:
        fold.refit(past)
    return fold


class CaughtUp(ByPrior):
    """A `Judgement` for who decides beside the gateway: what every organisation's outcomes teach by now."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._folds: dict[str, Fold | None] = {}

    def version(self, org_id: str) -> str:
        """Names the state that speaks."""
        fold = self._fold(org_id)
        return super().version(org_id) if fold is None else fold.learner.version

    def estimates(
        self, org_id: str, sight: Sight, priors: Mapping[str, float | None]
    ) -> Mapping[str, Estimate]:
        """See `estimated`. Raises `StoreUnavailable` at an organisation's first."""
        fold = self._fold(org_id)
        return super().estimates(org_id, sight, priors) if fold is None else estimated(fold, sight, priors)

    def _fold(self, org_id: str) -> Fold | None:
        """None where nothing was ever judged: then no learner is loaded either."""
        if org_id not in self._folds:
            head = self._store.router_states.head(org_id)
            fold = caught_up(self._store, head, best()) if head.number or head.version else None
            self._folds[org_id] = fold if fold is not None and fold.ready else None
        return self._folds[org_id]
