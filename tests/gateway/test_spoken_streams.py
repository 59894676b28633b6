"""A stream of sound told to callers who cannot hear: what was spoken, in words."""

import json
from typing import Any

import pytest

from passerelle.codecs import registry
from passerelle.codecs.base import ReplyContext
from passerelle.core.event import Finished, PartDelta, PartStarted
from passerelle.core.request import Dialect
from passerelle.gateway.translation import Translation


def chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return b"data: %b\n\n" % json.dumps({"id": "x", "model": "m", "choices": [choice]}).encode()


SOUND = (
    chunk({"role": "assistant", "content": None}),
    chunk({"audio": {"id": "a", "transcript": "Hel"}}),
    chunk({"audio": {"data": "AAAA"}}),
    chunk({"audio": {"transcript": "lo."}}),
    chunk({}, "stop"),
    b"data: [DONE]\n\n",
)


@pytest.mark.parametrize("dialect", ["anthropic", "bedrock"])
def test_a_spoken_stream_is_told_in_words(dialect: Dialect) -> None:
    encoder = registry.client(dialect).stream_encoder(ReplyContext("req_01TEST", "m", 1))
    translation = Translation(registry.provider("openai_chat").stream_decoder(), encoder, voiceless=True)
    said = b""
    for piece in SOUND[:-2]:
        said += translation.feed(piece)
        assert not translation.content
    said += b"".join([translation.feed(piece) for piece in SOUND[-2:]]) + translation.close()
    assert translation.done
    assert translation.text_bytes == len("Hello.")
    events = registry.provider(dialect).stream_decoder().feed(said)
    assert [event.kind for event in events if isinstance(event, PartStarted)] == ["text"]
    assert "".join(event.text for event in events if isinstance(event, PartDelta)) == "Hello."
    assert isinstance(events[-1], Finished)


def test_who_hears_gets_the_sound() -> None:
    encoder = registry.client("gemini").stream_encoder(ReplyContext("req_01TEST", "m", 1))
    translation = Translation(registry.provider("openai_chat").stream_decoder(), encoder)
    said = b"".join([translation.feed(piece) for piece in SOUND]) + translation.close()
    assert b'"AAAA"' in said
