"""Conversations we keep: a request rebuilt from what is stored, and its answer put beside it.

    recall   `previous_response_id`, `conversation` and item references → a request that carries everything
    answer   restamped with our id, journalled with the settlement, in the database before the last event

So every model of every provider can go on with any conversation, no provider is asked to keep anything, and
an id that a caller was given is good whoever answered. Only the Responses dialect has conversations.

What may be kept is the tenant's to say (`Rights.content`), for how long the operator's and the tenant's. Only
answers that came to their end are kept: one that broke leaves nothing behind, and says so (`store: false`).
"""

import asyncio
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec.structs import replace

from passerelle.codecs import registry
from passerelle.codecs.base import StreamWatcher
from passerelle.core.conversation import StoredTurn, Turn
from passerelle.core.errors import Problem, ProblemError, invalid
from passerelle.core.ids import plausible, same
from passerelle.core.principal import Principal
from passerelle.gateway.generation import Generation, Generations
from passerelle.gateway.trip import Ask, Keeping, Trip
from passerelle.store import ConversationTooLong, Store

if TYPE_CHECKING:
    from passerelle.codecs.openai_responses import conversation as talk

log = logging.getLogger("passerelle.road")

MOST_BYTES: Final = 16 << 20
"""A larger turn is answered and not kept: the journal must hold it whole."""
_BOOKED_S: Final = 2.0
"""How long an answer waits for the database. What is journalled survives this process and is booked later."""
_DAY_NS: Final = 86_400 * 1_000_000_000


def allowed(principal: Principal) -> bool:
    """Whether anything this caller says may be kept."""
    return principal.rights.content in ("conversations", "full")


def days(principal: Principal, generation: Generation) -> int:
    """For how many days this caller's conversations are kept; 0 where nothing may be."""
    if not allowed(principal):
        return 0
    most = principal.rights.max_retention_days
    return generation.conversation_days if most is None else min(most, generation.conversation_days)


class Recall:
    """Rebuilds requests. One per worker."""

    def __init__(self, store: Store, generations: Generations) -> None:
        self._store = store
        self._generations = generations

    async def __call__(self, ask: Ask) -> Ask:
        """The request as the road takes it. Raises `ProblemError` for what is not there, naming the field.

        A caller that may keep nothing is not looked at: its envelope says what cannot be honoured.
        """
        generation = self._generations.current
        kept_days = days(ask.principal, generation)
        if not kept_days:
            return ask
        from passerelle.codecs.openai_responses import conversation as talk

        asked = talk.asked(ask.body)
        if asked.store is False and not asked.stateful:
            return ask
        before: list[tuple[bytes, str]] = []
        items: list[tuple[bytes, str]] = [(item, "") for item in asked.items]
        if asked.stateful:
            if items and not asked.references:
                # Looked at alone first: what is wrong with an item is told by its place in what was sent.
                registry.client(ask.dialect).envelope(talk.rebuilt(ask.body, asked.items), ask.target)
            try:
                before, items = await asyncio.to_thread(self._found, ask.principal, asked)
            except ConversationTooLong:
                raise too_long() from None
            except msgspec.DecodeError as error:
                raise invalid(f"`input` cannot be read: {error}; correct it.", "input") from None
        body = (
            talk.rebuilt(ask.body, [item for item, _ in (*before, *items)])
            if asked.stateful
            else ask.body
            if asked.store is None
            else talk.unstored(ask.body)
        )
        if len(body) > generation.intake.max_body_bytes:
            raise too_long()
        store = asked.store is not False
        if ask.target.operation != "chat" or not (store or asked.conversation_id):
            return replace(ask, body=body)
        keeping = Keeping(
            response_id=same("resp", ask.receipt_id),
            items=tuple([item for item, _ in items]),
            expires_at_ns=ask.at_ns + kept_days * _DAY_NS,
            store=store,
            previous_id=asked.previous_id,
            conversation_id=asked.conversation_id,
            sent=ask.body,
            opaque=tuple(
                [
                    (place, provider)
                    for place, (item, provider) in enumerate((*before, *items))
                    if provider and talk.is_opaque(item)
                ]
            ),
        )
        return replace(ask, body=body, keeping=keeping)

    def _found(
        self, principal: Principal, asked: "talk.Asked"
    ) -> tuple[list[tuple[bytes, str]], list[tuple[bytes, str]]]:
        """What was said before and what is new, references resolved; each item with who said it."""
        from passerelle.codecs.openai_responses import conversation as talk

        org_id, project_id = principal.org_id, principal.project_id
        stored = self._store.conversations
        before: list[tuple[bytes, str]] = []
        if asked.previous_id is not None:
            before = spoken(chain_of(self._store, principal, asked.previous_id, "previous_response_id"))
        elif asked.conversation_id is not None:
            found = None
            if plausible(asked.conversation_id):
                found = stored.items(org_id, project_id, asked.conversation_id)
            if found is None:
                raise ProblemError(no_conversation(asked.conversation_id))
            before = talk.answerable([(item.body, item.provider) for item in found])
        items = [(item, "") for item in asked.items]
        if asked.references:
            names = [name for _, name in asked.references if plausible(name)]
            named = stored.referenced(org_id, project_id, names)
            for place, name in asked.references:
                if name not in named:
                    at = f"input[{place}]"
                    raise invalid(
                        f"Item with id `{name[:120]}` not found: `{at}` names nothing that is kept here; "
                        "send the whole item.",
                        at,
                    )
                items[place] = named[name]
        return before, items


def chain_of(store: Store, principal: Principal, response_id: str, param: str) -> list[StoredTurn]:
    """The turns that led to a response. Raises `ProblemError` in the API's words.

    Source: 400 with `previous_response_not_found` and "Previous response with id '…' not found.", as clients
    quote it (router-for-me/CLIProxyAPI and others, read 2026-11-22).
    """
    turns: list[StoredTurn] = []
    response_id = response_id[:120]
    missing: str | None = response_id
    if plausible(response_id):
        turns, missing = store.conversations.chain(principal.org_id, principal.project_id, response_id)
    if missing is not None:
        why = "it" if missing == response_id else f"`{missing}`, which it goes on from,"
        raise invalid(
            f"Previous response with id `{response_id}` not found: {why} is not kept here (any more); "
            "send the whole conversation in `input`.",
            param,
            code="previous_response_not_found",
        )
    return turns


def spoken(turns: Sequence[StoredTurn]) -> list[tuple[bytes, str]]:
    """All items of these turns, each with who said it (nobody: the caller)."""
    from passerelle.codecs.openai_responses import conversation as talk

    said: list[tuple[bytes, str]] = []
    for turn in turns:
        said += [(bytes(item), "") for item in turn.items]
        said += [(item, turn.provider) for item in talk.outputs(turn.response)]
    return said


def no_conversation(identifier: str) -> Problem:
    """A conversation that is not there, for this caller."""
    return Problem(
        "not_found",
        f"Conversation with id `{identifier[:120]}` not found; make one with POST /v1/conversations.",
    )


def too_long() -> ProblemError:
    """More was said than one request may hold."""
    return ProblemError(
        Problem("context_length", "The kept conversation has grown too large to be sent; begin another.")
    )


def readable_by(provider: str, ask: Ask) -> tuple[Ask, tuple[str, ...]]:
    """The request without thoughts that only other providers can read, and what to report as left out."""
    from passerelle.codecs.openai_responses import conversation as talk

    keeping = ask.keeping
    foreign = frozenset(place for place, who in keeping.opaque if who != provider) if keeping else frozenset()
    if not foreign:
        return ask, ()
    return replace(ask, body=talk.without(ask.body, foreign)), ("reasoning",)


def whole(trip: Trip, keeping: Keeping, body: bytes) -> bytes:
    """A whole answer, truly named; it is on `trip` to be settled if it is to be kept."""
    stamp = _stamp(keeping)
    stored = _fits(keeping, body) and keeping.store
    told = stamp.put(body, stored=stored)
    _take(trip, keeping, told, stored=stored)
    return told


async def booked(trip: Trip) -> None:
    """Wait until the turn is in the database, where every worker finds it, but not for ever."""
    if trip.booked is None:
        return
    try:
        async with asyncio.timeout(_BOOKED_S):
            await asyncio.shield(trip.booked)
    except TimeoutError:
        log.warning(
            "a kept answer is told before the database has it", extra={"request_id": trip.ask.request_id}
        )


class KeptStream:
    """A `StreamWatcher` around another's: lifecycle events get our names, and the last one is kept.

    Events between the first and the last pass by unread.
    """

    def __init__(self, trip: Trip, keeping: Keeping, inner: StreamWatcher) -> None:
        self.inner = inner
        self._trip = trip
        self._keeping = keeping
        self._stamp = _stamp(keeping)
        self._opening = True
        self._mirror()

    def feed(self, data: bytes) -> bytes:
        """The part of `data` that may go to the caller."""
        out = self.inner.feed(data)
        self._mirror()
        return self._named(out)

    def close(self) -> bytes:
        """The provider's bytes ended."""
        out = self.inner.close()
        self._mirror()
        return self._named(out)

    def broken(self, ending: bytes) -> bytes:
        """The honest end of a stream that broke: nothing was kept."""
        return self._rewritten(ending) if ending else ending

    def _mirror(self) -> None:
        inner = self.inner
        self.model, self.usage, self.finish = inner.model, inner.usage, inner.finish
        self.content, self.progress, self.text_bytes = inner.content, inner.progress, inner.text_bytes
        self.done, self.failed = inner.done, inner.failed

    def _named(self, out: bytes) -> bytes:
        if not out or not (self._opening or self.inner.done):
            return out
        return self._rewritten(out)

    def _rewritten(self, out: bytes) -> bytes:
        from passerelle.codecs.openai_responses import conversation as talk

        pieces: list[bytes] = []
        for data, raw in talk.frames(out):
            kind = talk.event_type(data)
            if kind not in talk.LIFECYCLE:
                self._opening = False
                pieces.append(raw)
                continue
            response = talk.response_in(data)
            stored = self._keeping.store and kind != "response.failed" and _fits(self._keeping, response)
            told = self._stamp.put_event(data, stored=stored)
            if kind in talk.ENDINGS:
                _take(self._trip, self._keeping, talk.response_in(told), stored=stored)
            pieces.append(talk.event(kind, told))
        return b"".join(pieces)


def _stamp(keeping: Keeping) -> "talk.Stamp":
    from passerelle.codecs.openai_responses import conversation as talk

    return talk.Stamp(
        keeping.response_id, keeping.previous_id, keeping.conversation_id, background=keeping.background
    )


def _fits(keeping: Keeping, response: bytes) -> bool:
    return len(response) + sum([len(item) for item in keeping.items]) <= MOST_BYTES


def _readable(response: bytes) -> bytes:
    """The answer as later turns will send it: what is no UTF-8 would have them refused, by us or a provider.

    The caller of this turn is given the provider's own bytes all the same.
    """
    try:
        response.decode()
    except UnicodeDecodeError:
        return response.decode(errors="replace").encode()
    return response


def _take(trip: Trip, keeping: Keeping, response: bytes, *, stored: bool) -> None:
    """Put the finished turn on the trip."""
    from passerelle.codecs.openai_responses import conversation as talk

    if not (stored or (keeping.conversation_id is not None and _fits(keeping, response))):
        return
    response = _readable(response)
    trip.turn = Turn(
        items=b"[" + b",".join(keeping.items) + b"]",
        response=response,
        expires_at_ns=keeping.expires_at_ns,
        kept=stored,
        previous_id=keeping.previous_id,
        conversation_id=keeping.conversation_id,
        output=talk.ids(talk.outputs(response)),
        response_id="" if keeping.response_id == same("resp", trip.receipt_id) else keeping.response_id,
    )
