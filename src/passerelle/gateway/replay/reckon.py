"""What a recorded request rests on when it is decided again.

What was predicted then stands in the receipt, and holds as long as nothing it was made from has changed: so
the same rules give the same order. It is computed anew, by the road's own functions,

    where a price is another, the receipt is of another catalog, or the commitments are others
    where the conversation would be elsewhere by now: earlier turns that were decided otherwise move it
    for a place that was no candidate then

Health, drills, the draw, and the price of money are taken as they were. What is learned on the way of how
well caches keep is learned from the receipts in their order.
"""

from collections.abc import Mapping

import msgspec

from passerelle.core.model import Deployment
from passerelle.core.plan import Candidate, Choice
from passerelle.gateway.admit import Admission
from passerelle.gateway.drill.shapes import Case, likely
from passerelle.gateway.estimate import expected_cost, input_tokens
from passerelle.gateway.judgement import ByPrior, Judgement
from passerelle.gateway.replay.record import Recorded, RecordedPlan
from passerelle.gateway.replay.rules import Rules
from passerelle.gateway.smart import Committed
from passerelle.gateway.turns import cached_of, turn_nanos
from passerelle.ledger.periods import period_at
from passerelle.router.cost import Caches, Commitment, Commitments, a_turn, marginal
from passerelle.router.plan import Figure, Thought
from passerelle.router.quality.base import Estimate, Sight
from passerelle.router.utility import NO_PRICES, Prices

_MOST_CONVERSATIONS = 1 << 18
_ALONE = Choice(router_version="prior")
_PRIOR = ByPrior()


class Stay(msgspec.Struct, frozen=True, gc=False):
    """Where a conversation has its last turn by now."""

    place: str
    recorded: str
    """Where it really had it."""
    tokens: int


class Ground(msgspec.Struct, frozen=True, gc=False):
    """What one decision rests on."""

    thought: Thought
    predicted: bool = False
    """A model has an estimate that the receipt does not hold."""
    reckoned: bool = False
    """A figure was computed anew."""
    elsewhere: bool = False
    """The conversation is elsewhere by now."""


class Reckoner:
    """One replay's. Requests come in the order of their receipts."""

    def __init__(self, rules: Rules, judgement: Judgement, durations: Mapping[str, float]) -> None:
        """`durations`: seconds to the whole answer by deployment, where measured."""
        self._rules = rules
        self._router = rules.generation.router
        self._judgement = judgement
        self._durations = durations
        self._steady = rules.steady()
        self._caches = Caches()
        self._stays: dict[tuple[str, str], Stay] = {}
        self._spent: dict[tuple[int, str], int] = {}
        """(commitment, period) → nanos."""

    def ground(self, seen: Recorded, plan: RecordedPlan, case: Case, admission: Admission) -> Ground:
        """What the decision rests on, for those admitted."""
        recorded = {one.deployment: one for one in plan.candidates}
        by_model = {one.model: one for one in plan.candidates}
        estimates, predicted = self._estimates(seen, plan, by_model, admission)
        if case.envelope.operation != "chat":
            figures, reckoned = self._of_a_task(plan, case, admission, recorded)
            choice = Choice(router_version=_ALONE.router_version, default=admission.default)
            return Ground(Thought(choice, estimates, figures, NO_PRICES), predicted, reckoned)
        old = plan.choice or _ALONE
        stay = self._stay(seen, old) if admission.affinity != "none" else None
        moved = stay is not None and stay.place != old.stay
        choice = self._choice(old, admission, stay, moved=moved)
        figures, reckoned = self._figures(
            seen, plan, case, admission, recorded, by_model, choice, stay, moved
        )
        prices = Prices(choice.second_points, choice.money_points, choice.usual_nanos or 0)
        return Ground(Thought(choice, estimates, figures, prices), predicted, reckoned, moved)

    # --- what is carried from one request to the next

    def spend(self, deployment: str, provider: str, currency: str, at_ns: int, nanos: int) -> None:
        """So much is spent there, and counts against what is committed."""
        for number, one in enumerate(self._router.commitments):
            if _binds(one, provider, deployment) and one.currency == currency:
                key = number, period_at(one.period, at_ns).key
                self._spent[key] = self._spent.get(key, 0) + nanos

    def settled(self, seen: Recorded, first: Deployment | None, tokens: int) -> None:
        """The request is decided: `first` is where it goes now."""
        if seen.outcome != "answered" or seen.plan is None or seen.deployment is None:
            return
        conversation = None if seen.shape is None else seen.shape.conversation
        key = None if conversation is None else (seen.org_id, conversation)
        before = None if key is None else self._stays.get(key)
        usage, old = seen.attempts[-1].usage, seen.plan.choice
        if usage.source == "provider" and old is not None:
            warm = before is not None and old.warm and old.stay == seen.deployment
            had = min(before.tokens / tokens, 1.0) * usage.total_input_tokens if before and warm else 0.0
            self._caches.add(
                seen.deployment,
                fresh=usage.input_tokens,
                read=usage.cache_read_tokens,
                written=usage.cache_write_tokens,
                had=int(had),
            )
        if key is None:
            return
        was_first = seen.plan.first
        place = seen.deployment  # who answered for the first then would do so again
        if first is not None and was_first is not None and first.id != was_first.deployment:
            place = first.id
        self._stays.pop(key, None)
        if len(self._stays) >= _MOST_CONVERSATIONS:
            del self._stays[next(iter(self._stays))]
        self._stays[key] = Stay(place, seen.deployment, tokens)

    # --- one request

    def _stay(self, seen: Recorded, old: Choice) -> Stay | None:
        """Where its conversation is by now; None where that is not known better than the receipt does."""
        if old.stay is None or seen.shape is None or seen.shape.conversation is None:
            return None
        stay = self._stays.get((seen.org_id, seen.shape.conversation))
        # What the gateway did not remember, or saw elsewhere, is not known better here.
        return stay if stay is not None and stay.recorded == old.stay else None

    def _choice(self, old: Choice, admission: Admission, stay: Stay | None, *, moved: bool) -> Choice:
        bound = old.bound
        if moved and stay is not None and bound:
            place = self._rules.generation.catalog.by_id.get(stay.place)
            if place is not None and len(bound) == 1:
                bound = (place.provider,)
        return Choice(
            router_version=old.router_version,
            known=old.known,
            task=old.task,
            task_from=old.task_from,
            task_sure=old.task_sure,
            default=admission.default,
            affinity=admission.affinity,
            stay=old.stay if stay is None else stay.place,
            warm=old.warm,
            bound=bound,
            turns=1 if admission.affinity == "none" else old.turns,
            money_points=old.money_points if self._router.pacing else 0.0,
            usual_nanos=old.usual_nanos,
            second_points=self._router.second_points,
            explore=old.explore,
        )

    def _estimates(
        self,
        seen: Recorded,
        plan: RecordedPlan,
        by_model: Mapping[str, Candidate],
        admission: Admission,
    ) -> tuple[dict[str, Estimate], bool]:
        known = plan.choice is not None and plan.choice.known
        found: dict[str, Estimate] = {}
        missing: dict[str, float | None] = {}
        for deployment in admission.deployments:
            model = deployment.model.id
            if model in found or model in missing:
                continue
            one = by_model.get(model)
            if one is None:
                missing[model] = deployment.model.quality
            elif one.quality is not None and one.low is not None and one.high is not None:
                found[model] = Estimate(one.quality, one.low, one.high, one.outcomes, known)
        if missing:
            judge: Judgement = _PRIOR
            sight = Sight(words="")
            old = plan.choice
            if old is not None and old.features is not None:  # without them nothing is known of the request
                judge, sight = self._judgement, Sight(words="", task=old.told_task, features=old.features)
            found.update(judge.estimates(seen.org_id, sight, missing))
        return found, bool(missing)

    def _of_a_task(
        self,
        plan: RecordedPlan,
        case: Case,
        admission: Admission,
        recorded: Mapping[str, Candidate],
    ) -> tuple[dict[str, Figure], bool]:
        figures, reckoned = {}, False
        for deployment in admission.deployments:
            one = recorded.get(deployment.id)
            if one is not None and self._holds(plan, deployment):
                nanos = one.cost_nanos
            else:
                reckoned, nanos = True, expected_cost(case.envelope, deployment.effective_price)
            figures[deployment.id] = Figure(nanos, nanos, whole_s=None if one is None else one.latency_s)
        return figures, reckoned

    def _figures(
        self,
        seen: Recorded,
        plan: RecordedPlan,
        case: Case,
        admission: Admission,
        recorded: Mapping[str, Candidate],
        by_model: Mapping[str, Candidate],
        choice: Choice,
        stay: Stay | None,
        moved: bool,
    ) -> tuple[dict[str, Figure], bool]:
        old = plan.choice
        other_turns = old is None or old.turns != choice.turns
        figures: dict[str, Figure] = {}
        reckoned = False
        left: Commitments | None = None
        tokens = input_tokens(case.envelope)
        for deployment in admission.deployments:
            place = deployment.id
            one = recorded.get(place)
            here = moved and stay is not None and place in (stay.place, stay.recorded)
            if (
                one is not None
                and not (here or other_turns or self._rules.commitments)
                and self._holds(plan, deployment)
            ):
                weighed = one.cost_nanos if one.weighed_nanos is None else one.weighed_nanos
                figures[place] = Figure(
                    one.cost_nanos, weighed, one.output_tokens, one.cached_tokens, one.whole_s
                )
                continue
            reckoned = True
            if left is None:
                left = self._left(seen.at_ns)
            answer = _answer(one or by_model.get(deployment.model.id), plan, case)
            share = 0.0  # of the prompt, in the cache there
            if here and stay is not None:
                if place == stay.place and choice.warm:
                    share = min(1.0, stay.tokens / tokens) * self._caches.read_share(place)
            elif one is not None:
                share = min(1.0, one.cached_tokens / tokens)
            whole_s = self._durations.get(place) if one is None else one.whole_s
            figures[place] = self._figure(deployment, tokens, answer, share, choice.turns, left, whole_s)
        return figures, reckoned

    def _figure(
        self,
        deployment: Deployment,
        tokens: int,
        answer: int,
        share: float,
        turns: int,
        left: Commitments,
        whole_s: float | None,
    ) -> Figure:
        price = deployment.effective_price
        if price is None:
            return Figure(None, None, answer, 0, whole_s)
        place, provider, caches = deployment.id, deployment.provider, self._caches
        cached = cached_of(price, tokens, share)
        writes = caches.write_share(place) if turns > 1 or share > 0 else 0.0
        now = turn_nanos(price, tokens, answer, cached=cached, write_share=writes)
        weighed = marginal(now, provider, place, left)
        if turns > 1:
            kept = cached_of(price, tokens, caches.read_share(place))
            later = turn_nanos(price, tokens, answer, cached=kept, write_share=caches.write_share(place))
            weighed = a_turn(weighed, marginal(later, provider, place, left), turns)
        return Figure(now, weighed, answer, cached, whole_s)

    def _holds(self, plan: RecordedPlan, deployment: Deployment) -> bool:
        """Whether what was computed then of a place still stands: its price is what it was."""
        return plan.catalog_version == self._rules.in_force.version and deployment.id in self._steady

    def _left(self, at_ns: int) -> Commitments:
        return tuple(
            Commitment(
                one.provider,
                one.deployment,
                max(0, one.amount - self._spent.get((number, period_at(one.period, at_ns).key), 0)),
            )
            for number, one in enumerate(self._router.commitments)
        )


def _answer(candidate: Candidate | None, plan: RecordedPlan, case: Case) -> int:
    """Tokens of the answer: as predicted of the model, else of the others, else as it was."""
    if candidate is not None and candidate.output_tokens is not None:
        return candidate.output_tokens
    said = [one.output_tokens for one in plan.candidates if one.output_tokens is not None]
    if said:
        return sum(said) // len(said)
    return case.usage.total_output_tokens or likely(case.envelope).total_output_tokens


def _binds(one: Committed, provider: str, deployment: str) -> bool:
    return one.provider == provider and one.deployment in (None, deployment)
