"""What the OpenAI Chat codec's tests share: an independent reading of the stream grammar, and generators."""

import json
from itertools import pairwise
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from msgspec.structs import replace
from openai.types.chat import ChatCompletionChunk

from passerelle.codecs.base import Envelope, PathTarget, ReplyContext, Target
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
from passerelle.core.message import (
    AudioPart,
    FilePart,
    ImagePart,
    Message,
    ReasoningPart,
    RefusalPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from passerelle.core.request import OutputFormat, Reasoning, Request, Sampling, Tool, ToolChoice
from passerelle.core.usage import Usage

Json = dict[str, Any]

few = settings(max_examples=40)
"""Whole requests take their time to draw."""

CHAT = PathTarget("chat")
TARGET = Target("gpt-x")
ENVELOPE = Envelope("chat", "gpt-x", stream=True)
QUIET = Envelope("chat", "gpt-x", stream=True, include_usage=False)


def context(**more: Any) -> ReplyContext:
    return ReplyContext("req_01TEST", "fallback-model", 1_700_000_000, **more)


def dump(value: Any) -> bytes:
    return json.dumps(value).encode()


def asked(*messages: Json, **more: Any) -> bytes:
    """A request of these messages, or of a plain greeting."""
    return dump({"model": "m", "messages": list(messages) or [{"role": "user", "content": "hi"}], **more})


def chunk(delta: Json | None = None, finish: str | None = None, **more: Any) -> Json:
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "gpt-x-1",
        "choices": [{"index": 0, "delta": delta or {}, "finish_reason": finish}],
        **more,
    }


def counted(**usage: Any) -> Json:
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "model": "gpt-x-1",
        "choices": [],
        "usage": usage,
    }


def sse(*chunks: Json | str) -> bytes:
    frames = [c if isinstance(c, str) else json.dumps(c) for c in chunks]
    return b"".join(b"data: %b\n\n" % frame.encode() for frame in frames)


DONE = "[DONE]"
HELLO = (
    chunk({"role": "assistant", "content": ""}),
    chunk({"content": "Hel"}),
    chunk({"content": "lo"}),
    chunk({}, "stop"),
    counted(prompt_tokens=7, completion_tokens=2, total_tokens=9),
    DONE,
)


def pieces(stream: bytes, cuts: list[int]) -> list[bytes]:
    edges = sorted({0, len(stream), *[cut % (len(stream) + 1) for cut in cuts]})
    return [stream[a:b] for a, b in pairwise(edges)]


def read_stream(stream: bytes) -> list[Json | str]:
    """The frames of what an encoder wrote, checked as strictly as the official SDK's types allow."""
    assert stream == b"" or stream.endswith(b"\n\n")
    frames: list[Json | str] = []
    for frame in stream.split(b"\n\n")[:-1]:
        assert frame.startswith(b"data: "), frame
        assert b"\n" not in frame
        data = frame[6:].decode()
        frames.append(DONE if data == DONE else json.loads(data))
    return frames


_DELTA_FIELDS = {
    "role",
    "content",
    "refusal",
    "reasoning_content",
    "reasoning_details",
    "tool_calls",
    "function_call",
    "audio",
    "images",
    "annotations",
    "citations",
}


def check_grammar(frames: list[Json | str], *, include_usage: bool = True) -> None:
    """Chat's order, read from OpenAI's reference and not from our encoder."""
    if frames and isinstance(frames[-1], dict) and "error" in frames[-1]:
        assert set(frames[-1]) == {"error"}
        assert {"message", "type", "param", "code"} == set(frames[-1]["error"])
        assert DONE not in frames
        said = frames[:-1]
        finished = False
    else:
        assert frames[-1] == DONE
        assert frames.count(DONE) == 1
        said = frames[:-1]
        finished = True
    if not said:
        assert not finished
        return
    identity = {(c["id"], c["created"], c["model"], c["object"]) for c in said if isinstance(c, dict)}
    assert len(identity) == 1
    if finished and include_usage and said[-1]["choices"] == []:  # type: ignore[index]
        usage = said[-1]["usage"]  # type: ignore[index]
        assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
        said = said[:-1]
    began: dict[int, str] = {}
    written: dict[int, str] = {}
    kinds: dict[int, str] = {}
    for place, frame in enumerate(said):
        assert isinstance(frame, dict)
        ChatCompletionChunk.model_validate(_as_sdk_knows(frame), strict=True)
        (choice,) = frame["choices"]
        delta = choice["delta"]
        assert set(delta) <= _DELTA_FIELDS
        assert ("role" in delta) == (place == 0), "the role is said once, first"
        assert "finish_reason" in choice, "Mistral's SDK wants it in every chunk"
        last = finished and place == len(said) - 1
        assert (choice["finish_reason"] is not None) == last
        assert not last or not delta or place == 0
        if not include_usage:
            assert "usage" not in frame
        for call in delta.get("tool_calls", ()):
            index = call["index"]
            if index not in began:
                assert index == len(began), "calls are numbered as they begin"
                assert call["id"]
                assert call["id"] not in began.values()
                began[index] = call["id"]
                kinds[index] = call["type"]
                assert call[call["type"]]["name"]
                written[index] = ""
            else:
                assert "id" not in call
            inner = call.get(kinds[index])
            if inner:
                written[index] += inner.get("arguments", "") + inner.get("input", "")
    for index, arguments in written.items():
        if finished and kinds[index] == "function":
            assert arguments != "", "never an empty string as arguments"


def _as_sdk_knows(frame: Json) -> Json:
    """Custom calls stream in a shape that the SDK's chunk types do not name yet."""
    copy = json.loads(json.dumps(frame))
    for call in copy["choices"][0]["delta"].get("tool_calls", ()):
        if call.get("type") == "custom":
            call["type"] = "function"
    copy["choices"][0].pop("stop_reason", None)
    return copy  # type: ignore[no-any-return]


class Collected:
    """What a stream of events says in the end, for comparing two of them."""

    def __init__(self, events: list[Event]) -> None:
        self.parts: list[Json] = []
        self.usage: Usage | None = None
        self.finished: Finished | None = None
        self.failed: Failed | None = None
        self.model = ""
        at: dict[int, Json] = {}
        for event in events:
            if isinstance(event, Started):
                self.model = event.model
            elif isinstance(event, PartStarted):
                at[event.index] = {
                    "kind": event.kind,
                    "text": "",
                    "id": event.id,
                    "name": event.name,
                    "tool_kind": event.tool_kind,
                    "signature": None,
                    "citations": 0,
                }
                self.parts.append(at[event.index])
            elif isinstance(event, PartDelta):
                part = at[event.index]
                part["text"] += event.text
                part["signature"] = event.signature or part["signature"]
                part["citations"] += event.citation is not None
            elif isinstance(event, UsageReported):
                self.usage = event.usage
            elif isinstance(event, Finished):
                self.finished = event
            elif isinstance(event, Failed):
                self.failed = event

    def words(self, kind: str) -> str:
        return "".join(part["text"] for part in self.parts if part["kind"] == kind)

    def calls(self) -> list[tuple[str, str, str, str, str | None]]:
        return [
            (
                p["id"],
                p["name"],
                p["text"] or ("{}" if p["tool_kind"] == "function" else ""),
                p["tool_kind"],
                p["signature"],
            )
            for p in self.parts
            if p["kind"] == "tool_call"
        ]


def check_events(events: list[Event]) -> None:
    """Core's own grammar, as `core/event.py` draws it."""
    open_: set[int] = set()
    seen: set[int] = set()
    for place, event in enumerate(events):
        if isinstance(event, Failed | Finished):
            assert place == len(events) - 1
            if isinstance(event, Finished):
                assert not open_
                assert isinstance(events[0], Started)
        elif isinstance(event, Started):
            assert place == 0
        elif isinstance(event, PartStarted):
            assert event.index == len(seen)
            seen.add(event.index)
            open_.add(event.index)
        elif isinstance(event, PartDelta):
            assert event.index in open_
        elif isinstance(event, PartEnded):
            open_.remove(event.index)


words = st.text(alphabet=st.characters(codec="utf-8"), max_size=12)
some_words = st.text(alphabet=st.characters(codec="utf-8"), min_size=1, max_size=12)
names = st.text(alphabet="abcXYZ019_-", min_size=1, max_size=20)
ids = st.text(alphabet="abcdef0123456789", min_size=6, max_size=24).map(lambda text: "call_" + text)
objects = st.dictionaries(names, st.none() | st.integers(-9, 9) | words, max_size=3)

counts = st.integers(0, 5000)
usages = st.builds(
    Usage,
    input_tokens=counts,
    cache_read_tokens=counts,
    cache_write_5m_tokens=counts,
    input_audio_tokens=counts,
    input_image_tokens=counts,
    output_tokens=st.integers(1, 5000),
    reasoning_tokens=counts,
    output_audio_tokens=counts,
    output_image_tokens=counts,
)


@st.composite
def event_streams(draw: st.DrawFn, *, own: bool = False) -> list[Event]:
    """Any sequence core allows. `own`: only what this dialect carries without change."""
    kinds = ["text", "reasoning", "refusal", "tool_call"] + ([] if own else ["image", "audio"])
    events: list[Event] = [Started(draw(names), "chatcmpl-x")]
    wanted = draw(st.lists(st.sampled_from(kinds), max_size=5))
    calls = draw(st.lists(ids, min_size=len(wanted), max_size=len(wanted), unique=True))
    open_: list[int] = []
    index = 0
    one_at_a_time = draw(st.booleans())
    while index < len(wanted) or open_:
        begin = index < len(wanted) and (not open_ or (not one_at_a_time and draw(st.booleans())))
        if begin:
            kind = wanted[index]
            events.append(_start(draw, index, kind, calls[index], own=own))
            open_.append(index)
            index += 1
            continue
        at = draw(st.sampled_from(open_))
        if draw(st.integers(0, 2)):
            events.append(_delta(draw, at, wanted[at], own=own))
        else:
            open_.remove(at)
            events.append(PartEnded(at))
    if draw(st.booleans()):
        events.append(UsageReported(draw(usages)))
    if not own and draw(st.integers(0, 3)) == 0:
        cut = draw(st.integers(0, len(events)))
        return [*events[:cut], Failed("transport", "cut", status=502)]
    finishes = (
        ["stop", "length", "content_filter"]
        if own
        else [
            "stop",
            "length",
            "tool_calls",
            "refusal",
            "content_filter",
            "pause",
            "context",
            "malformed_tool_call",
            "incomplete",
        ]
    )
    events.append(Finished(draw(st.sampled_from(finishes)), draw(st.none() | some_words)))  # type: ignore[arg-type]
    return events


def _start(draw: st.DrawFn, index: int, kind: Any, call: str, *, own: bool) -> PartStarted:
    if kind == "tool_call":
        tool_kind = draw(st.sampled_from(["function", "custom"]))
        identifier = call if own or draw(st.booleans()) else None
        return PartStarted(index, kind, identifier, draw(names), tool_kind)  # type: ignore[arg-type]
    origin = "openai_chat" if own else draw(st.sampled_from([None, "anthropic", "gemini", "openai_chat"]))
    media = "image/png" if kind == "image" else "audio/pcm" if kind == "audio" else None
    return PartStarted(index, kind, media_type=media, origin=origin if kind == "reasoning" else None)


def _delta(draw: st.DrawFn, index: int, kind: str, *, own: bool) -> PartDelta:
    event = PartDelta(index, draw(words))
    if kind == "tool_call" and draw(st.booleans()):
        return replace(event, signature=draw(some_words))
    if kind == "reasoning" and not own:
        return replace(event, signature=draw(st.none() | some_words), encrypted=draw(st.none() | some_words))
    if kind == "text" and draw(st.integers(0, 3)) == 0:
        cited = (
            {"url": "https://example.com", "title": "t"} if draw(st.booleans()) else {"type": "page", "n": 3}
        )
        return replace(event, citation=cited)
    return event


_caches = st.sampled_from([None, None, "5m", "1h"])
text_parts = st.builds(TextPart, some_words, cache=_caches)
image_parts = st.builds(
    ImagePart,
    media_type=st.just("image/png"),
    data=st.just("AAAA"),
    cache=_caches,
    detail=st.sampled_from([None, "low"]),
) | st.builds(ImagePart, url=st.just("https://example.com/x.png"))
audio_parts = st.builds(AudioPart, st.sampled_from(["audio/wav", "audio/mpeg"]), data=st.just("UklGRg=="))
file_parts = st.builds(
    FilePart, media_type=st.just("application/pdf"), data=st.just("JVBERg=="), name=st.just("a.pdf")
) | st.builds(FilePart, file_id=st.just("file-1"))
_asking = st.lists(text_parts | image_parts | audio_parts | file_parts, min_size=1, max_size=3).map(tuple)
user_messages = st.builds(Message, st.just("user"), _asking, name=st.none() | names)
instructions = st.builds(
    Message, st.sampled_from(["system", "developer"]), st.lists(text_parts, min_size=1, max_size=2).map(tuple)
)


@st.composite
def turns(draw: st.DrawFn) -> list[Message]:
    """An assistant's turn and, when it calls tools, their results."""
    parts: list[Any] = []
    if draw(st.booleans()):
        parts.append(ReasoningPart(draw(some_words), origin="openai_chat"))
    if draw(st.booleans()):
        parts.append(TextPart(draw(some_words)))
    if draw(st.integers(0, 4)) == 0:
        parts.append(RefusalPart(draw(some_words)))
    calls = draw(st.lists(ids, max_size=2, unique=True))
    results: list[Message] = []
    for identifier in calls:
        name = draw(names)
        if draw(st.booleans()):
            parts.append(
                ToolCallPart(
                    identifier, name, json.dumps(draw(objects)), signature=draw(st.none() | some_words)
                )
            )
        else:
            parts.append(ToolCallPart(identifier, name, draw(words), "custom"))
        content = tuple(draw(st.lists(st.builds(TextPart, some_words), min_size=1, max_size=2)))
        results.append(Message("tool", (ToolResultPart(identifier, content, cache=draw(_caches)),)))
    if not any(isinstance(part, TextPart | ToolCallPart | RefusalPart) for part in parts):
        parts.append(TextPart(draw(some_words)))
    return [Message("assistant", tuple(parts)), *results]


function_tools = st.builds(
    Tool,
    names,
    description=st.none() | words,
    parameters=st.none() | st.just({"type": "object"}),
    strict=st.none() | st.booleans(),
    cache=_caches,
)
custom_tools = st.builds(
    Tool,
    names,
    kind=st.just("custom"),
    grammar=st.none() | st.just({"syntax": "lark", "definition": "start: /a/"}),
)
numbers = st.none() | st.floats(0, 2).map(lambda value: round(value, 3))


@st.composite
def requests(draw: st.DrawFn) -> Request:
    """Requests this dialect can carry whole."""
    messages: list[Message] = draw(st.lists(instructions, max_size=2))
    messages.append(draw(user_messages))
    seen: set[str] = set()
    for turn in draw(st.lists(turns(), max_size=2)):
        called = {part.id for m in turn for part in m.parts if isinstance(part, ToolCallPart)}
        if called & seen:
            continue
        seen |= called
        messages.extend([*turn, draw(user_messages)])
    tools = tuple(draw(st.lists(function_tools | custom_tools, max_size=3, unique_by=lambda tool: tool.name)))
    choice = st.none() | st.sampled_from([ToolChoice("auto"), ToolChoice("none"), ToolChoice("required")])
    if tools:
        one = tools[0].name
        choice |= st.sampled_from([ToolChoice("tool", one), ToolChoice("auto", allowed=(one,))])
    stream = draw(st.booleans())
    return Request(
        model="m",
        messages=tuple(messages),
        dialect="openai_chat",
        max_output_tokens=draw(st.none() | st.integers(1, 9999)),
        stream=stream,
        include_usage=True,
        tools=tools,
        tool_choice=draw(choice),
        parallel_tool_calls=draw(st.none() | st.booleans()),
        output=draw(
            st.just(OutputFormat())
            | st.just(OutputFormat("json"))
            | st.builds(
                OutputFormat,
                st.just("json_schema"),
                names,
                st.just({"type": "object"}),
                st.none() | st.booleans(),
                st.none() | words,
            )
        ),
        reasoning=draw(
            st.sampled_from(
                [
                    Reasoning(),
                    Reasoning(effort="high"),
                    Reasoning(enabled=False, effort="none"),
                    Reasoning(enabled=True, budget_tokens=2000),
                    Reasoning(enabled=False),
                    Reasoning(enabled=True, adaptive=True),
                    Reasoning(enabled=True, effort="low"),
                ]
            )
        ),
        sampling=Sampling(
            temperature=draw(numbers),
            top_p=draw(numbers),
            top_k=draw(st.none() | st.integers(1, 99)),
            seed=draw(st.none() | st.integers(-9, 9)),
            stop=tuple(draw(st.lists(some_words, max_size=6))),
            presence_penalty=draw(numbers),
            frequency_penalty=draw(numbers),
            logprobs=draw(st.sampled_from([None, True])),
            n=1 if stream else draw(st.integers(1, 3)),
            logit_bias=draw(st.none() | st.just({"50256": -100})),
        ),
        user=draw(st.none() | names),
        metadata=draw(st.none() | st.dictionaries(names, words, max_size=2)),
        service_tier=draw(st.none() | st.just("flex")),
        prompt_cache_key=draw(st.none() | names),
        verbosity=draw(st.none() | st.just("low")),
        extra=draw(st.none() | st.just({"prediction": {"type": "content", "content": "x"}})),
    )
