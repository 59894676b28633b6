"""Another gateway's Bedrock material through the codec (`../shared/data/dialects`, skipped when absent)."""

import json
import random
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.codecs.bedrock_support import CLIENT, CONTEXT, PROVIDER, events, path, sent
from tests.shared import shared_data
from tests.upstream_bedrock import read_frames

from passerelle.codecs import registry
from passerelle.codecs.base import Target
from passerelle.core.errors import AnswerError
from passerelle.core.event import Failed, Finished, UsageReported
from passerelle.core.request import Dialect

ROOT = shared_data("dialects", "agentgateway")
DIALECTS: dict[str, Dialect] = {
    "completions": "openai_chat",
    "messages": "anthropic",
    "responses": "openai_responses",
}
pytestmark = pytest.mark.skipif(ROOT is None, reason="the shared material is not here")


def snaps(pattern: str) -> list[Path]:
    return sorted(ROOT.glob(pattern)) if ROOT is not None else []


REQUESTS = [snap for name in DIALECTS for snap in snaps(f"requests/{name}/*.bedrock.snap")]
DIFFERS = {
    "*": "no `maxTokens` is invented where the caller gave no limit: the model's own holds",
    "completions/tool-call": "the history's own tools are defined, where theirs defines a dummy that must "
    "not be called; a result's `status: null` is left out",
    "completions/parallel-tool-call": "the refusal of parallel calls has no field in Converse, and is "
    "named as lost",
    "completions/reasoning": "thinking is left room as for every other maker: 8,192 tokens for `medium`",
    "messages/reasoning": "effort stands in `outputConfig`, which Converse has for it",
    "messages/system_message": "a system message in mid-conversation keeps its place, marked, where theirs "
    "moves it to the beginning and breaks the cached prefix",
    "responses/parallel-tool-call": "as for Chat Completions",
}
"""Where what we send differs from what they send, and why."""


def parts(snap: Path) -> tuple[Any, Any]:
    _, head, body = snap.read_text("utf-8").split("---\n", 2)
    return yaml.safe_load(head)["info"], json.loads(body)


@pytest.mark.parametrize("snap", REQUESTS, ids=lambda snap: f"{snap.parent.name}-{snap.name.split('.')[0]}")
def test_requests_agree_with_theirs_but_for_what_is_listed(snap: Path) -> None:
    asked, said = parts(snap)
    dialect = DIALECTS[snap.parent.name]
    model = asked["model"]
    at = Target(model if "claude" in model and "." in model else "anthropic.claude-opus-4-6-v1")
    if f"{snap.parent.name}/{snap.name.split('.')[0]}" == "completions/reasoning":
        at = Target("anthropic.claude-3-7-sonnet-20250219-v1:0")
    request = registry.client(dialect).decode_request(json.dumps(asked).encode(), path())
    ours, theirs = sent(PROVIDER.encode_request(request, at)), said["request"]
    if theirs.get("inferenceConfig") == {"maxTokens": 4096}:
        theirs.pop("inferenceConfig")
    if f"{snap.parent.name}/{snap.name.split('.')[0]}" in DIFFERS:
        assert ours != theirs, "no longer different: take it off the list"
        assert [turn["role"] for turn in ours["messages"]] == [t["role"] for t in theirs["messages"]] or (
            "system_message" in snap.name
        )
    else:
        assert ours == theirs


@pytest.mark.parametrize(
    "answer", snaps("response/bedrock/[!r]*.json") + snaps("response/bedrock/reason*.json")
)
def test_a_recorded_answer_comes_out_as_it_went_in(answer: Path) -> None:
    body = answer.read_bytes()
    before = json.loads(body)
    response = PROVIDER.decode_response(body)
    after = json.loads(CLIENT.encode_response(response, CONTEXT))
    assert after["output"]["message"]["content"] == before["output"]["message"]["content"]
    assert after["stopReason"] == before["stopReason"]
    assert after["usage"].items() >= {n: v for n, v in (before.get("usage") or {}).items() if v}.items()


STREAMS = snaps("response/bedrock/*.bin") + snaps("response/detect/bedrock-basic.bin")


@pytest.mark.parametrize("recorded", STREAMS, ids=lambda snap: snap.stem)
def test_a_recorded_stream_is_relayed_and_read_however_it_is_cut(recorded: Path) -> None:
    body = recorded.read_bytes()
    draw = random.Random(7)
    cuts = sorted(draw.randrange(len(body)) for _ in range(40))
    pieces = [body[a:b] for a, b in zip([0, *cuts], [*cuts, len(body)], strict=True)]
    found = events(*pieces)
    assert isinstance(found[-1], Finished)
    assert any(isinstance(event, UsageReported) for event in found)
    watcher = PROVIDER.stream_watcher(CLIENT.envelope(b'{"messages":[{"role":"user","content":[]}]}', path()))
    assert b"".join([watcher.feed(piece) for piece in pieces]) + watcher.close() == body
    assert watcher.done
    encoder = CLIENT.stream_encoder(CONTEXT)
    told = read_frames(b"".join(encoder.encode(event) for event in found))
    wanted = [(h[":event-type"], {n: v for n, v in p.items() if n != "p"}) for h, p in read_frames(body)]
    ours = [(h[":event-type"], said) for h, said in told]
    # One recording ends no block; ours always do. What a `metadata` holds is compared by its figures above.
    passed_over = ("contentBlockStop", "metadata")
    kept = [(name, said) for name, said in wanted if not _says_nothing(said) and name not in passed_over]
    assert [(name, said) for name, said in ours if name not in passed_over] == kept


def _says_nothing(said: dict[str, Any]) -> bool:
    """An empty piece."""
    delta = said.get("delta", {})
    empty = delta.get("text") == "" or delta.get("toolUse", {}).get("input") == ""
    return bool(empty or delta.get("reasoningContent", {}).get("text") == "")


def test_a_broken_stream_fails() -> None:
    for recorded in snaps("response/detect/bedrock-broken.bin"):
        try:
            last = events(recorded.read_bytes())[-1]
        except AnswerError:
            continue
        assert isinstance(last, Failed)
