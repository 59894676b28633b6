"""The AI SDK as it comes, which stores and refers to what it stored, with a key that may store nothing."""

from collections.abc import Iterator

import pytest
from tests.contract.contract_said import QUESTION, WEATHER
from tests.contract.contract_world import DIALECTS, World, model
from tests.contract.matrix_cases import AFTER, WEATHER_TOOL
from tests.contract.matrix_run import Process, program_named
from tests.prepared import node_missing
from tests.upstream_answers import TEXT

PROGRAM = program_named("ai openai stored")


@pytest.fixture(scope="module")
def process() -> Iterator[Process]:
    why = node_missing()
    if why:
        pytest.skip(f"THE AI SDK IS NOT TESTED: {why}")
    running = Process(PROGRAM)
    yield running
    running.close()


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("provider", DIALECTS)
def test_answers_and_tools_work_and_what_names_earlier_words_is_told_what_to_do(
    world: World, process: Process, provider: str, stream: bool
) -> None:
    ask = {
        "action": "converse", "program": PROGRAM.name, "url": world.url, "model": model(provider),
        "token": world.token, "turns": [QUESTION], "stream": stream,
    }  # fmt: skip
    told = process.run(ask)
    assert told["told"][-1]["text"] == TEXT

    told = process.run({**ask, "tools": [WEATHER_TOOL], "results": WEATHER})  # calls are sent whole
    assert [step["calls"] for step in told["told"]] == [[["weather", {"city": "Avignon"}]], []]

    told = process.run({**ask, "turns": [QUESTION, AFTER]})
    assert told["error"]["status"] == 400
    for words in ("item_reference", "`store` set to false", "--store-conversations"):
        assert words in told["error"]["message"]
