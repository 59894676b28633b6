"""HMAC-SHA-256 for the hot path.

`hmac.digest` lets go of the interpreter's lock even for forty bytes, and on a busy worker the writer thread
then takes its turn; `hashlib` objects keep it below 2,048 bytes (CPython, `HASHLIB_GIL_MINSIZE`). The
construction is RFC 2104's, with both keyed states made once.
"""

import hashlib

_BLOCK = 64


class Mac:
    """Digests under one key, which it never shows."""

    __slots__ = ("_inner", "_outer")

    def __init__(self, key: bytes) -> None:
        if len(key) > _BLOCK:
            key = hashlib.sha256(key).digest()
        padded = key.ljust(_BLOCK, b"\0")
        self._inner = hashlib.sha256(bytes(b ^ 0x36 for b in padded))
        self._outer = hashlib.sha256(bytes(b ^ 0x5C for b in padded))

    def digest(self, message: bytes) -> bytes:
        """32 bytes: exactly `hmac.digest(key, message, "sha256")`."""
        inner = self._inner.copy()
        inner.update(message)
        outer = self._outer.copy()
        outer.update(inner.digest())
        return outer.digest()
