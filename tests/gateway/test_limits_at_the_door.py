"""How fast and how much at once: limits of keys and of the worker, told with how long to wait."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.faultd import Send, Until, answer
from tests.gateway.door import DIALECTS, Answer, asked, error_type, read_error
from tests.gateway.house import Caller, House, running, until
from tests.gateway.stage import ENV, Catalogue, Stage, short, whole_body

from passerelle.core.request import Dialect

IN_FLIGHT = 8


@pytest.fixture(scope="module")
def house(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    limits = ["[limits]", "requests_per_minute = 6000", "concurrency = 20"]
    catalogue = Catalogue([f"server.max_in_flight = {IN_FLIGHT}", *Catalogue().lines, *limits])
    for dialect in DIALECTS:
        catalogue.provider(short(dialect), dialect, stage.url)
        catalogue.model(f"m-{short(dialect)}", short(dialect))
    with running(tmp_path_factory.mktemp("limits"), catalogue.text, **ENV) as house:
        yield house


def ask(caller: Caller, dialect: Dialect = "openai_chat", text: str = "hi") -> Answer:
    return caller.door.send(asked(dialect, f"m-{short(dialect)}", text=text))


def refused_with_wait(dialect: Dialect, said: Answer, about: str) -> int:
    """The wait that a 429 asks for."""
    assert said.status == 429
    error = read_error(dialect, said)
    assert error.type == error_type(dialect, 429)
    assert about in error.message
    assert "x-should-retry" not in said.headers
    return int(said.headers["retry-after"])


@pytest.mark.parametrize("dialect", DIALECTS)
def test_requests_a_minute_are_kept_and_told_in_the_dialect(
    house: House, stage: Stage, dialect: Dialect
) -> None:
    caller = house.caller("hasty", requests_per_minute=30)
    before = len(stage.requests)
    answers = [ask(caller, dialect) for _ in range(12)]

    served = [one for one in answers if one.status == 200]
    assert len(served) in (3, 4)  # a tenth of a minute's worth at once
    assert len(stage.requests) - before == len(served)
    for said in answers[len(served) :]:
        assert refused_with_wait(dialect, said, "30 requests a minute") in (1, 2)
        assert house.receipt(caller, said)["outcome"] == "refused"


def test_who_waits_as_told_is_served(house: House) -> None:
    caller = house.caller("patient", requests_per_minute=120)
    while ask(caller).status == 200:
        pass
    wait_s = refused_with_wait("openai_chat", ask(caller), "120 requests a minute")

    time.sleep(wait_s)

    assert ask(caller).status == 200


def test_tokens_a_minute_are_kept_by_what_was_really_used(house: House) -> None:
    caller = house.caller("wordy", tokens_per_minute=6_000)
    statuses = [ask(caller).status for _ in range(40)]

    served = statuses.count(200)
    assert 6 <= served <= 9  # each answer is 90 tokens: 600 at once, and 100 more a second
    assert statuses[:served] == [200] * served
    assert refused_with_wait("openai_chat", ask(caller), "6000 tokens a minute") >= 1


def test_a_prompt_larger_than_the_tokens_at_once_passes_when_nothing_was_used_and_is_charged_whole(
    house: House,
) -> None:
    caller = house.caller("huge", tokens_per_minute=6_000)

    assert ask(caller, text="word " * 4_000).status == 200  # estimated at 5,000, answered with 90
    assert ask(caller).status == 200
    while ask(caller).status == 200:
        pass
    assert ask(caller, text="word " * 4_000).status == 429


def test_limits_of_one_key_are_not_another_s(house: House) -> None:
    slow, other = house.caller("slow", requests_per_minute=10), house.caller("other")
    while ask(slow).status == 200:
        pass

    assert {ask(other).status for _ in range(20)} == {200}


def test_a_worker_takes_no_more_than_it_can_carry(house: House, stage: Stage) -> None:
    caller, other = house.caller("crowd"), house.caller("late")
    over = stage.event()
    for _ in range(IN_FLIGHT):
        stage.script("m-chat.chat", Until(over), Send(answer(whole_body("openai_chat"))))
    before = len(stage.requests)
    with ThreadPoolExecutor(IN_FLIGHT) as pool:
        held = [pool.submit(ask, caller) for _ in range(IN_FLIGHT)]
        until(lambda: len(stage.requests) - before == IN_FLIGHT, "the worker is full")
        said = ask(other)
        planned = other.door.send(asked("openai_chat", "m-chat"), x_passerelle_plan="1")
        alive = other.door.get("/livez").status
        stage.set(over)
        statuses = [one.result().status for one in held]

    assert said.status == 503
    assert read_error("openai_chat", said).type == error_type("openai_chat", 503)
    assert int(said.headers["retry-after"]) >= 1
    assert statuses == [200] * IN_FLIGHT
    assert (planned.status, alive) == (200, 200)
    assert ask(other).status == 200


def test_two_workers_share_a_limit(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> None:
    catalogue = Catalogue()
    catalogue.provider("chat", "openai_chat", stage.url)
    catalogue.model("m-chat", "chat")
    with running(tmp_path_factory.mktemp("shared"), catalogue.text, workers=2, **ENV) as house:
        caller = house.caller("shared", requests_per_minute=60, known=False)
        house.caller("later")  # once this one is known everywhere, so is the first
        began = time.monotonic()
        with ThreadPoolExecutor(8) as pool:
            statuses = list(pool.map(lambda _: ask(caller).status, range(80)))
        took_s = time.monotonic() - began

    assert set(statuses) == {200, 429}
    assert statuses.count(200) <= 6 + took_s + 2
