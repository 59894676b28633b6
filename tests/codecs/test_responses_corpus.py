"""Real payloads of the Responses API, when the shared material is there: nothing lost that is not said."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.codecs.responses_support import CHAT, ENVELOPE, context
from tests.shared import shared_data

from passerelle.codecs.base import Target
from passerelle.codecs.openai_responses import CLIENT, PROVIDER
from passerelle.core.event import Finished, Started, UsageReported

ROOT = shared_data("dialects")


def found(*patterns: str) -> list[Path]:
    return sorted(path for pattern in patterns for path in (ROOT.glob(pattern) if ROOT else ()))


REQUESTS = found("agentgateway/requests/responses/*.json")
ANSWERS = found("agentgateway/response/responses/[!s]*.json", "gomodel/openai/responses.json")
STREAMS = found("agentgateway/response/responses/stream*.json", "gomodel/openai/responses_stream.txt")

SUPPLIED = {"store": False}
"""What an encoded request says beside the caller's own fields: nothing is kept unless they ask."""


def explicit(item: dict[str, Any]) -> dict[str, Any]:
    """An item in its full form: the type is optional, and one piece of text may stand as a string."""
    item = {"type": "message", **item} if "role" in item else dict(item)
    content = item.get("content")
    if isinstance(content, str):
        item["content"] = [{"type": "input_text", "text": content}]
    for part in item.get("content") or ():
        url = part.get("file_url", "")
        if url.startswith("data:"):  # a data URL is data, whichever field it was put in
            part["file_data"] = part.pop("file_url")
    return item


def normal(body: dict[str, Any]) -> dict[str, Any]:
    given_input = body["input"]
    items = [{"role": "user", "content": given_input}] if isinstance(given_input, str) else given_input
    return {**SUPPLIED, **body, "input": [explicit(item) for item in items]}


@pytest.mark.skipif(not REQUESTS, reason="the shared material is absent")
@pytest.mark.parametrize("path", REQUESTS, ids=lambda path: path.stem)
def test_a_real_request_loses_nothing(path: Path) -> None:
    body = path.read_bytes()
    said = json.loads(body)
    encoded = PROVIDER.encode_request(CLIENT.decode_request(body, CHAT), Target(said["model"]))
    assert encoded.dropped == ()
    assert normal(json.loads(encoded.body)) == normal(said)
    assert CLIENT.envelope(body, CHAT).model == said["model"]


REPEATED = {
    "id", "created_at", "completed_at", "instructions", "max_output_tokens", "max_tool_calls", "metadata",
    "parallel_tool_calls", "previous_response_id", "prompt_cache_key", "prompt_cache_retention", "reasoning",
    "safety_identifier", "store", "temperature", "text", "tool_choice", "tools", "top_logprobs", "top_p",
    "truncation", "user", "object", "background", "frequency_penalty", "presence_penalty",
}  # fmt: skip
"""Fields of a response object that repeat the request (ours repeats our caller's), or are minted by us."""


def told(item: dict[str, Any]) -> dict[str, Any]:
    """An output item with what the API always writes, and without nulls."""
    item = {key: value for key, value in item.items() if value is not None}
    if item["type"] in ("message", "function_call"):
        item.setdefault("status", "completed")
    for part in item.get("content", ()) if item["type"] == "message" else ():
        part.setdefault("annotations", [])
        part.setdefault("logprobs", [])
    return item


def rest(response: dict[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in response.items() if key not in REPEATED and value is not None}
    kept["output"] = [told(item) for item in response["output"]]
    if "usage" in kept:
        usage = kept["usage"]
        details = usage["input_tokens_details"]
        kept["usage"] = {
            **{key: usage[key] for key in ("input_tokens", "output_tokens", "total_tokens")},
            "cached": details["cached_tokens"],
            "written": details.get("cache_write_tokens", 0),
            # One recording counts more thoughts than output, which cannot be: they are part of it.
            "reasoned": min(usage["output_tokens_details"]["reasoning_tokens"], usage["output_tokens"]),
        }
    return kept


@pytest.mark.skipif(not ANSWERS, reason="the shared material is absent")
@pytest.mark.parametrize("path", ANSWERS, ids=lambda path: path.stem)
def test_a_real_answer_loses_nothing(path: Path) -> None:
    body = path.read_bytes()
    response = PROVIDER.decode_response(body)
    again = json.loads(CLIENT.encode_response(response, context()))
    assert rest(again) == rest(json.loads(body))
    watched = PROVIDER.watch_response(body)
    assert (watched.model, watched.usage, watched.finish) == (response.model, response.usage, response.finish)


@pytest.mark.skipif(not STREAMS, reason="the shared material is absent")
@pytest.mark.parametrize("path", STREAMS, ids=lambda path: path.stem)
@given(data=st.data())
@settings(max_examples=15)
def test_a_real_stream_says_the_same_however_it_is_split_and_watched(path: Path, data: st.DataObject) -> None:
    stream = path.read_bytes()
    whole = PROVIDER.stream_decoder()
    expected = whole.feed(stream) + whole.close()
    assert isinstance(expected[-1], Finished)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    decoder, watcher = PROVIDER.stream_decoder(), PROVIDER.stream_watcher(ENVELOPE)
    events, passed = [], b""
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        events += decoder.feed(stream[start:end])
        passed += watcher.feed(stream[start:end])
    assert events + decoder.close() == expected
    passed += watcher.close()
    assert passed.rstrip() == stream.rstrip()
    started = next(event for event in expected if isinstance(event, Started))
    counted = next(event for event in expected if isinstance(event, UsageReported))
    assert watcher.done
    assert watcher.content
    assert (watcher.model, watcher.usage, watcher.finish) == (
        started.model,
        counted.usage,
        expected[-1].finish,
    )
