"""After the first content nothing is taken over: the caller is told in its dialect, never a normal end."""

import json
from collections.abc import Iterator, Sequence

import pytest
from tests.faultd import LAST_CHUNK, Close, Flood, Reset, Send, Step, Wait, chunk
from tests.gateway.door import DIALECTS, Asked, asked, read_stream
from tests.gateway.duos import Duo, Theatre, theatre
from tests.gateway.faulty import SECRET_WORDS, error_frame, opened
from tests.gateway.stage import Stage, frames, lead_in
from tests.upstream_answers import PIECES

from passerelle.core.request import Dialect

APART_S = 0.03
"""Between content and what goes wrong after it: what comes in one read may still be taken over."""


@pytest.fixture(scope="module")
def play(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Theatre]:
    with theatre(tmp_path_factory.mktemp("cut"), stage, duos=76, firsts={"a": None}) as play:
        yield play
        play.balanced()


def _in_band(dialect: Dialect) -> Sequence[Step]:
    return [Send(chunk(error_frame(dialect)) + LAST_CHUNK)]


FAULTS: dict[str, tuple[str | tuple[str, ...], Sequence[Step] | None]] = {
    "closed": ("transport", [Close()]),
    "reset": ("transport", [Reset()]),
    "closed in a chunk": ("transport", [Send(b"80\r\ndata: {"), Close()]),
    "a bad chunk": (("protocol", "transport"), [Send(b"zz\r\nnope\r\n")]),
    "ended too soon": ("protocol", [Send(LAST_CHUNK)]),
    "ended in an event": ("protocol", [Send(chunk(b'data: {"choices": [{"del') + LAST_CHUNK)]),
    "no JSON": ("protocol", [Send(chunk(b"data: {nope}\n\n") + LAST_CHUNK)]),
    "an error in the stream": (("server_error", "overloaded"), None),
}


def _begun(dialect: Dialect) -> list[Step]:
    """A stream with two pieces of content, and a pause after each."""
    said, lead = frames(dialect), lead_in(dialect)
    first, second = opened(*said[: lead + 1]), chunk(said[lead + 1])
    return [Send(first), Wait(APART_S), Send(second), Wait(APART_S)]


def _incomplete(play: Theatre, dialect: Dialect, duo: Duo, body: bytes, receipt_id: str) -> dict[str, object]:
    heard = read_stream(dialect, body)
    assert heard.text.startswith(PIECES[0])
    assert heard.text == "".join(PIECES[:2])
    assert not heard.ended
    assert heard.error is not None
    assert SECRET_WORDS.encode() not in body
    assert b"[DONE]" not in body
    receipt = play.receipt(receipt_id)
    (attempt,) = receipt["attempts"]
    assert receipt["outcome"] == "incomplete"
    assert not attempt["ok"]
    assert attempt["cost_nanos"] > 0
    assert "finish" not in attempt
    assert play.stage.seen(duo.second) == []
    return receipt


@pytest.mark.parametrize("provider", DIALECTS)
@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_cut_after_content_is_told_in_band_and_never_a_normal_end(
    play: Theatre, dialect: Dialect, provider: Dialect, fault: str
) -> None:
    failures, steps = FAULTS[fault]
    duo = play.duo(provider)
    play.stage.script(duo.first, *_begun(provider), *(steps if steps is not None else _in_band(provider)))

    said = play.ask(dialect, duo, stream=True)

    assert said.status == 200
    receipt = _incomplete(play, dialect, duo, said.body, said.receipt)
    failure = receipt["attempts"][0]["failure"]  # type: ignore[index]
    assert failure in ((failures,) if isinstance(failures, str) else failures)
    assert receipt["relayed"] is True if dialect == provider else "relayed" not in receipt


@pytest.mark.parametrize("provider", DIALECTS)
@pytest.mark.parametrize("fault", FAULTS)
def test_the_events_of_responses_are_numbered_to_the_last(
    play: Theatre, provider: Dialect, fault: str
) -> None:
    _, steps = FAULTS[fault]
    duo = play.duo(provider)
    play.stage.script(duo.first, *_begun(provider), *(steps if steps is not None else _in_band(provider)))

    heard = read_stream("openai_responses", play.ask("openai_responses", duo, stream=True).body)

    assert heard.events[-1]["type"] == ("error" if provider == "openai_responses" else "response.failed")
    assert [event["sequence_number"] for event in heard.events] == list(range(len(heard.events)))


@pytest.mark.parametrize("provider", DIALECTS)
def test_an_event_without_end_is_cut_off_and_never_kept(play: Theatre, provider: Dialect) -> None:
    duo = play.duo(provider)
    endless = [Send(chunk(b'data: {"a": "')), Flood(chunk(b"a" * 65_536))]
    play.stage.script(duo.first, *_begun(provider), *endless)

    said = play.ask(provider, duo, stream=True)

    _incomplete(play, provider, duo, said.body, said.receipt)
    session = play.stage.seen(duo.first)[0].session
    assert play.stage.gone(session, 5)
    assert session.sent_bytes < 64 << 20


def test_a_stream_as_one_json_array_ends_as_an_array_with_an_error(play: Theatre) -> None:
    duo = play.duo("gemini")
    play.stage.script(duo.first, *_begun("gemini"), Close())
    good = asked("gemini", duo.name, stream=True)

    said = play.caller.door.send(Asked(good.path.partition("?")[0], good.body))

    *answers, last = said.json
    assert "".join(a["candidates"][0]["content"]["parts"][0]["text"] for a in answers) == "".join(PIECES[:2])
    assert last["error"]["code"] == 502
    assert play.receipt(said)["outcome"] == "incomplete"


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_call_of_a_tool_is_never_ended_by_us(play: Theatre, dialect: Dialect) -> None:
    """Half of a call's arguments must not look like a call."""
    for provider in DIALECTS:
        if provider == "gemini":
            continue  # it gives calls whole
        duo = play.duo(provider)
        body = {"tools": [{}], "messages": [{}], "input": [{}]}
        said = frames(provider, body)
        half = next(n for n, frame in enumerate(said) if b"Avig" in frame)
        play.stage.script(duo.first, Send(opened(*said[:half])), Wait(APART_S), Close())

        answer = play.ask(dialect, duo, stream=True)

        heard = read_stream(dialect, answer.body)
        assert heard.error is not None
        assert not heard.ended
        told = json.dumps(heard.events)
        assert 'tool_calls"}' not in told
        assert '"status": "completed"' not in told
        assert "content_block_stop" not in told
        assert "functionCall" not in told
        assert play.receipt(answer)["outcome"] == "incomplete"


def test_a_first_content_larger_than_what_is_held_back_is_passed_on(play: Theatre) -> None:
    duo = play.duo("gemini")
    picture = {"inlineData": {"mimeType": "image/png", "data": "A" * 600_000}}
    frame = {"candidates": [{"content": {"role": "model", "parts": [picture]}, "finishReason": "STOP"}]}
    data = f"data: {json.dumps(frame)}\n\n".encode()
    pieces = [chunk(data[at : at + 16_384]) for at in range(0, len(data), 16_384)]
    play.stage.script(duo.first, Send(opened()), *[Send(piece) for piece in pieces], Send(LAST_CHUNK))

    said = play.ask("gemini", duo, stream=True)

    assert read_stream("gemini", said.body).ended
    assert len(said.body) > 600_000
    assert said.headers["x-passerelle-attempts"] == "1"


@pytest.mark.parametrize("fault", ["closed", "reset", "a bad chunk"])
@pytest.mark.parametrize("dialect", ["openai_chat", "bedrock"])
def test_a_relayed_stream_that_said_why_it_stopped_is_whole_and_has_one_end(
    play: Theatre, dialect: Dialect, fault: str
) -> None:
    """The reason has gone to the caller: an error after it would be a second end."""
    duo = play.duo(dialect)
    _, steps = FAULTS[fault]
    said, lead = frames(dialect), lead_in(dialect)
    marks = 2 if dialect == "openai_chat" else 1  # a count and `[DONE]`; a count
    first, rest = opened(*said[: lead + 1]), b"".join(map(chunk, said[lead + 1 : -marks]))
    play.stage.script(duo.first, Send(first), Wait(APART_S), Send(rest), Wait(APART_S), *(steps or []))

    answer = play.ask(dialect, duo, stream=True)

    heard = read_stream(dialect, answer.body)
    assert (heard.text, heard.error, heard.ended) == ("".join(PIECES), None, True)
    receipt = play.receipt(answer)
    assert receipt["outcome"] == "answered"
    assert receipt["attempts"][0]["usage"]["source"] == "estimated"
    if dialect == "openai_chat":
        assert answer.body.count(b"[DONE]") == 1
