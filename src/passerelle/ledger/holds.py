"""Holds and leases: the arithmetic that keeps a budget from being overspent.

Two levels, both plain values:

    Account   one budget in one period, shared by all workers; its truth is a SQL row
    Lease     a worker's share of an account, drawn ahead of need; holds are taken from it in memory

    Account.remaining = limit − spent − leased            never handed out twice
    Lease.available   = granted − spent − held            what the worker may still promise

A request reserves an upper bound (`reserve`), calls, and settles what it really cost (`settle`). While a
lease is open the account counts *all* it granted as `leased`; closing it moves what was spent to `spent`
and frees the rest. So settling touches only the worker's own lease, and workers do not contend.

A cost above its hold is booked all the same, never hidden: `available` may go below zero, nothing more
is promised from that lease, and `shortage` says how much the account must be charged beyond its limit.
"""

import msgspec


class Account(msgspec.Struct, frozen=True):
    """A budget in one period. All amounts in nanos of the budget's currency."""

    limit_nanos: int
    spent_nanos: int
    """Booked by leases that are closed."""
    leased_nanos: int
    """Granted to leases that are open, spent or not."""

    @property
    def remaining_nanos(self) -> int:
        """What may still be granted: never negative."""
        return max(0, self.limit_nanos - self.spent_nanos - self.leased_nanos)


class Lease(msgspec.Struct, frozen=True):
    """A worker's share of one account."""

    granted_nanos: int = 0
    spent_nanos: int = 0
    held_nanos: int = 0

    @property
    def available_nanos(self) -> int:
        """What new holds may still take; below zero after a cost above its hold."""
        return self.granted_nanos - self.spent_nanos - self.held_nanos

    @property
    def shortage_nanos(self) -> int:
        """What was spent or promised beyond the grant."""
        return max(0, -self.available_nanos)


def grant(account: Account, need_nanos: int, *, fraction: int = 8) -> int:
    """How much to lease to a worker that lacks `need_nanos`; 0 when the account cannot cover the need.

    One `fraction`-th of what remains, so that a few draws serve many requests and shares shrink as the
    limit nears; or the need itself where that is more.
    """
    remaining = account.remaining_nanos
    if need_nanos > remaining:
        return 0
    return max(need_nanos, remaining // fraction)


def coverable(account: Account, lease: Lease, needs: list[int]) -> int:
    """What must be drawn so that as many of the waiting reservations as possible, in order, succeed."""
    within = lease.available_nanos + account.remaining_nanos
    total = 0
    for need in needs:
        if total + need <= within:
            total += need
    return max(0, total - lease.available_nanos)


def grow(lease: Lease, amount_nanos: int) -> Lease:
    """The lease after the account granted it more (or, negative, took some back)."""
    return Lease(lease.granted_nanos + amount_nanos, lease.spent_nanos, lease.held_nanos)


def reserve(lease: Lease, amount_nanos: int) -> Lease | None:
    """The lease with `amount_nanos` held; None when it has not that much left."""
    if amount_nanos > lease.granted_nanos - lease.spent_nanos - lease.held_nanos:
        return None
    return Lease(lease.granted_nanos, lease.spent_nanos, lease.held_nanos + amount_nanos)


def release(lease: Lease, held_nanos: int) -> Lease:
    """The lease after a hold ended with nothing spent."""
    return Lease(lease.granted_nanos, lease.spent_nanos, lease.held_nanos - held_nanos)


def settle(lease: Lease, held_nanos: int, amount_nanos: int) -> Lease:
    """The lease after a hold of `held_nanos` ended with `amount_nanos` spent."""
    return Lease(lease.granted_nanos, lease.spent_nanos + amount_nanos, lease.held_nanos - held_nanos)


def close(account: Account, lease: Lease) -> Account:
    """The account after a lease ended: what it spent is booked, the rest of its grant is free again."""
    return Account(
        account.limit_nanos,
        account.spent_nanos + lease.spent_nanos,
        account.leased_nanos - lease.granted_nanos,
    )
