"""Where a base URL leads: only to what the operator meant.

Names are not resolved here; the egress client resolves once, refuses private addresses unless the entry
allows them, and pins what it found. This catches what can be seen in the text of the URL.
"""

import ipaddress
import re
from typing import NamedTuple
from urllib.parse import urlsplit


class Objection(NamedTuple):
    """What is wrong with a URL, and what to do."""

    message: str
    next_step: str


_PRIVATE_NAMES = (".localhost", ".local", ".internal", ".lan", ".home", ".intranet", ".svc", ".localdomain")
_METADATA = frozenset({"169.254.169.254", "fd00:ec2::254", "metadata.google.internal", "100.100.100.200"})
"""Cloud metadata services: what a server-side request forgery looks for first (governance §1)."""
_NUMERIC = re.compile(r"(?:0x[0-9a-f]+|[0-9]+)(?:\.(?:0x[0-9a-f]+|[0-9]+))*\.?\Z")


def is_private_host(host: str) -> bool:
    """Whether a host, as written, is this machine or a private network's. Single words are."""
    host = host.casefold().rstrip(".")
    address = _address(host)
    if address is not None:
        return not address.is_global
    return host == "localhost" or "." not in host or host.endswith(_PRIVATE_NAMES)


def is_loopback_host(host: str) -> bool:
    """Whether a host, as written, is this machine alone."""
    address = _address(host)
    return address.is_loopback if address is not None else host.casefold() == "localhost"


def objections(url: str, *, allow_private: bool) -> list[Objection]:
    """Everything wrong with a base URL."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return [Objection("is not a URL", "Write it as `https://host/path`")]
    if parts.scheme not in ("http", "https") or not host:
        return [Objection("is not an http or https URL", "Write it as `https://host/path`")]
    found: list[Objection] = []
    if parts.username is not None or parts.password is not None:
        found.append(
            Objection("holds a user name or password", "Take it out, and name the secret with `credential`")
        )
    if parts.query or parts.fragment:
        found.append(Objection("has a query or a fragment", "End it with the path"))
    if port == 0:
        found.append(Objection("names port 0", "Name the port the provider listens on"))
    if any(ord(c) <= 32 for c in url) or "\\" in url:
        found.append(Objection("holds white space or a backslash", "Take it out"))
    return found + _host_objections(parts.scheme, host.casefold(), allow_private=allow_private)


def _host_objections(scheme: str, host: str, *, allow_private: bool) -> list[Objection]:
    address = _address(host)
    if address is None and _NUMERIC.match(host):
        return [Objection("writes an address in an unusual form", "Write it as four numbers from 0 to 255")]
    if host in _METADATA or (address is not None and str(address) in _METADATA):
        return [
            Objection("leads to a cloud's metadata service", "No provider is there: name the provider's host")
        ]
    if address is not None and (address.is_link_local or address.is_multicast or address.is_unspecified):
        return [Objection("is an address no provider can have", "Name the provider's own host")]
    private = is_private_host(host)
    if private and not allow_private:
        return [
            Objection(
                "leads into a private network",
                "Set `allow_private_network = true` on this provider if that is meant",
            )
        ]
    if scheme == "http" and not private:
        return [Objection("would send prompts and the key in clear over a public network", "Use `https://`")]
    return []


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address
