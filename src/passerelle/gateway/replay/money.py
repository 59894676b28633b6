"""What a recorded request cost, and what it would have cost where it goes now."""

import msgspec

from passerelle.catalog import Catalog
from passerelle.core.model import Deployment
from passerelle.core.plan import Candidate
from passerelle.core.usage import Usage
from passerelle.gateway.drill.shapes import Case
from passerelle.gateway.estimate import input_tokens
from passerelle.gateway.replay.record import Recorded
from passerelle.ledger.price import cost


def again(seen: Recorded, catalog: Catalog, steady: frozenset[str]) -> tuple[str, int] | None:
    """Currency and nanos where it takes the same road: what it cost, at the prices there are now. None where
    one of its places has none.
    """
    if all(one.deployment in steady for one in seen.attempts):
        return seen.currency, seen.cost_nanos
    total, currency = 0, seen.currency
    for one in seen.attempts:
        if one.deployment in steady:
            total += one.cost_nanos
            continue
        place = catalog.by_id.get(one.deployment)
        price = None if place is None else place.effective_price
        if price is None:
            return None
        total, currency = total + cost(one.usage, price), price.currency
    return currency, total


def elsewhere(
    seen: Recorded, case: Case, place: Deployment, now: Candidate, then: Candidate
) -> tuple[str, int] | None:
    """Currency and nanos at another place; None where it has no price."""
    price = place.effective_price
    if price is None:
        return None
    usage = _in_cache(seen.attempts[-1].usage, case, now, writes=price.cache_write_5m is not None)
    if now.output_tokens and then.output_tokens and now.output_tokens != then.output_tokens:
        usage = _as_long(usage, now.output_tokens / then.output_tokens)
    return price.currency, cost(usage, price)


def _in_cache(usage: Usage, case: Case, now: Candidate, *, writes: bool) -> Usage:
    """Of its text, what is expected to be cached there is; the rest is written where it was written before,
    or read, since who reads a cache has it written.
    """
    cached = usage.cache_read_tokens + usage.cache_write_tokens
    if not (cached or now.cached_tokens):
        return usage
    text = usage.input_tokens + cached
    read = int(text * min(1.0, now.cached_tokens / input_tokens(case.envelope)))
    written = text - read if writes and cached else 0
    return msgspec.structs.replace(
        usage,
        input_tokens=text - read - written,
        cache_read_tokens=read,
        cache_write_5m_tokens=written,
        cache_write_1h_tokens=0,
    )


def _as_long(usage: Usage, ratio: float) -> Usage:
    return msgspec.structs.replace(
        usage,
        output_tokens=round(usage.output_tokens * ratio),
        reasoning_tokens=round(usage.reasoning_tokens * ratio),
    )
