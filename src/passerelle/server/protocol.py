"""uvicorn's HTTP protocol with bounds on how a request arrives, in bytes and in time.

uvicorn bounds neither: a peer may send headers without end, or open a connection, announce a body and say
nothing more. Here a head has `HEAD_BYTES` and `HEAD_S`, a body `BODY_S`; its size is `body.read_body`'s to
judge. A request that comes in one piece, as nearly all do, costs no timer.
"""

import asyncio
from typing import cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_BYTES = 64 << 10
HEAD_S = 30.0
BODY_S = 60.0
LATE = "passerelle.late"
"""Set in the scope of a request whose body did not come in time: what came of it is not all of it."""
_LINGER_S = 1.0
"""How long a refused peer's further bytes are read and dropped, so that it can read why (a socket closed
with unread bytes in it is reset, and the answer with it)."""
_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: text/plain\r\ncontent-length: 39\r\n"
    b"connection: close\r\n\r\nThe request's head is larger than 64 KB"
)


class _HeadTooLarge(Exception):
    """Ends the parsing of a head that came whole and is too large."""


class BoundedProtocol(HttpToolsProtocol):
    """Refuses requests whose head is too large or that take too long to arrive."""

    _head_bytes = 0
    _suspect = False
    """The head may be too large, by what was read of it and beside it: it is measured when it is whole."""
    _in_head = False
    _in_body = False
    _refused = False
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A peer has connected: its first head is awaited."""
        super().connection_made(cast("asyncio.Transport", transport))
        self._timer = self.loop.call_later(HEAD_S, transport.close)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is over."""
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Bytes of the peer's, counted while they belong to a head."""
        if self._refused:
            return
        self._suspect = self._head_bytes + len(data) > HEAD_BYTES
        super().data_received(data)
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES:
                self._refuse()
            elif self._timer is None:
                self._timer = self.loop.call_later(HEAD_S, self.transport.close)
        elif self._in_body and self._timer is None:
            self._timer = self.loop.call_later(BODY_S, self._body_late)

    def send_400_response(self, msg: str) -> None:
        """What cannot be parsed is refused; a head too large was refused already."""
        self._stop_timer()
        if not self._refused:
            super().send_400_response(msg)

    # Parser callbacks

    def on_message_begin(self) -> None:
        """A request's first byte."""
        self._in_head = True
        self._head_bytes = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The head is whole: the body is awaited."""
        self._in_head = False
        self._head_bytes = 0
        if self._suspect:
            size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
            if size > HEAD_BYTES:
                self._refuse()
                raise _HeadTooLarge
        self._stop_timer()
        self._in_body = True
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The request is whole: its own deadlines take over."""
        self._in_body = False
        self._stop_timer()
        super().on_message_complete()

    # Inside

    def _refuse(self) -> None:
        self._refused = True
        self._stop_timer()
        self.transport.write(_TOO_LARGE)
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._timer = self.loop.call_later(_LINGER_S, self.transport.close)

    def _body_late(self) -> None:
        """Give the request to its handler as it is, and end the connection after the answer."""
        self._timer = None
        cycle = self.cycle
        if cycle.response_complete:
            self.transport.close()
            return
        cast("dict[str, object]", cycle.scope)[LATE] = True
        cycle.keep_alive = False
        cycle.more_body = False
        cycle.message_event.set()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
