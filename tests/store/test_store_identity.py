"""Recognising keys: from memory, at once, everywhere within a second, and while the database is down."""

import contextlib
import os
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event
from tests.store.world import SECOND, StillClock, Tenant, a_budget, a_tenant, an_intent, open_at

from passerelle.core.clock import SystemClock
from passerelle.core.principal import Rights
from passerelle.store import KeyEntry, Store, StoreUnavailable, identity, open_store, token
from passerelle.store.poller import POLL_S
from passerelle.store.schema import api_key

Opener = Callable[..., Store]


def until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    """Wait for something another thread does."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.005)


def entry(store: Store, text: str) -> KeyEntry:
    found = store.identity.authenticate(text)
    assert found is not None
    return found


def test_a_key_is_recognised_with_its_whole_ancestry(store: Store) -> None:
    tenant = a_tenant(store)
    found = entry(store, tenant.token)
    principal = found.principal
    assert found.state == "active"
    assert (principal.org_id, principal.workspace_id, principal.project_id, principal.key_id) == tenant[:4]
    assert (principal.role, principal.key_name) == ("member", "acme key")
    assert "model:call" in principal.permissions
    assert principal.tenant == tenant.org_id


def test_a_wrong_secret_a_wrong_id_and_a_wrong_environment_are_nobody(store: Store) -> None:
    tenant = a_tenant(store)
    public = tenant.key_id.removeprefix("key_")
    _, stranger = token.issue("live", os.urandom)
    swapped = stranger.replace(stranger[9:21], public)
    for text in (stranger, resealed(swapped), resealed(tenant.token.replace("live", "test"))):
        assert token.parse(text) is not None, "well-formed, so that the digest decides"
        assert store.identity.authenticate(text) is None


def resealed(text: str) -> str:
    """The text with a checksum that fits."""
    head = text[: -token.CHECKSUM_LENGTH]
    return head + token._checksum(head)


def test_a_revoked_key_is_known_as_revoked_and_only_with_its_secret(store: Store) -> None:
    tenant = a_tenant(store)
    revoked = store.keys.revoke(tenant.org_id, tenant.key_id, actor="cli:test")
    assert revoked is not None
    assert revoked.revoked_at_ns is not None
    assert entry(store, tenant.token).state == "revoked"
    assert store.keys.revoke(tenant.org_id, tenant.key_id, actor="cli:test") == revoked


def test_a_key_expires_to_the_nanosecond(store: Store, clock: StillClock) -> None:
    tenant = a_tenant(store)
    ends = clock.now_ns + 60 * SECOND
    _, text = store.keys.create(
        tenant.org_id, tenant.project_id, name="short", actor="cli:test", expires_at_ns=ends
    )
    clock.now_ns = ends - 1
    assert entry(store, text).state == "active"
    clock.now_ns = ends
    assert entry(store, text).state == "expired"


@pytest.mark.parametrize("kind", ["organisation", "workspace", "project"])
def test_switching_an_ancestor_off_switches_its_keys_off_and_on_again(store: Store, kind: str) -> None:
    tenant = a_tenant(store)
    node = {
        "organisation": tenant.org_id,
        "workspace": tenant.workspace_id,
        "project": tenant.project_id,
    }[kind]
    for disabled, state in ((True, "revoked"), (False, "active")):
        assert store.tenants.change(kind, tenant.org_id, node, actor="cli:test", disabled=disabled)  # type: ignore[arg-type]
        assert entry(store, tenant.token).state == state


def test_rights_of_all_levels_meet_in_the_principal(store: Store) -> None:
    tenant = a_tenant(store)
    store.tenants.change(
        "organisation", tenant.org_id, tenant.org_id, actor="cli:test",
        rights=Rights(models=("gpt-*",), requests_per_minute=100, data_class="internal"),
    )  # fmt: skip
    store.tenants.change(
        "project", tenant.org_id, tenant.project_id, actor="cli:test",
        rights=Rights(models=("*-mini",), requests_per_minute=500, audit="required"),
    )  # fmt: skip
    principal = entry(store, tenant.token).principal
    assert principal.model_patterns == (("gpt-*",), ("*-mini",))
    assert principal.rights.requests_per_minute == 100
    assert principal.rights.audit == "required"
    assert principal.rights.data_class == "internal"


def test_a_key_draws_on_the_budgets_of_all_its_ancestors_and_no_others(store: Store) -> None:
    tenant, other = a_tenant(store, "acme"), a_tenant(store, "other")
    a_budget(store, other)
    expected = []
    for scope, node in (
        ("organisation", tenant.org_id),
        ("workspace", tenant.workspace_id),
        ("project", tenant.project_id),
        ("key", tenant.key_id),
    ):
        made = store.tenants.create_budget(
            tenant.org_id,
            scope,
            node,
            name=scope,
            limit_nanos=5,
            actor="cli:test",  # type: ignore[arg-type]
        )
        expected.append(made.id)
    assert entry(store, tenant.token).principal.budgets == tuple(sorted(expected))
    store.tenants.change_budget(tenant.org_id, expected[0], actor="cli:test", disabled=True)
    assert entry(store, tenant.token).principal.budgets == tuple(sorted(expected[1:]))


def test_a_change_by_another_process_is_known_within_a_second(opened: Opener) -> None:
    here, there = opened(worker="w1"), opened(worker="w2")
    tenant = a_tenant(there)
    assert POLL_S < 1.0  # it is known at the next look
    until(lambda: here.identity.authenticate(tenant.token) is not None)
    there.keys.revoke(tenant.org_id, tenant.key_id, actor="cli:test")
    until(lambda: entry(here, tenant.token).state == "revoked")
    assert here.identity.revision == there.identity.revision


def test_authenticating_reads_no_database(store: Store) -> None:
    tenant = a_tenant(store)
    store._poller.stop(10)
    statements: list[str] = []

    def note(*args: Any) -> None:
        if threading.current_thread().name != "passerelle-writer":  # which looks whether it could write
            statements.append(args[2])

    for engine in store._database._engines:
        event.listen(engine, "before_cursor_execute", note)
    before = store.journal.backlog
    for _ in range(50):
        assert store.identity.authenticate(tenant.token) is not None
    assert statements == []
    assert store.journal.backlog == before


def test_nothing_secret_shows_in_a_representation(store: Store) -> None:
    tenant = a_tenant(store)
    found = entry(store, tenant.token)
    secret = tenant.token[22:]
    for shown in (repr(found), str(found), repr(store.identity), repr(store.keys)):
        assert secret not in shown
        assert found.key.digest.hex() not in shown
        assert repr(found.key.digest) not in shown


# --- the sealed copy: a restart while the database is down


@pytest.fixture
def stricken(tmp_path: Path, clock: StillClock) -> tuple[Path, str, str]:
    """A directory whose database cannot be opened; a good token and a revoked one of its past."""
    store = open_at(tmp_path, clock)
    tenant = a_tenant(store)
    gone, lost = store.keys.create(tenant.org_id, tenant.project_id, name="gone", actor="cli:test")
    store.keys.revoke(tenant.org_id, gone.id, actor="cli:test")
    store.close()
    for path in tmp_path.glob("passerelle.db*"):
        path.rename(path.with_name("away-" + path.name))
    (tmp_path / "passerelle.db").mkdir()
    return tmp_path, tenant.token, lost


def test_with_the_database_down_a_restart_still_recognises_keys(
    stricken: tuple[Path, str, str], opened: Opener
) -> None:
    _, good, revoked = stricken
    store = opened()
    assert entry(store, good).state == "active"
    assert entry(store, revoked).state == "revoked"
    assert store.identity.authenticate(token.issue("live", os.urandom)[1]) is None
    until(lambda: not store.health()["ok"])


def test_a_degraded_start_heals_when_the_database_returns(
    stricken: tuple[Path, str, str], opened: Opener
) -> None:
    path, good, _ = stricken
    store = opened()
    who = entry(store, good).principal
    tenant = Tenant(who.org_id, who.workspace_id, who.project_id, who.key_id, good)
    intent = an_intent(tenant)
    store.journal.intent(intent)
    (path / "passerelle.db").rmdir()
    for file in path.glob("away-*"):
        file.rename(file.with_name(file.name.removeprefix("away-")))

    def told() -> bool:
        with contextlib.suppress(StoreUnavailable):
            return store.audit.open_intents(tenant.org_id, before_ns=2**62) == (intent,)
        return False

    until(told)
    until(lambda: bool(store.health()["ok"]))


def test_without_database_and_copy_opening_is_refused(
    stricken: tuple[Path, str, str], opened: Opener
) -> None:
    path, _, _ = stricken
    (path / "identity.snapshot").unlink()
    with pytest.raises(StoreUnavailable):
        opened()


@pytest.mark.parametrize("how", ["flip", "cut", "empty", "foreign pepper"])
def test_a_copy_that_is_not_ours_to_the_byte_is_not_believed(
    stricken: tuple[Path, str, str], opened: Opener, how: str
) -> None:
    path, _, _ = stricken
    copy = path / "identity.snapshot"
    text = bytearray(copy.read_bytes())
    if how == "flip":
        text[len(text) // 2] ^= 1
    elif how == "cut":
        del text[-1]
    elif how == "empty":
        text.clear()
    else:
        (path / "keys" / "pepper").write_bytes(os.urandom(32))
    copy.write_bytes(bytes(text))
    with pytest.raises(StoreUnavailable):
        opened()


def test_the_copy_belongs_to_one_database(stricken: tuple[Path, str, str]) -> None:
    path, _, _ = stricken
    with pytest.raises(StoreUnavailable):
        open_store(f"sqlite:///{path}/missing/other.db", path, clock=StillClock(), worker="w")


def test_the_copy_is_private_holds_no_secret_and_follows_every_change(store: Store, tmp_path: Path) -> None:
    tenant = a_tenant(store)
    copy = tmp_path / "identity.snapshot"
    assert copy.stat().st_mode & 0o777 == 0o600
    before = copy.read_bytes()
    assert tenant.token.encode()[22:] not in before
    store.keys.revoke(tenant.org_id, tenant.key_id, actor="cli:test")
    assert copy.read_bytes() != before


def test_a_copy_that_cannot_be_replaced_is_removed_rather_than_left_stale(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant = a_tenant(store)

    def full(*_: object, **__: object) -> None:
        raise OSError("disk full")

    with monkeypatch.context() as disk:
        disk.setattr(identity, "replace", full)
        store.keys.revoke(tenant.org_id, tenant.key_id, actor="cli:test")
    assert not (tmp_path / "identity.snapshot").exists()


def test_keys_survive_losing_the_database_file_only_with_a_backup(tmp_path: Path) -> None:
    """A fresh database does not inherit keys from the copy: it belongs to a revision it never had."""
    store = open_at(tmp_path)
    tenant = a_tenant(store)
    store.close()
    for path in tmp_path.glob("passerelle.db*"):
        path.unlink()
    again = open_at(tmp_path)
    try:
        assert again.identity.authenticate(tenant.token) is None
    finally:
        again.close()
    (tmp_path / "passerelle.db").unlink()
    (tmp_path / "passerelle.db").mkdir()
    without = open_at(tmp_path)
    try:
        assert without.identity.authenticate(tenant.token) is None, "the old database's copy is gone"
    finally:
        without.close()


@pytest.mark.parametrize("count", [3_000])
def test_many_keys_are_loaded_and_found(tmp_path: Path, count: int) -> None:
    store = open_at(tmp_path, SystemClock())
    tenant = a_tenant(store)
    with store._database.write() as connection:
        connection.execute(
            api_key.insert(),
            [
                {
                    "org_id": tenant.org_id, "key_id": f"key_{index:012d}",
                    "workspace_id": tenant.workspace_id, "project_id": tenant.project_id,
                    "name": "n", "role": "member", "env": "live", "digest": bytes(32), "rights": "{}",
                    "created_at_ns": 0, "expires_at_ns": None, "revoked_at_ns": None, "revision": 1,
                }
                for index in range(count)
            ],
        )  # fmt: skip
    store.close()
    again = open_at(tmp_path, SystemClock())
    try:
        assert again.identity.key_count == count + 1
        assert again.identity.authenticate(tenant.token) is not None
    finally:
        again.close()


def test_a_database_restored_from_a_backup_is_read_anew(opened: Opener, tmp_path: Path) -> None:
    """What was made since does not exist any more; a copy of it must not come back either."""
    store = opened()
    tenant = a_tenant(store)
    store.close()
    shutil.copy(tmp_path / "passerelle.db", tmp_path / "backup.db")
    here = opened(worker="w1")
    _, later = here.keys.create(tenant.org_id, tenant.project_id, name="later", actor="cli:test")
    assert here.identity.authenticate(later) is not None
    source = sqlite3.connect(tmp_path / "backup.db")
    target = sqlite3.connect(tmp_path / "passerelle.db", timeout=10)
    source.backup(target)
    source.close()
    target.close()
    until(lambda: here.identity.authenticate(later) is None)
    assert entry(here, tenant.token).state == "active"
