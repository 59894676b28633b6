"""One request and its answer, whole where they can be: two steps instead of five ASGI messages.

uvicorn's cycle serves streams and the management application as it is. Nearly every model call, though, has
its body complete when its handler begins, and an answer in one piece. `Exchange` hands over the first and
takes the second at once: a quarter of the server's share of a request (measured). Anything unusual (a slow
body, a peer that does not read) goes the ordinary way.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from passerelle.providers.http.outbox import Outbox

SCOPE_KEY = "passerelle.exchange"
"""Where a request's `Exchange` stands in its ASGI scope, under our own server."""

if TYPE_CHECKING:
    import logging

    from uvicorn._types import ASGI3Application
    from uvicorn.protocols.http.flow_control import FlowControl

    from passerelle.server.head import Head

Header = tuple[bytes, bytes]
_LINE = b": ".join


def _nothing() -> None:
    """Told when an answer is complete, after its request is over."""


class Exchange(RequestResponseCycle):
    """uvicorn's cycle with three short cuts."""

    task: "asyncio.Task[None] | None" = None
    """Answers the request, once it has begun."""
    _bell: asyncio.Event | None = None
    _rung = False

    def __init__(
        self,
        scope: Any,
        transport: asyncio.Transport,
        flow: "FlowControl",
        logger: "logging.Logger",
        default_headers: list[Header],
        outbox: Outbox,
        *,
        expects_100: bool,
        keep_alive: bool,
        on_response: Callable[[], None],
        head: "Head | None" = None,
    ) -> None:
        """What uvicorn 0.51 sets up, without the event: see `ring`. `head` is what it was recognised by."""
        self.head = head
        self.scope = scope
        self.transport = transport
        self.flow = flow
        self.logger = self.access_logger = logger
        self.access_log = False
        self.default_headers = default_headers
        self.outbox = outbox
        self.on_response = on_response
        self.disconnected = False
        self.keep_alive = keep_alive
        self.waiting_for_100_continue = expects_100
        self.body = bytearray()
        self.more_body = True
        self.response_started = self.response_complete = False
        self.chunked_encoding = None
        self.expected_content_length = 0

    async def run(self, app: "ASGI3Application", tasks: "set[asyncio.Task[None]]") -> None:
        """Have `app` answer; `tasks` forgets the request then. Nothing escapes, as from `run_asgi`, which
        takes a closure and a callback more.
        """
        try:
            await app(self.scope, self.receive, self.send)
            if not (self.response_complete or self.disconnected):
                self.logger.error("a request was left before its answer was whole")
                await self._give_up()
        except BaseException as error:  # the last resort of the process's outer edge
            self.logger.error("a request cannot be answered", exc_info=error)
            await self._give_up()
        finally:
            self.on_response = _nothing
            if self.task is not None:
                tasks.discard(self.task)

    async def _give_up(self) -> None:
        if self.response_started:
            self.transport.close()
        else:
            await self.send_500_response()

    @property
    def message_event(self) -> asyncio.Event:  # type: ignore[override]  # an attribute of uvicorn's, made lazily here
        """What `receive` waits for: made when somebody does, which is seldom."""
        bell = self._bell
        if bell is None:
            bell = self._bell = asyncio.Event()
            if self._rung:
                bell.set()
        return bell

    def ring(self) -> None:
        """There is something to `receive`."""
        self._rung = True
        if self._bell is not None:
            self._bell.set()

    def arrived(self, body: bytes) -> None:
        """All of the body is here."""
        self.body = body  # type: ignore[assignment]  # nothing is added to it: no copy into a bytearray
        self.more_body = False
        self._rung = True

    def whole_body(self) -> bytes | None:
        """The body if all of it is here; None when `receive` must be asked for it."""
        if self.more_body or self.disconnected or self.response_complete:
            return None
        body = bytes(self.body)
        self.body = bytearray()
        self._rung = False
        if self._bell is not None:
            self._bell.clear()
        return body

    def break_off(self) -> None:
        """Close the connection in the middle of an answer, after what was sent of it."""
        self.disconnected = True
        self.transport.close()

    def answer(self, status: int, headers: Sequence[Header], body: bytes) -> bool:
        """Send a whole answer; False when `send` must be used, and nothing was sent.

        `headers` hold the body's length. Raises `RuntimeError` for a line end in one of them.
        """
        if self.response_started or self.disconnected or self.flow.write_paused:
            return False
        lines = [*map(_LINE, self.default_headers), *map(_LINE, headers)]
        if not self.keep_alive:
            lines.append(b"connection: close")
        head = b"%b%b\r\n\r\n" % (STATUS_LINE[status], b"\r\n".join(lines))
        ends = len(lines) + 2
        if head.count(b"\n") != ends or head.count(b"\r") != ends:
            raise RuntimeError("a header of the answer holds a line end")
        self.response_started = self.response_complete = True
        self.waiting_for_100_continue = False
        if self.scope["method"] == "HEAD":
            body = b""
        self.outbox.post(self.transport, head + body)
        self.ring()
        if not self.keep_alive:
            self.outbox.flush()
            self.transport.close()
        self.on_response()
        return True
