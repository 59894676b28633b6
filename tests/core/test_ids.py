"""Identifiers sort by time and never repeat what they should tell apart."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.core.clock import mint
from passerelle.core.ids import random_letters, same, time_letters, unix_ms

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


@given(at_ms=st.integers(0, (1 << 48) - 1), entropy=st.binary(min_size=16, max_size=16))
def test_a_ulid_is_its_time_and_its_entropy_in_base_32(at_ms: int, entropy: bytes) -> None:
    value, digits = at_ms, ""
    for _ in range(10):
        value, digit = divmod(value, 32)
        digits = ALPHABET[digit] + digits
    assert time_letters(at_ms) == digits
    assert random_letters(entropy) == "".join(ALPHABET[byte % 32] for byte in entropy)
    assert unix_ms(f"req_{time_letters(at_ms)}{random_letters(entropy)}") == at_ms


def test_a_forked_child_mints_other_ids() -> None:
    mint("req")
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, mint("req").encode())
        os._exit(0)
    ours = mint("req")
    os.waitpid(child, 0)
    theirs = os.read(reading, 100).decode()
    os.close(reading)
    os.close(writing)
    assert len(theirs) == len(ours)
    assert theirs[14:] != ours[14:]


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
