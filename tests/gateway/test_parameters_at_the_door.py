"""Settings that the model at the other end does not take never come to it, and nobody is left unaware."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.gateway.door import DIALECTS, asked, names_field, read_error
from tests.gateway.house import Caller, House, running
from tests.gateway.stage import ENV, Catalogue, Stage

from passerelle.core.request import Dialect

TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}


ROCK = {"claude-opus-4-6": "anthropic", "claude-opus-4-8": "anthropic", "nova-2-lite": "amazon"}


@pytest.fixture(scope="module")
def house(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    catalogue = Catalogue()
    catalogue.provider("gpt", "openai_chat", stage.url, 'template = "openai"', 'also = ["openai_responses"]')
    catalogue.provider("claude", "anthropic", stage.url, 'template = "anthropic"')
    catalogue.provider("plain", "openai_chat", stage.url)
    for model, provider in (("o3", "gpt"), ("gpt-5.6-sol", "gpt"), ("claude-opus-5-5", "claude")):
        catalogue.deployment(provider, model)
    catalogue.provider("rock", "bedrock", stage.url, 'template = "bedrock"')
    for model in ("claude-opus-4-6", "claude-opus-4-8", "nova-2-lite"):
        catalogue.lines += [
            "[[deployments]]",
            'provider = "rock"',
            f'model = "{model}"',
            'dialect = "bedrock"',
        ]
        catalogue.lines.append(f'upstream_model = "us.{ROCK[model]}.{model}"')
    catalogue.model("unmarked", "claude", more=['capabilities = ["prompt_cache"]'])
    catalogue.lines.append('prompt_cache = "caller"')
    catalogue.model("mine", "plain", more=['accepts = { refuses = ["seed", "n"], stops = 1 }'])
    catalogue.model("able", "plain")
    catalogue.aliases.append('both = ["mine", "able"]')
    with running(tmp_path_factory.mktemp("settings"), catalogue.text, **ENV) as house:
        yield house


@pytest.fixture(scope="module")
def caller(house: House) -> Caller:
    return house.caller()


def sent_for(
    stage: Stage, caller: Caller, dialect: Dialect, model: str, **fields: Any
) -> tuple[Any, Any, str]:
    """The answer, what the provider was sent, and where."""
    since = len(stage.requests)
    answer = caller.door.send(asked(dialect, model, **fields))
    assert answer.status == 200, answer.body
    ((_, request),) = stage.requests[since:]
    return answer, json.loads(request.body), request.path


def test_a_relayed_temperature_is_taken_out_and_told(stage: Stage, house: House, caller: Caller) -> None:
    answer, body, _ = sent_for(
        stage, caller, "openai_chat", "o3", temperature=0.2, reasoning_effort="minimal"
    )
    assert "temperature" not in body
    assert body["reasoning_effort"] == "low"
    assert answer.headers["x-passerelle-dropped"] == "reasoning_effort=low,temperature"
    assert house.receipt(caller, answer)["dropped"] == ["reasoning_effort=low", "temperature"]


def test_what_is_usual_anyway_is_not_told(stage: Stage, caller: Caller) -> None:
    answer, body, _ = sent_for(stage, caller, "openai_chat", "o3", temperature=1, seed=4)
    assert "temperature" not in body
    assert body["seed"] == 4
    assert "x-passerelle-dropped" not in answer.headers


def test_budgets_become_adaptive_thinking_for_a_newer_claude(stage: Stage, caller: Caller) -> None:
    thinking = {"type": "enabled", "budget_tokens": 1024}
    answer, body, _ = sent_for(
        stage, caller, "anthropic", "claude-opus-5-5", max_tokens=4000, thinking=thinking, top_k=3
    )
    assert body["thinking"] == {"type": "adaptive"}
    assert "top_k" not in body
    assert answer.headers["x-passerelle-dropped"] == "thinking=adaptive,top_k"


@pytest.mark.parametrize("dialect", ["openai_chat", "anthropic"])
def test_tools_of_a_reasoning_model_go_through_responses(
    stage: Stage, caller: Caller, dialect: Dialect
) -> None:
    tools: list[Any] = [TOOL]
    if dialect == "anthropic":
        tools = [{"name": "f", "input_schema": {"type": "object"}}]
    _, body, path = sent_for(stage, caller, dialect, "gpt-5.6-sol", tools=tools)
    assert path.endswith("/responses")
    assert body["tools"][0]["name"] == "f"


def test_tools_of_a_model_at_rest_are_relayed(stage: Stage, caller: Caller) -> None:
    _, body, path = sent_for(
        stage, caller, "openai_chat", "gpt-5.6-sol", tools=[TOOL], reasoning_effort="none"
    )
    assert path.endswith("/chat/completions")
    assert body["reasoning_effort"] == "none"


def test_what_one_model_cannot_do_the_next_is_asked_for(stage: Stage, house: House, caller: Caller) -> None:
    answer, body, _ = sent_for(stage, caller, "openai_chat", "both", n=2)
    assert body["model"] == "able.plain"
    rejected = house.receipt(caller, answer)["plan"]["rejections"]
    assert [(r["deployment"], r["rule"]) for r in rejected] == [("plain/mine.plain", "parameters.n")]


@pytest.mark.parametrize(
    ("dialect", "model", "fields", "field"),
    [
        ("openai_chat", "mine", {"n": 3}, "n"),
        ("openai_chat", "claude-opus-5-5", {"n": 3}, "n"),
        ("openai_chat", "o3", {"reasoning_effort": "ultra"}, "reasoning_effort"),
        ("anthropic", "claude-opus-5-5",
         {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}, "messages"),
        ("gemini", "mine", {"generationConfig": {"candidateCount": 2}}, "generationConfig.candidateCount"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_refused_before_any_call(
    stage: Stage, house: House, caller: Caller, dialect: Dialect, model: str, fields: Any, field: str
) -> None:
    since = len(stage.requests)
    answer = caller.door.send(asked(dialect, model, **fields))
    assert answer.status == 400, answer.body
    assert names_field(dialect, read_error(dialect, answer), field)
    assert len(stage.requests) == since
    receipt = house.receipt(caller, answer)
    assert (receipt["outcome"], receipt["problem"]) == ("refused", "invalid_request")


@pytest.mark.parametrize("dialect", DIALECTS)
def test_strict_callers_decide_for_themselves(stage: Stage, caller: Caller, dialect: Dialect) -> None:
    fields: dict[Dialect, Any] = {
        "openai_chat": {"temperature": 0.3}, "openai_responses": {"temperature": 0.3},
        "anthropic": {"temperature": 0.3}, "gemini": {"generationConfig": {"temperature": 0.3}},
        "bedrock": {"inferenceConfig": {"temperature": 0.3}},
    }  # fmt: skip
    since = len(stage.requests)
    answer = caller.door.send(asked(dialect, "o3", **fields[dialect]), x_passerelle_strict="1")
    assert answer.status == 400
    assert "temperature" in read_error(dialect, answer).message
    assert len(stage.requests) == since


def test_a_limit_above_the_models_own_becomes_it(stage: Stage, caller: Caller) -> None:
    answer, body, _ = sent_for(stage, caller, "openai_chat", "o3", max_completion_tokens=10**9)
    assert body["max_completion_tokens"] == 100_000
    assert answer.headers["x-passerelle-dropped"] == "max_completion_tokens=100000"


def test_a_long_conversation_of_another_dialect_is_marked_for_claudes_cache(
    stage: Stage, caller: Caller
) -> None:
    messages = [
        {"role": "system", "content": "Sur le pont d'Avignon. " * 1000},
        {"role": "user", "content": "One?"},
        {"role": "assistant", "content": "One."},
        {"role": "user", "content": "Two?"},
    ]
    _, body, _ = sent_for(stage, caller, "openai_chat", "claude-opus-5-5", messages=messages)
    assert body["system"][-1]["cache_control"] == {"type": "ephemeral"}
    assert body["messages"][-1]["content"][-1]["cache_control"] == {"type": "ephemeral"}
    _, body, _ = sent_for(stage, caller, "openai_chat", "unmarked", messages=messages)
    assert "cache_control" not in json.dumps(body)


def test_converse_is_relayed_with_what_its_model_takes(stage: Stage, house: House, caller: Caller) -> None:
    config = {"temperature": 0.2, "topP": 0.9, "maxTokens": 300}
    answer, body, path = sent_for(stage, caller, "bedrock", "claude-opus-4-6", inferenceConfig=config)
    assert path.endswith("/converse")
    assert body["inferenceConfig"] == {"temperature": 0.2, "maxTokens": 300}
    assert answer.headers["x-passerelle-dropped"] == "inferenceConfig.topP"
    receipt = house.receipt(caller, answer)
    assert (receipt["dropped"], receipt["relayed"]) == (["inferenceConfig.topP"], True)
    thinking = {"thinking": {"type": "enabled", "budget_tokens": 2048}}
    answer, body, _ = sent_for(
        stage, caller, "bedrock", "claude-opus-4-8", inferenceConfig=config,
        additionalModelRequestFields=thinking,
    )  # fmt: skip
    assert body["inferenceConfig"] == {"maxTokens": 300}
    assert body["additionalModelRequestFields"] == {"thinking": {"type": "adaptive"}}
    told = answer.headers["x-passerelle-dropped"].split(",")
    assert set(told) == {
        "inferenceConfig.temperature", "inferenceConfig.topP",
        "additionalModelRequestFields.thinking=adaptive",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("model", "fields", "field"),
    [
        ("nova-2-lite", {"inferenceConfig": {"temperature": 1.2}}, "inferenceConfig.temperature"),
        ("claude-opus-4-8", {"messages": [{"role": "user", "content": [{"text": "a"}]},
                                          {"role": "assistant", "content": [{"text": "b"}]}]}, "messages"),
    ],
)  # fmt: skip
def test_what_converse_refuses_is_refused_before_it(
    stage: Stage, caller: Caller, model: str, fields: Any, field: str
) -> None:
    since = len(stage.requests)
    answer = caller.door.send(asked("bedrock", model, **fields))
    assert answer.status == 400, answer.body
    assert names_field("bedrock", read_error("bedrock", answer), field)
    assert len(stage.requests) == since


def test_callers_of_chat_are_told_what_converse_does_not_take(stage: Stage, caller: Caller) -> None:
    answer, body, _ = sent_for(stage, caller, "openai_chat", "claude-opus-4-6", temperature=1.4, top_p=0.5)
    assert body["inferenceConfig"]["temperature"] == 1
    assert "topP" not in body["inferenceConfig"]
    assert answer.headers["x-passerelle-dropped"] == "top_p,temperature=1"
    answer, body, _ = sent_for(stage, caller, "openai_chat", "nova-2-lite", reasoning_effort="xhigh")
    config = body["additionalModelRequestFields"]["reasoningConfig"]
    assert config == {"type": "enabled", "maxReasoningEffort": "high"}
    assert answer.headers["x-passerelle-dropped"] == "reasoning_effort=high"


def test_a_long_conversation_is_marked_for_claude_on_bedrock_alone(stage: Stage, caller: Caller) -> None:
    messages = [
        {"role": "system", "content": "Sur le pont d'Avignon. " * 1000},
        {"role": "user", "content": "One?"},
        {"role": "assistant", "content": "One."},
        {"role": "user", "content": "Two?"},
    ]
    point = {"cachePoint": {"type": "default"}}
    answer, body, _ = sent_for(stage, caller, "openai_chat", "claude-opus-4-6", messages=messages)
    assert body["system"][-1] == body["messages"][-1]["content"][-1] == point
    assert "x-passerelle-dropped" not in answer.headers
    _, body, _ = sent_for(stage, caller, "openai_chat", "nova-2-lite", messages=messages)
    assert "cachePoint" not in json.dumps(body)
