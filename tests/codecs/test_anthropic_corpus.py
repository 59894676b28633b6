"""Recorded and collected Anthropic payloads (`shared/data/dialects`): nothing lost that is not named here."""

import json
import random
from pathlib import Path
from typing import Any

import pytest
from tests.codecs.anthropic_support import CHAT, COUNT, check_grammar, context, payloads
from tests.shared import shared_data

from passerelle.codecs.anthropic import CLIENT, PROVIDER
from passerelle.codecs.base import Envelope, Target
from passerelle.core.event import Failed, Finished, Started, UsageReported


def files(*patterns: str) -> list[Path]:
    root = shared_data("dialects")
    return [] if root is None else sorted(path for pattern in patterns for path in root.glob(pattern))


REQUESTS = files("agentgateway/requests/messages/*.json", "agentgateway/requests/count-tokens/*.json")
ANSWERS = [
    path
    for path in files("agentgateway/response/anthropic/*.json", "gomodel/anthropic/*.json")
    if not path.name.startswith("stream")
]
STREAMS = files("agentgateway/response/anthropic/stream*.json", "gomodel/anthropic/*stream*.txt")
pytestmark = pytest.mark.skipif(not STREAMS, reason="the shared material is not here")

FAILS = {
    "stream_message_delta_usage.json": "no content block at all ends in `end_turn`: an empty completion",
}
"""Streams that are not answers, and why."""

ADDED_USAGE = {
    "cache_creation_input_tokens": 0,
    "cache_read_input_tokens": 0,
    "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
}
"""What we say of usage when the provider leaves it out: zeros, as Anthropic itself does now."""


def ids(paths: list[Path]) -> list[str]:
    return [path.name for path in paths]


def plain(value: Any) -> Any:
    """A lone text block as the string it stands for."""
    if isinstance(value, dict):
        read = {name: plain(inner) for name, inner in value.items()}
        for name in ("content", "system"):
            blocks = read.get(name)
            if isinstance(blocks, list) and len(blocks) == 1 and blocks[0].keys() == {"type", "text"}:
                read[name] = blocks[0]["text"]
        return read
    return [plain(inner) for inner in value] if isinstance(value, list) else value


@pytest.mark.parametrize("path", REQUESTS, ids=ids(REQUESTS))
def test_every_request_comes_back_whole(path: Path) -> None:
    body = path.read_bytes()
    counting = "count-tokens" in path.parts
    target = COUNT if counting else CHAT
    envelope = CLIENT.envelope(body, target)
    request = CLIENT.decode_request(body, target)
    # A model that takes everything these requests ask, so that only the codec could lose something.
    sent = PROVIDER.encode_request(request, Target("claude-opus-4-8", operation=target.operation))
    before = json.loads(body)
    assert sent.dropped == ()
    assert plain(json.loads(sent.body)) == plain({**before, "model": "claude-opus-4-8"})
    assert (envelope.model, envelope.stream) == (request.model, request.stream)
    assert json.loads(PROVIDER.relay_request(body, Target("x"), envelope)) == {**before, "model": "x"}


@pytest.mark.parametrize("path", ANSWERS, ids=ids(ANSWERS))
def test_every_answer_comes_back_whole(path: Path) -> None:
    body = path.read_bytes()
    before = json.loads(body)
    answer = PROVIDER.decode_response(body)
    after = json.loads(CLIENT.encode_response(answer, context()))
    split = before["usage"].get("cache_creation")
    written = before["usage"].get("cache_creation_input_tokens", 0)
    if split is None or sum(split.values()) != written:  # no split, or one that does not add up
        before["usage"]["cache_creation"] = {
            "ephemeral_5m_input_tokens": written,
            "ephemeral_1h_input_tokens": 0,
        }
    before["usage"] = {**ADDED_USAGE, **before["usage"]}
    assert after == before
    watched = PROVIDER.watch_response(body)
    assert (watched.model, watched.usage, watched.finish) == (answer.model, answer.usage, answer.finish)
    said = before["usage"]
    assert answer.usage.total_tokens == sum(
        said[name]
        for name in (
            "input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "output_tokens",
        )
    )  # fmt: skip


def decode(*pieces: bytes) -> list[Any]:
    decoder = PROVIDER.stream_decoder()
    events = [event for piece in pieces for event in decoder.feed(piece)]
    return events + decoder.close()


@pytest.mark.parametrize("path", STREAMS, ids=ids(STREAMS))
def test_every_stream_is_read_alike_however_it_is_cut_and_watched(path: Path) -> None:
    whole = path.read_bytes()
    events = decode(whole)
    last = events[-1]
    assert isinstance(last, Failed if path.name in FAILS else Finished)
    chance = random.Random(path.name)
    for _ in range(20):
        cuts = sorted(chance.randrange(len(whole)) for _ in range(chance.randrange(9)))
        pieces = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
        assert decode(*pieces) == events
        watcher = PROVIDER.stream_watcher(Envelope("chat", "m", stream=True))
        passed = b"".join([watcher.feed(piece) for piece in pieces]) + watcher.close()
        assert watcher.done == isinstance(last, Finished)
        assert watcher.failed == (last if isinstance(last, Failed) else None)
        assert watcher.model == next(e.model for e in events if isinstance(e, Started))
        assert watcher.usage == [e.usage for e in events if isinstance(e, UsageReported)][-1]
        if isinstance(last, Finished):
            assert watcher.finish == last.finish
            assert decode(passed) == events


@pytest.mark.parametrize("path", STREAMS, ids=ids(STREAMS))
def test_every_stream_written_again_is_legal_and_says_the_same(path: Path) -> None:
    events = decode(path.read_bytes())
    encoder = CLIENT.stream_encoder(context())
    written = b"".join(encoder.encode(event) for event in events)
    check_grammar(payloads(written))
    again = decode(written)
    if isinstance(events[-1], Finished):
        assert again == events
