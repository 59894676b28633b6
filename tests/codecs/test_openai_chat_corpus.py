"""Real traffic, when it is there: nothing is lost that is not reported, and streams survive any splitting."""

import functools
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.codecs.openai_chat_support import (
    CHAT,
    ENVELOPE,
    Collected,
    Json,
    check_events,
    check_grammar,
    context,
    pieces,
    read_stream,
)
from tests.shared import shared_data

from passerelle.codecs.base import PathTarget, Target
from passerelle.codecs.openai_chat import CLIENT, PROVIDER
from passerelle.codecs.openai_chat.tasks import CLIENTS, PROVIDERS
from passerelle.core.errors import AnswerError, ProblemError
from passerelle.core.event import Event, Failed, Finished
from passerelle.core.usage import NO_USAGE

ROOT = shared_data("dialects")
pytestmark = pytest.mark.skipif(ROOT is None, reason="the shared material is not here")

REFUSED = {"chat-bad-request": {"max_tokens", "messages[0].content"}, "chat-no-messages": {"messages"}}
"""Requests that OpenAI itself refused, and the fields at fault."""

SAID_OTHERWISE = {
    "max_tokens": "as `max_completion_tokens`, which every model takes",
    "arguments": "an empty string of arguments as `{}`",
    "stream_options": "usage is always asked for",
    "response": "null and empty fields, our id and time, details of usage we do not price",
}
"""What a translation within the dialect changes, and why that loses nothing."""


@functools.cache
def exchanges() -> list[tuple[str, Json]]:
    """The recorded HTTP exchanges: name → url, request, status, response."""
    found: list[tuple[str, Json]] = []
    for path in sorted((ROOT or Path()).glob("envoy-cassettes/*.yaml")):
        for exchange in yaml.load(path.read_text(), Loader=yaml.CSafeLoader)["interactions"]:
            asked, said = exchange["request"], exchange["response"]
            told = {
                "url": asked["url"],
                "asked": asked["body"].encode(),
                "status": said["code"],
                "said": said["body"].encode(),
            }
            found += [(path.stem, told)]
    return found


def files(*patterns: str) -> Iterator[tuple[str, bytes]]:
    for pattern in patterns:
        for path in sorted((ROOT or Path()).glob(pattern)):
            yield path.name, path.read_bytes()


def chat_requests() -> Iterator[tuple[str, bytes]]:
    yield from files(
        "agentgateway/requests/completions/*.json", "agentgateway/requests/policies/openai_with_m*.json"
    )
    for name, exchange in exchanges():
        if exchange["url"].endswith("/chat/completions"):
            yield name, exchange["asked"]


def chat_answers() -> Iterator[tuple[str, bytes]]:
    yield from files("gomodel/openai/chat*.json", "gomodel/gemini/chat*.json")
    for name, body in files("agentgateway/response/completions/*.json"):
        if not body.startswith(b"data:"):
            yield name, body
    for name, exchange in exchanges():
        whole = exchange["status"] == 200 and not exchange["said"].startswith(b"data:")
        if "/chat/completions" in exchange["url"] and whole:
            yield name, exchange["said"]


def chat_streams() -> Iterator[tuple[str, bytes]]:
    yield from files("gomodel/openai/chat*.txt")
    for name, body in files("agentgateway/response/completions/*.json"):
        if body.startswith(b"data:"):
            yield name, body
    for name, exchange in exchanges():
        if "/chat/completions" in exchange["url"] and exchange["said"].startswith(b"data:"):
            yield name, exchange["said"]


def without_nothing(value: Any) -> Any:
    """`value` without fields that say nothing."""
    if isinstance(value, dict):
        kept = {name: without_nothing(item) for name, item in value.items()}
        return {name: item for name, item in kept.items() if item not in (None, [], {}, "")}
    return [without_nothing(item) for item in value] if isinstance(value, list) else value


def normal_request(body: bytes, dropped: tuple[str, ...] = ()) -> Any:
    fields = json.loads(body)
    fields.pop("model")
    if "max_tokens" in fields:
        fields["max_completion_tokens"] = fields.pop("max_tokens")
    fields.get("stream_options", {}).pop("include_usage", None)
    for message in fields["messages"]:
        if "reasoning" in dropped:
            message.pop("reasoning_content", None)
        for call in message.get("tool_calls") or ():
            call["function"]["arguments"] = call["function"]["arguments"] or "{}"
        if isinstance(message.get("content"), list) and len(message["content"]) == 1:
            (part,) = message["content"]
            if part.keys() == {"type", "text"}:
                message["content"] = part["text"]
    return without_nothing(fields)


def normal_answer(body: bytes) -> Any:
    fields = json.loads(body)
    for name in ("id", "created"):
        fields.pop(name, None)
    usage = fields.get("usage") or {}
    for details in ("prompt_tokens_details", "completion_tokens_details"):
        known = {"cached_tokens", "audio_tokens", "cache_write_tokens", "image_tokens", "reasoning_tokens"}
        kept = {name: count for name, count in (usage.get(details) or {}).items() if count and name in known}
        usage[details] = kept
    return without_nothing(fields)


def test_every_request_is_carried_or_its_loss_reported() -> None:
    seen = 0
    for name, body in chat_requests():
        if name in REFUSED:
            for read in (CLIENT.envelope, CLIENT.decode_request):
                with pytest.raises(ProblemError) as caught:
                    read(body, CHAT)
                assert caught.value.problem.param in REFUSED[name]
            continue
        seen += 1
        envelope = CLIENT.envelope(body, CHAT)
        request = CLIENT.decode_request(body, CHAT)
        encoded = PROVIDER.encode_request(request, Target(envelope.model))
        assert normal_request(encoded.body) == normal_request(body, encoded.dropped), name
        assert envelope.stream == request.stream
        assert envelope.include_usage == request.include_usage
        assert envelope.max_output_tokens == request.max_output_tokens
        relayed = PROVIDER.relay_request(body, Target("x"), envelope)
        assert normal_request(relayed) == normal_request(body), name
    assert seen > 20


def test_every_answer_is_carried_and_watched_alike() -> None:
    seen = 0
    for name, body in chat_answers():
        seen += 1
        response = PROVIDER.decode_response(body)
        assert normal_answer(CLIENT.encode_response(response, context())) == adjusted(normal_answer(body)), (
            name
        )
        watched = PROVIDER.watch_response(body)
        assert (watched.model, watched.usage, watched.finish) == (
            response.model,
            response.usage,
            response.finish,
        )
        assert response.usage.total_tokens == json.loads(body)["usage"]["total_tokens"]
    assert seen > 10


def adjusted(answer: Any) -> Any:
    """Gemini's endpoint hides thoughts in its total; we say them (`usage`)."""
    usage = answer["usage"]
    apart = usage["total_tokens"] - usage["prompt_tokens"] - usage["completion_tokens"]
    if apart:
        usage["completion_tokens"] += apart
        usage["completion_tokens_details"] = {"reasoning_tokens": apart}
    return answer


def split_at_random(stream: bytes, seed: int) -> list[bytes]:
    dice = random.Random(seed)
    return pieces(stream, [dice.randrange(len(stream)) for _ in range(dice.randrange(60))])


def test_every_stream_gives_the_same_events_however_split_and_is_watched_alike() -> None:
    seen = 0
    for name, stream in chat_streams():
        seen += 1
        decoder = PROVIDER.stream_decoder()
        events: list[Event] = decoder.feed(stream) + decoder.close()
        check_events(events)
        assert isinstance(events[-1], Finished), name
        for seed in range(4):
            again, watcher = PROVIDER.stream_decoder(), PROVIDER.stream_watcher(ENVELOPE)
            split: list[Event] = []
            passed = b""
            for piece in split_at_random(stream, seed):
                split += again.feed(piece)
                passed += watcher.feed(piece)
            assert split + again.close() == events
            assert passed + watcher.close() == stream.rstrip() + b"\n\n"
        collected = Collected(events)
        assert watcher.done
        assert watcher.finish == events[-1].finish
        assert watcher.model == collected.model
        assert watcher.usage == (collected.usage or NO_USAGE)
        assert watcher.text_bytes == len("".join(p["text"] for p in collected.parts).encode()) + sum(
            part["citations"] > 0 for part in collected.parts
        )
        encoder = CLIENT.stream_encoder(context())
        check_grammar(read_stream(b"".join(encoder.encode(event) for event in events)))
    assert seen >= 5


def test_what_is_no_stream_is_a_failure() -> None:
    for name, stream in files("agentgateway/response/detect/*"):
        if not name.endswith(".snap"):
            decoder = PROVIDER.stream_decoder()
            assert isinstance((decoder.feed(stream) + decoder.close())[-1], Failed), name


def test_embeddings_are_carried() -> None:
    target = PathTarget("embed")
    bodies = list(files("agentgateway/requests/embeddings/*.json"))
    for name, exchange in exchanges():
        if not exchange["url"].endswith("/embeddings"):
            continue
        if exchange["status"] == 200:
            bodies.append((name, exchange["asked"]))
            response = PROVIDERS["embed"].decode_response(exchange["said"])
            watched = PROVIDERS["embed"].watch_response(exchange["said"])
            assert (watched.model, watched.usage) == (response.model, response.usage)
            request = CLIENTS["embed"].decode_request(exchange["asked"], target)
            written = json.loads(CLIENTS["embed"].encode_response(response, request, context()).body)
            assert written.pop("id")  # which Mistral's SDK insists on
            assert written == json.loads(exchange["said"]), name
        else:
            with pytest.raises(AnswerError):
                PROVIDERS["embed"].decode_response(exchange["said"])
    for name, body in bodies:
        request = CLIENTS["embed"].decode_request(body, target)
        sent = json.loads(PROVIDERS["embed"].encode_request(request, Target(request.model)).body)
        asked = json.loads(body)
        if asked.get("encoding_format") == "float":
            del asked["encoding_format"]  # the default
        assert sent == asked, name
    assert len(bodies) >= 4
