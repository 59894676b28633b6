"""Who is turned away first when there is not room for all, in which words, and who is not."""

import contextlib
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

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


# Turned away unread


def turned_away(house: House) -> float:
    said = house.caller("operator", role="operator").door.get("/metrics").body.decode()
    lines = [line for line in said.splitlines() if line.startswith("passerelle_turned_away_requests_total{")]
    return sum(float(line.rpartition(" ")[2]) for line in lines)


def raw(house: House, request: bytes, answers: int = 1) -> bytes:
    """What comes on one connection, up to so many answers, or its end."""
    parts = urlsplit(house.gateway.base_url)
    with socket.create_connection((parts.hostname, parts.port), timeout=10) as peer:
        peer.sendall(request)
        came = b""
        while came.count(b"HTTP/1.1 ") < answers or not came.endswith(b"}"):
            piece = peer.recv(65536)
            if not piece:
                break
            came += piece
        return came


def chat(caller: Caller, *more: str, size: int = 0) -> bytes:
    body = b'{"model":"m-chat","messages":[{"role":"user","content":"%b"}]}' % (b"x" * size)
    lines = ["POST /v1/chat/completions HTTP/1.1", "host: g", f"authorization: Bearer {caller.token}", *more]
    return "\r\n".join([*lines, f"content-length: {len(body)}", "", ""]).encode() + body


@pytest.fixture
def full(house: House, crowd: Crowd) -> Caller:
    """All places are taken."""
    crowd.join(house.caller(org="one"), 5)
    crowd.join(house.caller(org="two"), 5)
    return house.caller(org="four")


def test_what_there_is_no_room_for_leaves_no_receipt_and_is_counted(house: House, full: Caller) -> None:
    before = turned_away(house)
    told = [says(full, priority) for priority in (None, "interactive", "agent", "batch")]
    assert [answer.status for answer in told] == [503] * 4
    assert [answer.headers["retry-after"] for answer in told] == ["1", "1", "2", "5"]
    assert not any("x-passerelle-receipt" in answer.headers for answer in told)
    assert all("x-passerelle-generation" in answer.headers for answer in told)
    assert turned_away(house) == before + 4
    house.booked(full)
    assert house.rows("select count(*) from outcome where org_id = ?", full.tenant.org_id) == [(0,)]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_everybody_is_told_in_the_dialect_that_all_places_are_taken(
    house: House, full: Caller, dialect: Dialect
) -> None:
    told = full.door.send(asked(dialect, f"m-{short(dialect)}"), x_request_id="mine-7")
    assert (told.status, told.headers["retry-after"]) == (503, "1")
    assert told.headers["x-request-id"] == "mine-7"
    error = read_error(dialect, told)
    assert error.type == error_type(dialect, 503)
    assert f"already has {PLACES} requests under way" in error.message
    assert b"turned_away" not in told.body  # what stands in for the request's id until it is known


def test_a_connection_goes_on_after_a_request_was_turned_away_on_it(house: House, full: Caller) -> None:
    """A body is read to its end and dropped, however long; what follows it is the next request."""
    came = raw(house, chat(full, size=300_000) + chat(full) + chat(full, "connection: close"), 3)
    assert came.count(b"HTTP/1.1 503 ") == 3
    assert came.count(b"connection: close\r\n") == 1


def test_whoever_may_need_no_place_is_not_turned_away_unread(house: House, full: Caller) -> None:
    assert says(full, None).status == 503
    plan = full.door.send(asked("openai_chat", "m-chat"), x_passerelle_plan="1")
    assert plan.status == 200
    assert full.door.get("/v1/models").status == 200
    assert b"HTTP/1.1 503 " in raw(house, chat(full, "expect: 100-continue"))


def test_a_rush_finds_no_more_places_than_there_are(house: House, stage: Stage, crowd: Crowd) -> None:
    """Requests that come together are let in up to the places that are free, before the first has taken its
    own.
    """
    crowd.join(house.caller(org="one"), 5)
    caller = house.caller(org="two")
    parts = urlsplit(house.gateway.base_url)
    with contextlib.ExitStack() as stack:
        peers = []
        for _ in range(40):
            peer = stack.enter_context(socket.create_connection((parts.hostname, parts.port), timeout=10))
            peers.append(peer)
        for peer in peers:
            peer.sendall(chat(caller))
        told = [peer.recv(65536).split(b" ", 2)[1] for peer in peers]
    assert set(told) <= {b"200", b"503"}
    assert told.count(b"200") >= 1
    assert says(caller, None).status == 200


def test_a_number_of_requests_that_are_refused_for_another_reason_do_not_close_the_door(house: House) -> None:
    stranger = house.caller(org="two")
    forged = Caller(stranger.key_id, "psk_" + "x" * 40, stranger.tenant, stranger.door, None)
    raw(house, chat(forged) * (3 * PLACES), 3 * PLACES)
    assert says(stranger, None).status == 200
