"""One response in the background, from its claim to its end.

It is asked on the road like any request, with the rights its key has now, and ends as a stored response or
with the reason why not. A worker that dies leaves it to another: it is asked again, unless events of it were
told already, since no model says the same twice. Each try has a receipt of its own; the first try's has the
response's own ULID.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable

import msgspec

from passerelle.codecs.base import PathTarget
from passerelle.codecs.openai_responses import background as words
from passerelle.codecs.openai_responses import conversation as talk
from passerelle.core.background import ANSWERED, Background, BackgroundState, Events
from passerelle.core.clock import Clock, mint
from passerelle.core.errors import Problem, ProblemError
from passerelle.core.ids import same
from passerelle.core.principal import Principal
from passerelle.gateway.keep import Recall
from passerelle.gateway.road import Road
from passerelle.gateway.trip import Ask, Wishes
from passerelle.store import Store, StoreUnavailable

log = logging.getLogger("passerelle.background")

TELL_EVERY_S = 0.1
"""Events are kept together that come within this time."""
PATIENCE_S = 600.0
"""How long one waits that our own limits turn away."""
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 30.0
_STORE_AGAIN_S = 1.0
_TARGET = PathTarget("chat")
_wishes = msgspec.json.Decoder(Wishes)
_Keeps = Callable[[Events], Awaitable[bool]]


class Run:
    """One response being made."""

    def __init__(
        self,
        one: Background,
        owner: str,
        road: Road,
        recall: Recall,
        store: Store,
        clock: Clock,
        jitter: Callable[[], float],
        *,
        attempts: int,
    ) -> None:
        self.one = one
        self.task: asyncio.Task[None] | None = None
        self.left = False
        """It was cancelled, deleted, or is another worker's now."""
        self._begun = False
        self._owner = owner
        self._road = road
        self._recall = recall
        self._store = store
        self._clock = clock
        self._jitter = jitter
        self._attempts = attempts
        self._events = _Log(max(1, one.events))

    def leave(self) -> None:
        """Stop: what was begun settles as cancelled."""
        self.left = True
        if self.task is not None:
            self.task.cancel()

    async def go(self) -> None:
        """Run it to its end. Raises `StoreUnavailable`, nothing lost: another try finds it as it was."""
        one = self.one
        turn = await asyncio.to_thread(self._store.conversations.response, one.org_id, one.project_id, one.id)
        if turn is not None:  # answered and booked, but its worker could not say so any more
            await self._answered(turn.response)
            return
        if one.losses >= self._attempts or (one.stream and one.events > 1):
            told = "The worker that made this response ended before it was whole; send the request again."
            await self._failed(Problem("internal", told))
            return
        try:
            response = await self._ask()
        except ProblemError as error:
            await self._failed(error.problem)
            return
        await self._answered(response)

    async def cancelled(self) -> None:
        """It is nobody's any more, or somebody else's: nothing of ours may stay."""
        await self._finish("cancelled")

    async def _ask(self) -> bytes:
        """The response object it ended as. Raises `ProblemError`."""
        pause_s = _FIRST_PAUSE_S
        until_s = self._clock.monotonic_s() + PATIENCE_S
        while True:
            try:
                delivery = await self._road.travel(await self._request())
                break
            except ProblemError as error:
                ours = error.problem.provider is None and error.problem.kind in ("rate_limited", "overloaded")
                left_s = until_s - self._clock.monotonic_s()
                if not ours or left_s <= 0:
                    raise
                wanted_s = error.problem.retry_after_s
            wait_s = (pause_s if wanted_s is None else wanted_s) * (1 + self._jitter() / 2)
            pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)
            await asyncio.sleep(min(wait_s, left_s))
        if delivery.chunks is None:
            return delivery.body
        return await self._events.gather(delivery.chunks, self._keep, self.leave)

    async def _request(self) -> Ask:
        """The request as the road takes it now. Raises `ProblemError`."""
        one, said = self.one, self.one.said
        first = one.tries == 1 and not self._begun
        minted = same("req", one.id) if first else mint("req")
        self._begun = True
        ask = Ask(
            principal=self._principal(),
            dialect="openai_responses",
            target=_TARGET,
            body=words.foreground(bytes(said.request)),
            request_id=said.request_id,
            receipt_id=same("rcp", minted),
            at_ns=self._clock.unix_ns(),
            started_s=self._clock.monotonic_s(),
            wishes=msgspec.structs.replace(_wishes.decode(said.wishes), priority="batch"),
            headers=said.headers,
            traceparent=said.traceparent,
        )
        ask = await self._recall(ask)
        keeping = ask.keeping
        if keeping is None:
            told = f"The key `{one.key_id}` may not keep conversations any more; ask with another."
            raise ProblemError(Problem("permission_denied", told))
        keeping = msgspec.structs.replace(
            keeping, response_id=one.id, background=True, expires_at_ns=one.expires_at_ns
        )
        return msgspec.structs.replace(ask, keeping=keeping)

    def _principal(self) -> Principal:
        """Whoever the key speaks for now."""
        entry = self._store.identity.entry(self.one.key_id)
        if entry is None or entry.state != "active":
            state = "gone" if entry is None else entry.state
            told = f"The key `{self.one.key_id}` that asked for it is {state}; ask with another."
            raise ProblemError(Problem("unauthenticated", told, code=f"{state}_api_key"))
        return entry.principal

    async def _answered(self, response: bytes) -> None:
        status, stored = words.ended(response)
        state: BackgroundState
        if status not in ANSWERED:
            await self._finish("failed", response)
        elif not stored:
            told = "The answer is too large to be kept; ask for less, or without `background`."
            await self._failed(Problem("too_large", told))
        else:
            state = "completed" if status == "completed" else "incomplete"
            await self._finish(state, told=response)

    async def _failed(self, problem: Problem) -> None:
        await self._finish("failed", words.failed(bytes(self.one.said.response), problem))

    async def _keep(self, events: Events) -> bool:
        return await asyncio.to_thread(self._store.backgrounds.append, self._owner, self.one, events)

    async def _finish(
        self, state: BackgroundState, response: bytes | None = None, *, told: bytes | None = None
    ) -> None:
        """`response`: what is kept as its end. `told`: the end that is kept elsewhere."""
        events = None
        if self.one.stream and state != "cancelled":
            events = self._events.rest(state, response or told or b"")
        mine = await asyncio.to_thread(
            lambda: self._store.backgrounds.finish(
                self._owner, self.one, state, response=response, events=events
            )
        )
        if not mine:
            log.info("a background response was not wanted any more", extra={"response": self.one.id})


class _Log:
    """The events of a run, numbered, kept in groups while they come."""

    def __init__(self, number: int) -> None:
        """`number`: of the next event."""
        self._numbering = words.Numbering(number)
        self._held = bytearray()
        self._first = self._numbering.number
        self._some = asyncio.Event()
        self._over = False

    async def gather(
        self, chunks: AsyncGenerator[bytes, None], keep: _Keeps, lost: Callable[[], None]
    ) -> bytes:
        """Take the stream to its end; the response object it ended with. `keep` says whether the response is
        still ours, `lost` is called when it is not. Raises `ProblemError` where the stream has no end.
        """
        teller = asyncio.create_task(self._tell(keep, lost))
        try:
            async for chunk in chunks:
                self._held += self._numbering.take(chunk)
                self._some.set()
        finally:
            self._over = True
            self._some.set()
            await chunks.aclose()
            await teller
        if self._numbering.last is None:
            raise ProblemError(Problem("upstream_error", "The stream ended without an answer; ask again."))
        return talk.response_in(self._numbering.last)

    def rest(self, state: BackgroundState, response: bytes) -> Events | None:
        """The events not kept yet, with an end that says `state`."""
        if self._numbering.ending != f"response.{state}":
            said, number = words.final(response, state, self._numbering.number)
            self._held += said
            self._numbering.number = number
        return self._taken()

    async def _tell(self, keep: _Keeps, lost: Callable[[], None]) -> None:
        """Keep what there is, now and then, until the stream is over: its last events go with its end."""
        while True:
            await self._some.wait()
            await asyncio.sleep(TELL_EVERY_S)
            self._some.clear()
            if self._over:
                return
            events = self._taken()
            if events is None:
                continue
            try:
                if not await keep(events):
                    lost()
                    return
            except StoreUnavailable:  # they wait in memory for as long as we are here
                self._held[:0] = events.body
                self._first = events.number
                self._some.set()
                await asyncio.sleep(_STORE_AGAIN_S)

    def _taken(self) -> Events | None:
        if not self._held:
            return None
        events = Events(self._first, self._numbering.number, bytes(self._held))
        self._held.clear()
        self._first = self._numbering.number
        return events
