"""Anthropic's message batches: requests sent in one body, asked in the background, answered as JSON Lines.

Shapes: `types/messages/*.py` of Anthropic's Python SDK 2.12, read 2026-11-22; bounds on `custom_id` from its
Message Batches guide. A body may be as large as `batches.max_bytes` says: its requests are checked and
written to disk as they come. `results_url` is absolute where we know by which address we are reached
(`server.public`), else a path, before which SDKs put their own base URL.
"""

import asyncio
import re
from collections.abc import Callable
from datetime import UTC, datetime

import msgspec

from passerelle.codecs.elements import Elements, ElementsError
from passerelle.codecs.fields import BAD_JSON
from passerelle.core.batch import ACTIVE, Batch, Tally, Terms
from passerelle.core.clock import Clock, mint
from passerelle.core.errors import Problem, ProblemError, invalid
from passerelle.gateway.batch.run import Rules
from passerelle.server.answer import send_whole
from passerelle.server.body import pieces_of
from passerelle.server.public import own_url
from passerelle.server.route import Arrival, Route
from passerelle.server.v1.files import send_content
from passerelle.server.v1.keeping import Query, absent, keep_with_input, may_keep, named, within_bounds
from passerelle.server.wishes import forwarded, read_wishes
from passerelle.store import Store
from passerelle.store.vault import Draft

_CUSTOM_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_ENDPOINT = "/v1/messages"
_WRITE_BYTES = 256 << 10


def routes(
    store: Store, clock: Clock, rules: Rules, wake: Callable[[], None], public_url: str | None
) -> tuple[Route, ...]:
    """Everything under `/v1/messages/batches`."""
    batches = _MessageBatches(store, clock, rules, wake, public_url)
    path, get, post = "/v1/messages/batches", frozenset({"GET", "HEAD"}), frozenset({"POST"})
    return (
        Route(path, post, "model:call", batches.create, "anthropic"),
        Route(path, get, "model:call", batches.list, "anthropic"),
        Route(f"{path}/", get, "model:call", batches.get, "anthropic", prefix=True),
        Route(f"{path}/", post, "model:call", batches.cancel, "anthropic", prefix=True),
        Route(f"{path}/", frozenset({"DELETE"}), "model:call", batches.delete, "anthropic", prefix=True),
    )


class _Request(msgspec.Struct):
    custom_id: object = None
    params: msgspec.Raw = msgspec.Raw()


class _Params(msgspec.Struct):
    stream: object = None


def shown(batch: Batch, own: str) -> dict[str, object]:
    """A batch as Anthropic's SDKs know it. `own`: our address, see `server.public`."""
    over = batch.state not in ACTIVE
    tally = batch.tally if over else Tally()
    ended_ns = batch.reached.get(batch.state) if over else None
    return {
        "id": batch.id,
        "type": "message_batch",
        "processing_status": "ended"
        if over
        else "canceling"
        if batch.state == "cancelling"
        else "in_progress",
        "request_counts": {
            "processing": 0 if over else batch.tally.total,
            "succeeded": tally.completed,
            "errored": tally.failed,
            "canceled": tally.cancelled,
            "expired": tally.expired,
        },
        "created_at": _time(batch.created_at_ns),
        "expires_at": _time(batch.expires_at_ns),
        "ended_at": _time(ended_ns),
        "cancel_initiated_at": _time(batch.reached.get("cancelling")),
        "archived_at": None,
        "results_url": None
        if batch.output_file_id is None
        else f"{own}{_ENDPOINT}/batches/{batch.id}/results",
    }


class _MessageBatches:
    def __init__(
        self, store: Store, clock: Clock, rules: Rules, wake: Callable[[], None], public_url: str | None
    ) -> None:
        self._store = store
        self._clock = clock
        self._rules = rules
        self._wake = wake
        self._public_url = public_url

    async def create(self, arrival: Arrival) -> None:
        """Take a batch: its requests are kept before it is told."""
        caller = arrival.caller
        may_keep(caller)
        now_ns = self._clock.unix_ns()
        batch = Batch(
            id=mint("msgbatch"),
            org_id=caller.org_id,
            project_id=caller.project_id,
            key_id=caller.key_id,
            surface="anthropic",
            endpoint=_ENDPOINT,
            state="in_progress",
            input_file_id=mint("file").replace("_", "-"),
            created_at_ns=now_ns,
            expires_at_ns=now_ns + int(self._rules.batches.window_s * 1e9),
            terms=Terms(
                wishes=msgspec.to_builtins(read_wishes(arrival.headers, arrival.path_tags)),
                headers=forwarded(arrival.headers),
            ),
            reached={"in_progress": now_ns},
        )
        taking = await asyncio.to_thread(_Taking, self._store, self._rules, batch)
        try:
            await self._take(arrival, taking)
            with within_bounds(self._rules):
                batch = await asyncio.to_thread(taking.keep)
        finally:
            taking.drop()
        self._wake()
        await _send(arrival, self._shown(arrival, batch))

    async def _take(self, arrival: Arrival, taking: "_Taking") -> None:
        """The body as it comes, each piece large enough to be worth a thread."""
        held = bytearray()
        async for piece in pieces_of(arrival, self._rules.batches.max_bytes, "`batches.max_bytes`"):
            held += piece
            if len(held) >= _WRITE_BYTES:
                await asyncio.to_thread(taking.feed, bytes(held))
                held.clear()
        await asyncio.to_thread(taking.feed, bytes(held))

    def _shown(self, arrival: Arrival, batch: Batch) -> dict[str, object]:
        return shown(batch, own_url(arrival, self._public_url))

    async def list(self, arrival: Arrival) -> None:
        """A page of the project's batches, newest first."""
        caller, query = arrival.caller, Query(arrival)
        limit = query.limit(20, 1000)
        before = query.text("before_id")
        found = await asyncio.to_thread(
            self._store.batches.list,
            caller.org_id,
            caller.project_id,
            "anthropic",
            limit=limit + 1,
            after=query.text("after_id"),
            before=before,
        )
        cut = found[:limit] if before is None else found[-limit:]  # what is further from the cursor is cut
        page = [self._shown(arrival, batch) for batch in cut]
        await _send(
            arrival,
            {
                "data": page,
                "has_more": len(found) > limit,
                "first_id": page[0]["id"] if page else None,
                "last_id": page[-1]["id"] if page else None,
            },
        )

    async def get(self, arrival: Arrival) -> None:
        """One batch, or with `/results` at the end how its requests ended."""
        rest = arrival.rest
        arrival.rest = rest.removesuffix("/results")
        batch = await self._find(arrival)
        if arrival.rest == rest:
            await _send(arrival, self._shown(arrival, batch))
            return
        if batch.output_file_id is None:
            said = (
                f"The batch `{batch.id}` has no results yet; ask again when `processing_status` is `ended`."
            )
            if batch.state not in ACTIVE:
                said = f"The batch `{batch.id}` ended without results; make it anew."
            raise ProblemError(Problem("not_found", said))
        file = await asyncio.to_thread(
            self._store.files.get, batch.org_id, batch.project_id, batch.output_file_id
        )
        if file is None:
            said = f"The results of `{batch.id}` have expired; make the batch anew."
            raise ProblemError(Problem("not_found", said))
        await send_content(arrival, self._store, file, b"application/x-jsonl")

    async def cancel(self, arrival: Arrival) -> None:
        """Begin no further request of a batch. One that has ended is left as it is, as Anthropic does."""
        caller = arrival.caller
        arrival.rest, slash, verb = arrival.rest.partition("/")
        if not slash or verb != "cancel":
            said = "Only `/v1/messages/batches/BATCH_ID/cancel` takes a POST there; add `/cancel`."
            raise ProblemError(Problem("not_found", said))
        batch_id = named(arrival, "batch")
        batch = await asyncio.to_thread(
            self._store.batches.cancel, caller.org_id, caller.project_id, "anthropic", batch_id
        )
        if batch is None:
            raise absent("batch", batch_id)
        self._wake()
        await _send(arrival, self._shown(arrival, batch))

    async def delete(self, arrival: Arrival) -> None:
        """Delete a batch that has ended, with its requests and results."""
        batch = await self._find(arrival)
        gone = await asyncio.to_thread(
            self._store.batches.delete, batch.org_id, batch.project_id, "anthropic", batch.id
        )
        if not gone:
            said = f"The batch `{batch.id}` has not ended; cancel it first."
            raise ProblemError(Problem("invalid_request", said))
        await asyncio.to_thread(
            self._store.files.discard, batch.org_id, [batch.input_file_id, batch.output_file_id]
        )
        await _send(arrival, {"id": batch.id, "type": "message_batch_deleted"})

    async def _find(self, arrival: Arrival) -> Batch:
        caller, batch_id = arrival.caller, named(arrival, "batch")
        batch = await asyncio.to_thread(
            self._store.batches.get, caller.org_id, caller.project_id, "anthropic", batch_id
        )
        if batch is None:
            raise absent("batch", batch_id)
        return batch


class _Taking:
    """A batch in the making: its requests are checked and written as they come. Everything here blocks."""

    def __init__(self, store: Store, rules: Rules, batch: Batch) -> None:
        self._store = store
        self._rules = rules
        self._batch = batch
        self._elements = Elements("requests", rules.longest_line)
        self._seen: set[str] = set()
        self._draft: Draft = store.files.draft(batch.org_id, batch.input_file_id)

    def feed(self, data: bytes) -> None:
        """A piece of the body. Raises `ProblemError` naming the request at fault; what it asks is judged when
        it is asked."""
        try:
            found = self._elements.feed(data)
        except ElementsError as error:
            raise _misshapen(error) from error
        held = bytearray()
        for element in found:
            held += self._line(element)
        self._draft.write(bytes(held))

    def keep(self) -> Batch:
        """All of it came: keep the requests as a file of ours, then the batch. Raises `ProblemError`, and
        what `within_bounds` tells."""
        try:
            self._elements.finish()
        except ElementsError as error:
            raise _misshapen(error) from error
        if not self._elements.found:
            raise invalid("`requests` is missing.", param="requests")
        if not self._seen:
            raise self._number()
        batch = msgspec.structs.replace(self._batch, tally=Tally(total=len(self._seen)))
        keep_with_input(self._store, self._rules, self._draft, batch)
        return batch

    def drop(self) -> None:
        """Leave nothing behind of what was not kept."""
        self._draft.drop()

    def _line(self, element: bytes) -> bytes:
        where = f"requests.{len(self._seen)}"
        try:
            request = msgspec.json.decode(element, type=_Request)
        except BAD_JSON as error:
            raise invalid(
                f"`{where}` is not as it should be: {error}; see docs/batches.md.", param=where
            ) from error
        name = request.custom_id
        if not isinstance(name, str) or not _CUSTOM_ID.fullmatch(name):
            raise invalid(
                f"`{where}.custom_id` must be 1 to 64 letters, digits, `_` or `-`.",
                param=f"{where}.custom_id",
            )
        if name in self._seen:
            raise invalid(
                f"`{where}.custom_id` is `{name}`, as of a request before it; give each its own.",
                param=f"{where}.custom_id",
            )
        if len(self._seen) >= self._rules.batches.max_lines:
            raise self._number()
        self._seen.add(name)
        if not bytes(request.params):
            raise invalid(f"`{where}.params` is missing.", param=f"{where}.params")
        try:
            streams = msgspec.json.decode(request.params, type=_Params).stream
        except BAD_JSON as error:
            raise invalid(f"`{where}.params` must be an object.", param=f"{where}.params") from error
        if streams:
            raise invalid(
                f"`{where}.params.stream`: streams cannot be asked for in a batch; leave it out.",
                param=f"{where}.params.stream",
            )
        raw = msgspec.Raw(bytes(request.params).replace(b"\n", b" ").replace(b"\r", b" "))
        return msgspec.json.encode({"custom_id": name, "params": raw}) + b"\n"

    def _number(self) -> ProblemError:
        most = self._rules.batches.max_lines
        return invalid(f"`requests` must hold 1 to {most} requests; split them up.", param="requests")


def _misshapen(error: ElementsError) -> ProblemError:
    return invalid(f"The body is not as it should be: {error}; see docs/batches.md.")


def _time(at_ns: int | None) -> str | None:
    if at_ns is None:
        return None
    return datetime.fromtimestamp(at_ns / 1e9, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


async def _send(arrival: Arrival, body: object) -> None:
    await send_whole(arrival, 200, msgspec.json.encode(body), [])
