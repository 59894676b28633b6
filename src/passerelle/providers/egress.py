"""Where we may connect: rules about addresses, and names turned into addresses the rules allow.

    1. Rules judge addresses, never names: a name is resolved once per connection, every address it has
       is judged, and the connection goes to a judged address (so a second, different answer from DNS
       has nobody to mislead).
    2. Without `allow_private`, only globally reachable unicast addresses pass.
    3. With it (local engines, servers in the house), loopback, private and shared ranges pass too.
    4. Cloud metadata services, link-local, multicast, reserved and tunnelling forms never pass: no model
       is served there, and credentials are.
    5. An IPv4 address written inside an IPv6 one is refused, or, with `allow_private`, judged as what
       it is.

Ranges: IANA "IPv4 Special-Purpose Address Registry" and "IPv6 Special-Purpose Address Registry"
(iana.org/assignments/iana-ipv4-special-registry, …/iana-ipv6-special-registry, read 2026-11-22). They are
written out here because `ipaddress.is_global` has changed its mind between Python patch releases.

Environment proxies are never read: a proxy would resolve the name a second time, out of sight.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
)

import msgspec

from passerelle.providers.base import SendError

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""A name and port into textual addresses, in the order to try them. Raises `OSError`."""

_METADATA_V4 = {
    # learn.microsoft.com "What is IP address 168.63.129.16?": Azure's host agent, in a public range
    IPv4Address("168.63.129.16"): "the Azure host agent",
    # alibabacloud.com "Instance metadata": inside the shared range
    IPv4Address("100.100.100.200"): "the Alibaba Cloud metadata service",
}
_METADATA_V6 = {
    IPv6Address("fd00:ec2::254"): "the AWS metadata service",  # docs.aws.amazon.com "Use IMDS", IPv6 endpoint
    IPv6Address("fd20:ce::254"): "the Google Cloud metadata service",  # cloud.google.com "About VM metadata"
    IPv6Address("fd00:42::42"): "the Scaleway metadata service",
}

_NEVER_V4 = (
    (IPv4Network("0.0.0.0/8"), "an unspecified address"),
    (IPv4Network("169.254.0.0/16"), "link-local, where clouds keep their metadata services"),
    (IPv4Network("192.0.0.0/24"), "reserved for protocol assignments"),
    (IPv4Network("192.0.2.0/24"), "a documentation address"),
    (IPv4Network("198.51.100.0/24"), "a documentation address"),
    (IPv4Network("203.0.113.0/24"), "a documentation address"),
    (IPv4Network("192.88.99.0/24"), "a 6to4 relay"),
    (IPv4Network("224.0.0.0/4"), "multicast"),
    (IPv4Network("240.0.0.0/4"), "reserved or broadcast"),
)
_PRIVATE_V4 = (
    (IPv4Network("127.0.0.0/8"), "loopback"),
    (IPv4Network("10.0.0.0/8"), "private"),
    (IPv4Network("172.16.0.0/12"), "private"),
    (IPv4Network("192.168.0.0/16"), "private"),
    (IPv4Network("100.64.0.0/10"), "shared address space (carrier NAT, overlay networks)"),
    (IPv4Network("198.18.0.0/15"), "a benchmarking range"),
)
_PRIVATE_V6 = (
    (IPv6Network("::1/128"), "loopback"),
    (IPv6Network("fc00::/7"), "private (unique local)"),
)
_NEVER_V6 = (
    (IPv6Network("::/128"), "an unspecified address"),
    (IPv6Network("::/96"), "an IPv4-compatible form, long withdrawn"),
    (IPv6Network("fe80::/10"), "link-local"),
    (IPv6Network("fec0::/10"), "site-local, long withdrawn"),
    (IPv6Network("ff00::/8"), "multicast"),
    (IPv6Network("2002::/16"), "6to4, which hides an IPv4 address"),
    (IPv6Network("2001::/32"), "Teredo, which hides an IPv4 address"),
    (IPv6Network("2001::/23"), "reserved for protocol assignments"),
    (IPv6Network("2001:db8::/32"), "a documentation address"),
    (IPv6Network("3fff::/20"), "a documentation address"),
)
_EMBEDDING_V6 = (
    (IPv6Network("::ffff:0:0/96"), "an IPv4-mapped form"),
    (IPv6Network("64:ff9b::/96"), "a NAT64 form"),
    (IPv6Network("64:ff9b:1::/48"), "a local NAT64 form"),
)
_GLOBAL_V6 = IPv6Network("2000::/3")


class EgressRules(msgspec.Struct, frozen=True):
    """Which addresses one provider entry may be reached at."""

    allow_private: bool = False
    """The entry says `allow_private_network = true`: loopback, private and shared ranges pass."""

    def check_address(self, address: str | IPv4Address | IPv6Address) -> str | None:
        """Why `address` may not be connected to, or None when it may. Never raises.

        A text that is not an address in its one canonical notation is refused: `127.1`, `0x7f000001`
        and `2130706433` all mean loopback to a C library.
        """
        if isinstance(address, str):
            try:
                address = ip_address(address)
            except ValueError:
                return "not an IP address"
        if isinstance(address, IPv4Address):
            return self._check_v4(address)
        return self._check_v6(address)

    def _check_v4(self, address: IPv4Address) -> str | None:
        if (service := _METADATA_V4.get(address)) is not None:
            return service
        for network, reason in _NEVER_V4:
            if address in network:
                return reason
        if not self.allow_private:
            for network, reason in _PRIVATE_V4:
                if address in network:
                    return reason
        return None

    def _check_v6(self, address: IPv6Address) -> str | None:
        if address.scope_id is not None:
            return "bound to one interface"
        if (service := _METADATA_V6.get(address)) is not None:
            return service
        for network, reason in _PRIVATE_V6:
            if address in network:
                return None if self.allow_private else reason
        for network, reason in _EMBEDDING_V6:
            if address in network:
                return (
                    self._check_v4(IPv4Address(int(address) & 0xFFFFFFFF)) if self.allow_private else reason
                )
        for network, reason in _NEVER_V6:
            if address in network:
                return reason
        return None if address in _GLOBAL_V6 else "not a globally reachable address"


async def system_resolve(host: str, port: int) -> list[str]:
    """The operating system's answer (`getaddrinfo` in a thread), each address once, in its order."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=1)  # SOCK_STREAM
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class Destination:
    """One host, and the addresses of it we may connect to just now.

    A lookup is kept for `ttl_s` seconds and shared by everybody who waits for it. The rules judge every
    answer, kept or fresh.
    """

    def __init__(
        self, host: str, port: int, rules: EgressRules, *, resolve: Resolve | None = None, ttl_s: float = 10.0
    ) -> None:
        self.host = host
        self.port = port
        self._rules = rules
        self._resolve = resolve or system_resolve
        self._ttl_s = ttl_s
        self._known: Sequence[str] = ()
        self._known_until = float("-inf")
        self._lookup: asyncio.Task[Sequence[str]] | None = None
        self._closed = False
        try:
            self._literal: str | None = str(ip_address(host))
        except ValueError:
            self._literal = None

    async def addresses(self) -> list[str]:
        """Allowed addresses in the order to try them, at least one.

        Raises `SendError("transport")` when the name does not resolve or no address of it is allowed.
        """
        found: Sequence[str] = (self._literal,) if self._literal else await self._find()
        reasons: dict[str, str] = {}
        allowed: list[str] = []
        for address in found:
            reason = self._rules.check_address(address)
            if reason is None:
                allowed.append(address)
            else:
                reasons[address] = reason
        if allowed:
            return allowed
        if not reasons:
            raise SendError("transport", f"`{self.host}` has no address; check the provider's base URL")
        said = ", ".join(f"{address} ({reason})" for address, reason in list(reasons.items())[:4])
        raise SendError(
            "transport",
            f"connections to `{self.host}` are refused: {said}; if this server is yours and stands in a "
            "private network, set `allow_private_network = true` on its provider entry",
        )

    def forget(self) -> None:
        """The addresses did not answer: ask again next time."""
        self._known_until = float("-inf")

    def close(self) -> None:
        """Stop a lookup under way; those who wait for it get a `SendError`."""
        self._closed = True
        if self._lookup is not None:
            self._lookup.cancel()

    async def _find(self) -> Sequence[str]:
        if asyncio.get_running_loop().time() < self._known_until:
            return self._known
        if (lookup := self._lookup) is None:
            lookup = self._lookup = asyncio.create_task(self._look_up())
        try:
            # Shielded: the first to ask may give up, the others still wait for the same answer.
            return await asyncio.shield(lookup)
        except asyncio.CancelledError:
            if self._closed and lookup.cancelled():
                raise SendError("transport", f"the client of `{self.host}` was closed") from None
            raise
        except (OSError, UnicodeError) as error:
            why = getattr(error, "strerror", None) or type(error).__name__
            raise SendError(
                "transport",
                f"`{self.host}` does not resolve ({why}); check the base URL and this machine's DNS",
            ) from error

    async def _look_up(self) -> Sequence[str]:
        try:
            self._known = await self._resolve(self.host, self.port)
            self._known_until = asyncio.get_running_loop().time() + self._ttl_s
            return self._known
        finally:
            self._lookup = None
