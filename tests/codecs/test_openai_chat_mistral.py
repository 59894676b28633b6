"""Mistral's own SDK: its words on the way in, and what it insists on in an answer."""

import json
from typing import Any

import pytest

from passerelle.codecs.base import PathTarget, ReplyContext
from passerelle.codecs.openai_chat import CLIENT
from passerelle.core.errors import ProblemError
from passerelle.core.event import Finished, PartDelta, PartEnded, PartStarted, Started
from passerelle.core.message import FilePart

TARGET = PathTarget("chat", speaker="mistral")
CONTEXT = ReplyContext("req_1", "m", 1, speaker="mistral")


def body(**more: Any) -> bytes:
    return json.dumps({"model": "m", "messages": [{"role": "user", "content": "hi"}], **more}).encode()


def test_it_is_never_relayed_and_always_told_the_usage() -> None:
    ours = CLIENT.envelope(body(stream=True), TARGET)
    assert (ours.relayable, ours.include_usage) == (False, True)
    others = CLIENT.envelope(body(stream=True), PathTarget("chat"))
    assert (others.relayable, others.include_usage) == (True, False)


def test_its_words_become_openai_s() -> None:
    request = CLIENT.decode_request(body(random_seed=7, tool_choice="any", max_tokens=9), TARGET)
    assert (request.sampling.seed, request.max_output_tokens, request.extra) == (7, 9, None)
    assert request.tool_choice is not None
    assert request.tool_choice.mode == "required"


def test_a_prefix_that_says_nothing_goes_and_one_that_does_stays() -> None:
    for prefix, kept in ((False, None), (True, {"prefix": True})):
        answer = {"role": "assistant", "content": "ho", "prefix": prefix}
        messages = [{"role": "user", "content": "hi"}, answer]
        request = CLIENT.decode_request(body(messages=messages), TARGET)
        assert (request.messages[-1].extra or None) == kept


def test_a_document_becomes_a_file() -> None:
    part = {"type": "document_url", "document_url": "data:application/pdf;base64,AA==", "document_name": "a"}
    request = CLIENT.decode_request(body(messages=[{"role": "user", "content": [part]}]), TARGET)
    (found,) = request.messages[0].parts
    assert isinstance(found, FilePart)
    assert (found.media_type, found.data, found.name) == ("application/pdf", "AA==", "a")


def test_nonsense_is_refused_as_from_anybody() -> None:
    for wrong in ([7], ["x", {"role": "user", "content": [3]}]):
        with pytest.raises(ProblemError):
            CLIENT.decode_request(body(messages=wrong), TARGET)


def test_every_piece_of_a_call_names_a_tool() -> None:
    encoder = CLIENT.stream_encoder(CONTEXT)
    events = [Started("m"), PartStarted(0, "tool_call", id="c", name="f"), PartDelta(0, '{"a"')]
    events += [PartDelta(0, ": 1}"), PartEnded(0), Finished("tool_calls")]
    said = b"".join([encoder.encode(event) for event in events]).decode()
    chunks = [json.loads(line[6:]) for line in said.splitlines() if line.startswith("data: {")]
    calls = [c for chunk in chunks for c in chunk["choices"][0]["delta"].get("tool_calls", ())]
    assert [call["function"]["name"] for call in calls] == ["f", "", ""]
    assert all("finish_reason" in chunk["choices"][0] for chunk in chunks)
