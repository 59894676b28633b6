"""A batch at its provider outlives whoever looks after it: kill -9 at every step, a dead worker, a plain end.

At each step the provider has done its work and the gateway dies before it hears of it. One gateway dies and
is started again through the whole module, each time with batches of keys of their own.
"""

import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest
from tests.gateway.batch.native_world import config
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
from tests.gateway.house import Caller, House, installed, running, until
from tests.gateway.stage import ENV
from tests.serving import children
from tests.store.world import assert_books_balance
from tests.upstream_batches import BatchUpstream
from tests.upstream_batches_more import MoreBatches

LINES = 70
"""More than are booked in one transaction."""


@pytest.fixture(scope="module")
def mortal(services: MoreBatches, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A gateway that runs, and may be killed and started again."""
    with installed(tmp_path_factory.mktemp("mortal"), config(services.url), **ENV) as house:
        for name in ("first", "second", "third", "fourth"):
            house.tenant(name)
        house.gateway.start()
        yield house


def _balanced(house: House, caller: Caller) -> None:
    house.booked(caller)
    assert_books_balance(house.gateway.data)
    ((rows, unknown, spent),) = house.rows(
        "select count(*), sum(unknown), sum(amount_nanos) from ledger where key_id = ?", caller.key_id
    )
    assert (rows, unknown) == (LINES, 0), "every line once, none lost"
    assert house.spent(caller.budget_id or "") == spent
    assert house.rows("select count(*) from budget_lease where worker like 'batch_%' and state = 'open'") == [
        (0,)
    ]


@pytest.mark.parametrize(
    ("files", "messages"),
    [
        (("POST", "/v1/files$"), ("POST", "/messages/batches$")),
        (("POST", "/v1/batches$"), ("GET", "/batches/msgbatch_[0-9]+$")),
        (("GET", "/v1/batches/batch_"), ("GET", "/results$")),
        (("GET", "/content$"), ("DELETE", "/batches/msgbatch")),
        (("DELETE", "/v1/files/"), None),
    ],
)
def test_kill_9_at_any_step_doubles_nothing_and_loses_nothing(
    mortal: House, upstream: MoreBatches, files: tuple[str, str], messages: tuple[str, str] | None
) -> None:
    """A batch of a file and a message batch, each at a step of its own."""
    house = mortal
    one, other = (house.caller(name, org=name, budget_nanos=10**12) for name in ("first", "second"))
    upstream.hold(*files, *(messages or ()))
    batch = begin(openai_of(house, one), [chat_line(n) for n in range(LINES)])
    requests = [message(n) for n in range(LINES)]
    if messages is not None:
        asked = anthropic_of(house, other).messages.batches.create(requests=requests)
    assert upstream.held.wait(20)
    house.gateway.kill()
    for there in upstream.batches.values():
        if there.id.startswith("msgbatch"):
            upstream._work_messages(there)  # its provider goes on meanwhile
    upstream.release()
    house.gateway.start()

    client = openai_of(house, one)
    over = ended(client, batch, within_s=40.0)
    assert over.request_counts.completed == LINES
    assert numbers(read(client, over.output_file_id)) == list(range(LINES))
    assert len([name for name in upstream.batches if name.startswith("batch_")]) == 1, "it was made once"
    assert upstream.seen("POST", "/v1/files") == 1, "and uploaded once"
    assert upstream.files == {}
    if messages is not None:
        claude = anthropic_of(house, other)
        assert messages_ended(claude, asked).request_counts.succeeded == LINES
        results = list(claude.messages.batches.results(asked.id))
        assert numbers([{"custom_id": line.custom_id} for line in results]) == list(range(LINES))
        assert upstream.seen("POST", "/v1/messages/batches") == 1, "it was made once"
        assert len([name for name in upstream.deleted if name.startswith("msgbatch")]) == 1
        _balanced(house, other)
    assert upstream.asked == []
    _balanced(house, one)


def test_killed_between_two_groups_of_results_each_is_booked_once(
    mortal: House, upstream: BatchUpstream
) -> None:
    house = mortal
    caller = house.caller("third", org="third", budget_nanos=10**12)
    batch = begin(openai_of(house, caller), [chat_line(n) for n in range(LINES)])
    kept = "select count(*) from batch_line where batch_id = ?"
    until(lambda: house.rows(kept, batch.id)[0][0] > 0, "the first results are booked")
    house.gateway.kill()
    house.gateway.start()

    over = ended(openai_of(house, caller), batch, within_s=40.0)

    assert over.request_counts.completed == LINES
    assert upstream.asked == []
    _balanced(house, caller)


def test_an_orderly_end_leaves_a_batch_at_its_provider(mortal: House, upstream: BatchUpstream) -> None:
    upstream.ends = False
    house = mortal
    caller = house.caller("fourth", org="fourth", budget_nanos=10**12)
    batch = begin(openai_of(house, caller), [chat_line(n) for n in range(LINES)])
    until(lambda: len(upstream.batches) == 1, "it is away")
    house.gateway.process.terminate()
    assert house.gateway.stop() == 0
    upstream.end()
    house.gateway.start()

    over = ended(openai_of(house, caller), batch, within_s=40.0)

    assert over.request_counts.completed == LINES
    assert upstream.seen("POST", "/v1/batches") == 1
    _balanced(house, caller)


def test_a_batch_away_is_found_again_by_another_worker(
    services: MoreBatches, upstream: BatchUpstream, tmp_path_factory: pytest.TempPathFactory
) -> None:
    upstream.ends = False
    with running(tmp_path_factory.mktemp("pair"), config(services.url), workers=2, **ENV) as house:
        caller = house.caller("patient", budget_nanos=10**12)
        batch = begin(openai_of(house, caller), [chat_line(n) for n in range(LINES)])
        until(lambda: upstream.seen("GET", "/v1/batches/" + next(iter(upstream.batches), "?")), "it is away")
        resting = "select 1 from batch where owner = '' and leased_until_ns > 0"
        until(lambda: house.rows(resting), "nobody looks at it now")
        pids = children(house.gateway.process.pid)
        os.kill(pids[0], signal.SIGKILL)
        upstream.end()
        client = openai_of(house, caller)

        over: Any = ended(client, batch, within_s=60.0)

        assert over.request_counts.completed == LINES
        assert len(upstream.batches) == 1
        assert upstream.seen("POST", "/v1/batches") == 1
        _balanced(house, caller)
