"""Workers that follow the same outcomes know the same, whenever each looks, stops or is lost."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.gateway.learning_world import outcomes

from passerelle.core.clock import SystemClock
from passerelle.core.outcome import Judged
from passerelle.gateway.learning.fold import FIRST_FIT
from passerelle.gateway.learning.kinds import MEANS, Kind, best
from passerelle.gateway.learning.learned import KEEP_AFTER, CaughtUp, Learned, caught_up
from passerelle.router.quality.base import Sight
from passerelle.store import Store, default_url, open_store
from passerelle.store.feedback import SaidOtherwise

ORG = "org_a"
PRIORS = {"coder": 0.7, "poet": 0.7, "newcomer": 0.9}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    folder = tmp_path_factory.mktemp("learned")
    store = open_store(default_url(folder), folder, clock=SystemClock(), worker="w0")
    yield store
    store.close()


_ORGS = iter(range(10**6))


def an_org() -> str:
    return f"org_{next(_ORGS)}"


def told(store: Store, org: str, kind: Kind, count: int, *, seed: int = 1, offset: int = 0) -> None:
    """So many outcomes of the world, as callers tell them."""
    rows = iter(outcomes(count, kind, seed=seed))
    for one in rows:
        named = msgspec.structs.replace(one.judged, receipt_id=f"{one.judged.receipt_id}-{offset}")
        if one.verdict_id:
            other = next(rows).judged
            pair = named, msgspec.structs.replace(other, receipt_id=f"{other.receipt_id}-{offset}")
            overall = "tie" if named.score_ppm == other.score_ppm else "a" if named.score_ppm else "b"
            store.feedback.compare(org, pair, overall=overall, criteria={}, actor=one.actor)
        else:
            store.feedback.add(org, named, actor=one.actor)


def a_worker(store: Store, org: str, kind: Kind, name: str = "w") -> Learned:
    worker = Learned(store, SystemClock(), name, kind)
    worker.estimates(org, Sight("hello"), PRIORS)  # it follows whoever asks
    return worker


def caught(worker: Learned, org: str) -> bytes:
    asyncio.run(worker.catch_up(org))
    followed = worker._followed[org]
    assert followed is not None
    return followed.fold.state()


@given(looks=st.lists(st.tuples(st.integers(0, 2), st.integers(1, 25)), min_size=1, max_size=12))
@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whenever_each_worker_looks_all_come_to_the_same(store: Store, looks: list[tuple[int, int]]) -> None:
    org = an_org()
    workers = [a_worker(store, org, MEANS, f"w{n}") for n in range(3)]
    for turn, (who, count) in enumerate(looks):
        told(store, org, MEANS, count, seed=turn, offset=turn)
        caught(workers[who], org)
    assert len({caught(worker, org) for worker in workers}) == 1


def test_workers_that_learn_anew_agree_to_the_last_byte_and_one_of_them_did_it(store: Store) -> None:
    org, kind = an_org(), best()
    workers = [a_worker(store, org, kind, f"w{n}") for n in range(2)]
    told(store, org, kind, FIRST_FIT + 9)
    states = {caught(worker, org) for worker in workers}
    assert len(states) == 1
    kept = store.router_states.list(org)
    assert [one.origin for one in kept] == ["learned"]
    assert workers[0].version(org) == workers[1].version(org) != "prior"


def test_who_decides_beside_the_gateway_judges_as_its_workers_do(store: Store) -> None:
    org, kind = an_org(), best()
    told(store, org, kind, FIRST_FIT + 9)
    worker, beside, sight = a_worker(store, org, kind), CaughtUp(store), Sight("hello", task="code")
    caught(worker, org)
    assert beside.version(org) == worker.version(org) != "prior"
    assert beside.estimates(org, sight, PRIORS) == worker.estimates(org, sight, PRIORS)
    assert beside.version(an_org()) == "prior"


def test_what_another_is_learning_anew_is_waited_for(store: Store) -> None:
    org, kind = an_org(), best()
    told(store, org, kind, FIRST_FIT + 3)
    assert store.router_states.lease(org, "somebody else", for_s=60)
    worker = a_worker(store, org, kind)
    caught(worker, org)
    assert worker.version(org) == "prior"
    store.router_states.release(org, "somebody else")
    caught(worker, org)
    assert worker.version(org) != "prior"


def test_a_worker_lost_between_outcomes_and_states_costs_nothing(store: Store) -> None:
    """Killed at any point: who starts then reads the newest state, if there is one, and folds the rest."""
    org, kind = an_org(), MEANS
    for turn, count in enumerate((KEEP_AFTER - 20, 30, 7)):
        told(store, org, kind, count, seed=turn, offset=turn)
        caught(a_worker(store, org, kind, f"lost {turn}"), org)  # never heard of again
    assert len(store.router_states.list(org)) == 1
    fresh = caught(a_worker(store, org, kind, "fresh"), org)
    whole = caught_up(store, msgspec.structs.replace(store.router_states.head(org), version=0), kind)
    assert fresh == whole.state()


def test_frozen_workers_stop_at_one_outcome_and_go_on_from_there(store: Store) -> None:
    org = an_org()
    early, late = (a_worker(store, org, MEANS, name) for name in ("early", "late"))
    told(store, org, MEANS, 10)
    caught(early, org)
    head = store.router_states.freeze(org, actor="cli:test")
    told(store, org, MEANS, 10, seed=2, offset=1)
    assert caught(early, org) == caught(late, org)
    followed = late._followed[org]
    assert followed is not None
    assert followed.fold.number == head.frozen_at == 10
    store.router_states.unfreeze(org, actor="cli:test")
    assert caught(early, org) == caught(late, org)
    assert followed.fold.number == 20


def test_a_rollback_passes_over_what_came_and_learns_what_comes(store: Store) -> None:
    org = an_org()
    worker = a_worker(store, org, MEANS)
    told(store, org, MEANS, KEEP_AFTER + 1)
    before = caught(worker, org)
    told(store, org, MEANS, 50, seed=7, offset=1)
    assert caught(worker, org) != before
    made = store.router_states.roll_back(org, 1, actor="cli:test")
    assert made is not None
    assert made.number == KEEP_AFTER + 51
    caught(worker, org)
    followed = worker._followed[org]
    assert followed is not None
    assert followed.fold.number == made.number
    assert worker.version(org) == store.router_states.list(org)[-1].learner
    told(store, org, MEANS, 1, seed=8, offset=2)
    caught(worker, org)
    assert worker.version(org) != store.router_states.list(org)[-1].learner
    assert store.router_states.roll_back(org, 999, actor="cli:test") is None
    actions = [one.action for one in store.audit.list(org)]
    assert actions == ["router.rolled_back"]


def test_a_model_nobody_judged_is_put_on_the_scale_of_those_that_were(store: Store) -> None:
    """The catalog says 0.9 for it and 0.7 for the others, which turned out to be worse than that."""
    org = an_org()
    worker = a_worker(store, org, MEANS)
    for n in range(80):
        judged = Judged(f"rcp_{n}", "p", "d", ("coder", "poet")[n % 2], "person", 200_000, prior_ppm=700_000)
        store.feedback.add(org, judged, actor="key")
    caught(worker, org)
    said = worker.estimates(org, Sight("anything"), PRIORS)
    # Two were 0.5 worse than their figure: it is expected to be two thirds of that worse than its own.
    assert said["newcomer"].mean == pytest.approx(0.9 - 2 / 3 * (0.7 - said["coder"].mean), abs=0.02)
    assert not said["newcomer"].known
    assert said["newcomer"].outcomes == 0


def test_an_organisation_learns_nothing_of_another(store: Store) -> None:
    mine, theirs = an_org(), an_org()
    told(store, theirs, MEANS, 40)
    worker = a_worker(store, mine, MEANS)
    caught(worker, mine)
    assert worker.version(mine) == "prior"
    assert store.feedback.after(mine, 0) == []
    assert store.router_states.list(mine) == ()


def test_each_source_says_one_thing_of_a_receipt_and_no_other(store: Store) -> None:
    org = an_org()
    judged = Judged("rcp_1", "p", "d", "m", "person", 1_000_000)
    first, fresh = store.feedback.add(org, judged, actor="k1")
    assert fresh
    assert store.feedback.add(org, judged, actor="k1") == (first, False)
    with pytest.raises(SaidOtherwise):
        store.feedback.add(org, msgspec.structs.replace(judged, score_ppm=0), actor="k1")
    for other in (("k2", "person"), ("k1", "grader")):
        again = msgspec.structs.replace(judged, source=other[1], score_ppm=0)
        assert store.feedback.add(org, again, actor=other[0])[1]
    assert [one.number for one in store.feedback.after(org, 0)] == [1, 2, 3]


def test_a_verdict_is_the_same_the_other_way_round(store: Store) -> None:
    org = an_org()
    a = Judged("rcp_2", "p", "d", "m", "verdict", 1_000_000)
    b = Judged("rcp_1", "p", "d", "n", "verdict", 0)
    one, fresh = store.feedback.compare(org, (a, b), overall="a", criteria={"tone": "b"}, actor="k")
    assert fresh
    same, fresh = store.feedback.compare(org, (b, a), overall="b", criteria={"tone": "a"}, actor="k")
    assert not fresh
    assert same.id == one.id
    assert same.receipts == ("rcp_1", "rcp_2")
    with pytest.raises(SaidOtherwise):
        store.feedback.compare(org, (a, b), overall="tie", criteria={}, actor="k")
    assert [v.id for v in store.feedback.verdicts(org)] == [one.id]
    assert len(store.feedback.after(org, 0)) == 2


@pytest.mark.parametrize("limit", range(1, 8))
def test_a_reader_never_parts_the_two_of_a_verdict(store: Store, limit: int) -> None:
    org = an_org()
    told(store, org, MEANS, 40, seed=5)
    read: list[int] = []
    while rows := store.feedback.after(org, read[-1] if read else 0, limit=max(limit, 2)):
        assert not rows[-1].verdict_id or rows[-2].verdict_id == rows[-1].verdict_id
        read += [one.number for one in rows]
    assert read == list(range(1, 41))


def test_a_store_that_is_away_stops_learning_and_not_choosing(tmp_path: Path) -> None:
    with ExitStack() as ends:
        store = open_store(default_url(tmp_path), tmp_path, clock=SystemClock(), worker="w0")
        ends.callback(store.close)
        org = "org_x"
        worker = a_worker(store, org, MEANS)
        told(store, org, MEANS, 30)
        caught(worker, org)
        before = worker.estimates(org, Sight("x", task="code"), PRIORS)
        (tmp_path / "passerelle.db").rename(tmp_path / "away.db")

        async def look() -> None:
            await worker.tend()
            assert worker._task is not None
            await worker._task
            await worker.aclose()

        asyncio.run(look())
        assert worker.estimates(org, Sight("x", task="code"), PRIORS) == before
        (tmp_path / "away.db").rename(tmp_path / "passerelle.db")
