"""The write-ahead journal: kept before told, bounded, and gone when nothing needs it."""

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest
from tests.store.world import a_budget, a_settlement, a_tenant, an_intent, assert_books_balance, sql

from passerelle.store import Bounds, Store, StoreUnavailable, segment
from passerelle.store.records import decode
from passerelle.store.recovery import _lost
from passerelle.store.segment import parse

Opener = Callable[..., Store]


@contextmanager
def locked_database(path: Path) -> Iterator[None]:
    """Nobody else can write meanwhile."""
    other = sqlite3.connect(path / "passerelle.db", timeout=10, isolation_level=None)
    other.execute("begin immediate")
    try:
        yield
    finally:
        other.execute("rollback")
        other.close()


def journal_files(path: Path) -> list[Path]:
    return sorted((path / "journal").glob("*.journal"))


def test_a_settled_request_is_in_the_database_after_a_flush(store: Store, tmp_path: Path) -> None:
    tenant = a_tenant(store)
    intent = an_intent(tenant)
    store.journal.intent(intent)
    store.journal.settle(a_settlement(intent))
    assert store.flush()
    assert sql(tmp_path, "select receipt_id, outcome from outcome") == [(intent.receipt_id, "answered")]
    assert_books_balance(tmp_path)


def test_an_intent_is_in_the_journal_when_the_call_returns(store: Store, tmp_path: Path) -> None:
    tenant = a_tenant(store)
    with locked_database(tmp_path):
        intent = an_intent(tenant)
        store.journal.intent(intent)
        (path,) = journal_files(tmp_path)
        (payload,) = parse(path.read_bytes()).payloads
    assert decode(payload).intent == intent  # type: ignore[union-attr]


async def test_a_durable_intent_returns_only_once_the_database_has_it(store: Store, tmp_path: Path) -> None:
    tenant = a_tenant(store)
    intent = an_intent(tenant)
    await store.journal.intent_durable(intent)
    assert sql(tmp_path, "select attempt_id from intent") == [(intent.attempt_id,)]


async def test_a_durable_intent_that_cannot_be_had_in_time_is_refused_and_withdrawn(
    store: Store, tmp_path: Path
) -> None:
    tenant = a_tenant(store)
    intent = an_intent(tenant)
    with locked_database(tmp_path):
        with pytest.raises(StoreUnavailable, match="durable"):
            await store.journal.intent_durable(intent, deadline_s=0.05)
        found = [
            decode(payload)
            for path in journal_files(tmp_path)
            for payload in parse(path.read_bytes()).payloads
        ]
        assert _lost(found) == [], "nothing was called, so a crash must book nothing"
        assert store.journal.open_requests == 0


async def test_a_cancelled_wait_withdraws_its_intent(store: Store, tmp_path: Path) -> None:
    tenant = a_tenant(store)
    with locked_database(tmp_path):
        waiting = asyncio.create_task(store.journal.intent_durable(an_intent(tenant), deadline_s=30))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert store.journal.open_requests == 0


async def test_while_the_database_is_locked_ordinary_requests_go_on_and_lose_nothing(
    store: Store, tmp_path: Path
) -> None:
    tenant = a_tenant(store)
    with locked_database(tmp_path):
        for _ in range(50):
            intent = an_intent(tenant)
            store.journal.intent(intent)
            store.journal.settle(a_settlement(intent))
        assert store.journal.backlog == 50
    assert store.flush(20)
    assert sql(tmp_path, "select count(leaf) from outcome") == [(50,)]
    assert_books_balance(tmp_path)


def test_a_database_too_far_behind_refuses_intents_but_never_settlements(
    opened: Opener, tmp_path: Path
) -> None:
    store = opened(bounds=Bounds(records=4))
    tenant = a_tenant(store)
    with locked_database(tmp_path):
        intents = [an_intent(tenant) for _ in range(6)]
        for intent in intents:
            store.journal.intent(intent)
        for intent in intents[:4]:
            store.journal.settle(a_settlement(intent))
        with pytest.raises(StoreUnavailable, match="behind"):
            store.journal.intent(an_intent(tenant))
        for intent in intents[4:]:
            store.journal.settle(a_settlement(intent))
    assert store.flush(20)
    assert sql(tmp_path, "select count(leaf) from outcome") == [(6,)]
    store.journal.intent(an_intent(tenant))


def test_bytes_waiting_are_bounded_as_well(opened: Opener, tmp_path: Path) -> None:
    store = opened(bounds=Bounds(bytes=1_000))
    tenant = a_tenant(store)
    with locked_database(tmp_path):
        intent = an_intent(tenant)
        store.journal.intent(intent)
        store.journal.settle(a_settlement(intent, content={"prompt": "x" * 2_000}))
        with pytest.raises(StoreUnavailable, match="behind"):
            store.journal.intent(an_intent(tenant))


def test_open_requests_are_bounded(opened: Opener) -> None:
    store = opened(bounds=Bounds(open_intents=2))
    tenant = a_tenant(store)
    first = an_intent(tenant)
    store.journal.intent(first)
    store.journal.intent(an_intent(tenant))
    with pytest.raises(StoreUnavailable, match="open already"):
        store.journal.intent(an_intent(tenant))
    store.journal.settle(a_settlement(first))
    store.journal.intent(an_intent(tenant))


def test_a_full_disk_refuses_intents(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    tenant = a_tenant(store)
    monkeypatch.setattr(segment.Segment, "append", _refuse)
    with pytest.raises(StoreUnavailable, match="full"):
        store.journal.intent(an_intent(tenant))
    assert store.journal.open_requests == 0


def test_a_settlement_the_disk_refuses_is_said_to_be_unsafe_and_booked_all_the_same(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant = a_tenant(store)
    intent = an_intent(tenant)
    store.journal.intent(intent)
    with monkeypatch.context() as disk:
        disk.setattr(segment.Segment, "append", _refuse)
        with pytest.raises(StoreUnavailable, match="full"):
            store.journal.settle(a_settlement(intent))
    assert store.flush()
    assert sql(tmp_path, "select outcome from outcome") == [("answered",)]
    store.journal.settle(a_settlement(intent))
    assert store.flush()
    assert sql(tmp_path, "select count(*) from ledger") == [(1,)]


def test_content_that_cannot_be_encoded_does_not_cost_the_receipt(
    store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tenant = a_tenant(store)
    intent = an_intent(tenant)
    store.journal.intent(intent)
    store.journal.settle(a_settlement(intent, content=object()))
    assert store.flush()
    assert store.receipts.get(tenant.org_id, intent.receipt_id) is not None
    assert store.contents.get(tenant.org_id, intent.receipt_id) is None
    assert "cannot be encoded" in caplog.text


def test_settling_twice_books_once(store: Store, tmp_path: Path) -> None:
    tenant = a_tenant(store)
    intent = an_intent(tenant)
    store.journal.intent(intent)
    for _ in range(3):
        store.journal.settle(a_settlement(intent))
    assert store.flush()
    store.journal.settle(a_settlement(intent))
    assert store.flush()
    assert sql(tmp_path, "select count(*) from ledger") == [(1,)]
    assert sql(tmp_path, "select count(leaf) from outcome") == [(1,)]
    assert_books_balance(tmp_path)


def test_segments_that_nothing_needs_are_deleted_and_open_intents_move_along(
    opened: Opener, tmp_path: Path
) -> None:
    store = opened(bounds=Bounds(segment_bytes=2_000))
    tenant = a_tenant(store)
    running = an_intent(tenant)
    store.journal.intent(running)
    assert store.flush()
    numbers = set()
    for _ in range(40):
        intent = an_intent(tenant)
        store.journal.intent(intent)
        store.journal.settle(a_settlement(intent))
        assert store.flush()
        store.journal.rotate_if_large()
        numbers.add(journal_files(tmp_path)[-1].name)
    assert len(numbers) > 3
    assert store.flush()
    store.journal.committed([])
    (last,) = journal_files(tmp_path)
    open_still = _lost([decode(payload) for payload in parse(last.read_bytes()).payloads])
    assert [lost.intents[0].intent for lost in open_still] == [running]


def test_a_clean_close_leaves_no_journal(opened: Opener, tmp_path: Path) -> None:
    store = opened()
    tenant = a_tenant(store)
    intent = an_intent(tenant)
    store.journal.intent(intent)
    store.journal.settle(a_settlement(intent))
    store.close()
    assert journal_files(tmp_path) == []
    assert sql(tmp_path, "select count(leaf) from outcome") == [(1,)]


def test_a_closed_store_keeps_nothing_and_says_so(opened: Opener) -> None:
    store = opened()
    tenant = a_tenant(store)
    intent = an_intent(tenant)
    store.close()
    store.close()
    with pytest.raises(StoreUnavailable, match="closed"):
        store.journal.intent(intent)
    with pytest.raises(StoreUnavailable, match="closed"):
        store.journal.settle(a_settlement(intent))


def test_closing_with_the_database_gone_keeps_the_journal_and_the_next_start_books_it(
    opened: Opener, tmp_path: Path
) -> None:
    store = opened()
    tenant = a_tenant(store)
    intent = an_intent(tenant)
    with locked_database(tmp_path):
        store.journal.intent(intent)
        store.journal.settle(a_settlement(intent))
        store.close(deadline_s=5)
        assert journal_files(tmp_path)
    again = opened(worker="w1")
    assert again.receipts.get(tenant.org_id, intent.receipt_id) is not None
    assert len(journal_files(tmp_path)) == 1, "only the new worker's own"
    assert_books_balance(tmp_path)


def test_threads_may_journal_at_the_same_time(store: Store, tmp_path: Path) -> None:
    tenant = a_tenant(store)

    def work() -> None:
        for _ in range(40):
            intent = an_intent(tenant)
            store.journal.intent(intent)
            store.journal.settle(a_settlement(intent))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.flush(20)
    assert sql(tmp_path, "select count(leaf), count(distinct receipt_id) from outcome") == [(320, 320)]
    assert_books_balance(tmp_path)


async def test_a_durable_intent_outlives_a_loop_that_closed_meanwhile(store: Store, tmp_path: Path) -> None:
    tenant = a_tenant(store)
    intent = an_intent(tenant)

    async def begin() -> None:
        waiting = asyncio.create_task(store.journal.intent_durable(intent))
        await asyncio.sleep(0)
        waiting.cancel()

    with locked_database(tmp_path):
        await asyncio.to_thread(lambda: asyncio.run(begin()))
    assert await asyncio.to_thread(store.flush, 20)
    assert store.health()["writer_alive"]


def test_a_request_refused_after_its_intent_leaves_an_outcome_and_no_charge(
    store: Store, tmp_path: Path
) -> None:
    tenant = a_tenant(store)
    budget = a_budget(store, tenant)
    intent = an_intent(tenant)
    store.journal.intent(intent)
    settlement = a_settlement(intent, outcome="refused")
    bare = msgspec.structs.replace(settlement.receipt, attempts=(), cost_nanos=0)
    store.journal.settle(msgspec.structs.replace(settlement, receipt=bare))
    assert store.flush()
    assert sql(tmp_path, "select outcome, attempts from outcome") == [("refused", 0)]
    assert sql(tmp_path, "select count(*) from ledger") == [(0,)]
    state = store.tenants.budget_state(tenant.org_id, budget.id)
    assert state is not None
    assert state.spent_nanos == 0


def _refuse(self: object, payload: bytes) -> None:
    raise StoreUnavailable("the disk is full")
