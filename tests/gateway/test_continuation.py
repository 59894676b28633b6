"""A text that broke off is gone on with by another call, where that was asked for and a model can."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.faultd import LAST_CHUNK, Close, Send, Wait
from tests.gateway.door import DIALECTS, Answer, asked, read_stream
from tests.gateway.duos import Theatre
from tests.gateway.faulty import APART_S, cut_after, failing, opened
from tests.gateway.house import running
from tests.gateway.stage import ENV, Catalogue, Stage, frames, lead_in, short
from tests.upstream_answers import PIECES, TEXT
from tests.upstream_bedrock import frame as bedrock_frame

from passerelle.core.request import Dialect
from passerelle.gateway.going_on import unsaid

CONTINUE = {"x_passerelle_continue": "1"}
DELIVERED = "".join(PIECES[:2])
REST = "".join(PIECES[2:])
DUOS = 14


@pytest.fixture(scope="module")
def play(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Theatre]:
    catalogue = Catalogue()
    for dialect in DIALECTS:
        for letter in "ab":
            catalogue.provider(f"{short(dialect)}{letter}", dialect, stage.url)
        for number in range(DUOS):
            name = f"{short(dialect)}a{number}"
            model, places = f"{name}-model", (f"{short(dialect)}a", f"{short(dialect)}b")
            catalogue.model(model, *places, more=['capabilities = ["streaming", "tools", "prefill"]'])
            targets = ", ".join(f'"{place}/{model}.{place}"' for place in places)
            catalogue.aliases.append(f"{name} = [{targets}]")
    with running(tmp_path_factory.mktemp("continue"), catalogue.text, **ENV) as house:
        yield (theatre := Theatre(house, stage, house.caller(budget_nanos=10**15), DUOS))
        theatre.balanced()


def _saying(dialect: Dialect, words: str) -> list[bytes]:
    """The frames of an answer that is these words."""
    said, lead = frames(dialect), lead_in(dialect)
    if dialect == "bedrock":
        said[lead] = bedrock_frame("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": words}})
    else:
        told = json.dumps(words)[1:-1].encode()
        said[lead] = said[lead].replace(PIECES[0].encode(), told)
        said = [frame.replace(TEXT.encode(), told) for frame in said]
    if dialect == "gemini":  # whose last words come with the end
        return [said[0], said[-1].replace(PIECES[-1].encode(), b"")]
    return [*said[: lead + 1], *said[lead + len(PIECES) :]]


def _ask(play: Theatre, dialect: Dialect, name: str, **more: Any) -> Answer:
    return play.caller.door.send(asked(dialect, name, stream=True, **more), **CONTINUE)


@pytest.mark.parametrize("provider", DIALECTS)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_next_place_goes_on_from_what_was_delivered(
    play: Theatre, dialect: Dialect, provider: Dialect
) -> None:
    duo = play.duo(provider)
    play.stage.script(duo.first, *cut_after(provider, 2, Wait(APART_S), Close()))
    play.stage.script(duo.second, Send(opened(*_saying(provider, REST)) + LAST_CHUNK))

    said = _ask(play, dialect, duo.name)

    heard = read_stream(dialect, said.body)
    assert (heard.text, heard.ended, heard.error) == (TEXT, True, None)
    receipt = play.receipt(said)
    assert receipt["outcome"] == "answered"
    broken, went_on = receipt["attempts"]
    assert (broken["ok"], went_on["ok"], went_on["continued"]) == (False, True, True)
    assert broken["cost_nanos"] > 0
    assert went_on["cost_nanos"] > 0
    (request,) = play.stage.seen(duo.second)
    assert DELIVERED.rstrip() in request.body.decode()


@pytest.mark.parametrize("dialect", DIALECTS)
def test_what_is_said_again_is_left_out(play: Theatre, dialect: Dialect) -> None:
    duo = play.duo(dialect)
    play.stage.script(duo.first, *cut_after(dialect, 2, Wait(APART_S), Close()))
    play.stage.script(duo.second, Send(opened(*_saying(dialect, TEXT)) + LAST_CHUNK))

    heard = read_stream(dialect, _ask(play, dialect, duo.name).body)

    assert (heard.text, heard.ended) == (TEXT, True)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_continuation_that_fails_leaves_the_honest_error(play: Theatre, dialect: Dialect) -> None:
    duo = play.duo(dialect)
    play.stage.script(duo.first, *cut_after(dialect, 2, Wait(APART_S), Close()))
    play.stage.script(duo.second, *failing(400, "no prefill here")(dialect))

    said = _ask(play, dialect, duo.name)

    heard = read_stream(dialect, said.body)
    assert (heard.text, heard.ended) == (DELIVERED, False)
    assert heard.error is not None
    assert b"prefill" not in said.body
    receipt = play.receipt(said)
    assert receipt["outcome"] == "incomplete"
    assert len(receipt["attempts"]) == 2


@pytest.mark.parametrize("dialect", DIALECTS)
def test_one_continuation_is_the_most(play: Theatre, dialect: Dialect) -> None:
    duo = play.duo(dialect)
    play.stage.script(duo.first, *cut_after(dialect, 2, Wait(APART_S), Close()))
    words = "and so it went on for as many words as are looked at before any is passed on, " * 4
    lead = lead_in(dialect)
    begun = _saying(dialect, words)[: lead + 1]
    play.stage.script(duo.second, Send(opened(*begun)), Wait(APART_S), Close())

    said = _ask(play, dialect, duo.name)

    heard = read_stream(dialect, said.body)
    assert (heard.text, heard.ended) == (DELIVERED + words, False)
    assert heard.error is not None
    assert len(play.receipt(said)["attempts"]) == 2


def test_without_asking_there_is_none(play: Theatre) -> None:
    duo = play.duo("anthropic")
    play.stage.script(duo.first, *cut_after("anthropic", 2, Close()))

    said = play.ask("anthropic", duo, stream=True)

    assert read_stream("anthropic", said.body).error is not None
    assert play.stage.seen(duo.second) == []


def test_a_key_may_forbid_it(play: Theatre) -> None:
    duo = play.duo("anthropic")
    play.stage.script(duo.first, *cut_after("anthropic", 2, Close()))
    caller = play.house.caller("never", continues=False)

    said = caller.door.send(asked("anthropic", duo.name, stream=True), **CONTINUE)

    assert read_stream("anthropic", said.body).error is not None
    assert play.stage.seen(duo.second) == []


def test_after_a_tool_call_nothing_is_gone_on_with(play: Theatre) -> None:
    duo = play.duo("anthropic")
    tool = {"name": "weather", "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}}}
    said = frames("anthropic", {"tools": [tool], "model": "m"})
    play.stage.script(duo.first, Send(opened(*said[:5])), Wait(APART_S), Close())

    heard = read_stream("anthropic", _ask(play, "anthropic", duo.name, tools=[tool]).body)

    assert heard.error is not None
    assert play.stage.seen(duo.second) == []


@given(st.text(max_size=60), st.text(max_size=40), st.text(max_size=60))
def test_a_repetition_at_the_seam_is_said_once(before: str, again: str, after: str) -> None:
    again += " twelve letters and more"
    assert (before + again) + unsaid(before + again, again + after) in (
        before + again + after,
        before + again + unsaid(before + again, again + after),
    )
    new = unsaid(before + again, again + after)
    assert after.endswith(new)


def test_short_repetitions_are_meant_and_blanks_are_not_doubled() -> None:
    assert unsaid("He said no", "no, never") == "no, never"
    assert unsaid("The bridge ", " has") == "has"
    assert unsaid("The bridge", " has") == " has"
