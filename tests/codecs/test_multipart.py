"""Forms: written and read again, fed in any pieces, and refused when they are none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.codecs.multipart import (
    FormParser,
    PartData,
    PartEnd,
    PartHead,
    Upload,
    boundary_in,
    read_form,
    write_form,
)
from passerelle.core.errors import ProblemError

NAMES = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=20).filter(
    lambda name: "%" not in name and "\\" not in name
)
FIELDS = st.lists(
    st.tuples(NAMES, st.text(st.characters(exclude_categories=("Cs",)), max_size=60)), max_size=4
)
UPLOADS = st.lists(
    st.builds(
        Upload,
        st.builds(PartHead, NAMES, NAMES, st.sampled_from(("image/png", "audio/mpeg"))),
        st.binary(max_size=200) | st.just(b"\r\n--x\r\n") | st.just(b"\r\n--x--"),
    ),
    max_size=3,
)


@given(FIELDS, UPLOADS)
def test_a_form_is_read_as_it_was_written(fields: list[tuple[str, str]], uploads: list[Upload]) -> None:
    body, content_type = write_form(fields, uploads)
    form = read_form(body, content_type)
    assert form.fields == tuple(fields)
    assert form.uploads == tuple(uploads)


@given(FIELDS, UPLOADS, st.data())
def test_pieces_of_any_size_give_the_same_parts(
    fields: list[tuple[str, str]], uploads: list[Upload], data: st.DataObject
) -> None:
    body, content_type = write_form(fields, uploads)
    parser = FormParser(boundary_in(content_type))
    found: list[tuple[str, bytes]] = []
    name, content = "", b""
    at = 0
    while at < len(body):
        size = data.draw(st.integers(1, 40))
        for event in parser.feed(body[at : at + size]):
            match event:
                case PartHead(name=said):
                    name, content = said, b""
                case PartData(piece):
                    content += piece
                case PartEnd():
                    found.append((name, content))
        at += size
    assert parser.over
    assert found == [(name, value.encode()) for name, value in fields] + [
        (upload.head.name, upload.data) for upload in uploads
    ]


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "application/json",
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "text/plain; boundary=x",
    ],
)
def test_a_form_without_a_boundary_is_refused(content_type: str) -> None:
    with pytest.raises(ProblemError) as refused:
        read_form(b"", content_type)
    assert refused.value.problem.param == "content-type"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"--x\r\n",
        b'--x\r\ncontent-disposition: form-data; name="a"\r\n\r\nvalue',
        b'--y\r\ncontent-disposition: form-data; name="a"\r\n\r\nvalue\r\n--y--\r\n',
        b"--x\r\ncontent-disposition: form-data\r\n\r\nvalue\r\n--x--\r\n",
        b'--x\r\ncontent-disposition: form-data; name="a"\r\n\r\n\xff\r\n--x--\r\n',
        b'--x\r\ncontent-disposition: form-data; name="a"\r\n\r\n' + b"v" * 70_000 + b"\r\n--x--\r\n",
        b"--x\r\nx: " + b"h" * 9_000,
    ],
)
def test_a_form_that_is_none_is_refused(body: bytes) -> None:
    with pytest.raises(ProblemError) as refused:
        read_form(body, "multipart/form-data; boundary=x")
    assert refused.value.problem.kind == "invalid_request"
