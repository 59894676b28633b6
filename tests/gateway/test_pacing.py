"""Budgets and commitments as the road knows them: looked at once a minute, and felt in what is chosen."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from tests import worlds

from passerelle.app import App, Source
from passerelle.core.clock import SystemClock
from passerelle.core.principal import Principal
from passerelle.gateway.pacing import LOOK_EVERY_S, Pacer
from passerelle.gateway.smart import Committed
from passerelle.ledger.periods import period_at
from passerelle.router.cost import Commitment
from passerelle.store import Store, StoreUnavailable
from passerelle.store.values import Budget, BudgetState

DAY_NS = 86_400 * 10**9
START_NS = period_at("month", SystemClock().unix_ns()).start_ns


class Clock:
    """Told what time it is."""

    def __init__(self) -> None:
        self.now_ns = START_NS

    def unix_ns(self) -> int:
        return self.now_ns

    def monotonic_s(self) -> float:
        return self.now_ns / 1e9


class Books:
    """A store whose budget and ledger say what the test says."""

    def __init__(self) -> None:
        self.tenants = self.usage = self
        self.spent_nanos = 0
        self.looks = 0
        self.away = False

    def budget_state(self, org_id: str, budget_id: str, *, at_ns: int) -> BudgetState | None:
        self.looks += 1
        if self.away:
            raise StoreUnavailable("the database is away")
        if budget_id != "bud_1":
            return None
        budget = Budget("bud_1", org_id, "project", "prj", "b", 30_000, "USD", "month")
        return BudgetState(budget, "", self.spent_nanos, 0)

    def spent_at(self, provider: str, deployment: str | None, currency: str, *, since: int) -> int:
        assert since == START_NS
        return {"p": 700, "q": 2_000}[provider]


@pytest.fixture
def books() -> Books:
    return Books()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def pacer(books: Books, clock: Clock) -> Pacer:
    return Pacer(books, clock)  # type: ignore[arg-type]


def who(*budgets: str) -> Principal:
    return msgspec.structs.replace(worlds.principal(), budgets=budgets)


def test_a_budget_that_is_spent_too_fast_raises_the_price_and_one_that_rests_lowers_it(
    pacer: Pacer, books: Books, clock: Clock
) -> None:
    principal = who("bud_1")
    assert pacer.points(principal) == 0.0
    pacer.watch(principal)
    for day in range(6):
        clock.now_ns = START_NS + day * DAY_NS
        books.spent_nanos = day * 3_000
        pacer.read(())
    high = pacer.points(principal)
    assert high > 3
    for day in range(6, 20):
        clock.now_ns = START_NS + day * DAY_NS
        pacer.read(())
    assert pacer.points(principal) < high
    assert pacer.points(who()) == pacer.points(who("bud_other")) == 0.0


def test_it_is_looked_at_once_a_minute_and_at_once_when_it_is_new(
    pacer: Pacer, books: Books, clock: Clock
) -> None:
    async def looks() -> None:
        await pacer.look(())
        assert books.looks == 0
        pacer.watch(who("bud_1"))
        await pacer.look(())
        await pacer.look(())
        assert books.looks == 1
        clock.now_ns += int(LOOK_EVERY_S * 1e9) + 1
        await pacer.look(())
        assert books.looks == 2

    asyncio.run(looks())


def test_a_database_that_is_away_leaves_prices_as_they_were(pacer: Pacer, books: Books, clock: Clock) -> None:
    pacer.watch(who("bud_1"))
    pacer.read(())
    clock.now_ns += 3 * DAY_NS
    books.spent_nanos = 20_000
    pacer.read(())
    before = pacer.points(who("bud_1"))
    assert before > 0
    books.away = True
    clock.now_ns += DAY_NS
    asyncio.run(pacer.look(()))
    assert pacer.points(who("bud_1")) == before


def test_what_is_left_of_a_commitment_is_what_the_ledger_leaves(pacer: Pacer) -> None:
    pacer.read((Committed("p", 1_000), Committed("q", 1_000, deployment="q/d")))
    assert pacer.commitments == (Commitment("p", None, 300), Commitment("q", "q/d", 0))


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    config = tmp_path / "passerelle.toml"
    config.write_text(
        "providers_from_environment = false\n[local]\nenabled = false\n"
        '[providers.sim]\nkind = "simulated"\n'
        '[[commitments]]\nprovider = "sim"\namount = 20000\n'
    )
    source = Source(config, {}, {"data_dir": str(tmp_path / "data")})
    app = App(source, source.read())
    yield app
    asyncio.run(app.generations.aclose())
    app.store.close()


def test_the_ledger_of_a_new_installation_leaves_all_of_it(app: App) -> None:
    store: Store = app.store
    pacer = Pacer(store, app.clock)
    pacer.read(app.generations.current.router.commitments)
    assert pacer.commitments == (Commitment("sim", None, 20_000 * 10**9),)
