"""Reasoning and its proofs on a chat message, both ways.

Chat has no field of its own for thoughts. What its servers and clients agreed on (read 2026-11-22):

- `reasoning_content`: DeepSeek (api-docs.deepseek.com, "Thinking mode"), xAI, Qwen, vLLM, llama.cpp;
- `reasoning`: Groq, OpenRouter, Ollama, newer vLLM;
- `reasoning_details`: OpenRouter's list of blocks, with `signature` for readable and `data` for encrypted
  ones, to be sent back as they came;
- `tool_calls[].extra_content.google.thought_signature`: Gemini's OpenAI-compatible endpoint.

To callers we say `reasoning_content`, and, for thoughts that another dialect's provider signed or
encrypted, `reasoning_details` in which the proof is sealed (`codecs.sealed`): a caller that returns the
message as it got it returns the block to where it came from.
"""

from collections.abc import Iterable
from typing import Any, Final

from passerelle.codecs.sealed import Sealed, seal, unseal
from passerelle.core.message import ReasoningPart

ORIGIN: Final = "openai_chat"

Json = dict[str, Any]


def decode_details(details: list[Any], shown: str) -> list[ReasoningPart]:
    """The parts of a `reasoning_details` list; `shown` is the message's own `reasoning_content`.

    Blocks sealed by us become their own origin's parts. Any other list is one part of this dialect that
    keeps the list whole.
    """
    parts: list[ReasoningPart] = []
    for detail in details:
        if not isinstance(detail, dict):
            continue
        kept = detail.get("signature") or detail.get("data")
        block = unseal(kept) if isinstance(kept, str) else None
        if block is None:
            continue
        text = detail.get("text")
        parts.append(
            ReasoningPart(
                text=text if isinstance(text, str) else "",
                signature=block.signature,
                encrypted=block.encrypted,
                id=block.id,
                origin=block.origin,
            )
        )
    if parts:
        return parts
    return [ReasoningPart(text=shown, origin=ORIGIN, extra={"reasoning_details": details})]


def encode_detail(part: ReasoningPart, index: int) -> Json | None:
    """The sealed block that brings a foreign thought's proof back to us, or None when it has none."""
    if part.origin in (None, ORIGIN) or (part.signature is None and part.encrypted is None):
        return None
    kept = seal(Sealed(part.origin, part.signature, part.encrypted, part.id))
    if part.text:
        return {"type": "reasoning.text", "text": part.text, "signature": kept, "index": index}
    return {"type": "reasoning.encrypted", "data": kept, "index": index}


def encode_details(parts: Iterable[ReasoningPart]) -> list[Any]:
    """`reasoning_details` for a caller: this dialect's own lists as they came, foreign blocks sealed."""
    details: list[Any] = []
    for part in parts:
        own = (part.extra or {}).get("reasoning_details") if part.origin == ORIGIN else None
        if isinstance(own, list):
            details.extend(own)
        elif (detail := encode_detail(part, len(details))) is not None:
            details.append(detail)
    return details


def thoughts(parts: Iterable[ReasoningPart]) -> str:
    """All that may be shown of them: their text, or else the provider's summary."""
    return "".join([part.text or "\n\n".join(part.summary) for part in parts])


def signature_of(call: Json) -> str | None:
    """A tool call's thought signature. Taken out of `call` only when nothing else stands beside it."""
    content = call.get("extra_content")
    google = content.get("google") if isinstance(content, dict) else None
    if not isinstance(content, dict) or not isinstance(google, dict):
        return None
    signature = google.get("thought_signature")
    if not isinstance(signature, str) or not signature:
        return None
    if len(content) == 1 and len(google) == 1:
        del call["extra_content"]
    return signature


def signed(signature: str) -> Json:
    """The inverse of `signature_of`."""
    return {"google": {"thought_signature": signature}}
