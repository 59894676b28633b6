"""The door: while a worker has no room for a model call, whoever sends it, it is turned away before it is
read.

Too many requests come when a gateway is busiest, and what is spent on those it cannot take is taken from
those it can. So neither their bodies nor their keys are looked at, and what they are told was made before.
They leave no receipt, because nothing was decided about them; they are counted in the metrics.

Who is turned away for its key's sake (a lower priority, one organisation's places) is told in `call`.
"""

import asyncio
import re
from collections.abc import Iterable
from typing import NamedTuple, Protocol

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from passerelle.codecs import registry
from passerelle.core.clock import mint
from passerelle.core.errors import Problem
from passerelle.core.principal import PRIORITIES, Priority
from passerelle.core.request import Dialect
from passerelle.gateway.generation import Generations
from passerelle.server.route import Route
from passerelle.telemetry.metrics import Metrics

REQUEST_ID = re.compile(rb"[A-Za-z0-9._:-]{1,128}")
"""What a caller may name its request."""
_UNCALLED = frozenset({b"idempotency-key", b"x-passerelle-plan"})
"""With these a request may be answered without a place: from what is kept, or with a plan."""
_WISHES: dict[bytes, Priority] = {priority.encode(): priority for priority in PRIORITIES}
_ID = b"req_of_the_one_turned_away"
"""Stands in what was made before where a request's own id goes."""
_CLOSE = b"connection: close\r\n"
_MADE_BOUND = 64

Header = tuple[bytes, bytes]


class Words:
    """What those are told whom there is no room for: made once for a dialect, but for a request's id."""

    def __init__(self, dialect: Dialect, problem: Problem, generation: bytes) -> None:
        encoded = registry.client(dialect).encode_problem(problem, _ID.decode())
        headers = [
            (name.encode(), value.encode()) for name, value in encoded.headers if name != "x-request-id"
        ]
        headers += [(b"content-type", b"application/json"), (b"x-passerelle-generation", generation)]
        self._head = STATUS_LINE[encoded.status] + _lines(headers)
        self._body = encoded.body

    def said(self, request_id: bytes, own: Iterable[Header], *, keep: bool) -> bytes:
        """The whole answer, with the server's `own` headers; the connection is kept after it, or not."""
        head, body = self._head.replace(_ID, request_id), self._body.replace(_ID, request_id)
        return b"%b%bx-request-id: %b\r\n%bcontent-length: %d\r\n\r\n%b" % (
            head, _lines(own), request_id, b"" if keep else _CLOSE, len(body), body,
        )  # fmt: skip


def _lines(headers: Iterable[Header]) -> bytes:
    return b"".join([b"%b: %b\r\n" % pair for pair in headers])


class Refusal(NamedTuple):
    """What one request is told."""

    words: Words
    request_id: bytes


class Room(Protocol):
    """Who knows how many places are taken: the road."""

    def no_room(self, wish: Priority | None, coming: int) -> Problem | None:
        """What any request is told that wants at most the priority `wish`, when `coming` others were let in
        and have no place yet; None when there may be room.
        """
        ...


class Door:
    """Knows which requests need a place, and what to tell them when there is none. One per worker."""

    def __init__(
        self, routes: Iterable[Route], room: Room, metrics: Metrics, generations: Generations
    ) -> None:
        self._coming = 0
        """Let in since the loop last ran a task: they are about to take their places. A loop reads every
        socket that has something before it runs the tasks that come of it, so all of a rush would be let in
        otherwise.
        """
        self._no_room = room.no_room
        self._dialects: dict[bytes, Dialect] = {
            route.path.encode(): route.dialect
            for route in routes
            if route.takes_place and route.dialect is not None and not route.prefix
        }
        self._metrics = metrics
        self._generations = generations
        self._made: dict[tuple[Dialect, str, float | None, bytes], Words] = {}

    def turns_away(
        self, loop: asyncio.AbstractEventLoop, url: bytes, headers: Iterable[Header]
    ) -> Refusal | None:
        """What a POST is told instead of being read; None when it is to be taken in."""
        dialect = self._dialects.get(url) or self._dialects.get(url.partition(b"?")[0])
        if dialect is None:
            return None
        named, wish = b"", b""
        for name, value in headers:
            if name in _UNCALLED:
                return None
            if name == b"x-request-id":
                named = value
            elif name == b"x-passerelle-priority":
                wish = value
        problem = self._no_room(_WISHES.get(wish), self._coming)
        if problem is None:
            if not self._coming:
                loop.call_soon(self._entered)
            self._coming += 1
            return None
        self._metrics.turned_away(dialect)
        request_id = named if REQUEST_ID.fullmatch(named) else mint("req").encode()
        key = dialect, problem.message, problem.retry_after_s, self._generations.current.label_bytes
        words = self._made.get(key)
        if words is None:
            if len(self._made) >= _MADE_BOUND:  # a reload makes new ones
                self._made.clear()
            words = self._made[key] = Words(dialect, problem, key[3])
        return Refusal(words, request_id)

    def _entered(self) -> None:
        self._coming = 0
