"""Calls whose arguments are no object, and calls named alike, in answers to Messages and Gemini callers."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.codecs import registry
from passerelle.codecs.arguments import is_whole
from passerelle.codecs.base import ReplyContext
from passerelle.core.event import Event, Finished, PartDelta, PartEnded, PartStarted, Started
from passerelle.core.message import TextPart, ToolCallPart
from passerelle.core.request import Dialect
from passerelle.core.response import FinishReason, Response

CONTEXT = ReplyContext("req_01ABC", "m", 0)
OBJECTS: tuple[Dialect, ...] = ("anthropic", "gemini")
BAD = ['{"a": 1', "[1]", "ls -l", '{"a": "\x01"}', "{}{}", "null"]


def answered(
    dialect: Dialect, finish: FinishReason, *calls: ToolCallPart, stream: bool
) -> tuple[str, list[Any]]:
    """How the answer ends, and its calls: (id, name, input)."""
    side = registry.client(dialect)
    if not stream:
        body = json.loads(side.encode_response(Response((TextPart("hm"), *calls), finish), CONTEXT))
        if dialect == "anthropic":
            return body["stop_reason"], _blocks(body["content"])
        (candidate,) = body["candidates"]
        return candidate["finishReason"], _functions(candidate["content"]["parts"])
    encoder = side.stream_encoder(CONTEXT)
    events: list[Event] = [Started("m")]
    for index, call in enumerate(calls):
        events.append(PartStarted(index, "tool_call", id=call.id, name=call.name, tool_kind=call.kind))
        half = len(call.arguments) // 2
        events += [PartDelta(index, call.arguments[:half]), PartDelta(index, call.arguments[half:])]
        events.append(PartEnded(index))
    events.append(Finished(finish))
    written = b"".join(encoder.encode(event) for event in events)
    said = [json.loads(line[6:]) for line in written.split(b"\n") if line.startswith(b"data: ")]
    if dialect == "gemini":
        candidates = [one["candidates"][0] for one in said]
        parts = [part for one in candidates for part in one["content"]["parts"]]
        return candidates[-1]["finishReason"], _functions(parts)
    (stop,) = [one["delta"]["stop_reason"] for one in said if one["type"] == "message_delta"]
    return stop, _blocks([one["content_block"] for one in said if one["type"] == "content_block_start"])


def _blocks(content: list[Any]) -> list[Any]:
    return [(block["id"], block["name"], block["input"]) for block in content if block["type"] == "tool_use"]


def _functions(parts: list[Any]) -> list[Any]:
    calls = [part["functionCall"] for part in parts if "functionCall" in part]
    return [(call["id"], call["name"], call["args"]) for call in calls]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("arguments", BAD)
@pytest.mark.parametrize("dialect", OBJECTS)
def test_arguments_that_are_no_object_are_never_invented(
    dialect: Dialect, arguments: str, *, stream: bool
) -> None:
    end, calls = answered(dialect, "tool_calls", ToolCallPart("c1", "f", arguments), stream=stream)
    assert end == {"anthropic": "max_tokens", "gemini": "MALFORMED_FUNCTION_CALL"}[dialect]
    # A Messages stream has said the pieces as they came; nobody is told that they are whole.
    assert calls == ([("c1", "f", {})] if stream and dialect == "anthropic" else [])


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("dialect", OBJECTS)
def test_a_call_cut_by_the_limit_says_so(dialect: Dialect, *, stream: bool) -> None:
    end, _ = answered(dialect, "length", ToolCallPart("c1", "f", '{"a": 1'), stream=stream)
    assert end == {"anthropic": "max_tokens", "gemini": "MAX_TOKENS"}[dialect]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("dialect", OBJECTS)
def test_free_text_and_no_arguments_are_whole(dialect: Dialect, *, stream: bool) -> None:
    custom, bare = ToolCallPart("c1", "f", "ls -l", "custom"), ToolCallPart("c2", "g", "")
    end, calls = answered(dialect, "tool_calls", custom, bare, stream=stream)
    assert end == {"anthropic": "tool_use", "gemini": "STOP"}[dialect]
    assert [call[1] for call in calls] == ["f", "g"]


@given(
    names=st.lists(st.sampled_from(["call_0", "call_1", "x"]), min_size=1, max_size=6), stream=st.booleans()
)
@pytest.mark.parametrize("dialect", OBJECTS)
def test_no_two_calls_of_an_answer_share_an_id(dialect: Dialect, names: list[str], stream: bool) -> None:
    calls = [ToolCallPart(name, f"f{at}", "{}") for at, name in enumerate(names)]
    _, given_ = answered(dialect, "tool_calls", *calls, stream=stream)
    ids = [call[0] for call in given_]
    assert len(set(ids)) == len(names)
    assert [call[1] for call in given_] == [call.name for call in calls]
    assert ids[0] == names[0]


@given(st.dictionaries(st.text(), st.none() | st.integers() | st.text()), st.integers(0, 40))
def test_whole_objects_are_whole_and_cut_ones_are_not(value: dict[str, Any], cut: int) -> None:
    text = json.dumps(value)
    assert is_whole(text)
    if 0 < cut < len(text):
        assert not is_whole(text[:cut])
