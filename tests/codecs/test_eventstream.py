"""The frames of AWS event streams: any splitting, checksums, bounds, and agreement with botocore."""

from zlib import crc32

import pytest
from botocore.eventstream import EventStreamBuffer
from hypothesis import given
from hypothesis import strategies as st

from passerelle.codecs.eventstream import (
    EventStreamParser,
    Frame,
    event_headers,
    exception_headers,
    write_frame,
    write_headers,
)
from passerelle.core.errors import AnswerError

EVENT = write_frame(event_headers("contentBlockDelta"), b'{"delta":{"text":"a"}}')
EXCEPTION = write_frame(exception_headers("throttlingException"), b'{"message":"slow"}')
ERROR = write_frame(write_headers({":message-type": "error", ":error-code": "x", ":error-message": "w"}), b"")
OTHER_TYPES = (
    b"\x01a\x00\x01b\x01\x01c\x02\x07\x01d\x03\x00\x07\x01e\x04\x00\x00\x00\x07"
    b"\x01f\x05\x00\x00\x00\x00\x00\x00\x00\x07\x01g\x06\x00\x02zz"
    b"\x01h\x08\x00\x00\x00\x00\x00\x00\x00\x07\x01i\x09" + bytes(16)
)  # fmt: skip
"""A header of each type that is no string, in the specification's order."""


def parse(*pieces: bytes) -> list[Frame]:
    parser = EventStreamParser()
    frames = [frame for piece in pieces for frame in parser.feed(piece)]
    assert parser.broken is None
    return frames


def broken(*pieces: bytes) -> AnswerError:
    parser = EventStreamParser()
    assert [frame for piece in pieces for frame in parser.feed(piece)] == []
    assert parser.broken is not None
    return parser.broken


def test_a_frame_says_what_it_is() -> None:
    kinds = [(frame.kind, frame.payload) for frame in parse(EVENT + EXCEPTION + ERROR)]
    assert kinds == [
        (("event", "contentBlockDelta", ""), b'{"delta":{"text":"a"}}'),
        (("exception", "throttlingException", ""), b'{"message":"slow"}'),
        (("error", "x", "w"), b""),
    ]


def test_headers_of_every_type_are_passed_over() -> None:
    (frame,) = parse(write_frame(OTHER_TYPES + event_headers("metadata"), b"{}"))
    assert frame.kind.name == "metadata"


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=6), st.data())
def test_frames_are_the_same_however_their_bytes_are_cut(payloads: list[bytes], data: st.DataObject) -> None:
    whole = b"".join(write_frame(event_headers("e"), payload) for payload in payloads)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=12)))
    pieces = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    frames = parse(*pieces)
    assert [frame.payload for frame in frames] == payloads
    assert b"".join(frame.raw for frame in frames) == whole


@given(
    st.dictionaries(st.text("abc:-", min_size=1, max_size=40), st.text(max_size=200), max_size=5), st.binary()
)
def test_botocore_reads_what_we_write(headers: dict[str, str], payload: bytes) -> None:
    buffer = EventStreamBuffer()
    buffer.add_data(write_frame(write_headers(headers), payload))
    (event,) = list(buffer)
    assert (event.headers, event.payload) == (headers, payload)


def test_every_single_changed_byte_is_noticed() -> None:
    for at in range(len(EVENT)):
        changed = bytearray(EVENT)
        changed[at] ^= 0x40
        parser = EventStreamParser()
        assert parser.feed(bytes(changed)) == []
        assert parser.broken is not None or parser.pending  # it may only claim to be longer than what came


def test_a_torn_frame_is_pending() -> None:
    parser = EventStreamParser()
    assert parser.feed(EVENT + EXCEPTION[:-1])[0].raw == EVENT
    assert parser.pending == EXCEPTION[:-1]


@pytest.mark.parametrize(
    "data",
    [b"<html><body>", b'{"message":"Forbidden"}', b"data: {}\n\n\n\n\n\n", bytes(64), b"\xff" * 64],
)
def test_what_is_no_frame_is_refused_at_its_first_bytes(data: bytes) -> None:
    assert broken(data).failure == "protocol"


def test_frames_before_a_break_are_given_and_none_after_it() -> None:
    parser = EventStreamParser()
    assert [frame.raw for frame in parser.feed(EVENT + EXCEPTION + b"junk and more junk")] == [
        EVENT,
        EXCEPTION,
    ]
    assert parser.broken is not None
    assert parser.feed(EVENT) == []


def prelude(total: int, headers: int) -> bytes:
    lengths = total.to_bytes(4) + headers.to_bytes(4)
    return lengths + crc32(lengths).to_bytes(4)


def test_lengths_are_bounded_before_anything_is_held() -> None:
    for total, headers in ((17 << 20, 0), (0xFFFFFFFF, 0), (15, 0), (0, 0), (40, 25), (1 << 20, 200 << 10)):
        assert broken(prelude(total, headers)).failure == "protocol"


@given(st.binary(min_size=1, max_size=30))
def test_malformed_headers_are_an_error_or_read(headers: bytes) -> None:
    parser = EventStreamParser()
    frames = parser.feed(write_frame(headers, b""))
    assert bool(frames) is (parser.broken is None)


@given(st.binary(max_size=400))
def test_any_bytes_are_survived(data: bytes) -> None:
    parser = EventStreamParser()
    for at in range(0, len(data), 7):
        parser.feed(data[at : at + 7])
        assert len(parser.pending) <= at + 7
