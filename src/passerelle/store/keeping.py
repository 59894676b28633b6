"""Booking and forgetting of what callers asked to keep, inside the writer's transactions.

A turn is booked with its receipt's outcome, so it is there exactly when the request is: see `booking`. Bodies
are compressed, then sealed under the tenant's own key.
"""

import zlib
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, Table, delete, func, select, tuple_

from passerelle.core.clock import mint
from passerelle.core.conversation import Turn
from passerelle.core.ids import plausible, same
from passerelle.core.receipt import Receipt
from passerelle.store import schema
from passerelle.store.database import Bulk, Database
from passerelle.store.rows import Row
from passerelle.store.sealing import Keys, Sealer

FORGET: Final = 500
"""Rows of a table deleted in one transaction at most, so that no writer waits long."""
_LEVEL: Final = 3
_KEYS: Final[tuple[tuple[Table, tuple[str, ...]], ...]] = (
    (schema.stored_response, ("org_id", "response_id")),
    (schema.stored_output, ("org_id", "item_id", "response_id")),
    (schema.conversation_item, ("org_id", "conversation_id", "place")),
    (schema.conversation, ("org_id", "conversation_id")),
    (schema.background_event, ("org_id", "response_id", "number")),
    (schema.background_response, ("org_id", "response_id")),
    (schema.repeat, ("org_id", "name")),
)

_items = msgspec.json.Decoder(list[msgspec.Raw])


class Body(msgspec.Struct, frozen=True):
    """What is sealed of a turn."""

    items: msgspec.Raw
    response: msgspec.Raw


class _Answer(msgspec.Struct):
    output: list[msgspec.Raw] = []


class _Id(msgspec.Struct):
    id: str | None = None


_answer = msgspec.json.Decoder(_Answer)
_id = msgspec.json.Decoder(_Id)


class Keeper:
    """Writes turns. Threads may share it."""

    def __init__(self, database: Database, sealer: Sealer) -> None:
        self._database = database
        self._sealer = sealer
        self._bulk = {
            table.name: Bulk(database, table)
            for table in (schema.stored_response, schema.stored_output, schema.conversation_item)
        }

    def book(self, connection: Connection, kept: Sequence[tuple[Receipt, Turn]]) -> None:
        """Keep these turns, whose outcomes are new."""
        responses: list[Row] = []
        outputs: list[Row] = []
        for receipt, turn in kept:
            if turn.kept:
                response_id = turn.response_id or same("resp", receipt.id)
                responses.append(self._response(connection, receipt, turn, response_id))
                outputs += [
                    (receipt.org_id, item, response_id, turn.expires_at_ns)
                    for item in dict.fromkeys(turn.output)
                ]
            if turn.conversation_id is not None:
                self._spoken(connection, receipt, turn, turn.conversation_id)
        for table, rows in (
            (schema.stored_response, responses),
            (schema.stored_output, outputs),
        ):
            if rows:
                self._bulk[table.name].run(connection, rows)

    def seal(self, connection: Connection, org_id: str, name: str, plain: bytes) -> tuple[int, bytes, bytes]:
        """Key version, nonce and the sealed, compressed text of the row that `name` names."""
        return self._sealer.seal(connection, org_id, name, zlib.compress(plain, _LEVEL))

    def open(
        self,
        connection: Connection,
        org_id: str,
        name: str,
        row: Any,
        known: Keys | None = None,
    ) -> bytes | None:
        """The inverse of `seal`, of a row; None when the tenant's key is gone. `known`: see `sealing`."""
        plain = self._sealer.open(connection, org_id, name, row.key_version, row.nonce, row.body, known)
        return None if plain is None else zlib.decompress(plain)

    def append(
        self,
        connection: Connection,
        org_id: str,
        conversation_id: str,
        at_ns: int,
        expires_at_ns: int,
        said: Sequence[tuple[bytes, str]],
    ) -> list[Row]:
        """Add items `(body, provider)` said together, after all there are; the rows. The conversation lives
        as long as its newest item, and is locked by this: whoever adds to it takes turns.
        """
        name = schema.conversation.c
        known = connection.execute(
            schema.conversation.update()
            .where(name.org_id == org_id, name.conversation_id == conversation_id)
            .values(expires_at_ns=expires_at_ns)
        ).rowcount
        if not known or not said:
            return []
        item = schema.conversation_item.c
        last = connection.scalar(
            select(func.max(item.place)).where(item.org_id == org_id, item.conversation_id == conversation_id)
        )
        rows: list[Row] = []
        for number, (body, provider) in enumerate(said, 0 if last is None else int(last) + 1):
            place = f"{number:010d}"
            item_id = id_of(body) or mint("item")
            sealed = self.seal(connection, org_id, f"{conversation_id}/{place}", body)
            rows.append((org_id, conversation_id, place, item_id, provider, at_ns, expires_at_ns, *sealed))
        self._bulk[schema.conversation_item.name].run(connection, rows)
        return rows

    def _response(self, connection: Connection, receipt: Receipt, turn: Turn, response_id: str) -> Row:
        plain = msgspec.json.encode(Body(msgspec.Raw(turn.items), msgspec.Raw(turn.response)))
        sealed = self.seal(connection, receipt.org_id, response_id, plain)
        return (
            receipt.org_id, response_id, receipt.project_id, receipt.key_id, turn.previous_id,
            turn.conversation_id, turn.provider, receipt.at_ns, turn.expires_at_ns, *sealed,
        )  # fmt: skip

    def _spoken(self, connection: Connection, receipt: Receipt, turn: Turn, conversation_id: str) -> None:
        said = [(bytes(item), "") for item in _items.decode(turn.items)]
        said += [(bytes(item), turn.provider) for item in _answer.decode(turn.response).output]
        self.append(connection, receipt.org_id, conversation_id, receipt.at_ns, turn.expires_at_ns, said)


def id_of(item: bytes | msgspec.Raw) -> str | None:
    """The item's own id, if it has one that can be asked for."""
    try:
        found = _id.decode(item).id
    except msgspec.ValidationError:  # an id that is no text
        return None
    return found if found is not None and plausible(found) else None


def forget(connection: Connection, now_ns: int) -> int:
    """Delete what has had its day, at most `FORGET` rows of each kind; how many were deleted."""
    gone = 0
    for table, names in _KEYS:
        key = [table.c[name] for name in names]
        old = (
            select(*key).where(table.c.expires_at_ns <= now_ns).order_by(table.c.expires_at_ns).limit(FORGET)
        )
        gone += connection.execute(delete(table).where(tuple_(*key).in_(old))).rowcount
    return gone
