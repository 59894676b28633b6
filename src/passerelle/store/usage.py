"""What was used and what it cost: reports over hourly sums, ledger rows one by one, and the price book."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from types import MappingProxyType
from typing import Any

import msgspec
from sqlalchemy import BigInteger, ColumnElement, Table, func, literal_column, select

from passerelle.core.clock import Clock
from passerelle.core.ids import same
from passerelle.core.model import Price
from passerelle.core.usage import BUCKETS, Usage
from passerelle.ledger import reports
from passerelle.ledger.reports import Dimension, Line
from passerelle.store.database import Database
from passerelle.store.schema import INSTALLATION, ledger, price_row, usage_hour, usage_tag

_HOUR_NS = 3_600_000_000_000
_EPOCH = date(1970, 1, 1)

_MADE_OF: Mapping[Dimension, tuple[str, ...]] = {"model": ("deployment", "provider_model")}
"""What is read for a dimension that is no column of its own."""


def _dimensions(table: Table) -> dict[str, ColumnElement[Any]]:
    found: dict[str, ColumnElement[Any]] = {
        "workspace": table.c.workspace_id,
        "project": table.c.project_id,
        "key": table.c.key_id,
        "provider": table.c.provider,
        "deployment": table.c.deployment,
        "provider_model": table.c.model,
        # A literal, not a parameter: PostgreSQL must see the same expression in SELECT and GROUP BY.
        "day": table.c.hour // literal_column("24", BigInteger),
    }
    return found if table is usage_hour else found | {"tag": table.c.tag}


_NO_NAMES: Mapping[str, str] = MappingProxyType({})
_SUMS = ("attempts", "failed", "unpriced", "estimated_nanos", "amount_nanos", *BUCKETS)


class LedgerRow(msgspec.Struct, frozen=True):
    """One row of the ledger."""

    attempt_id: str
    receipt_id: str
    kind: str
    at_ns: int
    workspace_id: str
    project_id: str
    key_id: str
    provider: str
    deployment: str
    model: str
    ok: bool
    failure: str | None
    status: int | None
    duration_ns: int
    first_content_ns: int | None
    usage: Usage
    price_version: str | None
    amount_nanos: int
    currency: str
    late: bool
    """Booked after its hold had lost its lease: it may have taken a budget above its limit."""
    unknown: bool
    """The outcome was lost in a crash: the amount is the estimate."""


class UsageBook:
    """Reading usage. Every query names its organisation, but for `spent_at`."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._known_prices: set[str] = set()

    def report(
        self,
        org_id: str,
        *,
        by: Sequence[Dimension] = (),
        since: int | None = None,
        until: int | None = None,
        models: Mapping[str, str] = _NO_NAMES,
    ) -> tuple[Line, ...]:
        """Sums by the given dimensions and currency, out of hourly sums: as quick after years as today.

        `since` (included) and `until` (excluded) are Unix nanoseconds, both taken down to the full hour.
        `models` are our names of the models of deployments; of others, `model` is the provider's.
        """
        table = usage_tag if "tag" in by else usage_hour
        dimensions = _dimensions(table)
        wanted = {d: None for dimension in by for d in _MADE_OF.get(dimension, (dimension,))}
        columns = [dimensions[name].label(name) for name in wanted]
        sums = [func.sum(table.c[name]).label(name) for name in _SUMS]
        query = select(*columns, table.c.currency, *sums).where(table.c.org_id == org_id)
        if since is not None:
            query = query.where(table.c.hour >= since // _HOUR_NS)
        if until is not None:
            query = query.where(table.c.hour < until // _HOUR_NS)
        query = query.group_by(*(dimensions[name] for name in wanted), table.c.currency)
        with self._database.read() as connection:
            rows = connection.execute(query).mappings().all()
        return reports.roll_up([_row(row, models) for row in rows if row["attempts"]], by)

    def spent_at(self, provider: str, deployment: str | None, currency: str, *, since: int) -> int:
        """Nanos spent at a provider, or at one deployment of it, since the hour of `since` (Unix
        nanoseconds), by every organisation: what counts towards a commitment of the installation.
        """
        table = usage_hour
        query = select(func.coalesce(func.sum(table.c.amount_nanos), 0)).where(
            table.c.provider == provider, table.c.currency == currency, table.c.hour >= since // _HOUR_NS
        )
        if deployment is not None:
            query = query.where(table.c.deployment == deployment)
        with self._database.read() as connection:
            return int(connection.scalar(query) or 0)

    def rows(
        self, org_id: str, *, limit: int = 100, before: str | None = None, receipt_id: str | None = None
    ) -> tuple[LedgerRow, ...]:
        """Ledger rows, the newest first; `before` is the attempt id of the last one seen.

        A receipt's rows are found by their ids, which begin with its ULID (`core.ids.same`).
        """
        query = select(ledger).where(ledger.c.org_id == org_id)
        if before is not None:
            query = query.where(ledger.c.attempt_id < before)
        if receipt_id is not None:
            first = same("att", receipt_id)
            query = query.where(
                ledger.c.attempt_id.between(f"{first}-", f"{first}-~"), ledger.c.receipt_id == receipt_id
            )
        with self._database.read() as connection:
            rows = connection.execute(query.order_by(ledger.c.attempt_id.desc()).limit(limit)).mappings()
            return tuple(_ledger_row(row) for row in rows)

    # --- the price book

    def record_prices(self, prices: Iterable[Price]) -> int:
        """Keep these price rows, so that ledger rows can name them by version; how many were new.

        Call it whenever a catalog comes into force.
        """
        new = {price.version: price for price in prices if price.version not in self._known_prices}
        if not new:
            return 0
        now_ns = self._clock.unix_ns()
        insert = self._database.insert(price_row)
        done = 0
        with self._database.write() as connection:
            for version, price in sorted(new.items()):
                done += connection.execute(
                    insert.values(
                        org_id=INSTALLATION,
                        version=version,
                        body=msgspec.json.encode(price).decode(),
                        first_seen_ns=now_ns,
                    ).on_conflict_do_nothing()
                ).rowcount
        self._known_prices.update(new)
        return done

    def price(self, version: str) -> Price | None:
        """The price row of a version."""
        query = select(price_row.c.body).where(
            price_row.c.org_id == INSTALLATION, price_row.c.version == version
        )
        with self._database.read() as connection:
            body = connection.scalar(query)
        return None if body is None else msgspec.json.decode(body, type=Price)


def _row(row: Any, models: Mapping[str, str]) -> reports.Row:
    day = row.get("day")
    figures = {name: int(row[name]) for name in _SUMS}
    return reports.Row(
        workspace=row.get("workspace", ""),
        project=row.get("project", ""),
        key=row.get("key", ""),
        provider=row.get("provider", ""),
        deployment=row.get("deployment", ""),
        model=models.get(row.get("deployment", ""), row.get("provider_model", "")),
        provider_model=row.get("provider_model", ""),
        tag=row.get("tag", ""),
        day="" if day is None else (_EPOCH + timedelta(days=int(day))).isoformat(),
        currency=row["currency"],
        attempts=figures["attempts"],
        failed=figures["failed"],
        unpriced=figures["unpriced"],
        estimated_nanos=figures["estimated_nanos"],
        amount_nanos=figures["amount_nanos"],
        usage=Usage(
            **{bucket: figures[bucket] for bucket in BUCKETS},
            source="estimated" if figures["estimated_nanos"] else "provider",
        ),
    )


def _ledger_row(row: Any) -> LedgerRow:
    values = {name: row[name] for name in LedgerRow.__struct_fields__ if name != "usage"}
    return LedgerRow(
        **values, usage=Usage(**{bucket: row[bucket] for bucket in BUCKETS}, source=row["source"])
    )
