"""OpenAI's batch service, and whoever has copied it: a file is uploaded, a batch made of it, files come back.

Shapes: `resources/files.py`, `resources/batches.py`, `types/batch.py` and `types/batch_create_params.py` of
OpenAI's Python SDK 3.54 (50,000 requests, 200 MB); lines of results as in its Batch guide and issue 302 of
openai/openai-openapi. The copies:

    groq    chat completions only, 50,000 lines and 100 MB; its lists have neither order nor pages
            (`batch_create_params.py`, `resources/batches.py` and `resources/files.py` of groq 1.7.0)
    azure   `/chat/completions`, without the version, and `/v1/responses`; 100,000 lines and 200 MB; an upload
            is looked through before a batch can be made of it ("Getting started with Azure OpenAI batch
            deployments", learn.microsoft.com/azure/foundry/openai/how-to/batch, and
            `articles/ai-foundry/openai/includes/batch/batch-rest.md` of MicrosoftDocs/azure-ai-docs)

All read 2026-11-22. Lists are searched newest first, as far back as they matter.
"""

import json
import re
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from typing import Final, Generic, TypeVar
from urllib.parse import quote

import msgspec

from passerelle.codecs.base import PathTarget
from passerelle.codecs.fields import BAD_JSON
from passerelle.core.request import Dialect, Operation
from passerelle.providers.base import Content
from passerelle.providers.batching.base import (
    Answered,
    Errands,
    Progress,
    Trouble,
    Undecided,
    decoded,
    framed,
    in_line,
    name_of,
)
from passerelle.providers.remote import RemoteProvider

_MOST_PAGES = 50
_BOUNDARY = "passerelle-{}-batch"
_OVER = frozenset({"completed", "failed", "expired", "cancelled"})
_READY = frozenset({"processed", "uploaded"})
_ID = re.compile(r"c([1-9][0-9]{0,8})")


class Copy(msgspec.Struct, frozen=True):
    """What is particular to one maker's service."""

    most_lines: int
    most_bytes: int
    takes: frozenset[tuple[Dialect, Operation]]
    pages: bool = True
    """Its lists are told in pages, in the order that is asked for."""
    endpoints: Mapping[str, str] = {}
    """Its own words for endpoints, where they are not OpenAI's."""
    looks_through: bool = False
    """An upload is looked through first: no batch can be made of it before."""


_CHAT: Final = frozenset[tuple[Dialect, Operation]]({("openai_chat", "chat")})
_RESPONSES: Final = frozenset[tuple[Dialect, Operation]]({("openai_responses", "chat")})

OPENAI: Final = Copy(
    50_000, 200_000_000,
    _CHAT
    | _RESPONSES
    | {("openai_chat", "embed"), ("openai_chat", "moderate"), ("openai_chat", "generate_image")},
)  # fmt: skip
GROQ: Final = Copy(50_000, 100_000_000, _CHAT, pages=False)
AZURE: Final = Copy(
    100_000, 200_000_000, _CHAT | _RESPONSES,
    endpoints={"/v1/chat/completions": "/chat/completions"}, looks_through=True,
)  # fmt: skip


class _Made(msgspec.Struct):
    id: str


class _File(msgspec.Struct):
    id: str
    filename: str = ""
    created_at: int = 0
    status: str = "processed"


class _Error(msgspec.Struct):
    code: str | None = None
    message: str | None = None


class _Errors(msgspec.Struct):
    data: list[_Error] | None = None


class _Batch(msgspec.Struct):
    id: str
    status: str = ""
    input_file_id: str = ""
    output_file_id: str | None = None
    error_file_id: str | None = None
    created_at: int = 0
    errors: _Errors | None = None


_One = TypeVar("_One", _File, _Batch)


class _Page(msgspec.Struct, Generic[_One]):
    data: list[_One]
    has_more: bool = False


class _Response(msgspec.Struct):
    status_code: int
    body: msgspec.Raw = msgspec.Raw(b"null")
    request_id: str | None = None


class _Line(msgspec.Struct):
    custom_id: str
    response: _Response | None = None


class OpenAiBatches:
    """See the module."""

    uploads = True

    def __init__(self, provider: RemoteProvider, copy: Copy = OPENAI) -> None:
        self._errands = Errands(provider, "openai_chat")
        self._copy = copy
        self.most_lines = copy.most_lines
        self.most_bytes = copy.most_bytes

    def takes(self, asked: tuple[Dialect, PathTarget]) -> bool:
        """See the protocol."""
        return (asked[0], asked[1].operation) in self._copy.takes

    def line(self, mark: str, number: int, endpoint: str, body: bytes) -> bytes:
        """See the protocol."""
        head = f'{{"custom_id":"c{number}","method":"POST","url":"{self._endpoint(endpoint)}","body":'
        return head.encode() + in_line(body) + b"}"

    def whole(self, lines: Iterable[bytes]) -> Iterator[bytes]:
        """See the protocol."""
        for line in lines:
            yield line + b"\n"

    async def upload(self, mark: str, content: Content) -> str:
        """See the protocol."""
        return await uploaded(self._errands, mark, content)

    async def uploaded(self, mark: str, since_s: int) -> str | None:
        """See the protocol."""
        asked, wanted = "purpose=batch&order=desc&limit=1000", file_name(mark)
        return await self._newest("files", asked, _Page[_File], since_s, lambda one: one.filename == wanted)

    async def create(
        self, mark: str, endpoint: str, model: str, input_id: str, content: Content | None
    ) -> str:
        """See the protocol."""
        if self._copy.looks_through:
            file = decoded(await self._errands.ask("GET", f"/files/{input_id}"), _File, "file")
            if file.status not in _READY and file.status != "error":
                raise Undecided("the upload is still being looked through")
        asked = {
            "input_file_id": input_id,
            "endpoint": self._endpoint(endpoint),
            "completion_window": "24h",
            "metadata": {"passerelle_batch": mark},
        }
        said = await self._errands.ask("POST", "/batches", json.dumps(asked).encode())
        return name_of(decoded(said, _Made, "batch").id)

    async def created(self, mark: str, input_id: str, since_s: int, lines: int) -> str | None:
        """See the protocol."""
        asked = "limit=100"
        return await self._newest(
            "batches", asked, _Page[_Batch], since_s, lambda one: one.input_file_id == input_id
        )

    async def look(self, batch_id: str) -> Progress:
        """See the protocol."""
        batch = decoded(await self._errands.ask("GET", f"/batches/{batch_id}"), _Batch, "batch")
        if batch.status not in _OVER:
            return Progress(over=False)
        why = batch.status
        if batch.errors is not None and batch.errors.data:
            first = batch.errors.data[0]
            why += f": {first.code or ''} {first.message or ''}"[:300]
        files = tuple(name_of(one) for one in (batch.output_file_id, batch.error_file_id) if one)
        return Progress(over=True, why=why, files=files)

    async def cancel(self, batch_id: str) -> None:
        """See the protocol."""
        try:
            await self._errands.ask("POST", f"/batches/{batch_id}/cancel", b"{}")
        except Trouble as trouble:
            if trouble.status not in (400, 404, 409):  # over already: the next look says so
                raise

    def results(self, batch_id: str, file: str) -> AsyncIterator[bytes]:
        """See the protocol."""
        return self._errands.stream(f"/files/{file}/content")

    def read(self, line: bytes) -> Answered | None:
        """See the protocol."""
        return answered(line)

    async def clean(self, batch_id: str, input_id: str, files: tuple[str, ...]) -> None:
        """See the protocol. The batch itself, which holds no content, cannot be deleted."""
        await delete(self._errands, *(f"/files/{file}" for file in (*files, input_id) if file))

    async def _newest(
        self, kind: str, asked: str, shape: "type[_Page[_One]]", since_s: int, ours: Callable[[_One], bool]
    ) -> str | None:
        """The name of the newest that is ours, in a list that is searched back to `since_s`."""
        after = ""
        for _ in range(_MOST_PAGES):
            query = f"?{asked}{_after(after)}" if self._copy.pages else ""
            page = decoded(await self._errands.ask("GET", f"/{kind}{query}"), shape, f"list of {kind}")
            for one in page.data:
                if ours(one):
                    return name_of(one.id)
            if not page.has_more or not page.data or 0 < page.data[-1].created_at < since_s:
                return None
            after = page.data[-1].id
        return None

    def _endpoint(self, endpoint: str) -> str:
        return self._copy.endpoints.get(endpoint, endpoint)


def file_name(mark: str) -> str:
    """What the upload of a batch is called."""
    return f"passerelle-{mark}.jsonl"


async def uploaded(errands: Errands, mark: str, content: Content) -> str:
    """The name of an input that was uploaded as OpenAI takes files."""
    boundary = _BOUNDARY.format(mark)
    head = (
        f'--{boundary}\r\ncontent-disposition: form-data; name="purpose"\r\n\r\nbatch\r\n'
        f'--{boundary}\r\ncontent-disposition: form-data; name="file"; filename="{file_name(mark)}"\r\n'
        "content-type: application/jsonl\r\n\r\n"
    )
    form = framed(head.encode(), content, f"\r\n--{boundary}--\r\n".encode())
    said = await errands.ask("POST", "/files", form, f"multipart/form-data; boundary={boundary}")
    return name_of(decoded(said, _Made, "file").id)


def answered(line: bytes) -> Answered | None:
    """A line of results as OpenAI writes it, if it is one of ours."""
    try:
        said = msgspec.json.decode(line, type=_Line)
    except BAD_JSON:
        return None
    ours = _ID.fullmatch(said.custom_id)
    if ours is None:
        return None
    response = said.response
    if response is None:
        return Answered(int(ours[1]), 0)
    return Answered(int(ours[1]), response.status_code, bytes(response.body), response.request_id)


async def delete(errands: Errands, *paths: str) -> None:
    """Delete what is there; what is gone already is no trouble."""
    for path in paths:
        try:
            await errands.ask("DELETE", path)
        except Trouble as trouble:
            if trouble.status != 404:
                raise


def _after(cursor: str) -> str:
    return f"&after={quote(cursor, safe='')}" if cursor else ""
