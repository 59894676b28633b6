"""Base URLs are read once, plainly, and mistakes in them are explained."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.providers.http import Origin, parse_origin


@pytest.mark.parametrize(
    ("url", "origin", "path", "authority"),
    [
        ("https://api.openai.com/v1", ("https", "api.openai.com", 443), "/v1", "api.openai.com"),
        ("https://api.anthropic.com", ("https", "api.anthropic.com", 443), "", "api.anthropic.com"),
        ("https://API.Example.COM:443/", ("https", "api.example.com", 443), "", "api.example.com"),
        ("http://localhost:11434/v1/", ("http", "localhost", 11434), "/v1", "localhost:11434"),
        ("http://127.0.0.1:8000", ("http", "127.0.0.1", 8000), "", "127.0.0.1:8000"),
        ("http://[::1]:8000/a/b", ("http", "::1", 8000), "/a/b", "[::1]:8000"),
        ("http://[FD00:0:0::1]", ("http", "fd00::1", 80), "", "[fd00::1]"),
        ("https://exämple.test/v1", ("https", "xn--exmple-cua.test", 443), "/v1", "xn--exmple-cua.test"),
        ("https://my_vm.internal.", ("https", "my_vm.internal", 443), "", "my_vm.internal"),
        ("https://h.test/d/gpt-4%2E1", ("https", "h.test", 443), "/d/gpt-4%2E1", "h.test"),
        ("https://a1.test/v1//", ("https", "a1.test", 443), "/v1", "a1.test"),
    ],
)  # fmt: skip
def test_a_base_url_is_taken_apart(url: str, origin: tuple[str, str, int], path: str, authority: str) -> None:
    parsed, rest = parse_origin(url)
    assert (parsed.scheme, parsed.host, parsed.port, rest) == (*origin, path)
    assert parsed.authority == authority
    assert str(parsed) == f"{origin[0]}://{authority}"


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("", "must begin with"),
        ("api.openai.com/v1", "must begin with"),
        ("ftp://a.test", "must begin with"),
        ("file:///etc/passwd", "must begin with"),
        ("unix:///run/x.sock", "must begin with"),
        ("https://", "names no host"),
        ("https:///v1", "names no host"),
        ("https://user:hunter2@a.test", "carries a user name or password"),
        ("https://user@a.test", "carries a user name or password"),
        ("https://a.test@127.0.0.1/", "carries a user name or password"),
        ("https://a.test/v1?key=1", "query or fragment"),
        ("https://a.test/v1#x", "query or fragment"),
        ("https://a.test#@127.0.0.1/", "query or fragment"),
        ("https://a.test?", "query or fragment"),
        ("https://a.test/v1\n", "space or a control"),
        ("https://a.te\nst/v1", "space or a control"),
        (" https://a.test", "space or a control"),
        ("https://a.test/a b", "space or a control"),
        ("https://a.test:0", "port 0"),
        ("https://a.test:99999", "is not a URL"),
        ("https://a.test:x", "is not a URL"),
        ("https://[::1", "is not a URL"),
        ("https://[fe80::1%25eth0]/", "IPv6"),
        ("https://a..test", "not a DNS name"),
        ("https://-a.test", "not a DNS name"),
        ("https://a.test\\@b.test", "carries a user name"),
        ("https://a%2etest", "not a DNS name"),
        (f"https://{'a' * 64}.test", "not a DNS name"),
        ("https://a.test/../x", "`.` segments"),
        ("https://a.test/%2e%2e/x", "`.` segments"),
        ("https://a.test/é", "to escape"),
        ("https://a.test/a%zz", "to escape"),
        ("https://a.test/a\\b", "to escape"),
    ],
)
def test_a_mistaken_base_url_is_explained(url: str, words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        parse_origin(url)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "host",
    ["2130706433", "0x7f000001", "0x7f.1", "127.1", "0177.0.0.1", "017700000001", "127.0.0.1.1",
     "127.0.0.0x1", "1", "0", "0x", "a.0x7f", "a.1", "256.0.0.1", "127.0.0.01", "1.2.3"],
)  # fmt: skip
def test_a_host_that_a_c_library_would_read_as_a_number_is_refused(host: str) -> None:
    with pytest.raises(ValueError, match="made of numbers"):
        parse_origin(f"http://{host}:8000/v1")


@pytest.mark.parametrize("host", ["１２７.0.0.1", "127。0。0。1", "①②⑦.0.0.1"])
def test_other_scripts_for_digits_and_dots_come_out_as_what_they_mean(host: str) -> None:
    assert parse_origin(f"http://{host}")[0].host == "127.0.0.1"


@given(st.text(max_size=40) | st.text(max_size=30).map(lambda text: "https://" + text))
def test_any_text_gives_an_origin_or_a_value_error(url: str) -> None:
    try:
        origin, path = parse_origin(url)
    except ValueError as error:
        assert "URL" in str(error)  # noqa: PT017 - both outcomes are right
        return
    assert origin.host == origin.host.lower()
    assert origin.authority.isascii()
    assert path.isascii()
    assert not path.endswith("/")
    again = parse_origin(f"{origin}{path}")
    assert again == (Origin(origin.scheme, origin.host, origin.port), path)
