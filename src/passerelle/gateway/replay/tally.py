"""Many decisions, added up."""

from collections import Counter
from collections.abc import Mapping

import msgspec

from passerelle.core.model import Deployment
from passerelle.core.plan import Candidate
from passerelle.gateway.drill.shapes import Case
from passerelle.gateway.drill.tally import UNKNOWN
from passerelle.gateway.judgement import PRIOR_WIDTH
from passerelle.gateway.replay.decide import Decision
from passerelle.gateway.replay.money import again, elsewhere
from passerelle.gateway.replay.record import Recorded, RecordedPlan
from passerelle.gateway.replay.result import (
    Basis,
    Change,
    Costs,
    Example,
    Forbidden,
    Loss,
    Money,
    Point,
    Qualities,
    Span,
    Times,
    Totals,
)
from passerelle.gateway.replay.rules import Rules
from passerelle.policy.removal import supplier_of

NOBODY = "nobody"
POINTS = 48
"""Into how many stretches the period is cut."""
_MOST_EXAMPLES = 20
_MOST_LOSSES = 200
_GONE = "catalog.gone"
"""The rule said of a place that is in no catalog any more, or not behind the name any more."""


class _Means(msgspec.Struct):
    """Sums of pairs."""

    compared: int = 0
    before: float = 0.0
    after: float = 0.0

    def add(self, before: float, after: float) -> None:
        self.compared += 1
        self.before += before
        self.after += after

    def times(self) -> Times:
        if not self.compared:
            return Times(0, None, None)
        return Times(self.compared, self.before / self.compared, self.after / self.compared)


class _Many(msgspec.Struct):
    """How many there are of a kind, and the receipt of the first."""

    example: str
    requests: int = 0


class _Stretch(msgspec.Struct):
    requests: int = 0
    changed: int = 0
    recorded: Counter[str] = msgspec.field(default_factory=Counter)
    replayed: Counter[str] = msgspec.field(default_factory=Counter)


class Tally:
    """Sums of a replay."""

    def __init__(
        self,
        rules: Rules,
        first_content: Mapping[str, float],
        durations: Mapping[str, float],
        *,
        since_ns: int,
        until_ns: int,
    ) -> None:
        """`first_content`, `durations`: measured seconds by deployment."""
        self._rules = rules
        self._catalog = rules.generation.catalog
        self._steady = rules.steady()
        self._first_content, self._durations = first_content, durations
        self._since_ns, self._length_ns = since_ns, max(until_ns - since_ns, 1)
        self._counts: Counter[str] = Counter()
        self._basis: Counter[str] = Counter()
        self._routers: Counter[str] = Counter()
        self._moves: Counter[tuple[str, str]] = Counter()
        self._names: dict[str, tuple[str, str, str]] = {}
        """Deployment → model, provider, jurisdictions."""
        self._recorded: Counter[str] = Counter()
        self._replayed: Counter[str] = Counter()
        self._lost_cost: Counter[str] = Counter()
        self._quality = _Means()
        self._wide = [0.0, 0.0, 0.0, 0.0, 0.0]
        self._first, self._whole = _Means(), _Means()
        self._forbidden: dict[tuple[str, str], _Many] = {}
        self._losses: dict[tuple[str, str, tuple[str, ...], str], _Many] = {}
        self._examples: list[Example] = []
        self._stretches = [_Stretch() for _ in range(POINTS)]

    def add(self, seen: Recorded, plan: RecordedPlan, case: Case, decision: Decision) -> int:
        """A request, as it was decided and as it is now; nanos that it costs now, 0 where that is unknown."""
        counts = self._counts
        counts["requests"] += 1
        stretch = self._stretches[(seen.at_ns - self._since_ns) * POINTS // self._length_ns]
        stretch.requests += 1
        self._rest(seen, plan, decision)
        first = plan.first
        now = None if decision.plan is None else decision.plan.candidates[0]
        if first is not None:
            self._forbid(seen, first, decision)
        if first is None or now is None:
            kind = "unserved" if first is now else "lost" if now is None else "gained"
            counts[kind] += 1
            if now is None:
                self._lose(seen, plan, decision)
                self._lost_cost[seen.currency] += seen.cost_nanos
            if first is not None or now is not None:
                stretch.changed += 1
                self._moves[
                    NOBODY if first is None else self._known(first, seen),
                    NOBODY if now is None else self._known(now, seen),
                ] += 1
            return 0
        same = first.deployment == now.deployment
        counts["same" if same else "changed"] += 1
        order = decision.plan.candidates if decision.plan is not None else ()
        if same and [c.deployment for c in plan.candidates] == [c.deployment for c in order]:
            counts["same_order"] += 1
        if not same:
            stretch.changed += 1
            self._moves[self._known(first, seen), self._known(now, seen)] += 1
            if len(self._examples) < _MOST_EXAMPLES:
                self._examples.append(
                    Example(seen.id, plan.requested, first.deployment, now.deployment, now.because)
                )
        self._judge(first, now)
        self._time(first, now)
        return self._price(seen, case, first, now, stretch, same=same)

    def _rest(self, seen: Recorded, plan: RecordedPlan, decision: Decision) -> None:
        basis, rules = self._basis, self._rules
        basis["catalog"] += plan.catalog_version != rules.in_force.version
        basis["policy"] += plan.policy_version != rules.policy_in_force
        chosen = plan.mode != "named"
        without = plan.choice is None if chosen else len(plan.candidates) > 1 and plan.draw is None
        basis["without"] += without or seen.shape is None
        if plan.choice is not None:
            self._routers[plan.choice.router_version] += 1
        ground = decision.ground
        if ground is not None:
            self._counts["left_to_us"] += 1
            basis["reckoned"] += ground.reckoned
            basis["predicted"] += ground.predicted
            basis["elsewhere"] += ground.elsewhere

    def _forbid(self, seen: Recorded, first: Candidate, decision: Decision) -> None:
        served = [one.deployment for one in seen.attempts] or [first.deployment]
        may = () if decision.plan is None else {one.deployment for one in decision.plan.candidates}
        for place in served:
            if place in may:
                continue
            rule = next((one.rule for one in decision.rejections if one.deployment == place), _GONE)
            self._counts["forbidden"] += 1
            self._forbidden.setdefault((place, rule), _Many(seen.id)).requests += 1
            return

    def _lose(self, seen: Recorded, plan: RecordedPlan, decision: Decision) -> None:
        held = tuple(sorted({one.rule for one in decision.rejections}))
        kind = plan.requested, plan.data_class, held, decision.problem
        self._losses.setdefault(kind, _Many(seen.id)).requests += 1

    def _price(
        self, seen: Recorded, case: Case, first: Candidate, now: Candidate, stretch: _Stretch, *, same: bool
    ) -> int:
        if not seen.attempts or seen.attempts[-1].usage.source == "none":
            self._counts["without_usage"] += 1
            return 0
        if same:
            found = again(seen, self._catalog, self._steady)
        else:
            found = elsewhere(seen, case, self._catalog.by_id[now.deployment], now, first)
        if found is None:
            self._counts["unpriced"] += 1
            return 0
        currency, nanos = found
        self._counts["compared"] += 1
        self._recorded[seen.currency] += seen.cost_nanos
        self._replayed[currency] += nanos
        stretch.recorded[seen.currency] += seen.cost_nanos
        stretch.replayed[currency] += nanos
        return nanos

    def _judge(self, first: Candidate, now: Candidate) -> None:
        if first.quality is None or now.quality is None:
            return
        self._quality.add(first.quality, now.quality)
        before, after, wide = _between(first), _between(now), self._wide
        for place, value in enumerate((*before, *after)):
            wide[place] += value
        if first.model != now.model or first.quality != now.quality:
            # Two predictions: their errors are taken to be independent of each other, and the same for every
            # request of the period, so that the mean is no surer than one of them.
            wide[4] += (((before[1] - before[0]) / 2) ** 2 + ((after[1] - after[0]) / 2) ** 2) ** 0.5

    def _time(self, first: Candidate, now: Candidate) -> None:
        then_s = first.latency_s or self._first_content.get(first.deployment)
        now_s = now.latency_s or self._first_content.get(now.deployment)
        if first.deployment == now.deployment:
            now_s = then_s
        if then_s is not None and now_s is not None:
            self._first.add(then_s, now_s)
        then_s = first.whole_s or self._durations.get(first.deployment)
        now_s = now.whole_s or self._durations.get(now.deployment)
        if first.deployment == now.deployment:
            now_s = then_s
        if then_s is not None and now_s is not None:
            self._whole.add(then_s, now_s)

    def _known(self, candidate: Candidate, seen: Recorded) -> str:
        """The deployment, with its names remembered."""
        place = candidate.deployment
        if place not in self._names:
            here: Deployment | None = self._catalog.by_id.get(place) or self._rules.in_force.by_id.get(place)
            if here is None:
                provider = next((a.provider for a in seen.attempts if a.deployment == place), UNKNOWN)
                self._names[place] = candidate.model, provider, UNKNOWN
            else:
                laws = " + ".join(here.attributes.jurisdictions or ()) or UNKNOWN
                self._names[place] = here.model.id, supplier_of(here), laws
        return place

    # --- the sums

    @property
    def requests(self) -> int:
        """How many were decided again."""
        return self._counts["requests"]

    def totals(self) -> Totals:
        """What becomes of all of them."""
        return Totals(**{name: self._counts[name] for name in Totals.__struct_fields__})

    def basis(self) -> Basis:
        """On what the decisions rest."""
        found = self._basis
        return Basis(
            under_another_catalog=found["catalog"],
            under_another_policy=found["policy"],
            without_record=found["without"],
            reckoned=found["reckoned"],
            predicted=found["predicted"],
            elsewhere=found["elsewhere"],
            routers=dict(sorted(self._routers.items())),
        )

    def costs(self) -> Costs:
        """Both ways."""
        difference = Counter(self._replayed)
        difference.subtract(self._recorded)
        counts = self._counts
        return Costs(
            compared=counts["compared"],
            unpriced=counts["unpriced"],
            without_usage=counts["without_usage"],
            recorded=_money(self._recorded),
            replayed=_money(self._replayed),
            difference=_money(difference),
            lost=_money(Counter({name: nanos for name, nanos in self._lost_cost.items() if nanos})),
        )

    def quality(self) -> Qualities:
        """Both ways, and how sure the difference is."""
        count = self._quality.compared
        if not count:
            return Qualities(0, None, None, None)
        low, high, then_low, then_high, half = (value / count for value in self._wide)
        before, after = self._quality.before / count, self._quality.after / count
        gap = after - before
        return Qualities(
            count,
            Span(before, low, high),
            Span(after, then_low, then_high),
            Span(gap, gap - half, gap + half),
        )

    def times(self) -> tuple[Times, Times]:
        """To the first content, and to the whole answer."""
        return self._first.times(), self._whole.times()

    def changes(self) -> dict[str, tuple[Change, ...]]:
        """From what to what, the most requests first; requests that stay are not among them."""
        found: dict[str, tuple[Change, ...]] = {"deployments": _changes(self._moves)}
        for place, name in enumerate(("models", "providers", "jurisdictions")):
            counted: Counter[tuple[str, str]] = Counter()
            for (before, after), count in self._moves.items():
                pair = self._name(before, place), self._name(after, place)
                if pair[0] != pair[1]:
                    counted[pair] += count
            found[name] = _changes(counted)
        return found

    def _name(self, deployment: str, place: int) -> str:
        return NOBODY if deployment == NOBODY else self._names[deployment][place]

    def forbidden(self) -> tuple[Forbidden, ...]:
        """The places that these rules forbid, the most requests first."""
        rows = [Forbidden(*key, many.requests, many.example) for key, many in self._forbidden.items()]
        return tuple(sorted(rows, key=lambda one: (-one.requests, one.deployment, one.rule)))

    def losses(self) -> tuple[tuple[Loss, ...], int]:
        """The kinds of requests that nobody may serve, and how many more kinds there are."""
        rows = [Loss(*key, many.requests, many.example) for key, many in self._losses.items()]
        rows.sort(key=lambda one: (-one.requests, one.requested, one.example))
        return tuple(rows[:_MOST_LOSSES]), max(0, len(rows) - _MOST_LOSSES)

    def examples(self) -> tuple[Example, ...]:
        """The first that go elsewhere."""
        return tuple(self._examples)

    def series(self) -> tuple[Point, ...]:
        """By time."""
        return tuple(
            Point(
                self._since_ns + self._length_ns * number // POINTS,
                one.requests,
                one.changed,
                _money(one.recorded),
                _money(one.replayed),
            )
            for number, one in enumerate(self._stretches)
        )


def _between(candidate: Candidate) -> tuple[float, float]:
    mean = candidate.quality or 0.0
    if candidate.low is not None and candidate.high is not None:
        return candidate.low, candidate.high
    return max(mean - PRIOR_WIDTH, 0.0), min(mean + PRIOR_WIDTH, 1.0)


def _changes(found: Counter[tuple[str, str]]) -> tuple[Change, ...]:
    rows = sorted(found.items(), key=lambda item: (-item[1], item[0]))
    return tuple(Change(before, after, count) for (before, after), count in rows)


def _money(found: Counter[str]) -> Money:
    return dict(sorted(found.items()))
