"""Why an answer stopped: Anthropic's words and the house's, as tables.

Anthropic's words: SDK 2.12 `StopReason` and `BetaStopReason`; "Handling stop reasons" at
platform.claude.com/docs (read 2026-11-22). `compaction` (beta) pauses a turn after the context was
summarised and is continued like `pause_turn`.
"""

from typing import Final

from passerelle.core.response import FinishReason

_FINISH: Final[dict[str, FinishReason]] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "tool_use": "tool_calls",
    "pause_turn": "pause",
    "compaction": "pause",
    "refusal": "refusal",
    "model_context_window_exceeded": "context",
}

_STOP: Final[dict[FinishReason, str]] = {
    "stop": "end_turn",
    "tool_calls": "tool_use",
    "length": "max_tokens",
    "refusal": "refusal",
    "content_filter": "refusal",
    "pause": "pause_turn",
    "context": "model_context_window_exceeded",
    # Never a natural end; of Anthropic's words this one says that the answer is cut short.
    "malformed_tool_call": "max_tokens",
    "incomplete": "max_tokens",
}


def finish_of(stop_reason: str, called: bool) -> FinishReason:
    """The house's word. `called`: the answer holds a tool call, which some compatible APIs end with
    `end_turn`. A word not known yet is a plain stop.
    """
    finish = _FINISH.get(stop_reason, "stop")
    return "tool_calls" if called and finish == "stop" else finish


def stop_of(
    finish: FinishReason, *, called: bool, refused: bool, stop_sequence: str | None, raw: str | None
) -> str:
    """Anthropic's word. `tool_use` exactly when a tool was called; `refused`: a refusal was said."""
    if finish in ("stop", "tool_calls"):
        if called:
            return "tool_use"
        if stop_sequence is not None or raw == "stop_sequence":  # Bedrock's word too, which names none
            return "stop_sequence"
        return "refusal" if refused else "end_turn"
    if finish == "pause" and raw == "compaction":
        return raw
    return _STOP[finish]


def may_be_empty(stop_reason: str) -> bool:
    """An answer that stopped for this may have no content and still be complete."""
    return stop_reason not in ("end_turn", "tool_use") and stop_reason in _FINISH
