"""A prompt too long, or refused: told at once, or taken on to the next that is eligible, as the plan says."""

import json
from collections.abc import Iterator

import pytest
from tests.faultd import Send, answer
from tests.gateway.door import asked, read_error
from tests.gateway.house import House, running
from tests.gateway.stage import ENV, Catalogue, Stage

SIZES = {"small": 1_000, "same": 1_000, "large": 100_000, "unknown": None}


def _refusing(code: str, message: str) -> Send:
    return Send(answer(json.dumps({"error": {"code": code, "message": message}}).encode(), status=400))


TOO_LONG = _refusing("context_length_exceeded", "maximum context length is 1000 tokens")
REFUSED = _refusing("content_policy_violation", "this is against the rules")


@pytest.fixture(scope="module")
def house(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    catalogue = Catalogue()
    catalogue.provider("far", "openai_chat", stage.url)
    for name, room in SIZES.items():
        catalogue.model(name, "far", more=[] if room is None else [f"context_tokens = {room}"])
    for name in ("plain", "longer", "past"):
        catalogue.aliases.append(f'{name} = ["small", "same", "unknown", "large"]')
    catalogue.aliases += [
        "[router.names.longer]", 'on_context_length = "larger"',
        "[router.names.past]", 'on_refusal = "next"',
    ]  # fmt: skip
    stage.always("small.far", TOO_LONG)
    with running(tmp_path_factory.mktemp("onward"), catalogue.text, **ENV) as house:
        yield house


@pytest.mark.parametrize("stream", [False, True])
def test_a_prompt_too_long_goes_to_the_larger_model_of_an_alias_that_says_so(
    house: House, stage: Stage, *, stream: bool
) -> None:
    caller, before = house.caller(), len(stage.requests)
    said = caller.door.send(asked("openai_chat", "Longer", stream=stream))

    assert said.status == 200
    assert [model for model, _ in stage.requests[before:]] == ["small.far", "large.far"]
    assert said.headers["x-passerelle-attempts"] == "2"
    assert said.headers["x-passerelle-deployment"] == "far/large.far"
    receipt = house.receipt(caller, said)
    assert [a.get("failure") for a in receipt["attempts"]] == ["context_length", None]
    plan = receipt["plan"]
    assert plan["on_context_length"] == "larger"
    passed = {r["deployment"]: r for r in plan["rejections"]}
    assert set(passed) == {"far/same.far", "far/unknown.far"}
    assert {r["rule"] for r in passed.values()} == {"limits.context_tokens"}
    assert "too long for `far/small.far`" in passed["far/same.far"]["reason"]
    shown = caller.door.get(f"/api/receipts/{said.receipt}").json
    assert "a prompt too long for one goes to a larger one" in shown["words"]


def test_it_is_told_where_nobody_said_that_it_may_go_on(house: House, stage: Stage) -> None:
    caller, before = house.caller(), len(stage.requests)
    said = caller.door.send(asked("openai_chat", "plain"))

    assert said.status == 400
    assert read_error("openai_chat", said).code == "context_length_exceeded"
    assert len(stage.requests) == before + 1
    receipt = house.receipt(caller, said)
    assert "on_context_length" not in receipt["plan"]


def test_when_none_is_larger_the_caller_is_told_that_its_prompt_is_too_long(
    house: House, stage: Stage
) -> None:
    caller = house.caller("confined", models=("small", "same", "unknown"))
    said = caller.door.send(asked("openai_chat", "longer"))

    assert said.status == 400
    assert read_error("openai_chat", said).code == "context_length_exceeded"
    assert len(house.receipt(caller, said)["attempts"]) == 1


def test_a_larger_model_that_is_not_eligible_is_never_asked(house: House, stage: Stage) -> None:
    caller, before = house.caller(), len(stage.seen("large.far"))
    said = caller.door.send(asked("openai_chat", "longer"), x_passerelle_models="small,same,unknown")

    assert said.status == 400
    assert len(stage.seen("large.far")) == before


def test_a_refusal_is_told_unless_the_name_says_that_it_may_go_on(house: House, stage: Stage) -> None:
    caller = house.caller()
    for name, status, attempts in (("plain", 400, 1), ("past", 200, 2)):
        stage.script("small.far", REFUSED)
        said = caller.door.send(asked("openai_chat", name))

        assert said.status == status
        receipt = house.receipt(caller, said)
        assert len(receipt["attempts"]) == attempts
        assert receipt["attempts"][0]["failure"] == "content_policy"
    assert receipt["plan"]["on_refusal"] == "next"


def test_a_right_comes_before_what_is_said_of_the_name(house: House, stage: Stage) -> None:
    forbidden = house.caller("forbidden", on_refusal="fail", on_context_length="fail")
    allowed = house.caller("allowed", on_refusal="next", on_context_length="larger")
    for caller, name, status in (
        (forbidden, "past", 400), (forbidden, "longer", 400), (allowed, "plain", 200),
    ):  # fmt: skip
        if name == "past":
            stage.script("small.far", REFUSED)
        assert caller.door.send(asked("openai_chat", name)).status == status
    stage.script("small.far", REFUSED)
    assert allowed.door.send(asked("openai_chat", "plain")).status == 200


def test_the_plan_says_it_before_anything_is_called(house: House, stage: Stage) -> None:
    before = len(stage.requests)
    said = house.caller().door.send(asked("openai_chat", "past"), x_passerelle_plan="1").json

    assert said["plan"]["on_refusal"] == "next"
    assert "a prompt refused by one goes to the next" in said["words"]
    assert len(stage.requests) == before
