"""Pages of lists, as OpenAI's API tells them."""

from typing import Any

import msgspec


def listing(items: list[dict[str, Any]], *, more: bool) -> bytes:
    """A page of a list (`pagination.py` of OpenAI's Python SDK 3.54, read 2026-11-22)."""
    return msgspec.json.encode(
        {
            "object": "list",
            "data": items,
            "first_id": items[0]["id"] if items else None,
            "last_id": items[-1]["id"] if items else None,
            "has_more": more,
        }
    )
