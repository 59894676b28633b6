"""`on_disconnect = "drain"`: what a caller has left is read to its end and booked as the provider counts."""

from collections.abc import Iterator

import pytest
from tests.faultd import LAST_CHUNK, Send, Until, answer, chunk
from tests.gateway.door import DIALECTS, asked
from tests.gateway.faulty import failing, opened
from tests.gateway.house import House, running, until
from tests.gateway.stage import ENV, Catalogue, Stage, frames, lead_in, short, whole_body
from tests.gateway.test_leaving import Leaver
from tests.store.world import assert_books_balance

from passerelle.core.request import Dialect


@pytest.fixture(scope="module")
def house(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    catalogue = Catalogue()
    for dialect in DIALECTS:
        catalogue.provider(short(dialect), dialect, stage.url, 'on_disconnect = "drain"')
        catalogue.model(f"m-{short(dialect)}", short(dialect))
        catalogue.model(f"w-{short(dialect)}", short(dialect))
    catalogue.model("two", "chat", "claude")
    with running(tmp_path_factory.mktemp("policy"), catalogue.text, **ENV) as house:
        yield house
        house.gateway.stop()
        assert_books_balance(house.gateway.data)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_it_is_read_to_its_end_and_settled_with_the_provider_s_usage(
    house: House, stage: Stage, dialect: Dialect, stream: bool
) -> None:
    caller, over, name = (
        house.caller(concurrency=1),
        stage.event(),
        f"{'m' if stream else 'w'}-{short(dialect)}",
    )
    if stream:
        said = frames(dialect)
        begun = lead_in(dialect) + 2
        rest = b"".join(chunk(frame) for frame in said[begun:]) + LAST_CHUNK
        stage.script(f"{name}.{short(dialect)}", Send(opened(*said[:begun])), Until(over), Send(rest))
    else:
        stage.script(f"{name}.{short(dialect)}", Until(over), Send(answer(whole_body(dialect))))
    leaver = Leaver(caller.door, asked(dialect, name, stream=stream), f"left-{dialect}-{stream}")
    called = until(lambda: stage.seen(f"{name}.{short(dialect)}"), "it is asked")[0]
    if stream:
        leaver.read_until(b"at Avignon")
    leaver.leave()
    assert not stage.gone(called.session, 0.3)
    assert caller.door.send(asked(dialect, name)).status == 429
    stage.set(over)

    until(lambda: caller.door.get(f"/api/receipts/{leaver.request_id}").status == 200, "it is settled")
    receipt = house.receipt(caller, leaver.request_id)
    assert receipt["outcome"] == "answered"
    (attempt,) = receipt["attempts"]
    assert attempt["usage"].get("source", "provider") == "provider"
    assert attempt["usage"]["output_tokens"] > 0
    assert caller.door.send(asked(dialect, name)).status == 200


def test_nobody_else_is_asked_for_a_caller_that_has_left(house: House, stage: Stage) -> None:
    caller, over = house.caller(), stage.event()
    stage.script("two.chat", Until(over), *failing(500)("openai_chat"))
    stage.script("two.claude", Until(over), *failing(500)("anthropic"))
    leaver = Leaver(caller.door, asked("openai_chat", "two"), "left-and-failed")
    called = until(lambda: stage.seen("two.chat") + stage.seen("two.claude"), "one is asked")[0]
    leaver.leave()
    assert not stage.gone(called.session, 0.3)
    stage.set(over)
    until(lambda: caller.door.get("/api/receipts/left-and-failed").status == 200, "it is settled")
    assert house.receipt(caller, "left-and-failed")["outcome"] == "cancelled"
    assert len(stage.seen("two.chat") + stage.seen("two.claude")) == 1
