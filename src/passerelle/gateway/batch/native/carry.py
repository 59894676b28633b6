"""A batch at its provider's batch service: handed over, looked after, brought home.

    sending    upload the input, make the batch; each name is on record before the next step
    waiting    look from time to time; pass a cancellation on; when it is over, read the results line by line
    collected  delete there what can be deleted
    over       what has no result is asked by us, while the window lasts

One call of `carry` is one look: between two the batch rests without a worker. A step that was cut short is
begun anew, first by searching for what it may have made.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from typing import Protocol, TypeVar, assert_never

import msgspec

from passerelle.core.batch import Batch, Native
from passerelle.core.clock import Clock
from passerelle.gateway.batch.input import Input
from passerelle.gateway.batch.lines import Line
from passerelle.gateway.batch.native.collect import Collector
from passerelle.gateway.batch.native.decide import NotThere, decide, mark_of, name_there, written
from passerelle.gateway.batch.native.parcel import Parcel
from passerelle.gateway.generation import Generation, Generations
from passerelle.gateway.settle import Settler
from passerelle.providers.base import Content
from passerelle.providers.batching import BatchServiceClient, service_of
from passerelle.providers.batching.base import Trouble, Undecided
from passerelle.providers.remote import RemoteProvider
from passerelle.store import Store

log = logging.getLogger("passerelle.batches")

_T = TypeVar("_T")


class InThread(Protocol):
    """Does what takes long in the thread that batches have for it."""

    async def __call__(self, work: Callable[[], _T]) -> _T:
        """What `work()` gives."""
        ...


_FIRST_LOOK_S = 0.25
_LONGEST_S = 60.0
"""Between two looks. A batch takes minutes at best, so the pause grows with its age, to a minute."""
_MOST_TROUBLES = 8
"""Tries of a step, but for looks, which go on."""
_GRACE_NS = 3_600 * 1_000_000_000
"""After the window has passed a provider has this long to end what it was told to cancel."""
_FOUND_BEFORE_S = 600
"""Clocks may differ by this when a search looks for what was made since a moment."""


class Carrier:
    """Carries batches to providers and back. One per worker."""

    def __init__(self, generations: Generations, store: Store, settler: Settler, clock: Clock) -> None:
        self._generations = generations
        self._store = store
        self._collector = Collector(store, settler, clock)
        self._clock = clock
        self._fresh: set[str] = set()
        """Batches begun in this life whose steps have all had their answers: nothing is to be searched."""

    async def decide(
        self,
        owner: str,
        batch: Batch,
        source: Input,
        in_thread: InThread,
    ) -> Batch:
        """The batch with `native` set, and the money for it aside."""
        generation = self._generations.current
        entry = self._store.identity.entry(batch.key_id)
        natives = self._store.native_batches
        if entry is None or entry.state != "active":
            native = Native("here", why="its key is not active")
        else:
            revision = self._store.identity.revision
            who, removed = entry.principal, self._store.drills.binding(entry.principal)
            native = await in_thread(
                lambda: decide(generation, who, revision, batch, source.unanswered(), self._clock, removed)
            )
        if native.step == "sending" and entry is not None:
            begun = await asyncio.to_thread(natives.begin, owner, batch, native, entry.principal.budgets)
            if begun is not None:
                self._fresh.add(batch.id)
                log.info(
                    "batch goes to its provider",
                    extra={"batch": batch.id, "deployment": native.deployment, "lines": native.lines},
                )
                return begun
            native = Native("here", why="a budget has less left than all of it can cost there")
        log.info("batch is run here", extra={"batch": batch.id, "why": native.why})
        return await asyncio.to_thread(natives.keep, owner, batch, native)

    async def carry(
        self, owner: str, batch: Batch, source: Input, in_thread: InThread
    ) -> tuple[Batch, float | None]:
        """One look: the batch as it is then, and how long to leave it alone; None to go on at once. Raises
        `LeaseLost`, `StoreUnavailable`, `ContentGone`."""
        native = _native_of(batch)
        generation = self._generations.current
        service = _service(generation, batch, native)
        if service is None:
            return await self._without(owner, batch, native)
        try:
            return await self._step(owner, batch, native, generation, service, source, in_thread)
        except Undecided:
            self._fresh.discard(batch.id)
            if self._given_up(batch):
                return await self._give_up(owner, batch, "nobody knows whether it was made")
            return batch, self._pause_s(native)
        except NotThere as reason:
            return await self._give_up(owner, batch, str(reason))
        except Trouble as trouble:
            self._fresh.discard(batch.id)
            return await self._troubled(owner, batch, native, trouble)
        except BaseException:
            self._fresh.discard(batch.id)
            raise

    async def _step(
        self, owner: str, batch: Batch, native: Native, generation: Generation,
        service: BatchServiceClient, source: Input, in_thread: InThread,
    ) -> tuple[Batch, float | None]:  # fmt: skip
        match native.step:
            case "sending":
                return await self._send(owner, batch, native, generation, service, source, in_thread)
            case "waiting":
                return await self._look(owner, batch, native, generation, service, source, in_thread)
            case "collected":
                await service.clean(native.batch_id, native.input_id, native.files)
                log.info("batch is back from its provider", extra={"batch": batch.id, "why": native.why})
                return await self._keep(owner, batch, native, step="over", troubles=0), None
            case "here" | "over":
                raise AssertionError("there is nothing to carry")
            case _:
                assert_never(native.step)

    # --- there

    async def _send(
        self, owner: str, batch: Batch, native: Native, generation: Generation,
        service: BatchServiceClient, source: Input, in_thread: InThread,
    ) -> tuple[Batch, float | None]:  # fmt: skip
        mark, since_s = mark_of(batch), native.at_ns // 1_000_000_000 - _FOUND_BEFORE_S
        fresh = batch.id in self._fresh
        stopped = batch.state == "cancelling" or self._passed(batch)
        if service.uploads and not native.input_id:
            found = None if fresh else await service.uploaded(mark, since_s)
            if found is None and not stopped:
                async with self._parcel(generation, batch, native, service, source, in_thread) as content:
                    found = await service.upload(mark, content)
            if found is not None:
                batch = await self._keep(owner, batch, native, input_id=found, troubles=0)
                native = _native_of(batch)
                stopped = stopped or batch.state == "cancelling"
        made = None
        if not fresh and (native.input_id or not service.uploads):
            made = await service.created(mark, native.input_id, since_s, native.lines)
        if made is None and stopped:
            return await self._give_up(owner, batch, "cancelled before it was handed over")
        if made is None:
            model = name_there(generation.catalog.by_id[native.deployment]) or ""
            if service.uploads:
                made = await service.create(mark, batch.endpoint, model, native.input_id, None)
            else:
                async with self._parcel(generation, batch, native, service, source, in_thread) as content:
                    made = await service.create(mark, batch.endpoint, model, "", content)
        batch = await self._keep(owner, batch, native, step="waiting", batch_id=made, troubles=0)
        self._fresh.discard(batch.id)
        return batch, (None if batch.state == "cancelling" else _FIRST_LOOK_S)

    @asynccontextmanager
    async def _parcel(
        self, generation: Generation, batch: Batch, native: Native, service: BatchServiceClient,
        source: Input, in_thread: InThread,
    ) -> AsyncIterator[Content]:  # fmt: skip
        """The input as the provider takes it, until it is sent."""
        parcel = Parcel(self._store, batch.org_id)
        try:
            await in_thread(
                lambda: parcel.write(self._written(generation, batch, native, service, source.unanswered()))
            )
            yield parcel.content()
        finally:
            await asyncio.shield(asyncio.to_thread(parcel.drop))

    def _written(
        self, generation: Generation, batch: Batch, native: Native, service: BatchServiceClient,
        lines: Iterable[Line],
    ) -> Iterator[bytes]:  # fmt: skip
        entry = self._store.identity.entry(batch.key_id)
        if entry is None or entry.state != "active":
            raise NotThere("its key is not active")
        revision = self._store.identity.revision
        who, removed = entry.principal, self._store.drills.binding(entry.principal)
        return written(generation, who, revision, batch, native, lines, self._clock, service, removed)

    async def _look(
        self, owner: str, batch: Batch, native: Native, generation: Generation,
        service: BatchServiceClient, source: Input, in_thread: InThread,
    ) -> tuple[Batch, float | None]:  # fmt: skip
        entry = self._store.identity.entry(batch.key_id)
        ended = entry is None or entry.state != "active"
        if (batch.state == "cancelling" or ended or self._passed(batch)) and not native.told:
            await service.cancel(native.batch_id)
            batch = await self._keep(owner, batch, native, told=True)
            native = _native_of(batch)
        progress = await service.look(native.batch_id)
        if progress.over:
            await self._collector.collect(owner, batch, native, generation, service, progress, source)
            return (
                await self._keep(
                    owner, batch, native, step="collected", why=progress.why, files=progress.files, troubles=0
                ),
                None,
            )
        if self._given_up(batch):
            return await self._give_up(owner, batch, "its provider did not end it in time")
        if native.troubles:
            batch = await self._keep(owner, batch, native, troubles=0)
        return batch, self._pause_s(native)

    # --- and back

    async def _troubled(
        self, owner: str, batch: Batch, native: Native, trouble: Trouble
    ) -> tuple[Batch, float | None]:
        """What an errand's failure means for the batch."""
        extra = {
            "batch": batch.id,
            "provider": native.provider,
            "step": native.step,
            "detail": trouble.detail,
        }
        log.warning("its provider's batch service is in trouble", extra=extra)
        # What was kept before the trouble came counts: a name may have been learnt.
        troubles = native.troubles + 1
        if native.step == "collected":
            if not trouble.passes or troubles >= _MOST_TROUBLES:
                log.warning("a batch's files may be left at its provider", extra=extra)
                return await self._set(owner, batch, step="over"), None
        elif native.step == "sending":
            if not trouble.passes or troubles >= _MOST_TROUBLES:
                return await self._give_up(owner, batch, f"not taken: {trouble.detail}")
        elif trouble.kind == "not_found" or self._given_up(batch):
            return await self._give_up(owner, batch, f"lost: {trouble.detail}")
        batch = await self._set(owner, batch, troubles=troubles)
        return batch, min(_LONGEST_S, 2.0**troubles / 2)

    async def _give_up(self, owner: str, batch: Batch, why: str) -> tuple[Batch, float | None]:
        """Nothing more is expected there: take away what lies there, and go on here."""
        self._fresh.discard(batch.id)
        log.warning("batch is not served by its provider", extra={"batch": batch.id, "why": why})
        return await self._set(owner, batch, step="collected", why=why[:500], troubles=0), None

    async def _without(self, owner: str, batch: Batch, native: Native) -> tuple[Batch, float | None]:
        """Its deployment is configured no more: it may come back, until nobody can wait any longer."""
        if native.step == "collected":
            return await self._set(owner, batch, step="over"), None
        if native.step == "sending" or self._given_up(batch):
            log.warning("batch has lost its provider", extra={"batch": batch.id, "provider": native.provider})
            return await self._set(owner, batch, step="over", why="its deployment is not configured"), None
        return batch, _LONGEST_S

    async def _set(self, owner: str, batch: Batch, **changes: object) -> Batch:
        """Change what the database has, which may be further than the batch at hand."""
        kept = self._store.native_batches.change
        return await asyncio.to_thread(kept, owner, batch, changes)

    async def _keep(self, owner: str, batch: Batch, native: Native, **changes: object) -> Batch:
        changed = msgspec.structs.replace(native, **changes)
        return await asyncio.to_thread(self._store.native_batches.keep, owner, batch, changed)

    def _passed(self, batch: Batch) -> bool:
        return self._clock.unix_ns() >= batch.expires_at_ns

    def _given_up(self, batch: Batch) -> bool:
        return self._clock.unix_ns() >= batch.expires_at_ns + _GRACE_NS

    def _pause_s(self, native: Native) -> float:
        age_s = (self._clock.unix_ns() - native.at_ns) / 1e9
        return max(_FIRST_LOOK_S, min(_LONGEST_S, age_s / 10))


def _native_of(batch: Batch) -> Native:
    if batch.native is None:
        raise AssertionError("it was not decided where it goes")
    return batch.native


def _service(generation: Generation, batch: Batch, native: Native) -> BatchServiceClient | None:
    deployment = generation.catalog.by_id.get(native.deployment)
    provider = generation.providers.get(native.provider)
    if deployment is None or deployment.batches is None or not isinstance(provider, RemoteProvider):
        return None
    return service_of(deployment.batches.dialect, provider, batch.terms.headers)
