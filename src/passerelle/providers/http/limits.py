"""Bounds of the HTTP client: what an operator may set, and what is fixed."""

import msgspec

MAX_HEADERS = 256
"""Header lines of one answer. Providers send ten to forty."""

MAX_INTERIM = 16
"""1xx answers before the final one (103 Early Hints from content networks is the usual one)."""

MAX_SILENT_BYTES = 64 << 10
"""Bytes in a row that frame a body without being body: chunk extensions, zero-padded sizes, trailers."""

UNREAD_HIGH_BYTES = 8 << 10
"""Once more body than this waits unread, the socket is read no more until the reader has taken it. A stream
of words never has so much at once, unless its caller has stopped reading: then this, one read and what the
server's side holds of the answer are all that it keeps."""

ONE_READ_BYTES = 16 << 10
"""What one read of a socket brings at most. uvloop's own reads are sixteen times as large: whatever the bound
above, each stalled stream would keep that much."""

ONE_WRITE_BYTES = 64 << 10
"""A request up to this size goes out in one write; a larger one in slices, waiting for the socket."""

SLICE_BYTES = 256 << 10

STALE_WINDOW_S = 1.0
"""How long after the request a closed connection may still be blamed on keep-alive. See `client`."""


class PoolLimits(msgspec.Struct, frozen=True):
    """How many connections one origin may have, and how long they live."""

    max_connections: int = 1000
    """Open at once: being opened, busy and idle together."""
    max_waiting: int = 1000
    """Requests queued for a connection; one more is refused at once as `overloaded`."""
    max_idle: int = 100
    """Kept open for later."""
    idle_s: float = 30.0
    """An idle connection is closed after this, or earlier where the server said so (`Keep-Alive: timeout`).
    Shorter than the 60–75 s after which common servers and load balancers close theirs."""
    max_age_s: float = 900.0
    """A connection older than this is not reused, so that a changed DNS answer is noticed."""
