"""Who is turned away first when there is not room for all, in which words, and who is not."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.faultd import Send, Until, answer
from tests.gateway.door import DIALECTS, Answer, asked, error_type, read_error
from tests.gateway.house import Caller, House, running, until
from tests.gateway.stage import ENV, Catalogue, Stage, short, whole_body

from passerelle.core.request import Dialect

PLACES = 10
OF_ONE = 8
"""A batch may come in while fewer than 7 (of one organisation's: 5) are under way, an agent with 9 (7)."""


@pytest.fixture(scope="module")
def house(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    server = [f"server.max_in_flight = {PLACES}", f"server.max_in_flight_per_tenant = {OF_ONE}"]
    catalogue = Catalogue([*server, *Catalogue().lines])
    for dialect in DIALECTS:
        catalogue.provider(short(dialect), dialect, stage.url)
        catalogue.model(f"m-{short(dialect)}", short(dialect))
    with running(tmp_path_factory.mktemp("priorities"), catalogue.text, **ENV) as house:
        yield house


class Crowd:
    """So many requests that wait at their provider."""

    def __init__(self, stage: Stage, pool: ThreadPoolExecutor) -> None:
        self.stage, self.pool, self.over = stage, pool, stage.event()
        self.answers: list[object] = []

    def join(self, caller: Caller, many: int) -> None:
        before = len(self.stage.requests)
        for _ in range(many):
            self.stage.script("m-chat.chat", Until(self.over), Send(answer(whole_body("openai_chat"))))
            self.answers.append(self.pool.submit(caller.door.send, asked("openai_chat", "m-chat")))
        until(lambda: len(self.stage.requests) - before == many, "they are under way")

    def leave(self) -> set[int]:
        self.stage.set(self.over)
        return {answer.result().status for answer in self.answers}  # type: ignore[attr-defined]


def says(caller: Caller, priority: str | None, dialect: Dialect = "openai_chat") -> Answer:
    more = {} if priority is None else {"x_passerelle_priority": priority}
    return caller.door.send(asked(dialect, f"m-{short(dialect)}"), **more)


@pytest.fixture
def crowd(house: House, stage: Stage) -> Iterator[Crowd]:
    with ThreadPoolExecutor(PLACES) as pool:
        crowd = Crowd(stage, pool)
        yield crowd
        assert crowd.leave() == {200}


def test_the_lowest_priority_is_turned_away_first(house: House, crowd: Crowd) -> None:
    crowd.join(house.caller(org="one"), 6)
    caller = house.caller(org="two")
    assert {says(caller, p).status for p in ("batch", "agent", "interactive", None)} == {200}
    crowd.join(house.caller(org="three"), 1)
    assert [says(caller, p).status for p in ("batch", "agent", "interactive")] == [503, 200, 200]
    crowd.join(house.caller(org="three"), 2)
    assert [says(caller, p).status for p in ("batch", "agent", "interactive")] == [503, 503, 200]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_whoever_is_turned_away_is_told_in_the_dialect_when_to_come_again(
    house: House, crowd: Crowd, dialect: Dialect
) -> None:
    crowd.join(house.caller(org="one"), 7)
    said = says(house.caller(org="two"), "batch", dialect)
    assert said.status == 503
    assert said.headers["retry-after"] == "5"
    error = read_error(dialect, said)
    assert error.type == error_type(dialect, 503)
    assert "kept for higher priorities" in error.message


def test_a_header_lowers_and_never_raises_what_the_key_has(house: House, crowd: Crowd) -> None:
    crowd.join(house.caller(org="one"), 7)
    low = house.caller(org="two", priority="batch")
    assert {says(low, p).status for p in ("batch", "agent", "interactive", None)} == {503}
    middle = house.caller(org="two", priority="agent")
    assert [says(middle, p).status for p in ("batch", "agent", "interactive", None)] == [503, 200, 200, 200]


def test_an_organisation_cannot_take_all_places(house: House, crowd: Crowd) -> None:
    greedy = house.caller(org="one")
    crowd.join(greedy, OF_ONE)
    told = says(greedy, None)
    assert told.status == 503
    assert "Your organisation" in told.json["error"]["message"]
    assert says(house.caller(org="two"), None).status == 200


def test_places_of_an_organisation_come_back(house: House) -> None:
    caller = house.caller(org="one")
    assert {says(caller, "batch").status for _ in range(3 * OF_ONE)} == {200}


def test_a_priority_that_is_none_is_refused(house: House) -> None:
    told = says(house.caller(), "urgent")
    assert told.status == 400
    assert told.json["error"]["param"] == "x-passerelle-priority"


def test_work_in_the_background_goes_last(house: House, crowd: Crowd) -> None:
    caller = house.caller(org="two", content="conversations")
    begin = asked("openai_responses", "m-chat", background=True, store=True)
    crowd.join(house.caller(org="one"), 7)
    response = caller.door.send(begin).json["id"]
    until(
        lambda: (
            house.rows(
                "select count(*) from outcome where outcome = 'refused' and org_id = ?", caller.tenant.org_id
            )
            != [(0,)]
        ),
        "it is turned away",
    )
    assert caller.door.get(f"/v1/responses/{response}").json["status"] in ("queued", "in_progress")
    crowd.leave()
    until(
        lambda: caller.door.get(f"/v1/responses/{response}").json["status"] == "completed",
        "it is made once there is room",
        within_s=20,
    )
