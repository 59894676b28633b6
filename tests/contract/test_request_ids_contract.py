"""The id of a request, where each SDK looks for it, leads to its receipt; a caller's own is kept."""

import anthropic
import openai
import pytest
from tests.contract.contract_said import MAX_TOKENS, QUESTION
from tests.contract.contract_world import DIALECTS, World, model
from tests.contract.speak_anthropic import anthropic_client
from tests.contract.speak_openai import openai_client

every_provider = pytest.mark.parametrize("provider", DIALECTS)


@every_provider
def test_openai_s_sdk_knows_the_request_id(world: World, provider: str) -> None:
    with openai_client(world.url, world.token) as client:
        completion = client.chat.completions.create(
            model=model(provider), messages=[{"role": "user", "content": QUESTION}]
        )
        response = client.responses.create(model=model(provider), input=QUESTION)
    for request_id in (completion._request_id, response._request_id):
        assert request_id is not None
        assert world.receipt(request_id)["request_id"] == request_id


@every_provider
def test_anthropic_s_sdk_knows_the_request_id(world: World, provider: str) -> None:
    with anthropic_client(world.url, world.token) as client:
        message = client.messages.create(
            model=model(provider), max_tokens=MAX_TOKENS, messages=[{"role": "user", "content": QUESTION}]
        )
        with client.messages.stream(
            model=model(provider), max_tokens=MAX_TOKENS, messages=[{"role": "user", "content": QUESTION}]
        ) as stream:
            stream.until_done()
    for request_id in (message._request_id, stream.request_id):
        assert request_id is not None
        assert world.receipt(request_id)["request_id"] == request_id


def test_errors_carry_it_too(world: World) -> None:
    with openai_client(world.url, world.token) as client, pytest.raises(openai.NotFoundError) as missing:
        client.models.retrieve("no-such-model")
    assert missing.value.request_id
    with anthropic_client(world.url, world.token) as claude, pytest.raises(anthropic.NotFoundError) as gone:
        claude.models.retrieve("no-such-model")
    assert gone.value.request_id


def test_a_caller_s_own_id_is_kept(world: World) -> None:
    with openai_client(world.url, world.token) as client:
        completion = client.chat.completions.create(
            model=model("anthropic"),
            messages=[{"role": "user", "content": QUESTION}],
            extra_headers={"x-request-id": "my-own-id-1"},
        )
    assert completion._request_id == "my-own-id-1"
    assert world.receipt("my-own-id-1")["outcome"] == "answered"
