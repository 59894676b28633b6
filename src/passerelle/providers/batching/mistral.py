"""Mistral's batch jobs: OpenAI's files and lines, jobs of its own.

Shapes: `createbatchjobrequest.py`, `batchjob.py`, `batchjobstatus.py` and `apiendpoint.py` of mistralai's
models and the paths in its `batch_jobs.py`, `files.py`; "Batch Processing" at docs.mistral.ai/studio-api/
batch-processing (half the price; a million requests; a line is `{custom_id, body}`) and the bound of 512 MB
on files; read 2026-11-22. A job names its model, which all of its lines then have.
"""

import json
from collections.abc import AsyncIterator, Iterable, Iterator
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote

import msgspec

from passerelle.codecs.base import PathTarget
from passerelle.core.request import Dialect
from passerelle.providers.base import Content
from passerelle.providers.batching.base import (
    Answered,
    Errands,
    Progress,
    Trouble,
    decoded,
    in_line,
    name_of,
)
from passerelle.providers.batching.openai import answered, delete, file_name, uploaded
from passerelle.providers.remote import RemoteProvider

_PAGE = 100
_MOST_PAGES = 50
_OVER: Final = frozenset({"SUCCESS", "FAILED", "TIMEOUT_EXCEEDED", "CANCELLED"})
_TAKES: Final = frozenset({"chat", "embed", "moderate"})


class _File(msgspec.Struct):
    id: str
    filename: str = ""


class _Files(msgspec.Struct):
    data: list[_File]


class _Error(msgspec.Struct):
    message: str = ""


class _Job(msgspec.Struct):
    id: str
    status: str = ""
    input_files: list[str] = []
    output_file: str | None = None
    error_file: str | None = None
    errors: list[_Error] | None = None


class _Jobs(msgspec.Struct):
    data: list[_Job] | None = None


class MistralBatches:
    """See the module."""

    most_lines = 1_000_000
    most_bytes = 512_000_000
    uploads = True

    def __init__(self, provider: RemoteProvider) -> None:
        self._errands = Errands(provider, "openai_chat")

    def takes(self, asked: tuple[Dialect, PathTarget]) -> bool:
        """See the protocol."""
        return asked[0] == "openai_chat" and asked[1].operation in _TAKES

    def line(self, mark: str, number: int, endpoint: str, body: bytes) -> bytes:
        """See the protocol."""
        return f'{{"custom_id":"c{number}","body":'.encode() + in_line(body) + b"}"

    def whole(self, lines: Iterable[bytes]) -> Iterator[bytes]:
        """See the protocol."""
        for line in lines:
            yield line + b"\n"

    async def upload(self, mark: str, content: Content) -> str:
        """See the protocol."""
        return await uploaded(self._errands, mark, content)

    async def uploaded(self, mark: str, since_s: int) -> str | None:
        """See the protocol."""
        wanted = file_name(mark)
        for number in range(_MOST_PAGES):
            query = f"?purpose=batch&page={number}&page_size={_PAGE}"
            page = decoded(await self._errands.ask("GET", f"/files{query}"), _Files, "list of files")
            for file in page.data:
                if file.filename == wanted:
                    return name_of(file.id)
            if len(page.data) < _PAGE:
                return None
        return None

    async def create(
        self, mark: str, endpoint: str, model: str, input_id: str, content: Content | None
    ) -> str:
        """See the protocol."""
        asked = {
            "input_files": [input_id],
            "endpoint": endpoint,
            "model": model,
            "metadata": {"passerelle_batch": mark},
            "timeout_hours": 24,
        }
        said = await self._errands.ask("POST", "/batch/jobs", json.dumps(asked).encode())
        return name_of(decoded(said, _Job, "job").id)

    async def created(self, mark: str, input_id: str, since_s: int, lines: int) -> str | None:
        """See the protocol."""
        since = quote(datetime.fromtimestamp(since_s, UTC).isoformat(), safe="")
        for number in range(_MOST_PAGES):
            query = f"?page={number}&page_size={_PAGE}&created_after={since}"
            page = decoded(await self._errands.ask("GET", f"/batch/jobs{query}"), _Jobs, "list of jobs")
            jobs = page.data or []
            for job in jobs:
                if input_id in job.input_files:
                    return name_of(job.id)
            if len(jobs) < _PAGE:
                return None
        return None

    async def look(self, batch_id: str) -> Progress:
        """See the protocol."""
        job = decoded(await self._errands.ask("GET", f"/batch/jobs/{batch_id}"), _Job, "job")
        if job.status not in _OVER:
            return Progress(over=False)
        why = job.status.lower()
        if job.errors:
            why += f": {job.errors[0].message}"[:300]
        files = tuple(name_of(one) for one in (job.output_file, job.error_file) if one)
        return Progress(over=True, why=why, files=files)

    async def cancel(self, batch_id: str) -> None:
        """See the protocol."""
        try:
            await self._errands.ask("POST", f"/batch/jobs/{batch_id}/cancel")
        except Trouble as trouble:
            if trouble.status not in (400, 404, 409, 422):  # over already: the next look says so
                raise

    def results(self, batch_id: str, file: str) -> AsyncIterator[bytes]:
        """See the protocol."""
        return self._errands.stream(f"/files/{file}/content")

    def read(self, line: bytes) -> Answered | None:
        """See the protocol."""
        return answered(line)

    async def clean(self, batch_id: str, input_id: str, files: tuple[str, ...]) -> None:
        """See the protocol."""
        jobs = (f"/batch/jobs/{batch_id}",) if batch_id else ()
        await delete(self._errands, *(f"/files/{file}" for file in (*files, input_id) if file), *jobs)
