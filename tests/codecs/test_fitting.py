"""Settings a model does not take are left out, adapted or refused, and told of; others are not touched."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.codecs import registry
from passerelle.codecs.base import PathTarget, Target
from passerelle.codecs.fitting import UnfitError, fit_body, fit_request
from passerelle.codecs.fitting.relayed import PLACES
from passerelle.codecs.fitting.settings import USUAL, fitting, judge
from passerelle.core.accepts import ANYTHING, EFFORTS, Accepts, Range, laid_over
from passerelle.core.message import Message, TextPart
from passerelle.core.request import Dialect, Reasoning, Request, Sampling, Tool

COLD = Accepts(refuses=frozenset({"temperature", "top_p", "stop", "logprobs", "seed"}))
NARROW = Accepts(ranges=(Range("temperature", 0, 1), Range("top_p", 0.01, 1)), stops=2, one_sampler=True)
CLAUDE_45 = Accepts(
    thinking=frozenset({"enabled", "disabled"}),
    plain_when_thinking=True,
    ranges=(Range("temperature", 0, 1), Range("budget", 1024)),
)
CLAUDE_5 = Accepts(
    thinking=frozenset({"adaptive"}),
    efforts=("low", "medium", "high"),
    plain_when_thinking=True,
    refuses=frozenset({"prefill", "n"}),
)
HELLO = [{"role": "user", "content": "hi"}]


TURNS = [{"role": "user", "content": [{"text": "hi"}]}]


def chat(**fields: Any) -> bytes:
    return json.dumps({"model": "m", "messages": HELLO, **fields}).encode()


def messages(**fields: Any) -> bytes:
    return json.dumps({"model": "m", "max_tokens": 4000, "messages": HELLO, **fields}).encode()


def relayed(body: bytes, accepts: Accepts, dialect: Dialect = "openai_chat") -> tuple[dict[str, Any], Any]:
    fitted, told = fit_body(body, dialect, accepts)
    return json.loads(fitted), told


@pytest.mark.parametrize(
    ("accepts", "asked", "left", "told"),
    [
        (COLD, {"temperature": 0.2, "seed": 7}, {}, ("temperature", "seed")),
        (COLD, {"temperature": 1, "top_p": 1.0, "stop": []}, {}, ()),
        (COLD, {"presence_penalty": 1}, {"presence_penalty": 1}, ()),
        (NARROW, {"temperature": 1.7}, {"temperature": 1}, ("temperature=1",)),
        (NARROW, {"temperature": 0.5, "top_p": 0.5}, {"temperature": 0.5}, ("top_p",)),
        (NARROW, {"stop": ["a", "b", "c"]}, {"stop": ["a", "b"]}, ("stop",)),
        (NARROW, {"top_p": 0}, {"top_p": 0.01}, ("top_p=0.01",)),
        (Accepts(efforts=("low", "high")), {"reasoning_effort": "medium"}, {"reasoning_effort": "low"},
         ("reasoning_effort=low",)),
        (Accepts(efforts=("low", "high")), {"reasoning_effort": "none"}, {"reasoning_effort": "low"},
         ("reasoning_effort=low",)),
        (Accepts(efforts=()), {"reasoning_effort": "high"}, {}, ("reasoning_effort",)),
        (Accepts(efforts=()), {"reasoning_effort": "none"}, {}, ()),
        (Accepts(samples="unasked"), {"temperature": 0.3}, {"temperature": 0.3}, ()),
        (Accepts(samples="unasked"), {"temperature": 0.3, "reasoning_effort": "low"},
         {"reasoning_effort": "low"}, ("temperature",)),
        (Accepts(tools="unasked", efforts=("none", "low")), {"tools": [{}], "reasoning_effort": "low"},
         {"tools": [{}], "reasoning_effort": "none"}, ("reasoning_effort=none",)),
    ],
)  # fmt: skip
def test_a_relayed_setting_becomes_what_the_model_takes(
    accepts: Accepts, asked: dict[str, Any], left: dict[str, Any], told: tuple[str, ...]
) -> None:
    body, said = relayed(chat(**asked), accepts)
    assert body == {"model": "m", "messages": HELLO, **left}
    assert said == told


@pytest.mark.parametrize(
    ("accepts", "asked", "left", "told"),
    [
        (CLAUDE_5, {"thinking": {"type": "enabled", "budget_tokens": 2000}},
         {"thinking": {"type": "adaptive"}}, ("thinking=adaptive",)),
        (CLAUDE_5, {"thinking": {"type": "disabled"}}, {}, ("thinking",)),
        (CLAUDE_5, {"output_config": {"effort": "max"}}, {"output_config": {"effort": "high"}},
         ("output_config.effort=high",)),
        (CLAUDE_45, {"thinking": {"type": "adaptive"}},
         {"thinking": {"type": "enabled", "budget_tokens": 3999}}, ("thinking=enabled",)),
        (CLAUDE_45, {"thinking": {"type": "enabled", "budget_tokens": 9000}},
         {"thinking": {"type": "enabled", "budget_tokens": 3999}}, ("thinking.budget_tokens=3999",)),
        (CLAUDE_45, {"thinking": {"type": "enabled", "budget_tokens": 2000}, "temperature": 0.4, "top_k": 3},
         {"thinking": {"type": "enabled", "budget_tokens": 2000}}, ("temperature", "top_k")),
        (CLAUDE_45, {"thinking": {"type": "enabled", "budget_tokens": 2000}, "tool_choice": {"type": "any"}},
         {"tool_choice": {"type": "any"}}, ("thinking",)),
        (CLAUDE_5, {"thinking": {"type": "adaptive"}, "tool_choice": {"type": "tool", "name": "f"}},
         {"thinking": {"type": "adaptive"}, "tool_choice": {"type": "auto"}}, ("tool_choice=auto",)),
    ],
)  # fmt: skip
def test_thinking_becomes_what_the_model_takes(
    accepts: Accepts, asked: dict[str, Any], left: dict[str, Any], told: tuple[str, ...]
) -> None:
    body, said = relayed(messages(**asked), accepts, "anthropic")
    assert body == {"model": "m", "max_tokens": 4000, "messages": HELLO, **left}
    assert said == told


def test_googles_settings_are_found_where_google_has_them() -> None:
    accepts = Accepts(
        refuses=frozenset({"top_k"}), efforts=("low", "high"), ranges=(Range("budget", 128, 100, (-1,)),)
    )
    config = {"topK": 4, "thinkingConfig": {"thinkingLevel": "MINIMAL"}, "maxOutputTokens": 9}
    body = json.dumps({"contents": [], "generationConfig": config}).encode()
    fitted, told = fit_body(body, "gemini", accepts, most_output_tokens=5)
    expected = {"thinkingConfig": {"thinkingLevel": "LOW"}, "maxOutputTokens": 5}
    assert json.loads(fitted)["generationConfig"] == expected
    assert told == (
        "generationConfig.thinkingConfig.thinkingLevel=low", "generationConfig.topK",
        "generationConfig.maxOutputTokens=5",
    )  # fmt: skip


def test_googles_other_spelling_is_known_too() -> None:
    config = {"top_k": 4, "thinking_config": {"thinking_level": "MINIMAL"}, "temperature": 0.5}
    talk = [{"parts": [{"text": "hi"}]}]
    body = json.dumps({"contents": talk, "generation_config": config}).encode()
    seen = registry.client("gemini").envelope(body, PathTarget("chat", model="m")).settings
    accepts = Accepts(refuses=frozenset({"top_k"}), efforts=("low",))
    fitted, told = fit_body(body, "gemini", accepts, seen)
    expected = {"thinking_config": {"thinking_level": "LOW"}, "temperature": 0.5}
    assert json.loads(fitted)["generation_config"] == expected
    assert told == ("generation_config.thinking_config.thinking_level=low", "generation_config.top_k")


@pytest.mark.parametrize(
    ("dialect", "body", "accepts", "field"),
    [
        ("openai_chat", chat(temperature=3), NARROW, "temperature"),
        ("openai_chat", chat(reasoning_effort="ultra"), Accepts(efforts=("low",)), "reasoning_effort"),
        ("openai_chat", chat(n=3), CLAUDE_5, "n"),
        ("openai_chat", chat(tools=[{}]), Accepts(tools="never"), "tools"),
        (
            "anthropic",
            messages(messages=[*HELLO, {"role": "assistant", "content": "{"}]),
            CLAUDE_5,
            "messages",
        ),
        ("anthropic", messages(temperature=1.5), NARROW, "temperature"),
    ],
)
def test_what_nothing_nearby_would_do_for_is_refused_by_the_callers_own_name(
    dialect: Dialect, body: bytes, accepts: Accepts, field: str
) -> None:
    with pytest.raises(UnfitError) as caught:
        fit_body(body, dialect, accepts)
    assert caught.value.problem.param == field
    assert f"`{field}`" in caught.value.problem.message
    assert caught.value.problem.http_status == 400


def test_a_body_that_fits_is_the_same_bytes() -> None:
    body = b'{"model": "m",  "messages":[{"role":"user","content":"hi"}], "temperature" : 0.5}'
    assert fit_body(body, "openai_chat", NARROW) == (body, ())


settings = st.fixed_dictionaries(
    {},
    optional={
        "temperature": st.floats(0, 2),
        "top_p": st.floats(0, 1),
        "stop": st.lists(st.text(min_size=1, max_size=3), max_size=6),
        "seed": st.integers(0, 9),
        "logprobs": st.booleans(),
        "presence_penalty": st.floats(-2, 2),
        "reasoning_effort": st.sampled_from(EFFORTS),
        "verbosity": st.sampled_from(["low", "medium", "high"]),
    },
)
tables = st.builds(
    Accepts,
    refuses=st.frozensets(st.sampled_from(["temperature", "top_p", "stop", "seed", "logprobs", "verbosity"])),
    ranges=st.just((Range("temperature", 0, 1), Range("presence_penalty", -1, 1))),
    efforts=st.none() | st.just(()) | st.just(("low", "high")) | st.just(("none", "medium")),
    stops=st.none() | st.just(4),
    one_sampler=st.none() | st.just(True),
    samples=st.none() | st.just("unasked"),
)


@given(settings, tables)
def test_nothing_is_lost_without_a_word_and_what_is_sent_fits(
    asked: dict[str, Any], accepts: Accepts
) -> None:
    body, told = relayed(chat(**asked), accepts)
    named = {said.partition("=")[0] for said in told}
    for name, value in asked.items():
        core = "effort" if name == "reasoning_effort" else name
        if body.get(name) != value and name not in named:
            usual = value == USUAL.get(core) or (core == "effort" and value == "none")
            assert usual or value == [], (name, value, told)
    again, nothing = relayed(json.dumps(body).encode(), accepts)
    assert (again, nothing) == (body, ())  # what was made to fit, fits


@given(settings, tables)
def test_a_translated_request_is_fitted_as_a_relayed_one(asked: dict[str, Any], accepts: Accepts) -> None:
    request = registry.client("openai_chat").decode_request(chat(**asked), PathTarget("chat"))
    sent = fit_request(request, accepts, "openai_responses")
    body, told = relayed(chat(**asked), accepts)
    words = {"reasoning.effort": "reasoning_effort"}
    named = [words.get(d.partition("=")[0], d.partition("=")[0]) for d in sent.dropped]
    assert sorted(named) == sorted(said.partition("=")[0] for said in told)
    effort = "none" if sent.reasoning.enabled is False else sent.reasoning.effort
    assert effort == body.get("reasoning_effort")
    assert sent.sampling.temperature == body.get("temperature")
    assert list(sent.sampling.stop) == body.get("stop", [])


@given(settings, tables)
def test_what_the_envelope_read_is_as_good_as_the_body(asked: dict[str, Any], accepts: Accepts) -> None:
    body = chat(**asked)
    seen = registry.client("openai_chat").envelope(body, PathTarget("chat")).settings
    assert fit_body(body, "openai_chat", accepts, seen) == fit_body(body, "openai_chat", accepts)
    if accepts.watched.isdisjoint(seen):
        assert fit_body(body, "openai_chat", accepts) == (body, ())


thinkings = st.fixed_dictionaries(
    {},
    optional={
        "thinking": st.sampled_from(
            [{"type": "adaptive"}, {"type": "disabled"}, {"type": "enabled", "budget_tokens": 9000}]
        ),
        "output_config": st.sampled_from([{"effort": "low"}, {"effort": "max"}]),
        "temperature": st.sampled_from([0.5, 1]),
        "tool_choice": st.sampled_from([{"type": "any"}, {"type": "auto"}]),
    },
)


@given(thinkings, st.sampled_from([CLAUDE_45, CLAUDE_5]))
def test_what_the_envelope_read_of_messages_is_as_good_as_the_body(
    asked: dict[str, Any], accepts: Accepts
) -> None:
    body = messages(**asked)
    seen = registry.client("anthropic").envelope(body, PathTarget("chat")).settings
    assert fit_body(body, "anthropic", accepts, seen) == fit_body(body, "anthropic", accepts)
    if accepts.watched.isdisjoint(seen):
        assert fit_body(body, "anthropic", accepts) == (body, ())


def test_several_answers_are_refused_where_only_one_can_be_carried() -> None:
    asked = Request("m", (Message("user", (TextPart("hi"),)),), "openai_chat", sampling=Sampling(n=3))
    with pytest.raises(UnfitError, match="`n` is 3"):
        fit_request(asked, None, "anthropic")
    assert fit_request(asked, None, "openai_chat") is asked


def test_an_anthropic_effort_none_is_left_to_its_codec() -> None:
    hi = (Message("user", (TextPart("hi"),)),)
    off = Request("m", hi, "openai_chat", reasoning=Reasoning(enabled=False, effort="none"))
    assert fit_request(off, Accepts(efforts=("low", "high")), "anthropic") is off
    most = Request("m", hi, "openai_chat", reasoning=Reasoning(effort="xhigh"))
    fitted = fit_request(most, Accepts(efforts=("low", "high")), "anthropic")
    assert (fitted.reasoning.effort, fitted.dropped) == ("high", ("reasoning.effort=high",))


def test_functions_rest_the_model_when_a_translated_request_has_them() -> None:
    hi = (Message("user", (TextPart("hi"),)),)
    request = Request(
        "m", hi, "anthropic", tools=(Tool("f"),), reasoning=Reasoning(enabled=True, effort="low")
    )
    fitted = fit_request(request, Accepts(tools="at_none", efforts=("none", "low")), "openai_chat")
    assert (fitted.reasoning.enabled, fitted.dropped) == (False, ("reasoning.effort=none",))
    encoded = registry.provider("openai_chat").encode_request(
        fitted, Target("m", capabilities=frozenset({"reasoning"}))
    )
    assert json.loads(encoded.body)["reasoning_effort"] == "none"


@pytest.mark.parametrize("effort", EFFORTS)
def test_an_effort_goes_to_the_nearest_below(effort: str) -> None:
    assert fitting(effort, EFFORTS) == effort
    assert fitting(effort, ("low", "high")) == ("low" if EFFORTS.index(effort) < 4 else "high")  # type: ignore[arg-type]


def test_what_is_laid_over_adds_refusals_and_lifts_them() -> None:
    base = Accepts(refuses=frozenset({"seed", "n"}), efforts=("low",), ranges=(Range("top_p", 0, 1),))
    over = Accepts(refuses=frozenset({"stop"}), ranges=(Range("top_p", 0.5, 1), Range("temperature", 0, 2)))
    both = laid_over(base, over, takes=frozenset({"n"}))
    assert both.refuses == {"seed", "stop"}
    assert both.efforts == ("low",)
    assert [(r.setting, r.least) for r in both.ranges] == [("temperature", 0), ("top_p", 0.5)]


def test_nothing_known_watches_nothing() -> None:
    assert ANYTHING.watched == frozenset()
    assert not judge({"temperature": 9}, ANYTHING, "openai_chat").changes


@pytest.mark.parametrize("dialect", PLACES)
def test_the_envelope_names_every_setting_that_a_body_has(dialect: Dialect) -> None:
    """A setting the envelope did not name would not be looked at: a provider's 400."""
    bodies: dict[Dialect, dict[str, Any]] = {
        "openai_chat": {
            "temperature": 1, "top_p": 1, "top_k": 1, "seed": 1, "stop": "a", "presence_penalty": 1,
            "frequency_penalty": 1, "logprobs": True, "top_logprobs": 1, "logit_bias": {"1": 1}, "n": 2,
            "parallel_tool_calls": True, "verbosity": "low", "service_tier": "auto", "tool_choice": "auto",
            "reasoning_effort": "low",
        },
        "openai_responses": {
            "input": "hi", "temperature": 1, "top_p": 1, "top_logprobs": 1, "parallel_tool_calls": True,
            "service_tier": "auto", "tool_choice": "auto", "reasoning": {"effort": "low"},
            "text": {"verbosity": "low"},
        },
        "anthropic": {
            "max_tokens": 1, "temperature": 1, "top_p": 1, "top_k": 1, "tool_choice": {"type": "auto"},
            "thinking": {"type": "enabled", "budget_tokens": 1024}, "output_config": {"effort": "low"},
        },
        "gemini": {"contents": [{"parts": [{"text": "hi"}]}], "generationConfig": {"temperature": 1}},
        "bedrock": {
            "messages": TURNS,
            "inferenceConfig": {"temperature": 1, "topP": 1, "stopSequences": ["a"], "maxTokens": 9},
            "toolConfig": {"tools": [], "toolChoice": {"auto": {}}}, "serviceTier": {"type": "flex"},
            "outputConfig": {"effort": "low"}, "additionalModelRequestFields": {
                "thinking": {"type": "enabled", "budget_tokens": 1024}, "top_k": 3},
        },
    }  # fmt: skip
    body = {"model": "m", "messages": HELLO, **bodies[dialect]} if dialect != "gemini" else bodies[dialect]
    target = PathTarget("chat", model="m")
    envelope = registry.client(dialect).envelope(json.dumps(body).encode(), target)
    if dialect == "gemini":
        assert envelope.settings.keys() == {"*"}
    else:
        unseen = (
            {"max_tokens", "budget", "stop", "service_tier"} if dialect == "anthropic" else {"max_tokens"}
        )
        assert envelope.settings.keys() >= PLACES[dialect].keys() - unseen


ADDITIONAL = "additionalModelRequestFields"
LITTLE = Accepts(
    refuses=frozenset({"top_k", "tool_choice", "prefill"}),
    ranges=(Range("temperature", 0, 0.5), Range("budget", 1024)),
    efforts=("low", "high"),
    thinking=frozenset({"adaptive"}),
    stops=1,
    one_sampler=True,
)


def converse(**fields: Any) -> bytes:
    return json.dumps({"messages": TURNS, **fields}).encode()


@pytest.mark.parametrize(
    ("fields", "left", "told"),
    [
        ({"inferenceConfig": {"temperature": 0.9, "topP": 0.9, "maxTokens": 9, "stopSequences": ["a", "b"]}},
         {"inferenceConfig": {"temperature": 0.5, "maxTokens": 9, "stopSequences": ["a"]}},
         ("inferenceConfig.topP", "inferenceConfig.temperature=0.5", "inferenceConfig.stopSequences")),
        ({"outputConfig": {"effort": "medium"}}, {"outputConfig": {"effort": "low"}},
         ("outputConfig.effort=low",)),
        ({ADDITIONAL: {"reasoning_effort": "max", "x": 1}},
         {ADDITIONAL: {"reasoning_effort": "high", "x": 1}}, (f"{ADDITIONAL}.reasoning_effort=high",)),
        ({ADDITIONAL: {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "medium"}}},
         {ADDITIONAL: {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "low"}}},
         (f"{ADDITIONAL}.reasoningConfig.maxReasoningEffort=low",)),
        ({ADDITIONAL: {"thinking": {"type": "enabled", "budget_tokens": 2000}}},
         {ADDITIONAL: {"thinking": {"type": "adaptive"}}}, (f"{ADDITIONAL}.thinking=adaptive",)),
        ({ADDITIONAL: {"thinking": {"type": "disabled"}}}, {}, (f"{ADDITIONAL}.thinking",)),
        ({ADDITIONAL: {"inferenceConfig": {"topK": 3}}}, {}, (f"{ADDITIONAL}.inferenceConfig.topK",)),
        ({ADDITIONAL: {"top_k": 3, "keep": [1]}}, {ADDITIONAL: {"keep": [1]}}, (f"{ADDITIONAL}.top_k",)),
        ({"toolConfig": {"tools": [], "toolChoice": {"any": {}}}},
         {"toolConfig": {"tools": [], "toolChoice": {"auto": {}}}}, ("toolConfig.toolChoice=auto",)),
        ({"toolConfig": {"tools": [], "toolChoice": {"auto": {}}}},
         {"toolConfig": {"tools": [], "toolChoice": {"auto": {}}}}, ()),
    ],
)  # fmt: skip
def test_a_relayed_converse_body_is_fitted_where_each_maker_has_its_settings(
    fields: dict[str, Any], left: dict[str, Any], told: tuple[str, ...]
) -> None:
    body = converse(**fields)
    for settings in ({"*": True}, seen_of(body)):
        fitted, lost = fit_body(body, "bedrock", LITTLE, settings)
        assert {**json.loads(fitted)} == {"messages": TURNS, **left}
        assert sorted(lost) == sorted(told)


def seen_of(body: bytes) -> Any:
    """What the envelope read of it."""
    return registry.client("bedrock").envelope(body, PathTarget("chat", model="m")).settings


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"inferenceConfig": {"temperature": 1.5}}, "inferenceConfig.temperature"),
        ({ADDITIONAL: {"reasoning_effort": "ultra"}}, f"{ADDITIONAL}.reasoning_effort"),
        ({"outputConfig": {"effort": "ultra"}}, "outputConfig.effort"),
        ({"messages": [*TURNS, {"role": "assistant", "content": [{"text": "a"}]}]}, "messages"),
    ],
)
def test_what_no_converse_model_could_take_is_refused_by_its_name(fields: dict[str, Any], field: str) -> None:
    body = converse(**fields)
    for settings in ({"*": True}, seen_of(body)):
        with pytest.raises(UnfitError) as caught:
            fit_body(body, "bedrock", LITTLE, settings)
        assert caught.value.setting == field


def test_a_converse_body_that_fits_keeps_its_bytes() -> None:
    body = (
        b'{ "inferenceConfig":{"maxTokens": 9, "temperature":0.5},"messages":[{"role":"user","content":[]}]}'
    )
    assert fit_body(body, "bedrock", LITTLE, seen_of(body)) == (body, ())
    fitted, told = fit_body(body, "bedrock", LITTLE, seen_of(body), most_output_tokens=5)
    assert json.loads(fitted)["inferenceConfig"] == {"maxTokens": 5, "temperature": 0.5}
    assert told == ("inferenceConfig.maxTokens=5",)
