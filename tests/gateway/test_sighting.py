"""What is seen of a request: the same in every dialect, and the conversation it belongs to."""

import json
from typing import Any

import pytest

from passerelle.codecs import registry
from passerelle.codecs.base import PathTarget, Target
from passerelle.core.message import Message, ReasoningPart, TextPart, ToolCallPart
from passerelle.core.principal import ROLE_PERMISSIONS, Principal, Rights
from passerelle.core.request import Dialect, Request
from passerelle.gateway.road import read
from passerelle.gateway.sighting import Seen, see
from passerelle.gateway.trip import Ask, Wishes
from passerelle.router.task import Work

FOUR: tuple[Dialect, ...] = ("openai_chat", "openai_responses", "anthropic", "gemini")
TOOL = {"type": "object", "properties": {}}


def principal(org: str = "org_1") -> Principal:
    return Principal(org, "w", "p", "k", "k", "member", ROLE_PERMISSIONS["member"], Rights())


def seen(dialect: Dialect, body: Any, *, org: str = "org_1", wishes: Wishes | None = None) -> Seen:
    ask = Ask(
        principal(org), dialect, PathTarget("chat", model="smart" if dialect == "gemini" else None),
        body if isinstance(body, bytes) else json.dumps(body).encode(), "req", "rcp", 0, 0.0,
        wishes or Wishes(),
    )  # fmt: skip
    return see(ask, read(ask))[0]


def body(dialect: Dialect, *said: tuple[str, str], system: str = "Be brief.") -> dict[str, Any]:
    """A conversation in the dialect, with one tool."""
    match dialect:
        case "openai_chat":
            return {
                "model": "smart",
                "messages": [{"role": "system", "content": system}, *_turns(said)],
                "tools": [{"type": "function", "function": {"name": "t", "parameters": TOOL}}],
            }
        case "openai_responses":
            return {
                "model": "smart",
                "instructions": system,
                "input": _turns(said),
                "tools": [{"type": "function", "name": "t", "parameters": TOOL}],
            }
        case "anthropic":
            return {
                "model": "smart",
                "max_tokens": 9,
                "system": system,
                "messages": _turns(said),
                "tools": [{"name": "t", "input_schema": TOOL}],
            }
        case _:
            contents = [{"role": "model" if r == "assistant" else r, "parts": [{"text": t}]} for r, t in said]
            return {
                "systemInstruction": {"parts": [{"text": system}]},
                "contents": contents,
                "tools": [{"functionDeclarations": [{"name": "t", "parameters": TOOL}]}],
            }


def _turns(said: tuple[tuple[str, str], ...]) -> list[dict[str, str]]:
    return [{"role": role, "content": text} for role, text in said]


TALK = (("user", "Hello."), ("assistant", "Yes?"), ("user", "How old is the bridge?"))


@pytest.mark.parametrize("dialect", FOUR)
def test_a_conversation_is_seen_alike_in_every_dialect(dialect: Dialect) -> None:
    found = seen(dialect, body(dialect, *TALK))

    assert found.sight.words == "How old is the bridge?"
    assert found.sight.system == "Be brief."
    assert (found.sight.turns, found.sight.tools, found.turn) == (2, 1, 2)
    assert found.opened == seen("openai_chat", body("openai_chat", *TALK[:1])).opened
    assert found.called is None
    assert not found.sealed


@pytest.mark.parametrize("dialect", FOUR)
def test_another_opening_or_tenant_or_name_is_another_conversation(dialect: Dialect) -> None:
    known = seen(dialect, body(dialect, *TALK)).opened
    assert known != seen(dialect, body(dialect, *TALK), org="org_2").opened
    assert known != seen(dialect, body(dialect, *TALK, system="Be long.")).opened
    assert known != seen(dialect, body(dialect, ("user", "Hi."), *TALK[1:])).opened
    named = seen(dialect, body(dialect, *TALK), wishes=Wishes(session="s"))
    assert named.opened != known
    assert named.called == seen(dialect, body(dialect, ("user", "?")), wishes=Wishes(session="s")).called


def test_marks_for_the_cache_and_claude_codes_header_are_no_part_of_the_opening() -> None:
    def asked(header: str, marked: int) -> Seen:
        system = [{"type": "text", "text": f"x-anthropic-billing-header: cch={header}"}]
        system.append({"type": "text", "text": "Be brief."})
        messages: list[dict[str, Any]] = []
        for at, (role, text) in enumerate(TALK):
            block: dict[str, Any] = {"type": "text", "text": text}
            if at == marked:
                block["cache_control"] = {"type": "ephemeral"}
            messages.append({"role": role, "content": [block]})
        return seen("anthropic", {"model": "smart", "max_tokens": 9, "system": system, "messages": messages})

    assert asked("1", 0).opened == asked("2", 2).opened


def test_what_is_said_of_the_task_is_taken_from_the_header_before_a_tag() -> None:
    ask = body("openai_chat", *TALK)
    assert seen("openai_chat", ask, wishes=Wishes(task="code", tags=("task:maths",))).sight.task == "code"
    assert seen("openai_chat", ask, wishes=Wishes(tags=("app:x", "task:maths"))).sight.task == "maths"
    assert seen("openai_chat", ask, wishes=Wishes(tags=("task:",))).sight.task is None
    role = seen("openai_chat", ask, wishes=Wishes(tags=("role:Reviewer",)))
    assert (role.sight.task, role.told) == ("code", Work("code", "role"))
    assert seen("openai_chat", ask, wishes=Wishes(tags=("role:king",))).told is None


@pytest.mark.parametrize("caller", FOUR)
@pytest.mark.parametrize("maker", ["anthropic", "gemini", "openai_responses"])
def test_sealed_reasoning_says_whose_it_is(caller: Dialect, maker: Dialect) -> None:
    """As a caller of one dialect sends it back that another one's model thought."""
    thought = ReasoningPart(
        text="hm",
        signature=None if maker == "openai_responses" else "c2VhbA==",
        encrypted="c2VhbA==" if maker == "openai_responses" else None,
        id="rs_1" if maker == "openai_responses" else None,
        origin=maker,
    )
    call = ToolCallPart("call_1", "t", "{}", signature="c2VhbA==" if maker == "gemini" else None)
    request = Request(
        "smart",
        (
            Message("user", (TextPart("Hello."),)),
            Message("assistant", (thought, call)),
            Message("user", (TextPart("Go on."),)),
        ),
        caller,
    )
    sent = registry.provider(caller).encode_request(request, Target("smart")).body
    found = seen(caller, sent)
    if caller == maker:
        assert found.sealed == {maker}
    else:  # what a client keeps of it is what we sealed in its answer; here it is lost on the way
        assert found.sealed <= {maker}


def test_a_body_that_cannot_be_read_is_seen_by_its_name_alone() -> None:
    wrong = {"model": "smart", "messages": [{"role": "wizard", "content": "?"}]}
    found = seen("openai_chat", wrong, wishes=Wishes(session="s"))
    assert found.opened is None
    assert found.called is not None
