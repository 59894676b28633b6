"""Why an answer ended: Google's words and ours, both ways.

The words are those of `google-genai` 3.4.0 (`types.FinishReason`, `types.BlockedReason`, read 2026-11-22)
and ai.google.dev/api/generate-content#finishreason. New ones appear now and then; an unknown word is a
plain stop, which an answer without any content may not claim.
"""

from typing import Final

from passerelle.core.errors import FailureKind
from passerelle.core.response import FinishReason

FINISH: Final[dict[str, FinishReason]] = {
    "FINISH_REASON_UNSPECIFIED": "stop",
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "TOO_MANY_TOOL_CALLS": "length",  # the server's own tool loop reached its limit
    "SAFETY": "content_filter",
    "RECITATION": "content_filter",
    "LANGUAGE": "content_filter",
    "BLOCKLIST": "content_filter",
    "PROHIBITED_CONTENT": "content_filter",
    "SPII": "content_filter",
    "IMAGE_SAFETY": "content_filter",
    "IMAGE_PROHIBITED_CONTENT": "content_filter",
    "IMAGE_RECITATION": "content_filter",
    "MODEL_ARMOR": "content_filter",
    "ESCALATION": "content_filter",
    "PUP_LIMITED_DISABLED": "content_filter",
    "MALFORMED_FUNCTION_CALL": "malformed_tool_call",
    "UNEXPECTED_TOOL_CALL": "malformed_tool_call",
    "CONTINUATION": "pause",
    # Cut short for a reason Google keeps to itself: not a natural end, so never shown as one.
    "OTHER": "content_filter",
    "IMAGE_OTHER": "content_filter",
    "NO_IMAGE": "stop",
}

SILENT: Final = frozenset({"OTHER", "IMAGE_OTHER", "NO_IMAGE", "FINISH_REASON_UNSPECIFIED", "STOP"})
"""With no content at all these are no answer: Gemini is known to stop with nothing said
(BerriAI/litellm issue #24442, read 2026-11-22), and another attempt may well succeed."""

FAILED: Final[dict[str, tuple[FailureKind, str]]] = {
    "MALFORMED_RESPONSE": ("protocol", "the provider says that its answer came out malformed"),
    "MISSING_THOUGHT_SIGNATURE": (
        "invalid_request",
        "the provider misses a thought signature: send model turns back as they came, signatures included",
    ),
}
"""Ends that are no answer whatever came before."""

_WORDS: Final[dict[FinishReason, str]] = {
    "stop": "STOP",
    "tool_calls": "STOP",
    "length": "MAX_TOKENS",
    "context": "MAX_TOKENS",
    "content_filter": "SAFETY",
    "refusal": "SAFETY",
    "pause": "OTHER",
    "malformed_tool_call": "MALFORMED_FUNCTION_CALL",
    "incomplete": "OTHER",
}


def read_finish(word: str, *, called: bool) -> FinishReason:
    """Our word for Google's; `called`: the answer holds function calls, which Google ends with STOP."""
    finish = FINISH.get(word, "stop")
    return "tool_calls" if called and finish == "stop" else finish


def finish_word(finish: FinishReason, raw: str | None) -> str:
    """Google's word for ours: the very one it said (`raw`) when it means the same."""
    if raw is not None and FINISH.get(raw) == ("stop" if finish == "tool_calls" else finish):
        return raw
    return _WORDS[finish]
