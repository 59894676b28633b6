"""One connection: requests out, answers in, one at a time, every wait bounded.

No timer per read: a connection has at most one, and it looks at the deadlines when it fires. Moving a
deadline later is an assignment; the timer finds out and goes back to sleep.
"""

import asyncio
import re
from collections.abc import Callable
from typing import Protocol, cast

from passerelle.core.errors import FailureKind
from passerelle.providers.base import Content, SendError
from passerelle.providers.http import outbox
from passerelle.providers.http.framing import Framing, RefusedError
from passerelle.providers.http.limits import ONE_READ_BYTES, SLICE_BYTES, UNREAD_HIGH_BYTES
from passerelle.providers.http.response import HttpReply

_NEVER = float("inf")
_TIMEOUT = re.compile(r"timeout\s*=\s*([0-9]{1,6})")
_incoming = memoryview(bytearray(ONE_READ_BYTES))
"""Where every socket is read into. One is enough: a loop fills it and has it parsed in one step, parsing
copies what is kept, and a process has one loop that reads from providers."""


class Owner(Protocol):
    """Who keeps connections: the pool."""

    def release(self, connection: "Connection") -> None:
        """`connection` has carried a whole answer and can carry another."""
        ...

    def discard(self, connection: "Connection") -> None:
        """`connection` is closing: do not hand it out."""
        ...

    def lost(self, connection: "Connection") -> None:
        """`connection` is closed."""
        ...


class Connection(asyncio.BufferedProtocol):
    """A socket to one origin. Made by `dial`, kept by `pool`, driven by `client`."""

    def __init__(
        self,
        owner: Owner,
        loop: asyncio.AbstractEventLoop,
        *,
        name: str,
        header_bytes: int,
        settled: Callable[[asyncio.Transport], None] | None = None,
    ) -> None:
        self.closed = False
        """Not to be used any more."""
        self.reused = False
        """An answer has come over it before the present one."""
        self.sent = True
        """The present request was handed to the transport whole."""
        self.keep_alive_s = _NEVER
        """How long the server said it keeps an idle connection, less a second for the way."""
        self.idle_until = _NEVER
        self.retire_at = _NEVER
        self.timer_at = _NEVER
        self._owner = owner
        self._loop = loop
        self._name = name
        self._settled = settled
        self._timer: asyncio.TimerHandle | None = None
        self._read_paused = False
        self._write_paused = False
        self._early = False
        self._outbox = outbox.of(loop)
        self._posted = -1
        self._reply: HttpReply | None = None
        self._framing = Framing(header_bytes=header_bytes)

    # The client's side

    def start(self, reply: HttpReply, wire: bytes) -> None:
        """Send a whole small request; its answer goes to `reply`."""
        self._reply = reply
        self._framing.begin(reply)
        self._early = False
        self.sent = True
        self._posted = self._outbox.post(self._transport, wire)

    async def send(self, reply: HttpReply, head: bytes, body: bytes) -> None:
        """Send a large request as fast as the socket takes it, stopping when an answer comes first.

        Such an answer (413 is the usual one) is given as it is, and the connection is not used again.
        """
        self._begin(reply, head)
        rest = memoryview(body)
        while rest:
            if await self._answered(reply, rest[:SLICE_BYTES]):
                return
            rest = rest[SLICE_BYTES:]
        self.sent = True

    async def send_content(self, reply: HttpReply, head: bytes, content: Content, piece_s: float) -> None:
        """The same for a body that is read while it is sent; each piece has `piece_s` to be taken. Raises
        `SendError` when it is not as long as it said, and what reading it raises."""
        self._begin(reply, head)
        left = content.size
        async for piece in content.pieces():
            left -= len(piece)
            if left < 0:
                break
            reply.set_deadline(self._loop.time() + piece_s)
            if await self._answered(reply, piece):
                return
        if left:
            raise SendError("invalid_request", f"a body for `{self._name}` is not as long as it was to be")
        self.sent = True

    def _begin(self, reply: HttpReply, head: bytes) -> None:
        self._reply = reply
        self._framing.begin(reply)
        self._early = False
        self.sent = False
        self._transport.write(head)

    async def _answered(self, reply: HttpReply, piece: bytes | memoryview) -> bool:
        """Hand a piece to the socket and wait until it takes more; whether an answer came meanwhile."""
        if not (reply.headed or reply.done):
            self._transport.write(piece)
        while self._write_paused and not reply.headed and not reply.done:
            await reply.park()
        return reply.headed or reply.done

    def arm(self, at: float) -> None:
        """Have the timer look at the deadlines at `at`, if it would not do so before."""
        if at < self.timer_at and not self.closed:
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self._loop.call_at(at, self._look)
            self.timer_at = at

    def resume(self) -> None:
        """Read the socket again, if it was paused."""
        if self._read_paused and not self.closed:
            self._read_paused = False
            self._transport.resume_reading()

    def abandon(self, reply: HttpReply) -> None:
        """`reply` is wanted no more: close the socket at once, if it still carries it."""
        if self._reply is reply:
            self._fail("cancelled", f"the reply of `{self._name}` was closed before its end")

    def refuse(self, reply: HttpReply, message: str, failure: FailureKind = "protocol") -> None:
        """Fail `reply` and close the socket."""
        if self._reply is reply:
            self._fail(failure, f"`{self._name}`: {message}")

    def drop(self) -> None:
        """Close the socket at once. Whatever it carried fails."""
        if self._reply is not None:
            self._fail("transport", f"the client of `{self._name}` was closed")
        elif not self.closed:
            self.closed = True
            self._owner.discard(self)
            self._transport.abort()

    def _fail(self, failure: FailureKind, message: str) -> None:
        reply, self._reply = self._reply, None
        if reply is not None:
            reply.end((failure, message))
        self.drop()

    def _look(self) -> None:
        """The timer fired: is a deadline past, or has it moved?"""
        self._timer = None
        self.timer_at = _NEVER
        reply = self._reply
        if reply is None:
            return
        now = self._loop.time()
        waiting = reply.waiter is not None and not reply.waiter.done()
        if now >= reply.total_at:
            self._fail("timeout", f"`{self._name}`: the request's total time is over")
        elif not waiting:
            self.arm(reply.total_at)
        elif now < reply.deadline:
            self.arm(reply.deadline)
        elif reply.headed:
            self._fail("timeout", f"`{self._name}` sent nothing more before the deadline")
        elif self.sent:
            self._fail("timeout", f"`{self._name}` gave no whole response head before the deadline")
        else:
            self._fail("timeout", f"`{self._name}` did not take the request before the deadline")

    # The transport's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket (and TLS, when there is any) is ready."""
        self._transport = cast("asyncio.Transport", transport)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where the next bytes go."""
        return _incoming

    def buffer_updated(self, nbytes: int) -> None:
        """Bytes of the present answer; if there is none, nobody asked, and the connection is dropped."""
        reply = self._reply
        if reply is None:
            self.drop()
            return
        if self._posted == self._outbox.turn:  # the request lies here still: this answers something else
            reply.unanswered = True
            self._fail("transport", f"`{self._name}` spoke before it was asked")
            return
        headed = reply.headed
        try:
            self._framing.feed(_incoming[:nbytes])
        except RefusedError as error:
            self.refuse(reply, str(error))
            return
        if not reply.headed:
            return
        if not headed:
            # An answer to a request that has not left yet is no answer to all of it: the last one we read.
            self._early = not self.sent or self._transport.get_write_buffer_size() > 0
        if self._framing.ended:
            self._finish(reply)
        elif reply.whole:
            if reply.unread > reply.most:
                reply.refuse_size()
        else:
            if reply.unread > UNREAD_HIGH_BYTES and not self._read_paused:
                self._read_paused = True
                self._transport.pause_reading()
            if reply.waiter is not None:
                reply.wake()

    def eof_received(self) -> None:
        """The server will send no more. The transport then closes itself."""
        self.closed = True
        self._owner.discard(self)
        self._input_over(None)
        self._transport.abort()

    def connection_lost(self, error: Exception | None) -> None:
        """The socket is closed."""
        self.closed = True
        self._input_over(error)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._owner.lost(self)
        self._framing.close()

    def pause_writing(self) -> None:
        """The socket takes no more for now."""
        self._write_paused = True

    def resume_writing(self) -> None:
        """The socket takes more again."""
        self._write_paused = False
        if self._reply is not None and not self.sent:
            self._reply.wake()

    def _input_over(self, error: Exception | None) -> None:
        reply = self._reply
        if reply is None:
            return
        if self._framing.to_eof and error is None:
            self._reply = None
            reply.complete_by_eof = True
            reply.end()
            return
        how = "closed the connection" if error is None else "broke the connection"
        if not self._framing.answered:
            reply.unanswered = True
            self._fail("transport", f"`{self._name}` {how} before answering")
        elif not reply.headed:
            self._fail("transport", f"`{self._name}` {how} within the response head")
        else:
            self._fail("transport", f"`{self._name}` {how} before the end of its answer")

    def _finish(self, reply: HttpReply) -> None:
        """The answer is whole: give the connection back before its reader even looks."""
        self._reply = None
        if self._settled is not None:
            self._settled(self._transport)
            self._settled = None
        if self.sent and not self._early and not self.closed and self._framing.keep_alive:
            self.reused = True
            hint = reply.headers.get("keep-alive")
            self.keep_alive_s = _NEVER if hint is None else _keep_alive_s(hint)
            self._owner.release(self)
        else:
            self.drop()
        reply.end()


def _keep_alive_s(hint: str) -> float:
    """Seconds of idleness in a `Keep-Alive: timeout=5, max=100` header, less one."""
    found = _TIMEOUT.search(hint)
    return _NEVER if found is None else int(found[1]) - 1.0
