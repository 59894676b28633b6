"""A batch outlives the processes that run it: kill -9, a dead worker, an orderly end; but not its window."""

import asyncio
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.faultd import Send, Until, answer
from tests.gateway.batch.office import (
    anthropic_of,
    begin,
    chat_line,
    ended,
    message,
    messages_ended,
    numbers,
    openai_of,
    read,
)
from tests.gateway.house import House, installed, running, until
from tests.gateway.stage import ENV, Catalogue, Stage, whole_body
from tests.serving import children
from tests.store.world import assert_books_balance

_GOOD = Send(answer(whole_body("openai_chat")))


def _config(stage: Stage, *more: str) -> str:
    catalogue = Catalogue()
    catalogue.provider("chat", "openai_chat", stage.url)
    catalogue.provider("claude", "anthropic", stage.url)
    catalogue.model("m-chat", "chat")
    catalogue.model("m-claude", "claude")
    return "\n".join([catalogue.text, "[batches]", *more])


def _asked(stage: Stage, upstream: str) -> list[int]:
    """The numbers of the questions that the provider was asked, in order."""
    bodies = [request.body for request in stage.seen(upstream)]
    return [int(body.partition(b"question ")[2].partition(b'"')[0]) for body in bodies]


def _answering(stage: Stage, upstream: str, first: int) -> asyncio.Event:
    """Answer the first so many requests at once and hold the others back; gives what lets them go."""
    gate = stage.event()
    for _ in range(first):
        stage.script(upstream, _GOOD)
    stage.always(upstream, Until(gate), _GOOD)
    return gate


def _kept(house: House) -> int:
    return int(house.rows("select count(*) from batch_line")[0][0])


def test_after_kill_9_only_the_lines_in_flight_are_asked_again(tmp_path: Path, stage: Stage) -> None:
    with installed(tmp_path, _config(stage, "concurrency = 4"), **ENV) as house:
        caller = house.caller("patient", budget_nanos=10**12)
        house.gateway.start()
        gate = _answering(stage, "m-chat.chat", 10)
        batch = begin(openai_of(house, caller), [chat_line(n) for n in range(30)])
        until(lambda: len(stage.seen("m-chat.chat")) == 14 and _kept(house) == 10, "some are done, some not")
        house.gateway.kill()
        in_flight = _asked(stage, "m-chat.chat")[10:]
        stage.set(gate)
        house.gateway.start()

        client = openai_of(house, caller)
        over = ended(client, batch)

        assert over.status == "completed"
        assert over.request_counts.completed == 30
        assert numbers(read(client, over.output_file_id)) == list(range(30))
        asked = _asked(stage, "m-chat.chat")
        twice = sorted({n for n in asked if asked.count(n) > 1})
        assert twice == sorted(in_flight)
        house.booked(caller)
        assert_books_balance(house.gateway.data)
        ((rows, unknown),) = house.rows("select count(*), sum(unknown) from ledger")
        assert rows == 34, "every call a provider saw is in the ledger"
        assert unknown == 4
        spent = house.rows("select sum(amount_nanos) from ledger")[0][0]
        assert house.spent(caller.budget_id or "") == spent


def test_another_worker_goes_on_when_one_dies(tmp_path: Path, stage: Stage) -> None:
    stage.requests.clear()
    with running(tmp_path, _config(stage, "concurrency = 2"), workers=2, **ENV) as house:
        caller = house.caller("patient")
        gate = _answering(stage, "m-chat.chat", 3)
        batch = begin(openai_of(house, caller), [chat_line(n) for n in range(12)])
        until(lambda: len(stage.seen("m-chat.chat")) == 5 and _kept(house) == 3, "some are done, some not")
        ((owner,),) = house.rows("select owner from batch")
        pid = next(pid for pid in children(house.gateway.process.pid) if f"{pid}-" in owner)
        stage.set(gate)
        os.kill(pid, signal.SIGKILL)
        client = openai_of(house, caller)

        over = ended(client, batch, within_s=40.0)

        assert over.status == "completed"
        assert numbers(read(client, over.output_file_id)) == list(range(12))
        assert len(_asked(stage, "m-chat.chat")) <= 12 + 2


def test_an_orderly_end_loses_nothing_and_the_next_start_goes_on_at_once(
    tmp_path: Path, stage: Stage
) -> None:
    stage.requests.clear()
    with installed(tmp_path, _config(stage, "concurrency = 4"), **ENV) as house:
        caller = house.caller("patient")
        house.gateway.start()
        gate = _answering(stage, "m-claude.claude", 0)
        good = Send(answer(whole_body("anthropic")))
        stage.always("m-claude.claude", Until(gate), good)
        client = anthropic_of(house, caller)
        batch = client.messages.batches.create(requests=[message(n) for n in range(20)])
        until(lambda: len(stage.seen("m-claude.claude")) == 4, "the first are under way")
        house.gateway.process.terminate()
        stage.set(gate)
        assert house.gateway.stop() == 0
        kept = _kept(house)
        assert 4 <= kept < 20
        house.gateway.start()

        over = messages_ended(anthropic_of(house, caller), batch)

        assert over.request_counts.succeeded == 20
        asked = _asked(stage, "m-claude.claude")
        assert sorted(asked) == list(range(20)), "none was asked twice"


def test_what_is_not_answered_within_the_window_expires(tmp_path: Path, stage: Stage) -> None:
    stage.requests.clear()
    with running(tmp_path, _config(stage, "concurrency = 2", "window_s = 1.5"), **ENV) as house:
        caller = house.caller("late")
        gate = _answering(stage, "m-chat.chat", 4)
        client = openai_of(house, caller)
        batch = begin(client, [chat_line(n) for n in range(10)])
        until(lambda: len(stage.seen("m-chat.chat")) == 6, "two are held back")
        until(lambda: client.batches.retrieve(batch.id).expires_at + 1 < time.time(), "the window has passed")
        stage.set(gate)

        over = ended(client, batch)

        assert over.status == "expired"
        assert over.expired_at is not None
        assert over.request_counts.completed == 6
        assert len(read(client, over.output_file_id)) == 6
        expired = read(client, over.error_file_id)
        assert {line["error"]["code"] for line in expired} == {"batch_expired"}
        assert len(expired) == 4


def test_lines_wait_while_people_are_served(tmp_path: Path, stage: Stage) -> None:
    stage.requests.clear()
    with running(tmp_path, _config(stage, "concurrency = 2", "yield_above = 0"), **ENV) as house:
        caller = house.caller("busy")
        gate = stage.event()
        stage.always("m-claude.claude", Until(gate), Send(answer(whole_body("anthropic"))))
        stage.always("m-chat.chat", _GOOD)
        with ThreadPoolExecutor(1) as pool:
            said = pool.submit(anthropic_of(house, caller).messages.create, **message(1)["params"])
            until(lambda: stage.seen("m-claude.claude"), "a person waits")
            client = openai_of(house, caller)
            batch = begin(client, [chat_line(n) for n in range(4)])
            until(lambda: client.batches.retrieve(batch.id).status == "in_progress", "the batch is begun")
            assert not stage.seen("m-chat.chat")
            stage.set(gate)
            assert said.result().content
        assert ended(client, batch).request_counts.completed == 4
