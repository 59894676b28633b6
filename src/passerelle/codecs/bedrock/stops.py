"""Why an answer stopped: Converse's words and the house's, as tables.

Converse's words: `StopReason` in botocore 1.44.5's service model (read 2026-11-22).
"""

from typing import Any, Final

from passerelle.core.response import FinishReason

_FINISH: Final[dict[str, FinishReason]] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "tool_use": "tool_calls",
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
    "malformed_tool_use": "malformed_tool_call",
    # What the model gave is no answer of its own form: not a natural end either.
    "malformed_model_output": "malformed_tool_call",
    "model_context_window_exceeded": "context",
}

_STOP: Final[dict[FinishReason, str]] = {
    "stop": "end_turn",
    "tool_calls": "tool_use",
    "length": "max_tokens",
    "refusal": "content_filtered",
    "content_filter": "content_filtered",
    # A turn to be continued, which Converse has no word for; of those it has this one says: not the end.
    "pause": "max_tokens",
    "context": "model_context_window_exceeded",
    "malformed_tool_call": "malformed_tool_use",
    "incomplete": "max_tokens",
}


STOPPED_BY: Final = "/stop_sequence"
"""Asked back of Claude (`additionalModelResponseFieldPaths`): which of the stop sequences it was. "Converse"
of docs.aws.amazon.com/bedrock/latest/APIReference has it for its example (read 2026-11-22)."""


def sequence_of(additional: Any) -> str | None:
    """The stop sequence in an answer's `additionalModelResponseFields`."""
    said = additional.get(STOPPED_BY[1:]) if isinstance(additional, dict) else None
    return said if isinstance(said, str) else None


def finish_of(stop_reason: str, called: bool) -> FinishReason:
    """The house's word. `called`: the answer holds a tool call, which some models end with `end_turn`. A word
    not known yet is a plain stop.
    """
    finish = _FINISH.get(stop_reason, "stop")
    return "tool_calls" if finish == "stop" and called else finish


def may_be_empty(stop_reason: str) -> bool:
    """An answer that stopped for this may have no content and still be complete."""
    return stop_reason not in ("end_turn", "tool_use") and stop_reason in _FINISH


def stop_of(
    finish: FinishReason, *, called: bool, refused: bool, stop_sequence: str | None, raw: str | None
) -> str:
    """Converse's word. `raw` is the provider's, kept where it is one of Converse's own for the same."""
    if raw is not None and _FINISH.get(raw) == finish and not (finish == "stop" and called):
        return raw
    if finish in ("stop", "tool_calls"):
        if called:
            return "tool_use"
        if refused:
            return "content_filtered"
        return "stop_sequence" if stop_sequence is not None else "end_turn"
    return _STOP[finish]
