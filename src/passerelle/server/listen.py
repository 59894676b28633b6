"""One worker's HTTP server: uvicorn on a socket that is open already, and an orderly end."""

import asyncio
import logging
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import uvicorn

from passerelle.server.app import Entrance
from passerelle.server.arrivals import Arrivals
from passerelle.server.protocol import BoundedProtocol

log = logging.getLogger("passerelle.server")
STALLED_PEER_S = 120
"""A peer that acknowledges nothing, or keeps its window shut, for this long has its connection broken by the
kernel: so an answer whose sending is over for us, but not for the peer, is not kept for ever."""
UNSENT_BYTES = 64 << 10
"""Of an answer, what the kernel takes beyond what is under way to the peer. Without a bound it takes whatever
its send buffer holds, megabytes on a fast network, all of it work done for a caller that may not be reading
at all, and none of it to be had back when the caller leaves."""
_SETTLE_S = 5.0
"""How long requests that were cut off at the end may take to settle."""
_TELL_EVERY_S = 0.05
KEEP_ALIVE_S = 75
"""Longer than the idle time of common load balancers (60 s), so that they close first."""


class _Quiet(uvicorn.Server):
    """A uvicorn server that leaves signals to us: ours drain, and the process then exits with 0."""

    on_ready: Callable[[], None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start listening, then say so."""
        await super().startup(sockets)
        if self.started and self.on_ready is not None:
            self.on_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop listening; each connection ends after its last answer: see `BoundedProtocol.shutdown`. One
        that was accepted a moment before is told too, which uvicorn would leave open until the grace is over.
        """
        telling = asyncio.create_task(self._tell())
        try:
            await super().shutdown(sockets)
        finally:
            telling.cancel()

    async def _tell(self) -> None:
        while True:
            for connection in list(self.server_state.connections):
                connection.shutdown()
            await asyncio.sleep(_TELL_EVERY_S)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Listener:
    """Serves `entrance` until told to stop, then finishes what is under way."""

    def __init__(
        self,
        entrance: Entrance,
        sock: socket.socket,
        *,
        drain_s: float,
        tls_cert: str | None = None,
        tls_key: str | None = None,
    ) -> None:
        self.draining = False
        self.draining_since_s = 0.0
        """By the loop's clock, once it is."""
        self._sock = sock
        arrivals = Arrivals(partial(BoundedProtocol, door=entrance.door), sock, lambda: config.ssl)
        config = uvicorn.Config(
            entrance,
            http=arrivals,  # type: ignore[arg-type]  # whatever makes a protocol
            ws="none",
            lifespan="off",
            interface="asgi3",
            access_log=False,
            log_config=None,
            proxy_headers=False,
            server_header=False,
            backlog=2048,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=int(drain_s),
            ssl_certfile=tls_cert,
            ssl_keyfile=tls_key,
        )
        self._server = _Quiet(config)

    async def run(self, *, on_hangup: Callable[[], None], on_ready: Callable[[], None]) -> None:
        """Serve until SIGTERM or SIGINT. SIGHUP calls `on_hangup`; `on_ready` is called once listening."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        loop.add_signal_handler(signal.SIGHUP, on_hangup)
        loop.add_signal_handler(signal.SIGUSR2, _not_here)
        self._server.on_ready = on_ready
        await self._server.serve(sockets=[self._sock])
        left = list(self._server.server_state.tasks)
        for task in left:
            task.cancel()
        if left:  # each settles what it has begun; the store is closed only after
            await asyncio.wait(left, timeout=_SETTLE_S)

    def stop(self) -> None:
        """Take no new requests; end when those under way are done, or the grace is over."""
        if not self.draining:
            self.draining_since_s = asyncio.get_running_loop().time()
        self.draining = True
        if self._server.should_exit:
            self._server.force_exit = True
        self._server.should_exit = True


def _not_here() -> None:
    log.warning(
        "SIGUSR2 restarts the workers of a parent one by one: start with `--workers 2` or more, and send it "
        "to that process"
    )


def bind(host: str, port: int) -> socket.socket:
    """A listening-ready socket on `host:port`; port 0 takes a free one. Raises `OSError`."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux; accepted sockets inherit it (tcp(7), read 2026-11-22)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, STALLED_PEER_S * 1000)
    if hasattr(socket, "TCP_NOTSENT_LOWAT"):  # the same; and the same inheritance
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)
    try:
        sock.bind((host, port))
    except OSError:
        sock.close()
        raise
    sock.set_inheritable(True)
    return sock
