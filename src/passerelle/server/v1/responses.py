"""Responses that callers keep: read, streamed again, listed, deleted, cancelled.

A key sees what its project keeps, and nothing else exists for it. All of it needs `model:call`: whoever may
have a response may read it, go on with it and delete it.

Source: openai-python 3.54, `resources/responses` and its types, read 2026-11-22.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from functools import partial
from typing import Literal

import msgspec

from passerelle.codecs.base import PathTarget
from passerelle.core.background import ANSWERED, UNDER_WAY, Background
from passerelle.core.conversation import StoredTurn
from passerelle.core.errors import Problem, ProblemError, invalid
from passerelle.gateway.background.begin import Beginner
from passerelle.gateway.keep import Recall, chain_of
from passerelle.gateway.trip import Delivery
from passerelle.server.answer import send_delivery, send_whole
from passerelle.server.call import ModelCalls
from passerelle.server.route import Arrival, Route
from passerelle.server.v1.kept import DELETE, DIALECT, GET, POST, Query, named, no_such, read
from passerelle.server.v1.lists import listing
from passerelle.store import Store

RESPONSES = "/v1/responses/"
_CALL: Literal["model:call"] = "model:call"
_TARGET = PathTarget("chat")
_WHOLE = PathTarget("chat", stream=False)
_LOOK_S = 0.15
"""Between two looks for new events of a response that another task, or another worker, makes."""
_STILL_HERE_S = 15.0
"""Without events for so long, a comment says that the connection is alive."""


class Responses:
    """The handlers. One per worker."""

    def __init__(
        self,
        store: Store,
        calls: ModelCalls,
        recall: Recall,
        beginner: Beginner,
        wake: Callable[[], None],
    ) -> None:
        """`wake()`: something in the background was cancelled."""
        self._store = store
        self._calls = calls
        self._recall = recall
        self._beginner = beginner
        self._wake = wake

    def routes(self) -> tuple[Route, ...]:
        """`/v1/responses` and everything below it, but for the counting of tokens."""
        return (
            Route("/v1/responses", POST, _CALL, self._calls.repeatable(self._create), DIALECT),
            Route("/v1/responses/compact", POST, _CALL, self._calls.repeatable(self._compact), DIALECT),
            Route(RESPONSES, GET, _CALL, self._get, DIALECT, prefix=True),
            Route(RESPONSES, DELETE, _CALL, self._delete, DIALECT, prefix=True),
            Route(RESPONSES, POST, _CALL, self._cancel, DIALECT, prefix=True),
        )

    # --- made

    async def _create(self, arrival: Arrival) -> None:
        ask = await self._calls.ask(arrival, DIALECT, _TARGET)
        if b'"background"' in ask.body:
            from passerelle.codecs.openai_responses import background as words

            background, stream = words.wanted(ask.body)
            if background and ask.wishes.explain:
                ask = msgspec.structs.replace(ask, body=words.foreground(ask.body))
            elif background:
                one = await self._beginner.begin(ask, stream=stream)
                if stream:
                    await self._follow(arrival, one.id, -1)
                else:
                    await send_whole(arrival, 200, bytes(one.said.response), [])
                return
        self._calls.look(arrival, DIALECT)
        await self._calls.carry(arrival, ask, self._recall)

    async def _compact(self, arrival: Arrival) -> None:
        """A conversation made short by the model that is named, whoever serves it."""
        from passerelle.codecs.openai_responses import compaction
        from passerelle.codecs.openai_responses import conversation as talk

        self._calls.look(arrival, DIALECT)
        ask = await self._calls.ask(arrival, DIALECT, _WHOLE)
        ask = await self._recall(msgspec.structs.replace(ask, body=compaction.unstored(ask.body)))
        whole = ask.body
        if not talk.asked(whole).stateful:  # else it is refused: what it names is not to be had with this key
            self._calls.check(ask)
            ask = msgspec.structs.replace(ask, body=compaction.asking(whole))
        delivery = await self._calls.travel(arrival, ask)
        body: bytes | None = delivery.body
        if not ask.wishes.explain:
            tail = arrival.receipt_id.partition("_")[2]
            created_s = ask.at_ns // 1_000_000_000
            body = compaction.compacted(whole, delivery.body, tail, created_s=created_s)
        if body is None:
            told = "The model wrote no whole summary; ask again, or name another model."
            raise ProblemError(Problem("upstream_error", told), arrival.receipt_id)
        await send_whole(arrival, 200, body, delivery.headers, generation=delivery.generation)

    # --- read

    async def _get(self, arrival: Arrival) -> None:
        from passerelle.codecs.openai_responses import conversation as talk
        from passerelle.codecs.openai_responses.replay import replayed

        identifier, below = named(arrival)
        query = Query(arrival)
        if below == "input_items":
            await self._input_items(arrival, identifier, query)
            return
        if below:
            raise no_such(arrival)
        one, turn = await self._look(arrival, identifier)
        if one is not None and query.stream and await self._follows(arrival, one):
            await self._follow(arrival, identifier, query.starting_after)
            return
        body = _shown(one) if turn is None and one is not None else None
        if turn is not None:
            body = talk.shown(turn.response, query.included)
        if body is None:
            raise _no_response(identifier)
        if query.stream:
            events = replayed(body, after=query.starting_after)
            await send_whole(arrival, 200, events, [], b"text/event-stream")
            return
        await send_whole(arrival, 200, body, [])

    async def _look(self, arrival: Arrival, identifier: str) -> tuple[Background | None, StoredTurn | None]:
        """What is known of a response: that it was asked for in the background, and what it answered. One
        that was cancelled has no answer, whatever its worker heard since.
        """
        where = (arrival.caller.org_id, arrival.caller.project_id, identifier)
        store = self._store
        one = await read(lambda: store.backgrounds.get(*where))
        if one is not None and one.state not in ANSWERED:
            return one, None
        return one, await read(lambda: store.conversations.response(*where))

    async def _follows(self, arrival: Arrival, one: Background) -> bool:
        """Whether its events are there to be followed. Raises `ProblemError` while they are still to come, of
        one that was not asked for as a stream.
        """
        if not one.stream:
            if one.state in UNDER_WAY:
                # "You can only start a new stream from a background response if you created it with
                # `stream=true`" (OpenAI's guide to background mode, read 2026-11-22).
                raise invalid(
                    f"`{one.id}` was not asked for with `stream`, so it has no events yet; read it without "
                    "`stream` until it is over.",
                    "stream",
                )
            return False
        where = (one.org_id, one.project_id, one.id)
        _, first = await read(lambda: self._store.backgrounds.events(*where, -1))
        return bool(first)

    async def _follow(self, arrival: Arrival, identifier: str, after: int) -> None:
        chunks = self._events(arrival, identifier, after)
        await send_delivery(
            arrival, Delivery(200, [], arrival.generation, b"text/event-stream", chunks=chunks)
        )

    async def _events(self, arrival: Arrival, identifier: str, after: int) -> AsyncGenerator[bytes, None]:
        """The events above `after`, those that come included, to the last. Where it was cancelled, or its end
        was told before `after`, that is said once more.
        """
        from passerelle.codecs.openai_responses import background as words

        where = (arrival.caller.org_id, arrival.caller.project_id, identifier)
        loop_time = asyncio.get_running_loop().time
        told_s, ended = loop_time(), False
        yield b": \n\n"  # the status line need not wait for an event
        while True:
            state, found = await read(partial(self._store.backgrounds.events, *where, after))
            for events in found:
                piece = words.since(events.body, after)
                after = max(after, events.until - 1)
                ended = ended or any(b"event: " + kind.encode() in piece for kind in words.ENDS)
                if piece:
                    yield piece
                told_s = loop_time()
            if found:
                continue
            if state not in UNDER_WAY:
                break
            if loop_time() - told_s > _STILL_HERE_S:
                told_s = loop_time()
                yield b": \n\n"
            await asyncio.sleep(_LOOK_S)
        if ended:
            return
        one, turn = await self._look(arrival, identifier)
        if one is not None and one.state not in UNDER_WAY:
            response = turn.response if turn is not None else _shown(one)
            said, _ = words.final(response, one.state, after + 1)
            yield said

    async def _input_items(self, arrival: Arrival, identifier: str, query: Query) -> None:
        """All that the response answered: what its caller sent, and what the conversation held before."""
        from passerelle.codecs.openai_responses import conversation as talk

        caller = arrival.caller
        one, known = await self._look(arrival, identifier)
        if known is None:
            if one is None:
                raise _no_response(identifier)
            turns = await self._asked(arrival, one)
        else:
            turns = await read(lambda: chain_of(self._store, caller, identifier, "response_id"))
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
        await send_whole(arrival, 200, listing(shown, more=len(items) > start + len(page)), [])

    async def _asked(self, arrival: Arrival, one: Background) -> list[StoredTurn]:
        """What a response that has no answer was asked, as the turns that it goes on from and its own."""
        from passerelle.codecs.openai_responses import conversation as talk

        asked = talk.asked(bytes(one.said.request))
        previous = asked.previous_id
        before: list[StoredTurn] = []
        if previous is not None:
            before = await read(lambda: chain_of(self._store, arrival.caller, previous, "response_id"))
        items = [msgspec.Raw(item) for item in asked.items]
        return [*before, StoredTurn(one.id, one.at_ns, items, bytes(one.said.response))]

    # --- ended

    async def _delete(self, arrival: Arrival) -> None:
        identifier, below = named(arrival)
        if below:
            raise no_such(arrival)
        where, actor = (arrival.caller.org_id, arrival.caller.project_id, identifier), arrival.caller.key_id
        store = self._store
        stopped = await read(lambda: store.backgrounds.delete(*where, actor=actor))
        gone = await read(lambda: store.conversations.delete_response(*where, actor=actor))
        if stopped:
            self._wake()
        if not (gone or stopped):
            raise _no_response(identifier)
        body = {"id": identifier, "object": "response", "deleted": True}
        await send_whole(arrival, 200, msgspec.json.encode(body), [])

    async def _cancel(self, arrival: Arrival) -> None:
        """End a response under way. Asked again, or too late, the response is told as it is: "Cancelling
        twice is idempotent" (OpenAI's guide to background mode, read 2026-11-22).
        """
        identifier, below = named(arrival)
        if below != "cancel":
            raise no_such(arrival)
        where = (arrival.caller.org_id, arrival.caller.project_id, identifier)
        store = self._store
        ended = await read(lambda: store.backgrounds.cancel(*where))
        if ended is not None:
            self._wake()
        _, turn = await self._look(arrival, identifier)
        if ended is None:
            if turn is None:
                raise _no_response(identifier)
            raise invalid(
                f"Cannot cancel `{identifier}`: it was not made in the background, and is over; close the "
                "connection to cancel one that is under way.",
            )
        await send_whole(arrival, 200, _shown(ended) if turn is None else turn.response, [])


def _shown(one: Background) -> bytes:
    """A response that has no answer, or none yet, as it is told."""
    from passerelle.codecs.openai_responses import background as words

    # Answered, and not booked yet: the next look finds it.
    state = "in_progress" if one.state in ANSWERED else one.state
    return words.in_state(bytes(one.said.response), state)


def _no_response(identifier: str) -> ProblemError:
    return ProblemError(
        Problem(
            "not_found",
            f"Response with id `{identifier[:120]}` not found; it was never stored, or has been deleted "
            "since.",
        )
    )
