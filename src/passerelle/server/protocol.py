"""uvicorn's HTTP protocol with bounds on how a request arrives, in bytes and in time.

uvicorn bounds neither: a peer may send headers without end, or open a connection, announce a body and say
nothing more. Here a head has `HEAD_BYTES` and `HEAD_S`, a body `BODY_S`; its size is `body.read_body`'s to
judge. A request that comes in one piece, as nearly all do, costs no timer: an idle connection has one, which
looks at the clock when it fires instead of being set anew by every request.

What uvicorn does for each request (`on_message_begin` to `on_response_complete`, version 0.51) is done here
with what this gateway uses of it: no limit on concurrency, no WebSockets, no path prefix.
"""

import asyncio
import re
import select
from typing import Any, cast
from urllib.parse import unquote

import httptools
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from passerelle.providers.http import outbox
from passerelle.server.door import Door, Refusal
from passerelle.server.exchange import SCOPE_KEY, Exchange
from passerelle.server.head import Head, learn

HEAD_BYTES = 64 << 10
HEAD_S = 30.0
BODY_S = 60.0
UNTAKEN_BYTES = 16 << 10
"""Of an answer, what waits for its caller in this process before its sender does: a quarter of uvloop's
bound, because whatever is in between is held for every stream whose caller reads slowly."""
LATE = "passerelle.late"
"""Set in the scope of a request whose body did not come in time: what came of it is not all of it."""
ARRIVED = "passerelle.arrived"
"""Bytes so far of a body that is taken as it comes: it may take longer than `BODY_S`, if it keeps coming."""
_ARRIVED_BEFORE = "passerelle.arrived_before"
SLOWEST_BYTES_S = 16 << 10
"""A streamed body that comes slower than this for `BODY_S` is late."""
_LEAVE_S = 1.0
"""When the worker ends: how long an idle connection stays open, for the request that may be on its way on it.
Closed at once, that request would be lost without an answer, and a POST is not sent again by itself."""
_SOON_S = 0.1
"""Until an idle connection is looked at again on which something lies unread."""
_LINGER_S = 1.0
"""How long a refused peer's further bytes are read and dropped, so that it can read why (a socket closed
with unread bytes in it is reset, and the answer with it)."""
_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: text/plain\r\ncontent-length: 39\r\n"
    b"connection: close\r\n\r\nThe request's head is larger than 64 KB"
)


_MOST_HEADS = 8
"""So many heads of a connection are learned in the hope of meeting them again."""


_ASGI = {"version": "3.0", "spec_version": "2.3"}
_PLAIN = re.compile(rb"/[^?%#]*")


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
    _leaving = False
    """The worker ends: the next answer is the connection's last."""
    _away: Refusal | None = None
    """What the present request is told when it is whole, instead of being read."""
    _idle_from: float | None = None
    _timer: asyncio.TimerHandle | None = None
    _known: Head | None = None
    """The last head that came with all of its body."""
    _to_learn = _MOST_HEADS
    cycle: Exchange

    def __init__(self, *args: Any, door: Door | None = None, **more: Any) -> None:
        """`door` may turn requests away unread."""
        super().__init__(*args, **more)
        self._door = door
        self._outbox = outbox.of(self.loop)
        self._outbox.under_way = self.tasks

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A peer has connected: its first head is awaited."""
        super().connection_made(cast("asyncio.Transport", transport))
        self.transport.set_write_buffer_limits(high=UNTAKEN_BYTES)
        self._timer = self.loop.call_later(HEAD_S, transport.close)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is over."""
        self._stop_timer()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """The worker ends, and so does this connection: after the answer under way, after that to a request
        which is on its way, or in a moment. May be told again and again.
        """
        if self._leaving:
            return
        self._leaving = True
        if self.cycle is None or self.cycle.response_complete:
            self.loop.call_later(_LEAVE_S, self._leave)
        elif not self.cycle.response_started:
            self.cycle.keep_alive = False
        # An answer that has begun has not said `connection: close`: its peer may send another request.

    def data_received(self, data: bytes) -> None:
        """Bytes of the peer's, counted while they belong to a head."""
        if self._refused:
            return
        if self._outbox.waiting:  # the answers before come before whatever this is told
            self._outbox.flush()
        self._idle_from = None
        before = self.cycle
        between = not (self._in_head or self._in_body) and (before is None or before.response_complete)
        if between and self._known is not None:
            body = self._known.body_of(data)
            if body is not None:
                self._serve(self._known, body)
                return
        self._suspect = self._head_bytes + len(data) > HEAD_BYTES
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError:
            self.send_400_response("Invalid HTTP request received.")
            return
        except httptools.HttpParserUpgrade:  # nothing to upgrade to: it is served as the request it is
            self._known, self._to_learn = None, 0
        # One that was turned away has no exchange: the last one's would be learned in its place.
        taken = between and self.cycle is not before and not (self._in_head or self._in_body)
        if taken and self._to_learn:
            self._learn(data)
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
        self.url = b""
        self.headers = []
        self.expect_100_continue = False

    def on_headers_complete(self) -> None:
        """The head is whole: its handler begins, or waits for the answers before its own."""
        self._in_head = False
        self._head_bytes = 0
        if self._suspect:
            size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
            if size > HEAD_BYTES:
                self._refuse()
                raise _HeadTooLarge
        self._stop_timer()
        self._in_body = True
        before = self.cycle
        door = self._door
        free = before is None or before.response_complete
        # Whoever pipelines waits in turn; whoever expects `100` sends no body before it is told something.
        if door is not None and free and not self.expect_100_continue and self.parser.get_method() == b"POST":
            self._away = door.turns_away(self.loop, self.url, self.headers)
            if self._away is not None:
                return
        version = self.parser.get_http_version()
        scope = self._new_scope(version)
        self.cycle = exchange = Exchange(
            scope,
            self.transport,
            self.flow,
            self.logger,
            self.server_state.default_headers,
            self._outbox,
            expects_100=self.expect_100_continue,
            keep_alive=version != "1.0" and not self._leaving and self.parser.should_keep_alive(),
            on_response=self.on_response_complete,
        )
        scope[SCOPE_KEY] = exchange
        if free:
            self._start(exchange)
        else:  # pipelined
            self.flow.pause_reading()
            self.pipeline.appendleft((exchange, self.app))

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        cycle = self.cycle
        if self._away is not None or cycle.response_complete:
            return
        cycle.body += body
        if len(cycle.body) > HIGH_WATER_LIMIT:
            self.flow.pause_reading()
        cycle.ring()

    def on_message_complete(self) -> None:
        """The request is whole: its own deadlines take over."""
        self._in_body = False
        self._stop_timer()
        if self._away is not None:
            self._turn_away(self._away, keep=self.parser.should_keep_alive())
        elif not self.cycle.response_complete:
            self.cycle.more_body = False
            self.cycle.ring()

    def on_response_complete(self) -> None:
        """An answer is sent: the next request's turn, or idleness."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start(cast("Exchange", self.pipeline.pop()[0]))
            return
        self._idle_from = self.loop.time()
        if self._leaving:
            self.loop.call_later(_LEAVE_S, self._leave)
        elif self.timeout_keep_alive_task is None:
            self._look_again_in(self.timeout_keep_alive)

    def timeout_keep_alive_handler(self) -> None:
        """Close a connection that has been idle for so long, or look again when it could have been."""
        self.timeout_keep_alive_task = None
        if self._idle_from is not None and not self.transport.is_closing():
            left_s = self._idle_from + self.timeout_keep_alive - self.loop.time()
            if left_s <= 0 and self._spoken_to():
                left_s = _SOON_S
            if left_s <= 0:
                self._outbox.flush()
                self.transport.close()
            else:
                self._look_again_in(left_s)

    # Inside

    def _learn(self, data: bytes) -> None:
        """Remember the head of a request that came whole, in one piece."""
        exchange = self.cycle
        if exchange is None or exchange.more_body or exchange.waiting_for_100_continue:
            return
        if exchange.keep_alive and exchange.scope["http_version"] == "1.1":
            self._to_learn -= 1
            self._known = learn(data, cast("dict[str, Any]", exchange.scope), len(exchange.body))

    def _serve(self, head: Head, body: bytes) -> None:
        """A request whose head is known, with all of its body: the parser is not asked."""
        self._stop_timer()
        self._to_learn = _MOST_HEADS
        scope = head.scope(len(body))
        door = self._door
        if door is not None and scope["method"] == "POST":
            away = door.turns_away(self.loop, scope["raw_path"], scope["headers"])
            if away is not None:
                self._turn_away(away, keep=True)
                return
        self.cycle = exchange = Exchange(
            scope,
            self.transport,
            self.flow,
            self.logger,
            self.server_state.default_headers,
            self._outbox,
            expects_100=False,
            keep_alive=not self._leaving,
            on_response=self.on_response_complete,
            head=head,
        )
        scope[SCOPE_KEY] = exchange
        exchange.arrived(body)
        self._start(exchange)

    def _start(self, exchange: Exchange) -> None:
        exchange.task = task = self.loop.create_task(exchange.run(self.app, self.tasks))
        self.tasks.add(task)

    def _new_scope(self, version: str) -> dict[str, Any]:
        url = self.url
        if _PLAIN.fullmatch(url):
            path, raw_path, query = url.decode("ascii"), url, b""
        else:
            parsed = httptools.parse_url(url)
            raw_path, query = parsed.path, parsed.query or b""
            path = unquote(raw_path.decode("ascii"))
        return {
            "type": "http", "asgi": _ASGI, "http_version": version, "scheme": self.scheme,
            "method": self.parser.get_method().decode("ascii"), "root_path": "", "path": path,
            "raw_path": raw_path, "query_string": query, "headers": self.headers,
            "server": self.server, "client": self.client, "state": {},
        }  # fmt: skip

    def _look_again_in(self, delay_s: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(delay_s, self.timeout_keep_alive_handler)

    def _spoken_to(self) -> bool:
        """Something has come on an idle connection that the loop has not read yet: its timers come before its
        sockets, and closed now, a request would be lost that came in time.
        """
        waiting = select.poll()
        waiting.register(self.transport.get_extra_info("socket").fileno(), select.POLLIN)
        return bool(waiting.poll(0))

    def _leave(self) -> None:
        """Close a connection on which nothing came; a head half there is awaited."""
        if self._in_head or self._in_body or not (self.cycle is None or self.cycle.response_complete):
            return
        if not self.transport.is_closing() and self._spoken_to():
            self.loop.call_later(_SOON_S, self._leave)
            return
        self._outbox.flush()
        self.transport.close()

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
        self._outbox.flush()
        cycle = self.cycle
        if self._away is not None:
            self._turn_away(self._away, keep=False)
            return
        if cycle.response_complete:
            self.transport.close()
            return
        scope = cast("dict[str, Any]", cycle.scope)
        arrived: int | None = scope.get(ARRIVED)
        if arrived is not None and arrived - scope.get(_ARRIVED_BEFORE, 0) >= SLOWEST_BYTES_S * BODY_S:
            scope[_ARRIVED_BEFORE] = arrived
            self._timer = self.loop.call_later(BODY_S, self._body_late)
            return
        scope[LATE] = True
        cycle.keep_alive = False
        cycle.more_body = False
        cycle.ring()

    def _turn_away(self, away: Refusal, *, keep: bool) -> None:
        """Tell a request that it was not read; `keep` its connection."""
        self._away = None
        if self.flow.write_paused:  # it does not read what it is told
            self.transport.close()
            return
        keep = keep and not self._leaving
        words, request_id = away
        self.transport.write(words.said(request_id, self.server_state.default_headers, keep=keep))
        if not keep:
            self.transport.close()
        self.on_response_complete()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
