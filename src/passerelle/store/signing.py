"""The installation's Ed25519 key: signs receipt batches, and verifies them.

`keys/receipts.pem` (mode 0600) is made at the first start; `keys/receipts.pub.pem` beside it is what an
auditor needs. Replicas that share no disk each have a key of their own: a receipt names its signer, and
`signing_key` in the database lists every public key that ever signed.
"""

import os
from base64 import b64decode
from pathlib import Path
from typing import TYPE_CHECKING

from passerelle.ledger import receipts
from passerelle.store.files import create_once, private_directory, replace

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

PRIVATE_NAME = "receipts.pem"
PUBLIC_NAME = "receipts.pub.pem"
PEPPER_NAME = "pepper"
_BEGIN, _END = b"-----BEGIN PRIVATE KEY-----\n", b"-----END PRIVATE KEY-----\n"
_PKCS8_HEAD = bytes.fromhex("302e020100300506032b657004220420")
"""Before the 32 bytes of an Ed25519 key in PKCS #8 (RFC 8410 §7 and §10.3, read 2026-11-22)."""


def load_pepper(data_dir: Path) -> bytes:
    """The 32 secret bytes under which key secrets are kept, made at the first start.

    Replicas on one database must share this file: without it no key can be recognised.
    """
    return create_once(private_directory(data_dir / "keys") / PEPPER_NAME, lambda: os.urandom(32))


class Signer:
    """Signs with the installation's private key, which never leaves this object."""

    def __init__(self, private: "Ed25519PrivateKey") -> None:
        self._private = private
        self.sign = private.sign
        self.public_key: bytes = private.public_key().public_bytes_raw()
        self.key_id: str = receipts.key_id(self.public_key)

    @classmethod
    def load(cls, data_dir: Path) -> "Signer":
        """The key under `data_dir`, made when there is none. Imports `cryptography` (40 ms), so late."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        def fresh() -> bytes:
            from cryptography.hazmat.primitives import serialization

            return Ed25519PrivateKey.generate().private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )

        directory = private_directory(data_dir / "keys")
        pem = create_once(directory / PRIVATE_NAME, fresh)
        secret = _secret_in(pem)
        private = Ed25519PrivateKey.from_private_bytes(secret) if secret is not None else _read_pem(pem)
        if not isinstance(private, Ed25519PrivateKey):
            raise TypeError(f"`{directory / PRIVATE_NAME}` is not an Ed25519 key; restore it from a backup")
        public = directory / PUBLIC_NAME
        if not public.exists():
            from cryptography.hazmat.primitives import serialization

            pem = private.public_key().public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            )
            replace(public, pem, mode=0o644)
        return cls(private)


def _secret_in(pem: bytes) -> bytes | None:
    """The key in a file as we write it; None for any other form, which `_read_pem` may know.

    `cryptography`'s own reader brings every kind of key with it: 1.4 MiB that no worker needs.
    """
    if not (pem.startswith(_BEGIN) and pem.endswith(_END)):
        return None
    try:
        der = b64decode(pem[len(_BEGIN) : -len(_END)])
    except ValueError:
        return None
    whole = der.startswith(_PKCS8_HEAD) and len(der) == len(_PKCS8_HEAD) + 32
    return der[len(_PKCS8_HEAD) :] if whole else None


def _read_pem(pem: bytes) -> object:
    from cryptography.hazmat.primitives import serialization

    return serialization.load_pem_private_key(pem, None)


def check(public_key: bytes, signature: bytes, message: bytes) -> bool:
    """Whether the Ed25519 signature is good: the `Verify` function of `ledger.receipts`."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True
