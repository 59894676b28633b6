"""A receipt as it is shown to people and programs: the record, in words, and its proof."""

from collections.abc import Mapping
from typing import Any

import msgspec

from passerelle.core.cascade import Cascaded, CascadeEnd
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


def altered(told: Mapping[str, Any], signed: SignedReceipt) -> str | None:
    """The first field of what `shown` gave that does not say what the signed text says; None when all do.

    Only the signed text is proven by the signature; people read the rest. Parts left out claim nothing.
    Raises `msgspec.DecodeError` when the signed text is no receipt.
    """
    receipt = receipts.read(signed)
    record = told.get("receipt", msgspec.UNSET)
    if record is not msgspec.UNSET and _difference(record, msgspec.to_builtins(receipt)) is not None:
        # Another version's record may hold fields unknown here: then its own text decides.
        field = _difference(record, msgspec.json.decode(signed.body))
        if field is not None:
            return f"receipt{field}"
    return "words" if told.get("words", words(receipt)) != words(receipt) else None


def _difference(said: Any, true: Any) -> str | None:
    """Path of the first place where two JSON values differ, in type too; None when they are equal."""
    if isinstance(said, dict) and isinstance(true, dict):
        for name in (*true, *(name for name in said if name not in true)):
            if name not in said or name not in true:
                return f".{name}"
            if (inner := _difference(said[name], true[name])) is not None:
                return f".{name}{inner}"
        return None
    if isinstance(said, list | tuple) and isinstance(true, list | tuple):
        for place, (one, other) in enumerate(zip(said, true, strict=False)):
            if (inner := _difference(one, other)) is not None:
                return f"[{place}]{inner}"
        return None if len(said) == len(true) else f"[{min(len(said), len(true))}]"
    return None if type(said) is type(true) and said == true else ""


_CASCADED: Mapping[CascadeEnd, str] = {
    "accepted": "The cascade ended with its first answer",
    "escalated": "The cascade escalated",
    "kept": "The cascade did not get a better answer, and the first was delivered although it does not hold",
    "skipped": "The cascade had no answer to check",
}


def _cascaded(done: Cascaded, receipt: Receipt) -> str:
    said = f"{_CASCADED[done.end]}: {done.why}"
    if done.failing is not None:
        said += f"; nobody better answered: {done.failing}"
    if done.escalated_holds is not None:
        said += f"; the better answer {'holds' if done.escalated_holds else 'does not hold either'}"
    answers = sum(attempt.ok for attempt in receipt.attempts)
    if answers > 1:
        said += f"; {answers} answers are billed"
    return f"{said}."


def words(receipt: Receipt) -> str:
    """The plan and what became of it."""
    said = "" if receipt.plan is None else in_words(receipt.plan)
    failed = [a for a in receipt.attempts if not a.ok]
    if receipt.cascade is not None:
        said += f" {_cascaded(receipt.cascade, receipt)}"
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
