"""`GET /api/me`: who a key is, and what it may do."""

from typing import Annotated, Any

import msgspec
from fastapi import Depends

from passerelle.core.principal import Principal
from passerelle.server.api.guard import Guarded, caller


def add(guarded: Guarded) -> None:
    """Register the route."""

    @guarded.route("GET", "/me", "model:list")
    async def me(principal: Annotated[Principal, Depends(caller)]) -> dict[str, Any]:
        return {
            "key_id": principal.key_id,
            "key_name": principal.key_name,
            "role": principal.role,
            "organisation": principal.org_id,
            "workspace": principal.workspace_id,
            "project": principal.project_id,
            "permissions": sorted(principal.permissions),
            "rights": msgspec.to_builtins(principal.rights),
        }
