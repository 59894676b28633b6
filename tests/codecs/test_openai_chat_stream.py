"""Chat streams into core events and out of them; and the watcher, which must judge as the decoder does."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.codecs.openai_chat_support import (
    CHAT,
    DONE,
    ENVELOPE,
    HELLO,
    QUIET,
    Collected,
    Json,
    asked,
    check_events,
    check_grammar,
    chunk,
    context,
    counted,
    event_streams,
    pieces,
    read_stream,
    sse,
)

from passerelle.codecs.base import MAX_EVENT_BYTES, Envelope
from passerelle.codecs.openai_chat import CLIENT, PROVIDER
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


def decoded(stream: bytes, cuts: list[int] | None = None) -> list[Event]:
    decoder = PROVIDER.stream_decoder()
    events = [event for piece in pieces(stream, cuts or []) for event in decoder.feed(piece)]
    events += decoder.close()
    assert decoder.feed(b"data: more\n\n") == []
    assert decoder.close() == []
    return events


def watched(stream: bytes, cuts: list[int] | None = None, envelope: Envelope = ENVELOPE) -> tuple[Any, bytes]:
    watcher = PROVIDER.stream_watcher(envelope)
    passed = b"".join([watcher.feed(piece) for piece in pieces(stream, cuts or [])])
    passed += watcher.close()
    assert watcher.feed(b"data: more\n\n") == b""
    return watcher, passed


def encoded(*events: Event, **more: Any) -> bytes:
    encoder = CLIENT.stream_encoder(context(**more))
    return b"".join([encoder.encode(event) for event in events])


def call(
    index: int | None, identifier: str | None = None, name: str | None = None, arguments: Any = None
) -> Json:
    made: Json = {} if index is None else {"index": index}
    if identifier is not None:
        made |= {"id": identifier, "type": "function"}
    return {"tool_calls": [{**made, "function": {"name": name, "arguments": arguments}}]}


def calls(*deltas: Json) -> list[tuple[str, str, str]]:
    stream = sse(*[chunk(delta) for delta in deltas], chunk({}, "tool_calls"), DONE)
    events = decoded(stream)
    check_events(events)
    collected = Collected(events)
    assert collected.finished is not None, collected.failed
    assert collected.finished.finish == "tool_calls"
    watcher, _ = watched(stream)
    assert watcher.finish == "tool_calls"
    return [(identifier, name, text) for identifier, name, text, _, _ in collected.calls()]


# ---- in


GOLDEN: list[tuple[bytes, list[Event]]] = [
    (
        sse(*HELLO),
        [
            Started("gpt-x-1", "chatcmpl-1"),
            PartStarted(0, "text"),
            PartDelta(0, "Hel"),
            PartDelta(0, "lo"),
            UsageReported(Usage(7, output_tokens=2)),
            PartEnded(0),
            Finished("stop", raw_finish="stop"),
        ],
    ),
    (
        sse(
            chunk({"role": "assistant", "reasoning_content": "hm"}),
            chunk({"reasoning": "m"}),
            chunk({"content": "yes"}),
            chunk({"refusal": "no"}),
            chunk({}, "length", service_tier="flex"),
            DONE,
        ),
        [
            Started("gpt-x-1", "chatcmpl-1"),
            PartStarted(0, "reasoning", origin="openai_chat"),
            PartDelta(0, "hm"),
            PartDelta(0, "m"),
            PartEnded(0),
            PartStarted(1, "text"),
            PartDelta(1, "yes"),
            PartEnded(1),
            PartStarted(2, "refusal"),
            PartDelta(2, "no"),
            PartEnded(2),
            Finished("length", raw_finish="length", service_tier="flex"),
        ],
    ),
    (
        sse(
            chunk(call(0, "a", "f", "")),
            chunk(call(1, "b", "g", '{"x"')),
            chunk(call(0, None, None, '{"y":')),
            chunk(call(1, None, None, ":1}")),
            chunk(call(0, None, None, "2}")),
            chunk({}, "tool_calls"),
            DONE,
        ),
        [
            Started("gpt-x-1", "chatcmpl-1"),
            PartStarted(0, "tool_call", "a", "f"),
            PartStarted(1, "tool_call", "b", "g"),
            PartDelta(1, '{"x"'),
            PartDelta(0, '{"y":'),
            PartDelta(1, ":1}"),
            PartDelta(0, "2}"),
            PartEnded(0),
            PartEnded(1),
            Finished("tool_calls", raw_finish="tool_calls"),
        ],
    ),
    (
        sse(
            {**chunk(), "choices": [], "model": "", "id": "", "prompt_filter_results": []},  # Azure's first
            chunk(
                {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}]}
            ),  # Mistral
            chunk({"content": [{"type": "text", "text": "yes"}, "!"]}),
            chunk({"images": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}}]}),
            chunk({}, "stop", x_groq={"id": "r", "usage": {"prompt_tokens": 3, "completion_tokens": 4}}),
        ),
        [
            Started("gpt-x-1", "chatcmpl-1"),
            PartStarted(0, "reasoning", origin="openai_chat"),
            PartDelta(0, "hm"),
            PartEnded(0),
            PartStarted(1, "text"),
            PartDelta(1, "yes"),
            PartDelta(1, "!"),
            PartEnded(1),
            PartStarted(2, "image", media_type="image/png"),
            PartDelta(2, "AA"),
            PartEnded(2),
            UsageReported(Usage(3, output_tokens=4)),
            Finished("stop", raw_finish="stop"),
        ],
    ),
    (
        sse(
            chunk({"audio": {"id": "audio_1", "transcript": "sa"}}),
            chunk({"audio": {"data": "AA==", "transcript": "id"}}),
            chunk({"audio": {"expires_at": 9}}, "stop"),
            DONE,
        ),
        [
            Started("gpt-x-1", "chatcmpl-1"),
            PartStarted(0, "audio", "audio_1", media_type="audio/pcm"),
            PartDelta(0, "AA=="),
            PartEnded(0, {"openai_chat": {"transcript": "said", "expires_at": 9}}, "said"),
            Finished("stop", raw_finish="stop"),
        ],
    ),
]


@pytest.mark.parametrize(("stream", "events"), GOLDEN)
def test_a_stream_gives_its_events(stream: bytes, events: list[Event]) -> None:
    assert decoded(stream) == events
    check_events(events)


@given(st.sampled_from(GOLDEN), st.lists(st.integers(0, 3000), max_size=30))
def test_however_the_bytes_are_split_the_events_are_the_same(
    golden: tuple[bytes, list[Event]], cuts: list[int]
) -> None:
    stream, events = golden
    assert decoded(stream, cuts) == events
    assert decoded(stream.replace(b"\n", b"\r\n"), cuts) == events
    watcher, passed = watched(stream, cuts)
    assert passed == (stream if sse(DONE) in stream else stream + sse(DONE))
    assert watcher.done


def test_the_words_of_citations_and_log_probabilities_are_kept() -> None:
    cited = {
        "type": "url_citation",
        "url_citation": {"url": "u", "title": "t", "start_index": 0, "end_index": 1},
    }
    probable = {"content": [{"token": "x", "logprob": -1}], "refusal": None}
    first = chunk({"content": "x"})
    first["choices"][0]["logprobs"] = probable
    events = decoded(sse(first, chunk({"annotations": [cited]}), chunk({}, "stop"), DONE))
    assert PartDelta(0, "x", logprobs=probable) in events
    assert PartDelta(0, citation=cited) in events


def test_sources_told_beside_the_words_become_citations() -> None:
    results = [{"title": "X", "url": "https://x", "date": None}]
    place = {"start_index": 0, "end_index": 0, "title": "X", "url": "https://x"}
    for more in ({"search_results": results, "citations": ["https://x"]}, {"search_results": results}):
        events = decoded(sse(chunk({"content": "hi"}, **more), chunk({}, "stop", **more), DONE))
        check_events(events)
        cited = [event.citation for event in events if isinstance(event, PartDelta) and event.citation]
        assert cited == [{"type": "url_citation", "url_citation": place}]
    events = decoded(sse(chunk({"content": "hi"}, citations=["https://x"]), chunk({}, "stop"), DONE))
    (citation,) = [event.citation for event in events if isinstance(event, PartDelta) and event.citation]
    assert citation["url_citation"]["url"] == "https://x"
    odd = sse(chunk({"content": "hi", "reasoning": {}}, citations={"a": 1}), chunk({}, "stop"), DONE)
    assert isinstance(decoded(odd)[-1], Finished)


def test_openrouters_proofs_of_thought_go_back_to_a_caller_of_this_dialect() -> None:
    detail = {"type": "reasoning.text", "text": "hm", "signature": "sig", "index": 0}
    both = {"reasoning": "hm", "reasoning_details": [detail]}
    for delta in (both, {"reasoning_details": [detail]}):
        events = decoded(sse(chunk(delta), chunk({"content": "x"}), chunk({}, "stop"), DONE))
        assert Collected(events).words("reasoning") == "hm"
        deltas = [f["choices"][0]["delta"] for f in read_stream(encoded(*events)) if isinstance(f, dict)]
        assert [d["reasoning_details"] for d in deltas if "reasoning_details" in d] == [[detail]]


def test_tool_calls_in_every_way_servers_write_them() -> None:
    plain = [("a", "f", '{"x":1}'), ("b", "g", "{}")]
    assert calls(call(0, "a", "f", '{"x":1}'), call(1, "b", "g", "")) == plain
    # Whole calls, the id repeated with every piece.
    assert calls(call(0, "a", "f", '{"x"'), call(0, "a", "f", ":1}"), call(1, "b", "g", None)) == plain
    # One index for all.
    assert calls(call(0, "a", "f", '{"x":1}'), call(0, "b", "g", "{}")) == plain
    # No index at all.
    assert calls(call(None, "a", "f", '{"x":1}'), call(None, "b", "g", "{}")) == plain
    assert calls(call(None, "a", "f", '{"x"'), call(None, None, None, ":1}"), call(None, "b", "g")) == plain
    # The id first, then the arguments, then the name.
    assert (
        calls(call(0, "a"), call(0, None, None, '{"x"'), call(0, None, "f", ":1}"), call(1, "b", "g"))
        == plain
    )
    # The arguments as an object.
    assert calls(call(0, "a", "f", {"x": 1}), call(1, "b", "g", {})) == plain
    # The old form.
    ((identifier, name, text),) = calls(
        {"function_call": {"name": "f", "arguments": '{"x"'}}, {"function_call": {"arguments": ":1}"}}
    )
    assert (name, text) == ("f", '{"x":1}')
    assert identifier.startswith("call_")


def test_calls_without_ids_get_their_own_always_the_same() -> None:
    first = calls(call(0, None, "f", "{}"), call(1, None, "f", "{}"))
    assert first == calls(call(0, None, "f", "{}"), call(1, None, "f", "{}"))
    assert len({identifier for identifier, _, _ in first}) == 2


def test_custom_calls_and_signatures_are_kept() -> None:
    delta = {
        "tool_calls": [
            {"index": 0, "id": "a", "type": "custom", "custom": {"name": "f", "input": "ra"}},
            {"index": 0, "custom": {"input": "w"}, "extra_content": {"google": {"thought_signature": "sig"}}},
        ]
    }
    events = decoded(sse(chunk(delta), chunk({}, "stop"), DONE))
    assert Collected(events).calls() == [("a", "f", "raw", "custom", "sig")]


# ---- the completion automaton

WORD = chunk({"content": "hi"})
STOP = chunk({}, "stop")
BIG = b"data: image" + b"x" * (MAX_EVENT_BYTES + 1)

BROKEN: list[tuple[str, bytes, str, str]] = [
    ("nothing at all", b"", "protocol", "without sending an event"),
    ("only comments", b": ping\n\n: ping\n\n", "protocol", "without sending an event"),
    ("a web page", b"<!doctype html>\n<html>\n\n</html>", "protocol", "web page"),
    (
        "a JSON error",
        b'{"error":{"message":"slow down","code":"rate_limit_exceeded"}}',
        "rate_limited",
        "slow down",
    ),
    ("pretty JSON", b'{\n  "error": {\n\n "message": "no", "code": 401}\n}', "auth", "no"),
    ("an answer that is no stream", b'{"choices":[],"id":"x"}', "protocol", "one JSON body"),
    ("words", b"upstream connect error", "protocol", "not valid JSON"),
    ("no finish reason, then the end", sse(WORD), "protocol", "without a finish reason"),
    ("no finish reason, then [DONE]", sse(WORD, DONE), "protocol", "without a finish reason"),
    ("only [DONE]", sse(DONE), "protocol", "without a finish reason"),
    ("torn in the middle", sse(WORD) + b'data: {"choices":[{"del', "protocol", "cut in the middle"),
    (
        "an event of broken JSON",
        sse(WORD, '{"choices":[{"delta":{"content":"x}', STOP, DONE),
        "protocol",
        "not valid",
    ),
    ("an event that is not an object", sse(WORD, "[1]", STOP, DONE), "protocol", "not valid JSON"),
    (
        "bad UTF-8",
        sse(WORD) + b'data: {"choices":[{"delta":{"content":"\xff"}}]}\n\n',
        "protocol",
        "not valid JSON",
    ),
    ("deep nesting", sse(WORD) + b'data: {"error":' + b"[" * 100_000 + b"\n\n", "protocol", "not valid JSON"),
    ("an endless event", sse(WORD) + BIG, "oversized", "longer than"),
    (
        "an error in the stream",
        sse(WORD, {"error": {"message": "boom", "type": "server_error"}}),
        "server_error",
        "boom",
    ),
    ("an error in words", sse(WORD, {"error": "boom"}), "server_error", "boom"),
    ("an error with a status", sse(WORD, {"error": {"message": "busy", "code": 529}}), "overloaded", "busy"),
    ("an error event", sse(WORD) + b'event: error\ndata: {"message":"boom"}\n\n', "server_error", "boom"),
    (
        "vLLM's error",
        sse(WORD, {"object": "error", "message": "boom", "code": 400}),
        "invalid_request",
        "boom",
    ),
    ("Groq's error", sse(WORD, {**chunk(), "x_groq": {"error": "boom"}}), "server_error", "boom"),
    (
        "OpenRouter's error",
        sse(WORD, {**chunk({"content": ""}, "error"), "error": {"code": 502, "message": "gone"}}),
        "server_error",
        "gone",
    ),
    ("finish: error", sse(WORD, chunk({}, "error"), DONE), "server_error", "broke the answer off"),
    ("finish: no capacity", sse(WORD, chunk({}, "insufficient_system_resource")), "overloaded", "broke"),
    (
        "an empty completion",
        sse(chunk({"role": "assistant", "content": ""}), STOP, DONE),
        "protocol",
        "empty",
    ),
    (
        "an empty completion, counted as nothing",
        sse(chunk({"content": ""}), STOP, counted(prompt_tokens=5, completion_tokens=0), DONE),
        "protocol",
        "empty completion",
    ),
    ("empty, and no [DONE]", sse(STOP), "protocol", "empty completion"),
    ("tool calls that never came", sse(chunk({}, "tool_calls"), DONE), "protocol", "empty completion"),
]


@pytest.mark.parametrize(("name", "stream", "failure", "words"), BROKEN, ids=[case[0] for case in BROKEN])
def test_what_is_not_complete_is_a_failure(name: str, stream: bytes, failure: str, words: str) -> None:
    for cuts in ([], [1, 7, 40, 41, 90]):
        events = decoded(stream, cuts)
        check_events(events)
        failed = events[-1]
        assert isinstance(failed, Failed), name
        assert failed.failure == failure
        assert words in failed.message
        watcher, passed = watched(stream, cuts)
        assert watcher.failed == failed
        assert not watcher.done
        assert stream.startswith(passed), "only whole events before the failing one"


def test_a_call_that_never_says_its_name_is_a_failure() -> None:
    (*_, failed) = decoded(sse(WORD, chunk(call(0, "a", None, "{}")), chunk({}, "tool_calls"), DONE))
    assert isinstance(failed, Failed)
    assert "never named" in failed.message


WHOLE: list[tuple[str, bytes, str]] = [
    ("no [DONE] after a finish reason", sse(WORD, STOP), "stop"),
    ("no blank line after [DONE]", sse(WORD, STOP) + b"data: [DONE]", "stop"),
    ("no blank line after the last chunk", sse(WORD, STOP)[:-2], "stop"),
    ("torn behind the finish reason", sse(WORD, STOP) + b'data: {"choices":[],"usa', "stop"),
    ("two finish reasons", sse(WORD, STOP, chunk({}, "length"), DONE), "length"),
    ("two [DONE]", sse(WORD, STOP, DONE, DONE), "stop"),
    ("something behind [DONE]", sse(WORD, STOP, DONE, {"error": "late"}), "stop"),
    ("words in the chunk that finishes", sse(chunk({"content": "hi"}, "stop"), DONE), "stop"),
    ("length without a word", sse(chunk({}, "length"), DONE), "length"),
    ("filtered without a word", sse(chunk({}, "content_filter"), DONE), "content_filter"),
    ("stop after thoughts alone", sse(chunk({"reasoning_content": "hm"}), STOP, DONE), "stop"),
    ("stop that was counted", sse(STOP, counted(prompt_tokens=5, completion_tokens=2), DONE), "stop"),
    ("figures in a new shape", sse({**WORD, "usage": {"prompt_tokens": {"a": 1}}}, STOP, DONE), "stop"),
    ("a chunk of nothing we know", sse({"type": "ping"}, WORD, STOP, DONE), "stop"),
    ("empty data", b"data:\n\n" + sse(WORD, STOP, DONE), "stop"),
]


@pytest.mark.parametrize(("name", "stream", "finish"), WHOLE, ids=[case[0] for case in WHOLE])
def test_what_is_complete_is_finished(name: str, stream: bytes, finish: str) -> None:
    for cuts in ([], [1, 7, 40, 41, 90]):
        events = decoded(stream, cuts)
        check_events(events)
        assert isinstance(events[-1], Finished), name
        assert events[-1].finish == finish
        watcher, _ = watched(stream, cuts)
        assert watcher.done
        assert watcher.failed is None
        assert watcher.finish == finish


def test_a_stop_sequence_hit_at_once_is_an_answer() -> None:
    hit = chunk({}, "stop")
    hit["choices"][0]["stop_reason"] = "END"
    events = decoded(sse(hit, DONE))
    assert isinstance(events[-1], Finished)
    assert events[-1].stop_sequence == "END"


@given(st.lists(st.binary(max_size=60), max_size=8))
def test_any_bytes_give_events_and_one_end(chunks: list[bytes]) -> None:
    decoder = PROVIDER.stream_decoder()
    events = [event for data in chunks for event in decoder.feed(data)] + decoder.close()
    check_events(events)
    assert isinstance(events[-1], Failed | Finished)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=6), inner, max_size=2),
    max_leaves=5,
)
_calls = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "index": st.none() | st.integers(-1, 2),
            "id": st.none() | st.sampled_from(["a", "b", ""]),
            "type": st.sampled_from(["function", "custom"]),
            "function": st.fixed_dictionaries(
                {},
                optional={
                    "name": st.sampled_from(["f", "", None]),
                    "arguments": st.sampled_from(["", "{", None, {"a": 1}]),
                },
            ),
            "custom": st.fixed_dictionaries(
                {}, optional={"name": st.just("c"), "input": st.text(max_size=3)}
            ),
        },
    ),
    max_size=2,
)
_deltas = st.fixed_dictionaries(
    {},
    optional={
        "content": st.text(max_size=4) | _JSON,
        "reasoning_content": st.text(max_size=4),
        "refusal": st.text(max_size=4),
        "tool_calls": _calls,
        "function_call": st.fixed_dictionaries({}, optional={"name": st.just("f")}),
        "audio": st.fixed_dictionaries(
            {}, optional={"id": st.just("x"), "data": st.just("AA"), "transcript": st.just("t")}
        ),
        "images": _JSON,
        "annotations": _JSON,
        "reasoning_details": _JSON,
    },
)
_chunks = st.builds(
    chunk,
    _deltas,
    st.sampled_from([None, None, None, "stop", "tool_calls", "length", "error", ""]),
    usage=st.none()
    | st.fixed_dictionaries({"prompt_tokens": st.integers(0, 9), "completion_tokens": st.integers(0, 9)}),
)


@given(
    st.lists(_chunks | _JSON.map(lambda value: {"x": value}), max_size=6),
    st.booleans(),
    st.lists(st.integers(0, 2000), max_size=8),
)
def test_any_chunks_are_judged_alike_by_decoder_and_watcher(
    chunks: list[Json], done: bool, cuts: list[int]
) -> None:
    stream = sse(*chunks, *([DONE] if done else []))
    events = decoded(stream, cuts)
    check_events(events)
    assert decoded(stream) == events
    end = events[-1]
    assert isinstance(end, Failed | Finished)
    watcher, passed = watched(stream, cuts)
    told = sse(*[said for said in chunks if "choices" in said], DONE)  # what is no chunk is not passed on
    if isinstance(end, Failed) and "never named" in end.message:
        return  # only the decoder, which must make something of it, minds
    assert watcher.done == isinstance(end, Finished)
    if isinstance(end, Finished):
        assert passed == told
        assert watcher.finish == end.finish
        assert watcher.usage == (Collected(events).usage or NO_USAGE)
        assert watcher.content == any(isinstance(event, PartStarted) for event in events)
    else:
        assert watcher.failed == end
        assert told.startswith(passed)


# ---- the watcher


def test_the_chunk_that_only_counts_is_kept_from_a_caller_who_did_not_ask() -> None:
    stream = sse(*HELLO)
    for cuts in ([], [5, 100, 300, 500, 700]):
        watcher, passed = watched(stream, cuts, QUIET)
        assert passed == sse(*[c for c in HELLO if not (isinstance(c, dict) and c["choices"] == [])])
        assert watcher.usage == Usage(7, output_tokens=2)
        assert watcher.done


def test_figures_beside_words_are_not_taken_out() -> None:
    both = {**chunk({"content": "x"}), "usage": {"prompt_tokens": 1, "completion_tokens": 1}}
    stream = sse(both, STOP, DONE)
    assert watched(stream, [], QUIET)[1] == stream


def test_lifecycle_is_not_content() -> None:
    watcher = PROVIDER.stream_watcher(ENVELOPE)
    watcher.feed(sse({**chunk(), "choices": []}, chunk({"role": "assistant", "content": ""})))
    assert not watcher.content
    assert watcher.progress == 0
    for delta, size in (
        ({"content": "hé"}, 3),
        ({"reasoning_content": "hm"}, 2),
        ({"refusal": "no"}, 2),
        (call(0, "a", "f", "{}"), 3),
        ({"function_call": {"name": "f", "arguments": "{}"}}, 3),
        ({"audio": {"data": "AA"}}, 1),
        ({"images": [{"image_url": {"url": "u"}}]}, 1),
    ):
        watcher = PROVIDER.stream_watcher(ENVELOPE)
        watcher.feed(sse(chunk(delta)))
        assert watcher.content, delta
        assert (watcher.progress, watcher.text_bytes) == (1, size)


def test_several_choices_must_all_finish() -> None:
    def of(index: int, delta: Json, finish: str | None = None) -> Json:
        made = chunk(delta, finish)
        made["choices"][0]["index"] = index
        return made

    begun = sse(of(0, {"content": "a"}), of(1, {"content": "b"}), of(0, {}, "stop"))
    assert watched(begun + sse(DONE))[0].failed is not None
    assert watched(begun + sse(of(1, {}, "length"), DONE))[0].done


def test_comments_do_not_reach_the_caller_and_nothing_torn_does() -> None:
    watcher = PROVIDER.stream_watcher(ENVELOPE)
    assert watcher.feed(b": ping\n\n" + sse(WORD) + b'data: {"cho') == sse(WORD)
    assert watcher.close() == b""
    assert watcher.failed is not None


# ---- out


def test_a_plain_answer_is_written_as_openai_writes_it() -> None:
    stream = encoded(
        Started("claude-x"), PartStarted(0, "text"), PartDelta(0, 'say "hé"'), PartEnded(0),
        UsageReported(Usage(3, output_tokens=2)), Finished("stop", service_tier="standard"),
    )  # fmt: skip
    frames = read_stream(stream)
    check_grammar(frames)
    assert isinstance(frames[0], dict)
    assert frames[0] == {
        "id": "chatcmpl-01TEST", "object": "chat.completion.chunk", "created": 1_700_000_000,
        "model": "claude-x", "system_fingerprint": None,
        "choices": [{"index": 0, "delta": {"role": "assistant", "content": "", "refusal": None},
                     "logprobs": None, "finish_reason": None}],
        "usage": None,
    }  # fmt: skip
    assert isinstance(frames[1], dict)
    assert frames[1]["choices"][0]["delta"] == {"content": 'say "hé"'}
    assert isinstance(frames[2], dict)
    assert frames[2]["choices"] == [{"index": 0, "delta": {}, "logprobs": None, "finish_reason": "stop"}]
    assert frames[2]["service_tier"] == "default"
    assert isinstance(frames[3], dict)
    assert frames[3]["choices"] == []
    assert frames[3]["usage"]["total_tokens"] == 5


def test_usage_is_told_only_to_who_asked() -> None:
    events = (Started("m"), PartStarted(0, "text"), PartDelta(0, "x"), PartEnded(0), UsageReported(Usage(3)))
    frames = read_stream(encoded(*events, Finished("stop"), include_usage=False))
    check_grammar(frames, include_usage=False)
    assert all(frame == DONE or "usage" not in frame for frame in frames)


@given(event_streams(), st.booleans())
def test_any_order_core_allows_becomes_an_order_chat_allows(events: list[Event], include_usage: bool) -> None:
    check_events(events)
    stream = encoded(*events, include_usage=include_usage)
    check_grammar(read_stream(stream), include_usage=include_usage)
    collected = Collected(events)
    said: dict[str, str] = {"content": "", "reasoning_content": "", "refusal": ""}
    for frame in read_stream(stream):
        if isinstance(frame, dict) and frame.get("choices"):
            for field, text in frame["choices"][0]["delta"].items():
                if field in said and text:
                    said[field] += text
    assert said["content"] == collected.words("text")
    assert said["reasoning_content"] == collected.words("reasoning")
    assert said["refusal"] == collected.words("refusal")


@given(event_streams(own=True))
def test_a_stream_written_and_read_again_says_the_same(events: list[Event]) -> None:
    before = Collected(events)
    after_events = decoded(encoded(*events))
    check_events(after_events)
    after = Collected(after_events)
    said_nothing = not any(p["text"] or p["kind"] == "tool_call" for p in before.parts)
    if said_nothing and after.failed is not None:
        assert "empty completion" in after.failed.message
        return
    assert after.model == before.model
    for kind in ("text", "reasoning", "refusal"):
        assert after.words(kind) == before.words(kind)
    assert after.calls() == before.calls()
    assert after.usage == before.usage
    assert after.finished is not None
    assert before.finished is not None
    assert after.finished.stop_sequence == before.finished.stop_sequence
    expected = before.finished.finish
    if expected == "stop":
        expected = "tool_calls" if before.calls() else "refusal" if before.words("refusal") else "stop"
    assert after.finished.finish == expected


def test_a_failure_is_an_error_event_and_no_end() -> None:
    stream = encoded(Started("m"), PartStarted(0, "text"), PartDelta(0, "x"), Failed("timeout", "too slow"))
    frames = read_stream(stream)
    check_grammar(frames)
    assert frames[-1] == {
        "error": {"message": "too slow", "type": "server_error", "param": None, "code": "upstream_timeout"}
    }
    assert read_stream(encoded(Failed("rate_limited", "slow"))) == [
        {
            "error": {
                "message": "slow",
                "type": "rate_limit_error",
                "param": None,
                "code": "rate_limit_exceeded",
            }
        }
    ]


def test_nothing_follows_the_end() -> None:
    encoder = CLIENT.stream_encoder(context())
    for event in (Started("m"), PartStarted(0, "text"), PartDelta(0, "x"), PartEnded(0), Finished("stop")):
        encoder.encode(event)
    assert encoder.encode(PartDelta(0, "y")) == b""
    assert encoder.encode(Failed("timeout", "late")) == b""


def test_a_keepalive_is_a_comment() -> None:
    encoder = CLIENT.stream_encoder(context())
    assert encoder.keepalive().startswith(b":")
    assert encoder.content_type.startswith("text/event-stream")


def test_foreign_proofs_travel_sealed_and_come_back() -> None:
    stream = encoded(
        Started("m"),
        PartStarted(0, "reasoning", origin="anthropic"), PartDelta(0, "hm"), PartDelta(0, signature="sig"),
        PartEnded(0),
        PartStarted(1, "reasoning", origin="anthropic"), PartDelta(1, encrypted="blob"), PartEnded(1),
        PartStarted(2, "text"), PartDelta(2, "x"), PartEnded(2), Finished("stop"),
    )  # fmt: skip
    message: Json = {"role": "assistant", "content": "", "reasoning_content": "", "reasoning_details": []}
    for frame in read_stream(stream):
        if isinstance(frame, dict):
            delta = frame["choices"][0]["delta"] if frame["choices"] else {}
            message["content"] += delta.get("content") or ""
            message["reasoning_content"] += delta.get("reasoning_content") or ""
            message["reasoning_details"] += delta.get("reasoning_details") or []
    (turn,) = CLIENT.decode_request(asked(message), CHAT).messages
    assert [(p.text, p.signature, p.encrypted, p.origin) for p in turn.parts[:2]] == [  # type: ignore[union-attr]
        ("hm", "sig", None, "anthropic"),
        ("", None, "blob", "anthropic"),
    ]


def test_a_caller_of_the_old_form_streams_the_old_form() -> None:
    request = CLIENT.decode_request(asked(functions=[{"name": "f"}], stream=True), CHAT)
    frames = read_stream(
        encoded(
            Started("m"), PartStarted(0, "tool_call", "c", "f"), PartDelta(0, '{"a":1}'), PartEnded(0),
            PartStarted(1, "tool_call", "d", "f"), PartDelta(1, "{}"), PartEnded(1), Finished("tool_calls"),
            request=request,
        )
    )  # fmt: skip
    deltas = [f["choices"][0] for f in frames if isinstance(f, dict) and f["choices"]]
    assert [d["delta"]["function_call"] for d in deltas if "function_call" in d["delta"]] == [
        {"name": "f", "arguments": ""},
        {"arguments": '{"a":1}'},
    ]
    assert deltas[-1]["finish_reason"] == "function_call"


def test_the_official_sdk_reads_what_is_streamed() -> None:
    """Its accumulator puts the answer together, and its stream class raises on the error event."""
    from openai.lib.streaming.chat import ChatCompletionStreamState
    from openai.types.chat import ChatCompletionChunk

    state = ChatCompletionStreamState()
    stream = encoded(
        Started("m"), PartStarted(0, "text"), PartDelta(0, "hi"), PartEnded(0),
        PartStarted(1, "tool_call", "call_1", "f"), PartStarted(2, "tool_call", None, "g"),
        PartDelta(2, '{"b"'), PartDelta(1, '{"a":1}'), PartDelta(2, ":2}"), PartDelta(1, signature="sig"),
        PartEnded(1), PartEnded(2), UsageReported(Usage(3, output_tokens=2)), Finished("tool_calls"),
    )  # fmt: skip
    for frame in read_stream(stream):
        if isinstance(frame, dict):
            state.handle_chunk(ChatCompletionChunk.model_validate(frame))
    final = state.get_final_completion()
    message = final.choices[0].message
    assert message.content == "hi"
    assert [(c.function.name, json.loads(c.function.arguments)) for c in message.tool_calls or ()] == [
        ("f", {"a": 1}),
        ("g", {"b": 2}),
    ]
    assert final.usage is not None
    assert final.usage.total_tokens == 5
