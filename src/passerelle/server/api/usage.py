"""`GET /api/usage`: tokens and cost out of the ledger, for the caller's organisation."""

import asyncio
from datetime import UTC, date, datetime
from typing import Annotated, Any

import msgspec
from fastapi import Depends, Query

from passerelle.core.principal import Principal
from passerelle.gateway.generation import Generations
from passerelle.ledger.reports import Dimension, Line
from passerelle.server.api.guard import Guarded, caller
from passerelle.store import Store


def add(guarded: Guarded, store: Store, generations: Generations) -> None:
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

        names = {d.id: d.model.id for d in generations.current.catalog.deployments}

        def read(by: tuple[Dimension, ...]) -> tuple[Line, ...]:
            asked = by if not confined or "project" in by else (*by, "project")
            lines = store.usage.report(
                principal.org_id, by=asked, since=_ns(since), until=_ns(until), models=names
            )
            if not confined:
                return lines
            return tuple(line for line in lines if line.group["project"] == principal.project_id)

        said = {"lines": msgspec.to_builtins(await asyncio.to_thread(read, wanted))}
        if "tag" in wanted:  # its lines do not add up
            said["total"] = msgspec.to_builtins(await asyncio.to_thread(read, ()))
        return said


def _ns(day: date | None) -> int | None:
    if day is None:
        return None
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1_000_000_000
