"""The database locked, full or away: who may be served is served, nobody is told 401, nothing is lost."""

import contextlib
import os
import resource
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.gateway.door import Answer, Asked, Door, asked, read_error, read_stream
from tests.gateway.house import Caller, House, installed, running, until
from tests.gateway.stage import ENV, Catalogue, Stage
from tests.store.world import assert_books_balance

from passerelle.store import token

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs prlimit of another process")


def _config(stage: Stage) -> str:
    catalogue = Catalogue()
    catalogue.provider("chat", "openai_chat", stage.url)
    catalogue.model("m", "chat")
    return catalogue.text


@pytest.fixture(scope="module")
def house(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with running(tmp_path_factory.mktemp("degraded"), _config(stage), **ENV) as house:
        yield house


@contextmanager
def locked(house: House) -> Iterator[None]:
    """Somebody else writes to the database and does not stop."""
    connection = sqlite3.connect(house.gateway.data / "passerelle.db", isolation_level=None, timeout=10)
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        connection.execute("ROLLBACK")
        connection.close()


@contextmanager
def full(house: House) -> Iterator[None]:
    """The disk is full: no file of the gateway's can grow."""
    pid = house.gateway.process.pid
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)


def ask(caller: Caller, *, stream: bool = False, text: str = "hi") -> Answer:
    return caller.door.send(asked("openai_chat", "m", stream=stream, text=text))


def ready(caller: Caller) -> bool:
    return caller.door.get("/readyz").status == 200


def recovers(house: House, caller: Caller, answers: list[Answer]) -> None:
    """Ready again, with everything booked that was served meanwhile."""
    until(lambda: ready(caller), "ready again")
    for answer in answers:
        assert house.receipt(caller, answer)["outcome"] == "answered"
    house.booked(caller)
    assert_books_balance(house.gateway.data)


def test_a_locked_database_delays_the_books_and_nothing_else(house: House, stage: Stage) -> None:
    caller, careful = house.caller(), house.caller("careful", audit="required")
    stranger = type(caller.door)(house.gateway.base_url, "psk_live_000000000000_nobody")
    assert ask(careful).status == 200
    with locked(house):
        answers = [ask(caller, stream=stream) for stream in (False, True) for _ in range(5)]
        until(lambda: not ready(caller), "not ready")

        assert {answer.status for answer in answers} == {200}
        assert read_stream("openai_chat", answers[-1].body).ended
        assert "the store cannot write" in caller.door.get("/readyz").json["reasons"][0]
        assert caller.door.get("/livez").status == 200
        assert caller.door.get("/v1/models").status == 200
        assert ask(stranger_caller(caller, stranger.token)).status == 401
        before = len(stage.requests)
        refused = ask(careful)
        assert refused.status == 503
        assert "audit record" in read_error("openai_chat", refused).message
        assert int(refused.headers["retry-after"]) >= 1
        assert len(stage.requests) == before
        assert caller.door.get("/api/receipts").status == 200  # reading waits for no writer
        made = caller.door.send(Asked("/api/keys", b'{"name": "x"}'))
        assert made.status == 403
        admin = house_admin(house, caller)
        assert admin is None or admin.status == 503

    recovers(house, caller, answers)
    assert ask(careful).status == 200


def stranger_caller(caller: Caller, token: str | None) -> Caller:
    """The same door with another key."""
    return caller._replace(door=type(caller.door)(f"http://{caller.door.host}:{caller.door.port}", token))


_ADMINS: list[Caller] = []


def house_admin(house: House, _: Caller) -> Answer | None:
    """What an administrator is told who makes a key now, if there is one."""
    return _ADMINS[0].door.send(Asked("/api/keys", b'{"name": "x"}')) if _ADMINS else None


@pytest.fixture(autouse=True, scope="module")
def admin(house: House) -> None:
    _ADMINS[:] = [house.caller("admin", role="admin")]


def test_without_the_database_no_new_money_is_promised(house: House, stage: Stage) -> None:
    fresh = house.caller("fresh", budget_nanos=10**12)
    with locked(house):
        before = len(stage.requests)
        refused = ask(fresh)

        assert refused.status == 503
        assert read_error("openai_chat", refused).code == "budget_unavailable"
        assert len(stage.requests) == before
    until(lambda: ready(fresh), "ready again")
    assert ask(fresh).status == 200


def test_money_promised_before_is_spent_without_the_database(house: House) -> None:
    caller = house.caller("known", budget_nanos=10**12)
    assert ask(caller).status == 200
    with locked(house):
        answers = [ask(caller) for _ in range(3)]
    assert {answer.status for answer in answers} == {200}
    recovers(house, caller, answers)


@linux
def test_a_full_disk_is_told_before_any_provider_is_called(house: House, stage: Stage) -> None:
    caller = house.caller("full", content="full")
    served = [ask(caller)]
    with full(house):
        for _ in range(200):  # until the journal's file is used up
            before = len(stage.requests)
            said = ask(caller, text="a long question " * 4_000)
            if said.status != 200:
                break
            served.append(said)
        assert said.status == 503
        assert int(said.headers["retry-after"]) >= 1
        until(lambda: not ready(caller), "not ready")
        before = len(stage.requests)
        for stream in (False, True):
            again = ask(caller, stream=stream, text="a long question " * 4_000)
            assert again.status == 503
        assert len(stage.requests) == before
        assert caller.door.get("/v1/models").status == 200

    recovers(house, caller, served)
    assert ask(caller).status == 200
    assert ask(caller, stream=True).status == 200
    assert not house.lines("unexpected failure")


def test_it_starts_on_the_keys_last_known_when_the_database_is_locked(stage: Stage, tmp_path: Path) -> None:
    with installed(tmp_path / "restart", _config(stage), **ENV) as house:
        caller = house.caller()
        house.gateway.start()
        assert ask(house_at(house, caller)).status == 200
        house.gateway.stop()
        with locked(house):
            house.gateway.start()
            again = house_at(house, caller)
            answer = ask(again)
            assert answer.status == 200
            until(lambda: not ready(again), "not ready")
        recovers(house, again, [answer])


FILES = ("passerelle.db", "passerelle.db-wal", "passerelle.db-shm")


def move(source: Path, target: Path) -> None:
    """Take the database from one folder to another."""
    for name in FILES:
        if (source / name).exists():
            (source / name).rename(target / name)


def copied(house: House, target: Path) -> None:
    """A backup, as `sqlite3 passerelle.db ".backup …"` makes it."""
    with (
        contextlib.closing(sqlite3.connect(house.gateway.data / FILES[0])) as source,
        contextlib.closing(sqlite3.connect(target)) as backup,
    ):
        source.backup(backup)


@pytest.mark.parametrize("back", ["the same", "a backup"])
def test_a_database_that_is_taken_away_is_noticed_and_nothing_goes_to_where_it_was(
    stage: Stage, tmp_path: Path, back: str
) -> None:
    aside = tmp_path / "aside"
    aside.mkdir()
    with running(tmp_path / "house", _config(stage), **ENV) as house:
        caller, careful = house.caller(), house.caller("careful", audit="required")
        assert {ask(caller).status, ask(careful).status} == {200}
        house.booked(caller)
        copied(house, tmp_path / "backup.db")
        move(house.gateway.data, aside)

        answers = [ask(caller)]  # at once: before anybody has looked
        until(lambda: not ready(caller), "not ready")
        answers += [ask(caller) for _ in range(3)]
        assert {answer.status for answer in answers} == {200}
        refused = ask(careful)
        assert refused.status == 503
        assert int(refused.headers["retry-after"]) >= 1
        until(lambda: caller.door.get("/api/receipts").status == 503, "what was there is not read either")
        assert not any((house.gateway.data / name).exists() for name in FILES)

        if back == "the same":
            move(aside, house.gateway.data)
        else:
            (tmp_path / "backup.db").rename(house.gateway.data / FILES[0])
        recovers(house, caller, answers)
        assert ask(careful).status == 200
        assert not house.lines("unexpected failure")


@pytest.mark.parametrize("content", [b"", b"no database " * 100])
def test_a_file_that_is_no_database_of_ours_is_not_taken_up(
    stage: Stage, tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "aside").mkdir()
    with running(tmp_path / "house", _config(stage), **ENV) as house:
        caller = house.caller()
        first = ask(caller)  # known from now on
        assert first.status == 200
        move(house.gateway.data, tmp_path / "aside")
        (house.gateway.data / FILES[0]).write_bytes(content)
        until(lambda: not ready(caller), "not ready")
        until(lambda: "no database of Passerelle's" in "".join(house.gateway.log), "it is in the log")

        answer = ask(caller)

        assert answer.status == 200  # never 401: the keys last known are still known
        assert (house.gateway.data / FILES[0]).read_bytes() == content
        (house.gateway.data / FILES[0]).unlink()
        move(tmp_path / "aside", house.gateway.data)
        recovers(house, caller, [first, answer])


def test_a_key_that_cannot_be_told_from_a_strangers_is_not_refused(stage: Stage, tmp_path: Path) -> None:
    (tmp_path / "aside").mkdir()
    with running(tmp_path / "house", _config(stage), **ENV) as house:
        unheard = Door(house.gateway.base_url, token.issue("live", os.urandom)[1])
        assert [unheard.get(path).status for path in ("/v1/models", "/api/usage")] == [401, 401]
        move(house.gateway.data, tmp_path / "aside")

        for path in ("/v1/models", "/api/usage"):
            said = unheard.get(path)
            assert said.status == 503, "it may be a key made while nobody could look"
            assert int(said.headers["retry-after"]) >= 1
        assert Door(house.gateway.base_url, "psk_live_nonsense").get("/v1/models").status == 401

        move(tmp_path / "aside", house.gateway.data)
        until(lambda: unheard.get("/v1/models").status == 401, "it is a stranger's after all")
        assert not house.lines("unexpected failure")


def house_at(house: House, caller: Caller) -> Caller:
    """The caller at the gateway as it runs now."""
    return caller._replace(door=house.at(caller))
