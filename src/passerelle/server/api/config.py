"""`/api/config`: the generation in force, and reloading it. For the operator of the installation."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import msgspec
from fastapi import Depends, Response

from passerelle.core.principal import Principal
from passerelle.gateway.generation import Generations, ReloadOutcome
from passerelle.server.api.guard import Guarded, caller
from passerelle.store import Store


def add(
    guarded: Guarded,
    store: Store,
    generations: Generations,
    reload: Callable[[], Awaitable[ReloadOutcome]],
) -> None:
    """Register the routes."""

    @guarded.route("GET", "/config", "config:read")
    async def show() -> dict[str, Any]:
        generation = generations.current
        return {
            "generation": generation.label,
            "digest": generation.digest,
            "catalog": generation.catalog.version,
            "policy": generation.policy.version,
            "providers": sorted(generation.providers),
            "deployments": len(generation.catalog.deployments),
            "refused": list(generations.last_refusal),
        }

    @guarded.route("POST", "/config/reload", "config:reload")
    async def reload_config(
        principal: Annotated[Principal, Depends(caller)], response: Response
    ) -> dict[str, Any]:
        """A configuration with mistakes is refused with 409 and every finding; the last good one stays."""
        before = generations.current.label
        outcome = await reload()
        if not outcome.ok:
            response.status_code = 409
        await asyncio.to_thread(
            store.audit.record,
            actor=principal.key_id,
            action="config.reloaded" if outcome.ok else "config.refused",
            target="config",
            before=before,
            after=outcome.generation,
        )
        said: dict[str, Any] = msgspec.to_builtins(outcome)
        return said
