"""Gemini's batches through Google's SDK, of models of any provider."""

import json

import pytest
from google.genai import errors
from tests.gateway.batch.office import gemini_ended, gemini_of, inlined, openai_of
from tests.gateway.door import Asked
from tests.gateway.house import House
from tests.upstream_batches_more import MoreBatches


@pytest.fixture
def house(native_house: House, upstream: MoreBatches) -> House:
    return native_house


@pytest.mark.parametrize("model", ["m-plain", "models/m-claude", "m-gem"])
def test_every_request_has_its_answer_in_its_place(house: House, model: str) -> None:
    client = gemini_of(house, house.caller("plain"))
    batch = client.batches.create(model=model, src=inlined(5), config={"display_name": "five"})
    assert batch.state is not None
    assert batch.state.name in ("JOB_STATE_RUNNING", "JOB_STATE_PENDING")
    assert batch.display_name == "five"

    over = gemini_ended(client, batch)
    assert over.end_time >= over.create_time
    assert over.model == f"models/{model.removeprefix('models/')}"
    assert [one.metadata["number"] for one in over.dest.inlined_responses] == list("01234")
    assert all(one.response.text for one in over.dest.inlined_responses)


def test_curl_finds_the_results_in_the_response_too(house: House) -> None:
    caller = house.caller("plain")
    client = gemini_of(house, caller)
    batch = client.batches.create(model="m-plain", src=inlined(3))
    gemini_ended(client, batch)

    said = house.at(caller).get(f"/v1beta/{batch.name}").json
    assert said["done"] is True
    assert said["response"]["inlinedResponses"] == said["metadata"]["output"]["inlinedResponses"]
    assert len(said["response"]["inlinedResponses"]["inlinedResponses"]) == 3
    assert said["metadata"]["batchStats"]["successfulRequestCount"] == "3"


def test_an_unknown_model_fails_its_requests_one_by_one(house: House) -> None:
    client = gemini_of(house, house.caller("plain"))
    over = gemini_ended(client, client.batches.create(model="no-such-model", src=inlined(2)))
    assert [one.error.code for one in over.dest.inlined_responses] == [5, 5]


@pytest.mark.parametrize(
    ("batch", "told"),
    [
        ({"inputConfig": {"fileName": "files/abc"}}, "Files of requests"),
        ({"inputConfig": {"requests": {"requests": []}}}, "requests"),
        ({"inputConfig": {"requests": {"requests": [{}]}}}, "[0].request"),
        ({"inputConfig": {"requests": {"requests": [{"request": {"model": "models/other"}}]}}}, "model"),
        ({"displayName": 5}, "displayName"),
    ],
)
def test_what_cannot_be_a_batch_is_refused(house: House, batch: object, told: str) -> None:
    door = house.caller("careless").door
    body = json.dumps({"batch": batch}).encode()
    answer = door.send(Asked("/v1beta/models/m-plain:batchGenerateContent", body))
    assert answer.status == 400
    assert answer.json["error"]["status"] == "INVALID_ARGUMENT"
    assert told in answer.json["error"]["message"]


def test_batches_are_listed_in_pages_and_deleted(house: House) -> None:
    client = gemini_of(house, house.caller("lister", org="gemini listers"))
    made = [client.batches.create(model="m-plain", src=inlined(1)) for _ in range(3)]
    for batch in made:
        gemini_ended(client, batch)

    assert [one.name for one in client.batches.list(config={"page_size": 2})] == [b.name for b in made][::-1]
    client.batches.delete(name=made[0].name)
    with pytest.raises(errors.ClientError) as gone:
        client.batches.get(name=made[0].name)
    assert gone.value.code == 404


def test_batches_are_the_projects_own_and_not_openais(house: House) -> None:
    caller = house.caller("private", org="gemini private")
    batch = gemini_of(house, caller).batches.create(model="m-plain", src=inlined(1))
    stranger = gemini_of(house, house.caller("stranger", org="gemini strangers"))

    for asking in (stranger.batches.get, stranger.batches.cancel, stranger.batches.delete):
        with pytest.raises(errors.ClientError) as refused:
            asking(name=batch.name)
        assert refused.value.code == 404
    assert list(stranger.batches.list()) == []
    assert openai_of(house, caller).batches.list().data == []
    answer = house.at(caller).send(Asked(f"/v1/{batch.name}", b"", "DELETE"))
    assert answer.status == 405, "OpenAI's cannot be deleted"
