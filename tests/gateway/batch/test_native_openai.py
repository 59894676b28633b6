"""Batches at OpenAI's own batch service, at half the price: whole, in part, refused, cancelled."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from tests.gateway.batch.native_world import config, native
from tests.gateway.batch.office import begin, chat_line, ended, numbers, openai_of, read
from tests.gateway.house import House, running, until
from tests.gateway.stage import ENV
from tests.store.world import assert_books_balance
from tests.upstream_batches import BatchUpstream

from passerelle.cli.main import passerelle


@pytest.fixture
def house(native_house: House) -> House:
    return native_house


def test_a_batch_goes_whole_and_comes_back_at_half_the_price(house: House, upstream: BatchUpstream) -> None:
    caller = house.caller("thrifty", budget_nanos=10**12)
    client = openai_of(house, caller)
    single = client.chat.completions.with_raw_response.create(
        model="m-chat", messages=[{"role": "user", "content": "one"}]
    )
    house.booked(caller)
    ((price,),) = house.rows("select amount_nanos from ledger where key_id = ?", caller.key_id)

    over = ended(client, begin(client, [chat_line(n) for n in range(150)]))

    assert single.status_code == 200
    assert over.status == "completed"
    assert over.request_counts.completed == 150
    assert over.usage.output_tokens > 0
    answers = read(client, over.output_file_id)
    assert numbers(answers) == list(range(150))
    assert {line["custom_id"] for line in answers} == {f"c{n}" for n in range(150)}
    assert upstream.asked == ["one"]
    assert upstream.seen("POST", "/v1/files") == upstream.seen("POST", "/v1/batches") == 1
    rows = house.rows(
        "select amount_nanos, price_version, ok, unknown from ledger where key_id = ? and amount_nanos <> ?",
        caller.key_id, price,
    )  # fmt: skip
    assert len(rows) == 150
    assert {row[0] for row in rows} == {-(-price // 2)}
    assert all(row[1].endswith("*50%") and row[2] and not row[3] for row in rows)
    assert house.spent(caller.budget_id or "") == price + 150 * -(-price // 2)
    assert_books_balance(house.gateway.data)
    receipt = house.receipt(caller, answers[7]["response"]["request_id"])
    assert receipt["tags"] == [over.id]
    assert receipt["relayed"] is True
    assert receipt["plan"]["candidates"][0]["deployment"] == "chat/m-chat.chat"
    assert house.rows("select count(*) from budget_lease where worker = ? and state = 'open'", over.id) == [
        (0,)
    ]


def test_nothing_of_it_is_left_at_the_provider(house: House, upstream: BatchUpstream) -> None:
    client = openai_of(house, house.caller("tidy"))
    over = ended(client, begin(client, [chat_line(n) for n in range(3)]))

    assert over.status == "completed"
    assert upstream.files == {}
    assert len(upstream.deleted) == 2


def test_tenants_names_do_not_travel(house: House, upstream: BatchUpstream) -> None:
    client = openai_of(house, house.caller("secretive", org="quiet"))
    line = {**chat_line(1), "custom_id": "patient-4711"}
    over = ended(client, begin(client, [line]))

    assert [one["custom_id"] for one in read(client, over.output_file_id)] == ["patient-4711"]
    (batch,) = upstream.batches.values()
    assert [name for name, _ in batch.lines] == ["c1"]
    assert "quiet" not in str(batch)


def test_responses_go_too(house: House, upstream: BatchUpstream) -> None:
    client = openai_of(house, house.caller("modern"))
    lines = [
        {
            "custom_id": f"c{n}",
            "method": "POST",
            "url": "/v1/responses",
            "body": {"model": "m-chat", "input": "x"},
        }
        for n in range(4)
    ]
    over = ended(client, begin(client, lines, endpoint="/v1/responses"))

    assert over.status == "completed"
    assert upstream.asked == []
    assert all(one["response"]["body"]["object"] == "response" for one in read(client, over.output_file_id))


@pytest.mark.parametrize(
    ("url", "body", "asked_here"),
    [
        ("/v1/embeddings", {"model": "m-embed", "input": "a bridge"}, 0),
        ("/v1/images/generations", {"model": "m-draw", "prompt": "a bridge"}, 2),
    ],
)
def test_other_operations_go_where_they_are_relayed_and_stay_where_they_are_not(
    house: House, upstream: BatchUpstream, url: str, body: dict[str, Any], asked_here: int
) -> None:
    client = openai_of(house, house.caller("various"))
    lines = [{"custom_id": f"c{n}", "method": "POST", "url": url, "body": body} for n in range(2)]
    over = ended(client, begin(client, lines, endpoint=url))

    assert len(upstream.asked) == asked_here
    assert over.request_counts.completed == 2
    assert all(one["response"]["body"]["data"] for one in read(client, over.output_file_id))


def test_what_the_provider_did_not_come_to_is_asked_by_us(house: House, upstream: BatchUpstream) -> None:
    def partly(words: str, body: Any) -> tuple[int, dict[str, Any]] | None:
        number = int(words.split()[-1])
        if number % 3 == 0:
            return 200, {}
        if number % 3 == 1:
            return None
        return 500, {"error": {"message": "ours", "type": "server_error"}}

    upstream.answers = partly
    caller = house.caller("partial", budget_nanos=10**12)
    client = openai_of(house, caller)
    over = ended(client, begin(client, [chat_line(n) for n in range(12)]))

    assert over.request_counts.completed == 12
    assert sorted(int(words.split()[-1]) for words in upstream.asked) == [n for n in range(12) if n % 3]
    house.booked(caller)
    amounts = [
        row[0] for row in house.rows("select amount_nanos from ledger where key_id = ?", caller.key_id)
    ]
    assert len(amounts) == 12
    assert sorted(amounts) == [min(amounts)] * 4 + [max(amounts)] * 8
    assert house.spent(caller.budget_id or "") == sum(amounts)
    assert_books_balance(house.gateway.data)


def test_a_callers_mistake_is_told_and_not_asked_again(house: House, upstream: BatchUpstream) -> None:
    wrong = {"error": {"message": "`n` is too large", "type": "invalid_request_error", "param": "n"}}
    upstream.answers = lambda words, body: (400, wrong) if words == "question 2" else (200, {})
    caller = house.caller("mistaken")
    client = openai_of(house, caller)
    over = ended(client, begin(client, [chat_line(n) for n in range(4)]))

    assert (over.request_counts.completed, over.request_counts.failed) == (3, 1)
    (line,) = read(client, over.error_file_id)
    assert line["custom_id"] == "c2"
    assert line["response"]["status_code"] == 400
    assert "`n` is too large" in line["response"]["body"]["error"]["message"]
    assert upstream.asked == []
    receipt = house.receipt(caller, line["response"]["request_id"])
    assert (receipt["outcome"], receipt["cost_nanos"]) == ("failed", 0)


def test_a_batch_that_the_provider_refuses_is_run_here(house: House, upstream: BatchUpstream) -> None:
    upstream.refuses = "m-chat.chat"
    client = openai_of(house, house.caller("refused"))
    batch = begin(client, [chat_line(n) for n in range(3)])
    over = ended(client, batch)

    assert over.request_counts.completed == 3
    assert len(upstream.asked) == 3
    assert "model_not_batchable" in native(house, batch)
    assert upstream.files == {}


@pytest.mark.parametrize(
    ("lines", "rights", "why"),
    [
        ([chat_line(1), chat_line(2, "m-other")], {}, "may not serve it"),
        ([chat_line(1, "m-plain")], {}, "no place with a batch service"),
        ([chat_line(1, "smart")], {"models": ("smart", "m-*")}, "leaves the choice of model"),
        ([chat_line(1)], {"max_retention_days": 7}, "retention"),
        ([chat_line(1, "no-such-model")], {}, "line 1"),
    ],
)
def test_what_cannot_go_is_run_here_and_the_reason_kept(
    house: House, upstream: BatchUpstream, lines: list[Any], rights: dict[str, Any], why: str
) -> None:
    client = openai_of(house, house.caller("elsewhere", **rights))
    batch = begin(client, lines)
    ended(client, batch)

    assert upstream.batches == {}
    assert upstream.files == {}
    assert '"step":"here"' in native(house, batch)
    assert why in native(house, batch)


def test_a_budget_that_cannot_hold_all_of_it_runs_it_line_by_line(
    house: House, upstream: BatchUpstream
) -> None:
    caller = house.caller("poor", budget_nanos=400_000_000)
    client = openai_of(house, caller)
    batch = begin(client, [chat_line(n, max_tokens=8000) for n in range(10)])
    over = ended(client, batch)

    assert over.request_counts.completed >= 1
    assert upstream.batches == {}
    assert "budget" in native(house, batch)
    house.booked(caller)
    assert_books_balance(house.gateway.data)


def test_money_is_aside_while_a_batch_is_away(house: House, upstream: BatchUpstream) -> None:
    upstream.ends = False
    caller = house.caller("saver", budget_nanos=400_000_000)
    client = openai_of(house, caller)
    batch = begin(client, [chat_line(n, max_tokens=1000) for n in range(40)])
    until(lambda: '"step":"waiting"' in native(house, batch), "it is away")

    with pytest.raises(Exception, match="Budget"):
        client.chat.completions.create(
            model="m-chat", messages=[{"role": "user", "content": "x"}], max_tokens=15_000
        )
    assert client.batches.retrieve(batch.id).status == "in_progress"
    upstream.end()

    over = ended(client, batch)
    assert over.request_counts.completed == 40
    assert_books_balance(house.gateway.data)


def test_a_cancellation_is_passed_on_and_what_was_done_is_kept(house: House, upstream: BatchUpstream) -> None:
    upstream.ends = False
    upstream.answers = lambda words, body: (200, {}) if words in ("question 1", "question 2") else None
    caller = house.caller("fickle", budget_nanos=10**12)
    client = openai_of(house, caller)
    batch = begin(client, [chat_line(n) for n in range(10)])
    until(lambda: '"step":"waiting"' in native(house, batch), "it is away")
    there = json.loads(native(house, batch))["batch_id"]
    client.batches.cancel(batch.id)

    over = ended(client, batch)

    assert over.status == "cancelled"
    assert numbers(read(client, over.output_file_id)) == [1, 2]
    codes = {line["error"]["code"] for line in read(client, over.error_file_id)}
    assert codes == {"batch_cancelled"}
    assert upstream.seen("POST", f"/{there}/cancel") == 1
    assert upstream.asked == []
    assert len(house.rows("select 1 from ledger where key_id = ?", caller.key_id)) == 2
    assert_books_balance(house.gateway.data)


def test_an_administrator_sees_where_batches_are_and_cancels_them(
    house: House, upstream: BatchUpstream
) -> None:
    upstream.ends = False
    client = openai_of(house, house.caller("watched", org="watched"))
    stays = begin(client, [chat_line(1, "m-plain")])
    ended(client, stays)
    goes = begin(client, [chat_line(n) for n in range(3)])
    until(lambda: '"step":"waiting"' in native(house, goes), "it is away")

    def told(*args: str) -> Result:
        return CliRunner(env={"PASSERELLE_DATA_DIR": str(house.gateway.data)}).invoke(
            passerelle, ["batches", *args]
        )

    def said(*args: str) -> str:
        found = told(*args, "--org", "watched")
        assert found.exit_code == 0, found.output
        return found.stdout

    listed = {row["id"]: row for row in json.loads(said("list", "--json"))}
    assert listed.keys() == {stays.id, goes.id}
    assert listed[goes.id]["native"]["batch_id"] in upstream.batches
    assert "no place with a batch service" in said("show", stays.id).replace("\n", " ")
    assert "at `chat/m-chat.chat`, waiting" in said("show", goes.id)
    assert "cancelling" in said("cancel", goes.id)
    assert ended(client, goes).status == "cancelled"
    assert said("cancel", goes.id), "it is cancelled already"
    assert told("show", goes.id).exit_code != 0


def test_trouble_at_every_step_passes(house: House, upstream: BatchUpstream) -> None:
    upstream.fail += [
        ("POST", "/v1/files", 503),
        ("POST", "/v1/batches", 500),
        ("GET", "/v1/batches/", 502),
        ("GET", "/v1/files/", 503),
        ("DELETE", "/v1/files/", 500),
    ]
    client = openai_of(house, house.caller("patient"))
    over = ended(client, begin(client, [chat_line(n) for n in range(5)]), within_s=40.0)

    assert upstream.fail == []
    assert over.request_counts.completed == 5
    assert upstream.asked == []
    assert upstream.files == {}
    assert len(upstream.batches) == 1


def test_a_key_that_is_revoked_ends_what_is_left_of_its_batch(house: House, upstream: BatchUpstream) -> None:
    upstream.ends = False
    upstream.answers = lambda words, body: None
    leaver, stayer = house.caller("leaver"), house.caller("stayer")
    batch = begin(openai_of(house, leaver), [chat_line(n) for n in range(3)])
    until(lambda: '"step":"waiting"' in native(house, batch), "it is away")
    house.revoke(leaver)

    over = ended(openai_of(house, stayer), batch)

    assert upstream.seen("POST", "/cancel") == 1
    errors = read(openai_of(house, stayer), over.error_file_id)
    assert [line["response"]["status_code"] for line in errors] == [401, 401, 401]


def test_a_batch_away_past_its_window_is_cancelled_there_and_the_rest_expires(
    tmp_path: Path, upstream: BatchUpstream
) -> None:
    upstream.ends = False
    upstream.answers = lambda words, body: (200, {}) if words == "question 1" else None
    with running(tmp_path, config(upstream.url, "window_s = 2.0"), **ENV) as house:
        client = openai_of(house, house.caller("late"))
        over = ended(client, begin(client, [chat_line(n) for n in range(3)]))

        assert over.status == "expired"
        assert numbers(read(client, over.output_file_id)) == [1]
        codes = [line["error"]["code"] for line in read(client, over.error_file_id)]
        assert codes == ["batch_expired", "batch_expired"]
        assert upstream.seen("POST", "/cancel") == 1
        assert upstream.asked == []


def test_an_operator_can_keep_batches_here(tmp_path: Path, upstream: BatchUpstream) -> None:
    with running(tmp_path, config(upstream.url, 'native = "never"'), **ENV) as house:
        client = openai_of(house, house.caller("home"))
        over = ended(client, begin(client, [chat_line(n) for n in range(3)]))
    assert over.request_counts.completed == 3
    assert len(upstream.asked) == 3
    assert upstream.batches == {}
