"""Hostile tokens: nobody, nothing executed, nothing slow (CVE-2026-42208 was a token in a query)."""

import threading
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event
from tests.store.world import a_tenant

from passerelle.store import Store

CORPUS = [
    "' OR '1'='1", "' OR 1=1 --", "'; DROP TABLE api_key; --", "admin'--", '" OR ""="', "') OR ('1'='1",
    "' UNION SELECT org_id, key_id, digest FROM api_key --", "1; SELECT pg_sleep(10)", "'||pg_sleep(10)--",
    "1 AND (SELECT COUNT(*) FROM api_key) > 0", "'; ATTACH DATABASE '/tmp/x' AS x; --", "%27%20OR%201=1",
    "\\x27 OR 1=1", "x' AND randomblob(1000000000) --", "{{7*7}}", "${jndi:ldap://x}", "../../etc/passwd",
    "psk_live_' OR '1'='1", "psk_live_" + "a" * 12 + "_' OR 1=1 --", "\x00", "\ud800", "A" * 1_000_000,
    "psk_live_" + "0" * 12 + "_" + "0" * 43 + "'; --abc", "\u202e psk", "NULL", "null", "[object Object]",
]  # fmt: skip


class Executed:
    """Keeps the statements that reach the database: all but the writer's, which looks every two seconds
    whether it could write, and writes what was settled.
    """

    def __init__(self, store: Store) -> None:
        self.statements: list[str] = []
        store._poller.stop(10)
        assert store.flush()
        for engine in store._database._engines:
            event.listen(engine, "before_cursor_execute", self._note)

    def _note(self, _c: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if threading.current_thread().name != "passerelle-writer":
            self.statements.append(f"{statement} {parameters}")


@pytest.fixture
def executed(store: Store) -> Executed:
    a_tenant(store)
    return Executed(store)


@pytest.mark.parametrize("text", CORPUS, ids=range(len(CORPUS)))
def test_a_known_attack_is_nobody_and_reaches_no_database(
    store: Store, executed: Executed, text: str
) -> None:
    executed.statements.clear()
    assert store.identity.authenticate(text) is None
    assert executed.statements == []


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(max_size=120) | st.from_regex(r"psk_(live|test)_[0-9a-z]{12}_[0-9A-Za-z]{49}"))
def test_no_text_at_all_reaches_the_database(store: Store, executed: Executed, text: str) -> None:
    executed.statements.clear()
    assert store.identity.authenticate(text) is None
    assert executed.statements == []


def test_management_takes_hostile_names_as_data(store: Store) -> None:
    for text in CORPUS[:10]:
        made = store.tenants.create_organisation(text, actor=text)
        assert store.identity.organisation(made.id) == made
        assert store.receipts.get(text, text) is None
        assert store.usage.report(text, by=("model",)) == ()
    assert len(store.identity.organisations()) == 10
