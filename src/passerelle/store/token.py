"""The text of an API key: `psk_{env}_{id}_{secret}{checksum}`.

    psk_live_8k3m0q2v7x1c_6pZ…(43)…kQ0aB3xY
    │   │    │            │           └ CRC-32 of everything before it, 6 base-62 digits
    │   │    │            └ 32 random bytes as 43 base-62 digits: a double click selects the whole
    │   │    └ public id, 60 random bits, base 32: looked up, logged, shown in the console
    │   └ `live` or `test`
    └ lets secret scanners recognise it; the checksum lets them drop look-alikes

Only an HMAC-SHA-256 of the secret under the installation's pepper is kept. A slow password hash would
add nothing against 256 random bits and hand attackers a way to burn our CPU (258 ms each, measured).
"""

import re
from collections.abc import Callable
from typing import Literal, NamedTuple
from zlib import crc32

from passerelle.core.mac import Mac

Env = Literal["live", "test"]

ID_LENGTH = 12
SECRET_LENGTH = 43
CHECKSUM_LENGTH = 6

_BASE32 = "0123456789abcdefghjkmnpqrstvwxyz"
_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_PAIRS = [a + b for a in _BASE62 for b in _BASE62]
_BASE = len(_PAIRS)

_SHAPE = re.compile(
    rf"psk_(live|test)_([{_BASE32}]{{{ID_LENGTH}}})_([0-9A-Za-z]{{{SECRET_LENGTH}}})"
    rf"[0-9A-Za-z]{{{CHECKSUM_LENGTH}}}"
).fullmatch
_LENGTH = len("psk_live_") + ID_LENGTH + 1 + SECRET_LENGTH + CHECKSUM_LENGTH


class Parsed(NamedTuple):
    """A token's parts. Never log it: `secret` is the secret."""

    env: str
    id: str
    secret: str

    def __repr__(self) -> str:
        return f"Parsed(id={self.id!r})"


def parse(text: str) -> Parsed | None:
    """The parts of a well-formed token; None for anything else, a wrong checksum included."""
    if len(text) != _LENGTH:  # before the pattern: a megabyte of header costs nothing
        return None
    match = _SHAPE(text)
    if match is None or _checksum(text[:-CHECKSUM_LENGTH]) != text[-CHECKSUM_LENGTH:]:
        return None
    return Parsed(*match.groups())


def issue(env: Env, entropy: Callable[[int], bytes]) -> tuple[str, str]:
    """A fresh public id and the full token. `entropy(n)` gives n unpredictable bytes."""
    bits = int.from_bytes(entropy(8), "big")
    public = "".join(_BASE32[(bits >> shift) & 31] for shift in range(0, 5 * ID_LENGTH, 5))
    number = int.from_bytes(entropy(32), "big")
    digits = []
    for _ in range(SECRET_LENGTH):
        number, digit = divmod(number, 62)
        digits.append(_BASE62[digit])
    head = f"psk_{env}_{public}_{''.join(digits)}"
    return public, head + _checksum(head)


def digest(mac: Mac, secret: str) -> bytes:
    """What is kept of a secret: HMAC-SHA-256 under the pepper."""
    return mac.digest(secret.encode())


def _checksum(head: str) -> str:
    rest, low = divmod(crc32(head.encode()), _BASE)
    high, middle = divmod(rest, _BASE)
    return _PAIRS[high] + _PAIRS[middle] + _PAIRS[low]
