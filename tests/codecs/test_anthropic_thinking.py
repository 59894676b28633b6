"""How much to think: what each generation of Claude takes, and what becomes of what was asked."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from passerelle.codecs import registry
from passerelle.codecs.anthropic.schema import fit
from passerelle.codecs.anthropic.thinking import BUDGET_OF, LEAST_BUDGET, Thought, effort_of, fitting, plan
from passerelle.codecs.base import Target
from passerelle.codecs.claude import COMPATIBLE, rules_for
from passerelle.core.message import Message, TextPart
from passerelle.core.request import Reasoning, Request, Sampling, Tool, ToolChoice

# What Anthropic documents of each model (platform.claude.com/docs, "Troubleshooting thinking", "Effort",
# read 2026-11-22): the thinking types it takes, how thinking is turned off, and its highest effort.
DOCUMENTED = {
    "claude-3-5-sonnet-20241022": ((), "disabled", None),
    "claude-3-7-sonnet-20250219": (("enabled",), "disabled", None),
    "claude-opus-4-20250514": (("enabled",), "disabled", None),
    "claude-opus-4@20250514": (("enabled",), "disabled", None),
    "anthropic.claude-opus-4-1-20250805-v1:0": (("enabled",), "disabled", None),
    "claude-haiku-4-5-20251001": (("enabled",), "disabled", None),
    "claude-sonnet-4-5": (("enabled",), "disabled", None),
    "claude-opus-4-5-20251101": (("enabled",), "disabled", "high"),
    "claude-sonnet-4-6": (("enabled", "adaptive"), "disabled", "max"),
    "claude-opus-4-6": (("enabled", "adaptive"), "disabled", "max"),
    "claude-opus-4-7": (("adaptive",), "disabled", "max"),
    "claude-opus-4-8": (("adaptive",), "disabled", "max"),
    "claude-sonnet-5": (("adaptive",), "disabled", "max"),
    "us.anthropic.claude-sonnet-5-v1:0": (("adaptive",), "disabled", "max"),
    "claude-sonnet-5-5": (("adaptive",), "between_tools", "max"),
    "claude-haiku-5-5": (("adaptive",), "disabled", "max"),
    "claude-opus-5": (("adaptive",), "disabled", "max"),
    "claude-opus-5-5": (("adaptive",), "never", "max"),
    "claude-fable-5": (("adaptive",), "never", "max"),
    "claude-mythos-5-1": (("adaptive",), "never", "max"),
    "claude-mythos-preview": (("enabled", "adaptive"), "never", "max"),
}


@pytest.mark.parametrize("model", DOCUMENTED)
def test_each_generation_takes_what_is_documented_of_it(model: str) -> None:
    rules = rules_for(model)
    kinds = (("enabled",) if rules.budget else ()) + (("adaptive",) if rules.adaptive else ())
    top = rules.efforts[-1] if rules.efforts else None
    assert (kinds, rules.off, top) == DOCUMENTED[model]
    assert rules.claude


@pytest.mark.parametrize(
    ("model", "forced", "sampling", "system"),
    [
        ("claude-opus-4-5", True, True, False),
        ("claude-opus-4-7", True, False, False),
        ("claude-opus-4-8", True, False, True),
        ("claude-opus-5", True, False, True),
        ("claude-fable-5", True, False, True),
        ("claude-fable-5-1", False, False, True),
        ("claude-opus-5-5", False, False, True),
        ("claude-sonnet-5-5", False, False, True),
        ("claude-haiku-5-5", True, False, True),
        ("claude-latest", True, True, True),
        ("claude-mock", True, True, True),
        ("anthropic.claude-x-v1:0", True, True, True),
    ],
)
def test_what_newer_generations_gave_up(model: str, forced: bool, sampling: bool, system: bool) -> None:
    rules = rules_for(model)
    assert (rules.forced_tools, rules.sampling, rules.system_turns) == (forced, sampling, system)


def test_other_makers_follow_the_shape_they_copied() -> None:
    assert rules_for("glm-5.2") == rules_for("kimi-k3") == COMPATIBLE
    assert COMPATIBLE.budget
    assert not COMPATIBLE.claude


def ask(
    model: str,
    *,
    native: bool = False,
    max_tokens: int | None = 64_000,
    ceiling: int | None = None,
    **asked: Any,
) -> tuple[Thought, list[str]]:
    lost: list[str] = []
    thought = plan(
        Reasoning(**asked),
        rules_for(model),
        native=native,
        max_tokens=max_tokens,
        ceiling=ceiling,
        lose=lost.append,
    )
    return thought, lost


OLD, MIDDLE, NEW = "claude-sonnet-4-5", "claude-opus-4-6", "claude-opus-4-8"


@pytest.mark.parametrize(
    ("model", "asked", "thinking", "effort"),
    [
        (NEW, {"effort": "high"}, {"type": "adaptive"}, "high"),
        (NEW, {"effort": "minimal"}, {"type": "adaptive"}, "low"),
        (NEW, {"budget_tokens": 10_000}, {"type": "adaptive"}, "medium"),
        (NEW, {"adaptive": True}, {"type": "adaptive"}, None),
        (NEW, {"enabled": True, "show": True}, {"type": "adaptive", "display": "summarized"}, None),
        (NEW, {"effort": "low", "show": False}, {"type": "adaptive", "display": "omitted"}, "low"),
        (NEW, {"effort": "none"}, {"type": "disabled"}, None),
        (NEW, {"budget_tokens": 0}, {"type": "disabled"}, None),
        (MIDDLE, {"effort": "xhigh"}, {"type": "adaptive"}, "high"),
        (MIDDLE, {"budget_tokens": 5_000}, {"type": "enabled", "budget_tokens": 5_000}, None),
        (OLD, {"effort": "high"}, {"type": "enabled", "budget_tokens": 24_576}, None),
        (OLD, {"effort": "low", "show": True}, {"type": "enabled", "budget_tokens": 1_024}, None),
        (OLD, {"adaptive": True}, {"type": "enabled", "budget_tokens": 8_192}, None),
        (OLD, {"budget_tokens": 300}, {"type": "enabled", "budget_tokens": 1_024}, None),
        ("claude-opus-4-5", {"effort": "max"}, {"type": "enabled", "budget_tokens": 32_000}, "high"),
        ("claude-sonnet-5-5", {"enabled": False}, {"type": "between_tools"}, None),
        ("glm-5", {"effort": "medium"}, {"type": "enabled", "budget_tokens": 8_192}, None),
        (NEW, {}, None, None),
    ],
)
def test_what_another_dialect_asked_becomes_what_the_model_takes(
    model: str, asked: dict[str, Any], thinking: dict[str, Any] | None, effort: str | None
) -> None:
    thought, lost = ask(model, **asked)
    assert (thought.thinking, thought.effort, lost) == (thinking, effort, [])


@pytest.mark.parametrize(
    ("model", "asked"),
    [
        ("claude-3-5-haiku-latest", {"effort": "high"}),
        ("claude-opus-5-5", {"effort": "none"}),
        ("claude-fable-5", {"enabled": False}),
    ],
)
def test_what_the_model_cannot_do_is_reported(model: str, asked: dict[str, Any]) -> None:
    thought, lost = ask(model, **asked)
    assert thought.thinking is None
    assert lost == ["reasoning.effort"]


def test_effort_written_natively_does_not_ask_for_thinking() -> None:
    thought, lost = ask(NEW, native=True, effort="high")
    assert (thought.thinking, thought.effort, lost) == (None, "high", [])


def test_effort_written_natively_is_reported_where_there_is_none() -> None:
    assert ask("claude-haiku-4-5", native=True, effort="high")[1] == ["output_config.effort"]


def test_a_budget_leaves_room_for_the_answer() -> None:
    thought, _ = ask(OLD, max_tokens=10_000, effort="high")
    assert thought.thinking == {"type": "enabled", "budget_tokens": 8_000}


def test_a_limit_nobody_named_grows_to_hold_the_thoughts() -> None:
    thought, _ = ask(OLD, max_tokens=None, effort="medium")
    assert (thought.max_tokens, thought.thinking) == (12_288, {"type": "enabled", "budget_tokens": 8_192})


def test_no_thinking_fits_into_a_small_answer() -> None:
    thought, lost = ask(OLD, max_tokens=1_000, effort="low")
    assert (thought.thinking, lost) == (None, ["reasoning.effort"])


@given(
    st.sampled_from([*DOCUMENTED, "glm-5"]),
    st.booleans(),
    st.none() | st.integers(1, 100_000),
    st.none() | st.integers(1, 200_000),
    st.builds(
        Reasoning,
        enabled=st.none() | st.booleans(),
        effort=st.none() | st.sampled_from(["none", "minimal", "low", "medium", "high", "xhigh", "max"]),
        budget_tokens=st.none() | st.integers(0, 100_000),
        adaptive=st.booleans(),
        show=st.none() | st.booleans(),
    ),
)
def test_no_plan_is_one_the_model_refuses(
    model: str, native: bool, max_tokens: int | None, ceiling: int | None, asked: Reasoning
) -> None:
    rules = rules_for(model)
    thought = plan(asked, rules, native=native, max_tokens=max_tokens, ceiling=ceiling, lose=lambda _: None)
    if max_tokens is not None:
        assert thought.max_tokens <= max_tokens
    if ceiling is not None:
        assert thought.max_tokens <= ceiling
    kind = thought.thinking["type"] if thought.thinking else None
    if kind == "enabled" and thought.thinking:
        assert LEAST_BUDGET <= thought.thinking["budget_tokens"] < thought.max_tokens
    if rules.claude:
        assert kind != "enabled" or rules.budget
        assert kind != "adaptive" or rules.adaptive
        assert kind in (None, "enabled", "adaptive", rules.off)
        assert thought.effort is None or thought.effort in rules.efforts


@pytest.mark.parametrize("effort", BUDGET_OF)
def test_effort_and_budget_map_to_and_fro(effort: Any) -> None:
    expected = {"minimal": "low", "max": "xhigh"}.get(effort, effort)
    assert effort_of(BUDGET_OF[effort]) == expected


def test_a_level_the_model_lacks_becomes_the_one_below() -> None:
    assert fitting("xhigh", ("low", "medium", "high", "max")) == "high"
    assert fitting("minimal", ("low", "high")) == "low"
    assert fitting("high", ()) is None


schemas = st.recursive(
    st.fixed_dictionaries({"type": st.sampled_from(["string", "integer", "null", "boolean"])}),
    lambda inner: st.fixed_dictionaries(
        {},
        optional={
            "type": st.just("object"),
            "properties": st.dictionaries(st.sampled_from("abc"), inner, max_size=2),
            "items": inner, "anyOf": st.lists(inner, max_size=2), "oneOf": st.lists(inner, max_size=2),
            "minimum": st.integers(), "minItems": st.integers(0, 3), "pattern": st.just("x"),
            "additionalProperties": st.booleans() | inner, "description": st.text(max_size=3),
            "$defs": st.dictionaries(st.sampled_from("de"), inner, max_size=1),
            "format": st.sampled_from(["date", "x"]),
        },
    ),
    max_leaves=5,
)  # fmt: skip
_TAKEN = {
    "$ref", "type", "enum", "const", "description", "title", "default", "required", "properties", "$defs",
    "definitions", "anyOf", "allOf", "items", "format", "minItems", "additionalProperties",
}  # fmt: skip


def _check(schema: dict[str, Any]) -> None:
    assert set(schema) <= _TAKEN
    if schema.get("type") == "object" or "properties" in schema:
        assert schema["additionalProperties"] is False
    assert schema.get("minItems", 0) in (0, 1)
    for inner in [
        *schema.get("properties", {}).values(),
        *schema.get("$defs", {}).values(),
        *schema.get("anyOf", ()),
    ]:
        _check(inner)
    if "items" in schema:
        _check(schema["items"])


@given(schemas)
def test_a_fitted_schema_is_in_anthropics_subset_and_fits_unchanged(schema: dict[str, Any]) -> None:
    fitted, _ = fit(schema)
    _check(fitted)
    assert fit(fitted) == (fitted, False)


@pytest.mark.parametrize("model", ["claude-mock", "claude-latest", "anthropic.claude-next-v1:0"])
def test_a_claude_of_no_version_is_sent_what_its_caller_asks_for_outright(model: str) -> None:
    """Nothing is known to refuse it; of one thing in two forms, that of most of today's models is taken."""
    request = Request(
        "m", (Message("user", (TextPart("Hi."),)),), "openai_chat", tools=(Tool("f", parameters={}),),
        tool_choice=ToolChoice("tool", name="f"), sampling=Sampling(temperature=0.3, top_p=0.9, top_k=4),
    )  # fmt: skip
    done = registry.provider("anthropic").encode_request(request, Target(model))
    body = json.loads(done.body)
    assert (body["temperature"], body["top_k"]) == (0.3, 4)
    assert body["tool_choice"] == {"type": "tool", "name": "f"}
    assert done.dropped == ("top_p",)
    thinking = replace(request, reasoning=Reasoning(effort="high"), tool_choice=None, sampling=Sampling())
    body = json.loads(registry.provider("anthropic").encode_request(thinking, Target(model)).body)
    assert (body["thinking"]["type"], body["output_config"]) == ("adaptive", {"effort": "high"})
