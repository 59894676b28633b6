"""What callers keep with OpenAI's API: stored responses, and conversations.

A key sees what its project keeps, and nothing else exists for it. All of it needs `model:call`: whoever may
have a conversation may read it, go on with it and delete it.

Source: openai-python 3.54, `resources/responses`, `resources/conversations` and their types, read 2026-11-22.
"""

import asyncio
from collections.abc import Callable
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import parse_qs

import msgspec

from passerelle.codecs.openai_reading import decode
from passerelle.core.clock import Clock
from passerelle.core.conversation import StoredConversation, StoredItem
from passerelle.core.errors import Problem, ProblemError, invalid
from passerelle.core.ids import plausible
from passerelle.gateway.generation import Generations
from passerelle.gateway.keep import chain_of, days, no_conversation, too_long
from passerelle.server.answer import send_whole
from passerelle.server.body import read_body
from passerelle.server.route import Arrival, Route
from passerelle.store import ConversationTooLong, Store, StoreUnavailable

T = TypeVar("T")
_GET = frozenset({"GET", "HEAD"})
_POST = frozenset({"POST"})
_DELETE = frozenset({"DELETE"})
_MOST_AT_ONCE = 20
_PAGE, _MOST_ON_A_PAGE = 20, 100
_DAY_NS = 86_400 * 1_000_000_000
_DIALECT: Literal["openai_responses"] = "openai_responses"

RESPONSES = "/v1/responses/"
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


class _Query:
    """The query of a list or a retrieval."""

    def __init__(self, arrival: Arrival) -> None:
        self._fields: dict[str, list[str]] = parse_qs(
            arrival.scope.get("query_string", b"").decode("latin-1")
        )
        self.included = frozenset([*self._fields.get("include", ()), *self._fields.get("include[]", ())])
        after = self._one("after")
        self.after = after if after is not None and plausible(after) else None

    def _one(self, name: str) -> str | None:
        said = self._fields.get(name)
        return said[0] if said else None

    @property
    def order(self) -> Literal["asc", "desc"]:
        said = self._one("order")
        if said not in (None, "asc", "desc"):
            raise invalid(f"`order` is `{said[:40]}`; send `asc` or `desc`.", "order")
        return "asc" if said == "asc" else "desc"

    @property
    def limit(self) -> int:
        return self._number("limit", _PAGE, 1, _MOST_ON_A_PAGE)

    @property
    def starting_after(self) -> int:
        return self._number("starting_after", -1, -1, 1 << 31)

    @property
    def stream(self) -> bool:
        return self._one("stream") == "true"

    def _number(self, name: str, usual: int, least: int, most: int) -> int:
        said = self._one(name)
        if said is None:
            return usual
        try:
            number = int(said[:12])
        except ValueError:
            number = least - 1
        if not least <= number <= most:
            raise invalid(f"`{name}` is `{said[:40]}`; send a number from {least} to {most}.", name)
        return number


class Stored:
    """The handlers. One per worker."""

    def __init__(self, store: Store, generations: Generations, clock: Clock) -> None:
        self._store = store
        self._generations = generations
        self._clock = clock

    def routes(self) -> tuple[Route, ...]:
        """Everything below `/v1/responses/` and under `/v1/conversations`, but for model calls."""
        call: Literal["model:call"] = "model:call"
        return (
            Route("/v1/responses/compact", _POST, call, self._compact, _DIALECT),
            Route(RESPONSES, _GET, call, self._get_response, _DIALECT, prefix=True),
            Route(RESPONSES, _DELETE, call, self._delete_response, _DIALECT, prefix=True),
            Route(RESPONSES, _POST, call, self._cancel, _DIALECT, prefix=True),
            Route("/v1/conversations", _POST, call, self._create, _DIALECT),
            Route(CONVERSATIONS, _GET, call, self._get, _DIALECT, prefix=True),
            Route(CONVERSATIONS, _POST, call, self._change, _DIALECT, prefix=True),
            Route(CONVERSATIONS, _DELETE, call, self._delete, _DIALECT, prefix=True),
        )

    # --- responses

    async def _get_response(self, arrival: Arrival) -> None:
        from passerelle.codecs.openai_responses import conversation as talk
        from passerelle.codecs.openai_responses.replay import replayed

        identifier, below = _named(arrival)
        query = _Query(arrival)
        if below == "input_items":
            await self._input_items(arrival, identifier, query)
            return
        if below:
            raise _no_such(arrival)
        caller = arrival.caller
        turn = await _read(
            lambda: self._store.conversations.response(caller.org_id, caller.project_id, identifier)
        )
        if turn is None:
            raise _no_response(identifier)
        body = talk.shown(turn.response, query.included)
        if query.stream:
            events = replayed(body, after=query.starting_after)
            await send_whole(arrival, 200, events, [], b"text/event-stream")
            return
        await send_whole(arrival, 200, body, [])

    async def _input_items(self, arrival: Arrival, identifier: str, query: _Query) -> None:
        """All that the response answered: what its caller sent, and what the conversation held before."""
        from passerelle.codecs.openai_responses import conversation as talk

        caller = arrival.caller
        known = await _read(
            lambda: self._store.conversations.response(caller.org_id, caller.project_id, identifier)
        )
        if known is None:
            raise _no_response(identifier)
        turns = await _read(lambda: chain_of(self._store, caller, identifier, "response_id"))
        items: list[tuple[str, bytes]] = []
        for turn in turns:
            tail = turn.response_id.partition("_")[2]
            items += [
                (talk.own_id(bytes(item), tail, number), bytes(item))
                for number, item in enumerate(turn.items)
            ]
            if turn is not turns[-1]:
                items += [
                    (talk.own_id(item, tail, 500 + number), item)
                    for number, item in enumerate(talk.outputs(turn.response))
                ]
        if query.order == "desc":
            items.reverse()
        names = [name for name, _ in items]
        start = names.index(query.after) + 1 if query.after in names else 0
        page = items[start : start + query.limit]
        shown = [talk.listed(item, name, query.included) for name, item in page]
        await send_whole(arrival, 200, _list(shown, more=len(items) > start + len(page)), [])

    async def _delete_response(self, arrival: Arrival) -> None:
        identifier, below = _named(arrival)
        if below:
            raise _no_such(arrival)
        caller = arrival.caller
        gone = await _read(
            lambda: self._store.conversations.delete_response(
                caller.org_id, caller.project_id, identifier, actor=caller.key_id
            )
        )
        if not gone:
            raise _no_response(identifier)
        body = {"id": identifier, "object": "response", "deleted": True}
        await send_whole(arrival, 200, msgspec.json.encode(body), [])

    async def _cancel(self, arrival: Arrival) -> None:
        identifier, below = _named(arrival)
        if below != "cancel":
            raise _no_such(arrival)
        caller = arrival.caller
        turn = await _read(
            lambda: self._store.conversations.response(caller.org_id, caller.project_id, identifier)
        )
        if turn is None:
            raise _no_response(identifier)
        raise invalid(
            f"Cannot cancel `{identifier}`: only responses made with `background` can be cancelled, and this "
            "one is over; close the connection to cancel one that is under way.",
        )

    async def _compact(self, arrival: Arrival) -> None:
        raise invalid(
            "Compaction is not offered here; shorten `input` yourself, or ask a model for a summary of it.",
            code="unsupported_parameter",
        )

    # --- conversations

    async def _create(self, arrival: Arrival) -> None:
        fields = decode(_create, await self._body(arrival) or b"{}")
        items = _checked(fields.items or [])
        expires_at_ns = self._expiry(arrival)
        caller = arrival.caller
        made = await _read(
            lambda: self._store.conversations.create(
                caller.org_id, caller.project_id, fields.metadata or {}, items, expires_at_ns=expires_at_ns
            )
        )
        await _tell(arrival, made)

    async def _get(self, arrival: Arrival) -> None:
        from passerelle.codecs.openai_responses import conversation as talk

        identifier, below = _named(arrival)
        caller, query = arrival.caller, _Query(arrival)
        stored = self._store.conversations
        if not below:
            found = await _read(lambda: stored.conversation(caller.org_id, caller.project_id, identifier))
            await _tell(arrival, _there(found, identifier))
            return
        name, _, item_id = below.partition("/")
        if name != "items" or "/" in item_id:
            raise _no_such(arrival)
        if item_id:
            await self._get_item(arrival, identifier, item_id, query)
            return
        limit = query.limit
        order = query.order
        listed = await _read(
            lambda: stored.items(
                caller.org_id, caller.project_id, identifier, order=order, after=query.after, limit=limit + 1
            )
        )
        page = _there(listed, identifier)
        shown = [talk.listed(item.body, item.id, query.included) for item in page[:limit]]
        await send_whole(arrival, 200, _list(shown, more=len(page) > limit), [])

    async def _get_item(self, arrival: Arrival, identifier: str, item_id: str, query: _Query) -> None:
        from passerelle.codecs.openai_responses import conversation as talk

        caller = arrival.caller
        item = await _read(
            lambda: self._store.conversations.item(caller.org_id, caller.project_id, identifier, item_id)
        )
        if item is None:
            raise _no_item(item_id)
        shown = talk.listed(item.body, item.id, query.included)
        await send_whole(arrival, 200, msgspec.json.encode(shown), [])

    async def _change(self, arrival: Arrival) -> None:
        """New metadata, or further items."""
        identifier, below = _named(arrival)
        caller, stored = arrival.caller, self._store.conversations
        raw = await self._body(arrival)
        if below == "items":
            await self._add(arrival, identifier, raw)
            return
        if below:
            raise _no_such(arrival)
        metadata = decode(_update, raw).metadata
        changed = await _read(lambda: stored.update(caller.org_id, caller.project_id, identifier, metadata))
        await _tell(arrival, _there(changed, identifier))

    async def _add(self, arrival: Arrival, identifier: str, raw: bytes) -> None:
        from passerelle.codecs.openai_responses import conversation as talk

        items = _checked(decode(_add, raw).items)
        expires_at_ns = self._expiry(arrival)
        caller = arrival.caller
        added: list[StoredItem] | None = await _read(
            lambda: self._store.conversations.add(
                caller.org_id, caller.project_id, identifier, items, expires_at_ns=expires_at_ns
            )
        )
        shown = [talk.listed(item.body, item.id, frozenset()) for item in _there(added, identifier)]
        await send_whole(arrival, 200, _list(shown, more=False), [])

    async def _delete(self, arrival: Arrival) -> None:
        identifier, below = _named(arrival)
        caller, stored = arrival.caller, self._store.conversations
        where = (caller.org_id, caller.project_id, identifier)
        if below:
            name, _, item_id = below.partition("/")
            if name != "items" or not item_id or "/" in item_id:
                raise _no_such(arrival)
            left = await _read(lambda: stored.delete_item(*where, item_id, actor=caller.key_id))
            if left is None:
                raise _no_item(item_id)
            await _tell(arrival, left)
            return
        if not await _read(lambda: stored.delete(*where, actor=caller.key_id)):
            raise ProblemError(no_conversation(identifier))
        body = {"id": identifier, "object": "conversation.deleted", "deleted": True}
        await send_whole(arrival, 200, msgspec.json.encode(body), [])

    # --- inside

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


async def _read(look: Callable[[], T]) -> T:
    """What `look` finds in the database, without holding up other requests."""
    try:
        return await asyncio.to_thread(look)
    except ConversationTooLong:
        raise too_long() from None
    except StoreUnavailable as error:
        raise ProblemError(
            Problem("overloaded", "What is kept cannot be reached now; try again shortly.", retry_after_s=5)
        ) from error


def _named(arrival: Arrival) -> tuple[str, str]:
    """The id in the path, and what stands below it. Raises `ProblemError` for what is no id of anything."""
    identifier, _, below = arrival.rest.partition("/")
    if not plausible(identifier) or not (below == "" or plausible(below)):
        raise _no_such(arrival)
    return identifier, below


def _checked(items: list[msgspec.Raw]) -> list[bytes]:
    """Items as they are kept. Raises `ProblemError` naming the one at fault."""
    if len(items) > _MOST_AT_ONCE:
        raise invalid(f"`items` holds {len(items)}; send at most {_MOST_AT_ONCE} at a time.", "items")
    for place, item in enumerate(items):
        at = f"items[{place}]"
        try:
            fields = _object.decode(item)
        except msgspec.DecodeError:
            raise invalid(f"`{at}` must be an object; correct it and send it again.", at) from None
        if not isinstance(fields.get("type", "message"), str) or fields.get("type") == "item_reference":
            raise invalid(f"`{at}.type` must be the kind of a whole item; correct it.", f"{at}.type")
        if fields.get("type", "message") == "message" and not {"role", "content"} <= fields.keys():
            raise invalid(f"`{at}` is a message without `role` or `content`; add them.", at)
    return [bytes(item) for item in items]


def _list(items: list[dict[str, Any]], *, more: bool) -> bytes:
    return msgspec.json.encode(
        {
            "object": "list",
            "data": items,
            "first_id": items[0]["id"] if items else None,
            "last_id": items[-1]["id"] if items else None,
            "has_more": more,
        }
    )


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


def _no_response(identifier: str) -> ProblemError:
    return ProblemError(
        Problem(
            "not_found",
            f"Response with id `{identifier[:120]}` not found; it was never stored, or has been deleted "
            "since.",
        )
    )


def _no_item(identifier: str) -> ProblemError:
    return ProblemError(
        Problem(
            "not_found",
            f"Item with id `{identifier[:120]}` not found; list what there is with GET "
            "/v1/conversations/CONVERSATION/items.",
        )
    )


def _no_such(arrival: Arrival) -> ProblemError:
    path = arrival.scope["path"]
    return ProblemError(
        Problem("not_found", f"`{path[:200]}` is not served here; see docs/api.md for the routes.")
    )
