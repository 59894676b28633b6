"""Reasoning of other providers inside Anthropic's blocks, so that it survives a turn through a client.

A client of this dialect gives back what it was given: thinking blocks whole. Reasoning that OpenAI or
Gemini sealed goes out in a block's `signature` (or `data`), behind a mark that names its origin, and is
taken out again when the block returns. It then goes back to the provider that made it, or is stripped
on the way to any other. Without the mark a foreign signature would reach Anthropic, which refuses it:
"Invalid `signature` in `thinking` block" (platform.claude.com/docs, "Troubleshooting thinking", read
2026-11-22).
"""

import binascii

import msgspec

from passerelle.core.message import ReasoningPart

MARK = "passerelle."
"""Begins every seal of ours. Anthropic's own signatures are base64, which has no full stop."""


class _Seal(msgspec.Struct, omit_defaults=True):
    origin: str
    signature: str | None = None
    encrypted: str | None = None
    id: str | None = None
    summary: tuple[str, ...] = ()
    call: bool = False


_decoder = msgspec.json.Decoder(_Seal)


def seal(
    origin: str | None,
    *,
    signature: str | None = None,
    encrypted: str | None = None,
    id: str | None = None,
    summary: tuple[str, ...] = (),
    call: bool = False,
) -> str:
    """What a thinking block's `signature` carries for `origin`; empty when there is nothing to carry.

    `call` marks the signature of the tool call that stands before the block.
    """
    if origin is None or not (signature or encrypted or id):
        return ""
    sealed = _Seal(origin, signature, encrypted, id, summary, call)
    return MARK + binascii.b2a_base64(msgspec.json.encode(sealed), newline=False).decode("ascii")


def unseal(text: str, thinking: str = "") -> ReasoningPart | str | None:
    """The part sealed in `text`, the call signature (a string) sealed in it, or None when it is torn."""
    try:
        found = _decoder.decode(binascii.a2b_base64(text[len(MARK) :].encode("ascii"), strict_mode=True))
    except (ValueError, msgspec.MsgspecError):  # the client changed it: as good as unsigned
        return None
    if found.call:
        return found.signature
    return ReasoningPart(
        text="" if found.summary else thinking,
        signature=found.signature,
        encrypted=found.encrypted,
        summary=found.summary,
        id=found.id,
        origin=found.origin,
    )
