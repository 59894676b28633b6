"""Tables: the same from nothing, by steps, and on either database; nothing to do costs nothing."""

import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import select
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex, CreateTable
from tests.store.world import Tenant, a_settlement, a_tenant, an_intent, sql

import passerelle.store.migrate as migration
from passerelle.core.ids import same
from passerelle.ledger import receipts
from passerelle.store import SchemaMismatch, Store, check_signature, default_url
from passerelle.store.database import Bulk, Database
from passerelle.store.migrate import HEAD, migrate, upgrade
from passerelle.store.rows import add_to_sums
from passerelle.store.schema import metadata, usage_hour

Opener = Callable[..., Store]


def shape(path: Path) -> list[tuple[str, ...]]:
    """Every table, column, key and index there is, however its SQL was spelled."""
    found: list[tuple[str, ...]] = []
    for (name,) in sql(path, "select name from sqlite_master where type = 'table' order by 1"):
        if name == "alembic_version":
            continue
        (text,) = sql(path, "select sql from sqlite_master where name = ?", name)[0]
        found.append((name, "without rowid" if "WITHOUT ROWID" in text.upper() else ""))
        for query in ("table_xinfo", "foreign_key_list"):
            found += [(name, query, *map(str, row)) for row in sql(path, f"pragma {query}('{name}')")]
        for row in sorted(sql(path, f"pragma index_list('{name}')"), key=lambda row: row[1]):
            columns = sql(path, f"pragma index_info('{row[1]}')")
            found.append((name, "index", *map(str, row[1:]), *map(str, columns)))
    return found


def test_the_steps_and_the_shortcut_make_the_same_tables(tmp_path: Path) -> None:
    at_once, by_steps = tmp_path / "once", tmp_path / "steps"
    for path in (at_once, by_steps):
        path.mkdir()
    database = Database(default_url(at_once))
    migrate(database, at_once)
    database.close()
    database = Database(default_url(by_steps))
    with database.write() as connection:
        upgrade(connection, None)
    with database.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    migrate(database, by_steps)
    database.close()
    assert shape(at_once) == shape(by_steps)
    assert len(shape(at_once)) > 200
    for path in (at_once, by_steps):
        assert sql(path, "select version_num from alembic_version") == [(HEAD,)]


def test_head_is_the_newest_step() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migration.__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    assert ScriptDirectory.from_config(config).get_heads() == [HEAD]


def test_a_database_at_head_is_opened_without_importing_alembic(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from passerelle.store import default_url, open_store;"
        f"path = Path({str(tmp_path)!r}); open_store(default_url(path), path).close();"
        "sys.exit('alembic' in sys.modules or 'sqlalchemy.orm' in sys.modules)"
    )
    for _ in range(2):  # from nothing, and at head
        subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_importing_the_store_imports_neither_the_database_nor_cryptography() -> None:
    program = (
        "import sys, passerelle.store;"
        "sys.exit(any(name in sys.modules for name in ('sqlalchemy', 'cryptography', 'alembic')))"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_a_database_of_a_newer_version_is_refused_and_left_alone(opened: Opener, tmp_path: Path) -> None:
    store = opened()
    a_tenant(store)
    with store._database.write() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    store.close()
    with pytest.raises(SchemaMismatch, match="9999"):
        opened(worker="w1")
    assert sql(tmp_path, "select version_num from alembic_version") == [("9999",)]


def test_a_failed_step_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database = Database(default_url(tmp_path))
    broken = metadata.tables["outcome"]

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("power cut")

    with monkeypatch.context() as cut:
        cut.setattr(migration._version_table, "create", fail)
        with pytest.raises(RuntimeError):
            migrate(database, tmp_path)
    assert sql(tmp_path, "select count(*) from sqlite_master where name = 'outcome'") == [(0,)]
    migrate(database, tmp_path)
    with database.read() as connection:
        assert connection.execute(select(broken)).all() == []
    database.close()


def test_processes_that_start_together_make_the_tables_once(tmp_path: Path) -> None:
    errors: list[BaseException] = []

    def start() -> None:
        database = Database(default_url(tmp_path))
        try:
            migrate(database, tmp_path)
        except BaseException as error:
            errors.append(error)
        finally:
            database.close()

    threads = [threading.Thread(target=start) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert sql(tmp_path, "select version_num from alembic_version") == [(HEAD,)]


def test_opening_again_changes_no_table_and_no_row(opened: Opener, tmp_path: Path) -> None:
    store = opened()
    tenant = a_tenant(store)
    store.close()
    before = shape(tmp_path)
    again = opened(worker="w1")
    assert again.keys.get(tenant.org_id, tenant.key_id) is not None
    assert shape(tmp_path) == before


# --- PostgreSQL: the same tables and statements, as its dialect writes them


def test_every_table_and_index_has_a_postgresql_form() -> None:
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    for table in metadata.sorted_tables:
        text = str(CreateTable(table).compile(dialect=dialect))
        assert "BYTEA" in text or "BLOB" not in text
        assert "ROWID" not in text
        for index in table.indexes:
            assert str(CreateIndex(index).compile(dialect=dialect))
            assert len(index.name or "") <= 63, "PostgreSQL cuts longer names"


class Compiled:
    """Stands where a PostgreSQL database would: gives its dialect and keeps what it is told."""

    def __init__(self, paramstyle: str) -> None:
        self.kind = "postgresql"
        self.dialect = postgresql.dialect(paramstyle=paramstyle)  # type: ignore[no-untyped-call]
        self.executed: list[tuple[str, object]] = []
        self.rowcount = 1

    insert = staticmethod(postgresql.insert)

    def exec_driver_sql(self, text: str, parameters: object) -> "Compiled":
        self.executed.append((text, parameters))
        return self


@pytest.mark.parametrize("style", ["pyformat", "format", "numeric_dollar"])
def test_bulk_inserts_are_idempotent_postgresql_statements(style: str) -> None:
    database = Compiled(style)
    for table in metadata.sorted_tables:
        rows = [tuple(range(len(table.columns)))] * 35
        Bulk(database, table).run(database, rows)  # type: ignore[arg-type]
    texts = [text for text, _ in database.executed]
    assert all("ON CONFLICT DO NOTHING" in text for text in texts)
    for text, parameters in database.executed:
        placeholders = (
            text.count("%(") if style == "pyformat" else text.count("%s" if style == "format" else "$")
        )
        assert placeholders == len(parameters)  # type: ignore[arg-type]


def test_hourly_sums_are_added_to_in_postgresql_as_well() -> None:
    database = Compiled("pyformat")
    Bulk(database, usage_hour, add_to_sums(usage_hour)).run(database, [tuple(range(len(usage_hour.columns)))])  # type: ignore[arg-type]
    ((text, _),) = database.executed
    assert "ON CONFLICT (org_id, hour" in text
    assert "amount_nanos = (usage_hour.amount_nanos + excluded.amount_nanos)" in text


def test_another_kind_of_database_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="mysql"):
        Database("mysql://localhost/x")


# --- what a step does to the rows that are there


def test_receipts_kept_by_version_0001_are_found_and_verify(tmp_path: Path, opened: Opener) -> None:
    key = Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes_raw()
    tenant = Tenant("org_1", "wsp_1", "prj_1", "key_1", "")
    kept = [a_settlement(an_intent(tenant)).receipt for _ in range(3)]
    named = msgspec.structs.replace(kept[1], request_id="the-callers-own")
    ours = msgspec.structs.replace(kept[2], request_id=same("req", kept[2].id))
    found = [kept[0], named, ours]
    bodies = [receipts.body(one) for one in found]
    batch = receipts.seal(bodies, key.sign, receipts.key_id(public))
    database = Database(default_url(tmp_path))
    with database.write() as connection:
        upgrade(connection, None, to="0001")

        def put(table: str, *values: object) -> None:
            marks = ", ".join("?" * len(values))
            connection.exec_driver_sql(f"INSERT INTO {table} VALUES ({marks})", values)

        put("signing_batch", "org_1", "grp_1", batch.signer, 3, batch.root, batch.signature, 1)
        for leaf, (one, body) in enumerate(zip(found, bodies, strict=True)):
            put("outcome", "org_1", one.id, one.request_id, 1, "answered", None, 1, "w", "grp_1")
            put(
                "receipt", "org_1", one.id, one.request_id, "prj_1", "key_1", 1, body.decode(), "grp_1",
                leaf, b"",
            )  # fmt: skip
        put("outcome", "org_1", "rcp_lost", "req_lost", 1, "unknown", None, 1, "w", "grp_2")
    database.close()

    store = opened()

    assert sql(tmp_path, "select version_num from alembic_version") == [(HEAD,)]
    listed = store.receipts.list("org_1", key_id="key_1", project_id="prj_1")
    assert sorted(one.body.encode() for one in listed) == sorted(bodies)
    assert all(receipts.verify(one, public, check_signature) for one in listed)
    for one in found:
        by_request = store.receipts.by_request("org_1", one.request_id)
        assert by_request is not None
        assert by_request == store.receipts.get("org_1", one.id)
        assert receipts.read(by_request) == one
    assert sql(tmp_path, "select receipt_id, leaf from outcome where outcome = 'unknown'") == [
        ("rcp_lost", None)
    ]
    assert store.receipts.get("org_1", "rcp_lost") is None
