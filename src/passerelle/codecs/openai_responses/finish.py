"""Why an answer ended: status and reason of a Responses answer, and core's word, both ways.

    completed                          stop, tool_calls, a refusal in words (by what the output holds)
    incomplete, max_output_tokens      length
    incomplete, content_filter         content_filter, a refusal without words (Anthropic's)
    incomplete, max_messages           length
    incomplete, steered                pause: the caller is to go on with a further input
    failed                             a failure, never a finish

Source: openai-python 3.54 `types/responses/response.py`, read 2026-11-22.
"""

from collections.abc import Iterable
from typing import Any, Final

from passerelle.codecs.openai_responses.types import ItemHead
from passerelle.core.response import FinishReason

_INCOMPLETE: Final[dict[str, FinishReason]] = {
    "max_output_tokens": "length",
    "max_tokens": "length",
    "max_messages": "length",
    "content_filter": "content_filter",
    "steered": "pause",
}

_OUT: Final[dict[FinishReason, tuple[str, str | None]]] = {
    "stop": ("completed", None),
    "tool_calls": ("completed", None),
    "refusal": ("completed", None),
    "length": ("incomplete", "max_output_tokens"),
    "context": ("incomplete", "max_output_tokens"),
    "content_filter": ("incomplete", "content_filter"),
    "pause": ("incomplete", "max_messages"),
    "malformed_tool_call": ("failed", None),
    "incomplete": ("incomplete", None),
}


def finish_in(status: str | None, reason: str | None, *, called: bool, refused: bool) -> FinishReason:
    """Core's reason for a response that is over and did not fail."""
    if status == "incomplete":
        return _INCOMPLETE.get(reason or "", "length")
    if called:
        return "tool_calls"
    return "refusal" if refused else "stop"


def finish_out(finish: FinishReason, *, refused: bool) -> tuple[str, str | None]:
    """The status, and the reason when it is `incomplete`. `refused`: the output holds a refusal's words;
    without them only the status can say that the model declined."""
    if finish == "refusal" and not refused:
        finish = "content_filter"
    return _OUT[finish]


def called_or_refused(output: Iterable[ItemHead]) -> tuple[bool, bool]:
    """Whether the items hold a call for the caller, and whether they hold a refusal."""
    called = refused = False
    for item in output:
        if item.type in ("function_call", "custom_tool_call"):
            called = True
        elif item.type == "message":
            refused = refused or any(part.get("type") == "refusal" for part in _parts(item))
    return called, refused


def holds_content(output: Iterable[ItemHead]) -> bool:
    """Whether the items hold anything at all: words, a refusal, a call, thoughts, work of a tool."""
    return any(
        item.type != "message"
        or any(part.get("text") or part.get("refusal") or "text" not in part for part in _parts(item))
        for item in output
    )


def _parts(item: ItemHead) -> list[dict[str, Any]]:
    content = item.content
    return [part for part in content if isinstance(part, dict)] if isinstance(content, list) else []
