"""Bringing the database to this version's tables.

version table says HEAD   nothing to do, and Alembic is not even imported (it costs 0.2 s of a start)
an empty database         all tables at once, stamped HEAD: the same a migration from nothing makes (tested)
anything older            Alembic runs the steps in `migrations/versions/`
an unknown version        `SchemaMismatch`: a newer Passerelle has been here
"""

import contextlib
from pathlib import Path

from sqlalchemy import Column, Connection, MetaData, Table, Text, inspect, select

from passerelle.store.database import Database
from passerelle.store.errors import SchemaMismatch
from passerelle.store.files import locked
from passerelle.store.schema import metadata

HEAD = "0011"
"""The newest step in `migrations/versions/`."""

_version_table = Table("alembic_version", MetaData(), Column("version_num", Text, primary_key=True))


def migrate(database: Database, data_dir: Path) -> None:
    """Make the tables be those of this version. Raises `StoreUnavailable`, `SchemaMismatch`.

    Processes of one machine take turns. Two machines that both find PostgreSQL empty: the one that comes
    second fails on the first table, looks again, and finds the work done.
    """
    with database.read() as connection:
        if _version(connection) == HEAD:
            return
    with locked(data_dir / "migrate.lock"):
        try:
            with database.write() as connection:
                _bring_up(connection)
        except SchemaMismatch:
            raise
        except Exception:
            # Databases differ in what they say of a table that is there; whether the work is done counts.
            with contextlib.suppress(Exception), database.read() as connection:
                if _version(connection) == HEAD:
                    return
            raise


def _bring_up(connection: Connection) -> None:
    version = _version(connection)
    if version == HEAD:
        return
    if version is None and not inspect(connection).has_table("organisation"):
        metadata.create_all(connection, checkfirst=False)
        _version_table.create(connection)
        connection.execute(_version_table.insert().values(version_num=HEAD))
        return
    upgrade(connection, version)


def upgrade(connection: Connection, version: str | None, *, to: str = "head") -> None:
    """Run every step after `version` (None: all of them) up to `to`."""
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    if version is not None:
        try:
            ScriptDirectory.from_config(config).get_revision(version)
        except CommandError:
            raise SchemaMismatch(
                f"the database is at version `{version}` and this Passerelle knows only up to `{HEAD}`; "
                "start the newer version again, or restore a backup"
            ) from None
    command.upgrade(config, to)


def _version(connection: Connection) -> str | None:
    if not inspect(connection).has_table(_version_table.name):
        return None
    return connection.scalar(select(_version_table.c.version_num))
