"""OpenAI's batches: a file of requests, asked in the background, answered in files.

Shapes: `types/batch.py`, `batch_create_params.py`, `batch_list_params.py` and `batch_error.py` of OpenAI's
Python SDK 3.54, read 2026-11-22. What is wrong inside the input file is told in the batch (`status: failed`,
`errors`), as there.
"""

import asyncio
from collections.abc import Callable

import msgspec

from passerelle.codecs.fields import BAD_JSON
from passerelle.core.batch import Batch, BatchState, Terms
from passerelle.core.clock import Clock, mint
from passerelle.core.errors import Problem, ProblemError, invalid
from passerelle.gateway.batch.lines import ENDPOINTS
from passerelle.gateway.batch.run import Rules
from passerelle.server.answer import send_whole
from passerelle.server.body import read_body
from passerelle.server.route import Arrival, Handler, Route
from passerelle.server.v1.files import life_s
from passerelle.server.v1.gemini_batches import GeminiBatches
from passerelle.server.v1.keeping import Query, absent, may_keep, named, within_bounds
from passerelle.server.v1.lists import listing
from passerelle.server.wishes import forwarded, read_wishes
from passerelle.store import Store

_BODY_BYTES = 64 << 10
_METADATA = (16, 64, 512)
"""Pairs, and the length of names and values."""
_OPENAI = tuple(endpoint for endpoint, (dialect, _) in ENDPOINTS.items() if dialect != "anthropic")


def routes(
    store: Store, clock: Clock, rules: Rules, wake: Callable[[], None], geminis: GeminiBatches
) -> tuple[Route, ...]:
    """Everything under `/v1/batches`, where Google's SDKs ask too, known by their way to show a key. `wake()`
    tells the worker's runner that there is something new."""
    batches = _Batches(store, clock, rules, wake)
    get, post = frozenset({"GET", "HEAD"}), frozenset({"POST"})
    return (
        Route("/v1/batches", post, "model:call", batches.create, "openai_chat"),
        Route("/v1/batches", get, "model:call", _either(batches.list, geminis.list)),
        Route("/v1/batches/", get, "model:call", _either(batches.get, geminis.get), prefix=True),
        Route("/v1/batches/", post, "model:call", _either(batches.cancel, geminis.cancel), prefix=True),
        Route(
            "/v1/batches/",
            frozenset({"DELETE"}),
            "model:call",
            _either(_undeleted, geminis.delete),
            prefix=True,
        ),
    )


def _either(ours: Handler, geminis: Handler) -> Handler:
    async def handle(arrival: Arrival) -> None:
        await (geminis if b"x-goog-api-key" in arrival.headers else ours)(arrival)

    return handle


async def _undeleted(arrival: Arrival) -> None:
    said = "`DELETE` is not allowed on a batch of OpenAI's; cancel it, and delete its files."
    raise ProblemError(Problem("method_not_allowed", said, headers=(("allow", "GET, HEAD, POST"),)))


class _ExpiresAfter(msgspec.Struct):
    anchor: object = None
    seconds: object = None


class _Create(msgspec.Struct):
    """The body of a creation; each field is checked by hand, to name what is wrong with it."""

    input_file_id: object = None
    endpoint: object = None
    completion_window: object = None
    metadata: object = None
    output_expires_after: _ExpiresAfter | None = None


def shown(batch: Batch) -> dict[str, object]:
    """A batch as OpenAI's SDKs know it."""

    def at(state: BatchState) -> int | None:
        reached_ns = batch.reached.get(state)
        return None if reached_ns is None else reached_ns // 1_000_000_000

    errors = None
    if batch.problems:
        told = [
            {"code": one.code, "line": one.line, "message": one.message, "param": one.param}
            for one in batch.problems
        ]
        errors = {"object": "list", "data": told}
    tokens = batch.tokens
    return {
        "id": batch.id,
        "object": "batch",
        "endpoint": batch.endpoint,
        "errors": errors,
        "input_file_id": batch.input_file_id,
        "completion_window": "24h",
        "status": batch.state,
        "output_file_id": batch.output_file_id,
        "error_file_id": batch.error_file_id,
        "created_at": batch.created_at_ns // 1_000_000_000,
        "in_progress_at": at("in_progress"),
        "expires_at": batch.expires_at_ns // 1_000_000_000,
        "finalizing_at": at("finalizing"),
        "completed_at": at("completed"),
        "failed_at": at("failed"),
        "expired_at": at("expired"),
        "cancelling_at": at("cancelling"),
        "cancelled_at": at("cancelled"),
        "request_counts": {
            "total": batch.tally.total,
            "completed": batch.tally.completed,
            "failed": batch.tally.failed,
        },
        "usage": {
            "input_tokens": tokens.input_tokens,
            "input_tokens_details": {"cached_tokens": tokens.cached_tokens},
            "output_tokens": tokens.output_tokens,
            "output_tokens_details": {"reasoning_tokens": tokens.reasoning_tokens},
            "total_tokens": tokens.input_tokens + tokens.output_tokens,
        },
        "metadata": batch.terms.metadata,
    }


class _Batches:
    def __init__(self, store: Store, clock: Clock, rules: Rules, wake: Callable[[], None]) -> None:
        self._store = store
        self._clock = clock
        self._rules = rules
        self._wake = wake

    async def create(self, arrival: Arrival) -> None:
        """Take a batch; its input is looked through in the background."""
        caller = arrival.caller
        may_keep(caller)
        asked = _read(await read_body(arrival, _BODY_BYTES))
        endpoint, terms = _endpoint(asked), _terms(asked, arrival)
        file_id = asked.input_file_id
        if not isinstance(file_id, str) or not file_id:
            raise invalid("`input_file_id` is missing; upload a file first.", param="input_file_id")
        file = await asyncio.to_thread(self._store.files.get, caller.org_id, caller.project_id, file_id)
        if file is None:
            raise invalid(
                f"There is no file `{file_id[:100]}` in this key's project; upload it first.",
                param="input_file_id",
            )
        if file.purpose != "batch":
            raise invalid(
                f"The file `{file.id}` was uploaded for `{file.purpose}`; upload it with `purpose` `batch`.",
                param="input_file_id",
            )
        most = self._rules.batches.max_bytes
        if file.size_bytes > most:
            raise invalid(f"The input of a batch may have {most} bytes; split it up.", param="input_file_id")
        now_ns = self._clock.unix_ns()
        batch = Batch(
            id=mint("batch"),
            org_id=caller.org_id,
            project_id=caller.project_id,
            key_id=caller.key_id,
            surface="openai",
            endpoint=endpoint,
            state="validating",
            input_file_id=file.id,
            created_at_ns=now_ns,
            expires_at_ns=now_ns + int(self._rules.batches.window_s * 1e9),
            terms=terms,
        )
        with within_bounds(self._rules):
            await asyncio.to_thread(
                self._store.batches.create, batch, most_active=self._rules.batches.max_active
            )
        self._wake()
        await _send(arrival, shown(batch))

    async def list(self, arrival: Arrival) -> None:
        """A page of the project's batches, newest first."""
        caller, query = arrival.caller, Query(arrival)
        limit = query.limit(20, 100)
        found = await asyncio.to_thread(
            self._store.batches.list,
            caller.org_id,
            caller.project_id,
            "openai",
            limit=limit + 1,
            after=query.text("after"),
        )
        page = [shown(batch) for batch in found[:limit]]
        await send_whole(arrival, 200, listing(page, more=len(found) > limit), [])

    async def get(self, arrival: Arrival) -> None:
        """One batch."""
        caller, batch_id = arrival.caller, named(arrival, "batch")
        batch = await asyncio.to_thread(
            self._store.batches.get, caller.org_id, caller.project_id, "openai", batch_id
        )
        if batch is None:
            raise absent("batch", batch_id)
        await _send(arrival, shown(batch))

    async def cancel(self, arrival: Arrival) -> None:
        """Begin no further line of a batch."""
        caller = arrival.caller
        arrival.rest, slash, verb = arrival.rest.partition("/")
        if not slash or verb != "cancel":
            said = "Only `/v1/batches/BATCH_ID/cancel` takes a POST below `/v1/batches/`; add `/cancel`."
            raise ProblemError(Problem("not_found", said))
        batch_id = named(arrival, "batch")
        batch = await asyncio.to_thread(
            self._store.batches.cancel, caller.org_id, caller.project_id, "openai", batch_id
        )
        if batch is None:
            raise absent("batch", batch_id)
        if batch.state not in ("cancelling", "cancelled"):
            said = (
                f"The batch `{batch.id}` is `{batch.state}` and cannot be cancelled any more; read its files."
            )
            raise ProblemError(Problem("conflict", said))
        self._wake()
        await _send(arrival, shown(batch))


def _read(body: bytes) -> _Create:
    try:
        return msgspec.json.decode(body, type=_Create)
    except BAD_JSON as error:
        raise invalid(
            f"The body is not a JSON object as it should be: {error}; see docs/batches.md."
        ) from error


def _endpoint(asked: _Create) -> str:
    if asked.completion_window != "24h":
        raise invalid("`completion_window` must be `24h`.", param="completion_window")
    if asked.endpoint not in _OPENAI:
        allowed = ", ".join(f"`{endpoint}`" for endpoint in _OPENAI)
        raise invalid(f"`endpoint` must be one of {allowed}.", param="endpoint")
    return str(asked.endpoint)


def _terms(asked: _Create, arrival: Arrival) -> Terms:
    expires = asked.output_expires_after
    return Terms(
        metadata=_metadata(asked.metadata),
        output_expires_s=(
            None if expires is None else life_s(expires.anchor, expires.seconds, "output_expires_after")
        ),
        wishes=msgspec.to_builtins(read_wishes(arrival.headers, arrival.path_tags)),
        headers=forwarded(arrival.headers),
    )


def _metadata(said: object) -> dict[str, str] | None:
    if said is None:
        return None
    most, name_length, value_length = _METADATA
    if (
        not isinstance(said, dict)
        or len(said) > most
        or not all(len(name) <= name_length for name in said)
        or not all(isinstance(value, str) and len(value) <= value_length for value in said.values())
    ):
        raise invalid(
            f"`metadata` may have {most} pairs, with names of {name_length}, texts of {value_length}.",
            param="metadata",
        )
    return said


async def _send(arrival: Arrival, body: object) -> None:
    await send_whole(arrival, 200, msgspec.json.encode(body), [])
