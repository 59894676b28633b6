"""A reply that is all there: made here, not read from a connection."""

from collections.abc import AsyncIterator, Mapping


class WholeReply:
    """A body that is there at once. Obeys `providers.base.Reply`."""

    complete_by_eof = False

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self._body = body

    async def read(self) -> bytes:
        """The body."""
        return self._body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """The body in one piece."""
        yield await self.read()

    def set_deadline(self, at: float | None) -> None:
        """Nothing is ever waited for."""

    async def aclose(self) -> None:
        """Nothing to close."""
