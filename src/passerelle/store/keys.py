"""API keys: made, listed, revoked. Recognising one on a request is `identity.py`."""

import os
from collections.abc import Callable

import msgspec
from sqlalchemy import select, update

from passerelle.core.clock import Clock, mint
from passerelle.core.mac import Mac
from passerelle.core.principal import Key, Rights, Role
from passerelle.store import audit, changes, token
from passerelle.store.budgeting import insert_budget
from passerelle.store.database import Database
from passerelle.store.directory import KeyRow
from passerelle.store.identity import KEY_PREFIX
from passerelle.store.schema import api_key, project
from passerelle.store.values import Budget

_COLUMNS = [
    api_key.c[name]
    for name in (
        "org_id", "key_id", "workspace_id", "project_id", "name", "role", "env", "digest", "rights",
        "created_at_ns", "expires_at_ns", "revoked_at_ns",
    )
]  # fmt: skip


class Keys:
    """Management of keys. Every method names the organisation; what is another's does not exist for it."""

    def __init__(
        self, database: Database, clock: Clock, pepper: bytes, changed: Callable[[], object]
    ) -> None:
        self._database = database
        self._clock = clock
        self._mac = Mac(pepper)
        self._changed = changed

    def create(
        self,
        org_id: str,
        project_id: str,
        *,
        name: str,
        actor: str,
        role: Role = "member",
        rights: Rights | None = None,
        env: token.Env = "live",
        expires_at_ns: int | None = None,
        budget_nanos: int | None = None,
    ) -> tuple[Key, str]:
        """A fresh key and its token, which is shown now and never again: only a digest of it is kept.

        `budget_nanos` is what it may spend a month, in nanos of US dollars: made in the same transaction, so
        that no worker ever knows the key without it.

        Raises `LookupError` when the organisation has no such project, `StoreUnavailable`.
        """
        public, text = token.issue(env, os.urandom)
        parsed = token.parse(text)
        if parsed is None:
            raise AssertionError("an issued token must parse")
        with self._database.write() as connection:
            workspace_id = connection.scalar(
                select(project.c.workspace_id).where(
                    project.c.org_id == org_id,
                    project.c.project_id == project_id,
                    project.c.disabled_at_ns.is_(None),
                )
            )
            if workspace_id is None:
                raise LookupError(f"organisation `{org_id}` has no project `{project_id}`; create it first")
            key = Key(
                id=KEY_PREFIX + public,
                org_id=org_id,
                workspace_id=workspace_id,
                project_id=project_id,
                name=name,
                role=role,
                digest=token.digest(self._mac, parsed.secret),
                created_at_ns=self._clock.unix_ns(),
                rights=rights or Rights(),
                expires_at_ns=expires_at_ns,
            )
            connection.execute(
                api_key.insert().values(
                    org_id=org_id,
                    key_id=key.id,
                    workspace_id=workspace_id,
                    project_id=project_id,
                    name=name,
                    role=role,
                    env=env,
                    digest=key.digest,
                    rights=msgspec.json.encode(key.rights).decode(),
                    created_at_ns=key.created_at_ns,
                    expires_at_ns=expires_at_ns,
                    revoked_at_ns=None,
                    revision=changes.stamp(self._database, connection),
                )
            )
            audit.write(
                connection,
                self._clock,
                org_id=org_id,
                actor=actor,
                action="key.created",
                target=key.id,
                after=_shown(key),
            )
            if budget_nanos is not None:
                budget = Budget(
                    mint("bud"), org_id, "key", key.id, f"key {name}", budget_nanos, "USD", "month"
                )
                insert_budget(self._database, connection, self._clock, budget, actor)
        self._changed()
        return key, text

    def revoke(self, org_id: str, key_id: str, *, actor: str) -> Key | None:
        """End a key now, everywhere within a second; None when the organisation has none of that id.

        Revoking again changes nothing.
        """
        with self._database.write() as connection:
            row = connection.execute(
                select(*_COLUMNS)
                .where(api_key.c.org_id == org_id, api_key.c.key_id == key_id)
                .with_for_update()
            ).one_or_none()
            if row is None:
                return None
            before = KeyRow(*row).key()
            if before.revoked_at_ns is not None:
                return before
            after = msgspec.structs.replace(before, revoked_at_ns=self._clock.unix_ns())
            connection.execute(
                update(api_key)
                .where(api_key.c.org_id == org_id, api_key.c.key_id == key_id)
                .values(revoked_at_ns=after.revoked_at_ns, revision=changes.stamp(self._database, connection))
            )
            audit.write(
                connection,
                self._clock,
                org_id=org_id,
                actor=actor,
                action="key.revoked",
                target=key_id,
                before=_shown(before),
                after=_shown(after),
            )
        self._changed()
        return after

    def list(self, org_id: str, *, project_id: str | None = None) -> tuple[Key, ...]:
        """The organisation's keys, revoked ones included, oldest first."""
        query = select(*_COLUMNS).where(api_key.c.org_id == org_id)
        if project_id is not None:
            query = query.where(api_key.c.project_id == project_id)
        with self._database.read() as connection:
            rows = connection.execute(query.order_by(api_key.c.created_at_ns, api_key.c.key_id)).all()
        return tuple(KeyRow(*row).key() for row in rows)

    def get(self, org_id: str, key_id: str) -> Key | None:
        """One key."""
        query = select(*_COLUMNS).where(api_key.c.org_id == org_id, api_key.c.key_id == key_id)
        with self._database.read() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else KeyRow(*row).key()


def _shown(key: Key) -> dict[str, object]:
    """A key as the audit shows it: without its digest."""
    shown = msgspec.structs.asdict(key)
    del shown["digest"]
    return shown
