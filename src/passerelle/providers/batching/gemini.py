"""Gemini's batches: a file of requests is uploaded, a batch of one model made of it, a file comes back.

From "Batch API" (ai.google.dev/gemini-api/docs/batch-api: half the price, files of up to 2 GB, lines
`{key, request}` and `{key, response | error}`), ai.google.dev/api/batch-api and ai.google.dev/api/files, and
`batches.py`, `files.py` of google-genai 3.4.0; read 2026-11-22. Files are uploaded in one request of the kind
that Google's first JavaScript SDK makes (`src/server/file-manager.ts` of google-gemini/deprecated-generative-
ai-js: `X-Goog-Upload-Protocol: multipart`): the resumable kind is sent to an address that an answer names,
and destinations come from the configuration alone. Batches and files have the display name we give them.
"""

import json
import re
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Final
from urllib.parse import quote

import msgspec

from passerelle.codecs.base import PathTarget
from passerelle.codecs.fields import BAD_JSON
from passerelle.core.request import Dialect
from passerelle.providers.base import Content
from passerelle.providers.batching.base import (
    Answered,
    Errands,
    Progress,
    Trouble,
    decoded,
    framed,
    in_line,
    name_of,
)
from passerelle.providers.remote import RemoteProvider

_MOST_PAGES = 50
_OVER: Final = ("SUCCEEDED", "FAILED", "CANCELLED", "EXPIRED")
_KEY = re.compile(r"c([1-9][0-9]{0,8})")
_UPLOAD: Final = ((b"x-goog-upload-protocol", b"multipart"),)
_STATUS: Final = {
    1: 0, 3: 400, 4: 504, 5: 404, 7: 403, 8: 429, 9: 400, 10: 409, 11: 400, 12: 501, 13: 500, 14: 503,
    16: 401,
}  # fmt: skip
"""What a `google.rpc.Code` is over HTTP (google/rpc/code.proto of googleapis, read 2026-11-22); one cancelled
was not come to."""


class _File(msgspec.Struct, rename="camel"):
    name: str
    display_name: str = ""


class _Made(msgspec.Struct):
    file: _File


class _Files(msgspec.Struct, rename="camel"):
    files: list[_File] = []
    next_page_token: str = ""


class _Output(msgspec.Struct, rename="camel"):
    responses_file: str = ""


class _Metadata(msgspec.Struct, rename="camel"):
    display_name: str = ""
    state: str = ""
    output: _Output | None = None


class _Status(msgspec.Struct):
    code: int = 2
    message: str = ""
    status: str = ""


class _Operation(msgspec.Struct):
    name: str
    metadata: _Metadata = msgspec.field(default_factory=_Metadata)
    done: bool = False
    response: _Output | None = None
    error: _Status | None = None


class _Operations(msgspec.Struct, rename="camel"):
    operations: list[_Operation] = []
    next_page_token: str = ""


class _Line(msgspec.Struct):
    key: str
    response: msgspec.Raw = msgspec.Raw()
    error: _Status | None = None


class GeminiBatches:
    """See the module."""

    most_lines = 1_000_000
    most_bytes = 2_000_000_000
    uploads = True

    def __init__(self, provider: RemoteProvider) -> None:
        self._errands = Errands(provider, "gemini")

    def takes(self, asked: tuple[Dialect, PathTarget]) -> bool:
        """See the protocol."""
        return asked[0] == "gemini" and asked[1].operation == "chat"

    def line(self, mark: str, number: int, endpoint: str, body: bytes) -> bytes:
        """See the protocol."""
        return f'{{"key":"c{number}","request":'.encode() + in_line(body) + b"}"

    def whole(self, lines: Iterable[bytes]) -> Iterator[bytes]:
        """See the protocol."""
        for line in lines:
            yield line + b"\n"

    async def upload(self, mark: str, content: Content) -> str:
        """See the protocol."""
        boundary = f"passerelle-{mark}-batch"
        said = json.dumps({"file": {"displayName": _called(mark), "mimeType": "application/jsonl"}})
        head = (
            f"--{boundary}\r\ncontent-type: application/json; charset=utf-8\r\n\r\n{said}\r\n"
            f"--{boundary}\r\ncontent-type: application/jsonl\r\n\r\n"
        )
        form = framed(head.encode(), content, f"\r\n--{boundary}--\r\n".encode())
        kind = f"multipart/related; boundary={boundary}"
        answer = await self._errands.ask("POST", "/upload/files", form, kind, _UPLOAD)
        return _plain(decoded(answer, _Made, "file").file.name, "files/")

    async def uploaded(self, mark: str, since_s: int) -> str | None:
        """See the protocol."""
        token, wanted = "", _called(mark)
        for _ in range(_MOST_PAGES):
            said = await self._errands.ask("GET", f"/files?pageSize=100{_after(token)}")
            page = decoded(said, _Files, "list of files")
            for file in page.files:
                if file.display_name == wanted:
                    return _plain(file.name, "files/")
            token = page.next_page_token
            if not token:
                return None
        return None

    async def create(
        self, mark: str, endpoint: str, model: str, input_id: str, content: Content | None
    ) -> str:
        """See the protocol."""
        asked = {"batch": {"displayName": _called(mark), "inputConfig": {"fileName": f"files/{input_id}"}}}
        resource = model if model.startswith(("models/", "tunedModels/")) else f"models/{model}"
        path = f"/{quote(resource, safe='/')}:batchGenerateContent"
        said = await self._errands.ask("POST", path, json.dumps(asked).encode())
        return _plain(decoded(said, _Operation, "batch").name, "batches/")

    async def created(self, mark: str, input_id: str, since_s: int, lines: int) -> str | None:
        """See the protocol."""
        token, wanted = "", _called(mark)
        for _ in range(_MOST_PAGES):
            said = await self._errands.ask("GET", f"/batches?pageSize=100{_after(token)}")
            page = decoded(said, _Operations, "list of batches")
            for operation in page.operations:
                if operation.metadata.display_name == wanted:
                    return _plain(operation.name, "batches/")
            token = page.next_page_token
            if not token:
                return None
        return None

    async def look(self, batch_id: str) -> Progress:
        """See the protocol."""
        batch = decoded(await self._errands.ask("GET", f"/batches/{batch_id}"), _Operation, "batch")
        state = batch.metadata.state
        if not batch.done and not state.endswith(_OVER):
            return Progress(over=False)
        why = state.removeprefix("BATCH_STATE_").lower()
        if batch.error is not None:
            why += f": {batch.error.message}"[:300]
        named = [one.responses_file for one in (batch.response, batch.metadata.output) if one is not None]
        files = tuple(_plain(one, "files/") for one in named if one)
        return Progress(over=True, why=why, files=files[:1])

    async def cancel(self, batch_id: str) -> None:
        """See the protocol."""
        try:
            await self._errands.ask("POST", f"/batches/{batch_id}:cancel", b"{}")
        except Trouble as trouble:
            if trouble.status not in (400, 404, 409):  # over already: the next look says so
                raise

    def results(self, batch_id: str, file: str) -> AsyncIterator[bytes]:
        """See the protocol."""
        return self._errands.stream(f"/download/files/{file}:download?alt=media")

    def read(self, line: bytes) -> Answered | None:
        """See the protocol."""
        try:
            said = msgspec.json.decode(line, type=_Line)
        except BAD_JSON:
            return None
        ours = _KEY.fullmatch(said.key)
        if ours is None:
            return None
        number = int(ours[1])
        if said.error is None:
            return Answered(number, 200, bytes(said.response)) if bytes(said.response) else None
        status = _STATUS.get(said.error.code, 500)
        told = {"code": status, "message": said.error.message, "status": said.error.status}
        return Answered(number, status, msgspec.json.encode({"error": told}))

    async def clean(self, batch_id: str, input_id: str, files: tuple[str, ...]) -> None:
        """See the protocol. A file of results goes with its batch where it cannot be deleted by itself."""
        paths = [f"/files/{name}" for name in (input_id, *files) if name]
        if batch_id:
            paths.append(f"/batches/{batch_id}")
        for path in paths:
            try:
                await self._errands.ask("DELETE", path)
            except Trouble as trouble:
                own = path.startswith("/files/") and path.removeprefix("/files/") in files
                if trouble.status != 404 and not (own and trouble.status in (400, 403)):
                    raise


def _called(mark: str) -> str:
    return f"passerelle-{mark}"


def _plain(said: str, before: str) -> str:
    return name_of(said.removeprefix(before))


def _after(token: str) -> str:
    return f"&pageToken={quote(token, safe='')}" if token else ""
