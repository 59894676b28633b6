"""`GET /api/models` and `GET /api/health`: deployments this key may use, and how they are doing."""

from typing import Annotated, Any

import msgspec
from fastapi import Depends

from passerelle.core.clock import Clock
from passerelle.core.principal import Principal
from passerelle.gateway.admit import visible_models
from passerelle.gateway.generation import Generations
from passerelle.gateway.vitals import Vitals
from passerelle.server.api.guard import Guarded, caller


def add(guarded: Guarded, generations: Generations, vitals: Vitals, clock: Clock) -> None:
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
        now_s = clock.monotonic_s()
        listed = []
        for deployment in visible_models(generations.current, principal):
            seen = vitals.health.get(deployment.id)
            listed.append(
                {
                    "deployment": deployment.id,
                    "state": "unknown" if seen is None else seen.state(now_s),
                    "successes": 0 if seen is None else seen.successes,
                    "failures": 0 if seen is None else seen.failures,
                    "last_failure": None if seen is None else seen.last_failure,
                    "first_content_s": None if seen is None else seen.first_content_s,
                }
            )
        return {"deployments": listed}
