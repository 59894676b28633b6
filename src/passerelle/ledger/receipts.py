"""Receipts as signed evidence: the exact text, the batch signature, and its verification.

A batch of receipts is an RFC 6962 tree; one Ed25519 signature over its root covers them all (54 µs to
sign, so it is shared), and each receipt carries the path from its own leaf. Verification needs the
receipt, the public key and nothing else. The signing and verifying functions come from the caller: this
floor holds no key and no cryptography beyond SHA-256.

Every field is compared in its one canonical spelling (lower-case hex, padded base64 without stray bits),
so that no changed byte of a signed receipt goes unnoticed.
"""

import base64
import binascii
from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256

import msgspec

from passerelle.core.receipt import Receipt, Signature, SignedReceipt
from passerelle.ledger import tree

Sign = Callable[[bytes], bytes]
"""Message → raw Ed25519 signature (64 bytes)."""

Verify = Callable[[bytes, bytes, bytes], bool]
"""(raw public key, signature, message) → whether the signature is good. Must not raise."""

_ENCODER = msgspec.json.Encoder(order="sorted")
_DECODER = msgspec.json.Decoder(Receipt)


def body(receipt: Receipt) -> bytes:
    """The receipt as canonical JSON: keys sorted, no spaces, defaults left out, UTF-8."""
    return _ENCODER.encode(receipt)


def read(signed: SignedReceipt) -> Receipt:
    """The receipt inside. It proves nothing before `verify`; raises `msgspec.DecodeError` on other text."""
    return _DECODER.decode(signed.body)


def key_id(public_key: bytes) -> str:
    """First 16 hex digits of SHA-256 of the raw public key."""
    return sha256(public_key).hexdigest()[:16]


def signed_text(size: int, root_hex: str) -> bytes:
    """What Ed25519 signs: a fixed first line, so that no other signature of ours can pass for it."""
    return f"passerelle receipts v1\n{size}\n{root_hex}\n".encode()


class Batch(msgspec.Struct, frozen=True):
    """What one signature covers, in raw bytes: how it is stored."""

    signer: str
    """`key_id` of the key that signed."""
    size: int
    root: bytes
    signature: bytes


def seal(bodies: Sequence[bytes], sign: Sign, signer: str) -> Batch:
    """One Ed25519 signature over all bodies (at least one). `signer` is the key's `key_id`."""
    root = _levels(bodies)[-1][0]
    return Batch(signer, len(bodies), root, sign(signed_text(len(bodies), root.hex())))


def proofs(batch: Batch, bodies: Sequence[bytes], leaves: Iterable[int]) -> dict[int, Signature]:
    """The readable proof of each of these leaves of a batch, out of all its bodies."""
    rows = _levels(bodies)
    signature = base64.b64encode(batch.signature).decode()
    return {
        leaf: Signature(
            key_id=batch.signer,
            root=batch.root.hex(),
            size=batch.size,
            index=leaf,
            path=tuple([node.hex() for node in tree.path(rows, leaf)]),
            signature=signature,
        )
        for leaf in leaves
    }


def sign_batch(bodies: Sequence[bytes], sign: Sign, signer: str) -> tuple[Signature, ...]:
    """One signature value per body, in order, all under one Ed25519 signature."""
    if not bodies:
        return ()
    return tuple(proofs(seal(bodies, sign, signer), bodies, range(len(bodies))).values())


def _levels(bodies: Sequence[bytes]) -> list[list[bytes]]:
    return tree.levels([sha256(b"\x00" + entry).digest() for entry in bodies])  # `leaf_hash`, without a call


def verify(signed: SignedReceipt, public_key: bytes, check: Verify) -> bool:
    """Whether this receipt is the one that was signed with the key, to the last byte. Never raises."""
    proof = signed.signature
    if proof.key_id != key_id(public_key):
        return False
    nodes = [_hash_from_hex(text) for text in proof.path]
    raw = _signature_from_base64(proof.signature)
    if raw is None or None in nodes:
        return False
    try:
        leaf = tree.leaf_hash(signed.body.encode())
    except UnicodeEncodeError:  # a lone surrogate: no text of ours has one
        return False
    found = tree.root_from_path(leaf, proof.index, proof.size, [node for node in nodes if node is not None])
    if found is None or found.hex() != proof.root:
        return False
    return check(public_key, raw, signed_text(proof.size, proof.root))


def _hash_from_hex(text: str) -> bytes | None:
    try:
        value = bytes.fromhex(text)
    except ValueError:
        return None
    return value if len(value) == tree.HASH_SIZE and value.hex() == text else None


def _signature_from_base64(text: str) -> bytes | None:
    try:
        value = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return value if len(value) == 64 and base64.b64encode(value).decode() == text else None
