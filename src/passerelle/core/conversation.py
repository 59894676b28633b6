"""What is kept of a conversation when its tenant allows it and its caller asks: turns, and what they hold.

A turn is a request's new items and the response they led to. Turns of one conversation are linked, by the
response before (`previous_id`) or by a conversation of its own (`conversation_id`), so nothing is kept twice.
"""

import msgspec


class Turn(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """One turn to be kept, as it is journalled with its receipt, whose ULID its response has."""

    items: bytes
    """The caller's new items: a JSON array."""
    response: bytes
    """The response object as the caller was told it."""
    expires_at_ns: int
    kept: bool = True
    """The response can be fetched by its id; False: only its conversation grows."""
    previous_id: str | None = None
    conversation_id: str | None = None
    output: tuple[str, ...] = ()
    """Ids of the items the response holds, by which a caller may refer to them."""
    provider: str = ""
    """Who answered: opaque reasoning is good there alone."""
    response_id: str = ""
    """The response's id where its receipt has another ULID: it was asked for more than once."""


class StoredTurn(msgspec.Struct, frozen=True):
    """A turn as it is found again."""

    response_id: str
    at_ns: int
    items: list[msgspec.Raw]
    response: bytes
    previous_id: str | None = None
    conversation_id: str | None = None
    provider: str = ""


class StoredItem(msgspec.Struct, frozen=True):
    """One item of a conversation."""

    id: str
    place: str
    """Sorts the items of a conversation."""
    body: bytes
    """The item, JSON."""
    provider: str = ""
    """Who said it; empty for what the caller said."""


class StoredConversation(msgspec.Struct, frozen=True):
    """A conversation's own record."""

    id: str
    created_at_ns: int
    metadata: dict[str, str]
