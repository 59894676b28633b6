"""Prompts stay as they were from turn to turn, and are marked for the cache where that pays."""

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.codecs import registry
from passerelle.codecs.base import PathTarget, Target
from passerelle.codecs.caching import LEAST_CHARS, marks, with_breakpoints
from passerelle.core.message import Message, TextPart, ToolCallPart, ToolResultPart
from passerelle.core.request import Dialect, Request, Tool

DIALECTS: tuple[Dialect, ...] = ("openai_chat", "openai_responses", "anthropic", "gemini", "bedrock")
CONVERSATION = {
    "openai_chat": "messages", "openai_responses": "input", "anthropic": "messages", "gemini": "contents",
    "bedrock": "messages",
}  # fmt: skip
LONG = "Sur le pont d'Avignon. " * (LEAST_CHARS // 20)
LOOKUP = Tool("lookup", "Look it up.", {"type": "object", "properties": {"word": {"type": "string"}}})


def text(role: Any, words: str) -> Message:
    return Message(role, (TextPart(words),))


def turn(asked: str, tool: bool, at: int) -> tuple[Message, ...]:
    """What a caller adds between two questions: the answer, perhaps by way of a tool."""
    if not tool:
        return text("user", asked), text("assistant", f"About {asked}.")
    call = ToolCallPart(f"call_{at}", "lookup", json.dumps({"word": asked}))
    result = ToolResultPart(f"call_{at}", (TextPart(f"{asked}: a word"),), name="lookup")
    return (
        text("user", asked), Message("assistant", (call,)), Message("tool", (result,)),
        text("assistant", "So it is."),
    )  # fmt: skip


words = st.text(st.characters(codec="ascii", categories=("L", "N", "P")), min_size=1, max_size=12)
conversations = st.lists(st.tuples(words, st.booleans()), min_size=2, max_size=5)


def encoded(request: Request, theirs: Dialect) -> dict[str, Any]:
    target = Target("gemini-2.5-pro" if theirs == "gemini" else "m")
    return dict(json.loads(registry.provider(theirs).encode_request(request, target).body))


@pytest.mark.parametrize("theirs", DIALECTS)
@pytest.mark.parametrize("ours", DIALECTS)
@given(turns=conversations, instructions=words)
def test_the_next_turn_begins_with_the_bytes_of_this_one(
    ours: Dialect, theirs: Dialect, turns: list[tuple[str, bool]], instructions: str
) -> None:
    messages = [text("system", instructions)]
    sizes = []
    for at, (asked, tool) in enumerate(turns):
        made = turn(asked, tool, at)
        sizes.append(len(messages) + 1)  # up to and with the question
        messages += made
    bodies = [encoded(Request("m", tuple(messages[:size]), ours, tools=(LOOKUP,)), theirs) for size in sizes]
    field = CONVERSATION[theirs]
    for before, after in pairwise(bodies):
        said = json.dumps(before[field])[:-1]
        assert json.dumps(after[field]).startswith(said)
        assert list(before) == list(after)
        assert {**before, field: []} == {**after, field: []}


def conversation(*, turns: int, tools: bool = False, system: str = "Be brief.") -> Request:
    messages = [text("system", system)]
    for at in range(turns):
        messages += [text("user", f"question {at}"), text("assistant", f"answer {at}")]
    messages.append(text("user", "the last"))
    return Request("m", tuple(messages), "openai_chat", tools=(LOOKUP,) if tools else ())


def marked_at(request: Request) -> list[int]:
    return [
        at for at, message in enumerate(request.messages)
        if any(getattr(part, "cache", None) for part in message.parts)
    ]  # fmt: skip


def test_a_long_conversation_is_marked_after_instructions_and_the_last_two_turns() -> None:
    request = conversation(turns=3, system=LONG)
    assert marked_at(with_breakpoints(request)) == [0, 5, 7]
    body = encoded(with_breakpoints(request), "anthropic")
    assert body["system"][-1]["cache_control"] == {"type": "ephemeral"}
    assert body["messages"][-1]["content"][-1]["cache_control"] == {"type": "ephemeral"}
    assert json.dumps(body).count("cache_control") == 3  # Anthropic takes four


CLAUDE = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"
POINT = {"cachePoint": {"type": "default"}}


def converse(request: Request, model: str = CLAUDE) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The request as Converse has it, and what was lost."""
    done = registry.provider("bedrock").encode_request(request, Target(model))
    return dict(json.loads(done.body)), done.dropped


def test_claude_on_bedrock_gets_its_points_where_anthropic_gets_its_marks() -> None:
    body, dropped = converse(with_breakpoints(conversation(turns=3, tools=True, system=LONG)))
    assert body["system"][-1] == POINT
    assert [at for at, turn in enumerate(body["messages"]) if turn["content"][-1] == POINT] == [4, 6]
    assert json.dumps(body).count("cachePoint") == 3  # four at most
    assert dropped == ()
    bare = Request("m", (text("user", LONG),), "openai_chat", tools=(LOOKUP,))
    body, _ = converse(with_breakpoints(bare))
    assert body["toolConfig"]["tools"][-1] == POINT


def test_a_point_behind_a_result_is_for_those_who_take_it() -> None:
    call = Message("assistant", (ToolCallPart("a", "lookup"),))
    result = Message("tool", (ToolResultPart("a", (TextPart(LONG),), cache="5m"),))
    request = Request("m", (text("user", "q"), call, result), "anthropic", tools=(LOOKUP,))
    body, dropped = converse(request)
    assert body["messages"][-1]["content"][-1] == POINT
    assert dropped == ()
    body, dropped = converse(request, "us.amazon.nova-pro-v1:0")
    assert "cachePoint" not in json.dumps(body)
    assert dropped == ("cache_control",)


@pytest.mark.parametrize(
    ("dialect", "model", "marked"),
    [
        ("anthropic", "claude-opus-5-5", True),
        ("anthropic", "kimi-k2", True),
        ("bedrock", CLAUDE, True),
        ("bedrock", "arn:aws:bedrock:eu-west-1::foundation-model/anthropic.claude-opus-5-5", True),
        ("bedrock", "us.amazon.nova-2-lite-v1:0", False),
        ("bedrock", "openai.gpt-oss-120b-1:0", False),
        ("gemini", "gemini-2.5-pro", False),
        ("openai_chat", "anthropic.claude-opus-5-5", False),
    ],
)
def test_marks_are_set_where_they_alone_make_a_cache(dialect: Dialect, model: str, marked: bool) -> None:
    assert marks(dialect, model) is marked


@pytest.mark.parametrize(
    "request_",
    [
        conversation(turns=0, system=LONG),  # one question alone is not read again
        conversation(turns=3),  # too short to be cached
        Request(
            "m",
            (Message("user", (TextPart(LONG, cache="1h"),)), text("assistant", "a"), text("user", "b")),
            "openai_responses",
        ),
    ],
    ids=["alone", "short", "marked by its caller"],
)
def test_what_would_not_pay_is_left_as_it_is(request_: Request) -> None:
    assert with_breakpoints(request_) is request_


def test_tools_make_a_first_question_worth_it() -> None:
    assert marked_at(with_breakpoints(conversation(turns=0, tools=True, system=LONG))) == [0, 1]
    bare = Request("m", (text("user", LONG),), "openai_chat", tools=(LOOKUP,))
    assert with_breakpoints(bare).tools[-1].cache == "5m"


def test_results_of_parallel_tools_are_one_turn() -> None:
    calls = Message("assistant", (ToolCallPart("a", "lookup"), ToolCallPart("b", "lookup")))
    results = [Message("tool", (ToolResultPart(name, (TextPart(LONG),)),)) for name in "ab"]
    request = Request("m", (text("user", "q"), calls, *results), "openai_chat", tools=(LOOKUP,))
    assert marked_at(with_breakpoints(request)) == [0, 3]


@given(turns=conversations)
def test_marks_never_change_what_is_said(turns: list[tuple[str, bool]]) -> None:
    messages = [text("system", LONG)]
    for at, (asked, tool) in enumerate(turns):
        messages += turn(asked, tool, at)
    request = Request("m", (*messages, text("user", "go on")), "openai_chat", tools=(LOOKUP,))
    marked = with_breakpoints(request)
    assert 0 < len(marked_at(marked)) <= 3
    plain, kept = encoded(request, "anthropic"), encoded(marked, "anthropic")
    assert unmarked(kept) == unmarked(plain)


def unmarked(value: Any) -> Any:
    """Without marks, and texts in the short form that they force into blocks in the long one."""
    if isinstance(value, dict):
        return {
            k: [{"type": "text", "text": v}]
            if k in ("content", "system") and isinstance(v, str)
            else unmarked(v)
            for k, v in value.items()
            if k != "cache_control"
        }
    return [unmarked(one) for one in value] if isinstance(value, list) else value


def test_a_mark_on_empty_text_is_told() -> None:
    parts = (TextPart("Hello."), TextPart("", cache="5m"))
    request = Request("m", (Message("user", parts),), "openai_chat")
    encoded = registry.provider("anthropic").encode_request(request, Target("claude-opus-4-8"))
    assert "cache_control" in encoded.dropped
    assert b"cache_control" not in encoded.body


@pytest.mark.parametrize("theirs", ["openai_chat", "openai_responses"])
def test_openais_cache_settings_go_along_between_its_dialects(theirs: Dialect) -> None:
    ours: Dialect = "openai_responses" if theirs == "openai_chat" else "openai_chat"
    asked = {"prompt_cache_key": "k", "prompt_cache_retention": "24h", "prompt_cache_options": {"ttl": "30m"}}
    talk: dict[str, Any] = (
        {"input": "hi"} if ours == "openai_responses" else {"messages": [{"role": "user", "content": "hi"}]}
    )
    request = registry.client(ours).decode_request(
        json.dumps({"model": "m", **talk, **asked}).encode(), PathTarget("chat")
    )
    sent = registry.provider(theirs).encode_request(request, Target("m"))
    assert {name: json.loads(sent.body).get(name) for name in asked} == asked
    assert not set(asked) & set(sent.dropped)


@pytest.mark.parametrize("theirs", ["openai_chat", "openai_responses", "anthropic"])
def test_googles_cached_content_is_told_where_there_is_none(theirs: Dialect) -> None:
    body = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}], "cachedContent": "cachedContents/1"}
    request = registry.client("gemini").decode_request(
        json.dumps(body).encode(), PathTarget("chat", model="m", stream=False)
    )
    assert "cachedContent" in registry.provider(theirs).encode_request(request, Target("m")).dropped
