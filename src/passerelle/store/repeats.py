"""Idempotency keys: claimed before a request, finished with its answer, forgotten after a day.

    (none) ──claim──▶ running ──finish──▶ answered ──24 h──▶ (none)
                         └──release, or its worker is dead──▶ (none)

A row is claimed by one insert, so of two workers one has it. Who runs it holds it under a lease and renews
that; a lease that lapsed, or whose worker's journal was recovered, is free. The answer is sealed as all
content is, and only there where the tenant lets content be stored. Calls block: use a thread.
"""

from collections.abc import Iterable

import msgspec
from sqlalchemy import ColumnElement, Connection, delete, select, update

from passerelle.core.clock import Clock
from passerelle.store import schema
from passerelle.store.database import Database
from passerelle.store.keeping import Keeper

KEPT_S = 24 * 3600
LEASE_S = 30.0
"""So long is a key locked whose worker is gone and whose journal nobody has recovered yet."""
_row = schema.repeat


class Claim(msgspec.Struct, frozen=True):
    """A request as its caller names it."""

    org_id: str
    name: str
    """Digest of the key it came with and of its idempotency key."""
    digest: str
    """Of the request itself: the same name for another request is a mistake."""
    receipt_id: str
    """Of the request that claims: whoever finishes or releases must still be that one."""


class Before(msgspec.Struct, frozen=True):
    """What is known under a name that was claimed before."""

    digest: str
    receipt_id: str
    running: bool
    answer: bytes | None = None
    """None while it runs, where it was not kept, and where the tenant's keys are destroyed."""


class Repeats:
    """Every idempotency key. Threads may share it."""

    def __init__(self, database: Database, keeper: Keeper, clock: Clock, owner: str) -> None:
        self._database = database
        self._keeper = keeper
        self._clock = clock
        self._owner = owner

    def claim(self, claim: Claim) -> Before | None:
        """Take the name for this request, or say what is known under it. Raises `StoreUnavailable`."""
        now_ns = self._clock.unix_ns()
        where = (_row.c.org_id == claim.org_id, _row.c.name == claim.name)
        lapsed = ((_row.c.state == "running") & (_row.c.leased_until_ns < now_ns)) | (
            _row.c.expires_at_ns <= now_ns
        )
        with self._database.write() as connection:
            connection.execute(delete(_row).where(*where, lapsed))
            mine = connection.execute(
                self._database.insert(_row)
                .values(
                    org_id=claim.org_id, name=claim.name, digest=claim.digest, receipt_id=claim.receipt_id,
                    state="running", owner=self._owner, leased_until_ns=now_ns + int(LEASE_S * 1e9),
                    at_ns=now_ns, expires_at_ns=now_ns + KEPT_S * 1_000_000_000, key_version=0, nonce=b"",
                    body=b"",
                )
                .on_conflict_do_nothing()
            ).rowcount  # fmt: skip
            if mine:
                return None
            row = connection.execute(select(_row).where(*where)).one()
            answer = None
            if row.key_version:
                answer = self._keeper.open(connection, claim.org_id, _sealed_as(claim.name), row)
        return Before(row.digest, row.receipt_id, row.state == "running", answer)

    def renew(self, claims: Iterable[Claim]) -> None:
        """Keep these for another while."""
        until_ns = self._clock.unix_ns() + int(LEASE_S * 1e9)
        with self._database.write() as connection:
            for claim in claims:
                connection.execute(update(_row).where(*self._mine(claim)).values(leased_until_ns=until_ns))

    def finish(self, claim: Claim, answer: bytes | None) -> None:
        """The request is answered, with this where it may be kept. Does nothing where the lease was lost."""
        with self._database.write() as connection:
            version, nonce, body = 0, b"", b""
            if answer is not None:
                version, nonce, body = self._keeper.seal(
                    connection, claim.org_id, _sealed_as(claim.name), answer
                )
            connection.execute(
                update(_row)
                .where(*self._mine(claim))
                .values(
                    state="answered", owner="", leased_until_ns=0, key_version=version, nonce=nonce, body=body
                )
            )

    def release(self, claim: Claim) -> None:
        """The request came to nothing: the next one with this name is a first one."""
        with self._database.write() as connection:
            connection.execute(delete(_row).where(*self._mine(claim)))

    def _mine(self, claim: Claim) -> tuple[ColumnElement[bool], ...]:
        return (
            _row.c.org_id == claim.org_id,
            _row.c.name == claim.name,
            _row.c.receipt_id == claim.receipt_id,
            _row.c.state == "running",
        )


def free_of_worker(connection: Connection, worker: str) -> int:
    """Forget what a worker known to be dead was running; how many. In the caller's transaction."""
    gone = delete(_row).where(_row.c.owner == worker, _row.c.state == "running")
    return connection.execute(gone).rowcount


def _sealed_as(name: str) -> str:
    """What a sealed answer is bound to beside its organisation."""
    return f"repeat/{name}"
