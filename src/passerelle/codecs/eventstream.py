"""AWS event streams: an incremental parser of `application/vnd.amazon.eventstream`, and the writer.

The frame (smithy.io "Amazon Event Stream Specification", and the Transcribe developer guide's "Event stream
encoding"; read 2026-11-22), all figures big-endian:

    4  total length, of the whole frame            4  length of the headers       4  CRC-32 of those eight
    …  headers: name length (1), name, type (1), value          …  payload         4  CRC-32 of all before it

A string value (type 7) is two bytes of length and UTF-8. `:message-type` is `event`, `exception` or `error`;
the first two name themselves in `:event-type` and `:exception-type`, an error in `:error-code` with its words
in `:error-message`. The specification bounds headers at 128 KiB and payloads at 16 MiB.
"""

import struct
from functools import lru_cache
from typing import Final, NamedTuple
from zlib import crc32

from passerelle.core.errors import AnswerError

CONTENT_TYPE: Final = "application/vnd.amazon.eventstream"

_PRELUDE: Final = struct.Struct(">III")
_OVERHEAD: Final = 16
_MAX_HEADER_BYTES: Final = 128 << 10
_MAX_FRAME_BYTES: Final = (16 << 20) + _MAX_HEADER_BYTES + _OVERHEAD
_SIZES: Final = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
"""Bytes of a value by its type: true, false, byte, short, integer, long, timestamp, UUID."""


class Kind(NamedTuple):
    """What a frame's headers say it is."""

    message: str
    """`event`, `exception` or `error`."""
    name: str
    """The event's type, the exception's, or the error's code."""
    words: str = ""
    """What an error says, which has no payload to say it in."""


class Frame(NamedTuple):
    """One whole frame, its checksums found right."""

    kind: Kind
    payload: bytes
    raw: bytes
    """The frame as it came: what a relay passes on."""


class EventStreamParser:
    """Bytes in whatever pieces → whole frames. After a break nothing more can be read: frames have no marks
    to begin again at."""

    __slots__ = ("_held", "_need", "broken")

    def __init__(self) -> None:
        self._held = bytearray()
        self._need = 0
        """How much must be held before there is anything new to see: a prelude, or the frame it told of."""
        self.broken: AnswerError | None = None
        """The bytes are no frame, or were changed on their way. To be looked at after each `feed`."""

    def feed(self, data: bytes) -> list[Frame]:
        """Frames completed by `data`: all there are before a break, and none after it."""
        if self.broken is not None:
            return []
        if self._held:
            self._held += data
            if len(self._held) < self._need:
                return []
            data = bytes(self._held)
            self._held = bytearray()
        frames: list[Frame] = []
        try:
            self._cut(data, frames)
        except AnswerError as error:
            self.broken = error.with_traceback(None)  # which holds this frame, and so this
            self._held = bytearray()
        return frames

    def _cut(self, data: bytes, frames: list[Frame]) -> None:
        """Add the whole frames in `data`, and hold the rest. Raises `AnswerError`."""
        at, end = 0, len(data)
        self._need = _PRELUDE.size
        while end - at >= _PRELUDE.size:
            total, header_bytes, checksum = _PRELUDE.unpack_from(data, at)
            if crc32(data[at : at + 8]) != checksum:
                raise AnswerError("the provider's stream holds bytes that are no event-stream frame")
            if total > _MAX_FRAME_BYTES:
                raise AnswerError(f"the provider sent a frame longer than {_MAX_FRAME_BYTES} bytes")
            if header_bytes > min(_MAX_HEADER_BYTES, total - _OVERHEAD):
                raise AnswerError(
                    "the provider sent an event-stream frame whose lengths contradict each other"
                )
            if end - at < total:
                self._need = total
                break
            raw = data[at : at + total]
            if crc32(raw[:-4]) != int.from_bytes(raw[-4:]):
                raise AnswerError("the provider sent an event-stream frame with a wrong checksum")
            body = _PRELUDE.size + header_bytes
            frames.append(Frame(_kind(raw[_PRELUDE.size : body]), raw[body:-4], raw))
            at += total
        if at < end:
            self._held += data[at:]

    @property
    def pending(self) -> bytes:
        """What has come of a frame that is not whole: at the end of a stream, a torn one (or nothing)."""
        return bytes(self._held)


@lru_cache(maxsize=128)
def _kind(headers: bytes) -> Kind:
    """A stream says the same few headers over and over. Raises `AnswerError`."""
    said: dict[str, str] = {}
    at = 0
    try:
        while at < len(headers):
            length = headers[at]
            name = headers[at + 1 : at + 1 + length].decode()
            at += 1 + length
            kind = headers[at]
            at += 1
            if kind in (6, 7):
                size = int.from_bytes(headers[at : at + 2])
                at += 2
                if kind == 7:
                    said[name] = headers[at : at + size].decode()
            else:
                size = _SIZES[kind]
            at += size
    except (IndexError, KeyError, UnicodeDecodeError):
        at = -1
    if at != len(headers):
        raise AnswerError("the provider sent an event-stream frame with malformed headers")
    message = said.get(":message-type", "event")
    if message == "error":
        return Kind(message, said.get(":error-code", ""), said.get(":error-message", ""))
    return Kind(message, said.get(":exception-type" if message == "exception" else ":event-type", ""))


def write_headers(headers: dict[str, str]) -> bytes:
    """The header block of a frame, all values strings."""
    block = b""
    for name, value in headers.items():
        raw = value.encode()
        block += struct.pack(">B", len(name)) + name.encode() + struct.pack(">BH", 7, len(raw)) + raw
    return block


def write_frame(headers: bytes, payload: bytes) -> bytes:
    """A frame with a header block of `write_headers`."""
    prelude = struct.pack(">II", len(headers) + len(payload) + _OVERHEAD, len(headers))
    framed = b"%b%b%b%b" % (prelude, crc32(prelude).to_bytes(4), headers, payload)
    return framed + crc32(framed).to_bytes(4)


def event_headers(event: str) -> bytes:
    """The header block of a JSON event."""
    return write_headers(
        {":event-type": event, ":content-type": "application/json", ":message-type": "event"}
    )


def exception_headers(exception: str) -> bytes:
    """The header block of a JSON exception, which ends a stream."""
    return write_headers(
        {":exception-type": exception, ":content-type": "application/json", ":message-type": "exception"}
    )
