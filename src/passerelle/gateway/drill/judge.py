"""One request, asked twice: with every supplier in place, and with one taken out.

Both answers come from the road's own `admit` and `planned`. What is added is only the comparison.
"""

from collections.abc import Mapping

import msgspec

from passerelle.core.errors import ProblemError
from passerelle.core.model import Deployment
from passerelle.core.plan import Plan, Rejection
from passerelle.core.usage import Usage
from passerelle.gateway.admit import Admission, Refusal, admit, planned
from passerelle.gateway.drill.shapes import Case
from passerelle.gateway.generation import Generation
from passerelle.ledger.price import cost
from passerelle.policy.removal import Removal
from passerelle.router.standing import ALL_WELL


class Judgement(msgspec.Struct, frozen=True, gc=False):
    """What becomes of one request."""

    before: Plan | None
    """With every supplier; None: nobody may serve it even so."""
    after: Plan | None
    """Without the one taken out; None: nobody is left."""
    rejections: tuple[Rejection, ...] = ()
    """Where nobody is left: every deployment with the rule that excludes it."""
    problem: str = ""
    """What its caller would be told."""


class Judge:
    """Judges cases on one generation."""

    def __init__(
        self,
        generation: Generation,
        revision: int,
        removal: Removal,
        latencies: Mapping[str, float],
    ) -> None:
        """`revision`: of the rights. `latencies`: seconds to first content by deployment, where measured."""
        self._generation = generation
        self._revision = revision
        self._removed = (removal,)
        self._latencies = latencies

    def judge(self, case: Case) -> Judgement:
        """With and without."""
        try:
            before = self._planned(case, ())
        except ProblemError as error:
            return Judgement(None, None, problem=error.problem.kind)
        try:
            return Judgement(before, self._planned(case, self._removed))
        except Refusal as refusal:
            return Judgement(before, None, refusal.rejections, refusal.problem.kind)

    def _planned(self, case: Case, removed: tuple[Removal, ...]) -> Plan:
        admission = admit(
            self._generation, case.principal, self._revision, case.envelope, case.wishes, removed
        )
        if admission.mode == "named" and len(admission.deployments) == 1:  # as the road: nothing to choose
            if admission.plan is None:
                admission.plan = self._in_order(case, admission)
            return admission.plan
        return self._in_order(case, admission)

    def _in_order(self, case: Case, admission: Admission) -> Plan:
        return planned(
            case.envelope,
            self._generation,
            admission,
            standings=ALL_WELL,  # on paper every place that is left is taken to be well
            latencies=self._latencies,
            draw=case.draw,
        )


def repriced(usage: Usage, deployment: Deployment) -> int | None:
    """What that usage costs there, in nanos; None without a price.

    Nothing is taken to be in a cache: another supplier's is empty. So is the price at the place it is now,
    or the comparison would be with a discount that has to be earned again.
    """
    return cost(_uncached(usage), deployment.effective_price)


def _uncached(usage: Usage) -> Usage:
    cached = usage.cache_read_tokens + usage.cache_write_tokens
    if not cached:
        return usage
    return msgspec.structs.replace(
        usage,
        input_tokens=usage.input_tokens + cached,
        cache_read_tokens=0,
        cache_write_5m_tokens=0,
        cache_write_1h_tokens=0,
    )
