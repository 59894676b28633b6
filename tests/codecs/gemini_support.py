"""What the Gemini codec's tests share: an independent reading of the stream grammar, and generators."""

import base64
import itertools
import json
from collections.abc import Callable
from typing import Any

import httpx2
from google import genai
from google.genai import types as sdk
from hypothesis import strategies as st

from passerelle.codecs.base import Envelope, PathTarget, ReplyContext, StreamDecoder, Target
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
from passerelle.core.usage import Usage

Json = dict[str, Any]

CHAT = PathTarget("chat", model="gemini-2.5-pro", stream=False)
STREAM = PathTarget("chat", model="gemini-2.5-pro", stream=True)
COUNT = PathTarget("count_tokens", model="gemini-2.5-pro")
PRO = Target("gemini-2.5-pro")
THREE = Target("gemini-3.1-pro-preview")
ENVELOPE = Envelope("chat", "gemini-2.5-pro", stream=True)

SIGNATURE = base64.b64encode(b"a thought signature of some length").decode()


def context(**more: Any) -> ReplyContext:
    return ReplyContext("req_01TEST", "fallback-model", 1_700_000_000, **more)


def dump(value: Any) -> bytes:
    return json.dumps(value).encode()


def user(*parts: Json) -> Json:
    return {"role": "user", "parts": list(parts)}


def model(*parts: Json) -> Json:
    return {"role": "model", "parts": list(parts)}


def text(words: str, **more: Any) -> Json:
    return {"text": words, **more}


def call(name: str, args: Json | None = None, **more: Any) -> Json:
    return {"functionCall": {"name": name, "args": args or {}, **more}}


def answered(name: str, response: Json, **more: Any) -> Json:
    return {"functionResponse": {"name": name, "response": response, **more}}


def chunk(*parts: Json, finish: str | None = None, usage: Json | None = None, **candidate: Any) -> Json:
    said: Json = {"content": {"role": "model", "parts": list(parts)}, "index": 0, **candidate}
    if finish is not None:
        said["finishReason"] = finish
    body: Json = {"candidates": [said], "modelVersion": "gemini-2.5-pro", "responseId": "r1"}
    if usage is not None:
        body["usageMetadata"] = usage
    return body


def counts(prompt: int, output: int, **more: int) -> Json:
    return {
        "promptTokenCount": prompt,
        "candidatesTokenCount": output,
        "totalTokenCount": prompt + output + more.get("thoughtsTokenCount", 0),
        **more,
    }


def sse(*chunks: Json, end: str = "\r\n\r\n") -> bytes:
    """A stream as Google writes it."""
    return "".join(f"data: {json.dumps(one)}{end}" for one in chunks).encode()


def events_of(decoder: StreamDecoder, *pieces: bytes) -> list[Event]:
    events: list[Event] = []
    for piece in pieces:
        events += decoder.feed(piece)
    return events + decoder.close()


def split(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({min(cut, len(data)) for cut in cuts} | {0, len(data)})
    return [data[a:b] for a, b in itertools.pairwise(places)]


# -- an independent reading of what a stream may look like ----------------------------------------------


def read_stream(data: bytes, *, array: bool = False) -> list[Json]:
    """The chunks of an encoded stream, each checked by the official SDK's strict types."""
    if array:
        chunks = json.loads(data)
        assert isinstance(chunks, list)
    else:
        frames = data.decode().split("\n\n")
        assert frames.pop() == ""
        assert all(frame.startswith("data: ") and "\n" not in frame for frame in frames)
        chunks = [json.loads(frame.removeprefix("data: ")) for frame in frames]
    check_chunks(chunks)
    return chunks


def check_chunks(chunks: list[Json]) -> None:
    assert chunks, "a stream says something"
    for at, one in enumerate(chunks):
        last = at == len(chunks) - 1
        if "error" in one:
            assert last
            assert next(iter(one)) == "error"
            assert set(one["error"]) >= {"code", "message", "status"}
            assert isinstance(one["error"]["code"], int)
            assert isinstance(one["error"]["status"], str)
            continue
        check_chunk(one, last=last)


def check_chunk(one: Json, *, last: bool) -> None:
    read = sdk.GenerateContentResponse.model_validate(one)
    assert one["modelVersion"]
    assert one["responseId"]
    if "candidates" not in one:
        assert last
        assert one["promptFeedback"]["blockReason"]
        return
    (candidate,) = one["candidates"]
    assert candidate["content"]["role"] == "model"
    assert candidate["index"] == 0
    assert ("finishReason" in candidate) == last
    if last:
        assert read.candidates is not None
        assert isinstance(read.candidates[0].finish_reason, sdk.FinishReason)
    for part in candidate["content"]["parts"]:
        kinds = {"text", "functionCall", "inlineData", "executableCode", "codeExecutionResult"} & set(part)
        assert len(kinds) == 1, part
        if "functionCall" in part:
            assert isinstance(part["functionCall"]["args"], dict)
            assert part["functionCall"]["name"]


# -- the official SDK, talking to a function ------------------------------------------------------------


def sdk_client(answer: Callable[[httpx2.Request], httpx2.Response]) -> genai.Client:
    transport = httpx2.MockTransport(answer)
    return genai.Client(
        api_key="k",
        http_options=sdk.HttpOptions(
            base_url="http://test",
            client_args={"transport": transport},
            retry_options=sdk.HttpRetryOptions(attempts=1),
        ),
    )


# -- generators -----------------------------------------------------------------------------------------

WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=12)
SAID = WORDS.filter(bool)
NAMES = st.from_regex(r"[a-z_][a-z0-9_]{0,8}", fullmatch=True)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**6), 10**6) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=5,
)
OBJECTS = st.dictionaries(WORDS, JSON_VALUES, max_size=3)
TEXT_PARTS = SAID.map(TextPart)
CALLS = st.builds(
    ToolCallPart,
    id=st.uuids().map(lambda one: f"call_{one.hex[:12]}"),
    name=NAMES,
    arguments=OBJECTS.map(json.dumps),
    signature=st.none() | st.just(SIGNATURE),
)
THOUGHTS = st.builds(
    ReasoningPart, text=SAID, signature=st.none() | st.just(SIGNATURE), origin=st.just("gemini")
)
REFUSALS = SAID.map(RefusalPart)
USAGES = st.builds(
    Usage,
    input_tokens=st.integers(0, 9999),
    cache_read_tokens=st.integers(0, 999),
    input_audio_tokens=st.integers(0, 99),
    input_image_tokens=st.integers(0, 99),
    output_tokens=st.integers(1, 9999),
    reasoning_tokens=st.integers(0, 999),
    output_audio_tokens=st.integers(0, 99),
    output_image_tokens=st.integers(0, 99),
)

_KINDS = ("text", "reasoning", "refusal", "tool_call", "image", "audio")
_PIXELS = base64.b64encode(b"pixels").decode()


@st.composite
def streams(draw: st.DrawFn) -> list[Event]:
    """Any order of events that `core/event.py` allows, interleaved parts included."""
    kinds = draw(st.lists(st.sampled_from(_KINDS), max_size=5))
    waiting = [_part(draw, index, kind) for index, kind in enumerate(kinds)]
    middle: list[Event] = []
    begun: list[list[Event]] = []
    while waiting or begun:
        if waiting and (not begun or draw(st.booleans())):
            begun.append(waiting.pop(0))
        chosen = draw(st.sampled_from(begun))
        middle.append(chosen.pop(0))
        if not chosen:
            begun.remove(chosen)
        if draw(st.integers(0, 9)) == 0:
            middle.append(UsageReported(Usage(input_tokens=1)))
    ending = draw(st.sampled_from(["finished", "failed", "failed early"]))
    if ending == "failed early":
        cut = draw(st.integers(0, len(middle)))
        return [Started("m"), *middle[:cut], Failed("transport", "cut")]
    if ending == "failed":
        return [Started("m"), *middle, Failed("server_error", "no", status=500)]
    usage = draw(st.lists(USAGES.map(UsageReported), max_size=1))
    called = "tool_call" in kinds
    return [Started("m"), *middle, *usage, Finished("tool_calls" if called else draw(_FINISHES))]


_FINISHES = st.sampled_from(["stop", "length", "refusal", "content_filter", "pause", "context", "incomplete"])


def _part(draw: st.DrawFn, index: int, kind: str) -> list[Event]:
    started: Json = {}
    deltas: list[PartDelta] = []
    match kind:
        case "tool_call":
            started = {"id": f"call_{index}", "name": draw(NAMES)}
            arguments = json.dumps(draw(OBJECTS))
            cut = draw(st.integers(0, len(arguments)))
            deltas = [PartDelta(index, arguments[:cut]), PartDelta(index, arguments[cut:])]
            if draw(st.booleans()):
                deltas = []
        case "image" | "audio":
            started = {"media_type": f"{kind}/x"}
            deltas = [PartDelta(index, _PIXELS)]
        case "reasoning":
            started = {"origin": draw(st.sampled_from(["gemini", "anthropic", None]))}
            deltas = [PartDelta(index, words) for words in draw(st.lists(WORDS, max_size=3))]
            if draw(st.booleans()):
                deltas.append(PartDelta(index, signature=SIGNATURE))
        case _:
            deltas = [PartDelta(index, words) for words in draw(st.lists(WORDS, max_size=3))]
    return [PartStarted(index, kind, **started), *deltas, PartEnded(index)]  # type: ignore[arg-type]
