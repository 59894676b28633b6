"""A drill on paper: inputs in, report out. Reads the store; calls nobody."""

from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256

import msgspec

from passerelle import __version__
from passerelle.core.errors import PasserelleError
from passerelle.core.principal import Principal
from passerelle.gateway.drill.judge import Judge
from passerelle.gateway.drill.report import LIMITS, METHOD, Basis, Finding, Inputs, Report, Share, Totals
from passerelle.gateway.drill.shapes import Case, Seen, case_of, read
from passerelle.gateway.drill.tally import Latencies, Tally
from passerelle.gateway.generation import Generation
from passerelle.ledger.receipts import key_id
from passerelle.policy.removal import Removal, Without, suppliers
from passerelle.store import Store

_MOST_VERSIONS = 20
_encode = msgspec.json.Encoder(order="sorted").encode


class NothingThere(PasserelleError):
    """The supplier serves nothing here; says what does."""


class Drill:
    """One supplier, taken out on paper."""

    def __init__(
        self,
        store: Store,
        generation: Generation,
        without: Without,
        ceilings: Mapping[str, float | None],
    ) -> None:
        """`ceilings`: the highest share allowed, for `provider` and `jurisdiction`. Raises `NothingThere`."""
        self._store = store
        self._generation = generation
        self._without = without
        self._ceilings = ceilings
        self._tally = Tally(generation.catalog, without)
        if not self._tally.taken_out:
            known = ", ".join(f"`{name}`" for name in sorted(suppliers(generation.catalog.deployments)))
            raise NothingThere(
                f"`{without.text}` takes out no deployment; what is there is reached by {known or 'nothing'}."
            )

    def over_receipts(self, org_ids: tuple[str, ...], *, since_ns: int, until_ns: int, now_ns: int) -> Report:
        """The report over what was really asked in that time."""
        latencies = self._latencies(org_ids, since_ns, until_ns)
        judge = self._judge(latencies)
        digest = sha256()
        count = unknown = unplanned = revoked = without_shape = 0
        first = last = ""
        for body, seen in self._seen(org_ids, since_ns, until_ns):
            digest.update(body + b"\n")
            count += 1
            first, last = first or seen.id, seen.id
            self._tally.measured(seen)
            entry = self._store.identity.entry(seen.key_id)
            if entry is None:
                unknown += 1
                continue
            case = case_of(seen, entry.principal)
            if case is None:
                unplanned += 1
                continue
            revoked += entry.state != "active"
            without_shape += seen.shape is None
            self._tally.judged(case, judge.judge(case))
        inputs = Inputs(
            kind="receipts", since_ns=since_ns, until_ns=until_ns, read=count,
            judged=self._tally.judged_requests, digest=digest.hexdigest(), first=first, last=last,
            organisations=org_ids, unknown_keys=unknown, unplanned=unplanned, revoked=revoked,
            without_shape=without_shape,
        )  # fmt: skip
        return self._report(inputs, latencies, now_ns)

    def over_golden(
        self,
        cases: Iterable[Case],
        *,
        org_ids: tuple[str, ...],
        lines: int,
        digest: str,
        since_ns: int,
        now_ns: int,
    ) -> Report:
        """The report over a set of requests; latencies are those of the receipts since `since_ns`."""
        latencies = self._latencies(org_ids, since_ns, now_ns)
        judge = self._judge(latencies)
        first = last = ""
        for case in cases:
            first, last = first or case.name, case.name
            self._tally.judged(case, judge.judge(case), measure=True)
        inputs = Inputs(
            kind="golden", since_ns=since_ns, until_ns=now_ns, read=lines,
            judged=self._tally.judged_requests, digest=digest, first=first, last=last,
            organisations=org_ids, unknown_keys=0, unplanned=0, revoked=0, without_shape=0,
        )  # fmt: skip
        return self._report(inputs, latencies, now_ns)

    def _judge(self, latencies: Latencies) -> Judge:
        revision = self._store.identity.revision
        return Judge(self._generation, revision, Removal(self._without), latencies.first_content())

    def _seen(self, org_ids: tuple[str, ...], since_ns: int, until_ns: int) -> Iterator[tuple[bytes, Seen]]:
        for org_id in org_ids:
            for body in self._store.receipts.bodies(org_id, since_ns=since_ns, until_ns=until_ns):
                seen = read(body)
                if since_ns <= seen.at_ns < until_ns:
                    yield body, seen

    def _latencies(self, org_ids: tuple[str, ...], since_ns: int, until_ns: int) -> Latencies:
        found = Latencies()
        for _, seen in self._seen(org_ids, since_ns, until_ns):
            found.add(seen)
        return found

    def _report(self, inputs: Inputs, latencies: Latencies, now_ns: int) -> Report:
        tally, names = self._tally, Names(self._store)
        totals, shares = tally.totals(), tally.shares(self._ceilings)
        losses, left_out = tally.losses(names)
        return Report(
            made_at_ns=now_ns,
            without=self._without.text,
            taken_out=tuple(sorted(tally.taken_out)),
            inputs=inputs,
            basis=self._basis(),
            totals=totals,
            moves=tally.moves(latencies),
            tenants=tally.tenants(names),
            losses=losses,
            losses_left_out=left_out,
            shares=shares,
            findings=tuple(_findings(inputs, totals, shares)),
            method=METHOD,
            limits=LIMITS,
        )

    def _basis(self) -> Basis:
        generation = self._generation
        rows = [(d.id, d.effective_price) for d in generation.catalog.deployments]
        versions = sorted({price.version for _, price in rows if price is not None})
        return Basis(
            version=__version__,
            generation=generation.label,
            generation_digest=generation.digest,
            policy_version=generation.policy.version,
            catalog_version=generation.catalog.version,
            prices_digest=sha256(_encode(rows)).hexdigest(),
            price_versions=tuple(versions[:_MOST_VERSIONS]),
            rights_revision=self._store.identity.revision,
            signer=key_id(self._store.public_key),
        )


class Names:
    """Names of tenants by id; the id where there is no name any more."""

    def __init__(self, store: Store) -> None:
        identity = store.identity
        self._identity = identity
        self._organisations = {one.id: one.name for one in identity.organisations()}
        self._projects = {
            one.id: one.name for org_id in self._organisations for one in identity.projects(org_id)
        }

    def __call__(self, org_id: str, project_id: str, key_id: str) -> tuple[str, str, str]:
        """Names of an organisation, a project and a key."""
        entry = self._identity.entry(key_id)
        return (
            self._organisations.get(org_id, org_id),
            self._projects.get(project_id, project_id),
            key_id if entry is None else entry.key.name,
        )


def active(store: Store, org_ids: tuple[str, ...]) -> list[Principal]:
    """Whoever may call a model now, of these organisations, by key."""
    found = [store.identity.entry(key.id) for org_id in org_ids for key in store.keys.list(org_id)]
    return [
        entry.principal
        for entry in found
        if entry is not None and entry.state == "active" and "model:call" in entry.principal.permissions
    ]


def _requests(number: int, one: str = "", many: str = "") -> str:
    """So many of them, and the verb that goes with as many."""
    return f"{number} request {one}".rstrip() if number == 1 else f"{number} requests {many}".rstrip()


def _findings(inputs: Inputs, totals: Totals, shares: Iterable[Share]) -> Iterator[Finding]:
    if totals.lost:
        yield Finding(
            "failed",
            f"{totals.lost} of {totals.requests} requests have no legal alternative; the report's section "
            "`No alternative` says whose.",
        )
    for share in shares:
        if share.exceeded and share.ceiling is not None:
            highest = max(share.request_share, *share.spend_share.values(), 0.0)
            yield Finding(
                "exceeded",
                f"{share.of} `{share.name}` carries {highest:.1%} of the requests or of the spend; the "
                f"ceiling is {share.ceiling:.0%}.",
            )
    if totals.last:
        yield Finding("note", f"{_requests(totals.last)} would have one place left, and none after it.")
    if totals.unserved:
        who = _requests(totals.unserved, "is", "are")
        yield Finding("note", f"{who} served by nobody even with the supplier.")
    if totals.unpriced:
        who = _requests(totals.unpriced, "is", "are")
        yield Finding("note", f"{who} in no sum of costs: a place that was judged has no price.")
    if inputs.unknown_keys or inputs.unplanned:
        yield Finding(
            "note",
            f"{inputs.unknown_keys + inputs.unplanned} receipts could not be judged: {inputs.unknown_keys} "
            f"of keys that are not known any more, {inputs.unplanned} that never reached a decision.",
        )
    if inputs.revoked:
        who = _requests(inputs.revoked, "is", "are")
        yield Finding("note", f"{who} of keys revoked or expired since.")
    if inputs.without_shape:
        yield Finding(
            "note",
            f"{inputs.without_shape} receipts are from before shapes were kept: what those requests needed "
            "is unknown, and nothing is demanded for it.",
        )
    if not inputs.judged:
        yield Finding("note", "Nothing was judged: there is no request in the inputs, so this shows nothing.")
