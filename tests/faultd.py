"""faultd: an upstream that does what a script says, byte for byte, fault for fault.

    async with Upstream() as upstream:
        upstream.script(Send(answer(b"{}")))              # for the next request
        upstream.script(Send(b"HTTP/1.1 200 OK\r\n"), Reset())   # for the one after it
        ... make a client call `upstream.url` ...
        assert upstream.requests[0].path == "/v1/x"
        await upstream.sessions[0].gone.wait()            # the client closed that connection

A script is a list of steps, run when a whole request has been read (or, with `early=True`, when its head
has). When it ends the connection stays open for the next request. Requests beyond the scripts get
`upstream.always`; `upstream.route` decides by looking at the request instead. Nothing sleeps unless a step
says so, everything ends when the `async with` ends, and every byte that came or went is on record.
"""

import asyncio
import ssl
import struct
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from socket import SO_LINGER, SOL_SOCKET
from types import TracebackType
from typing import Self, cast

import trustme

# Steps


@dataclass(frozen=True)
class Send:
    """Write these bytes, and wait until the socket has room again."""

    data: bytes


@dataclass(frozen=True)
class Drip:
    """Write `size` bytes at a time, `every_s` apart."""

    data: bytes
    every_s: float = 0.005
    size: int = 1


@dataclass(frozen=True)
class Flood:
    """Write `data` again and again, `times` times (None: as long as the client takes it)."""

    data: bytes
    times: int | None = None


@dataclass(frozen=True)
class Wait:
    """Let time pass: real time, so keep it short."""

    seconds: float


@dataclass(frozen=True)
class Until:
    """Go on when the test sets the event."""

    event: asyncio.Event


@dataclass(frozen=True)
class Hang:
    """Do nothing more until the client goes away."""


@dataclass(frozen=True)
class Close:
    """Close the connection in an orderly way (FIN), after what was written."""


@dataclass(frozen=True)
class HalfClose:
    """Say that nothing more will be sent (FIN), and go on reading."""


@dataclass(frozen=True)
class Reset:
    """Break the connection (RST)."""


@dataclass(frozen=True)
class StopReading:
    """Take nothing more from the socket: the client's sending will block, and its going stay unseen
    until the test calls `session.transport.resume_reading()`."""


@dataclass(frozen=True)
class ReadOn:
    """Take bytes from the socket again."""


Step = Send | Drip | Flood | Wait | Until | Hang | Close | HalfClose | Reset | StopReading | ReadOn


# Bytes


def answer(
    body: bytes = b"{}",
    *,
    status: int = 200,
    headers: Sequence[tuple[str, str]] = (("content-type", "application/json"),),
) -> bytes:
    """A whole, correct response with a `Content-Length`."""
    lines = [f"HTTP/1.1 {status} Whatever", *(f"{name}: {value}" for name, value in headers)]
    return "\r\n".join([*lines, f"content-length: {len(body)}", "", ""]).encode() + body


def chunked_head(*, status: int = 200, content_type: str = "text/event-stream") -> bytes:
    """The head of a streamed response."""
    return (
        f"HTTP/1.1 {status} OK\r\ncontent-type: {content_type}\r\ntransfer-encoding: chunked\r\n\r\n".encode()
    )


def chunk(data: bytes) -> bytes:
    """One chunk."""
    return b"%x\r\n%b\r\n" % (len(data), data)


LAST_CHUNK = b"0\r\n\r\n"


def chunked(*pieces: bytes, status: int = 200) -> bytes:
    """A whole, correct streamed response."""
    return chunked_head(status=status) + b"".join(chunk(piece) for piece in pieces) + LAST_CHUNK


# TLS


class Authority:
    """A certification authority of our own, and certificates from it."""

    def __init__(self, folder: Path) -> None:
        self.ca = trustme.CA()
        self.ca_file = str(folder / "ca.pem")
        self.ca.cert_pem.write_to_path(self.ca_file)

    def server(self, *names: str) -> ssl.SSLContext:
        """A server's context whose certificate is for `names` (host names or addresses)."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.set_alpn_protocols(["h2", "http/1.1"])
        self.ca.issue_cert(*names).configure_cert(context)
        return context

    def demand_client_certificate(self, context: ssl.SSLContext) -> None:
        context.verify_mode = ssl.CERT_REQUIRED
        self.ca.configure_trust(context)


# The upstream


@dataclass(frozen=True)
class Received:
    """A request as it came."""

    method: str
    path: str
    headers: tuple[tuple[str, str], ...]
    """Names in lower case."""
    body: bytes
    """What had arrived of it when the script was chosen."""
    head: bytes
    session: "Session" = field(repr=False, compare=False)

    def header(self, name: str) -> str | None:
        """The value of `name`, the first if there are several."""
        return next((value for key, value in self.headers if key == name), None)


class Session(asyncio.Protocol):
    """One connection from a client."""

    def __init__(self, upstream: "Upstream") -> None:
        self.gone = asyncio.Event()
        """The client has closed or broken the connection."""
        self.blocked = asyncio.Event()
        """The client takes no more: our send buffer filled up at least once."""
        self.sent_bytes = 0
        self.received = bytearray()
        """Everything the client sent."""
        self.requests: list[Received] = []
        self._upstream = upstream
        self._start = 0
        self._news = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._closed = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self._upstream.sessions.append(self)
        self._upstream.news.set()
        self._task = asyncio.ensure_future(self._run())

    def data_received(self, data: bytes) -> None:
        self.received += data
        self._news.set()

    def eof_received(self) -> bool:
        self.gone.set()
        return not self.transport.get_extra_info("sslcontext")

    def connection_lost(self, exc: Exception | None) -> None:
        self.gone.set()
        self._room.set()
        self._closed.set()

    def pause_writing(self) -> None:
        self.blocked.set()
        self._room.clear()

    def resume_writing(self) -> None:
        self._room.set()

    async def stop(self) -> None:
        self._task.cancel()
        self.transport.abort()
        await asyncio.gather(self._task, self._closed.wait(), return_exceptions=True)

    async def _run(self) -> None:
        for step in self._upstream.on_connect:
            await self._do(step)
        while not self.transport.is_closing():
            head = await self._head()
            if head is None:
                return
            steps = self._upstream.early.popleft() if self._upstream.early else None
            request = await self._request(head, whole=steps is None)
            if request is None:
                return
            self.requests.append(request)
            self._upstream.requests.append(request)
            self._upstream.news.set()
            for step in self._upstream.choose(request) if steps is None else steps:
                await self._do(step)

    async def _more(self) -> bool:
        """Wait for more bytes; False when none will come."""
        self._news.clear()
        waits = [asyncio.ensure_future(event.wait()) for event in (self._news, self.gone)]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        return self._news.is_set()

    async def _head(self) -> bytes | None:
        while (end := self.received.find(b"\r\n\r\n", self._start)) < 0:
            if not await self._more():
                return None
        head = bytes(self.received[self._start : end])
        self._start = end + 4
        return head

    async def _request(self, head: bytes, *, whole: bool) -> Received | None:
        first, *lines = head.decode("latin-1").split("\r\n")
        method, path, _ = first.split(" ")
        headers = tuple(
            (name.lower(), value.strip()) for name, _, value in (li.partition(":") for li in lines)
        )
        size = int(dict(headers).get("content-length", "0"))
        while whole and len(self.received) - self._start < size:
            if not await self._more():
                return None
        body = bytes(self.received[self._start : self._start + size])
        self._start += size
        return Received(method, path, headers, body, head, self)

    async def _write(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        self.transport.write(data)
        self.sent_bytes += len(data)
        await self._room.wait()

    async def _do(self, step: Step) -> None:
        match step:
            case Send(data):
                await self._write(data)
            case Drip(data, every_s, size):
                for at in range(0, len(data), size):
                    if self.gone.is_set():
                        return
                    await self._write(data[at : at + size])
                    await asyncio.sleep(every_s)
            case Flood(data, times):
                done = 0
                while not self.gone.is_set() and (times is None or done < times):
                    await self._write(data)
                    await asyncio.sleep(0)
                    done += 1
            case Wait(seconds):
                await asyncio.sleep(seconds)
            case Until(event):
                await event.wait()
            case Hang():
                await self.gone.wait()
            case Close():
                self.transport.close()
                await self._closed.wait()
            case HalfClose():
                self.transport.write_eof()
            case Reset():
                # A linger time of zero turns the close into a reset (POSIX SO_LINGER).
                self.transport.get_extra_info("socket").setsockopt(
                    SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0)
                )
                self.transport.abort()
                await self._closed.wait()
            case StopReading():
                self.transport.pause_reading()
            case ReadOn():
                self.transport.resume_reading()


class Upstream:
    """The scripted server, on a loopback port of its own."""

    def __init__(self, *, tls: ssl.SSLContext | None = None, on_connect: Sequence[Step] = ()) -> None:
        self.sessions: list[Session] = []
        self.requests: list[Received] = []
        self.early: deque[Sequence[Step]] = deque()
        self.always: Sequence[Step] = (Send(answer()),)
        self.on_connect = on_connect
        """Done on every new connection, before anything is read."""
        self.route: Callable[[Received], Sequence[Step]] | None = None
        self.news = asyncio.Event()
        """Set whenever a connection or a request has come."""
        self._scripts: deque[Sequence[Step]] = deque()
        self._tls = tls

    async def session(self) -> "Session":
        """Its first connection. One that the client has given up already is still to be accepted."""
        while not self.sessions:
            self.news.clear()
            await self.news.wait()
        return self.sessions[0]

    def script(self, *steps: Step, early: bool = False) -> None:
        """What to do with the next request that has no script yet."""
        (self.early if early else self._scripts).append(steps)

    def choose(self, request: Received) -> Sequence[Step]:
        if self.route is not None:
            return self.route(request)
        return self._scripts.popleft() if self._scripts else self.always

    @property
    def port(self) -> int:
        return int(self._server.sockets[0].getsockname()[1])

    @property
    def url(self) -> str:
        return f"{'http' if self._tls is None else 'https'}://127.0.0.1:{self.port}"

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until `condition` holds, looking again whenever a connection or request comes."""
        while not condition():
            self.news.clear()
            await self.news.wait()

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Session(self), "127.0.0.1", 0, ssl=self._tls)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for session in self.sessions:
            await session.stop()
        await self._server.wait_closed()
