"""OpenAI's batches through its SDK: files in, each line on the road, files out."""

import json
from collections.abc import Iterator

import openai
import pytest
from tests.faultd import Send, Until, answer
from tests.gateway.batch.office import ENDPOINT, begin, chat_line, ended, jsonl, numbers, openai_of, read
from tests.gateway.house import House, running, until
from tests.gateway.stage import ENV, Catalogue, Stage
from tests.store.world import assert_books_balance

_CONFIG = """
[server]
max_body_bytes = 65536
[batches]
max_lines = 60
attempts = 3
"""


@pytest.fixture(scope="module")
def house(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    catalogue = Catalogue()
    for provider in ("chat", "claude"):
        catalogue.provider(provider, "openai_chat" if provider == "chat" else "anthropic", stage.url)
        catalogue.model(f"m-{provider}", provider)
    for name in ("m-slow", "m-flaky", "m-broken"):
        catalogue.model(name, "chat")
    catalogue.lines += ["[providers.simulated]", 'kind = "simulated"', "models = []"]
    for kind in ("embedding", "verdict"):
        catalogue.model(f"m-{kind}", "simulated", more=[f'output_modalities = ["{kind}"]'])
    config = _CONFIG + catalogue.text.replace("providers_from_environment = false", "")
    config = "providers_from_environment = false\n" + config
    with running(tmp_path_factory.mktemp("batches"), config, **ENV) as house:
        yield house


def test_a_batch_is_answered_line_by_line_in_openais_own_shapes(house: House, stage: Stage) -> None:
    caller = house.caller("plain", budget_nanos=10**12)
    client = openai_of(house, caller)
    lines = [chat_line(n, "m-chat" if n % 2 else "m-claude", max_tokens=50) for n in range(20)]
    batch = begin(client, [*lines, chat_line(20, "no-such-model")], metadata={"of": "test"})
    assert batch.status == "validating"

    over = ended(client, batch)

    assert over.status == "completed"
    assert over.metadata == {"of": "test"}
    assert (over.request_counts.total, over.request_counts.completed, over.request_counts.failed) == (
        21,
        20,
        1,
    )
    assert over.created_at <= over.in_progress_at <= over.finalizing_at <= over.completed_at < over.expires_at
    answered = read(client, over.output_file_id)
    assert numbers(answered) == list(range(20))
    tokens = 0
    for line in answered:
        assert line.keys() == {"id", "custom_id", "response", "error"}
        assert line["error"] is None
        assert line["response"]["status_code"] == 200
        body = line["response"]["body"]
        assert body["object"] == "chat.completion"
        tokens += body["usage"]["total_tokens"]
        receipt = house.receipt(caller, line["response"]["request_id"])
        assert receipt["outcome"] == "answered"
        assert batch.id in receipt["tags"]
    assert over.usage.total_tokens == tokens
    (failed,) = read(client, over.error_file_id)
    assert failed["custom_id"] == "c20"
    assert failed["error"] is None
    assert failed["response"]["status_code"] == 404
    assert failed["response"]["body"]["error"]["code"] == "model_not_found"
    assert house.spent(caller.budget_id or "") > 0
    assert_books_balance(house.gateway.data)


def test_without_failures_there_is_no_error_file_and_without_answers_no_output_file(house: House) -> None:
    client = openai_of(house, house.caller("one sided"))

    good = ended(client, begin(client, [chat_line(1)]))
    bad = ended(client, begin(client, [chat_line(1, "no-such-model")]))

    assert good.status == bad.status == "completed"
    assert good.output_file_id
    assert good.error_file_id is None
    assert bad.error_file_id
    assert bad.output_file_id is None


def test_what_is_wrong_with_an_input_is_told_line_by_line_and_nothing_is_asked(
    house: House, stage: Stage
) -> None:
    client = openai_of(house, house.caller("careless"))
    asked = len(stage.requests)
    wrong = {
        "invalid_json_line": b"{not json",
        "duplicate_custom_id": chat_line(1),
        "url_mismatch": {**chat_line(3), "url": "/v1/embeddings"},
        "invalid_method": {**chat_line(4), "method": "GET"},
        "missing_required_parameter": {"method": "POST", "url": ENDPOINT, "body": {}},
        "invalid_type": {**chat_line(6), "body": "text"},
        "unsupported_parameter": chat_line(7, stream=True),
        "invalid_value": {**chat_line(8), "custom_id": 8},
        "line_too_large": chat_line(9, padding="x" * 70_000),
    }
    over = ended(client, begin(client, [chat_line(1), b"", *wrong.values(), {**chat_line(10), "body": {}}]))

    assert over.status == "failed"
    assert over.failed_at is not None
    told = [(one.code, one.line) for one in over.errors.data]
    assert told == [*zip(wrong, range(3, 12), strict=True), ("missing_required_parameter", 12)]
    assert over.errors.data[-1].param == "body.model"
    assert over.output_file_id is over.error_file_id is None
    assert len(stage.requests) == asked


@pytest.mark.parametrize(
    ("lines", "code"),
    [([], "empty_file"), ([b"", b"  "], "empty_file"), ([chat_line(n) for n in range(61)], "too_many_tasks")],
)
def test_an_input_of_no_lines_or_too_many_fails(house: House, lines: list[object], code: str) -> None:
    client = openai_of(house, house.caller("extreme"))

    over = ended(client, begin(client, lines))

    assert over.status == "failed"
    assert [one.code for one in over.errors.data] == [code]


def test_a_batch_that_cannot_be_made_is_refused_with_the_field_at_fault(house: House) -> None:
    client = openai_of(house, house.caller("refused"))
    file = client.files.create(file=("in.jsonl", jsonl([chat_line(1)])), purpose="batch")
    other = client.files.create(file=("in.txt", b"words"), purpose="user_data")
    good = {"input_file_id": file.id, "endpoint": ENDPOINT, "completion_window": "24h"}
    for param, value in (
        ("input_file_id", "file-nothing"),
        ("input_file_id", other.id),
        ("endpoint", "/v1/messages"),
        ("endpoint", "/v1/files"),
        ("completion_window", "48h"),
        ("metadata", {"x": "y" * 513}),
        ("output_expires_after", {"anchor": "created_at", "seconds": 5}),
    ):
        with pytest.raises(openai.BadRequestError) as refused:
            client.batches.create(**{**good, param: value})  # type: ignore[arg-type]
        assert (refused.value.param or "").startswith(param)


def test_a_temporary_failure_is_tried_again_and_a_lasting_one_is_told(house: House, stage: Stage) -> None:
    client = openai_of(house, house.caller("patient"))
    busy = Send(answer(b'{"error": {"message": "later"}}', status=503))
    for _ in range(4):  # more than one request's own attempts
        stage.script("m-flaky.chat", busy)
    stage.always("m-broken.chat", Send(answer(b'{"error": {"message": "no"}}', status=400)))

    over = ended(client, begin(client, [chat_line(1, "m-flaky"), chat_line(2, "m-broken")]))

    assert numbers(read(client, over.output_file_id)) == [1]
    (failed,) = read(client, over.error_file_id)
    assert failed["response"]["status_code"] == 400
    assert len(stage.seen("m-broken.chat")) == 1


def test_lines_beyond_their_keys_limit_wait_for_their_turn(house: House) -> None:
    caller = house.caller("slow", requests_per_minute=240, concurrency=2)

    client = openai_of(house, house.caller("reader of slow"))
    over = ended(client, begin(openai_of(house, caller), [chat_line(n) for n in range(30)]))

    assert (over.status, over.request_counts.completed) == ("completed", 30)


def test_an_empty_budget_ends_lines_and_is_not_overspent(house: House) -> None:
    caller = house.caller("poor", budget_nanos=2_000_000)
    client = openai_of(house, caller)

    over = ended(client, begin(client, [chat_line(n, max_tokens=60) for n in range(20)]))

    assert over.status == "completed"
    assert 0 < over.request_counts.completed < 20
    codes = {line["response"]["body"]["error"]["code"] for line in read(client, over.error_file_id)}
    assert codes == {"budget_exhausted"}
    assert house.spent(caller.budget_id or "") <= 2_000_000


def test_a_cancelled_batch_ends_what_it_began_and_begins_nothing_more(house: House, stage: Stage) -> None:
    client = openai_of(house, house.caller("changing"))
    gate = stage.event()
    good = b'{"id":"x","object":"chat.completion","choices":[{"index":0,"finish_reason":"stop","message":'
    good += b'{"role":"assistant","content":"done"}}],"usage":{"prompt_tokens":1,"completion_tokens":1}}'
    stage.always("m-slow.chat", Until(gate), Send(answer(good)))
    batch = begin(client, [chat_line(n, "m-slow") for n in range(40)])
    until(lambda: len(stage.seen("m-slow.chat")) == 8, "as many lines as may be at once are under way")

    cancelling = client.batches.cancel(batch.id)
    assert cancelling.status == "cancelling"
    assert cancelling.cancelling_at is not None
    heard = house.rows("select leased_until_ns from batch where batch_id = ?", batch.id)
    until(
        lambda: house.rows("select leased_until_ns from batch where batch_id = ?", batch.id) != heard,
        "its worker has heard of it",
    )
    stage.set(gate)
    over = ended(client, batch)

    assert over.status == "cancelled"
    assert over.cancelled_at is not None
    assert (over.request_counts.total, over.request_counts.completed, over.request_counts.failed) == (
        40,
        8,
        0,
    )
    assert len(read(client, over.output_file_id)) == 8
    unasked = read(client, over.error_file_id)
    assert len(unasked) == 32
    assert {line["error"]["code"] for line in unasked} == {"batch_cancelled"}
    assert all(line["response"] is None for line in unasked)
    assert len(stage.seen("m-slow.chat")) == 8
    with pytest.raises(openai.ConflictError):
        client.batches.cancel(ended(client, begin(client, [chat_line(1)])).id)
    with pytest.raises(openai.NotFoundError):
        client.batches.cancel("batch_nothing")


def test_lines_have_the_rights_their_key_has_when_they_are_asked(house: House, stage: Stage) -> None:
    caller, reader = house.caller("revoked soon"), house.caller("reader")
    client = openai_of(house, reader)
    gate = stage.event()
    stage.always("m-slow.chat", Until(gate), Send(answer(b"{}", status=400)))
    batch = begin(openai_of(house, caller), [chat_line(n, "m-slow") for n in range(12)])
    before = len(stage.seen("m-slow.chat"))
    until(lambda: len(stage.seen("m-slow.chat")) >= before + 8, "the first lines are under way")
    house.revoke(caller)
    stage.set(gate)

    over = ended(client, batch)

    statuses = [line["response"]["status_code"] for line in read(client, over.error_file_id)]
    assert sorted(statuses) == [400] * 8 + [401] * 4


def test_batches_are_listed_newest_first_in_pages(house: House) -> None:
    client = openai_of(house, house.caller("lister", org="listers"))
    made = [begin(client, [chat_line(1)]).id for _ in range(5)]

    assert [batch.id for batch in client.batches.list(limit=2)] == made[::-1]
    page = client.batches.list(limit=2, after=made[3])
    assert [batch.id for batch in page.data] == made[1:3][::-1]
    assert page.has_more
    for one in made:
        ended(client, client.batches.retrieve(one))
    with pytest.raises(openai.BadRequestError):
        client.batches.list(limit=101)


def test_wishes_of_the_creation_hold_for_every_line(house: House) -> None:
    client = openai_of(house, house.caller("wishing"))
    file = client.files.create(file=("in.jsonl", jsonl([chat_line(1)])), purpose="batch")
    batch = client.batches.create(
        input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h",
        extra_headers={"x-passerelle-models": "m-claude"},
    )  # fmt: skip

    over = ended(client, batch)

    (failed,) = read(client, over.error_file_id)
    assert failed["response"]["status_code"] == 403


@pytest.mark.parametrize(
    ("endpoint", "body", "kind"),
    [
        ("/v1/responses", {"model": "m-chat", "input": "x"}, "response"),
        ("/v1/embeddings", {"model": "m-embedding", "input": ["a", "b"]}, "list"),
        ("/v1/moderations", {"model": "m-verdict", "input": "x"}, None),
    ],
)
def test_other_endpoints_are_asked_in_batches_too(
    house: House, endpoint: str, body: dict[str, object], kind: str | None
) -> None:
    client = openai_of(house, house.caller("other"))
    line = {"custom_id": "c1", "method": "POST", "url": endpoint, "body": body}
    over = ended(client, begin(client, [line], endpoint=endpoint))

    (answered,) = read(client, over.output_file_id)
    assert answered["response"]["body"].get("object") == kind


def test_batches_and_files_are_the_projects_own(house: House) -> None:
    mine, other = house.caller("mine", org="aurora"), house.caller("other", org="borealis")
    beside = house.caller("beside", org="aurora")
    client = openai_of(house, mine)
    over = ended(client, begin(client, [chat_line(1)]))

    assert openai_of(house, beside).batches.retrieve(over.id).id == over.id
    stranger = openai_of(house, other)
    assert stranger.batches.list().data == []
    assert stranger.files.list().data == []
    for asking in (
        lambda: stranger.batches.retrieve(over.id),
        lambda: stranger.batches.cancel(over.id),
        lambda: stranger.files.retrieve(over.output_file_id),
        lambda: stranger.files.content(over.output_file_id),
        lambda: stranger.files.delete(over.input_file_id),
    ):
        with pytest.raises(openai.NotFoundError) as refused:
            asking()
        assert "chat" not in json.dumps(refused.value.body)
    with pytest.raises(openai.BadRequestError):
        stranger.batches.create(
            input_file_id=over.input_file_id, endpoint="/v1/chat/completions", completion_window="24h"
        )
