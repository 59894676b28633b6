"""What callers asked to keep: booked with its request, found in its project, gone after its day."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.store.world import SECOND, StillClock, Tenant, a_settlement, a_tenant, an_intent, sql

from passerelle.codecs.base import PathTarget
from passerelle.codecs.openai_responses import CLIENT
from passerelle.core.clock import mint
from passerelle.core.conversation import Turn
from passerelle.core.ids import same
from passerelle.core.principal import ROLE_PERMISSIONS, Principal, Rights
from passerelle.gateway.generation import Intake
from passerelle.gateway.keep import Recall, days
from passerelle.gateway.trip import Ask
from passerelle.store import ConversationTooLong, Store
from passerelle.store.keeping import FORGET

Opener = Callable[..., Store]
DAY = 86_400
TARGET = PathTarget("chat")


def keep(
    store: Store,
    tenant: Tenant,
    *,
    items: list[Any] | None = None,
    output: list[Any] | None = None,
    until_ns: int | None = None,
    **more: Any,
) -> str:
    """Settle a request that leaves a turn behind; its response's id."""
    settlement = a_settlement(an_intent(tenant))
    receipt_id = settlement.receipt.id
    response = {"id": same("resp", receipt_id), "status": "completed", "output": output or []}
    turn = Turn(
        items=json.dumps(items or [{"role": "user", "content": "hi"}]).encode(),
        response=json.dumps(response).encode(),
        expires_at_ns=until_ns or settlement.receipt.at_ns + 30 * DAY * SECOND,
        output=tuple(item["id"] for item in output or () if "id" in item),
        provider="p",
        **more,
    )
    store.journal.settle(msgspec.structs.replace(settlement, turn=turn))
    return same("resp", receipt_id)


def where(tenant: Tenant) -> tuple[str, str]:
    return tenant.org_id, tenant.project_id


def test_a_turn_is_there_once_its_request_is_booked_and_sealed(store: Store, tmp_path: Path) -> None:
    tenant = a_tenant(store)
    secret = "the bridge of Avignon"
    made = keep(store, tenant, items=[{"role": "user", "content": secret}])
    assert store.flush()
    found = store.conversations.response(*where(tenant), made)
    assert found is not None
    assert json.loads(bytes(found.items[0]))["content"] == secret
    (row,) = sql(tmp_path, "select body from stored_response")
    assert secret.encode() not in row[0]
    store.contents.shred(tenant.org_id, actor="cli:test")
    assert store.conversations.response(*where(tenant), made) is None


def test_another_project_and_another_tenant_find_nothing(store: Store) -> None:
    mine, other = a_tenant(store), a_tenant(store, "borealis")
    beside = store.tenants.create_project(mine.org_id, mine.workspace_id, "beside", actor="cli:test")
    made = keep(store, mine, output=[{"id": "msg_1", "type": "message"}])
    talk = store.conversations.create(*where(mine), {}, [b'{"role":"user"}'], expires_at_ns=2**62)
    assert store.flush()
    for org_id, project_id in (where(other), (mine.org_id, beside.id), (other.org_id, mine.project_id)):
        kept = store.conversations
        assert kept.response(org_id, project_id, made) is None
        assert kept.chain(org_id, project_id, made) == ([], made)
        assert not kept.delete_response(org_id, project_id, made, actor="x")
        assert kept.referenced(org_id, project_id, ["msg_1"]) == {}
        assert kept.conversation(org_id, project_id, talk.id) is None
        assert kept.items(org_id, project_id, talk.id) is None
        assert kept.add(org_id, project_id, talk.id, [b"{}"], expires_at_ns=2**62) is None
        assert kept.update(org_id, project_id, talk.id, {}) is None
        assert not kept.delete(org_id, project_id, talk.id, actor="x")
    assert store.conversations.response(*where(mine), made) is not None
    assert len(store.conversations.items(*where(mine), talk.id) or ()) == 1


def test_a_chain_is_followed_through_branches_and_says_what_is_missing(store: Store) -> None:
    tenant = a_tenant(store)
    first = keep(store, tenant)
    left = keep(store, tenant, previous_id=first)
    right = keep(store, tenant, previous_id=first)
    last = keep(store, tenant, previous_id=right)
    assert store.flush()
    found, missing = store.conversations.chain(*where(tenant), last)
    assert ([turn.response_id for turn in found], missing) == ([first, right, last], None)
    assert store.conversations.delete_response(*where(tenant), right, actor="x")
    assert store.conversations.chain(*where(tenant), last) == ([], right)
    assert len(store.conversations.chain(*where(tenant), left)[0]) == 2


def test_a_chain_too_large_for_memory_is_refused_and_none_is_cut_short(store: Store) -> None:
    tenant = a_tenant(store)
    last = None
    for _ in range(4):
        last = keep(store, tenant, previous_id=last, items=[{"role": "user", "content": "x" * 1_000}])
    assert store.flush()
    assert last is not None
    assert len(store.conversations.chain(*where(tenant), last, most_bytes=6_000)[0]) == 4
    with pytest.raises(ConversationTooLong):
        store.conversations.chain(*where(tenant), last, most_bytes=3_000)


def test_what_has_had_its_day_is_gone_at_once_and_deleted_in_batches(
    opened: Opener, clock: StillClock, tmp_path: Path
) -> None:
    store = opened()
    tenant = a_tenant(store)
    at = clock.unix_ns()
    old = [keep(store, tenant, until_ns=at + SECOND, output=[{"id": f"m{n}"}]) for n in range(FORGET + 7)]
    young = keep(store, tenant)
    talk = store.conversations.create(*where(tenant), {}, [b'{"role":"user"}'], expires_at_ns=at + SECOND)
    store.conversations.add(*where(tenant), talk.id, [b'{"role":"user"}'], expires_at_ns=at + 9 * SECOND)
    assert store.flush()
    clock.advance(2)
    assert store.conversations.response(*where(tenant), old[0]) is None
    assert len(store.conversations.items(*where(tenant), talk.id) or ()) == 1
    store._writer._upkeep.sweep()
    left = {
        table: sql(tmp_path, f"select count(*) from {table}")[0][0]
        for table in ("stored_response", "stored_output", "conversation_item", "conversation")
    }
    assert left == {"stored_response": 1, "stored_output": 0, "conversation_item": 1, "conversation": 1}
    assert store.conversations.response(*where(tenant), young) is not None
    clock.advance(10)
    store._writer._upkeep.sweep()
    assert sql(tmp_path, "select count(*) from conversation") == [(0,)]


def test_a_turn_that_is_booked_again_is_there_once(store: Store, tmp_path: Path) -> None:
    tenant = a_tenant(store)
    talk = store.conversations.create(*where(tenant), {}, [], expires_at_ns=2**62)
    settlement = a_settlement(an_intent(tenant))
    turn = Turn(b'[{"role":"user"}]', b'{"output":[{"id":"a"}]}', 2**62, conversation_id=talk.id)
    for _ in range(3):
        store.journal.settle(msgspec.structs.replace(settlement, turn=turn))
    assert store.flush()
    assert sql(tmp_path, "select count(*) from stored_response") == [(1,)]
    assert len(store.conversations.items(*where(tenant), talk.id) or ()) == 2


def test_a_turn_of_a_deleted_conversation_leaves_nothing_in_it(store: Store, tmp_path: Path) -> None:
    tenant = a_tenant(store)
    talk = store.conversations.create(*where(tenant), {}, [], expires_at_ns=2**62)
    store.conversations.delete(*where(tenant), talk.id, actor="x")
    keep(store, tenant, conversation_id=talk.id)
    assert store.flush()
    assert sql(tmp_path, "select count(*) from conversation_item") == [(0,)]


def test_a_turn_is_in_the_journal_before_the_database_has_it(opened: Opener, tmp_path: Path) -> None:
    store = opened()
    tenant = a_tenant(store)
    with store._database.write():  # the writer cannot book meanwhile
        made = keep(store, tenant, items=[{"role": "user", "content": "said at Avignon"}])
        journals = b"".join([path.read_bytes() for path in (tmp_path / "journal").iterdir()])
        assert store.conversations.response(*where(tenant), made) is None
    assert b"said at Avignon" in journals
    assert store.flush()
    assert store.conversations.response(*where(tenant), made) is not None


# --- rebuilding


class _Generation(msgspec.Struct):
    conversation_days: int = 30
    intake: Intake = Intake()


class _Generations(msgspec.Struct):
    current: Any


def _principal(tenant: Tenant, **rights: Any) -> Principal:
    return Principal(
        org_id=tenant.org_id,
        workspace_id=tenant.workspace_id,
        project_id=tenant.project_id,
        key_id=tenant.key_id,
        key_name="k",
        role="member",
        permissions=ROLE_PERMISSIONS["member"],
        rights=Rights(**{"content": "conversations", **rights}),
    )


def _recalled(store: Store, principal: Principal, body: dict[str, Any]) -> Ask:
    raw = msgspec.json.encode(body)
    ask = Ask(principal, "openai_responses", TARGET, raw, "req_1", mint("rcp"), 0, 0.0)
    recall = Recall(store, _Generations(_Generation()))  # type: ignore[arg-type]
    return asyncio.run(recall(ask))


words = st.text(min_size=1, max_size=12)
messages = st.builds(
    lambda role, text: {"role": role, "content": text}, st.sampled_from(["user", "developer"]), words
)
answers = st.builds(
    lambda n, text: {
        "type": "message",
        "id": f"msg_{n}",
        "role": "assistant",
        "status": "completed",
        "content": [{"type": "output_text", "text": text, "annotations": []}],
    },
    st.integers(0, 999),
    words,
)
turns = st.lists(
    st.tuples(words | st.lists(messages, min_size=1, max_size=3), st.lists(answers, max_size=2)),
    min_size=1,
    max_size=5,
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(said=turns, talks=st.booleans())
def test_a_conversation_kept_turn_by_turn_is_the_conversation_sent_whole(
    store: Store, said: list[tuple[Any, list[Any]]], talks: bool
) -> None:
    tenant = a_tenant(store, mint("org"))
    principal = _principal(tenant)
    talk = store.conversations.create(*where(tenant), {}, [], expires_at_ns=2**62).id if talks else None
    previous: str | None = None
    whole: list[Any] = []
    for given_, output in said:
        body: dict[str, Any] = {"model": "m", "temperature": 0.5, "input": given_, "stream": True}
        ask = _recalled(
            store,
            principal,
            body
            | ({"conversation": talk} if talks else {"previous_response_id": previous} if previous else {}),
        )
        whole += (
            [{"type": "message", "role": "user", "content": given_}] if isinstance(given_, str) else given_
        )
        sent = body | {"input": whole}
        if previous is None and not talks:
            sent = body
        assert msgspec.json.decode(ask.body) == sent
        assert CLIENT.decode_request(ask.body, TARGET).messages  # and it can be read
        assert ask.keeping is not None
        items = [json.loads(item) for item in ask.keeping.items]
        previous = keep(
            store,
            tenant,
            items=items,
            output=output,
            previous_id=ask.keeping.previous_id,
            conversation_id=ask.keeping.conversation_id,
        )
        assert store.flush()
        whole = [*whole, *output]


def test_a_key_that_may_keep_nothing_has_its_requests_left_alone(store: Store) -> None:
    tenant = a_tenant(store)
    body = {"model": "m", "input": "x", "store": True}
    for rights in ({"content": None}, {"content": "none"}, {"max_retention_days": 0}):
        ask = _recalled(store, _principal(tenant, **rights), body)
        assert (ask.keeping, ask.body) == (None, msgspec.json.encode(body))


def test_what_is_kept_is_kept_no_longer_than_the_tenant_lets_anybody() -> None:
    tenant = Tenant("o", "w", "p", "k", "t")
    generation: Any = _Generation()
    for most, kept in ((None, 30), (7, 7), (90, 30), (0, 0)):
        assert days(_principal(tenant, max_retention_days=most), generation) == kept


def test_an_output_whose_call_is_gone_is_not_sent_on(store: Store) -> None:
    tenant = a_tenant(store)
    call = {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"}
    output = {"type": "function_call_output", "call_id": "c1", "output": "x"}
    items = [msgspec.json.encode(item) for item in (call, output)]
    talk = store.conversations.create(*where(tenant), {}, items, expires_at_ns=2**62)
    first = (store.conversations.items(*where(tenant), talk.id) or [])[0]
    body = {"model": "m", "input": "y", "conversation": {"id": talk.id}}
    principal = _principal(tenant)
    assert len(msgspec.json.decode(_recalled(store, principal, body).body)["input"]) == 3
    store.conversations.delete_item(*where(tenant), talk.id, first.id, actor="x")
    assert len(msgspec.json.decode(_recalled(store, principal, body).body)["input"]) == 1


@pytest.mark.parametrize("text", ["[", '{"input": 3}', '{"conversation": 3}', '{"conversation": {}}'])
def test_a_body_that_means_nothing_is_refused_by_name(store: Store, text: str) -> None:
    from passerelle.codecs.openai_responses.conversation import asked
    from passerelle.core.errors import ProblemError

    with pytest.raises(ProblemError):
        asked(text.encode())
