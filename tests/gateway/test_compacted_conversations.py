"""`POST /v1/responses/compact`: a conversation made short by any model, and gone on with by any other."""

import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from tests.faultd import Send, answer
from tests.gateway.door import Asked
from tests.gateway.house import House, running
from tests.gateway.stage import ENV, Catalogue, Stage, short, whole_body
from tests.upstream_answers import TEXT

from passerelle.core.request import Dialect

FOUR: tuple[Dialect, ...] = ("openai_chat", "openai_responses", "anthropic", "gemini")
SAID: list[Any] = [
    {"type": "message", "role": "developer", "content": "Be brief."},
    {"role": "user", "content": "How is it at Arles?"},
    {"type": "function_call", "call_id": "call_1", "name": "weather", "arguments": '{"city":"Arles"}'},
    {"type": "function_call_output", "call_id": "call_1", "output": "windy, 31 knots"},
    {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "It blows."}]},
]
UNANSWERED = {"type": "function_call", "call_id": "call_2", "name": "clock", "arguments": "{}"}


@pytest.fixture(scope="module")
def house(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    catalogue = Catalogue()
    for dialect in FOUR:
        catalogue.provider(short(dialect), dialect, stage.url)
        catalogue.model(f"m-{short(dialect)}", short(dialect))
    with running(tmp_path_factory.mktemp("compact"), catalogue.text, **ENV) as house:
        yield house


def _sent(stage: Stage, name: str) -> str:
    return json.dumps(json.loads(stage.seen(f"m-{name}.{name}")[-1].body), ensure_ascii=False)


@pytest.mark.parametrize("dialect", FOUR)
def test_a_summary_by_one_model_is_read_by_every_other(house: House, stage: Stage, dialect: Dialect) -> None:
    caller, name = house.caller(f"compacts {dialect}"), short(dialect)
    with openai.OpenAI(base_url=f"{house.gateway.base_url}/v1", api_key=caller.token) as client:
        raw = client.responses.with_raw_response.compact(model=f"m-{name}", input=[*SAID, UNANSWERED])
        made = raw.parse()
        sent = _sent(stage, name)
        assert "windy, 31 knots" in sent
        assert "weather" in sent
        assert "clock" not in sent
        assert made.object == "response.compaction"
        assert made.usage.total_tokens > 0
        told: list[Any] = [item.to_dict(warnings=False) for item in made.output]
        assert [item["type"] for item in told] == ["message", "message", "compaction"]
        assert [item["role"] for item in told[:2]] == ["developer", "user"]
        assert len({item["id"] for item in told}) == 3
        receipt = house.receipt(caller, raw.headers["x-passerelle-receipt"])
        assert receipt["outcome"] == "answered"
        for other in FOUR:
            onward: Any = [*told, {"role": "user", "content": "And now?"}]
            asked = client.responses.with_raw_response.create(model=f"m-{short(other)}", input=onward)
            assert asked.headers.get("x-passerelle-dropped") is None
            sent = _sent(stage, short(other))
            assert [sent.count(word) for word in (TEXT, "psl1!", "31 knots", "Be brief.")] == [1, 0, 0, 1]
            assert sent.index("How is it at Arles?") < sent.index(TEXT) < sent.index("And now?")


def test_a_stored_conversation_is_compacted_by_its_last_response(house: House, stage: Stage) -> None:
    keeper, shy = house.caller("keeper", content="conversations"), house.caller("shy")
    with openai.OpenAI(base_url=f"{house.gateway.base_url}/v1", api_key=keeper.token) as client:
        first = client.responses.create(model="m-chat", input="What of the bridge?")
        made = client.responses.compact(model="m-claude", previous_response_id=first.id)
        sent = _sent(stage, "claude")
        assert sent.index("What of the bridge?") < sent.index(TEXT)
        assert [item.type for item in made.output] == ["message", "compaction"]
        onward: Any = [
            *(item.to_dict(warnings=False) for item in made.output),
            {"role": "user", "content": "Go on."},
        ]
        stored = client.responses.create(model="m-resp", input=onward)
        assert client.responses.retrieve(stored.id).output_text == TEXT
    said = {"model": "m-chat", "previous_response_id": first.id}
    refused = house.at(shy).send(Asked("/v1/responses/compact", json.dumps(said).encode()))
    assert refused.status == 400
    assert "--store-conversations" in refused.json["error"]["message"]


def test_what_cannot_be_compacted_is_refused(house: House, stage: Stage) -> None:
    door = house.caller("careless").door

    def told(**fields: Any) -> Any:
        return door.send(Asked("/v1/responses/compact", json.dumps(fields).encode()))

    assert told(input=SAID).status == 400
    assert told(model="m-chat").status == 400
    assert told(model="m-chat", input=[3]).status == 400
    assert told(model="no-such-model", input=SAID).status == 404
    assert door.send(Asked("/v1/responses/compact", b"[]")).status == 400
    cut = json.loads(whole_body("openai_chat"))
    cut["choices"][0]["finish_reason"] = "length"
    stage.script("m-chat.chat", Send(answer(json.dumps(cut).encode())))
    short_of = told(model="m-chat", input=SAID)
    assert short_of.status == 502
    assert "summary" in short_of.json["error"]["message"]
