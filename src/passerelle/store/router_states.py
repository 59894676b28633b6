"""What was learned: versions of an organisation's router, which of them is in force, and what is not learned.

    kept     by whoever follows the outcomes, from time to time: the same for all who follow them
    trained, rolled back     by hand: whoever follows takes it over, and goes on from there
    frozen   outcomes wait until it is unfrozen

What is done by hand is audited in the same transaction. Calls block: use a thread.
"""

from typing import Any

from sqlalchemy import Connection, delete, func, select, update

from passerelle.core.clock import Clock
from passerelle.core.outcome import Head, Origin, State
from passerelle.store import schema
from passerelle.store.audit import write
from passerelle.store.database import Database
from passerelle.store.feedback import lock_head

VERSIONS_KEPT = 10
"""Of an organisation; older ones are deleted. One takes 2 to 10 MB."""
_head = schema.router
_state = schema.router_state
_HEAD = [_head.c[name] for name in Head.__struct_fields__]
_STATE = [_state.c[name] for name in State.__struct_fields__ if name != "body"]


class RouterStates:
    """Every query names its organisation. Threads may share it."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def head(self, org_id: str) -> Head:
        """Where the organisation's learning stands."""
        with self._database.read() as connection:
            return _read_head(connection, org_id)

    def list(self, org_id: str) -> tuple[State, ...]:
        """Its versions, the newest first, without their bodies."""
        query = select(*_STATE).where(_state.c.org_id == org_id).order_by(_state.c.version.desc())
        with self._database.read() as connection:
            return tuple(State(*row) for row in connection.execute(query))

    def get(self, org_id: str, version: int) -> State | None:
        """One version, whole."""
        query = select(*_STATE, _state.c.body).where(_state.c.org_id == org_id, _state.c.version == version)
        with self._database.read() as connection:
            row = connection.execute(query).mappings().one_or_none()
        return None if row is None else State(**row)

    def lease(self, org_id: str, owner: str, *, for_s: float) -> bool:
        """Whether `owner` may do now what one of all does: until it lets go, or the time is over."""
        now_ns = self._clock.unix_ns()
        free = (_head.c.leased_until_ns < now_ns) | (_head.c.owner == owner)
        taken = (
            update(_head)
            .where(_head.c.org_id == org_id, free)
            .values(owner=owner, leased_until_ns=now_ns + int(for_s * 1e9))
        )
        with self._database.write() as connection:
            return connection.execute(taken).rowcount == 1

    def release(self, org_id: str, owner: str) -> None:
        """Let go of the lease."""
        given = (
            update(_head)
            .where(_head.c.org_id == org_id, _head.c.owner == owner)
            .values(owner="", leased_until_ns=0)
        )
        with self._database.write() as connection:
            connection.execute(given)

    def keep(self, org_id: str, *, number: int, epoch: int, learner: str, body: bytes, actor: str) -> bool:
        """Keep what was learned up to that outcome. False where somebody kept as much already, or another
        state was put in force since.
        """
        with self._database.write() as connection:
            lock_head(self._database, connection, org_id)
            head = _read_head(connection, org_id)
            if head.epoch != epoch or head.rests_on >= number:
                return False
            self._add(connection, head, number, epoch, learner, body, actor, "learned")
        return True

    def train(self, org_id: str, *, number: int, learner: str, body: bytes, actor: str) -> State:
        """Put in force what was learned elsewhere, or anew; outcomes after `number` are learned on top."""
        with self._database.write() as connection:
            lock_head(self._database, connection, org_id)
            head = _read_head(connection, org_id)
            made = self._add(connection, head, number, head.epoch + 1, learner, body, actor, "trained")
            self._audit(connection, org_id, actor, "router.trained", made)
        return made

    def roll_back(self, org_id: str, version: int, *, actor: str) -> State | None:
        """Put an older version in force, as a new one; None when it is not there. The outcomes up to now are
        passed over, those from now on are learned on top.
        """
        with self._database.write() as connection:
            lock_head(self._database, connection, org_id)
            head = _read_head(connection, org_id)
            query = select(_state).where(_state.c.org_id == org_id, _state.c.version == version)
            old = connection.execute(query).one_or_none()
            if old is None:
                return None
            made = self._add(
                connection,
                head,
                head.number,
                head.epoch + 1,
                old.learner,
                old.body,
                actor,
                "rolled_back",
                version,
            )
            self._audit(connection, org_id, actor, "router.rolled_back", made)
        return made

    def freeze(self, org_id: str, *, actor: str) -> Head:
        """Learn nothing of the outcomes from now on. Freezing again changes nothing."""
        with self._database.write() as connection:
            lock_head(self._database, connection, org_id)
            head = _read_head(connection, org_id)
            if head.frozen_at is not None:
                return head
            self._say(connection, org_id, frozen_at=head.number)
            write(
                connection, self._clock, org_id=org_id, actor=actor, action="router.frozen", target=org_id,
                after={"after_outcome": head.number},
            )  # fmt: skip
            return _read_head(connection, org_id)

    def unfreeze(self, org_id: str, *, actor: str) -> Head:
        """Learn again, also of the outcomes that came meanwhile."""
        with self._database.write() as connection:
            lock_head(self._database, connection, org_id)
            head = _read_head(connection, org_id)
            if head.frozen_at is None:
                return head
            self._say(connection, org_id, frozen_at=None)
            write(
                connection, self._clock, org_id=org_id, actor=actor, action="router.unfrozen", target=org_id,
                before={"after_outcome": head.frozen_at},
            )  # fmt: skip
            return _read_head(connection, org_id)

    def _add(
        self,
        connection: Connection,
        head: Head,
        number: int,
        epoch: int,
        learner: str,
        body: bytes,
        actor: str,
        origin: Origin,
        restores: int | None = None,
    ) -> State:
        org_id = head.org_id
        newest = select(func.coalesce(func.max(_state.c.version), 0)).where(_state.c.org_id == org_id)
        version = int(connection.execute(newest).scalar_one()) + 1
        made = State(version, number, epoch, self._clock.unix_ns(), actor, origin, learner, restores)
        values: dict[str, Any] = {name: getattr(made, name) for name in State.__struct_fields__}
        values["body"] = body
        connection.execute(_state.insert().values(org_id=org_id, **values))
        connection.execute(
            delete(_state).where(_state.c.org_id == org_id, _state.c.version <= version - VERSIONS_KEPT)
        )
        frozen = {} if head.frozen_at is None else {"frozen_at": max(head.frozen_at, number)}
        self._say(connection, org_id, version=version, rests_on=number, epoch=epoch, **frozen)
        return made

    def _say(self, connection: Connection, org_id: str, **values: int | None) -> None:
        connection.execute(update(_head).where(_head.c.org_id == org_id).values(**values))

    def _audit(self, connection: Connection, org_id: str, actor: str, action: str, made: State) -> None:
        said = {"version": made.version, "after_outcome": made.number, "learner": made.learner}
        if made.restores is not None:
            said["restores"] = made.restores
        write(
            connection, self._clock, org_id=org_id, actor=actor, action=action,
            target=f"router/{made.version}", after=said,
        )  # fmt: skip


def _read_head(connection: Connection, org_id: str) -> Head:
    row = connection.execute(select(*_HEAD).where(_head.c.org_id == org_id)).one_or_none()
    return Head(org_id, 0) if row is None else Head(*row)
