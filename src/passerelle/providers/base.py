"""What a provider is: something that sends a call over its wire and gives the reply's bytes.

A provider knows where to send, how to authenticate, and its own transport. It does not know what the
bytes mean: codecs do. The attempt engine (`gateway/attempt.py`) joins the two.

Errors raised by `send` and while reading a reply:

    SendError              carries the FailureKind and words: `transport`, `timeout`, `protocol`, `auth`;
                           `overloaded` when too many wait for a connection; `not_found` or
                           `invalid_request` for a request that cannot be sent as configured
"""

from collections.abc import AsyncIterator, Callable, Mapping
from re import Pattern
from typing import Protocol

import msgspec

from passerelle.core.errors import FailureKind, PasserelleError
from passerelle.core.model import Deployment
from passerelle.core.request import Dialect, Operation


class Deadlines(msgspec.Struct, frozen=True):
    """Separate limits, each in seconds. The attempt engine enforces the ones about content."""

    connect_s: float = 5.0
    """TCP and TLS, from the first try to a usable connection."""
    headers_s: float = 120.0
    """From the request sent to the final response head (a non-streaming answer is all waiting)."""
    first_content_s: float = 120.0
    """From the request sent to the first content-bearing event. Comments and pings do not count."""
    between_s: float = 60.0
    """Between two content-bearing events."""
    total_s: float = 600.0
    """From the start of the request, all attempts together."""

    def begun_within(self, limit_s: float, *, stream: bool) -> "Deadlines":
        """The same for a call whose answer must begin within `limit_s`: an answer that is no stream comes
        whole, so that its head alone is no beginning.
        """
        return msgspec.structs.replace(
            self,
            headers_s=min(self.headers_s, limit_s),
            first_content_s=min(self.first_content_s, limit_s),
            between_s=self.between_s if stream else min(self.between_s, limit_s),
        )


class Caps(msgspec.Struct, frozen=True):
    """Bounds on what a provider may send, in bytes. Beyond them the attempt fails as `protocol`, or as
    `oversized` for a body.
    """

    header_bytes: int = 64 << 10
    body_bytes: int = 32 << 20
    """A whole (non-streamed) answer."""


class Call(msgspec.Struct, frozen=True, gc=False):
    """One call to one deployment."""

    deployment: Deployment
    operation: Operation
    body: bytes
    """In `dialect`."""
    stream: bool
    dialect: Dialect
    """The language of `body` and of the answer: the deployment's own, or one it speaks `also`."""
    deadlines: Deadlines = Deadlines()
    headers: tuple[tuple[str, str], ...] = ()
    """Protocol headers to forward (`anthropic-beta`, `anthropic-version`, `idempotency-key`,
    `traceparent`); the attempt engine lets only a fixed list through. Never credentials."""
    remaining_s: float = 600.0
    """What is left of the total deadline."""
    content_type: str = "application/json"


class Content(msgspec.Struct, frozen=True):
    """A body that is sent as it is read, never held whole."""

    size: int
    """In bytes: exactly as many as `pieces` gives."""
    pieces: Callable[[], AsyncIterator[bytes]]
    """The bytes, from the beginning each time it is called."""


class SendError(PasserelleError):
    """The exchange failed below the dialect. `message` never holds a secret or a body.

    `sent` is False when nothing of the request can have reached the provider, which then cannot bill it.
    """

    def __init__(self, failure: FailureKind, message: str, *, sent: bool = True) -> None:
        super().__init__(message)
        self.failure: FailureKind = failure
        self.message = message
        self.sent = sent


class Reply(Protocol):
    """A response whose head has arrived. Must be `aclose`d; closing early drops the connection."""

    status: int
    complete_by_eof: bool
    """The body had no declared length and ended when the provider closed: whether it is whole is the
    dialect's to say. Meaningful once the body has ended."""

    @property
    def headers(self) -> Mapping[str, str]:
        """Lower-case names; repeated headers joined by `, `."""
        ...

    async def read(self) -> bytes:
        """The whole body, within `Caps.body_bytes`. Raises `SendError`."""
        ...

    def __aiter__(self) -> AsyncIterator[bytes]:
        """The body as it arrives, with backpressure. Raises `SendError` on a cut: a body that ends
        before its declared length or its last chunk is an error, never a clean end."""
        ...

    def set_deadline(self, at: float | None) -> None:
        """The event-loop time by which the next read must give something, or it raises
        `SendError("timeout")`. Counts only while a read is waiting; moving it is cheap.
        """
        ...

    async def aclose(self) -> None:
        """Idempotent. A reply read to its end gives its connection back to the pool."""
        ...


class Provider(Protocol):
    """A configured provider entry."""

    name: str

    @property
    def hidden(self) -> Pattern[str] | None:
        """What finds its own credential in words that it says, so that they can be repeated without."""
        ...

    async def send(self, call: Call) -> Reply:
        """Send and wait for the final response head (1xx skipped, redirects never followed: a 3xx is
        returned as it is). Raises `SendError`. Cancelling it closes the connection."""
        ...

    def supports(self, operation: Operation, deployment: Deployment) -> bool:
        """Whether this provider has a native form of `operation` in the deployment's dialect."""
        ...

    async def aclose(self) -> None:
        """Close pools and children."""
        ...
