"""Forms, cut anywhere: the same events; what is not a form is refused, never guessed at."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.codecs.multipart import (
    HEAD_BYTES,
    PARTS,
    Event,
    FormError,
    FormParser,
    PartData,
    PartEnd,
    PartHead,
    boundary_in,
)
from passerelle.core.errors import ProblemError

_BOUNDARY_LETTERS = "0123456789abcXYZ'()+_,-./:=?"
boundaries = st.text(_BOUNDARY_LETTERS, min_size=1, max_size=70).map(str.encode)
contents = st.binary(max_size=200) | st.lists(
    st.sampled_from([b"\r", b"\n", b"-", b"--", b"\r\n", b"\r\n-", b"\r\n--", b"a"]), max_size=40
).map(b"".join)


def form(boundary: bytes, parts: list[tuple[bytes, bytes]]) -> bytes:
    """A form as clients write it."""
    written = b"".join(
        b"--%b\r\nContent-Disposition: form-data; %b\r\n\r\n%b\r\n" % (boundary, said, content)
        for said, content in parts
    )
    return written + b"--" + boundary + b"--\r\n"


def parsed(boundary: bytes, pieces: list[bytes]) -> list[tuple[PartHead, bytes]]:
    """The parts, their pieces joined."""
    parser = FormParser(boundary)
    parts: list[tuple[PartHead, bytes]] = []
    whole = True
    for piece in pieces:
        for event in parser.feed(piece):
            match event:
                case PartHead():
                    assert whole
                    parts.append((event, b""))
                    whole = False
                case PartData(data):
                    assert data, "no empty pieces"
                    assert not whole
                    parts[-1] = (parts[-1][0], parts[-1][1] + data)
                case PartEnd():
                    whole = True
    assert parser.over
    assert whole
    return parts


@given(boundaries, st.lists(contents, max_size=4), st.lists(st.integers(0, 2_000), max_size=12))
def test_a_form_cut_anywhere_gives_what_was_put_in(
    boundary: bytes, values: list[bytes], cuts: list[int]
) -> None:
    values = [value for value in values if b"\r\n--" + boundary not in b"\r\n" + value + b"\r\n--"]
    parts = [(b'name="f%d"' % number, value) for number, value in enumerate(values)]
    written = form(boundary, parts)
    places = sorted({0, len(written), *(cut % (len(written) + 1) for cut in cuts)})
    pieces = [written[a:b] for a, b in pairwise(places)]
    found = parsed(boundary, pieces)
    assert [(head.name, content) for head, content in found] == [
        (f"f{number}", value) for number, value in enumerate(values)
    ]


@given(boundaries, st.binary(max_size=400), st.integers(1, 50))
def test_any_bytes_are_read_or_refused_and_nothing_else_happens(
    boundary: bytes, data: bytes, size: int
) -> None:
    parser = FormParser(boundary)
    try:
        for start in range(0, len(data), size):
            list(parser.feed(data[start : start + size]))
    except FormError:
        return
    assert not parser.over or b"--" + boundary in data


def test_names_of_files_are_read_as_clients_write_them() -> None:
    said = {
        b'name="file"; filename="a.jsonl"': PartHead("file", "a.jsonl"),
        b"name=file; filename=a.jsonl": PartHead("file", "a.jsonl"),
        b'name="file"; filename="say \\"hi\\".txt"': PartHead("file", 'say "hi".txt'),
        b'name="file"; filename="say %22hi%22.txt"': PartHead("file", 'say "hi".txt'),
        b'name="file"; filename="x"; filename*=UTF-8\'\'na%C3%AFve.txt': PartHead("file", "naïve.txt"),
        'name="file"; filename="naïve.txt"'.encode(): PartHead("file", "naïve.txt"),
        b'name="a;b"; filename=""': PartHead("a;b", ""),
        b'name="plain"': PartHead("plain"),
    }
    for disposition, expected in said.items():
        ((head, content),) = parsed(b"b", [form(b"b", [(disposition, b"x")])])
        assert (head, content) == (expected, b"x")


_HEAD = b"--b\r\nContent-Disposition: form-data; "


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"--other\r\n", "does not begin"),
        (b"preamble\r\n--b\r\n", "does not begin"),
        (b"--bX-more", "inside the content"),
        (_HEAD + b"filename=x\r\n\r\n", "no `name`"),
        (b"--b\r\nContent-Type: text/plain\r\n\r\n", "not `form-data`"),
        (b"--b\r\nContent-Disposition: attachment; name=x\r\n\r\n", "not `form-data`"),
        (_HEAD + b"name=x\r\nContent-Disposition: form-data; name=y\r\n\r\n", "two"),
        (_HEAD + b"name=x\r\nno colon\r\n\r\n", "malformed"),
        (_HEAD + b"name=x\r\nContent-Transfer-Encoding: base64\r\n\r\n", "transfer-encoding"),
        (_HEAD + b"name=x; pad=" + b"y" * HEAD_BYTES, "larger"),
        (_HEAD + b"name=x\r\n\r\n\r\n" + (_HEAD + b"name=x\r\n\r\n\r\n") * PARTS, "more than"),
    ],
)
def test_what_is_no_form_is_refused(body: bytes, why: str) -> None:
    with pytest.raises(FormError, match=why):
        list(FormParser(b"b").feed(body))


def test_little_is_held_while_a_large_file_passes() -> None:
    parser = FormParser(b"b")
    list(parser.feed(_HEAD + b'name="file"; filename="x"\r\n\r\n'))
    for _ in range(100):
        events: list[Event] = list(parser.feed(b"\r" * 10_000))
        assert sum(len(event.data) for event in events if isinstance(event, PartData)) >= 9_990
    assert len(parser._held) < 10


@pytest.mark.parametrize(
    ("said", "boundary"),
    [
        (b"multipart/form-data; boundary=abc", b"abc"),
        (b'Multipart/Form-Data; charset=utf-8; Boundary="a b c"', b"a b c"),
        (b"multipart/form-data", None),
        (b"multipart/form-data; boundary=", None),
        (b"multipart/form-data; boundary=" + b"x" * 71, None),
        (b"multipart/mixed; boundary=abc", None),
        (b"application/json", None),
        (b"", None),
    ],
)
def test_the_boundary_is_taken_from_the_content_type(said: bytes, boundary: bytes | None) -> None:
    if boundary is None:
        with pytest.raises(ProblemError, match="multipart/form-data"):
            boundary_in(said.decode())
    else:
        assert boundary_in(said.decode()) == boundary
