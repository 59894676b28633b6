"""The receipts' key: read as we write it, and as others may have."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from passerelle.store.signing import PRIVATE_NAME, Signer, check

_PLAIN = serialization.NoEncryption()
_SEED = bytes(range(32))


def _put(data_dir: Path, pem: bytes) -> None:
    keys = data_dir / "keys"
    keys.mkdir()
    (keys / PRIVATE_NAME).write_bytes(pem)


def _pkcs8(key: Ed25519PrivateKey) -> bytes:
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, _PLAIN)


def test_a_key_signs_the_same_after_it_was_read_again(tmp_path: Path) -> None:
    made, read = Signer.load(tmp_path), Signer.load(tmp_path)
    assert made.public_key == read.public_key
    assert check(made.public_key, read.sign(b"receipt"), b"receipt")


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
def test_a_key_from_elsewhere_is_read_whatever_its_line_ends(tmp_path: Path, line_end: bytes) -> None:
    key = Ed25519PrivateKey.from_private_bytes(_SEED)
    _put(tmp_path, _pkcs8(key).replace(b"\n", line_end))
    assert Signer.load(tmp_path).public_key == key.public_key().public_bytes_raw()


def test_a_key_with_words_around_it_is_read(tmp_path: Path) -> None:
    key = Ed25519PrivateKey.from_private_bytes(_SEED)
    _put(tmp_path, b"made by hand\n" + _pkcs8(key))
    assert Signer.load(tmp_path).public_key == key.public_key().public_bytes_raw()


def test_another_kind_of_key_is_refused_by_name(tmp_path: Path) -> None:
    other = generate_private_key(SECP256R1())
    _put(
        tmp_path,
        other.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, _PLAIN),
    )
    with pytest.raises(TypeError, match="not an Ed25519 key"):
        Signer.load(tmp_path)


def test_what_is_no_key_is_refused(tmp_path: Path) -> None:
    _put(tmp_path, b"-----BEGIN PRIVATE KEY-----\n!\n-----END PRIVATE KEY-----\n")
    with pytest.raises(ValueError, match="PEM"):
        Signer.load(tmp_path)
