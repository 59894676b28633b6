"""Many judgements, added up."""

from array import array
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from statistics import median

import msgspec

from passerelle.catalog import Catalog
from passerelle.core.plan import Rejection
from passerelle.gateway.drill.judge import Judgement, repriced
from passerelle.gateway.drill.report import Loss, Money, Move, Share, Tenant, Totals
from passerelle.gateway.drill.shapes import Case, Seen
from passerelle.policy.removal import Without, supplier_of, takes_out

MOST_LOSSES = 200
"""Kinds of lost requests that a report lists."""
UNKNOWN = "unknown"

Names = Callable[[str, str, str], tuple[str, str, str]]
"""(organisation, project, key) by id → their names."""


class Latencies:
    """Measured times by deployment."""

    def __init__(self) -> None:
        self._first: dict[str, array[float]] = defaultdict(lambda: array("d"))
        self._whole: dict[str, array[float]] = defaultdict(lambda: array("d"))

    def add(self, seen: Seen) -> None:
        """Take the times of a request's successful attempts."""
        for attempt in seen.attempts:
            if attempt.ok:
                self._whole[attempt.deployment].append(attempt.duration_ns / 1e9)
                if attempt.first_content_ns is not None:
                    self._first[attempt.deployment].append(attempt.first_content_ns / 1e9)

    def first_content(self) -> dict[str, float]:
        """The median time to first content of each place that has one."""
        return {name: median(found) for name, found in self._first.items()}

    def duration(self) -> dict[str, float]:
        """The median duration of each place that has one."""
        return {name: median(found) for name, found in self._whole.items()}


class _Sums(msgspec.Struct):
    requests: int = 0
    unaffected: int = 0
    moved: int = 0
    lost: int = 0
    unserved: int = 0
    last: int = 0


class _Costs(msgspec.Struct):
    requests: int = 0
    unpriced: int = 0
    before: Counter[str] = msgspec.field(default_factory=Counter)
    after: Counter[str] = msgspec.field(default_factory=Counter)


class _Lost(msgspec.Struct):
    case: Case
    data_class: str
    rejections: tuple[Rejection, ...]
    requests: int = 0


class Tally:
    """Sums of a drill."""

    def __init__(self, catalog: Catalog, without: Without) -> None:
        self._catalog = catalog
        self.taken_out = frozenset(d.id for d in catalog.deployments if takes_out(without, d))
        self._all = _Sums()
        self._costs = _Costs()
        self._tenants: dict[tuple[str, str, str], _Sums] = defaultdict(_Sums)
        self._moves: dict[tuple[str, str], _Costs] = defaultdict(_Costs)
        self._lost: dict[tuple[object, ...], _Lost] = {}
        self._after: Counter[str] = Counter()
        """Deployment → requests it would serve first without the supplier."""
        self._answered: Counter[str] = Counter()
        self._spent: dict[str, Counter[str]] = defaultdict(Counter)
        """Deployment → currency → nanos."""
        self._provider_of: dict[str, str] = {}

    # --- adding

    def measured(self, seen: Seen) -> None:
        """A recorded request's part in today's shares."""
        for attempt in seen.attempts:
            self._provider_of[attempt.deployment] = attempt.provider
            self._spent[attempt.deployment][attempt.currency] += attempt.cost_nanos
        if seen.attempts and seen.attempts[-1].ok:
            self._answered[seen.attempts[-1].deployment] += 1

    def judged(self, case: Case, judgement: Judgement, *, measure: bool = False) -> None:
        """A request. `measure`: nothing was recorded of it, so its plan stands for what would be."""
        tenant = self._tenants[case.principal.org_id, case.principal.project_id, case.principal.key_id]
        tenant.requests += 1
        self._all.requests += 1
        if judgement.before is None:
            tenant.unserved += 1
            self._all.unserved += 1
            return
        first = judgement.before.candidates[0].deployment
        if measure:
            self._measure_planned(case, first)
        if judgement.after is None:
            tenant.lost += 1
            self._all.lost += 1
            self._lose(case, judgement)
            return
        then = judgement.after.candidates[0].deployment
        self._after[then] += 1
        if len(judgement.after.candidates) == 1 < len(judgement.before.candidates):
            tenant.last += 1
            self._all.last += 1
        pairs = [self._costs]
        if first in self.taken_out:
            tenant.moved += 1
            self._all.moved += 1
            pairs.append(self._moves[first, then])
        else:
            tenant.unaffected += 1
            self._all.unaffected += 1
        self._price(case, first, then, pairs)

    def _price(self, case: Case, first: str, then: str, sums: list[_Costs]) -> None:
        by_id = self._catalog.by_id
        before, after = by_id[first], by_id[then]
        paid = repriced(case.usage, before)
        pays = paid if first == then else repriced(case.usage, after)
        for one in sums:
            one.requests += 1
            if paid is None or pays is None or not (before.effective_price and after.effective_price):
                one.unpriced += 1
            else:
                one.before[before.effective_price.currency] += paid
                one.after[after.effective_price.currency] += pays

    def _measure_planned(self, case: Case, first: str) -> None:
        deployment = self._catalog.by_id[first]
        self._provider_of[first] = deployment.provider
        self._answered[first] += 1
        cost = repriced(case.usage, deployment)
        if cost is not None and deployment.effective_price is not None:
            self._spent[first][deployment.effective_price.currency] += cost

    def _lose(self, case: Case, judgement: Judgement) -> None:
        envelope, principal = case.envelope, case.principal
        data_class = "" if judgement.before is None else judgement.before.data_class
        identity = (
            principal.key_id, envelope.model, envelope.operation, envelope.features, data_class,
            case.wishes.models,
        )  # fmt: skip
        known = self._lost.get(identity)
        if known is None:
            known = self._lost[identity] = _Lost(case, data_class, judgement.rejections)
        known.requests += 1

    # --- the sums

    @property
    def judged_requests(self) -> int:
        """How many were judged."""
        return self._all.requests

    def totals(self) -> Totals:
        """What becomes of all of them."""
        weighed = [
            (cost.requests, self._quality(first), self._quality(then))
            for (first, then), cost in self._moves.items()
        ]
        known = [(n, a, b) for n, a, b in weighed if a is not None and b is not None]
        count = sum(n for n, _, _ in known)
        return Totals(
            requests=self._all.requests,
            unaffected=self._all.unaffected,
            moved=self._all.moved,
            lost=self._all.lost,
            unserved=self._all.unserved,
            last=self._all.last,
            cost_before=_money(self._costs.before),
            cost_after=_money(self._costs.after),
            unpriced=self._costs.unpriced,
            quality_before=sum(n * a for n, a, _ in known) / count if count else None,
            quality_after=sum(n * b for n, _, b in known) / count if count else None,
        )

    def moves(self, latencies: Latencies) -> tuple[Move, ...]:
        """From where to where, the most requests first."""
        first_content, duration = latencies.first_content(), latencies.duration()
        found = sorted(self._moves.items(), key=lambda item: (-item[1].requests, item[0]))
        return tuple(
            Move(
                before=first,
                after=then,
                supplier_after=supplier_of(self._catalog.by_id[then]),
                requests=cost.requests,
                unpriced=cost.unpriced,
                cost_before=_money(cost.before),
                cost_after=_money(cost.after),
                quality_before=self._quality(first),
                quality_after=self._quality(then),
                first_content_before_s=first_content.get(first),
                first_content_after_s=first_content.get(then),
                duration_before_s=duration.get(first),
                duration_after_s=duration.get(then),
            )
            for (first, then), cost in found
        )

    def tenants(self, names: Names) -> tuple[Tenant, ...]:
        """Every key, those with the most lost first."""
        rows = [
            Tenant(
                org_id=org_id,
                organisation=organisation,
                project_id=project_id,
                project=project,
                key_id=key_id,
                key=key,
                **msgspec.structs.asdict(sums),
            )
            for (org_id, project_id, key_id), sums in self._tenants.items()
            for organisation, project, key in (names(org_id, project_id, key_id),)
        ]
        return tuple(sorted(rows, key=lambda t: (-t.lost, -t.requests, t.organisation, t.project, t.key_id)))

    def losses(self, names: Names) -> tuple[tuple[Loss, ...], int]:
        """The kinds of lost requests, the most first, and how many more kinds there are."""
        found = sorted(self._lost.values(), key=lambda one: (-one.requests, one.case.name))
        rows = []
        for one in found[:MOST_LOSSES]:
            who = one.case.principal
            organisation, project, key = names(who.org_id, who.project_id, who.key_id)
            rows.append(
                Loss(
                    org_id=who.org_id,
                    organisation=organisation,
                    project_id=who.project_id,
                    project=project,
                    key_id=who.key_id,
                    key=key,
                    model=one.case.envelope.model,
                    operation=one.case.envelope.operation,
                    data_class=one.data_class,
                    features=tuple(sorted(one.case.envelope.features)),
                    requests=one.requests,
                    example=one.case.name,
                    rejections=one.rejections,
                )
            )
        return tuple(rows), max(0, len(found) - MOST_LOSSES)

    def shares(self, ceilings: Mapping[str, float | None]) -> tuple[Share, ...]:
        """By supplier, then by law. `ceilings`: `provider` and `jurisdiction`."""
        suppliers = self._shares("provider", self._suppliers_of, ceilings.get("provider"))
        return (*suppliers, *self._shares("jurisdiction", self._laws_of, ceilings.get("jurisdiction")))

    def _shares(
        self, of: str, groups_of: Callable[[str], tuple[str, ...]], ceiling: float | None
    ) -> list[Share]:
        requests: Counter[str] = Counter()
        later: Counter[str] = Counter()
        spend: dict[str, Counter[str]] = defaultdict(Counter)
        places: dict[str, set[str]] = defaultdict(set)
        for deployment in {*self._answered, *self._spent, *self._after}:
            for group in groups_of(deployment):
                places[group].add(deployment)
                requests[group] += self._answered[deployment]
                later[group] += self._after[deployment]
                spend[group].update(self._spent.get(deployment, ()))
        answered, after = self._answered.total(), self._after.total()
        spent: Counter[str] = Counter()
        for by_currency in self._spent.values():
            spent.update(by_currency)
        rows = []
        for name in sorted(places, key=lambda group: (-requests[group], group)):
            request_share = requests[name] / answered if answered else 0.0
            spend_share = {c: spend[name][c] / total for c, total in sorted(spent.items()) if total}
            highest = max(request_share, *spend_share.values()) if spend_share else request_share
            rows.append(
                Share(
                    of="provider" if of == "provider" else "jurisdiction",
                    name=name,
                    requests=requests[name],
                    request_share=request_share,
                    spend=_money(spend[name]),
                    spend_share=spend_share,
                    request_share_after=later[name] / after if after else 0.0,
                    taken_out=places[name] <= self.taken_out,
                    ceiling=ceiling,
                    exceeded=ceiling is not None and highest > ceiling,
                )
            )
        return rows

    def _suppliers_of(self, deployment: str) -> tuple[str, ...]:
        known = self._catalog.by_id.get(deployment)
        return (self._provider_of.get(deployment, UNKNOWN) if known is None else supplier_of(known),)

    def _laws_of(self, deployment: str) -> tuple[str, ...]:
        known = self._catalog.by_id.get(deployment)
        laws = None if known is None else known.attributes.jurisdictions
        return laws or (UNKNOWN,)

    def _quality(self, deployment: str) -> float | None:
        return self._catalog.by_id[deployment].model.quality


def _money(found: Counter[str]) -> Money:
    return dict(sorted(found.items()))
