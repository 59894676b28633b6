"""Stored responses and conversations through the front door, with OpenAI's own SDK, whoever answers."""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from sqlite3 import connect
from typing import Any, NamedTuple

import openai
import pytest
from tests.faultd import Close, Received, Send, answer
from tests.gateway.door import Asked, Door, asked
from tests.gateway.faulty import opened
from tests.gateway.house import ACTOR, Caller, House, installed, running
from tests.gateway.stage import ENV, Catalogue, Stage, frames, short, whole_body
from tests.upstream_answers import PROOF, TEXT

from passerelle.core.request import Dialect
from passerelle.server.call import ModelCalls
from passerelle.server.v1.conversations import Conversations
from passerelle.server.v1.responses import Responses

FOUR: tuple[Dialect, ...] = ("openai_chat", "openai_responses", "anthropic", "gemini")
TOOL: Any = {
    "type": "function",
    "name": "weather",
    "description": "How is it there?",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    "strict": False,
}
FIRST, SECOND = "What of the bridge at Avignon?", "And the one at Arles?"


class Play(NamedTuple):
    """A running house and who comes to it."""

    house: House
    stage: Stage
    keeper: Caller
    """Its conversations may be kept."""
    neighbour: Caller
    """So may hers, in another project of the same tenant."""
    stranger: Caller
    """And his, in another tenant."""
    shy: Caller
    """Of the keeper's project; nothing of hers may be kept."""

    def sdk(self, caller: Caller) -> openai.OpenAI:
        """The client as its documentation makes it."""
        return openai.OpenAI(
            base_url=f"{self.house.gateway.base_url}/v1", api_key=caller.token, max_retries=0
        )

    def seen(self, dialect: str, behaviour: str = "plain") -> Received:
        """The last request of that provider."""
        place = dialect if behaviour == "plain" else f"{dialect}-{behaviour}"
        return self.stage.seen(f"{dialect}-{behaviour}.{place}")[-1]


@pytest.fixture(scope="module")
def play(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Play]:
    catalogue = _catalogue(stage)
    with running(tmp_path_factory.mktemp("kept"), catalogue.text, **ENV) as house:
        yield _play(house, stage)


def _catalogue(stage: Stage) -> Catalogue:
    catalogue = Catalogue()
    for dialect in FOUR:
        name = short(dialect)
        catalogue.provider(name, dialect, stage.url)
        catalogue.model(f"{name}-plain", name)
    for name, dialect in (*((short(dialect), dialect) for dialect in FOUR), ("other", "openai_responses")):
        catalogue.provider(f"{name}-thinks", dialect, stage.url)  # the upstream model ends in its behaviour
        catalogue.model(f"{name}-thinks", f"{name}-thinks")
    return catalogue


def _play(house: House, stage: Stage) -> Play:
    tenant = house.tenant("acme")
    beside = house.store.tenants.create_project(tenant.org_id, tenant.workspace_id, "beside", actor=ACTOR)
    house.tenants["beside"] = tenant._replace(project_id=beside.id)
    return Play(
        house,
        stage,
        house.caller("keeper", content="conversations"),
        house.caller("neighbour", org="beside", content="full"),
        house.caller("stranger", org="borealis", content="conversations"),
        house.caller("shy"),
    )


def _said(body: bytes) -> str:
    return json.dumps(json.loads(body), ensure_ascii=False)


def _streamed(client: openai.OpenAI, **asks: Any) -> tuple[Any, list[Any]]:
    with client.responses.create(stream=True, **asks) as stream:
        events = list(stream)
    return events[-1].response, events


# --- turns


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("dialect", FOUR)
def test_a_conversation_goes_on_by_id_whoever_answers(play: Play, dialect: Dialect, stream: bool) -> None:
    name = short(dialect)
    with play.sdk(play.keeper) as client:

        def ask(**more: Any) -> Any:
            asks = {"model": f"{name}-plain", **more}
            return _streamed(client, **asks)[0] if stream else client.responses.create(**asks)

        first = ask(input=FIRST, instructions="Be brief.")
        assert json.loads(play.seen(name).body).get("store") in (None, False)
        second = ask(input=[{"role": "user", "content": SECOND}], previous_response_id=first.id)
        sent = _said(play.seen(name).body)
        assert [sent.count(words) for words in (FIRST, TEXT, SECOND, "Be brief.")] == [1, 1, 1, 0]
        assert sent.index(FIRST) < sent.index(TEXT) < sent.index(SECOND)
        assert first.id != second.id
        assert (first.previous_response_id, second.previous_response_id) == (None, first.id)
        assert first.store is second.store is True
        for told in (first, second):
            again = client.responses.retrieve(told.id)
            assert again.to_dict() == told.to_dict()
            assert again.output_text == TEXT
        items = list(client.responses.input_items.list(second.id, limit=1, order="asc"))
        assert [item.content[0].text for item in items] == [FIRST, TEXT, SECOND]  # type: ignore[union-attr]
        assert len({item.id for item in items}) == 3
        newest = client.responses.input_items.list(second.id)
        assert [item.id for item in newest.data] == [item.id for item in reversed(items)]


def test_its_id_is_its_receipt_s_and_ours_even_where_bytes_are_relayed(play: Play) -> None:
    with play.sdk(play.keeper) as client:
        raw = client.responses.with_raw_response.create(model="resp-plain", input=FIRST)
        told, events = _streamed(client, model="resp-plain", input=FIRST)
    assert raw.parse().id == raw.headers["x-passerelle-receipt"].replace("rcp_", "resp_")
    assert {event.response.id for event in events if hasattr(event, "response")} == {told.id}
    receipt = play.house.receipt(play.keeper, told.id.replace("resp_", "rcp_"))
    assert receipt["relayed"] is True


def test_any_turn_may_be_another_model_s(play: Play) -> None:
    with play.sdk(play.keeper) as client:
        before = None
        for dialect in (*FOUR, *FOUR[::-1]):
            last = client.responses.create(
                model=f"{short(dialect)}-plain", input=SECOND, previous_response_id=before
            )
            before = last.id
        sent = _said(play.seen("chat").body)
    assert sent.count(SECOND) == 2 * len(FOUR)
    assert sent.count(TEXT) == 2 * len(FOUR) - 1


@pytest.mark.parametrize("dialect", FOUR)
def test_tools_are_answered_by_id(play: Play, dialect: Dialect) -> None:
    name = short(dialect)
    with play.sdk(play.keeper) as client:
        first = client.responses.create(model=f"{name}-thinks", input=FIRST, tools=[TOOL])
        (call,) = [item for item in first.output if item.type == "function_call"]
        result: Any = {"type": "function_call_output", "call_id": call.call_id, "output": "gusts of 70"}
        second = client.responses.create(
            model=f"{name}-thinks", input=[result], tools=[TOOL], previous_response_id=first.id
        )
        assert second.output_text == TEXT
        sent = _said(play.seen(name, "thinks").body)
        assert (PROOF in sent) == (dialect != "openai_chat")  # which has no place for it
        assert sent.count("gusts of 70") == 1


def test_opaque_thoughts_go_to_nobody_but_their_provider(play: Play) -> None:
    with play.sdk(play.keeper) as client:
        first = client.responses.create(model="resp-thinks", input=FIRST, tools=[TOOL])
        (call,) = [item for item in first.output if item.type == "function_call"]
        result: Any = {"type": "function_call_output", "call_id": call.call_id, "output": "gusts of 70"}
        asks: Any = {"input": [result], "tools": [TOOL], "previous_response_id": first.id}
        same = client.responses.with_raw_response.create(model="resp-thinks", **asks)
        assert "x-passerelle-dropped" not in same.headers
        assert PROOF in _said(play.seen("resp", "thinks").body)
        other = client.responses.with_raw_response.create(model="other-thinks", **asks)
        assert other.headers["x-passerelle-dropped"] == "reasoning"
        assert PROOF not in _said(play.seen("other", "thinks").body)
        with pytest.raises(openai.BadRequestError, match="strict"):
            client.responses.create(model="other-thinks", **asks, extra_headers={"x-passerelle-strict": "1"})


def test_opaque_thoughts_are_shown_again_only_when_asked_for(play: Play) -> None:
    with play.sdk(play.keeper) as client:
        made = client.responses.create(model="resp-thinks", input=FIRST, tools=[TOOL])
        plain = client.responses.retrieve(made.id)
        full = client.responses.retrieve(made.id, include=["reasoning.encrypted_content"])
        found = [response.output[0].encrypted_content for response in (plain, full)]  # type: ignore[union-attr]
    assert found == [None, PROOF]


def test_items_are_resolved_by_their_ids(play: Play) -> None:
    with play.sdk(play.keeper) as client:
        first = client.responses.create(model="claude-plain", input=FIRST)
        named: Any = [
            {"role": "user", "content": FIRST},
            {"type": "item_reference", "id": first.output[0].id},
            {"role": "user", "content": SECOND},
        ]
        client.responses.create(model="chat-plain", input=named)
        sent = _said(play.seen("chat").body)
        assert sent.index(FIRST) < sent.index(TEXT) < sent.index(SECOND)
        with pytest.raises(openai.BadRequestError, match="msg_nowhere") as caught:
            client.responses.create(
                model="chat-plain", input=[{"type": "item_reference", "id": "msg_nowhere"}]
            )
        assert caught.value.param == "input[0]"


def test_tokens_of_a_whole_conversation_are_counted(play: Play) -> None:
    with play.sdk(play.keeper) as client:
        first = client.responses.create(model="claude-plain", input=FIRST * 20)
        alone = client.responses.input_tokens.count(model="claude-plain", input=SECOND)
        whole = client.responses.input_tokens.count(
            model="claude-plain", input=SECOND, previous_response_id=first.id
        )
    assert 0 < alone.input_tokens < whole.input_tokens - 100


# --- what is told of what is kept


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_what_is_not_to_be_stored_is_not(play: Play, stream: bool) -> None:
    with play.sdk(play.keeper) as client:
        asks: Any = {"model": "chat-plain", "input": FIRST, "store": False}
        told = _streamed(client, **asks)[0] if stream else client.responses.create(**asks)
        assert told.store is False
        with pytest.raises(openai.NotFoundError) as caught:
            client.responses.retrieve(told.id)
        assert told.id in caught.value.message
        with pytest.raises(openai.BadRequestError) as refused:
            client.responses.create(model="chat-plain", input=SECOND, previous_response_id=told.id)
    assert refused.value.code == "previous_response_not_found"
    assert refused.value.param == "previous_response_id"


@pytest.mark.parametrize("dialect", FOUR)
def test_a_tenant_that_keeps_nothing_is_served_and_told_so(play: Play, dialect: Dialect) -> None:
    model = f"{short(dialect)}-plain"
    with play.sdk(play.shy) as client:
        quiet = client.responses.with_raw_response.create(model=model, input=FIRST)
        assert "x-passerelle-dropped" not in quiet.headers
        asked_for = client.responses.with_raw_response.create(model=model, input=FIRST, store=True)
        assert asked_for.headers["x-passerelle-dropped"] == "store"
        assert json.loads(play.seen(short(dialect)).body).get("store") in (None, False)
        if dialect != "openai_responses":  # there the provider says, who was told to store nothing
            assert asked_for.parse().store is False
        with pytest.raises(openai.NotFoundError):
            client.responses.retrieve(asked_for.parse().id)
        for more in ({"previous_response_id": "resp_x"}, {"conversation": "conv_x"}, {"background": True}):
            with pytest.raises(openai.BadRequestError) as caught:
                client.responses.create(model=model, input=FIRST, **more)  # type: ignore[call-overload]
            assert caught.value.param == next(iter(more))
        with pytest.raises(openai.PermissionDeniedError, match="--store-conversations"):
            client.conversations.create()


def test_a_provider_keeps_completions_only_where_the_tenant_lets_anybody(play: Play) -> None:
    ask = asked("openai_chat", "chat-plain", store=True)
    kept = play.keeper.door.send(ask)
    assert json.loads(play.seen("chat").body)["store"] is True
    assert "x-passerelle-dropped" not in kept.headers
    refused = play.shy.door.send(ask)
    assert json.loads(play.seen("chat").body)["store"] is False
    assert refused.headers["x-passerelle-dropped"] == "store"
    assert play.shy.door.send(ask, x_passerelle_strict="1").status == 400


def test_deleting_deletes_the_words_too(play: Play) -> None:
    house, tenant = play.house, play.keeper.tenant
    with play.sdk(play.keeper) as client:
        first = client.responses.create(model="chat-plain", input=FIRST)
        second = client.responses.create(model="chat-plain", input=SECOND, previous_response_id=first.id)
        client.responses.delete(first.id)
        for gone in (client.responses.retrieve, client.responses.delete, client.responses.cancel):
            with pytest.raises(openai.NotFoundError):
                gone(first.id)
        assert client.responses.retrieve(second.id).id == second.id
        with pytest.raises(openai.BadRequestError, match=first.id) as caught:
            client.responses.create(model="chat-plain", input=SECOND, previous_response_id=second.id)
        assert caught.value.code == "previous_response_not_found"
        with pytest.raises(openai.BadRequestError, match="background"):
            client.responses.cancel(second.id)
    for table in ("stored_response", "stored_output"):
        assert house.rows(f"select 1 from {table} where response_id = ?", first.id) == []
    found = house.store.audit.list(tenant.org_id)
    assert (first.id, play.keeper.key_id) in [
        (record.target, record.actor) for record in found if record.action == "response.deleted"
    ]


def test_a_stored_response_can_be_streamed_again(play: Play) -> None:
    with play.sdk(play.keeper) as client:
        for model, tools in (("gem-plain", []), ("claude-thinks", [TOOL])):
            made = client.responses.create(model=model, input=FIRST, tools=tools)
            with client.responses.retrieve(made.id, stream=True) as stream:
                events = list(stream)
            assert [event.sequence_number for event in events] == list(range(len(events)))
            assert events[0].type == "response.created"
            assert events[-1].response.output == client.responses.retrieve(made.id).output
            said = "".join(event.delta for event in events if event.type == "response.output_text.delta")
            assert said == made.output_text
            with client.responses.retrieve(made.id, stream=True, starting_after=3) as stream:
                assert [e.sequence_number for e in stream] == list(range(4, len(events)))
            with client.responses.retrieve(made.id, stream=True, starting_after=999) as stream:
                (last,) = list(stream)
            assert last.type == "response.completed"
            assert last.sequence_number == 1000


def test_a_stream_that_broke_is_not_kept_and_says_so(play: Play) -> None:
    door = play.keeper.door
    for dialect in FOUR:
        name = short(dialect)
        whole = frames(dialect)
        play.stage.script(f"{name}-plain.{name}", Send(opened(*whole[: len(whole) // 2 + 2])), Close())
        response, connection = door.begin(asked("openai_responses", f"{name}-plain", stream=True))
        with closing(connection):
            body = response.read().decode()
        events = [json.loads(line[6:]) for line in body.splitlines() if line.startswith("data: {")]
        assert events[0]["response"]["store"] is True
        assert events[-1]["type"] in ("response.failed", "error"), dialect
        assert events[-1].get("response", {}).get("store", False) is False
        made = events[0]["response"]["id"]
        assert door.get(f"/v1/responses/{made}").status == 404


def test_an_answer_that_ran_out_of_room_is_kept_as_what_it_is(play: Play) -> None:
    cut = json.loads(whole_body("openai_chat"))
    cut["choices"][0]["finish_reason"] = "length"
    play.stage.script("chat-plain.chat", Send(answer(json.dumps(cut).encode())))
    with play.sdk(play.keeper) as client:
        made = client.responses.create(model="chat-plain", input=FIRST)
        again = client.responses.retrieve(made.id)
        with client.responses.retrieve(made.id, stream=True) as stream:
            last = list(stream)[-1]
    assert (made.status, again.status, last.type) == ("incomplete", "incomplete", "response.incomplete")
    assert again.incomplete_details == made.incomplete_details


def test_a_plan_and_a_failure_leave_nothing_behind(play: Play) -> None:
    door, rows = play.keeper.door, play.house.rows
    before = rows("select count(*) from stored_response")
    first = door.send(asked("openai_responses", "chat-plain")).json["id"]
    ask = asked("openai_responses", "chat-plain", previous_response_id=first)
    assert door.send(ask, x_passerelle_plan="1").json["plan"]
    for _ in range(3):
        play.stage.script("chat-plain.chat", Send(answer(b"no", status=500)))
    failed = door.send(ask)
    play.stage.clear("chat-plain.chat")
    assert failed.status >= 500
    assert rows("select count(*) from stored_response")[0][0] == before[0][0] + 1


# --- conversations


def test_a_conversation_remembers_what_is_said_in_it(play: Play) -> None:
    with play.sdk(play.keeper) as client:
        made = client.conversations.create(
            metadata={"topic": "bridges"}, items=[{"role": "developer", "content": "Be brief."}]
        )
        assert made.id.startswith("conv_")
        for dialect in FOUR:
            told = client.responses.create(
                model=f"{short(dialect)}-plain", input=SECOND, conversation=made.id
            )
            assert told.conversation is not None
            assert told.conversation.id == made.id
        sent = _said(play.seen("gem").body)
        assert (sent.count(SECOND), sent.count(TEXT), sent.count("Be brief.")) == (4, 3, 1)
        items = list(client.conversations.items.list(made.id, order="asc", limit=4))
        assert [item.role for item in items] == ["developer", *["user", "assistant"] * 4]  # type: ignore[union-attr]
        (found,) = [client.conversations.items.retrieve(items[2].id or "", conversation_id=made.id)]
        assert found == items[2]
        added = client.conversations.items.create(made.id, items=[{"role": "user", "content": FIRST}])
        client.conversations.items.delete(items[2].id or "", conversation_id=made.id)
        _streamed(client, model="chat-plain", input=[{"role": "user", "content": "?"}], conversation=made.id)
        sent = _said(play.seen("chat").body)
        assert (sent.count(FIRST), sent.count(TEXT)) == (1, 3)
        assert added.data[0].id in {item.id for item in client.conversations.items.list(made.id)}
        assert client.conversations.update(made.id, metadata={"topic": "rivers"}).metadata == {
            "topic": "rivers"
        }
        assert client.conversations.retrieve(made.id).metadata == {"topic": "rivers"}
        assert client.conversations.delete(made.id).deleted
        for gone in (client.conversations.retrieve, client.conversations.delete):
            with pytest.raises(openai.NotFoundError):
                gone(made.id)
        with pytest.raises(openai.NotFoundError):
            client.responses.create(model="chat-plain", input=SECOND, conversation=made.id)
    assert play.house.rows("select 1 from conversation_item where conversation_id = ?", made.id) == []


def test_what_a_conversation_cannot_hold_is_refused_by_name(play: Play) -> None:
    door = play.keeper.door

    def post(path: str, **body: Any) -> Any:
        return door.send(Asked(path, json.dumps(body).encode()))

    many = [{"role": "user", "content": "x"}] * 21
    assert post("/v1/conversations", items=many).json["error"]["param"] == "items"
    wrong = ([3], "items[0]"), ([{"type": 3}], "items[0].type"), ([{"role": "user"}], "items[0]")
    for items, param in wrong:
        assert post("/v1/conversations", items=items).json["error"]["param"] == param
    for metadata in ({"a": 3}, {"k" * 65: "v"}, {"k": "v" * 513}, {str(n): "v" for n in range(17)}):
        assert post("/v1/conversations", metadata=metadata).status == 400
    made = post("/v1/conversations").json["id"]
    for query in ("limit=0", "limit=101", "limit=x", "order=up"):
        assert door.get(f"/v1/conversations/{made}/items?{query}").status == 400
    both = asked("openai_responses", "chat-plain", conversation=made, previous_response_id="resp_x")
    assert door.send(both).json["error"]["param"] == "previous_response_id"


def test_a_bad_item_is_named_by_its_place_in_what_was_sent(play: Play) -> None:
    with play.sdk(play.keeper) as client:
        first = client.responses.create(model="chat-plain", input=FIRST)
        wrong: Any = [{"role": "user", "content": "?"}, {"role": "nobody", "content": "?"}]
        for more in ({"previous_response_id": first.id}, {}):
            with pytest.raises(openai.BadRequestError) as caught:
                client.responses.create(model="chat-plain", input=wrong, **more)  # type: ignore[call-overload]
            assert caught.value.param == "input[1].role"


@pytest.mark.parametrize("name", ["%00", "%ff", "x" * 300, "a%0ab", "%ed%a0%80", "../..", "resp_%27--"])
def test_what_can_be_no_id_is_simply_not_there(play: Play, name: str) -> None:
    door = play.keeper.door
    for path in (
        f"/v1/responses/{name}",
        f"/v1/conversations/{name}",
        f"/v1/conversations/conv_x/items/{name}",
    ):
        for method in ("GET", "DELETE"):
            assert door.send(Asked(path, b"", method)).status == 404
    for body in (
        b'{"model": "chat-plain", "input": "x", "previous_response_id": "\\u0000"}',
        b'{"model": "chat-plain", "input": "x", "conversation": "\\u0000"}',
        b'{"model": "chat-plain", "input": [{"type": "item_reference", "id": "\\u0000"}]}',
    ):
        assert door.send(Asked("/v1/responses", body)).status in (400, 404)


# --- who sees it


def test_what_another_project_or_tenant_keeps_does_not_exist(play: Play) -> None:
    with play.sdk(play.keeper) as client:
        made = client.responses.create(model="chat-plain", input=FIRST)
        talk = client.conversations.create(items=[{"role": "user", "content": FIRST}])
        (item,) = client.conversations.items.list(talk.id)
    named = {"resp": made.id, "conv": talk.id, "item": item.id or "", "out": made.output[0].id or ""}
    nobody = {key: value[:-4] + "ZZZZ" for key, value in named.items()}
    for caller in (play.neighbour, play.stranger):
        for theirs, nothing in zip(_asks(named), _asks(nobody), strict=True):
            answers = [caller.door.send(ask) for ask in (theirs, nothing)]
            assert answers[0].status == answers[1].status in (400, 404), theirs
            bodies = [
                _neutral(answer.body, names) for answer, names in zip(answers, (named, nobody), strict=True)
            ]
            assert bodies[0] == bodies[1]
    for ask in _asks(named)[:2]:
        assert play.keeper.door.send(ask).status == 200
    table = (
        *Responses(None, ModelCalls(None, None, None, None), None, None, None).routes()[1:],  # type: ignore[arg-type]
        *Conversations(None, None, None).routes(),  # type: ignore[arg-type]
    )
    for route in table:
        done = [
            ask for ask in _asks(named) if ask.method in route.methods and ask.path.startswith(route.path)
        ]
        assert done or not route.prefix, f"nobody asks `{route.path}` of another's"


def _asks(names: dict[str, str]) -> list[Asked]:
    """Every way to reach what is kept."""
    resp, conv, item = names["resp"], names["conv"], names["item"]
    paths = [
        ("GET", f"/v1/responses/{resp}"), ("GET", f"/v1/responses/{resp}/input_items"),
        ("GET", f"/v1/responses/{resp}?stream=true"), ("POST", f"/v1/responses/{resp}/cancel"),
        ("DELETE", f"/v1/responses/{resp}"), ("GET", f"/v1/conversations/{conv}"),
        ("GET", f"/v1/conversations/{conv}/items"), ("GET", f"/v1/conversations/{conv}/items/{item}"),
        ("DELETE", f"/v1/conversations/{conv}/items/{item}"), ("DELETE", f"/v1/conversations/{conv}"),
    ]  # fmt: skip
    asks = [Asked(path, b"", method) for method, path in paths]
    asks.append(Asked(f"/v1/conversations/{conv}", b'{"metadata": {}}'))
    asks.append(Asked(f"/v1/conversations/{conv}/items", b'{"items": []}'))
    more: list[dict[str, Any]] = [{"previous_response_id": resp}, {"conversation": conv}]
    more += [{"input": [{"type": "item_reference", "id": names[name]}]} for name in ("out", "item")]
    asks += [asked("openai_responses", "chat-plain", **fields) for fields in more]
    return asks


def _neutral(body: bytes, names: dict[str, str]) -> bytes:
    for name, value in names.items():
        body = body.replace(value.encode(), name.encode())
    return body


# --- kill -9


def test_what_was_told_as_kept_survives_a_kill(stage: Stage, tmp_path: Path) -> None:
    """Whether the database had it already or, for a moment, only the journal."""
    with installed(tmp_path, _catalogue(stage).text, **ENV) as house:
        house.gateway.start()
        caller = house.caller("keeper", content="conversations")
        first = house.at(caller).send(asked("openai_responses", "claude-plain")).json["id"]
        lock = connect(house.gateway.data / "passerelle.db", isolation_level=None)
        with closing(lock):
            lock.execute("BEGIN IMMEDIATE")
            ask = asked("openai_responses", "chat-plain", stream=True, previous_response_id=first)
            response, connection = house.at(caller).begin(ask)
            with closing(connection):
                body = response.read()
            house.gateway.kill()
            lock.execute("ROLLBACK")
        last = json.loads(body.rpartition(b"data: ")[2])
        assert last["type"] == "response.completed"
        house.gateway.start()
        door: Door = house.at(caller)
        for made in (first, last["response"]["id"]):
            found = door.get(f"/v1/responses/{made}")
            assert (found.status, found.json["status"]) == (200, "completed")
        again = door.send(asked("openai_responses", "chat-plain", previous_response_id=made))
        assert again.status == 200


def test_any_worker_goes_on_with_what_another_just_told(stage: Stage, tmp_path: Path) -> None:
    """The answer waits for the database, so the next request finds it wherever it lands."""
    with running(tmp_path, _catalogue(stage).text, workers=2, **ENV) as house:
        caller, before = house.caller("keeper", content="conversations"), None
        for turn in range(24):
            stream = turn % 2 == 0
            more = {"previous_response_id": before} if before else {}
            answer = caller.door.send(asked("openai_responses", "claude-plain", stream=stream, **more))
            assert answer.status == 200, (turn, answer.body)
            last = json.loads(answer.body.rpartition(b"data: ")[2])
            before = last["response"]["id"] if stream else last["id"]
        workers = {row[0] for row in house.rows("select worker from outcome")}
    assert len(workers) == 2, "one worker took them all: the test says nothing"
