"""What is paid when the first attempt broke: Σ ledger = Σ attempts = the receipt = what the budget spent."""

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from tests.faultd import Close, Reset, Send, Step, Wait
from tests.gateway.door import Answer, asked, read_stream
from tests.gateway.faulty import before_content, error_frame, failing, opened
from tests.gateway.house import Caller, House, running, until
from tests.gateway.stage import ENV, Catalogue, Stage, frames, lead_in
from tests.store.world import assert_books_balance

from passerelle.core.request import Dialect

ONE = 582_000
"""What the stage bills for one whole answer."""
PRICE_IN, PRICE_CACHED, PRICE_OUT = 3_000, 3_000, 15_000
"""Nanos a token; cache reads have no figure of their own."""


PLAYS = [f"play-{n}" for n in range(11)]


@pytest.fixture(scope="module")
def house(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    catalogue = Catalogue()
    quick = ("deadlines = { headers_s = 0.4, first_content_s = 0.6, between_s = 0.6 }",)
    for dialect in ("openai_chat", "anthropic"):
        catalogue.provider(f"{dialect[:4]}-1", dialect, stage.url, *quick)  # type: ignore[arg-type]
        catalogue.provider(f"{dialect[:4]}-2", dialect, stage.url)  # type: ignore[arg-type]
        for name in PLAYS:  # a duo each: five failures in a row would have the first tried last
            catalogue.duo(f"{dialect[:4]}-{name}", f"{dialect[:4]}-1", f"{dialect[:4]}-2")
    catalogue.provider("gone", "openai_chat", "http://127.0.0.1:9")
    catalogue.duo("gone-duo", "gone", "open-2")
    with running(tmp_path_factory.mktemp("accounting"), catalogue.text, **ENV) as house:
        yield house
        assert_books_balance(house.gateway.data)


def half_a_body(dialect: Dialect) -> list[Step]:
    """A whole answer's head, a length, and not all of it."""
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 900\r\n\r\n"
    return [Send(head + b'{"id": "x", "choices": ['), Close()]


def after(count: int, *then: Step) -> Callable[[Dialect], Sequence[Step]]:
    """A stream with `count` frames of content, then what follows."""

    def steps(dialect: Dialect) -> Sequence[Step]:
        return [Send(opened(*frames(dialect)[: lead_in(dialect) + count])), Wait(0.02), *then]

    return steps


def cut_before(dialect: Dialect) -> list[Step]:
    """A stream that breaks off between its lifecycle frames and its first content."""
    return [Send(opened(*before_content(dialect))), Close()]


def error_before(dialect: Dialect) -> list[Step]:
    """A stream that says that it failed, before its first content."""
    return [Send(opened(*before_content(dialect), error_frame(dialect))), Close()]


# name: dialect, stream, what the first does, what of its cost: `nothing`, `estimated`, or `told`
TAKEN_OVER: dict[str, tuple[Dialect, bool, Any, str]] = {
    "an error status": ("openai_chat", False, failing(500), "nothing"),
    "an error status to a stream": ("openai_chat", True, failing(503), "nothing"),
    "reset before an answer": ("openai_chat", False, lambda _: [Reset()], "estimated"),
    "cut within a whole answer": ("openai_chat", False, half_a_body, "estimated"),
    "silence": ("openai_chat", True, lambda _: [Wait(1.5), Close()], "estimated"),
    "a stream cut before its content": ("openai_chat", True, cut_before, "estimated"),
    "a stream that says it failed": ("openai_chat", True, error_before, "nothing"),
    "cut before content with usage told": ("anthropic", True, cut_before, "told"),
}


@pytest.mark.parametrize("name", TAKEN_OVER)
def test_both_attempts_are_in_the_books(house: House, stage: Stage, name: str) -> None:
    dialect, stream, broken, paid = TAKEN_OVER[name]
    duo = f"{dialect[:4]}-{PLAYS[list(TAKEN_OVER).index(name)]}"
    caller = house.caller(name, budget_nanos=10**12)
    for _ in range(2):  # a connection kept from before that is reset is replaced once, unseen
        stage.script(f"{duo}-model.{dialect[:4]}-1", *broken(dialect))

    said = caller.door.send(asked(dialect, duo, stream=stream))

    assert said.status == 200
    receipt = balanced(house, caller, said)
    first, second = receipt["attempts"]
    assert second["cost_nanos"] == ONE
    assert first.get("ok") is False
    cost, usage = first.get("cost_nanos", 0), first.get("usage", {})
    if paid == "nothing":
        assert (cost, usage) == (0, {"source": "none"}) or (cost, usage) == (0, {})
    elif paid == "estimated":
        assert usage["source"] == "estimated"
        assert cost == usage["input_tokens"] * PRICE_IN > 0
    else:
        assert usage.get("source", "provider") == "provider"
        assert cost >= 40 * PRICE_IN
    assert receipt["outcome"] == "answered"
    assert receipt["cost_nanos"] == cost + ONE


def test_what_was_never_sent_costs_nothing(house: House) -> None:
    caller = house.caller("unreached", budget_nanos=10**12)
    receipt = balanced(house, caller, caller.door.send(asked("openai_chat", "gone-duo")))

    assert [a.get("cost_nanos", 0) for a in receipt["attempts"]] == [0, ONE]


@pytest.mark.parametrize(("dialect", "told"), [("openai_chat", False), ("anthropic", True)])
def test_a_stream_cut_after_content_is_paid_for_what_came(
    house: House, stage: Stage, dialect: Dialect, *, told: bool
) -> None:
    duo = f"{dialect[:4]}-{PLAYS[8]}"
    caller = house.caller(f"cut {dialect}", budget_nanos=10**12)
    stage.script(f"{duo}-model.{dialect[:4]}-1", *after(2, Close())(dialect))

    said = caller.door.send(asked(dialect, duo, stream=True))

    assert not read_stream(dialect, said.body).ended
    receipt = balanced(house, caller, said)
    (only,) = receipt["attempts"]
    assert receipt["outcome"] == "incomplete"
    assert only["cost_nanos"] > 0
    if told:
        assert only["usage"]["input_tokens"] == 40
    assert only["usage"]["output_tokens"] >= 1


def test_more_than_was_counted_when_the_stream_opened_is_paid_for(house: House, stage: Stage) -> None:
    caller = house.caller("long", budget_nanos=10**12)
    words = {
        "type": "content_block_delta",
        "index": 0,
        "delta": {"type": "text_delta", "text": "word " * 400},
    }
    said_so_far = [
        *before_content("anthropic"),
        f"event: content_block_delta\ndata: {json.dumps(words)}\n\n".encode(),
    ]
    stage.script(f"anth-{PLAYS[9]}-model.anth-1", Send(opened(*said_so_far)), Wait(0.02), Close())

    said = caller.door.send(asked("anthropic", f"anth-{PLAYS[9]}", stream=True))

    (only,) = balanced(house, caller, said)["attempts"]
    assert only["usage"]["input_tokens"] == 40  # as the provider said when it began
    assert only["usage"]["output_tokens"] == 500  # four bytes a token
    assert only["usage"]["source"] == "estimated"


def test_when_all_broke_all_that_may_be_billed_is_booked(house: House, stage: Stage) -> None:
    caller = house.caller("all", budget_nanos=10**12)
    for place in ("open-1", "open-2", "open-2"):
        stage.script(f"open-{PLAYS[9]}-model.{place}", *half_a_body("openai_chat"))

    said = caller.door.send(asked("openai_chat", f"open-{PLAYS[9]}"))

    assert said.status == 502
    receipt = balanced(house, caller, said)
    assert receipt["outcome"] == "failed"
    assert len(receipt["attempts"]) == 3
    assert all(attempt["cost_nanos"] > 0 for attempt in receipt["attempts"])


def test_a_takeover_that_the_budget_cannot_bear_is_not_begun(house: House, stage: Stage) -> None:
    question = asked("openai_chat", f"open-{PLAYS[10]}", max_completion_tokens=90)
    held = len(question.body) * PRICE_IN + 90 * PRICE_OUT
    caller = house.caller("poor", budget_nanos=held + 10_000)
    before = len(stage.requests)
    stage.script(f"open-{PLAYS[10]}-model.open-1", *half_a_body("openai_chat"))

    said = caller.door.send(question)

    assert said.status == 429
    assert len(stage.requests) == before + 1
    receipt = balanced(house, caller, said)
    assert len(receipt["attempts"]) == 1
    assert 0 < receipt["cost_nanos"] <= held


def balanced(house: House, caller: Caller, said: Answer) -> dict[str, Any]:
    """The receipt, once ledger, receipt and budget were seen to say the same."""
    receipt = house.receipt(caller, said)
    house.booked(caller)
    rows = house.rows(
        "select attempt_id, amount_nanos from ledger where receipt_id = ? order by attempt_id", receipt["id"]
    )
    costs = {attempt["id"]: attempt.get("cost_nanos", 0) for attempt in receipt["attempts"]}
    assert dict(rows) == costs, "one row of the ledger for each attempt"
    assert sum(costs.values()) == receipt.get("cost_nanos", 0)
    budget_id = caller.budget_id
    assert budget_id is not None
    until(lambda: house.spent(budget_id) == sum(costs.values()), "spent = Σ attempts")
    return receipt
