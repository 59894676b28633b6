"""`Idempotency-Key`: a request that its caller may send again without its being done again.

    first            it is done, and how it ended is remembered for a day
    again, running   409 with `retry-after`, on whichever worker it comes
    again, answered  the answer once more, where the tenant lets content be stored; anywhere else a 409 that
                     names the receipt: what was not kept cannot be said again, and what was paid is not to
                     be paid twice without the caller's wish
    other request    422: the key was used for something else

Only what was answered is remembered. A refusal, a failure, a stream that broke and a caller that left free
the key at once, so that trying again is trying. Keys are the API key's own: another one's are other keys.

Nothing of this is in the way of a request without the header. Sources, read 2026-11-22: IETF draft "The
Idempotency-Key HTTP Header Field" (409 for one under way, 422 for a different one); `_base_client.py` of the
openai and anthropic SDKs, which try again after a 409 unless `x-should-retry` says `false`.
"""

import asyncio
import logging
import re
from collections.abc import AsyncGenerator, Callable
from typing import Any

import msgspec

from passerelle.core.errors import Problem, ProblemError, invalid
from passerelle.core.mac import Mac
from passerelle.gateway.generation import Generations
from passerelle.gateway.settle import Settler
from passerelle.gateway.trip import Delivery
from passerelle.server.answer import send_delivery, send_whole
from passerelle.server.body import read_body
from passerelle.server.route import Arrival, Handler
from passerelle.store import Store, StoreUnavailable
from passerelle.store.repeats import LEASE_S, Before, Claim

HEADER = b"idempotency-key"
KEPT_BYTES = 8 << 20
"""An answer larger than this is not kept."""
_RENEW_S = LEASE_S / 3
_PIECE = 64 << 10
_VISIBLE = re.compile(rb"[\x21-\x7e]{1,255}")
_BOUNDARY = re.compile(rb'boundary="?([^";]{1,70})', re.IGNORECASE)
_OF_ONE_ANSWER = frozenset(
    {
        b"content-length", b"content-type", b"request-id", b"x-amzn-requestid", b"x-request-id",
        b"x-passerelle-generation",
    }
)  # fmt: skip
"""Headers that a repeated answer gets anew."""
log = logging.getLogger("passerelle.server")


class Kept(msgspec.Struct, frozen=True):
    """An answer as it is kept."""

    status: int
    headers: list[tuple[bytes, bytes]]
    content_type: bytes
    generation: bytes
    stream: bool
    body: bytes


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Kept).decode


class Repeats:
    """Watches over requests that name themselves. One per worker."""

    def __init__(self, store: Store, settler: Settler, generations: Generations) -> None:
        self._store = store
        self._outcomes = settler.watched
        self._generations = generations
        self._mac = Mac(store.pepper)
        self._running: dict[str, Claim] = {}
        self._renewing: asyncio.Task[None] | None = None
        self._writing: set[asyncio.Task[None]] = set()

    async def once(self, arrival: Arrival, handler: Handler) -> None:
        """Have `handler` answer, or say what came of the same request before. Raises `ProblemError`,
        `StoreUnavailable`, `CallerGone`.
        """
        if b"x-passerelle-plan" in arrival.headers:  # nothing is done, so nothing is done twice
            await handler(arrival)
            return
        claim = await self._claim_of(arrival)
        before = await asyncio.to_thread(self._store.repeats.claim, claim)
        if before is not None:
            await self._again(arrival, claim, before)
            return
        self._begin(claim)
        record = _Record(arrival, self._may_keep(arrival), lambda kept: self._over(claim, kept))
        send, arrival.send = arrival.send, record.send
        try:
            await handler(arrival)
        finally:
            arrival.send = send
            if not record.told:
                # It raised, or its caller left. Nobody may interrupt this: a key must not stay locked.
                await asyncio.shield(self._spawn(self._write(claim, lambda: self._release(claim))))
            self._end(claim)

    async def aclose(self) -> None:
        """Finish what is being written. Before the store is closed."""
        if self._writing:
            await asyncio.wait(list(self._writing), timeout=5.0)
        if self._renewing is not None:
            self._renewing.cancel()

    async def _claim_of(self, arrival: Arrival) -> Claim:
        said = arrival.headers[HEADER]
        if not _VISIBLE.fullmatch(said):
            raise invalid(
                "`Idempotency-Key` is 1 to 255 visible ASCII characters, such as a UUID; send one.",
                param="idempotency-key",
            )
        body = await read_body(arrival, self._generations.current.intake.max_body_bytes)
        arrival.exchange, arrival.receive = None, _once_more(body, arrival.receive)
        caller, mac = arrival.caller, self._mac
        request = b"\0".join(
            [arrival.path.encode(), arrival.scope.get("query_string", b""), _plain(arrival, body)]
        )
        return Claim(
            org_id=caller.org_id,
            name=mac.digest(b"repeat\0" + caller.key_id.encode() + b"\0" + said).hex(),
            digest=mac.digest(b"repeated\0" + request).hex(),
            receipt_id=arrival.receipt_id,
        )

    async def _again(self, arrival: Arrival, claim: Claim, before: Before) -> None:
        """Answer a request whose name is known. Raises `ProblemError`."""
        if before.digest != claim.digest:
            raise ProblemError(
                Problem(
                    "invalid_request",
                    "This `Idempotency-Key` was used for another request within the last 24 hours; send each "
                    "request with a key of its own.",
                    param="idempotency-key",
                    code="idempotency_key_reused",
                    status=422,
                )
            )
        if before.running:
            raise ProblemError(
                Problem(
                    "conflict",
                    "The request with this `Idempotency-Key` is under way; ask when `retry-after` says.",
                    param="idempotency-key",
                    code="idempotency_key_in_use",
                    status=409,
                    retry_after_s=1,
                )
            )
        if before.answer is None or not self._may_keep(arrival):
            raise ProblemError(
                Problem(
                    "conflict",
                    f"The request with this `Idempotency-Key` was answered: receipt `{before.receipt_id}`. "
                    "The answer is not stored (see `content` in docs/api.md); to have it made, and charged, "
                    "again, send another key.",
                    param="idempotency-key",
                    code="idempotency_key_answered",
                    status=409,
                    headers=(("x-should-retry", "false"),),
                ),
                before.receipt_id,
            )
        kept = _decode(before.answer)
        headers = [*kept.headers, (b"idempotent-replayed", b"true")]
        if kept.stream:
            chunks = _pieces(kept.body)
            await send_delivery(
                arrival, Delivery(kept.status, headers, kept.generation, kept.content_type, chunks=chunks)
            )
            return
        await send_whole(arrival, kept.status, kept.body, headers, kept.content_type, kept.generation)

    def _may_keep(self, arrival: Arrival) -> bool:
        """To name a request is to ask that its answer be kept, where the tenant leaves that to callers."""
        return arrival.caller.rights.content in ("conversations", "full")

    async def _over(self, claim: Claim, kept: Kept | None) -> None:
        """Before the last byte goes out: remember how it ended."""
        outcome = self._outcomes.get(claim.receipt_id)
        answered = kept is not None and 200 <= kept.status < 300 and outcome in ("", "answered")
        if answered and kept is not None:
            body = _encode(kept) if kept.generation else None
            done = self._write(claim, lambda: self._store.repeats.finish(claim, body))
        else:
            done = self._write(claim, lambda: self._release(claim))
        await asyncio.shield(self._spawn(done))

    async def _write(self, claim: Claim, write: Callable[[], None]) -> None:
        try:
            await asyncio.to_thread(write)
        except StoreUnavailable as error:
            # The answer is there and paid for: it is delivered. The name is free when its lease lapses.
            log.warning(
                "an idempotency key cannot be written: %s", error, extra={"receipt_id": claim.receipt_id}
            )

    def _release(self, claim: Claim) -> None:
        self._store.repeats.release(claim)

    def _spawn(self, work: Any) -> "asyncio.Task[None]":
        task: asyncio.Task[None] = asyncio.create_task(work)
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)
        return task

    # --- leases

    def _begin(self, claim: Claim) -> None:
        self._outcomes[claim.receipt_id] = ""
        self._running[claim.receipt_id] = claim
        if self._renewing is None or self._renewing.done():
            self._renewing = asyncio.create_task(self._renew())

    def _end(self, claim: Claim) -> None:
        self._outcomes.pop(claim.receipt_id, None)
        self._running.pop(claim.receipt_id, None)

    async def _renew(self) -> None:
        """Keep the leases of what runs, as long as anything does."""
        while True:
            await asyncio.sleep(_RENEW_S)
            if not self._running:
                return
            claims = list(self._running.values())
            try:
                await asyncio.to_thread(self._store.repeats.renew, claims)
            except StoreUnavailable as error:
                log.warning("leases of idempotency keys cannot be renewed: %s", error)


class _Record:
    """Passes an answer on, keeping it where it may be kept, and says when its last byte is about to go."""

    def __init__(self, arrival: Arrival, keep: bool, over: Callable[[Kept | None], Any]) -> None:
        self.told = False
        """`over` was called."""
        self._send = arrival.send
        self._keep = keep
        self._over = over
        self._status = 0
        self._headers: list[tuple[bytes, bytes]] = []
        self._pieces: list[bytes] = []
        self._size = 0

    async def send(self, message: dict[str, Any]) -> None:
        """Stands where the arrival's `send` did."""
        if message["type"] == "http.response.start":
            self._status, self._headers = message["status"], list(message.get("headers", ()))
        elif message["type"] == "http.response.body" and not self.told:
            piece: bytes = message.get("body", b"")
            self._size += len(piece)
            if self._keep and self._size <= KEPT_BYTES:
                self._pieces.append(piece)
            if not message.get("more_body", False):
                self.told = True
                await self._over(self._kept())
        await self._send(message)

    def _kept(self) -> Kept:
        """The answer; without `generation`, and empty, when it is not to be kept."""
        said = dict(self._headers)
        if not self._keep or self._size > KEPT_BYTES:
            return Kept(self._status, [], b"", b"", False, b"")
        return Kept(
            status=self._status,
            headers=[pair for pair in self._headers if pair[0] not in _OF_ONE_ANSWER],
            content_type=said.get(b"content-type", b"application/json"),
            generation=said.get(b"x-passerelle-generation", b"0"),
            stream=b"content-length" not in said,
            body=b"".join(self._pieces),
        )


def _once_more(body: bytes, receive: Callable[[], Any]) -> Callable[[], Any]:
    """A `receive` that gives a body which was read already, then goes on."""
    given = False

    async def again() -> dict[str, Any]:
        nonlocal given
        if given:
            message: dict[str, Any] = await receive()
            return message
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


def _plain(arrival: Arrival, body: bytes) -> bytes:
    """The body, without what differs each time the same form is sent: its boundary."""
    found = _BOUNDARY.search(arrival.headers.get(b"content-type", b""))
    return body if found is None else body.replace(found.group(1), b"")


async def _pieces(body: bytes) -> AsyncGenerator[bytes, None]:
    for start in range(0, len(body), _PIECE):
        yield body[start : start + _PIECE]
