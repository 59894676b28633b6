"""Receipts kept: found by id, by request, or newest first; each comes with its proof."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Select, select

from passerelle.core.ids import same, time_letters
from passerelle.core.receipt import SignedReceipt
from passerelle.ledger.receipts import Batch, proofs
from passerelle.store.database import Database
from passerelle.store.schema import INSTALLATION, outcome, signing_batch, signing_key

_BOOKED_WITHIN_NS = 3_600_000_000_000
"""A request may be booked long after it arrived: it may last an hour, and the database may be away."""

_GROUPS = 8
"""Groups of receipts read at once: a megabyte each at most, and mostly some kilobytes."""
_LAST_MS = (1 << 48) - 1
"""No id is later."""


class Receipts:
    """Reading receipts. Every query names its organisation; another's receipt does not exist for it.

    A receipt is there a few milliseconds after its request settled (`Store.flush` waits for that).
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, org_id: str, receipt_id: str) -> SignedReceipt | None:
        """One receipt."""
        return self._one(_places(org_id).where(outcome.c.receipt_id == receipt_id))

    def by_request(self, org_id: str, request_id: str) -> SignedReceipt | None:
        """The receipt of a request, by the id its caller saw; the newest if there should be several."""
        given = _places(org_id).where(outcome.c.request_id == request_id)
        found = self._one(given.order_by(outcome.c.receipt_id.desc()).limit(1))
        if found is None and request_id.startswith("req_"):  # ours, which the receipt's id repeats
            return self.get(org_id, same("rcp", request_id))
        return found

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
        query = _places(org_id)
        if before is not None:
            query = query.where(outcome.c.receipt_id < before)
        if key_id is not None:
            query = query.where(outcome.c.key_id == key_id)
        if project_id is not None:
            query = query.where(outcome.c.project_id == project_id)
        return self._read(query.order_by(outcome.c.receipt_id.desc()).limit(limit))

    def bodies(self, org_id: str, *, since_ns: int, until_ns: int) -> Iterator[bytes]:
        """The signed texts of the receipts booked in that time, the oldest group first, in their order. A
        group at a time is in memory. One booked in a group that spans an end of the time is among them:
        look at its `at_ns`.
        """
        batch = signing_batch.c
        # By id, which begins with the time: `at_ns` lies behind a megabyte of bodies in each row.
        since, until = (_first_id(ns) for ns in (since_ns, until_ns + _BOOKED_WITHIN_NS))
        mine = (batch.org_id == org_id, batch.batch_id >= since, batch.batch_id < until)
        with self._database.read() as connection:
            groups = list(connection.scalars(select(batch.batch_id).where(*mine).order_by(batch.batch_id)))
        for group in groups:
            query = select(batch.bodies).where(batch.org_id == org_id, batch.batch_id == group)
            with self._database.read() as connection:  # a transaction each: a long report holds nothing up
                text = connection.execute(query).scalar_one()
            yield from (line for line in text.split(b"\n") if line)

    def newest(self, org_id: str, *, since_ns: int, until_ns: int) -> Iterator[bytes]:
        """The signed texts of the receipts booked in that time, the newest first, some groups at a time."""
        batch = signing_batch.c
        since, until = _first_id(since_ns), _first_id(until_ns)
        query = select(batch.batch_id, batch.bodies).where(batch.org_id == org_id, batch.batch_id >= since)
        query = query.order_by(batch.batch_id.desc()).limit(_GROUPS)
        while True:
            with self._database.read() as connection:
                rows = connection.execute(query.where(batch.batch_id < until)).all()
            for row in rows:
                yield from (line for line in reversed(row.bodies.split(b"\n")) if line)
            if len(rows) < _GROUPS:
                return
            until = rows[-1].batch_id

    def public_keys(self) -> dict[str, bytes]:
        """Every key that ever signed here: its id and the raw public key."""
        query = select(signing_key.c.signer, signing_key.c.public_key).where(
            signing_key.c.org_id == INSTALLATION
        )
        with self._database.read() as connection:
            return {row.signer: row.public_key for row in connection.execute(query)}

    def _one(self, query: Select[Any]) -> SignedReceipt | None:
        return next(iter(self._read(query)), None)

    def _read(self, query: Select[Any]) -> tuple[SignedReceipt, ...]:
        """The receipts at the places that `query` gives, in its order, each with its proof."""
        with self._database.read() as connection:
            places = connection.execute(query).all()
            leaves: dict[tuple[str, str], set[int]] = {}
            for place in places:
                leaves.setdefault((place.org_id, place.group_id), set()).add(place.leaf)
            found: dict[tuple[str, str, int], SignedReceipt] = {}
            for (org_id, batch_id), wanted in leaves.items():  # a batch at a time: each may be a megabyte
                row = connection.execute(_batch(org_id, batch_id)).one()
                bodies = row.bodies.split(b"\n")
                sealed = Batch(row.signer, row.size, row.root, row.signature)
                for leaf, signature in proofs(sealed, bodies, wanted).items():
                    found[org_id, batch_id, leaf] = SignedReceipt(bodies[leaf].decode(), signature)
        return tuple(found[place.org_id, place.group_id, place.leaf] for place in places)


def _places(org_id: str) -> Select[Any]:
    return select(outcome.c.org_id, outcome.c.group_id, outcome.c.leaf).where(
        outcome.c.org_id == org_id, outcome.c.leaf.is_not(None)
    )


def _first_id(ns: int) -> str:
    """No group of that millisecond or later has a smaller id."""
    return f"grp_{time_letters(min(max(0, ns // 1_000_000), _LAST_MS))}"


def _batch(org_id: str, batch_id: str) -> Select[Any]:
    batch = signing_batch.c
    return select(batch.signer, batch.size, batch.root, batch.signature, batch.bodies).where(
        batch.org_id == org_id, batch.batch_id == batch_id
    )
