"""`Idempotency-Key` at the front door: done once, told again, and never locked for ever."""

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.faultd import Close, Hang, Send, Until, answer
from tests.gateway.door import DIALECTS, Answer, asked, read_error, read_stream, text_of
from tests.gateway.faulty import opened
from tests.gateway.house import Caller, House, running, until
from tests.gateway.stage import ENV, Catalogue, Stage, frames, whole_body
from tests.serving import children
from tests.store.world import assert_books_balance
from tests.upstream_answers import TEXT

from passerelle.core.request import Dialect


@pytest.fixture(scope="module")
def house(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Two workers, so that a key is known beyond the one that has it."""
    catalogue = Catalogue(["deadlines.between_s = 2", *Catalogue().lines])
    catalogue.provider("chat", "openai_chat", stage.url)
    for number in range(40):
        catalogue.model(f"m{number}", "chat")
    with running(tmp_path_factory.mktemp("repeats"), catalogue.text, workers=2, **ENV) as house:
        yield house
        until(lambda: house.rows("select count(*) from hold where 1") is not None, "the books")


_numbers = iter(range(40))


@pytest.fixture
def model() -> str:
    """A model that no other test asks for."""
    return f"m{next(_numbers)}"


def often(caller: Caller, dialect: Dialect, model: str, key: str, *, stream: bool = False) -> list[Answer]:
    """The same request six times: each connection may end at either worker."""
    ask = asked(dialect, model, stream=stream)
    return [caller.door.send(ask, idempotency_key=key) for _ in range(6)]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_answer_is_told_again_and_the_provider_asked_once(
    house: House, stage: Stage, model: str, dialect: Dialect, stream: bool
) -> None:
    caller = house.caller(content="conversations")
    first, *again = often(caller, dialect, model, "k-1", stream=stream)
    assert "idempotent-replayed" not in first.headers
    if stream:
        heard = read_stream(dialect, first.body)
        assert (heard.text, heard.ended) == (TEXT, True)
    else:
        assert text_of(dialect, first) == TEXT
    for repeated in again:
        assert repeated.headers.get("idempotent-replayed") == "true", repeated
        assert (repeated.status, repeated.body) == (first.status, first.body)
        assert repeated.headers["content-type"] == first.headers["content-type"]
        assert ("content-length" in repeated.headers) is not stream
        assert repeated.receipt == first.receipt
        assert repeated.headers["x-request-id"] != first.headers["x-request-id"]
    assert len(stage.seen(f"{model}.chat")) == 1
    assert caller.door.send(asked(dialect, model), idempotency_key="k-2").receipt != first.receipt


@pytest.mark.parametrize("dialect", DIALECTS)
def test_what_may_not_be_stored_is_not_done_twice_and_its_receipt_is_named(
    house: House, stage: Stage, model: str, dialect: Dialect
) -> None:
    caller = house.caller()
    first, *again = often(caller, dialect, model, "k-1")
    assert first.status == 200
    for repeated in again:
        assert repeated.status == 409
        assert repeated.headers["x-should-retry"] == "false"
        assert repeated.receipt == first.receipt
        assert f"`{first.receipt}`" in read_error(dialect, repeated).message
    assert len(stage.seen(f"{model}.chat")) == 1
    assert house.rows(
        "select count(*) from repeat where key_version != 0 and receipt_id = ?", first.receipt
    ) == [(0,)]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_key_used_for_another_request_is_refused(house: House, model: str, dialect: Dialect) -> None:
    caller = house.caller(content="full")
    caller.door.send(asked(dialect, model), idempotency_key="k-1")
    for other in (asked(dialect, model, text="Something else?"), asked(dialect, model, stream=True)):
        refused = caller.door.send(other, idempotency_key="k-1")
        assert refused.status == 422
        assert "another request" in read_error(dialect, refused).message


def test_the_same_form_sent_again_is_the_same_whatever_its_boundary() -> None:
    from passerelle.server.repeats import _plain

    class Arrived:
        def __init__(self, boundary: bytes) -> None:
            self.headers = {b"content-type": b"multipart/form-data; boundary=" + boundary}

    def form(boundary: bytes) -> bytes:
        return b"--" + boundary + b"\r\n\r\nsaid\r\n--" + boundary + b"--"

    one, two = b"abc", b"xyz"
    assert _plain(Arrived(one), form(one)) == _plain(Arrived(two), form(two))  # type: ignore[arg-type]


def test_keys_belong_to_the_api_key_that_sent_them(house: House, stage: Stage, model: str) -> None:
    callers = [house.caller(org=org, content="full") for org in ("acme", "acme", "bolt")]
    answers = [caller.door.send(asked("openai_chat", model), idempotency_key="same") for caller in callers]
    assert len({answer.receipt for answer in answers}) == 3
    assert len(stage.seen(f"{model}.chat")) == 3


@pytest.mark.parametrize("dialect", DIALECTS)
def test_while_it_is_under_way_every_worker_says_so(
    house: House, stage: Stage, model: str, dialect: Dialect
) -> None:
    caller, over = house.caller(content="full"), stage.event()
    stage.script(f"{model}.chat", Until(over), Send(answer(whole_body("openai_chat"))))
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(caller.door.send, asked(dialect, model), idempotency_key="k")
        until(lambda: stage.seen(f"{model}.chat"), "it is under way")
        for told in often(caller, dialect, model, "k"):
            assert (told.status, told.headers["retry-after"]) == (409, "1")
            assert "under way" in read_error(dialect, told).message
        stage.set(over)
        done = first.result()
    assert often(caller, dialect, model, "k")[0].body == done.body


@pytest.mark.parametrize("stream", [False, True])
def test_a_failure_frees_the_key(house: House, stage: Stage, model: str, stream: bool) -> None:
    caller = house.caller(content="full")
    said = frames("openai_chat")
    broken = (Send(opened(*said[:3])), Close()) if stream else (Send(answer(b"{}", status=400)),)
    stage.script(f"{model}.chat", *broken)
    ask = asked("openai_chat", model, stream=stream)
    failed = caller.door.send(ask, idempotency_key="k")
    assert failed.status == (200 if stream else 400)
    good = caller.door.send(ask, idempotency_key="k")
    assert good.status == 200
    assert "idempotent-replayed" not in good.headers
    assert b"error" not in good.body
    assert caller.door.send(ask, idempotency_key="k").headers["idempotent-replayed"] == "true"


def test_a_caller_that_leaves_frees_the_key(house: House, stage: Stage, model: str) -> None:
    caller = house.caller(content="full")
    said = frames("openai_chat")
    stage.script(f"{model}.chat", Send(opened(*said[:3])), Hang())
    ask = asked("openai_chat", model, stream=True)
    response, connection = caller.door.begin(ask, idempotency_key="k")
    response.read(10)
    connection.close()
    response.close()
    good = until(
        lambda: (a := caller.door.send(ask, idempotency_key="k")).status == 200 and a, "the key is free"
    )
    assert read_stream("openai_chat", good.body).ended


def test_a_refusal_is_not_remembered_and_a_plan_does_not_use_the_key(house: House, model: str) -> None:
    caller = house.caller(content="full")
    assert caller.door.send(asked("openai_chat", "nobody"), idempotency_key="k").status == 404
    planned = caller.door.send(asked("openai_chat", model), idempotency_key="k", x_passerelle_plan="1")
    assert "plan" in planned.json
    assert (
        "idempotent-replayed"
        not in caller.door.send(asked("openai_chat", model), idempotency_key="k").headers
    )


@pytest.mark.parametrize("key", ["", "two words", "é", "x" * 256])
def test_a_key_that_is_none_is_refused(house: House, model: str, key: str) -> None:
    refused = house.caller().door.send(asked("openai_chat", model), idempotency_key=key)
    assert refused.status == 400
    assert "Idempotency-Key" in refused.json["error"]["message"]


def test_a_response_in_the_background_is_begun_once(house: House, stage: Stage, model: str) -> None:
    caller = house.caller(content="conversations")
    ask = asked("openai_responses", model, background=True, store=True)
    first, second = (caller.door.send(ask, idempotency_key="k") for _ in range(2))
    assert first.status == second.status == 200
    assert first.json["id"] == second.json["id"]


def test_it_survives_a_restart_and_a_killed_worker_locks_nothing(stage: Stage, tmp_path: Path) -> None:
    catalogue = Catalogue()
    catalogue.provider("chat", "openai_chat", stage.url)
    catalogue.model("kept", "chat")
    catalogue.model("lost", "chat")
    with running(tmp_path / "house", catalogue.text, workers=2, **ENV) as house:
        caller = house.caller(content="full")
        first = house.at(caller).send(asked("anthropic", "kept"), idempotency_key="k")
        house.gateway.stop()
        house.gateway.start()
        again = house.at(caller).send(asked("anthropic", "kept"), idempotency_key="k")
        assert again.headers["idempotent-replayed"] == "true"
        assert again.body == first.body

        stage.script("lost.chat", Hang())
        with ThreadPoolExecutor(1) as pool:
            ask = asked("openai_chat", "lost")
            cut = pool.submit(_cut, house.at(caller), ask)
            until(lambda: stage.seen("lost.chat"), "it is under way")
            for worker in children(house.gateway.process.pid):
                os.kill(worker, signal.SIGKILL)
            assert cut.result()

        def free() -> Answer | None:
            try:
                told = house.at(caller).send(ask, idempotency_key="k-lost")
            except ConnectionError:
                return None
            return told if told.status == 200 else None

        good = until(free, "the key is free again", within_s=20.0)
        assert text_of("openai_chat", good) == TEXT
        house.gateway.stop()
        assert_books_balance(house.gateway.data)


def _cut(door: object, ask: object) -> bool:
    try:
        door.send(ask, idempotency_key="k-lost")  # type: ignore[attr-defined]
    except (ConnectionError, OSError):
        return True
    return False
