"""How many connections a worker takes in at a time: one a turn of its loop at rest, several when it is busy.

libuv takes one connection a turn (libuv pull request 3696, read 2026-11-22), so that workers sharing a socket
share what comes. A turn of a worker with 256 streams lasts 50 ms, and 20 connections a second are not enough
for callers who come in numbers: they waited 10 to 50 s to be let in, were it only to be told no. So a worker
takes the more in a turn, the more requests it has under way, because that is what makes its turns long; a
worker at rest goes on taking one, and is quicker by that.
"""

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable
from typing import Any

from uvicorn.server import ServerState

log = logging.getLogger("passerelle.server")
_UNDER_WAY_FOR_ONE_MORE = 2
_MOST_MORE = 256

Makes = Callable[..., asyncio.Protocol]


class Arrivals:
    """Makes the protocol of each connection that the loop took in, and takes more in beside it. Given to
    uvicorn as its class of protocols.
    """

    def __init__(self, makes: Makes, sock: socket.socket, tls: Callable[[], ssl.SSLContext | None]) -> None:
        """`sock` is listened on; `tls` gives what connections are encrypted by, if they are."""
        self._makes = makes
        self._sock = sock
        self._tls = tls
        self._taking: set[asyncio.Task[None]] = set()

    def __call__(self, server_state: ServerState, **more: Any) -> asyncio.Protocol:
        """The protocol of one connection."""
        most = min(len(server_state.tasks) // _UNDER_WAY_FOR_ONE_MORE, _MOST_MORE)
        if most:
            self._take(most, lambda: self._makes(server_state=server_state, **more))
        return self._makes(server_state=server_state, **more)

    def _take(self, most: int, made: Callable[[], asyncio.Protocol]) -> None:
        self._sock.setblocking(False)
        loop = asyncio.get_running_loop()
        for _ in range(most):
            try:
                peer, _address = self._sock.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return  # nobody waits, or whoever waited left
            except OSError as error:  # no descriptors are left: the loop tells, and tries again
                log.warning("a connection could not be taken in: %s", error)
                return
            task = loop.create_task(self._let_in(peer, made))
            self._taking.add(task)
            task.add_done_callback(self._taking.discard)

    async def _let_in(self, peer: socket.socket, made: Callable[[], asyncio.Protocol]) -> None:
        try:
            await asyncio.get_running_loop().connect_accepted_socket(made, peer, ssl=self._tls())
        except OSError as error:  # it left before it was let in, or spoke no TLS (`ssl.SSLError` is one)
            log.debug("a connection ended before its first request: %s", error)
            peer.close()
