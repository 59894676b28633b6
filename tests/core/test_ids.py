"""Identifiers sort by time and never repeat what they should tell apart."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.core.clock import mint
from passerelle.core.ids import same, ulid, unix_ms

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


@given(at_ms=st.integers(0, (1 << 48) - 1), entropy=st.binary(min_size=10, max_size=10))
def test_a_ulid_is_its_130_bits_in_base_32(at_ms: int, entropy: bytes) -> None:
    value = (at_ms << 80) | int.from_bytes(entropy, "big")
    digits = ""
    for _ in range(26):
        value, digit = divmod(value, 32)
        digits = ALPHABET[digit] + digits
    assert ulid("req", at_ms=at_ms, entropy=entropy) == f"req_{digits}"
    assert unix_ms(f"req_{digits}") == at_ms


def test_ten_thousand_minted_ids_are_all_different_and_in_order() -> None:
    minted = [mint("req") for _ in range(10_000)]
    assert len(set(minted)) == 10_000
    assert sorted(unix_ms(i) for i in minted) == [unix_ms(i) for i in minted]


def test_kinds_of_one_request_share_its_ulid() -> None:
    receipt = mint("rcp")
    attempt = same("att", receipt, 2)
    assert attempt == f"att_{receipt[4:]}-2"
    assert unix_ms(attempt) == unix_ms(receipt)
    assert same("hld", receipt) == f"hld_{receipt[4:]}"


def test_what_is_not_ours_is_refused() -> None:
    with pytest.raises(ValueError, match="not an identifier"):
        unix_ms("req_short")
