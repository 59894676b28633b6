"""The HTTP/1.1 client of one provider entry.

What it never does: follow a redirect, ask for or take compression, read a proxy from the environment,
connect to a name, send a header it was not given beyond `Host`, `Accept-Encoding` and `Content-Length`.

The one retry. A server may close an idle connection in the moment we write to it. So a request on a
*reused* connection that ended (EOF or reset) before *any* byte of an answer is sent once more, on a fresh
connection (RFC 9112 §9.3.1; what browsers do). A POST is not idempotent, and the server might have read
it before closing; so the connection must have ended while the request was still being sent, or within
`STALE_WINDOW_S` after: a race is over in a round trip, and a server that dies after thinking for ten
seconds has probably done, and billed, the work. Everything else is the attempt engine's to decide.
"""

import asyncio
from collections.abc import Sequence

from passerelle.providers.base import Caps, Content, Deadlines, SendError
from passerelle.providers.egress import Destination, EgressRules, Resolve
from passerelle.providers.http.connection import Connection
from passerelle.providers.http.dial import Dialler, Settled
from passerelle.providers.http.head import HeadWriter
from passerelle.providers.http.limits import ONE_WRITE_BYTES, STALE_WINDOW_S, PoolLimits
from passerelle.providers.http.origin import Origin
from passerelle.providers.http.pool import Pool
from passerelle.providers.http.response import HttpReply
from passerelle.providers.http.tls import TlsSettings

_LIMITS = PoolLimits()
_CAPS = Caps()
_RULES = EgressRules()


class HttpClient:
    """Sends requests to one origin over a pool of connections. Use it from one event loop.

    `tls` None means the system's authorities and no client certificate. `resolve` replaces the system's
    name resolution (tests, split horizons). Raises `ValueError` for unusable TLS files.
    """

    def __init__(
        self,
        origin: Origin,
        *,
        tls: TlsSettings | None = None,
        limits: PoolLimits = _LIMITS,
        caps: Caps = _CAPS,
        egress: EgressRules = _RULES,
        resolve: Resolve | None = None,
    ) -> None:
        if tls is not None and origin.scheme != "https":
            raise ValueError(
                f"TLS settings are given for `{origin}`, which is not `https://`; correct one of them"
            )
        self.origin = origin
        self._caps = caps
        self._heads = HeadWriter(origin)
        self._destination = Destination(origin.host, origin.port, egress, resolve=resolve)
        dialler = Dialler(origin, self._destination, tls, self._make)
        self.pool = Pool(dialler, limits, name=str(origin))

    async def request(
        self,
        method: str,
        path: str,
        headers: Sequence[tuple[bytes, bytes]],
        body: bytes | Content,
        *,
        deadlines: Deadlines,
        remaining_s: float,
    ) -> HttpReply:
        """Send, and wait for the final response head. The reply must be `aclose`d.

        `connect_s` covers the wait for a free connection and the making of a new one; `headers_s` runs
        from the request sent to the whole final head, and, before that, bounds the sending; `remaining_s`
        bounds everything, the reading of the body included. A `Content` is sent as it is read, and has
        `headers_s` for every piece. Cancelling it closes the connection.

        Raises `SendError`: `timeout`, `transport`, `protocol`, `overloaded` (too many wait for a
        connection), and what `HeadWriter.write` raises. Its `sent` is False when no connection was to be
        had, or the head was refused.
        """
        whole = None if isinstance(body, Content) else body
        size = body.size if isinstance(body, Content) else len(body)
        head = self._heads.write(method, path, headers, size)
        loop = asyncio.get_running_loop()
        now = loop.time()
        total_at = now + remaining_s
        pool = self.pool
        connection = pool.take(now)
        again = False
        while True:
            if connection is None:
                try:
                    connection = await pool.acquire(min(now + deadlines.connect_s, total_at), again=again)
                except SendError as error:
                    error.sent = again  # before a retry the provider may have had it once
                    raise
                now = loop.time()
            reply = HttpReply(
                connection,
                loop,
                cap=self._caps.body_bytes,
                deadline=min(now + deadlines.headers_s, total_at),
                total_at=total_at,
            )
            try:
                if whole is not None and size <= ONE_WRITE_BYTES:
                    connection.start(reply, head + whole)
                else:
                    if isinstance(body, Content):
                        await connection.send_content(reply, head, body, deadlines.headers_s)
                    else:
                        await connection.send(reply, head, body)
                    now = loop.time()
                    if not reply.headed:
                        reply.set_deadline(now + deadlines.headers_s)
                while not (reply.headed or reply.done):
                    await reply.park()
            except BaseException:
                connection.abandon(reply)
                raise
            if reply.headed:
                return reply
            if again or not self._stale(connection, reply, loop.time() - now):
                raise SendError(*reply.failure) if reply.failure else AssertionError("done without an answer")
            again = True
            connection = None
            pool.stats.retried += 1
            now = loop.time()

    async def aclose(self) -> None:
        """Close every connection at once. Requests under way fail as `transport`: another may take over."""
        self._destination.close()
        await self.pool.aclose()

    @staticmethod
    def _stale(connection: Connection, reply: HttpReply, since_sent_s: float) -> bool:
        """The failure is the keep-alive race, not an answer withheld. See the module."""
        return (
            connection.reused and reply.unanswered and (not connection.sent or since_sent_s <= STALE_WINDOW_S)
        )

    def _make(self, settled: Settled | None) -> Connection:
        return Connection(
            self.pool,
            asyncio.get_running_loop(),
            name=str(self.origin),
            header_bytes=self._caps.header_bytes,
            settled=settled,
        )
