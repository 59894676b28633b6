"""What only the operator can mend is said to the operator, once, and is not tried again; others go on."""

from collections.abc import Iterator

import pytest
from tests.gateway.door import asked, read_error
from tests.gateway.faulty import failing
from tests.gateway.house import House, running, until
from tests.gateway.stage import ENV, SECRET, Catalogue, Stage

ALARM = "a provider needs the operator"
TROUBLES = {
    "auth": failing(401, f"Incorrect API key provided: {SECRET}", code="invalid_api_key"),
    "billing": failing(402, "Your credit balance is too low"),
    "quota": failing(429, "You exceeded your current quota", code="insufficient_quota"),
    "not_found": failing(404, "The model does not exist", code="model_not_found"),
}


@pytest.fixture(scope="module")
def house(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    catalogue = Catalogue()
    catalogue.provider("near", "openai_chat", stage.url)
    catalogue.provider("far", "openai_chat", stage.url)
    for kind in TROUBLES:
        catalogue.duo(kind.replace("_", "-"), "near", "far")
    catalogue.model("alone", "near")
    with running(tmp_path_factory.mktemp("alarms"), catalogue.text, **ENV) as house:
        yield house


@pytest.mark.parametrize("kind", TROUBLES)
def test_the_operator_is_told_once_and_the_other_place_goes_on(house: House, stage: Stage, kind: str) -> None:
    caller, name = house.caller(), kind.replace("_", "-")
    near, far = f"{name}-model.near", f"{name}-model.far"
    stage.always(near, *TROUBLES[kind]("openai_chat"))

    said = [caller.door.send(asked("openai_chat", name, stream=stream)) for stream in (False, True, False)]

    assert [one.status for one in said] == [200] * 3
    assert {one.headers["x-passerelle-deployment"] for one in said} == {f"far/{far}"}
    for one in said:
        tried = [a["deployment"] for a in house.receipt(caller, one)["attempts"]]
        assert tried.count(f"near/{near}") <= 1, "what is refused is not tried again"
    until(lambda: [line for line in house.lines(ALARM) if name in line["deployment"]], "it is said")
    (line,) = [line for line in house.lines(ALARM) if name in line["deployment"]]
    assert (line["deployment"], line["failure"]) == (f"near/{near}", kind)
    assert SECRET not in "".join(house.gateway.log)


def test_a_refused_credential_is_asked_with_once_and_is_nobodys_401(house: House, stage: Stage) -> None:
    caller, before = house.caller(), len(stage.seen("alone.near"))
    stage.always("alone.near", *TROUBLES["auth"]("openai_chat"))

    said = caller.door.send(asked("openai_chat", "alone"))

    assert said.status == 502
    assert read_error("openai_chat", said).code == "provider_auth"
    assert said.headers["x-should-retry"] == "false"
    assert len(stage.seen("alone.near")) == before + 1
    operator = house.caller("operator", role="operator")
    shown = operator.door.get("/metrics").body.decode()
    counted = [line for line in shown.splitlines() if "attempts" in line and "alone.near" in line]
    assert any('result="auth"' in line and line.endswith(" 1.0") for line in counted), counted
