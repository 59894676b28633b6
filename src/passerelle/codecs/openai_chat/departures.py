"""Fields that servers of this dialect name or shape in their own way (`codecs.base.QUIRKS`).

Said once for both ways there: on a request that was encoded, and on a caller's own fields.

Sources, read 2026-11-22: mistralai 3.7.0, `chatcompletionrequest` (`random_seed`) and `assistantmessage`
(`prefix`); api-docs.deepseek.com/guides/thinking_mode (`thinking`); console.groq.com/docs/openai (`name`);
github.com/justrach/codegraff issue 751 (Meta: only `tool_choice: auto`, and no tools for `none`).
"""

from collections.abc import Callable
from typing import Any, Final

import msgspec

Json = dict[str, Any]
Fields = dict[str, msgspec.Raw]

OWN_SHAPES: Final = frozenset({"random_seed_field", "thinking_toggle", "no_store", "no_choice_of_none"})
OWN_MESSAGES: Final = frozenset({"no_name", "prefix_field"})

_messages_decoder = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])
_encode = msgspec.json.Encoder().encode
_OFF: Final = msgspec.Raw(b'{"type":"disabled"}')
_NULLS: Final = (b"null", b"[]")


def reshape(body: Json, quirks: frozenset[str], drop: Callable[[str], None]) -> None:
    """Give an encoded request the server's own shapes."""
    if "random_seed_field" in quirks and "seed" in body:
        body["random_seed"] = body.pop("seed")
    if "thinking_toggle" in quirks and body.get("reasoning_effort") == "none":
        del body["reasoning_effort"]
        body["thinking"] = {"type": "disabled"}
    if "no_store" in quirks and body.pop("store", None):
        drop("store")
    if "no_choice_of_none" in quirks and body.get("tool_choice") == "none":
        del body["tool_choice"], body["tools"]  # what is not offered is not called
    messages = body.get("messages")
    if not messages:
        return
    if "no_name" in quirks:
        for message in messages:
            if message.pop("name", None) is not None:
                drop("name")
    last = messages[-1]
    if "prefix_field" in quirks and last.get("role") == "assistant" and not last.get("tool_calls"):
        last.setdefault("prefix", True)


def reshape_fields(fields: Fields, quirks: frozenset[str]) -> None:
    """Give a caller's own body the server's own shapes; what needs no change keeps its bytes."""
    if "random_seed_field" in quirks and "seed" in fields:
        fields["random_seed"] = fields.pop("seed")
    if "thinking_toggle" in quirks and bytes(fields.get("reasoning_effort", b"")) == b'"none"':
        del fields["reasoning_effort"]
        fields.setdefault("thinking", _OFF)
    if "no_store" in quirks:
        fields.pop("store", None)
    if "no_choice_of_none" in quirks and bytes(fields.get("tool_choice", b"")) == b'"none"':
        del fields["tool_choice"]
        fields.pop("tools", None)


def reshape_messages(fields: Fields, quirks: frozenset[str]) -> bool:
    """Likewise for the messages. Whether a `name` was taken out."""
    raw = fields.get("messages")
    if raw is None:
        return False
    try:
        messages = _messages_decoder.decode(raw)
    except msgspec.DecodeError:
        return False  # the server will say what is wrong with them
    lost = changed = False
    if "no_name" in quirks:
        for message in messages:
            if bytes(message.pop("name", msgspec.Raw(b"null"))) != b"null":
                lost = changed = True
    if "prefix_field" in quirks and messages:
        last = messages[-1]
        calls = bytes(last.get("tool_calls", b"null"))
        if bytes(last.get("role", b"")) == b'"assistant"' and calls in _NULLS and "prefix" not in last:
            last["prefix"] = msgspec.Raw(b"true")
            changed = True
    if changed:
        fields["messages"] = msgspec.Raw(_encode(messages))
    return lost
