"""The running gateway all contract tests share."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from tests.contract.contract_ask import Asker, PythonAsker
from tests.contract.contract_node import Node, NodeAsker
from tests.contract.contract_said import Speaker
from tests.contract.contract_world import CLIENTS, World, make_world
from tests.contract.speak_anthropic import AnthropicSpeaker, anthropic_client
from tests.contract.speak_gemini import ChatSession, GeminiSpeaker, gemini_client
from tests.contract.speak_openai import ChatSpeaker, ResponsesSpeaker, openai_client
from tests.prepared import node_missing
from tests.upstream import Upstream


@pytest.fixture(scope="session")
def shared_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One gateway and one provider for the whole run (of each test process)."""
    with Upstream() as upstream, make_world(tmp_path_factory.mktemp("contract"), upstream) as gateway:
        yield World(gateway, upstream, gateway.key("--name", "admin", "--role", "admin")["token"])


@pytest.fixture
def world(shared_world: World) -> Iterator[World]:
    """The same, with nothing seen yet. Whatever a test does, the gateway never fails unexpectedly."""
    shared_world.seen()
    log = shared_world.gateway.log
    before = len(log)
    yield shared_world
    assert not [line for line in log[before:] if "unexpected" in line]


@pytest.fixture(scope="session")
def speakers(shared_world: World) -> Iterator[dict[str, Speaker]]:
    """The Python SDKs by dialect, each with one client."""
    url, token = shared_world.url, shared_world.token
    with openai_client(url, token) as chat, anthropic_client(url, token) as claude:
        gem = gemini_client(url, token)
        every: tuple[Speaker, ...] = (
            ChatSpeaker(chat),
            ResponsesSpeaker(chat),
            AnthropicSpeaker(claude),
            GeminiSpeaker(gem),
        )
        yield {speaker.dialect: speaker for speaker in every} | {"gemini chats": ChatSession(gem)}
        gem.close()


@pytest.fixture(scope="session")
def node() -> Iterator[Node]:
    """The Node SDKs' process; what needs it is skipped where it cannot run."""
    missing = node_missing()
    if missing:
        pytest.skip(f"THE NODE SDKS ARE NOT TESTED: {missing}")
    with Node() as process:
        yield process


@pytest.fixture(scope="session")
def python_askers(shared_world: World) -> Iterator[dict[str, Asker]]:
    """The Python SDKs by dialect, for questions that fail."""
    with ExitStack() as closing:
        yield {dialect: PythonAsker(dialect, shared_world.url, closing) for dialect in CLIENTS}


ASKERS = [f"python {dialect}" for dialect in CLIENTS] + [f"node {dialect}" for dialect in CLIENTS[:3]]


@pytest.fixture(params=ASKERS)
def asker(request: pytest.FixtureRequest, world: World, python_askers: dict[str, Asker]) -> Asker:
    """Each SDK in turn."""
    language, _, dialect = request.param.partition(" ")
    if language == "python":
        return python_askers[dialect]
    return NodeAsker(request.getfixturevalue("node"), dialect, world.url)
