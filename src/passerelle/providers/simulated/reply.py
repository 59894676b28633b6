"""The replies of a simulated provider: bytes over time, from nowhere."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping

from passerelle.providers import replies
from passerelle.providers.base import SendError

Sleep = Callable[[float], Awaitable[None]]


class WholeReply(replies.WholeReply):
    """A body that is there at once. `cut` breaks it in the middle."""

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes, *, cut: bool = False) -> None:
        super().__init__(status, headers, body)
        self._cut = cut

    async def read(self) -> bytes:
        """The body. Raises `SendError` when the script cuts it."""
        if self._cut:
            raise SendError("transport", "the simulated connection was cut in the middle of the body")
        return self._body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """The body in one piece, or half of it and a `SendError`."""
        if self._cut:
            yield self._body[: len(self._body) // 2]
        yield await self.read()


class StreamReply:
    """Pieces at the script's pace."""

    complete_by_eof = False

    def __init__(
        self,
        headers: Mapping[str, str],
        pieces: Iterable[bytes],
        *,
        sleep: Sleep,
        first_s: float,
        tokens_per_s: float,
        lead: int,
        cut_after: int | None,
    ) -> None:
        self.status = 200
        self.headers = headers
        self._pieces = pieces
        self._sleep = sleep
        self._first_s = first_s
        self._tokens_per_s = tokens_per_s
        self._lead = lead
        """Pieces before the first content, which do not wait."""
        self._cut_after = cut_after
        self._closed = False
        self._deadline: float | None = None

    async def read(self) -> bytes:
        """Every piece, joined."""
        return b"".join([piece async for piece in self])

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Each piece when it is due. Raises `SendError` where the script cuts."""
        # Below two milliseconds a timer is mostly error: fast streams come several tokens at a time.
        group = max(1, round(self._tokens_per_s * 0.002))
        for index, piece in enumerate(self._pieces):
            if self._closed:
                return
            if index == self._cut_after:
                raise SendError("transport", f"the simulated connection was cut after {index} pieces")
            if index == self._lead and self._first_s:
                await self._wait(self._first_s)
            elif index > self._lead and self._tokens_per_s and (index - self._lead) % group == 0:
                await self._wait(group / self._tokens_per_s)
            yield piece

    def set_deadline(self, at: float | None) -> None:
        """The event-loop time by which the next piece must come."""
        self._deadline = at

    async def _wait(self, seconds: float) -> None:
        if self._deadline is not None:
            left = self._deadline - asyncio.get_running_loop().time()
            if left < seconds:
                await self._sleep(max(0.0, left))
                raise SendError("timeout", "the simulated provider sent nothing in time")
        await self._sleep(seconds)

    async def aclose(self) -> None:
        """No further piece comes."""
        self._closed = True
