"""Opening one connection: allowed addresses in turn, then TLS, all within one deadline.

The socket is connected to an address the egress rules have judged, never to a name, so that nothing can
be resolved a second time. Addresses are tried one after the other, each with an equal share of the time
that is left (a poor man's RFC 8305: a black hole at the head of the list costs its share, not all).
"""

import asyncio
import socket
import ssl
from collections.abc import Callable

from passerelle.providers.base import SendError
from passerelle.providers.egress import Destination
from passerelle.providers.http.connection import Connection
from passerelle.providers.http.origin import Origin
from passerelle.providers.http.tls import ResumingContext, TlsSettings, build_context

Settled = Callable[[asyncio.Transport], None]

_KEEPALIVE = (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3))
"""A model may think for minutes without a byte: probes keep NAT entries alive and find dead peers in 60 s."""


class Dialler:
    """Opens connections to one origin; `make` makes the protocol of each."""

    def __init__(
        self,
        origin: Origin,
        destination: Destination,
        tls: TlsSettings | None,
        make: Callable[[Settled | None], Connection],
    ) -> None:
        """Raises `ValueError` when a file of `tls` cannot be used."""
        self._origin = origin
        self._destination = destination
        self._make = make
        self._context: ResumingContext | None = None
        if origin.scheme == "https" and tls is not None:
            self._context = build_context(tls)

    async def __call__(self, until: float) -> Connection:
        """An open connection by loop time `until`. Raises `SendError`: `timeout` or `transport`."""
        try:
            async with asyncio.timeout_at(until):
                if self._origin.scheme == "https" and self._context is None:
                    self._context = await asyncio.to_thread(build_context, None)
                return await self._try_all(await self._destination.addresses(), until)
        except TimeoutError:
            self._destination.forget()
            raise SendError(
                "timeout", f"`{self._origin}` was not connected before the connect deadline"
            ) from None

    async def _try_all(self, addresses: list[str], until: float) -> Connection:
        loop = asyncio.get_running_loop()
        failures: list[tuple[str, OSError]] = []
        for tried, address in enumerate(addresses):
            now = loop.time()
            try:
                async with asyncio.timeout_at(now + (until - now) / (len(addresses) - tried)):
                    return await self._connect(address)
            except OSError as error:
                failures.append((address, error.with_traceback(None)))  # which holds this frame, and so it
        self._destination.forget()
        if all(isinstance(error, TimeoutError) for _, error in failures):
            raise TimeoutError
        said = "; ".join(f"{address}: {_words(error)}" for address, error in failures[:4])
        raise SendError(
            "transport", f"`{self._origin}` cannot be connected to ({said}); check its base URL and network"
        )

    async def _connect(self, address: str) -> Connection:
        loop = asyncio.get_running_loop()
        origin = self._origin
        context = self._context if origin.scheme == "https" else None
        sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for option, value in _KEEPALIVE:
                if hasattr(socket, option):  # not everywhere
                    sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
            await loop.sock_connect(sock, (address, origin.port))
            settled = None if context is None else self._remember
            _, connection = await loop.create_connection(
                lambda: self._make(settled),
                sock=sock,
                ssl=context,
                server_hostname=None if context is None else origin.host,
            )
        except BaseException:
            sock.close()
            raise
        return connection

    def _remember(self, transport: asyncio.Transport) -> None:
        """Keep the TLS session: with TLS 1.3 its ticket comes with the first answer."""
        if self._context is not None:
            self._context.remember(self._origin.host, transport.get_extra_info("ssl_object").session)


def _words(error: OSError) -> str:
    """What went wrong, without the peer's own words."""
    match error:
        case ssl.SSLCertVerificationError():
            return f"its certificate is not trusted: {error.verify_message}"
        case ssl.SSLError():
            return f"TLS failed: {(error.reason or 'no common protocol').lower().replace('_', ' ')}"
        case ConnectionRefusedError():
            return "refused"
        case TimeoutError():
            return "no answer in time"
        case ConnectionError():
            return "closed while connecting"
    return (error.strerror or type(error).__name__).lower()
