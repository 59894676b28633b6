"""Configuration changes while requests run: whole or not at all, and said in every answer."""

import asyncio
import itertools
import json
import os
import re
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.faultd import LAST_CHUNK, Send, Until, chunk
from tests.gateway.door import Answer, Asked, asked, read_stream
from tests.gateway.faulty import opened
from tests.gateway.house import Caller, House, running, until
from tests.gateway.stage import ENV, Catalogue, Stage, frames, stream_bytes
from tests.upstream_answers import TEXT

from passerelle.app import App, Source, _follow

LABEL = re.compile(r"\d+-[0-9a-f]{8}")
RELOAD = Asked("/api/config/reload", b"")


def written(stage: Stage, *models: str, provider: str = "chat", more: str = "") -> str:
    """A configuration that serves these models."""
    catalogue = Catalogue()
    catalogue.provider(provider, "openai_chat", stage.url, more)
    for model in models:
        catalogue.model(model, provider)
    return catalogue.text


@pytest.fixture(scope="module")
def shared(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[House, Caller]]:
    with running(tmp_path_factory.mktemp("reload"), written(stage, "old"), **ENV) as house:
        yield house, house.caller("operator", role="operator")


@pytest.fixture
def operator(shared: tuple[House, Caller]) -> Caller:
    return shared[1]


@pytest.fixture
def house(shared: tuple[House, Caller], stage: Stage) -> House:
    """The gateway on its first configuration."""
    house, operator = shared
    write(house, written(stage, "old"))
    assert operator.door.send(RELOAD).json["ok"] is True
    return house


_NUMBERS = itertools.count()


@pytest.fixture
def new() -> str:
    """A model that no configuration has named before."""
    return f"new-{next(_NUMBERS)}"


def write(house: House, text: str) -> None:
    """Replace the file as editors and deployment tools do."""
    draft = house.gateway.config_path.with_suffix(".draft")
    draft.write_text(text)
    draft.replace(house.gateway.config_path)


def served(caller: Caller, model: str) -> bool:
    return caller.door.send(asked("openai_chat", model)).status == 200


def label(caller: Caller) -> str:
    """The generation that answers now."""
    said = caller.door.get("/v1/models").headers["x-passerelle-generation"]
    assert LABEL.fullmatch(said)
    return said


def by_itself(_: House, __: Caller) -> None:
    """The file's change alone is noticed."""


def by_signal(house: House, _: Caller) -> None:
    house.gateway.process.send_signal(signal.SIGHUP)


def by_call(_: House, operator: Caller) -> None:
    said = operator.door.send(RELOAD)
    assert said.status == 200
    assert said.json["ok"] is True


@pytest.mark.parametrize("how", [by_itself, by_signal, by_call])
def test_a_good_file_comes_into_force_whole(
    house: House, operator: Caller, stage: Stage, new: str, how: Callable[[House, Caller], None]
) -> None:
    before = label(operator)
    write(house, written(stage, new))
    how(house, operator)

    until(lambda: label(operator) != before, "the new generation", within_s=5)
    assert served(operator, new)
    assert not served(operator, "old")
    assert int(label(operator).partition("-")[0]) > int(before.partition("-")[0])
    ready = operator.door.get("/readyz").json
    assert ready["generation"] == label(operator)
    assert ready["refused_generation"] is False
    shown = operator.door.get("/api/config").json
    assert shown["generation"] == label(operator)
    assert shown["digest"].startswith(label(operator).partition("-")[2])


BAD = {
    "no TOML": "[providers.chat\n",
    "an unknown setting": "servr.port = 1\nproviders_from_environment = false\n",
    "a wrong type": 'server.drain_s = "long"\n',
    "a provider nobody knows": '[[deployments]]\nprovider = "none"\nmodel = "old"\n',
    "a secret in the file": '[providers.openai]\ncredential = "sk-proj-abcdefghijklmnop0123456789"\n',
    "no UTF-8": b"\xff\xfe[providers]",
}


@pytest.mark.parametrize("how", [by_itself, by_signal, by_call])
def test_a_bad_file_keeps_the_last_good_one_and_says_so(
    house: House, operator: Caller, stage: Stage, new: str, how: Callable[[House, Caller], None]
) -> None:
    before = label(operator)
    write(house, written(stage, new) + "\nservr.port = 1\n")
    if how is by_call:
        said = operator.door.send(RELOAD)
        assert said.status == 409
        assert said.json["ok"] is False
        assert said.json["generation"] == before
        assert any("servr" in finding for finding in said.json["findings"])
    else:
        how(house, operator)
    until(lambda: operator.door.get("/readyz").json["refused_generation"], "the refusal is told", within_s=5)

    assert operator.door.get("/readyz").status == 200
    assert label(operator) == before
    assert served(operator, "old")
    assert not served(operator, new)
    assert any("servr" in finding for finding in operator.door.get("/api/config").json["refused"])
    if how is not by_call:
        lines = house.lines("configuration refused; the last good generation stays")
        assert any("servr" in finding for finding in lines[-1]["findings"])

    write(house, written(stage, "old", new))
    until(lambda: served(operator, new), "the mended file", within_s=5)
    assert operator.door.get("/readyz").json["refused_generation"] is False


@pytest.mark.parametrize("case", BAD)
def test_every_kind_of_bad_file_is_refused_with_findings(house: House, operator: Caller, case: str) -> None:
    before, text = label(operator), BAD[case]
    path = house.gateway.config_path
    path.write_bytes(text if isinstance(text, bytes) else text.encode())

    said = operator.door.send(RELOAD)

    assert said.status == 409, said.body
    assert said.json["findings"]
    assert "sk-proj-abcdefghijklmnop" not in said.body.decode() + "".join(house.gateway.log)
    assert label(operator) == before
    assert served(operator, "old")


def test_a_file_that_is_gone_or_a_folder_is_refused_and_followed_again(
    house: House, operator: Caller, stage: Stage, new: str
) -> None:
    path = house.gateway.config_path
    path.unlink()
    assert operator.door.send(RELOAD).status == 409
    path.mkdir()
    assert operator.door.send(RELOAD).status == 409
    path.rmdir()
    assert served(operator, "old")

    write(house, written(stage, new))
    until(lambda: served(operator, new), "the file is back", within_s=5)


def test_the_same_file_changes_nothing(house: House, operator: Caller, stage: Stage, new: str) -> None:
    before = label(operator)
    said = operator.door.send(RELOAD).json

    assert (said["ok"], said["changed"], said["generation"]) == (True, False, before)
    write(house, written(stage, new))
    second = operator.door.send(RELOAD).json["generation"]
    write(house, written(stage, "old"))
    third = operator.door.send(RELOAD).json["generation"]
    assert third == before  # the same content has the same name
    assert second != before


def test_reloads_are_in_the_audit(house: House, operator: Caller, stage: Stage, new: str) -> None:
    write(house, written(stage, new))
    operator.door.send(RELOAD)
    write(house, "nonsense")
    operator.door.send(RELOAD)

    rows = house.rows("select actor, action from audit where target = 'config' order by audit_id")
    assert rows[-2:] == [(operator.key_id, "config.reloaded"), (operator.key_id, "config.refused")]


def test_what_the_server_takes_in_follows_the_file(house: House, operator: Caller, stage: Stage) -> None:
    plain = written(stage, "old")
    before = label(operator)
    for more, status in (
        ("server.max_body_bytes = 1024", 413),
        ('server.allowed_hosts = ["elsewhere.example"]', 400),
        ("server.max_in_flight = 1", 200),
        ("", 200),
    ):
        write(house, f"{more}\n{plain}")
        if status == 400:  # not even the call to reload would be let in
            house.gateway.process.send_signal(signal.SIGHUP)
            until(lambda: operator.door.get("/v1/models").status == 400, "the hosts are in force", within_s=5)
            long = operator.door.send(asked("openai_chat", "old"), host="elsewhere.example")
            assert long.status == 200
            write(house, plain)
            until(lambda: operator.door.get("/v1/models").status == 200, "and not any more", within_s=5)
            continue
        said = operator.door.send(RELOAD).json
        assert (said["ok"], said["needs_restart"]) == (True, [])
        assert operator.door.send(asked("openai_chat", "old", text="long " * 1_000)).status == status
    assert label(operator) == before  # machines may differ in this


def test_fewer_in_flight_hold_from_the_next_request_on(
    house: House, operator: Caller, stage: Stage, new: str
) -> None:
    write(house, "server.max_in_flight = 1\n" + written(stage, new))
    assert operator.door.send(RELOAD).json["ok"] is True
    over, before = stage.event(), len(stage.requests)
    stage.script(f"{new}.chat", Until(over), Send(stream_bytes("openai_chat", {})))
    with ThreadPoolExecutor(1) as pool:
        one = pool.submit(operator.door.send, asked("openai_chat", new, stream=True))
        until(lambda: len(stage.requests) > before, "one is under way")
        assert operator.door.send(asked("openai_chat", new)).status == 503
        stage.set(over)
        assert one.result().status == 200


def test_settings_that_need_a_restart_are_named(house: House, operator: Caller, stage: Stage) -> None:
    write(house, "server.drain_s = 7\nserver.workers = 2\n" + written(stage, "old"))
    said = operator.door.send(RELOAD).json

    assert said["ok"] is True
    assert said["needs_restart"] == ["server.drain_s"]  # the command line says how many workers
    until(
        lambda: any(
            line["settings"] == ["server.drain_s"] for line in house.lines("changed settings need a restart")
        ),
        "it is in the log",
        within_s=5,
    )
    write(house, written(stage, "old"))
    assert operator.door.send(RELOAD).json["needs_restart"] == []


def test_a_stream_survives_the_end_of_its_provider(
    house: House, operator: Caller, stage: Stage, new: str
) -> None:
    over, before, asked_before = stage.event(), label(operator), len(stage.seen("old.chat"))
    said = frames("openai_chat")
    rest = b"".join(chunk(frame) for frame in said[3:]) + LAST_CHUNK
    stage.script("old.chat", Send(opened(*said[:3])), Until(over), Send(rest))
    with ThreadPoolExecutor(1) as pool:
        running_one = pool.submit(operator.door.send, asked("openai_chat", "old", stream=True))
        until(lambda: len(stage.seen("old.chat")) > asked_before, "the stream is under way")
        write(house, written(stage, new, provider="other"))
        until(lambda: served(operator, new), "the new generation", within_s=5)
        assert label(operator) != before
        stage.set(over)
        answer: Answer = running_one.result()

    heard = read_stream("openai_chat", answer.body)
    assert (heard.text, heard.ended, heard.error) == (TEXT, True, None)
    assert answer.headers["x-passerelle-generation"] == before
    assert house.receipt(operator, answer)["generation"] == int(before.partition("-")[0])


def test_no_request_fails_while_generations_come_and_go(house: House, operator: Caller, stage: Stage) -> None:
    generations, over = 12, threading.Event()
    answers: list[tuple[int, str]] = []

    def ask(number: int) -> None:
        while not over.is_set():
            number += 1
            answer = operator.door.send(asked("openai_chat", "old", stream=number % 3 == 0))
            answers.append((answer.status, answer.headers["x-passerelle-generation"]))

    def answered(count: int) -> bool:
        return len({generation for _, generation in answers}) >= count

    with ThreadPoolExecutor(6) as pool:
        asking = [pool.submit(ask, number) for number in range(6)]
        try:
            for number in range(generations):
                until(lambda: answered(number + 1), "an answer of every generation")  # noqa: B023 - at once
                write(house, written(stage, "old", f"extra-{number}"))
                house.gateway.process.send_signal(signal.SIGHUP)
        finally:
            over.set()
        for one in asking:
            one.result()

    assert {status for status, _ in answers} == {200}


def test_a_rule_holds_from_the_next_request_on(house: House, operator: Caller, stage: Stage) -> None:
    assert served(operator, "old")
    write(house, written(stage, "old") + '\n[policy.classes.internal]\nregions = ["eu"]\n')
    assert operator.door.send(RELOAD).json["ok"] is True

    refused = operator.door.send(asked("openai_chat", "old"))

    assert refused.status == 403
    assert "policy.internal.regions" in refused.body.decode()


def test_two_workers_agree_on_the_generation(
    stage: Stage, tmp_path_factory: pytest.TempPathFactory, new: str
) -> None:
    folder = tmp_path_factory.mktemp("agree")
    with running(folder, written(stage, "old"), workers=2, **ENV) as house:
        operator = house.caller("operator", role="operator")

        def labels() -> set[str]:
            return {label(operator) for _ in range(24)}

        (first,) = labels()
        write(house, written(stage, new))
        os.kill(house.gateway.process.pid, signal.SIGHUP)
        # Each says so: which worker takes a connection is chance, and one may take them all.
        until(lambda: len(house.lines("configuration in force")) >= 2, "both workers changed", within_s=8)

        (second,) = labels()
        assert int(second.partition("-")[0]) == int(first.partition("-")[0]) + 1
        ready = [json.loads(json.dumps(line)) for line in house.lines("configuration in force")]
        assert [line["generation"] for line in ready] == [second, second]


async def test_an_edit_while_a_worker_starts_is_taken_up(stage: Stage, tmp_path: Path) -> None:
    config = tmp_path / "passerelle.toml"
    config.write_text(written(stage, "old"))
    source = Source(config, ENV, {"data_dir": str(tmp_path / "data")})
    settings = source.read()
    config.write_text(written(stage, "new"))  # after the reading, before anybody listens
    app = App(source, settings)
    first = app.generations.current
    following = asyncio.create_task(_follow(app, asyncio.Event()))
    try:
        await asyncio.to_thread(until, lambda: app.generations.current is not first, "it is in force")
    finally:
        following.cancel()
        await app.aclose()
