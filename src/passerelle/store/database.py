"""The database behind SQLAlchemy Core: one code path, two addresses (SQLite, PostgreSQL).

SQLite is opened in WAL mode with `synchronous=FULL`: a commit is on disk when it returns, and readers do
not wait for the writer. The driver's own transaction handling is switched off, so that a transaction
begins exactly where we say: `BEGIN IMMEDIATE` for writing (wait for the lock now rather than fail on the
first write), `BEGIN` for reading (one consistent view). Source: SQLAlchemy 2.1 documentation, "SQLite:
Enabling non-legacy SQLite transactional modes with the sqlite3 driver", and sqlite.org/wal.html.

SQLite's own wait for the write lock backs off to 100 ms between looks, and under several busy workers a
waiting one was passed over for more than a second. So a writing transaction looks again every 1 to 2 ms.

Rows are written many at a time with one statement: each statement executed gives up the interpreter lock
and must win it back, which under load costs more than the insert (measured: p99 of a busy event loop
39 ms with a hundred single-row inserts per group, 1 to 5 ms with 32 rows each).

A SQLite file can be removed or exchanged while it is open, and what is committed then goes to a file that has
no name any more. So every connection is to the one file that lay at the path when the database was opened,
and a writing transaction looks after its commit whether it still lies there: if not, it did not happen.
`reopen` takes up another file.

Whatever says that the database cannot be used now becomes `StoreUnavailable` (`StoreBusy` where another
writer only was in the way); errors about the data itself (`IntegrityError`, `DataError`, `OverflowError`)
pass unchanged.
"""

import contextlib
import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import (
    URL,
    Connection,
    Engine,
    Select,
    Table,
    bindparam,
    create_engine,
    event,
    exc,
    make_url,
)
from sqlalchemy.engine import Dialect

from passerelle.store.errors import StoreBusy, StoreUnavailable
from passerelle.store.schema import speak_postgresql

Conflict = Callable[[Any], Any]
"""Adds an ON CONFLICT clause to a dialect's insert; both dialects spell it alike."""

_WRITE = "passerelle_write"
_LOOK_MS = 5
"""SQLite looks after 1, 2 and 2 ms within it; then we begin anew, instead of letting it back off further."""
_CHUNK = 64
"""Most rows of one statement: large enough to spare the lock, small enough (≈ 0.2 ms) not to hold it."""
_KINDS = ("sqlite", "postgresql")
_SQLITE_PRAGMAS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
    "PRAGMA busy_timeout={busy_ms}",
    "PRAGMA journal_size_limit=67108864",
)
_OF_READERS = ("PRAGMA cache_size=-512",)
"""KiB of pages each of the five keeps, a quarter of SQLite's default: the kernel keeps them all."""
_POSTGRESQL_SETTINGS = (
    "SET statement_timeout = 10000",
    "SET lock_timeout = {busy_ms}",
    "SET idle_in_transaction_session_timeout = 30000",
)


class Database:
    """Connections to one database. Threads may share it; processes may not (open after forking)."""

    def __init__(self, url: str, *, busy_ms: int = 1_000) -> None:
        parsed = make_url(url)
        self.kind = parsed.get_backend_name()
        if self.kind not in _KINDS:
            raise ValueError(
                f"`{self.kind}` databases are not supported; use `sqlite:///…` or `postgresql+driver://…`"
            )
        self._insert = _insert_of(self.kind)
        self._path: Path | None = None
        if self.kind == "sqlite" and parsed.database and parsed.database != ":memory:":
            self._path = Path(parsed.database)
            _create_private(self._path)
        self.engine = self._engine(parsed, busy_ms, *(_OF_READERS if self._path is not None else ()))
        # A connection of its own for writing, with its cache of pages and its statements of many rows: in one
        # pool with the readers', each would come to hold both, 2 MiB a connection.
        writers = self._engine(parsed, busy_ms, pool_size=1) if self._path is not None else self.engine
        self._engines = {self.engine, writers}
        self._file = self._found()
        self._glances: dict[Select[Any], str] = {}
        self._writing = writers.execution_options(**{_WRITE: True})

    def _engine(self, url: URL, busy_ms: int, *more: str, **pool: int) -> Engine:
        ping = self.kind != "sqlite"
        engine = create_engine(url, pool_timeout=5, pool_pre_ping=ping, hide_parameters=True, **pool)
        event.listen(engine, "connect", _prepare(self.kind, busy_ms, *more))
        if self.kind == "sqlite":
            event.listen(engine, "begin", _begin_with(busy_ms))
            event.listen(engine, "do_connect", self._same_file)
        return engine

    @property
    def dialect(self) -> Dialect:
        """The SQL dialect spoken."""
        return self.engine.dialect

    @contextlib.contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that may write: committed and on disk when the block ends, undone if it raises."""
        with translated():
            with self._writing.begin() as connection:
                yield connection
            self._same_file()

    @property
    def moved(self) -> bool:
        """Whether another file, or none, lies where the opened one did."""
        return self._found() != self._file

    def reopen(self) -> None:
        """Take up the file that lies at the path now. Raises `StoreUnavailable` unless it is one of ours: an
        empty one would mean that no key is known.
        """
        self.close()
        path, found = self._path, self._found()
        if path is None or found is None:
            raise StoreUnavailable(f"the database file `{path}` is gone; put it back")
        try:
            address = f"file:{quote(str(path.absolute()))}?mode=rw"
            with contextlib.closing(sqlite3.connect(address, uri=True)) as connection:
                ours = connection.execute("SELECT count(*) FROM meta").fetchone()[0]
        except sqlite3.Error as error:
            raise StoreUnavailable(
                f"the file that lies at `{path}` now is no database of Passerelle's: {error}; put it back"
            ) from error
        if not ours:
            raise StoreUnavailable(f"the database that lies at `{path}` now is empty; put the true one back")
        self._file = found

    @contextlib.contextmanager
    def read(self) -> Iterator[Connection]:
        """A consistent view for reading; it waits for no writer."""
        with translated(), self.engine.begin() as connection:
            yield connection

    def glance(self, statement: Select[Any]) -> list[tuple[Any, ...]]:
        """The rows of one statement without parameters that is asked again and again: straight from the
        driver, in a seventh of the time of a transaction of its own. Raises `StoreUnavailable`.
        """
        text = self._glances.get(statement)
        if text is None:
            compiled = statement.compile(dialect=self.dialect, compile_kwargs={"literal_binds": True})
            text = self._glances[statement] = str(compiled)
        with translated():
            connection = self.engine.raw_connection()
            try:
                cursor = connection.cursor()
                cursor.execute(text)
                return [tuple(row) for row in cursor.fetchall()]
            except self.dialect.loaded_dbapi.Error as error:
                raise StoreUnavailable(f"the database cannot be read: {error}") from error
            finally:
                connection.close()

    def insert(self, table: Table) -> Any:
        """The dialect's own INSERT, which knows ON CONFLICT."""
        return self._insert(table)

    def _found(self) -> tuple[int, int] | None:
        """Which file lies at the path; None for no file, and for databases that are none."""
        if self._path is None:
            return None
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def _same_file(self, *_: object) -> None:
        if self._found() != self._file:
            raise sqlite3.OperationalError(f"the file `{self._path}` was removed or replaced while in use")

    def close(self) -> None:
        """Close every pooled connection."""
        for engine in self._engines:
            engine.dispose()


class Bulk:
    """Writes many rows of one table with few statements. Rows are tuples in the table's column order.

    Repeated rows are ignored, unless `conflict` says what else to do with them.
    """

    def __init__(self, database: Database, table: Table, conflict: Conflict | None = None) -> None:
        self._database = database
        self._table = table
        self._conflict = conflict or (lambda statement: statement.on_conflict_do_nothing())
        self._texts: dict[int, tuple[str, list[str] | None]] = {}

    def run(self, connection: Connection, rows: Sequence[tuple[Any, ...]]) -> int:
        """Insert the rows; how many were new (or changed)."""
        done = start = 0
        while start < len(rows):
            count = min(_CHUNK, 1 << (len(rows) - start).bit_length() - 1)
            text, names = self._texts.get(count) or self._compile(count)
            values = tuple(chain.from_iterable(rows[start : start + count]))
            parameters = values if names is None else dict(zip(names, values, strict=True))
            done += connection.exec_driver_sql(text, parameters).rowcount
            start += count
        return done

    def _compile(self, count: int) -> tuple[str, list[str] | None]:
        """The statement for `count` rows, as SQLAlchemy writes it for this dialect and driver.

        Where all parameters look alike, SQLAlchemy writes a single row, and its values are repeated:
        a statement of 64 rows with 2,000 parameters takes it ten megabytes and a tenth of a second.
        """
        columns = list(self._table.columns)
        if count > 1 and self._database.dialect.paramstyle in ("qmark", "format"):
            text, _ = self._texts.get(1) or self._compile(1)
            mark = "?" if self._database.dialect.paramstyle == "qmark" else "%s"
            row = f"({', '.join([mark] * len(columns))})"
            if text.count(row) == 1:
                self._texts[count] = (text.replace(row, ", ".join([row] * count)), None)
                return self._texts[count]
        named = [
            {column.name: bindparam(f"{column.name}_{row}", type_=column.type) for column in columns}
            for row in range(count)
        ]
        statement = self._conflict(self._database.insert(self._table).values(named))
        compiled = statement.compile(dialect=self._database.dialect)
        order = [parameter.key for row in named for parameter in row.values()]
        if compiled.positional and compiled.positiontup != order:
            raise AssertionError(f"`{self._table.name}` is not compiled in column order")
        self._texts[count] = (str(compiled), None if compiled.positional else order)
        return self._texts[count]


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Turn errors of an unusable database into `StoreUnavailable`."""
    try:
        yield
    except (exc.IntegrityError, exc.DataError, exc.ProgrammingError, exc.NotSupportedError):
        raise
    except (exc.DBAPIError, exc.TimeoutError, sqlite3.Error, OSError) as error:
        reason = getattr(error, "orig", None) or error
        raised = StoreBusy if _is_busy(reason) else StoreUnavailable
        raise raised(
            f"the database cannot be used: {reason}; check `/readyz` and the database's own log"
        ) from error


def _is_busy(reason: BaseException) -> bool:
    """Whether only somebody else's lock was in the way (sqlite.org/rescode.html, "SQLITE_BUSY" and its
    extended codes; on PostgreSQL `lock_not_available`, "Appendix A. PostgreSQL Error Codes"). Both read
    2026-11-22.
    """
    code = getattr(reason, "sqlite_errorcode", None)
    if isinstance(code, int):
        return code & 0xFF == sqlite3.SQLITE_BUSY
    return getattr(reason, "sqlstate", None) == "55P03"


def _insert_of(kind: str) -> Callable[[Table], Any]:
    """The dialect's own insert. Only the dialect in use is imported: the other takes 2 MiB."""
    if kind == "sqlite":
        from sqlalchemy.dialects import sqlite

        return sqlite.insert
    from sqlalchemy.dialects import postgresql

    speak_postgresql()
    return postgresql.insert


def _prepare(kind: str, busy_ms: int, *more: str) -> Callable[[Any, Any], None]:
    statements = (*(_SQLITE_PRAGMAS if kind == "sqlite" else _POSTGRESQL_SETTINGS), *more)

    def connected(connection: Any, _record: Any) -> None:
        if kind == "sqlite":
            connection.isolation_level = None
        cursor = connection.cursor()
        for statement in statements:
            cursor.execute(statement.format(busy_ms=busy_ms))
        cursor.close()
        if kind != "sqlite":
            connection.commit()

    return connected


def _begin_with(busy_ms: int) -> Callable[[Connection], None]:
    def begin(connection: Connection) -> None:
        if not connection.get_execution_options().get(_WRITE, False):
            connection.exec_driver_sql("BEGIN")
            return
        raw = connection.connection.driver_connection
        if raw is None:
            raise StoreUnavailable("the database connection was lost; see `/readyz` and try again")
        raw.execute(f"PRAGMA busy_timeout={_LOOK_MS}")
        give_up = time.monotonic() + busy_ms / 1_000
        while True:
            try:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            except exc.OperationalError as error:
                if getattr(error.orig, "sqlite_errorcode", None) != sqlite3.SQLITE_BUSY:
                    raise
                if time.monotonic() >= give_up:
                    raise
            else:
                break
        raw.execute(f"PRAGMA busy_timeout={busy_ms}")

    return begin


def _create_private(path: Path) -> None:
    """Make a new SQLite file readable by its owner alone (its `-wal` and `-shm` inherit the mode)."""
    with contextlib.suppress(OSError):  # a missing directory is reported by the connection
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
