"""Receipts in, result out. Reads the store; calls nobody."""

from collections.abc import Iterable, Iterator
from hashlib import sha256
from heapq import merge

from passerelle import __version__
from passerelle.core.principal import Principal
from passerelle.gateway.drill.report import Inputs
from passerelle.gateway.drill.shapes import case_of
from passerelle.gateway.drill.shapes import read as read_times
from passerelle.gateway.drill.tally import Latencies
from passerelle.gateway.estimate import input_tokens
from passerelle.gateway.judgement import ByPrior, Judgement
from passerelle.gateway.replay.decide import Decider
from passerelle.gateway.replay.reckon import Reckoner
from passerelle.gateway.replay.record import Recorded, read
from passerelle.gateway.replay.result import LIMITS, Basis, Result, Supposed, Totals
from passerelle.gateway.replay.rules import Rules
from passerelle.gateway.replay.tally import Tally
from passerelle.ledger.periods import period_at
from passerelle.store import Store


def replay(
    store: Store,
    rules: Rules,
    org_ids: tuple[str, ...],
    *,
    since_ns: int,
    until_ns: int,
    judgement: Judgement | None = None,
) -> Result:
    """The traffic of these organisations in that time, decided again. `judgement` predicts for models that
    were no candidates then. Raises `StoreUnavailable`.
    """
    latencies = Latencies()
    for body in _bodies(store, org_ids, since_ns, until_ns):
        timed = read_times(body)
        if since_ns <= timed.at_ns < until_ns:
            latencies.add(timed)
    first_content, durations = latencies.first_content(), latencies.duration()
    reckoner = Reckoner(rules, judgement or ByPrior(), durations)
    _spend_before(store, rules, reckoner, org_ids, since_ns)
    decider = Decider(rules, reckoner)
    tally = Tally(rules, first_content, durations, since_ns=since_ns, until_ns=until_ns)
    principals: dict[str, tuple[Principal, bool] | None] = {}
    digest = sha256()
    count = unknown = unplanned = revoked = without_shape = 0
    first = last = ""
    by_id = rules.generation.catalog.by_id
    for _, _, body, seen in merge(*(_receipts(store, org, since_ns, until_ns) for org in org_ids)):
        digest.update(body + b"\n")
        count += 1
        first, last = first or seen.id, seen.id
        if seen.key_id not in principals:
            entry = store.identity.entry(seen.key_id)
            principals[seen.key_id] = None if entry is None else (entry.principal, entry.state == "active")
        known = principals[seen.key_id]
        if known is None:
            unknown += 1
            continue
        case, plan = case_of(seen, known[0]), seen.plan
        if case is None or plan is None:
            unplanned += 1
            continue
        revoked += not known[1]
        without_shape += seen.shape is None
        decision = decider.decide(seen, plan, case)
        nanos = tally.add(seen, plan, case, decision)
        now = None if decision.plan is None else decision.plan.candidates[0]
        place = None if now is None else by_id.get(now.deployment)
        if decision.ground is not None:
            reckoner.settled(seen, place, input_tokens(case.envelope))
        if nanos and place is not None and place.effective_price is not None:
            reckoner.spend(place.id, place.provider, place.effective_price.currency, seen.at_ns, nanos)
    inputs = Inputs(
        kind="receipts", since_ns=since_ns, until_ns=until_ns, read=count, judged=tally.requests,
        digest=digest.hexdigest(), first=first, last=last, organisations=org_ids, unknown_keys=unknown,
        unplanned=unplanned, revoked=revoked, without_shape=without_shape,
    )  # fmt: skip
    return _result(rules, inputs, tally)


def _receipts(
    store: Store, org_id: str, since_ns: int, until_ns: int
) -> Iterator[tuple[int, str, bytes, Recorded]]:
    """For `merge`: the organisations' receipts in the order of time, since they share commitments."""
    for body in store.receipts.bodies(org_id, since_ns=since_ns, until_ns=until_ns):
        seen = read(body)
        if since_ns <= seen.at_ns < until_ns:
            yield seen.at_ns, seen.id, body, seen


def _bodies(store: Store, org_ids: Iterable[str], since_ns: int, until_ns: int) -> Iterator[bytes]:
    for org_id in org_ids:
        yield from store.receipts.bodies(org_id, since_ns=since_ns, until_ns=until_ns)


def _spend_before(
    store: Store, rules: Rules, reckoner: Reckoner, org_ids: tuple[str, ...], since_ns: int
) -> None:
    """What of the commitments is used up when the replay begins."""
    starts = [period_at(one.period, since_ns).start_ns for one in rules.generation.router.commitments]
    if not starts or min(starts) >= since_ns:
        return
    for body in _bodies(store, org_ids, min(starts), since_ns):
        seen = read(body)
        if seen.at_ns < since_ns:
            for one in seen.attempts:
                reckoner.spend(one.deployment, one.provider, one.currency, seen.at_ns, one.cost_nanos)


def _result(rules: Rules, inputs: Inputs, tally: Tally) -> Result:
    generation = rules.generation
    totals, basis = tally.totals(), tally.basis()
    first_content, whole = tally.times()
    losses, left_out = tally.losses()
    changes = tally.changes()
    return Result(
        supposed=Supposed(
            version=__version__,
            policy_version=generation.policy.version,
            catalog_version=generation.catalog.version,
            policy_in_force=rules.policy_in_force,
            catalog_in_force=rules.in_force.version,
            without=None if rules.without is None else rules.without.text,
            mode=rules.mode,
            models=rules.models,
            files=dict(sorted(rules.files.items())),
        ),
        inputs=inputs,
        totals=totals,
        basis=basis,
        costs=tally.costs(),
        quality=tally.quality(),
        first_content=first_content,
        whole=whole,
        models=changes["models"],
        providers=changes["providers"],
        jurisdictions=changes["jurisdictions"],
        deployments=changes["deployments"],
        forbidden=tally.forbidden(),
        losses=losses,
        losses_left_out=left_out,
        examples=tally.examples(),
        series=tally.series(),
        notes=tuple(_notes(inputs, totals, basis)),
        limits=LIMITS,
    )


def _notes(inputs: Inputs, totals: Totals, basis: Basis) -> Iterator[str]:
    """What must be known to read the figures."""
    if not inputs.judged:
        yield "Nothing was decided: there is no request in the period, so this shows nothing."
    said = (
        (basis.under_another_catalog, "decided under another catalog: the one they were decided by is gone"),
        (basis.under_another_policy, "decided under another policy: the one they were decided by is gone"),
        (basis.without_record, "from before all that a decision rests on was kept: they may be ordered anew"),
        (basis.predicted, "judged with the catalog's word on a model that was no candidate then"),
        (basis.elsewhere, "turns of conversations that are elsewhere by now"),
        (inputs.unknown_keys, "of keys that are not known any more: not decided"),
        (inputs.unplanned, "that never reached a decision: not decided"),
        (inputs.revoked, "of keys revoked or expired since: decided as if these still stood"),
    )
    for count, words in said:
        if count:
            yield f"{count} of {inputs.read} requests: {words}."
