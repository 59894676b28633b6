"""The gateway, the replayed provider and the way in that all agents share."""

from collections.abc import Iterator

import pytest
from tests.agents.agent_door import Door
from tests.agents.agent_replay import Replay
from tests.agents.agent_world import World, gateway_for
from tests.prepared import agents_missing


@pytest.fixture(scope="session")
def shared_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One for the whole run (of each test process)."""
    missing = agents_missing()
    if missing:
        pytest.skip(f"THE AGENT CLIS ARE NOT TESTED: {missing}")
    folder = tmp_path_factory.mktemp("agents")
    with (
        Replay() as replay,
        gateway_for(folder / "gateway", replay) as gateway,
        Door(folder / "door", gateway.base_url) as door,
    ):
        yield World(gateway, replay, gateway.key("--name", "agents")["token"], door)


@pytest.fixture
def world(shared_world: World) -> Iterator[World]:
    """The same. Whatever an agent does, the gateway never fails unexpectedly."""
    before = len(shared_world.gateway.log)
    yield shared_world
    assert not [line for line in shared_world.gateway.log[before:] if "unexpected" in line]
