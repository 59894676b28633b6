"""What a tenant that stores content finds in it: what was sent, and the whole answer its caller read."""

from collections.abc import Iterator

import pytest
from tests.gateway.door import DIALECTS, asked
from tests.gateway.house import House, running
from tests.gateway.stage import ENV, Catalogue, Stage

from passerelle.core.request import Dialect


@pytest.fixture(scope="module")
def house(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    catalogue = Catalogue()
    for dialect in DIALECTS:
        catalogue.provider(dialect, dialect, stage.url)
        catalogue.model(f"m-{dialect}", dialect)
    with running(tmp_path_factory.mktemp("content"), catalogue.text, **ENV) as house:
        yield house


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("at", DIALECTS)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_it_is_the_whole_answer(house: House, dialect: Dialect, at: Dialect, stream: bool) -> None:
    caller = house.caller(content="full")
    ask = asked(dialect, f"m-{at}", stream=stream)
    for delivery in ("stream", "verified"):
        answer = caller.door.send(ask, x_passerelle_delivery=delivery)
        assert answer.status == 200
        house.booked(caller)
        kept = house.store.contents.get(caller.tenant.org_id, answer.receipt)
        assert kept == {"request": ask.body.decode(), "response": answer.body.decode("utf-8", "replace")}


def test_it_is_nothing_where_the_tenant_stores_none(house: House) -> None:
    caller = house.caller()
    answer = caller.door.send(asked("openai_chat", "m-openai_chat", stream=True))
    house.booked(caller)
    assert house.store.contents.get(caller.tenant.org_id, answer.receipt) is None
