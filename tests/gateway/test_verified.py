"""By `verified`, the caller sees exactly one whole answer or one honest error, whatever breaks where."""

import json
import random
import string
from collections.abc import Iterator, Sequence
from http.client import IncompleteRead
from typing import Any

import pytest
from tests.faultd import LAST_CHUNK, Close, Hang, Reset, Send, Step, Until, Wait, answer, chunk
from tests.gateway.door import DIALECTS, Answer, asked, read_error, read_stream, status_of, text_of
from tests.gateway.duos import Duo, Theatre, theatre
from tests.gateway.faulty import SECRET_WORDS, error_frame, failing, opened
from tests.gateway.house import until
from tests.gateway.stage import Stage, frames, lead_in, stream_bytes, whole_body
from tests.upstream_answers import PIECES, TEXT
from tests.upstream_bedrock import frame as bedrock_frame

from passerelle.core.request import Dialect

KEEPALIVE_S = 0.15
ALSO = f"[delivery]\nkeepalive_s = {KEEPALIVE_S}\nmax_held_bytes = 65536"
VERIFIED = {"x_passerelle_delivery": "verified"}
APART_S = 0.02


@pytest.fixture(scope="module")
def play(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Theatre]:
    with theatre(
        tmp_path_factory.mktemp("verified"), stage, duos=80, firsts={"a": None}, before=ALSO
    ) as play:
        yield play
        play.balanced()


def _cut_after(dialect: Dialect, pieces: int, *steps: Step) -> list[Step]:
    """So many pieces of content, and then `steps`."""
    said, lead = frames(dialect), lead_in(dialect)
    begun: list[Step] = [Send(opened(*said[: lead + 1])), Wait(APART_S)]
    for piece in said[lead + 1 : lead + pieces]:
        begun += [Send(chunk(piece)), Wait(APART_S)]
    return [*begun, *steps]


def _ask(play: Theatre, dialect: Dialect, duo: Duo, *, stream: bool = True, **headers: str) -> Answer:
    return play.ask(dialect, duo, stream=stream, **VERIFIED, **headers)


FAULTS: dict[str, Sequence[Step] | None] = {
    "closed": [Close()],
    "reset": [Reset()],
    "closed in a chunk": [Send(b"80\r\ndata: {"), Close()],
    "ended too soon": [Send(LAST_CHUNK)],
    "no JSON": [Send(chunk(b"data: {nope}\n\n") + LAST_CHUNK)],
    "an error in the stream": None,
}


@pytest.mark.parametrize("provider", DIALECTS)
@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_stream_that_breaks_after_content_is_taken_over_unseen(
    play: Theatre, dialect: Dialect, provider: Dialect, fault: str
) -> None:
    duo = play.duo(provider)
    steps = FAULTS[fault] or [Send(chunk(error_frame(provider)) + LAST_CHUNK)]
    play.stage.script(duo.first, *_cut_after(provider, 2, *steps))

    said = _ask(play, dialect, duo)

    assert said.status == 200
    heard = read_stream(dialect, said.body)
    assert (heard.text, heard.ended, heard.error) == (TEXT, True, None)
    assert SECRET_WORDS.encode() not in said.body
    assert said.headers["x-passerelle-attempts"] == "2"
    assert said.headers["x-passerelle-deployment"] == duo.places[1]
    assert said.headers["x-passerelle-cost"]
    receipt = play.receipt(said)
    assert (receipt["outcome"], receipt["delivery"]) == ("answered", "verified")
    broken, whole = receipt["attempts"]
    assert (broken["deployment"], whole["deployment"]) == duo.places
    assert (broken["ok"], whole["ok"]) == (False, True)
    assert broken["cost_nanos"] > 0
    assert broken["first_content_ns"] > 0


@pytest.mark.parametrize("dialect", DIALECTS)
def test_an_error_that_comes_soon_has_its_own_status_though_content_came_before(
    play: Theatre, dialect: Dialect
) -> None:
    duo = play.duo(dialect)
    play.stage.script(duo.first, *_cut_after(dialect, 2, Close()))
    play.stage.script(duo.second, *failing(400, "a bad schema")(dialect))

    said = _ask(play, dialect, duo)

    assert said.status == 400
    assert "a bad schema" in read_error(dialect, said).message
    receipt = play.receipt(said)
    assert receipt["outcome"] == "failed"
    assert "model" not in receipt
    assert len(receipt["attempts"]) == 2


@pytest.mark.parametrize("dialect", DIALECTS)
def test_four_broken_attempts_are_one_honest_error(play: Theatre, dialect: Dialect) -> None:
    duo = play.duo(dialect)
    for place in (duo.first, duo.second, duo.second, duo.second):
        play.stage.script(place, *_cut_after(dialect, 2, Close()))

    said = _ask(play, dialect, duo)

    heard = read_stream(dialect, said.body)
    assert (said.status, heard.text, heard.ended) == (200, "", False)
    assert heard.error is not None
    receipt = play.receipt(said)
    assert (receipt["outcome"], len(receipt["attempts"])) == ("failed", 4)
    assert len(play.stage.seen(duo.second)) == 3


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_slow_answer_is_waited_for_with_harmless_frames(
    play: Theatre, dialect: Dialect, *, stream: bool
) -> None:
    duo = play.duo(dialect)
    whole = stream_bytes(dialect) if stream else answer(whole_body(dialect))
    go_on = play.stage.event()
    play.stage.script(duo.first, Until(go_on), Send(whole))

    response, connection = play.caller.door.begin(asked(dialect, duo.name, stream=stream), **VERIFIED)
    try:
        assert response.status == 200
        frame = response.read1(64)
        assert frame
        play.stage.set(go_on)
        body = frame + response.read()
    finally:
        connection.close()

    said = Answer(200, {name.lower(): value for name, value in response.getheaders()}, body)
    if stream:
        heard = read_stream(dialect, body)
        assert (heard.text, heard.ended, heard.error) == (TEXT, True, None)
    else:
        assert not frame.strip()
        assert text_of(dialect, said) == TEXT
    assert play.receipt(said)["outcome"] == "answered"


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_whole_answer_that_fails_late_is_torn_and_never_taken_for_one(
    play: Theatre, dialect: Dialect
) -> None:
    duo = play.duo(dialect)
    play.stage.script(duo.first, Wait(KEEPALIVE_S * 2), *failing(400, "a bad schema")(dialect))

    response, connection = play.caller.door.begin(asked(dialect, duo.name), **VERIFIED)
    try:
        with pytest.raises(IncompleteRead) as torn:
            response.read()
    finally:
        connection.close()

    assert response.status == 200
    assert b"a bad schema" in torn.value.partial
    json.loads(torn.value.partial)
    assert play.receipt(response.headers["x-passerelle-receipt"])["outcome"] == "failed"
    assert not play.house.lines("unexpected failure")


@pytest.mark.parametrize("stream", [False, True])
def test_a_caller_who_goes_away_cancels_and_settles(play: Theatre, *, stream: bool) -> None:
    duo = play.duo("openai_chat")
    steps = _cut_after("openai_chat", 2, Hang()) if stream else [Hang()]
    play.stage.script(duo.first, *steps)

    response, connection = play.caller.door.begin(asked("openai_chat", duo.name, stream=stream), **VERIFIED)
    receipt_id = response.headers["x-passerelle-receipt"]
    response.close()
    connection.close()

    receipt = until(lambda: _receipt_of(play, receipt_id), "the receipt of a caller who left")
    assert receipt["outcome"] == "cancelled"


def _receipt_of(play: Theatre, receipt_id: str) -> dict[str, Any] | None:
    play.house.booked(play.caller)
    try:
        return play.receipt(receipt_id)
    except (AssertionError, KeyError):
        return None


def _saying(dialect: Dialect, words: str) -> bytes:
    """A whole stream that says `words` first."""
    said = frames(dialect)
    if dialect == "bedrock":
        said[1] = bedrock_frame("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": words}})
    else:
        said = [frame.replace(PIECES[0].encode(), words.encode()) for frame in said]
    return opened(*said) + LAST_CHUNK


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_long_answer_is_held_packed(play: Theatre, dialect: Dialect) -> None:
    duo = play.duo(dialect)
    words = "the same words again " * 5_000
    play.stage.script(duo.first, Send(_saying(dialect, words)))

    said = _ask(play, dialect, duo)

    assert read_stream(dialect, said.body).text == TEXT.replace(PIECES[0], words)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_more_than_may_be_held_back_is_an_honest_error(play: Theatre, dialect: Dialect) -> None:
    duo = play.duo(dialect)
    noise = "".join(random.Random(7).choices(string.ascii_letters + string.digits, k=300_000))
    play.stage.script(duo.first, Send(_saying(dialect, noise)))

    said = _ask(play, dialect, duo)

    assert said.status == status_of(dialect, 502)
    assert "x-passerelle-delivery" in read_error(dialect, said).message
    receipt = play.receipt(said)
    assert [a["failure"] for a in receipt["attempts"]] == ["oversized"]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_an_error_after_the_head_is_told_in_the_stream(play: Theatre, dialect: Dialect) -> None:
    duo = play.duo(dialect)
    play.stage.script(duo.first, Wait(KEEPALIVE_S * 2), *failing(400, "a bad schema")(dialect))

    said = _ask(play, dialect, duo)

    assert said.status == 200
    heard = read_stream(dialect, said.body)
    assert (heard.text, heard.ended) == ("", False)
    assert heard.error is not None
    assert play.receipt(said)["outcome"] == "failed"
