"""Every OpenAI-like provider known by name is sent what it takes, whatever its callers ask in any dialect."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.gateway.door import asked
from tests.gateway.house import Caller, House, running
from tests.gateway.stage import ENV, Catalogue, Stage

from passerelle.catalog.parameters import accepted
from passerelle.config import templates
from passerelle.core.request import Dialect

NAMES = sorted(
    name
    for name, t in templates().items()
    if t.entry["kind"] == "openai_like" and t.entry["dialect"] == "openai_chat"
)
REFUSED = {
    "max_tokens_field": {"max_completion_tokens"},
    "no_stream_options": {"stream_options"},
    "no_parallel_tool_calls_field": {"parallel_tool_calls"},
    "no_metadata": {"metadata", "store", "user", "safety_identifier"},
    "random_seed_field": {"seed"},
}
"""Fields that a quirk says would be answered with an error."""
ABLE = ['capabilities = ["tools", "parallel_tools", "json_schema", "json", "reasoning"]']
FUNCTION = {"name": "f", "parameters": {"type": "object"}}
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}
TALK = [{"role": "developer", "content": "Be brief."}, {"role": "user", "content": "hi", "name": "ada"}]
EVERYTHING: dict[Dialect, dict[str, Any]] = {
    "openai_chat": {
        "messages": TALK, "temperature": 1.9, "top_p": 1, "seed": 1, "stop": list("abcde"), "logprobs": True,
        "top_logprobs": 2, "presence_penalty": 1.5, "frequency_penalty": -1.5, "logit_bias": {"1": 1},
        "max_completion_tokens": 50, "parallel_tool_calls": False, "user": "u", "metadata": {"k": "v"},
        "store": True, "verbosity": "low", "service_tier": "flex", "prompt_cache_key": "k",
        "tools": [{"type": "function", "function": FUNCTION}], "reasoning_effort": "none",
        "response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": SCHEMA}},
    },
    "anthropic": {
        "system": "Be brief.", "temperature": 0.9, "top_k": 4, "stop_sequences": list("abcde"),
        "metadata": {"user_id": "u"}, "thinking": {"type": "disabled"},
        "tools": [{"name": "f", "input_schema": {"type": "object"}}],
        "output_config": {"format": {"type": "json_schema", "schema": SCHEMA}},
    },
    "gemini": {
        "generationConfig": {
            "temperature": 1.9, "topK": 4, "seed": 1, "stopSequences": list("abcde"), "presencePenalty": 1.5,
            "responseLogprobs": True, "logprobs": 2, "maxOutputTokens": 50,
        },
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def house(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    catalogue = Catalogue()
    for name in NAMES:
        catalogue.lines += [
            f"[providers.{name}]",
            f'base_url = "{stage.url}/v1"',
            "also = []",
            'credential = "env:STAGE_CREDENTIAL"',
            "allow_private_network = true",
            "models = []",
        ]
    catalogue.model("common", *NAMES, more=ABLE)
    catalogue.aliases += [f'at-{name} = "{name}/common.{name}"' for name in NAMES]
    with running(tmp_path_factory.mktemp("entries"), catalogue.text, **ENV) as house:
        yield house


@pytest.fixture(scope="module")
def caller(house: House) -> Caller:
    return house.caller()


@pytest.mark.parametrize("dialect", EVERYTHING)
@pytest.mark.parametrize("name", NAMES)
def test_no_field_goes_where_it_is_known_to_be_refused(
    stage: Stage, caller: Caller, name: str, dialect: Dialect
) -> None:
    since = len(stage.requests)
    answer = caller.door.send(asked(dialect, f"at-{name}", stream=True, **EVERYTHING[dialect]))
    assert answer.status == 200, answer.body
    ((_, request),) = stage.requests[since:]
    body = json.loads(request.body)
    quirks = set(templates()[name].entry.get("quirks", ()))
    takes = accepted("common", name, "openai_chat")
    refused = set(takes.refuses).union(*(REFUSED.get(quirk, set()) for quirk in quirks))
    assert not refused & body.keys()
    for limit in takes.ranges:
        value = body.get(limit.setting, limit.least or 0)
        assert limit.least is None or value >= limit.least
        assert limit.most is None or value <= limit.most
    if takes.stops is not None:
        assert len(body.get("stop", ())) <= takes.stops
    roles = {message["role"] for message in body["messages"]}
    assert "no_developer_role" not in quirks or "developer" not in roles
    assert "no_name" not in quirks or not any("name" in message for message in body["messages"])
    assert "no_json_schema" not in quirks or body.get("response_format", {}).get("type") != "json_schema"
    if takes.efforts is not None and "reasoning_effort" in body:
        assert body["reasoning_effort"] in takes.efforts
    told = answer.headers.get("x-passerelle-dropped", "")
    if dialect == "openai_chat":  # and what did not go is told
        gone = {n for n in EVERYTHING[dialect] if n not in body} - {"stream", "model"}
        renamed = {"max_completion_tokens", "seed", "reasoning_effort"}
        words = {said.partition("=")[0] for said in told.split(",")}
        assert gone - renamed - {"top_p"} <= words, (gone, told)
