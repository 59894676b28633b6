"""What a choice rests on: everything that is predicted of a request, gathered before its plan is made.

Loaded when a request leaves the choice of model to us for the first time: who names models never pays for it.

    see         the request, once: what is asked, which conversation it is, what it is bound to
    estimates   the quality of each eligible model (`judgement`)
    figures     the cost, the length and the time at each eligible place
    prices      what money and time are worth now (`pacing`)

The order itself is made from these by `router.rank`, and is made from nothing else. What settles teaches the
lengths of answers, how well caches keep, and where the conversation is now.
"""

from collections.abc import Callable, Mapping, Sequence

import msgspec

from passerelle.codecs.base import Envelope
from passerelle.core.clock import Clock
from passerelle.core.model import Deployment, Price
from passerelle.core.outcome import Judged
from passerelle.core.plan import Choice, Plan
from passerelle.core.receipt import Receipt
from passerelle.core.request import Request
from passerelle.gateway.admit import Admission
from passerelle.gateway.charts import fingerprint
from passerelle.gateway.generation import Generation
from passerelle.gateway.judgement import Judgement
from passerelle.gateway.learning.signals import Answered, Gathered
from passerelle.gateway.pacing import Pacer
from passerelle.gateway.recall import STAYS_S, Recalled, Stayed
from passerelle.gateway.sighting import Seen, see
from passerelle.gateway.smart import RouterRules, explored_by
from passerelle.gateway.trip import Ask
from passerelle.gateway.turns import cached_of, turn_nanos
from passerelle.gateway.vitals import Vitals
from passerelle.gateway.whereabouts import Turn, Whereabouts
from passerelle.router.cascade import Acceptances, Wanted
from passerelle.router.cost import CACHE_S, Caches, Lengths, a_turn, marginal, turns_ahead
from passerelle.router.plan import Figure, Thought
from passerelle.router.quality.base import Estimate
from passerelle.router.utility import Prices

_USUAL_SHARE = 0.02
_MOST_TENANTS = 4096


class Chooser:
    """One per worker. Its state is what settled here, and what the host's workers share."""

    def __init__(self, clock: Clock, judgement: Judgement, vitals: Vitals, pacer: Pacer) -> None:
        self.judgement = judgement
        self.lengths = Lengths()
        self.caches = Caches()
        self.pacer = pacer
        self._clock = clock
        self._vitals = vitals
        self.acceptances = Acceptances()
        """How often the answers of cascades held."""
        self.verdicts: list[tuple[str, str, Judged]] = []
        """What verifiers found, with the organisation, until it is kept."""
        self._whereabouts = Whereabouts(vitals.charts)
        self._usual: dict[str, float] = {}
        """What a usual request of an organisation costs at the best place for it, in nanos."""
        self._stays: Mapping[tuple[str, str], Stayed] = {}
        """Where conversations were before the start."""
        self._digest: Callable[[int], str] | None = None
        """Of a conversation's name, as receipts have it."""
        self._places: tuple[Generation, Mapping[int, Deployment]] | None = None

    def think(
        self, ask: Ask, envelope: Envelope, generation: Generation, admission: Admission
    ) -> "Deliberation":
        """All that the plan of this request rests on."""
        org, rules, principal = ask.principal.org_id, generation.router, ask.principal
        seen, request = see(ask, envelope, admission.task)
        sight, judgement = seen.sight, self.judgement
        found = self._found(org, seen, generation)
        stay = found.place if found is not None and found.goes_on else None
        priors = {d.model.id: d.model.quality for d in admission.deployments}
        features = judgement.pack(org, sight)
        packed = sight if features is None else msgspec.structs.replace(sight, features=features)
        work = seen.told or judgement.work(packed)
        estimates = judgement.estimates(org, packed, priors)
        turns = turns_ahead(seen.turn, tools=bool(sight.tools), conversation=admission.affinity != "none")
        if rules.pacing:
            self.pacer.watch(principal)
        prices = Prices(
            second=rules.second_points,
            money=round(self.pacer.points(principal), 6) if rules.pacing else 0.0,  # as the record keeps it
            usual_nanos=int(self._usual.get(org, 0.0)),
        )
        choice = Choice(
            router_version=judgement.version(org),
            known=any(estimate.known for estimate in estimates.values()),
            task=work.task,
            task_from=work.said,
            task_sure=work.sureness if work.said == "words" else None,
            features=features,
            default=admission.default,
            affinity=admission.affinity,
            stay=None if stay is None else stay.id,
            warm=stay is not None and found is not None and found.warm,
            bound=_bound(ask, seen, stay, admission.deployments),
            turns=turns,
            money_points=prices.money,
            usual_nanos=prices.usual_nanos if prices.money else None,
            second_points=prices.second,
            explore=explored_by(rules, principal) if judgement.learns(org) else 0.0,
        )
        warm = _warm(found, seen, admission.affinity)
        figures = self._figures(envelope, seen, work.task or "", admission, warm, turns)
        return Deliberation(
            judgement,
            ask,
            generation,
            envelope.features,
            seen,
            features,
            chooser=self,
            thought=Thought(
                choice, estimates, figures, prices, self._cascade(ask, envelope, admission, request, rules)
            ),
            answers=envelope.answers,
            warm=warm,
            best_nanos=_best_nanos(admission.deployments, estimates, figures),
            request=request,
        )

    def recall(self, recalled: Recalled, digest: Callable[[int], str]) -> None:
        """Go on from what settled before the start; what little was seen meanwhile is among it, or given up
        for it.
        """
        self.lengths, self.caches = recalled.lengths, recalled.caches
        self._stays, self._digest = recalled.stays, digest

    def noted(self, ask: Ask, envelope: Envelope, generation: Generation) -> "Noted":
        """A request that named its model, to learn from what is said of its answer."""
        seen, _ = see(ask, envelope)
        packed = self.judgement.pack(ask.principal.org_id, seen.sight)
        return Noted(self.judgement, ask, generation, envelope.features, seen, packed)

    def _found(self, org: str, seen: Seen, generation: Generation) -> "_Found | None":
        """Where the conversation is."""
        for name in (seen.opened, seen.called):
            turn = None if name is None else self._whereabouts.find(name)
            place = None if turn is None else self._place_of(turn.place, generation)
            if turn is not None and place is not None:
                warm = self._clock.monotonic_s() - turn.at_s < CACHE_S
                # Who asks the same first question again begins anew, though the place may have its prompt.
                goes_on = seen.turn > 1 or name is seen.called
                return _Found(place, turn, warm, goes_on)
        return self._was(org, seen, generation) if self._stays else None

    def _was(self, org: str, seen: Seen, generation: Generation) -> "_Found | None":
        """Where it was before the start: what the receipts of its last turn say."""
        name = seen.opened if seen.called is None else seen.called
        if name is None or self._digest is None:
            return None
        stayed = self._stays.get((org, self._digest(name)))
        place = None if stayed is None else generation.catalog.by_id.get(stayed.place)
        if stayed is None or place is None:
            return None
        age_s = (self._clock.unix_ns() - stayed.ended_ns) / 1e9
        if age_s > STAYS_S:
            return None
        turn = Turn(fingerprint(place.id), self._clock.monotonic_s() - age_s, stayed.tokens)
        return _Found(place, turn, age_s < CACHE_S, seen.turn > 1 or seen.called is not None)

    def _cascade(
        self,
        ask: Ask,
        envelope: Envelope,
        admission: Admission,
        request: Request | None,
        rules: RouterRules,
    ) -> Wanted | None:
        """The cascade that is asked for, if any. Raises `ProblemError`."""
        if ask.wishes.cascade is None and not rules.cascades:
            return None
        from passerelle.gateway.cascade_wanted import wanted

        return wanted(ask, envelope, admission, request, rules, self)

    def _place_of(self, name: int, generation: Generation) -> Deployment | None:
        if self._places is None or self._places[0] is not generation:
            self._places = generation, {fingerprint(d.id): d for d in generation.catalog.deployments}
        return self._places[1].get(name)

    def _figures(
        self,
        envelope: Envelope,
        seen: Seen,
        task: str,
        admission: Admission,
        warm: tuple[str, float] | None,
        turns: int,
    ) -> dict[str, Figure]:
        figures: dict[str, Figure] = {}
        lengths: dict[str, int] = {}
        tokens, commitments = seen.sight.input_tokens, self.pacer.commitments
        for deployment in admission.deployments:
            place, model, price = deployment.id, deployment.model.id, deployment.effective_price
            answer = lengths.get(model)
            if answer is None:
                answer = self.lengths.expected(model, task, most=envelope.max_output_tokens)
                answer = lengths[model] = answer * envelope.answers
            now = weighed = None
            cached = 0
            if price is not None:
                share = warm[1] if warm is not None and warm[0] == place else 0.0
                now, cached = self._cost(place, price, tokens, answer, share, writes=turns > 1 or share > 0)
                weighed = marginal(now, deployment.provider, place, commitments)
                if turns > 1:
                    later, _ = self._cost(place, price, tokens, answer, 1.0, writes=True)
                    later = marginal(later, deployment.provider, place, commitments)
                    weighed = a_turn(weighed, later, turns)
            figures[place] = Figure(now, weighed, answer, cached, self._whole_s(place, answer))
        return figures

    def _cost(
        self, place: str, price: Price, tokens: int, answer: int, share: float, *, writes: bool
    ) -> tuple[int, int]:
        """What a turn costs there when so large a share of its prompt was there before, and how many tokens
        of it are read from the cache. A price that has no figure for a cache has none.
        """
        cached = cached_of(price, tokens, share * self.caches.read_share(place))
        return turn_nanos(
            price,
            tokens,
            answer,
            cached=cached,
            write_share=self.caches.write_share(place) if writes else 0.0,
        ), cached

    def _whole_s(self, place: str, answer: int) -> float | None:
        """Seconds to the whole answer: as long as its tokens take, and at least as the first of them does."""
        first, speed = self._vitals.latencies.get(place), self._vitals.speeds.get(place)
        if first is None:
            return None
        return round(first if speed is None else max(first, answer / speed), 4)

    def settled(self, deliberation: "Deliberation", receipt: Receipt) -> None:
        """Learn from a request that was answered."""
        attempt = receipt.attempts[-1]
        place = deliberation.generation.catalog.by_id.get(attempt.deployment)
        if place is None:
            return
        seen, usage = deliberation.seen, attempt.usage
        if receipt.cascade is not None:
            from passerelle.gateway.cascade_wanted import learn

            learn(receipt, deliberation.generation.catalog, self)
        if usage.source == "provider":
            output = usage.total_output_tokens // deliberation.answers
            self.lengths.add(place.model.id, deliberation.thought.choice.task or "", output)
            warm = deliberation.warm
            had = warm[1] * usage.total_input_tokens if warm is not None and warm[0] == place.id else 0
            self.caches.add(
                place.id,
                fresh=usage.input_tokens,
                read=usage.cache_read_tokens,
                written=usage.cache_write_tokens,
                had=int(had),
            )
        turn = Turn(fingerprint(place.id), self._clock.monotonic_s(), seen.sight.input_tokens)
        for name in (seen.opened, seen.called):
            if name is not None:
                self._whereabouts.keep(name, turn)
        self._note_usual(receipt.org_id, deliberation.best_nanos)

    def _note_usual(self, org: str, nanos: int | None) -> None:
        """What the best place would have cost: not what was chosen, or the price of money, which is told in
        usual requests, would fall with every saving that it brings.
        """
        if not nanos:
            return
        before = self._usual.pop(org, None)
        if before is None and len(self._usual) >= _MOST_TENANTS:
            del self._usual[next(iter(self._usual))]
        self._usual[org] = nanos if before is None else before + _USUAL_SHARE * (nanos - before)


class _Found(msgspec.Struct, frozen=True, gc=False):
    """Where a conversation had its last turn."""

    place: Deployment
    turn: Turn
    warm: bool
    """It is so short a time ago that its prompt should still be cached."""
    goes_on: bool
    """This request is its next turn."""


class Noted(msgspec.Struct):
    """A request that something may be learned from, until it settles."""

    judgement: Judgement
    ask: Ask
    generation: Generation
    features: frozenset[str]
    """Of the envelope."""
    seen: Seen
    packed: bytes | None
    """The request as the router sees it."""
    answer: list[bytes] | None = None
    """The answer's pieces, where its form is to be looked at."""

    def follow(self, content: list[bytes] | None) -> list[bytes] | None:
        """Where the pieces of the answer are to be gathered, which is `content` where they are anyway; None:
        nowhere.
        """
        if not self.judgement.looks(self.ask.principal.org_id, self.features):
            return content
        self.answer = Gathered() if content is None else content
        return self.answer

    def settled(self, receipt: Receipt) -> None:
        """The request is over."""
        if receipt.outcome == "answered" and receipt.attempts:
            self.judgement.answered(
                Answered(self.ask, receipt, self.generation.catalog, self.seen, self.answer)
            )


class Deliberation(Noted, kw_only=True):
    """What a plan was made from, kept until the request settles."""

    chooser: Chooser
    thought: Thought
    answers: int
    warm: tuple[str, float] | None
    """The place whose cache should have the conversation, and the share of this prompt that it has seen."""
    best_nanos: int | None
    """What the request costs where its quality is the best."""
    request: Request | None
    """Decoded, until it is taken."""

    def taken(self, ask: Ask, plan: Plan) -> Request | None:
        """The decoded request, if the first place needs it. Elsewhere it is let go: a long conversation takes
        several times its bytes, for as long as its answer takes.
        """
        request, self.request = self.request, None
        first = self.generation.catalog.by_id[plan.candidates[0].deployment]
        return None if ask.dialect in (first.dialect, *first.also) else request

    def recorded(self, plan: Plan) -> Plan:
        """The plan as the receipt keeps it: with the request packed, if that could not be done when it came.
        The first choices after a start are made while the vectors of words are still being read.
        """
        choice = plan.choice
        if choice is None or choice.features is not None:
            return plan
        packed = self.judgement.pack(self.ask.principal.org_id, self.seen.sight)
        if packed is None:
            return plan
        return msgspec.structs.replace(plan, choice=msgspec.structs.replace(choice, features=packed))

    def settled(self, receipt: Receipt) -> None:
        """The request is over."""
        if receipt.outcome == "answered" and receipt.attempts:
            self.chooser.settled(self, receipt)
        super().settled(receipt)


def _warm(found: "_Found | None", seen: Seen, affinity: str) -> tuple[str, float] | None:
    if found is None or affinity == "none" or not found.warm:
        return None
    return found.place.id, min(1.0, found.turn.tokens / max(seen.sight.input_tokens, 1))


def _bound(
    ask: Ask, seen: Seen, stay: Deployment | None, deployments: Sequence[Deployment]
) -> tuple[str, ...]:
    """The providers that can read the sealed reasoning of the request: the one that had the last turn, or,
    where that is not remembered, those that speak the dialect it was sealed in.
    """
    kept = ask.keeping.opaque if ask.keeping is not None else ()
    if kept:
        return tuple(sorted({provider for _, provider in kept}))
    if not seen.sealed:
        return ()
    if stay is not None:
        return (stay.provider,)
    return tuple(
        sorted({d.provider for d in deployments if not seen.sealed.isdisjoint({d.dialect, *d.also})})
    )


def _best_nanos(
    deployments: Sequence[Deployment], estimates: Mapping[str, Estimate], figures: Mapping[str, Figure]
) -> int | None:
    best: tuple[float, str] | None = None
    for deployment in deployments:
        estimate = estimates.get(deployment.model.id)
        if estimate is not None and (best is None or (estimate.mean, deployment.id) > best):
            best = estimate.mean, deployment.id
    return None if best is None else figures[best[1]].cost_nanos
