"""The arithmetic of accounts, leases and holds, under every order of events."""

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from passerelle.ledger import holds
from passerelle.ledger.holds import Account, Lease

AMOUNT = st.integers(0, 400)


def test_a_lease_never_promises_more_than_it_was_granted() -> None:
    lease = holds.grow(Lease(), 100)
    lease = holds.reserve(lease, 60)
    assert lease is not None
    assert holds.reserve(lease, 41) is None
    assert holds.reserve(lease, 40) is not None


def test_settling_below_the_hold_frees_the_difference_and_above_it_is_a_shortage() -> None:
    lease = holds.reserve(holds.grow(Lease(), 100), 100)
    assert lease is not None
    assert holds.settle(lease, 100, 30).available_nanos == 70
    over = holds.settle(lease, 100, 130)
    assert over.available_nanos == -30
    assert over.shortage_nanos == 30


def test_a_grant_is_a_share_of_what_remains_or_the_need() -> None:
    account = Account(1_000, 0, 200)
    assert holds.grant(account, 10) == 100
    assert holds.grant(account, 500) == 500
    assert holds.grant(account, 801) == 0


def test_an_overspent_account_grants_nothing() -> None:
    account = Account(100, 150, 0)
    assert account.remaining_nanos == 0
    assert holds.grant(account, 1) == 0


@given(st.integers(0, 1_000), st.integers(0, 1_000), st.lists(AMOUNT, max_size=8))
def test_what_is_drawn_lets_waiting_reservations_succeed_in_order(
    remaining: int, available: int, needs: list[int]
) -> None:
    account, lease = Account(remaining, 0, 0), Lease(available)
    need = holds.coverable(account, lease, needs)
    amount = holds.grant(account, need) if need else 0
    assert amount <= remaining
    assert need == 0 or amount >= need
    served, left = 0, available + amount
    for one in needs:
        if one <= left:
            left -= one
            served += 1
    possible, within = 0, available + remaining
    for one in needs:
        if one <= within:
            within -= one
            possible += 1
    assert served >= possible


class Worlds(RuleBasedStateMachine):
    """Three workers share an account; leases expire, workers die, requests settle late or twice."""

    opened = Bundle("opened")

    def __init__(self) -> None:
        super().__init__()
        self.account = Account(2_000, 0, 0)
        self.leases: list[Lease] = [Lease(), Lease(), Lease()]
        self.generation = [0, 0, 0]
        self.live: dict[int, tuple[int, int, int]] = {}
        self.number = 0
        self.charged = 0
        self.beyond = 0
        """Booked above what was held, or late: the only ways above the limit."""

    @rule(target=opened, worker=st.integers(0, 2), amount=AMOUNT)
    def reserve(self, worker: int, amount: int) -> int:
        self.number += 1
        taken = holds.reserve(self.leases[worker], amount)
        if taken is None:
            lacking = amount - self.leases[worker].available_nanos
            granted = holds.grant(self.account, lacking)
            self.account = Account(2_000, self.account.spent_nanos, self.account.leased_nanos + granted)
            self.leases[worker] = holds.grow(self.leases[worker], granted)
            taken = holds.reserve(self.leases[worker], amount)
        if taken is not None:
            self.leases[worker] = taken
            self.live[self.number] = (worker, amount, self.generation[worker])
        return self.number

    @rule(number=opened, amount=AMOUNT)
    def settle(self, number: int, amount: int) -> None:
        worker, held, generation = self.live.pop(number, (0, 0, -1))
        if generation < 0:
            return  # settled before: books nothing
        self.charged += amount
        if generation == self.generation[worker]:
            lease = holds.settle(self.leases[worker], held, amount)
            short = lease.shortage_nanos
            self.beyond += max(0, amount - held)
            self.account = Account(2_000, self.account.spent_nanos, self.account.leased_nanos + short)
            self.leases[worker] = holds.grow(lease, short)
        else:
            self.beyond += amount
            self.account = Account(2_000, self.account.spent_nanos + amount, self.account.leased_nanos)

    @rule(worker=st.integers(0, 2))
    def expire(self, worker: int) -> None:
        self.account = holds.close(self.account, self.leases[worker])
        self.leases[worker] = Lease()
        self.generation[worker] += 1

    @rule(worker=st.integers(0, 2))
    def give_back(self, worker: int) -> None:
        spare = max(0, self.leases[worker].available_nanos)
        self.leases[worker] = holds.grow(self.leases[worker], -spare)
        self.account = Account(2_000, self.account.spent_nanos, self.account.leased_nanos - spare)

    @invariant()
    def the_sums_hold(self) -> None:
        assert self.account.leased_nanos == sum(lease.granted_nanos for lease in self.leases)
        assert self.account.spent_nanos + sum(lease.spent_nanos for lease in self.leases) == self.charged
        held = [0, 0, 0]
        for worker, amount, generation in self.live.values():
            if generation == self.generation[worker]:
                held[worker] += amount
        assert held == [lease.held_nanos for lease in self.leases]

    @invariant()
    def nothing_is_overspent(self) -> None:
        assert self.charged <= 2_000 + self.beyond
        assert self.account.spent_nanos + self.account.leased_nanos <= 2_000 + self.beyond
        assert all(lease.available_nanos >= 0 for lease in self.leases)


TestWorlds = Worlds.TestCase
