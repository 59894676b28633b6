"""The completion automaton, its decoder and its watcher: what is an answer, what is a failure."""

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.codecs.anthropic_support import HELLO, PING, STOP, block, delta, end, sse, start, stop, text

from passerelle.codecs.anthropic import PROVIDER
from passerelle.codecs.base import MAX_EVENT_BYTES, Envelope, StreamWatcher
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
from passerelle.core.usage import NO_USAGE, Usage

ENVELOPE = Envelope("chat", "m", stream=True)


def decode(*pieces: bytes) -> list[Event]:
    decoder = PROVIDER.stream_decoder()
    events: list[Event] = []
    for piece in pieces:
        events += decoder.feed(piece)
    return events + decoder.close()


def watch(*pieces: bytes) -> tuple[StreamWatcher, bytes]:
    watcher = PROVIDER.stream_watcher(ENVELOPE)
    passed = b"".join(watcher.feed(piece) for piece in pieces)
    return watcher, passed + watcher.close()


THINK_AND_CALL = (
    start(usage={
        "input_tokens": 12, "cache_read_input_tokens": 100, "cache_creation_input_tokens": 30,
        "cache_creation": {"ephemeral_5m_input_tokens": 20, "ephemeral_1h_input_tokens": 10},
        "output_tokens": 1, "service_tier": "priority", "inference_geo": "us",
    }, container=None),
    block(0, {"type": "thinking", "thinking": "", "signature": ""}),
    delta(0, type="thinking_delta", thinking="Hm", estimated_tokens=None),
    delta(0, type="thinking_delta", thinking="."),
    delta(0, type="signature_delta", signature="c2ln"),
    stop(0),
    block(1, {"type": "redacted_thinking", "data": "opaque"}),
    stop(1),
    block(2, {"type": "text", "text": "", "citations": []}),
    text(2, "See"),
    delta(2, type="citations_delta", citation={"type": "page_location", "cited_text": "x"}),
    stop(2),
    block(3, {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}, "caller": {"type": "direct"}}),
    delta(3, type="input_json_delta", partial_json=""),
    delta(3, type="input_json_delta", partial_json='{"a":'),
    delta(3, type="input_json_delta", partial_json=" 1}"),
    stop(3),
    block(4, {"type": "tool_use", "id": "toolu_2", "name": "g", "input": {}}),
    stop(4),
    {
        "type": "message_delta",
        "delta": {"stop_reason": "tool_use", "stop_sequence": None, "container": {"id": "c1"}},
        "usage": {"output_tokens": 50, "output_tokens_details": {"thinking_tokens": 20},
                  "server_tool_use": {"web_search_requests": 1, "web_fetch_requests": 0}},
        "context_management": {"applied_edits": []},
    },
    STOP,
)  # fmt: skip

SERVER_TOOL = (
    start(),
    block(0, {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}}),
    delta(0, type="input_json_delta", partial_json='{"query": "cats"}'),
    stop(0),
    block(1, {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []}),
    stop(1),
    block(2, {"type": "compaction", "content": None}),
    delta(2, type="compaction_delta", content="So far: "),
    delta(2, type="compaction_delta", content="cats."),
    stop(2),
    block(3, {"type": "text", "text": ""}),
    text(3, "Cats."),
    stop(3),
    end(),
    STOP,
)

TRANSCRIPTS = {"hello": HELLO, "think and call": THINK_AND_CALL, "server tools": SERVER_TOOL}


def test_a_plain_stream_gives_its_words_and_its_end() -> None:
    assert decode(sse(*HELLO)) == [
        Started("claude-x", "msg_1", Usage(input_tokens=7, output_tokens=1)),
        PartStarted(0, "text"),
        PartDelta(0, text="Hel"),
        PartDelta(0, text="lo"),
        PartEnded(0),
        UsageReported(Usage(input_tokens=7, output_tokens=5)),
        Finished("stop", raw_finish="end_turn"),
    ]


def test_thoughts_calls_citations_and_usage_are_all_read() -> None:
    usage = Usage(
        input_tokens=12, cache_read_tokens=100, cache_write_5m_tokens=20, cache_write_1h_tokens=10,
        output_tokens=30, reasoning_tokens=20,
    )  # fmt: skip
    events = decode(sse(*THINK_AND_CALL))
    assert events[1:-2] == [
        PartStarted(0, "reasoning", origin="anthropic"),
        PartDelta(0, text="Hm"),
        PartDelta(0, text="."),
        PartDelta(0, signature="c2ln"),
        PartEnded(0),
        PartStarted(1, "reasoning", origin="anthropic"),
        PartDelta(1, encrypted="opaque"),
        PartEnded(1),
        PartStarted(2, "text"),
        PartDelta(2, text="See"),
        PartDelta(2, citation={"type": "page_location", "cited_text": "x"}),
        PartEnded(2),
        PartStarted(
            3, "tool_call", id="toolu_1", name="f", extra={"anthropic": {"caller": {"type": "direct"}}}
        ),
        PartDelta(3, text='{"a":'),
        PartDelta(3, text=" 1}"),
        PartEnded(3),
        PartStarted(4, "tool_call", id="toolu_2", name="g"),
        PartDelta(4, text="{}"),
        PartEnded(4),
    ]
    assert events[-2:] == [
        UsageReported(usage),
        Finished(
            "tool_calls",
            raw_finish="tool_use",
            service_tier="priority",
            extra={
                "anthropic": {
                    "container": {"id": "c1"},
                    "context_management": {"applied_edits": []},
                    "usage": {
                        "inference_geo": "us",
                        "server_tool_use": {"web_search_requests": 1, "web_fetch_requests": 0},
                    },
                }
            },
        ),
    ]
    assert usage.total_tokens == 12 + 100 + 30 + 50


def test_blocks_the_house_has_no_part_for_are_kept_whole() -> None:
    ended = [e.extra for e in decode(sse(*SERVER_TOOL)) if isinstance(e, PartEnded)]
    assert ended == [
        {"server_tool_use": {
            "type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "cats"},
        }},
        {"web_search_tool_result": {
            "type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [],
        }},
        {"compaction": {"type": "compaction", "content": "So far: cats."}},
        None,
    ]  # fmt: skip


@pytest.mark.parametrize("name", TRANSCRIPTS)
@given(data=st.data())
def test_events_are_the_same_however_the_bytes_are_split(name: str, data: st.DataObject) -> None:
    whole = sse(*TRANSCRIPTS[name])
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=8)))
    pieces = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    assert decode(*pieces) == decode(whole)
    split, passed = watch(*pieces)
    assert passed == whole
    assert split.done
    assert split.failed is None


@pytest.mark.parametrize("ends", [b"\n", b"\r\n", b"\r"])
def test_any_line_end_will_do(ends: bytes) -> None:
    assert decode(sse(*HELLO).replace(b"\n", ends)) == decode(sse(*HELLO))


def test_a_byte_at_a_time_is_the_same_stream() -> None:
    whole = sse(*THINK_AND_CALL)
    assert decode(*[whole[i : i + 1] for i in range(len(whole))]) == decode(whole)


@pytest.mark.parametrize("cut", range(1, len(HELLO)))
def test_a_stream_without_its_terminal_event_has_failed(cut: int) -> None:
    events = decode(sse(*HELLO[:cut]))
    assert isinstance(events[-1], Failed)
    assert events[-1].failure == "protocol"
    watcher, passed = watch(sse(*HELLO[:cut]))
    assert passed == sse(*[event for event in HELLO[:cut] if event["type"] != "message_delta"])
    assert not watcher.done
    assert watcher.failed == events[-1]


def test_a_final_event_that_only_lacks_its_blank_line_is_whole() -> None:
    whole = sse(*HELLO)
    assert decode(whole[:-1]) == decode(whole[:-2]) == decode(whole)
    watcher, passed = watch(whole[:-1])
    assert watcher.done
    assert passed == whole


def test_an_event_cut_in_the_middle_is_not_passed_on() -> None:
    whole = sse(*HELLO)
    watcher, passed = watch(whole[:-9])
    assert passed == sse(*HELLO[:-2])  # nor is why it stopped: it is told that it broke
    assert watcher.failed is not None
    assert isinstance(decode(whole[:-9])[-1], Failed)


BROKEN: dict[str, tuple[tuple[dict[str, Any], ...], str]] = {
    "no message_start": ((block(0, {"type": "text", "text": ""}),), "does not begin"),
    "a second message_start": ((start(), start()), "second"),
    "more of a block never begun": ((start(), text(0, "x")), "not open"),
    "the end of a block never begun": ((start(), stop(0)), "not open"),
    "a block begun twice": (
        (start(), block(0, {"type": "text"}), block(0, {"type": "text"})),
        "already open",
    ),
    "no stop reason": ((*HELLO[:-2], STOP), "why it stopped"),
    "nothing at all": ((start(), end(), STOP), "empty completion"),
    "an empty text": (
        (start(), block(0, {"type": "text", "text": ""}), stop(0), end(), STOP),
        "empty completion",
    ),
    "pings only": ((start(), PING, PING), "without `message_stop`"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_stream_fails_as_protocol(name: str) -> None:
    events, words = BROKEN[name]
    failed = decode(sse(*events))[-1]
    assert isinstance(failed, Failed)
    assert failed.failure == "protocol"
    assert words in failed.message
    watcher, _ = watch(sse(*events))
    assert watcher.failed == failed


@pytest.mark.parametrize(
    ("reason", "finish"),
    [("max_tokens", "length"), ("stop_sequence", "stop"), ("refusal", "refusal"), ("pause_turn", "pause")],
)
def test_an_empty_answer_with_a_reason_for_it_is_complete(reason: str, finish: str) -> None:
    finished = decode(sse(start(), end(reason), STOP))[-1]
    assert isinstance(finished, Finished)
    assert finished.finish == finish


def test_an_answer_of_thoughts_alone_is_complete() -> None:
    only = (
        start(), block(0, {"type": "thinking", "thinking": "", "signature": ""}),
        delta(0, type="signature_delta", signature="s"), stop(0), end(), STOP,
    )  # fmt: skip
    assert isinstance(decode(sse(*only))[-1], Finished)


def test_a_call_ended_with_end_turn_is_still_a_call() -> None:
    events = (
        start(),
        block(0, {"type": "tool_use", "id": "a", "name": "f", "input": {"x": 1}}),
        stop(0),
        end(),
        STOP,
    )
    read = decode(sse(*events))
    assert PartDelta(0, text='{"x":1}') in read
    assert isinstance(read[-1], Finished)
    assert read[-1].finish == "tool_calls"
    assert watch(sse(*events))[0].finish == "tool_calls"


@pytest.mark.parametrize(
    ("kind", "failure", "status"),
    [
        ("overloaded_error", "overloaded", 529),
        ("rate_limit_error", "rate_limited", 429),
        ("api_error", "server_error", 500),
        ("timeout_error", "timeout", 504),
        ("authentication_error", "auth", 401),
        ("billing_error", "billing", 402),
        ("invalid_request_error", "invalid_request", 400),
        ("something_new_error", "server_error", None),
    ],
)
def test_an_error_event_fails_with_its_own_kind(kind: str, failure: str, status: int | None) -> None:
    error = {"type": "error", "error": {"type": kind, "message": "Sorry"}}
    stream = sse(*HELLO[:4], error)
    failed = decode(stream + sse(text(0, "more")))[-1]
    assert isinstance(failed, Failed)
    assert (failed.failure, failed.status, failed.code) == (failure, status, kind)
    assert "Sorry" in failed.message
    watcher, passed = watch(stream)
    assert watcher.failed == failed
    assert passed == sse(*HELLO[:4])


INSTEAD = {
    "html": (b"<!doctype html><html><body>Please log in</body></html>", "protocol"),
    "json error": (b'{"type":"error","error":{"type":"overloaded_error","message":"x"}}', "overloaded"),
    "someone else's json error": (
        b'{"error":{"message":"no","type":"server_error","code":500}}',
        "server_error",
    ),
    "a whole answer": (b'{"type":"message","content":[],"stop_reason":"end_turn"}', "protocol"),
    "nothing": (b"", "protocol"),
    "garbage": (b"\xff\xfe\x00", "protocol"),
    "openai's stream": (b'data: {"choices":[{"delta":{"content":"x"}}]}\n\ndata: [DONE]\n\n', "protocol"),
}


@pytest.mark.parametrize("name", INSTEAD)
def test_a_body_that_is_no_stream_fails(name: str) -> None:
    body, failure = INSTEAD[name]
    events = decode(body)
    assert len(events) == 1
    assert isinstance(events[0], Failed)
    assert events[0].failure == failure
    watcher, _ = watch(body)
    assert watcher.failed == events[0]
    assert not watcher.content


def test_what_comes_after_the_end_is_neither_read_nor_passed_on() -> None:
    whole = sse(*HELLO)
    assert decode(whole + whole, b"data: [DONE]\n\n") == decode(whole)
    watcher, passed = watch(whole + sse(STOP), sse(text(0, "x")))
    assert passed == whole
    assert watcher.done
    assert watcher.failed is None


def test_unknown_events_are_passed_over_and_relayed() -> None:
    news = {"type": "message_gift", "gift": {"a": 1}}
    events = [*HELLO[:4], news, *HELLO[4:]]
    assert decode(sse(*events)) == decode(sse(*HELLO))
    assert watch(sse(*events))[1] == sse(*events)


def test_an_event_larger_than_the_cap_fails() -> None:
    huge = sse(start(), block(0, {"type": "text", "text": ""}), text(0, "x" * MAX_EVENT_BYTES))
    assert (last := decode(huge)[-1]) == Failed("oversized", last.message)
    assert watch(huge)[0].failed is not None


def test_the_watcher_tells_content_from_lifecycle() -> None:
    watcher = PROVIDER.stream_watcher(ENVELOPE)
    watcher.feed(sse(start(), PING, block(0, {"type": "text", "text": ""})))
    assert not watcher.content
    assert (watcher.model, watcher.progress) == ("claude-x", 0)
    assert watcher.usage == Usage(input_tokens=7, output_tokens=1)
    watcher.feed(sse(text(0, "Hé")))
    assert watcher.content
    assert (watcher.progress, watcher.text_bytes) == (1, 3)


def test_omitted_thoughts_count_as_progress_but_not_as_content() -> None:
    watcher = PROVIDER.stream_watcher(ENVELOPE)
    watcher.feed(sse(start(), block(0, {"type": "thinking", "thinking": "", "signature": ""})))
    watcher.feed(sse(delta(0, type="thinking_delta", thinking="", estimated_tokens=64)))
    assert not watcher.content
    assert watcher.progress == 1


def test_no_usage_before_any_was_said() -> None:
    assert PROVIDER.stream_watcher(ENVELOPE).usage is NO_USAGE


def test_the_last_count_of_each_kind_stands() -> None:
    """GLM's Anthropic API corrects the input at the end (seen in agentgateway's fixtures)."""
    corrected = {
        "input_tokens": 3,
        "output_tokens": 9,
        "cache_read_input_tokens": 30,
        "cache_creation_input_tokens": 0,
    }
    watcher, _ = watch(sse(*HELLO[:-2], end(**corrected), STOP))
    assert watcher.usage == Usage(input_tokens=3, cache_read_tokens=30, output_tokens=9)


_EVENTS: list[dict[str, Any]] = [
    *HELLO, *THINK_AND_CALL, start(), STOP, end(), stop(1), text(1, "x"), {"type": "error"}, {"no": 1},
    block(1, {"type": "text", "text": "y"}),
]  # fmt: skip


@settings(max_examples=400)
@given(st.lists(st.sampled_from(_EVENTS), max_size=10), st.binary(max_size=3))
@example([start(), end(), next(e for e in _EVENTS if "tool_use" in str(e.get("content_block"))), STOP], b"")
def test_the_watcher_agrees_with_the_decoder_on_any_events(events: list[dict[str, Any]], tail: bytes) -> None:
    stream = sse(*[{"type": "x", **event} for event in events]) + tail
    read = decode(stream)
    watcher, _ = watch(stream)
    assert watcher.done == isinstance(read[-1], Finished)
    assert watcher.failed == (read[-1] if isinstance(read[-1], Failed) else None)
    if isinstance(read[-1], Finished):
        assert watcher.finish == read[-1].finish
    started = [e for e in read if isinstance(e, Started)]
    assert watcher.model == (started[0].model if started else "")
    counts = [e.usage for e in read if isinstance(e, UsageReported)]
    if counts:
        assert watcher.usage == counts[-1]


@given(st.binary(max_size=200))
def test_no_bytes_make_it_raise(noise: bytes) -> None:
    assert isinstance(decode(noise)[-1], Failed)
    watch(noise)


@settings(max_examples=400)
@given(st.integers(0, len(sse(*THINK_AND_CALL)) - 1), st.integers(0, 255))
def test_no_flipped_byte_makes_it_raise(place: int, byte: int) -> None:
    whole = bytearray(sse(*THINK_AND_CALL))
    whole[place] = byte
    read = decode(bytes(whole))
    assert isinstance(read[-1], (Finished, Failed))
    watcher, _ = watch(bytes(whole))
    assert watcher.done == isinstance(read[-1], Finished)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(
        ["type", "index", "delta", "message", "usage", "content_block", "text", "input", "stop_reason"]
    ), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


@given(st.lists(json_values, max_size=4))
def test_no_json_makes_it_raise(values: list[Any]) -> None:
    stream = b"".join(b"data: %b\n\n" % json.dumps(value).encode() for value in values)
    decode(sse(*HELLO[:4]) + stream)
    watch(sse(*HELLO[:4]) + stream)
