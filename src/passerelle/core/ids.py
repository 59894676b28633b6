"""Identifiers: a prefix that says what the thing is, then a ULID.

`req_` a request as its caller sees it · `rcp_` a receipt · `att_` an attempt · `hld_` a budget hold ·
`org_` `wsp_` `prj_` `key_` the tenancy tree · `bud_` a budget · `aud_` an audit record.

ULID layout (github.com/ulid/spec, read 2026-11-22): 48 bits of Unix milliseconds, 80 bits of
randomness, Crockford base 32, 26 characters. Sorting the text sorts by time.
"""

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS = [a + b for a in _ALPHABET for b in _ALPHABET]  # ten bits at a time: 13 look-ups, not 26


def ulid(prefix: str, *, at_ms: int, entropy: bytes) -> str:
    """`{prefix}_{ULID}` for `at_ms` (Unix milliseconds) and ten random bytes."""
    if len(entropy) != 10:
        raise ValueError(f"a ULID takes 10 bytes of entropy, not {len(entropy)}")
    value = (at_ms << 80) | int.from_bytes(entropy, "big")
    return prefix + "_" + "".join([_PAIRS[(value >> shift) & 1023] for shift in range(120, -1, -10)])


def unix_ms(identifier: str) -> int:
    """The millisecond at which `identifier` was minted. Raises `ValueError` if it is not one of ours."""
    _, _, text = identifier.rpartition("_")
    if len(text) != 26:
        raise ValueError(f"`{identifier}` is not an identifier of ours")
    value = 0
    for character in text[:10]:
        value = value * 32 + _ALPHABET.index(character)
    return value
