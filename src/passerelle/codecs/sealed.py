"""Opaque reasoning in a caller's keeping: what one provider signed, carried through another's dialect.

A stateless caller sends its whole conversation back every turn, reasoning included. When the model that
thought speaks another dialect, its signature or encrypted block is *sealed* into the one opaque field
the caller's dialect has (Responses `encrypted_content`, Anthropic `signature`), with the dialect it
belongs to; the next request is unsealed and the block goes back where it came from, or is stripped and
reported. Gemini refuses a tool call without its thought signature, so a call's signature travels too.

The form is `psl1!origin!item id!call id!signature!encrypted`, each percent-encoded except for the
characters base64 uses: no growth for what providers send. It proves nothing and holds no secret of ours.
"""

from urllib.parse import quote, unquote

import msgspec

_MARK = "psl1!"
MARK = _MARK.encode()
"""Found in a request body, it means that the body cannot be relayed: only we can unseal."""

_SAFE = "+/=-_.:"


class Sealed(msgspec.Struct, frozen=True):
    """An opaque block and where it belongs."""

    origin: str
    """The dialect that made it."""
    signature: str | None = None
    encrypted: str | None = None
    id: str | None = None
    """The reasoning item's own id, which OpenAI binds its encrypted content to."""
    call_id: str | None = None
    """The signature is of this tool call, not of any words."""


def seal(block: Sealed) -> str:
    """The block as one string, good in JSON and in any field."""
    fields = (block.origin, block.id, block.call_id, block.signature, block.encrypted)
    return _MARK + "!".join([quote(field or "", safe=_SAFE) for field in fields])


def unseal(text: str) -> Sealed | None:
    """What `seal` was given, or None when `text` is something else (a provider's own block)."""
    if not text.startswith(_MARK):
        return None
    fields = text[len(_MARK) :].split("!")
    if len(fields) != 5 or not fields[0]:
        return None
    origin, identifier, call, signature, encrypted = [unquote(field) or None for field in fields]
    return Sealed(origin or "", signature, encrypted, identifier, call)
