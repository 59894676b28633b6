"""Responses and conversations kept for callers: found, listed, added to and deleted.

Every method names the organisation and the project: what another project keeps does not exist for this one.
What has had its day does not exist either, whether or not upkeep has come by.
"""

from collections.abc import Sequence
from typing import Any, Literal

import msgspec
from sqlalchemy import Connection, Select, delete, literal, select

from passerelle.core.clock import Clock, mint
from passerelle.core.conversation import StoredConversation, StoredItem, StoredTurn
from passerelle.store import audit, schema
from passerelle.store.database import Database
from passerelle.store.errors import ConversationTooLong
from passerelle.store.keeping import Body, Keeper, id_of
from passerelle.store.sealing import Keys

MOST_TURNS = 1_000
"""How far back a conversation is followed."""
_MOST_ITEMS = 20_000
_MOST_BYTES = 64 << 20
"""Of one conversation held in memory at once."""

_body = msgspec.json.Decoder(Body)
_items = msgspec.json.Decoder(list[msgspec.Raw])
_metadata = msgspec.json.Decoder(dict[str, str])
_response = schema.stored_response.c
_said = schema.conversation_item.c
_talk = schema.conversation.c


class Conversations:
    """See the module. Blocking: call it from a worker thread."""

    def __init__(self, database: Database, keeper: Keeper, clock: Clock) -> None:
        self._database = database
        self._keeper = keeper
        self._clock = clock

    # --- responses

    def response(self, org_id: str, project_id: str, response_id: str) -> StoredTurn | None:
        """One response with the items it answered."""
        with self._database.read() as connection:
            row = connection.execute(
                self._responses(org_id, project_id).where(_response.response_id == response_id)
            ).one_or_none()
            return None if row is None else self._turn(connection, org_id, row)

    def chain(
        self, org_id: str, project_id: str, response_id: str, *, most_bytes: int = _MOST_BYTES
    ) -> tuple[list[StoredTurn], str | None]:
        """The turns that led to a response, oldest first, and the id of the one that is missing, if any:
        deleted, expired, or never there. Raises `ConversationTooLong`.
        """
        mine = (
            _response.org_id == org_id,
            _response.project_id == project_id,
            _response.expires_at_ns > self._clock.unix_ns(),
        )
        step = (_response.response_id, _response.previous_id)
        links = (
            select(*step, literal(0).label("depth"))
            .where(_response.response_id == response_id, *mine)
            .cte("links", recursive=True)
        )
        links = links.union_all(
            select(*step, links.c.depth + 1)
            .join(links, links.c.previous_id == _response.response_id)
            .where(*mine, links.c.depth < MOST_TURNS)
        )
        query = (
            self._responses(org_id, project_id)
            .join(links, links.c.response_id == _response.response_id)
            .order_by(links.c.depth)
        )
        turns: list[StoredTurn] = []
        wanted: str | None = response_id
        known: Keys = {}
        size = 0
        with self._database.read() as connection:
            for row in connection.execute(query):  # newest first
                turn = self._turn(connection, org_id, row, known) if row.response_id == wanted else None
                if turn is None:
                    return [], wanted
                size += len(turn.response) + sum([len(bytes(item)) for item in turn.items])
                if size > most_bytes:
                    raise ConversationTooLong(
                        f"the turns before `{response_id}` hold over {most_bytes} bytes"
                    )
                turns.append(turn)
                wanted = turn.previous_id
        if wanted is not None:
            return [], wanted
        return turns[::-1], None

    def delete_response(self, org_id: str, project_id: str, response_id: str, *, actor: str) -> bool:
        """Delete a response and what it answered; whether there was one."""
        mine = (_response.org_id == org_id, _response.project_id == project_id)
        with self._database.write() as connection:
            gone = connection.execute(
                delete(schema.stored_response).where(*mine, _response.response_id == response_id)
            ).rowcount
            if gone:
                output = schema.stored_output.c
                connection.execute(
                    delete(schema.stored_output).where(
                        output.org_id == org_id, output.response_id == response_id
                    )
                )
                self._told(connection, org_id, actor, "response.deleted", response_id)
        return bool(gone)

    def referenced(
        self, org_id: str, project_id: str, item_ids: Sequence[str]
    ) -> dict[str, tuple[bytes, str]]:
        """Items of responses and conversations by their ids, each with its provider, as far as found."""
        output = schema.stored_output.c
        wanted = set(item_ids)
        found: dict[str, tuple[bytes, str]] = {}
        places = self._responses(org_id, project_id, output.item_id).join(
            schema.stored_output,
            (output.org_id == _response.org_id) & (output.response_id == _response.response_id),
        ).where(output.item_id.in_(wanted)).order_by(_response.response_id)  # fmt: skip
        said = (
            self._spoken(org_id)
            .join(
                schema.conversation,
                (_talk.org_id == _said.org_id) & (_talk.conversation_id == _said.conversation_id),
            )
            .where(_talk.project_id == project_id, _said.item_id.in_(wanted))
        )
        with self._database.read() as connection:
            for row in connection.execute(said):
                item = self._item(connection, org_id, row)
                if item is not None:
                    found[item.id] = (item.body, item.provider)
            for row in connection.execute(places):
                turn = self._turn(connection, org_id, row)
                if turn is not None:
                    for item_id, body in _outputs(turn.response):
                        if item_id in wanted:
                            found[item_id] = (body, turn.provider)
        return found

    # --- conversations

    def create(
        self,
        org_id: str,
        project_id: str,
        metadata: dict[str, str],
        items: Sequence[bytes],
        *,
        expires_at_ns: int,
    ) -> StoredConversation:
        """A new conversation."""
        made = StoredConversation(mint("conv"), self._clock.unix_ns(), metadata)
        with self._database.write() as connection:
            sealed = self._keeper.seal(connection, org_id, made.id, msgspec.json.encode(metadata))
            connection.execute(
                schema.conversation.insert().values(
                    org_id=org_id, conversation_id=made.id, project_id=project_id,
                    at_ns=made.created_at_ns, expires_at_ns=expires_at_ns,
                    key_version=sealed[0], nonce=sealed[1], body=sealed[2],
                )
            )  # fmt: skip
            self._append(connection, org_id, made.id, items, expires_at_ns)
        return made

    def conversation(self, org_id: str, project_id: str, conversation_id: str) -> StoredConversation | None:
        """A conversation's own record."""
        with self._database.read() as connection:
            return self._found(connection, org_id, project_id, conversation_id)

    def update(
        self, org_id: str, project_id: str, conversation_id: str, metadata: dict[str, str]
    ) -> StoredConversation | None:
        """Give it other metadata."""
        with self._database.write() as connection:
            found = self._found(connection, org_id, project_id, conversation_id)
            if found is None:
                return None
            sealed = self._keeper.seal(connection, org_id, found.id, msgspec.json.encode(metadata))
            connection.execute(
                schema.conversation.update()
                .where(_talk.org_id == org_id, _talk.conversation_id == found.id)
                .values(key_version=sealed[0], nonce=sealed[1], body=sealed[2])
            )
        return msgspec.structs.replace(found, metadata=metadata)

    def delete(self, org_id: str, project_id: str, conversation_id: str, *, actor: str) -> bool:
        """Delete a conversation with all it holds; whether there was one."""
        with self._database.write() as connection:
            if self._found(connection, org_id, project_id, conversation_id) is None:
                return False
            for table, column in ((schema.conversation_item, _said), (schema.conversation, _talk)):
                connection.execute(
                    delete(table).where(column.org_id == org_id, column.conversation_id == conversation_id)
                )
            self._told(connection, org_id, actor, "conversation.deleted", conversation_id)
        return True

    def add(
        self,
        org_id: str,
        project_id: str,
        conversation_id: str,
        items: Sequence[bytes],
        *,
        expires_at_ns: int,
    ) -> list[StoredItem] | None:
        """Append items; None when there is no such conversation."""
        with self._database.write() as connection:
            if self._found(connection, org_id, project_id, conversation_id) is None:
                return None
            return self._append(connection, org_id, conversation_id, items, expires_at_ns)

    def items(
        self,
        org_id: str,
        project_id: str,
        conversation_id: str,
        *,
        order: Literal["asc", "desc"] = "asc",
        after: str | None = None,
        limit: int = _MOST_ITEMS + 1,
    ) -> list[StoredItem] | None:
        """What was said in it; None when there is no such conversation. `after` is an item's id; one that is
        not there begins at the start. Raises `ConversationTooLong`, never leaves something out unasked.
        """
        query = self._spoken(org_id).where(_said.conversation_id == conversation_id)
        with self._database.read() as connection:
            if self._found(connection, org_id, project_id, conversation_id) is None:
                return None
            if after is not None:
                place = connection.scalar(
                    select(_said.place).where(
                        _said.org_id == org_id,
                        _said.conversation_id == conversation_id,
                        _said.item_id == after,
                    )
                )
                if place is not None:
                    query = query.where(_said.place > place if order == "asc" else _said.place < place)
            query = query.order_by(_said.place if order == "asc" else _said.place.desc()).limit(
                min(limit, _MOST_ITEMS + 1)
            )
            known: Keys = {}
            size, found = 0, []
            for row in connection.execute(query):
                item = self._item(connection, org_id, row, known)
                if item is not None:
                    found.append(item)
                    size += len(item.body)
                if size > _MOST_BYTES or len(found) > _MOST_ITEMS:
                    raise ConversationTooLong(f"`{conversation_id}` holds too much to be read at once")
        return found

    def item(self, org_id: str, project_id: str, conversation_id: str, item_id: str) -> StoredItem | None:
        """One item of a conversation."""
        query = self._spoken(org_id).where(_said.conversation_id == conversation_id, _said.item_id == item_id)
        with self._database.read() as connection:
            if self._found(connection, org_id, project_id, conversation_id) is None:
                return None
            row = connection.execute(query.limit(1)).one_or_none()
            return None if row is None else self._item(connection, org_id, row)

    def delete_item(
        self, org_id: str, project_id: str, conversation_id: str, item_id: str, *, actor: str
    ) -> StoredConversation | None:
        """Delete one item; its conversation, or None when either is not there."""
        with self._database.write() as connection:
            found = self._found(connection, org_id, project_id, conversation_id)
            gone = (
                found is not None
                and connection.execute(
                    delete(schema.conversation_item).where(
                        _said.org_id == org_id,
                        _said.conversation_id == conversation_id,
                        _said.item_id == item_id,
                    )
                ).rowcount
            )
            if not gone:
                return None
            self._told(connection, org_id, actor, "conversation.item_deleted", item_id)
        return found

    # --- inside

    def _responses(self, org_id: str, project_id: str, *more: Any) -> Select[Any]:
        return select(
            _response.response_id, _response.at_ns, _response.previous_id, _response.conversation_id,
            _response.provider, _response.key_version, _response.nonce, _response.body, *more,
        ).where(
            _response.org_id == org_id,
            _response.project_id == project_id,
            _response.expires_at_ns > self._clock.unix_ns(),
        )  # fmt: skip

    def _spoken(self, org_id: str) -> Select[Any]:
        return select(
            _said.conversation_id, _said.place, _said.item_id, _said.provider, _said.key_version,
            _said.nonce, _said.body,
        ).where(_said.org_id == org_id, _said.expires_at_ns > self._clock.unix_ns())  # fmt: skip

    def _turn(
        self, connection: Connection, org_id: str, row: Any, known: Keys | None = None
    ) -> StoredTurn | None:
        plain = self._keeper.open(connection, org_id, row.response_id, row, known)
        if plain is None:
            return None
        body = _body.decode(plain)
        return StoredTurn(
            row.response_id,
            row.at_ns,
            _items.decode(body.items),
            bytes(body.response),
            row.previous_id,
            row.conversation_id,
            row.provider,
        )

    def _item(
        self, connection: Connection, org_id: str, row: Any, known: Keys | None = None
    ) -> StoredItem | None:
        plain = self._keeper.open(connection, org_id, f"{row.conversation_id}/{row.place}", row, known)
        return None if plain is None else StoredItem(row.item_id, row.place, plain, row.provider)

    def _found(
        self, connection: Connection, org_id: str, project_id: str, conversation_id: str
    ) -> StoredConversation | None:
        row = connection.execute(
            select(_talk.conversation_id, _talk.at_ns, _talk.key_version, _talk.nonce, _talk.body).where(
                _talk.org_id == org_id,
                _talk.project_id == project_id,
                _talk.conversation_id == conversation_id,
                _talk.expires_at_ns > self._clock.unix_ns(),
            )
        ).one_or_none()
        if row is None:
            return None
        plain = self._keeper.open(connection, org_id, row.conversation_id, row)
        if plain is None:
            return None
        return StoredConversation(row.conversation_id, row.at_ns, _metadata.decode(plain))

    def _append(
        self,
        connection: Connection,
        org_id: str,
        conversation_id: str,
        items: Sequence[bytes],
        expires_at_ns: int,
    ) -> list[StoredItem]:
        now_ns = self._clock.unix_ns()
        rows = self._keeper.append(
            connection, org_id, conversation_id, now_ns, expires_at_ns, [(item, "") for item in items]
        )
        return [StoredItem(row[3], row[2], item) for row, item in zip(rows, items, strict=True)]

    def _told(self, connection: Connection, org_id: str, actor: str, action: str, target: str) -> None:
        audit.write(connection, self._clock, org_id=org_id, actor=actor, action=action, target=target)


class _Answer(msgspec.Struct):
    output: list[msgspec.Raw] = []


_answer = msgspec.json.Decoder(_Answer)


def _outputs(response: bytes) -> list[tuple[str, bytes]]:
    """The items of a response that have an id."""
    found = [(id_of(item), bytes(item)) for item in _answer.decode(response).output]
    return [(identifier, item) for identifier, item in found if identifier]
