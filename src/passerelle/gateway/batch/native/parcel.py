"""The input of a batch on its way to a provider: written to disk, sealed, sent from there, and taken away.

A content has to say its length before it begins, and is known to be fit to send only when its last line is
made; so it is written first. A parcel left by a killed worker has no row, and is swept like any such file.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable

from passerelle.core.clock import mint
from passerelle.providers.base import Content
from passerelle.store import Store

_WRITE_BYTES = 256 << 10


class Parcel:
    """One input, on disk."""

    def __init__(self, store: Store, org_id: str) -> None:
        self._store = store
        self._org_id = org_id
        self._file_id = mint("file").replace("_", "-")
        self._size = 0

    def write(self, pieces: Iterable[bytes]) -> None:
        """In a thread: everything that is to be sent. Raises `StoreUnavailable`, and what `pieces` raises."""
        draft = self._store.files.draft(self._org_id, self._file_id)
        try:
            held = bytearray()
            for piece in pieces:
                held += piece
                if len(held) >= _WRITE_BYTES:
                    draft.write(bytes(held))
                    held.clear()
            draft.write(bytes(held))
            draft.keep()
        finally:
            draft.drop()
        self._size = draft.size_bytes

    def content(self) -> Content:
        """What was written."""
        return Content(self._size, self._pieces)

    def drop(self) -> None:
        """In a thread: nothing is left of it."""
        self._store.files.discard(self._org_id, [self._file_id])

    async def _pieces(self) -> AsyncIterator[bytes]:
        chunks = self._store.files.content(self._org_id, self._file_id)
        while piece := await asyncio.to_thread(next, chunks, b""):
            yield piece
