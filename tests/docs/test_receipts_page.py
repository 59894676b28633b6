"""docs/receipts.md says what a receipt holds, and its script verifies one without any of our code."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tests.docs.pages import code_blocks, column, page, rows, section

from passerelle.core.cascade import Cascade, Cascaded
from passerelle.core.errors import FailureKind
from passerelle.core.plan import Plan
from passerelle.core.receipt import Attempt, OutcomeKind, Receipt, Shape, Signature
from passerelle.ledger import receipts

PAGE = page("receipts.md")
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
RAW = KEY.public_key().public_bytes_raw()
PEM = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


@pytest.mark.parametrize(
    ("heading", "struct"),
    [
        ("## What it says", Receipt),
        ("### The plan", Plan),
        ("### An attempt", Attempt),
        ("### The shape", Shape),
        ("### The cascade", Cascade),
        ("### What became of the cascade", Cascaded),
    ],
)
def test_every_field_is_documented_and_no_other_is(heading: str, struct: type[msgspec.Struct]) -> None:
    text = section(PAGE, heading).split("\n### ")[0]
    assert column(text) == list(struct.__struct_fields__)


def test_the_proof_is_documented_whole() -> None:
    fields = [f"signature.{name}" for name in Signature.__struct_fields__]
    assert column(section(PAGE, "## How it is signed")) == ["body", *fields]


def test_every_outcome_and_failure_is_named() -> None:
    told = {row[0]: row[1] for row in rows(section(PAGE, "## What it says"))}
    assert all(outcome in told["outcome"] for outcome in get_args(OutcomeKind))
    assert [word.strip() for word in told["failure"].partition(":")[2].split(",")] == list(
        get_args(FailureKind)
    )


def _files(folder: Path, size: int) -> list[Path]:
    """A signed batch of `size` receipts, each as `receipts show --json` writes it, as far as it is proven."""
    bodies = [json.dumps({"id": f"rcp_{i}", "é": "€"}, ensure_ascii=False).encode() for i in range(size)]
    signatures = receipts.sign_batch(bodies, KEY.sign, receipts.key_id(RAW))
    paths = []
    for body, signature in zip(bodies, signatures, strict=True):
        path = folder / f"{signature.index}-of-{size}.json"
        signed = {"body": body.decode(), "signature": msgspec.to_builtins(signature)}
        path.write_text(json.dumps({"signed": signed}))
        paths.append(path)
    return paths


@pytest.fixture(scope="module")
def verify(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The page's script, as a function of a file: exit code and output."""
    folder = tmp_path_factory.mktemp("verify")
    (script,) = code_blocks(PAGE, "python")
    assert len(script.splitlines()) <= 40
    assert "passerelle." not in script
    (folder / "verify.py").write_text(script)
    (folder / "receipts.pub.pem").write_bytes(PEM)

    def run(path: Path) -> tuple[int, str]:
        command = [
            sys.executable,
            "-I",
            str(folder / "verify.py"),
            str(path),
            str(folder / "receipts.pub.pem"),
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        return done.returncode, done.stdout

    return run


@pytest.mark.parametrize(("size", "index"), [(1, 0), (2, 1), (3, 2), (5, 4), (7, 6), (13, 8)])
def test_the_script_says_good_to_a_receipt_of_ours(
    verify: Any, tmp_path: Path, size: int, index: int
) -> None:
    path = _files(tmp_path, size)[index]
    assert verify(path) == (0, f"good: rcp_{index}\n")


@pytest.mark.parametrize("field", ["body", "key_id", "root", "size", "index", "path", "signature"])
def test_the_script_refuses_a_receipt_with_any_field_changed(verify: Any, tmp_path: Path, field: str) -> None:
    path = _files(tmp_path, 6)[3]
    told = json.loads(path.read_text())
    proof = told["signed"]["signature"]
    if field == "body":
        told["signed"]["body"] += " "
    elif field == "path":
        proof["path"][0] = proof["path"][0][::-1]
    elif isinstance(proof[field], int):
        proof[field] += 1
    else:
        proof[field] = ("1" if proof[field][0] != "1" else "2") + proof[field][1:]
    path.write_text(json.dumps(told))
    code, out = verify(path)
    assert code != 0
    assert out == ""
