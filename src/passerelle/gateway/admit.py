"""Admission: which deployments may serve this request, or the reason why none may; and in which order.

Plain functions of their arguments. The eligible set is memoised per generation, because policy, rights
and features repeat from request to request while the set takes a walk over every deployment.

What a key's model patterns hide does not exist for it: not in errors, not in plans, not in receipts.
"""

from collections.abc import Mapping
from difflib import get_close_matches

import msgspec

from passerelle.codecs.base import Envelope
from passerelle.core.errors import Problem, ProblemError, invalid
from passerelle.core.model import Deployment
from passerelle.core.plan import Affinity, Mode, Onward, Plan, Rejection
from passerelle.core.principal import Principal
from passerelle.core.request import TASKS
from passerelle.gateway.estimate import expected_cost
from passerelle.gateway.generation import MEMO_BOUND, Evaluated, Generation
from passerelle.gateway.smart import Smart, affinity_of, default_of, meant, mode_of
from passerelle.gateway.trip import Wishes
from passerelle.policy.eligible import (
    CONTEXT_RULE,
    RequestClass,
    classify,
    eligible,
    is_about_ability,
    least_tokens,
    matches,
)
from passerelle.policy.removal import RULE as REMOVED_RULE
from passerelle.policy.removal import Removal, takes_out
from passerelle.router.plan import Scene, Thought, plan
from passerelle.router.standing import Standings

_HIDDEN = "key.models"
"""The rule of rejections that must not be told: the deployment is not for this key to know of."""


class Admission(msgspec.Struct, eq=False):
    """The answer to "who may?". Kept for the generation, and never changed but for `plan`."""

    deployments: tuple[Deployment, ...]
    """Never empty."""
    rejections: tuple[Rejection, ...]
    mode: Mode
    data_class: str
    tiers: Mapping[str, int]
    """An alias's targets are tried in order: the place of each deployment's target, 0 the first."""
    onward: Onward = Onward()
    default: str | None = None
    """The model taken first where nothing is known of a request whose model is to be chosen."""
    affinity: Affinity = "none"
    """Whether its conversation stays where it is."""
    task: str | None = None
    """What the name asked for says the work is."""
    plan: Plan | None = None
    """The plan, where it leaves nothing to choose: kept with the answer it rests on."""


class Refusal(ProblemError):
    """Nobody may serve the request: carries the record of why, for the receipt."""

    def __init__(self, problem: Problem, data_class: str, rejections: tuple[Rejection, ...]) -> None:
        super().__init__(problem)
        self.data_class = data_class
        self.rejections = rejections


def admit(
    generation: Generation,
    principal: Principal,
    rights_revision: int,
    envelope: Envelope,
    wishes: Wishes,
    removed: tuple[Removal, ...] = (),
) -> Admission:
    """The eligible set for this request, without what drills have `removed` for its caller.

    Raises `ProblemError` (`model_not_found`, `permission_denied`) or `Refusal` (`no_eligible_deployment`;
    `invalid_request` or `context_length` where the named model could never serve it).
    """
    if "model:call" not in principal.permissions:
        raise ProblemError(
            Problem(
                "permission_denied",
                f"This key's role `{principal.role}` may not call models; use a key that may.",
            )
        )
    key = (
        principal.key_id, rights_revision, envelope.model, envelope.operation, envelope.features,
        wishes.data_class, wishes.models, wishes.mode, wishes.affinity,
        least_tokens(0 if envelope.operation in TASKS else envelope.text_bytes), removed,
    )  # fmt: skip
    known = generation.admitted.get(key)
    if known is None:
        known = _admit(generation, principal, rights_revision, envelope, wishes, removed)
        generation.admitted[key] = known
    return known


def _admit(
    generation: Generation,
    principal: Principal,
    rights_revision: int,
    envelope: Envelope,
    wishes: Wishes,
    removed: tuple[Removal, ...],
) -> Admission:
    smart = meant(generation.router, principal, envelope.model)
    request_class = classify(
        generation.policy,
        principal,
        envelope.operation,
        declared=wishes.data_class,
        features=envelope.features,
        allowed_models=_allowed(generation, principal, wishes.models) if wishes.models else (),
        # A task's texts are read one by one: their sum says nothing of what fits into a context window.
        text_bytes=0 if envelope.operation in TASKS else envelope.text_bytes,
    )
    memo_key = (principal.key_id, rights_revision, envelope.model, request_class, removed)
    found = generation.memo.get(memo_key)
    if found is None:
        found = _evaluate(generation, principal, request_class, envelope.model, smart, removed)
        if len(generation.memo) >= MEMO_BOUND:
            generation.memo.clear()
            generation.admitted.clear()
        generation.memo[memo_key] = found
    deployments, rejections, tiers = found
    if not deployments:
        raise Refusal(
            _refusal(envelope.model, request_class, rejections, chosen=smart is not None),
            request_class.data_class,
            rejections,
        )
    onward = _onward(generation, principal, envelope.model)
    if smart is None:
        return Admission(deployments, rejections, "named", request_class.data_class, tiers, onward)
    rules = generation.router
    return Admission(
        deployments,
        rejections,
        mode_of(rules, principal, smart, wishes.mode),
        request_class.data_class,
        tiers,
        onward,
        default_of(rules, principal, smart),
        affinity_of(rules, principal, smart, wishes.affinity),
        smart.task,
    )


def _allowed(generation: Generation, principal: Principal, said: tuple[str, ...]) -> tuple[str, ...]:
    """The caller's own list with aliases of models as the deployments they mean. Raises `ProblemError` for a
    name or pattern that means nothing this key may know of.
    """
    visible = visible_models(generation, principal)
    known = {deployment.id for deployment in visible}
    allowed: list[str] = []
    for word in said:
        if any(matches(deployment, (word,)) for deployment in visible):
            allowed.append(word)
            continue
        named = [d.id for d in generation.catalog.resolve(word) if d.id in known]
        if not named:
            raise invalid(
                f"`x-passerelle-models` names `{word}`, which is no model here that this key may use; "
                "list yours with `GET /v1/models`.",
                param="x-passerelle-models",
            )
        allowed += named
    return tuple(allowed)


def _onward(generation: Generation, principal: Principal, model: str) -> Onward:
    """What may follow a prompt too long or refused: as the key's rights say, else as is said of the name."""
    said = generation.onward.get(model.casefold()) or generation.onward.get("", Onward())
    rights = principal.rights
    return Onward(rights.on_context_length or said.on_context_length, rights.on_refusal or said.on_refusal)


def planned(
    envelope: Envelope,
    generation: Generation,
    admission: Admission,
    *,
    standings: Standings,
    latencies: Mapping[str, float],
    draw: float,
    thought: Thought | None = None,
) -> Plan:
    """The order in which the admitted are tried. `thought`: what is predicted, where a model is chosen."""
    figured = thought.figures if thought is not None else {}
    return plan(
        admission.deployments,
        Scene(
            requested=envelope.model,
            mode=admission.mode,
            data_class=admission.data_class,
            rejections=admission.rejections,
            costs={
                d.id: expected_cost(envelope, d.effective_price)
                for d in admission.deployments
                if d.id not in figured
            },
            standings=standings,
            latencies=latencies,
            draw=draw,
            generation=generation.number,
            policy_version=generation.policy.version,
            catalog_version=generation.catalog.version,
            tiers=admission.tiers,
            onward=admission.onward,
            default=admission.default,
            thought=thought,
        ),
    )


def _evaluate(
    generation: Generation,
    principal: Principal,
    request_class: RequestClass,
    model: str,
    smart: Smart | None,
    removed: tuple[Removal, ...],
) -> Evaluated:
    catalog = generation.catalog
    tiers: tuple[tuple[Deployment, ...], ...]
    if smart is not None:
        tiers = (tuple(d for d in catalog.deployments if _among(generation, d, smart)),)
    else:
        tiers = catalog.tiers(model)
    places: dict[str, int] = {}
    for place, tier in enumerate(tiers):
        for deployment in tier:
            places.setdefault(deployment.id, place)
    pool = tuple(catalog.by_id[name] for name in places)
    result = eligible(generation.policy, principal, request_class, pool)
    rejections = [r for r in result.rejections if r.rule != _HIDDEN]
    if not (result.deployments or rejections):
        raise ProblemError(_unknown_model(generation, principal, model))
    usable: list[Deployment] = []
    for deployment in result.deployments:
        provider = generation.providers.get(deployment.provider)
        if provider is None:
            rejections.append(
                Rejection(deployment.id, "provider.absent", f"`{deployment.provider}` is not configured")
            )
        elif request_class.operation != "count_tokens" and not provider.supports(
            request_class.operation, deployment
        ):
            rejections.append(
                Rejection(
                    deployment.id,
                    f"operation.{request_class.operation}",
                    f"`{deployment.provider}` does not offer it for this model",
                )
            )
        elif principal.budgets and deployment.effective_price is None:
            rejections.append(
                Rejection(
                    deployment.id,
                    "budget.unpriced",
                    "it has no price, and this key spends under a budget; give it a price (0 if it is free)",
                )
            )
        elif deployment.retired and smart is not None:
            rejections.append(
                Rejection(
                    deployment.id,
                    "model.retired",
                    f"its maker ended it on {deployment.model.retires}; who names it may still try",
                )
            )
        else:
            removal = next((one for one in removed if takes_out(one.without, deployment)), None)
            if removal is None:
                usable.append(deployment)
            else:
                rejections.append(Rejection(deployment.id, REMOVED_RULE, removal.reason))
    return tuple(usable), tuple(rejections), places if len(tiers) > 1 else {}


def _among(generation: Generation, deployment: Deployment, smart: Smart) -> bool:
    """Whether it is one of those that the choice is made among."""
    if smart.family is not None and deployment.model.family != smart.family:
        return False
    return (
        not smart.models
        or matches(deployment, smart.models)
        or any(deployment in generation.catalog.resolve(name) for name in smart.models)
    )


def visible_models(generation: Generation, principal: Principal) -> list[Deployment]:
    """The deployments whose existence this key may know of: those its model patterns allow."""
    anything = RequestClass("chat", "public")
    result = eligible(generation.policy, principal, anything, generation.catalog.deployments)
    hidden = {r.deployment for r in result.rejections if r.rule == _HIDDEN}
    return [d for d in generation.catalog.deployments if d.id not in hidden]


def _unknown_model(generation: Generation, principal: Principal, model: str) -> Problem:
    """What is missing, without naming anything this key may not know of."""
    catalog = generation.catalog
    if not principal.model_patterns:
        said = catalog.why_unknown(model)
    else:
        known = sorted({d.model.id for d in visible_models(generation, principal)})
        near = " or ".join(f"`{name}`" for name in get_close_matches(model[:120], known, n=3))
        said = "it does not exist here or is not for this key; "
        said += f"did you mean {near}?" if near else "list yours with GET /v1/models."
    return Problem(
        "model_not_found", f"The model `{model[:120]}`: {said}", param="model", code="model_not_found"
    )


def _refusal(
    model: str, request_class: RequestClass, rejections: tuple[Rejection, ...], *, chosen: bool
) -> Problem:
    told = "; ".join(f"`{r.deployment}`: {r.rule}, {r.reason}" for r in rejections[:5])
    if len(rejections) > 5:
        told += f"; and {len(rejections) - 5} more"
    if not chosen and all(is_about_ability(r) for r in rejections):
        return _unable(model, rejections, told)
    return Problem(
        "no_eligible_deployment",
        f"No deployment of `{model}` may serve this request "
        f"(data class `{request_class.data_class}`). {told}. "
        "Ask for another model, or have the rule changed by whoever keeps it.",
        param="model",
        code="no_eligible_deployment",
    )


def _unable(model: str, rejections: tuple[Rejection, ...], told: str) -> Problem:
    """The named model may be used but cannot do this: the request is at fault, as its provider would say."""
    if all(r.rule == CONTEXT_RULE for r in rejections):
        # Claude Code compacts the conversation when it reads Anthropic's words, `prompt is too long`
        # (anthropics/claude-code, issue 86507, read 2026-11-22); others look at the dialect's code.
        return Problem(
            "context_length",
            f"The prompt is too long for `{model}`. {told}. Shorten it, or ask for a model with more room.",
        )
    return Problem(
        "invalid_request",
        f"`{model}` cannot serve this request. {told}. "
        "Leave out what it does not take, or ask for another model.",
        param="model",
        code="unsupported_by_model",
    )
