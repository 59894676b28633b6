"""A new OpenAI-compatible provider is one entry of configuration, and serves callers of every dialect."""

import json
from collections.abc import Iterator

import pytest
from tests.gateway.door import DIALECTS, asked
from tests.gateway.house import Caller, House, running
from tests.gateway.stage import ENV, Stage

from passerelle.core.request import Dialect

ENTRY = """
providers_from_environment = false
[local]
enabled = false

[providers.lutece]
kind = "openai_like"
base_url = "{url}/v1"
credential = "env:STAGE_CREDENTIAL"
allow_private_network = true
quirks = ["max_tokens_field", "no_stream_options", "no_developer_role", "no_metadata", "random_seed_field"]

[[models]]
id = "lutetia-9b"
price = {{ input = "0.1", output = "0.4", cache_read = "0.01" }}
accepts = {{ refuses = ["logit_bias"], stops = 2, ranges = {{ temperature = {{ most = 1 }} }} }}

[[deployments]]
provider = "lutece"
model = "lutetia-9b"
upstream_model = "lutetia-9b-instruct"
"""


@pytest.fixture(scope="module")
def house(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with running(tmp_path_factory.mktemp("lutece"), ENTRY.format(url=stage.url), **ENV) as house:
        yield house


@pytest.fixture(scope="module")
def caller(house: House) -> Caller:
    return house.caller()


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_callers_of_every_dialect_are_served_by_the_entry(
    stage: Stage, house: House, caller: Caller, dialect: Dialect, *, stream: bool
) -> None:
    since = len(stage.requests)
    answer = caller.door.send(asked(dialect, "lutetia-9b", stream=stream))
    assert answer.status == 200, answer.body
    ((_, request),) = stage.requests[since:]
    body = json.loads(request.body)
    assert request.path == "/v1/chat/completions"
    assert body["model"] == "lutetia-9b-instruct"
    assert "stream_options" not in body
    assert "max_completion_tokens" not in body
    receipt = house.receipt(caller, answer)
    assert receipt["outcome"] == "answered"
    if not stream:
        assert receipt["cost_nanos"] > 0


def test_its_own_names_and_limits_hold_for_relayed_and_translated_requests(
    stage: Stage, caller: Caller
) -> None:
    since = len(stage.requests)
    chat = asked("openai_chat", "lutetia-9b", seed=4, temperature=1.6, user="u", stop=["a", "b", "c"])
    config = {"seed": 4, "temperature": 1.6, "stopSequences": ["a", "b", "c"]}
    gemini = asked("gemini", "lutetia-9b", generationConfig=config)
    answers = [caller.door.send(chat), caller.door.send(gemini)]
    assert [answer.status for answer in answers] == [200, 200]
    for _, request in stage.requests[since:]:
        body = json.loads(request.body)
        assert (body["random_seed"], body["temperature"], body["stop"]) == (4, 1, ["a", "b"])
        assert "user" not in body
        assert "seed" not in body
    assert answers[0].headers["x-passerelle-dropped"] == "temperature=1,stop,user"
    assert answers[1].headers["x-passerelle-dropped"] == (
        "generationConfig.temperature=1,generationConfig.stopSequences"
    )
