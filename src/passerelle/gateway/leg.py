"""One attempt while it is under way, and the `Attempt` it leaves behind."""

import msgspec

from passerelle.core.cascade import CascadeStep
from passerelle.core.clock import Clock
from passerelle.core.errors import FailureKind
from passerelle.core.ids import same
from passerelle.core.model import Deployment, Price
from passerelle.core.receipt import Attempt, Intent
from passerelle.core.usage import NO_USAGE, Usage
from passerelle.gateway.estimate import FREE, usage_from_bytes, with_what_came
from passerelle.gateway.outbound import Outbound
from passerelle.gateway.trip import Trip
from passerelle.ledger.price import cost
from passerelle.providers.base import Deadlines, Provider

_DETAIL_BOUND = 300
_DEFAULT_DEADLINES = Deadlines()
_MAYBE_BILLED: frozenset[FailureKind] = frozenset(
    {"cancelled", "timeout", "transport", "protocol", "oversized"}
)
"""Failures after which the provider may have worked, and may bill, without telling how much."""


class Leg(msgspec.Struct):
    """An attempt between its intent and its end."""

    id: str
    deployment: Deployment
    provider: Provider
    outbound: Outbound
    started_at_ns: int
    started_s: float
    deadlines: Deadlines
    until_s: float
    """Monotonic end of the request's one deadline, which its attempts share."""
    status: int | None = None
    first_content_s: float | None = None
    model: str = ""
    usage: Usage = NO_USAGE
    finish: str | None = None
    answered_bytes: int = 0
    """Content seen, for an estimate when the provider never counts."""
    upstream_request_id: str | None = None
    sent: bool = False
    """The provider may have the whole request: from here on it may bill."""
    hedge: bool = False
    """It was called beside another."""
    beaten: bool = False
    """Another place answered first."""
    continued: bool = False
    """It goes on with what the one before it delivered."""
    step: CascadeStep | None = None
    """What it is called for, in a cascade."""
    probing: bool = False
    """It tries out a place whose breaker is open: see `vitals`."""


def begin(trip: Trip, deployment: Deployment, provider: Provider, outbound: Outbound, clock: Clock) -> Leg:
    """A fresh attempt, not sent yet."""
    trip.begun += 1
    identifier = same("att", trip.receipt_id, trip.begun)
    deadlines = deadlines_of(trip, deployment)
    until_s = trip.ask.started_s + deadlines.total_s
    return Leg(
        identifier, deployment, provider, outbound, clock.unix_ns(), clock.monotonic_s(), deadlines, until_s
    )


def deadlines_of(trip: Trip, deployment: Deployment) -> Deadlines:
    """The deadlines at a place."""
    return trip.generation.deadlines.get(deployment.provider, _DEFAULT_DEADLINES)


def intent_of(trip: Trip, leg: Leg, estimate_nanos: int) -> Intent:
    """What is said before the provider is called."""
    ask, generation, deployment = trip.ask, trip.generation, leg.deployment
    principal = ask.principal
    return Intent(
        attempt_id=leg.id,
        receipt_id=trip.receipt_id,
        request_id=ask.request_id,
        at_ns=leg.started_at_ns,
        org_id=principal.org_id,
        workspace_id=principal.workspace_id,
        project_id=principal.project_id,
        key_id=principal.key_id,
        deployment=deployment.id,
        provider=deployment.provider,
        model=deployment.model.id,
        data_class=trip.plan.data_class,
        policy_version=generation.policy.version,
        generation=generation.number,
        estimate_nanos=estimate_nanos,
        holds=trip.holds,
        currency=_currency(deployment.effective_price),
    )


def end(
    trip: Trip, leg: Leg, clock: Clock, *, failure: FailureKind | None = None, detail: str | None = None
) -> Attempt:
    """The finished attempt, priced, and added to the trip."""
    usage = leg.usage
    if usage.source == "none" and trip.envelope.operation not in FREE and _may_be_billed(leg, failure):
        usage = usage_from_bytes(trip.envelope, leg.answered_bytes)
    elif failure is not None and leg.answered_bytes:
        usage = with_what_came(usage, leg.answered_bytes)
    deployment, started_s, first_s = leg.deployment, leg.started_s, leg.first_content_s
    price = deployment.effective_price
    attempt = Attempt(
        id=leg.id,
        deployment=deployment.id,
        provider=deployment.provider,
        model=leg.model or deployment.upstream_model,
        started_at_ns=leg.started_at_ns,
        duration_ns=int((clock.monotonic_s() - started_s) * 1e9),
        ok=failure is None,
        failure=failure,
        status=leg.status,
        detail=None if detail is None else detail[:_DETAIL_BOUND],
        first_content_ns=None if first_s is None else int((first_s - started_s) * 1e9),
        usage=usage,
        cost_nanos=0 if price is None or usage.source == "none" else cost(usage, price),
        currency=_currency(price),
        price_version=None if price is None else price.version,
        upstream_request_id=leg.upstream_request_id,
        continued=leg.continued,
        hedge=leg.hedge,
        step=leg.step,
        finish=leg.finish if failure is None or failure == "cancelled" else None,
    )
    trip.attempts.append(attempt)
    return attempt


def _may_be_billed(leg: Leg, failure: FailureKind | None) -> bool:
    """Whether an attempt without the provider's own count must be estimated.

    A complete answer always is; a broken one when content came, or when the request was out and nobody
    can know how far the provider got (an HTTP error status is known not to be billed).
    """
    if failure is None or leg.answered_bytes:
        return True
    return leg.sent and failure in _MAYBE_BILLED and (leg.status is None or leg.status < 300)


def _currency(price: Price | None) -> str:
    return "USD" if price is None else price.currency
