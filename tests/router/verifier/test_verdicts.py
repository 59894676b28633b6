"""The three verifiers' words on answers."""

from typing import Any

import pytest

from passerelle.core.event import Finished, PartDelta, PartEnded, PartStarted, Started
from passerelle.core.message import ReasoningPart, RefusalPart, TextPart, ToolCallPart
from passerelle.core.request import OutputFormat, Request, Tool
from passerelle.core.response import Response
from passerelle.router.verifier import agreement, checks, schema
from passerelle.router.verifier.base import MOST_LETTERS, Call, Said, UndecidedError, heard, said
from passerelle.router.verifier.checks import Tests

OBJECT = {"type": "object", "required": ["a"]}


def request(kind: Any = "text", schema: dict[str, Any] | None = None, *tools: Tool) -> Request:
    return Request("m", (), "openai_chat", output=OutputFormat(kind, schema=schema), tools=tools)


WEATHER = Tool("weather", parameters=OBJECT)


# --- what is seen


def test_an_answer_is_seen_without_its_thoughts() -> None:
    parts = (ReasoningPart("hm"), TextPart("one "), TextPart("two"), ToolCallPart("1", "t", '{"a":1}'))
    assert said(Response(parts, "tool_calls")) == Said("one two", (Call("t", '{"a":1}'),), "tool_calls")
    assert said(Response((RefusalPart("no"),), "stop")).declined
    assert said(Response((TextPart("x"),), "content_filter")).declined


def test_a_stream_is_seen_alike() -> None:
    events = [
        Started(),
        PartStarted(0, "reasoning"),
        PartStarted(1, "text"),
        PartStarted(2, "tool_call", name="t"),
        PartDelta(1, "one "),
        PartDelta(0, "hm"),
        PartDelta(2, '{"a"'),
        PartDelta(1, "two"),
        PartDelta(2, ":1}"),
        PartEnded(1),
        Finished("tool_calls"),
    ]
    assert heard(events) == Said("one two", (Call("t", '{"a":1}'),), "tool_calls")
    assert not heard(events[:-1]).whole


def test_more_than_is_looked_at_is_not_proven() -> None:
    with pytest.raises(UndecidedError):
        said(Response((TextPart("x" * (MOST_LETTERS + 1)),), "stop"))


# --- schema


@pytest.mark.parametrize(
    ("asked", "answer", "holds", "why"),
    [
        (request("json_schema", OBJECT), Said('{"a": 1}'), True, "the answer meets the request's schema"),
        (
            request("json_schema", OBJECT),
            Said("{}"),
            False,
            "the answer does not meet the request's schema: ",
        ),
        (request("json_schema", OBJECT), Said("Here: {}"), False, "the answer is no JSON"),
        (request("json"), Said('{"a": 1}'), True, "the answer is JSON"),
        (request("json"), Said("[1]"), False, "the answer is no JSON object"),
        (request("json"), Said('{"a": 1', finish="length"), False, "the answer is cut: `length`"),
        (request("json_schema", OBJECT), Said(declined=True), True, "the model declined"),
        (
            request("text", None, WEATHER),
            Said(calls=(Call("weather", '{"a":1}'),)),
            True,
            "one tool is called",
        ),
        (
            request("text", None, WEATHER),
            Said(calls=(Call("weather", "{}"),)),
            False,
            "the arguments of a call",
        ),
        (
            request("text", None, WEATHER),
            Said(calls=(Call("weather", "[]"),)),
            False,
            "the arguments of a call",
        ),
        (request("text", None, WEATHER), Said(calls=(Call("rain", "{}"),)), False, "it calls a tool that"),
        (request("text", None, WEATHER), Said("It rains."), True, "it calls no tool"),
        (
            request("text", None, Tool("w", kind="custom")),
            Said(calls=(Call("w", "any", custom=True),)),
            True,
            "one tool is called",
        ),
        (request("json_schema", {"$ref": "#"}), Said("1"), False, "it is nested too deep"),
    ],
)
def test_an_answer_is_held_against_its_own_request(
    asked: Request, answer: Said, holds: bool, why: str
) -> None:
    verdict = schema.verdict(asked, answer)
    assert verdict.holds is holds
    assert verdict.why.startswith(why)


def test_json_of_googles_may_be_a_list() -> None:
    asked = Request("m", (), "gemini", output=OutputFormat("json"))
    assert schema.verdict(asked, Said("[1]")).holds


FAR = {"$ref": "https://example.com/schema"}
GOOD, BAD = Call("weather", '{"a":1}'), Call("weather", "{}")


@pytest.mark.parametrize(
    ("asked", "answer", "holds", "tells"),
    [
        (request("json"), Said(finish="malformed_tool_call"), False, True),
        (request("json"), Said('{"cut', finish="length"), False, False),
        (request("json"), Said(declined=True), True, False),
        (request("json_schema", FAR), Said("{}"), False, False),
        (request("json_schema", FAR), Said("{"), False, True),
        (request("text", None, WEATHER), Said("It rains."), True, False),
        (request("json_schema", OBJECT, WEATHER), Said(calls=(GOOD,)), True, True),
        (request("text", None, WEATHER), Said(calls=(GOOD, BAD)), False, True),
        (request("text", None, Tool("bare")), Said(calls=(Call("bare", "{}"),)), True, True),
        (request("text", None, Tool("bare")), Said(calls=(Call("bare", "{"),)), False, True),
        (
            request("text", None, Tool("w", kind="custom")),
            Said(calls=(Call("w", "any", custom=True),)),
            True,
            False,
        ),
        (
            request("text", None, WEATHER, Tool("search", kind="builtin")),
            Said(calls=(Call("own", ""),)),
            True,
            False,
        ),
        (
            request("text", None, WEATHER, Tool("far", parameters=FAR)),
            Said(calls=(Call("far", "{}"), GOOD)),
            False,
            False,
        ),
        (
            request("text", None, WEATHER, Tool("far", parameters=FAR)),
            Said(calls=(Call("far", "{}"), BAD)),
            False,
            True,
        ),
    ],
)
def test_a_verdict_says_whether_it_tells_of_the_model(
    asked: Request, answer: Said, *, holds: bool, tells: bool
) -> None:
    verdict = schema.verdict(asked, answer)
    assert (verdict.holds, verdict.tells) == (holds, tells)


def test_only_requests_with_something_to_hold_against_are_for_it() -> None:
    assert schema.applies(frozenset({"tools"}))
    assert schema.applies(frozenset({"json"}))
    assert not schema.applies(frozenset({"images"}))


# --- agreement


@pytest.mark.parametrize(
    ("one", "other", "agree"),
    [
        ("Four arches.", "four arches", True),
        ("The answer is 1,234", "the answer is 1234!", True),
        ("-5", "5", False),
        ("3.5", "35", False),
        ("Yes.", "No.", False),
        ("Long talk.\nFinal answer: 42", "Other words entirely.\n**Answer:** 42", True),
        ("So x = 3.\n#### 42", "So x = 3.\n#### 41", False),
        (r"Hence \boxed{\frac{1}{2}}.", r"It is \boxed{\frac{1}{2}}", True),
        ('{"a": 1, "b": [true]}', '{"b":[true],"a":1.0}', True),
        ('{"a": 1}', '{"a": true}', False),
        ('{"city": "Arles "}', '{"city": "arles"}', True),
        (
            "The bridge was built in the twelfth century and lost most of its arches to the floods.",
            "Built in the twelfth century, the bridge lost most of its arches to floods later.",
            True,
        ),
        (
            "The bridge was built in the twelfth century and lost most of its arches to the floods.",
            "I would rather speak about something else, such as the weather in the mountains today.",
            False,
        ),
        ("", "", True),
        ("", "word", False),
    ],
)
def test_answers_agree_when_they_come_to_the_same(one: str, other: str, agree: bool) -> None:
    verdict = agreement.verdict((Said(one), Said(other)))
    assert verdict.holds is agree
    assert verdict.why.startswith("2 answers of the same model ")
    assert agreement.verdict((Said(other), Said(one))).holds is agree


def test_every_sample_must_agree_with_the_first() -> None:
    assert agreement.verdict((Said("4"), Said("4"), Said("4"))).holds
    assert not agreement.verdict((Said("4"), Said("4"), Said("5"))).holds


def test_calls_agree_by_their_arguments() -> None:
    one = Said(calls=(Call("a", '{"x": 1, "y": 2}'), Call("b", "{}")))
    assert agreement.verdict((one, Said(calls=(Call("b", "{}"), Call("a", '{"y":2,"x":1}'))))).holds
    assert not agreement.verdict((one, Said("words"))).holds


def test_refusals_and_cuts() -> None:
    assert agreement.verdict((Said(declined=True), Said(declined=True))).holds
    assert not agreement.verdict((Said(declined=True), Said("yes"))).holds
    assert not agreement.verdict((Said("yes"), Said("yes", finish="length"))).holds


# --- tests


@pytest.mark.parametrize(
    ("tests", "good", "bad", "check"),
    [
        (Tests(is_json=True), '```json\n{"a": 1}\n```', "Sure: {}", "is_json"),
        (
            Tests(is_python=True),
            "Here:\n```python\nx = 1\n```\nDone.",
            "```python\nx = = 1\n```",
            "is_python",
        ),
        (Tests(is_python=True), "x = 1", "(" * 20_000, "is_python"),
        (Tests(is_python=True), "def f(): ...", "1" + "+1" * 15_000, "is_python"),
        (Tests(not_a_refusal=True), "I can.", "I’m sorry, but I can't help with that.", "not_a_refusal"),
        (Tests(not_a_refusal=True), "Bien sûr.", "Je suis désolé, mais je ne peux pas.", "not_a_refusal"),
        (Tests(contains=("Rhône", "four")), "FOUR on the rhône", "four", "contains"),
        (Tests(lacks=("TODO",)), "done", "x = 1  # todo", "lacks"),
        (Tests(starts_with="yes"), " Yes, indeed", "No", "starts_with"),
        (Tests(ends_with="."), "Done. ", "Done", "ends_with"),
        (Tests(one_of=("positive", "negative")), "Positive\n", "positive, I think", "one_of"),
        (Tests(pattern=r"^[A-Z]{2}-\d+$"), "FR-123", "FR-12a", "pattern"),
        (Tests(pattern="^(a+)+$"), "aaa", "a" * 50_000 + "!", "pattern"),
        (Tests(min_chars=3), "abc", "ab", "min_chars"),
        (Tests(max_chars=3), "abc", "abcd", "max_chars"),
    ],
)
def test_each_check(tests: Tests, good: str, bad: str, check: str) -> None:
    assert checks.verdict("t", tests, Said(good)).holds
    verdict = checks.verdict("t", tests, Said(bad))
    assert not verdict.holds
    assert verdict.why == f"it fails `{check}` of the tests `t`"


def test_every_check_that_is_set_must_hold() -> None:
    both = Tests(contains=("a",), max_chars=2)
    assert checks.verdict("t", both, Said("a")).holds
    assert not checks.verdict("t", both, Said("aaa")).holds
    assert not checks.verdict("t", both, Said("b")).holds


def test_what_was_cut_passes_nothing_and_calls_are_not_looked_at() -> None:
    assert not checks.verdict("t", Tests(contains=("a",)), Said("a", finish="length")).holds
    called = checks.verdict("t", Tests(contains=("a",)), Said(calls=(Call("x", "{}"),), finish="tool_calls"))
    assert called.holds
    assert not called.tells


def test_the_settings_are_those_of_the_checks() -> None:
    from passerelle.config.cascade import TestSettings

    assert tuple(TestSettings.model_fields) == Tests.__struct_fields__
