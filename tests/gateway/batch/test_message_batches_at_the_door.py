"""Anthropic's message batches through its SDK."""

import json
from collections.abc import Iterator

import anthropic
import pytest
from tests.faultd import Send, Until, answer
from tests.gateway.batch.office import anthropic_of, message, messages_ended, openai_of
from tests.gateway.house import House, running, until
from tests.gateway.stage import ENV, Catalogue, Stage, whole_body


@pytest.fixture(scope="module")
def house(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    catalogue = Catalogue()
    catalogue.provider("chat", "openai_chat", stage.url)
    catalogue.provider("claude", "anthropic", stage.url)
    catalogue.model("m-chat", "chat")
    for name in ("m-claude", "m-slow", "m-last"):
        catalogue.model(name, "claude")
    config = "[server]\nmax_body_bytes = 262144\n" + "\n".join(catalogue.text.split("\n")[1:])
    config = "providers_from_environment = false\n" + config
    with running(tmp_path_factory.mktemp("messages"), config, **ENV) as house:
        yield house


def test_every_request_has_its_result_in_anthropics_own_shapes(house: House) -> None:
    caller = house.caller("plain")
    client = anthropic_of(house, caller)
    requests = [message(n, "m-chat" if n % 2 else "m-claude") for n in range(10)]
    requests += [message(10, "no-such-model"), {"custom_id": "r11", "params": {"model": "m-claude"}}]

    batch = client.messages.batches.create(requests=requests)
    assert batch.processing_status == "in_progress"
    assert batch.request_counts.processing == 12
    assert batch.results_url is None
    over = messages_ended(client, batch)

    assert over.ended_at is not None
    assert over.request_counts.to_dict() == {
        "processing": 0, "succeeded": 10, "errored": 2, "canceled": 0, "expired": 0,
    }  # fmt: skip
    assert over.results_url == f"{house.gateway.base_url}/v1/messages/batches/{batch.id}/results"
    results = {line.custom_id: line.result for line in client.messages.batches.results(batch.id)}
    assert results.keys() == {f"r{n}" for n in range(12)}
    for n in range(10):
        result = results[f"r{n}"]
        assert isinstance(result, anthropic.types.messages.MessageBatchSucceededResult)
        assert result.message.role == "assistant"
        assert result.message.usage.output_tokens > 0
    missing, wrong = results["r10"], results["r11"]
    assert missing.type == wrong.type == "errored"
    assert missing.error.error.type == "not_found_error"
    assert wrong.error.error.type == "invalid_request_error"
    assert missing.error.request_id is not None


def test_a_body_may_be_larger_than_any_other_requests(house: House) -> None:
    client = anthropic_of(house, house.caller("voluminous"))
    requests = [message(n) for n in range(12)]
    for one in requests:
        one["params"]["metadata"] = {"user_id": "x" * 60_000}
    batch = client.messages.batches.create(requests=requests)
    assert messages_ended(client, batch).request_counts.succeeded == 12

    requests[3]["params"]["metadata"] = {"user_id": "x" * (1 << 20)}
    with pytest.raises(anthropic.BadRequestError, match="one of `requests` is larger than"):
        client.messages.batches.create(requests=requests)


@pytest.mark.parametrize(
    ("requests", "at_fault"),
    [
        ([], "requests"),
        ([{**message(1), "custom_id": "not good"}], "requests.0.custom_id"),
        ([{**message(1), "custom_id": "x" * 65}], "requests.0.custom_id"),
        ([message(1), message(1)], "requests.1.custom_id"),
        ([message(1), {"custom_id": "r2"}], "requests.1.params"),
        ([{"custom_id": "r1", "params": 5}], "requests.0.params"),
        ([{"custom_id": "r1", "params": {"stream": True}}], "requests.0.params.stream"),
    ],
)
def test_a_malformed_batch_is_refused_naming_the_request(
    house: House, requests: list[object], at_fault: str
) -> None:
    client = anthropic_of(house, house.caller("careless"))
    with pytest.raises(anthropic.BadRequestError) as refused:
        client.messages.batches.create(requests=requests)  # type: ignore[arg-type]
    assert at_fault in str(refused.value)
    assert client.messages.batches.list().data == [] or at_fault not in str(client.messages.batches.list())


def test_a_cancelled_batch_tells_which_requests_were_never_asked(house: House, stage: Stage) -> None:
    client = anthropic_of(house, house.caller("changing"))
    gate = stage.event()
    stage.always("m-slow.claude", Until(gate), Send(answer(whole_body("anthropic"))))
    batch = client.messages.batches.create(requests=[message(n, "m-slow") for n in range(30)])
    until(lambda: len(stage.seen("m-slow.claude")) == 8, "the first requests are under way")
    with pytest.raises(anthropic.BadRequestError):
        client.messages.batches.delete(batch.id)
    with pytest.raises(anthropic.AnthropicError):
        client.messages.batches.results(batch.id)

    cancelling = client.messages.batches.cancel(batch.id)
    assert cancelling.processing_status == "canceling"
    assert cancelling.cancel_initiated_at is not None
    heard = house.rows("select leased_until_ns from batch where batch_id = ?", batch.id)
    until(
        lambda: house.rows("select leased_until_ns from batch where batch_id = ?", batch.id) != heard,
        "its worker has heard of it",
    )
    stage.set(gate)
    over = messages_ended(client, batch)

    assert (over.request_counts.succeeded, over.request_counts.canceled) == (8, 22)
    kinds = [line.result.type for line in client.messages.batches.results(batch.id)]
    assert sorted(kinds) == ["canceled"] * 22 + ["succeeded"] * 8
    assert client.messages.batches.cancel(batch.id).processing_status == "ended"


def test_batches_are_paged_both_ways(house: House) -> None:
    client = anthropic_of(house, house.caller("lister", org="listers"))
    made = [client.messages.batches.create(requests=[message(1)]).id for _ in range(5)]

    assert [batch.id for batch in client.messages.batches.list(limit=2)] == made[::-1]
    page = client.messages.batches.list(limit=2, after_id=made[3])
    assert [batch.id for batch in page.data] == [made[2], made[1]]
    assert page.has_more
    page = client.messages.batches.list(limit=2, before_id=made[1])
    assert [batch.id for batch in page.data] == [made[3], made[2]]
    assert page.has_more
    page = client.messages.batches.list(limit=2, before_id=made[3])
    assert [batch.id for batch in page.data] == [made[4]]
    assert not page.has_more


def test_a_deleted_batch_is_gone_with_its_requests_and_results(house: House) -> None:
    client = anthropic_of(house, house.caller("tidy", org="tidy"))
    batch = messages_ended(client, client.messages.batches.create(requests=[message(1)]))
    files = list((house.gateway.data / "files").rglob("file-*"))
    ids = house.rows("select input_file_id, output_file_id from batch where batch_id = ?", batch.id)[0]

    assert client.messages.batches.delete(batch.id).type == "message_batch_deleted"

    for asking in (client.messages.batches.retrieve, client.messages.batches.delete):
        with pytest.raises(anthropic.NotFoundError):
            asking(batch.id)
    left = {path.name for path in (house.gateway.data / "files").rglob("file-*")}
    assert {path.name for path in files} - left == set(ids)


def test_requests_and_results_are_no_files_of_anybodys(house: House) -> None:
    caller = house.caller("private", org="private")
    client = anthropic_of(house, caller)
    batch = messages_ended(client, client.messages.batches.create(requests=[message(1)]))
    inside = house.rows("select input_file_id, output_file_id from batch where batch_id = ?", batch.id)[0]
    files = openai_of(house, caller).files

    assert files.list().data == []
    for file_id in inside:
        with pytest.raises(Exception, match="no file"):
            files.retrieve(file_id)
    with pytest.raises(Exception, match="no batch"):
        openai_of(house, caller).batches.retrieve(batch.id)
    stranger = anthropic_of(house, house.caller("stranger", org="elsewhere"))
    for asking in (
        stranger.messages.batches.retrieve,
        stranger.messages.batches.cancel,
        stranger.messages.batches.delete,
        stranger.messages.batches.results,
    ):
        with pytest.raises(anthropic.NotFoundError) as refused:
            asking(batch.id)
        assert "claude" not in json.dumps(refused.value.body)
