"""Responses made in the background, with OpenAI's SDK: told at once, made whatever becomes of the caller."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from tests.faultd import LAST_CHUNK, Close, Send, Until, answer, chunk, chunked_head
from tests.gateway.door import Asked, asked
from tests.gateway.house import Caller, House, installed, running, until
from tests.gateway.stage import ENV, Catalogue, Stage, frames, whole_body
from tests.serving import children
from tests.store.world import assert_books_balance
from tests.upstream_answers import TEXT

from passerelle.core.request import Dialect

ASK: dict[str, Any] = {"input": "What of the bridge?", "background": True}
KINDS: tuple[tuple[str, Dialect], ...] = (("chat", "openai_chat"), ("resp", "openai_responses"))


def _config(stage: Stage, *more: str) -> str:
    catalogue = Catalogue()
    for name, dialect in KINDS:
        catalogue.provider(name, dialect, stage.url)
        catalogue.model(f"m-{name}", name)
    return "\n".join([catalogue.text, "[background]", *more])


@pytest.fixture(scope="module")
def house(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    config = _config(stage, "max_active = 3")
    with running(tmp_path_factory.mktemp("background"), config, workers=2, **ENV) as house:
        yield house


@pytest.fixture(scope="module")
def keeper(house: House) -> Caller:
    return house.caller("keeper", content="conversations", budget_nanos=10**12)


def _sdk(house: House, caller: Caller) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{house.gateway.base_url}/v1", api_key=caller.token, max_retries=0)


def _ended(client: openai.OpenAI, response_id: str, within_s: float = 20.0) -> Any:
    told: list[Any] = []

    def over() -> bool:
        told.append(client.responses.retrieve(response_id))
        return told[-1].status not in ("queued", "in_progress")

    until(over, "it is over", within_s=within_s)
    return told[-1]


def _held(stage: Stage, name: str, dialect: Dialect) -> Any:
    """The next answer of that model comes when this is set."""
    gate = stage.event()
    stage.script(f"m-{name}.{name}", Until(gate), Send(answer(whole_body(dialect))))
    return gate


def _in_two(stage: Stage, name: str, dialect: Dialect, first: int) -> Any:
    """The next stream of that model: so many frames at once, the rest when this is set."""
    gate = stage.event()
    said = frames(dialect)
    begin, rest = b"".join(map(chunk, said[:first])), b"".join(map(chunk, said[first:]))
    stage.script(f"m-{name}.{name}", Send(chunked_head() + begin), Until(gate), Send(rest + LAST_CHUNK))
    return gate


@pytest.mark.parametrize(("name", "dialect"), KINDS)
def test_it_is_told_at_once_and_read_when_it_is_done(
    house: House, stage: Stage, keeper: Caller, name: str, dialect: Dialect
) -> None:
    gate = _held(stage, name, dialect)
    with _sdk(house, keeper) as client:
        made = client.responses.create(model=f"m-{name}", metadata={"of": "test"}, **ASK)
        assert (made.status, made.background, made.output, made.metadata) == (
            "queued", True, [], {"of": "test"},
        )  # fmt: skip
        until(lambda: client.responses.retrieve(made.id).status == "in_progress", "it is under way")
        with pytest.raises(openai.BadRequestError, match="`stream`"):
            client.responses.retrieve(made.id, stream=True)
        (item,) = client.responses.input_items.list(made.id).data
        assert item.content[0].text == ASK["input"]  # type: ignore[union-attr]
        stage.set(gate)
        over = _ended(client, made.id)
        assert (over.id, over.status, over.background, over.store) == (made.id, "completed", True, True)
        assert over.output_text == TEXT
        sent = json.loads(stage.seen(f"m-{name}.{name}")[-1].body)
        assert "background" not in sent
        assert sent.get("store") in (None, False)
        after = client.responses.create(model=f"m-{name}", input="Go on.", previous_response_id=made.id)
        assert TEXT in json.dumps(json.loads(stage.seen(f"m-{name}.{name}")[-1].body), ensure_ascii=False)
        assert after.previous_response_id == made.id
        with client.responses.retrieve(made.id, stream=True) as stream:
            assert list(stream)[-1].response.output_text == TEXT  # type: ignore[union-attr]
        assert client.responses.cancel(made.id).status == "completed"
    receipt = house.receipt(keeper, made.id.replace("resp_", "rcp_"))
    assert (receipt["outcome"], receipt["key_id"]) == ("answered", keeper.key_id)


@pytest.mark.parametrize(("name", "dialect"), KINDS)
def test_a_stream_that_was_left_is_taken_up_again_where_it_was(
    house: House, stage: Stage, keeper: Caller, name: str, dialect: Dialect
) -> None:
    gate = _in_two(stage, name, dialect, 6)
    seen: list[Any] = []
    with _sdk(house, keeper) as client:
        with client.responses.create(model=f"m-{name}", stream=True, **ASK) as stream:
            for event in stream:
                seen.append(event)
                if event.type.endswith(".delta"):
                    break
        made = seen[0].response
        assert (seen[0].type, made.status, made.background) == ("response.created", "queued", True)
        assert client.responses.retrieve(made.id).status == "in_progress"
        stage.set(gate)
        last = seen[-1].sequence_number
        with client.responses.retrieve(made.id, stream=True, starting_after=last) as stream:
            seen += list(stream)
        assert [event.sequence_number for event in seen] == list(range(len(seen)))
        assert seen[-1].type == "response.completed"
        assert "".join(e.delta for e in seen if e.type == "response.output_text.delta") == TEXT
        over = _ended(client, made.id)
        assert over.to_dict() == seen[-1].response.to_dict()
        with client.responses.retrieve(made.id, stream=True, starting_after=0) as stream:
            assert [event.to_dict() for event in stream] == [event.to_dict() for event in seen[1:]]
        with client.responses.retrieve(made.id, stream=True, starting_after=len(seen) + 5) as stream:
            assert list(stream)[-1].response.status == "completed"  # type: ignore[union-attr]


def test_one_that_is_cancelled_ends_its_call_and_stays_cancelled(
    house: House, stage: Stage, keeper: Caller
) -> None:
    gate = _in_two(stage, "chat", "openai_chat", 4)
    before = len(stage.seen("m-chat.chat"))
    with _sdk(house, keeper) as client:
        stream = client.responses.create(model="m-chat", stream=True, **ASK)
        made = next(iter(stream)).response  # type: ignore[union-attr]
        until(lambda: len(stage.seen("m-chat.chat")) > before, "it is under way")
        session = stage.seen("m-chat.chat")[-1].session
        assert client.responses.cancel(made.id).status == "cancelled"
        assert stage.gone(session, 10.0)
        *_, last = stream
        told: Any = last  # a kind the SDK does not know, as it comes
        assert (told.type, told.response["status"]) == ("response.cancelled", "cancelled")
        stage.set(gate)
        assert client.responses.cancel(made.id).status == "cancelled"
        assert client.responses.retrieve(made.id).status == "cancelled"
        with pytest.raises(openai.BadRequestError, match="not found"):
            client.responses.create(model="m-chat", input="?", previous_response_id=made.id)
    receipt = house.receipt(keeper, made.id.replace("resp_", "rcp_"))
    assert receipt["outcome"] == "cancelled"


def test_one_that_is_deleted_leaves_nothing(house: House, stage: Stage, keeper: Caller) -> None:
    gate = _held(stage, "chat", "openai_chat")
    asked_before = len(stage.seen("m-chat.chat"))
    with _sdk(house, keeper) as client:
        made = client.responses.create(model="m-chat", **ASK)
        until(lambda: len(stage.seen("m-chat.chat")) > asked_before, "it is under way")
        client.responses.delete(made.id)
        with pytest.raises(openai.NotFoundError):
            client.responses.retrieve(made.id)
    stage.set(gate)
    house.booked(keeper)
    for table in ("stored_response", "background_response", "background_event"):
        assert not house.rows(f"select 1 from {table} where response_id = ?", made.id)


def test_what_came_to_nothing_says_why(house: House, stage: Stage, keeper: Caller) -> None:
    with _sdk(house, keeper) as client:
        for _ in range(3):
            stage.script("m-chat.chat", Send(answer(b'{"error": {"message": "no"}}', status=500)))
        failed = _ended(client, client.responses.create(model="m-chat", **ASK).id)
        stage.clear("m-chat.chat")
        assert (failed.status, failed.error.code, failed.output) == ("failed", "server_error", [])
        assert failed.error.message
        cut = frames("openai_chat")[:5]
        stage.script("m-chat.chat", Send(chunked_head() + b"".join(map(chunk, cut))), Close())
        door = house.at(keeper)
        told = door.send(asked("openai_responses", "m-chat", stream=True, background=True))
        events = [json.loads(line[6:]) for line in told.body.decode().splitlines() if line[:5] == "data:"]
        assert [event["sequence_number"] for event in events] == list(range(len(events)))
        assert [event["type"] for event in events[-2:]] == ["error", "response.failed"]
        response = client.responses.retrieve(events[0]["response"]["id"])
        assert (response.status, response.error.code) == ("failed", "server_error")  # type: ignore[union-attr]


def test_what_could_never_be_answered_is_refused_at_once(house: House, stage: Stage, keeper: Caller) -> None:
    shy = house.caller("shy")
    refusals: list[tuple[Caller, dict[str, Any], int, str]] = [
        (shy, {}, 400, "--store-conversations"),
        (keeper, {"store": False}, 400, "`store`"),
        (keeper, {"model": "no-such-model"}, 404, "no-such-model"),
        (keeper, {"previous_response_id": "resp_nothing"}, 400, "previous_response_id"),
        (keeper, {"input": 3}, 400, "input"),
    ]
    for caller, fields, status, word in refusals:
        body = {"model": "m-chat", **ASK, **fields}
        told = house.at(caller).send(Asked("/v1/responses", json.dumps(body).encode()))
        assert told.status == status, told.body
        assert word in told.body.decode()
    plan = house.at(keeper).send(asked("openai_responses", "m-chat", background=True), x_passerelle_plan="1")
    assert plan.json["plan"]


def test_a_project_has_a_bound_and_nobody_else_sees_its_responses(house: House, stage: Stage) -> None:
    busy = house.caller("busy", org="busy", content="conversations")
    other = house.caller("other", org="other", content="conversations")
    gates = [_held(stage, "chat", "openai_chat") for _ in range(3)]
    with _sdk(house, busy) as client:
        made = [client.responses.create(model="m-chat", **ASK) for _ in range(3)]
        with pytest.raises(openai.RateLimitError) as refused:
            client.responses.create(model="m-chat", **ASK)
        assert refused.value.code == "too_many_in_background"
        name = made[0].id
        for path, method in (("", "GET"), ("?stream=true", "GET"), ("/cancel", "POST"), ("", "DELETE")):
            for theirs in (name, name[:-4] + "ZZZZ"):
                told = house.at(other).send(Asked(f"/v1/responses/{theirs}{path}", b"", method))
                assert told.status == 404
        for gate in gates:
            stage.set(gate)
        assert {_ended(client, one.id).status for one in made} == {"completed"}


def test_after_kill_9_it_is_asked_again_unless_its_words_were_told(tmp_path: Path, stage: Stage) -> None:
    with installed(tmp_path, _config(stage, "concurrency = 2"), **ENV) as house:
        caller = house.caller("keeper", content="conversations", budget_nanos=10**12)
        house.gateway.start()
        before = len(stage.seen("m-chat.chat")), len(stage.seen("m-resp.resp"))
        gates = [_held(stage, "resp", "openai_responses"), _in_two(stage, "chat", "openai_chat", 6)]
        with _sdk(house, caller) as client:
            whole = client.responses.create(model="m-resp", **ASK)
            stream = client.responses.create(model="m-chat", stream=True, **ASK)
            told = next(event for event in stream if event.type.endswith(".delta"))
            waiting = client.responses.create(model="m-chat", **ASK)  # no place is free
            streamed = house.rows("select response_id from background_response where stream = 1")[0][0]
            assert client.responses.retrieve(waiting.id).status == "queued"
        assert told
        house.gateway.kill()
        house.gateway.start()
        with _sdk(house, caller) as client:
            assert _ended(client, whole.id).output_text == TEXT
            assert _ended(client, waiting.id).output_text == TEXT
            failed = _ended(client, streamed)
            assert (failed.status, failed.error.code) == ("failed", "server_error")
            assert "send the request again" in failed.error.message
            with client.responses.retrieve(streamed, stream=True) as again:
                kinds = []
                with pytest.raises(openai.APIError):
                    kinds += [event.type for event in again]
        for gate in gates:
            stage.set(gate)
        assert len(stage.seen("m-resp.resp")) == before[1] + 2
        assert len(stage.seen("m-chat.chat")) == before[0] + 2
        house.booked(caller)
        assert_books_balance(house.gateway.data)
        ((rows, unknown),) = house.rows("select count(*), sum(unknown) from ledger")
        assert (rows, unknown) == (4, 2), "every call a provider saw is in the ledger"


def test_another_worker_goes_on_when_one_dies(tmp_path: Path, stage: Stage) -> None:
    with running(tmp_path, _config(stage), workers=2, **ENV) as house:
        caller = house.caller("keeper", content="conversations")
        gate = _held(stage, "resp", "openai_responses")
        before = len(stage.seen("m-resp.resp"))
        with _sdk(house, caller) as client:
            made = client.responses.create(model="m-resp", **ASK)
            until(lambda: len(stage.seen("m-resp.resp")) > before, "it is under way")
        ((owner,),) = house.rows("select owner from background_response")
        pid = next(pid for pid in children(house.gateway.process.pid) if f"{pid}-" in owner)
        os.kill(pid, signal.SIGKILL)
        with _sdk(house, caller) as client:
            assert _ended(client, made.id, within_s=40.0).output_text == TEXT
        stage.set(gate)


def test_an_orderly_end_gives_back_what_is_under_way(tmp_path: Path, stage: Stage) -> None:
    with installed(tmp_path, _config(stage, "attempts = 1", "[server]", "drain_s = 0.2"), **ENV) as house:
        caller = house.caller("keeper", content="conversations")
        house.gateway.start()
        gate = _held(stage, "resp", "openai_responses")
        before = len(stage.seen("m-resp.resp"))
        with _sdk(house, caller) as client:
            made = client.responses.create(model="m-resp", **ASK)
            until(lambda: len(stage.seen("m-resp.resp")) > before, "it is under way")
        house.gateway.stop()
        house.gateway.start()
        with _sdk(house, caller) as client:
            assert _ended(client, made.id).output_text == TEXT
        stage.set(gate)
