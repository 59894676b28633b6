"""Pictures come as one event of megabytes: every reader takes it, in any pieces, in linear time."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.codecs.held import counted

from passerelle.codecs import registry
from passerelle.codecs.base import Envelope
from passerelle.core.event import Finished
from passerelle.core.request import Dialect

PICTURE = "iVBORw0KGgoAAAANSUhEUgAA" * 130_000
"""3 MB of base64."""


def events(dialect: Dialect) -> Iterator[dict[str, Any]]:
    match dialect:
        case "openai_chat":
            image = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + PICTURE}}
            yield {"choices": [{"index": 0, "delta": {"role": "assistant", "images": [image]}}]}
            yield {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
        case "openai_responses":
            item = {"id": "ig_1", "type": "image_generation_call", "status": "completed", "result": PICTURE}
            response = {"id": "resp_1", "model": "m", "status": "in_progress", "output": []}
            yield {"type": "response.created", "response": response}
            bare = {**item, "status": "in_progress", "result": None}
            yield {"type": "response.output_item.added", "output_index": 0, "item": bare}
            yield {"type": "response.output_item.done", "output_index": 0, "item": item}
            whole = {**response, "status": "completed", "output": [item]}
            yield {"type": "response.completed", "response": whole}
        case "gemini":
            part = {"inlineData": {"mimeType": "image/png", "data": PICTURE}}
            yield {"candidates": [{"index": 0, "content": {"parts": [part]}, "finishReason": "STOP"}]}
        case "anthropic":
            usage = {"input_tokens": 1, "output_tokens": 1}
            yield {"type": "message_start", "message": {"id": "msg_1", "model": "m", "usage": usage}}
            yield {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
            delta = {"type": "text_delta", "text": PICTURE}
            yield {"type": "content_block_delta", "index": 0, "delta": delta}
            yield {"type": "content_block_stop", "index": 0}
            yield {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": usage}
            yield {"type": "message_stop"}


def wire(dialect: Dialect) -> bytes:
    done = b"data: [DONE]\n\n" if dialect == "openai_chat" else b""
    frames = [
        b"event: %b\ndata: %b\n\n" % (str(event.get("type", "")).encode(), json.dumps(event).encode())
        for event in events(dialect)
    ]
    return b"".join(frames).replace(b"event: \n", b"") + done


DIALECTS: tuple[Dialect, ...] = ("openai_chat", "openai_responses", "anthropic", "gemini")


@pytest.mark.parametrize("size", [700, 1 << 16, 1 << 23])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_picture_in_one_event_is_passed_on_and_decoded(
    monkeypatch: pytest.MonkeyPatch, dialect: Dialect, size: int
) -> None:
    stream = wire(dialect)
    side = registry.provider(dialect)
    passed, told = [], []
    committed = 0
    with counted(monkeypatch) as held:
        watcher, decoder = side.stream_watcher(Envelope("chat", "m", stream=True)), side.stream_decoder()
        for at in range(0, len(stream), size):
            passed.append(watcher.feed(stream[at : at + size]))
            told += decoder.feed(stream[at : at + size])
            if not watcher.content:
                committed += len(passed[-1])
        passed.append(watcher.close())
        told += decoder.close()
    # A copy of what came before at each piece of 700 bytes would be tens of gigabytes.
    assert held.read < 8 * len(stream)
    assert watcher.failed is None
    assert watcher.done
    assert b"".join(passed) == stream
    assert isinstance(told[-1], Finished)
    assert committed < 4_096, "the picture is content: what is held back before it is small"
