"""The eligible set: which deployments may serve a request, and the rule that excluded each other one.

Computed before any scoring, and nothing later widens it: takeover, previews, drills and comparisons all
draw from it. An empty set is a refusal with a reason per deployment, never a relaxed fallback.
"""

from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import get_args

import msgspec
from msgspec.structs import replace

from passerelle.core.model import OPERATION_GIVES, DataClass, Deployment, Feature
from passerelle.core.plan import Rejection
from passerelle.core.principal import Principal, Rights
from passerelle.core.request import Operation
from passerelle.policy.rules import Demands, Policy, Rule, Test, compile_demands, raised

BATCH = "batch"
"""The feature of a request that is to go to a provider's own batch service."""


class RequestClass(msgspec.Struct, frozen=True, gc=False):
    """All that eligibility depends on, and nothing else: equal classes have equal sets."""

    operation: Operation
    data_class: DataClass
    """Already raised to the highest of key, declaration and default."""
    features: frozenset[str] = frozenset()
    """See `codecs.base.Envelope.features`."""
    allowed_models: tuple[str, ...] = ()
    """The caller's own narrowing (`x-passerelle-models`); empty narrows nothing."""
    least_input_tokens: int = 0
    """What the prompt surely has at least, rounded down coarsely so that classes repeat."""


class Eligible(msgspec.Struct, frozen=True):
    """Who may serve, in catalog order, and why the others may not."""

    deployments: tuple[Deployment, ...]
    rejections: tuple[Rejection, ...]


_FEATURE_NEEDS: dict[str, tuple[str, str]] = {
    "tools": ("capability", "tools"),
    "custom_tools": ("capability", "tools"),
    "json_schema": ("capability", "json_schema"),
    "images": ("modality", "image"),
    "audio": ("modality", "audio"),
    "files": ("modality", "file"),
}
"""What a feature of a request needs of a model. Features not listed are adapted or reported instead."""

_OF_PLACES: frozenset[str] = frozenset({*get_args(Feature), "web_search"})
"""What a request asks of a place: excluded where the place is known to be without it."""


def classify(
    policy: Policy,
    principal: Principal,
    operation: Operation,
    *,
    declared: DataClass | None = None,
    features: frozenset[str] = frozenset(),
    allowed_models: tuple[str, ...] = (),
    text_bytes: int = 0,
) -> RequestClass:
    """The class of a request. A declaration may only raise the data class, never lower it."""
    floor = principal.rights.data_class or policy.default_data_class
    return RequestClass(
        operation, raised(floor, declared), features, allowed_models, least_tokens(text_bytes)
    )


def least_tokens(text_bytes: int) -> int:
    """What so many bytes of words surely have at least, rounded down coarsely; 0 for what fits anywhere.

    A token is never longer than a dozen bytes on average in any script; powers of two keep classes few.
    """
    least = text_bytes // 12
    return 1 << (least.bit_length() - 1) if least > 1024 else 0


def eligible(
    policy: Policy, principal: Principal, request: RequestClass, deployments: Iterable[Deployment]
) -> Eligible:
    """The set, with the first rule that excluded each of the rest."""
    rules = (
        *_rights_rules(principal.rights),
        *policy.rules[request.data_class],
        *_request_rules(request),
    )
    kept: list[Deployment] = []
    rejections: list[Rejection] = []
    for deployment in deployments:
        rejection = _first_objection(deployment, principal, request, rules)
        if rejection is None:
            kept.append(deployment)
        else:
            rejections.append(rejection)
    return Eligible(tuple(kept), tuple(rejections))


CONTEXT_RULE = "limits.context_tokens"
"""The rule of a prompt that surely does not fit."""


def is_about_ability(rejection: Rejection) -> bool:
    """Whether a deployment was excluded for what it cannot do, and not for what it may not be given.

    Abilities are asked after rights and policy, so such a deployment was allowed: another request could
    have been served there.
    """
    return rejection.rule.startswith(("operation.", "capability.", "limits."))


def _first_objection(
    deployment: Deployment, principal: Principal, request: RequestClass, rules: tuple[Rule, ...]
) -> Rejection | None:
    for patterns in principal.model_patterns:
        if not matches(deployment, patterns):
            return Rejection(
                deployment.id,
                "key.models",
                f"this key may use {', '.join(f'`{p}`' for p in patterns) or 'no model'}",
            )
    deployment = _as_kept(deployment, request.features)
    if request.allowed_models and not matches(deployment, request.allowed_models):
        return Rejection(deployment.id, "request.models", "not in the request's own `x-passerelle-models`")
    for rule in rules:
        reason = rule.test(deployment)
        if reason is not None:
            return Rejection(deployment.id, rule.name, reason)
    return None


def _as_kept(deployment: Deployment, features: frozenset[str]) -> Deployment:
    """A deployment as rules about retention must see it: some keep longer what certain features use."""
    keeps = deployment.attributes.keeps
    longest = max((days for feature, days in keeps if feature in features), default=0) if keeps else 0
    kept = deployment.attributes.retention_days
    if BATCH in features and all(feature != BATCH for feature, _ in keeps):
        # A batch service keeps inputs and results for a time of its own: unsaid, nobody knows how long.
        return replace(deployment, attributes=replace(deployment.attributes, retention_days=None))
    if not longest or kept is None or kept >= longest:
        return deployment
    attributes = replace(deployment.attributes, retention_days=longest)
    return replace(deployment, attributes=attributes)


def matches(deployment: Deployment, patterns: tuple[str, ...]) -> bool:
    """Whether one of the patterns fits its model's id, its own, or `provider/model`."""
    names = (deployment.model.id, deployment.id, f"{deployment.provider}/{deployment.model.id}")
    return any(fnmatchcase(name, pattern) for pattern in patterns for name in names)


def _rights_rules(rights: Rights) -> tuple[Rule, ...]:
    demands = Demands(
        regions=rights.regions,
        max_retention_days=rights.max_retention_days,
        training_use=rights.training_use,
    )
    return compile_demands(demands, prefix="key")


def _request_rules(request: RequestClass) -> tuple[Rule, ...]:
    rules = [
        Rule("deployment.weight", _in_rotation),
        Rule(f"operation.{request.operation}", _operation(request)),
    ]
    rules += [
        Rule(f"capability.{feature}", _needs(feature, *_FEATURE_NEEDS[feature]))
        for feature in sorted(request.features)
        if feature in _FEATURE_NEEDS
    ]
    rules += [
        Rule(f"capability.{feature}", _not_without(feature))
        for feature in sorted(request.features)
        if feature in _OF_PLACES
    ]
    if request.least_input_tokens:
        rules.append(Rule(CONTEXT_RULE, _fits(request.least_input_tokens)))
    return tuple(rules)


def _in_rotation(deployment: Deployment) -> str | None:
    return None if deployment.weight > 0 else "its `weight` is 0: taken out of the rotation"


def _operation(request: RequestClass) -> Test:
    wanted = OPERATION_GIVES[request.operation]
    takes_pictures = request.operation == "edit_image"

    def test(deployment: Deployment) -> str | None:
        model = deployment.model
        if wanted not in model.output_modalities:
            gives = " and ".join(f"`{given}`" for given in sorted(model.output_modalities))
            return f"gives {gives or 'nothing'}, not `{wanted}`"
        if takes_pictures and "image" not in model.input_modalities:
            return "makes pictures, but takes none"
        return None

    return test


def _needs(feature: str, kind: str, wanted: str) -> Test:
    def test(deployment: Deployment) -> str | None:
        model = deployment.model
        if wanted in deployment.without:
            return f"the model has `{wanted}` elsewhere, but not here"
        if kind == "modality":
            return None if wanted in model.input_modalities else f"the model does not take {feature}"
        # An empty set means that nothing is known of the model, and the provider will say.
        if not model.capabilities or wanted in model.capabilities:
            return None
        return f"the model has no `{wanted}`"

    return test


def _not_without(feature: str) -> Test:
    def test(deployment: Deployment) -> str | None:
        return f"the place has no `{feature}`" if feature in deployment.without else None

    return test


def _fits(tokens: int) -> Test:
    def test(deployment: Deployment) -> str | None:
        window = deployment.room_tokens
        if window is None or tokens <= window:
            return None
        return f"the prompt has at least {tokens} tokens; the context window is {window}"

    return test
