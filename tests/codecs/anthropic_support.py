"""What the Anthropic codec's tests share: an independent reading of the stream grammar, and generators."""

import json
from typing import Any

from hypothesis import strategies as st

from passerelle.codecs.base import PathTarget, ReplyContext
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

CHAT = PathTarget("chat")
COUNT = PathTarget("count_tokens")


def context(**more: Any) -> ReplyContext:
    return ReplyContext("req_01TEST", "fallback-model", 1_700_000_000, **more)


def sse(*events: dict[str, Any]) -> bytes:
    """Events as Anthropic writes them."""
    return b"".join(
        b"event: %b\ndata: %b\n\n" % (event["type"].encode(), json.dumps(event).encode()) for event in events
    )


def start(**message: Any) -> dict[str, Any]:
    return {
        "type": "message_start",
        "message": {
            "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-x", "content": [],
            "stop_reason": None, "stop_sequence": None, "usage": {"input_tokens": 7, "output_tokens": 1},
            **message,
        },
    }  # fmt: skip


def block(index: int, content_block: dict[str, Any]) -> dict[str, Any]:
    return {"type": "content_block_start", "index": index, "content_block": content_block}


def delta(index: int, **inner: Any) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": inner}


def text(index: int, words: str) -> dict[str, Any]:
    return delta(index, type="text_delta", text=words)


def stop(index: int) -> dict[str, Any]:
    return {"type": "content_block_stop", "index": index}


def end(reason: str = "end_turn", **usage: Any) -> dict[str, Any]:
    return {
        "type": "message_delta",
        "delta": {"stop_reason": reason, "stop_sequence": None},
        "usage": usage or {"output_tokens": 5},
    }


PING = {"type": "ping"}
STOP = {"type": "message_stop"}

HELLO = (
    start(),
    block(0, {"type": "text", "text": ""}),
    PING,
    text(0, "Hel"),
    text(0, "lo"),
    stop(0),
    end(),
    STOP,
)


def payloads(stream: bytes) -> list[dict[str, Any]]:
    """The JSON of each frame; every frame is named after its payload's type."""
    read = []
    for frame in stream.split(b"\n\n")[:-1]:
        name, _, data = frame.partition(b"\n")
        assert name.startswith(b"event: "), frame
        assert data.startswith(b"data: "), frame
        payload = json.loads(data[6:])
        assert payload["type"] == name[7:].decode()
        read.append(payload)
    assert stream == b"" or stream.endswith(b"\n\n")
    return read


_DELTAS = {
    "text": {"text_delta", "citations_delta"},
    "thinking": {"thinking_delta", "signature_delta"},
    "redacted_thinking": set(),
    "tool_use": {"input_json_delta"},
    "server_tool_use": {"input_json_delta"},
}


def check_grammar(events: list[dict[str, Any]]) -> None:
    """Anthropic's order, read from its documentation and not from our encoder."""
    if events and events[0]["type"] == "error":
        assert len(events) == 1
        return
    assert events[0]["type"] == "message_start"
    assert [e["type"] for e in events].count("message_start") == 1
    open_kind: str | None = None
    spoken = False
    next_index = 0
    called = False
    closing = False
    for event in events[1:]:
        kind = event["type"]
        assert not (closing and kind not in ("message_stop", "error")), f"{kind} after message_delta"
        if kind == "content_block_start":
            assert open_kind is None, "a block begins inside another"
            assert event["index"] == next_index
            open_kind = event["content_block"]["type"]
            called = called or open_kind == "tool_use"
            spoken = open_kind not in ("text", "thinking")
            if open_kind in ("tool_use", "server_tool_use"):
                assert event["content_block"]["input"] == {}
        elif kind == "content_block_delta":
            assert open_kind is not None, "a delta outside any block"
            assert event["index"] == next_index
            assert event["delta"]["type"] in _DELTAS[open_kind], (open_kind, event["delta"]["type"])
            spoken = True
            for field in ("text", "thinking", "partial_json"):
                assert event["delta"].get(field) != "", "an empty delta"
        elif kind == "content_block_stop":
            assert open_kind is not None, "a block ends that is not open"
            assert event["index"] == next_index
            assert spoken, f"an empty {open_kind} block"
            open_kind = None
            next_index += 1
        elif kind == "message_delta":
            assert open_kind is None, "the message ends inside a block"
            reason = event["delta"]["stop_reason"]
            assert not called or reason not in ("end_turn", "stop_sequence")
            assert called or reason != "tool_use"
            closing = True
        elif kind == "message_stop":
            assert closing
            assert event is events[-1]
        elif kind == "error":
            assert event is events[-1], "something follows an error"
        else:
            assert kind == "ping", kind
    assert events[-1]["type"] in ("message_stop", "error")


# ── legal core streams, interleaved at will ──

words = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
ids = st.text("abcXYZ019-_.:/", max_size=8)
counts = st.integers(0, 10**6)
usages = st.builds(
    Usage,
    input_tokens=counts, cache_read_tokens=counts, cache_write_5m_tokens=counts,
    cache_write_1h_tokens=counts, output_tokens=counts, reasoning_tokens=counts,
)  # fmt: skip
CITATIONS = (
    {
        "type": "page_location",
        "cited_text": "x",
        "document_index": 0,
        "start_page_number": 1,
        "end_page_number": 2,
    },
    {"type": "url_citation", "url": "https://example.org"},
)
ORIGINS = ("anthropic", "gemini", "openai_responses", "openai_chat", None)


@st.composite
def part_events(draw: st.DrawFn, index: int) -> list[Event]:
    kind = draw(st.sampled_from(["text", "reasoning", "refusal", "tool_call", "image", "audio"]))
    if kind == "tool_call":
        start: Event = PartStarted(
            index, "tool_call", id=draw(st.none() | ids), name=draw(words),
            tool_kind=draw(st.sampled_from(["function", "custom"])),
        )  # fmt: skip
        deltas = [PartDelta(index, text=t) for t in draw(st.lists(words, max_size=3))]
        if draw(st.booleans()):
            deltas.append(PartDelta(index, signature="sig"))
    elif kind == "reasoning":
        start = PartStarted(
            index, "reasoning", id=draw(st.none() | ids), origin=draw(st.sampled_from(ORIGINS))
        )
        deltas = [PartDelta(index, text=t) for t in draw(st.lists(words, max_size=3))]
        if draw(st.booleans()):
            deltas.append(PartDelta(index, signature=draw(words)))
        if draw(st.booleans()):
            deltas.append(PartDelta(index, encrypted=draw(words)))
    else:
        start = PartStarted(index, kind)  # type: ignore[arg-type]
        deltas = [PartDelta(index, text=t) for t in draw(st.lists(words, max_size=3))]
        if kind == "text" and draw(st.booleans()):
            deltas.append(PartDelta(index, citation=draw(st.sampled_from(CITATIONS))))
    return [start, *draw(st.permutations(deltas)), PartEnded(index)]


@st.composite
def streams(draw: st.DrawFn) -> list[Event]:
    """Any stream `core.event` allows: parts interleaved, usage anywhere, complete or failed."""
    count = draw(st.integers(0, 4))
    queues = [draw(part_events(index)) for index in range(count)]
    events: list[Event] = [Started(draw(words), id=draw(st.none() | ids), usage=draw(st.none() | usages))]
    nxt = 0
    live: list[list[Event]] = []
    while nxt < count or live:
        choices = len(live) + (1 if nxt < count else 0)
        pick = draw(st.integers(0, choices - 1))
        if pick == len(live):
            live.append(queues[nxt])
            nxt += 1
        events.append(live[pick].pop(0))
        if not live[pick]:
            live.pop(pick)
        if draw(st.integers(0, 9)) == 0:
            events.append(UsageReported(draw(usages)))
    if draw(st.integers(0, 4)) == 0:
        cut = draw(st.integers(0, len(events)))
        return [*events[:cut], Failed("transport", "cut")]
    events.append(UsageReported(draw(usages)))
    finish = draw(
        st.sampled_from(["stop", "length", "tool_calls", "refusal", "content_filter", "pause", "context"])
    )
    events.append(Finished(finish, stop_sequence=draw(st.none() | words)))
    return events
