"""Identifiers: a prefix that says what the thing is, then a ULID.

`req_` a request as its caller sees it · `rcp_` a receipt · `att_` an attempt · `hld_` a budget hold ·
`org_` `wsp_` `prj_` `key_` the tenancy tree · `bud_` a budget · `aud_` an audit record ·
`file-` a kept file · `batch_` `msgbatch_` a batch (as their SDKs' users know them).

ULID layout (github.com/ulid/spec, read 2026-11-22): 48 bits of Unix milliseconds, 80 bits of
randomness, Crockford base 32, 26 characters. Sorting the text sorts by time.
"""

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS = [a + b for a in _ALPHABET for b in _ALPHABET]  # ten bits at a time: half the look-ups
_LETTERS = bytes(ord(_ALPHABET[byte & 31]) for byte in range(256))

RANDOM_BYTES = 16
"""Entropy of a ULID: five bits of each byte make one of its letters."""


def time_letters(at_ms: int) -> str:
    """A ULID's first ten letters, for Unix milliseconds."""
    p, t = _PAIRS, at_ms
    return f"{p[t >> 40 & 1023]}{p[t >> 30 & 1023]}{p[t >> 20 & 1023]}{p[t >> 10 & 1023]}{p[t & 1023]}"


def random_letters(entropy: bytes) -> str:
    """One letter of a ULID's other sixteen for each random byte."""
    return entropy.translate(_LETTERS).decode("ascii")


def same(prefix: str, identifier: str, number: int | None = None) -> str:
    """An id of another kind with the same ULID, and a number where there are several: `att_01K…-2`.

    A request, its receipt, its attempts and its hold share one ULID, so each leads to the others.
    """
    ulid_part = identifier[identifier.find("_") :]
    return f"{prefix}{ulid_part}" if number is None else f"{prefix}{ulid_part}-{number}"


def unix_ms(identifier: str) -> int:
    """The millisecond at which `identifier` was minted. Raises `ValueError` if it is not one of ours."""
    text = identifier.rpartition("_")[2].partition("-")[0]
    if len(text) != 26:
        raise ValueError(f"`{identifier}` is not an identifier of ours")
    value = 0
    for character in text[:10]:
        value = value * 32 + _ALPHABET.index(character)
    return value


def plausible(text: str) -> bool:
    """Whether `text` can be anybody's id: short and printable ASCII, so that any database may be asked."""
    return 0 < len(text) <= 128 and text.isascii() and text.isprintable()
