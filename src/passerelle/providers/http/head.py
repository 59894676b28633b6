"""The head of a request as bytes, and the refusal of anything that would make it two.

A line end inside a value or the path would let its writer add headers or a second request. Names and
paths are vetted once and remembered; values are checked by one count over the finished head: exactly the
line ends we put there, and no NUL. There is no value that it could forget.
"""

import re
from collections.abc import Sequence

from passerelle.core.errors import FailureKind
from passerelle.providers.base import SendError
from passerelle.providers.http.origin import Origin

METHODS = frozenset({"DELETE", "GET", "PATCH", "POST", "PUT"})
"""Not HEAD, whose answer is framed differently, and not CONNECT or TRACE."""

_OURS = frozenset(
    {
        b"accept-encoding", b"connection", b"content-length", b"expect", b"host", b"keep-alive",
        b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade",
    }
)  # fmt: skip
"""Headers about the exchange itself: only the client may say them."""

_TOKEN = re.compile(rb"[A-Za-z0-9!#$%&'*+.^_`|~-]+\Z")  # RFC 9110 §5.6.2
_MAX_KNOWN = 256
_NO_BODY = b"\r\nContent-Length: 0\r\n\r\n"


class HeadWriter:
    """Writes request heads for one origin."""

    def __init__(self, origin: Origin) -> None:
        self._common = f"Host: {origin.authority}\r\nAccept-Encoding: identity".encode("ascii")
        self._starts: dict[tuple[str, str], bytes] = {}
        self._names: dict[bytes, bytes] = {}
        self._whole: dict[tuple[str, str, tuple[tuple[bytes, bytes], ...]], bytes] = {}
        """Heads of requests whose headers come as a tuple, up to the length; empty where they have none."""

    def write(self, method: str, path: str, headers: Sequence[tuple[bytes, bytes]], body_bytes: int) -> bytes:
        """The head up to and with its empty line.

        `Host`, `Accept-Encoding: identity` and `Content-Length` are added; no compression is ever asked
        for, so that no answer can be small on the wire and huge in memory. Raises `SendError`: `auth` for
        a line end or NUL in a value (a credential read with its line end is the usual one), `not_found`
        for a path that is not plain ASCII beginning with `/`, `invalid_request` for a header in `_OURS`,
        a name that is none, and an unknown method. None of it can come from a caller.
        """
        if isinstance(headers, tuple):  # said again and again: checked once, then kept
            known = self._whole.get((method, path, headers))
            if known is None:
                known = self._write(method, path, headers, 0)
                known = known[: known.rindex(b"\r\nContent-Length: ")] if known.endswith(_NO_BODY) else b""
                if len(self._whole) < _MAX_KNOWN:
                    self._whole[method, path, headers] = known
            if known:
                return b"%b\r\nContent-Length: %d\r\n\r\n" % (known, body_bytes)
        return self._write(method, path, headers, body_bytes)

    def _write(
        self, method: str, path: str, headers: Sequence[tuple[bytes, bytes]], body_bytes: int
    ) -> bytes:
        start = self._starts.get((method, path))
        pieces = [self._start(method, path) if start is None else start]
        names = self._names
        for name, value in headers:
            pieces.append(names.get(name) or self._name(name))
            pieces.append(value)
        ends = len(headers) + 4
        if body_bytes or method != "GET":
            pieces.append(b"\r\nContent-Length: %d" % body_bytes)
            ends += 1
        pieces.append(b"\r\n\r\n")
        head = b"".join(pieces)
        if head.count(b"\n") != ends or head.count(b"\r") != ends or b"\0" in head:
            raise self._injection(headers)
        return head

    def _start(self, method: str, path: str) -> bytes:
        if method not in METHODS:
            allowed = ", ".join(sorted(METHODS))
            raise _unsafe(f"method `{method[:20]}` is not supported; use one of {allowed}")
        plain = path.isascii() and path.isprintable() and " " not in path and "#" not in path
        if not plain or not path.startswith("/"):
            raise _unsafe(
                "the request path must begin with `/` and hold only printable ASCII without spaces or `#`; "
                "percent-encode the model's name",
                "not_found",
            )
        start = f"{method} {path} HTTP/1.1\r\n".encode("ascii") + self._common
        if len(self._starts) < _MAX_KNOWN:
            self._starts[method, path] = start
        return start

    def _name(self, name: bytes) -> bytes:
        """The line up to the value, with the line end before it."""
        shown = name[:40].decode("latin-1")
        if not _TOKEN.match(name):
            raise _unsafe(f"{shown!a} is not a header name; correct it")
        if name.lower() in _OURS:
            raise _unsafe(f"header `{shown}` is the client's own to say; leave it out")
        line = b"\r\n%b: " % name
        if len(self._names) < _MAX_KNOWN:
            self._names[name] = line
        return line

    def _injection(self, headers: Sequence[tuple[bytes, bytes]]) -> SendError:
        broken = [name for name, value in headers if any(byte in value for byte in b"\r\n\0")]
        return _unsafe(
            f"header `{broken[0].decode('latin-1')}` holds a line end or NUL; check the credential or "
            "setting it comes from for a stray line end",
            "auth",
        )


def _unsafe(message: str, failure: FailureKind = "invalid_request") -> SendError:
    return SendError(failure, message, sent=False)
