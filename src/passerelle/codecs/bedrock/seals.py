"""Thoughts in a Converse caller's keeping: Bedrock's own as they came, another origin's under our seal.

A signature may be any string; `redactedContent` is a blob, so a seal in it is in base64.
"""

import binascii
from typing import Any

from passerelle.codecs.base import ReplyContext
from passerelle.codecs.sealed import Sealed, seal
from passerelle.core.message import ReasoningPart

Block = dict[str, Any]


def hides_thoughts(context: ReplyContext) -> bool:
    """The caller turned thinking off, so thoughts of other dialects are none of his."""
    return context.request is not None and context.request.reasoning.enabled is False


def proof(origin: str | None, signature: str | None, encrypted: str | None, id: str | None) -> str:
    """The signature of a thought for the caller, empty when nobody knows whose it is."""
    if origin == "bedrock":
        return signature or ""
    return "" if origin is None else seal(Sealed(origin, signature, encrypted, id))


def redacted(text: str) -> Block:
    """A block that holds `text`, which is a seal of ours."""
    blob = binascii.b2a_base64(text.encode("utf-8", "surrogatepass"), newline=False).decode()
    return {"reasoningContent": {"redactedContent": blob}}


def call_seal(call_id: str, origin: str | None, signature: str) -> Block:
    """The block behind a tool call that carries its thought signature (Gemini's, unless it says)."""
    return redacted(seal(Sealed(origin or "gemini", signature, call_id=call_id)))


def thought(text: str, signature: str) -> Block:
    """A thought in words."""
    said: Block = {"text": text}
    if signature:
        said["signature"] = signature
    return {"reasoningContent": {"reasoningText": said}}


def reasoning_block(part: ReasoningPart) -> Block | None:
    """A thought of an answer; None when nothing of it can be said."""
    if part.origin == "bedrock" and part.encrypted is not None:
        return {"reasoningContent": {"redactedContent": part.encrypted}}
    text = part.text or "\n\n".join(part.summary)
    signature = proof(part.origin, part.signature, part.encrypted, part.id)
    if text:
        return thought(text, signature)
    if not (part.signature or part.encrypted) or not signature:
        return None
    return redacted(signature) if part.origin != "bedrock" else thought("", signature)
