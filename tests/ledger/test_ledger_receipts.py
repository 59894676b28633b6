"""Signed receipts: what is signed, and that nothing of it can be changed."""

import json
from typing import Any

import msgspec
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from passerelle.core.plan import Candidate, Plan, Rejection
from passerelle.core.receipt import Attempt, Receipt, Signature, SignedReceipt
from passerelle.core.usage import Usage
from passerelle.ledger import receipts, tree

PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = PRIVATE.public_key().public_bytes_raw()


def check(public_key: bytes, signature: bytes, message: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def a_receipt(number: int = 1, **changes: Any) -> Receipt:
    usage = Usage(input_tokens=10 + number, output_tokens=7, reasoning_tokens=3)
    receipt = Receipt(
        id=f"rcp_{number:026d}",
        request_id=f"req_{number:026d}",
        at_ns=1_795_000_000_000_000_000 + number,
        org_id="org_1",
        workspace_id="wsp_1",
        project_id="prj_1",
        key_id="key_1",
        dialect="anthropic",
        operation="chat",
        stream=True,
        outcome="answered",
        plan=Plan(
            requested="smart",
            mode="balanced",
            data_class="internal",
            candidates=(Candidate("a/m", "m", 0.1 + 0.2, quality=0.5, cost_nanos=3),),
            rejections=(Rejection("b/m", "policy.internal.regions", "region `us` — not `eu`"),),
            generation=4,
            policy_version="p",
            catalog_version="c",
        ),
        attempts=(
            Attempt(
                id=f"att_{number:026d}",
                deployment="a/m",
                provider="a",
                model="m",
                started_at_ns=1_795_000_000_000_000_000,
                duration_ns=5,
                ok=True,
                usage=usage,
                cost_nanos=12,
                price_version="v",
            ),
        ),
        usage=usage,
        cost_nanos=12,
        currency="EUR",
        duration_ns=9,
        generation=4,
    )
    return msgspec.structs.replace(receipt, **changes)


def signed_batch(count: int) -> list[SignedReceipt]:
    bodies = [receipts.body(a_receipt(number)) for number in range(count)]
    proofs = receipts.sign_batch(bodies, PRIVATE.sign, receipts.key_id(PUBLIC))
    return [SignedReceipt(body.decode(), proof) for body, proof in zip(bodies, proofs, strict=True)]


def verifies(signed: SignedReceipt) -> bool:
    return receipts.verify(signed, PUBLIC, check)


def test_the_body_is_canonical_json_and_reads_back_equal() -> None:
    receipt = a_receipt()
    text = receipts.body(receipt)
    value = json.loads(text)
    again = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    assert text == again
    assert receipts.read(SignedReceipt(text.decode(), signed_batch(1)[0].signature)) == receipt


def test_equal_receipts_have_equal_bodies_and_unequal_ones_do_not() -> None:
    assert receipts.body(a_receipt()) == receipts.body(a_receipt())
    assert receipts.body(a_receipt()) != receipts.body(a_receipt(cost_nanos=13))


@pytest.mark.parametrize("count", [1, 2, 3, 7, 200])
def test_every_receipt_of_a_batch_verifies_alone(count: int) -> None:
    batch = signed_batch(count)
    assert all(verifies(signed) for signed in batch)
    assert len({signed.signature.signature for signed in batch}) == 1


def test_a_batch_of_one_needs_no_path_and_its_root_is_its_leaf() -> None:
    (signed,) = signed_batch(1)
    assert signed.signature.path == ()
    assert signed.signature.root == tree.leaf_hash(signed.body.encode()).hex()


def test_an_empty_batch_signs_nothing() -> None:
    def refuse(message: bytes) -> bytes:
        raise AssertionError(message)

    assert receipts.sign_batch([], refuse, "k") == ()


def test_the_signed_text_is_the_documented_one() -> None:
    assert receipts.signed_text(3, "ab") == b"passerelle receipts v1\n3\nab\n"


def test_the_key_id_is_sixteen_hex_digits_of_the_public_keys_hash() -> None:
    assert len(receipts.key_id(PUBLIC)) == 16
    assert receipts.key_id(PUBLIC) != receipts.key_id(bytes(32))


def test_another_key_does_not_verify() -> None:
    (signed,) = signed_batch(1)
    other = Ed25519PrivateKey.generate()
    assert not receipts.verify(signed, other.public_key().public_bytes_raw(), check)
    forged = receipts.sign_batch([signed.body.encode()], other.sign, receipts.key_id(PUBLIC))
    assert not verifies(SignedReceipt(signed.body, forged[0]))


BATCH = signed_batch(5)
TEXTS = [msgspec.json.encode(signed) for signed in BATCH]
ORIGINAL = {msgspec.json.encode(signed) for signed in BATCH}


@given(st.sampled_from(TEXTS), st.data())
def test_any_changed_byte_of_a_signed_receipt_is_noticed(text: bytes, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(text) - 1))
    byte = data.draw(st.integers(0, 255))
    changed = text[:place] + bytes([byte]) + text[place + 1 :]
    assert_refused_or_same(changed)


@given(st.sampled_from(TEXTS), st.data())
def test_any_inserted_or_deleted_byte_is_noticed(text: bytes, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(text) - 1))
    if data.draw(st.booleans()):
        assert_refused_or_same(text[:place] + text[place + 1 :])
    else:
        assert_refused_or_same(text[:place] + bytes([data.draw(st.integers(0, 255))]) + text[place:])


def test_every_single_bit_of_one_signed_receipt_is_covered() -> None:
    text = TEXTS[2]
    for place in range(len(text)):
        for bit in range(8):
            changed = bytearray(text)
            changed[place] ^= 1 << bit
            assert_refused_or_same(bytes(changed))


def assert_refused_or_same(changed: bytes) -> None:
    """The change is refused, or means the same value (JSON may gain white space, or spell a letter out)."""
    try:
        signed = msgspec.json.decode(changed, type=SignedReceipt)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return
    if msgspec.json.encode(signed) not in ORIGINAL:
        assert not verifies(signed)


@pytest.mark.parametrize(
    "change",
    [
        {"index": 1},
        {"index": -1},
        {"size": 6},
        {"size": 0},
        {"path": ()},
        {"key_id": "0" * 16},
        {"root": BATCH[0].signature.root.upper()},
        {"signature": BATCH[0].signature.signature + "\n"},
        {"signature": BATCH[0].signature.signature.rstrip("=")},
        {"signature": ""},
        {"path": (*BATCH[0].signature.path, "00" * 32)},
        {"path": tuple(node.upper() for node in BATCH[0].signature.path)},
        {"path": tuple(f" {node}" for node in BATCH[0].signature.path)},
    ],
)
def test_a_changed_proof_is_refused(change: dict[str, Any]) -> None:
    proof = BATCH[0].signature
    changed = msgspec.structs.replace(proof, **change)
    assert changed == proof or not verifies(SignedReceipt(BATCH[0].body, changed))


def test_stray_bits_in_the_base64_of_a_signature_are_refused() -> None:
    proof = BATCH[0].signature
    stem, last = proof.signature[:-3], proof.signature[-3]
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    stray = alphabet[alphabet.index(last) | 1]
    changed = msgspec.structs.replace(proof, signature=f"{stem}{stray}==")
    assert changed.signature != proof.signature
    assert not verifies(SignedReceipt(BATCH[0].body, changed))


def test_a_receipt_cannot_borrow_anothers_proof() -> None:
    one, other = BATCH[0], BATCH[1]
    assert not verifies(SignedReceipt(one.body, other.signature))


def test_text_that_is_no_unicode_is_refused_quietly() -> None:
    assert not verifies(SignedReceipt("\ud800", BATCH[0].signature))


def test_the_root_of_an_inner_node_cannot_pass_for_a_receipt() -> None:
    """Second preimage: a body made of two leaf hashes must not verify at the parent's place."""
    two = signed_batch(2)
    left, right = (tree.leaf_hash(signed.body.encode()) for signed in two)
    proof = two[0].signature
    fake = Signature(proof.key_id, proof.root, 1, 0, (), proof.signature)
    body = (left + right).decode("latin-1")
    assert not verifies(SignedReceipt(body, fake))
