"""Converse answers and streams, both ways, byte by byte."""

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.codecs.bedrock_support import (
    CLIENT,
    CONTEXT,
    PROVIDER,
    USAGE,
    answer,
    events,
    frame,
    parsed_by_boto,
    path,
    read,
    stream,
    user,
)
from tests.upstream_bedrock import read_frames

from passerelle.codecs import registry
from passerelle.codecs.base import ReplyContext, StreamWatcher
from passerelle.codecs.eventstream import exception_headers, write_frame, write_headers
from passerelle.codecs.sealed import Sealed, seal
from passerelle.core.errors import STATUS, AnswerError, Problem
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
from passerelle.core.message import ReasoningPart, RefusalPart, TextPart, ToolCallPart
from passerelle.core.request import Reasoning
from passerelle.core.response import Response
from passerelle.core.usage import Usage

THOUGHT = {"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": "sig"}}}
CALL = {"toolUse": {"toolUseId": "t1", "name": "f", "input": {"a": [1]}}}
CITED = {
    "citationsContent": {
        "content": [{"text": "Yes."}],
        "citations": [
            {"title": "d", "location": {"documentPage": {"documentIndex": 0, "start": 1, "end": 2}}}
        ],
    }
}
RICH = answer(
    THOUGHT,
    {"reasoningContent": {"redactedContent": "AAAA"}},
    {"text": "a"},
    CITED,
    CALL,
    stop="tool_use",
    serviceTier={"type": "flex"},
    additionalModelResponseFields={"x": 1},
    performanceConfig={"latency": "optimized"},
)


def test_an_answer_comes_out_as_it_went_in() -> None:
    again = CLIENT.encode_response(PROVIDER.decode_response(RICH), CONTEXT)
    assert json.loads(again) == json.loads(RICH)
    assert parsed_by_boto(again) == parsed_by_boto(RICH)


BUCKETS = [
    (USAGE, Usage(input_tokens=3, output_tokens=2)),
    (
        {**USAGE, "cacheReadInputTokens": 7, "cacheWriteInputTokens": 5},
        Usage(input_tokens=3, output_tokens=2, cache_read_tokens=7, cache_write_5m_tokens=5),
    ),
    (
        {**USAGE, "cacheWriteInputTokens": 5, "cacheDetails": [{"ttl": "1h", "inputTokens": 4}]},
        Usage(input_tokens=3, output_tokens=2, cache_write_5m_tokens=1, cache_write_1h_tokens=4),
    ),
]


@pytest.mark.parametrize(("wire", "usage"), BUCKETS)
def test_input_does_not_hold_what_the_cache_did(wire: dict[str, Any], usage: Usage) -> None:
    body = answer({"text": "a"}, usage=wire)
    assert PROVIDER.decode_response(body).usage == usage
    assert PROVIDER.watch_response(body).usage == usage
    said = json.loads(CLIENT.encode_response(PROVIDER.decode_response(body), CONTEXT))["usage"]
    assert said["totalTokens"] == usage.total_tokens
    assert said["inputTokens"] == 3


STOPS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "tool_use": "tool_calls",
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
    "malformed_tool_use": "malformed_tool_call",
    "malformed_model_output": "malformed_tool_call",
    "model_context_window_exceeded": "context",
    "tomorrow": "stop",
}


@pytest.mark.parametrize(("word", "finish"), STOPS.items())
def test_every_word_for_the_end_is_known_and_said_again(word: str, finish: str) -> None:
    response = PROVIDER.decode_response(answer({"text": "a"}, stop=word))
    assert response.finish == finish
    assert PROVIDER.watch_response(answer({"text": "a"}, stop=word)).finish == finish
    said = json.loads(CLIENT.encode_response(response, CONTEXT))["stopReason"]
    assert said == (word if word != "tomorrow" else "end_turn")


BROKEN = [
    (b"", "empty"),
    (b"<html>", "web page"),
    (b'{"message":"no"}', "an error"),
    (RICH[:-9], "not a complete"),
    (answer(), "empty completion"),
    (answer({"text": ""}), "empty completion"),
    (b'{"output":{"message":{"role":"assistant","content":[{"text":"a"}]}}}', "why it stopped"),
    (answer({"text": 4}), "not a complete"),
]


@pytest.mark.parametrize(("body", "words"), BROKEN)
def test_what_is_no_answer_is_an_error_both_ways(body: bytes, words: str) -> None:
    for reader in (PROVIDER.decode_response, PROVIDER.watch_response):
        with pytest.raises(AnswerError, match=words):
            reader(body)


def test_an_answer_cut_by_a_filter_may_be_empty() -> None:
    assert PROVIDER.decode_response(answer(stop="guardrail_intervened")).finish == "content_filter"


def said(*parts: Any, context: ReplyContext = CONTEXT, **fields: Any) -> Any:
    return json.loads(CLIENT.encode_response(Response(parts=parts, **{"finish": "stop", **fields}), context))


def test_another_maker_s_thoughts_travel_under_seal() -> None:
    told = said(
        ReasoningPart("Hm.", signature="s", origin="gemini"),
        ReasoningPart(encrypted="e", id="rs_1", origin="openai_responses"),
        ToolCallPart(id="c", name="f", signature="g"),
        TextPart("a"),
    )["output"]["message"]["content"]
    request = read(user("a"), {"role": "assistant", "content": told}, user("b"))
    parts = request.messages[1].parts
    assert parts[0] == ReasoningPart("Hm.", signature="s", origin="gemini")
    assert parts[1] == ReasoningPart(encrypted="e", id="rs_1", origin="openai_responses")
    assert isinstance(parts[2], ToolCallPart)
    assert parts[2].signature == "g"
    assert told[0]["reasoningContent"]["reasoningText"]["signature"] == seal(Sealed("gemini", "s"))


def test_thoughts_are_hidden_from_a_caller_who_turned_them_off() -> None:
    request = read()
    request = type(request)(
        **{f: getattr(request, f) for f in request.__struct_fields__}
        | {"reasoning": Reasoning(enabled=False)}
    )
    context = ReplyContext(id="r", model="m", created_s=1, request=request)
    told = said(ReasoningPart("Hm.", origin="gemini"), TextPart("a"), context=context)
    assert told["output"]["message"]["content"] == [{"text": "a"}]


def test_a_refusal_is_a_filter_s_end() -> None:
    assert said(RefusalPart("No."))["stopReason"] == "content_filtered"


def test_two_calls_never_share_an_id_and_a_torn_one_is_left_out() -> None:
    told = said(
        ToolCallPart(id="c", name="f"),
        ToolCallPart(id="c", name="f"),
        ToolCallPart(id="d", name="f", arguments='{"a'),
        finish="tool_calls",
    )
    ids = [block["toolUse"]["toolUseId"] for block in told["output"]["message"]["content"]]
    assert len(ids) == len(set(ids)) == 2
    assert told["stopReason"] == "malformed_tool_use"


# --- streams

MANY = [
    frame("messageStart", {"role": "assistant"}),
    frame("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"reasoningContent": {"text": "Hm"}}}),
    frame("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"reasoningContent": {"signature": "sig"}}}),
    frame("contentBlockStop", {"contentBlockIndex": 0}),
    frame("contentBlockDelta", {"contentBlockIndex": 1, "delta": {"text": "a"}, "p": "abcd"}),
    frame(
        "contentBlockDelta", {"contentBlockIndex": 1, "delta": {"citation": {"title": "d", "location": {}}}}
    ),
    frame("contentBlockStop", {"contentBlockIndex": 1}),
    frame(
        "contentBlockStart", {"contentBlockIndex": 2, "start": {"toolUse": {"toolUseId": "t", "name": "f"}}}
    ),
    frame("contentBlockDelta", {"contentBlockIndex": 2, "delta": {"toolUse": {"input": '{"a"'}}}),
    frame("contentBlockDelta", {"contentBlockIndex": 2, "delta": {"toolUse": {"input": ":1}"}}}),
    frame("contentBlockStop", {"contentBlockIndex": 2}),
    frame(
        "contentBlockStart", {"contentBlockIndex": 3, "start": {"toolUse": {"toolUseId": "u", "name": "g"}}}
    ),
    frame("contentBlockStop", {"contentBlockIndex": 3}),
    frame("tomorrow", {"x": 1}),
    frame("messageStop", {"stopReason": "tool_use", "additionalModelResponseFields": {"x": 1}}),
    frame("metadata", {"usage": USAGE, "metrics": {"latencyMs": 5}, "serviceTier": {"type": "default"}}),
]
MANY_EVENTS: list[Event] = [
    Started(),
    PartStarted(0, "reasoning", origin="bedrock"),
    PartDelta(0, text="Hm"),
    PartDelta(0, signature="sig"),
    PartEnded(0),
    PartStarted(1, "text"),
    PartDelta(1, text="a"),
    PartDelta(1, citation={"title": "d", "location": {}}),
    PartEnded(1),
    PartStarted(2, "tool_call", id="t", name="f"),
    PartDelta(2, text='{"a"'),
    PartDelta(2, text=":1}"),
    PartEnded(2),
    PartStarted(3, "tool_call", id="u", name="g"),
    PartDelta(3, text="{}"),
    PartEnded(3),
    UsageReported(Usage(input_tokens=3, output_tokens=2)),
    Finished(
        "tool_calls",
        raw_finish="tool_use",
        service_tier="default",
        extra={"bedrock": {"additionalModelResponseFields": {"x": 1}, "metrics": {"latencyMs": 5}}},
    ),
]


@given(st.lists(st.integers(0, sum(map(len, MANY))), max_size=20))
def test_a_stream_is_read_alike_however_it_is_cut(cuts: list[int]) -> None:
    whole = b"".join(MANY)
    at = [0, *sorted(cuts), len(whole)]
    pieces = [whole[a:b] for a, b in pairwise(at)]
    assert events(*pieces) == MANY_EVENTS
    watcher = PROVIDER.stream_watcher(CLIENT.envelope(b'{"messages":[{"role":"user","content":[]}]}', path()))
    passed = b"".join([watcher.feed(piece) for piece in pieces]) + watcher.close()
    assert passed == whole
    assert (watcher.done, watcher.failed, watcher.finish) == (True, None, "tool_calls")
    assert watcher.usage == Usage(input_tokens=3, output_tokens=2)
    assert watcher.text_bytes == len('Hmsiga{"a":1}')


def written(*said: Event) -> bytes:
    encoder = CLIENT.stream_encoder(CONTEXT)
    return b"".join(encoder.encode(event) for event in said)


def test_a_stream_comes_out_as_it_went_in() -> None:
    told = read_frames(written(*events(*MANY)))
    expected = [
        (headers, {k: v for k, v in payload.items() if k != "p"})
        for headers, payload in read_frames(b"".join(MANY))
        if headers[":event-type"] != "tomorrow"
    ]
    # A call without arguments says so: an SDK that joins nothing would have no JSON.
    expected.insert(-3, (expected[1][0], {"contentBlockIndex": 3, "delta": {"toolUse": {"input": "{}"}}}))
    assert told == expected


def watched(*pieces: bytes) -> StreamWatcher:
    watcher = PROVIDER.stream_watcher(CLIENT.envelope(b'{"messages":[{"role":"user","content":[]}]}', path()))
    for piece in pieces:
        watcher.feed(piece)
    watcher.close()
    return watcher


EXCEPTION = write_frame(exception_headers("throttlingException"), b'{"message":"Too many requests"}')
TOO_LONG = write_frame(
    exception_headers("validationException"), b'{"message":"Input is too long for requested model."}'
)
ERROR = write_frame(
    write_headers({":message-type": "error", ":error-code": "InternalError", ":error-message": "oh"}), b""
)
GOOD = stream({"text": "a"})
ENDS = [
    ([*GOOD[:2], EXCEPTION], "rate_limited"),
    ([*GOOD[:2], TOO_LONG], "context_length"),
    ([EXCEPTION], "rate_limited"),
    ([*GOOD[:2], ERROR], "server_error"),
    (GOOD[:2], "protocol"),
    ([*GOOD[:2], GOOD[2][:-1]], "protocol"),
    (GOOD[1:], "protocol"),
    ([GOOD[0], *GOOD], "protocol"),
    (stream(), "protocol"),
    ([*GOOD[:2], frame("messageStop", {})], "protocol"),
    ([*GOOD[:4], GOOD[1], GOOD[4]], "protocol"),
    (
        [GOOD[0], write_frame(write_headers({":message-type": "event", ":event-type": "metadata"}), b"{")],
        "protocol",
    ),
    ([b"<html>please sign in</html>"], "protocol"),
    ([], "protocol"),
]


@pytest.mark.parametrize(("pieces", "failure"), ENDS)
def test_a_stream_that_breaks_says_how(pieces: list[bytes], failure: str) -> None:
    last = events(*pieces)[-1]
    assert isinstance(last, Failed)
    assert last.failure == failure
    watcher = watched(*pieces)
    assert not watcher.done
    assert watcher.failed is not None
    assert watcher.failed.failure == failure


def test_a_stream_without_its_count_is_whole_all_the_same() -> None:
    last = events(*GOOD[:-1])[-1]
    assert isinstance(last, Finished)
    assert watched(*GOOD[:-1]).done
    assert watched(*GOOD[:-1]).usage.source == "none"


def test_a_failure_ends_a_stream_in_an_exception() -> None:
    told = read_frames(
        written(Started(), PartStarted(0, "text"), PartDelta(0, text="a"), Failed("overloaded", "No."))
    )
    headers, payload = told[-1]
    assert (headers[":message-type"], headers[":exception-type"]) == (
        "exception",
        "serviceUnavailableException",
    )
    assert payload == {"message": "No."}


parts = st.lists(
    st.tuples(st.sampled_from(["text", "reasoning", "tool_call", "refusal"]), st.booleans()), max_size=4
)


@given(parts, st.randoms(use_true_random=False))
def test_any_order_of_parts_becomes_a_legal_stream(kinds: list[tuple[Any, bool]], draw: Any) -> None:
    queues: list[list[Event]] = []
    for index, (kind, speaks) in enumerate(kinds):
        words = [PartDelta(index, text='{"a":1}' if kind == "tool_call" else "word")] if speaks else []
        start = PartStarted(
            index, kind, id=f"c{index}" if kind == "tool_call" else None, name="f", origin="gemini"
        )
        queues.append([start, *words, PartEnded(index)])
    mixed: list[Event] = [Started()]
    begun = 0
    while any(queues):
        live = [q for q in queues[: begun + 1] if q]
        queue = draw.choice(live)
        if isinstance(queue[0], PartStarted):
            begun += 1
        mixed.append(queue.pop(0))
        if begun > len(queues) - 1:
            begun = len(queues) - 1
    told = read_frames(written(*mixed, UsageReported(Usage(1)), Finished("stop")))
    names = [headers[":event-type"] for headers, _ in told]
    assert names[0] == "messageStart"
    assert names[-2:] == ["messageStop", "metadata"]
    open_index, closed = None, -1
    for name, (_, payload) in zip(names, told, strict=True):
        if name in ("contentBlockStart", "contentBlockDelta"):
            assert payload["contentBlockIndex"] == closed + 1
            open_index = payload["contentBlockIndex"]
        elif name == "contentBlockStop":
            assert payload["contentBlockIndex"] == open_index == closed + 1
            closed, open_index = payload["contentBlockIndex"], None
    assert open_index is None


@given(st.lists(st.sampled_from([*MANY, EXCEPTION, ERROR, b"\x00\x00", b"junk"]), max_size=12))
def test_any_frames_in_any_order_are_survived(pieces: list[bytes]) -> None:
    found = events(*pieces)
    assert isinstance(found[-1], Finished | Failed)
    assert sum(isinstance(event, Finished | Failed) for event in found) == 1


# --- errors


@pytest.mark.parametrize("kind", STATUS)
def test_every_problem_has_amazon_s_shape(kind: Any) -> None:
    told = CLIENT.encode_problem(
        Problem(kind, "Something `x` is wrong; mend it.", retry_after_s=1.2), "req_1"
    )
    headers = dict(told.headers)
    assert headers["x-amzn-errortype"].endswith("Exception")
    assert headers["x-amzn-requestid"] == "req_1"
    assert headers["retry-after"] == "2"
    assert json.loads(told.body) == {"message": "Something `x` is wrong; mend it."}
    assert 400 <= told.status < 600


def test_a_count_is_read_and_said() -> None:
    assert PROVIDER.decode_token_count(CLIENT.encode_token_count(7)) == 7
    with pytest.raises(AnswerError):
        PROVIDER.decode_token_count(b"{}")


@pytest.mark.parametrize("dialect", ["openai_chat", "openai_responses", "anthropic", "gemini"])
def test_a_stream_of_bedrock_s_is_told_in_every_dialect(dialect: Any) -> None:
    encoder = registry.client(dialect).stream_encoder(CONTEXT)
    told = b"".join(encoder.encode(event) for event in events(*MANY))
    assert b"psl1!bedrock" in told or dialect == "gemini"
    assert b'"f"' in told
