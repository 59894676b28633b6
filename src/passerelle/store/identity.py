"""Who is who, in memory: keys and their ancestors, so that no request waits for a database.

The tenancy tree is one immutable `Directory`, swapped when anything in it changes. Every change in any
process raises a counter in the database (`meta.identity`) and stamps the rows it touched; `refresh`
(called every 250 ms) reads the counter and then only the rows stamped since. What a key may do is worked
out when it is first used and remembered until something it depends on changes.

A sealed copy lies in `identity.snapshot` (mode 0600, HMAC under the pepper), so that a restart while the
database is down still recognises keys. It is replaced at every change; there is no secret in it, only
digests.
"""

import hmac
import struct
import threading
from collections.abc import Callable, Iterable
from hashlib import sha256
from pathlib import Path

import msgspec

from passerelle.core.clock import Clock
from passerelle.core.mac import Mac
from passerelle.core.principal import Organisation, Project, Workspace
from passerelle.store import token
from passerelle.store.directory import NOTHING, Changes, Directory, Node, read_rights
from passerelle.store.errors import StoreUnavailable
from passerelle.store.files import locked, replace
from passerelle.store.values import Budget, KeyEntry

KEY_PREFIX = "key_"
"""A key's id is this and the public part of its token."""

_NOBODY = bytes(32)
"""Compared against when the id is unknown, so that an answer takes as long as for a known one."""

_REMEMBERED = 100_000
"""Tokens whose proof is remembered at most."""

_SEAL_SIZE = 32
_HEAD = struct.Struct(">qq")
"""Of the sealed copy: which database, and its revision."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Changes).decode


class Identity:
    """The current directory, and authentication against it. Any thread may call it."""

    def __init__(
        self,
        pepper: bytes,
        clock: Clock,
        snapshot: Path,
        database_id: str,
        read: Callable[[int, int], Changes | None],
        on_budgets: Callable[[Iterable[str]], None] = lambda changed: None,
    ) -> None:
        self._pepper = pepper
        self._mac = Mac(pepper)
        self._clock = clock
        self._snapshot = snapshot
        self._database_id = database_id
        self._read = read
        self._on_budgets = on_budgets
        self._directory = NOTHING
        self._refreshing = threading.Lock()
        self._written = (-1, -1)

    # --- the hot path

    def authenticate(self, text: str) -> KeyEntry | None:
        """The key whose token this is, whatever its state; None for anything else. Reads no database.

        Raises `StoreUnavailable` only when no key was ever loaded: not knowing is never a refusal.
        """
        directory = self._directory
        # A proof holds as long as nothing changes; what is kept of the token is its digest.
        fingerprint = sha256(text.encode("utf-8", "surrogatepass")).digest()
        entry = directory.proven.get(fingerprint)
        if entry is None:
            entry = self._prove(directory, text)
            if entry is None:
                return None
            if len(directory.proven) >= _REMEMBERED:
                directory.proven.clear()
            directory.proven[fingerprint] = entry
        expires = entry.key.expires_at_ns
        if expires is not None and entry.state == "active" and self._clock.unix_ns() >= expires:
            return KeyEntry(entry.key, entry.principal, "expired")
        return entry

    def _prove(self, directory: Directory, text: str) -> KeyEntry | None:
        parsed = token.parse(text)
        if parsed is None:
            return None
        entry = directory.entry(KEY_PREFIX + parsed.id)
        digest = token.digest(self._mac, parsed.secret)
        if not hmac.compare_digest(digest, _NOBODY if entry is None else entry.key.digest):
            if directory is NOTHING:
                raise StoreUnavailable("no key is known because the database was never read; see `/readyz`")
            return None
        if entry is None or directory.keys[entry.key.id].env != parsed.env:
            return None
        return entry

    # --- look-ups

    @property
    def revision(self) -> int:
        """The revision in force; -1 before the first load."""
        return self._directory.revision

    @property
    def key_count(self) -> int:
        """How many keys are known, revoked ones included."""
        return len(self._directory.keys)

    def entry(self, key_id: str) -> KeyEntry | None:
        """A key by its id, for work done in its name while nobody waits; `state` says whether it may."""
        entry = self._directory.entry(key_id)
        if entry is None or entry.state != "active" or entry.key.expires_at_ns is None:
            return entry
        expired = self._clock.unix_ns() >= entry.key.expires_at_ns
        return KeyEntry(entry.key, entry.principal, "expired") if expired else entry

    def budget(self, budget_id: str) -> Budget | None:
        """An enabled budget, of whichever organisation."""
        entry = self._directory.budgets.get(budget_id)
        return None if entry is None or entry.disabled else entry.budget

    def organisation(self, org_id: str) -> Organisation | None:
        """An organisation, unless it is disabled."""
        node = self._directory.organisations.get(org_id)
        return None if node is None or node.disabled else _organisation(node)

    def organisations(self) -> tuple[Organisation, ...]:
        """Every organisation that is not disabled."""
        return tuple(_organisation(n) for n in self._directory.organisations.values() if not n.disabled)

    def workspaces(self, org_id: str) -> tuple[Workspace, ...]:
        """The organisation's workspaces that are not disabled."""
        nodes = self._directory.workspaces.values()
        return tuple(
            Workspace(node.id, org_id, node.name, read_rights(node.rights))
            for node in nodes
            if node.org_id == org_id and not node.disabled
        )

    def projects(self, org_id: str) -> tuple[Project, ...]:
        """The organisation's projects that are not disabled."""
        nodes = self._directory.projects.values()
        return tuple(
            Project(node.id, org_id, node.parent_id, node.name, read_rights(node.rights))
            for node in nodes
            if node.org_id == org_id and not node.disabled
        )

    # --- keeping up

    def refresh(self) -> bool:
        """Read what changed; whether anything did. Raises `StoreUnavailable`: the old stays in force."""
        with self._refreshing:
            changes = self._read(self._directory.revision, self._directory.database)
            if changes is None:
                return False
            self._swap(changes)
            self._write_snapshot()
            return True

    def load_snapshot(self) -> bool:
        """Take over the sealed copy, because the database is down; whether there was a good one."""
        payload = self._read_snapshot()
        if payload is None:
            return False
        try:
            changes = _decode(payload[_HEAD.size :])
        except msgspec.DecodeError:  # written by another version
            return False
        with self._refreshing:
            if self._directory is NOTHING:
                self._swap(changes)
                self._written = (changes.database, changes.revision)
        return True

    def _swap(self, changes: Changes) -> None:
        first = self._directory is NOTHING
        self._directory = self._directory.after(changes)
        if changes.budgets and not first:
            self._on_budgets([entry.budget.id for entry in changes.budgets])

    def _write_snapshot(self) -> None:
        directory: Directory = self._directory
        ours = (directory.database, directory.revision)
        if ours == self._written:
            return
        try:
            with locked(self._snapshot.with_suffix(".lock")):
                database, revision = self._head_on_disk()
                if database != directory.database or revision < directory.revision:
                    payload = _HEAD.pack(*ours) + _encode(directory.copy())
                    replace(self._snapshot, self._seal(payload) + payload)
            self._written = ours
        except OSError:
            # A stale copy must not outlive a revocation; without any, a restart needs the database.
            self._snapshot.unlink(missing_ok=True)

    def _head_on_disk(self) -> tuple[int, int]:
        payload = self._read_snapshot()
        if payload is None:
            return -1, -1
        database, revision = _HEAD.unpack_from(payload)
        return database, revision

    def _read_snapshot(self) -> bytes | None:
        """The copy's payload, if there is one with a good seal."""
        try:
            sealed = self._snapshot.read_bytes()
        except OSError:
            return None
        seal, payload = sealed[:_SEAL_SIZE], sealed[_SEAL_SIZE:]
        return payload if hmac.compare_digest(seal, self._seal(payload)) else None

    def _seal(self, payload: bytes) -> bytes:
        """Binds the copy to this installation and this database."""
        key = hmac.digest(self._pepper, f"identity snapshot v1 {self._database_id}".encode(), "sha256")
        return hmac.digest(key, payload, "sha256")


def _organisation(node: Node) -> Organisation:
    return Organisation(node.id, node.name, read_rights(node.rights))
