"""Where connections may go: addresses in every disguise, and names that lead to them."""

import asyncio
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.providers.base import SendError
from passerelle.providers.egress import Destination, EgressRules

STRICT = EgressRules()
LENIENT = EgressRules(allow_private=True)

PUBLIC = [
    "1.1.1.1", "8.8.8.8", "93.184.215.14", "100.63.255.255", "100.128.0.1", "172.15.255.255",
    "172.32.0.1", "192.167.255.255", "192.169.0.1", "169.253.255.255", "223.255.255.255",
    "198.17.255.255", "198.20.0.1", "2606:4700::1111", "2a00:1450:4007::200e", "2001:4860:4860::8888",
    "2600::", "2003::1",
]  # fmt: skip

IN_THE_HOUSE = [
    "127.0.0.1", "127.255.255.254", "10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.255",
    "192.168.0.1", "192.168.255.255", "100.64.0.1", "100.127.255.255", "198.18.0.1", "::1", "fc00::1",
    "fd12:3456::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:7f00:1", "64:ff9b::7f00:1",
    "64:ff9b::10.0.0.1", "64:ff9b:1::10.0.0.1",
]  # fmt: skip
"""Refused, unless the entry allows private networks."""

EMBEDDED_PUBLIC = ["::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "64:ff9b:1::8.8.8.8"]
"""Disguises of public addresses: refused without `allow_private`, judged as what they hide with it."""

NEVER = [
    "0.0.0.0", "0.1.2.3", "169.254.169.254", "169.254.170.2", "169.254.0.1", "168.63.129.16",
    "100.100.100.200", "192.0.0.192", "192.0.0.1", "192.0.2.1", "198.51.100.1", "203.0.113.1",
    "192.88.99.1", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255", "::", "::7f00:1",
    "::127.0.0.1", "::8.8.8.8", "fe80::1", "febf::1", "fec0::1", "ff02::1", "ff0e::1", "2002:7f00:1::",
    "2002:a9fe:a9fe::", "2002:808:808::", "2001:0:53aa:64c::1", "2001:db8::1", "2001:10::1",
    "2001:20::1", "3fff::1", "100::1", "5f00::1", "4000::1", "fd00:ec2::254", "fd20:ce::254",
    "fd00:42::42", "::ffff:169.254.169.254", "::ffff:a9fe:a9fe", "64:ff9b::169.254.169.254",
    "64:ff9b:1::a9fe:a9fe", "::ffff:0.0.0.0", "::ffff:168.63.129.16", "fe80::1%eth0", "::1%lo",
    "2606:4700::1111%eth0",
]  # fmt: skip
"""Refused always: no model is served there."""

NOT_ADDRESSES = [
    "", "localhost", "example.com", "127.1", "127.0.1", "2130706433", "0x7f000001", "0x7f.0.0.1",
    "0177.0.0.1", "017700000001", "127.0.0.1.", "127.0.0.01", "127.0.0.1:80", "[::1]", "127.0.0.1/8",
    " 127.0.0.1", "127.0.0.1\n", "①②⑦.⓪.⓪.①", "127。0。0。1", "::ffff:0x7f.0.0.1", "::1::", "1.2.3.4.5",
    "256.1.1.1", "-1.0.0.1", "१.१.१.१",
]  # fmt: skip


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_pass(address: str) -> None:
    assert STRICT.check_address(address) is None
    assert LENIENT.check_address(address) is None


@pytest.mark.parametrize("address", IN_THE_HOUSE)
def test_private_addresses_pass_only_when_allowed(address: str) -> None:
    assert STRICT.check_address(address)
    assert LENIENT.check_address(address) is None


@pytest.mark.parametrize("address", EMBEDDED_PUBLIC)
def test_disguises_are_refused_or_seen_through(address: str) -> None:
    assert STRICT.check_address(address)
    assert LENIENT.check_address(address) is None


@pytest.mark.parametrize("address", [*NEVER, *NOT_ADDRESSES])
def test_nothing_reaches_metadata_link_local_or_oddly_written_addresses(address: str) -> None:
    assert STRICT.check_address(address)
    assert LENIENT.check_address(address)


def test_the_reason_says_what_the_address_is() -> None:
    assert STRICT.check_address("127.0.0.1") == "loopback"
    assert STRICT.check_address(IPv4Address("169.254.169.254")) == (
        "link-local, where clouds keep their metadata services"
    )
    assert STRICT.check_address(IPv6Address("fd00:ec2::254")) == "the AWS metadata service"


@given(number=st.integers(0, 2**32 - 1))
def test_v4_judgements_agree_with_the_standard_library_on_what_is_not_public(number: int) -> None:
    address = IPv4Address(number)
    if not address.is_global or address.is_multicast:
        assert STRICT.check_address(address)
    if STRICT.check_address(address) is None:
        assert LENIENT.check_address(address) is None


@given(number=st.integers(0, 2**128 - 1) | st.integers(0x2000 << 112, (0x4000 << 112) - 1))
def test_v6_judgements_agree_with_the_standard_library_on_what_is_not_public(number: int) -> None:
    address = IPv6Address(number)
    if not address.is_global or address.is_multicast:
        assert STRICT.check_address(address)
    if STRICT.check_address(address) is None:
        assert LENIENT.check_address(address) is None


@given(inner=st.ip_addresses(v=4))
def test_no_disguise_of_a_v4_address_is_judged_more_kindly_than_itself(inner: IPv4Address) -> None:
    number = int(inner)
    disguises = [
        0xFFFF << 32 | number,  # mapped
        number,  # compatible
        0x64FF9B << 96 | number,  # NAT64
        0x64FF9B0001 << 80 | number,  # local NAT64
        0x2002 << 112 | number << 80,  # 6to4
        0x20010000 << 96 | (number ^ 0xFFFFFFFF),  # Teredo
    ]
    for disguise in disguises:
        address = IPv6Address(disguise)
        assert STRICT.check_address(address)
        if LENIENT.check_address(inner):
            assert LENIENT.check_address(address) or str(address) == "::1"


# Names


class Names:
    """A name server of our own: one answer per question, the last one again."""

    def __init__(self, *answers: Sequence[str] | OSError | UnicodeError) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, int]] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append((host, port))
        await self.gate.wait()
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


def place(names: Names, rules: EgressRules = STRICT, ttl_s: float = 10.0) -> Destination:
    return Destination("models.example.test", 443, rules, resolve=names, ttl_s=ttl_s)


@pytest.mark.parametrize("address", [*IN_THE_HOUSE, *EMBEDDED_PUBLIC, *NEVER, "not-an-address"])
async def test_a_name_that_leads_to_a_refused_address_is_refused(address: str) -> None:
    with pytest.raises(SendError) as caught:
        await place(Names([address])).addresses()
    assert caught.value.failure == "transport"
    assert "allow_private_network" in caught.value.message


async def test_only_the_allowed_addresses_of_a_name_are_used_in_their_order() -> None:
    names = Names(["10.0.0.1", "2606:4700::1111", "169.254.169.254", "1.1.1.1"])
    assert await place(names).addresses() == ["2606:4700::1111", "1.1.1.1"]


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "169.254.169.254", "10.1.2.3"])
async def test_an_address_in_the_url_is_judged_and_never_resolved(host: str) -> None:
    names = Names(["1.1.1.1"])
    with pytest.raises(SendError):
        await Destination(host, 80, STRICT, resolve=names).addresses()
    assert names.asked == []


async def test_the_real_resolver_finds_loopback_behind_its_name_and_the_rules_refuse_it() -> None:
    with pytest.raises(SendError, match="loopback"):
        await Destination("localhost", 80, STRICT).addresses()
    found = await Destination("localhost", 80, LENIENT).addresses()
    assert found
    assert all(ip_address(address).is_loopback for address in found)


async def test_a_second_different_answer_is_judged_again() -> None:
    names = Names(["1.1.1.1"], ["127.0.0.1"])
    destination = place(names, ttl_s=0)
    assert await destination.addresses() == ["1.1.1.1"]
    with pytest.raises(SendError):
        await destination.addresses()


async def test_an_answer_is_kept_for_its_time_and_forgotten_when_it_failed() -> None:
    names = Names(["1.1.1.1"], ["8.8.8.8"])
    destination = place(names)
    assert [await destination.addresses() for _ in range(3)] == [["1.1.1.1"]] * 3
    destination.forget()
    assert await destination.addresses() == ["8.8.8.8"]
    assert len(names.asked) == 2


async def test_many_who_ask_at_once_share_one_lookup_and_survive_the_first_giving_up() -> None:
    names = Names(["1.1.1.1"])
    names.gate.clear()
    destination = place(names)
    tasks = [asyncio.ensure_future(destination.addresses()) for _ in range(5)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    tasks[0].cancel()
    names.gate.set()
    assert await asyncio.gather(*tasks[1:]) == [["1.1.1.1"]] * 4
    assert names.asked == [("models.example.test", 443)]


@pytest.mark.parametrize("error", [OSError(-2, "Name or service not known"), UnicodeError("label too long")])
async def test_a_name_that_does_not_resolve_is_a_transport_failure_and_is_asked_again(
    error: Exception,
) -> None:
    names = Names(error, ["1.1.1.1"])  # type: ignore[arg-type]
    destination = place(names)
    with pytest.raises(SendError, match="does not resolve") as caught:
        await destination.addresses()
    assert caught.value.failure == "transport"
    assert await destination.addresses() == ["1.1.1.1"]


async def test_a_name_without_addresses_is_a_transport_failure() -> None:
    with pytest.raises(SendError, match="has no address"):
        await place(Names([])).addresses()


async def test_closing_ends_a_lookup_and_tells_those_who_wait() -> None:
    names = Names(["1.1.1.1"])
    names.gate.clear()
    destination = place(names)
    waiting = asyncio.ensure_future(destination.addresses())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    destination.close()
    with pytest.raises(SendError) as caught:
        await waiting
    assert caught.value.failure == "transport"
