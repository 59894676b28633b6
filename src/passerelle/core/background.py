"""A response made in the background: asked for now, answered later, read by its id.

    queued ─→ in_progress ─→ completed │ incomplete     the answer is among the stored responses
       │           ├───────→ failed
       └───────────┴───────→ cancelled

States are the API's (`types/responses/response_status.py` of OpenAI's Python SDK 3.54, read 2026-11-22).
"""

from typing import Literal

import msgspec

BackgroundState = Literal["queued", "in_progress", "completed", "incomplete", "failed", "cancelled"]

UNDER_WAY: frozenset[BackgroundState] = frozenset({"queued", "in_progress"})
"""The states in which there is work left to do."""
ANSWERED: frozenset[BackgroundState] = frozenset({"completed", "incomplete"})
"""The states in which the answer is a stored response."""


class Said(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is sealed of a response in the background."""

    request: msgspec.Raw
    """The body as its caller sent it."""
    response: msgspec.Raw
    """The response object, as it was told first or as it ended."""
    wishes: msgspec.Raw = msgspec.Raw(b"{}")
    """What the caller asked for in headers (`gateway.trip.Wishes`)."""
    headers: tuple[tuple[str, str], ...] = ()
    """The protocol headers a provider may see."""
    request_id: str = ""
    """The caller's own name for the request."""
    traceparent: str | None = None


class Background(msgspec.Struct, frozen=True):
    """One response in the background."""

    id: str
    org_id: str
    project_id: str
    key_id: str
    """The key that asked for it: its rights at the time of the call hold."""
    state: BackgroundState
    stream: bool
    """Its events are kept while they come, for whoever follows them."""
    tries: int
    """How often a worker took it up."""
    losses: int
    """How often a worker that had it died."""
    events: int
    """How many events there are."""
    at_ns: int
    expires_at_ns: int
    said: Said


class Events(msgspec.Struct, frozen=True):
    """Some events of a stream, as they go to a caller."""

    number: int
    """Of the first of them."""
    until: int
    """The number that follows the last."""
    body: bytes
