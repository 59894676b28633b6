"""A report's signature: the installation's Ed25519 key over its exact bytes.

A JSON report is `{"report": …, "signed": {"body": …, "signature": …}, "public_key": …}`, as a receipt is:
`body` is the text that was signed, `report` the same to be read. A page (Markdown, HTML) ends with a
comment that holds the signature of every byte before it. Both bring the key along, which proves that nothing
was changed; who signed is proven by a key that came another way.
"""

import base64
import re
from hashlib import sha256

import msgspec

from passerelle.gateway.drill.report import Report
from passerelle.ledger.receipts import Sign, key_id
from passerelle.ledger.receipts import Verify as Check

_ENCODER = msgspec.json.Encoder(order="sorted")
_SEAL = re.compile(rb"<!-- passerelle drill v1 key=([0-9a-f]{64}) signature=([A-Za-z0-9+/]{86}==) -->\n\Z")
NOT_OURS = "it is no report of a drill: give a file that `passerelle drill --without …` wrote"


class Proof(msgspec.Struct, frozen=True):
    """What a file proves."""

    unchanged: bool
    signer: str
    """`key_id` of the key beside the signature."""
    public_key: bytes
    differs: str | None = None
    """The part to be read that does not say what was signed."""


class _Signed(msgspec.Struct, frozen=True):
    body: str
    signature: str


class _File(msgspec.Struct, frozen=True):
    report: msgspec.Raw
    signed: _Signed
    public_key: str


def signed_text(body: bytes) -> bytes:
    """What Ed25519 signs: a fixed first line, so that no other signature of ours can pass for it."""
    return f"passerelle drill v1\n{sha256(body).hexdigest()}\n".encode()


def signed_json(report: Report, sign: Sign, public_key: bytes) -> bytes:
    """The report as a JSON document with its proof."""
    body = _ENCODER.encode(report)
    signature = base64.b64encode(sign(signed_text(body))).decode()
    file = _File(msgspec.Raw(body), _Signed(body.decode(), signature), public_key.hex())
    return msgspec.json.format(msgspec.json.encode(file), indent=2) + b"\n"


def signed_page(page: str, sign: Sign, public_key: bytes) -> bytes:
    """A page with its proof as its last line."""
    body = page.encode() if page.endswith("\n") else f"{page}\n".encode()
    signature = base64.b64encode(sign(signed_text(body))).decode()
    return body + f"<!-- passerelle drill v1 key={public_key.hex()} signature={signature} -->\n".encode()


def examine(file: bytes, check: Check, trusted: bytes | None = None) -> Proof:
    """What a file proves, by the key it brings or a `trusted` one. Raises `ValueError` for other files."""
    sealed = _SEAL.search(file)
    if sealed is not None:
        public_key = bytes.fromhex(sealed[1].decode())
        return _examined(file[: sealed.start()], sealed[2].decode(), public_key, check, trusted)
    try:
        found = msgspec.json.decode(file, type=_File)
        public_key = bytes.fromhex(found.public_key)
        said = msgspec.json.decode(bytes(found.report))
        meant = msgspec.json.decode(found.signed.body)
        body = found.signed.body.encode()
    except (msgspec.MsgspecError, ValueError) as error:
        raise ValueError(NOT_OURS) from error
    proof = _examined(body, found.signed.signature, public_key, check, trusted)
    if said == meant:
        return proof
    names = sorted({*said, *meant}) if isinstance(said, dict) and isinstance(meant, dict) else []
    differs = next((name for name in names if said.get(name) != meant.get(name)), "report")
    return msgspec.structs.replace(proof, differs=differs)


def _examined(body: bytes, signature: str, public_key: bytes, check: Check, trusted: bytes | None) -> Proof:
    key = public_key if trusted is None else trusted
    try:
        raw = base64.b64decode(signature, validate=True)
    except ValueError:
        raw = b""
    return Proof(check(key, raw, signed_text(body)), key_id(public_key), public_key)
