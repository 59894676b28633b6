"""Every dialect through the real gateway to Azure, Foundry and Vertex AI, replayed and strict."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.gateway.door import DIALECTS, Answer, Asked, Door, asked
from tests.gateway.house import Caller, House, running
from tests.upstream_answers import CITY, TEXT
from tests.upstream_clouds import (
    CLIENT,
    EXPRESS,
    KEY,
    PLACE,
    SECRET,
    TENANT,
    VERSION,
    Clouds,
    service_account,
)

from passerelle.core.request import Dialect

CONFIG = """
[providers.azure]
base_url = "{url}"
credential = "env:AZURE_KEY"
allow_private_network = true

[providers.classic]
template = "azure"
base_url = "{url}/openai/v1/"
credential = "env:AZURE_KEY"
api_version = "{version}"
allow_private_network = true

[providers.entra]
kind = "azure"
base_url = "{url}"
token_url = "{url}/{tenant}/oauth2/v2.0/token"
allow_private_network = true

[providers.entra.entra]
tenant_id = "{tenant}"
client_id = "{client}"
client_secret = "env:ENTRA_SECRET"

[providers.vertex]
base_url = "{url}"
credential = "file:{file}"
region = "{place}"
token_url = "{url}/token"
allow_private_network = true

[providers.express]
kind = "vertex"
base_url = "{url}"
credential = "env:EXPRESS_KEY"
allow_private_network = true
"""
OWN = (
    ("azure", "gpt-6.1-sol", "legal-sol", ""),
    ("azure", "claude-opus-5-5", "claude-for-legal", 'dialect = "anthropic"'),
    ("azure", "text-embedding-3-small", "vectors", ""),
    ("classic", "gpt-6.1-sol", "legal-sol", ""),
    ("classic", "text-embedding-3-small", "vectors", ""),
    ("entra", "gpt-6.1-sol", "legal-sol", ""),
    ("entra", "claude-opus-5-5", "claude-for-legal", 'dialect = "anthropic"'),
    ("vertex", "embedding-of-old", "text-embedding-005", ""),
)
PLACES = (
    "azure/legal-sol", "azure/claude-for-legal", "classic/legal-sol", "entra/legal-sol",
    "entra/claude-for-legal", "vertex/gemini-2.5-flash", "vertex/claude-opus-5-5@default",
    "vertex/openai/gpt-oss-120b-maas", "express/gemini-2.5-flash",
)  # fmt: skip
TOOLS: dict[Dialect, dict[str, Any]] = {
    "openai_chat": {"tools": [{"type": "function", "function": {"name": "weather", "parameters": {}}}]},
    "openai_responses": {"tools": [{"type": "function", "name": "weather", "parameters": {}}]},
    "anthropic": {"tools": [{"name": "weather", "input_schema": {"type": "object"}}]},
    "gemini": {"tools": [{"functionDeclarations": [{"name": "weather"}]}]},
    "bedrock": {
        "toolConfig": {
            "tools": [{"toolSpec": {"name": "weather", "inputSchema": {"json": {"type": "object"}}}}]
        }
    },
}


@pytest.fixture(scope="module")
def clouds() -> Iterator[Clouds]:
    with Clouds() as replayed:
        yield replayed


@pytest.fixture(scope="module")
def house(clouds: Clouds, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("clouds")
    file = folder / "key.json"
    file.write_text(json.dumps(service_account(), indent=2))
    config = CONFIG.format(
        url=clouds.base_url, version=VERSION, tenant=TENANT, client=CLIENT, place=PLACE, file=file
    )
    for provider, model, upstream, more in OWN:
        config += f'\n[[deployments]]\nprovider = "{provider}"\nmodel = "{model}"\n'
        config += f'upstream_model = "{upstream}"\n{more}\n'
    config += (
        '\n[[models]]\nid = "embedding-of-old"\noutput_modalities = ["embedding"]\nprice = { input = 0 }\n'
    )
    with running(folder / "house", config, AZURE_KEY=KEY, ENTRA_SECRET=SECRET, EXPRESS_KEY=EXPRESS) as made:
        yield made
    said = "".join(made.gateway.log)
    private = service_account()["private_key"].splitlines()[3]
    for secret in (KEY, SECRET, EXPRESS, private, *clouds.tokens):
        assert secret not in said


@pytest.fixture(scope="module")
def caller(house: House) -> Caller:
    return house.caller()


@pytest.fixture
def door(caller: Caller, clouds: Clouds) -> Iterator[Door]:
    clouds.wrong.clear()
    clouds.exchanges.clear()
    yield caller.door
    assert clouds.wrong == []


def words(answer: Answer) -> str:
    assert answer.status == 200, answer.body
    return answer.body.decode("utf-8", "replace")  # Converse's streams are frames


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("stream", [False, True])
def test_every_dialect_is_answered_at_every_cloud(
    door: Door, clouds: Clouds, place: str, dialect: Dialect, *, stream: bool
) -> None:
    said = words(door.send(asked(dialect, place, stream=stream)))
    assert TEXT in said if not stream else "four" in said
    assert len(clouds.asked) == 1


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_tools_are_called_at_every_cloud(door: Door, place: str, dialect: Dialect) -> None:
    said = words(door.send(asked(dialect, place, **TOOLS[dialect])))
    assert "weather" in said
    assert json.loads(CITY)["city"] in said


@pytest.mark.parametrize("place", ["azure/claude-for-legal", "vertex/claude-opus-5-5@default"])
def test_an_anthropic_caller_is_relayed_to_claude_at_a_cloud(
    door: Door, clouds: Clouds, house: House, place: str
) -> None:
    unheard = {"name": "f", "input_schema": {"type": "object"}, "defer_loading": True}
    ask = asked(
        "anthropic",
        place,
        thinking={"type": "adaptive"},
        context_management={"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
        output_config={"effort": "high"},
        tools=[unheard],
    )
    betas = "claude-code-20250219,context-1m-2025-08-07,context-management-2025-06-27,mid-life-2099-01-01"
    answer = door.send(ask, anthropic_beta=betas, anthropic_version="2023-06-01")
    words(answer)
    sent = clouds.asked[-1]
    assert sent.headers["anthropic-beta"] == "context-1m-2025-08-07,context-management-2025-06-27"
    assert sent.body["context_management"] == {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]}
    assert sent.body["tools"] == [unheard]
    assert answer.headers["x-passerelle-dropped"] == "anthropic-beta.mid-life-2099-01-01"


def test_a_beta_that_cannot_go_is_refused_when_nothing_may_be_left_out(door: Door, clouds: Clouds) -> None:
    ask = asked("anthropic", "vertex/claude-opus-5-5@default")
    answer = door.send(ask, anthropic_beta="mid-life-2099-01-01", x_passerelle_strict="1")
    assert answer.status == 400
    assert "anthropic-beta.mid-life-2099-01-01" in answer.json["error"]["message"]
    assert clouds.asked == []


@pytest.mark.parametrize(
    ("dialect", "place"),
    [
        ("anthropic", "azure/claude-for-legal"),
        ("anthropic", "vertex/claude-opus-5-5@default"),
        ("gemini", "vertex/gemini-2.5-flash"),
        ("gemini", "express/gemini-2.5-flash"),
    ],
)
def test_tokens_are_counted_where_the_model_is(door: Door, place: str, dialect: Dialect) -> None:
    ask = asked(dialect, place)
    path = "/v1/messages/count_tokens" if dialect == "anthropic" else f"/v1beta/models/{place}:countTokens"
    body = json.loads(ask.body)
    body.pop("max_tokens", None)
    answer = door.send(Asked(path, json.dumps(body).encode()))
    assert "40" in words(answer)


def test_a_gemini_callers_contents_get_the_role_that_vertex_wants(door: Door, clouds: Clouds) -> None:
    body = {"model": "models/x", "contents": [{"parts": [{"text": "Hé"}]}], "store": False}
    answer = door.send(
        Asked("/v1beta/models/vertex/gemini-2.5-flash:generateContent", json.dumps(body).encode())
    )
    words(answer)
    assert clouds.asked[-1].body == {"contents": [{"parts": [{"text": "Hé"}], "role": "user"}]}
    assert answer.headers["x-passerelle-dropped"] == "store"


@pytest.mark.parametrize(
    ("place", "method"),
    [
        ("azure/vectors", "embeddings"),
        ("classic/vectors", "embeddings"),
        ("vertex/text-embedding-005", "predict"),
        ("vertex/gemini-embedding-001", "batchEmbedContents"),
        ("express/gemini-embedding-001", "batchEmbedContents"),
    ],
)
def test_vectors_come_from_every_cloud(door: Door, clouds: Clouds, place: str, method: str) -> None:
    body = {"model": place, "input": ["one", "two"], "dimensions": 2}
    answer = door.send(Asked("/v1/embeddings", json.dumps(body).encode()))
    words(answer)
    assert [row["embedding"] for row in answer.json["data"]] == [[0.5, -0.5], [0.5, -0.5]]
    assert answer.json["usage"]["prompt_tokens"] in (7, 14)
    assert clouds.asked[-1].path.partition("?")[0].endswith(method)


@pytest.mark.parametrize("model", ["vertex/text-embedding-005", "vertex/gemini-embedding-001"])
def test_a_gemini_caller_gets_its_own_shape_of_vectors(door: Door, clouds: Clouds, model: str) -> None:
    body = {"content": {"parts": [{"text": "one"}]}, "taskType": "RETRIEVAL_QUERY", "outputDimensionality": 2}
    answer = door.send(Asked(f"/v1beta/models/{model}:embedContent", json.dumps(body).encode()))
    words(answer)
    assert answer.json["embedding"] == {"values": [0.5, -0.5]}
    sent = clouds.asked[-1].body
    assert "RETRIEVAL_QUERY" in json.dumps(sent)


def test_a_token_is_asked_for_once_and_again_when_it_is_refused(door: Door, clouds: Clouds) -> None:
    words(door.send(asked("openai_chat", "entra/legal-sol")))
    had = len(clouds.tokens)
    words(door.send(asked("openai_chat", "entra/legal-sol")))
    assert len(clouds.tokens) == had
    clouds.forget()
    words(door.send(asked("openai_chat", "entra/legal-sol")))
    assert len(clouds.tokens) == had + 1


@pytest.mark.parametrize(
    ("image", "status"),
    [
        ({"type": "url", "url": "https://example.org/a.png"}, 400),
        ({"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}, 200),
    ],
)
def test_a_picture_by_url_is_refused_with_the_reason_where_it_cannot_be_fetched(
    door: Door, clouds: Clouds, image: dict[str, str], status: int
) -> None:
    content = [{"type": "image", "source": image}, {"type": "text", "text": "What is it?"}]
    body = {
        "model": "vertex/claude-opus-5-5@default",
        "max_tokens": 9,
        "messages": [{"role": "user", "content": content}],
    }
    answer = door.send(Asked("/v1/messages", json.dumps(body).encode()))
    assert answer.status == status
    if status == 400:
        assert "image_urls" in answer.body.decode()
        assert clouds.asked == []


def test_a_picture_by_url_goes_to_the_place_of_the_model_that_fetches_it(door: Door, clouds: Clouds) -> None:
    content = [{"type": "image", "source": {"type": "url", "url": "https://example.org/a.png"}}]
    body = {"model": "claude-opus-5-5", "max_tokens": 9, "messages": [{"role": "user", "content": content}]}
    for _ in range(4):
        words(door.send(Asked("/v1/messages", json.dumps(body).encode())))
    assert {e.path for e in clouds.asked} == {"/anthropic/v1/messages"}


@pytest.mark.parametrize(
    ("name", "answered"),
    [
        ("claude-opus-5-5", True),
        ("claude-opus-5-5@default", True),
        ("anthropic.claude-opus-5-5", True),
        ("global.anthropic.claude-opus-5-5", True),
        ("eu.anthropic.claude-opus-5-5", True),
        ("us.anthropic.claude-opus-5-5", False),
    ],
)
def test_any_clouds_id_reaches_the_model_and_one_that_asks_for_a_place_only_that_place(
    door: Door, clouds: Clouds, name: str, *, answered: bool
) -> None:
    answer = door.send(asked("anthropic", name))
    if answered:
        words(answer)
        if name.startswith("eu."):
            assert answer.headers["x-passerelle-deployment"] == "vertex/claude-opus-5-5@default"
    else:
        assert answer.status == 404
        assert "asks for `claude-opus-5-5` in `us`" in answer.json["error"]["message"]
        assert clouds.asked == []


def test_azures_filter_results_before_any_model_leave_the_true_one_known(
    door: Door, house: House, caller: Caller
) -> None:
    answer = door.send(asked("openai_chat", "azure/legal-sol", stream=True))
    assert '"prompt_filter_results"' in words(answer)
    receipt = house.receipt(caller, answer)
    attempt = receipt["attempts"][0]
    assert attempt["model"] == "gpt-replay-2026-01-01"
    assert attempt["usage"]["output_tokens"] > 0
    assert attempt["finish"] == "stop"


@pytest.mark.parametrize(
    "place", ["azure/legal-sol", "vertex/gemini-2.5-flash", "vertex/claude-opus-5-5@default"]
)
def test_a_receipt_names_the_place_and_what_it_cost(
    door: Door, house: House, caller: Caller, place: str
) -> None:
    receipt = house.receipt(caller, door.send(asked("openai_chat", place)))
    attempt = receipt["attempts"][0]
    assert (attempt["deployment"], attempt["ok"], attempt["status"]) == (place, True, 200)
    assert attempt["cost_nanos"] > 0
