"""What a provider's batch service is, to whoever hands batches over.

The steps are apart because each must be on record here before the next depends on it; and for each that
makes something there is a search for what an earlier try may have made, whose answer was lost.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Protocol, TypeVar

import msgspec

from passerelle.codecs.base import PathTarget
from passerelle.codecs.fields import BAD_JSON
from passerelle.core.errors import FailureKind, PasserelleError
from passerelle.core.request import Dialect
from passerelle.providers.base import Content, Deadlines, Reply, SendError
from passerelle.providers.failures import classify, from_send_error
from passerelle.providers.remote import Headers, RemoteProvider

DEADLINES = Deadlines(headers_s=300.0)
TOTAL_S = 3_600.0
READ_S = 60.0
"""Between two pieces of an answer."""

_T = TypeVar("_T")
_NAME = re.compile(r"[A-Za-z0-9._-]{1,200}")


class Trouble(PasserelleError):
    """An errand failed. `detail` is for the operator, without secrets."""

    def __init__(self, kind: FailureKind, detail: str, *, status: int | None = None, passes: bool) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
        self.status = status
        self.passes = passes
        """The same may succeed later, or may have succeeded: nobody knows."""


class Undecided(PasserelleError):
    """Whether it was made cannot be known yet: ask again later, and make nothing meanwhile."""


class Progress(msgspec.Struct, frozen=True):
    """Where a batch is at its provider."""

    over: bool
    why: str = ""
    """The provider's word for how it ended."""
    files: tuple[str, ...] = ()
    """Where its results are."""


class Answered(msgspec.Struct, frozen=True):
    """One line's result."""

    number: int
    status: int
    """As a call of its own would have had; 0 where the provider did not come to it."""
    body: bytes = b""
    request_id: str | None = None


class BatchServiceClient(Protocol):
    """See the module. Every method but `takes`, `line`, `whole` and `read` raises `Trouble`."""

    most_lines: int
    most_bytes: int
    uploads: bool
    """The input is uploaded before the batch is made; otherwise it comes with the making."""

    def takes(self, asked: tuple[Dialect, PathTarget]) -> bool:
        """Whether such requests can be asked in a batch there."""
        ...

    def line(self, mark: str, number: int, endpoint: str, body: bytes) -> bytes:
        """A line of the input. `mark` is our batch's, letters and digits."""
        ...

    def whole(self, lines: Iterable[bytes]) -> Iterator[bytes]:
        """The input, in pieces."""
        ...

    async def upload(self, mark: str, content: Content) -> str:
        """The provider's name of the uploaded input."""
        ...

    async def uploaded(self, mark: str, since_s: int) -> str | None:
        """The name of an input uploaded with this mark since then, if there is one."""
        ...

    async def create(
        self, mark: str, endpoint: str, model: str, input_id: str, content: Content | None
    ) -> str:
        """The provider's name of the batch made, of lines for `model`. `content` where nothing was uploaded.
        Raises `Undecided` where an upload is not ready yet."""
        ...

    async def created(self, mark: str, input_id: str, since_s: int, lines: int) -> str | None:
        """The name of a batch made of this input since then, if there is one."""
        ...

    async def look(self, batch_id: str) -> Progress:
        """Where it is."""
        ...

    async def cancel(self, batch_id: str) -> None:
        """Ask that what is not begun be left."""
        ...

    def results(self, batch_id: str, file: str) -> AsyncIterator[bytes]:
        """A file of results as it comes."""
        ...

    def read(self, line: bytes) -> Answered | None:
        """A line of results; None for one that is not ours to understand."""
        ...

    async def clean(self, batch_id: str, input_id: str, files: tuple[str, ...]) -> None:
        """Delete there whatever can be deleted. What is gone already is no trouble."""
        ...


class Errands:
    """Small exchanges with one provider."""

    def __init__(
        self, provider: RemoteProvider, dialect: Dialect, headers: tuple[tuple[str, str], ...] = ()
    ) -> None:
        self._provider = provider
        self._dialect: Dialect = dialect
        self._headers = headers

    async def ask(
        self,
        method: str,
        path: str,
        body: bytes | Content = b"",
        content_type: str = "application/json",
        extra: Headers = (),
    ) -> bytes:
        """The body of a successful answer. Raises `Trouble`."""
        reply = await self._send(method, path, body, content_type, extra)
        try:
            return await reply.read()
        except SendError as error:
            raise self._broken(error) from error
        finally:
            await reply.aclose()

    async def stream(self, path: str) -> AsyncIterator[bytes]:
        """The body of a successful answer as it comes: whole, or it raises `Trouble`."""
        reply = await self._send("GET", path)
        clock = asyncio.get_running_loop()
        try:
            reply.set_deadline(clock.time() + READ_S)
            async for data in reply:
                yield data
                reply.set_deadline(clock.time() + READ_S)
        except SendError as error:
            raise self._broken(error) from error
        finally:
            await reply.aclose()

    async def _send(
        self,
        method: str,
        path: str,
        body: bytes | Content = b"",
        content_type: str = "application/json",
        extra: Headers = (),
    ) -> Reply:
        try:
            reply = await self._provider.errand(
                method, path, body=body, content_type=content_type, dialect=self._dialect,
                headers=self._headers, extra=extra,
                deadlines=DEADLINES, remaining_s=TOTAL_S,
            )  # fmt: skip
        except SendError as error:
            raise self._broken(error) from error
        if 200 <= reply.status < 300:
            return reply
        try:
            said = await reply.read()
        except SendError:
            said = b""  # the status speaks for itself
        finally:
            await reply.aclose()
        provider = self._provider
        failure = classify(reply.status, reply.headers, said, provider=provider.name, hidden=provider.hidden)
        # A refused credential or an empty account is the operator's to mend, and may be mended meanwhile.
        passes = failure.kind not in ("invalid_request", "not_found", "context_length", "content_policy")
        raise Trouble(failure.kind, failure.detail, status=reply.status, passes=passes)

    def _broken(self, error: SendError) -> Trouble:
        failure = from_send_error(error, provider=self._provider.name, hidden=self._provider.hidden)
        return Trouble(failure.kind, failure.detail, passes=error.failure != "oversized")


def framed(head: bytes, content: Content, tail: bytes) -> Content:
    """A content with something before and after it."""

    async def pieces() -> AsyncIterator[bytes]:
        yield head
        async for piece in content.pieces():
            yield piece
        yield tail

    return Content(len(head) + content.size + len(tail), pieces)


def in_line(body: bytes) -> bytes:
    """JSON without line ends: between tokens they are white space, and inside strings they are escaped."""
    return body.replace(b"\n", b" ").replace(b"\r", b" ")


def name_of(said: str) -> str:
    """A provider's own id, which will stand in a path. Raises `Trouble` for what cannot be one."""
    if not _NAME.fullmatch(said) or set(said) == {"."}:
        raise unreadable("id")
    return said


def decoded(said: bytes, shape: type[_T], what: str) -> _T:
    """An answer. Raises `Trouble`."""
    try:
        return msgspec.json.decode(said, type=shape)
    except BAD_JSON as error:
        raise unreadable(what) from error


def unreadable(what: str) -> Trouble:
    """An answer that is not what its documentation says."""
    return Trouble("protocol", f"the provider's {what} could not be read", passes=True)
