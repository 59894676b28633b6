"""Sealing of stored content: AES-256-GCM under a key of the tenant's own.

Each organisation has a data key, wrapped under the installation's `keys/content` file and kept in
`content_key`. The additional data names tenant and receipt, so a sealed text moved to another row does
not open. Deleting an organisation's `content_key` rows makes all its content unreadable, backups of the
content included, while receipts and their proofs stay whole: they never held it.
"""

import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, delete, func, select

from passerelle.core.clock import Clock
from passerelle.store.database import Database
from passerelle.store.files import create_once, private_directory
from passerelle.store.schema import content_key

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_NAME = "content"
Keys = dict[int, "AESGCM | None"]
"""An organisation's keys by version, as one transaction found them."""
_NONCE_SIZE = 12


class Sealer:
    """Seals and opens content. Keys are cached in memory; threads may share it."""

    def __init__(self, database: Database, data_dir: Path, clock: Clock) -> None:
        self._database = database
        self._directory = data_dir / "keys"
        self._clock = clock
        self._lock = threading.Lock()
        self._keys: dict[bytes, AESGCM] = {}
        """Wrapped key → key: what a rolled-back transaction made can never be taken for a later one."""
        self._master: AESGCM | None = None

    def seal(
        self, connection: Connection, org_id: str, receipt_id: str, plain: bytes
    ) -> tuple[int, bytes, bytes]:
        """Key version, nonce and sealed bytes, under the organisation's newest key (made at first use)."""
        version, key = self.newest(connection, org_id)
        nonce = os.urandom(_NONCE_SIZE)
        return version, nonce, key.encrypt(nonce, plain, _bound_to(org_id, receipt_id))

    def newest(self, connection: Connection, org_id: str) -> "tuple[int, AESGCM]":
        """The organisation's newest key and its version; made at first use, in the caller's transaction."""
        version = connection.scalar(
            select(func.max(content_key.c.version)).where(content_key.c.org_id == org_id)
        )
        if version is None:
            version = 1
            self._make_key(connection, org_id, version)
        key = self.key(connection, org_id, version)
        if key is None:
            raise LookupError(f"content key {version} of `{org_id}` vanished")
        return version, key

    def open(
        self,
        connection: Connection,
        org_id: str,
        receipt_id: str,
        version: int,
        nonce: bytes,
        sealed: bytes,
        known: "Keys | None" = None,
    ) -> bytes | None:
        """The plain bytes; None when the organisation's key has been destroyed.

        `known` keeps the keys found in this transaction, for whoever opens many rows of one organisation.
        """
        from cryptography.exceptions import InvalidTag

        if known is None:
            key = self.key(connection, org_id, version)
        else:
            if version not in known:
                known[version] = self.key(connection, org_id, version)
            key = known[version]
        if key is None:
            return None
        try:
            return key.decrypt(nonce, sealed, _bound_to(org_id, receipt_id))
        except InvalidTag:  # a later key stands where the destroyed one was
            return None

    def destroy(self, connection: Connection, org_id: str) -> int:
        """Make everything the organisation stored unreadable, for ever; how many keys are gone."""
        with self._lock:
            self._keys.clear()
        return connection.execute(delete(content_key).where(content_key.c.org_id == org_id)).rowcount

    def _make_key(self, connection: Connection, org_id: str, version: int) -> None:
        nonce, key = os.urandom(_NONCE_SIZE), os.urandom(32)
        connection.execute(
            self._database.insert(content_key)
            .values(
                org_id=org_id,
                version=version,
                wrapped=nonce + self._wrapping().encrypt(nonce, key, _bound_to(org_id, str(version))),
                created_at_ns=self._clock.unix_ns(),
            )
            .on_conflict_do_nothing()
        )

    def key(self, connection: Connection, org_id: str, version: int) -> "AESGCM | None":
        """One of the organisation's keys; None when it has been destroyed."""
        wrapped = connection.scalar(
            select(content_key.c.wrapped).where(
                content_key.c.org_id == org_id, content_key.c.version == version
            )
        )
        if wrapped is None:
            return None
        with self._lock:
            key = self._keys.get(wrapped)
            if key is None:
                key = _aes(
                    self._wrapping().decrypt(
                        wrapped[:_NONCE_SIZE], wrapped[_NONCE_SIZE:], _bound_to(org_id, str(version))
                    )
                )
                self._keys[wrapped] = key
        return key

    def _wrapping(self) -> "AESGCM":
        if self._master is None:
            path = private_directory(self._directory) / KEY_NAME
            self._master = _aes(create_once(path, lambda: os.urandom(32)))
        return self._master


def _bound_to(org_id: str, name: str) -> bytes:
    return f"{org_id}\0{name}".encode()


def _aes(key: bytes) -> "AESGCM":
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM(key)
