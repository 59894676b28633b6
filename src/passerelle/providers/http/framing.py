"""Where an answer begins and ends, strictly. No I/O: bytes in, a reply filled.

`httptools` (llhttp in its strict mode) does the parsing. It already refuses bare line feeds, folded
headers, white space around names, doubled or decorated lengths, a length beside chunks, malformed chunk
sizes, and NUL or control bytes in values. What it lets through and we do not (seen with httptools 0.9.0):

    Transfer-Encoding other than `chunked` exactly once     it would guess: to the end, or chunked
    Transfer-Encoding in HTTP/1.0                           RFC 9112 §6.1: a sign of broken framing
    HTTP/0.9, HTTP/2.0, RTSP/1.0, ICE/1.0, leading lines    not HTTP/1.x
    status codes 000–099 and above 599                      no meaning to act on
    101 Switching Protocols                                 never asked for
    bytes after the answer                                  the next answer's place, taken
    endless extensions, zero-padded sizes, trailers         no end, no body

`tests/providers/http/test_framing.py` keeps the list honest.
"""

import contextlib
import functools
from collections.abc import Callable
from operator import methodcaller

import httptools

from passerelle.providers.http.limits import MAX_HEADERS, MAX_INTERIM, MAX_SILENT_BYTES
from passerelle.providers.http.response import HttpReply

_PREFIX = b"HTTP/1."


class RefusedError(Exception):
    """The bytes are not an answer we take. Its words are ours or llhttp's, never the provider's."""


class Framing:
    """Parses the answers of one connection, one after the other, into the reply of each."""

    def __init__(self, *, header_bytes: int) -> None:
        self.ended = False
        """The answer is whole."""
        self.to_eof = False
        """The answer has no length: it ends where the connection does."""
        self.keep_alive = False
        """The server means to keep the connection open after the answer that has ended."""
        self._header_bytes = header_bytes
        self._parser = httptools.HttpResponseParser(self)

    def begin(self, reply: HttpReply) -> None:
        """The next bytes belong to `reply`."""
        self._reply = reply
        self.ended = False
        self.to_eof = False
        self._matched = 0  # how much of `HTTP/1.` has arrived
        self._silent = 0  # bytes since the last piece of body
        self._interim = 0
        self._lines: list[tuple[bytes, bytes]] = []

    @property
    def answered(self) -> bool:
        """At least one byte of the answer has arrived."""
        return self._matched > 0

    def feed(self, data: bytes | memoryview) -> None:
        """Raises `RefusedError`; the connection is then good for nothing. `data` is not kept."""
        if not self._matched and data[:7] == _PREFIX:
            self._matched = 7
        elif self._matched < 7:
            part = bytes(data[: 7 - self._matched])
            fits = _PREFIX.startswith(part, self._matched)
            self._matched += len(part)
            if not fits:
                raise RefusedError("the answer is not HTTP/1.x")
        self._silent += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            if isinstance(error.__context__, RefusedError):
                raise error.__context__ from None
            raise RefusedError(f"malformed HTTP: {error}") from None
        except httptools.HttpParserUpgrade:
            raise RefusedError("a change of protocol, which nobody asked for") from None
        if self._silent > self._header_bytes and not self._reply.headed:
            raise RefusedError(f"more than {self._header_bytes} bytes of response head")
        if self._silent > MAX_SILENT_BYTES and self._reply.headed and not self.ended:
            raise RefusedError(f"more than {MAX_SILENT_BYTES} bytes of framing without body")

    def close(self) -> None:
        """Let go of the parser, which holds our methods, and of the last reply, which holds our connection.
        Each would be a ring that only the collector of garbage undoes.
        """
        del self._parser
        with contextlib.suppress(AttributeError):  # nothing was asked on this connection
            del self._reply

    # Called by the parser

    def on_message_begin(self) -> None:
        """A status line begins."""
        if self.ended:
            raise RefusedError("bytes after the end of the answer")

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header line, or a trailer's (which go nowhere)."""
        self._lines.append((name, value))

    def on_headers_complete(self) -> None:
        """The empty line after a head."""
        status = self._parser.get_status_code()
        if not 200 <= status <= 599:
            self._pass_over(status)
            return
        if self._interim and not self._parser.get_http_version().startswith("1."):
            raise RefusedError("the answer is not HTTP/1.x")  # the first one was, this one is not
        if len(self._lines) > MAX_HEADERS:
            raise RefusedError(f"more than {MAX_HEADERS} header lines")
        headers = _joined(self._lines)
        if self._silent > self._header_bytes:  # more than the head may have come at once: count exactly
            size = sum(len(key) + len(value) + 4 for key, value in headers.items())
            if size > self._header_bytes:
                raise RefusedError(f"more than {self._header_bytes} bytes of response head")
        coding = headers.get("transfer-encoding")
        if coding is not None:
            if coding.strip().lower() != "chunked" or self._parser.get_http_version() == "1.0":
                raise RefusedError("a `Transfer-Encoding` other than `chunked`, once, in HTTP/1.1")
        elif "content-length" not in headers and status not in (204, 304):
            self.to_eof = True
        content = headers.get("content-encoding")
        if content is not None and content.strip().lower() not in ("identity", ""):
            raise RefusedError("a compressed answer (`Content-Encoding`), although none was asked for")
        self._silent = 0
        self._lines = []
        self._reply.open(status, headers)

    def _pass_over(self, status: int) -> None:
        """An interim head (1xx) announces the final one; anything else outside 200–599 is nonsense."""
        if status == 101 or not 100 <= status <= 199:
            raise RefusedError(f"status {status}, which nobody asked for")
        self._interim += 1
        if self._interim > MAX_INTERIM:
            raise RefusedError(f"more than {MAX_INTERIM} interim answers")
        self._lines = []

    def on_body(self, body: bytes) -> None:
        """A piece of body."""
        self._silent = 0
        reply = self._reply
        reply.pieces.append(body)
        reply.unread += len(body)

    def on_message_complete(self) -> None:
        """The end of an answer, interim ones included."""
        if self._reply.headed:
            self.ended = True
            self.keep_alive = self._parser.should_keep_alive()  # only now: it forgets at once


def _joined(lines: list[tuple[bytes, bytes]]) -> dict[str, str]:
    """The headers by name, lower-case; those said twice joined by `, `."""
    if not lines:
        return {}
    names, values = zip(*lines, strict=True)
    headers = dict(zip(map(_lower, names), map(_text, values), strict=True))
    if len(headers) == len(lines):
        return headers
    said: dict[str, list[str]] = {}
    for name, value in lines:
        said.setdefault(_lower(name), []).append(_text(value))
    return {name: ", ".join(each) for name, each in said.items()}


_text: Callable[[bytes], str] = methodcaller("decode", "latin-1")


@functools.lru_cache(maxsize=512)
def _lower(name: bytes) -> str:
    """Remembered: providers say the same names in every answer."""
    return name.decode("latin-1").lower()
