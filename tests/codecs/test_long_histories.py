"""A long history takes as long as it is long: no codec looks through all of it for each of its parts."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from passerelle.codecs import registry
from passerelle.codecs.base import PathTarget, Target
from passerelle.core.message import Message, Part, ReasoningPart, TextPart, ToolCallPart, ToolResultPart
from passerelle.core.request import Dialect, Request, Tool, ToolChoice

DIALECTS: tuple[Dialect, ...] = ("openai_chat", "openai_responses", "anthropic", "gemini")


def turns_of_one_id(count: int) -> tuple[Message, ...]:
    said: list[Message] = []
    for _ in range(count):
        said.append(Message("assistant", (ToolCallPart("call_0", "f", "{}"),)))
        said.append(Message("tool", (ToolResultPart("call_0", (TextPart("x"),), name="f"),)))
    return tuple(said)


def one_turn_of_one_id(count: int) -> tuple[Message, ...]:
    calls: tuple[Part, ...] = tuple(ToolCallPart("call_0", "f", "{}") for _ in range(count))
    results: tuple[Part, ...] = tuple(
        ToolResultPart("call_0", (TextPart("x"),), name="f") for _ in range(count)
    )
    return (Message("assistant", calls), Message("tool", results))


def one_turn_answered_backwards(count: int) -> tuple[Message, ...]:
    calls: tuple[Part, ...] = tuple(ToolCallPart(f"call_{n}", "f", "{}") for n in range(count))
    results: tuple[Part, ...] = tuple(
        ToolResultPart(f"call_{n}", (TextPart("x"),), name="f") for n in reversed(range(count))
    )
    return (Message("assistant", calls), Message("tool", results))


def seconds(work: Callable[[], object]) -> float:
    """The best of three: a busy machine only adds."""
    taken = []
    for _ in range(3):
        begun = time.thread_time()
        work()
        taken.append(time.thread_time() - begun)
    return min(taken)


def grows_linearly(make: Callable[[int], Callable[[], object]], count: int) -> None:
    """Eight times the history may take three times eight times as long; a square would take 64 times."""
    small, large = seconds(make(count)), seconds(make(count * 8))
    assert large < 24 * max(small, 0.002), (small, large)


@pytest.mark.parametrize("history", [turns_of_one_id, one_turn_of_one_id, one_turn_answered_backwards])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_calls_and_results_pair_in_one_pass(
    dialect: Dialect, history: Callable[[int], tuple[Message, ...]]
) -> None:
    other: Dialect = "gemini" if dialect == "openai_chat" else "openai_chat"

    def make(count: int) -> Callable[[], object]:
        request = Request("m", (Message("user", (TextPart("hi"),)), *history(count)), other)
        return lambda: registry.provider(dialect).encode_request(request, Target("m"))

    grows_linearly(make, 800)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_allowed_tools_are_found_in_one_pass(dialect: Dialect) -> None:
    other: Dialect = "gemini" if dialect == "openai_chat" else "openai_chat"

    def make(count: int) -> Callable[[], object]:
        names = [f"tool_{n}" for n in range(count)]
        request = Request(
            "m",
            (Message("user", (TextPart("hi"),)),),
            other,
            tools=tuple(Tool(name) for name in names),
            tool_choice=ToolChoice("auto", allowed=tuple(reversed(names))),
        )
        return lambda: registry.provider(dialect).encode_request(request, Target("m"))

    grows_linearly(make, 800)


def contents(kind: str, count: int) -> list[Any]:
    match kind:
        case "pieces":
            return [{"role": "model", "parts": [{"text": "x"}]} for _ in range(count)]
        case "backwards":
            calls = [{"functionCall": {"id": f"c{n}", "name": "f"}} for n in range(count)]
            answers = [
                {"functionResponse": {"id": f"c{n}", "name": "f", "response": {}}}
                for n in reversed(range(count))
            ]
        case _:
            calls = [{"functionCall": {"name": f"f{n}"}} for n in range(count)]
            answers = [
                {"functionResponse": {"name": f"f{n}", "response": {}}} for n in reversed(range(count))
            ]
    return [{"role": "model", "parts": calls}, {"role": "user", "parts": answers}]


@pytest.mark.parametrize("kind", ["pieces", "backwards", "nameless"])
def test_google_s_contents_are_read_in_one_pass(kind: str) -> None:
    def make(count: int) -> Callable[[], object]:
        body = json.dumps({"contents": contents(kind, count)}).encode()
        return lambda: registry.client("gemini").decode_request(body, PathTarget("chat", model="m"))

    grows_linearly(make, 800)


def test_calls_without_ids_pair_in_order_whatever_order_they_are_answered_in() -> None:
    parts = contents("nameless", 20)
    read = registry.client("gemini").decode_request(
        json.dumps({"contents": parts}).encode(), PathTarget("chat", model="m")
    )
    assert isinstance(read, Request)
    calls = {part.id: part.name for part in read.messages[0].parts if isinstance(part, ToolCallPart)}
    for part in read.messages[1].parts:
        assert isinstance(part, ToolResultPart)
        assert calls[part.call_id] == part.name


def test_pieces_of_a_turn_stay_one_message() -> None:
    read = registry.client("gemini").decode_request(
        json.dumps({"contents": contents("pieces", 50)}).encode(), PathTarget("chat", model="m")
    )
    assert isinstance(read, Request)
    assert len(read.messages) == 1
    assert len(read.messages[0].parts) == 50
    assert not any(isinstance(part, ReasoningPart) for part in read.messages[0].parts)
