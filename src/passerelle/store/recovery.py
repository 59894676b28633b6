"""Recovery: what a dead worker's journal says is booked, then the journal goes.

A journal file whose lock is free has lost its process. Its records are booked as the worker would have
booked them (booking ignores what is there already, so a crash during recovery costs nothing), requests
it left open are booked as lost (`spending`), its leases are taken back (those on batches too), and only then
are its files removed. Any worker may do it, at its start and from time to time; the locks see to it that one
does.
"""

import contextlib
import logging
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import assert_never

import msgspec

from passerelle.core.clock import Clock, mint
from passerelle.store import backgrounds, batch_runs, leases, repeats
from passerelle.store.booking import Booker, Group
from passerelle.store.database import Database
from passerelle.store.quarantine import Quarantine
from passerelle.store.records import Intended, Record, Settled, Withdrawn, decode, encode
from passerelle.store.segment import SUFFIX, claim, read
from passerelle.store.spending import Lost

log = logging.getLogger(__name__)

_GROUP = 200
_DRAFT_AGE_S = 3_600


class Recovered(msgspec.Struct, frozen=True):
    """What recovery found."""

    workers: tuple[str, ...] = ()
    """Dead workers whose journals were booked."""
    records: int = 0
    lost: int = 0
    """Requests they had open."""
    torn_bytes: int = 0
    damaged_bytes: int = 0


class Recovery:
    """Books leftover journals into a database."""

    def __init__(
        self, directory: Path, database: Database, booker: Booker, quarantine: Quarantine, clock: Clock
    ) -> None:
        self._directory = directory
        self._database = database
        self._booker = booker
        self._quarantine = quarantine
        self._clock = clock

    def run(self) -> Recovered:
        """Book every leftover journal. Raises `StoreUnavailable`; what is not booked yet stays."""
        workers: list[str] = []
        records = lost = torn = damaged = 0
        for worker, paths in sorted(self._journals().items()):
            with _claimed(paths) as handles:
                if handles is None:
                    continue
                found: list[Record] = []
                for handle in handles:
                    leftover = read(handle)
                    torn += leftover.torn_bytes
                    damaged += leftover.damaged_bytes
                    found += self._decoded(leftover.payloads)
                open_requests = self._book(worker, found)
                for path in paths:
                    path.unlink(missing_ok=True)
            workers.append(worker)
            records += len(found)
            lost += open_requests
        result = Recovered(tuple(workers), records, lost, torn, damaged)
        if workers:
            log.warning("recovered the journals of workers that had died: %s", result)
        return result

    def _journals(self) -> dict[str, list[Path]]:
        """Worker → its files, oldest first. Drafts of segments that never came to be are removed."""
        found: dict[str, list[Path]] = {}
        if not self._directory.is_dir():
            return found
        for path in sorted(self._directory.iterdir()):
            if path.suffix == SUFFIX:
                found.setdefault(path.name.rsplit(".", 2)[0], []).append(path)
            elif path.suffix == ".draft":
                with contextlib.suppress(FileNotFoundError):
                    if time.time() - path.stat().st_mtime > _DRAFT_AGE_S:
                        path.unlink()
        return found

    def _decoded(self, payloads: Sequence[bytes]) -> Iterator[Record]:
        for payload in payloads:
            try:
                yield decode(payload)
            except msgspec.DecodeError:
                path = self._quarantine.keep(payload)
                log.exception("a journal record cannot be read and was set aside in `%s`", path)

    def _book(self, worker: str, found: list[Record]) -> int:
        """Book one worker's records, then what it left open; how many requests that were."""
        lost = _lost(found)

        def book_records(records: Sequence[Record]) -> None:
            with self._database.write() as connection:
                self._booker.book(connection, self._group(worker, records=records))

        def book_lost(requests: Sequence[Lost]) -> None:
            with self._database.write() as connection:
                self._booker.book(connection, self._group(worker, lost=requests))

        for start in range(0, len(found), _GROUP):
            self._quarantine.book(found[start : start + _GROUP], book_records, lambda one: [encode(one)])
        for start in range(0, len(lost), _GROUP):
            self._quarantine.book(
                lost[start : start + _GROUP],
                book_lost,
                lambda one: [encode(record) for record in one.intents],
            )
        with self._database.write() as connection:
            leases.close_of_worker(connection, worker)
            batch_runs.free_of_worker(connection, worker)
            backgrounds.free_of_worker(connection, worker)
            repeats.free_of_worker(connection, worker)
        return len(lost)

    def _group(self, worker: str, *, records: Sequence[Record] = (), lost: Sequence[Lost] = ()) -> Group:
        return Group(mint("grp"), worker, self._clock.unix_ns(), records=records, lost=lost)


def _lost(found: Sequence[Record]) -> list[Lost]:
    """The requests with an intent and no end, oldest first."""
    open_requests: dict[str, dict[str, Intended]] = {}
    settled: set[str] = set()
    for record in found:
        match record:
            case Intended(intent):
                if intent.receipt_id not in settled:
                    open_requests.setdefault(intent.receipt_id, {})[intent.attempt_id] = record
            case Settled(settlement):
                settled.add(settlement.receipt.id)
                open_requests.pop(settlement.receipt.id, None)
            case Withdrawn(receipt_id, attempt_id):
                open_requests.get(receipt_id, {}).pop(attempt_id, None)
            case _:
                assert_never(record)
    return [Lost(tuple(intents.values())) for intents in open_requests.values() if intents]


@contextlib.contextmanager
def _claimed(paths: Sequence[Path]) -> Iterator[list[int] | None]:
    """The files of one worker, all locked by us; None when it lives or another recovery has them."""
    with contextlib.ExitStack() as stack:
        handles: list[int] = []
        for path in paths:  # oldest first: of two recoveries, whoever has the first file gets them all
            handle = stack.enter_context(claim(path))
            if handle is None:
                yield None
                return
            handles.append(handle)
        yield handles
