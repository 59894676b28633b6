"""Compliance rules: what a data class demands of a deployment, compiled to predicates.

A rule looks at one deployment and gives the reason to exclude it, or None. Three principles:

- *Unknown is not yes.* A rule that needs an attribute excludes deployments where it is unknown.
- *Sensitivity accumulates.* The rules of a data class also bind every more sensitive class, so a rule
  written for `confidential` cannot be escaped by declaring `secret`.
- *Local data does not travel.* A region `local` (this machine) satisfies every region rule.
"""

from collections.abc import Callable, Iterable

import msgspec

from passerelle.core.model import DATA_CLASSES, DataClass, Deployment
from passerelle.core.places import lies_in

Test = Callable[[Deployment], str | None]


class Demands(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a data class, or a tenant's rights, ask of any deployment. None asks nothing."""

    regions: tuple[str, ...] | None = None
    """Inference may only run in these; `eu` covers `eu-west-3`."""
    storage_regions: tuple[str, ...] | None = None
    jurisdictions: tuple[str, ...] | None = None
    """The operator may answer to these laws only."""
    hosting: tuple[str, ...] | None = None
    max_retention_days: int | None = None
    training_use: tuple[str, ...] | None = None
    """Training uses tolerated, usually `("no",)`."""
    certifications: tuple[str, ...] = ()
    """All of these are required."""


class Rule(msgspec.Struct, frozen=True):
    """A named predicate."""

    name: str
    test: Test


class Policy(msgspec.Struct, frozen=True):
    """Compiled rules per data class. `version` is the content hash of what they were compiled from."""

    version: str
    default_data_class: DataClass
    rules: dict[DataClass, tuple[Rule, ...]]


def rank(data_class: DataClass) -> int:
    """Its place in the order of sensitivity, 0 the least."""
    return DATA_CLASSES.index(data_class)


def raised(*classes: DataClass | None) -> DataClass:
    """The most sensitive of several; `public` when none is said."""
    return max((c for c in classes if c is not None), key=rank, default="public")


def compile_policy(classes: dict[DataClass, Demands], *, default: DataClass, version: str) -> Policy:
    """Rules for every data class, each with those of all less sensitive classes."""
    rules: dict[DataClass, tuple[Rule, ...]] = {}
    gathered: list[Rule] = []
    for data_class in DATA_CLASSES:
        if data_class in classes:
            gathered.extend(compile_demands(classes[data_class], prefix=f"policy.{data_class}"))
        rules[data_class] = (*gathered, _ceiling(data_class))
    return Policy(version, default, rules)


def compile_demands(demands: Demands, *, prefix: str) -> tuple[Rule, ...]:
    """One rule for each thing asked, named `{prefix}.{field}`."""
    rules: list[Rule] = []
    if demands.regions is not None:
        rules.append(Rule(f"{prefix}.regions", _within("regions", demands.regions)))
    if demands.storage_regions is not None:
        rules.append(Rule(f"{prefix}.storage_regions", _within("storage_regions", demands.storage_regions)))
    if demands.jurisdictions is not None:
        rules.append(Rule(f"{prefix}.jurisdictions", _within("jurisdictions", demands.jurisdictions)))
    if demands.hosting is not None:
        rules.append(Rule(f"{prefix}.hosting", _one_of("hosting", demands.hosting)))
    if demands.max_retention_days is not None:
        rules.append(Rule(f"{prefix}.max_retention_days", _retention(demands.max_retention_days)))
    if demands.training_use is not None:
        rules.append(Rule(f"{prefix}.training_use", _one_of("training_use", demands.training_use)))
    if demands.certifications:
        rules.append(Rule(f"{prefix}.certifications", _certified(demands.certifications)))
    return tuple(rules)


def _listed(values: Iterable[str]) -> str:
    return ", ".join(f"`{value}`" for value in values) or "nothing"


def _unknown(attribute: str) -> str:
    return f"`{attribute}` is unknown for this deployment, and unknown is not a yes"


def _within(attribute: str, allowed: tuple[str, ...]) -> Test:
    def test(deployment: Deployment) -> str | None:
        found: tuple[str, ...] | None = getattr(deployment.attributes, attribute)
        if found is None:
            return _unknown(attribute)
        outside = [v for v in found if v != "local" and not lies_in(v, allowed)]
        if not outside:
            return None
        return f"`{attribute}` include {_listed(outside)}; allowed: {_listed(allowed)}"

    return test


def _one_of(attribute: str, allowed: tuple[str, ...]) -> Test:
    def test(deployment: Deployment) -> str | None:
        found: str | None = getattr(deployment.attributes, attribute)
        if found is None:
            return _unknown(attribute)
        return None if found in allowed else f"`{attribute}` is `{found}`; allowed: {_listed(allowed)}"

    return test


def _retention(most: int) -> Test:
    def test(deployment: Deployment) -> str | None:
        found = deployment.attributes.retention_days
        if found is None:
            return _unknown("retention_days")
        return None if found <= most else f"`retention_days` is {found}; at most {most} allowed"

    return test


def _certified(required: tuple[str, ...]) -> Test:
    def test(deployment: Deployment) -> str | None:
        found = deployment.attributes.certifications
        if found is None:
            return _unknown("certifications")
        missing = [value for value in required if value not in found]
        return f"lacks the certification {_listed(missing)}" if missing else None

    return test


def _ceiling(data_class: DataClass) -> Rule:
    here = rank(data_class)

    def test(deployment: Deployment) -> str | None:
        most = deployment.attributes.max_data_class
        if most is None or here <= rank(most):
            return None
        return f"takes data up to `{most}` only; this request is `{data_class}`"

    return Rule("deployment.max_data_class", test)
