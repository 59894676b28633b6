"""Conversations that callers keep, with OpenAI's API.

A key sees what its project keeps, and nothing else exists for it. All of it needs `model:call`.

Source: openai-python 3.54, `resources/conversations` and its types, read 2026-11-22.
"""

from typing import Annotated, Any, TypeVar

import msgspec

from passerelle.codecs.fields import BAD_JSON
from passerelle.codecs.openai_reading import decode
from passerelle.core.clock import Clock
from passerelle.core.conversation import StoredConversation, StoredItem
from passerelle.core.errors import Problem, ProblemError, invalid
from passerelle.gateway.generation import Generations
from passerelle.gateway.keep import days, no_conversation
from passerelle.server.answer import send_whole
from passerelle.server.body import read_body
from passerelle.server.route import Arrival, Route
from passerelle.server.v1.kept import DELETE, DIALECT, GET, POST, Query, named, no_such, read
from passerelle.server.v1.lists import listing
from passerelle.store import Store

T = TypeVar("T")
_MOST_AT_ONCE = 20
_DAY_NS = 86_400 * 1_000_000_000

CONVERSATIONS = "/v1/conversations/"

_Metadata = Annotated[
    dict[Annotated[str, msgspec.Meta(max_length=64)], Annotated[str, msgspec.Meta(max_length=512)]],
    msgspec.Meta(max_length=16),
]


class _Create(msgspec.Struct):
    items: list[msgspec.Raw] | None = None
    metadata: _Metadata | None = None


class _Update(msgspec.Struct):
    metadata: _Metadata


class _Add(msgspec.Struct):
    items: list[msgspec.Raw]


class Conversations:
    """The handlers. One per worker."""

    def __init__(self, store: Store, generations: Generations, clock: Clock) -> None:
        self._store = store
        self._generations = generations
        self._clock = clock

    def routes(self) -> tuple[Route, ...]:
        """Everything under `/v1/conversations`."""
        return (
            Route("/v1/conversations", POST, "model:call", self._create, DIALECT),
            Route(CONVERSATIONS, GET, "model:call", self._get, DIALECT, prefix=True),
            Route(CONVERSATIONS, POST, "model:call", self._change, DIALECT, prefix=True),
            Route(CONVERSATIONS, DELETE, "model:call", self._delete, DIALECT, prefix=True),
        )

    async def _create(self, arrival: Arrival) -> None:
        fields = decode(_create, await self._body(arrival) or b"{}")
        items = _checked(fields.items or [])
        expires_at_ns = self._expiry(arrival)
        caller = arrival.caller
        made = await read(
            lambda: self._store.conversations.create(
                caller.org_id, caller.project_id, fields.metadata or {}, items, expires_at_ns=expires_at_ns
            )
        )
        await _tell(arrival, made)

    async def _get(self, arrival: Arrival) -> None:
        from passerelle.codecs.openai_responses import conversation as talk

        identifier, below = named(arrival)
        caller, query = arrival.caller, Query(arrival)
        stored = self._store.conversations
        if not below:
            found = await read(lambda: stored.conversation(caller.org_id, caller.project_id, identifier))
            await _tell(arrival, _there(found, identifier))
            return
        name, _, item_id = below.partition("/")
        if name != "items" or "/" in item_id:
            raise no_such(arrival)
        if item_id:
            await self._get_item(arrival, identifier, item_id, query)
            return
        limit = query.limit
        order = query.order
        listed = await read(
            lambda: stored.items(
                caller.org_id, caller.project_id, identifier, order=order, after=query.after, limit=limit + 1
            )
        )
        page = _there(listed, identifier)
        shown = [talk.listed(item.body, item.id, query.included) for item in page[:limit]]
        await send_whole(arrival, 200, listing(shown, more=len(page) > limit), [])

    async def _get_item(self, arrival: Arrival, identifier: str, item_id: str, query: Query) -> None:
        from passerelle.codecs.openai_responses import conversation as talk

        caller = arrival.caller
        item = await read(
            lambda: self._store.conversations.item(caller.org_id, caller.project_id, identifier, item_id)
        )
        if item is None:
            raise _no_item(item_id)
        shown = talk.listed(item.body, item.id, query.included)
        await send_whole(arrival, 200, msgspec.json.encode(shown), [])

    async def _change(self, arrival: Arrival) -> None:
        """New metadata, or further items."""
        identifier, below = named(arrival)
        caller, stored = arrival.caller, self._store.conversations
        raw = await self._body(arrival)
        if below == "items":
            await self._add(arrival, identifier, raw)
            return
        if below:
            raise no_such(arrival)
        metadata = decode(_update, raw).metadata
        changed = await read(lambda: stored.update(caller.org_id, caller.project_id, identifier, metadata))
        await _tell(arrival, _there(changed, identifier))

    async def _add(self, arrival: Arrival, identifier: str, raw: bytes) -> None:
        from passerelle.codecs.openai_responses import conversation as talk

        items = _checked(decode(_add, raw).items)
        expires_at_ns = self._expiry(arrival)
        caller = arrival.caller
        added: list[StoredItem] | None = await read(
            lambda: self._store.conversations.add(
                caller.org_id, caller.project_id, identifier, items, expires_at_ns=expires_at_ns
            )
        )
        shown = [talk.listed(item.body, item.id, frozenset()) for item in _there(added, identifier)]
        await send_whole(arrival, 200, listing(shown, more=False), [])

    async def _delete(self, arrival: Arrival) -> None:
        identifier, below = named(arrival)
        caller, stored = arrival.caller, self._store.conversations
        where = (caller.org_id, caller.project_id, identifier)
        if below:
            name, _, item_id = below.partition("/")
            if name != "items" or not item_id or "/" in item_id:
                raise no_such(arrival)
            left = await read(lambda: stored.delete_item(*where, item_id, actor=caller.key_id))
            if left is None:
                raise _no_item(item_id)
            await _tell(arrival, left)
            return
        if not await read(lambda: stored.delete(*where, actor=caller.key_id)):
            raise ProblemError(no_conversation(identifier))
        body = {"id": identifier, "object": "conversation.deleted", "deleted": True}
        await send_whole(arrival, 200, msgspec.json.encode(body), [])

    async def _body(self, arrival: Arrival) -> bytes:
        return await read_body(arrival, self._generations.current.intake.max_body_bytes)

    def _expiry(self, arrival: Arrival) -> int:
        """When what is said now has had its day. Raises `ProblemError` where nothing may be kept."""
        kept_days = days(arrival.caller, self._generations.current)
        if not kept_days:
            raise ProblemError(
                Problem(
                    "permission_denied",
                    "This key may not keep conversations; make one with `passerelle keys create "
                    "--store-conversations`, or send the whole conversation with each request.",
                )
            )
        return self._clock.unix_ns() + kept_days * _DAY_NS


_create = msgspec.json.Decoder(_Create)
_update = msgspec.json.Decoder(_Update)
_add = msgspec.json.Decoder(_Add)
_object = msgspec.json.Decoder(dict[str, Any])


def _checked(items: list[msgspec.Raw]) -> list[bytes]:
    """Items as they are kept. Raises `ProblemError` naming the one at fault."""
    if len(items) > _MOST_AT_ONCE:
        raise invalid(f"`items` holds {len(items)}; send at most {_MOST_AT_ONCE} at a time.", "items")
    for place, item in enumerate(items):
        at = f"items[{place}]"
        try:
            fields = _object.decode(item)
        except BAD_JSON:
            raise invalid(f"`{at}` must be an object; correct it and send it again.", at) from None
        if not isinstance(fields.get("type", "message"), str) or fields.get("type") == "item_reference":
            raise invalid(f"`{at}.type` must be the kind of a whole item; correct it.", f"{at}.type")
        if fields.get("type", "message") == "message" and not {"role", "content"} <= fields.keys():
            raise invalid(f"`{at}` is a message without `role` or `content`; add them.", at)
    return [bytes(item) for item in items]


async def _tell(arrival: Arrival, found: StoredConversation) -> None:
    body = {
        "id": found.id,
        "object": "conversation",
        "created_at": found.created_at_ns // 1_000_000_000,
        "metadata": found.metadata,
    }
    await send_whole(arrival, 200, msgspec.json.encode(body), [])


def _there(found: T | None, identifier: str) -> T:
    if found is None:
        raise ProblemError(no_conversation(identifier))
    return found


def _no_item(identifier: str) -> ProblemError:
    return ProblemError(
        Problem(
            "not_found",
            f"Item with id `{identifier[:120]}` not found; list what there is with GET "
            "/v1/conversations/CONVERSATION/items.",
        )
    )
