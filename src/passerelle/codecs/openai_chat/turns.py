"""What some servers demand of a conversation beside the dialect, on an encoded request and on a caller's own.

- `short_call_ids`: Mistral takes ids of calls of nine letters and digits, nothing else ("Tool call id was …
  but must be a-z, A-Z, 0-9, with a length of 9", jackmpcollins/magentic#276);
- `no_user_after_tool`: Mistral refuses a user's turn right after results ("Unexpected role 'user' after
  role 'tool'", avante-corp/avante.nvim#2562, zed-industries/zed#37021): the assistant speaks between;
- `reasoning_content_field`: DeepSeek refuses a call of the past without `reasoning_content`, even an empty
  one (api-docs.deepseek.com, "Thinking mode").

All read 2026-11-22.
"""

from typing import Any, Final

import msgspec

from passerelle.codecs.names import digest

Json = dict[str, Any]

DEMANDS: Final = frozenset({"short_call_ids", "no_user_after_tool", "reasoning_content_field"})
BETWEEN: Final = "I have the results."
"""Said between results and the user's next words, where a server must hear the assistant."""

_SHORT: Final = 9
_ALPHANUMERIC: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789")
_messages = msgspec.json.Decoder(list[Json])
_encode = msgspec.json.Encoder().encode


def suit(messages: list[Json], quirks: frozenset[str]) -> bool:
    """Change `messages` to what the server takes; whether anything was changed."""
    changed = False
    if "short_call_ids" in quirks:
        changed = _shorten(messages)
    if "reasoning_content_field" in quirks:
        for message in messages:
            if message.get("tool_calls") and message.get("reasoning_content") is None:
                message["reasoning_content"] = ""
                changed = True
    if "no_user_after_tool" in quirks:
        for at in range(len(messages) - 1, 0, -1):
            if messages[at].get("role") == "user" and messages[at - 1].get("role") == "tool":
                messages.insert(at, {"role": "assistant", "content": BETWEEN})
                changed = True
    return changed


def suited(messages: msgspec.Raw, quirks: frozenset[str]) -> msgspec.Raw:
    """The same for a caller's own messages, whose bytes stay where nothing must change."""
    if b'"tool' not in bytes(messages):  # neither `"tool_calls"` nor the role `"tool"`
        return messages
    try:
        decoded = _messages.decode(messages)
    except msgspec.DecodeError:
        return messages  # the server will say what is wrong with them
    return msgspec.Raw(_encode(decoded)) if suit(decoded, quirks) else messages


def _shorten(messages: list[Json]) -> bool:
    changed = False
    for message in messages:
        calls = message.get("tool_calls")
        for call in calls if isinstance(calls, list) else ():
            if isinstance(call, dict) and (short := _short(call.get("id"))) is not None:
                call["id"] = short
                changed = True
        if (short := _short(message.get("tool_call_id"))) is not None:
            message["tool_call_id"] = short
            changed = True
    return changed


def _short(identifier: Any) -> str | None:
    """A stand-in for an id that would be refused; None for one that would not, and for what is no id."""
    if not isinstance(identifier, str):
        return None
    short = short_id(identifier)
    return None if short == identifier else short


def short_id(identifier: str) -> str:
    """`identifier` if it has nine letters and digits, or a stable stand-in that has."""
    if len(identifier) == _SHORT and _ALPHANUMERIC.issuperset(identifier):
        return identifier
    return digest(identifier, _SHORT)
