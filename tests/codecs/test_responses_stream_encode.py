"""Streams as callers of the Responses API get them."""

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from openai._models import construct_type
from openai._types import omit
from openai.lib.streaming.responses._responses import ResponseStreamState
from openai.types.responses import ResponseStreamEvent
from tests.codecs.responses_support import CHAT, EVENTS, Grammar, context, dumps, parse, streams

from passerelle.codecs.openai_responses import CLIENT
from passerelle.codecs.sealed import unseal
from passerelle.core.event import (
    Event,
    Failed,
    Finished,
    PartDelta,
    PartEnded,
    PartStarted,
    Started,
    UsageReported,
)
from passerelle.core.usage import Usage

ASKED = CLIENT.decode_request(
    dumps(
        {
            "model": "m",
            "instructions": "Be brief.",
            "input": "hi",
            "tools": [
                {
                    "type": "namespace",
                    "name": "crm",
                    "description": "customers",
                    "tools": [{"type": "function", "name": "lookup", "parameters": {}, "strict": False}],
                },
                {"type": "custom", "name": "exec", "description": "runs", "format": {"type": "text"}},
                {"type": "function", "name": "find", "parameters": None},
            ],
        }
    ),
    CHAT,
)


def encode(events: list[Event], request: Any = ASKED) -> bytes:
    encoder = CLIENT.stream_encoder(context(request))
    return b"".join([encoder.encode(event) for event in events])


@given(streams())
@settings(max_examples=150)
def test_any_legal_core_stream_becomes_a_legal_stream(events: list[Event]) -> None:
    wire = parse(encode(events))
    Grammar().check(wire)


@given(streams())
@settings(max_examples=40)
def test_the_official_sdk_accepts_and_accumulates_every_stream(events: list[Event]) -> None:
    wire = parse(encode(events))
    if wire[0]["type"] == "error":
        return
    state = ResponseStreamState(input_tools=omit, text_format=omit)
    for event in wire:
        EVENTS.validate_python(event)
        state.handle_event(construct_type(type_=ResponseStreamEvent, value=event))


def test_the_answer_names_the_model_that_answered_in_every_lifecycle_event() -> None:
    wire = parse(
        encode(
            [
                Started("claude-true"),
                PartStarted(0, "text"),
                PartDelta(0, "x"),
                PartEnded(0),
                Finished("stop"),
            ]
        )
    )
    assert {event["response"]["model"] for event in wire if "response" in event} == {"claude-true"}


def test_words_are_told_in_the_documented_order() -> None:
    events = [Started("m"), PartStarted(0, "text"), PartDelta(0, "He"), PartDelta(0, "llo"), PartEnded(0)]
    wire = parse(encode([*events, UsageReported(Usage(input_tokens=3, output_tokens=2)), Finished("stop")]))
    assert [event["type"] for event in wire] == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    usage = wire[-1]["response"]["usage"]
    assert usage == {
        "input_tokens": 3,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": 2,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 5,
    }


def test_the_response_object_repeats_the_request() -> None:
    response = parse(encode([Started("m"), Finished("length")]))[-1]["response"]
    assert response["instructions"] == "Be brief."
    assert response["tools"][0]["type"] == "namespace"
    assert response["tools"][0]["tools"][0]["name"] == "lookup"
    assert response["tool_choice"] == "auto"
    assert response["incomplete_details"] == {"reason": "max_output_tokens"}


def test_a_flattened_name_comes_back_as_name_and_namespace() -> None:
    events = [
        Started("m"),
        PartStarted(0, "tool_call", id="c1", name="crm__lookup"),
        PartEnded(0),
        Finished("tool_calls"),
    ]
    (item,) = parse(encode(events))[-1]["response"]["output"]
    assert (item["name"], item["namespace"], item["arguments"]) == ("lookup", "crm", "{}")


def test_a_custom_tool_called_as_a_function_comes_back_as_free_text() -> None:
    events = [
        Started("m"),
        PartStarted(0, "tool_call", id="c1", name="exec"),
        PartDelta(0, '{"input": "ls '),
        PartDelta(0, '-la\\n"}'),
        PartEnded(0),
        Finished("tool_calls"),
    ]
    wire = parse(encode(events))
    (item,) = wire[-1]["response"]["output"]
    assert item["type"] == "custom_tool_call"
    assert item["input"] == "ls -la\n"
    deltas = [event["delta"] for event in wire if event["type"] == "response.custom_tool_call_input.delta"]
    assert deltas == ["ls -la\n"]


def test_another_dialects_signature_is_sealed_into_encrypted_content() -> None:
    events = [
        Started("m"),
        PartStarted(0, "reasoning", origin="anthropic"),
        PartDelta(0, "thinking"),
        PartDelta(0, signature="c2ln"),
        PartEnded(0),
        PartStarted(1, "tool_call", id="c1", name="find", origin="gemini"),
        PartDelta(1, signature="dGhvdWdodA=="),
        PartEnded(1),
        Finished("tool_calls"),
    ]
    thought, _call, carrier = parse(encode(events))[-1]["response"]["output"]
    sealed = unseal(thought["encrypted_content"])
    assert sealed is not None
    assert (sealed.origin, sealed.signature) == ("anthropic", "c2ln")
    assert thought["summary"] == [{"type": "summary_text", "text": "thinking"}]
    carried = unseal(carrier["encrypted_content"])
    assert carried is not None
    assert (carried.origin, carried.signature, carried.call_id) == ("gemini", "dGhvdWdodA==", "c1")


def test_a_failure_after_content_is_told_in_band_and_keeps_half_a_call_out() -> None:
    events: list[Event] = [
        Started("m"),
        PartStarted(0, "text"),
        PartDelta(0, "half"),
        PartStarted(1, "tool_call", id="c1", name="find"),
        PartDelta(1, '{"a'),
        Failed("transport", "the provider broke off"),
    ]
    last = parse(encode(events))[-1]
    assert last["type"] == "response.failed"
    assert last["response"]["error"] == {"code": "server_error", "message": "the provider broke off"}
    (item,) = last["response"]["output"]
    assert item["status"] == "incomplete"
    assert item["content"][0]["text"] == "half"


def test_a_failure_before_anything_is_one_error_event() -> None:
    (event,) = parse(encode([Failed("context_length", "too long")]))
    assert event["type"] == "error"
    assert event["code"] == "context_length_exceeded"
    assert event["message"] == "too long"


@pytest.mark.parametrize(
    ("passed", "number"),
    [
        (b'data: {"sequence_number":6}\n\nevent: y\ndata: {"type":"y","sequence_number":7}\n\n', 8),
        (b'data: {"sequence_number":6}\n\ndata: {"type":"y"}\n\ndata: [DONE]\n\n', 7),
        (b'data: {"sequence_number":\ndata: 41}\n\n', 42),
        (b'data: {"sequence_number":"6"}\n\n', 0),
        (b'data: {"type":"x"}\n\n', 0),
    ],
)
def test_the_error_that_ends_a_relayed_stream_continues_its_numbers(passed: bytes, number: int) -> None:
    ending = msgspec.structs.replace(context(), passed=passed)
    said = CLIENT.stream_encoder(ending).encode(Failed("transport", "cut"))
    assert said.startswith(b'event: error\ndata: {"type":"error","sequence_number":%d,' % number)


def test_nothing_follows_the_end() -> None:
    encoder = CLIENT.stream_encoder(context())
    assert encoder.encode(Started("m"))
    assert encoder.encode(Finished("stop"))
    assert encoder.encode(Finished("stop")) == b""
    assert encoder.encode(PartStarted(0, "text")) == b""


def test_a_part_left_open_is_closed_by_the_end() -> None:
    wire = parse(encode([Started("m"), PartStarted(0, "text"), PartDelta(0, "x"), Finished("stop")]))
    Grammar().check(wire)
    assert wire[-1]["response"]["output"][0]["content"][0]["text"] == "x"


def test_a_keepalive_is_a_comment() -> None:
    assert CLIENT.stream_encoder(context()).keepalive() == b":\n\n"


def test_a_malformed_call_is_a_failed_response() -> None:
    last = parse(encode([Started("m"), Finished("malformed_tool_call")]))[-1]
    assert last["type"] == "response.failed"
    assert last["response"]["error"]["code"] == "server_error"


def test_items_of_this_dialect_keep_their_ids_once() -> None:
    own = {"openai_responses": {"id": "msg_own", "at": 0, "phase": "commentary"}}
    events: list[Event] = [Started("m")]
    for index in (0, 1):
        events += [PartStarted(index, "text", extra=own), PartDelta(index, "x"), PartEnded(index)]
    first, second = parse(encode([*events, Finished("stop")]))[-1]["response"]["output"]
    assert first["id"] == "msg_own"
    assert first["phase"] == "commentary"
    assert second["id"] != "msg_own"


def test_sound_has_events_of_its_own() -> None:
    events = [Started("m"), PartStarted(0, "audio"), PartDelta(0, "UklG"), PartEnded(0), Finished("stop")]
    kinds = [event["type"] for event in parse(encode(events))]
    assert kinds[2:4] == ["response.audio.delta", "response.audio.done"]


@pytest.mark.parametrize("failure", msgspec.inspect.type_info(Failed).fields[0].type.values)
def test_every_failure_has_a_code(failure: Any) -> None:
    assert parse(encode([Failed(failure, "m")]))[0]["code"]
