"""While an answer is waited for, its caller's connection is kept, and what comes late is told honestly."""

import json
from collections.abc import Iterator
from http.client import IncompleteRead
from typing import Any

import pytest
from tests.faultd import Close, Hang, Send, Until, Wait, answer
from tests.gateway.door import DIALECTS, Answer, asked, read_stream, text_of
from tests.gateway.duos import Theatre, theatre
from tests.gateway.faulty import cut_after, failing
from tests.gateway.house import until
from tests.gateway.stage import Stage, stream_bytes, whole_body
from tests.upstream_answers import TEXT

from passerelle.core.request import Dialect

KEEPALIVE_S = 0.15
VERIFIED = {"x_passerelle_delivery": "verified"}


@pytest.fixture(scope="module")
def play(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Theatre]:
    before = f"[delivery]\nkeepalive_s = {KEEPALIVE_S}"
    with theatre(tmp_path_factory.mktemp("waits"), stage, duos=20, firsts={"a": None}, before=before) as play:
        yield play
        play.balanced()


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
    steps = cut_after("openai_chat", 2, Hang()) if stream else [Hang()]
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


@pytest.mark.parametrize("dialect", DIALECTS)
def test_an_error_after_the_head_is_told_in_the_stream(play: Theatre, dialect: Dialect) -> None:
    duo = play.duo(dialect)
    play.stage.script(duo.first, Wait(KEEPALIVE_S * 2), *failing(400, "a bad schema")(dialect))

    said = play.ask(dialect, duo, stream=True, **VERIFIED)

    assert said.status == 200
    heard = read_stream(dialect, said.body)
    assert (heard.text, heard.ended) == ("", False)
    assert heard.error is not None
    assert play.receipt(said)["outcome"] == "failed"


@pytest.mark.parametrize("dialect", DIALECTS)
def test_four_broken_attempts_are_one_honest_error(play: Theatre, dialect: Dialect) -> None:
    duo = play.duo(dialect)
    for place in (duo.first, duo.second, duo.second, duo.second):
        play.stage.script(place, *cut_after(dialect, 2, Close()))

    said = play.ask(dialect, duo, stream=True, **VERIFIED)

    heard = read_stream(dialect, said.body)
    assert (said.status, heard.text, heard.ended) == (200, "", False)
    assert heard.error is not None
    receipt = play.receipt(said)
    assert (receipt["outcome"], len(receipt["attempts"])) == ("failed", 4)
    assert len(play.stage.seen(duo.second)) == 3
