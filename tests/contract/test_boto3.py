"""boto3 unmodified, in front of Bedrock and of every other kind of provider."""

import contextlib
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, EventStreamError
from tests import upstream_bedrock as amazon
from tests.serving import Gateway
from tests.upstream import CACHED_TOKENS, CITY, INPUT_TOKENS, PIECES, TEXT, Upstream
from tests.upstream_answers import PROOF, THOUGHT
from tests.upstream_troubles import REFUSAL, RETRY_AFTER_S, SECRET_WORDS

ENDINGS = ("", "-thinks", "-twice", "-busy", "-down", "-refuses", "-locked", "-cut", "-sick")
MAKERS = ("rock", "signed", "chat", "resp", "claude", "gem")
WEATHER = {
    "toolSpec": {
        "name": "weather",
        "description": "The weather in a city.",
        "inputSchema": {"json": {"type": "object", "properties": {"city": {"type": "string"}}}},
    }
}
QUESTION = [{"role": "user", "content": [{"text": "What of the bridge?"}]}]
PNG = b"\x89PNG\r\n\x1a\n"
SECRETS = (amazon.SECRET, amazon.SESSION_TOKEN, "bedrock-api-key-replay")


def _config(upstream: Upstream) -> str:
    lines = ["providers_from_environment = false", "[local]", "enabled = false"]
    kinds = {
        "rock": ("bedrock", "bedrock", ['credential = "env:ROCK_KEY"', f'region = "{amazon.REGION}"']),
        "signed": ("bedrock", "bedrock", [f'region = "{amazon.REGION}"']),
        "chat": ("openai_like", "openai_chat", ['credential = "env:ROCK_KEY"']),
        "resp": ("openai_like", "openai_responses", ['credential = "env:ROCK_KEY"']),
        "claude": ("anthropic", "anthropic", ['credential = "env:ROCK_KEY"']),
        "gem": ("gemini", "gemini", ['credential = "env:ROCK_KEY"']),
    }
    for name, (kind, dialect, more) in kinds.items():
        url = upstream.base_url + ("/v1" if kind == "openai_like" else "")
        lines += [f"[providers.{name}]", f'kind = "{kind}"', f'dialect = "{dialect}"', f'base_url = "{url}"']
        lines += ["allow_private_network = true", "models = []", *more]
        if name == "signed":
            lines += [
                "[providers.signed.aws]",
                'access_key_id = "env:AWS_ACCESS_KEY_ID"',
                'secret_access_key = "env:AWS_SECRET_ACCESS_KEY"',
                'session_token = "env:AWS_SESSION_TOKEN"',
            ]
    for name in kinds:
        for ending in ENDINGS:
            lines += ["[[models]]", f'id = "{name}{ending}"', 'input_modalities = ["text", "image"]']
            lines += ["[[deployments]]", f'provider = "{name}"', f'model = "{name}{ending}"']
            lines += [f'upstream_model = "us.maker.{name}-v1:0{ending}"']
    return "\n".join(lines)


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    with Upstream() as upstream:
        yield upstream


@pytest.fixture(scope="module")
def gateway(upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    env = {
        "ROCK_KEY": "bedrock-api-key-replay",
        "AWS_ACCESS_KEY_ID": amazon.ACCESS_KEY_ID,
        "AWS_SECRET_ACCESS_KEY": amazon.SECRET,
        "AWS_SESSION_TOKEN": amazon.SESSION_TOKEN,
    }
    with Gateway(tmp_path_factory.mktemp("boto3"), _config(upstream), env=env) as gateway:
        yield gateway


@pytest.fixture(scope="module")
def token(gateway: Gateway) -> str:
    return str(gateway.key()["token"])


def client(gateway: Gateway, token: str) -> Any:
    return boto3.client(
        "bedrock-runtime",
        endpoint_url=gateway.base_url,
        region_name="eu-west-3",
        aws_access_key_id=token,
        aws_secret_access_key="anything",
        config=Config(retries={"max_attempts": 0}),
    )


@pytest.fixture(scope="module")
def boto(gateway: Gateway, token: str) -> Any:
    return client(gateway, token)


def events(answer: Any) -> list[Any]:
    with contextlib.closing(answer["stream"]) as stream:
        return list(stream)


@pytest.mark.parametrize("maker", MAKERS)
def test_an_answer(boto: Any, upstream: Upstream, maker: str) -> None:
    said = boto.converse(modelId=maker, messages=QUESTION, system=[{"text": "Be brief."}])

    assert said["output"]["message"] == {"role": "assistant", "content": [{"text": TEXT}]}
    assert said["stopReason"] == "end_turn"
    usage = said["usage"]
    assert usage["inputTokens"] == INPUT_TOKENS
    assert usage["cacheReadInputTokens"] == CACHED_TOKENS
    assert usage["totalTokens"] == sum(
        usage.get(name, 0)
        for name in ("inputTokens", "outputTokens", "cacheReadInputTokens", "cacheWriteInputTokens")
    )
    assert said["ResponseMetadata"]["RequestId"] == said["ResponseMetadata"]["HTTPHeaders"]["x-request-id"]
    sent = upstream.exchanges[-1]
    if maker == "signed":
        assert f"Credential={amazon.ACCESS_KEY_ID}/" in sent.headers["authorization"]
        assert "us.maker.signed-v1%3A0/converse" in sent.path


@pytest.mark.parametrize("maker", MAKERS)
def test_a_stream(boto: Any, maker: str) -> None:
    said = events(boto.converse_stream(modelId=maker, messages=QUESTION))

    assert next(iter(said[0])) == "messageStart"
    text = "".join(
        event["contentBlockDelta"]["delta"]["text"] for event in said if "contentBlockDelta" in event
    )
    assert text == "".join(PIECES)
    assert [next(iter(event)) for event in said[-3:]] == ["contentBlockStop", "messageStop", "metadata"]
    assert said[-2]["messageStop"]["stopReason"] == "end_turn"
    assert said[-1]["metadata"]["usage"]["inputTokens"] == INPUT_TOKENS


@pytest.mark.parametrize("maker", MAKERS)
@pytest.mark.parametrize("ending", ["", "-twice", "-thinks"])
def test_a_tool_is_called_and_answered(boto: Any, maker: str, ending: str) -> None:
    ask = {"modelId": maker + ending, "toolConfig": {"tools": [WEATHER], "toolChoice": {"auto": {}}}}
    first = boto.converse(messages=QUESTION, **ask)

    turn = first["output"]["message"]
    calls = [block["toolUse"] for block in turn["content"] if "toolUse" in block]
    assert first["stopReason"] == "tool_use"
    assert len({call["toolUseId"] for call in calls}) == len(calls) == (2 if ending == "-twice" else 1)
    assert calls[0]["name"] == "weather"
    assert calls[0]["input"] == {"city": "Avignon"}
    content = [{"json": {"sky": "clear"}}]
    results = [
        {"toolResult": {"toolUseId": call["toolUseId"], "content": content, "status": "success"}}
        for call in calls
    ]
    second = boto.converse(messages=[*QUESTION, turn, {"role": "user", "content": results}], **ask)
    assert second["output"]["message"]["content"] == [{"text": TEXT}]


@pytest.mark.parametrize("maker", MAKERS)
def test_a_streamed_call_s_arguments_are_whole(boto: Any, maker: str) -> None:
    said = events(
        boto.converse_stream(modelId=f"{maker}-twice", messages=QUESTION, toolConfig={"tools": [WEATHER]})
    )

    starts = [event["contentBlockStart"] for event in said if "contentBlockStart" in event]
    assert [start["start"]["toolUse"]["name"] for start in starts] == ["weather", "weather"]
    arguments = dict.fromkeys((start["contentBlockIndex"] for start in starts), "")
    for event in said:
        if "contentBlockDelta" in event:
            delta = event["contentBlockDelta"]
            arguments[delta["contentBlockIndex"]] += delta["delta"]["toolUse"]["input"]
    assert next(iter(arguments.values())).replace(" ", "") == CITY.replace(" ", "")
    assert said[-2]["messageStop"]["stopReason"] == "tool_use"


def test_a_thought_comes_back_to_bedrock_as_it_was(boto: Any, upstream: Upstream) -> None:
    ask = {"modelId": "rock-thinks", "toolConfig": {"tools": [WEATHER]}}
    turn = boto.converse(messages=QUESTION, **ask)["output"]["message"]
    thought = {"reasoningContent": {"reasoningText": {"text": THOUGHT, "signature": PROOF}}}
    assert turn["content"][0] == thought

    result = {"toolUseId": turn["content"][1]["toolUse"]["toolUseId"], "content": [{"text": "clear"}]}
    boto.converse(messages=[*QUESTION, turn, {"role": "user", "content": [{"toolResult": result}]}], **ask)
    assert upstream.exchanges[-1].body["messages"][1]["content"][0] == thought


@pytest.mark.parametrize("maker", ["claude", "gem"])
def test_a_thought_of_another_maker_is_kept_for_it(boto: Any, upstream: Upstream, maker: str) -> None:
    ask = {"modelId": f"{maker}-thinks", "toolConfig": {"tools": [WEATHER]}}
    turn = boto.converse(messages=QUESTION, **ask)["output"]["message"]
    calls = [block["toolUse"] for block in turn["content"] if "toolUse" in block]
    result = {"toolUseId": calls[0]["toolUseId"], "content": [{"text": "clear"}]}
    history = [*QUESTION, turn, {"role": "user", "content": [{"toolResult": result}]}]

    boto.converse(messages=history, **ask)
    assert PROOF in str(upstream.exchanges[-1].body)

    boto.converse(messages=history, modelId="rock", toolConfig={"tools": [WEATHER]})
    assert PROOF not in str(upstream.exchanges[-1].body)


@pytest.mark.parametrize("maker", MAKERS)
def test_pictures_go_along(boto: Any, upstream: Upstream, maker: str) -> None:
    image = {"image": {"format": "png", "source": {"bytes": PNG}}}
    boto.converse(modelId=maker, messages=[{"role": "user", "content": [image, {"text": "What is it?"}]}])
    assert "iVBORw0KGgo=" in str(upstream.exchanges[-1].body)


ERRORS = {
    "-busy": ("ThrottlingException", 429),
    "-down": ("ModelErrorException", 424),
    "-refuses": ("ValidationException", 400),
    "-locked": ("ModelErrorException", 424),
}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("ending", ERRORS)
@pytest.mark.parametrize("maker", ["rock", "chat"])
def test_errors_are_of_the_class_amazon_s_would_be(
    boto: Any, maker: str, ending: str, *, stream: bool
) -> None:
    kind, status = ERRORS[ending]
    call = boto.converse_stream if stream else boto.converse

    with pytest.raises(getattr(boto.exceptions, kind)) as caught:
        call(modelId=f"{maker}{ending}", messages=QUESTION)

    said = caught.value.response
    assert said["ResponseMetadata"]["HTTPStatusCode"] == status
    assert said["Error"]["Code"] == kind
    assert SECRET_WORDS not in said["Error"]["Message"]
    if ending == "-busy":
        assert said["ResponseMetadata"]["HTTPHeaders"]["retry-after"] == str(RETRY_AFTER_S)
    if ending == "-refuses":
        assert REFUSAL in said["Error"]["Message"]


def test_an_unknown_model_is_a_resource_not_found(boto: Any) -> None:
    for model in ("nobody.knows-v1:0", "arn:aws:bedrock:eu-west-3:123456789012:inference-profile/eu.x.y"):
        with pytest.raises(boto.exceptions.ResourceNotFoundException) as caught:
            boto.converse(modelId=model, messages=QUESTION)
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404


def test_a_wrong_key_is_an_unrecognized_client(gateway: Gateway, token: str) -> None:
    for wrong in (token[:-1] + ("a" if token[-1] != "a" else "b"), "AKIAIOSFODNN7EXAMPLE"):
        with pytest.raises(ClientError) as caught:
            client(gateway, wrong).converse(modelId="rock", messages=QUESTION)
        assert caught.value.response["Error"]["Code"] == "UnrecognizedClientException"
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


@pytest.mark.parametrize("ending", ["-cut", "-sick"])
@pytest.mark.parametrize("maker", MAKERS)
def test_a_stream_that_breaks_raises(boto: Any, maker: str, ending: str) -> None:
    heard: list[str] = []

    def listen() -> None:
        answer = boto.converse_stream(modelId=maker + ending, messages=QUESTION)
        with contextlib.closing(answer["stream"]) as said:
            for event in said:
                delta = event.get("contentBlockDelta", {}).get("delta", {})
                heard.append(delta.get("text", ""))

    with pytest.raises(EventStreamError) as caught:
        listen()
    assert any(heard)
    assert "".join(PIECES).startswith("".join(heard))
    assert caught.value.response["Error"]["Code"] in (
        "serviceUnavailableException",
        "internalServerException",
        "modelStreamErrorException",
    )
    assert SECRET_WORDS not in caught.value.response["Error"]["Message"]


def test_tokens_are_counted_or_estimated(boto: Any) -> None:
    for maker in ("rock", "claude"):
        said = boto.count_tokens(modelId=maker, input={"converse": {"messages": QUESTION}})
        assert said["inputTokens"] > 0


def test_no_key_is_in_the_log(gateway: Gateway, token: str) -> None:
    log = "".join(gateway.log)
    assert token not in log
    assert all(secret not in log for secret in SECRETS)
    assert "unexpected failure" not in log
