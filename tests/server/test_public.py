"""Links in answers: the operator's address, the caller's own where a key cannot leak by it, or none."""

from typing import Any

import pytest

from passerelle.server.public import own_url
from passerelle.server.route import Arrival


def arrival(host: bytes | None, scheme: str = "http") -> Arrival:
    async def unused(*_: Any) -> Any:
        raise AssertionError

    headers = {} if host is None else {b"host": host}
    return Arrival({"scheme": scheme}, unused, unused, "req", "rcp", b"1", headers)


def test_what_the_operator_says_is_believed() -> None:
    assert own_url(arrival(b"other"), "https://ai.example.org/gw/") == "https://ai.example.org/gw"


@pytest.mark.parametrize(
    ("host", "scheme", "url"),
    [
        (b"ai.example.org", "https", "https://ai.example.org"),
        (b"ai.example.org:8443", "https", "https://ai.example.org:8443"),
        (b"127.0.0.1:8080", "http", "http://127.0.0.1:8080"),
        (b"localhost", "http", "http://localhost"),
        (b"[::1]:8080", "http", "http://[::1]:8080"),
        (b"ai.example.org", "http", ""),  # TLS may have ended before us: the link would send the key in clear
        (b"127.0.0.1.example.org", "http", ""),
        (b"localhost@evil.example", "https", ""),
        (b"evil.example/path", "https", ""),
        (b"a b", "https", ""),
        (b"", "https", ""),
        (None, "https", ""),
    ],
)
def test_a_host_is_repeated_only_where_a_link_cannot_carry_a_key_in_clear(
    host: bytes | None, scheme: str, url: str
) -> None:
    assert own_url(arrival(host, scheme), None) == url
