"""Whether a batch can go to a provider's own batch service, and to which.

It can when all of it can, as it is: every line may be served by one and the same deployment, under the key's
rights, the rules and what the provider keeps of batches (`attributes.keeps`), relayed and not translated,
with nothing left out; the place has a service; the batch is within its bounds; and the key's budgets have the
most that all of it can cost there. Otherwise it is run here, line by line, and the reason is kept.
"""

from collections.abc import Iterable, Iterator

import msgspec

from passerelle.codecs.fitting import UnfitError
from passerelle.core.batch import Batch, Native, Surface
from passerelle.core.clock import Clock
from passerelle.core.errors import ProblemError
from passerelle.core.ids import same
from passerelle.core.model import BatchDialect, Deployment
from passerelle.core.plan import Candidate, Plan
from passerelle.core.principal import Principal
from passerelle.gateway.admit import Admission, admit
from passerelle.gateway.attached import MARK
from passerelle.gateway.batch.lines import Line, asked_of
from passerelle.gateway.estimate import most_it_can_cost
from passerelle.gateway.generation import Generation
from passerelle.gateway.road import read
from passerelle.gateway.translate import encode_for
from passerelle.gateway.trip import Ask, Trip, Wishes
from passerelle.ledger.price import part_of
from passerelle.policy.eligible import BATCH
from passerelle.policy.removal import Removal
from passerelle.providers.batching import BatchServiceClient, service_of
from passerelle.providers.remote import RemoteProvider

_SURFACE: dict[BatchDialect, Surface] = {
    "anthropic": "anthropic",
    "azure": "openai",
    "gemini": "gemini",
    "groq": "openai",
    "mistral": "openai",
    "openai": "openai",
}


class NotThere(Exception):
    """It cannot go; says why."""


class _Sum(msgspec.Struct):
    """What a place would get."""

    deployment: Deployment
    service: BatchServiceClient
    bytes: int = 0
    most_nanos: int = 0


def decide(
    generation: Generation, principal: Principal, revision: int, batch: Batch, lines: Iterable[Line],
    clock: Clock, removed: tuple[Removal, ...] = (),
) -> Native:  # fmt: skip
    """`sending`, with everything but its money; or `here`, with the reason. Looks through the whole input."""
    try:
        return _decide(generation, principal, revision, batch, lines, clock, removed)
    except NotThere as reason:
        return Native("here", why=str(reason)[:500])


def _decide(
    generation: Generation, principal: Principal, revision: int, batch: Batch, lines: Iterable[Line],
    clock: Clock, removed: tuple[Removal, ...],
) -> Native:  # fmt: skip
    if all(deployment.batches is None for deployment in generation.catalog.deployments):
        raise NotThere("no provider with a batch service is configured")
    places: dict[str, _Sum] | None = None
    count, admission = 0, None
    for line in lines:
        count += 1
        trip, admission = considered(generation, principal, revision, batch, line, clock, removed)
        if places is None:
            places = _places(generation, batch, admission)
        why = "no place with a batch service may serve it"
        for name, place in list(places.items()):
            objection = _objection(trip, admission, place, batch, line)
            if objection is not None:
                del places[name]
                why = objection
        if not places:
            raise NotThere(f"line {line.number}: {why}")
    if not places or admission is None:
        raise NotThere("nothing is asked")
    chosen = next(iter(places.values()))
    service, deployment = chosen.service, chosen.deployment
    if count > service.most_lines or chosen.bytes > service.most_bytes:
        raise NotThere(f"{count} lines of {chosen.bytes} bytes are more than can be handed over at once")
    percent = 100 if deployment.batches is None else deployment.batches.percent
    return Native(
        "sending",
        provider=deployment.provider,
        deployment=deployment.id,
        percent=percent,
        lines=count,
        at_ns=clock.unix_ns(),
        held_nanos=part_of(chosen.most_nanos, percent),
        workspace_id=principal.workspace_id,
        data_class=admission.data_class,
        generation=generation.number,
        policy_version=generation.policy.version,
        catalog_version=generation.catalog.version,
    )


def written(
    generation: Generation, principal: Principal, revision: int, batch: Batch, native: Native,
    lines: Iterable[Line], clock: Clock, service: BatchServiceClient, removed: tuple[Removal, ...] = (),
) -> Iterator[bytes]:  # fmt: skip
    """The input as its provider takes it, line by line. Raises `NotThere` when rules or catalog have changed
    meanwhile."""
    deployment = generation.catalog.by_id[native.deployment]

    def told() -> Iterator[bytes]:
        place = _Sum(deployment, service)
        for line in lines:
            trip, admission = considered(generation, principal, revision, batch, line, clock, removed)
            if deployment not in admission.deployments:
                raise NotThere(f"line {line.number}: `{deployment.id}` may not serve it any more")
            body = _body(trip, place)
            if isinstance(body, str):
                raise NotThere(f"line {line.number}: {body}")
            yield service.line(mark_of(batch), line.number, batch.endpoint, body.encoded)

    return service.whole(told())


def considered(
    generation: Generation, principal: Principal, revision: int, batch: Batch, line: Line, clock: Clock,
    removed: tuple[Removal, ...],
) -> tuple[Trip, Admission]:  # fmt: skip
    """A line as it would be asked there. Raises `NotThere`."""
    if MARK in line.body:
        raise NotThere(f"line {line.number} names a file that is kept here")
    ask = ask_of(principal, batch, line, at_ns=clock.unix_ns(), started_s=clock.monotonic_s())
    try:
        envelope = read(ask)
        marked = msgspec.structs.replace(envelope, features=envelope.features | {BATCH})
        admission = admit(generation, principal, revision, marked, ask.wishes, removed)
    except ProblemError as error:
        raise NotThere(f"line {line.number}: {error.problem.message}") from error
    if admission.mode != "named":
        raise NotThere(f"line {line.number} leaves the choice of model to us")
    plan = Plan(
        requested=envelope.model, mode="named", data_class=admission.data_class, candidates=(),
        rejections=(), generation=generation.number, policy_version=generation.policy.version,
        catalog_version=generation.catalog.version,
    )  # fmt: skip
    return Trip(ask, envelope, generation, plan, ask.receipt_id), admission


def ask_of(principal: Principal, batch: Batch, line: Line, *, at_ns: int, started_s: float) -> Ask:
    """A line as a request. Its ids are made of the batch's: the same however often it is looked at."""
    dialect, target = asked_of(batch.endpoint)
    wishes = msgspec.convert(batch.terms.wishes, Wishes)
    return Ask(
        principal=principal,
        dialect=dialect,
        target=target,
        body=line.body,
        request_id=same("req", batch.id, line.number),
        receipt_id=same("rcp", batch.id, line.number),
        at_ns=at_ns,
        started_s=started_s,
        wishes=msgspec.structs.replace(
            wishes, tags=(*wishes.tags, batch.id), explain=False, priority="batch"
        ),
        headers=batch.terms.headers,
    )


def mark_of(batch: Batch) -> str:
    """What a batch is recognised by at its provider: letters and digits, and no name of a tenant's."""
    return batch.id.partition("_")[2]


def plan_of(native: Native, requested: str, model: str) -> Plan:
    """What the receipts of its lines show as the plan."""
    because = f"handed over to the provider's batch service, at {native.percent} % of its price"
    return Plan(
        requested=requested,
        mode="named",
        data_class=native.data_class,
        candidates=(Candidate(native.deployment, model, 1.0, because=because),),
        rejections=(),
        generation=native.generation,
        policy_version=native.policy_version,
        catalog_version=native.catalog_version,
    )


def _places(generation: Generation, batch: Batch, admission: Admission) -> dict[str, _Sum]:
    """The places with a service of the batch's own kind, in the catalog's order."""
    found = {}
    for deployment in admission.deployments:
        provider = generation.providers.get(deployment.provider)
        terms = deployment.batches
        if terms is None or not isinstance(provider, RemoteProvider):
            continue
        if _SURFACE[terms.dialect] != batch.surface:
            continue
        service = service_of(terms.dialect, provider, batch.terms.headers)
        if service.takes(asked_of(batch.endpoint)) and name_there(deployment) is not None:
            found[deployment.id] = _Sum(deployment, service)
    return found


def name_there(deployment: Deployment) -> str | None:
    """The name of the model in a batch. None at Azure where the operator has named no deployment for batches:
    one made for single requests takes none ("Getting started with Azure OpenAI batch deployments",
    learn.microsoft.com/azure/foundry/openai/how-to/batch, read 2026-11-22)."""
    terms = deployment.batches
    if deployment.batch_model is None and terms is not None and terms.dialect == "azure":
        return None
    return deployment.batch_model or deployment.upstream_model


def _as_named_there(deployment: Deployment) -> Deployment:
    """The deployment by the name it has in batches. Its id is another then: what is known of how to speak to
    one is kept by its id, and single requests must not go by this name, nor batches by theirs."""
    name = name_there(deployment)
    if name is None or name == deployment.upstream_model:
        return deployment
    return msgspec.structs.replace(deployment, id=f"{deployment.id} (batches)", upstream_model=name)


class _Body(msgspec.Struct, frozen=True):
    encoded: bytes


def _objection(trip: Trip, admission: Admission, place: _Sum, batch: Batch, line: Line) -> str | None:
    """Why a line cannot go to a place; otherwise it is counted."""
    deployment = place.deployment
    if deployment not in admission.deployments:
        return f"`{deployment.id}` may not serve it as part of a batch"
    if admission.tiers.get(deployment.id, 0):
        return f"`{deployment.id}` is only the second choice of `{trip.envelope.model}`"
    body = _body(trip, place)
    if isinstance(body, str):
        return body
    place.bytes += len(place.service.line(mark_of(batch), line.number, batch.endpoint, body.encoded)) + 1
    place.most_nanos += most_it_can_cost(trip.envelope, deployment)
    return None


def _body(trip: Trip, place: _Sum) -> _Body | str:
    """The request in the provider's words, where they are the caller's own; or why they are not."""
    try:
        named = _as_named_there(place.deployment)
        outbound = encode_for(trip, named)
    except (UnfitError, ProblemError) as error:
        return error.problem.message
    if not outbound.relayed or outbound.dropped or outbound.content_type != "application/json":
        return f"it cannot be said to `{place.deployment.id}` as it is"
    if outbound.dialect != trip.ask.dialect:
        return f"`{place.deployment.id}` speaks another dialect"
    return _Body(outbound.body)
