from hypothesis import given
from hypothesis import strategies as st

from passerelle.codecs.names import fit_id, fit_name, fit_names, restore, restore_event
from passerelle.core.event import PartStarted
from passerelle.core.message import TextPart, ToolCallPart
from passerelle.core.response import Response


@given(st.text(), st.integers(16, 128))
def test_a_fitted_name_is_always_acceptable_and_stable(name: str, limit: int) -> None:
    fitted = fit_name(name, limit)
    assert 1 <= len(fitted) <= limit
    assert fitted.isascii()
    assert set(fitted) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")
    assert fit_name(name, limit) == fitted
    assert fit_name(fitted, limit) == fitted


def test_a_good_name_is_left_alone() -> None:
    assert fit_name("mcp__github__list_issues") == "mcp__github__list_issues"
    assert fit_names(["a", "b-c"]) == {}


def test_two_long_names_that_begin_alike_stay_apart() -> None:
    first, second = "mcp__server__" + "x" * 80 + "a", "mcp__server__" + "x" * 80 + "b"
    assert fit_name(first) != fit_name(second)
    assert fit_names([first, second]) == {fit_name(first): first, fit_name(second): second}


def test_the_answer_gets_the_callers_names_back() -> None:
    renamed = {"short": "the.caller's name"}
    response = Response(parts=(TextPart("hi"), ToolCallPart(id="1", name="short")), finish="tool_calls")
    assert restore(response, renamed).parts[1] == ToolCallPart(id="1", name="the.caller's name")
    assert restore(response, {}) is response
    started = PartStarted(0, "tool_call", id="1", name="short")
    assert restore_event(started, renamed) == PartStarted(0, "tool_call", id="1", name="the.caller's name")
    assert restore_event(started, {}) is started


def test_only_an_unfit_id_is_replaced() -> None:
    assert fit_id("call_1", "call_") == "call_1"
    assert fit_id("x" * 65, "call_") == fit_id("x" * 65, "call_")
    assert len(fit_id("x" * 65, "call_")) == 37
    assert fit_id("", "call_").startswith("call_")
