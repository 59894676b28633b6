"""OpenAI's files: kept for a project, sealed, until they expire or are deleted.

Shapes: `types/file_object.py`, `file_create_params.py`, `file_list_params.py` and `file_deleted.py` of
OpenAI's Python SDK 3.54, read 2026-11-22.
"""

import asyncio

import msgspec

from passerelle.codecs.multipart import PartHead
from passerelle.core.batch import PURPOSES, SHOWN_PURPOSES, KeptFile
from passerelle.core.clock import Clock, mint
from passerelle.core.errors import Problem, ProblemError, invalid
from passerelle.gateway.batch.run import DAY_NS, Rules
from passerelle.server.answer import send_whole
from passerelle.server.multipart import Form, Sink, read_form
from passerelle.server.route import Arrival, Route
from passerelle.server.v1.keeping import Query, absent, may_keep, named, within_bounds
from passerelle.server.v1.lists import listing
from passerelle.store import Store
from passerelle.store.kept_files import FileInUse
from passerelle.store.vault import ContentGone, Draft

LIFE_S = (3_600, 2_592_000)
"""Of a file, where its caller says: an hour to thirty days."""
_BATCH_LIFE_DAYS = 30
_OVERHEAD_BYTES = 64 << 10
"""What a form may have beside the file."""
_NAME_LENGTH = 255
_PAGE = 10_000


def routes(store: Store, clock: Clock, rules: Rules) -> tuple[Route, ...]:
    """Everything under `/v1/files`."""
    files = _Files(store, clock, rules)
    get, post = frozenset({"GET", "HEAD"}), frozenset({"POST"})
    return (
        Route("/v1/files", post, "model:call", files.create, "openai_chat"),
        Route("/v1/files", get, "model:call", files.list, "openai_chat"),
        Route("/v1/files/", get, "model:call", files.get, "openai_chat", prefix=True),
        Route("/v1/files/", frozenset({"DELETE"}), "model:call", files.delete, "openai_chat", prefix=True),
    )


def shown(file: KeptFile) -> dict[str, object]:
    """A file as OpenAI's SDKs know it."""
    return {
        "id": file.id,
        "object": "file",
        "bytes": file.size_bytes,
        "created_at": file.created_at_ns // 1_000_000_000,
        "expires_at": None if file.expires_at_ns is None else file.expires_at_ns // 1_000_000_000,
        "filename": file.name,
        "purpose": file.purpose,
        "status": "processed",
        "status_details": None,
    }


class _Files:
    def __init__(self, store: Store, clock: Clock, rules: Rules) -> None:
        self._store = store
        self._clock = clock
        self._rules = rules

    async def create(self, arrival: Arrival) -> None:
        """Keep an upload: on disk as it comes, a file when all of it is there and right."""
        caller = arrival.caller
        may_keep(caller)
        settings = self._rules.files
        upload = _Upload(self._store, caller.org_id)
        try:
            form = await read_form(
                arrival,
                upload.open,
                most_bytes=settings.max_bytes + _OVERHEAD_BYTES,
                setting="`files.max_bytes`",
            )
            if upload.draft is None or upload.head is None:
                raise invalid("`file` is missing; send it as a file of the form.", param="file")
            purpose, name = _purpose(form), upload.head.filename or "upload"
            if purpose == "batch" and not name.endswith(".jsonl"):
                raise invalid(
                    "A file for a batch must be JSON Lines; give it a name that ends with `.jsonl`.",
                    param="file",
                )
            if upload.draft.size_bytes > settings.max_bytes:
                raise _too_large(settings.max_bytes)
            now_ns = self._clock.unix_ns()
            file = KeptFile(
                id=upload.file_id,
                org_id=caller.org_id,
                project_id=caller.project_id,
                key_id=caller.key_id,
                name=name[:_NAME_LENGTH],
                purpose=purpose,
                media_type=upload.head.content_type,
                size_bytes=upload.draft.size_bytes,
                created_at_ns=now_ns,
                expires_at_ns=self._expiry(form, purpose, now_ns),
            )
            with within_bounds(self._rules):
                await asyncio.to_thread(
                    self._store.files.keep, upload.draft, file, most_bytes=settings.max_project_bytes
                )
        finally:
            upload.drop()
        await _send(arrival, shown(file))

    async def list(self, arrival: Arrival) -> None:
        """A page of the project's files."""
        caller, query = arrival.caller, Query(arrival)
        limit, order = query.limit(_PAGE, _PAGE), query.text("order") or "desc"
        if order not in ("asc", "desc"):
            raise invalid(f"`order` is `{order[:20]}`; send `asc` or `desc`.", param="order")
        found = await asyncio.to_thread(
            self._store.files.list,
            caller.org_id,
            caller.project_id,
            limit=limit + 1,
            after=query.text("after"),
            purpose=query.text("purpose"),
            ascending=order == "asc",
        )
        page = [shown(file) for file in found[:limit]]
        await send_whole(arrival, 200, listing(page, more=len(found) > limit), [])

    async def get(self, arrival: Arrival) -> None:
        """A file, or with `/content` at the end what is in it."""
        rest = arrival.rest
        arrival.rest = rest.removesuffix("/content")
        file = await self._find(arrival)
        if arrival.rest == rest:
            await _send(arrival, shown(file))
        else:
            await send_content(arrival, self._store, file, b"application/octet-stream")

    async def delete(self, arrival: Arrival) -> None:
        """Delete a file."""
        caller, file_id = arrival.caller, named(arrival, "file")
        try:
            gone = await asyncio.to_thread(
                self._store.files.delete, caller.org_id, caller.project_id, file_id
            )
        except FileInUse as error:
            said = (
                f"A batch under way reads the file `{file_id}`; cancel the batch first, or wait for its end."
            )
            raise ProblemError(Problem("conflict", said)) from error
        if not gone:
            raise absent("file", file_id)
        await _send(arrival, {"id": file_id, "object": "file", "deleted": True})

    async def _find(self, arrival: Arrival) -> KeptFile:
        caller, file_id = arrival.caller, named(arrival, "file")
        file = await asyncio.to_thread(self._store.files.get, caller.org_id, caller.project_id, file_id)
        if file is None or file.purpose not in SHOWN_PURPOSES:
            raise absent("file", file_id)
        return file

    def _expiry(self, form: Form, purpose: str, now_ns: int) -> int | None:
        """When the file goes: what its caller said, else the operator, else OpenAI's own habit."""
        said_s = _life_s(form)
        if said_s is not None:
            return now_ns + said_s * 1_000_000_000
        days = self._rules.files.retention_days
        if days is None and purpose == "batch":
            days = _BATCH_LIFE_DAYS
        return None if days is None else now_ns + days * DAY_NS


class _Upload:
    """The file of one form, on its way to disk."""

    def __init__(self, store: Store, org_id: str) -> None:
        self.file_id = mint("file").replace("_", "-")
        self.draft: Draft | None = None
        self.head: PartHead | None = None
        self._store = store
        self._org_id = org_id

    async def open(self, head: PartHead) -> Sink:
        if head.name != "file" or self.draft is not None:
            raise invalid(
                f"`{head.name[:60]}` is a file too many; send one, as `file`.", param=head.name[:60]
            )
        self.head = head
        self.draft = await asyncio.to_thread(self._store.files.draft, self._org_id, self.file_id)
        return self

    async def write(self, data: bytes) -> None:
        if self.draft is not None:
            await asyncio.to_thread(self.draft.write, data)

    def drop(self) -> None:
        if self.draft is not None:
            self.draft.drop()


async def send_content(arrival: Arrival, store: Store, file: KeptFile, content_type: bytes) -> None:
    """A file's bytes, a piece at a time. Raises `ProblemError(not_found)` when they cannot be read."""
    chunks = store.files.content(file.org_id, file.id)
    try:
        first = await asyncio.to_thread(next, chunks, b"")
    except ContentGone as error:
        raise absent("file", file.id) from error
    headers = [
        (b"content-type", content_type),
        (b"content-length", b"%d" % file.size_bytes),
        (b"content-disposition", b"attachment"),  # whatever it holds, no browser is to show it as a page
        (b"x-content-type-options", b"nosniff"),
        (b"x-request-id", arrival.request_id.encode()),
        (b"x-passerelle-generation", arrival.generation),
    ]
    arrival.answered = True
    await arrival.send({"type": "http.response.start", "status": 200, "headers": headers})
    if arrival.scope["method"] != "HEAD":
        piece: bytes | None = first
        while piece:
            await arrival.send({"type": "http.response.body", "body": piece, "more_body": True})
            piece = await asyncio.to_thread(next, chunks, None)
    await arrival.send({"type": "http.response.body", "body": b""})


def life_s(anchor: object, seconds: object, param: str) -> int:
    """A life as OpenAI's `expires_after` says it. Raises `ProblemError`."""
    least, most = LIFE_S
    if anchor != "created_at":
        raise invalid(f"`{param}.anchor` must be `created_at`.", param=f"{param}.anchor")
    if not isinstance(seconds, int) or isinstance(seconds, bool) or not least <= seconds <= most:
        raise invalid(f"`{param}.seconds` must be a number from {least} to {most}.", param=f"{param}.seconds")
    return seconds


def _life_s(form: Form) -> int | None:
    anchor, seconds = form.one("expires_after[anchor]"), form.one("expires_after[seconds]")
    if anchor is None and seconds is None:
        return None
    number = int(seconds) if seconds is not None and seconds.isdecimal() and len(seconds) < 10 else seconds
    return life_s(anchor, number, "expires_after")


def _purpose(form: Form) -> str:
    purpose = form.one("purpose")
    if purpose not in PURPOSES:
        allowed = ", ".join(f"`{word}`" for word in PURPOSES)
        said = "`purpose` is missing" if purpose is None else f"`purpose` is `{purpose[:60]}`"
        raise invalid(f"{said}; send one of {allowed}.", param="purpose")
    return purpose


def _too_large(most: int) -> ProblemError:
    return ProblemError(
        Problem(
            "too_large", f"The file is larger than {most} bytes; send less, or have `files.max_bytes` raised."
        )
    )


async def _send(arrival: Arrival, body: object) -> None:
    await send_whole(arrival, 200, msgspec.json.encode(body), [])
