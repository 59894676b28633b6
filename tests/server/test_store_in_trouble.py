"""A database that is slow, held by a stopped process, full, or killed with its gateway: what is under way
ends well, nobody waits for ever, nothing is lost. Beside `test_degraded`: away, or locked for good.
"""

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from asyncio import Event
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import openai
import pytest
from tests.faultd import LAST_CHUNK, Send, Until, answer, chunk
from tests.gateway.batch.office import begin, chat_line, ended, openai_of
from tests.gateway.door import read_stream
from tests.gateway.faulty import opened
from tests.gateway.house import Caller, House, installed, running, until
from tests.gateway.stage import ENV, Catalogue, Stage, frames, lead_in, whole_body
from tests.server.test_degraded import ask, full, linux, locked, ready, recovers
from tests.store.world import assert_books_balance

BOUND_S = 20.0
"""No answer takes longer than this, whatever the database does; most take none of it."""


def _config(stage: Stage) -> str:
    catalogue = Catalogue()
    catalogue.provider("chat", "openai_chat", stage.url)
    catalogue.model("m", "chat")
    return catalogue.text


@pytest.fixture(scope="module")
def house(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with running(tmp_path_factory.mktemp("trouble"), _config(stage), **ENV) as house:
        yield house
        assert_books_balance(house.gateway.data)


@contextmanager
def for_a_moment(house: House, seconds: float) -> Iterator[None]:
    """Somebody else writes for so long, and is done."""
    connection = sqlite3.connect(
        house.gateway.data / "passerelle.db", isolation_level=None, timeout=10, check_same_thread=False
    )
    connection.execute("BEGIN IMMEDIATE")
    timer = threading.Timer(seconds, connection.execute, ("ROLLBACK",))
    timer.start()
    try:
        yield
    finally:
        timer.join()
        connection.close()


@contextmanager
def in_bursts(house: House, held_s: float, free_s: float) -> Iterator[None]:
    """Somebody else writes again and again, and leaves hardly any time between."""
    over = threading.Event()

    def write() -> None:
        path = house.gateway.data / "passerelle.db"
        with contextlib.closing(sqlite3.connect(path, isolation_level=None, timeout=10)) as connection:
            while not over.is_set():
                connection.execute("BEGIN IMMEDIATE")
                over.wait(held_s)
                connection.execute("ROLLBACK")
                over.wait(free_s)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


_HOLDER = """
import sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=10)
connection.execute("BEGIN IMMEDIATE")
print("held", flush=True)
time.sleep(600)
"""


@contextmanager
def held_by_a_stopped_process(house: House) -> Iterator[None]:
    """A process that has the write lock is stopped, and killed at the end."""
    path = str(house.gateway.data / "passerelle.db")
    with subprocess.Popen([sys.executable, "-c", _HOLDER, path], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        os.kill(holder.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            holder.kill()


def test_who_needs_the_database_waits_while_another_writes_for_a_moment(house: House) -> None:
    spender = house.caller("spender", budget_nanos=10**12)
    careful = house.caller("careful", audit="required")
    ask(careful)  # known here, as any key in use is
    with for_a_moment(house, 2.6), ThreadPoolExecutor(4) as pool:
        said = list(pool.map(ask, [spender, careful, spender, careful]))

    assert [answer.status for answer in said] == [200] * 4
    recovers(house, spender, [said[0], said[2]])


def test_a_crowd_with_fresh_budgets_is_served_between_bursts_of_another_writer(house: House) -> None:
    crowd = [house.caller(f"burst {n}", budget_nanos=10**12) for n in range(8)]
    began = time.monotonic()
    with in_bursts(house, 0.4, 0.02), ThreadPoolExecutor(8) as pool:
        said = list(pool.map(ask, crowd))

    assert {answer.status for answer in said} == {200}
    assert time.monotonic() - began < BOUND_S
    recovers(house, crowd[0], said[:1])


def test_a_stopped_process_that_has_the_lock_delays_the_books_until_it_is_gone(
    house: House, stage: Stage
) -> None:
    caller, spender = house.caller("known"), house.caller("new money", budget_nanos=10**12)
    ask(caller)
    with held_by_a_stopped_process(house):
        began = time.monotonic()
        served = [ask(caller, stream=stream) for stream in (False, True, False)]
        until(lambda: not ready(caller), "not ready")
        before = len(stage.requests)
        refused = ask(spender)
        again = ask(spender)

        assert {one.status for one in served} == {200}
        assert (refused.status, again.status) == (503, 503)
        assert int(again.headers["retry-after"]) >= 1
        assert len(stage.requests) == before
        assert time.monotonic() - began < BOUND_S
    recovers(house, caller, served)
    assert ask(spender).status == 200


def test_an_idle_gateway_tells_of_a_database_that_it_could_not_write_to(house: House) -> None:
    caller = house.caller("idle")
    ask(caller)
    house.booked(caller)
    with locked(house):
        until(lambda: not ready(caller), "not ready")
        time.sleep(0.5)  # and stays so: nothing was written in between
        assert not ready(caller)
    until(lambda: ready(caller), "ready again")


def _half_said(stage: Stage, name: str = "m.chat") -> Event:
    """Have the model's next stream wait in its middle until the event given is set."""
    over, said = stage.event(), frames("openai_chat")
    cut = lead_in("openai_chat") + 1
    rest = b"".join(chunk(frame) for frame in said[cut:]) + LAST_CHUNK
    stage.script(name, Send(opened(*said[:cut])), Until(over), Send(rest))
    return over


@pytest.mark.parametrize("budget", [None, 10**12])
def test_a_stream_under_way_ends_whole_while_the_database_is_locked(
    house: House, stage: Stage, budget: int | None
) -> None:
    caller = house.caller(f"midway {budget}", budget_nanos=budget)
    over = _half_said(stage)
    before = len(stage.requests)
    with ThreadPoolExecutor(1) as pool:
        stream = pool.submit(ask, caller, stream=True)
        until(lambda: len(stage.requests) > before, "it is under way")
        with locked(house):
            until(lambda: not ready(caller), "not ready")
            stage.set(over)
            said = stream.result(BOUND_S)
            assert read_stream("openai_chat", said.body).ended
            assert not ready(caller)
    recovers(house, caller, [said])
    if caller.budget_id is not None:
        spent = house.receipt(caller, said)["cost_nanos"]
        until(lambda: house.spent(caller.budget_id or "") == spent, "what it held is settled")


@linux
def test_a_stream_under_way_when_the_disk_fills_ends_truly_and_is_booked(house: House, stage: Stage) -> None:
    caller = house.caller("full midway", content="full")
    over = _half_said(stage)
    before = len(stage.requests)
    with ThreadPoolExecutor(1) as pool:
        stream = pool.submit(ask, caller, stream=True, text="a long question " * 20_000)
        until(lambda: len(stage.requests) > before, "it is under way")
        with full(house):
            stage.set(over)
            said = stream.result(BOUND_S)
        told = read_stream("openai_chat", said.body)
        assert told.ended != (told.error is not None), "an end, or an error that says why there is none"
    until(lambda: ready(caller), "ready again")
    house.booked(caller)
    assert house.receipt(caller, said)["outcome"] == "answered"


def test_a_batch_goes_on_when_the_database_does_and_asks_no_line_twice(house: House, stage: Stage) -> None:
    caller = house.caller("batches", content="conversations")
    client: openai.OpenAI = openai_of(house, caller)
    over, before = stage.event(), len(stage.requests)
    for _ in range(3):
        stage.script("m.chat", Until(over), Send(answer(whole_body("openai_chat"))))
    batch = begin(client, [chat_line(n, "m") for n in range(3)])
    until(lambda: len(stage.requests) == before + 3, "its lines are asked")
    with locked(house):
        until(lambda: not ready(caller), "not ready")
        stage.set(over)
        assert ask(caller).status == 200
    done = ended(client, batch, within_s=BOUND_S)
    client.close()

    assert (done.status, done.request_counts.completed, done.request_counts.failed) == ("completed", 3, 0)
    assert len(stage.requests) == before + 4
    until(lambda: ready(caller), "ready again")


def test_what_was_served_from_a_locked_database_survives_the_gateways_death(
    stage: Stage, tmp_path: Path
) -> None:
    with installed(tmp_path / "killed", _config(stage), **ENV) as house:
        caller = house.caller("killed", budget_nanos=10**12)
        house.gateway.start()
        served = [ask(_at(house, caller))]
        with locked(house):
            served += [ask(_at(house, caller), stream=stream) for stream in (False, True)]
            assert {one.status for one in served} == {200}
            house.gateway.kill()
        house.gateway.start()
        recovers(house, _at(house, caller), served)
        spent = sum(house.receipt(caller, one)["cost_nanos"] for one in served)
        assert house.spent(caller.budget_id or "") == spent


def _at(house: House, caller: Caller) -> Caller:
    return caller._replace(door=house.at(caller))
