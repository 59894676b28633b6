"""What `smart` and the aliases for it mean for a caller, as the configuration says it.

The nearest word counts: the request's own, the alias's, the key's, the organisation's, everybody's.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from passerelle.core.cascade import OFF
from passerelle.core.plan import Affinity, LearnFrom, Mode, SmartMode
from passerelle.core.principal import Principal
from passerelle.ledger.periods import PeriodKind

SMART = "smart"


class Smart(msgspec.Struct, frozen=True):
    """`[router.aliases.NAME]`: a choice among these models, in this way."""

    family: str | None = None
    mode: SmartMode | None = None
    cascade: str | None = None
    """As `x-passerelle-cascade` says it."""
    models: tuple[str, ...] = ()
    """Names and patterns; empty: all."""
    default_model: str | None = None
    affinity: Affinity | None = None
    task: str | None = None
    """What kind of work it is for."""


PLAIN = Smart()
NO_ALIASES: Mapping[str, Smart] = {}


class Tenant(msgspec.Struct, frozen=True):
    """`[router.organisations.NAME]`: what differs for one organisation."""

    mode: SmartMode | None = None
    default_model: str | None = None
    affinity: Affinity | None = None
    explore: float | None = None
    learn_from: LearnFrom | None = None
    cascade: str | None = None
    tests: Mapping[str, Any] = {}
    """What `tests:NAME` means, as written: `router.verifier.checks.Tests` reads it when it is needed."""
    aliases: Mapping[str, Smart] = {}
    """By their names, casefolded."""


NOBODY = Tenant()


class Committed(msgspec.Struct, frozen=True):
    """`[[commitments]]`: what is paid for whether it is used or not."""

    provider: str
    amount: int
    """Nanos."""
    deployment: str | None = None
    period: PeriodKind = "month"
    currency: str = "USD"


class RouterRules(msgspec.Struct, frozen=True):
    """What of `[router]` a choice goes by."""

    smart_mode: SmartMode = "balanced"
    default_model: str | None = None
    affinity: Affinity = "adaptive"
    pacing: bool = True
    second_points: float = 0.0
    explore: float = 0.0
    """The share of requests that try another place close to the best."""
    learn_from: LearnFrom = "smart"
    aliases: Mapping[str, Smart] = {}
    """By their names, casefolded."""
    organisations: Mapping[str, Tenant] = {}
    """By id or name."""
    commitments: tuple[Committed, ...] = ()
    cascade_samples: int = 2
    """Answers that `agreement` compares."""
    cascade_within_points: float = 30.0
    """How much worse the first of a cascade may be."""
    tests: Mapping[str, Any] = {}
    """Everybody's tests, likewise."""
    cascades: bool = False
    """Whether an alias or an organisation asks for any."""

    def __post_init__(self) -> None:
        said = [alias.cascade for alias in self.aliases.values()]
        for tenant in self.organisations.values():
            said += [tenant.cascade, *(alias.cascade for alias in tenant.aliases.values())]
        cascades = any(word not in (None, OFF) for word in said)
        msgspec.structs.force_setattr(self, "cascades", cascades)

    def tenant(self, principal: Principal) -> Tenant:
        """What differs for the caller's organisation."""
        if not self.organisations:
            return NOBODY
        found = self.organisations.get(principal.org_id) or self.organisations.get(principal.org_name)
        return found or NOBODY


def meant(rules: RouterRules, principal: Principal, model: str) -> Smart | None:
    """The choice that a name asks for; None where it names a model."""
    if is_smart(model):
        return Smart(family=model.partition("/")[2] or None) if model != SMART else PLAIN
    if not (rules.aliases or rules.organisations):
        return None
    name = model.casefold()
    return rules.tenant(principal).aliases.get(name) or rules.aliases.get(name)


def aliases_of(rules: RouterRules, principal: Principal) -> list[str]:
    """The aliases that the caller may ask for, sorted."""
    return sorted({*rules.aliases, *rules.tenant(principal).aliases})


def mode_of(rules: RouterRules, principal: Principal, smart: Smart, wish: Mode | None) -> Mode:
    """How it chooses for this caller."""
    return wish or smart.mode or principal.rights.mode or rules.tenant(principal).mode or rules.smart_mode


def default_of(rules: RouterRules, principal: Principal, smart: Smart) -> str | None:
    """What is taken first where nothing is known of a request."""
    return smart.default_model or rules.tenant(principal).default_model or rules.default_model


def affinity_of(rules: RouterRules, principal: Principal, smart: Smart, wish: Affinity | None) -> Affinity:
    """Whether its conversations stay where they are."""
    return (
        wish
        or smart.affinity
        or principal.rights.affinity
        or rules.tenant(principal).affinity
        or rules.affinity
    )


def cascade_of(rules: RouterRules, principal: Principal, smart: Smart, wish: str | None) -> str | None:
    """What checks a cheaper model's answer first; None where nothing does. A caller's own word (`wish`)
    counts only where its key may say it, but for `off`.
    """
    if principal.rights.cascade is False:
        return None
    if wish is not None and (wish == OFF or principal.rights.cascade):
        return None if wish == OFF else wish
    said = smart.cascade or rules.tenant(principal).cascade
    return None if said == OFF else said


def checks_of(rules: RouterRules, principal: Principal, name: str) -> Any:
    """The organisation's tests of that name, or everybody's; None where there are none."""
    found = rules.tenant(principal).tests.get(name)
    return rules.tests.get(name) if found is None else found


def may_cascade(rules: RouterRules, principal: Principal, model: str, wish: str | None) -> bool:
    """Whether a request for that name may be held back to be checked: told before it is planned."""
    smart = meant(rules, principal, model)
    return smart is not None and cascade_of(rules, principal, smart, wish) is not None


def explored_by(rules: RouterRules, principal: Principal) -> float:
    """The share of its requests that the organisation lets be tried at another place near the best."""
    said = rules.tenant(principal).explore
    return rules.explore if said is None else said


def keeps_named(rules: RouterRules, principal: Principal) -> bool:
    """Whether requests that name their model are kept in a way that can be learned from."""
    said = rules.tenant(principal).learn_from
    return (rules.learn_from if said is None else said) == "all"


def is_smart(model: str) -> bool:
    """Whether the choice of model is left to us by the router's own name: `smart`, or `smart/{family}`."""
    return model == SMART or model.startswith("smart/")
