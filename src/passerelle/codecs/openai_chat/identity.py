"""Ids and small words of an answer in this dialect."""

from typing import Final

from passerelle.core.request import Request

_TIERS: Final = frozenset({"auto", "default", "flex", "scale", "priority", "fast"})


def answer_id(ours: str) -> str:
    """Our request id with the dialect's prefix."""
    return "chatcmpl-" + ours.rpartition("_")[2]


def call_id(ours: str, index: int) -> str:
    """An id for a tool call that came without one (Gemini): unique in a conversation, under 40 characters."""
    return f"call_{ours.rpartition('_')[2][:26]}_{index}"


def is_legacy(request: Request | None) -> bool:
    """The caller sent `functions`, and reads `function_call` (one, without an id)."""
    return request is not None and any(tool.memo == {"legacy": True} for tool in request.tools)


def service_tier(word: str | None) -> str | None:
    """A provider's tier in OpenAI's words (SDK 3.54), or None when it has no word for it."""
    if word in ("standard", "on_demand"):  # Anthropic, Groq
        return "default"
    return word if word in _TIERS else None
