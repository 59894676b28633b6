"""What is to be sent, gathered until the loop has run what is ready now, and handed to the sockets in one go.

A write in the middle of a request costs more than its system call: the kernel takes the caches from whatever
comes next, and wakes the peer, who is often asleep again before the next write (on a virtual machine that is
an interrupt to another processor). Written one after the other, the many answers and calls of one turn of a
busy loop share both. The bytes leave before the loop looks at anything that comes in later. With few requests
under way there is nothing to share, and they are written at once.
"""

import asyncio
from collections.abc import Sized
from weakref import WeakKeyDictionary

_FEW = 4
"""With no more requests under way than that, each turn of the loop has one to write for."""


class Outbox:
    """The outgoing bytes of one loop. Use it from that loop only; `of` finds it."""

    __slots__ = ("turn", "under_way", "waiting")

    def __init__(self) -> None:
        self.under_way: Sized = ()
        """The requests that this loop serves now."""
        self.waiting: list[tuple[asyncio.WriteTransport, bytes]] = []
        """What the next `flush` writes."""
        self.turn = 0
        """Grows when what waited has left: what was posted in this very turn still lies here."""

    def post(self, transport: asyncio.WriteTransport, data: bytes) -> int:
        """Have `data` written soon, after what was posted before: the turn it waits in, or -1 when it is
        written. Whoever writes to the same transport past the outbox, or closes it, flushes first.
        """
        waiting = self.waiting
        if not waiting:
            if len(self.under_way) <= _FEW:
                transport.write(data)
                return -1
            asyncio.get_running_loop().call_soon(self.flush)
        waiting.append((transport, data))
        return self.turn

    def flush(self) -> None:
        """Write what waits now. What was for a transport that is closed by now is dropped."""
        waiting = self.waiting
        if waiting:
            self.waiting = []
            self.turn += 1
            for transport, data in waiting:
                if not transport.is_closing():
                    transport.write(data)


_outboxes: "WeakKeyDictionary[asyncio.AbstractEventLoop, Outbox]" = WeakKeyDictionary()


def of(loop: asyncio.AbstractEventLoop) -> Outbox:
    """The outbox of a loop: all who write on it share one."""
    outbox = _outboxes.get(loop)
    if outbox is None:
        outbox = _outboxes[loop] = Outbox()
    return outbox
