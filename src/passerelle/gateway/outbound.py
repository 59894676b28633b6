"""Both ends of one call to a deployment, in bytes: what is sent, and the whole answer for the caller."""

from collections.abc import Mapping

import msgspec

from passerelle.codecs.base import NOTHING_RENAMED
from passerelle.core.request import Dialect
from passerelle.core.usage import Usage


class Outbound(msgspec.Struct, frozen=True, gc=False):
    """A request ready to be sent to one deployment."""

    body: bytes
    dialect: Dialect
    model: str
    """The provider's name for the model, said to the caller where the answer names none."""
    relayed: bool
    dropped: tuple[str, ...] = ()
    """What could not be carried, as the caller's dialect writes it."""
    renamed: Mapping[str, str] = NOTHING_RENAMED
    """Tool names the provider would refuse, with the caller's own to put back."""
    content_type: str = "application/json"
    gathered: bool = False
    """The provider is asked for the whole answer, which is told as a stream when it is there."""


class Answer(msgspec.Struct, frozen=True, gc=False):
    """A whole answer, ready for the caller."""

    body: bytes
    model: str
    usage: Usage
    finish: str | None
    content_type: str = "application/json"
    said_bytes: int = 0
    """The words in it, for an estimate when the provider gave no usage; not counted when it did."""
