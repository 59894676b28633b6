"""How long, and how much, a provider may send without saying anything.

A reply's own deadline counts while a read waits. A provider that never lets one wait, with comments, empty
lines or lifecycle events as fast as they are read, would outlast it: so what comes without content is looked
at too.
"""

import asyncio

from passerelle.codecs.base import MAX_EVENT_BYTES
from passerelle.core.request import Operation
from passerelle.providers.base import Reply, SendError
from passerelle.providers.http import HttpReply

MOST_BYTES = MAX_EVENT_BYTES + (1 << 20)
"""Without content in them: the longest event there may be, on its way, and some."""


_LARGE: frozenset[Operation] = frozenset({"embed", "generate_image", "edit_image", "speak"})
"""What is answered with vectors, pictures or sound, which words do not bound."""


def expect_size(reply: Reply, operation: Operation) -> bool:
    """Have a whole answer that is to be words given up long before the cap of any answer. False when all of
    it is here already.
    """
    if not isinstance(reply, HttpReply):
        return True
    if operation not in _LARGE:
        reply.expect_words()
    return not reply.done


class Patience:
    """Runs out by time and by bytes; renewed by every content."""

    __slots__ = ("_bytes", "_time", "until")

    def __init__(self, seconds: float) -> None:
        self._time = asyncio.get_running_loop().time
        self.until = self._time() + seconds
        """Loop time."""
        self._bytes = 0

    def renew(self, until: float) -> float:
        """Content came: wait until then for the next. Gives `until`."""
        self._bytes = 0
        self.until = until
        return until

    def spend(self, size: int) -> None:
        """So many bytes came, and no content. Raises `SendError`."""
        self._bytes += size
        if self._bytes > MOST_BYTES:
            raise SendError("protocol", f"the provider sent {MOST_BYTES} bytes without content")
        if self._time() > self.until:
            raise SendError("timeout", "the provider sent no content before the deadline")
