"""`GET /api/usage`: tokens and cost out of the ledger, for the caller's organisation."""

import asyncio
from datetime import UTC, date, datetime
from typing import Annotated, Any

import msgspec
from fastapi import Depends, Query

from passerelle.core.principal import Principal
from passerelle.ledger.reports import Dimension, Line
from passerelle.server.api.guard import Guarded, caller
from passerelle.store import Store


def add(guarded: Guarded, store: Store) -> None:
    """Register the route."""

    @guarded.route("GET", "/usage", "usage:read")
    async def usage(
        principal: Annotated[Principal, Depends(caller)],
        by: Annotated[list[Dimension] | None, Query()] = None,
        since: date | None = None,
        until: date | None = None,
    ) -> dict[str, Any]:
        wanted = tuple(by or ("model",))
        confined = principal.role in ("member", "builder")

        def read() -> tuple[Line, ...]:
            asked = wanted if not confined or "project" in wanted else (*wanted, "project")
            lines = store.usage.report(principal.org_id, by=asked, since=_ns(since), until=_ns(until))
            if not confined:
                return lines
            return tuple(line for line in lines if line.group["project"] == principal.project_id)

        return {"lines": msgspec.to_builtins(await asyncio.to_thread(read))}


def _ns(day: date | None) -> int | None:
    if day is None:
        return None
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1_000_000_000
