"""Gemini's batches: requests of one model sent in one body, asked in the background, told in the operation.

Shapes: `batches.py` and `_transformers.py` of google-genai 3.4.0 and ai.google.dev/api/batch-api, read
2026-11-22. Requests come inline, and so do their results, in the order of the requests; a file of requests
(`fileName`) is refused, because the files of that API are not kept here. Google's SDK asks under `/v1` or
`/v1beta`, and the first of these paths are OpenAI's too: see `batches`.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from datetime import UTC, datetime
from typing import Final

import msgspec

from passerelle.codecs.fields import BAD_JSON
from passerelle.core.batch import ACTIVE, Batch, BatchState, KeptFile, Tally, Terms
from passerelle.core.clock import Clock, mint
from passerelle.core.errors import Problem, ProblemError, invalid
from passerelle.gateway.batch.run import Rules
from passerelle.gateway.generation import Generations
from passerelle.server.answer import send_whole
from passerelle.server.body import read_body
from passerelle.server.route import Arrival, Route
from passerelle.server.v1.keeping import Query, absent, keep_with_input, may_keep, named, within_bounds
from passerelle.server.wishes import forwarded, read_wishes
from passerelle.store import Store
from passerelle.store.vault import ContentGone

CREATE = ":batchGenerateContent"
_TYPE: Final = "type.googleapis.com/google.ai.generativelanguage.v1beta."
_OPENED: Final = b'"inlinedResponses":{"inlinedResponses":['
_NAME_LENGTH = 256
_STATES: Final[dict[BatchState, str]] = {
    "validating": "PENDING",
    "in_progress": "RUNNING",
    "finalizing": "RUNNING",
    "cancelling": "RUNNING",
    "completed": "SUCCEEDED",
    "failed": "FAILED",
    "cancelled": "CANCELLED",
    "expired": "EXPIRED",
}


class _Item(msgspec.Struct):
    request: dict[str, msgspec.Raw] | None = None
    metadata: msgspec.Raw = msgspec.Raw()


class _Items(msgspec.Struct):
    requests: list[_Item] = []


class _Input(msgspec.Struct, rename="camel"):
    requests: _Items | None = None
    file_name: str | None = None


class _Batch(msgspec.Struct, rename="camel"):
    display_name: str = ""
    input_config: _Input = msgspec.field(default_factory=_Input)


class _Create(msgspec.Struct):
    batch: _Batch


def shown(batch: Batch) -> dict[str, object]:
    """A batch as Google's SDKs know it, without its results."""
    tally, over = batch.tally, batch.state not in ACTIVE
    ended_ns = batch.reached.get(batch.state) if over else None
    settled = tally.completed + tally.failed + tally.expired + tally.cancelled
    metadata = {
        "@type": f"{_TYPE}GenerateContentBatch",
        "name": f"batches/{batch.id}",
        "model": batch.endpoint.removeprefix("/v1beta/").removesuffix(":generateContent"),
        "displayName": (batch.terms.metadata or {}).get("display_name", ""),
        "state": f"BATCH_STATE_{_STATES[batch.state]}",
        "createTime": _time(batch.created_at_ns),
        "updateTime": _time(max(batch.reached.values(), default=batch.created_at_ns)),
        "batchStats": {
            "requestCount": str(tally.total),
            "successfulRequestCount": str(tally.completed),
            "failedRequestCount": str(tally.failed),
            "pendingRequestCount": str(max(0, tally.total - settled)),
        },
    }
    if ended_ns is not None:
        metadata["endTime"] = _time(ended_ns)
    told: dict[str, object] = {"name": f"batches/{batch.id}", "metadata": metadata}
    if over:
        told["done"] = True
    return told


class GeminiBatches:
    """The handlers; `routes` are those that are Gemini's alone."""

    def __init__(
        self, store: Store, clock: Clock, rules: Rules, wake: Callable[[], None], generations: Generations
    ) -> None:
        self._store = store
        self._clock = clock
        self._rules = rules
        self._wake = wake
        self._generations = generations

    def routes(self) -> tuple[Route, ...]:
        """Everything under `/v1beta/batches`."""
        path, get, post = "/v1beta/batches", frozenset({"GET", "HEAD"}), frozenset({"POST"})
        return (
            Route(path, get, "model:call", self.list, "gemini"),
            Route(f"{path}/", get, "model:call", self.get, "gemini", prefix=True),
            Route(f"{path}/", post, "model:call", self.cancel, "gemini", prefix=True),
            Route(f"{path}/", frozenset({"DELETE"}), "model:call", self.delete, "gemini", prefix=True),
        )

    async def create(self, arrival: Arrival) -> None:
        """Take a batch: its requests are kept before it is told. `arrival.rest` is the model and the verb."""
        caller = arrival.caller
        may_keep(caller)
        model = arrival.rest.removesuffix(CREATE)
        if not model:
            raise invalid("The path names no model; write `models/MODEL:batchGenerateContent`.")
        body = await read_body(arrival, self._generations.current.intake.max_body_bytes)
        asked, lines = await asyncio.to_thread(self._read, model, body)
        now_ns = self._clock.unix_ns()
        batch = Batch(
            id=mint("gbatch"),
            org_id=caller.org_id,
            project_id=caller.project_id,
            key_id=caller.key_id,
            surface="gemini",
            endpoint=f"/v1beta/models/{model}:generateContent",
            state="in_progress",
            input_file_id=mint("file").replace("_", "-"),
            created_at_ns=now_ns,
            expires_at_ns=now_ns + int(self._rules.batches.window_s * 1e9),
            terms=Terms(
                metadata={"display_name": asked.display_name},
                wishes=msgspec.to_builtins(read_wishes(arrival.headers, arrival.path_tags)),
                headers=forwarded(arrival.headers),
            ),
            tally=Tally(total=len(lines)),
            reached={"in_progress": now_ns},
        )
        with within_bounds(self._rules):
            await asyncio.to_thread(self._keep, batch, lines)
        self._wake()
        await _send(arrival, shown(batch))

    def _read(self, model: str, body: bytes) -> tuple[_Batch, list[bytes]]:
        """What is asked, and its lines. Raises `ProblemError` naming the request at fault."""
        try:
            asked = msgspec.json.decode(body, type=_Create).batch
        except BAD_JSON as error:
            raise invalid(f"The body is not as it should be: {error}; see docs/batches.md.") from error
        where = "batch.inputConfig.requests.requests"
        if asked.input_config.file_name is not None:
            said = "Files of requests are not kept here; send the requests themselves, as `requests`."
            raise invalid(said, param="batch.inputConfig.fileName")
        if len(asked.display_name) > _NAME_LENGTH:
            raise invalid(
                f"`batch.displayName` may have {_NAME_LENGTH} characters.", param="batch.displayName"
            )
        items = asked.input_config.requests.requests if asked.input_config.requests is not None else []
        most = self._rules.batches.max_lines
        if not 0 < len(items) <= most:
            raise invalid(f"`{where}` must hold 1 to {most} requests; split them up.", param=where)
        return asked, [_line(model, item, f"{where}[{number}]") for number, item in enumerate(items)]

    def _keep(self, batch: Batch, lines: list[bytes]) -> None:
        draft = self._store.files.draft(batch.org_id, batch.input_file_id)
        try:
            for line in lines:
                draft.write(line + b"\n")
            keep_with_input(self._store, self._rules, draft, batch)
        finally:
            draft.drop()

    async def list(self, arrival: Arrival) -> None:
        """A page of the project's batches, newest first, without their results."""
        caller, query = arrival.caller, Query(arrival)
        limit = query.limit(50, 1000, "pageSize")
        found = await asyncio.to_thread(
            self._store.batches.list,
            caller.org_id,
            caller.project_id,
            "gemini",
            limit=limit + 1,
            after=query.text("pageToken"),
        )
        page: dict[str, object] = {"operations": [shown(batch) for batch in found[:limit]]}
        if len(found) > limit:
            page["nextPageToken"] = found[limit - 1].id
        await _send(arrival, page)

    async def get(self, arrival: Arrival) -> None:
        """One batch, with its results once it is over."""
        batch = await self._find(arrival)
        file = None
        if batch.output_file_id is not None:
            file = await asyncio.to_thread(
                self._store.files.get, batch.org_id, batch.project_id, batch.output_file_id
            )
        if file is None:
            await _send(arrival, shown(batch))
        else:
            await self._send_results(arrival, batch, file)

    async def cancel(self, arrival: Arrival) -> None:
        """Begin no further request of a batch. One that is over is left as it is."""
        caller = arrival.caller
        name, colon, verb = arrival.rest.rpartition(":")
        if not colon or verb != "cancel":
            said = "Only `batches/BATCH_ID:cancel` takes a POST there; append `:cancel`."
            raise ProblemError(Problem("not_found", said))
        arrival.rest = name
        batch_id = named(arrival, "batch")
        batch = await asyncio.to_thread(
            self._store.batches.cancel, caller.org_id, caller.project_id, "gemini", batch_id
        )
        if batch is None:
            raise absent("batch", batch_id)
        self._wake()
        await _send(arrival, {})

    async def delete(self, arrival: Arrival) -> None:
        """Delete a batch that is over, with its requests and results."""
        batch = await self._find(arrival)
        gone = await asyncio.to_thread(
            self._store.batches.delete, batch.org_id, batch.project_id, "gemini", batch.id
        )
        if not gone:
            said = f"The batch `{batch.id}` is not over; cancel it first."
            raise ProblemError(Problem("invalid_request", said))
        await asyncio.to_thread(
            self._store.files.discard, batch.org_id, [batch.input_file_id, batch.output_file_id]
        )
        await _send(arrival, {})

    async def _find(self, arrival: Arrival) -> Batch:
        caller, batch_id = arrival.caller, named(arrival, "batch")
        batch = await asyncio.to_thread(
            self._store.batches.get, caller.org_id, caller.project_id, "gemini", batch_id
        )
        if batch is None:
            raise absent("batch", batch_id)
        return batch

    async def _send_results(self, arrival: Arrival, batch: Batch, file: KeptFile) -> None:
        """The operation with its results in both places where clients look, read from disk as it is sent."""
        told = shown(batch)
        metadata = msgspec.json.encode(told["metadata"])
        head = b'{"name":"batches/%b","done":true,"metadata":%b,"output":{%b' % (
            batch.id.encode(), metadata[:-1], _OPENED,
        )  # fmt: skip
        between = b']}}},"response":{"@type":"%bGenerateContentBatchOutput",%b' % (_TYPE.encode(), _OPENED)
        listed = self._listed(file)
        try:
            first = await anext(listed)
        except ContentGone as error:
            raise absent("batch", batch.id) from error
        headers = [
            (b"content-type", b"application/json"),
            (b"x-request-id", arrival.request_id.encode()),
            (b"x-passerelle-generation", arrival.generation),
        ]
        arrival.answered = True

        async def send(body: bytes) -> None:
            await arrival.send({"type": "http.response.body", "body": body, "more_body": True})

        await arrival.send({"type": "http.response.start", "status": 200, "headers": headers})
        if arrival.scope["method"] != "HEAD":
            await send(head + first)
            async for body in listed:
                await send(body)
            await send(between)
            async for body in self._listed(file):
                await send(body)
            await send(b"]}}}")
        await arrival.send({"type": "http.response.body", "body": b""})

    async def _listed(self, file: KeptFile) -> AsyncGenerator[bytes, None]:
        """The lines of a file as the elements of a list, at least one piece."""
        chunks = self._store.files.content(file.org_id, file.id)
        held = await asyncio.to_thread(next, chunks, b"")
        while True:
            following = await asyncio.to_thread(next, chunks, b"")
            if not following:
                yield held.removesuffix(b"\n").replace(b"\n", b",")
                return
            # The last line end is kept back: whether a comma stands for it, the next chunk tells.
            yield held[:-1].replace(b"\n", b",")
            held = held[-1:] + following


def _line(model: str, item: _Item, where: str) -> bytes:
    request = item.request
    if request is None:
        raise invalid(f"`{where}.request` is missing.", param=f"{where}.request")
    said = request.pop("model", None)
    if said is not None:
        try:
            other = msgspec.json.decode(said, type=str)
        except BAD_JSON as error:
            raise invalid(f"`{where}.request.model` must be text.", param=f"{where}.request.model") from error
        if other.removeprefix("models/") != model:
            raise invalid(
                f"`{where}.request.model` is `{other[:100]}`, but a batch has one model; make "
                "another batch of it.",
                param=f"{where}.request.model",
            )
    line = msgspec.json.encode({"request": request})
    if bytes(item.metadata):
        line = line[:-1] + b',"metadata":' + bytes(item.metadata) + b"}"
    return line.replace(b"\n", b" ").replace(b"\r", b" ")


def _time(at_ns: int) -> str:
    return datetime.fromtimestamp(at_ns / 1e9, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


async def _send(arrival: Arrival, body: object) -> None:
    await send_whole(arrival, 200, msgspec.json.encode(body), [])
