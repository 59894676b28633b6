"""A caller's tool of free text at a provider that has functions only: called back as what was declared."""

import json
from typing import Any

import pytest

from passerelle.codecs import registry
from passerelle.codecs.base import ReplyContext
from passerelle.codecs.custom import unwrapped
from passerelle.core.event import Finished, PartDelta, PartEnded, PartStarted, Started
from passerelle.core.message import ToolCallPart
from passerelle.core.request import Request, Tool
from passerelle.core.response import Response

REQUEST = Request("m", (), "openai_chat", tools=(Tool("sql", kind="custom"), Tool("f")))
CONTEXT = ReplyContext(id="req_1", model="m", created_s=1, request=REQUEST)
CHAT = registry.client("openai_chat")


def test_a_call_of_a_chat_caller_s_custom_tool_is_told_as_one() -> None:
    parts = (ToolCallPart("c1", "sql", '{"input": "SELECT 1"}'), ToolCallPart("c2", "f", '{"input": "x"}'))
    said = json.loads(CHAT.encode_response(Response(parts, "tool_calls", model="m"), CONTEXT))
    first, second = said["choices"][0]["message"]["tool_calls"]
    assert first == {"id": "c1", "type": "custom", "custom": {"name": "sql", "input": "SELECT 1"}}
    assert second["function"] == {"name": "f", "arguments": '{"input": "x"}'}


@pytest.mark.parametrize("pieces", [('{"input": "SEL', 'ECT 1"}'), ('{"input": "SELECT 1"}',)])
def test_the_same_in_a_stream(pieces: tuple[str, ...]) -> None:
    encoder = CHAT.stream_encoder(CONTEXT)
    events = (
        Started("m"), PartStarted(0, "tool_call", id="c1", name="sql"),
        *[PartDelta(0, piece) for piece in pieces], PartEnded(0), Finished("tool_calls"),
    )  # fmt: skip
    told = b"".join([encoder.encode(event) for event in events]).decode()
    calls: list[Any] = []
    for line in told.split("\n\n"):
        if line.startswith("data: {") and json.loads(line[6:])["choices"]:
            calls += json.loads(line[6:])["choices"][0]["delta"].get("tool_calls", ())
    assert calls == [
        {"index": 0, "id": "c1", "type": "custom", "custom": {"name": "sql", "input": ""}},
        {"index": 0, "custom": {"input": "SELECT 1"}},
    ]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [('{"input": "a"}', "a"), ('{"query": "a"}', "a"), ('{"a": "1", "b": "2"}', '{"a": "1", "b": "2"}'),
     ("not JSON", "not JSON"), ("[1]", "[1]"), ("", "")],
)  # fmt: skip
def test_the_text_is_taken_out_where_there_is_one(arguments: str, text: str) -> None:
    assert unwrapped(arguments) == text
