"""Reports: ledger rows rolled up along the dimensions someone asks for.

Amounts of different currencies are never added: currency is always part of a line's identity. What has
no price and what was estimated stay visible beside the sums, so that a total is never mistaken for
more than it is.
"""

from collections.abc import Iterable, Sequence
from typing import Literal, get_args

import msgspec

from passerelle.core.usage import BUCKETS, Usage

Dimension = Literal[
    "workspace", "project", "key", "provider", "deployment", "model", "provider_model", "tag", "day"
]
"""`model` is our name for it, `provider_model` the provider's words. What a request of several tags used is
in the line of each `tag`, and a request without is in none: these lines do not add up to a total."""

DIMENSIONS: tuple[Dimension, ...] = get_args(Dimension)


class Row(msgspec.Struct, frozen=True):
    """A sum of ledger rows (or one of them) that share every dimension."""

    workspace: str
    project: str
    key: str
    provider: str
    deployment: str
    model: str
    """Ours where the deployment is known, the provider's otherwise."""
    day: str
    """UTC, ISO. Any dimension the source did not tell apart is empty."""
    currency: str
    attempts: int
    failed: int
    """Attempts that did not succeed; they may have cost something."""
    unpriced: int
    """Attempts at deployments without a known price: their cost is not in the amount."""
    estimated_nanos: int
    """The part of the amount that rests on our estimate instead of the provider's figures."""
    amount_nanos: int
    usage: Usage
    provider_model: str = ""
    tag: str = ""


class Line(msgspec.Struct, frozen=True):
    """One line of a report."""

    group: dict[str, str]
    """Dimension → value, in the order asked for."""
    currency: str
    attempts: int
    failed: int
    unpriced: int
    estimated_nanos: int
    amount_nanos: int
    usage: Usage


def roll_up(rows: Iterable[Row], by: Sequence[Dimension]) -> tuple[Line, ...]:
    """The rows summed by the given dimensions and currency, sorted by them. Without any: one per currency."""
    sums: dict[tuple[str, ...], list[int]] = {}
    for row in rows:
        identity = (*(getattr(row, dimension) for dimension in by), row.currency)
        figures = _figures(row)
        known = sums.get(identity)
        if known is None:
            sums[identity] = figures
        else:
            for index, figure in enumerate(figures):
                known[index] += figure
    return tuple(_line(identity, figures, by) for identity, figures in sorted(sums.items()))


def _figures(row: Row) -> list[int]:
    head = [row.attempts, row.failed, row.unpriced, row.estimated_nanos, row.amount_nanos]
    return head + [getattr(row.usage, bucket) for bucket in BUCKETS]


def _line(identity: tuple[str, ...], figures: list[int], by: Sequence[Dimension]) -> Line:
    attempts, failed, unpriced, estimated, amount, *buckets = figures
    return Line(
        group=dict(zip(by, identity[:-1], strict=True)),
        currency=identity[-1],
        attempts=attempts,
        failed=failed,
        unpriced=unpriced,
        estimated_nanos=estimated,
        amount_nanos=amount,
        usage=Usage(
            **dict(zip(BUCKETS, buckets, strict=True)),
            source="estimated" if estimated else "provider",
        ),
    )
