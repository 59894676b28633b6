"""The stream encoder: chunks Google's SDK reads, whatever comes in; and back again."""

import json
from typing import Any

import httpx2
import pytest
from google.genai import errors as sdk_errors
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.codecs.gemini_support import (
    SIGNATURE,
    context,
    events_of,
    read_stream,
    sdk_client,
    streams,
)

from passerelle.codecs.gemini import CLIENT, PROVIDER
from passerelle.codecs.gemini.signatures import take_out
from passerelle.codecs.sealed import Sealed
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
from passerelle.core.usage import NO_USAGE, Usage


def encode(*events: Event, **more: Any) -> bytes:
    encoder = CLIENT.stream_encoder(context(**more))
    return b"".join([encoder.encode(event) for event in events])


def chunks(*events: Event) -> list[Any]:
    return read_stream(encode(*events))


def parts(*events: Event) -> list[Any]:
    said = [one["candidates"][0]["content"]["parts"] for one in chunks(*events) if "candidates" in one]
    return [part for parts in said for part in parts if part != {"text": ""}]


@settings(max_examples=50)
@given(streams(), st.booleans())
def test_any_legal_core_stream_comes_out_as_the_sdk_reads_it(events: list[Event], array: bool) -> None:
    written = read_stream(encode(*events, json_array=array), array=array)
    failed = isinstance(events[-1], Failed)
    assert ("error" in written[-1]) == failed
    assert sum("usageMetadata" in one for one in written) <= 1


@settings(max_examples=50)
@given(streams())
def test_what_was_said_survives_the_journey(events: list[Event]) -> None:
    back = events_of(PROVIDER.stream_decoder(), encode(*events))
    if isinstance(events[-1], Failed):
        assert isinstance(back[-1], Failed)
        return
    said = _content(events)
    if not said and isinstance(back[-1], Failed):
        assert "empty completion" in back[-1].message
        return
    assert _content(back) == said
    assert _usage(back) == _usage(events)
    assert isinstance(back[-1], Finished)


def _content(events: list[Event]) -> Any:
    """Words by kind, calls and media, as sets of what each part holds: interleaving mixes the order."""
    kinds: dict[int, PartStarted] = {}
    held: dict[int, str] = {}
    words: dict[str, list[str]] = {}
    for event in events:
        if isinstance(event, PartStarted):
            kinds[event.index] = event
        elif isinstance(event, PartDelta):
            kind = kinds[event.index].kind
            if kind in ("text", "refusal", "reasoning"):
                words.setdefault("reasoning" if kind == "reasoning" else "text", []).append(event.text)
            else:
                held[event.index] = held.get(event.index, "") + event.text
    calls = sorted(
        (start.id or "", start.name or "", json.dumps(json.loads(held.get(index) or "{}")))
        for index, start in kinds.items()
        if start.kind == "tool_call"
    )
    media = sorted((kinds[at].kind, held[at]) for at in held if kinds[at].kind in ("image", "audio"))
    said = {kind: "".join(pieces) for kind, pieces in words.items() if "".join(pieces)}
    return [one for one in (said, calls, media) if one]


def _usage(events: list[Event]) -> Usage:
    usages = [event.usage for event in events if isinstance(event, UsageReported)]
    return usages[-1] if usages else NO_USAGE


def test_each_piece_of_words_goes_out_at_once() -> None:
    encoder = CLIENT.stream_encoder(context())
    assert encoder.content_type == "text/event-stream"
    assert encoder.encode(Started("claude-x")) == b""
    assert encoder.encode(PartStarted(0, "text")) == b""
    assert (
        encoder.encode(PartDelta(0, "Hé\n"))
        == (
            'data: {"candidates":[{"content":{"parts":[{"text":"Hé\\n"}],"role":"model"},"index":0}],'
            '"modelVersion":"claude-x","responseId":"req_01TEST"}\n\n'
        ).encode()
    )
    assert encoder.encode(PartEnded(0)) == b""
    assert encoder.encode(UsageReported(Usage(3, output_tokens=1))) == b""
    last = encoder.encode(Finished("stop", raw_finish="end_turn"))
    assert json.loads(last.removeprefix(b"data: ")) == {
        "candidates": [
            {"content": {"parts": [{"text": ""}], "role": "model"}, "finishReason": "STOP", "index": 0}
        ],
        "usageMetadata": {
            "promptTokenCount": 3,
            "candidatesTokenCount": 1,
            "totalTokenCount": 4,
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 3}],
        },
        "modelVersion": "claude-x",
        "responseId": "req_01TEST",
    }
    assert encoder.encode(PartDelta(0, "late")) == b""


def test_calls_are_held_until_they_are_whole() -> None:
    encoder = CLIENT.stream_encoder(context())
    for event in (
        PartStarted(0, "tool_call", id="t1", name="f"),
        PartStarted(1, "tool_call", id="t2", name="patch", tool_kind="custom"),
        PartDelta(0, '{"a":'),
        PartDelta(1, "*** Begin"),
        PartDelta(0, "1}", signature=SIGNATURE),
    ):
        assert encoder.encode(event) == b""
    (one,) = read_first(encoder.encode(PartEnded(0)))
    assert one == {"functionCall": {"id": "t1", "name": "f", "args": {"a": 1}}, "thoughtSignature": SIGNATURE}
    rest = encoder.encode(Finished("tool_calls"))  # the second was never ended: flushed before the end
    (two,) = read_first(rest.split(b"\n\n")[0])
    assert two == {"functionCall": {"id": "t2", "name": "patch", "args": {"input": "*** Begin"}}}


def read_first(frame: bytes) -> Any:
    return json.loads(frame.removeprefix(b"data: "))["candidates"][0]["content"]["parts"]


def test_a_failure_leaves_unfinished_calls_out_and_ends_the_stream() -> None:
    events = (
        Started("m"),
        PartStarted(0, "text"),
        PartDelta(0, "so"),
        PartStarted(1, "tool_call", id="t", name="f"),
        PartDelta(1, '{"a":'),
        Failed("transport", "the connection was cut"),
    )
    *said, last = chunks(*events)
    assert len(said) == 1
    assert last == {"error": {"code": 502, "message": "the connection was cut", "status": "UNAVAILABLE"}}
    array = encode(*events, json_array=True)
    assert json.loads(array)[-1] == last
    assert json.loads(encode(Failed("overloaded", "busy"), json_array=True)) == [
        {"error": {"code": 503, "message": "busy", "status": "UNAVAILABLE"}}
    ]


def test_signatures_of_others_travel_sealed_and_unknown_ones_not_at_all() -> None:
    for origin, expected in (("anthropic", "sealed"), ("gemini", "own"), (None, "none")):
        said = parts(
            PartStarted(0, "reasoning", origin=origin, id="rs_1"),
            PartDelta(0, "hm"),
            PartDelta(0, signature="c2ln"),
            PartDelta(0, signature="bmVk"),
            PartEnded(0),
            Finished("stop"),
        )
        assert said[0] == {"text": "hm", "thought": True}
        if expected == "none":
            assert len(said) == 1
        elif expected == "own":
            assert said[1] == {"text": "", "thought": True, "thoughtSignature": "c2lnbmVk"}
        else:
            assert take_out(said[1]["thoughtSignature"]) == Sealed("anthropic", "c2lnbmVk", id="rs_1")


def test_googles_own_extras_stand_where_they_stood_and_others_are_left_out() -> None:
    extra = {
        "candidate.groundingMetadata": {"webSearchQueries": ["q"]},
        "system_fingerprint": "x",
        "obfuscation": 1,
    }
    *_, last = chunks(
        Started("m"),
        PartStarted(0, "text", extra={"annotations": []}),
        PartDelta(0, "x", citation={"url": "https://e.org", "title": "E"}),
        PartDelta(0, "y", logprobs={"content": [{"token": "y", "logprob": -1.0, "top_logprobs": []}]}),
        PartEnded(0, extra={"thoughtSignature": SIGNATURE}),
        PartStarted(1, "text", extra={"executableCode": {"code": "1", "language": "PYTHON"}}),
        PartEnded(1),
        Finished("stop", extra=extra, service_tier="flex"),
    )
    assert last["candidates"][0]["groundingMetadata"] == {"webSearchQueries": ["q"]}
    assert "system_fingerprint" not in last


def test_a_refused_prompt_of_googles_own_looks_as_it_came() -> None:
    (only,) = chunks(
        Started("m"),
        Finished("content_filter", raw_finish="SAFETY", extra={"promptFeedback": {"blockReason": "SAFETY"}}),
    )
    assert only["promptFeedback"] == {"blockReason": "SAFETY"}


def test_keepalives_harm_neither_form() -> None:
    for array in (False, True):
        encoder = CLIENT.stream_encoder(context(json_array=array))
        events = (
            PartStarted(0, "text"),
            PartDelta(0, "a"),
            PartDelta(0, "b"),
            PartEnded(0),
            Finished("stop"),
        )
        pieces = [encoder.keepalive() + encoder.encode(event) + encoder.keepalive() for event in events]
        data = b"".join(pieces)
        if array:
            assert len(json.loads(data)) == 3
        else:
            assert isinstance(events_of(PROVIDER.stream_decoder(), data)[-1], Finished)
    assert CLIENT.stream_encoder(context(json_array=True)).content_type == "application/json"


# -- the official SDK at the other end ------------------------------------------------------------------


def stream_with_sdk(*events: Event) -> Any:
    encoder = CLIENT.stream_encoder(context())
    body = b"".join([encoder.encode(event) + encoder.keepalive() for event in events])
    client = sdk_client(
        lambda _: httpx2.Response(200, content=body, headers={"content-type": encoder.content_type})
    )
    yield from client.models.generate_content_stream(model="m", contents="hi")  # keeps the client open


def test_the_sdk_reads_words_calls_and_usage() -> None:
    said = list(
        stream_with_sdk(
            Started("claude-x"),
            PartStarted(0, "reasoning", origin="anthropic"),
            PartDelta(0, "hm"),
            PartDelta(0, signature="sig=="),
            PartEnded(0),
            PartStarted(1, "text"),
            PartDelta(1, "Hi \u2028 there"),
            PartEnded(1),
            PartStarted(2, "tool_call", id="t", name="f"),
            PartDelta(2, '{"a":1}'),
            PartEnded(2),
            UsageReported(Usage(3, output_tokens=2)),
            Finished("tool_calls"),
        )
    )
    assert (
        "".join(one.text or "" for one in said if one.candidates[0].content.parts[0].thought is None)
        == "Hi \u2028 there"
    )
    (called,) = [one.function_calls[0] for one in said if one.function_calls]
    assert (called.id, called.name, called.args) == ("t", "f", {"a": 1})
    assert said[-1].usage_metadata.total_token_count == 5
    assert said[-1].candidates[0].finish_reason == "STOP"
    assert {one.model_version for one in said} == {"claude-x"}


@pytest.mark.parametrize(
    ("failure", "code", "status", "error"),
    [
        ("rate_limited", 429, "RESOURCE_EXHAUSTED", sdk_errors.ClientError),
        ("overloaded", 503, "UNAVAILABLE", sdk_errors.ServerError),
        ("timeout", 504, "DEADLINE_EXCEEDED", sdk_errors.ServerError),
        ("protocol", 502, "UNAVAILABLE", sdk_errors.ServerError),
        ("context_length", 400, "INVALID_ARGUMENT", sdk_errors.ClientError),
    ],
)
def test_the_sdk_raises_for_a_failure_in_the_stream(
    failure: FailureKind, code: int, status: str, error: type[sdk_errors.APIError]
) -> None:
    stream = stream_with_sdk(PartStarted(0, "text"), PartDelta(0, "so"), Failed(failure, "why"))
    assert next(stream).text == "so"
    with pytest.raises(error) as caught:
        next(stream)
    assert (caught.value.code, caught.value.status, caught.value.message) == (code, status, "why")
