"""One recorded request, decided again."""

import msgspec

from passerelle.core.errors import ProblemError
from passerelle.core.plan import Plan, Rejection
from passerelle.gateway.admit import Admission, Refusal, admit, planned
from passerelle.gateway.drill.shapes import Case
from passerelle.gateway.replay.reckon import Ground, Reckoner
from passerelle.gateway.replay.record import Recorded, RecordedPlan
from passerelle.gateway.replay.rules import Rules
from passerelle.policy.removal import RULE as REMOVED_RULE

AMONG_RULE = "replay.models"
"""The rule of rejections by `--models`."""
_MOST_KEPT = 4096


class Decision(msgspec.Struct, frozen=True, gc=False):
    """What becomes of one request now."""

    plan: Plan | None
    """None: nobody may serve it."""
    rejections: tuple[Rejection, ...] = ()
    """Every place that may not, with the rule."""
    problem: str = ""
    """What its caller would be told, where nobody may."""
    ground: Ground | None = None
    """What a choice rests on; None where a model was named."""


class Decider:
    """Decides requests by one set of rules."""

    def __init__(self, rules: Rules, reckoner: Reckoner) -> None:
        self._rules = rules
        self._reckoner = reckoner
        self._removed = rules.removed
        self._narrowed: dict[int, tuple[Admission, Admission]] = {}
        """By the admission's identity, which the pair keeps alive."""

    def decide(self, seen: Recorded, plan: RecordedPlan, case: Case) -> Decision:
        """As the road decides: admission, then the order."""
        rules = self._rules
        wishes = case.wishes
        if rules.mode is not None:
            wishes = msgspec.structs.replace(wishes, mode=rules.mode)
        try:
            admission = admit(
                rules.generation, case.principal, rules.rights_revision, case.envelope, wishes, self._removed
            )
        except Refusal as refusal:
            return Decision(None, refusal.rejections, refusal.problem.kind)
        except ProblemError as error:
            return Decision(None, problem=error.problem.kind)
        if rules.models and admission.mode != "named":
            admission = self._among(admission)
        removed = plan.removed()
        if removed:
            admission = _narrower(admission, removed, REMOVED_RULE, "a drill had taken it out")
        if not admission.deployments:
            return Decision(None, admission.rejections, "no_eligible_deployment")
        if admission.mode == "named" and len(admission.deployments) == 1 and admission.plan is not None:
            return Decision(admission.plan, admission.rejections)
        ground = None
        if admission.mode != "named":
            ground = self._reckoner.ground(seen, plan, case, admission)
        number = plan.number
        made = planned(
            case.envelope,
            rules.generation,
            admission,
            standings=plan.standings(),
            latencies={c.deployment: c.latency_s for c in plan.candidates if c.latency_s is not None},
            draw=case.draw if number is None else number,
            thought=None if ground is None else ground.thought,
        )
        if admission.mode == "named" and len(admission.deployments) == 1:
            admission.plan = made  # as the road: nothing to choose
        return Decision(made, admission.rejections, ground=ground)

    def _among(self, admission: Admission) -> Admission:
        known = self._narrowed.get(id(admission))
        if known is None:
            left = {one.id for one in self._rules.among(admission.deployments)}
            out = frozenset(one.id for one in admission.deployments if one.id not in left)
            known = admission, _narrower(admission, out, AMONG_RULE, "`--models` does not name it")
            if len(self._narrowed) >= _MOST_KEPT:
                self._narrowed.clear()
            self._narrowed[id(admission)] = known
        return known[1]


def _narrower(admission: Admission, out: frozenset[str], rule: str, reason: str) -> Admission:
    """Without some of its deployments."""
    gone = [one.id for one in admission.deployments if one.id in out]
    if not gone:
        return admission
    return msgspec.structs.replace(
        admission,
        deployments=tuple(one for one in admission.deployments if one.id not in out),
        rejections=(*admission.rejections, *(Rejection(place, rule, reason) for place in gone)),
        plan=None,
    )
