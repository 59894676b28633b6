"""Names and ids a provider would refuse, and the way back.

OpenAI and most of its likes take tool names of `[A-Za-z0-9_-]{1,64}` (its API answers longer ones with
"string too long. Expected a string with maximum length 64", seen in mrexodia/ida-pro-mcp issue #129),
while agents name MCP tools with 70 characters and more, and Gemini allows dots. A stand-in is made of the
name itself and a digest, so every turn of a conversation, on every worker, gives the same one.
"""

import hashlib
from collections.abc import Iterable, Mapping

from msgspec.structs import replace

from passerelle.core.event import Event, PartStarted
from passerelle.core.message import ToolCallPart
from passerelle.core.response import Response

_ALLOWED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")
_DIGEST = 10


def digest(text: str, length: int = _DIGEST) -> str:
    """`length` hex digits that stand for `text`: the same everywhere, for ever."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:length]


def fit_name(name: str, limit: int = 64) -> str:
    """`name` if it is `[A-Za-z0-9_-]{1,limit}`, or a stable stand-in that is."""
    if name and len(name) <= limit and _ALLOWED.issuperset(name):
        return name
    plain = "".join([c if c in _ALLOWED else "_" for c in name])
    return plain[: limit - _DIGEST - 1] + "_" + digest(name)


def fit_id(identifier: str, prefix: str = "", limit: int = 64) -> str:
    """`identifier` if it is not empty and at most `limit` long, or `prefix` and a stable digest."""
    if 0 < len(identifier) <= limit:
        return identifier
    return prefix + digest(identifier, 32)


def fit_names(names: Iterable[str], limit: int = 64) -> dict[str, str]:
    """The stand-ins needed for `names`: what is sent → what the caller said. Empty when all fit."""
    return {sent: name for name in names if (sent := fit_name(name, limit)) != name}


def restore(response: Response, renamed: Mapping[str, str]) -> Response:
    """`response` with the caller's own tool names."""
    if not renamed:
        return response
    parts = tuple(
        replace(part, name=renamed[part.name])
        if isinstance(part, ToolCallPart) and part.name in renamed
        else part
        for part in response.parts
    )
    return replace(response, parts=parts)


def restore_event(event: Event, renamed: Mapping[str, str]) -> Event:
    """`event` with the caller's own tool name."""
    if renamed and isinstance(event, PartStarted) and event.name is not None:
        return replace(event, name=renamed.get(event.name, event.name))
    return event
