"""Prompts and answers, for tenants that keep them: apart from the receipts, sealed, erasable."""

from typing import Any

import msgspec
from sqlalchemy import delete, select

from passerelle.core.clock import Clock
from passerelle.store import audit
from passerelle.store.database import Database
from passerelle.store.schema import content
from passerelle.store.sealing import Sealer


class Contents:
    """Reading and erasing content. Every method names its organisation."""

    def __init__(self, database: Database, sealer: Sealer, clock: Clock) -> None:
        self._database = database
        self._sealer = sealer
        self._clock = clock

    def get(self, org_id: str, receipt_id: str) -> Any | None:
        """What was said, as it was settled; None when it was not kept, or has been erased."""
        column = content.c
        query = select(column.key_version, column.nonce, column.body).where(
            column.org_id == org_id, column.receipt_id == receipt_id
        )
        with self._database.read() as connection:
            row = connection.execute(query).one_or_none()
            if row is None:
                return None
            plain = self._sealer.open(connection, org_id, receipt_id, row.key_version, row.nonce, row.body)
        return None if plain is None else msgspec.json.decode(plain)

    def erase(self, org_id: str, receipt_id: str, *, actor: str) -> bool:
        """Delete the content of one receipt; whether there was any. The receipt and its proof stay."""
        with self._database.write() as connection:
            gone = connection.execute(
                delete(content).where(content.c.org_id == org_id, content.c.receipt_id == receipt_id)
            ).rowcount
            if gone:
                audit.write(
                    connection, self._clock, org_id=org_id, actor=actor, action="content.erased",
                    target=receipt_id,
                )  # fmt: skip
        return bool(gone)

    def shred(self, org_id: str, *, actor: str) -> int:
        """Destroy the organisation's content keys: all it stored is unreadable for ever, copies included.

        What is stored from now on gets a new key. How many keys were destroyed.
        """
        with self._database.write() as connection:
            gone = self._sealer.destroy(connection, org_id)
            audit.write(
                connection, self._clock, org_id=org_id, actor=actor, action="content.shredded",
                target=org_id, after={"keys": gone},
            )  # fmt: skip
        return gone
