"""How well answers did: outcomes and verdicts, numbered per organisation in the order they became known.

Numbers are given out under the lock of the organisation's row in `router`, so whoever has read up to a number
has read all of them: no row with a smaller one comes later. Calls block: use a thread.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, select, update

from passerelle.core.clock import Clock, mint
from passerelle.core.outcome import GATEWAY, SEEN_SHARE, Better, Judged, Outcome, Overall, Verdict
from passerelle.store import schema
from passerelle.store.database import Database

_row = schema.feedback
_verdict = schema.verdict
_head = schema.router
_FLIPPED: dict[str, str] = {"a": "b", "b": "a"}


class SaidOtherwise(Exception):
    """The same caller said something else of it before, which stands."""


class Feedback:
    """Adds and reads outcomes. Every query names its organisation. Threads may share it."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def add(self, org_id: str, judged: Judged, *, actor: str) -> tuple[Outcome, bool]:
        """The outcome as it is kept, and whether it is new: each caller says one thing of a receipt for each
        source. Raises `SaidOtherwise`, `StoreUnavailable`.
        """
        with self._database.write() as connection:
            number = self._locked(connection, org_id)
            query = _outcomes(org_id).where(
                _row.c.receipt_id == judged.receipt_id,
                _row.c.source == judged.source,
                _row.c.actor == actor,
                _row.c.verdict_id == "",
            )
            known = connection.execute(query).one_or_none()
            if known is not None:
                outcome = _read(known)
                if outcome.judged.score_ppm != judged.score_ppm:
                    raise SaidOtherwise(f"{outcome.judged.score_ppm / 1_000_000:g}")
                return outcome, False
            made = self._insert(connection, org_id, number, [judged], actor, "")
        return made[0], True

    def compare(
        self,
        org_id: str,
        pair: tuple[Judged, Judged],
        *,
        overall: Overall,
        criteria: dict[str, Better],
        actor: str,
    ) -> tuple[Verdict, bool]:
        """The verdict as it is kept, and whether it is new: each caller compares two receipts once. Its two
        outcomes are kept with it. Raises `SaidOtherwise`, `StoreUnavailable`.
        """
        receipts = pair[0].receipt_id, pair[1].receipt_id
        turned = receipts[0] > receipts[1]
        first, second = sorted(receipts)
        with self._database.write() as connection:
            number = self._locked(connection, org_id)
            query = select(_verdict).where(
                _verdict.c.org_id == org_id,
                _verdict.c.first == first,
                _verdict.c.second == second,
                _verdict.c.actor == actor,
            )
            known = connection.execute(query).one_or_none()
            if known is not None:
                kept = _verdict_of(known, turned=turned)
                if (kept.overall, kept.criteria) != (overall, criteria):
                    raise SaidOtherwise(kept.overall)
                return kept, False
            made = Verdict(mint("vrd"), self._clock.unix_ns(), actor, receipts, overall, criteria)
            told = _turned(made) if turned else made
            connection.execute(
                _verdict.insert().values(
                    org_id=org_id,
                    verdict_id=made.id,
                    at_ns=made.at_ns,
                    actor=actor,
                    first=first,
                    second=second,
                    overall=told.overall,
                    criteria=msgspec.json.encode(told.criteria, order="sorted").decode(),
                )
            )
            self._insert(connection, org_id, number, pair, actor, made.id)
        return made, True

    def after(self, org_id: str, number: int, *, limit: int = 500, until: int | None = None) -> list[Outcome]:
        """The outcomes after that one, in their order, the two of a verdict never apart."""
        query = _outcomes(org_id).where(_row.c.number > number).order_by(_row.c.number)
        if until is not None:
            query = query.where(_row.c.number <= until)
        with self._database.read() as connection:
            found = [_read(row) for row in connection.execute(query.limit(limit + 1))]
        if len(found) > limit:
            found = found[:-1]
            if found[-1].verdict_id and (len(found) < 2 or found[-2].verdict_id != found[-1].verdict_id):
                found = found[:-1]
        return found

    def before(self, org_id: str, number: int, *, most: int) -> list[Outcome]:
        """The last outcomes up to and with that one, in their order: as `core.outcome.window` has it."""
        query = _outcomes(org_id).where(_row.c.number <= number).order_by(_row.c.number.desc())
        told, seen = query.where(_row.c.actor != GATEWAY), query.where(_row.c.actor == GATEWAY)
        with self._database.read() as connection:
            found = [_read(row) for row in connection.execute(told.limit(most))]
            found += [_read(row) for row in connection.execute(seen.limit(most // SEEN_SHARE))]
        return sorted(found, key=lambda one: one.number)

    def verdicts(self, org_id: str, *, limit: int = 100) -> list[Verdict]:
        """The newest first."""
        query = select(_verdict).where(_verdict.c.org_id == org_id)
        query = query.order_by(_verdict.c.verdict_id.desc()).limit(limit)
        with self._database.read() as connection:
            return [_verdict_of(row, turned=False) for row in connection.execute(query)]

    def _locked(self, connection: Connection, org_id: str) -> int:
        """The organisation's last number. Nobody else adds to it until the transaction ends."""
        lock_head(self._database, connection, org_id)
        query = select(_head.c.number).where(_head.c.org_id == org_id)
        return int(connection.execute(query).scalar_one())

    def _insert(
        self,
        connection: Connection,
        org_id: str,
        last: int,
        judged: Sequence[Judged],
        actor: str,
        verdict: str,
    ) -> list[Outcome]:
        now_ns = self._clock.unix_ns()
        made = [Outcome(last + n, actor, now_ns, one, verdict) for n, one in enumerate(judged, 1)]
        for one in made:
            values = msgspec.structs.asdict(one.judged)
            connection.execute(
                _row.insert().values(
                    org_id=org_id, number=one.number, verdict_id=verdict, actor=actor, at_ns=now_ns, **values
                )
            )
        connection.execute(update(_head).where(_head.c.org_id == org_id).values(number=made[-1].number))
        return made


def lock_head(database: Database, connection: Connection, org_id: str) -> None:
    """Make the organisation's row in `router` if there is none, and hold it until the transaction ends."""
    connection.execute(
        database.insert(_head)
        .values(org_id=org_id, number=0, version=0, rests_on=0, epoch=0, owner="", leased_until_ns=0)
        .on_conflict_do_nothing()
    )
    connection.execute(select(_head.c.number).where(_head.c.org_id == org_id).with_for_update())


_FIELDS = [_row.c[name] for name in Judged.__struct_fields__]


def _outcomes(org_id: str) -> Any:
    return select(_row.c.number, _row.c.actor, _row.c.at_ns, _row.c.verdict_id, *_FIELDS).where(
        _row.c.org_id == org_id
    )


def _read(row: Any) -> Outcome:
    number, actor, at_ns, verdict_id, *said = row
    return Outcome(number, actor, at_ns, Judged(*said), verdict_id)


def _verdict_of(row: Any, *, turned: bool) -> Verdict:
    criteria = msgspec.json.decode(row.criteria, type=dict[str, Better])
    kept = Verdict(row.verdict_id, row.at_ns, row.actor, (row.first, row.second), row.overall, criteria)
    return _turned(kept) if turned else kept


def _turned(verdict: Verdict) -> Verdict:
    """The same, of the receipts the other way round."""
    said = {name: _FLIPPED.get(better, better) for name, better in verdict.criteria.items()}
    return msgspec.convert(
        {
            **msgspec.structs.asdict(verdict),
            "receipts": verdict.receipts[::-1],
            "overall": _FLIPPED.get(verdict.overall, verdict.overall),
            "criteria": said,
        },
        Verdict,
    )
