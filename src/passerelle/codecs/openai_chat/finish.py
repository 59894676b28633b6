"""Why an answer ended: the dialect's words and core's, both ways.

OpenAI says `stop`, `length`, `tool_calls`, `content_filter` or, in the old form, `function_call`
(`openai.types.chat.chat_completion`, SDK 3.54, read 2026-11-22). The others are words that servers of
the same dialect were seen to use.
"""

from typing import Final

from passerelle.core.errors import FailureKind
from passerelle.core.response import FinishReason

_FINISH: Final[dict[str, FinishReason]] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
    "refusal": "refusal",
    # TGI, Together, older vLLM
    "eos": "stop",
    "eos_token": "stop",
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "tool_use": "tool_calls",
    # Mistral: the context window, not the caller's limit, was full
    "model_length": "context",
    # GLM (Z.ai)
    "sensitive": "content_filter",
    # Gemini's OpenAI-compatible endpoint
    "safety": "content_filter",
    "recitation": "content_filter",
    "malformed_function_call": "malformed_tool_call",
}

BROKEN: Final[dict[str, FailureKind]] = {
    "error": "server_error",  # OpenRouter, Mistral
    "network_error": "server_error",  # GLM
    "insufficient_system_resource": "overloaded",  # DeepSeek
    "abort": "protocol",  # vLLM, SGLang: the request was cut at the server
}
"""Words that say the answer is *not* complete."""

_WORDS: Final[dict[FinishReason, str]] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "refusal": "content_filter",
    "content_filter": "content_filter",
    "pause": "stop",
    "context": "length",
    "malformed_tool_call": "stop",
    "incomplete": "length",
}


def decode_finish(word: str, *, called: bool, refused: bool) -> FinishReason:
    """Core's reason for a `finish_reason` that is not in `BROKEN`; an unknown word is a `stop`.

    OpenAI says `stop` after a tool call the caller forced, and for a refusal in words; many servers
    say `stop` after any tool call. One that names tool calls and makes none has just stopped.
    """
    finish = _FINISH.get(word) or _FINISH.get(word.lower(), "stop")
    if finish == "stop" or finish == "tool_calls":
        if called:
            return "tool_calls"
        return "refusal" if refused else "stop"
    return finish


def encode_finish(finish: FinishReason, *, refused: bool, legacy: bool = False) -> str:
    """The dialect's word. `refused`: the refusal's words are in the answer, which OpenAI calls a `stop`."""
    if finish == "refusal" and refused:
        return "stop"
    if finish == "tool_calls" and legacy:
        return "function_call"
    return _WORDS[finish]
