"""A receipt as it is shown to people and programs: the record, in words, and its proof."""

from collections.abc import Mapping

import msgspec

from passerelle.core.receipt import Receipt, SignedReceipt
from passerelle.ledger import receipts
from passerelle.router.plan import in_words
from passerelle.store import check_signature


def shown(signed: SignedReceipt, public_keys: Mapping[str, bytes]) -> dict[str, object]:
    """What `passerelle receipts show` and `GET /api/receipts/{id}` give. `signed` and `public_key` are all
    that offline verification needs.
    """
    receipt = receipts.read(signed)
    key = public_keys.get(signed.signature.key_id, b"")
    return {
        "receipt": msgspec.to_builtins(receipt),
        "words": words(receipt),
        "verified": len(key) == 32 and receipts.verify(signed, key, check_signature),
        "signed": msgspec.to_builtins(signed),
        "public_key": key.hex(),
    }


def words(receipt: Receipt) -> str:
    """The plan and what became of it."""
    said = "" if receipt.plan is None else in_words(receipt.plan)
    failed = [a for a in receipt.attempts if not a.ok]
    if receipt.outcome == "answered":
        if failed:
            said += f" {len(failed)} failed before `{receipt.deployment}` answered."
    elif receipt.outcome == "refused":
        said += " It was refused before any provider was called."
    elif receipt.outcome == "cancelled":
        said += " The caller went away before the end."
    else:
        last = failed[-1].failure if failed else receipt.problem
        said += f" It {'was cut' if receipt.outcome == 'incomplete' else 'failed'}: {last}."
    return said.strip()
