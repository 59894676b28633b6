"""Claude on Bedrock: callers of Messages relayed through InvokeModel, of Converse by it."""

import json
from collections.abc import Iterator
from typing import Any

import anthropic
import boto3
import openai
import pytest
from botocore.config import Config
from tests import upstream_bedrock as amazon
from tests.serving import Gateway
from tests.upstream import CITY, INPUT_TOKENS, TEXT, Exchange, Upstream
from tests.upstream_answers import PROOF, THOUGHT

ENDINGS = ("", "-thinks", "-busy", "-sick")
TOOL = {"name": "weather", "description": "Weather.", "input_schema": {"type": "object"}}
QUESTION: Any = [{"role": "user", "content": "What of the bridge?"}]


def _config(upstream: Upstream) -> str:
    lines = ["providers_from_environment = false", "[local]", "enabled = false", "[providers.rock]"]
    lines += [
        'kind = "bedrock"',
        'dialect = "anthropic"',
        'also = ["bedrock"]',
        f'region = "{amazon.REGION}"',
    ]
    lines += [f'base_url = "{upstream.base_url}"', "allow_private_network = true", "models = []"]
    lines += ["[providers.rock.aws]", 'access_key_id = "env:ID"', 'secret_access_key = "env:SECRET"']
    for ending in ENDINGS:
        lines += ["[[models]]", f'id = "claude{ending}"', "[[deployments]]", 'provider = "rock"']
        lines += [f'model = "claude{ending}"', f'upstream_model = "eu.anthropic.claude-sonnet-4-6{ending}"']
    return "\n".join(lines)


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    with Upstream() as upstream:
        yield upstream


@pytest.fixture(scope="module")
def gateway(upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    env = {"ID": amazon.ACCESS_KEY_ID, "SECRET": amazon.SECRET}
    with Gateway(tmp_path_factory.mktemp("claude"), _config(upstream), env=env) as gateway:
        yield gateway


@pytest.fixture(scope="module")
def token(gateway: Gateway) -> str:
    return str(gateway.key()["token"])


@pytest.fixture(scope="module")
def claude(gateway: Gateway, token: str) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=gateway.base_url, api_key=token, max_retries=0) as client:
        yield client


def last(upstream: Upstream) -> Exchange:
    return upstream.exchanges[-1]


def test_a_message_is_relayed_with_the_betas_bedrock_knows(
    claude: anthropic.Anthropic, upstream: Upstream
) -> None:
    known, foreign = "context-management-2025-06-27", "made-up-2026-01-01"
    answer = claude.messages.with_raw_response.create(
        model="claude",
        max_tokens=50,
        messages=QUESTION,
        extra_headers={"anthropic-beta": f"{known},{foreign}"},
        extra_body={"context_management": {"edits": []}},
    )
    assert answer.parse().content[0].text == TEXT  # type: ignore[union-attr]
    assert answer.headers["x-passerelle-dropped"] == f"anthropic-beta.{foreign}"
    sent = last(upstream)
    assert sent.path == "/model/eu.anthropic.claude-sonnet-4-6/invoke"
    assert sent.body["anthropic_beta"] == [known]
    assert sent.body["context_management"] == {"edits": []}
    assert "anthropic-beta" not in sent.headers


def test_a_stream_with_thoughts_and_a_call_comes_as_it_was(
    claude: anthropic.Anthropic, upstream: Upstream
) -> None:
    thinking: Any = {"type": "enabled", "budget_tokens": 1024}
    with claude.messages.stream(
        model="claude-thinks", max_tokens=2000, messages=QUESTION, tools=[TOOL], thinking=thinking
    ) as stream:  # type: ignore[list-item]
        message = stream.get_final_message()
    thought, call = message.content
    assert thought.type == "thinking"
    assert (thought.thinking, thought.signature) == (THOUGHT, PROOF)
    assert call.type == "tool_use"
    assert call.input == json.loads(CITY)
    assert message.stop_reason == "tool_use"
    assert message.usage.input_tokens == INPUT_TOKENS
    assert last(upstream).path.endswith("/invoke-with-response-stream")
    assert last(upstream).body["thinking"] == thinking


def test_tokens_are_counted_there(claude: anthropic.Anthropic, upstream: Upstream) -> None:
    assert claude.messages.count_tokens(model="claude", messages=QUESTION).input_tokens == INPUT_TOKENS
    assert last(upstream).path == "/model/anthropic.claude-sonnet-4-6/count-tokens"


def test_its_errors_are_of_the_caller_s_own_classes(claude: anthropic.Anthropic) -> None:
    with pytest.raises(anthropic.RateLimitError):
        claude.messages.create(model="claude-busy", max_tokens=5, messages=QUESTION)

    def listen() -> None:
        with claude.messages.stream(model="claude-sick", max_tokens=5, messages=QUESTION) as stream:
            stream.get_final_message()

    with pytest.raises(anthropic.APIStatusError) as caught:
        listen()
    assert "overloaded" in str(caught.value.body)


def test_a_caller_of_chat_is_translated_into_claude_s_own_dialect(
    gateway: Gateway, token: str, upstream: Upstream
) -> None:
    with openai.OpenAI(base_url=f"{gateway.base_url}/v1", api_key=token, max_retries=0) as client:
        answer = client.chat.completions.create(model="claude", messages=QUESTION)
        assert answer.choices[0].message.content == TEXT
        assert last(upstream).path.endswith("/invoke")
        with client.chat.completions.create(model="claude", messages=QUESTION, stream=True) as stream:
            pieces = [chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices]
        assert "".join(pieces) == TEXT


def test_a_caller_of_converse_is_relayed_by_converse(
    gateway: Gateway, token: str, upstream: Upstream
) -> None:
    client = boto3.client(
        "bedrock-runtime",
        endpoint_url=gateway.base_url,
        region_name="eu-west-3",
        aws_access_key_id=token,
        aws_secret_access_key="x",
        config=Config(retries={"max_attempts": 0}),
    )
    fields = {"tomorrow": {"a": 1}}
    client.converse(
        modelId="claude",
        messages=[{"role": "user", "content": [{"text": "Hi."}]}],
        additionalModelRequestFields=fields,
    )
    sent = last(upstream)
    assert sent.path == "/model/eu.anthropic.claude-sonnet-4-6/converse"
    assert sent.body["additionalModelRequestFields"] == fields
    assert f"Credential={amazon.ACCESS_KEY_ID}/" in sent.headers["authorization"]
    assert token not in str(sent.headers)
