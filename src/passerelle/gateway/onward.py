"""Going on where a failure would otherwise be told at once: to a larger model, or past a refusal.

Neither is done unless the plan says so (`router.on_context_length`, `router.on_refusal`, by name, or the
key's rights), and both stay among the plan's candidates: nobody is asked who was not eligible. A refusal that
a *model* speaks in an answer is an answer, and never comes here.
"""

from msgspec.structs import replace

from passerelle.core.model import Deployment
from passerelle.core.plan import Plan, Rejection
from passerelle.gateway.trip import Trip
from passerelle.policy.eligible import CONTEXT_RULE
from passerelle.providers.failures import Failure


def onward(plan: Plan, failure: Failure) -> Failure:
    """The failure as the plan sees it: another deployment may be asked after more of them."""
    may = (failure.kind == "context_length" and plan.on_context_length == "larger") or (
        failure.kind == "content_policy" and plan.on_refusal == "next"
    )
    return replace(failure, retryable=True) if may else failure


def too_small(trip: Trip, deployment: Deployment) -> Rejection | None:
    """Why a prompt that was too long elsewhere need not be tried here: it is not known to have more room."""
    if not trip.attempts:
        return None
    by_id = trip.generation.catalog.by_id
    outgrown = [by_id[a.deployment] for a in trip.attempts if a.failure == "context_length"]
    if not outgrown:
        return None
    least = max((d.room_tokens or 0) for d in outgrown)
    room = deployment.room_tokens
    if room is not None and room > least:
        return None
    said = "its context window is unknown" if room is None else f"its context window is {room}"
    return Rejection(
        deployment.id, CONTEXT_RULE, f"the prompt was too long for `{outgrown[-1].id}`, and {said}"
    )
