"""Load of short requests, light enough that 10,000 a second are not what the load is limited by.

Each connection is a protocol that writes a request made before, and reads of what comes the status and where
it ends. Times count from when a request was due, not from when it could be sent.
"""

import asyncio
import contextlib
import select
import time
from collections import deque
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

from tests.gateway.house import House
from tests.soak.load_callers import Told

MOST_CONNECTIONS = 1024
"""Beyond, requests wait for one, and their time runs."""
_TICK_S = 0.002
_STEERED_EVERY_S = 2.0
_ENDS = (b"data: [DONE]", b'"type":"message_stop"')


class Line(asyncio.Protocol):
    """One kept connection: a request at a time."""

    def __init__(self, lines: "Lines") -> None:
        self._lines = lines
        self._came = b""
        self._whole = 0
        self._chunked = False
        self._due: tuple[float, Told] | None = None
        self._readable = select.poll()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It may carry a request."""
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]
        self._lines.freed(self)

    def spoken_to(self) -> bool:
        """Something has come that was not asked for, as a rule the end."""
        self._readable.register(self.transport.get_extra_info("socket").fileno(), select.POLLIN)
        return bool(self._readable.poll(0))

    def ask(self, request: bytes, due: float, told: Told) -> None:
        """Send one; what comes of it is noted in `told`."""
        self._due = due, told
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Some of an answer, nearly always all of it."""
        came = self._came = self._came + data if self._came else data
        if self._chunked:
            self._time(data)
        if not self._whole:
            head, found, _ = came.partition(b"\r\n\r\n")
            if not found:
                return
            head = head.lower()
            self._chunked = b"transfer-encoding: chunked" in head
            if self._chunked:
                self._time(came)
            length = head.partition(b"content-length:")[2].split(b"\r\n", 1)[0]
            self._whole = len(head) + 4 + int(length or 0)
        if came.endswith(b"0\r\n\r\n") if self._chunked else len(came) >= self._whole:
            assert self._due is not None
            (due, told), status = self._due, came[9:12].decode()
            ended = not self._chunked or any(end in came for end in _ENDS)
            told.counts[status if ended else "cut"] += 1
            if status == "200":
                told.took_s.append(time.monotonic() - due)
            self._came, self._whole, self._chunked, self._due = b"", 0, False, None
            self._lines.freed(self)

    def _time(self, data: bytes) -> None:
        """How long each piece was on its way, where its word is the time it was written at. One that lies
        across two reads is not counted.
        """
        if self._due is None:
            return
        now = time.monotonic_ns()
        for piece in data.split(b'"content": "')[1:]:
            written, found, _ = piece.partition(b" ")
            if found and written.isdigit():
                self._due[1].gaps_s.append((now - int(written)) / 1e9)

    def connection_lost(self, error: Exception | None) -> None:
        """Closed: what was asked on it is lost."""
        if self._due is not None:
            self._due[1].counts["cut"] += 1
            self._due = None
        self._lines.lost(self)


class Lines:
    """The connections of a load, and the requests that wait for one."""

    def __init__(self, house: House, token: str) -> None:
        parts = urlsplit(house.gateway.base_url)
        self._where = parts.hostname, parts.port
        self._token = token
        self._free: list[Line] = []
        self._all: set[Line] = set()
        self._opening: set[asyncio.Task[object]] = set()
        self._waiting: deque[tuple[bytes, float, Told]] = deque()

    def request(self, model: str, **headers: str) -> bytes:
        """A whole request's bytes; `quick` and `stream` are asked for a stream. `quick` is asked in another
        dialect than its provider's: it costs the gateway twice what it costs its callers and providers.
        """
        path = "/v1/messages" if model == "quick" else "/v1/chat/completions"
        stream = b"true" if model in ("quick", "stream") else b"false"
        body = b'{"model":"%b","stream":%b,"max_tokens":64,"messages":[{"role":"user","content":"hi"}]}' % (
            model.encode(),
            stream,
        )
        more = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        return (
            f"POST {path} HTTP/1.1\r\nhost: g\r\nauthorization: Bearer {self._token}\r\n{more}"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        ).encode() + body

    def ask(self, request: bytes, due: float, told: Told) -> None:
        """Send a request on a free connection, or on the next that there is."""
        while self._free:
            line = self._free.pop()
            if not line.spoken_to():  # closed while it was idle: as clients do, it is not asked anything
                line.ask(request, due, told)
                return
        self._waiting.append((request, due, told))
        if len(self._all) + len(self._opening) < MOST_CONNECTIONS:
            loop = asyncio.get_running_loop()
            task = asyncio.create_task(loop.create_connection(lambda: Line(self), *self._where))
            self._opening.add(task)
            task.add_done_callback(self._opening.discard)

    def freed(self, line: Line) -> None:
        """`line` has no request."""
        self._all.add(line)
        if self._waiting:
            line.ask(*self._waiting.popleft())
        else:
            self._free.append(line)

    def lost(self, line: Line) -> None:
        """`line` is closed."""
        self._all.discard(line)
        if line in self._free:
            self._free.remove(line)

    async def quiet(self) -> None:
        """Until every request has its answer."""
        while self._waiting or self._opening or len(self._free) < len(self._all):  # noqa: ASYNC110
            await asyncio.sleep(0.01)

    def close(self) -> None:
        """Leave."""
        for line in list(self._all):
            line.transport.close()


@contextlib.contextmanager
def lines(house: House, token: str) -> Iterator[Lines]:
    """A load's connections, closed after it."""
    made = Lines(house, token)
    try:
        yield made
    finally:
        made.close()


async def offer_short(
    load: Lines, told: Told, request: bytes, *, rate: Callable[[], float], seconds: float
) -> None:
    """`rate()` requests a second, as it is at the time, whatever becomes of them."""
    due = time.monotonic()
    ends = due + seconds
    while (now := time.monotonic()) < ends:
        while due <= now:
            load.ask(request, due, told)
            due += 1 / rate()
        await asyncio.sleep(_TICK_S)


class Steered:
    """A rate that keeps processes as busy as wanted, however fast the machine is at the time."""

    def __init__(
        self, rate: float, busy: float, cpu_s: Callable[[], float], stolen_s: Callable[[], float]
    ) -> None:
        """`rate` to begin with. `busy`: processor seconds a second, of those that `cpu_s()` counts; what the
        host took (`stolen_s()`) is no time at all.
        """
        self.rate = rate
        self._busy, self._cpu_s, self._stolen_s = busy, cpu_s, stolen_s

    async def steer(self) -> None:
        """Until cancelled."""
        used_s, stolen_s, at = self._cpu_s(), self._stolen_s(), time.monotonic()
        while True:
            await asyncio.sleep(_STEERED_EVERY_S)
            now_s, gone_s, now = self._cpu_s(), self._stolen_s(), time.monotonic()
            busy = (now_s - used_s) / max(now - at - (gone_s - stolen_s), 0.1)
            used_s, stolen_s, at = now_s, gone_s, now
            self.rate *= min(max(self._busy / max(busy, 0.01), 0.9), 1.1)


async def saturate_short(
    house: House, token: str, told: Told, model: str, *, callers: int, seconds: float, spread_s: float = 0.0
) -> int:
    """Requests answered within `seconds` when so many callers ask one after another. They come within
    `spread_s` of the first.
    """
    until = time.monotonic() + seconds

    class Insistent(Lines):
        def freed(self, line: Line) -> None:
            self._all.add(line)
            if time.monotonic() < until:
                line.ask(request, time.monotonic(), told)
            else:
                self._free.append(line)

    load = Insistent(house, token)
    request = load.request(model)
    loop = asyncio.get_running_loop()
    for _ in range(callers):
        await loop.create_connection(lambda: Line(load), *load._where)
        await asyncio.sleep(spread_s / callers)
    await asyncio.sleep(seconds - spread_s)
    answered = told.counts["200"]
    await load.quiet()
    load.close()
    return answered
