"""By which address callers reach us: for links in answers that a caller will follow with its key.

What the operator says (`server.public_url`) is believed. Otherwise the request's own `Host` is repeated, but
only where a link made of it cannot carry a key in clear: when the connection is TLS that ends here, or when
the caller sits on this machine. Behind a proxy nobody tells us the scheme that was used before it, so a link
is a path there, which clients put their own base address before.
"""

import re

from passerelle.server.route import Arrival

_PORT = rb"(?::[0-9]{1,5})?"
_HOST = re.compile(rb"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}[A-Za-z0-9])?|\[[0-9a-fA-F:.]{2,45}\])" + _PORT)
_HERE = re.compile(rb"(?:localhost|127\.[0-9.]+|\[::1\])" + _PORT)


def own_url(arrival: Arrival, public_url: str | None) -> str:
    """What a path is to be appended to; empty where the path alone is all that can be said."""
    if public_url is not None:
        return public_url.rstrip("/")
    host = arrival.headers.get(b"host", b"")
    scheme = arrival.scope.get("scheme", "http")
    if not _HOST.fullmatch(host) or not (scheme == "https" or _HERE.fullmatch(host)):
        return ""
    return f"{scheme}://{host.decode()}"
