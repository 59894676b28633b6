"""Answers are judged at the door, and `smart` learns from it: it finds the better model and leaves it when it
falls; it tries out others only where the tenant wants that.
"""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.gateway.door import Answer, Asked, asked
from tests.gateway.house import Caller, House, running, until
from tests.gateway.stage import ENV, Catalogue, Stage

MODELS = {"alpha": 0.82, "beta": 0.80, "gamma": 0.78}
"""The catalog's opinion, which is wrong."""


def the_catalogue(stage: Stage) -> Catalogue:
    catalogue = Catalogue(
        [
            *Catalogue().lines,
            "[router]",
            'smart_mode = "quality"',
            "[router.organisations.thorough]",
            'learn_from = "all"',
            "[router.organisations.curious]",
            "explore = 0.05",
        ]
    )
    catalogue.provider("chat", "openai_chat", stage.url)
    for name, quality in MODELS.items():
        catalogue.model(name, "chat", price="{ input = 1, output = 4 }", more=(f"quality = {quality}",))
    return catalogue


@pytest.fixture(scope="module")
def house(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    catalogue = the_catalogue(stage)
    with running(tmp_path_factory.mktemp("learning"), catalogue.text, **ENV) as house:
        caller = house.caller(org="first")
        # The learner is loaded beside the first choices, which the catalog makes.
        until(lambda: judge(caller, send(caller), thumbs="up").json["learns"], "the learner is loaded")
        yield house


def send(caller: Caller, **headers: str) -> Answer:
    return caller.door.send(asked("openai_chat", "smart"), **headers)


def place(answer: Answer) -> str:
    return answer.headers["x-passerelle-deployment"].removeprefix("chat/").removesuffix(".chat")


def post(caller: Caller, path: str, body: dict[str, Any]) -> Answer:
    return caller.door.send(Asked(path, json.dumps(body).encode()))


def judge(caller: Caller, answer: Answer, **said: Any) -> Answer:
    return post(caller, "/api/feedback", {"receipt": answer.receipt, **said})


def candidates(caller: Caller) -> list[dict[str, Any]]:
    plan = send(caller, x_passerelle_plan="1").json["plan"]
    found: list[dict[str, Any]] = plan["candidates"]
    return found


def lived(caller: Caller, truth: dict[str, float], count: int, told: int) -> tuple[Counter[str], int]:
    """So many requests, each judged by the truth; looked at anew after every eighth. Where they went."""
    went: Counter[str] = Counter()
    for number in range(count):
        answer = send(caller, x_passerelle_task="support")
        assert answer.status == 200, answer.body
        went[place(answer)] += 1
        done = judge(caller, answer, score=truth[place(answer)])
        assert done.status == 201, done.body
        assert done.json["learns"] is True
        told += 1
        if told >= 16 and (number + 1) % 8 == 0:
            until(
                lambda told=told: sum(c.get("outcomes", 0) for c in candidates(caller)) >= told,  # type: ignore[misc]
                "what was told is learned",
            )
    return went, told


def test_it_finds_the_better_model_and_leaves_it_when_it_falls(house: House) -> None:
    caller = house.caller(org="learners")
    first = send(caller)
    assert place(first) == "alpha"
    assert house.receipt(caller, first)["plan"]["choice"]["router_version"] == "prior"

    went, told = lived(caller, {"alpha": 0.2, "beta": 0.9, "gamma": 0.5}, 48, 0)
    assert went["alpha"] <= 32
    assert candidates(caller)[0]["model"] == "beta"
    receipt = house.receipt(caller, send(caller, x_passerelle_task="support"))
    choice, best = receipt["plan"]["choice"], receipt["plan"]["candidates"][0]
    assert choice["router_version"] != "prior"
    assert choice["features"]
    assert best["outcomes"] >= 8
    assert best["low"] < best["quality"] < best["high"]

    went, told = lived(caller, {"alpha": 0.2, "beta": 0.05, "gamma": 0.7}, 72, told)
    assert candidates(caller)[0]["model"] == "gamma"
    assert went["gamma"] > 20


def test_what_one_organisation_taught_is_not_known_to_another(house: House) -> None:
    teacher, other = house.caller(org="teachers"), house.caller(org="strangers")
    lived(teacher, {"alpha": 0.1, "beta": 0.9, "gamma": 0.1}, 32, 0)
    assert candidates(teacher)[0]["model"] == "beta"
    assert candidates(other)[0]["model"] == "alpha"
    assert all("outcomes" not in c for c in candidates(other))


@pytest.mark.parametrize(
    ("said", "score"),
    [
        ({"score": 0.25}, 0.25),
        ({"thumbs": "up"}, 1.0),
        ({"thumbs": "down"}, 0.0),
        ({"edit_distance": 0.3}, 0.7),
        ({"accepted": True}, 1.0),
        ({"accepted": False}, 0.0),
        ({"retried": True}, 0.0),
    ],
)
def test_every_word_on_an_answer_is_a_score(house: House, said: dict[str, Any], score: float) -> None:
    caller = house.caller(org="words")
    done = judge(caller, send(caller), **said)
    assert done.status == 201, done.body
    assert done.json["score"] == pytest.approx(score)
    assert done.json["model"] == "alpha"


def test_the_same_again_changes_nothing_and_something_else_is_refused(house: House) -> None:
    caller, colleague = house.caller(org="again"), house.caller(org="again")
    answer = send(caller)
    assert judge(caller, answer, thumbs="up").status == 201
    assert judge(caller, answer, score=1.0).status == 200
    refused = judge(caller, answer, thumbs="down")
    assert refused.status == 409
    assert "that stands" in refused.json["error"]["message"]
    assert judge(caller, answer, thumbs="down", source="grader").status == 201
    assert judge(colleague, answer, thumbs="down").status == 201
    assert house.rows("select count(*) from feedback where receipt_id = ?", answer.receipt) == [(3,)]


@pytest.mark.parametrize(
    ("said", "param"),
    [
        ({}, "score"),
        ({"score": 1.5}, "score"),
        ({"score": -0.1}, "score"),
        ({"score": "high"}, "score"),
        ({"thumbs": "sideways"}, "thumbs"),
        ({"score": 0.5, "thumbs": "up"}, "thumbs"),
        ({"edit_distance": 2}, "edit_distance"),
        ({"retried": False}, "retried"),
        ({"accepted": "yes"}, "accepted"),
        ({"score": 0.5, "source": "oracle"}, "source"),
        ({"score": 0.5, "why": "because"}, "why"),
    ],
)
def test_bad_feedback_is_refused_and_the_field_named(house: House, said: dict[str, Any], param: str) -> None:
    caller = house.caller(org="bad")
    answer = send(caller)
    refused = judge(caller, answer, **said)
    assert refused.status == 400, refused.body
    assert refused.json["error"]["param"] == param
    assert house.rows("select count(*) from feedback where receipt_id = ?", answer.receipt) == [(0,)]


def test_a_receipt_of_another_organisation_or_project_is_not_there(house: House) -> None:
    mine, theirs = house.caller(org="mine"), house.caller(org="theirs")
    answer = send(theirs)
    assert judge(theirs, answer, thumbs="up").status == 201
    refused = judge(mine, answer, thumbs="down")
    absent = post(mine, "/api/feedback", {"receipt": "rcp_none", "thumbs": "down"})
    assert refused.status == absent.status == 404
    assert refused.json == absent.json
    pair = {"receipts": [send(mine).receipt, answer.receipt], "overall": "a"}
    assert post(mine, "/api/verdicts", pair).status == 404
    project = house.store.tenants.create_project(
        mine.tenant.org_id, mine.tenant.workspace_id, "other", actor="cli:test"
    )
    key, token = house.store.keys.create(mine.tenant.org_id, project.id, name="k", actor="cli:test")
    confined = mine._replace(key_id=key.id, token=token, door=type(mine.door)(house.gateway.base_url, token))
    assert judge(confined, send(mine), thumbs="up").status == 404


@pytest.mark.parametrize("role", ["auditor", "finance"])
def test_who_may_not_call_models_may_not_judge_them(house: House, role: Any) -> None:
    reader = house.caller(org="readers", role=role)
    answer = send(house.caller(org="readers"))
    assert judge(reader, answer, thumbs="up").status == 403


def test_an_answer_that_never_came_cannot_be_judged(house: House) -> None:
    caller = house.caller(org="nothing", regions=("mars",))
    refused = send(caller)
    assert refused.status == 403
    judged = judge(caller, refused, thumbs="up")
    assert judged.status == 400
    assert "nothing to judge" in judged.json["error"]["message"]


def test_a_named_models_answer_is_kept_and_said_to_teach_nothing(house: House) -> None:
    caller = house.caller(org="namers")
    done = judge(caller, caller.door.send(asked("openai_chat", "beta")), thumbs="up")
    assert done.status == 201
    assert done.json["learns"] is False
    assert "the model was named" in done.json["words"]


def test_where_the_tenant_wants_it_named_models_teach_as_well(house: House) -> None:
    caller = house.caller(org="thorough")
    for number in range(24):
        model = ("alpha", "beta")[number % 2]
        answer = caller.door.send(asked("openai_chat", model), x_passerelle_task="support")
        done = judge(caller, answer, score={"alpha": 0.1, "beta": 0.9}[model])
        assert (done.json["learns"], done.json["task"]) == (True, "support")
    until(lambda: candidates(caller)[0]["model"] == "beta", "the better one is first")
    receipt = house.receipt(caller, answer)
    assert receipt["shape"]["sight"]
    assert "choice" not in receipt["plan"] or receipt["plan"]["choice"] is None


def test_verdicts_teach_which_of_two_is_better(house: House) -> None:
    caller = house.caller(org="judges")
    for _ in range(12):
        a = send(caller, x_passerelle_models="alpha")
        b = send(caller, x_passerelle_models="beta")
        done = post(
            caller,
            "/api/verdicts",
            {"receipts": [a.receipt, b.receipt], "overall": "b", "criteria": {"tone": "tie"}},
        )
        assert done.status == 201, done.body
        assert done.json["models"] == ["alpha", "beta"]
    until(lambda: candidates(caller)[0]["model"] == "beta", "the better one is first")
    turned = {"receipts": [b.receipt, a.receipt], "overall": "a", "criteria": {"tone": "tie"}}
    assert post(caller, "/api/verdicts", turned).status == 200
    assert post(caller, "/api/verdicts", {**turned, "overall": "tie"}).status == 409


@pytest.mark.parametrize(
    ("said", "param"),
    [
        ({"receipts": ["rcp_x"], "overall": "a"}, "receipts"),
        ({"receipts": ["rcp_x", "rcp_y", "rcp_z"], "overall": "a"}, "receipts"),
        ({"receipts": ["SAME", "SAME"], "overall": "a"}, "receipts"),
        ({"receipts": ["rcp_x", "rcp_y"], "overall": "best"}, "overall"),
        ({"receipts": ["rcp_x", "rcp_y"]}, "overall"),
        ({"receipts": ["rcp_x", "rcp_y"], "overall": "a", "criteria": {"tone": "both"}}, "criteria.tone"),
    ],
)
def test_a_bad_verdict_is_refused_and_the_field_named(house: House, said: dict[str, Any], param: str) -> None:
    caller = house.caller(org="bad verdicts")
    same = send(caller).receipt
    said = {**said, "receipts": [same if one == "SAME" else one for one in said["receipts"]]}
    refused = post(caller, "/api/verdicts", said)
    assert refused.status == 400, refused.body
    assert refused.json["error"]["param"] == param


def test_only_who_wants_it_has_others_tried_out_and_the_odds_are_kept(house: House) -> None:
    curious, settled = house.caller(org="curious"), house.caller(org="settled")
    went: Counter[bool] = Counter()
    for _ in range(60):
        answer = send(curious)
        plan = house.receipt(curious, answer)["plan"]
        choice, shares = plan["choice"], [c.get("propensity") for c in plan["candidates"]]
        assert choice["explore"] == 0.05
        assert sum(shares) == pytest.approx(1.0)
        explored = choice.get("explored", False)
        assert explored is (choice["draw"] < 0.05)
        chosen = plan["candidates"][0]
        assert chosen["propensity"] == pytest.approx(0.025 if explored else 0.95)
        went[explored] += 1
        if sum(went.values()) >= 25 and went[True]:
            break
    plan = house.receipt(settled, send(settled))["plan"]
    assert plan["choice"].get("explore", 0) == 0
    assert plan["candidates"][0]["propensity"] == 1.0


def test_workers_agree_and_when_all_are_killed_nothing_is_forgotten(stage: Stage, tmp_path: Path) -> None:
    with running(tmp_path, the_catalogue(stage).text, workers=2, **ENV) as house:
        caller = house.caller(org="survivors")
        told = 0
        while told < 30:
            answer = send(caller)
            kept = judge(caller, answer, score={"alpha": 0.1, "beta": 0.9, "gamma": 0.5}[place(answer)])
            told += kept.json["learns"]

        def agreed() -> str:
            """What the workers know, once ten answers in a row say the same."""
            plans = [send(caller, x_passerelle_plan="1").json["plan"] for _ in range(10)]
            states = {plan["choice"]["router_version"] for plan in plans}
            known = all(sum(c.get("outcomes", 0) for c in plan["candidates"]) == told for plan in plans)
            return states.pop() if len(states) == 1 and known else ""

        before = until(agreed, "both workers know all of it")
        house.gateway.kill()
        house.gateway.start()
        caller = caller._replace(door=house.at(caller))
        assert until(agreed, "both know it again") == before
