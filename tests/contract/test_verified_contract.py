"""Official SDKs read `verified` answers as any other: kept waiting, and taken over after content."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import anthropic
import boto3
import openai
import pytest
from botocore.config import Config
from botocore.exceptions import EventStreamError
from google import genai
from google.genai import types
from tests.faultd import Close, Send, Wait, answer
from tests.gateway.duos import Duo, Theatre, theatre
from tests.gateway.faulty import cut_after, failing
from tests.gateway.stage import Stage, stream_bytes, whole_body
from tests.upstream_answers import TEXT

from passerelle.core.request import Dialect

KEEPALIVE_S = 0.05
QUESTION = "What of the bridge?"
WAY = {"x-passerelle-delivery": "verified"}


@pytest.fixture(scope="module")
def play(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Theatre]:
    before = f"[delivery]\nkeepalive_s = {KEEPALIVE_S}"
    folder = tmp_path_factory.mktemp("verified")
    with Stage() as stage, theatre(folder, stage, duos=6, firsts={"a": None}, before=before) as play:
        yield play


def _chat(play: Theatre, model: str, *, stream: bool) -> str:
    with openai.OpenAI(
        base_url=_url(play) + "/v1", api_key=play.caller.token, max_retries=0, default_headers=WAY
    ) as client:
        messages: Any = [{"role": "user", "content": QUESTION}]
        if stream:
            chunks = client.chat.completions.create(model=model, messages=messages, stream=True)
            return "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
        return client.chat.completions.create(model=model, messages=messages).choices[0].message.content or ""


def _respond(play: Theatre, model: str, *, stream: bool) -> str:
    with openai.OpenAI(
        base_url=_url(play) + "/v1", api_key=play.caller.token, max_retries=0, default_headers=WAY
    ) as client:
        if stream:
            with client.responses.stream(model=model, input=QUESTION) as events:
                return events.get_final_response().output_text
        return client.responses.create(model=model, input=QUESTION).output_text


def _message(play: Theatre, model: str, *, stream: bool) -> str:
    with anthropic.Anthropic(
        base_url=_url(play), api_key=play.caller.token, max_retries=0, default_headers=WAY
    ) as client:
        asked: Any = {"model": model, "max_tokens": 64, "messages": [{"role": "user", "content": QUESTION}]}
        if stream:
            with client.messages.stream(**asked) as events:
                return events.get_final_text()
        return str(client.messages.create(**asked).content[0].text)


def _generate(play: Theatre, model: str, *, stream: bool) -> str:
    options = types.HttpOptions(base_url=_url(play), headers=WAY)
    client = genai.Client(api_key=play.caller.token, http_options=options)
    try:
        if stream:
            chunks = client.models.generate_content_stream(model=model, contents=QUESTION)
            return "".join(chunk.text or "" for chunk in chunks)
        return client.models.generate_content(model=model, contents=QUESTION).text or ""
    finally:
        client.close()


def _converse(play: Theatre, model: str, *, stream: bool) -> str:
    client = boto3.client(
        "bedrock-runtime",
        endpoint_url=_url(play),
        region_name="eu-west-3",
        aws_access_key_id="x",
        aws_secret_access_key="x",
        config=Config(retries={"total_max_attempts": 1}),
    )

    def prepare(request: Any, **_: Any) -> None:
        request.headers["authorization"] = f"Bearer {play.caller.token}"
        request.headers["x-passerelle-delivery"] = "verified"

    client.meta.events.register("before-send.bedrock-runtime", prepare)
    asked: Any = {"modelId": model, "messages": [{"role": "user", "content": [{"text": QUESTION}]}]}
    with contextlib.closing(client):
        if not stream:
            said = client.converse(**asked)
            return str(said["output"]["message"]["content"][0]["text"])
        with contextlib.closing(client.converse_stream(**asked)["stream"]) as events:
            heard = list(events)
        assert set().union(*heard) <= _EVENTS
        return "".join(e["contentBlockDelta"]["delta"]["text"] for e in heard if "contentBlockDelta" in e)


_EVENTS = {
    "messageStart",
    "contentBlockStart",
    "contentBlockDelta",
    "contentBlockStop",
    "messageStop",
    "metadata",
}
SDKS: dict[Dialect, tuple[Callable[..., str], type[Exception] | tuple[type[Exception], ...]]] = {
    "openai_chat": (_chat, openai.APIError),
    "openai_responses": (_respond, (openai.APIError, RuntimeError)),
    "anthropic": (_message, anthropic.APIError),
    "gemini": (_generate, genai.errors.APIError),
    "bedrock": (_converse, EventStreamError),
}


def _url(play: Theatre) -> str:
    return play.house.gateway.base_url


def _duo(play: Theatre, dialect: Dialect) -> Duo:
    return play.duo(dialect)


@pytest.mark.parametrize("dialect", SDKS)
def test_a_takeover_after_content_and_a_long_wait_are_unseen(play: Theatre, dialect: Dialect) -> None:
    ask, _ = SDKS[dialect]
    duo = play.duo(dialect)
    play.stage.script(duo.first, *cut_after(dialect, 2, Close()))
    play.stage.script(duo.second, Wait(KEEPALIVE_S * 4), Send(stream_bytes(dialect)))

    assert ask(play, duo.name, stream=True) == TEXT
    assert len(play.stage.seen(duo.second)) == 1


@pytest.mark.parametrize("dialect", SDKS)
def test_a_whole_answer_may_be_waited_for(play: Theatre, dialect: Dialect) -> None:
    ask, _ = SDKS[dialect]
    duo = play.duo(dialect)
    play.stage.script(duo.first, Wait(KEEPALIVE_S * 4), Send(answer(whole_body(dialect))))

    assert ask(play, duo.name, stream=False) == TEXT


@pytest.mark.parametrize("dialect", SDKS)
def test_a_late_error_in_a_stream_is_raised(play: Theatre, dialect: Dialect) -> None:
    ask, raised = SDKS[dialect]
    duo = play.duo(dialect)
    play.stage.script(duo.first, Wait(KEEPALIVE_S * 4), *failing(400, "a bad schema")(dialect))

    with pytest.raises(raised):
        ask(play, duo.name, stream=True)


@pytest.mark.parametrize("dialect", SDKS)
def test_a_late_error_of_a_whole_answer_is_raised(play: Theatre, dialect: Dialect) -> None:
    ask, _ = SDKS[dialect]
    duo = play.duo(dialect)
    play.stage.script(duo.first, Wait(KEEPALIVE_S * 4), *failing(400, "a bad schema")(dialect))

    with pytest.raises(Exception, match=r"(?i)connection|peer closed|incomplete|stream|read"):
        ask(play, duo.name, stream=False)
