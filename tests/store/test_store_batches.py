"""Batches under leases: one writer at a time, only moves that the states allow, each result once."""

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from tests.store.test_vault import keep
from tests.store.world import StillClock, open_at

from passerelle.core.batch import ACTIVE, MOVES, Batch, BatchState, LineKind, LineResult, Terms, Tokens
from passerelle.core.clock import mint
from passerelle.store import Store, batch_runs
from passerelle.store.batch_runs import LeaseLost
from passerelle.store.batches import TooManyBatches
from passerelle.store.kept_files import FileInUse

PURGE_NS = 10**19 // 2


def a_batch(store: Store, clock: StillClock, org_id: str = "org_a", **fields: object) -> Batch:
    """A fresh batch with an input."""
    said = {
        "id": mint("batch"), "org_id": org_id, "project_id": "prj", "key_id": "key", "surface": "openai",
        "endpoint": "/v1/chat/completions", "state": "validating",
        "input_file_id": keep(store, org_id, b"{}", purpose="batch").id,
        "created_at_ns": clock.unix_ns(), "expires_at_ns": clock.unix_ns() + 10**12,
    }  # fmt: skip
    batch = Batch(**{**said, **fields})  # type: ignore[arg-type]
    store.batches.create(batch, most_active=100)
    return batch


def result(line: int, kind: LineKind = "ok", body: bytes = b"{}") -> LineResult:
    return LineResult(line, kind, mint("rcp"), body, Tokens(1, 0, 2, 0))


def test_a_batch_is_read_as_it_was_made(store: Store, clock: StillClock) -> None:
    terms = Terms({"a": "b"}, 3_600, {"mode": "cost"}, (("openai-beta", "x"),))
    batch = a_batch(store, clock, terms=terms)
    assert store.batches.get("org_a", "prj", "openai", batch.id) == batch
    for other in (("org_b", "prj", "openai"), ("org_a", "prj2", "openai"), ("org_a", "prj", "anthropic")):
        assert store.batches.get(*other, batch.id) is None  # type: ignore[arg-type]
        assert store.batches.cancel(*other, batch.id) is None  # type: ignore[arg-type]
        assert store.batches.list(*other, limit=9) == ()  # type: ignore[arg-type]
        assert not store.batches.delete(*other, batch.id)  # type: ignore[arg-type]


def test_one_worker_has_a_batch_until_its_lease_ends(store: Store, clock: StillClock) -> None:
    batch = a_batch(store, clock)
    assert store.batch_runs.claim("w1", ttl_s=10) == batch
    assert store.batch_runs.claim("w2", ttl_s=10) is None
    clock.advance(9)
    assert store.batch_runs.renew("w1", [batch.id], ttl_s=10) == {batch.id: "validating"}
    clock.advance(9)
    assert store.batch_runs.claim("w2", ttl_s=10) is None
    clock.advance(2)
    assert store.batch_runs.claim("w2", ttl_s=10) is not None
    assert store.batch_runs.renew("w1", [batch.id], ttl_s=10) == {}
    for late in (
        lambda: store.batch_runs.advance("w1", batch, "in_progress"),
        lambda: store.batch_runs.add_results("w1", batch, [result(1)]),
        lambda: store.batch_runs.finish("w1", batch, "failed", purge_at_ns=PURGE_NS),
    ):
        with pytest.raises(LeaseLost):
            late()
    assert store.batches.get("org_a", "prj", "openai", batch.id) == batch


def test_a_lease_given_back_or_of_a_dead_worker_is_free_at_once(store: Store, clock: StillClock) -> None:
    batch = a_batch(store, clock)
    store.batch_runs.claim("w1", ttl_s=10)
    store.batch_runs.release("w2", [batch.id])
    assert store.batch_runs.claim("w2", ttl_s=10) is None
    store.batch_runs.release("w1", [batch.id])
    assert store.batch_runs.claim("w2", ttl_s=10) is not None
    with store._database.write() as connection:
        assert batch_runs.free_of_worker(connection, "w2") == 1
    assert store.batch_runs.claim("w3", ttl_s=10) is not None


def test_the_oldest_is_taken_first_and_what_is_passed_over_is_not(store: Store, clock: StillClock) -> None:
    made = []
    for org in ("org_a", "org_a", "org_b"):
        made.append(a_batch(store, clock, org))
        clock.advance(1)
    taken = store.batch_runs.claim("w1", ttl_s=10, passing=[made[0].id], passing_orgs=[])
    assert taken == made[1]
    assert store.batch_runs.claim("w1", ttl_s=10, passing_orgs=["org_a"]) == made[2]
    assert store.batch_runs.claim("w1", ttl_s=10, passing_orgs=["org_a"]) is None
    assert store.batch_runs.claim("w1", ttl_s=10) == made[0]


def test_a_line_keeps_its_first_result(store: Store, clock: StillClock) -> None:
    batch = a_batch(store, clock)
    store.batch_runs.claim("w1", ttl_s=10)
    store.batch_runs.advance("w1", batch, "in_progress", total=3)
    store.batch_runs.add_results("w1", batch, [result(2, body=b"first"), result(1, "error", b"no")])
    store.batch_runs.add_results("w1", batch, [result(2, "error", b"second"), result(3)])

    assert store.batch_runs.done(batch) == {1, 2, 3}
    kept = list(store.batch_runs.results(batch))
    assert [(one.line, one.kind, one.body) for one in kept] == [
        (1, "error", b"no"), (2, "ok", b"first"), (3, "ok", b"{}"),
    ]  # fmt: skip
    now = store.batches.get("org_a", "prj", "openai", batch.id)
    assert now is not None
    assert (now.tally.total, now.tally.completed, now.tally.failed) == (3, 2, 1)
    assert now.tokens == Tokens(3, 0, 6, 0)


def test_results_lie_sealed_and_leave_with_the_end(store: Store, clock: StillClock) -> None:
    batch = a_batch(store, clock)
    store.batch_runs.claim("w1", ttl_s=10)
    store.batch_runs.advance("w1", batch, "in_progress", total=1)
    store.batch_runs.add_results("w1", batch, [result(1, body=b"words of the bridge")])
    with store._database.read() as connection:
        ((body,),) = connection.exec_driver_sql("select body from batch_line").all()
        assert b"words" not in body
    store.batch_runs.advance("w1", batch, "finalizing")
    output = msgspec.structs.replace(keep(store, "org_a", b"x"), id=mint("file"))
    over = store.batch_runs.finish(
        "w1", batch, "completed", files=[output], output_file_id=output.id, purge_at_ns=clock.unix_ns() + 1
    )
    assert over.output_file_id == output.id
    assert list(store.batch_runs.results(batch)) == []
    assert store.files.get("org_a", "prj", output.id) is not None
    assert store.batches.purge() == 0
    clock.advance(1)
    assert store.batches.purge() == 1
    assert store.batches.get("org_a", "prj", "openai", batch.id) is None


def test_a_project_has_no_more_batches_under_way_than_it_may(store: Store, clock: StillClock) -> None:
    for _ in range(2):
        batch = a_batch(store, clock)
    fresh = msgspec.structs.replace(batch, id=mint("batch"))
    with pytest.raises(TooManyBatches):
        store.batches.create(fresh, most_active=2)
    store.batches.create(msgspec.structs.replace(fresh, project_id="prj2"), most_active=2)
    store.batches.cancel("org_a", "prj", "openai", batch.id)
    store.batch_runs.claim("w1", ttl_s=10, passing=[])
    with pytest.raises(TooManyBatches):
        store.batches.create(fresh, most_active=2)


def test_an_input_that_is_being_read_is_neither_deleted_nor_expired(store: Store, clock: StillClock) -> None:
    batch = a_batch(store, clock)
    with pytest.raises(FileInUse):
        store.files.delete("org_a", "prj", batch.input_file_id)
    short = keep(store, "org_a", b"{}", purpose="batch", expires_at_ns=clock.unix_ns() + 1)
    a_batch(store, clock, input_file_id=short.id)
    clock.advance(1)
    assert store.files.expire() == 0
    assert list(store.files.content("org_a", short.id)) == [b"{}"]
    store.batch_runs.claim("w1", ttl_s=10)
    store.batch_runs.finish("w1", batch, "failed", purge_at_ns=PURGE_NS)
    assert store.files.delete("org_a", "prj", batch.input_file_id)


class States(RuleBasedStateMachine):
    """Workers and callers at one batch, in any order: it only moves as `MOVES` says, and ends once."""

    folder: pytest.TempPathFactory

    def __init__(self) -> None:
        super().__init__()
        self.clock = StillClock()
        self.store = open_at(States.folder.mktemp("states"), self.clock)
        self.batch = a_batch(self.store, self.clock)
        self.seen: BatchState = "validating"
        self.owner: str | None = None
        self.until_ns = 0
        self.lines: dict[int, LineKind] = {}

    def teardown(self) -> None:
        self.store.close()

    def now(self) -> Batch:
        found = self.store.batches.get("org_a", "prj", "openai", self.batch.id)
        assert found is not None
        return found

    @rule(worker=st.sampled_from(["w1", "w2"]))
    def claim(self, worker: str) -> None:
        free = self.now().state in ACTIVE and self.until_ns < self.clock.unix_ns()
        taken = self.store.batch_runs.claim(worker, ttl_s=10)
        assert (taken is not None) == free
        if taken is not None:
            self.owner, self.until_ns = worker, self.clock.unix_ns() + 10 * 10**9

    @rule(seconds=st.integers(1, 12))
    def wait(self, seconds: int) -> None:
        self.clock.advance(seconds)

    @rule()
    def cancel(self) -> None:
        before = self.now().state
        after = self.store.batches.cancel("org_a", "prj", "openai", self.batch.id)
        assert after is not None
        assert after.state == ("cancelling" if "cancelling" in MOVES[before] else before)

    @rule(worker=st.sampled_from(["w1", "w2"]), state=st.sampled_from(sorted(ACTIVE)))
    def advance(self, worker: str, state: BatchState) -> None:
        before = self.now().state
        try:
            after = self.store.batch_runs.advance(worker, self.batch, state)
        except LeaseLost:
            assert worker != self.owner
            return
        assert worker == self.owner
        assert after.state == (state if state in MOVES[before] else before)

    @rule(worker=st.sampled_from(["w1", "w2"]), line=st.integers(1, 4), kind=st.sampled_from(["ok", "error"]))
    def answer(self, worker: str, line: int, kind: LineKind) -> None:
        try:
            self.store.batch_runs.add_results(worker, self.batch, [result(line, kind)])
        except LeaseLost:
            assert worker != self.owner
        else:
            self.lines.setdefault(line, kind)

    @rule(worker=st.sampled_from(["w1", "w2"]), state=st.sampled_from(sorted(set(MOVES) - ACTIVE)))
    def finish(self, worker: str, state: BatchState) -> None:
        before = self.now().state
        try:
            self.store.batch_runs.finish(worker, self.batch, state, purge_at_ns=PURGE_NS)
        except LeaseLost:
            assert worker != self.owner or state not in MOVES[before]
        else:
            assert worker == self.owner
            assert state in MOVES[before]
            self.owner = None
            self.lines = {}

    @precondition(lambda self: self.now().state not in ACTIVE)
    @rule(worker=st.sampled_from(["w1", "w2"]))
    def nothing_follows_the_end(self, worker: str) -> None:
        assert self.store.batch_runs.claim(worker, ttl_s=10) is None
        with pytest.raises(LeaseLost):
            self.store.batch_runs.add_results(worker, self.batch, [result(9)])

    @invariant()
    def it_moves_as_it_may(self) -> None:
        now = self.now()
        reachable = {self.seen}
        for _ in MOVES:
            reachable |= {onward for state in reachable for onward in MOVES[state]}
        assert now.state in reachable
        self.seen = now.state
        if now.state in ACTIVE:
            kinds = list(self.lines.values())
            assert (now.tally.completed, now.tally.failed) == (kinds.count("ok"), kinds.count("error"))
            assert self.store.batch_runs.done(now) == set(self.lines)


def test_any_order_of_workers_and_callers(tmp_path_factory: pytest.TempPathFactory) -> None:
    States.folder = tmp_path_factory
    run_state_machine_as_test(States, settings=settings(max_examples=10, stateful_step_count=20))
