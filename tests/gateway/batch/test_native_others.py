"""Batches at Groq's, Azure's, Mistral's and Gemini's own batch services, at half the price."""

from typing import Any

import pytest
from tests.gateway.batch.native_world import native
from tests.gateway.batch.office import (
    begin,
    chat_line,
    ended,
    gemini_ended,
    gemini_of,
    inlined,
    numbers,
    openai_of,
    read,
)
from tests.gateway.house import Caller, House, until
from tests.store.world import assert_books_balance
from tests.upstream_batches_more import AZURE_BATCH_MODEL, MoreBatches

PLACES = ("m-groq", "m-azure", "m-mistral")


@pytest.fixture
def house(native_house: House) -> House:
    return native_house


def _booked_at_half(house: House, caller: Caller, lines: int) -> None:
    rows = house.rows("select price_version, amount_nanos from ledger where key_id = ?", caller.key_id)
    assert len(rows) == lines
    assert all(version.endswith("*50%") and amount > 0 for version, amount in rows)
    assert house.spent(caller.budget_id or "") == sum(amount for _, amount in rows)
    assert_books_balance(house.gateway.data)


@pytest.mark.parametrize("model", PLACES)
def test_a_batch_goes_whole_and_nothing_is_left_there(
    house: House, upstream: MoreBatches, model: str
) -> None:
    caller = house.caller("thrifty", budget_nanos=10**12)
    client = openai_of(house, caller)
    over = ended(client, begin(client, [chat_line(n, model) for n in range(70)]), within_s=90.0)

    assert over.status == "completed"
    assert numbers(read(client, over.output_file_id)) == list(range(70))
    assert upstream.asked == []
    assert upstream.files == {}
    _booked_at_half(house, caller, 70)


@pytest.mark.parametrize("model", PLACES)
def test_a_mistake_is_told_and_what_was_not_come_to_is_asked_by_us(
    house: House, upstream: MoreBatches, model: str
) -> None:
    wrong = {"error": {"message": "`n` is too large", "type": "invalid_request_error"}}
    said: dict[str, Any] = {"question 1": None, "question 2": (400, wrong)}
    upstream.answers = lambda words, body: said.get(words, (200, {}))
    client = openai_of(house, house.caller("partial"))
    over = ended(client, begin(client, [chat_line(n, model) for n in range(4)]), within_s=90.0)

    assert (over.request_counts.completed, over.request_counts.failed) == (3, 1)
    assert upstream.asked == ["question 1"]
    errors = {line["custom_id"]: line for line in read(client, over.error_file_id)}
    assert "too large" in errors["c2"]["response"]["body"]["error"]["message"]


def test_azure_is_sent_batches_by_the_name_of_its_deployment_for_them(
    house: House, upstream: MoreBatches
) -> None:
    client = openai_of(house, house.caller("named"))
    for _ in range(2):  # a single request knows nothing of it, nor a batch of single requests
        client.chat.completions.create(model="m-azure", messages=[{"role": "user", "content": "one"}])
    over = ended(client, begin(client, [chat_line(1, "m-azure")]), within_s=90.0)

    (batch,) = upstream.batches.values()
    assert [body["model"] for _, body in batch.lines] == [AZURE_BATCH_MODEL]
    assert over.status == "completed"
    elsewhere = begin(client, [chat_line(1, "m-single")])
    ended(client, elsewhere)
    assert "no place with a batch service" in native(house, elsewhere), "it has no deployment for batches"


def test_mistrals_jobs_are_cancelled_there(house: House, upstream: MoreBatches) -> None:
    upstream.ends = False
    upstream.answers = lambda words, body: (200, {}) if words == "question 1" else None
    client = openai_of(house, house.caller("fickle"))
    batch = begin(client, [chat_line(n, "m-mistral") for n in range(3)])
    until(lambda: '"step":"waiting"' in native(house, batch), "it is away")
    client.batches.cancel(batch.id)

    over = ended(client, batch)
    assert over.status == "cancelled"
    assert numbers(read(client, over.output_file_id)) == [1]
    assert upstream.asked == []


def test_what_groq_does_not_take_in_batches_is_run_here(house: House, upstream: MoreBatches) -> None:
    line = {"custom_id": "c1", "method": "POST", "url": "/v1/moderations", "body": {"input": "x"}}
    client = openai_of(house, house.caller("elsewhere"))
    batch = begin(client, [line], endpoint="/v1/moderations")
    ended(client, batch)

    assert '"step":"here"' in native(house, batch)
    assert upstream.batches == {}


def test_a_gemini_batch_goes_whole_and_comes_back_in_order(house: House, upstream: MoreBatches) -> None:
    wrong = (3, {"message": "`temperature` is too high"})
    upstream.answers = lambda words, body: wrong if words == "question 2" else (200, {})
    caller = house.caller("thrifty", budget_nanos=10**12)
    client = gemini_of(house, caller)
    batch = client.batches.create(model="m-gem", src=inlined(70), config={"display_name": "many"})
    over = gemini_ended(client, batch)

    assert over.state.name == "JOB_STATE_SUCCEEDED"
    responses = over.dest.inlined_responses
    assert [one.metadata["number"] for one in responses] == [str(n) for n in range(70)]
    assert [n for n, one in enumerate(responses) if one.error] == [2]
    assert "temperature" in responses[2].error.message
    assert responses[3].response.text
    assert upstream.asked == []
    assert (upstream.files, upstream.batches) == ({}, {})
    rows = house.rows("select price_version from ledger where key_id = ? and amount_nanos > 0", caller.key_id)
    assert len(rows) == 69
    assert all(version.endswith("*50%") for (version,) in rows)


def test_a_gemini_batch_that_is_cancelled_is_cancelled_there(house: House, upstream: MoreBatches) -> None:
    upstream.ends = False
    upstream.answers = lambda words, body: (200, {}) if words == "question 1" else None
    client = gemini_of(house, house.caller("fickle"))
    batch = client.batches.create(model="m-gem", src=inlined(3))
    name = batch.name.removeprefix("batches/")
    until(lambda: '"step":"waiting"' in native(house, name), "it is away")
    client.batches.cancel(name=batch.name)
    over = gemini_ended(client, batch)

    assert over.state.name == "JOB_STATE_CANCELLED"
    assert [one.error is None for one in over.dest.inlined_responses] == [False, True, False]
