"""Which bytes are an answer, judged without a socket: a table of cases, and Hypothesis between them."""

from itertools import pairwise
from typing import Any, cast

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from passerelle.providers.http.framing import Framing, RefusedError
from passerelle.providers.http.limits import MAX_HEADERS, MAX_INTERIM, MAX_SILENT_BYTES
from passerelle.providers.http.response import HttpReply

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


def blank_reply() -> HttpReply:
    return HttpReply(cast("Any", None), cast("Any", None), cap=1 << 20, deadline=0, total_at=0)


def parse(*pieces: bytes, header_bytes: int = 4096) -> tuple[HttpReply, Framing]:
    framing, reply = Framing(header_bytes=header_bytes), blank_reply()
    framing.begin(reply)
    for piece in pieces:
        framing.feed(piece)
    return reply, framing


def seen(*pieces: bytes) -> tuple[Any, ...]:
    """Everything a reader could notice."""
    try:
        reply, framing = parse(*pieces)
    except RefusedError:
        return ("refused",)
    body = b"".join(reply.pieces)
    assert reply.unread == len(body)
    return reply.headed, reply.status, reply.headers, body, framing.ended, framing.to_eof


WHOLE = {
    "sized": (OK + b"Content-Length: 2\r\n\r\nhi", b"hi"),
    "empty": (OK + b"Content-Length: 0\r\n\r\n", b""),
    "no body by status": (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
    "not modified, with the length of what it is not": (b"HTTP/1.1 304 N\r\nContent-Length: 9\r\n\r\n", b""),
    "chunks": (CHUNKED + b"2\r\nhi\r\n1;name=value\r\n!\r\n0\r\n\r\n", b"hi!"),
    "chunks with a trailer": (CHUNKED + b"2\r\nhi\r\n0\r\nX-Sum: 1\r\n\r\n", b"hi"),
    "upper case": (OK + b"TRANSFER-ENCODING: Chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n", b"hi"),
    "early hints first": (
        b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + OK + b"Content-Length: 1\r\n\r\n.",
        b".",
    ),
    "no reason phrase": (b"HTTP/1.1 200\r\nContent-Length: 1\r\n\r\n.", b"."),
    "HTTP/1.0": (b"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\n.", b"."),
    "identity": (OK + b"Content-Encoding: identity\r\nContent-Length: 1\r\n\r\n.", b"."),
    "blank value": (OK + b"X:\r\nContent-Length: 1\r\n\r\n.", b"."),
}


@pytest.mark.parametrize("case", WHOLE)
def test_a_correct_answer_is_whole(case: str) -> None:
    data, body = WHOLE[case]
    reply, framing = parse(data)
    assert framing.ended
    assert b"".join(reply.pieces) == body


REFUSED = {
    "line feeds alone": b"HTTP/1.1 200 OK\nContent-Length: 2\n\nhi",
    "a line feed alone after one header": OK + b"Content-Length: 2\nX: y\r\n\r\nhi",
    "a line feed alone at the end of the head": OK + b"Content-Length: 2\r\n\nhi",
    "a carriage return alone": OK + b"Content-Length: 2\rX: y\r\n\r\nhi",
    "a folded header": OK + b"X: a\r\n b\r\nContent-Length: 2\r\n\r\nhi",
    "a folded length": OK + b"Content-Length:\r\n 2\r\n\r\nhi",
    "a folded coding": OK + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    "a space before the colon": OK + b"Content-Length : 2\r\n\r\nhi",
    "a space before the first header": OK + b" Content-Length: 2\r\n\r\nhi",
    "a header without a name": OK + b": 2\r\n\r\nhi",
    "a header without a colon": OK + b"Foo\r\n\r\nhi",
    "NUL in a value": OK + b"X: a\0b\r\nContent-Length: 0\r\n\r\n",
    "a control byte in a value": OK + b"X: a\x0bb\r\nContent-Length: 0\r\n\r\n",
    "a control byte before a coding": OK + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "a letter outside ASCII in a name": OK + b"X\xe9: a\r\nContent-Length: 0\r\n\r\n",
    "two equal lengths": OK + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nhi",
    "two lengths": OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nhi",
    "a list of lengths": OK + b"Content-Length: 2, 2\r\n\r\nhi",
    "a length with a sign": OK + b"Content-Length: +2\r\n\r\nhi",
    "a negative length": OK + b"Content-Length: -2\r\n\r\nhi",
    "a hexadecimal length": OK + b"Content-Length: 0x2\r\n\r\nhi",
    "a length with an underscore": OK + b"Content-Length: 1_0\r\n\r\nhi",
    "an empty length": OK + b"Content-Length:\r\n\r\nhi",
    "an endless length": OK + b"Content-Length: 99999999999999999999999\r\n\r\nhi",
    "a length, then chunks": OK
    + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
    "chunks, then a length": OK
    + b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
    "a length in a trailer": CHUNKED + b"2\r\nhi\r\n0\r\nContent-Length: 7\r\n\r\n",
    "gzip under chunks": OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "chunks under gzip": OK + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    "chunks twice": OK + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "chunks twice in two headers": OK + b"Transfer-Encoding: chunked\r\n" * 2 + b"\r\n0\r\n\r\n",
    "a coding nobody knows": OK + b"Transfer-Encoding: xchunked\r\n\r\nhi",
    "a coding of nothing": OK + b"Transfer-Encoding: identity\r\n\r\nhi",
    "chunks in HTTP/1.0": b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a chunk size with a prefix": CHUNKED + b"0x2\r\nhi\r\n0\r\n\r\n",
    "a negative chunk size": CHUNKED + b"-2\r\nhi\r\n0\r\n\r\n",
    "a spaced chunk size": CHUNKED + b"2 \r\nhi\r\n0\r\n\r\n",
    "a chunk without a size": CHUNKED + b"\r\nhi\r\n0\r\n\r\n",
    "a chunk size that overflows": CHUNKED + b"fffffffffffffffff\r\nhi\r\n0\r\n\r\n",
    "a chunk longer than it said": CHUNKED + b"2\r\nhix\r\n0\r\n\r\n",
    "a chunk that runs into the next": CHUNKED + b"2\r\nhi0\r\n\r\n",
    "a chunk size ended by a line feed": CHUNKED + b"2\nhi\r\n0\r\n\r\n",
    "a chunk ended by a line feed": CHUNKED + b"2\r\nhi\n0\r\n\r\n",
    "a line feed in a chunk extension": CHUNKED + b"2;a\nhi\r\n0\r\n\r\n",
    "a carriage return in a chunk extension": CHUNKED + b"2;a\rb\r\nhi\r\n0\r\n\r\n",
    "a second answer": WHOLE["sized"][0] * 2,
    "rubbish after the answer": WHOLE["sized"][0] + b"JUNK",
    "rubbish after the last answer": OK + b"Connection: close\r\nContent-Length: 2\r\n\r\nhiJUNK",
    "a body where there is none": b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello",
    "a compressed body": OK + b"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\nhi",
    "a doubly coded body": OK + b"Content-Encoding: identity, br\r\nContent-Length: 2\r\n\r\nhi",
    "HTTP/2.0": b"HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nhi",
    "HTTP/0.9": b"HTTP/0.9 200 OK\r\nContent-Length: 2\r\n\r\nhi",
    "HTTP/1.2": b"HTTP/1.2 200 OK\r\nContent-Length: 2\r\n\r\nhi",
    "HTTP/2.0 after early hints": b"HTTP/1.1 103 E\r\n\r\nHTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nhi",
    "another protocol": b"RTSP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi",
    "yet another protocol": b"ICE/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi",
    "lower case": b"http/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
    "a blank line first": b"\r\n" + WHOLE["sized"][0],
    "no status line at all": b"<html>\r\n\r\n",
    "a status of two digits": b"HTTP/1.1 20 OK\r\n\r\n",
    "a status of four digits": b"HTTP/1.1 2000 OK\r\n\r\n",
    "a status below 100": b"HTTP/1.1 099 OK\r\nContent-Length: 2\r\n\r\nhi",
    "a status above 599": b"HTTP/1.1 600 OK\r\nContent-Length: 2\r\n\r\nhi",
    "a status with letters": b"HTTP/1.1 2x0 OK\r\n\r\n",
    "a status run into its phrase": b"HTTP/1.1 200OK\r\n\r\n",
    "two spaces before the status": b"HTTP/1.1  200 OK\r\n\r\n",
    "a change of protocol": b"HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n",
    "a change of protocol without saying so": b"HTTP/1.1 101 S\r\n\r\n",
    "a crowd of interim answers": b"HTTP/1.1 103 E\r\n\r\n" * (MAX_INTERIM + 1) + WHOLE["sized"][0],
    "a crowd of headers": OK + b"X: y\r\n" * (MAX_HEADERS + 1) + b"Content-Length: 0\r\n\r\n",
    "a crowd of different headers": OK + b"".join(b"X%d:\r\n" % n for n in range(MAX_HEADERS + 1)) + b"\r\n",
    "one long header": OK + b"X: " + b"a" * 5000 + b"\r\nContent-Length: 0\r\n\r\n",
}


@pytest.mark.parametrize("case", REFUSED)
def test_bytes_that_could_be_read_two_ways_are_refused(case: str) -> None:
    with pytest.raises(RefusedError):
        parse(REFUSED[case])


@pytest.mark.parametrize("case", REFUSED)
def test_they_are_refused_one_byte_at_a_time_too(case: str) -> None:
    data = REFUSED[case]
    with pytest.raises(RefusedError):
        parse(*(data[at : at + 1] for at in range(len(data))))


def test_a_trailer_is_not_a_header() -> None:
    reply, framing = parse(WHOLE["chunks with a trailer"][0])
    assert framing.ended
    assert reply.headers == {"transfer-encoding": "chunked"}


def test_words_of_a_refusal_never_quote_the_provider() -> None:
    for data in REFUSED.values():
        with pytest.raises(RefusedError) as caught:
            parse(data.replace(b"hi", b"Secret").replace(b"JUNK", b"Secret"))
        assert "Secret" not in str(caught.value)


def test_header_bytes_count_across_reads_and_not_into_the_body() -> None:
    head = OK + b"X: " + b"a" * 4000 + b"\r\nContent-Length: 9000\r\n\r\n"
    reply, framing = parse(head + b"b" * 9000, header_bytes=4096)
    assert framing.ended
    assert reply.unread == 9000
    with pytest.raises(RefusedError, match="more than 4096 bytes of response head"):
        parse(OK, b"X: " + b"a" * 4000, b"a" * 100, header_bytes=4096)
    with pytest.raises(RefusedError, match="more than 4096 bytes of response head"):
        parse(OK + b"X: " + b"a" * 5000 + b"\r\nContent-Length: 0\r\n\r\n", header_bytes=4096)


def test_interim_heads_share_the_header_bytes_of_the_final_one() -> None:
    interim = b"HTTP/1.1 103 E\r\nLink: " + b"a" * 1000 + b"\r\n\r\n"
    with pytest.raises(RefusedError, match="response head"):
        parse(*[interim] * 5, header_bytes=4096)


@pytest.mark.parametrize("start", [b"2;a=", b"0" * 10, b"0\r\nX: "], ids=["extension", "zeros", "trailer"])
def test_framing_without_body_has_an_end(start: bytes) -> None:
    with pytest.raises(RefusedError, match="framing without body"):
        parse(CHUNKED, start, *[b"0" * 1000] * (MAX_SILENT_BYTES // 1000 + 1))


def test_long_bodies_are_not_taken_for_framing() -> None:
    reply, framing = parse(CHUNKED, *[b"10\r\n0123456789abcdef\r\n"] * 9000, b"0\r\n\r\n")
    assert framing.ended
    assert reply.unread == 16 * 9000


def test_an_answer_without_a_length_goes_to_the_end() -> None:
    for version in (b"1.0", b"1.1"):
        reply, framing = parse(b"HTTP/%b 200 OK\r\n\r\nhi" % version, b"more")
        assert (framing.ended, framing.to_eof, framing.keep_alive) == (False, True, False)
        assert b"".join(reply.pieces) == b"himore"


@pytest.mark.parametrize(
    ("head", "keep"),
    [
        (b"HTTP/1.1 200 OK\r\n", True),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\n", False),
        (b"HTTP/1.1 200 OK\r\nConnection: keep-alive, Close\r\n", False),
        (b"HTTP/1.1 200 OK\r\nConnection: x\r\nConnection: close\r\n", False),
        (b"HTTP/1.0 200 OK\r\n", False),
        (b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n", True),
    ],
)
def test_keep_alive_follows_version_and_connection_header(head: bytes, keep: bool) -> None:
    _, framing = parse(head + b"Content-Length: 2\r\n\r\nhi")
    assert framing.ended
    assert framing.keep_alive is keep


def test_one_parser_serves_one_answer_after_another() -> None:
    framing = Framing(header_bytes=4096)
    for body in (b"one", b"two", b""):
        reply = blank_reply()
        framing.begin(reply)
        framing.feed(OK + b"Content-Length: %d\r\nX: %b\r\n\r\n" % (len(body), body) + body)
        assert framing.ended
        assert (b"".join(reply.pieces), reply.headers["x"]) == (body, body.decode())


SAMPLES = [data for data, _ in WHOLE.values()] + list(REFUSED.values())


@given(data=st.sampled_from(SAMPLES), cuts=st.lists(st.integers(0, 400), max_size=12))
def test_where_the_network_cuts_changes_nothing(data: bytes, cuts: list[int]) -> None:
    edges = [0, *sorted({cut for cut in cuts if 0 < cut < len(data)}), len(data)]
    pieces = [data[start:end] for start, end in pairwise(edges) if end > start]
    assert seen(*pieces) == seen(data)


@given(
    pieces=st.lists(st.binary(min_size=1, max_size=60), max_size=8),
    start=st.sampled_from([b"", b"HTTP/1.1 ", OK, CHUNKED]),
)
@example(pieces=[b"\xff" * 9], start=OK)
def test_no_bytes_raise_anything_but_a_refusal(pieces: list[bytes], start: bytes) -> None:
    seen(*([start] if start else []), *pieces)


@given(
    case=st.sampled_from(sorted(WHOLE)),
    at=st.integers(0, 200),
    byte=st.integers(0, 255),
)
def test_one_changed_byte_gives_an_answer_or_a_refusal(case: str, at: int, byte: int) -> None:
    data = bytearray(WHOLE[case][0])
    data[at % len(data)] = byte
    seen(bytes(data))
