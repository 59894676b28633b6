"""`/livez`, `/readyz` and `/metrics`. Health never calls a provider and tells the truth."""

from collections.abc import Callable

import msgspec

from passerelle.gateway.generation import Generations
from passerelle.server.answer import send_whole
from passerelle.server.route import PUBLIC, Arrival, Route
from passerelle.store import Store
from passerelle.telemetry.metrics import Metrics

_GET = frozenset({"GET", "HEAD"})


def routes(
    store: Store,
    generations: Generations,
    metrics: Metrics | None,
    measure: Callable[[], None],
    draining: Callable[[], bool],
) -> tuple[Route, ...]:
    """The routes every platform asks for; `/metrics` only where the operator wants it, after `measure()`."""

    async def livez(arrival: Arrival) -> None:
        await send_whole(arrival, 200, b'{"status":"alive"}', [])

    async def readyz(arrival: Arrival) -> None:
        store_health = store.health()
        reasons = []
        if draining():
            reasons.append("draining: no new requests are taken")
        if not store_health["ok"]:
            reasons.append("the store cannot write: requests whose audit is required are refused")
        if not generations.current.catalog.deployments:
            reasons.append("no deployment is configured")
        status = 503 if reasons else 200
        body = {
            "status": "ready" if not reasons else "not ready",
            "reasons": reasons,
            "generation": generations.current.label,
            "refused_generation": bool(generations.last_refusal),
        }
        await send_whole(arrival, status, msgspec.json.encode(body), [])

    probes = (Route("/livez", _GET, PUBLIC, livez), Route("/readyz", _GET, PUBLIC, readyz))
    if metrics is None:
        return probes

    async def exposition(arrival: Arrival) -> None:
        measure()
        await send_whole(arrival, 200, metrics.exposition(), [], metrics.content_type.encode())

    return (*probes, Route("/metrics", _GET, "metrics:read", exposition))
