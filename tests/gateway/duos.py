"""Models at two scripted providers each, a fresh one for every test: no test meets another's breaker."""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from tests.gateway.door import DIALECTS, Answer, asked
from tests.gateway.house import Caller, House, running
from tests.gateway.stage import ENV, Catalogue, Stage, short
from tests.store.world import assert_books_balance

from passerelle.core.request import Dialect


class Duo(NamedTuple):
    """A model asked for as `name`: tried at `first`, then at `second` (as providers know it)."""

    name: str
    dialect: Dialect
    first: str
    second: str

    @property
    def places(self) -> tuple[str, str]:
        """The ids of its two deployments."""
        return tuple(f"{upstream.rpartition('.')[2]}/{upstream}" for upstream in (self.first, self.second))  # type: ignore[return-value]


@dataclass
class Theatre:
    """A running gateway in front of the stage, a caller under a budget, and duos to ask for."""

    house: House
    stage: Stage
    caller: Caller
    duos: int
    """How many there are of each kind."""
    taken: dict[tuple[Dialect, str], int] = field(default_factory=lambda: defaultdict(int))

    def duo(self, dialect: Dialect, first: str = "a") -> Duo:
        """The next unused one whose first place is the provider of that letter."""
        number = self.taken[dialect, first]
        assert number < self.duos, "the tests of this file need more `duos`"
        self.taken[dialect, first] += 1
        name = f"{short(dialect)}{first}{number}"
        model = f"{name}-model"
        return Duo(name, dialect, f"{model}.{short(dialect)}{first}", f"{model}.{short(dialect)}b")

    def ask(self, dialect: Dialect, duo: Duo, *, stream: bool = False, **headers: str) -> Answer:
        """Ask for a duo in a dialect."""
        return self.caller.door.send(asked(dialect, duo.name, stream=stream), **headers)

    def receipt(self, answer: Answer | str) -> dict[str, Any]:
        """The answer's receipt, whose figures agree with the ledger and the budget's holds."""
        receipt = self.house.receipt(self.caller, answer)
        name = receipt["id"]
        ledger = self.house.rows("select attempt_id, amount_nanos from ledger where receipt_id = ?", name)
        attempts = {attempt["id"]: attempt.get("cost_nanos", 0) for attempt in receipt["attempts"]}
        assert dict(ledger) == attempts
        assert receipt["cost_nanos"] == sum(attempts.values())
        paid = self.house.rows("select state, sum(amount_nanos) from hold where receipt_id = ?", name)
        assert paid == [("settled" if attempts else None, receipt["cost_nanos"] if attempts else None)]
        return receipt

    def balanced(self) -> None:
        """All the books agree, and no hold is left."""
        self.house.booked(self.caller)
        assert_books_balance(self.house.gateway.data)
        budget = self.caller.budget_id
        assert budget is not None
        paid = "select coalesce(sum(amount_nanos), 0) from ledger where key_id = ?"
        assert self.house.spent(budget) == self.house.rows(paid, self.caller.key_id)[0][0]
        assert not self.house.lines("unexpected failure")


@contextmanager
def theatre(
    folder: Path, stage: Stage, *, duos: int, firsts: dict[str, str | None], also: str = "", before: str = ""
) -> Iterator[Theatre]:
    """A gateway whose every dialect has providers `b` and one for each letter of `firsts`.

    A letter's value is where it listens; None is on the stage. `also` is TOML for every provider,
    `before` for the installation.
    """
    catalogue = Catalogue()
    catalogue.lines += [before]
    for dialect in DIALECTS:
        for letter, where in {**firsts, "b": None}.items():
            catalogue.provider(f"{short(dialect)}{letter}", dialect, where or stage.url, also)
        for letter in firsts:
            for number in range(duos):
                name = f"{short(dialect)}{letter}{number}"
                catalogue.duo(name, f"{short(dialect)}{letter}", f"{short(dialect)}b")
    with running(folder, catalogue.text, **ENV) as house:
        yield Theatre(house, stage, house.caller(budget_nanos=10**15), duos)
