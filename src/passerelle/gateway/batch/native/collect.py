"""A provider's results of a batch, read as they come, and booked in groups: no file is ever held whole."""

import asyncio
import logging
from collections.abc import AsyncIterator

from passerelle.core.batch import Batch, LineResult, Native
from passerelle.core.clock import Clock
from passerelle.core.receipt import Settlement
from passerelle.gateway.batch.input import Finder, Input
from passerelle.gateway.batch.native.ended import Ender, maker_of
from passerelle.gateway.generation import Generation
from passerelle.gateway.settle import Settler
from passerelle.providers.batching import BatchServiceClient
from passerelle.providers.batching.base import Answered, Progress, Trouble
from passerelle.store import Store

log = logging.getLogger("passerelle.batches")

_LONGEST_LINE = 64 << 20
_GROUP_LINES = 64
_GROUP_BYTES = 1 << 20
"""Results booked in one transaction."""


class Collector:
    """Books results. One per worker."""

    def __init__(self, store: Store, settler: Settler, clock: Clock) -> None:
        self._store = store
        self._settler = settler
        self._clock = clock

    async def collect(
        self, owner: str, batch: Batch, native: Native, generation: Generation,
        service: BatchServiceClient, progress: Progress, source: Input,
    ) -> None:  # fmt: skip
        """Book every result that can be final. Raises what `carry` does."""
        entry = self._store.identity.entry(batch.key_id)
        principal = maker_of(batch, native) if entry is None else entry.principal
        deployment = generation.catalog.by_id[native.deployment]
        ender = Ender(
            batch, native, deployment, generation, principal, self._settler,
            lambda: (self._clock.unix_ns(), self._clock.monotonic_s()),
        )  # fmt: skip
        unknown = 0
        finder = await asyncio.to_thread(source.finder)
        try:
            for file in progress.files:
                async for group in _groups(service, native.batch_id, file):
                    known = [one for one in group if one is not None]
                    unknown += len(group) - len(known)
                    await self._book_all(owner, batch, ender, finder, known)
        finally:
            finder.close()
        if unknown:
            log.warning("results that nobody can read", extra={"batch": batch.id, "lines": unknown})

    async def _book_all(
        self, owner: str, batch: Batch, ender: Ender, finder: Finder, answers: list[Answered]
    ) -> None:
        lines = await asyncio.to_thread(lambda: [finder.take(one.number) for one in answers])
        ended = [ender.end(line, one) for line, one in zip(lines, answers, strict=True) if line is not None]
        group = [one for one in ended if one is not None]
        if group:
            await self._book(owner, batch, group)

    async def _book(self, owner: str, batch: Batch, group: list[tuple[LineResult, Settlement]]) -> None:
        fresh = await asyncio.to_thread(self._store.native_batches.book, owner, batch, group)
        for result, settlement in group:
            if result.line in fresh:
                self._settler.tell(settlement.receipt)


async def _groups(
    service: BatchServiceClient, batch_id: str, file: str
) -> AsyncIterator[list[Answered | None]]:
    """The results of a file, so many at a time as are booked in one transaction."""
    group: list[Answered | None] = []
    size = 0
    async for text in _split(service.results(batch_id, file)):
        group.append(service.read(text))
        size += len(text)
        if len(group) >= _GROUP_LINES or size >= _GROUP_BYTES:
            yield group
            group, size = [], 0
    if group:
        yield group


async def _split(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The lines of what comes cut anywhere. Raises `Trouble` for one too long to be a result."""
    held = bytearray()
    async for data in chunks:
        held += data
        if b"\n" in data:
            *lines, rest = bytes(held).split(b"\n")
            held = bytearray(rest)
            for line in lines:
                if line.strip():
                    yield line
        if len(held) > _LONGEST_LINE:
            raise Trouble("oversized", "a line of the results has no end", passes=False)
    if held.strip():
        yield bytes(held)
