"""A batch at its provider outlives whoever looks after it: kill -9 at every step, a dead worker, a plain end.

At each step the provider has done its work and the gateway dies before it hears of it.
"""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
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
from tests.gateway.batch.test_native_openai import KEEPS, SERVICE
from tests.gateway.house import House, installed, running, until
from tests.gateway.stage import ENV, Catalogue
from tests.serving import children
from tests.store.world import assert_books_balance
from tests.upstream_batches import BatchUpstream

LINES = 70
"""More than are booked in one transaction."""


def _config(url: str) -> str:
    catalogue = Catalogue()
    catalogue.provider("chat", "openai_chat", url, SERVICE, KEEPS)
    catalogue.provider("claude", "anthropic", url, SERVICE.replace("openai", "anthropic"), KEEPS)
    catalogue.model("m-chat", "chat")
    catalogue.model("m-claude", "claude")
    return catalogue.text


@pytest.fixture
def upstream() -> Iterator[BatchUpstream]:
    with BatchUpstream() as upstream:
        yield upstream


def _balanced(house: House, caller: Any) -> None:
    house.booked(caller)
    assert_books_balance(house.gateway.data)
    ((rows, unknown),) = house.rows("select count(*), sum(unknown) from ledger")
    assert (rows, unknown) == (LINES, 0), "every line once, none lost"
    spent = house.rows("select sum(amount_nanos) from ledger")[0][0]
    assert house.spent(caller.budget_id or "") == spent
    assert house.rows("select count(*) from budget_lease where worker like 'batch_%' and state = 'open'") == [
        (0,)
    ]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/files$"),
        ("POST", "/v1/batches$"),
        ("GET", "/v1/batches/batch_"),
        ("GET", "/content$"),
        ("DELETE", "/v1/files/"),
    ],
)
def test_kill_9_at_any_step_doubles_nothing_and_loses_nothing(
    tmp_path: Path, upstream: BatchUpstream, method: str, path: str
) -> None:
    with installed(tmp_path, _config(upstream.url), **ENV) as house:
        caller = house.caller("patient", budget_nanos=10**12)
        house.gateway.start()
        upstream.hold(method, path)
        batch = begin(openai_of(house, caller), [chat_line(n) for n in range(LINES)])
        assert upstream.held.wait(20)
        house.gateway.kill()
        upstream.release()
        house.gateway.start()
        client = openai_of(house, caller)

        over = ended(client, batch, within_s=40.0)

        assert over.request_counts.completed == LINES
        assert numbers(read(client, over.output_file_id)) == list(range(LINES))
        assert len(upstream.batches) == 1, "it was made once"
        assert upstream.seen("POST", "/v1/files") == 1, "and uploaded once"
        assert upstream.asked == []
        assert upstream.files == {}
        _balanced(house, caller)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/batches$"),
        ("GET", "/batches/msgbatch_[0-9]+$"),
        ("GET", "/results$"),
        ("DELETE", "/batches/"),
    ],
)
def test_kill_9_at_any_step_of_a_message_batch(
    tmp_path: Path, upstream: BatchUpstream, method: str, path: str
) -> None:
    with installed(tmp_path, _config(upstream.url), **ENV) as house:
        caller = house.caller("patient", budget_nanos=10**12)
        house.gateway.start()
        upstream.hold(method, path)
        requests = [message(n) for n in range(LINES)]
        batch = anthropic_of(house, caller).messages.batches.create(requests=requests)
        assert upstream.held.wait(20)
        house.gateway.kill()
        for there in upstream.batches.values():
            upstream._work_messages(there)  # its provider goes on meanwhile
        upstream.release()
        house.gateway.start()
        client = anthropic_of(house, caller)

        over = messages_ended(client, batch)

        assert over.request_counts.succeeded == LINES
        results = list(client.messages.batches.results(batch.id))
        assert numbers([{"custom_id": line.custom_id} for line in results]) == list(range(LINES))
        assert upstream.seen("POST", "/v1/messages/batches") == 1, "it was made once"
        assert upstream.asked == []
        assert len(upstream.deleted) == 1
        _balanced(house, caller)


def test_killed_between_two_groups_of_results_each_is_booked_once(
    tmp_path: Path, upstream: BatchUpstream
) -> None:
    with installed(tmp_path, _config(upstream.url), **ENV) as house:
        caller = house.caller("patient", budget_nanos=10**12)
        house.gateway.start()
        batch = begin(openai_of(house, caller), [chat_line(n) for n in range(LINES)])

        def some() -> bool:
            kept = int(house.rows("select count(*) from batch_line")[0][0])
            return kept > 0

        until(some, "the first results are booked")
        house.gateway.kill()
        house.gateway.start()
        client = openai_of(house, caller)

        over = ended(client, batch, within_s=40.0)

        assert over.request_counts.completed == LINES
        assert upstream.asked == []
        _balanced(house, caller)


def test_a_batch_away_is_found_again_by_another_worker(tmp_path: Path, upstream: BatchUpstream) -> None:
    upstream.ends = False
    with running(tmp_path, _config(upstream.url), workers=2, **ENV) as house:
        caller = house.caller("patient", budget_nanos=10**12)
        batch = begin(openai_of(house, caller), [chat_line(n) for n in range(LINES)])
        until(lambda: upstream.seen("GET", "/v1/batches/" + next(iter(upstream.batches), "?")), "it is away")
        pids = children(house.gateway.process.pid)
        os.kill(pids[0], signal.SIGKILL)
        upstream.end()
        client = openai_of(house, caller)

        over = ended(client, batch, within_s=60.0)

        assert over.request_counts.completed == LINES
        assert len(upstream.batches) == 1
        assert upstream.seen("POST", "/v1/batches") == 1
        _balanced(house, caller)


def test_an_orderly_end_leaves_a_batch_at_its_provider(tmp_path: Path, upstream: BatchUpstream) -> None:
    upstream.ends = False
    with installed(tmp_path, _config(upstream.url), **ENV) as house:
        caller = house.caller("patient", budget_nanos=10**12)
        house.gateway.start()
        batch = begin(openai_of(house, caller), [chat_line(n) for n in range(LINES)])
        until(lambda: len(upstream.batches) == 1, "it is away")
        house.gateway.process.terminate()
        assert house.gateway.stop() == 0
        upstream.end()
        house.gateway.start()
        client = openai_of(house, caller)

        over = ended(client, batch, within_s=40.0)

        assert over.request_counts.completed == LINES
        assert upstream.seen("POST", "/v1/batches") == 1
        _balanced(house, caller)
