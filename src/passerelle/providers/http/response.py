"""An answer on its way: what the reader takes, and what the connection puts in.

One object per exchange, with one waiter. The connection fills it, the reader empties it, and the same
waiter serves for the head, for the next bytes and for the room to send a large request: an exchange only
ever waits for one thing.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Protocol

from passerelle.codecs.base import MAX_WORDS_BYTES, may_be_media
from passerelle.core.errors import FailureKind
from passerelle.providers.base import SendError


class Wire(Protocol):
    """What a reply asks of its connection."""

    timer_at: float
    """When the connection's timer will next look at the deadlines; infinity when it is not set."""

    def arm(self, at: float) -> None:
        """Have the timer look at `at` or before."""
        ...

    def resume(self) -> None:
        """Read the socket again, if it was paused."""
        ...

    def abandon(self, reply: "HttpReply") -> None:
        """`reply` is wanted no more: close the socket at once, if it still carries it."""
        ...

    def refuse(self, reply: "HttpReply", message: str, failure: FailureKind = "protocol") -> None:
        """Fail `reply` and close the socket."""
        ...


class HttpReply:
    """A response (see `providers.base.Reply`). Read it once, with `read` or by iterating.

    Times are the event loop's. Fields after `headers` and `complete_by_eof` belong to the connection and
    to the client that made this.
    """

    __slots__ = (
        "_loop", "_wire", "cap", "complete_by_eof", "deadline", "done", "failure", "headed", "headers",
        "most", "pieces", "status", "total_at", "unanswered", "unread", "waiter", "whole",
    )  # fmt: skip

    def __init__(
        self, wire: Wire, loop: asyncio.AbstractEventLoop, *, cap: int, deadline: float, total_at: float
    ) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.complete_by_eof = False
        self.headed = False
        """The final head is here."""
        self.done = False
        """Nothing more will come: complete, or failed."""
        self.failure: tuple[FailureKind, str] | None = None
        self.unanswered = False
        """It failed because the connection closed before any byte of an answer."""
        self.pieces: list[bytes] = []
        self.unread = 0
        self.whole = False
        """The reader wants the whole body: wake it at the end only."""
        self.waiter: asyncio.Future[None] | None = None
        self.deadline = deadline
        self.total_at = total_at
        self.cap = cap
        self.most = cap
        """How much may be held for now; at most `cap`."""
        self._loop = loop
        self._wire = wire

    def expect_words(self) -> None:
        """What is asked for is text: a body without end is told from a large one long before `cap`."""
        if self.cap > MAX_WORDS_BYTES:
            self.most = MAX_WORDS_BYTES

    def set_deadline(self, at: float | None) -> None:
        """The loop time by which the next read must give something; None leaves only the total deadline.

        Costs one assignment. Counts while a read waits: bytes already here are given whatever the time.
        """
        self.deadline = self.total_at if at is None or at > self.total_at else at
        if self.waiter is not None and self.deadline < self._wire.timer_at:
            self._wire.arm(self.deadline)

    async def read(self) -> bytes:
        """The whole body. Raises `SendError`: `oversized` when it is, or says it will be, beyond the cap, and
        `protocol` when it is too long for the words that were expected.
        """
        declared = self.headers.get("content-length")
        if declared is not None and not self.done and int(declared) > self.cap:
            if self.most < self.cap:
                self._too_long()
            else:
                self._refuse()
        elif self.unread > self.most:
            self.refuse_size()
        if not self.done:
            self.whole = True
            self._wire.resume()
            while not self.done:
                await self.park()
        if self.failure is not None:
            raise SendError(*self.failure)
        pieces = self.pieces
        body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        self.unread = 0
        return body

    def __aiter__(self) -> AsyncIterator[bytes]:
        """The body as it arrives: each step gives all that is here, at least one byte."""
        return self

    async def __anext__(self) -> bytes:
        """The bytes that are here, waiting for some. What came before a failure is given before it."""
        pieces = self.pieces
        while not pieces:
            if self.done:
                if self.failure is not None:
                    raise SendError(*self.failure)
                raise StopAsyncIteration
            await self.park()
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        self.unread = 0
        if not self.done:
            self._wire.resume()
        return data

    async def aclose(self) -> None:
        """Done with it. Before its end this closes the socket at once; after it, nothing is left to do."""
        if not self.done:
            self._wire.abandon(self)
        if self.pieces:
            self.pieces.clear()
            self.unread = 0
            self.failure = self.failure or ("cancelled", "the reply was closed before it was read")

    def park(self) -> "asyncio.Future[None]":
        """What to await until something changes. The caller looks again: it may be woken for nothing."""
        waiter = self.waiter = self._loop.create_future()
        if self.deadline < self._wire.timer_at:
            self._wire.arm(self.deadline)
        return waiter

    def wake(self) -> None:
        """Something changed."""
        waiter = self.waiter
        if waiter is not None:
            self.waiter = None
            if not waiter.done():  # its reader may have been cancelled
                waiter.set_result(None)

    def open(self, status: int, headers: dict[str, str]) -> None:
        """The final head is here; from now on only the total deadline counts, until the reader sets one."""
        self.status = status
        self.headers = headers
        self.deadline = self.total_at
        self.headed = True

    def end(self, failure: tuple[FailureKind, str] | None = None) -> None:
        """Nothing more will come."""
        self.done = True
        if failure is not None:
            self.failure = failure
        self.wake()

    def refuse_size(self) -> None:
        """More is held than `most`: fail, and close the socket if it still comes, unless it may be media."""
        if self.most < self.cap:
            self.most = self.cap
            if not any(map(may_be_media, self.pieces)):
                self._too_long()
                return
        if self.unread > self.cap:
            self._refuse()

    def _too_long(self) -> None:
        self._refuse(f"more than {MAX_WORDS_BYTES} bytes come where words were expected", "protocol")

    def _refuse(self, message: str = "", failure: FailureKind = "oversized") -> None:
        self.pieces.clear()
        message = message or f"the answer is larger than the {self.cap} bytes one may have"
        if self.done:
            self.failure = (failure, message)
        else:
            self._wire.refuse(self, message, failure)
