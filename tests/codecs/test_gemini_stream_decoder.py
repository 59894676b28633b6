"""Google's stream in core's events: golden pairs, the completion automaton, and any split of the bytes."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.codecs.gemini_support import (
    ENVELOPE,
    SIGNATURE,
    call,
    chunk,
    counts,
    dump,
    events_of,
    split,
    sse,
    text,
)

from passerelle.codecs.base import MAX_EVENT_BYTES
from passerelle.codecs.gemini import PROVIDER
from passerelle.core.errors import FailureKind
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

STARTED = Started("gemini-2.5-pro", "r1")


def decode(*chunks: Any) -> list[Event]:
    return events_of(PROVIDER.stream_decoder(), sse(*chunks))


WORDS = (
    chunk(text("Hel"), usage={"promptTokenCount": 4, "totalTokenCount": 4}),
    chunk(text("lo"), finish="STOP", usage=counts(4, 2)),
)
WORDS_EVENTS: list[Event] = [
    STARTED,
    PartStarted(0, "text"),
    PartDelta(0, "Hel"),
    UsageReported(Usage(4)),
    PartDelta(0, "lo"),
    PartEnded(0),
    UsageReported(Usage(4, output_tokens=2)),
    Finished("stop", raw_finish="STOP"),
]

THINKS_AND_CALLS = (
    chunk(text("First ", thought=True)),
    chunk(text("that", thought=True, thoughtSignature=SIGNATURE)),
    chunk(text("Now:")),
    chunk({**call("f", {"a": 1}, id="c1"), "thoughtSignature": SIGNATURE}, call("f", {"a": 2}, id="c2")),
    chunk(text(""), finish="STOP", groundingMetadata={"q": 1}),
    chunk(usage=counts(5, 7, thoughtsTokenCount=3)),
)
THINKS_AND_CALLS_EVENTS: list[Event] = [
    STARTED,
    PartStarted(0, "reasoning", origin="gemini"),
    PartDelta(0, "First "),
    PartDelta(0, "that"),
    PartDelta(0, signature=SIGNATURE),
    PartEnded(0),
    PartStarted(1, "text"),
    PartDelta(1, "Now:"),
    PartEnded(1),
    PartStarted(2, "tool_call", id="c1", name="f", origin="gemini"),
    PartDelta(2, '{"a": 1}', signature=SIGNATURE),
    PartEnded(2),
    PartStarted(3, "tool_call", id="c2", name="f"),
    PartDelta(3, '{"a": 2}'),
    PartEnded(3),
    UsageReported(Usage(5, output_tokens=7, reasoning_tokens=3)),
    Finished("tool_calls", raw_finish="STOP", extra={"candidate.groundingMetadata": {"q": 1}}),
]

OTHER_PARTS = (
    chunk(text("Look"), text("", thoughtSignature=SIGNATURE)),
    chunk({"executableCode": {"code": "1", "language": "PYTHON"}}),
    chunk({"inlineData": {"mimeType": "image/png", "data": "AAAA"}, "thoughtSignature": SIGNATURE}),
    chunk({"inlineData": {"mimeType": "audio/wav", "data": "BBBB"}}),
    chunk(finish="MAX_TOKENS"),
)
OTHER_PARTS_EVENTS: list[Event] = [
    STARTED,
    PartStarted(0, "text"),
    PartDelta(0, "Look"),
    PartEnded(0, extra={"thoughtSignature": SIGNATURE}),
    PartStarted(1, "text", extra={"executableCode": {"code": "1", "language": "PYTHON"}}),
    PartEnded(1),
    PartStarted(2, "image", media_type="image/png", extra={"thoughtSignature": SIGNATURE}),
    PartDelta(2, "AAAA"),
    PartEnded(2),
    PartStarted(3, "audio", media_type="audio/wav"),
    PartDelta(3, "BBBB"),
    PartEnded(3),
    Finished("length", raw_finish="MAX_TOKENS"),
]

GOLDEN = [
    (WORDS, WORDS_EVENTS),
    (THINKS_AND_CALLS, THINKS_AND_CALLS_EVENTS),
    (OTHER_PARTS, OTHER_PARTS_EVENTS),
]


@pytest.mark.parametrize(("chunks", "events"), GOLDEN)
def test_golden_streams(chunks: Any, events: list[Event]) -> None:
    assert decode(*chunks) == events


@given(
    st.sampled_from(GOLDEN),
    st.sampled_from(["\n\n", "\r\n\r\n", "\r\r"]),
    st.lists(st.integers(0, 2000), max_size=12),
)
def test_events_do_not_depend_on_how_the_bytes_are_split(golden: Any, end: str, cuts: list[int]) -> None:
    chunks, events = golden
    data = b": hello\n\n" + sse(*chunks, end=end)
    assert events_of(PROVIDER.stream_decoder(), *split(data, cuts)) == events
    watcher = PROVIDER.stream_watcher(ENVELOPE)
    passed = b"".join([watcher.feed(piece) for piece in split(data, cuts)]) + watcher.close()
    assert passed == sse(*chunks, end="\n\n")
    assert watcher.done
    (finished,) = [event for event in events if isinstance(event, Finished)]
    assert watcher.finish == finished.finish
    usages = [event.usage for event in events if isinstance(event, UsageReported)]
    assert watcher.usage == (usages[-1] if usages else Usage(source="none"))
    assert watcher.model == "gemini-2.5-pro"
    assert watcher.content


def test_models_that_say_stop_in_every_chunk_are_heard_to_the_end() -> None:
    events = decode(chunk(text("a"), finish="STOP"), chunk(text("b"), finish="STOP"))
    assert [event.text for event in events if isinstance(event, PartDelta)] == ["a", "b"]
    assert sum(isinstance(event, Finished) for event in events) == 1


def test_a_refused_prompt_finishes_as_a_refusal() -> None:
    events = decode(
        {"promptFeedback": {"blockReason": "OTHER"}, "usageMetadata": counts(5, 0), "modelVersion": "m"}
    )
    assert events[-1] == Finished(
        "content_filter", raw_finish="OTHER", extra={"promptFeedback": {"blockReason": "OTHER"}}
    )
    watcher = PROVIDER.stream_watcher(ENVELOPE)
    assert watcher.feed(sse({"promptFeedback": {"blockReason": "OTHER"}}))
    watcher.close()
    assert (watcher.done, watcher.finish, watcher.content) == (True, "content_filter", False)


def test_a_last_frame_without_its_blank_line_counts_and_openais_done_is_ignored() -> None:
    data = sse(*WORDS)
    assert events_of(PROVIDER.stream_decoder(), data[:-4]) == WORDS_EVENTS
    assert events_of(PROVIDER.stream_decoder(), data + b"data: [DONE]\n\n") == WORDS_EVENTS
    watcher = PROVIDER.stream_watcher(ENVELOPE)
    assert watcher.feed(data[:-4]) + watcher.close() == sse(*WORDS, end="\n\n")
    assert watcher.done


def test_logprobs_and_citations_stand_beside_their_words() -> None:
    events = decode(
        chunk(
            text("a"),
            logprobsResult={
                "chosenCandidates": [{"token": "a", "logProbability": -0.1}],
                "topCandidates": [{"candidates": [{"token": "b", "logProbability": -2.0}]}],
            },
            citationMetadata={"citationSources": [{"uri": "https://e.org"}]},
        ),
        chunk(finish="STOP", citationMetadata={"citations": [{"uri": "https://e.org"}]}),
    )
    top = [{"token": "b", "logprob": -2.0, "bytes": None}]
    assert events[2:4] == [
        PartDelta(
            0,
            "a",
            logprobs={"content": [{"token": "a", "logprob": -0.1, "bytes": None, "top_logprobs": top}]},
        ),
        PartDelta(0, citation={"uri": "https://e.org"}),
    ]


ERROR = {"error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}}


@pytest.mark.parametrize(
    ("data", "failure", "words"),
    [
        (b"", "protocol", "no finish reason"),
        (sse(WORDS[0]), "protocol", "no finish reason"),
        (sse(*WORDS)[:-30], "protocol", "malformed"),
        (sse(WORDS[0]) + b'data: {"candidates": [\n\n', "protocol", "malformed"),
        (sse(WORDS[0]) + b"data: [1]\n\n", "protocol", "malformed"),
        (sse(WORDS[0]) + b'data: {"candidates": 5}\n\n', "protocol", "malformed"),
        (sse(WORDS[0]) + b"data: \xff\n\n", "protocol", "malformed"),
        (sse(WORDS[0], ERROR), "overloaded", "overloaded"),
        (sse(WORDS[0]) + dump(ERROR), "overloaded", "overloaded"),
        (sse(WORDS[0]) + b'{\n "error": {\n  "code": 500,\n  "message": "oh"\n }\n}', "server_error", "oh"),
        (sse(chunk(finish="STOP", usage=counts(4, 0))), "protocol", "empty completion"),
        (sse(chunk(text(""), finish="OTHER")), "protocol", "empty completion"),
        (sse(chunk(text("x"), finish="MALFORMED_RESPONSE")), "protocol", "malformed"),
        (sse(chunk({"functionCall": {"args": {}}})), "protocol", "name"),
        (sse(chunk({"functionResponse": {"name": "f"}})), "protocol", "malformed"),
        (dump(ERROR), "overloaded", "overloaded"),
        (dump([ERROR]), "overloaded", "overloaded"),
        (b"[" + dump(WORDS[0]) + b"\n,\r\n" + dump(ERROR) + b"]", "overloaded", "overloaded"),
        (dump(WORDS[1]), "protocol", "not an event stream"),
        (b"  \r\n<!doctype html><title>Sign in</title>\n\n<p>", "protocol", "web page"),
        (b"data: inlineData" + b"x" * MAX_EVENT_BYTES, "oversized", "longer than"),
    ],
)
def test_what_is_no_complete_answer_fails_and_says_why(data: bytes, failure: FailureKind, words: str) -> None:
    for cuts in ([], [1, 7, 40], list(range(0, min(len(data), 300), 3))):
        events = events_of(PROVIDER.stream_decoder(), *split(data, cuts))
        last = events[-1]
        assert isinstance(last, Failed)
        assert last.failure == failure
        assert words in last.message
        assert not any(isinstance(event, Finished) for event in events)
        watcher = PROVIDER.stream_watcher(ENVELOPE)
        passed = b"".join([watcher.feed(piece) for piece in split(data, cuts)]) + watcher.close()
        assert not watcher.done
        assert watcher.failed is not None
        assert watcher.failed.failure in (failure, "protocol")
        assert b"error" not in passed
        assert passed.count(b"data: ") == passed.count(b"\n\n")


def test_nothing_follows_a_failure() -> None:
    decoder = PROVIDER.stream_decoder()
    assert isinstance(decoder.feed(sse(ERROR))[-1], Failed)
    assert decoder.feed(sse(*WORDS)) == []
    assert decoder.close() == []
    watcher = PROVIDER.stream_watcher(ENVELOPE)
    assert watcher.feed(sse(WORDS[0], ERROR, WORDS[1])) == sse(WORDS[0], end="\n\n")
    assert watcher.feed(sse(*WORDS)) == b""
    assert watcher.failed is not None
    assert (watcher.failed.status, watcher.failed.code) == (503, "UNAVAILABLE")


@given(st.binary(max_size=80), st.lists(st.integers(0, 80), max_size=4))
def test_any_bytes_end_in_a_failure_or_an_answer_never_an_exception(data: bytes, cuts: list[int]) -> None:
    for prefix in (b"", b"data: ", sse(WORDS[0])):
        events = events_of(PROVIDER.stream_decoder(), *split(prefix + data, cuts))
        assert isinstance(events[-1], Failed | Finished)


def test_the_watcher_counts_what_it_sees() -> None:
    watcher = PROVIDER.stream_watcher(ENVELOPE)
    watcher.feed(sse(chunk(text(""), usage={"promptTokenCount": 4})))
    assert (watcher.content, watcher.progress) == (False, 0)
    watcher.feed(sse(chunk(text("thinking", thought=True))))
    assert (watcher.content, watcher.progress, watcher.text_bytes) == (True, 1, 8)
    watcher.feed(sse(chunk(call("f", {"a": 1}), finish="STOP")))
    assert (watcher.progress, watcher.text_bytes, watcher.finish, watcher.done) == (2, 16, "tool_calls", True)


def test_several_candidates_are_waited_for() -> None:
    watcher = PROVIDER.stream_watcher(replace(ENVELOPE, features=frozenset({"n"})))
    watcher.feed(sse(chunk(text("a")), chunk(text("b"), index=1)))
    watcher.feed(sse(chunk(finish="STOP")))
    assert not watcher.done
    watcher.feed(sse(chunk(finish="MAX_TOKENS", index=1)))
    assert (watcher.done, watcher.finish) == (True, "stop")
