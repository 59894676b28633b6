"""Looking for what may have been settled just now, in another worker whose writer cannot be waited for."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

_T = TypeVar("_T")
_PAUSES_S = (0.0, 0.025, 0.05, 0.1, 0.2)
"""Before each look: it commits within 10 ms, and within 110 under load (`store.writer`)."""
_FOR_STRANGE_NAMES = 3
_ULID_CHARS = 26


async def look_for(name: str, read: Callable[[], _T | None]) -> _T | None:
    """What `read()` finds, in a thread, before long; None when it finds nothing. Of a `name` that we never
    gave, the look is shorter.
    """
    given = name[:4] in ("rcp_", "req_") and len(name) == 4 + _ULID_CHARS
    for pause_s in _PAUSES_S if given else _PAUSES_S[:_FOR_STRANGE_NAMES]:
        if pause_s:
            await asyncio.sleep(pause_s)
        found = await asyncio.to_thread(read)
        if found is not None:
            return found
    return None
