"""The conversation every SDK has, and what it was told, in words all SDKs share."""

from dataclasses import dataclass, field
from typing import Any, Protocol

SYSTEM = "Answer briefly."
QUESTION = "What of the bridge at Avignon?"
MAX_TOKENS = 256
TOOL = "weather"
TOOL_DESCRIPTION = "The weather in a city, now."
TOOL_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string", "description": "Its name."}},
    "required": ["city"],
    "additionalProperties": False,
}
WEATHER = {"Avignon": "18 degrees and the mistral", "Arles": "21 degrees and calm"}
"""What the tool answers, by city: a result at the wrong call shows."""


@dataclass
class Said:
    """What an SDK made of one answer."""

    text: str
    finish: str
    """The SDK's own word."""
    usage: dict[str, int]
    """In the dialect's own names and convention; absent figures are 0."""
    models: set[str]
    """Every model named, in the body and in each chunk."""
    headers: dict[str, str]
    thought: str = ""
    """The thoughts shown before the answer."""
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    """Name and arguments of each tool call."""
    raw: str = ""
    """Everything the SDK was told, as text."""


class Speaker(Protocol):
    """An SDK."""

    dialect: str

    def converse(self, model: str, *, stream: bool, tools: bool) -> list[Said]:
        """One answer; with tools two: the calls, and what was said of their results."""
        ...


USAGE: dict[str, dict[str, int]] = {
    "openai_chat": {
        "prompt_tokens": 64,
        "completion_tokens": 26,
        "total_tokens": 90,
        "cached_tokens": 24,
        "reasoning_tokens": 5,
    },
    "openai_responses": {
        "input_tokens": 64,
        "output_tokens": 26,
        "total_tokens": 90,
        "cached_tokens": 24,
        "reasoning_tokens": 5,
    },
    "anthropic": {
        "input_tokens": 40,
        "cache_read_input_tokens": 24,
        "cache_creation_input_tokens": 0,
        "output_tokens": 26,
        "thinking_tokens": 5,
    },
    "gemini": {
        "prompt_token_count": 64,
        "cached_content_token_count": 24,
        "candidates_token_count": 21,
        "thoughts_token_count": 5,
        "total_token_count": 90,
    },
}
"""What the replayed usage is in each client's own convention, written by hand."""
_THOUGHTS = {
    "reasoning_tokens": 0,
    "thinking_tokens": 0,
    "candidates_token_count": 26,
    "thoughts_token_count": 0,
}


def usage(client: str, provider: str) -> dict[str, int]:
    """The usage a client is told: Converse does not tell thoughts apart from the words."""
    told = USAGE[client]
    if provider != "bedrock":
        return told
    return {name: _THOUGHTS.get(name, tokens) for name, tokens in told.items()}


STOPPED = {"openai_chat": "stop", "openai_responses": "completed", "anthropic": "end_turn", "gemini": "STOP"}
CALLED = {
    "openai_chat": "tool_calls",
    "openai_responses": "completed",
    "anthropic": "tool_use",
    "gemini": "STOP",
}
