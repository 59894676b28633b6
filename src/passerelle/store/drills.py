"""Drills under way: suppliers that are really taken out for a while.

A drill is its audit record: `drill.started` says what, for whom and until when; `drill.ended` takes it back.
So none exists that was not audited. What is in force is in memory, looked up by every request and kept up by
the same thread that learns of revoked keys; each drill carries its own end, so that it is over by the clock
even when the database, the command that began it, or the thread that looks are gone.
"""

from collections.abc import Iterable
from typing import Literal

import msgspec
from sqlalchemy import select

from passerelle.core.clock import Clock, mint
from passerelle.core.ids import time_letters
from passerelle.core.principal import Principal
from passerelle.policy.removal import Removal, Without
from passerelle.store.audit import write
from passerelle.store.changes import stamp
from passerelle.store.database import Database
from passerelle.store.schema import INSTALLATION, audit

LONGEST_S = 4 * 3600
"""No drill is longer: a supplier that must be gone for good is taken out of the configuration."""
MOST = 16
"""Drills at once."""
STARTED, ENDED = "drill.started", "drill.ended"
_HISTORY_NS = 400 * 86_400_000_000_000

Scope = Literal["organisation", "workspace", "project", "key"]


class Drill(msgspec.Struct, frozen=True, omit_defaults=True):
    """A supplier taken out for a while, for a part of one organisation."""

    id: str
    without: Without
    org_id: str
    scope: Scope
    scope_id: str
    started_at_ns: int
    until_ns: int
    """When it is over by itself."""
    actor: str
    reason: str = ""
    """Why, in the operator's words."""
    ended_at_ns: int | None = None
    """When it was put back early."""

    @property
    def over_ns(self) -> int:
        """When it is, or was, over."""
        return self.until_ns if self.ended_at_ns is None else min(self.ended_at_ns, self.until_ns)

    @property
    def removal(self) -> Removal:
        """As admission sees it."""
        return Removal(self.without, self.scope, self.scope_id, self.id, self.until_ns)


class TooManyDrills(Exception):
    """As many as may be are under way already."""


class Drills:
    """Starts, ends and lists drills; `binding` is for the hot path."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._running: tuple[Removal, ...] = ()
        self._revision = -2

    def binding(self, principal: Principal) -> tuple[Removal, ...]:
        """What is taken out for this caller now. Reads no database; nearly always nothing, and free then."""
        running = self._running
        if not running:
            return running
        now_ns = self._clock.unix_ns()
        return tuple([one for one in running if one.binds(principal, now_ns)])

    def follow(self, revision: int) -> None:
        """`refresh`, unless nothing has begun, ended or run out since it was done at this `revision` of what
        is known of keys: drills raise it too. Raises `StoreUnavailable`.
        """
        if revision != self._revision or self._running:
            self.refresh()
            self._revision = revision

    def refresh(self) -> None:
        """Take over what any process began or ended. Raises `StoreUnavailable`: what is known stays."""
        now_ns = self._clock.unix_ns()
        found = self._read(now_ns - LONGEST_S * 1_000_000_000)
        running = tuple(one.removal for one in found if one.over_ns > now_ns)
        if running != self._running:
            self._running = running

    def start(
        self,
        without: Without,
        *,
        org_id: str,
        scope: Scope,
        scope_id: str,
        for_s: int,
        actor: str,
        reason: str = "",
    ) -> Drill:
        """Take a supplier out for `for_s` seconds. In force here at once, elsewhere when they next look.

        Raises `ValueError` for a time that is none or too long, `TooManyDrills`, `StoreUnavailable`.
        """
        if not 1 <= for_s <= LONGEST_S:
            raise ValueError(f"a drill lasts from 1 to {LONGEST_S} seconds")
        now_ns = self._clock.unix_ns()
        self.refresh()
        if len(self._running) >= MOST:
            raise TooManyDrills
        drill = Drill(
            id=mint("drl"),
            without=without,
            org_id=org_id,
            scope=scope,
            scope_id=scope_id,
            started_at_ns=now_ns,
            until_ns=now_ns + for_s * 1_000_000_000,
            actor=actor,
            reason=reason,
        )
        with self._database.write() as connection:
            write(
                connection, self._clock, org_id=INSTALLATION, actor=actor, action=STARTED, target=drill.id,
                after=drill,
            )  # fmt: skip
            stamp(self._database, connection)
        self.refresh()
        return drill

    def end(self, drill_id: str, *, actor: str) -> Drill | None:
        """Put the supplier back now; None when there is no such drill. Ending again changes nothing."""
        drill = self.get(drill_id)
        if drill is None or drill.over_ns <= self._clock.unix_ns():
            return drill
        ended = msgspec.structs.replace(drill, ended_at_ns=self._clock.unix_ns())
        with self._database.write() as connection:
            write(
                connection, self._clock, org_id=INSTALLATION, actor=actor, action=ENDED, target=drill_id,
                before=drill, after=ended,
            )  # fmt: skip
            stamp(self._database, connection)
        self.refresh()
        return ended

    def get(self, drill_id: str) -> Drill | None:
        """One drill, of whenever."""
        return next((one for one in self._read(0, drill_id) if one.id == drill_id), None)

    def newest(self, *, limit: int = 50) -> tuple[Drill, ...]:
        """The drills of the last year or so, the newest first."""
        found = self._read(self._clock.unix_ns() - _HISTORY_NS)
        return tuple(reversed(found))[:limit]

    def _read(self, since_ns: int, drill_id: str | None = None) -> list[Drill]:
        """Drills begun since then, the oldest first, as they stand."""
        # Records are found by their id, which begins with their time: a look reads the last hours' alone.
        first = f"aud_{time_letters(max(0, since_ns // 1_000_000))}"
        query = select(audit.c.action, audit.c.after).where(
            audit.c.org_id == INSTALLATION,
            audit.c.audit_id >= first,
            audit.c.action.in_((STARTED, ENDED)),
        )
        if drill_id is not None:
            query = query.where(audit.c.target == drill_id)
        with self._database.read() as connection:
            rows = connection.execute(query.order_by(audit.c.audit_id)).all()
        return _standing((row.action, row.after) for row in rows)


def _standing(records: Iterable[tuple[str, str]]) -> list[Drill]:
    found: dict[str, Drill] = {}
    for action, after in records:
        drill = msgspec.json.decode(after, type=Drill)
        if action == STARTED or drill.id in found:
            known = found.get(drill.id)
            if known is None or known.ended_at_ns is None:
                found[drill.id] = drill
    return list(found.values())
