"""`GET /api/models` and `GET /api/health`: deployments this key may use, and how they are doing."""

from typing import Annotated, Any

import msgspec
from fastapi import Depends

from passerelle.core.principal import Principal
from passerelle.gateway.admit import visible_models
from passerelle.gateway.generation import Generations
from passerelle.gateway.vitals import Vitals
from passerelle.server.api.guard import Guarded, caller


def add(guarded: Guarded, generations: Generations, vitals: Vitals) -> None:
    """Register the routes."""

    @guarded.route("GET", "/models", "model:list")
    async def models(principal: Annotated[Principal, Depends(caller)]) -> dict[str, Any]:
        generation = generations.current
        listed = [
            {
                "deployment": d.id,
                "model": d.model.id,
                "provider": d.provider,
                "region": d.region,
                "dialect": d.dialect,
                "context_tokens": d.limits.context_tokens or d.model.context_tokens,
                "max_output_tokens": d.limits.max_output_tokens or d.model.max_output_tokens,
                "capabilities": sorted(d.capabilities),
                "attributes": msgspec.to_builtins(d.attributes),
                "price": None if d.effective_price is None else msgspec.to_builtins(d.effective_price),
                "demo": d.demo,
                "retires": d.model.retires,
            }
            for d in visible_models(generation, principal)
        ]
        return {"generation": generation.label, "deployments": listed}

    @guarded.route("GET", "/health", "health:read")
    async def health(principal: Annotated[Principal, Depends(caller)]) -> dict[str, Any]:
        return {
            "deployments": msgspec.to_builtins(vitals.report(visible_models(generations.current, principal)))
        }
