"""Real Gemini material through the codec (`../shared/data/dialects`, skipped when absent)."""

import json
import random
from pathlib import Path
from typing import Any

import pytest
from tests.codecs.gemini_support import CHAT, ENVELOPE, PRO, context, dump, events_of, split, sse
from tests.shared import shared_data

from passerelle.codecs.gemini import CLIENT, PROVIDER
from passerelle.codecs.gemini.tasks import PROVIDERS
from passerelle.core.errors import AnswerError
from passerelle.core.event import Finished, PartDelta, UsageReported
from passerelle.core.message import TextPart

ROOT = shared_data("dialects", "agentgateway")


def files(*parts: str) -> list[Path]:
    return sorted(ROOT.joinpath(*parts).glob("*.json")) if ROOT is not None else []


REQUESTS = files("requests", "gemini") + [
    path for path in files("requests", "policies") if path.name.startswith("gemini")
]
ANSWERS = files("response", "vertex-gemini")

DIFFERS: dict[str, str] = {
    "passthrough-fields.json": "two contents of one role in a row become one, since turns alternate; "
    "an unknown field of a tool becomes a tool of its own",
    "text.json": "`candidateCount: 1` is what leaving it out means",
}
"""What a translated body may say otherwise than its original, and why."""


def ids(path: Path) -> str:
    return path.stem


pytestmark = pytest.mark.skipif(ROOT is None, reason="the shared material is not here")


@pytest.mark.parametrize("path", REQUESTS, ids=ids)
def test_a_real_request_comes_out_as_it_went_in(path: Path) -> None:
    body = path.read_bytes()
    request = CLIENT.decode_request(body, CHAT)
    encoded = PROVIDER.encode_request(request, PRO)
    assert encoded.dropped == ()
    assert PROVIDER.relay_request(body, PRO, CLIENT.envelope(body, CHAT)) == body
    before, after = json.loads(body), json.loads(encoded.body)
    if path.name not in DIFFERS:
        assert after == before
        return
    assert _leaves(before) - _leaves(after) <= {"1"}  # the candidate count


def _leaves(value: Any) -> set[str]:
    """Every name and scalar in a body."""
    if isinstance(value, dict):
        return set(value) | {leaf for inner in value.values() for leaf in _leaves(inner)} - {"candidateCount"}
    if isinstance(value, list):
        return {leaf for inner in value for leaf in _leaves(inner)}
    return {json.dumps(value)}


@pytest.mark.parametrize("path", ANSWERS, ids=ids)
def test_a_real_answer_comes_out_as_it_went_in(path: Path) -> None:
    body = path.read_bytes()
    response = PROVIDER.decode_response(body)
    watched = PROVIDER.watch_response(body)
    assert (watched.model, watched.usage, watched.finish) == (response.model, response.usage, response.finish)
    before = json.loads(body)
    after = json.loads(CLIENT.encode_response(response, context()))
    assert after.get("candidates", []) == before["candidates"]
    assert after.get("promptFeedback") == before.get("promptFeedback")
    assert after["modelVersion"] == before["modelVersion"]
    assert after["usageMetadata"].items() >= before["usageMetadata"].items()


@pytest.mark.parametrize("path", ANSWERS, ids=ids)
def test_a_real_answer_streamed_gives_the_same_events_under_any_split(path: Path) -> None:
    body = json.loads(path.read_bytes())
    stream = sse(body)
    events = events_of(PROVIDER.stream_decoder(), stream)
    assert isinstance(events[-1], Finished)
    chance = random.Random(path.name)
    for _ in range(20):
        pieces = split(stream, [chance.randrange(len(stream)) for _ in range(chance.randrange(9))])
        assert events_of(PROVIDER.stream_decoder(), *pieces) == events
        watcher = PROVIDER.stream_watcher(ENVELOPE)
        for piece in pieces:
            watcher.feed(piece)
        watcher.close()
        assert (watcher.done, watcher.finish, watcher.model) == (
            True,
            events[-1].finish,
            body["modelVersion"],
        )
        assert [watcher.usage] == [event.usage for event in events if isinstance(event, UsageReported)][-1:]
    whole = PROVIDER.decode_response(dump(body))
    said = "".join(event.text for event in events if isinstance(event, PartDelta))
    assert said.endswith("".join(part.text for part in whole.parts if isinstance(part, TextPart)))


@pytest.mark.parametrize(
    "path",
    [path for folder in ("anthropic", "completions", "openai") for path in files("response", folder)],
    ids=ids,
)
def test_other_dialects_answers_are_refused_not_misread(path: Path) -> None:
    body = path.read_bytes()
    for read in (PROVIDER.decode_response, PROVIDER.watch_response, PROVIDERS["embed"].decode_response):
        with pytest.raises(AnswerError):
            read(body)
