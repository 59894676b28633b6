"""Limits of deployments: one that is full is passed over, and the receipt says so."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from tests.faultd import Send, Until, answer, chunk, chunked_head
from tests.gateway.door import DIALECTS, Answer, asked, error_type, read_error
from tests.gateway.faulty import failing
from tests.gateway.house import Caller, House, running, until
from tests.gateway.stage import ENV, Catalogue, Stage, frames, short, stream_bytes, whole_body

from passerelle.core.request import Dialect


@pytest.fixture(scope="module")
def house(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    catalogue = Catalogue()
    for dialect in DIALECTS:
        name = short(dialect)
        catalogue.provider(name, dialect, stage.url)
        catalogue.model(f"alone-{name}")
        catalogue.deployment(name, f"alone-{name}", "limits = { concurrency = 1 }")
    catalogue.model("rated")
    catalogue.deployment("chat", "rated", "limits = { requests_per_minute = 1 }")
    catalogue.provider("near", "openai_chat", stage.url)
    catalogue.provider("far", "openai_chat", stage.url)
    catalogue.model("both")
    catalogue.deployment("near", "both", "limits = { concurrency = 1 }")
    catalogue.deployment("far", "both", "limits = { concurrency = 1 }")
    catalogue.aliases.append('ordered = ["near/both.near", "far/both.far"]')
    with running(tmp_path_factory.mktemp("full"), catalogue.text, **ENV) as house:
        yield house


@pytest.fixture(scope="module")
def caller(house: House) -> Caller:
    return house.caller("busy")


@contextmanager
def kept_busy(stage: Stage, caller: Caller, model: str, asked_for: str, dialect: Dialect) -> Iterator[None]:
    """One request is under way at the deployment."""
    over, before = stage.event(), len(stage.seen(model))
    stage.script(model, Until(over), Send(answer(whole_body(dialect))))
    with ThreadPoolExecutor(1) as pool:
        one: Future[Answer] = pool.submit(lambda: caller.door.send(asked(dialect, asked_for)))
        until(lambda: len(stage.seen(model)) > before, "the deployment is busy")
        try:
            yield
        finally:
            stage.set(over)
        assert one.result().status == 200


def rules(receipt: dict[str, Any]) -> list[tuple[str, str]]:
    return [(r["deployment"], r["rule"]) for r in receipt["plan"]["rejections"]]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_when_all_are_full_the_caller_is_told_to_wait_in_its_dialect(
    house: House, stage: Stage, caller: Caller, dialect: Dialect
) -> None:
    model, place = f"alone-{short(dialect)}", f"alone-{short(dialect)}.{short(dialect)}"
    with kept_busy(stage, caller, place, model, dialect):
        before = len(stage.seen(place))
        said = caller.door.send(asked(dialect, model))
        assert len(stage.seen(place)) == before

    assert said.status == 429
    assert read_error(dialect, said).type == error_type(dialect, 429)
    assert int(said.headers["retry-after"]) >= 1
    receipt = house.receipt(caller, said)
    assert (receipt["outcome"], receipt["problem"], receipt["attempts"]) == ("refused", "rate_limited", [])
    assert rules(receipt) == [(f"{short(dialect)}/{place}", "limits.concurrency")]
    assert caller.door.send(asked(dialect, model)).status == 200


def test_a_full_deployment_is_passed_over_for_the_next(house: House, stage: Stage, caller: Caller) -> None:
    with kept_busy(stage, caller, "both.near", "ordered", "openai_chat"):
        said = caller.door.send(asked("openai_chat", "ordered"))

    assert said.status == 200
    assert said.headers["x-passerelle-attempts"] == "1"
    receipt = house.receipt(caller, said)
    assert receipt["deployment"] == "far/both.far"
    assert [a["deployment"] for a in receipt["attempts"]] == ["far/both.far"]
    assert [c["deployment"] for c in receipt["plan"]["candidates"]] == ["far/both.far"]
    assert rules(receipt) == [("near/both.near", "limits.concurrency")]
    again = caller.door.send(asked("openai_chat", "ordered"))
    assert again.headers["x-passerelle-deployment"] == "near/both.near"


def test_a_failed_place_is_free_before_the_next_is_tried(house: House, stage: Stage, caller: Caller) -> None:
    over = stage.event()
    stage.script("both.near", *failing(503)("openai_chat"))
    stage.script("both.far", Until(over), Send(answer(whole_body("openai_chat"))))
    before = len(stage.seen("both.far"))
    with ThreadPoolExecutor(1) as pool:
        one = pool.submit(lambda: caller.door.send(asked("openai_chat", "ordered")))
        until(lambda: len(stage.seen("both.far")) > before, "the second place is called")
        meanwhile = caller.door.send(asked("openai_chat", "ordered"))
        stage.set(over)
        assert one.result().status == 200

    assert meanwhile.headers["x-passerelle-deployment"] == "near/both.near"


def test_a_stream_keeps_its_place_to_its_end_or_until_its_caller_leaves(
    stage: Stage, caller: Caller, house: House
) -> None:
    place = "alone-chat.chat"
    over = stage.event()
    first = chunked_head() + b"".join(chunk(f) for f in frames("openai_chat")[:3])
    stage.script(place, Send(first), Until(over))
    response, connection = caller.door.begin(asked("openai_chat", "alone-chat", stream=True))
    assert response.status == 200
    assert caller.door.send(asked("openai_chat", "alone-chat")).status == 429

    connection.close()
    response.close()

    until(lambda: caller.door.send(asked("openai_chat", "alone-chat")).status == 200, "the place is free")
    stage.set(over)
    stage.script(place, Send(stream_bytes("openai_chat", {})))
    assert caller.door.send(asked("openai_chat", "alone-chat", stream=True)).status == 200
    assert caller.door.send(asked("openai_chat", "alone-chat")).status == 200


def test_requests_a_minute_are_kept_whoever_asks(house: House, stage: Stage, caller: Caller) -> None:
    other = house.caller("other")
    assert caller.door.send(asked("openai_chat", "rated")).status == 200

    said = other.door.send(asked("openai_chat", "rated"))

    assert said.status == 429
    assert 50 <= int(said.headers["retry-after"]) <= 60
    assert len(stage.seen("rated.chat")) == 1
    assert rules(house.receipt(other, said)) == [("chat/rated.chat", "limits.requests_per_minute")]


def test_workers_share_a_deployment_s_limit(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> None:
    catalogue = Catalogue()
    catalogue.provider("chat", "openai_chat", stage.url)
    catalogue.model("shared")
    catalogue.deployment("chat", "shared", "limits = { concurrency = 1 }")
    with running(tmp_path_factory.mktemp("pair"), catalogue.text, workers=2, **ENV) as house:
        caller = house.caller("pair")
        with kept_busy(stage, caller, "shared.chat", "shared", "openai_chat"):
            statuses = {caller.door.send(asked("openai_chat", "shared")).status for _ in range(8)}

    assert statuses == {429}
