"""/metrics: for whoever may read it, with labels that no caller can multiply, true over all workers."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.faultd import Send, Until, answer
from tests.gateway.door import DIALECTS, Asked, asked
from tests.gateway.faulty import failing
from tests.gateway.house import Caller, House, running, until
from tests.gateway.stage import ENV, Catalogue, Stage, whole_body

SAMPLE = re.compile(r"^(?P<name>[a-z_]+)(?:\{(?P<labels>.*)\})? (?P<value>\S+)$", re.MULTILINE)
LABELS = {"dialect", "operation", "outcome", "deployment", "result", "type", "currency", "kind", "le"} | {
    "circuit"
}


@pytest.fixture(scope="module", params=[1, 2], ids=["one worker", "two workers"])
def house(
    stage: Stage, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[House]:
    catalogue = Catalogue()
    catalogue.provider("chat", "openai_chat", stage.url)
    catalogue.model("m", "chat")
    catalogue.model("other", "chat")
    with running(tmp_path_factory.mktemp("metrics"), catalogue.text, workers=request.param, **ENV) as house:
        yield house


@pytest.fixture(scope="module")
def operator(house: House) -> Caller:
    return house.caller("operator", role="operator")


def samples(operator: Caller) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Every figure, by name and labels."""
    answer = operator.door.get("/metrics")
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/plain")
    return {
        (m["name"], frozenset(re.findall(r'([a-z_]+)="([^"]*)"', m["labels"] or ""))): float(m["value"])
        for m in SAMPLE.finditer(answer.body.decode())
    }


def total(operator: Caller, name: str, **labels: str) -> float:
    """Σ of a metric over all labels beside these."""
    wanted = set(labels.items())
    return sum(v for (n, found), v in samples(operator).items() if n == name and wanted <= found)


def test_only_who_may_read_them_sees_them(house: House, operator: Caller) -> None:
    assert operator.door.get("/metrics").status == 200
    for role in ("owner", "admin", "auditor", "member"):
        assert house.caller(role, role=role).door.get("/metrics").status in (401, 403)
    assert type(operator.door)(house.gateway.base_url).get("/metrics").status == 401


def test_no_caller_can_multiply_the_labels(house: House, operator: Caller) -> None:
    kinds = 2 * len(DIALECTS)

    def use(number: int) -> None:
        caller = house.caller(f"many {number}", org=f"org {number % 3}")
        model = f"no-such-model-{number}" if number % 2 else "m"
        ask = asked(DIALECTS[number // 2 % len(DIALECTS)], model)
        for _ in range(2):
            caller.door.send(ask, x_request_id=f"canary-{number}", x_passerelle_tags=f"tag-{number}")
        caller.door.send(Asked(f"/canary/{number}", b"", "POST"))

    def told(users: int) -> bool:
        """Whether every worker has told of so many: of two, one is answered twice, one refused."""
        answered = total(operator, "passerelle_requests_total", outcome="answered") - answered_before
        refused = total(operator, "passerelle_edge_errors_total") - refused_before
        return answered == refused == users

    answered_before = total(operator, "passerelle_requests_total", outcome="answered")
    refused_before = total(operator, "passerelle_edge_errors_total")
    for number in range(kinds):
        use(number)
    until(lambda: told(kinds), "one of each kind is counted")
    before = samples(operator)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(use, range(kinds, 5 * kinds)))
    until(lambda: told(5 * kinds), "all are counted")

    after = samples(operator)
    assert after.keys() == before.keys()
    assert {name for _, labels in after for name, _ in labels} <= LABELS
    text = operator.door.get("/metrics").body.decode()
    for word in ("canary", "tag-", "no-such-model", "org_", "key_", "psk_", "req_"):
        assert word not in text


def test_they_count_what_happened(house: House, operator: Caller, stage: Stage) -> None:
    caller = house.caller("counted")
    deployment = "chat/other.chat"
    stage.script("other.chat", *failing(500)("openai_chat"))
    for stream in (False, True, False):
        assert caller.door.send(asked("openai_chat", "other", stream=stream)).status == 200

    def counted() -> bool:
        return total(operator, "passerelle_attempts_total", deployment=deployment) == 4

    until(counted, "all workers have told")
    assert total(operator, "passerelle_attempts_total", deployment=deployment, result="ok") == 3
    assert total(operator, "passerelle_attempts_total", deployment=deployment, result="server_error") == 1
    assert total(operator, "passerelle_tokens_total", deployment=deployment, type="input") == 3 * 64
    assert total(operator, "passerelle_tokens_total", deployment=deployment, type="output") == 3 * 26
    assert total(operator, "passerelle_cost_nanos_total", deployment=deployment) == 3 * 582_000
    assert total(operator, "passerelle_generation") == 1


def test_requests_under_way_are_seen_and_forgotten(house: House, operator: Caller, stage: Stage) -> None:
    caller, over = house.caller("busy"), stage.event()
    for _ in range(3):
        stage.script("m.chat", Until(over), Send(answer(whole_body("openai_chat"))))
    with ThreadPoolExecutor(3) as pool:
        asked_for = [pool.submit(caller.door.send, asked("openai_chat", "m")) for _ in range(3)]
        until(lambda: total(operator, "passerelle_in_flight_requests") == 3, "three are under way")
        stage.set(over)
        assert [one.result().status for one in asked_for] == [200, 200, 200]
    until(lambda: total(operator, "passerelle_in_flight_requests") == 0, "none is under way")
