"""Chat Completions as Mistral's own SDK speaks it, made OpenAI's on the way in.

It shares the path and most words, but not these: `random_seed` for `seed`; `prefix` on every assistant
message; a `document_url` part for a file. It knows no `stream_options` and always expects the usage with a
stream's end; it demands a `name` of each piece of a call in a stream and an `id` of embeddings, and knows an
entry of the model list by `type: "base"` (`mistralai` 3.7.0: `models/functioncall.py`,
`embeddingresponse.py`, `basemodelcard.py`, `documenturlchunk.py`, read 2026-11-22). It is told by its user
agent, `mistral-client-python/…` (`_hooks/custom_user_agent.py`), and never relayed.
"""

from typing import Any, Final

import msgspec

from passerelle.codecs.base import Envelope

AGENT: Final = b"mistral-client-"
"""How its `user-agent` begins, in Python and in TypeScript."""

MODEL_TYPE: Final = "base"


def as_translated(envelope: Envelope) -> Envelope:
    """The same, never relayed, and with the usage at the end of a stream."""
    return msgspec.structs.replace(envelope, relayable=False, include_usage=True)


def in_openai_words(fields: dict[str, Any]) -> dict[str, Any]:
    """A body in OpenAI's words. What is of no known kind stays, for the decoder to judge."""
    if "random_seed" in fields:
        fields.setdefault("seed", fields.pop("random_seed"))
    messages = fields.get("messages")
    for message in messages if isinstance(messages, list) else ():
        if not isinstance(message, dict):
            continue
        if message.get("prefix") is False:
            del message["prefix"]
        content = message.get("content")
        if isinstance(content, list):
            message["content"] = [_part(part) for part in content]
    return fields


def _part(part: Any) -> Any:
    if not isinstance(part, dict) or part.get("type") != "document_url":
        return part
    url = part.get("document_url")
    if not isinstance(url, str):
        return part
    name = part.get("document_name")
    file = {"file_data": url, **({"filename": name} if isinstance(name, str) else {})}
    return {"type": "file", "file": file}
