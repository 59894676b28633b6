"""Anthropic's message batches: the requests come with the making of the batch, the results in one stream.

Shapes: `resources/messages/batches.py` and `types/messages/message_batch*.py` of Anthropic's Python SDK 2.12;
"Batch processing" at platform.claude.com/docs (100,000 requests or 256 MB, ids of at most 64 characters,
letters, digits, `-`, `_`); read 2026-11-22.

A batch carries nothing of its maker's but the requests' own ids, and those are shown with results only. So
when the answer to a making was lost, a batch of as many requests made since then is a candidate, and it is
ours if the first id in its results is: until the candidates have ended nobody can know, and none is made
anew.
"""

import re
from collections.abc import AsyncIterator, Iterable, Iterator
from datetime import datetime

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
    Undecided,
    decoded,
    name_of,
)
from passerelle.providers.remote import RemoteProvider

_MOST_PAGES = 50
_ID = re.compile(r"([0-9A-Z]{26})-([1-9][0-9]{0,8})")
_STATUS = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "timeout_error": 504,
    "overloaded_error": 529,
}
"""The status each type of error has ("Errors" at platform.claude.com/docs/en/api/errors, read 2026-11-22)."""


class _Counts(msgspec.Struct):
    processing: int = 0
    succeeded: int = 0
    errored: int = 0
    canceled: int = 0
    expired: int = 0

    @property
    def total(self) -> int:
        """All requests of the batch."""
        return self.processing + self.succeeded + self.errored + self.canceled + self.expired


class _Batch(msgspec.Struct):
    id: str
    processing_status: str = ""
    created_at: datetime | None = None
    request_counts: _Counts = msgspec.field(default_factory=_Counts)


class _Batches(msgspec.Struct):
    data: list[_Batch]
    has_more: bool = False


class _Inner(msgspec.Struct):
    type: str = ""


class _Outer(msgspec.Struct):
    error: _Inner = msgspec.field(default_factory=_Inner)
    request_id: str | None = None


class _Result(msgspec.Struct):
    type: str
    message: msgspec.Raw = msgspec.Raw()
    error: msgspec.Raw = msgspec.Raw()


class _Line(msgspec.Struct):
    custom_id: str
    result: _Result


class AnthropicBatches:
    """See the module."""

    most_lines = 100_000
    most_bytes = 256_000_000
    uploads = False

    def __init__(self, provider: RemoteProvider, headers: tuple[tuple[str, str], ...] = ()) -> None:
        self._errands = Errands(provider, "anthropic", headers)

    def line(self, mark: str, number: int, endpoint: str, body: bytes) -> bytes:
        """See the protocol."""
        return f'{{"custom_id":"{mark}-{number}","params":'.encode() + body + b"}"

    def takes(self, asked: tuple[Dialect, PathTarget]) -> bool:
        """See the protocol."""
        return asked[0] == "anthropic"

    def whole(self, lines: Iterable[bytes]) -> Iterator[bytes]:
        """See the protocol."""
        before = b'{"requests":['
        for line in lines:
            yield before + line
            before = b","
        yield b"]}"

    async def upload(self, mark: str, content: Content) -> str:
        """Nothing is uploaded."""
        return ""

    async def uploaded(self, mark: str, since_s: int) -> str | None:
        """Nothing was uploaded."""
        return None

    async def create(
        self, mark: str, endpoint: str, model: str, input_id: str, content: Content | None
    ) -> str:
        """See the protocol."""
        if content is None:
            raise AssertionError("the requests come with the making")
        return name_of(
            decoded(await self._errands.ask("POST", "/messages/batches", content), _Batch, "batch").id
        )

    async def created(self, mark: str, input_id: str, since_s: int, lines: int) -> str | None:
        """See the protocol. Raises `Undecided` while a candidate has not ended."""
        after, waiting = "", False
        for _ in range(_MOST_PAGES):
            cursor = f"&after_id={after}" if after else ""
            page = decoded(
                await self._errands.ask("GET", f"/messages/batches?limit=100{cursor}"), _Batches, "batch"
            )
            for batch in page.data:
                made = batch.created_at
                if made is not None and made.timestamp() < since_s:
                    page.has_more = False
                elif batch.request_counts.total != lines:
                    continue
                elif batch.processing_status != "ended":
                    waiting = True
                elif await self._is_ours(mark, name_of(batch.id)):
                    return batch.id
            if not page.has_more or not page.data:
                break
            after = name_of(page.data[-1].id)
        if waiting:
            raise Undecided("a batch there may be ours; its results will tell")
        return None

    async def _is_ours(self, mark: str, batch_id: str) -> bool:
        head = b""
        try:
            async for data in self.results(batch_id, batch_id):
                head += data
                if b"\n" in head:
                    break
        except Trouble as trouble:
            if trouble.status in (400, 404):  # no results, or no more
                return False
            raise
        try:
            return msgspec.json.decode(head.partition(b"\n")[0], type=_Line).custom_id.startswith(f"{mark}-")
        except BAD_JSON:
            return False

    async def look(self, batch_id: str) -> Progress:
        """See the protocol."""
        batch = decoded(await self._errands.ask("GET", f"/messages/batches/{batch_id}"), _Batch, "batch")
        if batch.processing_status != "ended":
            return Progress(over=False)
        return Progress(over=True, why="ended", files=(batch_id,))

    async def cancel(self, batch_id: str) -> None:
        """See the protocol."""
        try:
            await self._errands.ask("POST", f"/messages/batches/{batch_id}/cancel")
        except Trouble as trouble:
            if trouble.status not in (400, 404, 409):  # over already: the next look says so
                raise

    def results(self, batch_id: str, file: str) -> AsyncIterator[bytes]:
        """See the protocol. The path is made here, not taken from `results_url`."""
        return self._errands.stream(f"/messages/batches/{batch_id}/results")

    def read(self, line: bytes) -> Answered | None:
        """See the protocol."""
        try:
            said = msgspec.json.decode(line, type=_Line)
        except BAD_JSON:
            return None
        ours = _ID.fullmatch(said.custom_id)
        if ours is None:
            return None
        number = int(ours[2])
        if said.result.type == "succeeded":
            return Answered(number, 200, bytes(said.result.message))
        if said.result.type != "errored":
            return Answered(number, 0)
        body = bytes(said.result.error)
        try:
            outer = msgspec.json.decode(body, type=_Outer)
        except BAD_JSON:
            outer = _Outer()
        return Answered(number, _STATUS.get(outer.error.type, 500), body, outer.request_id)

    async def clean(self, batch_id: str, input_id: str, files: tuple[str, ...]) -> None:
        """See the protocol."""
        if not batch_id:
            return
        try:
            await self._errands.ask("DELETE", f"/messages/batches/{batch_id}")
        except Trouble as trouble:
            if trouble.status != 404:
                raise
