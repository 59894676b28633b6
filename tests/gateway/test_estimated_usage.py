"""A provider that never counts: its words are estimated, alike however they reached the caller."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.faultd import LAST_CHUNK, Send, Step, answer, chunk, chunked_head
from tests.gateway.door import DIALECTS, asked
from tests.gateway.duos import Theatre, theatre
from tests.gateway.stage import Stage, frames, whole_body
from tests.upstream_answers import TEXT

from passerelle.core.request import Dialect

PROVIDERS: tuple[Dialect, ...] = ("openai_chat", "openai_responses", "gemini")


@pytest.fixture(scope="module")
def play(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Theatre]:
    with theatre(tmp_path_factory.mktemp("uncounted"), stage, duos=30, firsts={"a": None}) as play:
        yield play
        play.balanced()


def uncounted(value: Any) -> Any:
    """`value` without any usage in it."""
    if isinstance(value, dict):
        return {k: uncounted(v) for k, v in value.items() if k not in ("usage", "usageMetadata")}
    return [uncounted(item) for item in value] if isinstance(value, list) else value


def silent(dialect: Dialect, *, stream: bool) -> Step:
    if not stream:
        return Send(answer(json.dumps(uncounted(json.loads(whole_body(dialect)))).encode()))
    told = [frame for frame in frames(dialect, {"stream": True}) if frame]
    quiet = [
        b"\n".join(
            b"data: " + json.dumps(uncounted(json.loads(line[6:]))).encode()
            if line[:7] == b"data: {"
            else line
            for line in frame.split(b"\n")
        )
        for frame in told
    ]
    return Send(chunked_head() + b"".join(chunk(frame) for frame in quiet) + LAST_CHUNK)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_words_are_counted_and_told_where_usage_must_be(
    play: Theatre, dialect: Dialect, provider: Dialect, *, stream: bool
) -> None:
    duo = play.duo(provider)
    play.stage.always(duo.first, silent(provider, stream=stream))

    said = play.caller.door.send(asked(dialect, duo.name, stream=stream))

    assert said.status == 200
    (attempt,) = play.receipt(said)["attempts"]
    usage = attempt["usage"]
    assert usage["source"] == "estimated"
    assert usage["output_tokens"] == -(-len(TEXT.encode()) // 4)
    if dialect == "anthropic":
        told = _anthropic_usage(said.body, stream=stream)
        assert (told["input_tokens"], told["output_tokens"]) == (
            usage["input_tokens"],
            usage["output_tokens"],
        )


def _anthropic_usage(body: bytes, *, stream: bool) -> Any:
    if not stream:
        return json.loads(body)["usage"]
    (last,) = [line for line in body.split(b"\n") if line.startswith(b'data: {"type":"message_delta"')]
    return json.loads(last[6:])["usage"]
