"""The stream encoder: an order Anthropic allows, whatever comes in; and what the official SDK makes of it."""

import json
from typing import Any

import anthropic
import httpx2
import pytest
from anthropic.types import RawMessageStreamEvent
from hypothesis import given
from pydantic import TypeAdapter
from tests.codecs.anthropic_support import check_grammar, context, payloads, streams

from passerelle.codecs.anthropic import CLIENT, PROVIDER
from passerelle.codecs.sealed import Sealed, seal, unseal
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
from passerelle.core.request import Reasoning, Request
from passerelle.core.usage import Usage

EVENT: TypeAdapter[Any] = TypeAdapter(RawMessageStreamEvent)


def encode(*events: Event, **more: Any) -> list[dict[str, Any]]:
    encoder = CLIENT.stream_encoder(context(**more))
    return payloads(b"".join(encoder.encode(event) for event in events))


@given(streams())
def test_any_legal_core_stream_comes_out_in_anthropics_order(events: list[Event]) -> None:
    written = encode(*events)
    check_grammar(written)
    for event in written:
        if event["type"] != "error":
            EVENT.validate_python(event)


@given(streams())
def test_every_word_and_argument_of_a_complete_stream_is_written_once_and_in_order(
    events: list[Event],
) -> None:
    written = encode(*events)
    if isinstance(events[-1], Failed):
        assert written[-1]["type"] == "error"
        return
    shown = {"text": "text", "refusal": "text", "reasoning": "thinking", "tool_call": "partial_json"}
    wanted: dict[str, list[str]] = {"text": [], "thinking": [], "partial_json": []}
    starts = {e.index: e for e in events if isinstance(e, PartStarted)}
    for index, part in starts.items():  # in the order they began
        said = "".join(e.text for e in events if isinstance(e, PartDelta) and e.index == index)
        if part.kind in shown and part.tool_kind == "function":
            wanted[shown[part.kind]].append(said)
        elif part.tool_kind == "custom":
            wanted["partial_json"].append(json.dumps({"input": said}))
    deltas = [e["delta"] for e in written if e["type"] == "content_block_delta"]
    for field in ("text", "thinking"):
        assert "".join(d.get(field, "") for d in deltas) == "".join(wanted[field])
    calls: dict[int, str] = {}
    for event in written:
        if event["type"] == "content_block_start" and event["content_block"]["type"] == "tool_use":
            calls[event["index"]] = ""
        if event["type"] == "content_block_delta" and event["index"] in calls:
            calls[event["index"]] += event["delta"]["partial_json"]
    kinds = [p.tool_kind for p in starts.values() if p.kind == "tool_call"]
    for kind, said, want in zip(kinds, calls.values(), wanted["partial_json"], strict=True):
        assert (json.loads(said) == json.loads(want)) if kind == "custom" else (said == want)


def test_interleaved_parallel_calls_are_held_back_until_their_turn() -> None:
    encoder = CLIENT.stream_encoder(context())
    events: list[Event] = [
        Started("m"),
        PartStarted(0, "tool_call", id="a", name="f"),
        PartStarted(1, "tool_call", id="b", name="g"),
        PartDelta(1, text='{"y":'),
        PartDelta(0, text='{"x":1}'),
        PartDelta(1, text="2}"),
        PartEnded(1),
    ]
    before = payloads(b"".join(encoder.encode(event) for event in events))
    assert [e["type"] for e in before] == ["message_start", "content_block_start", "content_block_delta"]
    after = payloads(encoder.encode(PartEnded(0)))
    assert [(e["type"], e["index"]) for e in after] == [
        ("content_block_stop", 0),
        ("content_block_start", 1),
        ("content_block_delta", 1),
        ("content_block_delta", 1),
        ("content_block_stop", 1),
    ]


def test_input_tokens_known_only_at_the_end_come_with_message_delta() -> None:
    usage = Usage(
        input_tokens=9, cache_read_tokens=4, cache_write_1h_tokens=2, output_tokens=3, reasoning_tokens=5
    )
    written = encode(
        Started("m"), PartStarted(0, "text"), PartDelta(0, text="hi"), PartEnded(0),
        UsageReported(usage), Finished("stop"),
    )  # fmt: skip
    assert written[0]["message"]["usage"]["input_tokens"] == 0
    assert written[-2]["usage"] == {
        "input_tokens": 9,
        "cache_creation_input_tokens": 2,
        "cache_read_input_tokens": 4,
        "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 2},
        "output_tokens": 8,
        "output_tokens_details": {"thinking_tokens": 5},
    }


def test_input_tokens_known_at_the_start_stand_in_message_start() -> None:
    assert encode(Started("m", usage=Usage(input_tokens=9)))[0]["message"]["usage"]["input_tokens"] == 9


def test_the_true_model_is_named_and_ours_only_when_nobody_says() -> None:
    assert encode(Started("gpt-5.2"))[0]["message"]["model"] == "gpt-5.2"
    assert encode(Started())[0]["message"]["model"] == "fallback-model"


def test_an_empty_text_part_leaves_no_block_and_no_gap_in_the_indices() -> None:
    written = encode(
        Started("m"), PartStarted(0, "text"), PartEnded(0),
        PartStarted(1, "tool_call", id="c", name="f"), PartEnded(1), Finished("stop"),
    )  # fmt: skip
    assert [e["index"] for e in written if "index" in e] == [0, 0]
    assert written[-2]["delta"]["stop_reason"] == "tool_use"


def test_nothing_follows_a_failure_and_it_says_what_happened() -> None:
    encoder = CLIENT.stream_encoder(context())
    encoder.encode(Started("m"))
    encoder.encode(PartStarted(0, "text"))
    encoder.encode(PartDelta(0, text="half"))
    assert encoder.encode(Failed("overloaded", "busy", status=529)) == (
        b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"busy"}}\n\n'
    )
    assert encoder.encode(PartDelta(0, text="more")) == b""
    assert encoder.encode(Finished("stop")) == b""


@pytest.mark.parametrize(
    ("finish", "sequence", "reason"),
    [
        ("stop", None, "end_turn"),
        ("stop", "END", "stop_sequence"),
        ("length", None, "max_tokens"),
        ("tool_calls", None, "end_turn"),  # no call was written, so none is announced
        ("refusal", None, "refusal"),
        ("content_filter", None, "refusal"),
        ("pause", None, "pause_turn"),
        ("context", None, "model_context_window_exceeded"),
    ],
)
def test_finish_reasons_are_anthropics_own(finish: Any, sequence: str | None, reason: str) -> None:
    written = encode(
        Started("m"), PartStarted(0, "text"), PartDelta(0, text="x"), PartEnded(0),
        Finished(finish, stop_sequence=sequence),
    )  # fmt: skip
    assert written[-2]["delta"] == {"stop_reason": reason, "stop_sequence": sequence}


def test_a_refusal_part_is_words_that_end_as_a_refusal() -> None:
    written = encode(
        Started("m"), PartStarted(0, "refusal"), PartDelta(0, text="No."), PartEnded(0), Finished("stop")
    )
    assert written[2]["delta"] == {"type": "text_delta", "text": "No."}
    assert written[-2]["delta"]["stop_reason"] == "refusal"


def test_another_origins_thoughts_carry_their_seal_in_the_signature() -> None:
    written = encode(
        Started("m"), PartStarted(0, "reasoning", id="rs_1", origin="openai_responses"),
        PartDelta(0, text="Hm."), PartDelta(0, encrypted="gAAA"), PartEnded(0),
        PartStarted(1, "text"), PartDelta(1, text="x"), PartEnded(1), Finished("stop"),
    )  # fmt: skip
    signature = next(
        e["delta"]["signature"] for e in written if e.get("delta", {}).get("type") == "signature_delta"
    )
    assert unseal(signature) == Sealed("openai_responses", None, "gAAA", "rs_1")


def test_a_gemini_calls_signature_travels_in_a_block_behind_the_call() -> None:
    written = encode(
        Started("m"), PartStarted(0, "tool_call", id="c1", name="f", origin="gemini"),
        PartDelta(0, text="{}", signature="GSIG"), PartEnded(0), Finished("tool_calls"),
    )  # fmt: skip
    check_grammar(written)
    behind = written[4]["content_block"]
    assert behind == {
        "type": "redacted_thinking",
        "data": seal(Sealed("gemini", "GSIG", call_id="c1")),
    }


def test_a_caller_who_turned_thinking_off_sees_no_thoughts_of_others() -> None:
    request = Request("m", (), "anthropic", reasoning=Reasoning(enabled=False))
    written = encode(
        Started("m"), PartStarted(0, "reasoning", origin="gemini"), PartDelta(0, text="Hm.", signature="s"),
        PartEnded(0), PartStarted(1, "text"), PartDelta(1, text="x"), PartEnded(1), Finished("stop"),
        request=request,
    )  # fmt: skip
    assert "thinking" not in json.dumps(written)


def test_keepalive_is_a_ping() -> None:
    assert payloads(CLIENT.stream_encoder(context()).keepalive()) == [{"type": "ping"}]


# ── the official SDK ──


def sdk(body: bytes, status: int = 200, content_type: str = "text/event-stream") -> anthropic.Anthropic:
    def answer(_: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(status, content=body, headers={"content-type": content_type})

    client = httpx2.Client(transport=httpx2.MockTransport(answer))
    return anthropic.Anthropic(api_key="k", base_url="http://test", http_client=client, max_retries=0)


def test_the_official_sdk_gathers_a_translated_stream() -> None:
    encoder = CLIENT.stream_encoder(context())
    events: list[Event] = [
        Started("gpt-5.2", usage=Usage(input_tokens=11)),
        PartStarted(0, "reasoning", origin="gemini"),
        PartDelta(0, text="Let me see."),
        PartDelta(0, signature="S"),
        PartEnded(0),
        PartStarted(1, "text"),
        PartDelta(1, text="Looking "),
        PartStarted(2, "tool_call", id="call_1", name="weather"),
        PartDelta(2, text='{"city":'),
        PartDelta(1, text="it up."),
        PartDelta(2, text='"Paris"}'),
        PartEnded(2),
        PartEnded(1),
        PartStarted(3, "tool_call", id="call_2", name="now"),
        PartDelta(3, text="{}"),
        PartEnded(3),
        UsageReported(Usage(input_tokens=11, cache_read_tokens=5, output_tokens=20)),
        Finished("tool_calls"),
    ]
    body = encoder.keepalive() + b"".join(encoder.encode(event) for event in events)
    with sdk(body).messages.stream(
        model="m", max_tokens=10, messages=[{"role": "user", "content": "hi"}]
    ) as stream:
        message = stream.get_final_message()
    assert [b.type for b in message.content] == ["thinking", "text", "tool_use", "tool_use"]
    assert message.content[1].text == "Looking it up."  # type: ignore[union-attr]
    assert message.content[2].input == {"city": "Paris"}  # type: ignore[union-attr]
    assert message.content[3].input == {}  # type: ignore[union-attr]
    assert message.stop_reason == "tool_use"
    assert (message.usage.input_tokens, message.usage.cache_read_input_tokens) == (11, 5)
    assert message.usage.output_tokens == 20


def test_the_official_sdk_raises_on_a_failure_in_mid_stream() -> None:
    encoder = CLIENT.stream_encoder(context())
    events: list[Event] = [
        Started("m"),
        PartStarted(0, "text"),
        PartDelta(0, text="half"),
        Failed("overloaded", "the provider is busy"),
    ]
    body = b"".join(encoder.encode(event) for event in events)
    client = sdk(body)
    with (
        pytest.raises(anthropic.APIStatusError) as caught,
        client.messages.stream(
            model="m", max_tokens=10, messages=[{"role": "user", "content": "hi"}]
        ) as stream,
    ):
        stream.get_final_message()
    assert caught.value.type == "overloaded_error"


@given(streams())
def test_what_is_written_is_read_back_as_the_same_answer(events: list[Event]) -> None:
    """Our own decoder finds in the stream what went into it."""
    encoder = CLIENT.stream_encoder(context())
    body = b"".join(encoder.encode(event) for event in events)
    decoder = PROVIDER.stream_decoder()
    read = decoder.feed(body) + decoder.close()
    if isinstance(events[-1], Failed):
        assert isinstance(read[-1], Failed)
        return
    finished = events[-1]
    assert isinstance(finished, Finished)
    spoke = any(e["type"] == "content_block_start" for e in payloads(body))
    if not spoke and isinstance(read[-1], Failed):
        assert "empty completion" in read[-1].message
        return
    if any(isinstance(e, PartStarted) and e.kind == "tool_call" and not e.name for e in events):
        assert isinstance(read[-1], Failed)
        assert "never named the tool" in read[-1].message
        return
    last = [e.usage for e in events if isinstance(e, UsageReported)][-1]
    assert [e.usage for e in read if isinstance(e, UsageReported)][-1] == last
    assert isinstance(read[-1], Finished)
