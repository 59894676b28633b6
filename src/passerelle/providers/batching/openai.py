"""OpenAI's batch service, and whoever has copied it: a file is uploaded, a batch made of it, files come back.

Shapes: `resources/files.py`, `resources/batches.py`, `types/batch.py` and `types/batch_create_params.py` of
OpenAI's Python SDK 3.54 (50,000 requests, 200 MB); lines of results as in its Batch guide and issue 302 of
openai/openai-openapi; read 2026-11-22. Lists are searched newest first, as far back as they matter.
"""

import json
import re
from collections.abc import AsyncIterator
from typing import TypeVar
from urllib.parse import quote

import msgspec

from passerelle.codecs.fields import BAD_JSON
from passerelle.providers.batching.base import Answered, Errands, Progress, Trouble, unreadable
from passerelle.providers.remote import RemoteProvider

_T = TypeVar("_T")
_MOST_PAGES = 50
_BOUNDARY = "passerelle-{}-batch"
_OVER = frozenset({"completed", "failed", "expired", "cancelled"})
_NAME = re.compile(r"[A-Za-z0-9._-]{1,200}")
_ID = re.compile(r"c([1-9][0-9]{0,8})")


class _Made(msgspec.Struct):
    id: str


class _File(msgspec.Struct):
    id: str
    filename: str = ""
    created_at: int = 0


class _Files(msgspec.Struct):
    data: list[_File]
    has_more: bool = False


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


class _Batches(msgspec.Struct):
    data: list[_Batch]
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

    most_lines = 50_000
    most_bytes = 200_000_000
    uploads = True

    def __init__(self, provider: RemoteProvider) -> None:
        self._errands = Errands(provider, "openai_chat")

    def line(self, mark: str, number: int, endpoint: str, body: bytes) -> bytes:
        """See the protocol."""
        head = f'{{"custom_id":"c{number}","method":"POST","url":"{endpoint}","body":'
        return head.encode() + body.replace(b"\n", b" ").replace(b"\r", b" ") + b"}"

    def whole(self, lines: list[bytes]) -> bytes:
        """See the protocol."""
        return b"\n".join(lines) + b"\n"

    async def upload(self, mark: str, content: bytes) -> str:
        """See the protocol."""
        boundary = _BOUNDARY.format(mark)
        head = (
            f'--{boundary}\r\ncontent-disposition: form-data; name="purpose"\r\n\r\nbatch\r\n'
            f'--{boundary}\r\ncontent-disposition: form-data; name="file"; filename="{_file_name(mark)}"\r\n'
            "content-type: application/jsonl\r\n\r\n"
        )
        form = b"".join((head.encode(), content, f"\r\n--{boundary}--\r\n".encode()))
        said = await self._errands.ask("POST", "/files", form, f"multipart/form-data; boundary={boundary}")
        return _name(_decode(said, _Made, "file").id)

    async def uploaded(self, mark: str, since_s: int) -> str | None:
        """See the protocol."""
        after, wanted = "", _file_name(mark)
        for _ in range(_MOST_PAGES):
            said = await self._errands.ask(
                "GET", f"/files?purpose=batch&order=desc&limit=1000{_after(after)}"
            )
            page = _decode(said, _Files, "list of files")
            for file in page.data:
                if file.filename == wanted:
                    return _name(file.id)
            if not page.has_more or not page.data or 0 < page.data[-1].created_at < since_s:
                return None
            after = page.data[-1].id
        return None

    async def create(self, mark: str, endpoint: str, input_id: str, content: bytes) -> str:
        """See the protocol."""
        asked = {
            "input_file_id": input_id,
            "endpoint": endpoint,
            "completion_window": "24h",
            "metadata": {"passerelle_batch": mark},
        }
        said = await self._errands.ask("POST", "/batches", json.dumps(asked).encode())
        return _name(_decode(said, _Made, "batch").id)

    async def created(self, mark: str, input_id: str, since_s: int, lines: int) -> str | None:
        """See the protocol."""
        after = ""
        for _ in range(_MOST_PAGES):
            said = await self._errands.ask("GET", f"/batches?limit=100{_after(after)}")
            page = _decode(said, _Batches, "list of batches")
            for batch in page.data:
                if batch.input_file_id == input_id:
                    return _name(batch.id)
            if not page.has_more or not page.data or 0 < page.data[-1].created_at < since_s:
                return None
            after = page.data[-1].id
        return None

    async def look(self, batch_id: str) -> Progress:
        """See the protocol."""
        batch = _decode(await self._errands.ask("GET", f"/batches/{batch_id}"), _Batch, "batch")
        if batch.status not in _OVER:
            return Progress(over=False)
        why = batch.status
        if batch.errors is not None and batch.errors.data:
            first = batch.errors.data[0]
            why += f": {first.code or ''} {first.message or ''}"[:300]
        files = tuple(_name(one) for one in (batch.output_file_id, batch.error_file_id) if one)
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

    async def clean(self, batch_id: str, input_id: str, files: tuple[str, ...]) -> None:
        """See the protocol. The batch itself, which holds no content, cannot be deleted."""
        for file in (*files, input_id):
            if file:
                try:
                    await self._errands.ask("DELETE", f"/files/{file}")
                except Trouble as trouble:
                    if trouble.status != 404:
                        raise


def _file_name(mark: str) -> str:
    return f"passerelle-{mark}.jsonl"


def _after(cursor: str) -> str:
    return f"&after={quote(cursor, safe='')}" if cursor else ""


def _name(said: str) -> str:
    """A provider's own id, which will stand in a path."""
    if not _NAME.fullmatch(said) or set(said) == {"."}:
        raise unreadable("id")
    return said


def _decode(said: bytes, shape: type[_T], what: str) -> _T:
    try:
        return msgspec.json.decode(said, type=shape)
    except BAD_JSON as error:
        raise unreadable(what) from error
