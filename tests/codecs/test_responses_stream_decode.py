"""A Responses provider's streams: what each event means, and every way one can break."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.codecs.responses_support import ENVELOPE, context, dumps, sse, streams

from passerelle.codecs.openai_responses import CLIENT, PROVIDER
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


def decode(data: bytes) -> list[Event]:
    decoder = PROVIDER.stream_decoder()
    return decoder.feed(data) + decoder.close()


def created(**fields: Any) -> dict[str, Any]:
    response = {"id": "resp_1", "object": "response", "model": "gpt-x", "status": "in_progress", "output": []}
    return {"type": "response.created", "response": response | fields}


def completed(output: list[Any] | None = None, **fields: Any) -> dict[str, Any]:
    usage = {
        "input_tokens": 9,
        "input_tokens_details": {"cached_tokens": 4},
        "output_tokens": 7,
        "output_tokens_details": {"reasoning_tokens": 5},
        "total_tokens": 16,
    }
    response = {
        "id": "resp_1",
        "model": "gpt-x",
        "status": "completed",
        "output": output or [],
        "usage": usage,
    }
    return {"type": "response.completed", "response": response | fields}


def added(at: int, **item: Any) -> dict[str, Any]:
    return {"type": "response.output_item.added", "output_index": at, "item": item}


def done(at: int, **item: Any) -> dict[str, Any]:
    return {"type": "response.output_item.done", "output_index": at, "item": item}


def delta(kind: str, at: int, words: str, **fields: Any) -> dict[str, Any]:
    return {
        "type": f"response.{kind}.delta",
        "output_index": at,
        "item_id": f"i{at}",
        "delta": words,
    } | fields


USAGE = UsageReported(Usage(input_tokens=5, cache_read_tokens=4, output_tokens=2, reasoning_tokens=5))
WORDS_EXTRA = {"openai_responses": {"id": "i0", "at": 0}}

GOLDEN: list[tuple[str, bytes, list[Event]]] = [
    (
        "words",
        sse(
            created(),
            {"type": "response.in_progress", "response": {"model": "gpt-x"}},
            added(0, id="i0", type="message", status="in_progress", role="assistant", content=[]),
            {
                "type": "response.content_part.added",
                "output_index": 0,
                "content_index": 0,
                "item_id": "i0",
                "part": {"type": "output_text", "text": "", "annotations": []},
            },
            delta("output_text", 0, "Hel", content_index=0, logprobs=[], obfuscation="abc"),
            delta("output_text", 0, "lo", content_index=0, logprobs=[{"token": "lo", "logprob": -0.1}]),
            {"type": "response.output_text.done", "output_index": 0, "content_index": 0, "text": "Hello"},
            {
                "type": "response.content_part.done",
                "output_index": 0,
                "content_index": 0,
                "part": {"type": "output_text", "text": "Hello", "annotations": []},
            },
            done(0, id="i0", type="message", content=[{"type": "output_text", "text": "Hello"}]),
            completed(service_tier="default"),
        ),
        [
            Started("gpt-x", "resp_1"),
            PartStarted(0, "text", extra=WORDS_EXTRA),
            PartDelta(0, "Hel"),
            PartDelta(0, "lo", logprobs={"content": [{"token": "lo", "logprob": -0.1}]}),
            PartEnded(0),
            USAGE,
            Finished("stop", raw_finish="completed", service_tier="default"),
        ],
    ),
    (
        "thoughts, their summary in two parts, then an encrypted block",
        sse(
            created(),
            added(0, id="rs_1", type="reasoning", summary=[]),
            delta("reasoning_summary_text", 0, "One", summary_index=0, item_id="rs_1"),
            delta("reasoning_summary_text", 0, "Two", summary_index=1, item_id="rs_1"),
            done(
                0,
                id="rs_1",
                type="reasoning",
                summary=[{"type": "summary_text", "text": "One"}, {"type": "summary_text", "text": "Two"}],
                encrypted_content="gAAA",
            ),
            completed(),
        ),
        [
            Started("gpt-x", "resp_1"),
            PartStarted(0, "reasoning", id="rs_1", origin="openai_responses"),
            PartDelta(0, "One"),
            PartDelta(0, "\n\n"),
            PartDelta(0, "Two"),
            PartDelta(0, encrypted="gAAA"),
            PartEnded(0),
            USAGE,
            Finished("stop", raw_finish="completed"),
        ],
    ),
    (
        "two calls made in parallel, one of a custom tool, one without arguments",
        sse(
            created(),
            added(0, id="fc_1", type="function_call", call_id="c1", name="find", arguments=""),
            added(1, id="ctc_1", type="custom_tool_call", call_id="c2", name="exec", input=""),
            delta("custom_tool_call_input", 1, "ls"),
            done(0, id="fc_1", type="function_call", call_id="c1", name="find", arguments=""),
            done(1, id="ctc_1", type="custom_tool_call", call_id="c2", name="exec", input="ls"),
            completed(),
        ),
        [
            Started("gpt-x", "resp_1"),
            PartStarted(0, "tool_call", "c1", "find", extra={"openai_responses": {"id": "fc_1"}}),
            PartStarted(
                1, "tool_call", "c2", "exec", tool_kind="custom", extra={"openai_responses": {"id": "ctc_1"}}
            ),
            PartDelta(1, "ls"),
            PartDelta(0, "{}"),
            PartEnded(0),
            PartEnded(1),
            USAGE,
            Finished("tool_calls", raw_finish="completed"),
        ],
    ),
    (
        "a refusal",
        sse(created(), delta("refusal", 0, "No.", content_index=0), completed()),
        [
            Started("gpt-x", "resp_1"),
            PartStarted(0, "refusal", extra=WORDS_EXTRA),
            PartDelta(0, "No."),
            PartEnded(0),
            USAGE,
            Finished("refusal", raw_finish="completed"),
        ],
    ),
    (
        "an answer cut by its limit",
        sse(
            created(),
            delta("output_text", 0, "Half", content_index=0),
            {
                "type": "response.incomplete",
                "response": {
                    "status": "incomplete",
                    "output": [],
                    "incomplete_details": {"reason": "max_output_tokens"},
                },
            },
        ),
        [
            Started("gpt-x", "resp_1"),
            PartStarted(0, "text", extra=WORDS_EXTRA),
            PartDelta(0, "Half"),
            PartEnded(0),
            Finished("length", raw_finish="max_output_tokens"),
        ],
    ),
    (
        "a server that sends nothing but the whole",
        sse(
            created(),
            completed([{"type": "message", "id": "m", "content": [{"type": "output_text", "text": "Hi"}]}]),
        ),
        [
            Started("gpt-x", "resp_1"),
            PartStarted(0, "text", extra={"openai_responses": {"id": "m", "at": 0}}),
            PartDelta(0, "Hi"),
            PartEnded(0),
            USAGE,
            Finished("stop", raw_finish="completed"),
        ],
    ),
    (
        "a search the provider ran, beside a picture",
        sse(
            created(),
            done(0, id="ws_1", type="web_search_call", status="completed"),
            done(
                1,
                id="ig_1",
                type="image_generation_call",
                status="completed",
                result="iVBO",
                output_format="webp",
            ),
            completed(),
        ),
        [
            Started("gpt-x", "resp_1"),
            PartStarted(
                0,
                "image",
                media_type="image/webp",
                extra={
                    "openai_responses": {
                        "item": {
                            "id": "ig_1",
                            "type": "image_generation_call",
                            "status": "completed",
                            "output_format": "webp",
                        }
                    }
                },
            ),
            PartDelta(0, "iVBO"),
            PartEnded(0),
            USAGE,
            Finished(
                "stop",
                raw_finish="completed",
                extra={
                    "openai_responses": {
                        "items": [[0, {"id": "ws_1", "type": "web_search_call", "status": "completed"}]]
                    }
                },
            ),
        ],
    ),
]


@pytest.mark.parametrize(
    ("stream", "events"), [case[1:] for case in GOLDEN], ids=[case[0] for case in GOLDEN]
)
def test_golden(stream: bytes, events: list[Event]) -> None:
    assert decode(stream) == events


@pytest.mark.parametrize("stream", [case[1] for case in GOLDEN], ids=[case[0] for case in GOLDEN])
@given(data=st.data())
@settings(max_examples=15)
def test_events_are_the_same_however_the_bytes_are_split(stream: bytes, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    decoder = PROVIDER.stream_decoder()
    found: list[Event] = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        found += decoder.feed(stream[start:end])
    assert found + decoder.close() == decode(stream)


@pytest.mark.parametrize("stream", [case[1] for case in GOLDEN], ids=[case[0] for case in GOLDEN])
def test_a_stream_cut_anywhere_before_its_end_is_a_failure(stream: bytes) -> None:
    whole = stream.rstrip()  # a last event without its blank line is still whole
    for cut in range(0, len(whole), 7):
        events = decode(stream[:cut])
        assert isinstance(events[-1], Failed), cut
        assert sum(isinstance(event, Failed | Finished) for event in events) == 1
        watcher = PROVIDER.stream_watcher(ENVELOPE)
        watcher.feed(stream[:cut])
        watcher.close()
        assert watcher.failed is not None
        assert not watcher.done


@pytest.mark.parametrize(
    ("stream", "failure", "said"),
    [
        (b"", "protocol", "empty stream"),
        (b"\n\n : ping\n\n", "protocol", "ended"),
        (b"<!doctype html>\n<title>Log in</title>\n\n", "protocol", "web page"),
        (b'{"error": {"message": "slow down", "code": "rate_limit_exceeded"}}', "rate_limited", "slow down"),
        (b'{\n  "error": {\n\n  "message": "no", "type": "insufficient_quota"}}', "quota", "no"),
        (b'{"output": []}', "protocol", "JSON instead"),
        (b"data: {oops\n\n", "protocol", "malformed"),
        (b'data: {"type": "response.output_text.delta", "output_index": "x"}\n\n', "protocol", "malformed"),
        (b'data: {"type": "response.output_text.delta"}\n\n', "protocol", "without its `delta`"),
        (sse(created()), "protocol", "ended before"),
        (sse(created(), completed(usage=None)), "protocol", "empty completion"),
        (sse(created()) + b"data: [DONE]\n\n", "protocol", "ended before"),
        (sse({"type": "response.completed"}), "protocol", "without its response"),
        (
            sse(created(), completed(status="failed", error={"code": "server_error"})),
            "server_error",
            "no reason",
        ),
        (
            sse(
                created(),
                {"type": "response.failed", "response": {"error": {"code": "server_error", "message": "x"}}},
            ),
            "server_error",
            "x",
        ),
        (
            sse({"type": "error", "code": "context_length_exceeded", "message": "too long", "param": None}),
            "context_length",
            "too long",
        ),
        (b'event: error\ndata: {"error": {"message": "busy", "code": 503}}\n\n', "overloaded", "busy"),
        (
            sse({"type": "error", "error": {"type": "invalid_request_error", "message": "bad"}}),
            "invalid_request",
            "bad",
        ),
        (
            sse(created(), done(0, type="function_call", id="f", arguments="{}")),
            "protocol",
            "without a name",
        ),
    ],
)
def test_what_is_not_a_complete_answer_is_a_failure(stream: bytes, failure: str, said: str) -> None:
    last = decode(stream)[-1]
    assert isinstance(last, Failed)
    assert last.failure == failure
    assert said in last.message
    watcher = PROVIDER.stream_watcher(ENVELOPE)
    passed = watcher.feed(stream) + watcher.close()
    if "without a name" not in said:  # a relay does not look into calls
        assert watcher.failed is not None
        assert watcher.failed.failure == failure
        assert b"error" not in passed


def test_an_answer_without_words_is_complete_when_tokens_were_spent() -> None:
    assert isinstance(decode(sse(created(), completed()))[-1], Finished)


def test_an_answer_of_thoughts_alone_is_complete() -> None:
    stream = sse(created(), done(0, type="reasoning", id="r", summary=[]), completed(usage=None))
    assert decode(stream) == [Started("gpt-x", "resp_1"), Finished("stop", raw_finish="completed")]


def test_a_call_that_no_event_closes_is_closed_by_the_end_and_has_arguments() -> None:
    item = {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "find", "arguments": ""}
    assert decode(sse(created(), added(0, **item), completed()))[1:4] == [
        PartStarted(0, "tool_call", "c1", "find", extra={"openai_responses": {"id": "fc_1"}}),
        PartDelta(0, "{}"),
        PartEnded(0),
    ]


def test_nothing_is_read_after_the_end() -> None:
    stream = GOLDEN[0][1]
    assert decode(stream + stream) == GOLDEN[0][2]
    decoder = PROVIDER.stream_decoder()
    decoder.feed(stream)
    assert decoder.feed(b"data: oops\n\n") == []
    assert decoder.close() == []


@given(
    st.binary(max_size=200) | st.lists(st.sampled_from([c[1] for c in GOLDEN])).map(lambda s: b"".join(s)[3:])
)
@settings(max_examples=200)
def test_no_bytes_make_a_decoder_or_a_watcher_raise(data: bytes) -> None:
    events = decode(data)
    assert isinstance(events[-1], Failed | Finished)
    watcher = PROVIDER.stream_watcher(ENVELOPE)
    watcher.feed(data)
    watcher.close()
    assert watcher.done != (watcher.failed is not None)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from(["", "x", "message", "output_text"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(["type", "text", "id", "content", "call_id", "name", "summary"]), inner
        )
    ),
    max_leaves=6,
)


@given(
    st.lists(
        st.builds(
            lambda kind, fields: {**fields, "type": kind},
            st.sampled_from(
                [
                    "response.created",
                    "response.output_item.added",
                    "response.output_item.done",
                    "response.content_part.done",
                    "response.output_text.delta",
                    "response.output_text.annotation.added",
                    "response.reasoning_summary_text.delta",
                    "response.function_call_arguments.delta",
                    "response.completed",
                    "response.failed",
                    "error",
                ]
            ),
            st.dictionaries(
                st.sampled_from(["item", "part", "delta", "response", "error", "annotation"]), json_values
            ),
        ),
        max_size=4,
    )
)
@settings(max_examples=200)
def test_no_shape_of_event_makes_a_decoder_or_a_watcher_raise(events: list[dict[str, Any]]) -> None:
    data = b"".join([b"data: " + dumps(event) + b"\n\n" for event in events])
    assert isinstance(decode(data)[-1], Failed | Finished)
    watcher = PROVIDER.stream_watcher(ENVELOPE)
    watcher.feed(data)
    watcher.close()


def told(events: list[Event]) -> list[Any]:
    """What a stream says, part by part, whatever the pieces and the interleaving."""
    found: dict[int, dict[str, Any]] = {}
    ends: list[Any] = []
    for event in events:
        if isinstance(event, PartStarted):
            found[event.index] = {"kind": event.kind, "name": event.name, "tool": event.tool_kind, "text": ""}
        elif isinstance(event, PartDelta):
            part = found[event.index]
            part["text"] += event.text
            if event.encrypted or event.signature:
                part["opaque"] = True
        elif isinstance(event, UsageReported):
            ends.append((event.usage.total_input_tokens, event.usage.total_output_tokens))
        elif isinstance(event, Finished):
            ends.append(event.finish)
    parts = []
    for part in found.values():
        if part["kind"] == "tool_call" and part["tool"] == "function":
            part["text"] = part["text"] or "{}"
        if part["text"] or part["kind"] == "tool_call" or part.get("opaque"):
            parts.append({key: part[key] for key in ("kind", "name", "tool", "text")})
    return sorted(parts, key=str) + ends


@given(streams(st.builds(Finished, st.just("length"))))
@settings(max_examples=100)
def test_a_stream_encoded_and_decoded_says_the_same(events: list[Event]) -> None:
    encoder = CLIENT.stream_encoder(context())
    wire = b"".join([encoder.encode(event) for event in events])
    assert told(decode(wire)) == told(events)
    watcher = PROVIDER.stream_watcher(ENVELOPE)
    assert watcher.feed(wire) + watcher.close() == wire
    assert watcher.done
    assert watcher.finish == "length"
    reported = next(event.usage for event in events if isinstance(event, UsageReported))
    assert watcher.usage.total_tokens == reported.total_tokens
