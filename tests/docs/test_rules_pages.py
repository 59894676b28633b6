"""docs/compliance.md and docs/routing.md say the rules that are in the code."""

import re
import tomllib

from tests.docs.pages import ROOT, code_blocks, column, page, rows, section

from passerelle.core.model import DATA_CLASSES
from passerelle.gateway.charts import TALKS
from passerelle.gateway.estimate import BYTES_PER_TOKEN, EXPECTED_OUTPUT_TOKENS
from passerelle.gateway.judgement import PRIOR_WIDTH
from passerelle.gateway.tour import LONGEST_PAUSE_S, MOST_ATTEMPTS
from passerelle.gateway.vitals import PATIENT_EVERY
from passerelle.policy.rules import Demands
from passerelle.router import affinity, cost
from passerelle.router.health import CIRCUIT_OF, CIRCUITS, LONGEST_TOLD_S, Rules
from passerelle.router.plan import MODE_WORDS
from passerelle.router.utility import ANY_QUALITY, TRADES

COMPLIANCE, ROUTING, RESILIENCE = page("compliance.md"), page("routing.md"), page("resilience.md")


def test_data_classes_are_listed_in_their_order() -> None:
    line = next(line for line in COMPLIANCE.splitlines() if line.startswith("`public` · "))
    assert re.findall(r"`(\w+)`", line) == list(DATA_CLASSES)


def test_every_rule_that_can_exclude_is_documented_and_no_other_is() -> None:
    source = "".join(
        path.read_text()
        for path in [*(ROOT / "src/passerelle/policy").glob("*.py"), ROOT / "src/passerelle/gateway/admit.py"]
    )
    named = set(re.findall(r'f?"([a-z_{}.]+\.[a-z_{}.]+)"', source))
    rules = {name.split(".")[0] + ".NAME" if "{" in name.split(".", 1)[1] else name for name in named}
    rules = {name for name in rules if name.split(".")[0] in _FAMILIES}
    documented = set(column(section(COMPLIANCE, "## Rules")))
    asked = {f"policy.CLASS.{field}" for field in Demands.__struct_fields__}
    assert documented == rules | asked | {"key.regions"}


_FAMILIES = {"key", "request", "deployment", "operation", "capability", "limits", "provider", "budget"}


def test_examples_of_rules_are_toml() -> None:
    for block in code_blocks(COMPLIANCE, "toml"):
        assert tomllib.loads(block)


def test_each_mode_is_told_in_the_words_of_the_plan() -> None:
    told = {row[0]: row[1] for row in rows(section(ROUTING, "## `smart`").partition("\n### ")[0])}
    assert set(told) == set(MODE_WORDS) - {"named"}
    for mode, said in told.items():
        trade = TRADES[mode]
        if 0 < trade.within_points < ANY_QUALITY:
            assert said.startswith(f"the cheapest within {trade.within_points} points of the best quality")
        assert said.split(", then")[0] in MODE_WORDS[mode]


def test_the_figures_of_choosing_are_those_of_the_code() -> None:
    text = " ".join(ROUTING.split())
    assert f"{cost.PRIOR_TOKENS} tokens for a model nobody has seen" in text
    assert cost.CACHE_S == 300
    assert "within five minutes" in text
    assert f"give or take {PRIOR_WIDTH * 100:g} points" in text
    assert f"{affinity.CLEAR_SAVING:.0%}".replace("%", " %") + " of what a turn costs" in text
    assert f"{TALKS:,} of them" in text
    assert cost.FIRST_TURNS_OF_AN_AGENT == 8
    assert "an agent's first one over eight" in text


def test_the_figures_of_takeover_are_those_of_the_code() -> None:
    text = " ".join(section(ROUTING, "## When a provider fails").split())
    assert MOST_ATTEMPTS == 3
    assert "At most three attempts" in text
    assert f"at most {LONGEST_PAUSE_S:g} s" in text
    rules = Rules()
    assert rules.open_after == 5
    assert f"After five failures in a row a deployment is tried last for {rules.open_s:g} s" in text
    assert f"up to {rules.longest_open_s:g};" in text
    assert rules.probe_every_s == 20
    assert "One request in twenty seconds" in text


def test_the_circuits_and_figures_of_health_are_those_of_the_code() -> None:
    told = {row[0]: row[1].split(", ") for row in rows(section(RESILIENCE, "### Breakers"))}
    for circuit in CIRCUITS:
        assert told[circuit] == [kind for kind, of in CIRCUIT_OF.items() if of == circuit]
    text, health = " ".join(section(RESILIENCE, "## Health").split()), Rules()
    assert f"after {health.open_after} failures in a row" in text
    assert health.window_share == 0.5
    assert f"at least half of at least {health.window_least} outcomes in {health.window_s:g} s failed" in text
    assert f"for {health.open_s:g} s, then 20, 40 … up to {health.longest_open_s:g}" in text
    assert f"every {health.probe_every_s:g} s at the latest" in text
    assert health.probe_waits_s(60.0) == 4 * 60.0
    assert PATIENT_EVERY == 8
    assert "Each eighth has all its time" in text
    assert f"four times what is usual there, {health.probe_timeout_s:g} s at least" in text
    assert f"until then, {LONGEST_TOLD_S / 60:g} minutes at most" in text
    assert health.throttle_s == 120
    assert f"over the last two minutes, from {health.window_least} requests on" in text
    assert health.retry_share == 0.1
    assert f"{health.retry_least} in {health.retry_window_s:g} s or a tenth" in text


def test_the_figures_of_the_estimate_are_those_of_the_code() -> None:
    text = " ".join(section(ROUTING, "## `smart`").split())
    assert BYTES_PER_TOKEN == 4
    assert "at four bytes a token" in text
    assert f"{EXPECTED_OUTPUT_TOKENS} tokens for a model nobody has seen" in text
    assert cost.PRIOR_TOKENS == EXPECTED_OUTPUT_TOKENS
