"""Server-sent events: an incremental parser and the writers.

The format is the WHATWG HTML standard, "Server-sent events" (html.spec.whatwg.org, read 2026-11-22):
lines end with LF, CR LF or CR; a blank line dispatches; a line that starts with `:` is a comment; one
space after the colon is dropped; several `data` lines join with LF; a leading BOM is skipped.

The parser is on the hot path of every stream, so the shape nearly all providers send (one block ended
by two LF, each field on one line) is cut with C-speed `split`, and the general rules are the slow path.
"""

from typing import NamedTuple

from passerelle.codecs.base import MAX_EVENT_BYTES
from passerelle.core.errors import AnswerError


class Frame(NamedTuple):
    """One dispatched event."""

    event: bytes
    """The event's name, empty when it has none."""
    data: bytes
    raw: bytes
    """The frame as it came, its blank line included: what a relay passes on."""


class SseParser:
    """Bytes in whatever pieces → whole frames. Comments and frames without data are dropped."""

    __slots__ = ("_fresh", "_rest")

    def __init__(self) -> None:
        self._rest = b""
        self._fresh = True

    def feed(self, data: bytes) -> list[Frame]:
        """Frames completed by `data`. Raises `AnswerError` when one exceeds `MAX_EVENT_BYTES`."""
        buffer = self._rest + data if self._rest else data
        if self._fresh and buffer:
            if buffer.startswith(b"\xef\xbb\xbf"):
                buffer = buffer[3:]
            elif b"\xef\xbb\xbf".startswith(buffer):
                self._rest = buffer
                return []
            self._fresh = False
        if b"\r" in buffer:
            blocks, self._rest = _split_any_line_end(buffer)
        else:
            *blocks, self._rest = buffer.split(b"\n\n")
            # A run of blank lines leaves the extra LF at the start of the next block.
            blocks = [block + b"\n\n" for block in blocks]
        if len(self._rest) > MAX_EVENT_BYTES:
            self._rest = b""
            raise AnswerError(f"the provider sent a stream event longer than {MAX_EVENT_BYTES} bytes")
        frames: list[Frame] = []
        for raw in blocks:
            if len(raw) > MAX_EVENT_BYTES:
                raise AnswerError(f"the provider sent a stream event longer than {MAX_EVENT_BYTES} bytes")
            frame = _parse(raw)
            if frame is not None:
                frames.append(frame)
        return frames

    @property
    def pending(self) -> bytes:
        """What has come without its blank line: at the end of a stream, a torn event (or nothing)."""
        return self._rest.strip()


def _split_any_line_end(buffer: bytes) -> tuple[list[bytes], bytes]:
    """Blocks of a buffer that uses CR somewhere; a CR at the very end may still get its LF."""
    held = b""
    if buffer.endswith(b"\r"):
        buffer, held = buffer[:-1], b"\r"
    # Inside JSON a raw CR cannot occur (RFC 8259 §7), so folding line ends never changes a payload.
    folded = buffer.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    *blocks, rest = folded.split(b"\n\n")
    return [block + b"\n\n" for block in blocks], rest + held


def _parse(raw: bytes) -> Frame | None:
    if raw.startswith(b"data: ") and raw.find(b"\n") == len(raw) - 2:
        return Frame(b"", raw[6:-2], raw)
    event = b""
    data: list[bytes] = []
    for line in raw.split(b"\n"):
        name, _, value = line.partition(b":")
        if not name:  # blank, or a comment
            continue
        if value.startswith(b" "):
            value = value[1:]
        if name == b"data":
            data.append(value)
        elif name == b"event":
            event = value
    if not data:
        return None
    return Frame(event, b"\n".join(data), raw.lstrip(b"\n"))


def write_data(payload: bytes) -> bytes:
    """A frame of one data line. `payload` has no line end in it (JSON never has)."""
    return b"data: %b\n\n" % payload


def write_event(event: bytes, payload: bytes) -> bytes:
    """A named frame."""
    return b"event: %b\ndata: %b\n\n" % (event, payload)


def write_comment(text: bytes = b"") -> bytes:
    """A comment frame, which clients skip: keeps a connection alive."""
    return b":%b\n\n" % text


DONE = b"data: [DONE]\n\n"
"""How OpenAI's chat streams say that they are over."""
