"""What stands around the chunks of a stream: line ends, and bodies that are no stream at all."""

from typing import Final

import msgspec

from passerelle.codecs.gemini import types as wire
from passerelle.codecs.gemini.errors import read_failure
from passerelle.codecs.gemini.response import describe
from passerelle.codecs.gemini.wire import WireError, check_utf8, parse
from passerelle.core.event import Failed

_MOST_OF_AN_ERROR: Final = 64 << 10
"""Bytes of such a body that are kept to tell what it is."""


def with_lf(data: bytes) -> bytes:
    """`data` with the CR LF pairs of a single frame as LF, which the parser takes on its fast way.

    Google ends lines with CR LF and mostly sends a frame at a time; anything else is left to the parser.
    """
    if data[-4:] == b"\r\n\r\n" and data.count(b"\r") == 2:
        return data[:-4] + b"\n\n"
    return data


_BOM = b"\xef\xbb\xbf"
_BLANK = b" \t\r\n"


class NotAStream:
    """Notices a body that is no event stream at all, and says what it is instead."""

    __slots__ = ("_held", "is_one", "known")

    def __init__(self) -> None:
        self._held = b""
        self.known = False
        """Enough has come to tell."""
        self.is_one = False
        """The body began with JSON or a tag: no stream begins so."""

    def feed(self, data: bytes) -> bool:
        """Whether `data` belongs to a body that is no stream."""
        if not self.known:
            came = (self._held + data).lstrip(_BLANK)
            if _BOM.startswith(came):  # nothing yet, or the beginning of a mark
                self._held = came
                return False
            came = came.removeprefix(_BOM).lstrip(_BLANK)
            if not came:
                self._held = _BOM
                return False
            self.known = True
            self.is_one = came[:1] in (b"{", b"[", b"<")
            self._held = b""
            data = came
        if self.is_one and len(self._held) < _MOST_OF_AN_ERROR:
            self._held += data
        return self.is_one

    def close(self) -> Failed:
        """What it means."""
        return read_non_stream(self._held)


def read_non_stream(body: bytes) -> Failed:
    """An error dressed as a stream, or something that is neither."""
    body = body.removeprefix(b"\xef\xbb\xbf").strip()
    try:
        check_utf8(body)
        items = msgspec.json.decode(body, type=list[msgspec.Raw]) if body[:1] == b"[" else [msgspec.Raw(body)]
        said = parse(bytes(items[-1]), wire.GenerateContentResponse) if items else None
        if said is not None and said.error is not None:
            return read_failure(said.error)
        what = "it is not an event stream"
    except (WireError, msgspec.DecodeError, RecursionError) as error:
        what = describe(body, error)
    return Failed("protocol", f"the provider's answer is not a Gemini stream: {what}")
