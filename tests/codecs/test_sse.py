"""The parser of server-sent events: any splitting, any line end, bounded, and linear."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.codecs.held import counted

from passerelle.codecs.base import MAX_EVENT_BYTES, MAX_WORDS_BYTES
from passerelle.codecs.sse import Frame, SseParser, write_comment, write_data, write_event
from passerelle.core.errors import AnswerError
from passerelle.providers.failures import from_answer_error


def parse(*pieces: bytes) -> list[tuple[bytes, bytes]]:
    parser = SseParser()
    return [(frame.event, frame.data) for piece in pieces for frame in parser.feed(piece)]


SIMPLE_CASES = [
    (b"data: a\n\n", [(b"", b"a")]),
    (b"data:a\n\n", [(b"", b"a")]),
    (b"data:  a\n\n", [(b"", b" a")]),
    (b"data\n\n", [(b"", b"")]),
    (b"data:\n\n", [(b"", b"")]),
    (b"event: x\ndata: a\n\n", [(b"x", b"a")]),
    (b"data: a\nevent: x\n\n", [(b"x", b"a")]),
    (b"data: a\ndata: b\n\n", [(b"", b"a\nb")]),
    (b"id: 1\nretry: 5\ndata: a\n\n", [(b"", b"a")]),
    (b": comment\n\ndata: a\n\n", [(b"", b"a")]),
    (b": comment\ndata: a\n\n", [(b"", b"a")]),
    (b"event: x\n\n", []),
    (b"\n\n\ndata: a\n\n\n\ndata: b\n\n", [(b"", b"a"), (b"", b"b")]),
    (b"data: a\r\n\r\ndata: b\r\n\r\n", [(b"", b"a"), (b"", b"b")]),
    (b"data: a\r\rdata: b\r\r", [(b"", b"a"), (b"", b"b")]),
    (b"data: a\r\n\ndata: b\n\r\n", [(b"", b"a"), (b"", b"b")]),
    (b"\xef\xbb\xbfdata: a\n\n", [(b"", b"a")]),
    (b"<html>\n\n<body>\n\n", []),
    (b"", []),
    (b"data: never ended", []),
]


@pytest.mark.parametrize(("stream", "expected"), SIMPLE_CASES)
def test_frames_are_what_the_standard_says(stream: bytes, expected: list[tuple[bytes, bytes]]) -> None:
    assert parse(stream) == expected


@pytest.mark.parametrize(("stream", "expected"), SIMPLE_CASES)
def test_frames_are_the_same_byte_by_byte(stream: bytes, expected: list[tuple[bytes, bytes]]) -> None:
    assert parse(*[stream[i : i + 1] for i in range(len(stream))]) == expected


def test_a_frame_is_given_as_soon_as_its_blank_line_is_there() -> None:
    parser = SseParser()
    assert parser.feed(b"data: a\r") == []
    assert [frame.data for frame in parser.feed(b"\r")] == [b"a"]
    assert parser.feed(b"\n") == []
    assert [frame.data for frame in parser.feed(b"data: b\n\n")] == [b"b"]


def test_raw_is_the_frame_with_its_blank_line() -> None:
    parser = SseParser()
    assert parser.feed(b"\n\nevent: x\r\ndata: a\r\n\r\n:c\n\ndata: b\n\n") == [
        Frame(b"x", b"a", b"event: x\ndata: a\n\n"),
        Frame(b"", b"b", b"data: b\n\n"),
    ]


def test_pending_is_the_torn_event_at_the_end() -> None:
    parser = SseParser()
    parser.feed(b"data: a\n\ndata: to")
    assert parser.pending == b"data: to"
    parser.feed(b"rn\n")
    assert parser.pending == b"data: torn"
    parser.feed(b"\n")
    assert parser.pending == b""


def test_an_event_longer_than_the_cap_is_a_provider_fault() -> None:
    with pytest.raises(AnswerError):
        parse(b"data: " + b"x" * MAX_EVENT_BYTES + b"\n\n")
    with pytest.raises(AnswerError):
        parse(*[b"x" * (MAX_EVENT_BYTES // 2)] * 3)


def test_too_long_an_event_is_not_asked_for_again() -> None:
    with pytest.raises(AnswerError) as caught:
        parse(b'data: {"image": "' + b"x" * MAX_WORDS_BYTES, b"x" * MAX_EVENT_BYTES)
    failure = from_answer_error(caught.value, provider="p")
    assert (failure.kind, failure.retryable, failure.same_deployment_retry) == ("oversized", False, False)


def test_an_endless_line_of_words_is_no_answer_and_another_place_may_be_asked() -> None:
    with pytest.raises(AnswerError) as caught:
        parse(b'data: {"text": "' + b"x" * MAX_WORDS_BYTES, b"x")
    failure = from_answer_error(caught.value, provider="p")
    assert (failure.kind, failure.retryable) == ("protocol", True)


def test_a_picture_may_be_longer_than_words() -> None:
    picture = b'data: {"image": "' + b"x" * MAX_WORDS_BYTES
    assert [data[-2:] for _, data in parse(picture, b'x"}\n\n')] == [b'"}']


def test_an_endless_line_never_grows_past_the_cap() -> None:
    parser = SseParser()
    endless = iter(lambda: parser.feed(b"\xef\xbb" * 4096), None)
    with pytest.raises(AnswerError):
        list(endless)
    assert parser.pending == b""


def test_an_event_in_tiny_pieces_is_gone_through_a_few_times_and_not_at_each(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pieces = 1 << 14
    with counted(monkeypatch) as held:
        parser = SseParser()
        assert parser.feed(b"data: ") == []
        for _ in range(pieces):
            assert parser.feed(b"x" * 16) == []
        (frame,) = parser.feed(b"\n\n")
    assert len(frame.data) == 16 * pieces
    assert 0 < held.read < 4 * len(frame.data)


_LINE = st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=12)
_FRAMES = st.lists(st.tuples(st.sampled_from(["", "delta", "ping"]), st.lists(_LINE, min_size=1, max_size=3)))


@given(
    frames=_FRAMES,
    end=st.sampled_from([b"\n", b"\r\n", b"\r"]),
    bom=st.booleans(),
    comments=st.booleans(),
    cuts=st.lists(st.integers(0, 400), max_size=20),
)
def test_however_the_bytes_are_split_the_frames_are_the_same(
    frames: list[tuple[str, list[str]]], end: bytes, bom: bool, comments: bool, cuts: list[int]
) -> None:
    stream = b"\xef\xbb\xbf" if bom else b""
    expected: list[tuple[bytes, bytes]] = []
    for event, lines in frames:
        if comments:
            stream += b": keepalive" + end + end
        if event:
            stream += b"event: " + event.encode() + end
        for line in lines:
            stream += b"data: " + line.encode() + end
        stream += end
        expected.append((event.encode(), "\n".join(lines).encode()))
    edges = sorted({0, len(stream), *[cut for cut in cuts if cut < len(stream)]})
    assert parse(*[stream[a:b] for a, b in pairwise(edges)]) == expected


@given(pieces=st.lists(st.binary(max_size=40), max_size=10))
def test_any_bytes_give_the_same_frames_as_in_one_piece(pieces: list[bytes]) -> None:
    assert parse(*pieces) == parse(b"".join(pieces))


def test_writers_give_frames_the_parser_reads_back() -> None:
    stream = write_data(b"{}") + write_comment(b" wait") + write_event(b"ping", b"[]")
    assert parse(stream) == [(b"", b"{}"), (b"ping", b"[]")]
