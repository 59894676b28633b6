"""Batches as their worker writes them: claimed, kept while they run, their lines' results, and their end.

A worker runs a batch under a lease: `owner` and `leased_until_ns`. Every write of a running batch says whose
it is and does nothing when the lease went to another, so two workers can never write one batch's results. A
lease not renewed is free after its time; that of a worker whose journal was recovered is free at once. Calls
block: use a thread.
"""

from collections.abc import Iterable, Iterator, Sequence

import msgspec
from sqlalchemy import ColumnElement, Connection, delete, select, update

from passerelle.core.batch import (
    ACTIVE,
    MOVES,
    Batch,
    BatchState,
    KeptFile,
    LineProblem,
    LineResult,
    Tally,
)
from passerelle.core.clock import Clock
from passerelle.store import kept_files, leases, schema
from passerelle.store.batch_rows import COLUMNS, read, write
from passerelle.store.database import Database
from passerelle.store.sealing import Sealer

_batch, _line = schema.batch, schema.batch_line
_PAGE = 256


class LeaseLost(Exception):
    """Another worker runs the batch now, or it is gone: whoever hears this stops."""


class BatchRuns:
    """What a worker does with the batches it has leased."""

    def __init__(self, database: Database, sealer: Sealer, clock: Clock) -> None:
        self._database = database
        self._sealer = sealer
        self._clock = clock

    def claim(
        self, owner: str, *, ttl_s: float, passing: Iterable[str] = (), passing_orgs: Iterable[str] = ()
    ) -> Batch | None:
        """Lease the oldest batch that nobody runs, leaving out the ids `passing` and those of the
        organisations `passing_orgs`; None when there is none."""
        now_ns = self._clock.unix_ns()
        free = (_batch.c.state.in_(sorted(ACTIVE)), _batch.c.leased_until_ns < now_ns)
        query = select(*COLUMNS).where(
            *free, _batch.c.batch_id.not_in(sorted(passing)), _batch.c.org_id.not_in(sorted(passing_orgs))
        )
        query = query.order_by(_batch.c.created_at_ns).limit(1)
        with self._database.read() as connection:
            if connection.execute(query).one_or_none() is None:
                return None  # as nearly always: no write transaction for it
        with self._database.write() as connection:
            row = connection.execute(query.with_for_update(skip_locked=True)).one_or_none()
            if row is None:
                return None
            batch = read(row)
            connection.execute(
                update(_batch)
                .where(_batch.c.org_id == batch.org_id, _batch.c.batch_id == batch.id)
                .values(owner=owner, leased_until_ns=now_ns + int(ttl_s * 1e9))
            )
        return batch

    def renew(self, owner: str, ids: Sequence[str], *, ttl_s: float) -> dict[str, BatchState]:
        """Keep these leases; the state of each batch that is still this owner's."""
        where = (_batch.c.batch_id.in_(ids), _batch.c.owner == owner)
        until_ns = self._clock.unix_ns() + int(ttl_s * 1e9)
        with self._database.write() as connection:
            connection.execute(update(_batch).where(*where).values(leased_until_ns=until_ns))
            rows = connection.execute(select(_batch.c.batch_id, _batch.c.state).where(*where)).all()
        return {row.batch_id: row.state for row in rows}

    def release(self, owner: str, ids: Sequence[str]) -> None:
        """Give leases back: another worker may go on at once."""
        with self._database.write() as connection:
            connection.execute(
                update(_batch)
                .where(_batch.c.batch_id.in_(ids), _batch.c.owner == owner)
                .values(owner="", leased_until_ns=0)
            )

    def advance(self, owner: str, batch: Batch, state: BatchState, *, total: int | None = None) -> Batch:
        """Bring a batch to its next state; as it is then. A batch that is being cancelled meanwhile stays so.
        Raises `LeaseLost`."""
        with self._database.write() as connection:
            now = self.mine(connection, owner, batch)
            if total is not None:
                now = msgspec.structs.replace(now, tally=msgspec.structs.replace(now.tally, total=total))
            if state in MOVES[now.state]:
                reached = {**now.reached, state: self._clock.unix_ns()}
                now = msgspec.structs.replace(now, state=state, reached=reached)
            write(connection, now)
        return now

    def add_results(self, owner: str, batch: Batch, results: Sequence[LineResult]) -> None:
        """Keep how lines ended: on disk when this returns. A line that has a result keeps its first.
        Raises `LeaseLost`."""
        with self._database.write() as connection:
            self.insert_results(connection, self.mine(connection, owner, batch), results)

    def insert_results(self, connection: Connection, batch: Batch, results: Sequence[LineResult]) -> set[int]:
        """The same within a transaction that locked the batch with `mine`; the lines that had none yet."""
        tally, tokens, new = batch.tally, batch.tokens, set()
        for one in results:
            name = f"{batch.id}/{one.line}"
            version, nonce, body = self._sealer.seal(connection, batch.org_id, name, one.body)
            fresh = connection.execute(
                self._database.insert(_line)
                .values(
                    org_id=batch.org_id, batch_id=batch.id, line=one.line, kind=one.kind,
                    receipt_id=one.receipt_id, key_version=version, nonce=nonce, body=body,
                )
                .on_conflict_do_nothing()
            ).rowcount  # fmt: skip
            if fresh:
                new.add(one.line)
                ended = "completed" if one.kind == "ok" else "failed"
                tally = msgspec.structs.replace(tally, **{ended: getattr(tally, ended) + 1})
                tokens += one.tokens
        write(connection, msgspec.structs.replace(batch, tally=tally, tokens=tokens))
        return new

    def done(self, batch: Batch) -> set[int]:
        """The lines that have a result."""
        query = select(_line.c.line).where(*_lines_of(batch))
        with self._database.read() as connection:
            return set(connection.scalars(query))

    def results(self, batch: Batch) -> Iterator[LineResult]:
        """How its lines ended, in their order; results whose tenant's key was destroyed are left out."""
        last = -1
        query = select(
            _line.c.line, _line.c.kind, _line.c.receipt_id, _line.c.key_version, _line.c.nonce, _line.c.body
        ).where(*_lines_of(batch))
        while True:
            page = query.where(_line.c.line > last).order_by(_line.c.line).limit(_PAGE)
            found: list[LineResult] = []
            with self._database.read() as connection:
                rows = connection.execute(page).all()
                for row in rows:
                    name = f"{batch.id}/{row.line}"
                    plain = self._sealer.open(
                        connection, batch.org_id, name, row.key_version, row.nonce, row.body
                    )
                    if plain is not None:
                        found.append(LineResult(row.line, row.kind, row.receipt_id, plain))
            yield from found
            if len(rows) < _PAGE:
                return
            last = rows[-1].line

    def finish(
        self,
        owner: str,
        batch: Batch,
        state: BatchState,
        *,
        files: Sequence[KeptFile] = (),
        output_file_id: str | None = None,
        error_file_id: str | None = None,
        problems: Sequence[LineProblem] = (),
        tally: Tally | None = None,
        purge_at_ns: int,
    ) -> Batch:
        """End a batch: its files' rows come, its lines' results go, in one transaction. Raises `LeaseLost`,
        also when it was cancelled under us: then look again."""
        with self._database.write() as connection:
            now = self.mine(connection, owner, batch)
            if state not in MOVES[now.state]:
                raise LeaseLost(batch.id)
            free_money(connection, now)
            for file in files:
                kept_files.insert(connection, file)
            connection.execute(delete(_line).where(*_lines_of(batch)))
            now = msgspec.structs.replace(
                now,
                state=state,
                output_file_id=output_file_id,
                error_file_id=error_file_id,
                problems=tuple(problems),
                tally=tally or now.tally,
                reached={**now.reached, state: self._clock.unix_ns()},
            )
            write(connection, now, owner="", leased_until_ns=0, purge_at_ns=purge_at_ns)
        return now

    def mine(self, connection: Connection, owner: str, batch: Batch) -> Batch:
        """The batch as it is now, locked until the transaction ends. Raises `LeaseLost`."""
        row = connection.execute(
            select(*COLUMNS)
            .where(_batch.c.org_id == batch.org_id, _batch.c.batch_id == batch.id, _batch.c.owner == owner)
            .with_for_update()
        ).one_or_none()
        if row is None:
            raise LeaseLost(batch.id)
        return read(row)


def free_money(connection: Connection, batch: Batch) -> None:
    """Give back what was set aside for a batch at a provider and not spent; nothing where that was done."""
    for _, lease_id in batch.native.leases if batch.native is not None else ():
        leases.close(connection, batch.org_id, lease_id, "closed")


def free_of_worker(connection: Connection, worker: str) -> int:
    """Free every batch of a worker known to be dead; how many."""
    return connection.execute(
        update(_batch).where(_batch.c.owner == worker).values(owner="", leased_until_ns=0)
    ).rowcount


def _lines_of(batch: Batch) -> tuple[ColumnElement[bool], ...]:
    return (_line.c.org_id == batch.org_id, _line.c.batch_id == batch.id)
