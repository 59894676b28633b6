"""What a key made over HTTP may do: what is asked for it, and never more than its maker may."""

import json
from collections.abc import Iterator

import pytest
from tests.gateway.door import Asked
from tests.gateway.house import Caller, House, running
from tests.gateway.stage import ENV, Catalogue, Stage


@pytest.fixture(scope="module")
def house(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    catalogue = Catalogue()
    catalogue.provider("chat", "openai_chat", stage.url)
    with running(tmp_path_factory.mktemp("made"), catalogue.text, **ENV) as house:
        yield house


def made(by: Caller, **said: str) -> tuple[str | None, str | None]:
    told = by.door.send(Asked("/api/keys", json.dumps({"name": "made", **said}).encode()))
    assert told.status == 201, told.body
    rights = told.json["rights"]
    return rights.get("on_context_length"), rights.get("on_refusal")


def test_a_key_is_made_with_what_becomes_of_long_prompts_and_refusals(house: House) -> None:
    admin = house.caller("admin", role="admin")
    assert made(admin) == (None, None)
    assert made(admin, on_context_length="larger", on_refusal="next") == ("larger", "next")
    assert made(admin, on_refusal="fail") == (None, "fail")


def test_what_its_maker_is_denied_no_key_is_given(house: House) -> None:
    confined = house.caller("confined", role="admin", on_context_length="fail", on_refusal="fail")
    assert made(confined, on_context_length="larger", on_refusal="next") == ("fail", "fail")


def test_a_word_that_means_nothing_is_refused(house: House) -> None:
    body = b'{"name": "made", "on_refusal": "retry"}'
    told = house.caller("admin", role="admin").door.send(Asked("/api/keys", body))
    assert (told.status, told.json["error"]["param"]) == (400, "on_refusal")


def test_a_key_may_be_made_that_asks_for_cascades_unless_its_maker_may_have_none(house: House) -> None:
    def cascade_of(by: Caller, **said: bool) -> object:
        told = by.door.send(Asked("/api/keys", json.dumps({"name": "made", **said}).encode()))
        assert told.status == 201, told.body
        return told.json["rights"].get("cascade")

    admin = house.caller("cascading", role="admin")
    assert [cascade_of(admin), cascade_of(admin, cascade=True)] == [None, True]
    assert cascade_of(house.caller("none", role="admin", cascade=False), cascade=True) is False
