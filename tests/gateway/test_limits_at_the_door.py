"""How fast and how much at once: limits of keys and of the worker, told with how long to wait."""

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from http.client import HTTPConnection, HTTPException
from typing import NamedTuple

import pytest
from tests.faultd import Send, Until, answer
from tests.gateway.door import DIALECTS, Answer, asked, error_type, read_error
from tests.gateway.house import Caller, House, running, until
from tests.gateway.stage import ENV, Catalogue, Stage, short, whole_body
from tests.serving import children

from passerelle.core.request import Dialect

IN_FLIGHT = 8


class Held(NamedTuple):
    """A request that waits at its provider."""

    over: asyncio.Event
    answered: Future[Answer]


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
    assert len(served) in (5, 6)  # so few may always come at once, and half a request more a second
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


@pytest.mark.parametrize("per_minute", [1, 2, 6])
def test_a_second_request_right_after_the_first_is_no_flood(house: House, per_minute: int) -> None:
    caller = house.caller("slow starter", requests_per_minute=per_minute)

    statuses = [ask(caller).status for _ in range(7)]

    assert statuses.count(200) in (min(5, per_minute), min(5, per_minute) + 1)


@pytest.fixture(scope="module")
def trio(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Three workers."""
    catalogue = Catalogue()
    catalogue.provider("chat", "openai_chat", stage.url)
    catalogue.model("m-chat", "chat")
    catalogue.model("m-few", "chat")
    catalogue.lines += ["limits = { concurrency = 2 }"]
    with running(tmp_path_factory.mktemp("trio"), catalogue.text, workers=3, **ENV) as house:
        yield house


def test_workers_share_a_rate(trio: House) -> None:
    caller = trio.caller("shared", requests_per_minute=60, known=False)
    trio.caller("later")  # once this one is known everywhere, so is the first
    began = time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(lambda _: ask(caller).status, range(80)))
    took_s = time.monotonic() - began

    assert set(statuses) == {200, 429}
    assert 6 <= statuses.count(200) <= 6 + took_s + 2


def test_a_connection_that_stays_at_one_worker_gets_the_whole_rate(trio: House) -> None:
    caller = trio.caller("kept alive", requests_per_minute=120, known=False)
    trio.caller("later")
    request = asked("openai_chat", "m-chat")
    headers = {"authorization": f"Bearer {caller.token}", "content-type": "application/json"}
    connection = HTTPConnection(caller.door.host, caller.door.port, timeout=20)
    statuses = []
    for _ in range(12):
        connection.request("POST", request.path, request.body, headers)
        response = connection.getresponse()
        response.read()
        statuses.append(response.status)
    connection.close()

    assert statuses == [200] * 12


def held(stage: Stage, caller: Caller, pool: ThreadPoolExecutor, model: str = "m-chat") -> Held:
    """A request that its provider keeps until the event is set."""
    over, before = stage.event(), len(stage.requests)
    stage.script(f"{model}.chat", Until(over), Send(answer(whole_body("openai_chat"))))
    answered = pool.submit(lambda: caller.door.send(asked("openai_chat", model)))
    until(lambda: len(stage.requests) > before, "the request is at the provider")
    return Held(over, answered)


def test_workers_share_how_many_may_be_under_way(trio: House, stage: Stage) -> None:
    caller = trio.caller("one at a time", concurrency=1, known=False)
    trio.caller("later")
    with ThreadPoolExecutor(1) as pool:
        one = held(stage, caller, pool)
        said = [ask(caller) for _ in range(12)]
        stage.set(one.over)
        assert one.answered.result().status == 200

    assert {answer.status for answer in said} == {429}
    assert refused_with_wait("openai_chat", said[0], "1 requests under way") == 1
    until(lambda: ask(caller).status == 200, "its end makes room")
    assert {ask(caller).status for _ in range(6)} == {200}


def test_a_killed_worker_s_requests_are_under_way_no_more(trio: House, stage: Stage) -> None:
    caller = trio.caller("unlucky", concurrency=1, known=False)
    trio.caller("later")
    with ThreadPoolExecutor(1) as pool:
        over, before = stage.event(), len(stage.requests)
        stage.script("m-few.chat", Until(over), Send(answer(whole_body("openai_chat"))))
        lost = pool.submit(lambda: caller.door.send(asked("openai_chat", "m-few")))
        until(lambda: len(stage.requests) > before, "the request is at the provider")
        assert ask(caller).status == 429
        for worker in children(trio.gateway.process.pid):
            os.kill(worker, signal.SIGKILL)
        with pytest.raises((ConnectionError, HTTPException)):
            lost.result()
        stage.set(over)

    until(lambda: tried(caller) == 200, "its place is free again", within_s=20)


def tried(caller: Caller) -> int:
    """The status, or 0 while workers come and go."""
    try:
        return ask(caller).status
    except OSError:
        return 0
