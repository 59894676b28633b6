"""What a receipt says of its request, of its decision, and of what the decision rested on."""

import msgspec

from passerelle.core.plan import Candidate, Choice, Rejection
from passerelle.core.usage import NO_USAGE, Usage
from passerelle.gateway.drill.shapes import Seen, SeenAttempt, SeenPlan
from passerelle.policy.removal import RULE as REMOVED_RULE
from passerelle.router.plan import LAST
from passerelle.router.standing import Standing


class RecordedPlan(SeenPlan, frozen=True, gc=False):
    """The decision, as it was made."""

    candidates: tuple[Candidate, ...] = ()
    rejections: tuple[Rejection, ...] = ()
    policy_version: str = ""
    catalog_version: str = ""
    choice: Choice | None = None
    draw: float | None = None

    @property
    def first(self) -> Candidate | None:
        """What was put first; None where nobody might serve."""
        return self.candidates[0] if self.candidates else None

    @property
    def number(self) -> float | None:
        """The request's own number in [0, 1), where it had a part in the decision."""
        return self.draw if self.choice is None else self.choice.draw

    def standings(self) -> dict[str, Standing]:
        """What the health of the places meant then: those that were put last for it."""
        found = {}
        for candidate in self.candidates:
            before, last, why = candidate.because.rpartition(LAST)
            if last and before[-2:] in ("", ", "):
                found[candidate.deployment] = Standing(True, why)
        return found

    def removed(self) -> frozenset[str]:
        """The places that a drill in earnest had taken out."""
        return frozenset(one.deployment for one in self.rejections if one.rule == REMOVED_RULE)


class RecordedAttempt(SeenAttempt, frozen=True, gc=False):
    """One call, with what it used."""

    usage: Usage = NO_USAGE


class Recorded(Seen, frozen=True, gc=False):
    """Of a receipt, what a replay needs."""

    attempts: tuple[RecordedAttempt, ...] = ()
    plan: RecordedPlan | None = None
    deployment: str | None = None
    cost_nanos: int = 0
    currency: str = "USD"


read = msgspec.json.Decoder(Recorded).decode
"""A receipt's signed text."""
