"""Claude Code drops the thoughts of an answer whose `model` is not what it asked for: it is humoured."""

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
from tests.contract.contract_world import DIALECTS, World, make_world, model, true_model
from tests.upstream import Upstream

SESSION = {"x-claude-code-session-id": "f6a205fb-d9ed-4abb-87d7-da7664a9873f"}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A gateway before a provider of every dialect."""
    folder: Path = tmp_path_factory.mktemp("named")
    with Upstream() as upstream, make_world(folder, upstream) as gateway:
        yield World(gateway, upstream, gateway.key("--name", "admin", "--role", "admin")["token"])


def ask(world: World, asked: str, *, stream: bool, **headers: str) -> tuple[str, str]:
    """The model an answer names in its body, and in the header."""
    body = {
        "model": asked,
        "max_tokens": 50,
        "stream": stream,
        "messages": [{"role": "user", "content": "Hi"}],
    }
    all_headers = {"x-api-key": world.token, "anthropic-version": "2023-06-01", **headers}
    request = Request(f"{world.url}/v1/messages", json.dumps(body).encode(), all_headers)
    with urlopen(request, timeout=10) as answer:
        said = answer.read().decode()
        true = answer.headers["x-passerelle-model"]
    if not stream:
        return json.loads(said)["model"], true
    first, *_, last = [line for line in said.splitlines() if line.startswith("data: ")]
    assert json.loads(last[6:]) == {"type": "message_stop"}
    return json.loads(first[6:])["message"]["model"], true


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("provider", DIALECTS)
def test_claude_code_reads_the_name_it_asked_for_and_others_the_true_one(
    world: World, provider: str, stream: bool
) -> None:
    asked, true = model(provider), true_model(provider)
    assert ask(world, asked, stream=stream, **SESSION) == (asked, true)
    assert ask(world, asked, stream=stream) == (true, true)
