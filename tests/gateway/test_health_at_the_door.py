"""Health through the front door: who is put last, who is tried out, and what everybody is told of it."""

import json
import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from tests.faultd import Hang, Send, Until, answer, chunked_head
from tests.gateway.door import Answer, asked
from tests.gateway.faulty import failing
from tests.gateway.house import Caller, House, running, until
from tests.gateway.stage import ENV, Catalogue, Stage, whole_body
from tests.serving import children, passerelle

HEALTH = [
    "[health]", "open_s = 0.4", "probe_every_s = 0.6", "longest_open_s = 2.0", "probe_timeout_s = 1.0",
]  # fmt: skip
"""A sixtieth or so of the real times."""
BACK_S = 0.6 * 2 + 2.0
"""By when a place is back: tried out at least every 0.6 s, and a busy machine's time."""
DOWN = failing(500)("openai_chat")
HEAD = chunked_head()
PATIENT = "deadlines = { headers_s = 300.0, first_content_s = 300.0, between_s = 300.0 }"
"""Longer than a test may take: whoever waits for all of it fails."""


class Pairs:
    """Models at two places each, `a` before `b`: none meets another's breaker."""

    def __init__(self, house: House, stage: Stage) -> None:
        self.house, self.stage = house, stage
        self.caller: Caller = house.caller("health", role="admin")
        self._taken = 0

    def fresh(self) -> tuple[str, str, str]:
        """The name to ask for, and the ids of its two places."""
        self._taken += 1
        name = f"m{self._taken}"
        return name, f"a/{name}-model.a", f"b/{name}-model.b"

    def ask(self, name: str, **headers: str) -> Answer:
        said = self.caller.door.send(asked("openai_chat", name), **headers)
        assert said.status == 200, said.body
        return said

    def place(self, name: str) -> str:
        return self.ask(name).headers["x-passerelle-deployment"]

    def health(self, deployment: str) -> dict[str, Any]:
        listed = self.caller.door.get("/api/health").json["deployments"]
        (found,) = [seen for seen in listed if seen["deployment"] == deployment]
        return dict(found)

    def fell(self, first: str) -> None:
        """The first place is down from now on."""
        self.stage.always(first.partition("/")[2], *DOWN)

    def due(self, name: str, first: str) -> int:
        """Have the first place fall, and be about to be tried out: how often it was asked until then."""
        self.fell(first)
        for _ in range(5):
            self.place(name)
        until(lambda: self.health(first)["state"] == "half-open", "it is time")
        return len(self.stage.seen(first.partition("/")[2]))

    def rose(self, first: str) -> None:
        """The first place is well again."""
        self.stage.always(first.partition("/")[2], Send(answer(whole_body("openai_chat"))))


def catalogue(stage: Stage, pairs: int, health: list[str]) -> str:
    made = Catalogue([*Catalogue().lines, *health])
    made.provider("a", "openai_chat", stage.url, PATIENT)
    made.provider("b", "openai_chat", stage.url)
    for number in range(1, pairs + 1):
        made.duo(f"m{number}", "a", "b")
    return made.text


@pytest.fixture(scope="module")
def pairs(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pairs]:
    with running(tmp_path_factory.mktemp("health"), catalogue(stage, 20, HEALTH), **ENV) as house:
        yield Pairs(house, stage)


def test_a_flapping_place_is_left_served_from_elsewhere_and_returned_to(pairs: Pairs) -> None:
    name, first, second = pairs.fresh()
    for _ in range(3):
        pairs.fell(first)
        for _ in range(5):
            assert pairs.place(name) == second
        down_until_s = time.monotonic() + 1.5
        attempts = []
        while time.monotonic() < down_until_s:
            said = pairs.ask(name)
            assert said.headers["x-passerelle-deployment"] == second
            attempts.append(said.headers["x-passerelle-attempts"])
        assert attempts.count("2") <= 4  # only those that tried it out met it
        assert pairs.health(first)["state"] in ("open", "half-open")

        pairs.rose(first)
        until(lambda: pairs.place(name) == first, "the first place is back", within_s=BACK_S)
        assert pairs.health(first)["state"] == "healthy"
        assert [pairs.place(name) for _ in range(3)] == [first] * 3

    lines = [line for line in pairs.house.gateway.log if f'"{first}"' in line and "passerelle.health" in line]
    assert len(lines) == 6  # set back and recovered, three times: not a line per failure


def test_the_plan_and_the_receipt_say_why_a_place_was_put_last(pairs: Pairs) -> None:
    name, first, second = pairs.fresh()
    pairs.stage.script(first.partition("/")[2], *failing(429, retry_after="40")("openai_chat"))
    pairs.ask(name)

    said = pairs.ask(name)
    explained = pairs.caller.door.send(asked("openai_chat", name), x_passerelle_plan="1").json

    plan = pairs.house.receipt(pairs.caller, said)["plan"]
    assert [c["deployment"] for c in plan["candidates"]] == [second, first]
    for because in (plan["candidates"][1]["because"], explained["plan"]["candidates"][1]["because"]):
        assert "put last: it asked to be left alone for 40 s more" in because or "39 s more" in because
    assert f"`{first}` is put last: it asked to be left alone" in explained["words"]
    seen = pairs.health(first)
    assert (seen["state"], seen["waits_for"]) == ("waiting", "retry-after")
    assert 30 < seen["waits_s"] <= 40


@pytest.mark.parametrize(
    ("headers", "what"),
    [
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1m0s"}, "requests"),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "90s"}, "tokens"),
        (
            {
                "anthropic-ratelimit-input-tokens-remaining": "0",
                "anthropic-ratelimit-input-tokens-reset": "2099-01-01T00:00:00Z",
            },
            "tokens",
        ),
    ],
)
def test_a_place_with_nothing_left_is_put_last_before_it_refuses(
    pairs: Pairs, headers: dict[str, str], what: str
) -> None:
    name, first, second = pairs.fresh()
    told = [("content-type", "application/json"), *headers.items()]
    pairs.stage.script(first.partition("/")[2], Send(answer(whole_body("openai_chat"), headers=told)))

    assert pairs.place(name) == first
    said = pairs.ask(name)

    assert said.headers["x-passerelle-deployment"] == second
    plan = pairs.house.receipt(pairs.caller, said)["plan"]
    assert f"put last: it has no {what} left for " in plan["candidates"][1]["because"]
    assert pairs.health(first)["waits_for"] == what


def test_one_request_tries_a_place_out_and_the_others_do_not_wait_for_it(pairs: Pairs) -> None:
    name, first, second = pairs.fresh()
    upstream = first.partition("/")[2]
    over, before = pairs.stage.event(), pairs.due(name, first)
    pairs.stage.always(upstream, Until(over), Send(answer(whole_body("openai_chat"))))
    with ThreadPoolExecutor(9) as pool:
        asks = [pool.submit(pairs.ask, name) for _ in range(9)]
        until(lambda: sum(ask.done() for ask in asks) == 8, "eight are answered elsewhere")
        assert len(pairs.stage.seen(upstream)) == before + 1
        pairs.stage.set(over)
        places = [ask.result().headers["x-passerelle-deployment"] for ask in asks]
    assert sorted(places) == [first, *[second] * 8]
    assert pairs.health(first)["state"] == "healthy"


@pytest.mark.parametrize(("stream", "head"), [(False, b""), (False, HEAD), (True, b""), (True, HEAD)])
def test_whoever_tries_a_silent_place_out_is_soon_served_elsewhere(
    pairs: Pairs, stream: bool, head: bytes
) -> None:
    name, first, second = pairs.fresh()
    upstream = first.partition("/")[2]
    ask = asked("openai_chat", name, stream=stream)
    assert pairs.caller.door.send(ask).headers["x-passerelle-deployment"] == first  # how long it takes there
    before = pairs.due(name, first)
    pairs.stage.always(upstream, Send(head), Hang())

    said = pairs.caller.door.send(ask)

    assert len(pairs.stage.seen(upstream)) == before + 1
    assert said.headers["x-passerelle-deployment"] == second
    tried, answered = pairs.house.receipt(pairs.caller, said)["attempts"]
    assert (tried["deployment"], tried["failure"], answered["ok"]) == (first, "timeout", True)


def test_the_only_place_is_always_tried(pairs: Pairs) -> None:
    _, first, _ = pairs.fresh()
    pairs.fell(first)
    alone = asked("openai_chat", first)
    for number in range(1, 9):
        assert pairs.caller.door.send(alone).status == 502
        assert len(pairs.stage.seen(first.partition("/")[2])) >= number
    pairs.rose(first)
    assert pairs.caller.door.send(alone).status == 200


def test_when_both_places_are_down_both_are_tried(pairs: Pairs) -> None:
    name, first, second = pairs.fresh()
    pairs.fell(first)
    pairs.fell(second)
    for _ in range(8):
        said = pairs.caller.door.send(asked("openai_chat", name))
        assert said.status == 502
        tried = {a["deployment"] for a in pairs.house.receipt(pairs.caller, said)["attempts"]}
        assert tried == {first, second}


def test_retries_of_a_tenant_at_a_place_are_three_in_ten_seconds(pairs: Pairs) -> None:
    _, first, _ = pairs.fresh()
    upstream = first.partition("/")[2]
    pairs.fell(first)
    for _ in range(6):
        assert pairs.caller.door.send(asked("openai_chat", first)).status == 502
    # Each request may ask three times: what is left of six is a budget of three retries.
    assert len(pairs.stage.seen(upstream)) == 6 + 3
    other = pairs.house.caller("of another tenant", org="other")
    assert other.door.send(asked("openai_chat", first)).status == 502
    assert len(pairs.stage.seen(upstream)) == 9 + 3


def test_the_command_and_the_metrics_tell(pairs: Pairs) -> None:
    name, first, second = pairs.fresh()
    pairs.fell(first)
    for _ in range(5):
        pairs.place(name)
    env = {"PASSERELLE_BASE_URL": pairs.house.gateway.base_url, "PASSERELLE_API_KEY": pairs.caller.token}
    data = pairs.house.gateway.data
    table = passerelle("health", data=data, env=env)
    (row,) = [line for line in table.splitlines() if line.startswith(first)]
    assert "transport (server_error), tried out" in row
    listed = json.loads(passerelle("health", "--json", data=data, env=env))["deployments"]
    seen = {one["deployment"]: one for one in listed}
    assert seen[first]["state"] in ("open", "half-open")
    assert seen[first]["circuits"][0]["circuit"] == "transport"
    assert (seen[second]["state"], seen[second]["successes"]) == ("healthy", 5)
    assert seen[second]["whole_answer_s"] > 0
    assert seen[second]["tokens_per_s"] > 0

    operator = pairs.house.caller("operator", role="operator")
    metrics = operator.door.get("/metrics").body.decode()
    assert f'passerelle_breaker_open{{circuit="transport",deployment="{first}"}} 1.0' in metrics
    assert f'passerelle_breaker_openings_total{{circuit="transport",deployment="{first}"}} 1.0' in metrics
    assert f'passerelle_tokens_per_second{{deployment="{second}"}}' in metrics


@pytest.fixture(scope="module")
def crowd(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pairs]:
    health = ["[health]", "open_s = 1.0", "probe_every_s = 2.0"]
    text = catalogue(stage, 30, health)
    with running(tmp_path_factory.mktemp("crowd"), text, workers=2, **ENV) as house:
        pairs = Pairs(house, stage)
        pairs._taken = 20  # not those whose fate on the stage was another's
        yield pairs


def test_what_one_worker_suffers_all_know_at_once(crowd: Pairs) -> None:
    name, first, second = crowd.fresh()
    crowd.fell(first)
    ask = asked("openai_chat", name)
    response, connection = crowd.caller.door.begin(ask)  # a connection is one worker's
    response.read()
    headers = {"content-type": "application/json", "authorization": f"Bearer {crowd.caller.token}"}
    for _ in range(4):
        connection.request("POST", ask.path, ask.body, headers)
        response = connection.getresponse()
        assert response.getheader("x-passerelle-attempts") == "2"
        response.read()
    connection.close()

    with ThreadPoolExecutor(8) as pool:
        said = list(pool.map(lambda _: crowd.ask(name), range(24)))

    assert [one.headers["x-passerelle-attempts"] for one in said].count("2") <= 1  # who tried it out
    assert {one.headers["x-passerelle-deployment"] for one in said} == {second}
    assert [crowd.health(first)["state"] for _ in range(8)].count("healthy") == 0


def test_a_worker_that_is_killed_leaves_no_place_being_tried_out_for_ever(crowd: Pairs) -> None:
    name, first, _ = crowd.fresh()
    upstream = first.partition("/")[2]
    before = crowd.due(name, first)
    crowd.stage.always(upstream, Hang())
    with ThreadPoolExecutor(1) as pool:
        cut = pool.submit(crowd.ask, name)
        until(lambda: len(crowd.stage.seen(upstream)) > before, "it is being tried out")
        for worker in children(crowd.house.gateway.process.pid):
            os.kill(worker, signal.SIGKILL)
        assert isinstance(cut.exception(10), OSError)
    crowd.rose(first)

    def served_by_first() -> bool:
        try:
            return crowd.place(name) == first
        except OSError:
            return False  # nobody listens yet

    until(served_by_first, "the place is back", within_s=20.0)
