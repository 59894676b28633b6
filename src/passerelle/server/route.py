"""Routes of the data plane: each declares its methods, its permission and its dialect.

`PUBLIC` is said out loud, never a default. Matching is on `scope["path"]` and nothing else: not the Host
header, not a reconstructed URL (lesson of CVE-2026-48710).
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Literal

import msgspec

from passerelle.core.principal import Permission, Principal
from passerelle.core.request import Dialect
from passerelle.server.exchange import Exchange
from passerelle.server.head import Head

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

Management = Callable[[Scope, Receive, Send], Awaitable[None]]
"""The application behind `/api`."""

PUBLIC: Literal["public"] = "public"


class Arrival(msgspec.Struct):
    """A request at the door: its scope, its headers read once, and who sends it."""

    scope: Scope
    receive: Receive
    send: Send
    request_id: str
    """The caller's own name for it (`x-request-id`), or ours."""
    receipt_id: str
    generation: bytes
    """The configuration in force at arrival."""
    headers: dict[bytes, bytes]
    """The headers the gateway reads (`WANTED`), lower-case; everything else is never looked at."""
    rest: str = ""
    """What the path has after the route's prefix."""
    path: str = ""
    """The path that the route was found by: see `where`."""
    path_tags: str = ""
    """Tags that stood in the path (`/t/TAG/…`), separated by commas."""
    principal: Principal | None = None
    """Set for every route that is not public."""
    answered: bool = False
    """A status line was sent: nothing else may be."""
    exchange: Exchange | None = None
    """Short cuts of our own server; None under any other."""
    head: Head | None = None
    """What is known of the head, where it came before on this connection."""
    caller_gone: bool = False
    """The caller closed the connection, or stopped reading."""

    @property
    def task(self) -> "asyncio.Task[None] | None":
        """The task that answers it, where our own server started one."""
        return None if self.exchange is None else self.exchange.task

    @property
    def caller(self) -> Principal:
        """The authenticated caller. Raises `AssertionError` on a public route."""
        assert self.principal is not None, "a route that needs a caller must declare a permission"  # noqa: S101
        return self.principal


Handler = Callable[[Arrival], Awaitable[None]]


class Route(msgspec.Struct, frozen=True):
    """One entry of the table. `prefix` routes take every path that starts with `path`."""

    path: str
    methods: frozenset[str]
    permission: Permission | Literal["public"]
    handler: Handler
    dialect: Dialect | None = None
    """Whose errors are told here; None where every dialect comes, and the request's own look decides."""
    prefix: bool = False
    takes_place: bool = False
    """Whatever is asked here takes a place on the road, so that it may be turned away unread: see `door`."""


WANTED = frozenset(
    {
        b"anthropic-beta",
        b"anthropic-version",
        b"api-key",
        b"authorization",
        b"content-encoding",
        b"content-length",
        b"content-type",
        b"host",
        b"idempotency-key",
        b"openai-beta",
        b"traceparent",
        b"user-agent",
        b"x-api-key",
        b"x-goog-api-key",
        b"x-claude-code-session-id",
        b"session-id",
        b"session_id",
        b"x-passerelle-affinity",
        b"x-passerelle-cascade",
        b"x-passerelle-continue",
        b"x-passerelle-data-class",
        b"x-passerelle-delivery",
        b"x-passerelle-hedge",
        b"x-passerelle-mode",
        b"x-passerelle-models",
        b"x-passerelle-plan",
        b"x-passerelle-priority",
        b"x-passerelle-session",
        b"x-passerelle-strict",
        b"x-passerelle-tags",
        b"x-passerelle-task",
        b"x-request-id",
        b"x-session-affinity",
        b"x-session-id",
    }
)
"""The request headers the gateway reads."""
