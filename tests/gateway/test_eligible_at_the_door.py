"""Who may be called is decided before anything else, and nothing widens it: not an outage, not a wish."""

import random
import re
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import pytest
from tests.gateway.door import DIALECTS, Answer, asked, error_type, read_error
from tests.gateway.faulty import failing
from tests.gateway.house import Caller, House, running
from tests.gateway.stage import ENV, Catalogue, Stage

from passerelle.core.model import DATA_CLASSES
from passerelle.core.request import Dialect

PLACES: dict[str, tuple[str, set[str]]] = {
    # what is known of it → the data classes it may be given
    "paris": (
        'regions = ["eu-west-3"], retention_days = 0, training_use = "no", hosting = "self"',
        set(DATA_CLASSES),
    ),
    "dublin": (
        'regions = ["eu"], retention_days = 10, training_use = "no", hosting = "hyperscaler"',
        {"public", "internal", "confidential", "personal", "financial"},
    ),
    "dallas": (
        'regions = ["us"], retention_days = 30, training_use = "no", hosting = "direct"',
        {"public", "internal", "confidential"},
    ),
    "trainer": (
        'regions = ["eu"], retention_days = 0, training_use = "yes", hosting = "direct"',
        {"public", "internal"},
    ),
    "unknown": ("", {"public", "internal"}),
    "capped": (
        'regions = ["eu"], retention_days = 0, training_use = "no", max_data_class = "public"',
        {"public"},
    ),
}
POLICY = """
[policy]
default_data_class = "internal"
[policy.classes.confidential]
max_retention_days = 30
training_use = ["no"]
[policy.classes.personal]
regions = ["eu"]
[policy.classes.health]
hosting = ["self"]
"""


@pytest.fixture(scope="module")
def house(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    catalogue = Catalogue()
    for name, (known, _) in PLACES.items():
        catalogue.provider(name, "openai_chat", stage.url, f"attributes = {{ {known} }}" if known else "")
    catalogue.model("bridge", *PLACES)
    catalogue.model("abroad", "dallas", "unknown")
    catalogue.lines += POLICY.splitlines()
    with running(tmp_path_factory.mktemp("eligible"), catalogue.text, **ENV) as house:
        yield house


@pytest.fixture(scope="module")
def caller(house: House) -> Caller:
    return house.caller()


def test_the_case_of_a_region_decides_nothing(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> None:
    catalogue = Catalogue()
    catalogue.provider("paris", "openai_chat", stage.url, 'attributes = { regions = ["EU-West-3"] }')
    catalogue.provider("place", "openai_chat", stage.url, 'region = "Eu"')
    catalogue.provider("dallas", "openai_chat", stage.url, 'attributes = { regions = ["US"] }')
    for name in ("paris", "place", "dallas"):
        catalogue.model(f"in-{name}", name)
    catalogue.lines += ["[policy.classes.internal]", 'regions = ["EU", "US"]']
    with running(tmp_path_factory.mktemp("case"), catalogue.text, **ENV) as house:
        anywhere, european = house.caller(), house.caller("eu", regions=("EU",))
        asks = {name: asked("openai_chat", f"in-{name}") for name in ("paris", "place", "dallas")}

        assert {anywhere.door.send(ask).status for ask in asks.values()} == {200}
        assert {name: european.door.send(ask).status for name, ask in asks.items()} == {
            "paris": 200,
            "place": 200,
            "dallas": 403,
        }


def called(stage: Stage, since: int) -> set[str]:
    """The places that were called since then."""
    return {model.rpartition(".")[2] for model, _ in stage.requests[since:]}


@pytest.mark.parametrize("data_class", DATA_CLASSES)
def test_only_what_a_data_class_allows_is_called(
    house: House, stage: Stage, caller: Caller, data_class: str
) -> None:
    allowed = {name for name, (_, classes) in PLACES.items() if data_class in classes}
    if data_class == "public":
        allowed -= set(PLACES) - allowed  # the key's default is higher: nothing lowers it
        allowed -= {"capped"}
    since = len(stage.requests)
    ask = asked("openai_chat", "bridge")
    answers = [caller.door.send(ask, x_passerelle_data_class=data_class) for _ in range(25)]

    assert {answer.status for answer in answers} == {200}
    assert called(stage, since) <= allowed
    plan = house.receipt(caller, answers[0])["plan"]
    assert {c["deployment"].partition("/")[0] for c in plan["candidates"]} == allowed
    rejected = {r["deployment"].partition("/")[0]: (r["rule"], r["reason"]) for r in plan["rejections"]}
    assert set(rejected) == set(PLACES) - allowed
    assert plan["data_class"] == ("internal" if data_class == "public" else data_class)


@pytest.mark.parametrize("stream", [False, True])
def test_an_outage_of_all_that_may_serve_widens_nothing(
    house: House, stage: Stage, caller: Caller, *, stream: bool
) -> None:
    for place in ("paris", "dublin"):
        for _ in range(2):
            stage.script(f"bridge.{place}", *failing(503)("openai_chat"))
    since = len(stage.requests)

    answer = caller.door.send(
        asked("openai_chat", "bridge", stream=stream), x_passerelle_data_class="personal"
    )

    assert answer.status == 503
    assert called(stage, since) == {"paris", "dublin"}
    assert house.receipt(caller, answer)["outcome"] == "failed"
    for place in ("paris", "dublin"):  # what is left of the scripts
        while (
            caller.door.send(asked("openai_chat", "bridge"), x_passerelle_models=f"{place}/*").headers.get(
                "x-passerelle-attempts"
            )
            != "1"
        ):
            pass


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_refusal_names_rules_and_reasons_and_leaves_a_receipt(
    house: House, stage: Stage, caller: Caller, dialect: Dialect
) -> None:
    since = len(stage.requests)

    answer = caller.door.send(asked(dialect, "abroad"), x_passerelle_data_class="personal")

    assert answer.status == 403
    error = read_error(dialect, answer)
    assert error.type == error_type(dialect, 403)
    assert "policy.personal.regions" in error.message
    assert "`regions` include `us`; allowed: `eu`" in error.message
    assert "unknown is not a yes" in error.message
    assert called(stage, since) == set()
    receipt = house.receipt(caller, answer)
    assert receipt["outcome"] == "refused"
    assert receipt["problem"] == "no_eligible_deployment"
    assert receipt["attempts"] == []
    assert receipt["plan"]["candidates"] == []
    assert {r["rule"] for r in receipt["plan"]["rejections"]} >= {"policy.personal.regions"}
    assert house.rows("select count(*) from ledger where receipt_id = ?", receipt["id"]) == [(0,)]


RIGHTS: dict[str, tuple[dict[str, Any], set[str]]] = {
    "region": ({"regions": ("us",)}, {"dallas"}),
    "retention": ({"max_retention_days": 0}, {"paris", "trainer", "capped"}),
    "training": ({"training_use": ("yes",)}, {"trainer"}),
    "data class": ({"data_class": "health"}, {"paris"}),
    "models by deployment": ({"models": ("dublin/*", "nothing-*")}, {"dublin"}),
    "all of them": (
        {"regions": ("eu",), "training_use": ("no",), "data_class": "confidential"},
        {"paris", "dublin"},
    ),
}


@pytest.mark.parametrize("right", RIGHTS)
def test_a_key_is_confined_to_its_rights_whatever_it_asks(house: House, stage: Stage, right: str) -> None:
    rights, allowed = RIGHTS[right]
    caller = house.caller(right, **rights)
    allowed = allowed - ({"capped"})  # `internal` is above its ceiling
    since = len(stage.requests)
    asks = [
        caller.door.send(asked("openai_chat", model), **headers)
        for model in ("bridge", "smart", "dublin/bridge.dublin", "dallas/bridge.dallas", "abroad")
        for headers in ({}, {"x-passerelle-data-class": "public"}, {"x-passerelle-models": "*"})
    ]

    assert called(stage, since) <= allowed
    assert called(stage, since)
    assert {answer.status for answer in asks} <= {200, 403, 404}
    assert asks[0].status == asks[3].status == 200


def test_the_callers_own_list_only_narrows(house: House, stage: Stage, caller: Caller) -> None:
    def ask(models: str, **headers: str) -> Answer:
        return caller.door.send(asked("openai_chat", "bridge"), x_passerelle_models=models, **headers)

    for models, expected in (("dublin/*", {"dublin"}), ("dublin/*, paris/bridge", {"dublin", "paris"})):
        since = len(stage.requests)
        assert {ask(models).status for _ in range(12)} == {200}
        assert called(stage, since) <= expected
    since = len(stage.requests)
    assert ask("dallas/*", x_passerelle_data_class="personal").status == 403
    assert ask("no-such-model").status == 400
    assert ask("dublin/*, no-such-model").status == 400
    assert called(stage, since) == set()
    refused = ask("dallas/*", x_passerelle_data_class="personal")
    assert "request.models" in {r["rule"] for r in house.receipt(caller, refused)["plan"]["rejections"]}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_preview_calls_nothing_bills_nothing_and_leaves_nothing(
    house: House, stage: Stage, dialect: Dialect
) -> None:
    caller = house.caller("previews", budget_nanos=10**12)
    house.booked(caller)
    tables = ("intent", "ledger", "outcome", "signing_batch", "hold", "budget_lease")
    before, since = [house.rows(f"select count(*) from {table}") for table in tables], len(stage.requests)

    for model, headers in (("bridge", {}), ("smart", {"x-passerelle-mode": "cost"}), ("paris/bridge", {})):
        for stream in (False, True):
            answer = caller.door.send(
                asked(dialect, model, stream=stream) if "/" not in model else asked("openai_chat", model),
                **headers,
                x_passerelle_plan="1",
            )
            assert answer.status == 200
            shown = answer.json
            assert shown["plan"]["candidates"]
            assert shown["words"].startswith(f"`{model}` goes to")
            assert answer.headers["x-passerelle-generation"] == shown["generation"]
            assert "x-passerelle-receipt" not in answer.headers
    abroad = asked(dialect, "abroad")
    refused = caller.door.send(abroad, x_passerelle_plan="1", x_passerelle_data_class="health")
    assert refused.status == 403
    assert "x-passerelle-receipt" not in refused.headers

    house.booked(caller)
    assert [house.rows(f"select count(*) from {table}") for table in tables] == before
    assert len(stage.requests) == since


class Try(NamedTuple):
    """One random request, and the places that may see it."""

    who: str
    model: str
    dialect: Dialect
    stream: bool
    headers: dict[str, str]
    allowed: set[str]
    known: bool
    """Its own list names nothing that its key may not know of."""


def _random_try(draw: random.Random) -> Try:
    who = draw.choice(["free", *RIGHTS])
    rights, confined = RIGHTS.get(who, ({}, set(PLACES)))
    declared = draw.choice(DATA_CLASSES)
    headers = {"x-passerelle-data-class": declared}
    listed = set(PLACES)
    if draw.random() < 0.4:
        listed = set(draw.sample([*PLACES], draw.randint(1, 4)))
        headers["x-passerelle-models"] = ",".join(f"{name}/*" for name in listed)
    data_class = max(declared, rights.get("data_class", "internal"), key=DATA_CLASSES.index)
    allowed = {name for name in listed & confined if data_class in PLACES[name][1]}
    model = draw.choice(("bridge", "smart"))
    known = "x-passerelle-models" not in headers or "models" not in rights or listed <= confined
    return Try(
        who, model, draw.choice(DIALECTS), draw.random() < 0.3, headers, allowed if known else set(), known
    )


def test_whatever_is_asked_and_whatever_fails_only_the_eligible_are_called(
    house: House, stage: Stage
) -> None:
    draw = random.Random(2026)
    keys = {name: house.caller(f"any {name}", **rights) for name, (rights, _) in RIGHTS.items()}
    keys["free"] = house.caller("any")
    for name in PLACES:
        for _ in range(120):
            status = draw.choice((401, 429, 500, 503, 503))
            stage.script(f"bridge.{name}", *failing(status)("openai_chat"))
    tries = [_random_try(draw) for _ in range(400)]

    def ask(number: int) -> Answer:
        one = tries[number]
        request = asked(one.dialect, one.model, stream=one.stream, text=f"question {number} of many")
        return keys[one.who].door.send(request, **one.headers)

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(ask, range(len(tries))))

    seen: dict[int, set[str]] = defaultdict(set)
    for model, request in stage.requests:
        found = re.search(rb"question (\d+) of many", request.body)
        if found:
            seen[int(found[1])].add(model.rpartition(".")[2])
    assert sum(len(places) > 1 for places in seen.values()) > 10  # some were taken over
    for number, (one, answer) in enumerate(zip(tries, answers, strict=True)):
        assert seen[number] <= one.allowed, one
        assert answer.status in (
            (200, 424, 429, 502, 503) if one.allowed else (403 if one.known else 400,)
        ), one
    assert not house.lines("unexpected failure")
