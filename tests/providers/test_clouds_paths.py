"""Where calls to Azure and Vertex AI go and with what, however the operator wrote it. Nothing is sent."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.providers.test_remote import Recorder, Sent

from passerelle.core.model import Deployment, Model
from passerelle.core.request import Dialect, Operation
from passerelle.providers.azure import azure, is_dated
from passerelle.providers.base import Call, SendError
from passerelle.providers.build import build_provider
from passerelle.providers.entry import EntraEntry, ProviderEntry
from passerelle.providers.openai_like import TASK_PATHS
from passerelle.providers.vertex import ranking_url, vertex, vertex_url

KEY = "key-0123456789"
FILE = json.dumps(
    {"type": "authorized_user", "client_id": "c", "client_secret": "s", "refresh_token": "r",
     "quota_project_id": "own"}
)  # fmt: skip


class Token:
    """A `TokenHeader` that has one."""

    hidden = None

    def __init__(self, value: str = "t") -> None:
        self.value = value

    async def ready(self, limit_s: float) -> None:
        assert limit_s > 0

    def header(self) -> tuple[bytes, bytes]:
        return (b"authorization", f"Bearer {self.value}".encode())

    async def renew(self, shown: Any, limit_s: float) -> bool:
        return False

    async def aclose(self) -> None:
        pass


class Answering(Recorder):
    """A recorder whose answers have a status."""

    async def request(self, *args: Any, **kwargs: Any) -> Any:
        await super().request(*args, **kwargs)
        return type("Said", (), {"status": 200})()


class Closing(Answering):
    """One that knows how often it was closed."""

    closed = 0

    async def aclose(self) -> None:
        self.closed += 1


def call(
    dialect: Dialect, model: str, operation: Operation = "chat", *, stream: bool = False, **more: Any
) -> Call:
    deployment = Deployment(f"p/{model}", Model("m", "x", "x"), "p", model, dialect)
    return Call(deployment, operation, more.pop("body", b"{}"), stream, dialect, remaining_s=7.0, **more)


async def to_azure(ask: Call, base_url: str = "https://r.openai.azure.com", **more: Any) -> Sent:
    recorder = Answering()
    tokens: Any = (Token(), Token("claude")) if "entra" in more else None
    entry = ProviderEntry("p", "azure", base_url, None if tokens else (lambda: KEY), **more)
    await azure(entry, recorder, tokens).send(ask)
    return recorder.sent[0]


async def to_vertex(ask: Call, credential: str = FILE, **more: Any) -> Sent:
    recorder = Answering()
    token: Any = Token()
    entry = ProviderEntry("p", "vertex", credential=lambda: credential, **more)
    await vertex(entry, recorder, token).send(ask)
    return recorder.sent[0]


V1 = [
    (call("openai_chat", "d"), "/openai/v1/chat/completions", "api-key"),
    (call("openai_chat", "d", "embed"), "/openai/v1/embeddings", "api-key"),
    (call("openai_responses", "d"), "/openai/v1/responses", "api-key"),
    (call("anthropic", "d"), "/anthropic/v1/messages", "x-api-key"),
    (call("anthropic", "d", "count_tokens"), "/anthropic/v1/messages/count_tokens", "x-api-key"),
]


@pytest.mark.parametrize(("ask", "path", "carrier"), V1)
@pytest.mark.parametrize(
    "ending", ["", "/", "/openai", "/openai/v1", "/openai/v1/", "/anthropic", "/anthropic/v1", "/models"]
)
async def test_azure_is_reached_however_its_address_is_copied(
    ask: Call, path: str, carrier: str, ending: str
) -> None:
    sent = await to_azure(ask, f"https://r.services.ai.azure.com{ending}")
    assert sent.path == path
    assert sent.headers[carrier] == KEY
    assert "authorization" not in sent.headers
    assert ("anthropic-version" in sent.headers) == (ask.dialect == "anthropic")


async def test_a_gateways_own_prefix_before_azure_is_kept() -> None:
    sent = await to_azure(call("openai_chat", "d"), "https://apim.example/team/openai")
    assert sent.path == "/team/openai/v1/chat/completions"


async def test_a_dated_version_means_the_classic_paths_but_not_for_responses_or_claude() -> None:
    dated = {"api_version": "2024-10-21"}
    chat = await to_azure(call("openai_chat", "a b/c"), **dated)
    assert chat.path == "/openai/deployments/a%20b%2Fc/chat/completions?api-version=2024-10-21"
    embed = await to_azure(call("openai_chat", "d", "embed"), **dated)
    assert embed.path == "/openai/deployments/d/embeddings?api-version=2024-10-21"
    assert (await to_azure(call("openai_responses", "d"), **dated)).path == "/openai/v1/responses"
    assert (await to_azure(call("anthropic", "d"), **dated)).path == "/anthropic/v1/messages"


@pytest.mark.parametrize(("operation", "path"), TASK_PATHS.items())
async def test_tasks_stand_where_openai_has_them(operation: Operation, path: str) -> None:
    ask = call("openai_chat", "d", operation)
    assert (await to_azure(ask)).path == f"/openai/v1/{path}"
    classic = await to_azure(ask, api_version="2024-10-21")
    assert classic.path == f"/openai/deployments/d/{path}?api-version=2024-10-21"


@pytest.mark.parametrize("operation", ["generate_image", "edit_image", "speak"])
async def test_pictures_and_speech_of_vertex_are_generated_like_words(operation: Operation) -> None:
    sent = await to_vertex(call("gemini", "gem-draws", operation))
    assert sent.path.endswith("/publishers/google/models/gem-draws:generateContent")


async def test_another_version_is_the_v1_surfaces() -> None:
    sent = await to_azure(call("openai_responses", "d"), api_version="preview")
    assert sent.path == "/openai/v1/responses?api-version=preview"


@pytest.mark.parametrize(
    ("version", "dated"),
    [("2024-10-21", True), ("2025-04-01-preview", True), ("preview", False), ("v1", False)],
)
def test_which_versions_are_dated(version: str, *, dated: bool) -> None:
    assert is_dated(version) is dated


async def test_an_application_shows_its_token_on_every_surface() -> None:
    entra = EntraEntry("t", "c", lambda: KEY)
    for ask, path, _ in V1:
        sent = await to_azure(ask, entra=entra)
        token = "claude" if ask.dialect == "anthropic" else "t"
        assert (sent.path, sent.headers["authorization"]) == (path, f"Bearer {token}")
        assert not {"api-key", "x-api-key"} & sent.headers.keys()


async def test_claude_on_foundry_is_told_the_betas_it_knows() -> None:
    betas = (("anthropic-beta", "context-1m-2025-08-07, nonsense-1"), ("anthropic-version", "2023-06-01"))
    sent = await to_azure(call("anthropic", "d", headers=betas))
    assert sent.headers["anthropic-beta"] == "context-1m-2025-08-07"
    none = await to_azure(call("anthropic", "d", headers=(("anthropic-beta", "nonsense-1"),)))
    assert "anthropic-beta" not in none.headers
    assert none.headers["anthropic-version"] == "2023-06-01"


async def test_azure_speaks_no_other_dialect() -> None:
    with pytest.raises(SendError) as caught:
        await to_azure(call("gemini", "d"))
    assert caught.value.failure == "not_found"


def test_azure_without_an_address_cannot_be_built() -> None:
    with pytest.raises(ValueError, match="names no resource"):
        build_provider(ProviderEntry("p", "azure"))


# --- Vertex AI

BELOW = "/projects/own/locations/global"


@pytest.mark.parametrize(
    ("ask", "path"),
    [
        (call("gemini", "gemini-x"), f"/v1beta1{BELOW}/publishers/google/models/gemini-x:generateContent"),
        (
            call("gemini", "gemini-x", stream=True),
            f"/v1beta1{BELOW}/publishers/google/models/gemini-x:streamGenerateContent?alt=sse",
        ),
        (
            call("gemini", "gemini-x", "count_tokens"),
            f"/v1beta1{BELOW}/publishers/google/models/gemini-x:countTokens",
        ),
        (
            call("gemini", "text-embedding-005", "embed"),
            f"/v1beta1{BELOW}/publishers/google/models/text-embedding-005:predict",
        ),
        (
            call("gemini", "gemini-embedding-2", "embed", body=b'{"content":{}}'),
            f"/v1beta1{BELOW}/publishers/google/models/gemini-embedding-2:embedContent",
        ),
        (
            call("gemini", "gemini-embedding-2", "embed", body=b'{"requests":[]}'),
            f"/v1beta1{BELOW}/publishers/google/models/gemini-embedding-2:batchEmbedContents",
        ),
        (call("anthropic", "claude@1"), f"/v1{BELOW}/publishers/anthropic/models/claude@1:rawPredict"),
        (
            call("anthropic", "claude@1", stream=True),
            f"/v1{BELOW}/publishers/anthropic/models/claude@1:streamRawPredict",
        ),
        (
            call("anthropic", "claude@1", "count_tokens"),
            f"/v1{BELOW}/publishers/anthropic/models/count-tokens:rawPredict",
        ),
        (call("openai_chat", "openai/x-maas"), f"/v1{BELOW}/endpoints/openapi/chat/completions"),
    ],
)
async def test_vertex_is_asked_below_the_project_and_the_place(ask: Call, path: str) -> None:
    sent = await to_vertex(ask)
    assert sent.path == path
    assert sent.headers["authorization"] == "Bearer t"
    assert "x-goog-api-key" not in sent.headers


async def test_the_operators_project_place_and_version_are_used() -> None:
    sent = await to_vertex(
        call("gemini", "m"), project="mine", region="eu", base_url="https://psc.example/a/v1"
    )
    assert sent.path == "/a/v1/projects/mine/locations/eu/publishers/google/models/m:generateContent"


async def test_an_api_key_has_no_project_and_reaches_googles_models_only() -> None:
    sent = await to_vertex(call("gemini", "m", stream=True), "AIza-key-0123456789")
    assert sent.path == "/v1beta1/publishers/google/models/m:streamGenerateContent?alt=sse"
    assert sent.headers["x-goog-api-key"] == "AIza-key-0123456789"
    assert "authorization" not in sent.headers
    with pytest.raises(SendError) as caught:
        await to_vertex(call("anthropic", "m"), "AIza-key-0123456789")
    assert "Gemini models only" in caught.value.message


async def test_a_file_without_a_project_needs_one_said() -> None:
    file = json.dumps({**json.loads(FILE), "quota_project_id": ""})
    with pytest.raises(SendError) as caught:
        await to_vertex(call("gemini", "m"), file)
    assert (caught.value.failure, caught.value.sent) == ("auth", False)
    assert "set `project`" in caught.value.message


async def test_vertex_speaks_no_other_dialect() -> None:
    with pytest.raises(SendError) as caught:
        await to_vertex(call("openai_responses", "m"))
    assert caught.value.failure == "not_found"


@pytest.mark.parametrize(
    ("place", "host"),
    [
        (None, "aiplatform.googleapis.com"),
        ("global", "aiplatform.googleapis.com"),
        ("eu", "aiplatform.eu.rep.googleapis.com"),
        ("us", "aiplatform.us.rep.googleapis.com"),
        ("europe-west4", "europe-west4-aiplatform.googleapis.com"),
    ],
)
def test_each_place_has_its_host(place: str | None, host: str) -> None:
    assert vertex_url(place) == f"https://{host}"


@given(st.text(max_size=30))
def test_no_word_for_a_place_leads_to_another_host(place: str) -> None:
    try:
        url = vertex_url(place or None)
    except ValueError:
        return
    assert url.removeprefix("https://").endswith("aiplatform.googleapis.com") or ".rep.googleapis.com" in url
    assert url.count("/") == 2
    assert "@" not in url


@given(st.text(min_size=1, max_size=40))
async def test_no_name_of_a_model_leaves_its_place_in_the_path(model: str) -> None:
    try:
        sent = await to_vertex(call("anthropic", model))
        other = await to_azure(call("openai_chat", model), api_version="2024-10-21")
    except UnicodeEncodeError:
        return
    assert sent.path.startswith(f"/v1{BELOW}/publishers/anthropic/models/")
    assert sent.path.count("/") == 9
    assert other.path.count("/") == 5


async def test_a_built_provider_asks_its_own_token_endpoint() -> None:
    provider: Any = build_provider(ProviderEntry("p", "vertex", credential=lambda: FILE, region="eu"))
    assert str(provider._client.origin) == "https://aiplatform.eu.rep.googleapis.com"
    assert str(provider._token._client.origin) == "https://oauth2.googleapis.com"
    assert provider._token._grant.path == "/token"
    await provider.aclose()
    entra = EntraEntry("t", "c", lambda: KEY)
    other: Any = build_provider(ProviderEntry("p", "azure", "https://r.openai.azure.com", entra=entra))
    for token, scope in (
        (other._token, "https://cognitiveservices.azure.com/.default"),
        (other._claude_token, "https://ai.azure.com/.default"),
    ):
        assert str(token._client.origin) == "https://login.microsoftonline.com"
        assert token._grant.scope == scope
    assert KEY not in repr(other)
    await other.aclose()


@pytest.mark.parametrize(
    ("region", "host"),
    [
        (None, "https://discoveryengine.googleapis.com"),
        ("global", "https://discoveryengine.googleapis.com"),
        ("eu", "https://eu-discoveryengine.googleapis.com"),
        ("us", "https://us-discoveryengine.googleapis.com"),
        ("europe-west9", None),
    ],
)
def test_rankings_are_at_a_host_of_their_own_and_in_no_region(region: str | None, host: str | None) -> None:
    assert ranking_url(region) == host


async def test_rankings_go_to_their_own_host_with_the_same_token_and_nothing_else_does() -> None:
    models, rankings = Closing(), Closing()
    entry = ProviderEntry("p", "vertex", credential=lambda: FILE, region="eu", project="mine")
    token: Any = Token()
    provider = vertex(entry, models, token, rankings)
    await provider.send(call("gemini", "gemini-2.5-flash"))
    await provider.send(call("gemini", "semantic-ranker-fast-004", "rerank"))
    assert len(models.sent) == len(rankings.sent) == 1
    sent = rankings.sent[0]
    assert sent.path == "/v1/projects/mine/locations/eu/rankingConfigs/default_ranking_config:rank"
    assert sent.headers["authorization"] == "Bearer t"
    await provider.aclose()
    assert (models.closed, rankings.closed) == (1, 1)


def test_a_region_without_rankings_is_never_asked_for_one() -> None:
    token: Any = Token()
    deployment = call("gemini", "semantic-ranker-fast-004").deployment
    for region, known in ((None, True), ("eu", True), ("europe-west9", False)):
        entry = ProviderEntry("p", "vertex", credential=lambda: FILE, region=region)
        assert vertex(entry, Recorder(), token).supports("rerank", deployment) is known


async def test_a_key_of_express_mode_ranks_nothing() -> None:
    with pytest.raises(SendError, match="Gemini models only"):
        await to_vertex(call("gemini", "semantic-ranker-fast-004", "rerank"), "AIza-key-0123456789")


async def test_cohere_s_rankers_at_a_resource_have_a_surface_of_their_own() -> None:
    sent = await to_azure(
        call("openai_chat", "Cohere-rerank-v4.0-pro", "rerank"), "https://r.services.ai.azure.com"
    )
    assert sent.path == "/providers/cohere/v2/rerank"
    assert sent.headers["api-key"] == KEY
    dated = await to_azure(call("openai_chat", "r", "rerank"), api_version="2024-10-21")
    assert dated.path == "/providers/cohere/v2/rerank"
