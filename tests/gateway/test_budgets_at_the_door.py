"""Budgets at the front door: the provider's own bill never exceeds the limit, and the ledger equals it."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.faultd import Close, Send, Until, Wait, answer
from tests.gateway.door import DIALECTS, Answer, asked, read_error
from tests.gateway.faulty import opened
from tests.gateway.house import Caller, House, running, until
from tests.gateway.stage import ENV, Catalogue, Stage, frames, lead_in, short, whole_body
from tests.store.world import assert_books_balance

from passerelle.core.request import Dialect

ONE = 582_000
"""What the stage bills for one answer: 40 + 24 cached tokens at 3, 26 of output at 15 dollars a million."""
BOUND_TOKENS = 40
"""The output limit callers set; the stage stays below it."""


@pytest.fixture(scope="module", params=[1, 2], ids=["one worker", "two workers"])
def house(
    stage: Stage, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[House]:
    catalogue = Catalogue()
    for dialect in DIALECTS:
        catalogue.provider(short(dialect), dialect, stage.url)
        catalogue.model(f"m-{short(dialect)}", short(dialect))
    catalogue.model("free", "chat", price="{ input = 0 }")
    catalogue.model("unpriced", "chat", price=None)
    folder = tmp_path_factory.mktemp("budgets")
    with running(folder, catalogue.text, workers=request.param, **ENV) as house:
        yield house
        until(
            lambda: not house.rows("select 1 from budget_lease where state = 'open'"), "leases are given back"
        )
        assert_books_balance(house.gateway.data)


def ask(caller: Caller, dialect: Dialect = "openai_chat", *, stream: bool = False, model: str = "") -> Answer:
    """One small question, with a limit on the answer."""
    limit = {
        "openai_chat": {"max_completion_tokens": BOUND_TOKENS},
        "openai_responses": {"max_output_tokens": BOUND_TOKENS},
        "anthropic": {"max_tokens": BOUND_TOKENS},
        "gemini": {"generationConfig": {"maxOutputTokens": BOUND_TOKENS}},
        "bedrock": {"inferenceConfig": {"maxTokens": BOUND_TOKENS}},
    }[dialect]
    return caller.door.send(asked(dialect, model or f"m-{short(dialect)}", stream=stream, **limit))


def ledger(house: House, caller: Caller) -> int:
    """Σ of the caller's ledger once all of it is booked."""
    house.booked(caller)
    query = "select coalesce(sum(amount_nanos), 0) from ledger where key_id = ?"
    return int(house.rows(query, caller.key_id)[0][0])


@pytest.mark.parametrize("stream", [False, True])
def test_no_crowd_overspends(house: House, stage: Stage, *, stream: bool) -> None:
    limit = 12 * ONE
    caller = house.caller("crowd", budget_nanos=limit)
    before = len(stage.requests)

    with ThreadPoolExecutor(24) as pool:
        answers = list(pool.map(lambda _: ask(caller, stream=stream), range(60)))

    served = [one for one in answers if one.status == 200]
    refused = [one for one in answers if one.status == 429]
    assert {one.status for one in answers} <= {200, 429}
    assert {one.json["error"]["code"] for one in refused} == {"budget_exhausted"}
    bill = ONE * (len(stage.requests) - before)
    assert len(stage.requests) - before == len(served)
    assert bill <= limit
    assert len(served) >= 6
    until(lambda: house.spent(caller.budget_id or "") == bill, "spent = the provider's bill")
    assert ledger(house, caller) == bill


def test_what_is_left_is_spent_and_no_more(house: House, stage: Stage) -> None:
    caller = house.caller("alone", budget_nanos=5 * ONE)
    statuses = [ask(caller).status for _ in range(12)]

    served = statuses.count(200)
    # In any order: a worker that was refused may be served once another has given back its lease.
    assert sorted(statuses) == [200] * served + [429] * (12 - served)
    assert 3 <= served <= 5
    assert ledger(house, caller) == served * ONE


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_spent_budget_is_told_in_the_dialect_and_calls_nobody(
    house: House, stage: Stage, dialect: Dialect
) -> None:
    caller = house.caller("poor", budget_nanos=10)
    before = len(stage.requests)

    for stream in (False, True):
        said = ask(caller, dialect, stream=stream)
        assert said.status == (400 if dialect == "bedrock" else 429)  # botocore would repeat a 429
        error = read_error(dialect, said)
        expected = {
            "anthropic": "rate_limit_error",
            "gemini": "RESOURCE_EXHAUSTED",
            "bedrock": "ServiceQuotaExceededException",
        }
        assert error.type == expected.get(dialect, "insufficient_quota")
        assert "Budget" in error.message
        if dialect != "bedrock":
            assert int(said.headers["retry-after"]) > 0 or said.headers["x-should-retry"] == "false"
        receipt = house.receipt(caller, said)
        assert receipt["outcome"] == "refused"
        assert receipt["attempts"] == []
    assert len(stage.requests) == before


def test_a_raised_limit_serves_again_within_a_second(house: House) -> None:
    caller = house.caller("raised", budget_nanos=10)
    assert ask(caller).status == 429
    assert caller.budget_id is not None
    house.store.tenants.change_budget(
        caller.tenant.org_id, caller.budget_id, actor="cli:test", limit_nanos=100 * ONE
    )

    until(lambda: ask(caller).status == 200, "the raised limit holds", within_s=3)


def test_a_lowered_limit_stops_within_a_second(house: House) -> None:
    caller = house.caller("lowered", budget_nanos=10**12)
    assert ask(caller).status == 200
    assert caller.budget_id is not None
    house.store.tenants.change_budget(caller.tenant.org_id, caller.budget_id, actor="cli:test", limit_nanos=1)

    until(lambda: ask(caller).status == 429, "the lowered limit holds", within_s=3)


def test_a_budget_above_binds_every_key_below(house: House) -> None:
    tenant = house.tenant("family")
    house.store.tenants.create_budget(
        tenant.org_id, "organisation", tenant.org_id, name="all", limit_nanos=4 * ONE, actor="cli:test"
    )
    callers = [house.caller(f"child {n}", org="family", budget_nanos=10**12) for n in range(3)]

    statuses = [ask(caller).status for _ in range(4) for caller in callers]

    served = statuses.count(200)
    assert 2 <= served <= 4
    assert statuses.count(429) == len(statuses) - served
    assert sum(ledger(house, caller) for caller in callers) == served * ONE


def test_what_has_no_price_is_refused_under_a_budget_and_served_without(house: House, stage: Stage) -> None:
    spender, free = house.caller("spender", budget_nanos=10**12), house.caller("free")
    before = len(stage.seen("unpriced.chat"))

    refused, served = ask(spender, model="unpriced"), ask(free, model="unpriced")

    assert refused.status == 403
    assert "budget.unpriced" in read_error("openai_chat", refused).message
    assert served.status == 200
    receipt = house.receipt(free, served)
    assert receipt["cost_nanos"] == 0
    assert "price_version" not in receipt["attempts"][0]
    assert len(stage.seen("unpriced.chat")) - before == 1
    assert ask(house.caller("broke", budget_nanos=0), model="free").status == 200


def test_a_provider_that_bills_more_than_was_held_is_booked_in_full(house: House, stage: Stage) -> None:
    caller = house.caller("surprised", budget_nanos=3 * ONE)
    body = json.loads(whole_body("openai_chat"))
    body["usage"] |= {"completion_tokens": 4_000, "prompt_tokens": 64}
    stage.script("m-chat.chat", Send(answer(json.dumps(body).encode())))

    assert ask(caller).status == 200

    bill = 64 * 3_000 + 4_000 * 15_000
    until(lambda: house.spent(caller.budget_id or "") == bill, "the excess is spent too")
    assert ledger(house, caller) == bill
    assert ask(caller).status == 429


def test_streams_that_break_are_held_for_and_booked(house: House, stage: Stage) -> None:
    caller = house.caller("broken", budget_nanos=8 * ONE)
    said = frames("openai_chat")[: lead_in("openai_chat") + 2]
    for _ in range(30):
        stage.script("m-chat.chat", Send(opened(*said)), Wait(0.02), Close())

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: ask(caller, stream=True), range(30)))
    stage.clear("m-chat.chat")

    statuses = [one.status for one in answers]
    assert set(statuses) <= {200, 429}
    until(lambda: house.spent(caller.budget_id or "") == ledger(house, caller), "spent = Σ ledger")
    receipts = [house.receipt(caller, one) for one in answers if one.status == 200]
    assert {receipt["outcome"] for receipt in receipts} == {"incomplete"}
    spent = sum(receipt["cost_nanos"] for receipt in receipts)
    assert 0 < spent <= 8 * ONE
    assert spent == ledger(house, caller)


def test_an_open_request_holds_its_bound_until_it_ends(house: House, stage: Stage) -> None:
    caller = house.caller("one", budget_nanos=2 * ONE)
    over, before = stage.event(), len(stage.requests)
    stage.script("m-chat.chat", Until(over), Send(answer(whole_body("openai_chat"))))
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(ask, caller)
        until(lambda: len(stage.requests) > before, "the first is under way")
        second = ask(caller)
        stage.set(over)
        assert first.result().status == 200
    assert second.status == 429
    assert ledger(house, caller) == ONE
