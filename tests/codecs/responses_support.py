"""What the Responses tests share: a grammar checker that knows nothing of the encoder, and strategies."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from openai.types.responses import ResponseStreamEvent
from pydantic import TypeAdapter

from passerelle.codecs.base import Envelope, PathTarget, ReplyContext, Target
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
from passerelle.core.message import Message
from passerelle.core.request import Request
from passerelle.core.usage import Usage

CHAT = PathTarget("chat")
TARGET = Target("gpt-x")
EVENTS = TypeAdapter[Any](ResponseStreamEvent)
AGENT: dict[str, Any] = json.loads((Path(__file__).parent / "data/responses_agent.json").read_bytes())
"""Everything at once, as an agent like Codex writes it."""
ENVELOPE = Envelope("chat", "gpt-x", stream=True)

words = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
some_words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)


def dumps(value: Any) -> bytes:
    return json.dumps(value).encode()


def decode(**fields: Any) -> Request:
    """A caller's request."""
    return CLIENT.decode_request(dumps({"model": "m", "input": "hi"} | fields), CHAT)


def encode(request: Request, target: Target = TARGET) -> tuple[dict[str, Any], tuple[str, ...]]:
    """What a provider is sent, and what was lost."""
    encoded = PROVIDER.encode_request(request, target)
    return json.loads(encoded.body), encoded.dropped


def foreign(*messages: Message, **fields: Any) -> Request:
    """A request of a caller who speaks another dialect."""
    return Request(model="m", messages=messages, dialect="anthropic", **fields)


def context(request: Request | None = None) -> ReplyContext:
    return ReplyContext("req_01K5Z8QH4R0G2V7M3N9XWB6TYC", "model-asked", 1_790_000_000, request=request)


def sse(*events: dict[str, Any]) -> bytes:
    """Events as OpenAI writes them."""
    frames = [
        f"event: {event['type']}\ndata: {json.dumps({**event, 'sequence_number': n})}\n\n"
        for n, event in enumerate(events)
    ]
    return "".join(frames).encode()


def parse(stream: bytes) -> list[dict[str, Any]]:
    """The events of a stream we wrote: exactly one name and one data line each."""
    found = []
    for frame in stream.decode().split("\n\n"):
        if not frame:
            continue
        name, data = frame.split("\n")
        event = json.loads(data.removeprefix("data: "))
        assert name == f"event: {event['type']}"
        found.append(event)
    return found


class Grammar:
    """The order of a Responses stream, from its documentation; raises on any other."""

    def __init__(self) -> None:
        self.items: dict[int, dict[str, Any]] = {}
        self.done: dict[int, dict[str, Any]] = {}
        self.parts: dict[int, str] = {}
        self.text: dict[int, str] = {}
        self.response_id: str | None = None
        self.over = False
        self.broken = False

    def check(self, events: Iterable[dict[str, Any]]) -> dict[str, Any]:
        """The terminal event."""
        last: dict[str, Any] = {}
        for n, event in enumerate(events):
            assert not self.over, "an event after the end"
            assert event["sequence_number"] == n
            last = event
            self._one(n, event)
        assert self.over, "no end"
        return last

    def _one(self, n: int, event: dict[str, Any]) -> None:
        kind = event["type"]
        assert not self.broken or kind == "response.failed"
        if kind == "error":
            assert event["message"] == event["error"]["message"]
            self.broken = True
            self.over = n == 0  # later `response.failed` follows
        elif kind in ("response.created", "response.in_progress"):
            assert kind == ("response.created", "response.in_progress")[n]
            assert event["response"]["status"] == "in_progress"
            assert event["response"]["output"] == []
            self.response_id = self.response_id or event["response"]["id"]
            assert event["response"]["id"] == self.response_id
        elif kind in ("response.completed", "response.incomplete", "response.failed"):
            self._end(n, kind, event["response"])
        else:
            assert n >= 2
            self._item(kind, event)

    def _end(self, n: int, kind: str, response: dict[str, Any]) -> None:
        assert n >= 2
        assert self.broken == (kind == "response.failed")
        assert response["id"] == self.response_id
        assert response["status"] == kind.removeprefix("response.")
        assert (response["error"] is not None) == (kind == "response.failed")
        assert (response["incomplete_details"] is not None) == (kind == "response.incomplete")
        if kind != "response.failed":
            assert self.done.keys() == self.items.keys(), "an item is not done"
            assert response["output"] == [self.done[at] for at in sorted(self.done)]
        else:
            whole = [item for item in response["output"] if item.get("status") != "incomplete"]
            assert whole == [self.done[at] for at in sorted(self.done)]
        ids = [item["id"] for item in response["output"]]
        assert len(ids) == len(set(ids))
        assert all(0 < len(i) <= 64 for i in ids)
        self.over = True

    def _item(self, kind: str, event: dict[str, Any]) -> None:
        if kind.startswith("response.audio."):
            return
        at = event["output_index"]
        if kind == "response.output_item.added":
            assert at == len(self.items), "indices count up"
            self.items[at], self.parts[at], self.text[at] = event["item"], "none", ""
            return
        item = self.items[at]
        assert at not in self.done, "an event of an item that is done"
        if kind == "response.output_item.done":
            self._done(at, item, event["item"])
            return
        assert event["item_id"] == item["id"]
        self._step(kind, at, item["type"], event)

    def _done(self, at: int, item: dict[str, Any], whole: dict[str, Any]) -> None:
        assert (whole["id"], whole["type"]) == (item["id"], item["type"])
        state, text = self.parts[at], self.text[at]
        if item["type"] == "message":
            assert state == "closed"
            (part,) = whole["content"]
            assert part.get("text", part.get("refusal")) == text
        elif item["type"] == "reasoning":
            assert state in ("none", "closed")
            told = whole.get("content") or whole["summary"]
            assert "".join(part["text"] for part in told) == text
        elif item["type"] in ("function_call", "custom_tool_call"):
            assert state == "closed"
            assert whole["call_id"] == item["call_id"]
            assert whole["name"] == item["name"]
            assert whole.get("arguments", whole.get("input")) == text
        self.done[at] = whole

    def _step(self, kind: str, at: int, item: str, event: dict[str, Any]) -> None:
        state = self.parts[at]
        name = kind.removeprefix("response.")
        if name in ("content_part.added", "reasoning_summary_part.added"):
            assert state == "none"
            assert item == ("message" if event["part"]["type"] in ("output_text", "refusal") else "reasoning")
            self.parts[at] = event["part"]["type"]
        elif name in ("content_part.done", "reasoning_summary_part.done"):
            assert state == "told " + event["part"]["type"]
            assert event["part"].get("text", event["part"].get("refusal")) == self.text[at]
            self.parts[at] = "closed"
        elif name.endswith(("call.in_progress", "call.generating", "call.completed")):
            assert item == "image_generation_call"
        elif name == "output_text.annotation.added":
            assert state == "output_text"
        else:
            what, _, verb = name.rpartition(".")
            needed = {
                "output_text": ("message", "output_text"),
                "refusal": ("message", "refusal"),
                "reasoning_summary_text": ("reasoning", "summary_text"),
                "reasoning_text": ("reasoning", "reasoning_text"),
                "function_call_arguments": ("function_call", "none"),
                "custom_tool_call_input": ("custom_tool_call", "none"),
            }[what]
            assert (item, state) == needed
            if verb == "delta":
                assert event["delta"]
                self.text[at] += event["delta"]
            else:
                assert verb == "done"
                field = {"refusal": "refusal", "function_call_arguments": "arguments"}.get(
                    what, "input" if what == "custom_tool_call_input" else "text"
                )
                assert event[field] == self.text[at]
                self.parts[at] = "closed" if state == "none" else f"told {state}"


# -- strategies -----------------------------------------------------------------------------------------

citations = st.sampled_from(
    [
        {"type": "url_citation", "url": "https://a.example", "title": "A", "start_index": 0, "end_index": 2},
        {"type": "web_search_result_location", "url": "https://b.example", "title": None},
        {"type": "char_location", "cited_text": "x"},
    ]
)
names = st.sampled_from(["find", "exec", "crm__lookup", "mystery.tool"])
signatures = st.sampled_from(["c2lnbmF0dXJl", "Eq==", "AAAA/+"])


@st.composite
def parts(draw: st.DrawFn) -> tuple[PartStarted, list[PartDelta], PartEnded]:
    """One part, as index 0."""
    kind = draw(st.sampled_from(["text", "refusal", "reasoning", "tool_call", "image"]))
    said = [PartDelta(0, text) for text in draw(st.lists(words, max_size=4))]
    if kind == "text":
        said += [PartDelta(0, citation=c) for c in draw(st.lists(citations, max_size=1))]
        return PartStarted(0, "text"), draw(st.permutations(said)), PartEnded(0)
    if kind == "refusal":
        return PartStarted(0, "refusal"), said, PartEnded(0)
    if kind == "reasoning":
        origin = draw(st.sampled_from(["openai_responses", "anthropic", None]))
        field = "encrypted" if origin == "openai_responses" else "signature"
        said += [PartDelta(0, **{field: s}) for s in draw(st.lists(signatures, max_size=1))]
        return (
            PartStarted(0, "reasoning", id=draw(st.none() | st.just("rs_own")), origin=origin),
            said,
            PartEnded(0),
        )
    if kind == "image":
        return (
            PartStarted(0, "image", media_type="image/webp"),
            [PartDelta(0, "iVBO"), PartDelta(0, "Rw0=")],
            PartEnded(0),
        )
    custom = draw(st.booleans())
    identifier = draw(st.sampled_from(["call_1", "toolu_2", "x" * 80, "same"]) | st.none())
    started = PartStarted(
        0, "tool_call", id=identifier, name=draw(names), tool_kind="custom" if custom else "function"
    )
    if not custom:
        said = draw(st.sampled_from([[], [PartDelta(0, "{}")], [PartDelta(0, '{"a'), PartDelta(0, '": 1}')]]))
    return started, said, PartEnded(0)


usages = st.builds(
    Usage,
    input_tokens=st.integers(0, 50),
    cache_read_tokens=st.integers(0, 50),
    cache_write_5m_tokens=st.integers(0, 50),
    output_tokens=st.integers(1, 50),
    reasoning_tokens=st.integers(0, 50),
)

finishes = st.sampled_from(["stop", "length", "content_filter", "refusal", "tool_calls", "pause", "context"])


@st.composite
def streams(draw: st.DrawFn, ends: st.SearchStrategy[Event] | None = None) -> list[Event]:
    """A legal core stream: parts interleaved at will, then an end."""
    todo = [[a, *b, c] for a, b, c in draw(st.lists(parts(), max_size=4))]
    events: list[Event] = [Started(model=draw(st.sampled_from(["", "model-said"])))]
    numbers: dict[int, int] = {}
    waiting = [n for n, _ in enumerate(todo)]
    while waiting:
        n = draw(st.sampled_from(waiting))
        event = todo[n].pop(0)
        numbers.setdefault(n, len(numbers))
        fields = {f: getattr(event, f) for f in event.__struct_fields__} | {"index": numbers[n]}
        events.append(type(event)(**fields))
        if not todo[n]:
            waiting.remove(n)
    failed = draw(st.booleans()) if ends is None else False
    if failed:
        cut = draw(st.integers(0, len(events)))
        return [*events[:cut], Failed("transport", "the connection broke")]
    events.append(UsageReported(draw(usages)))
    events.append(draw(ends) if ends is not None else Finished(draw(finishes)))
    return events
