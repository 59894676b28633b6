"""Where words come from, from any provider to a caller of any dialect."""

import json
from typing import Any

import pytest

from passerelle.codecs import registry
from passerelle.codecs.base import PathTarget, ReplyContext, Target
from passerelle.core.event import Finished, PartDelta, PartEnded, PartStarted, Started
from passerelle.core.message import TextPart
from passerelle.core.request import Dialect
from passerelle.core.response import Response

URL = "https://example.com/avignon"
FORMS: dict[str, dict[str, Any]] = {
    "chat": {
        "type": "url_citation",
        "url_citation": {"url": URL, "title": "T", "start_index": 0, "end_index": 3},
    },
    "responses": {"type": "url_citation", "url": URL, "title": "T", "start_index": 0, "end_index": 3},
    "anthropic": {
        "type": "web_search_result_location", "url": URL, "title": "T", "cited_text": "The",
        "encrypted_index": "EqgfCioIARgBIiQ3YTAwMjY1",
    },
    "converse": {"title": "T", "location": {"web": {"url": URL, "domain": "example.com"}}},
    "grounded": {"web": {"uri": URL, "title": "T"}},
    "gemini": {"uri": URL, "title": "T", "startIndex": 0, "endIndex": 3},
}  # fmt: skip
CONTEXT = ReplyContext(id="req_1", model="m", created_s=1)
CALLERS: tuple[Dialect, ...] = ("openai_chat", "openai_responses", "anthropic", "bedrock")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("caller", CALLERS)
def test_a_web_source_reaches_callers_whole_and_streamed(caller: Dialect, form: str) -> None:
    side = registry.client(caller)
    response = Response((TextPart("The bridge", citations=(FORMS[form],)),), "stop", model="m")
    assert side.encode_response(response, CONTEXT).count(URL.encode()) == 1
    encoder = side.stream_encoder(CONTEXT)
    events = (
        Started("m"), PartStarted(0, "text"), PartDelta(0, "The bridge"), PartDelta(0, citation=FORMS[form]),
        PartEnded(0), Finished("stop"),
    )  # fmt: skip
    assert URL.encode() in b"".join([encoder.encode(event) for event in events])


def test_what_was_made_for_anthropic_s_callers_never_reaches_anthropic() -> None:
    response = Response((TextPart("The bridge", citations=(FORMS["chat"],)),), "stop", model="m")
    said = json.loads(registry.client("anthropic").encode_response(response, CONTEXT))["content"]
    assert said[0]["citations"][0]["cited_text"] == "The"
    both = [*said[0]["citations"], FORMS["anthropic"]]
    asked = {
        "model": "m", "max_tokens": 9,
        "messages": [
            {"role": "user", "content": "Hi."},
            {"role": "assistant", "content": [{**said[0], "citations": both}]},
            {"role": "user", "content": "More."},
        ],
    }  # fmt: skip
    body = json.dumps(asked).encode()
    target = PathTarget("chat")
    assert not registry.client("anthropic").envelope(body, target).relayable
    request = registry.client("anthropic").decode_request(body, target)
    encoded = registry.provider("anthropic").encode_request(request, Target("claude-sonnet-4-5"))
    (block,) = json.loads(encoded.body)["messages"][1]["content"]
    assert block["citations"] == [FORMS["anthropic"]]
    assert encoded.dropped == ("citations",)


def test_google_s_grounds_are_citations_to_others_and_no_second_ones_to_its_own() -> None:
    grounds = {"groundingChunks": [{"web": {"uri": URL, "title": "T"}}, {"maps": {}}, None, {"web": {}}]}
    candidate = {"content": {"parts": [{"text": "The bridge"}]}, "finishReason": "STOP"}
    body = json.dumps(
        {"candidates": [{**candidate, "groundingMetadata": grounds}], "modelVersion": "g"}
    ).encode()
    response = registry.provider("gemini").decode_response(body)
    (part,) = response.parts
    assert isinstance(part, TextPart)
    assert part.citations == (FORMS["grounded"],)
    again = json.loads(registry.client("gemini").encode_response(response, CONTEXT))
    assert again["candidates"][0]["groundingMetadata"] == grounds
    assert "citationMetadata" not in again["candidates"][0]
