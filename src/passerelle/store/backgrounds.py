"""Responses made in the background: kept, run by one worker at a time, over.

As with batches, a worker runs one under a lease (`owner`, `leased_until_ns`), and every write of a running
response says whose it is and does nothing when it is nobody's or another's: one that was cancelled or deleted
can never end as answered. A lease not renewed is free after its time; that of a worker whose journal was
recovered is free at once. Calls block: use a thread.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, delete, func, select, update

from passerelle.core.background import UNDER_WAY, Background, BackgroundState, Events, Said
from passerelle.core.clock import Clock
from passerelle.store import audit, schema
from passerelle.store.database import Database
from passerelle.store.keeping import Keeper

EVENTS_KEPT_S = 600
"""How long events can be followed again after the end: OpenAI keeps what is polled about as long (its guide
to background mode, read 2026-11-22). Later, a stored response is streamed anew from what it holds."""
_PAGE = 64
_run, _event = schema.background_response, schema.background_event
_COLUMNS = (
    _run.c.response_id, _run.c.org_id, _run.c.project_id, _run.c.key_id, _run.c.state, _run.c.stream,
    _run.c.tries, _run.c.losses, _run.c.events, _run.c.at_ns, _run.c.expires_at_ns, _run.c.key_version,
    _run.c.nonce, _run.c.body,
)  # fmt: skip
_said = msgspec.json.Decoder(Said)


class TooManyInBackground(Exception):
    """The project has as many responses under way as it may."""


class Backgrounds:
    """Every response in the background. What callers may ask names organisation and project."""

    def __init__(self, database: Database, keeper: Keeper, clock: Clock) -> None:
        self._database = database
        self._keeper = keeper
        self._clock = clock

    # --- for callers

    def create(self, one: Background, events: Events | None, *, most_under_way: int) -> None:
        """Keep a new one, which any worker may take up. Raises `TooManyInBackground`."""
        under_way = select(func.count()).where(
            _run.c.org_id == one.org_id,
            _run.c.project_id == one.project_id,
            _run.c.state.in_(sorted(UNDER_WAY)),
        )
        with self._database.write() as connection:
            if (connection.scalar(under_way) or 0) >= most_under_way:
                raise TooManyInBackground(one.project_id)
            version, nonce, body = self._seal(connection, one)
            connection.execute(
                _run.insert().values(
                    org_id=one.org_id, response_id=one.id, project_id=one.project_id, key_id=one.key_id,
                    state=one.state, stream=one.stream, tries=one.tries, losses=one.losses, events=one.events,
                    at_ns=one.at_ns, expires_at_ns=one.expires_at_ns, owner="", leased_until_ns=0,
                    key_version=version, nonce=nonce, body=body,
                )
            )  # fmt: skip
            if events is not None:
                self._insert(connection, one, events)

    def get(self, org_id: str, project_id: str, response_id: str) -> Background | None:
        """One, unless it has had its day."""
        with self._database.read() as connection:
            return self._found(connection, self._of(org_id, project_id, response_id))

    def events(
        self, org_id: str, project_id: str, response_id: str, after: int
    ) -> tuple[BackgroundState | None, Sequence[Events]]:
        """Its state, and a page of the events whose numbers are above `after`, among them perhaps some below.

        The state is read first: when it is an end, no events come after the last page. None: there is no
        such response.
        """
        query = (
            select(_event)
            .where(_event.c.org_id == org_id, _event.c.response_id == response_id, _event.c.until > after + 1)
            .order_by(_event.c.number)
            .limit(_PAGE)
        )
        with self._database.read() as connection:
            where = self._of(org_id, project_id, response_id)
            state = connection.scalar(select(_run.c.state).where(*where))
            if state is None:
                return None, ()
            found: list[Events] = []
            for row in connection.execute(query):
                plain = self._keeper.open(connection, org_id, f"{response_id}/{row.number}", row)
                if plain is None:
                    return None, ()
                found.append(Events(row.number, row.until, plain))
        return state, found

    def cancel(self, org_id: str, project_id: str, response_id: str) -> Background | None:
        """End it if it is under way; as it is then. None when there is none."""
        where = self._of(org_id, project_id, response_id)
        with self._database.write() as connection:
            connection.execute(
                update(_run)
                .where(*where, _run.c.state.in_(sorted(UNDER_WAY)))
                .values(state="cancelled", owner="", leased_until_ns=0)
            )
            return self._found(connection, where)

    def delete(self, org_id: str, project_id: str, response_id: str, *, actor: str) -> bool:
        """Delete it, also while it runs; whether there was one. Its stored response is apart."""
        where = self._of(org_id, project_id, response_id)
        with self._database.write() as connection:
            gone = connection.execute(delete(_run).where(*where)).rowcount
            if gone:
                connection.execute(
                    delete(_event).where(_event.c.org_id == org_id, _event.c.response_id == response_id)
                )
                audit.write(
                    connection, self._clock, org_id=org_id, actor=actor, action="response.deleted",
                    target=response_id,
                )  # fmt: skip
        return bool(gone)

    # --- for the worker that runs it

    def claim(
        self, owner: str, *, ttl_s: float, passing: Iterable[str] = (), passing_orgs: Iterable[str] = ()
    ) -> Background | None:
        """Lease the oldest that nobody runs, without the ids `passing` and those of the organisations
        `passing_orgs`; None when there is none. An owner that did not give it back has lost it."""
        now_ns = self._clock.unix_ns()
        query = (
            select(*_COLUMNS, _run.c.owner)
            .where(
                _run.c.state.in_(sorted(UNDER_WAY)),
                _run.c.leased_until_ns < now_ns,
                _run.c.response_id.not_in(sorted(passing)),
                _run.c.org_id.not_in(sorted(passing_orgs)),
            )
            .order_by(_run.c.at_ns)
            .limit(1)
        )
        with self._database.read() as connection:
            if connection.execute(query).one_or_none() is None:
                return None  # as nearly always: no write transaction for it
        with self._database.write() as connection:
            row = connection.execute(query.with_for_update(skip_locked=True)).one_or_none()
            if row is None:
                return None
            where = (_run.c.org_id == row.org_id, _run.c.response_id == row.response_id)
            one = self._read(connection, row)
            if one is None:  # its tenant's keys are destroyed: nobody can ask it, or read of it
                connection.execute(delete(_run).where(*where))
                return None
            one = msgspec.structs.replace(
                one, state="in_progress", tries=one.tries + 1, losses=one.losses + bool(row.owner)
            )
            connection.execute(
                update(_run)
                .where(*where)
                .values(
                    owner=owner,
                    leased_until_ns=now_ns + int(ttl_s * 1e9),
                    state=one.state,
                    tries=one.tries,
                    losses=one.losses,
                )
            )
        return one

    def renew(self, owner: str, ids: Sequence[str], *, ttl_s: float) -> set[str]:
        """Keep these leases; those of them that are still this owner's."""
        mine = (_run.c.response_id.in_(ids), _run.c.owner == owner)
        until_ns = self._clock.unix_ns() + int(ttl_s * 1e9)
        with self._database.write() as connection:
            connection.execute(update(_run).where(*mine).values(leased_until_ns=until_ns))
            return set(connection.scalars(select(_run.c.response_id).where(*mine)))

    def release(self, owner: str, response_id: str) -> None:
        """Give a lease back: another worker may go on at once."""
        with self._database.write() as connection:
            connection.execute(
                update(_run)
                .where(_run.c.response_id == response_id, _run.c.owner == owner)
                .values(owner="", leased_until_ns=0)
            )

    def append(self, owner: str, one: Background, events: Events) -> bool:
        """Keep further events; whether the response is still this owner's."""
        with self._database.write() as connection:
            mine = connection.execute(
                update(_run).where(*self._mine(owner, one)).values(events=events.until)
            ).rowcount
            if mine:
                self._insert(connection, one, events)
        return bool(mine)

    def finish(
        self,
        owner: str,
        one: Background,
        state: BackgroundState,
        *,
        response: bytes | None = None,
        events: Events | None = None,
    ) -> bool:
        """End it, with the response object it ended as unless that is among the stored; whether it was still
        this owner's. What was answered to one that was cancelled or deleted meanwhile is deleted too."""
        more: dict[str, Any] = {} if events is None else {"events": events.until}
        with self._database.write() as connection:
            if response is not None:
                said = msgspec.structs.replace(one.said, response=msgspec.Raw(response))
                sealed = self._seal(connection, msgspec.structs.replace(one, said=said))
                more |= dict(zip(("key_version", "nonce", "body"), sealed, strict=True))
            mine = connection.execute(
                update(_run)
                .where(*self._mine(owner, one))
                .values(state=state, owner="", leased_until_ns=0, **more)
            ).rowcount
            if not mine:
                if not self._with_another(connection, owner, one):
                    for table in (schema.stored_response, schema.stored_output):
                        connection.execute(
                            delete(table).where(table.c.org_id == one.org_id, table.c.response_id == one.id)
                        )
                return False
            if events is not None:
                self._insert(connection, one, events)
            soon_ns = self._clock.unix_ns() + EVENTS_KEPT_S * 1_000_000_000
            connection.execute(
                update(_event)
                .where(_event.c.org_id == one.org_id, _event.c.response_id == one.id)
                .values(expires_at_ns=soon_ns)
            )
        return True

    # --- inside

    def _of(self, org_id: str, project_id: str, response_id: str) -> tuple[ColumnElement[bool], ...]:
        return (
            _run.c.org_id == org_id,
            _run.c.project_id == project_id,
            _run.c.response_id == response_id,
            _run.c.expires_at_ns > self._clock.unix_ns(),
        )

    def _mine(self, owner: str, one: Background) -> tuple[ColumnElement[bool], ...]:
        return (_run.c.org_id == one.org_id, _run.c.response_id == one.id, _run.c.owner == owner)

    def _with_another(self, connection: Connection, owner: str, one: Background) -> bool:
        """Whether it is under way in other hands, or was answered there."""
        state = connection.scalar(
            select(_run.c.state).where(_run.c.org_id == one.org_id, _run.c.response_id == one.id)
        )
        return state is not None and state != "cancelled"

    def _insert(self, connection: Connection, one: Background, events: Events) -> None:
        version, nonce, body = self._keeper.seal(
            connection, one.org_id, f"{one.id}/{events.number}", events.body
        )
        connection.execute(
            _event.insert().values(
                org_id=one.org_id, response_id=one.id, number=events.number, until=events.until,
                expires_at_ns=one.expires_at_ns, key_version=version, nonce=nonce, body=body,
            )
        )  # fmt: skip

    def _seal(self, connection: Connection, one: Background) -> tuple[int, bytes, bytes]:
        return self._keeper.seal(connection, one.org_id, f"bg/{one.id}", msgspec.json.encode(one.said))

    def _found(self, connection: Connection, where: tuple[ColumnElement[bool], ...]) -> Background | None:
        row = connection.execute(select(*_COLUMNS).where(*where)).one_or_none()
        return None if row is None else self._read(connection, row)

    def _read(self, connection: Connection, row: Any) -> Background | None:
        plain = self._keeper.open(connection, row.org_id, f"bg/{row.response_id}", row)
        if plain is None:
            return None
        return Background(
            id=row.response_id,
            org_id=row.org_id,
            project_id=row.project_id,
            key_id=row.key_id,
            state=row.state,
            stream=row.stream,
            tries=row.tries,
            losses=row.losses,
            events=row.events,
            at_ns=row.at_ns,
            expires_at_ns=row.expires_at_ns,
            said=_said.decode(plain),
        )


def free_of_worker(connection: Connection, worker: str) -> int:
    """Free every response of a worker known to be dead; how many. Each stays its own till it is taken up."""
    return connection.execute(update(_run).where(_run.c.owner == worker).values(leased_until_ns=0)).rowcount
