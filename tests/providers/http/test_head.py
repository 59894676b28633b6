"""A request's head is one head, whatever its parts hold."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.providers.base import SendError
from passerelle.providers.http.head import METHODS, HeadWriter
from passerelle.providers.http.origin import Origin

ORIGIN = Origin("https", "a.test", 8443)


def refused(
    failure: str, *, method: str = "POST", path: str = "/x", name: bytes = b"x", value: bytes = b"y"
) -> str:
    with pytest.raises(SendError) as caught:
        HeadWriter(ORIGIN).write(method, path, [(b"a", b"b"), (name, value)], 1)
    assert (caught.value.failure, caught.value.sent) == (failure, False)
    return caught.value.message


def test_a_head_as_it_goes_out() -> None:
    writer = HeadWriter(ORIGIN)
    for _ in range(2):
        assert writer.write("POST", "/v1/x?a=1", [(b"X-Key", b"k"), (b"x-two", b"\xe9")], 12) == (
            b"POST /v1/x?a=1 HTTP/1.1\r\nHost: a.test:8443\r\nAccept-Encoding: identity\r\n"
            b"X-Key: k\r\nx-two: \xe9\r\nContent-Length: 12\r\n\r\n"
        )
    assert writer.write("GET", "/", [], 0).endswith(b"Accept-Encoding: identity\r\n\r\n")
    assert b"Content-Length: 0\r\n" in writer.write("POST", "/", [], 0)


@pytest.mark.parametrize("bad", [b"\r", b"\n", b"\r\n", b"\r\nX: y", b"\0", b"a\nb", b"\n "])
def test_a_line_end_or_nul_in_a_value_is_refused_without_saying_the_value(bad: bytes) -> None:
    message = refused("auth", name=b"authorization", value=b"Bearer secret" + bad)
    assert "`authorization`" in message
    assert "secret" not in message


@pytest.mark.parametrize("name", [b"", b"a b", b"a:", b"a\r\nb", b"a\nb", b"a\0", b"\xe9", b"a\n"])
def test_what_is_no_header_name_is_refused(name: bytes) -> None:
    assert "not a header name" in refused("invalid_request", name=name)


@pytest.mark.parametrize(
    "name",
    [b"Host", b"content-length", b"Transfer-Encoding", b"CONNECTION", b"accept-encoding", b"Upgrade", b"TE"],
)
def test_headers_of_the_exchange_are_the_clients_own(name: bytes) -> None:
    assert "leave it out" in refused("invalid_request", name=name)


@pytest.mark.parametrize(
    "path", ["", "x", "http://evil.test/", "/a b", "/a\r\nX: y", "/a\n", "/é", "/a#b", "/a\0", "/a\t", "*"]
)
def test_a_path_that_is_not_plain_is_refused(path: str) -> None:
    assert "request path" in refused("not_found", path=path)


@pytest.mark.parametrize("method", ["HEAD", "CONNECT", "TRACE", "post", "GET /x", "", "POST\r\n"])
def test_methods_are_those_we_know_how_to_read_the_answers_of(method: str) -> None:
    assert "is not supported" in refused("invalid_request", method=method)


@given(
    method=st.sampled_from(sorted(METHODS)),
    path=st.text(max_size=12).map(lambda text: "/" + text),
    headers=st.lists(st.tuples(st.binary(max_size=8), st.binary(max_size=12)), max_size=4),
    body_bytes=st.integers(0, 10**9),
)
def test_a_head_has_exactly_the_lines_asked_for(
    method: str, path: str, headers: list[tuple[bytes, bytes]], body_bytes: int
) -> None:
    try:
        head = HeadWriter(ORIGIN).write(method, path, headers, body_bytes)
    except SendError as error:
        assert not error.sent  # noqa: PT017 - both outcomes are right
        return
    lines = head.split(b"\r\n")
    assert lines[-2:] == [b"", b""]
    assert lines[0].split(b" ") == [method.encode(), path.encode(), b"HTTP/1.1"]
    assert lines[3 : 3 + len(headers)] == [name + b": " + value for name, value in headers]
    assert len(lines) == 3 + len(headers) + (1 if body_bytes or method != "GET" else 0) + 2
    assert head.count(b"\n") == len(lines) - 1


def test_memory_of_paths_and_names_is_bounded() -> None:
    writer = HeadWriter(ORIGIN)
    for number in range(1000):
        writer.write("GET", f"/{number}", [(b"x-%d" % number, b"y")], 0)
    assert len(writer._starts) <= 256
    assert len(writer._names) <= 256
