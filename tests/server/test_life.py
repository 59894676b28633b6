"""The life of the process: it drains, ends with 0, replaces dead workers; its probes tell the truth."""

import http.client
import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.faultd import LAST_CHUNK, Hang, Send, Until, chunk
from tests.gateway.door import Answer, Door, asked, read_stream, text_of
from tests.gateway.faulty import opened
from tests.gateway.house import Caller, House, installed, until
from tests.gateway.stage import ENV, Catalogue, Stage, frames
from tests.store.world import assert_books_balance
from tests.upstream_answers import TEXT


def _house(stage: Stage, folder: Path, *, workers: int = 1, drain_s: float = 30.0) -> Iterator[House]:
    catalogue = Catalogue([f"server.drain_s = {drain_s}", *Catalogue().lines])
    catalogue.provider("chat", "openai_chat", stage.url)
    catalogue.model("m", "chat")
    with installed(folder, catalogue.text, workers=workers, **ENV) as house:
        house.gateway.start()
        yield house


@pytest.fixture
def house(stage: Stage, tmp_path: Path) -> Iterator[House]:
    yield from _house(stage, tmp_path / "one")


@pytest.fixture
def impatient(stage: Stage, tmp_path: Path) -> Iterator[House]:
    yield from _house(stage, tmp_path / "impatient", drain_s=1.0)


@pytest.fixture
def pair(stage: Stage, tmp_path: Path) -> Iterator[House]:
    yield from _house(stage, tmp_path / "two", workers=2)


def begun(stage: Stage, over: object) -> None:
    """The next request for `m` streams two pieces, and the rest once `over` is set."""
    said = frames("openai_chat")
    rest = b"".join(chunk(frame) for frame in said[3:]) + LAST_CHUNK
    stage.script("m.chat", Send(opened(*said[:3])), Until(over), Send(rest))  # type: ignore[arg-type]


def refused(door: Door) -> bool:
    """Whether nobody listens there any more."""
    try:
        door.get("/livez")
    except ConnectionError:
        return True
    return False


def _drains(house: House, stage: Stage) -> None:
    caller, over = house.caller(budget_nanos=10**12), stage.event()
    before = len(stage.seen("m.chat"))
    begun(stage, over)
    with ThreadPoolExecutor(2) as pool:
        stream = pool.submit(caller.door.send, asked("openai_chat", "m", stream=True))
        until(lambda: len(stage.seen("m.chat")) > before, "the stream is under way")
        house.gateway.process.send_signal(signal.SIGTERM)
        until(lambda: refused(caller.door), "no new connection is taken")
        assert house.gateway.process.poll() is None
        stage.set(over)
        answer: Answer = stream.result()
        status = house.gateway.stop()

    heard = read_stream("openai_chat", answer.body)
    assert (heard.text, heard.ended) == (TEXT, True)
    assert status == 0
    assert not [line for line in house.gateway.log if "Traceback" in line]
    assert house.rows("select outcome from outcome") == [("answered",)]
    assert_books_balance(house.gateway.data)
    assert house.rows("select count(*) from budget_lease where state = 'open'") == [(0,)]
    journals = [path.name for path in (house.gateway.data / "journal").iterdir()]
    assert [name for name in journals if not name.startswith("tests-")] == []


def test_sigterm_finishes_what_is_under_way_and_ends_with_0(house: House, stage: Stage) -> None:
    _drains(house, stage)


def test_sigterm_to_the_parent_drains_every_worker(pair: House, stage: Stage) -> None:
    _drains(pair, stage)


def test_a_stream_that_outlives_the_grace_is_cut_booked_and_not_ended(impatient: House, stage: Stage) -> None:
    caller, over = impatient.caller(budget_nanos=10**12), stage.event()
    begun(stage, over)
    with ThreadPoolExecutor(1) as pool:
        stream = pool.submit(_whatever_comes, caller, "a-long-one")
        until(lambda: stage.seen("m.chat"), "the stream is under way")
        began = time.monotonic()
        status = impatient.gateway.stop()
        took_s = time.monotonic() - began
        body = stream.result()
    stage.set(over)

    assert status == 0
    assert took_s >= 1.0  # the grace it was given; a wait for its end would never be over
    assert b"[DONE]" not in body
    assert b'finish_reason": "stop' not in body
    assert impatient.rows("select outcome from outcome") == [("cancelled",)]
    assert impatient.rows("select count(*) from ledger where source = 'estimated'") == [(1,)]
    assert_books_balance(impatient.gateway.data)


def _whatever_comes(caller: Caller, request_id: str) -> bytes:
    """The bytes of a stream as far as they come."""
    response, connection = caller.door.begin(asked("openai_chat", "m", stream=True), x_request_id=request_id)
    body = b""
    try:
        while piece := response.read1():
            body += piece
    except (http.client.IncompleteRead, ConnectionError):
        pass
    finally:
        connection.close()
    return body


def test_a_second_signal_does_not_wait(house: House, stage: Stage) -> None:
    caller = house.caller()
    before = len(stage.seen("m.chat"))
    stage.script("m.chat", Hang())
    response: list[object] = []
    with ThreadPoolExecutor(1) as pool:

        def ask() -> None:
            try:
                response.append(caller.door.send(asked("openai_chat", "m")).status)
            except (ConnectionError, http.client.HTTPException) as error:
                response.append(error)

        pool.submit(ask)
        until(lambda: len(stage.seen("m.chat")) > before, "the request is under way")
        house.gateway.process.send_signal(signal.SIGTERM)
        until(lambda: refused(caller.door), "the first signal is heard")
        house.gateway.process.send_signal(signal.SIGTERM)
        assert house.gateway.process.wait(10) == 0
    house.gateway.stop()
    assert house.rows("select outcome from outcome") == [("cancelled",)]


def test_a_killed_worker_is_replaced_and_nobody_else_notices(pair: House, stage: Stage) -> None:
    caller = pair.caller()
    parent = pair.gateway.process.pid
    children = _children(parent)
    assert len(children) == 2

    os.kill(children[0], signal.SIGKILL)
    until(lambda: len(set(_children(parent)) - {children[0]}) == 2, "a new worker")
    until(lambda: len(pair.lines("ready")) == 3, "the new worker is ready")

    assert {caller.door.send(asked("openai_chat", "m")).status for _ in range(40)} == {200}
    assert any(f"worker {children[0]} ended with -9" in line for line in pair.gateway.log)
    assert pair.gateway.stop() == 0
    until(lambda: not [pid for pid in children if _alive(pid)], "no worker is left")


def _children(parent: int) -> list[int]:
    found = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return [int(pid) for pid in found]


def _alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def test_the_probes_tell_what_is_served(house: House) -> None:
    door = Door(house.gateway.base_url)
    for path in ("/livez", "/readyz"):
        answer = door.get(path)
        assert answer.status == 200
        assert answer.headers["content-type"] == "application/json"
    ready = door.get("/readyz").json
    assert ready["status"] == "ready"
    assert ready["reasons"] == []

    house.gateway.config_path.write_text(Catalogue().text)
    house.gateway.process.send_signal(signal.SIGHUP)
    until(lambda: door.get("/readyz").status == 503, "without a deployment it is not ready")
    assert door.get("/readyz").json["reasons"] == ["no deployment is configured"]
    assert door.get("/livez").status == 200


def test_one_log_line_for_each_settled_request(house: House, stage: Stage) -> None:
    caller = house.caller("logged")
    answers = [
        caller.door.send(asked("openai_chat", model, stream=stream), x_request_id=f"line-{model}-{stream}")
        for model in ("m", "smart", "none")
        for stream in (False, True)
    ]
    assert text_of("openai_chat", answers[0]) == TEXT
    house.booked(caller)

    lines = house.lines("settled")
    assert len(lines) == house.rows("select count(*) from outcome")[0][0] == 4
    assert {line["request_id"] for line in lines} == {
        f"line-{m}-{s}" for m in ("m", "smart") for s in (False, True)
    }
    for line in lines:
        receipt = house.receipt(caller, line["receipt_id"])
        assert line["outcome"] == receipt["outcome"] == "answered"
        assert line["cost_nanos"] == receipt["cost_nanos"] > 0
        assert line["attempts"] == ["chat/m.chat:ok"]
        assert line["key"] == caller.key_id
        assert line["duration_ms"] > 0
        assert {"at", "level", "logger", "org", "project", "dialect", "model", "deployment"} <= set(line)


def test_workers_are_restarted_one_by_one_and_a_stream_under_way_is_finished(
    pair: House, stage: Stage
) -> None:
    caller, over = pair.caller(), stage.event()
    parent = pair.gateway.process.pid
    old = set(_children(parent))
    before = len(stage.seen("m.chat"))
    begun(stage, over)
    with ThreadPoolExecutor(1) as pool:
        patient = Door(pair.gateway.base_url, caller.token, timeout_s=90)
        stream = pool.submit(patient.send, asked("openai_chat", "m", stream=True))
        until(lambda: len(stage.seen("m.chat")) > before, "the stream is under way")
        os.kill(parent, signal.SIGUSR2)
        until(lambda: len(pair.lines("ready")) == 3, "a new worker is there", within_s=30)
        assert {caller.door.send(asked("openai_chat", "m")).status for _ in range(20)} == {200}
        stage.set(over)
        heard = read_stream("openai_chat", stream.result().body)
    assert (heard.text, heard.ended) == (TEXT, True)
    until(
        lambda: any("every worker was restarted" in line for line in pair.gateway.log), "the end", within_s=30
    )
    new = set(_children(parent))
    assert len(new) == 2
    assert not new & old
    assert {caller.door.send(asked("openai_chat", "m")).status for _ in range(20)} == {200}
    assert pair.gateway.stop() == 0


def test_a_restart_that_cannot_work_leaves_the_old_workers_alone(pair: House) -> None:
    caller = pair.caller()
    parent = pair.gateway.process.pid
    old = set(_children(parent))
    pair.gateway.config_path.write_text("this is = = not a configuration")
    os.kill(parent, signal.SIGUSR2)
    pair.gateway.wait_for(lambda: any("given up" in line for line in pair.gateway.log), 30)
    until(lambda: set(_children(parent)) == old, "the old ones stay")
    assert {caller.door.send(asked("openai_chat", "m")).status for _ in range(10)} == {200}


def test_a_request_that_is_on_its_way_when_the_worker_ends_is_answered(house: House) -> None:
    caller = house.caller()
    connection = http.client.HTTPConnection(caller.door.host, caller.door.port, timeout=10)
    head = {"authorization": f"Bearer {caller.token}", "content-type": "application/json"}
    ask = asked("openai_chat", "m")
    connection.request("POST", ask.path, ask.body, head)
    first = connection.getresponse()
    first.read()
    assert "connection" not in {name.lower() for name, _ in first.getheaders()}
    house.gateway.process.send_signal(signal.SIGTERM)
    until(lambda: refused(caller.door), "no new connection is taken")
    connection.request("POST", ask.path, ask.body, head)
    last = connection.getresponse()
    last.read()
    assert (last.status, last.getheader("connection")) == (200, "close")
    connection.close()
    assert house.gateway.stop() == 0


def test_a_connection_whose_stream_ends_with_its_worker_takes_one_more_request(
    house: House, stage: Stage
) -> None:
    caller, over = house.caller(), stage.event()
    begun(stage, over)
    response, connection = caller.door.begin(asked("openai_chat", "m", stream=True))
    house.gateway.process.send_signal(signal.SIGTERM)
    until(lambda: refused(caller.door), "no new connection is taken")
    stage.set(over)
    assert b"[DONE]" in response.read()
    assert response.getheader("connection") is None
    ask = asked("openai_chat", "m")
    connection.request("POST", ask.path, ask.body, {"authorization": f"Bearer {caller.token}"})
    last = connection.getresponse()
    last.read()
    assert (last.status, last.getheader("connection")) == (200, "close")
    connection.close()
    assert house.gateway.stop() == 0


def test_one_worker_alone_says_that_it_cannot_be_restarted_so(house: House) -> None:
    house.gateway.process.send_signal(signal.SIGUSR2)
    until(lambda: any("--workers 2" in line for line in house.gateway.log), "the hint")
    assert Door(house.gateway.base_url).get("/livez").status == 200
