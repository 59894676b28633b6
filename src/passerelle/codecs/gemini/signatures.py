"""Thought signatures: Google's own, other providers' in a Gemini caller's keeping, and stand-ins.

`thoughtSignature` is proto `bytes`: base64 in JSON, in either alphabet (Google's Python SDK writes the
URL-safe one). Another provider's opaque reasoning is sealed (`codecs/sealed.py`) and put there in base64,
so that it comes back with the next request; such a body is not relayed.

Gemini 3 answers 400 when the first function call of a step has no signature. For calls it did not make,
Google documents a stand-in to put there (ai.google.dev/gemini-api/docs/thought-signatures, "FAQs", and
Vertex AI's page of that name, which names this one only; read 2026-11-22 as quoted by pydantic-ai).
"""

import binascii
from typing import Final

from passerelle.codecs.sealed import MARK, Sealed, seal, unseal
from passerelle.core.message import ReasoningPart

STAND_IN: Final = "skip_thought_signature_validator"

_PREFIX: Final = binascii.b2a_base64(MARK + b"\x00", newline=False)[: len(MARK) * 8 // 6].decode()


def is_foreign(signature: str) -> bool:
    """Whether `signature` may hold another provider's reasoning, which only we can take out."""
    return signature.startswith(_PREFIX)


def standard(data: str) -> str:
    """Base64 of either alphabet, padded or not, in the standard one that other dialects want."""
    if "-" in data or "_" in data:
        data = data.replace("-", "+").replace("_", "/")
    return data + "=" * (-len(data) % 4) if len(data) % 4 else data


def keep(sealed: Sealed) -> str:
    """Another provider's opaque block as a thought signature."""
    return binascii.b2a_base64(seal(sealed).encode(), newline=False).decode()


def take_out(signature: str | None) -> Sealed | None:
    """What `keep` was given, or None when `signature` is Google's own."""
    if signature is None or not signature.startswith(_PREFIX):
        return None
    try:
        return unseal(binascii.a2b_base64(standard(signature)).decode())
    except ValueError:  # no base64, no ASCII even, or no UTF-8 in it
        return None


def foreign(part: ReasoningPart) -> str | None:
    """The signature a Gemini caller keeps for `part`: Google's own, or the sealed one of another."""
    if part.origin == "gemini":
        return part.signature
    return sealed_for(part.origin, part.signature, part.encrypted, part.id)


def sealed_for(
    origin: str | None, signature: str | None, encrypted: str | None, identifier: str | None
) -> str | None:
    """As `foreign`, from the pieces a stream gives. None when there is nothing worth keeping.

    Thoughts that have no proof are sealed too: some makers want the bare words back (DeepSeek), and by the
    seal alone they are known for theirs.
    """
    if origin is None or origin == "gemini":
        return signature if origin is not None else None
    return keep(Sealed(origin, signature, encrypted, identifier))
