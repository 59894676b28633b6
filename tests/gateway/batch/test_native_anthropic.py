"""Message batches at Anthropic's own batch service, at half the price."""

from typing import Any

import anthropic
import pytest
from tests.gateway.batch.native_world import native
from tests.gateway.batch.office import anthropic_of, message, messages_ended
from tests.gateway.house import House, until
from tests.store.world import assert_books_balance
from tests.upstream_batches import BatchUpstream


@pytest.fixture
def house(native_house: House) -> House:
    return native_house


def test_a_message_batch_goes_whole_and_comes_back(house: House, upstream: BatchUpstream) -> None:
    caller = house.caller("thrifty", budget_nanos=10**12)
    client = anthropic_of(house, caller)
    batch = client.messages.batches.create(requests=[message(n) for n in range(80)])
    over = messages_ended(client, batch)

    assert over.request_counts.succeeded == 80
    results = list(client.messages.batches.results(batch.id))
    assert [line.custom_id for line in results] == [f"r{n}" for n in range(80)]
    assert all(line.result.type == "succeeded" for line in results)
    assert upstream.asked == []
    assert upstream.batches == {}, "deleted there"
    rows = house.rows("select price_version, amount_nanos from ledger where key_id = ?", caller.key_id)
    assert len(rows) == 80
    assert all(version.endswith("*50%") and amount > 0 for version, amount in rows)
    assert house.spent(caller.budget_id or "") == sum(amount for _, amount in rows)
    assert_books_balance(house.gateway.data)


def test_what_expired_or_failed_there_is_asked_by_us_and_mistakes_are_told(
    house: House, upstream: BatchUpstream
) -> None:
    def error(kind: str) -> dict[str, Any]:
        inner = {"type": kind, "message": f"it is an {kind}"}
        return {"type": "error", "error": inner, "request_id": "req_there"}

    said = {
        "question 1": None,
        "question 2": (529, error("overloaded_error")),
        "question 3": (400, error("invalid_request_error")),
    }
    upstream.answers = lambda words, body: said.get(words, (200, {}))
    client = anthropic_of(house, house.caller("partial"))
    batch = client.messages.batches.create(requests=[message(n) for n in range(6)])
    over = messages_ended(client, batch)

    assert (over.request_counts.succeeded, over.request_counts.errored) == (5, 1)
    assert sorted(upstream.asked) == ["question 1", "question 2"]
    (wrong,) = [x for x in client.messages.batches.results(batch.id) if x.result.type == "errored"]
    assert wrong.custom_id == "r3"
    assert isinstance(wrong.result, anthropic.types.messages.MessageBatchErroredResult)
    assert wrong.result.error.error.type == "invalid_request_error"
    assert "it is an invalid_request_error" in wrong.result.error.error.message


def test_a_batch_for_another_dialects_model_is_run_here(house: House, upstream: BatchUpstream) -> None:
    client = anthropic_of(house, house.caller("mixed"))
    batch = client.messages.batches.create(requests=[message(n, "m-chat") for n in range(2)])
    over = messages_ended(client, batch)

    assert over.request_counts.succeeded == 2
    assert upstream.batches == {}
    assert "no place with a batch service" in native(house, batch)


def test_a_cancelled_message_batch_is_cancelled_there(house: House, upstream: BatchUpstream) -> None:
    upstream.ends = False
    upstream.answers = lambda words, body: (200, {}) if words == "question 1" else None
    client = anthropic_of(house, house.caller("fickle"))
    batch = client.messages.batches.create(requests=[message(n) for n in range(4)])
    until(lambda: '"step":"waiting"' in native(house, batch), "it is away")
    client.messages.batches.cancel(batch.id)
    over = messages_ended(client, batch)

    assert (over.request_counts.succeeded, over.request_counts.canceled) == (1, 3)
    assert upstream.asked == []
    assert upstream.batches == {}
