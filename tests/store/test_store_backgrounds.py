"""Responses in the background: one worker at a time has one, and what was ended stays ended."""

from collections.abc import Callable

import msgspec
import pytest
from tests.store.test_store_conversations import keep
from tests.store.world import SECOND, StillClock, a_tenant

from passerelle.core.background import Background, Events, Said
from passerelle.core.clock import mint
from passerelle.store import Store, backgrounds
from passerelle.store.backgrounds import EVENTS_KEPT_S, TooManyInBackground

Opener = Callable[..., Store]
SAID = Said(msgspec.Raw(b'{"model":"m","input":"hi"}'), msgspec.Raw(b'{"status":"queued"}'))


@pytest.fixture
def store(opened: Opener) -> Store:
    return opened()


def asked(store: Store, clock: StillClock, org_id: str = "org_a", **fields: object) -> Background:
    """A fresh one."""
    said = {
        "id": mint("resp"), "org_id": org_id, "project_id": "prj", "key_id": "key", "state": "queued",
        "stream": False, "tries": 0, "losses": 0, "events": 0, "at_ns": clock.unix_ns(),
        "expires_at_ns": clock.unix_ns() + 86_400 * SECOND, "said": SAID,
    }  # fmt: skip
    one = Background(**{**said, **fields})  # type: ignore[arg-type]
    store.backgrounds.create(one, None, most_under_way=3)
    return one


def test_it_is_read_as_it_was_made_by_its_project_alone(store: Store, clock: StillClock) -> None:
    one = asked(store, clock)
    assert store.backgrounds.get("org_a", "prj", one.id) == one
    for org_id, project_id in (("org_b", "prj"), ("org_a", "other")):
        assert store.backgrounds.get(org_id, project_id, one.id) is None
        assert store.backgrounds.cancel(org_id, project_id, one.id) is None
        assert store.backgrounds.events(org_id, project_id, one.id, -1) == (None, ())
        assert not store.backgrounds.delete(org_id, project_id, one.id, actor="key")
    clock.advance(86_400)
    assert store.backgrounds.get("org_a", "prj", one.id) is None


def test_a_project_may_have_so_many_under_way(store: Store, clock: StillClock) -> None:
    made = [asked(store, clock) for _ in range(3)]
    with pytest.raises(TooManyInBackground):
        asked(store, clock)
    asked(store, clock, project_id="other")
    store.backgrounds.cancel("org_a", "prj", made[0].id)
    asked(store, clock)


def test_one_worker_has_it_until_its_lease_ends(store: Store, clock: StillClock) -> None:
    one = asked(store, clock)
    mine = store.backgrounds.claim("w1", ttl_s=10)
    assert mine is not None
    assert (mine.id, mine.state, mine.tries, mine.losses) == (one.id, "in_progress", 1, 0)
    assert store.backgrounds.claim("w2", ttl_s=10) is None
    clock.advance(8)
    assert store.backgrounds.renew("w1", [one.id], ttl_s=10) == {one.id}
    clock.advance(11)
    theirs = store.backgrounds.claim("w2", ttl_s=10)
    assert theirs is not None
    assert (theirs.tries, theirs.losses) == (2, 1)
    assert store.backgrounds.renew("w1", [one.id], ttl_s=10) == set()
    assert not store.backgrounds.append("w1", mine, Events(0, 1, b"x"))
    assert not store.backgrounds.finish("w1", mine, "completed")
    assert store.backgrounds.finish("w2", theirs, "failed", response=b'{"status":"failed"}')
    over = store.backgrounds.get("org_a", "prj", one.id)
    assert over is not None
    assert (over.state, bytes(over.said.response)) == ("failed", b'{"status":"failed"}')
    assert store.backgrounds.claim("w2", ttl_s=10) is None


def test_an_orderly_end_is_no_loss_and_a_dead_worker_s_is_free_at_once(
    store: Store, clock: StillClock
) -> None:
    one = asked(store, clock)
    store.backgrounds.claim("w1", ttl_s=10)
    store.backgrounds.release("w1", one.id)
    again = store.backgrounds.claim("w2", ttl_s=10)
    assert again is not None
    assert (again.tries, again.losses) == (2, 0)
    with store.backgrounds._database.write() as connection:
        assert backgrounds.free_of_worker(connection, "w2") == 1
    clock.advance(0.001)
    last = store.backgrounds.claim("w3", ttl_s=10)
    assert last is not None
    assert (last.tries, last.losses) == (3, 1)


def test_what_is_answered_after_it_was_cancelled_is_not_kept(opened: Opener, clock: StillClock) -> None:
    store = opened()
    tenant = a_tenant(store)
    for end, kept in (("cancel", False), ("delete", False), ("lose", True)):
        response_id = keep(store, tenant)
        store.flush()
        where = (tenant.org_id, tenant.project_id, response_id)
        asked(store, clock, tenant.org_id, id=response_id, project_id=tenant.project_id)
        mine = store.backgrounds.claim("w1", ttl_s=10)
        assert mine is not None
        if end == "cancel":
            cancelled = store.backgrounds.cancel(*where)
            assert cancelled is not None
            assert cancelled.state == "cancelled"
        elif end == "delete":
            assert store.backgrounds.delete(*where, actor="key")
        else:
            clock.advance(11)
            other = store.backgrounds.claim("w2", ttl_s=10)
            assert other is not None
            assert store.backgrounds.finish("w2", other, "completed")
        assert not store.backgrounds.finish("w1", mine, "completed")
        assert (store.conversations.response(*where) is not None) == kept


def test_events_are_found_by_number_until_some_time_after_the_end(store: Store, clock: StillClock) -> None:
    one = asked(store, clock, stream=True)
    mine = store.backgrounds.claim("w1", ttl_s=10)
    assert mine is not None
    where = ("org_a", "prj", one.id)
    assert store.backgrounds.append("w1", mine, Events(0, 3, b"abc"))
    assert store.backgrounds.append("w1", mine, Events(3, 5, b"de"))
    state, found = store.backgrounds.events(*where, 1)
    assert (state, list(found)) == ("in_progress", [Events(0, 3, b"abc"), Events(3, 5, b"de")])
    assert store.backgrounds.events(*where, 2) == ("in_progress", [Events(3, 5, b"de")])
    assert store.backgrounds.finish("w1", mine, "completed", events=Events(5, 6, b"f"))
    assert store.backgrounds.events(*where, 4) == ("completed", [Events(5, 6, b"f")])
    sealed = store.backgrounds._database
    with sealed.read() as connection:
        bodies = connection.exec_driver_sql("select body from background_event").scalars().all()
    assert not any(b"abc" in body for body in bodies)
    clock.advance(EVENTS_KEPT_S + 1)
    backgrounds_left = store.backgrounds.get(*where)
    assert backgrounds_left is not None
