"""Kept files: who they belong to, how long they live, how much a project may keep. Contents are `vault`'s.

Every method names organisation and project: another's file does not exist for it. An expired file is gone
from the moment it expires, whenever `expire` takes it away. Calls block: use a thread.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, delete, exists, func, select

from passerelle.core.batch import ACTIVE, SHOWN_PURPOSES, KeptFile
from passerelle.core.clock import Clock
from passerelle.store import schema
from passerelle.store.database import Database
from passerelle.store.vault import Draft, Pages, Vault

_table = schema.file
_COLUMNS = (
    _table.c.file_id, _table.c.org_id, _table.c.project_id, _table.c.key_id, _table.c.name, _table.c.purpose,
    _table.c.media_type, _table.c.size_bytes, _table.c.created_at_ns, _table.c.expires_at_ns,
)  # fmt: skip


MOST_FILES = 100_000
"""Of one project, however small."""


class QuotaExceeded(Exception):
    """The project keeps as much as it may."""


class FileInUse(Exception):
    """A batch under way still reads the file."""


class KeptFiles:
    """The files of every project."""

    def __init__(self, database: Database, vault: Vault, clock: Clock) -> None:
        self._database = database
        self._vault = vault
        self._clock = clock

    def draft(self, org_id: str, file_id: str) -> Draft:
        """Begin the content of a file; `keep` makes it one. Raises `StoreUnavailable`."""
        return self._vault.draft(org_id, file_id)

    def keep(self, draft: Draft, file: KeptFile, *, most_bytes: int | None = None) -> None:
        """Make a written draft the file. `most_bytes` is what its project may keep in all.

        Raises `QuotaExceeded`, `StoreUnavailable`; the draft is then still to be dropped.
        """
        draft.keep()
        try:
            with self._database.write() as connection:
                insert(connection, file)
                if most_bytes is not None:
                    used, count = connection.execute(_used(file.org_id, file.project_id)).one()
                    if used > most_bytes or count > MOST_FILES:
                        raise QuotaExceeded(file.project_id)
        except BaseException:
            self._vault.remove(file.id)
            raise

    def used_bytes(self, org_id: str, project_id: str) -> int:
        """What a project's files take."""
        with self._database.read() as connection:
            return int(connection.execute(_used(org_id, project_id)).one()[0])

    def get(self, org_id: str, project_id: str, file_id: str) -> KeptFile | None:
        """One file, of whatever purpose."""
        query = select(*_COLUMNS).where(*self._alive(org_id, project_id), _table.c.file_id == file_id)
        with self._database.read() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else _file(row)

    def list(
        self,
        org_id: str,
        project_id: str,
        *,
        limit: int,
        after: str | None = None,
        purpose: str | None = None,
        ascending: bool = False,
    ) -> tuple[KeptFile, ...]:
        """A page of the files that callers may see, newest first unless `ascending`; `after` is the last id
        of the page before."""
        column = _table.c.file_id  # ids sort by time
        query = select(*_COLUMNS).where(*self._alive(org_id, project_id), _is_shown())
        if purpose is not None:
            query = query.where(_table.c.purpose == purpose)
        if after is not None:
            query = query.where(column > after if ascending else column < after)
        query = query.order_by(column if ascending else column.desc()).limit(limit)
        with self._database.read() as connection:
            return tuple(_file(row) for row in connection.execute(query))

    def content(self, org_id: str, file_id: str) -> Iterator[bytes]:
        """A file's bytes, piece by piece, also of one that has expired since it was asked for. Raises
        `ContentGone`."""
        return self._vault.read(org_id, file_id)

    def pages(self, org_id: str, file_id: str) -> Pages:
        """A file to be read here and there. Raises `ContentGone`. To be closed."""
        return self._vault.open(org_id, file_id)

    def is_here(self, file_id: str) -> bool:
        """Whether its content lies on this machine."""
        return self._vault.has(file_id)

    def delete(self, org_id: str, project_id: str, file_id: str) -> bool:
        """Delete a file that callers may see; whether there was one. Raises `FileInUse`."""
        where = (*self._alive(org_id, project_id), _table.c.file_id == file_id, _is_shown())
        with self._database.write() as connection:
            if connection.scalar(select(_table.c.file_id).where(*where, _is_in_use())) is not None:
                raise FileInUse(file_id)
            gone = connection.execute(delete(_table).where(*where)).rowcount
        if gone:
            self._vault.remove(file_id)
        return bool(gone)

    def discard(self, org_id: str, file_ids: Iterable[str | None]) -> None:
        """Delete files of ours, whoever may see them."""
        ids = [file_id for file_id in file_ids if file_id is not None]
        with self._database.write() as connection:
            connection.execute(delete(_table).where(_table.c.org_id == org_id, _table.c.file_id.in_(ids)))
        for file_id in ids:
            self._vault.remove(file_id)

    def expire(self, *, most: int = 100) -> int:
        """Delete files whose time has come, of all projects; how many."""
        with self._database.read() as connection:
            due = connection.scalars(_due(self._clock.unix_ns()).limit(most)).all()
        if not due:
            return 0
        with self._database.write() as connection:
            connection.execute(delete(_table).where(_table.c.file_id.in_(due)))
        for file_id in due:
            self._vault.remove(file_id)
        return len(due)

    def sweep(self) -> int:
        """Delete contents that no file names and drafts given up; how many."""
        return self._vault.sweep(self._known)

    def _known(self, ids: Sequence[str]) -> set[str]:
        found: set[str] = set()
        with self._database.read() as connection:
            for start in range(0, len(ids), 500):
                query = select(_table.c.file_id).where(_table.c.file_id.in_(ids[start : start + 500]))
                found.update(connection.scalars(query))
        return found

    def _alive(self, org_id: str, project_id: str) -> tuple[ColumnElement[bool], ...]:
        expires = _table.c.expires_at_ns
        return (
            _table.c.org_id == org_id,
            _table.c.project_id == project_id,
            expires.is_(None) | (expires > self._clock.unix_ns()),
        )


def insert(connection: Connection, file: KeptFile) -> None:
    """Write a file's row, in the caller's transaction."""
    connection.execute(
        _table.insert().values(
            org_id=file.org_id,
            file_id=file.id,
            project_id=file.project_id,
            key_id=file.key_id,
            name=file.name,
            purpose=file.purpose,
            media_type=file.media_type,
            size_bytes=file.size_bytes,
            created_at_ns=file.created_at_ns,
            expires_at_ns=file.expires_at_ns,
        )
    )


def _is_shown() -> ColumnElement[bool]:
    return _table.c.purpose.in_(SHOWN_PURPOSES)


def _used(org_id: str, project_id: str) -> Select[int, int]:
    where = (_table.c.org_id == org_id, _table.c.project_id == project_id)
    return select(func.coalesce(func.sum(_table.c.size_bytes), 0), func.count()).where(*where)


def _due(now_ns: int) -> Select[str]:
    where = (_table.c.expires_at_ns <= now_ns, ~_is_in_use())
    return select(_table.c.file_id).where(*where).order_by(_table.c.expires_at_ns)


def _is_in_use() -> ColumnElement[bool]:
    reading = (
        schema.batch.c.org_id == _table.c.org_id,
        schema.batch.c.input_file_id == _table.c.file_id,
        schema.batch.c.state.in_(sorted(ACTIVE)),
    )
    return exists().where(*reading)


def _file(row: Row[*tuple[Any, ...]]) -> KeptFile:
    return KeptFile(*row)
