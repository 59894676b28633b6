"""Which cascade a request is to have: the nearest word, where its key may say it. And what it teaches."""

from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from tests import worlds
from tests.properties.rules_worlds import Ask, Who, principal_of

from passerelle.core.cascade import Cascade, Cascaded
from passerelle.core.outcome import GATEWAY
from passerelle.core.plan import Candidate, Plan
from passerelle.core.principal import Principal
from passerelle.core.receipt import Receipt
from passerelle.core.usage import NO_USAGE
from passerelle.gateway.cascade_wanted import outcomes
from passerelle.gateway.smart import PLAIN, RouterRules, Smart, Tenant, cascade_of, checks_of, may_cascade

RULES = RouterRules(
    aliases={"checked": Smart(cascade="schema"), "plain": PLAIN, "never": Smart(cascade="off")},
    organisations={
        "org_1": Tenant(cascade="tests:own", tests={"own": {"is_json": True}, "both": {"max_chars": 1}})
    },
    tests={"both": {"max_chars": 2}, "all": {"max_chars": 3}},
)
NOBODYS = msgspec.structs.replace(RULES, organisations={})


def key(*, may: bool | None) -> Principal:
    principal = principal_of(Who("key_1", (), None, Ask(), None, None))
    return msgspec.structs.replace(principal, rights=msgspec.structs.replace(principal.rights, cascade=may))


@pytest.mark.parametrize(
    ("may", "model", "wish", "found"),
    [
        (None, "checked", None, "schema"),
        (None, "smart", None, "tests:own"),
        (None, "plain", None, "tests:own"),
        (None, "never", None, None),
        (None, "checked", "off", None),
        (None, "checked", "agreement", "schema"),
        (True, "checked", "agreement", "agreement"),
        (True, "never", "agreement", "agreement"),
        (False, "checked", None, None),
        (False, "checked", "agreement", None),
    ],
)
def test_the_nearest_word_that_may_be_said_counts(
    may: bool | None, model: str, wish: str | None, found: str | None
) -> None:
    principal = key(may=may)
    smart = RULES.aliases.get(model, PLAIN)
    assert cascade_of(RULES, principal, smart, wish) == found
    # So it is known before the plan is made whether the answer may be held back.
    assert may_cascade(RULES, principal, model, wish) is (found is not None)


def test_named_models_are_not_held_back() -> None:
    assert not may_cascade(RULES, key(may=True), "gpt-6", "schema")
    assert not may_cascade(NOBODYS, key(may=True), "smart", None)


def test_who_configured_none_is_never_looked_at() -> None:
    assert RULES.cascades
    assert NOBODYS.cascades
    assert not RouterRules(aliases={"never": Smart(cascade="off")}).cascades
    assert not RouterRules().cascades
    assert RouterRules(organisations={"o": Tenant(aliases={"a": Smart(cascade="schema")})}).cascades


def test_an_organisations_own_tests_go_before_everybodys() -> None:
    principal = key(may=True)
    assert checks_of(RULES, principal, "both") == {"max_chars": 1}
    assert checks_of(RULES, principal, "all") == {"max_chars": 3}
    assert checks_of(NOBODYS, principal, "own") is None


# --- what it teaches

CHEAP, GRAND = (
    worlds.deployment(f"p/{name}", worlds.model(name, quality=quality))
    for name, quality in (("cheap", 0.75), ("grand", 0.92))
)
CATALOG: Any = SimpleNamespace(by_id={CHEAP.id: CHEAP, GRAND.id: GRAND})
SEEN, TOLD = (GATEWAY, 200_000), 500_000


def cascaded(verifier: Any, end: Any, *, then_holds: bool | None = None, tells: bool = True) -> Receipt:
    plan = Plan(
        "smart", "balanced", "internal",
        (Candidate(GRAND.id, "grand", 1.0), Candidate(CHEAP.id, "cheap", 1.0)), (), 1, "p", "c",
        cascade=Cascade(verifier, "", first=CHEAP.id, then=GRAND.id),
    )  # fmt: skip
    return Receipt(
        "rcp_1", "req", 0, "org", "w", "p", "key", "openai_chat", "chat", False, "answered", plan, (),
        NO_USAGE, 0, "USD", 0, 1,
        deployment=GRAND.id if end == "escalated" else CHEAP.id,
        cascade=Cascaded(end, "why", escalated_holds=then_holds, tells=tells),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("receipt", "found"),
    [
        (cascaded("schema", "accepted"), [("cheap", 750_000, *SEEN)]),
        (cascaded("schema", "escalated", then_holds=True), [("cheap", 0, *SEEN)]),
        (cascaded("schema", "escalated", then_holds=False), [("cheap", 0, *SEEN)]),
        (cascaded("schema", "kept"), [("cheap", 0, *SEEN)]),
        (cascaded("schema", "kept", tells=False), []),
        (cascaded("agreement", "escalated"), []),
        (cascaded("tests", "accepted"), [("cheap", 1_000_000, "verifier:p/cheap", TOLD)]),
        (
            cascaded("tests", "escalated", then_holds=True),
            [("cheap", 0, "verifier:p/cheap", TOLD), ("grand", 1_000_000, "verifier:p/grand", TOLD)],
        ),
    ],
)
def test_a_rejected_first_answer_counts_once_and_a_form_that_is_met_as_usual(
    receipt: Receipt, found: list[Any]
) -> None:
    told = outcomes(receipt, CATALOG)
    assert [(one.model, one.score_ppm, actor, one.weight_ppm) for actor, one in told] == found
    assert all(one.source == "verifier" for _, one in told)
