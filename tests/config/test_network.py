"""Base URLs: only to what the operator meant."""

import pytest

from passerelle.config.network import is_loopback_host, is_private_host, objections


@pytest.mark.parametrize(
    "url",
    [
        "https://api.openai.com/v1",
        "https://eu.api.example:8443/x",
        "https://[2606:4700::1]/v1",
        "https://1.1.1.1",
    ],
)
def test_public_https_is_fine(url: str) -> None:
    assert objections(url, allow_private=False) == []


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:8000/v1", "http://127.0.0.1/v1", "https://10.1.2.3/v1", "http://192.168.0.1", "http://vllm:8000",
        "http://vllm.internal", "https://[::1]/v1", "https://[fd12::1]/v1", "http://[::ffff:10.0.0.1]/", "http://172.20.0.1",
    ],
)  # fmt: skip
def test_private_addresses_need_to_be_allowed(url: str) -> None:
    refused = objections(url, allow_private=False)
    assert refused
    assert "allow_private_network" in refused[0].next_step
    assert objections(url, allow_private=True) == []


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest", "http://[fd00:ec2::254]/", "http://metadata.google.internal/v1",
        "http://169.254.1.1/", "http://0.0.0.0/", "http://[::]/", "http://224.0.0.1/", "http://2130706433/v1",
        "http://0x7f.0.0.1/", "http://0177.0.0.1/", "http://127.1/", "http://[::ffff:169.254.169.254]/",
        "http://100.100.100.200/",
    ],
)  # fmt: skip
def test_metadata_services_and_disguised_addresses_are_never_allowed(
    url: str,
) -> None:
    assert objections(url, allow_private=True)


@pytest.mark.parametrize(
    "url",
    [
        "http://api.example.com/v1", "ftp://api.example.com", "api.example.com/v1", "https://", "https://user:pw@x.com",
        "https://key@x.com", "https://x.com/v1?key=1", "https://x.com/#a", "https://x.com:0/v1", "https://x.com:99999/",
        "https://x.com/a b", "https://x.com\\@evil.com/", "https://[::1", "",
    ],
)  # fmt: skip
def test_what_is_unsafe_or_no_url_is_refused_with_a_next_step(url: str) -> None:
    found = objections(url, allow_private=True)
    assert found
    assert all(objection.message and objection.next_step for objection in found)


def test_loopback_is_this_machine_alone() -> None:
    assert all(is_loopback_host(host) for host in ("127.0.0.1", "::1", "LOCALHOST"))
    assert not any(is_loopback_host(host) for host in ("0.0.0.0", "10.0.0.1", "host"))
    assert is_private_host("Server.LAN.")
    assert not is_private_host("example.com")
