"""The head of a request that came before on its connection: met again, it is not parsed again.

A client says the same dozen headers with every request of a connection, and only the length of its body
differs. Bytes that differ in nothing but those digits mean the same request, so what the parser made of them
the first time holds. Only what the parser took, whole and in one piece, is ever remembered, one head a
connection and no longer than it: a head has a key in it.
"""

from typing import Any

_LENGTH = b"content-length"
_DIGITS = 9
"""Of a length: a body that needs more is not in one piece."""


class Head:
    """A head, and what was made of it."""

    __slots__ = ("_after", "_before", "_headers", "_scope", "at", "route", "said", "token", "wanted")

    def __init__(self, before: bytes, after: bytes, scope: dict[str, Any], at: int) -> None:
        """`before` and `after` stand around the digits of the length."""
        self._before = before
        self._after = after
        self.at = at
        """Which of the headers is the length."""
        self._headers: list[tuple[bytes, bytes]] = scope["headers"]
        self._scope = {name: scope[name] for name in _SAME}
        self.wanted: dict[bytes, bytes] | None = None
        """The headers the gateway reads, once they were looked for."""
        self.token: str | None = None
        """The caller's key, once it was looked for."""
        self.said: Any = None
        """What its caller wishes, what of it goes on to a provider, and its trace, once they were read."""
        self.route: Any = None
        """The route, once it was found."""

    def body_of(self, data: bytes) -> bytes | None:
        """The body, if `data` is this head again with all of its body; else None."""
        if not data.startswith(self._before):
            return None
        start = len(self._before)
        end = data.find(b"\r", start, start + _DIGITS + 1)
        digits = data[start:end]
        if end < 0 or not digits.isdigit() or not data.startswith(self._after, end):
            return None
        body = data[end + len(self._after) :]
        return body if len(body) == int(digits) else None

    def scope(self, size: int) -> dict[str, Any]:
        """The ASGI scope of the request, with a body of `size` bytes."""
        headers = self._headers.copy()
        headers[self.at] = (_LENGTH, b"%d" % size)
        return {**self._scope, "headers": headers, "state": {}}


_SAME = (
    "type", "asgi", "http_version", "scheme", "method", "root_path", "path", "raw_path", "query_string",
    "server", "client",
)  # fmt: skip


def learn(data: bytes, scope: dict[str, Any], size: int) -> Head | None:
    """The head of `data`, which the parser took for one request with a body of `size` bytes and this scope.
    None where it is not plain what of it says the length.
    """
    said = [(at, value) for at, (name, value) in enumerate(scope["headers"]) if name == _LENGTH]
    if len(said) != 1 or said[0][1] != b"%d" % size or not size:
        return None
    head = data[:-size]
    lower = head.lower()
    line = b"\r\n%b:" % _LENGTH
    if lower.count(line) != 1 or head.find(b"\r\n\r\n") != len(head) - 4 or not head[:1].isalpha():
        return None
    start = lower.find(line) + len(line)
    start += len(head[start:]) - len(head[start:].lstrip(b" \t"))
    end = start + len(said[0][1])
    if head[start:end] != said[0][1] or not head.startswith(b"\r\n", end):
        return None
    return Head(head[:start], head[end:], scope, said[0][0])
