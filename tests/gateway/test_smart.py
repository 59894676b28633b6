"""`smart`: one name for whatever suits the mode, among the eligible."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.gateway.door import DIALECTS, asked
from tests.gateway.faulty import failing
from tests.gateway.house import Caller, House, running
from tests.gateway.stage import ENV, Catalogue, Stage

from passerelle.core.request import Dialect

MODELS = {
    # quality, price in and out per million tokens
    "grand": (0.90, 15, 75),
    "good": (0.89, 3, 15),
    "fair": (0.86, 1, 4),
    "plain": (0.60, 0.1, 0.4),
}
FIRST = {"quality": "grand", "balanced": "good", "cost": "fair"}
SECOND = {"quality": "good", "balanced": "grand", "cost": "good"}
"""By the windows of 1.5 and 5.5 points below the best."""


@pytest.fixture(scope="module")
def house(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    catalogue = Catalogue(['router.smart_mode = "cost"', *Catalogue().lines])
    catalogue.provider("chat", "openai_chat", stage.url)
    for name, (quality, price_in, price_out) in MODELS.items():
        price = f"{{ input = {price_in}, output = {price_out} }}"
        more = (f"quality = {quality}", f'family = "{name[0]}"')
        catalogue.model(name, "chat", price=price, more=more)
    with running(tmp_path_factory.mktemp("smart"), catalogue.text, **ENV) as house:
        yield house


@pytest.fixture(scope="module")
def caller(house: House) -> Caller:
    return house.caller()


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("mode", FIRST)
def test_each_mode_picks_its_own(house: House, caller: Caller, mode: str, dialect: Dialect) -> None:
    answer = caller.door.send(asked(dialect, "smart"), x_passerelle_mode=mode)

    assert answer.headers["x-passerelle-deployment"] == f"chat/{FIRST[mode]}.chat"
    plan = house.receipt(caller, answer)["plan"]
    assert plan["mode"] == mode
    assert plan["requested"] == "smart"
    assert len(plan["candidates"]) == len(MODELS)
    assert "quality" in plan["candidates"][0]["because"]


def test_the_configured_mode_holds_when_nobody_says(caller: Caller) -> None:
    answer = caller.door.send(asked("openai_chat", "smart"))

    assert answer.headers["x-passerelle-deployment"] == "chat/fair.chat"


def test_fast_picks_what_was_measured_as_quickest(house: House, caller: Caller) -> None:
    for _ in range(3):
        caller.door.send(asked("openai_chat", "plain"))
    answer = caller.door.send(asked("openai_chat", "smart"), x_passerelle_mode="fast")

    plan = house.receipt(caller, answer)["plan"]
    measured = [c["whole_s"] for c in plan["candidates"] if "whole_s" in c]
    assert measured == sorted(measured)
    assert measured


@pytest.mark.parametrize("mode", FIRST)
def test_smart_falls_back_within_its_own_order(caller: Caller, stage: Stage, mode: str) -> None:
    stage.script(f"{FIRST[mode]}.chat", *failing(500)("openai_chat"))

    answer = caller.door.send(asked("openai_chat", "smart"), x_passerelle_mode=mode)

    assert answer.headers["x-passerelle-deployment"] == f"chat/{SECOND[mode]}.chat"
    assert answer.headers["x-passerelle-attempts"] == "2"


def test_smart_is_confined_to_a_family_and_to_the_callers_list(caller: Caller) -> None:
    family = caller.door.send(asked("openai_chat", "smart/p"), x_passerelle_mode="quality")
    listed = caller.door.send(
        asked("openai_chat", "smart"), x_passerelle_mode="quality", x_passerelle_models="fair,plain"
    )

    assert family.headers["x-passerelle-deployment"] == "chat/plain.chat"
    assert listed.headers["x-passerelle-deployment"] == "chat/fair.chat"
    assert caller.door.send(asked("openai_chat", "smart/none")).status == 404


def test_a_named_model_is_never_exchanged(caller: Caller) -> None:
    for name in MODELS:
        answer = caller.door.send(asked("openai_chat", name), x_passerelle_mode="quality")
        assert answer.headers["x-passerelle-deployment"] == f"chat/{name}.chat"


def test_what_its_maker_has_ended_is_left_to_those_who_name_it(stage: Stage, tmp_path: Path) -> None:
    text = "\n".join(
        [
            "providers_from_environment = false",
            "[local]",
            "enabled = false",
            "[providers.openai]",
            'credential = "env:STAGE_CREDENTIAL"',
            f'base_url = "{stage.url}/v1"',
            "allow_private_network = true",
            "[[models]]",
            'id = "gpt-4.1-mini"',
            'retires = "2020-01-01"',
        ]
    )
    with running(tmp_path, text, **ENV) as house:
        caller = house.caller()

        named = caller.door.send(asked("openai_chat", "gpt-4.1-mini"))
        chosen = caller.door.send(asked("openai_chat", "smart"))

        assert named.headers["x-passerelle-deployment"].startswith("openai/gpt-4.1-mini")
        rejections = house.receipt(caller, chosen)["plan"]["rejections"]
        retired = {r["deployment"] for r in rejections if r["rule"] == "model.retired"}
        assert named.headers["x-passerelle-deployment"] in retired
