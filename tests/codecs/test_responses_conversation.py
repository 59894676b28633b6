"""Stored conversations in the dialect's words: rebuilt, named, listed and streamed again."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.codecs.responses_support import context

from passerelle.codecs.openai_responses import CLIENT, PROVIDER
from passerelle.codecs.openai_responses import conversation as talk
from passerelle.codecs.openai_responses.replay import replayed
from passerelle.core.errors import ProblemError
from passerelle.core.event import Failed, Finished, PartDelta
from passerelle.core.message import Part, ReasoningPart, RefusalPart, TextPart, ToolCallPart
from passerelle.core.response import Response


def test_a_request_is_rebuilt_with_everything_else_byte_for_byte() -> None:
    body = (
        b'{"model":"m","odd":  [1.50, "\\u00e9"],"previous_response_id":"r","input":"x","store":true,"z":1e2}'
    )
    items = [b'{ "role":"user", "content": "a" }', b'{"n":1.0}']
    assert talk.rebuilt(body, items) == (
        b'{"model":"m","odd":[1.50, "\\u00e9"],"input":[{ "role":"user", "content": "a" },{"n":1.0}],"z":1e2}'
    )


@pytest.mark.parametrize(
    ("fields", "previous", "conversation", "store"),
    [
        ({}, None, None, None),
        ({"previous_response_id": "r", "store": True}, "r", None, True),
        ({"previous_response_id": None, "conversation": "c"}, None, "c", None),
        ({"conversation": {"id": "c"}, "store": False}, None, "c", False),
        ({"previous_response_id": "", "conversation": ""}, None, None, None),
    ],
)
def test_what_a_request_says_of_keeping_is_read(
    fields: dict[str, Any], previous: str | None, conversation: str | None, store: bool | None
) -> None:
    found = talk.asked(json.dumps({"input": "hi"} | fields).encode())
    assert (found.previous_id, found.conversation_id, found.store) == (previous, conversation, store)
    assert found.stateful == bool(previous or conversation)
    assert json.loads(found.items[0]) == {"type": "message", "role": "user", "content": "hi"}


def test_references_are_told_from_items_with_ids() -> None:
    items = [
        {"type": "item_reference", "id": "a"},
        {"id": "b"},
        {"id": "c", "role": "user", "content": "x"},
        {"id": "d", "type": "reasoning", "summary": []},
        {"type": "function_call_output", "call_id": "e", "output": "x"},
    ]
    assert talk.asked(json.dumps({"input": items}).encode()).references == ((0, "a"), (1, "b"))


def test_a_chain_and_a_conversation_at_once_are_refused() -> None:
    with pytest.raises(ProblemError) as caught:
        talk.asked(b'{"input": "x", "previous_response_id": "r", "conversation": "c"}')
    assert caught.value.problem.param == "previous_response_id"


def test_only_what_names_the_response_changes_when_it_is_stamped() -> None:
    response = b'{"id":"resp_theirs","a": 1.50,"store":true,"output":[{"x":  1}]}'
    stamp = talk.Stamp("resp_ours", "resp_before", "conv_1")
    told = stamp.put(response, stored=False)
    assert told.startswith(b'{"id":"resp_ours","a":1.50,"store":false,"output":[{"x":  1}]')
    assert json.loads(told)["previous_response_id"] == "resp_before"
    assert json.loads(told)["conversation"] == {"id": "conv_1"}


def test_items_are_listed_whole_with_ids() -> None:
    plain = talk.listed(b'{"role":"user","content":"hi"}', "msg_9", frozenset())
    assert plain == {
        "id": "msg_9",
        "role": "user",
        "content": [{"type": "input_text", "text": "hi"}],
        "type": "message",
        "status": "completed",
    }
    thought = b'{"type":"reasoning","id":"rs_1","summary":[],"encrypted_content":"secret"}'
    assert "encrypted_content" not in talk.listed(thought, "x", frozenset())
    assert talk.listed(thought, "x", frozenset({"reasoning.encrypted_content"})) == json.loads(thought)


def test_sealed_thoughts_are_not_opaque_to_us() -> None:
    assert talk.is_opaque(b'{"type":"reasoning","encrypted_content":"gAAA"}')
    assert not talk.is_opaque(b'{"type":"reasoning","encrypted_content":"psl1!anthropic!!!s!"}')
    assert not talk.is_opaque(b'{"type":"reasoning","encrypted_content":null}')
    assert not talk.is_opaque(b'{"role":"user","content":"what is \\"encrypted_content\\"?"}')


words = st.text(min_size=1, max_size=20)
parts: st.SearchStrategy[Part] = st.one_of(
    st.builds(TextPart, words),
    st.builds(RefusalPart, words),
    st.builds(lambda text: ReasoningPart(text, signature="s", origin="anthropic"), words),
    st.builds(
        lambda n, text: ToolCallPart(f"call_{n}", "tool", json.dumps({"a": text})), st.integers(0, 9), words
    ),
)


@given(st.lists(parts, min_size=1, max_size=5), st.sampled_from(["stop", "length"]), st.integers(-1, 60))
def test_a_response_streamed_again_says_what_it_said(said: list[Part], finish: Any, after: int) -> None:
    body = CLIENT.encode_response(Response(tuple(said), finish, model="m"), context())
    decoder = PROVIDER.stream_decoder()
    events = decoder.feed(replayed(body)) + decoder.close()
    assert isinstance(events[-1], Finished)
    assert not [event for event in events if isinstance(event, Failed)]
    told = [event.text for event in events if isinstance(event, PartDelta) and event.text]
    whole = PROVIDER.decode_response(body)
    assert "".join(told) == "".join(
        part.arguments if isinstance(part, ToolCallPart) else part.text
        for part in whole.parts
        if isinstance(part, TextPart | RefusalPart | ReasoningPart | ToolCallPart)
    )
    numbers = [json.loads(data)["sequence_number"] for data, _ in talk.frames(replayed(body, after=after))]
    assert numbers == list(range(after + 1, after + 1 + len(numbers)))
    assert numbers
