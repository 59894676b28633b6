"""The write-ahead journal of one worker: what happened is kept before anyone is told it happened.

    intent(…)   ─┐ append to the segment  ─→ queue ─→ writer thread ─→ SQL, in groups ─→ committed(…)
    settle(…)   ─┘ (survives kill -9)                                                     deletes segments

A call returns when the kernel has the record; the database has it a few milliseconds later. Intents
whose request is still running are copied into each new segment, so that old ones can go and a crash
still finds every call a provider may bill. `recovery.py` books what a dead worker left behind.

The database hears of an intent only when somebody waits for that, or when its request takes long: what is
settled in a moment leaves a ledger row and a receipt that say all an intent does.
"""

import asyncio
import contextlib
import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable
from itertools import islice
from pathlib import Path

import msgspec

from passerelle.core.receipt import Intent, Settlement
from passerelle.store.budgets import Budgets
from passerelle.store.errors import StoreUnavailable
from passerelle.store.files import private_directory
from passerelle.store.records import Intended, Record, Settled, Withdrawn, encode
from passerelle.store.segment import SUFFIX, Segment

log = logging.getLogger(__name__)

Waiter = Callable[[], None]
"""Called from the writer thread once a record is committed."""


class Bounds(msgspec.Struct, frozen=True):
    """How far the database may fall behind before new requests are refused."""

    records: int = 20_000
    bytes: int = 64 << 20
    open_intents: int = 100_000
    segment_bytes: int = 1 << 20
    """Size at which a segment is followed by the next one."""


class Item(msgspec.Struct, frozen=True):
    """A journalled record on its way to the database."""

    record: Record
    size: int
    waiter: Waiter | None


class Journal:
    """Appends records and queues them for the writer. Any thread may call it."""

    def __init__(
        self, directory: Path, instance: str, budgets: Budgets, wake: Callable[[bool], None], bounds: Bounds
    ) -> None:
        self._directory = private_directory(directory)
        self._instance = instance
        self._budgets = budgets
        self._wake = wake
        self._bounds = bounds
        self._lock = threading.Lock()
        self._queue: deque[Item] = deque()
        self._open: dict[str, list[tuple[str, bytes]]] = {}
        self._fresh: dict[str, Intended] = {}
        self._long: dict[str, Intended] = {}
        """Open attempts whose intents the database has not heard of; `long` since the last `grow_old`."""
        self._number = 0
        self._written = 0
        """Records ever queued; a segment is done with when as many are committed as were at its end."""
        self._committed = 0
        self._waiting_bytes = 0
        self._segment = Segment.create(self._path(0))
        self._carried = 0
        self._ended: deque[tuple[int, Segment]] = deque()
        self._failing = 0
        """Size of the last record the disk refused; 0 while it takes them."""
        self._progress = threading.Condition()
        self.held_up: str | None = None
        """Why the database cannot be written, once that has lasted so long that nobody need wait for it."""

    # --- the road's side

    def intent(self, intent: Intent) -> None:
        """Keep an intent before a provider is called.

        Raises `StoreUnavailable` when the disk refuses it, or when the database has fallen so far behind
        that no more may be promised; the provider must then not be called.
        """
        self._intend(intent, None)

    async def intent_durable(self, intent: Intent, *, deadline_s: float = 5.0) -> None:
        """Keep an intent and return once the database has synced it to disk (for `audit = required`).

        Raises `StoreUnavailable` when that cannot be had within `deadline_s`, or when it is known that it
        cannot be had at all now; the intent is then withdrawn and the provider must not be called.
        """
        if self.held_up is not None:
            raise StoreUnavailable(f"the audit record cannot be made durable now: {self.held_up}")
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()

        def committed() -> None:
            with contextlib.suppress(RuntimeError):  # the loop closed meanwhile: nobody waits any more
                loop.call_soon_threadsafe(_resolve, done)

        self._intend(intent, committed)
        try:
            async with asyncio.timeout(deadline_s):
                await done
        except TimeoutError:
            self._withdraw(intent)
            raise StoreUnavailable(
                f"the audit record could not be made durable within {deadline_s} s; "
                "see `database` on `/readyz` and try again"
            ) from None
        except asyncio.CancelledError:
            self._withdraw(intent)
            raise

    def settle_durable(self, settlement: Settlement) -> "asyncio.Future[None]":
        """As `settle`; the future is done once the database has synced the record to disk."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()

        def committed() -> None:
            with contextlib.suppress(RuntimeError):  # the loop closed meanwhile: nobody waits any more
                loop.call_soon_threadsafe(_resolve, done)

        self._settle(settlement, committed)
        return done

    def settle(self, settlement: Settlement) -> None:
        """Keep what a request leaves behind, end its holds, and queue its ledger rows and receipt.

        When it returns the record survives `kill -9` of this process. Settling twice books once. Raises
        `StoreUnavailable` when the disk refused the record: it is then still booked from memory if this
        process lives, but not yet safe; settling again is harmless.
        """
        self._settle(settlement, None)

    def _settle(self, settlement: Settlement, waiter: Waiter | None) -> None:
        leases = self._budgets.leases(settlement.holds)
        record = Settled(settlement, leases)
        try:
            payload = encode(record)
        except (TypeError, ValueError, OverflowError):
            if settlement.content is None:
                raise
            log.exception("content of receipt %s cannot be encoded and is not kept", settlement.receipt.id)
            record = Settled(msgspec.structs.replace(settlement, content=None), leases)
            payload = encode(record)
        self._budgets.settle(settlement.holds, leases)
        failure: StoreUnavailable | None = None
        with self._lock:
            for attempt_id, _ in self._open.pop(settlement.receipt.id, ()):
                if self._fresh.pop(attempt_id, None) is None:
                    self._long.pop(attempt_id, None)
            try:
                self._segment.append(payload)
                self._failing = 0
            except StoreUnavailable as error:
                failure = error
            self._enqueue(Item(record, len(payload), waiter))
        self._wake(waiter is not None)
        if failure is not None:
            self._note_failure(failure, len(payload))
            try:
                raise failure
            finally:
                del failure  # it holds this frame: a ring for each request, while the disk is full

    # --- the writer's side

    def take(self, most: int) -> list[Item]:
        """The oldest queued items, at most `most` of them; they leave the queue with `committed`."""
        with self._lock:
            return list(islice(self._queue, most))

    def grow_old(self) -> None:
        """What runs now and is not told yet is to be told: its request takes long."""
        with self._lock:
            self._long.update(self._fresh)
            self._fresh = {}

    def unsaid(self, most: int) -> list[Intended]:
        """Intents the database should hear of, the oldest first; they are unsaid no longer with `said`."""
        with self._lock:
            return list(islice(self._long.values(), most))

    def said(self, intents: Iterable[Intended]) -> None:
        """The database has these now."""
        with self._lock:
            for one in intents:
                self._long.pop(one.intent.attempt_id, None)

    def committed(self, items: list[Item]) -> None:
        """The oldest items are in the database: forget them, and the segments only they needed."""
        with self._lock:
            for _ in items:
                self._queue.popleft()
            self._committed += len(items)
            self._waiting_bytes -= sum(item.size for item in items)
            over = [segment for last, segment in self._ended if last <= self._committed]
            for _ in over:
                self._ended.popleft()
        for segment in over:
            segment.close(delete=True)
        for item in items:
            if item.waiter is not None:
                item.waiter()
        with self._progress:
            self._progress.notify_all()

    def flush(self, timeout_s: float) -> bool:
        """Wait until what is queued now is committed; whether it was within the time."""
        target = self._written
        self._wake(True)
        with self._progress:
            return self._progress.wait_for(lambda: self._committed >= target, timeout_s)

    def rotate_if_large(self) -> None:
        """Begin a new segment when the current one has grown; open intents move along."""
        if self._segment.size - self._carried <= max(self._bounds.segment_bytes, self._carried):
            return
        self._number += 1
        fresh = Segment.create(self._path(self._number))
        with self._lock:
            try:
                for intents in self._open.values():
                    for _, payload in intents:
                        fresh.append(payload)
            except StoreUnavailable:
                fresh.close(delete=True)
                raise
            self._ended.append((self._written, self._segment))
            self._segment = fresh
            self._carried = fresh.size

    @property
    def backlog(self) -> int:
        """Records waiting for the database."""
        return len(self._queue)

    @property
    def open_requests(self) -> int:
        """Requests with an intent and no settlement."""
        return len(self._open)

    @property
    def size_bytes(self) -> int:
        """All segments together."""
        return self._segment.size + sum(segment.size for _, segment in self._ended)

    def close(self, *, clean: bool) -> None:
        """Let go of the files. They are deleted only if `clean` and nothing in them is needed any more."""
        delete = clean and not self._queue and not self._open
        with self._lock:
            for _, segment in self._ended:
                segment.close(delete=delete)
            self._ended.clear()
            self._segment.close(delete=delete)

    # --- inside

    def _intend(self, intent: Intent, waiter: Waiter | None) -> None:
        bounds = self._bounds
        if len(self._queue) >= bounds.records or self._waiting_bytes >= bounds.bytes:
            raise StoreUnavailable(
                f"the database is {len(self._queue)} records behind; see `/readyz` and try again"
            )
        if len(self._open) >= bounds.open_intents:
            raise StoreUnavailable(f"{len(self._open)} requests are open already; try again later")
        record = Intended(intent, self._budgets.leases(intent.holds))
        payload = encode(record)
        try:
            with self._lock:
                if self._failing:
                    # A small intent may still fit where the settlement after it would not: then nothing
                    # may be called that would be paid for and not delivered.
                    self._segment.make_room(self._failing)
                    self._failing = 0
                self._segment.append(payload)
                known = self._open.get(intent.receipt_id)
                if known is None:
                    self._open[intent.receipt_id] = [(intent.attempt_id, payload)]
                else:
                    known.append((intent.attempt_id, payload))
                if waiter is None:
                    self._fresh[intent.attempt_id] = record
                else:
                    self._enqueue(Item(record, len(payload), waiter))
        except StoreUnavailable as error:
            self._note_failure(error, len(payload))
            raise
        if waiter is not None:
            self._wake(True)

    def _withdraw(self, intent: Intent) -> None:
        record = Withdrawn(intent.receipt_id, intent.attempt_id)
        payload = encode(record)
        with self._lock:
            left = [one for one in self._open.pop(intent.receipt_id, ()) if one[0] != intent.attempt_id]
            if left:
                self._open[intent.receipt_id] = left
            # On a full disk a crash would book this intent as unknown: too much, never too little.
            with contextlib.suppress(StoreUnavailable):
                self._segment.append(payload)
            self._enqueue(Item(record, len(payload), None))

    def _enqueue(self, item: Item) -> None:
        self._queue.append(item)
        self._written += 1
        self._waiting_bytes += item.size

    def _note_failure(self, error: StoreUnavailable, size: int) -> None:
        if not self._failing:  # a full disk refuses every request: say it once
            log.error("%s", error)
        self._failing = max(self._failing, size)

    def _path(self, number: int) -> Path:
        return self._directory / f"{self._instance}.{number:06d}{SUFFIX}"


def _resolve(done: "asyncio.Future[None]") -> None:
    if not done.done():
        done.set_result(None)
