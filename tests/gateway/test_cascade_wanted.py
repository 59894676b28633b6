"""Which cascade a request is to have: the nearest word, where its key may say it."""

import msgspec
import pytest
from tests.properties.rules_worlds import Ask, Who, principal_of

from passerelle.core.principal import Principal
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
