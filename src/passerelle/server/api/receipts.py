"""`/api/receipts`: the signed record of requests. Members see their project's."""

import asyncio
from typing import Annotated, Any

import msgspec
from fastapi import Depends, Query

from passerelle.core.errors import Problem, ProblemError
from passerelle.core.principal import Principal
from passerelle.core.receipt import Receipt
from passerelle.gateway.words import shown
from passerelle.ledger import receipts
from passerelle.server.api.guard import Guarded, caller
from passerelle.server.api.settled import look_for
from passerelle.store import Store

Caller = Annotated[Principal, Depends(caller)]


def add(guarded: Guarded, store: Store) -> None:
    """Register the routes."""

    @guarded.route("GET", "/receipts", "receipt:read")
    async def list_receipts(
        principal: Caller,
        limit: Annotated[int, Query(ge=1, le=500)] = 50,
        before: Annotated[str | None, Query(max_length=64)] = None,
        key: Annotated[str | None, Query(max_length=64)] = None,
    ) -> dict[str, Any]:
        def read() -> list[Receipt]:
            found = store.receipts.list(
                principal.org_id, limit=limit, before=before, key_id=key, project_id=_project(principal)
            )
            return [receipts.read(signed) for signed in found]

        found = await asyncio.to_thread(read)
        return {
            "receipts": msgspec.to_builtins(found),
            "next_before": found[-1].id if len(found) == limit else None,
        }

    @guarded.route("GET", "/receipts/{receipt_id}", "receipt:read")
    async def get_receipt(principal: Caller, receipt_id: str) -> dict[str, Any]:
        def read() -> dict[str, Any] | None:
            # Settled requests reach the database within milliseconds; whoever asks at once waits for it.
            store.flush()
            if receipt_id.startswith("rcp_"):
                signed = store.receipts.get(principal.org_id, receipt_id)
            else:
                signed = store.receipts.by_request(principal.org_id, receipt_id)
            if signed is None:
                return None
            project = _project(principal)
            if project is not None and receipts.read(signed).project_id != project:
                return None
            return shown(signed, store.receipts.public_keys())

        found = await look_for(receipt_id, read)
        if found is None:
            raise ProblemError(
                Problem("not_found", "There is no such receipt here; list yours with `GET /api/receipts`.")
            )
        return found


def _project(principal: Principal) -> str | None:
    """The project a caller is confined to, or None for the whole organisation."""
    return principal.project_id if principal.role in ("member", "builder") else None
