"""The lists of models, in each SDK's own shape, and no further than the key reaches."""

import anthropic
import openai
import pytest
from google.genai import errors
from tests.contract.contract_world import World, embedder, model
from tests.contract.speak_anthropic import anthropic_client
from tests.contract.speak_gemini import gemini_client
from tests.contract.speak_openai import openai_client

HERE = model("anthropic")


@pytest.fixture(scope="module")
def confined(shared_world: World) -> str:
    """A key for one model."""
    return shared_world.new_key(models=[HERE])


def test_openai_s_sdk_lists_and_finds_models(world: World, confined: str) -> None:
    with openai_client(world.url, world.token) as client:
        listed = list(client.models.list())
        assert {HERE, model("gemini"), embedder("openai_chat"), "smart"} <= {m.id for m in listed}
        assert {m.object for m in listed} == {"model"}
        assert client.models.retrieve(HERE).id == HERE
        with pytest.raises(openai.NotFoundError):
            client.models.retrieve("no-such-model")
    with openai_client(world.url, confined) as client:
        assert {m.id for m in client.models.list()} - {"smart"} == {HERE}
        with pytest.raises(openai.NotFoundError):
            client.models.retrieve(model("gemini"))


def test_anthropic_s_sdk_lists_page_by_page_and_finds_models(world: World, confined: str) -> None:
    with anthropic_client(world.url, world.token) as client:
        listed = list(client.models.list(limit=7))
        assert {HERE, model("gemini"), embedder("openai_chat")} <= {m.id for m in listed}
        assert len(listed) == len({m.id for m in listed}) > 7
        assert {m.type for m in listed} == {"model"}
        assert [m.id for m in client.models.list(limit=1000)] == [m.id for m in listed]
        assert client.models.retrieve(HERE).display_name == HERE
        with pytest.raises(anthropic.NotFoundError):
            client.models.retrieve("no-such-model")
    with anthropic_client(world.url, confined) as client:
        assert {m.id for m in client.models.list()} - {"smart"} == {HERE}


def test_google_s_sdk_lists_and_finds_models(world: World, confined: str) -> None:
    client = gemini_client(world.url, world.token)
    try:
        listed = list(client.models.list())
        named = {m.name for m in listed}
        assert {f"models/{HERE}", f"models/{embedder('gemini')}"} <= named
        actions = {m.name: m.supported_actions for m in listed}
        assert "generateContent" in (actions[f"models/{HERE}"] or ())
        assert actions[f"models/{embedder('gemini')}"] == ["embedContent", "batchEmbedContents"]
        assert client.models.get(model=HERE).name == f"models/{HERE}"
        with pytest.raises(errors.ClientError, match="404 NOT_FOUND"):
            client.models.get(model="no-such-model")
    finally:
        client.close()
    client = gemini_client(world.url, confined)
    try:
        assert {m.name for m in client.models.list()} - {"models/smart"} == {f"models/{HERE}"}
    finally:
        client.close()
    client = gemini_client(world.url, "psk_live_wrong")
    try:
        with pytest.raises(errors.ClientError, match="401 UNAUTHENTICATED"):
            list(client.models.list())
    finally:
        client.close()
