"""A hedged request calls a second place when the first is slow; both are held for, and both are booked."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.faultd import Close, Hang, Send, Until, Wait, answer
from tests.gateway.door import DIALECTS, asked, text_of
from tests.gateway.duos import Theatre, theatre
from tests.gateway.faulty import failing
from tests.gateway.house import Caller, until
from tests.gateway.stage import Stage, whole_body
from tests.upstream_answers import TEXT

from passerelle.core.request import Dialect

SLOW_S = 0.4
HEDGE = {"x_passerelle_hedge": "1"}


@pytest.fixture(scope="module")
def play(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Theatre]:
    before = "[delivery]\nhedge_after_s = 0.1"
    with theatre(tmp_path_factory.mktemp("hedge"), stage, duos=20, firsts={"a": None}, before=before) as play:
        yield play
        play.balanced()


@pytest.fixture(scope="module")
def hedger(play: Theatre) -> Caller:
    """A caller who may."""
    play.caller = play.house.caller("hedger", budget_nanos=10**15, hedge=True)
    return play.caller


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_second_place_answers_while_the_first_is_silent(
    play: Theatre, hedger: Caller, dialect: Dialect
) -> None:
    duo = play.duo(dialect)
    play.stage.script(duo.first, Hang())

    said = play.ask(dialect, duo, **HEDGE)

    assert (said.status, text_of(dialect, said)) == (200, TEXT)
    receipt = play.receipt(said)
    beaten, won = receipt["attempts"]
    assert (beaten["deployment"], won["deployment"]) == duo.places
    assert (beaten["failure"], beaten["detail"]) == ("cancelled", "another place answered first")
    assert won["hedge"] is True
    assert receipt["deployment"] == duo.places[1]
    assert beaten["cost_nanos"] > 0  # nobody knows how far it came: it is estimated


def test_the_first_place_may_still_win(play: Theatre, hedger: Caller) -> None:
    duo = play.duo("openai_chat")
    go_on = play.stage.event()
    play.stage.script(duo.first, Until(go_on), Send(answer(whole_body("openai_chat"))))
    play.stage.script(duo.second, Hang())

    with ThreadPoolExecutor() as pool:
        asking = pool.submit(play.ask, "openai_chat", duo, **HEDGE)
        until(lambda: play.stage.seen(duo.second), "the second call")
        play.stage.set(go_on)
        said = asking.result()

    assert text_of("openai_chat", said) == TEXT
    receipt = play.receipt(said)
    beaten, won = receipt["attempts"]
    assert (won["deployment"], beaten["deployment"]) == duo.places
    assert (won["ok"], beaten["hedge"]) == (True, True)
    assert receipt["deployment"] == duo.places[0]


@pytest.mark.parametrize("stream", [False, True])
def test_without_the_right_or_for_a_stream_nobody_else_is_called(play: Theatre, *, stream: bool) -> None:
    duo = play.duo("anthropic")
    may = play.house.caller("other", budget_nanos=10**15, hedge=stream)

    said = may.door.send(asked("anthropic", duo.name, stream=stream), **HEDGE)

    assert said.status == 200
    assert play.stage.seen(duo.second) == []


def test_tools_that_run_at_the_provider_are_never_run_twice(play: Theatre, hedger: Caller) -> None:
    duo = play.duo("openai_responses")
    play.stage.script(duo.first, Wait(SLOW_S), Send(answer(whole_body("openai_responses"))))

    said = hedger.door.send(asked("openai_responses", duo.name, tools=[{"type": "web_search"}]), **HEDGE)

    assert said.status == 200, said.body
    assert play.stage.seen(duo.second) == []


def test_both_failing_is_one_honest_error(play: Theatre, hedger: Caller) -> None:
    duo = play.duo("gemini")
    play.stage.script(duo.first, Wait(SLOW_S), Close())
    play.stage.script(duo.second, *failing(400, "a bad schema")("gemini"))

    said = play.ask("gemini", duo, **HEDGE)

    assert said.status == 400
    receipt = play.receipt(said)
    assert receipt["outcome"] == "failed"
    assert len(receipt["attempts"]) == 2


def test_a_budget_that_holds_one_call_only_makes_one(play: Theatre) -> None:
    duo = play.duo("openai_chat")
    poor = play.house.caller("poor", budget_nanos=2_500_000, hedge=True)
    play.stage.script(duo.first, Wait(SLOW_S), Send(answer(whole_body("openai_chat"))))

    said = poor.door.send(asked("openai_chat", duo.name, max_tokens=100), **HEDGE)

    assert said.status == 200, said.body
    assert play.stage.seen(duo.second) == []
