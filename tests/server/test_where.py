"""Paths with more in them than we need lead where their client meant, with the same rules there."""

import json
from collections.abc import Iterator
from typing import get_args

import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.gateway.door import Asked, Door, asked, content
from tests.gateway.house import Caller, House, running
from tests.gateway.stage import ENV, Catalogue, Stage

from passerelle.core.request import Dialect
from passerelle.server.where import straight

CASES = [
    ("/v1/v1/messages", "/v1/messages", ""),
    ("/v1beta/v1beta/models/m:generateContent", "/v1beta/models/m:generateContent", ""),
    ("/v1/v1beta/models/m:generateContent", "/v1beta/models/m:generateContent", ""),
    ("/v1beta/v1/models", "/v1/models", ""),
    ("//v1/messages", "/v1/messages", ""),
    ("/v1/chat/completions/", "/v1/chat/completions", ""),
    ("/anthropic/v1/messages/count_tokens", "/v1/messages/count_tokens", ""),
    ("/gemini/v1beta/models", "/v1beta/models", ""),
    ("/openai/v1/responses", "/v1/responses", ""),
    ("/openai/deployments/gpt-6/chat/completions", "/v1/chat/completions", ""),
    ("/openai/deployments/gpt-6/embeddings", "/v1/embeddings", ""),
    ("/openai/responses", "/v1/responses", ""),
    ("/t/team-a/v1/messages", "/v1/messages", "team-a"),
    ("/t/a,b/anthropic/v1/v1/messages/", "/v1/messages", "a,b"),
    ("/t/a", "/", "a"),
    ("/t/a/", "/", "a"),
    ("/anthropic", "/", ""),
    ("/openai", "/", ""),
    ("/t/a/api/keys", "/api/keys", "a"),
    ("/v1/messagesv1/v1/x", "/v1/messagesv1/v1/x", ""),
    ("/", "/", ""),
]


@pytest.mark.parametrize(("path", "there", "tags"), CASES)
def test_a_path_leads_where_it_was_meant_to(path: str, there: str, tags: str) -> None:
    assert straight(path) == (there, tags)


@given(st.text(max_size=40).map(lambda rest: f"/{rest}"))
def test_any_path_is_made_straight_and_stays_a_path(path: str) -> None:
    there, _ = straight(path)
    assert there.startswith("/")
    assert not there.startswith("//")


@pytest.fixture(scope="module")
def house(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    catalogue = Catalogue()
    catalogue.provider("chat", "openai_chat", stage.url)
    catalogue.model("bridge", "chat")
    with running(tmp_path_factory.mktemp("where"), catalogue.text, **ENV) as house:
        yield house


@pytest.fixture(scope="module")
def caller(house: House) -> Caller:
    return house.caller("tagger")


@pytest.mark.parametrize("dialect", get_args(Dialect)[:4])
def test_a_tag_in_the_path_is_in_the_receipt_in_every_dialect(
    house: House, caller: Caller, dialect: Dialect
) -> None:
    ask = asked(dialect, "bridge")
    tagged = Asked(f"/t/team a,squad{ask.path}".replace(" ", "%20"), ask.body)
    answer = caller.door.send(tagged, x_passerelle_tags="ci,squad")
    assert answer.status == 200
    assert house.receipt(caller, answer)["tags"] == ["team a", "squad", "ci"]


def test_tags_in_a_path_keep_to_the_bounds_of_the_header(caller: Caller) -> None:
    ask = asked("openai_chat", "bridge")
    for tags in (",".join(f"t{n}" for n in range(33)), "x" * 129):
        refused = caller.door.send(Asked(f"/t/{tags}{ask.path}", ask.body))
        assert (refused.status, refused.json["error"]["param"]) == (400, "x-passerelle-tags")


def test_a_tag_is_no_authority(house: House, caller: Caller) -> None:
    nobody = Door(house.gateway.base_url)
    assert nobody.send(Asked("/t/admin/v1/models", b"", "GET")).status == 401
    assert caller.door.get("/t/operator/metrics").status == 403
    assert caller.door.get("/t/a/api/keys").status == 404


def test_every_base_url_that_is_known_serves_its_sdk(house: House, caller: Caller) -> None:
    url = house.gateway.base_url
    words = content("openai_chat", "bridge")
    for base in ("/v1", "/v1/v1", "/openai/v1", "/t/copilot/v1", "//v1"):
        with openai.OpenAI(base_url=url + base, api_key=caller.token, max_retries=0) as client:
            assert client.chat.completions.create(**words).choices[0].message.content
            assert client.models.list().data
    with openai.AzureOpenAI(
        azure_endpoint=url, api_key=caller.token, api_version="2025-04-01-preview", max_retries=0
    ) as azure:
        assert azure.chat.completions.create(**words).choices[0].message.content
        assert azure.responses.create(model="bridge", input="?").output_text


@pytest.mark.parametrize("path", ["/", "/api/hello", "/t/a", "/anthropic"])
def test_a_greeting_is_answered_with_nothing(house: House, path: str) -> None:
    answer = Door(house.gateway.base_url).send(Asked(path, b"", "HEAD"))
    assert (answer.status, answer.body, answer.headers["content-length"]) == (200, b"", "0")
    assert not [name for name in answer.headers if name.startswith("x-passerelle")]
    assert Door(house.gateway.base_url).send(Asked(path, b"", "GET")).status == 405


def test_a_method_of_a_model_is_not_to_be_got_in_either_version(caller: Caller) -> None:
    for version in ("v1", "v1beta"):
        answer = caller.door.get(f"/{version}/models/bridge:generateContent")
        assert (answer.status, answer.headers["allow"]) == (405, "POST")
    assert json.loads(caller.door.get("/v1/models/bridge/").body)["id"] == "bridge"
