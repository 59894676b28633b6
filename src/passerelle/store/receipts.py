"""Receipts kept: found by id, by request, or newest first; each comes with its proof."""

from typing import Any

from sqlalchemy import Select, select

from passerelle.core.receipt import SignedReceipt
from passerelle.ledger.receipts import proof
from passerelle.ledger.tree import HASH_SIZE
from passerelle.store.database import Database
from passerelle.store.schema import INSTALLATION, receipt, signing_batch, signing_key


class Receipts:
    """Reading receipts. Every query names its organisation; another's receipt does not exist for it.

    A receipt is there a few milliseconds after its request settled (`Store.flush` waits for that).
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, org_id: str, receipt_id: str) -> SignedReceipt | None:
        """One receipt."""
        return self._one(_query(org_id).where(receipt.c.receipt_id == receipt_id))

    def by_request(self, org_id: str, request_id: str) -> SignedReceipt | None:
        """The receipt of a request, by the id its caller saw; the newest if there should be several."""
        return self._one(
            _query(org_id)
            .where(receipt.c.request_id == request_id)
            .order_by(receipt.c.receipt_id.desc())
            .limit(1)
        )

    def list(
        self,
        org_id: str,
        *,
        limit: int = 50,
        before: str | None = None,
        key_id: str | None = None,
        project_id: str | None = None,
    ) -> tuple[SignedReceipt, ...]:
        """The newest first; `before` is the id of the last one seen, for the next page."""
        query = _query(org_id)
        if before is not None:
            query = query.where(receipt.c.receipt_id < before)
        if key_id is not None:
            query = query.where(receipt.c.key_id == key_id)
        if project_id is not None:
            query = query.where(receipt.c.project_id == project_id)
        with self._database.read() as connection:
            rows = connection.execute(query.order_by(receipt.c.receipt_id.desc()).limit(limit)).all()
        return tuple(_signed(row) for row in rows)

    def public_keys(self) -> dict[str, bytes]:
        """Every key that ever signed here: its id and the raw public key."""
        query = select(signing_key.c.signer, signing_key.c.public_key).where(
            signing_key.c.org_id == INSTALLATION
        )
        with self._database.read() as connection:
            return {row.signer: row.public_key for row in connection.execute(query)}

    def _one(self, query: Select[Any]) -> SignedReceipt | None:
        with self._database.read() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else _signed(row)


def _query(org_id: str) -> Select[Any]:
    batch = signing_batch.c
    return (
        select(
            receipt.c.body, receipt.c.leaf, receipt.c.path,
            batch.signer, batch.size, batch.root, batch.signature,
        )
        .join_from(
            receipt,
            signing_batch,
            (batch.org_id == receipt.c.org_id) & (batch.batch_id == receipt.c.batch_id),
        )
        .where(receipt.c.org_id == org_id)
    )  # fmt: skip


def _signed(row: Any) -> SignedReceipt:
    path = [row.path[start : start + HASH_SIZE] for start in range(0, len(row.path), HASH_SIZE)]
    return SignedReceipt(row.body, proof(row.signer, row.root, row.size, row.leaf, path, row.signature))
