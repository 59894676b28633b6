"""Base URLs, taken apart once when a provider entry is read."""

import re
from ipaddress import IPv4Address, IPv6Address
from typing import Literal
from urllib.parse import SplitResult, urlsplit

import msgspec

_HOST = re.compile(r"[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)*\Z")
_NUMERIC = re.compile(r"(?:[0-9]+|0x[0-9a-f]*)\Z")
_PATH = re.compile(r"(?:/(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})*)*\Z")


class Origin(msgspec.Struct, frozen=True):
    """A server: scheme, host and port."""

    scheme: Literal["http", "https"]
    host: str
    """Lower-case ASCII name (international ones in their `xn--` form) or an IP address without brackets."""
    port: int

    @property
    def authority(self) -> str:
        """What the `Host` header says: the port only when it is not the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.scheme == "https" else 80) else f"{host}:{self.port}"

    def __str__(self) -> str:
        """`scheme://authority`, for messages."""
        return f"{self.scheme}://{self.authority}"


def parse_origin(url: str) -> tuple[Origin, str]:
    """The origin of a base URL, and its path without a final slash (`""` when it has none).

    Raises `ValueError` with words for the operator. Refused: other schemes, credentials, queries and
    fragments, host names that a C library would read as numbers (`127.1`, `0x7f000001`), and paths that
    need escaping or climb (`..`).
    """
    if not url.isprintable() or " " in url:  # `urlsplit` would silently drop line ends
        raise _wrong(url, "holds a space or a control character; check it for a stray line end")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise _wrong(url, f"is not a URL ({error})") from None
    if parts.scheme not in ("http", "https"):
        raise _wrong(url, "must begin with `https://` (or `http://` inside your own network)")
    if parts.username is not None or parts.password is not None:
        raise ValueError(
            f"the base URL of `{parts.hostname}` carries a user name or password; "
            "put the credential in the provider's key setting instead"
        )
    if "?" in url or "#" in url:
        raise _wrong(url, "has a query or fragment; give the base only")
    if port == 0:
        raise _wrong(url, "has port 0; give a real port")
    path = parts.path.rstrip("/")
    if not _PATH.match(path) or any(_climbs(segment) for segment in path.split("/")):
        raise _wrong(url, "has a path with characters to escape or with `.` segments; write the path plainly")
    scheme: Literal["http", "https"] = "https" if parts.scheme == "https" else "http"
    default = 443 if scheme == "https" else 80
    return Origin(scheme, _host(url, parts), default if port is None else port), path


def _climbs(segment: str) -> bool:
    return segment.lower().replace("%2e", ".") in (".", "..")


def _host(url: str, parts: SplitResult) -> str:
    host = parts.hostname
    if not host:
        raise _wrong(url, "names no host; write it as `https://host/path`")
    if parts.netloc.rpartition("@")[2].startswith("["):
        try:
            address = IPv6Address(host)
        except ValueError:
            raise _wrong(url, "has brackets around something that is not an IPv6 address") from None
        if address.scope_id is not None:
            raise _wrong(
                url, "has an interface name in its IPv6 address, which is not supported; leave it out"
            )
        return str(address)
    if not host.isascii():
        try:
            host = host.encode("idna").decode("ascii")
        except UnicodeError:
            raise _wrong(url, "has a host name that DNS cannot carry; write its `xn--` form") from None
    host = host.removesuffix(".")
    if len(host) > 253 or not _HOST.match(host) or any(len(label) > 63 for label in host.split(".")):
        raise _wrong(url, "has a host that is not a DNS name or an IP address; check it for typing errors")
    if _NUMERIC.match(host.rpartition(".")[2]):
        # WHATWG URL "ends in a number": such a host is an IPv4 address or nothing.
        try:
            return str(IPv4Address(host))
        except ValueError:
            raise _wrong(
                url, "has a host made of numbers that is not a plain IPv4 address; write four decimal numbers"
            ) from None
    return host


def _wrong(url: str, what: str) -> ValueError:
    shown = "".join(c if c.isprintable() else "?" for c in url[:200].rpartition("@")[2])
    return ValueError(f"base URL `{shown}` {what}")
