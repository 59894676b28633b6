"""A relay passes on no event that is none of its dialect, and goes on: callers' SDKs would break at it."""

import json

import pytest

from passerelle.codecs import registry
from passerelle.codecs.base import Envelope, StreamWatcher
from passerelle.core.request import Dialect

CHAT = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
CHAT |= {"choices": [{"index": 0, "delta": {"content": "x"}, "finish_reason": None}]}
DELTA = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "x"}}
NAMELESS = {"ping": True}
START = {"id": "msg", "model": "m", "usage": {"input_tokens": 1, "output_tokens": 1}}
FOREIGN: dict[Dialect, list[object]] = {
    "openai_chat": [DELTA, NAMELESS],
    "openai_responses": [CHAT, NAMELESS],
    "anthropic": [CHAT, NAMELESS],
    "gemini": [CHAT, DELTA, NAMELESS],
}
BEFORE: dict[Dialect, list[dict[str, object]]] = {
    "openai_chat": [CHAT],
    "openai_responses": [{"type": "response.created", "response": {"model": "m"}}],
    "anthropic": [{"type": "message_start", "message": START}],
    "gemini": [{"candidates": [{"content": {"parts": [{"text": "x"}]}, "index": 0}], "modelVersion": "m"}],
}


def wire(event: object) -> bytes:
    return b"data: " + json.dumps(event).encode() + b"\n\n"


def watcher(dialect: Dialect) -> StreamWatcher:
    found = registry.provider(dialect).stream_watcher(Envelope(operation="chat", model="m", stream=True))
    assert found.feed(b"".join(map(wire, BEFORE[dialect]))) == b"".join(map(wire, BEFORE[dialect]))
    return found


@pytest.mark.parametrize("dialect", FOREIGN)
def test_a_foreign_event_is_left_out_and_what_follows_is_not(dialect: Dialect) -> None:
    for foreign in FOREIGN[dialect]:
        alone, among = watcher(dialect), watcher(dialect)
        progress = alone.progress
        assert alone.feed(wire(foreign)) == b""
        assert alone.failed is None
        assert alone.progress == progress
        known = wire(BEFORE[dialect][-1]) if dialect in ("openai_chat", "gemini") else b""
        assert among.feed(wire(foreign) + known) == known
