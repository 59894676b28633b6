"""Rows as tuples in their tables' column order (`schema`), made from values. No database here."""

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any

from sqlalchemy import Table

from passerelle.core.receipt import Attempt, Intent, Receipt
from passerelle.core.usage import TOKENS, UNITS
from passerelle.ledger.receipts import Batch
from passerelle.store.records import Intended
from passerelle.store.spending import Lost

Row = tuple[Any, ...]

_HOUR_NS = 3_600_000_000_000
_NO_TOKENS = (0,) * len(TOKENS)
_NO_UNITS = (0,) * len(UNITS)
_tokens = attrgetter(*TOKENS)
_units = attrgetter(*UNITS)


def intent(record: Intended, worker: str) -> Row:
    """A row of `intent`."""
    one = record.intent
    return (
        one.org_id, one.attempt_id, one.receipt_id, one.request_id, one.at_ns, one.workspace_id,
        one.project_id, one.key_id, one.provider, one.deployment, one.model, one.data_class,
        one.policy_version, one.generation, one.estimate_nanos, one.currency, worker,
    )  # fmt: skip


def outcome(receipt: Receipt, worker: str, group_id: str, leaf: int) -> Row:
    """A row of `outcome` for a settled request."""
    return (
        receipt.org_id, receipt.id, _given(receipt.request_id, receipt.id), receipt.project_id,
        receipt.key_id, receipt.at_ns, receipt.outcome, receipt.problem, len(receipt.attempts), worker,
        group_id, leaf,
    )  # fmt: skip


def unknown_outcome(lost: Lost, now_ns: int, worker: str, group_id: str) -> Row:
    """A row of `outcome` for a request lost in a crash."""
    first = lost.intents[0].intent
    return (
        first.org_id, first.receipt_id, _given(first.request_id, first.receipt_id), first.project_id,
        first.key_id, now_ns, "unknown", None, len(lost.intents), worker, group_id, None,
    )  # fmt: skip


def attempt(receipt: Receipt, one: Attempt, *, late: bool) -> Row:
    """A row of `ledger` for an attempt whose end is known."""
    return (
        receipt.org_id, one.id, receipt.id, "attempt", one.started_at_ns, receipt.workspace_id,
        receipt.project_id, receipt.key_id, one.provider, one.deployment, _clean(one.model),
        one.ok, one.failure, one.status, one.duration_ns, one.first_content_ns,
        *_tokens(one.usage), one.usage.source, one.price_version, one.cost_nanos, one.currency,
        late, False, *_units(one.usage),
    )  # fmt: skip


def unknown_attempt(one: Intent, amount_nanos: int, *, late: bool) -> Row:
    """A row of `ledger` for an attempt whose end was lost: at the estimate, said to be unknown."""
    return (
        one.org_id, one.attempt_id, one.receipt_id, "attempt", one.at_ns, one.workspace_id,
        one.project_id, one.key_id, one.provider, one.deployment, one.model,
        False, "cancelled", None, 0, None,
        *_NO_TOKENS, "estimated", None, amount_nanos, one.currency,
        late, True, *_NO_UNITS,
    )  # fmt: skip


def signing_batch(org_id: str, batch_id: str, batch: Batch, bodies: Sequence[bytes], now_ns: int) -> Row:
    """A row of `signing_batch`: the receipts of a group, and what their proofs share."""
    return (
        org_id, batch_id, batch.signer, batch.size, batch.root, batch.signature, b"\n".join(bodies), now_ns
    )  # fmt: skip


class Sums:
    """Rows of `usage_hour` and `usage_tag`: what a group adds to each hour's sums."""

    def __init__(self, shard: int) -> None:
        self._shard = shard
        self._found: dict[Row, list[tuple[int, ...]]] = {}
        self._tagged: dict[Row, list[tuple[int, ...]]] = {}

    def count_attempt(self, receipt: Receipt, one: Attempt) -> None:
        """Add an attempt whose end is known."""
        source = one.usage.source
        key = (
            receipt.org_id, one.started_at_ns // _HOUR_NS, receipt.workspace_id, receipt.project_id,
            receipt.key_id, one.provider, one.deployment, _clean(one.model), one.currency, self._shard,
        )  # fmt: skip
        figures = (
            1, not one.ok, one.price_version is None and source != "none",
            one.cost_nanos if source == "estimated" else 0, one.cost_nanos, *_tokens(one.usage),
            *_units(one.usage),
        )  # fmt: skip
        self._found.setdefault(key, []).append(figures)
        for tag in dict.fromkeys(receipt.tags):
            self._tagged.setdefault((*key[:2], _clean(tag), *key[2:]), []).append(figures)

    def count_unknown(self, one: Intent, amount_nanos: int) -> None:
        """Add an attempt whose end was lost, and with it what it was tagged."""
        key = (
            one.org_id, one.at_ns // _HOUR_NS, one.workspace_id, one.project_id, one.key_id,
            one.provider, one.deployment, one.model, one.currency, self._shard,
        )  # fmt: skip
        figures = (1, 1, 0, amount_nanos, amount_nanos, *_NO_TOKENS, *_NO_UNITS)
        self._found.setdefault(key, []).append(figures)

    def rows(self) -> list[Row]:
        """The sums in key order, so that no two workers lock them crosswise."""
        return _added(self._found)

    def tagged(self) -> list[Row]:
        """Likewise those of each tag."""
        return _added(self._tagged)


def _added(found: dict[Row, list[tuple[int, ...]]]) -> list[Row]:
    return [(*key, *map(sum, zip(*figures, strict=True))) for key, figures in sorted(found.items())]


def add_to_sums(table: Table) -> Callable[[Any], Any]:
    """The conflict clause of `usage_hour` and `usage_tag`: add to what is there."""
    identity = list(table.primary_key.columns)
    sums = [column for column in table.columns if column not in identity]

    def added(statement: Any) -> Any:
        return statement.on_conflict_do_update(
            index_elements=identity,
            set_={column.name: column + statement.excluded[column.name] for column in sums},
        )

    return added


def _clean(text: str) -> str:
    """A provider's own words, without the one character PostgreSQL's text cannot hold."""
    return text.replace("\0", "") if "\0" in text else text


def _given(request_id: str, receipt_id: str) -> str | None:
    """What the caller named its request; None where the name is ours, and the receipt's leads to it."""
    return None if request_id[4:] == receipt_id[4:] else request_id
