"""Batches as their makers and administrators see them: made, listed, looked at, cancelled, deleted.

Running them is in `batch_runs`, what concerns a provider's own batch service in `batches_native`. Calls
block: use a thread.
"""

import msgspec
from sqlalchemy import ColumnElement, delete, func, select, update

from passerelle.core.batch import ACTIVE, MOVES, Batch, Surface
from passerelle.core.clock import Clock
from passerelle.store import schema
from passerelle.store.batch_rows import COLUMNS, encoded, read
from passerelle.store.database import Database

_batch = schema.batch


class TooManyBatches(Exception):
    """The project has as many batches under way as it may."""


class Batches:
    """Every batch of the installation. What callers may ask names organisation and project."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    # --- for callers

    def create(self, batch: Batch, *, most_active: int) -> None:
        """Keep a new batch, which any worker may take up. Raises `TooManyBatches` when its project has as
        many that are not over as it may."""
        active = select(func.count()).where(
            _batch.c.org_id == batch.org_id,
            _batch.c.project_id == batch.project_id,
            _batch.c.state.in_(sorted(ACTIVE)),
        )
        with self._database.write() as connection:
            if (connection.scalar(active) or 0) >= most_active:
                raise TooManyBatches(batch.project_id)
            connection.execute(
                _batch.insert().values(
                    org_id=batch.org_id,
                    batch_id=batch.id,
                    project_id=batch.project_id,
                    key_id=batch.key_id,
                    surface=batch.surface,
                    endpoint=batch.endpoint,
                    state=batch.state,
                    input_file_id=batch.input_file_id,
                    terms=encoded(batch.terms),
                    problems=encoded(batch.problems),
                    tokens=encoded(batch.tokens),
                    reached=encoded(batch.reached),
                    created_at_ns=batch.created_at_ns,
                    expires_at_ns=batch.expires_at_ns,
                    owner="",
                    leased_until_ns=0,
                    **msgspec.structs.asdict(batch.tally),
                )
            )

    def get(self, org_id: str, project_id: str, surface: Surface, batch_id: str) -> Batch | None:
        """One batch."""
        where = (*_of(org_id, project_id, surface), _batch.c.batch_id == batch_id)
        with self._database.read() as connection:
            row = connection.execute(select(*COLUMNS).where(*where)).one_or_none()
        return None if row is None else read(row)

    def list(
        self,
        org_id: str,
        project_id: str,
        surface: Surface,
        *,
        limit: int,
        after: str | None = None,
        before: str | None = None,
    ) -> tuple[Batch, ...]:
        """A page, newest first: what is older than the id `after`, or just newer than the id `before`."""
        query = select(*COLUMNS).where(*_of(org_id, project_id, surface))
        column = _batch.c.batch_id
        if before is not None:
            query = query.where(column > before).order_by(column)
        else:
            query = query.order_by(column.desc())
            if after is not None:
                query = query.where(column < after)
        with self._database.read() as connection:
            found = tuple(read(row) for row in connection.execute(query.limit(limit)))
        return found if before is None else found[::-1]

    def cancel(self, org_id: str, project_id: str, surface: Surface, batch_id: str) -> Batch | None:
        """Ask that no further line be begun, where that can still be; the batch as it is then. None when
        there is none. Its `state` tells whether it is being cancelled."""
        where = (*_of(org_id, project_id, surface), _batch.c.batch_id == batch_id)
        with self._database.write() as connection:
            row = connection.execute(select(*COLUMNS).where(*where).with_for_update()).one_or_none()
            if row is None:
                return None
            batch = read(row)
            if "cancelling" not in MOVES[batch.state]:
                return batch
            reached = {**batch.reached, "cancelling": self._clock.unix_ns()}
            connection.execute(
                update(_batch).where(*where).values(state="cancelling", reached=encoded(reached))
            )
            # One that rests between two looks at its provider is to be taken up now.
            connection.execute(update(_batch).where(*where, _batch.c.owner == "").values(leased_until_ns=0))
        return msgspec.structs.replace(batch, state="cancelling", reached=reached)

    def delete(self, org_id: str, project_id: str, surface: Surface, batch_id: str) -> bool:
        """Delete a batch that is over; its files are apart. Whether there was one."""
        over = _batch.c.state.not_in(sorted(ACTIVE))
        where = (*_of(org_id, project_id, surface), _batch.c.batch_id == batch_id, over)
        with self._database.write() as connection:
            return bool(connection.execute(delete(_batch).where(*where)).rowcount)

    # --- for administrators

    def of_organisation(self, org_id: str, *, limit: int) -> tuple[Batch, ...]:
        """The newest batches of all its projects."""
        query = select(*COLUMNS).where(_batch.c.org_id == org_id)
        with self._database.read() as connection:
            rows = connection.execute(query.order_by(_batch.c.created_at_ns.desc()).limit(limit))
            return tuple(read(row) for row in rows)

    def find(self, org_id: str, batch_id: str) -> Batch | None:
        """One batch, of whichever of its projects."""
        query = select(*COLUMNS).where(_batch.c.org_id == org_id, _batch.c.batch_id == batch_id)
        with self._database.read() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else read(row)

    # --- when their time has come

    def purge(self, *, most: int = 100) -> int:
        """Delete batches whose time has come, of all projects; how many."""
        due = select(_batch.c.batch_id).where(_batch.c.purge_at_ns <= self._clock.unix_ns()).limit(most)
        with self._database.read() as connection:
            ids = connection.scalars(due).all()
        if not ids:
            return 0
        with self._database.write() as connection:
            return connection.execute(delete(_batch).where(_batch.c.batch_id.in_(ids))).rowcount


def _of(org_id: str, project_id: str, surface: Surface) -> tuple[ColumnElement[bool], ...]:
    return (_batch.c.org_id == org_id, _batch.c.project_id == project_id, _batch.c.surface == surface)
