"""Two tenants on one store: whatever one asks for, nothing of the other is in the answer."""

import asyncio
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy.exc import IntegrityError
from tests.store.world import (
    Tenant,
    a_budget,
    a_settlement,
    a_tenant,
    an_intent,
    sql,
)

from passerelle.core.outcome import Judged
from passerelle.core.principal import Rights
from passerelle.core.receipt import HoldSettled
from passerelle.store import Store
from passerelle.store.records import Settled
from passerelle.store.schema import metadata
from passerelle.store.spending import Spending, charges


def _judged(receipt_id: str) -> Judged:
    return Judged(receipt_id, "prj", "dep", "m", "person", 500_000)


# Every public method of the nouns that names an organisation, called for tenant A with what B has: ids are
# guessable by whoever has seen them, so knowing B's must not help.
QUERIES: dict[str, Callable[[Store, Tenant, dict[str, str]], Any]] = {
    "receipts.get": lambda s, a, b: s.receipts.get(a.org_id, b["receipt"]),
    "receipts.by_request": lambda s, a, b: s.receipts.by_request(a.org_id, b["request"]),
    "receipts.list": lambda s, a, b: [
        *s.receipts.list(a.org_id),
        *s.receipts.list(a.org_id, key_id=b["key"]),
        *s.receipts.list(a.org_id, project_id=b["project"]),
        *s.receipts.list(a.org_id, before="rcp_~"),
    ],
    "receipts.bodies": lambda s, a, b: [*s.receipts.bodies(a.org_id, since_ns=0, until_ns=2**62)],
    "receipts.newest": lambda s, a, b: [*s.receipts.newest(a.org_id, since_ns=0, until_ns=2**62)],
    "usage.report": lambda s, a, b: s.usage.report(
        a.org_id, by=("workspace", "project", "key", "provider", "deployment", "model", "day")
    ),
    "usage.rows": lambda s, a, b: [
        *s.usage.rows(a.org_id),
        *s.usage.rows(a.org_id, receipt_id=b["receipt"]),
    ],
    "keys.list": lambda s, a, b: [
        *s.keys.list(a.org_id),
        *s.keys.list(a.org_id, project_id=b["project"]),
    ],
    "keys.get": lambda s, a, b: s.keys.get(a.org_id, b["key"]),
    "keys.revoke": lambda s, a, b: s.keys.revoke(a.org_id, b["key"], actor="cli:a"),
    "keys.create": lambda s, a, b: s.keys.create(a.org_id, b["project"], name="n", actor="cli:a"),
    "tenants.create_workspace": lambda s, a, b: s.tenants.create_workspace(a.org_id, "w", actor="cli:a"),
    "tenants.create_project": lambda s, a, b: s.tenants.create_project(
        a.org_id, b["workspace"], "p", actor="cli:a"
    ),
    "tenants.create_budget": lambda s, a, b: s.tenants.create_budget(
        a.org_id, "project", b["project"], name="n", limit_nanos=1, actor="cli:a"
    ),
    "tenants.change": lambda s, a, b: [
        s.tenants.change("organisation", a.org_id, b["org"], actor="cli:a", disabled=True),
        s.tenants.change("workspace", a.org_id, b["workspace"], actor="cli:a", disabled=True),
        s.tenants.change("project", a.org_id, b["project"], actor="cli:a", rights=Rights(models=())),
    ],
    "tenants.change_budget": lambda s, a, b: s.tenants.change_budget(
        a.org_id, b["budget"], actor="cli:a", limit_nanos=0
    ),
    "tenants.budgets": lambda s, a, b: s.tenants.budgets(a.org_id),
    "tenants.budget_state": lambda s, a, b: s.tenants.budget_state(a.org_id, b["budget"]),
    "audit.list": lambda s, a, b: s.audit.list(a.org_id),
    "audit.open_intents": lambda s, a, b: s.audit.open_intents(a.org_id, before_ns=2**62),
    "audit.record": lambda s, a, b: s.audit.record(actor="cli:a", action="x", target="t", org_id=a.org_id),
    "contents.get": lambda s, a, b: s.contents.get(a.org_id, b["receipt"]),
    "contents.erase": lambda s, a, b: s.contents.erase(a.org_id, b["receipt"], actor="cli:a"),
    "contents.shred": lambda s, a, b: s.contents.shred(a.org_id, actor="cli:a"),
    "feedback.add": lambda s, a, b: s.feedback.add(a.org_id, _judged(b["receipt"]), actor=b["key"])[1],
    "feedback.compare": lambda s, a, b: s.feedback.compare(
        a.org_id, (_judged(b["receipt"]), _judged("rcp_x")), overall="a", criteria={}, actor="k"
    )[1],
    "feedback.after": lambda s, a, b: s.feedback.after(a.org_id, 0),
    "feedback.before": lambda s, a, b: s.feedback.before(a.org_id, 100, most=100),
    "feedback.verdicts": lambda s, a, b: s.feedback.verdicts(a.org_id),
    "router_states.head": lambda s, a, b: s.router_states.head(a.org_id),
    "router_states.list": lambda s, a, b: s.router_states.list(a.org_id),
    "router_states.get": lambda s, a, b: s.router_states.get(a.org_id, 1),
    "router_states.lease": lambda s, a, b: s.router_states.lease(a.org_id, "w", for_s=1.0),
    "router_states.release": lambda s, a, b: s.router_states.release(a.org_id, b["org"]),
    "router_states.keep": lambda s, a, b: s.router_states.keep(
        a.org_id, number=9, epoch=0, learner="l", body=b"", actor="w"
    ),
    "router_states.train": lambda s, a, b: s.router_states.train(
        a.org_id, number=9, learner="l", body=b"", actor="cli:a"
    ),
    "router_states.roll_back": lambda s, a, b: s.router_states.roll_back(a.org_id, 1, actor="cli:a"),
    "router_states.freeze": lambda s, a, b: s.router_states.freeze(a.org_id, actor="cli:a"),
    "router_states.unfreeze": lambda s, a, b: s.router_states.unfreeze(a.org_id, actor="cli:a"),
    "identity.organisation": lambda s, a, b: s.identity.organisation(a.org_id),
    "identity.workspaces": lambda s, a, b: s.identity.workspaces(a.org_id),
    "identity.projects": lambda s, a, b: s.identity.projects(a.org_id),
}
NOUNS = (
    "receipts", "usage", "keys", "tenants", "audit", "contents", "identity", "feedback", "router_states",
)  # fmt: skip


def test_every_method_that_names_an_organisation_is_tried_here(store: Store) -> None:
    found = {
        f"{noun}.{name}"
        for noun in NOUNS
        for name, method in inspect.getmembers(getattr(store, noun), inspect.ismethod)
        if not name.startswith("_") and "org_id" in inspect.signature(method).parameters
    }
    assert found == set(QUERIES)


def a_life(store: Store, tenant: Tenant) -> dict[str, str]:
    """A tenant with one of everything; the ids of it all, and words that only it has."""
    budget = a_budget(store, tenant)
    running, done = an_intent(tenant), an_intent(tenant)
    store.journal.intent(running)
    store.journal.intent(done)
    store.journal.settle(a_settlement(done, content={"said": f"words of {tenant.org_id}"}))
    assert store.flush()
    store.feedback.add(tenant.org_id, _judged(done.receipt_id), actor=tenant.key_id)
    pair = _judged(done.receipt_id), _judged(running.receipt_id)
    store.feedback.compare(tenant.org_id, pair, overall="tie", criteria={}, actor=tenant.key_id)
    org = tenant.org_id
    store.router_states.train(org, number=3, learner=f"of {org}", body=org.encode(), actor=tenant.key_id)
    assert store.router_states.lease(org, org, for_s=600)
    return {
        "org": tenant.org_id,
        "workspace": tenant.workspace_id,
        "project": tenant.project_id,
        "key": tenant.key_id,
        "budget": budget.id,
        "receipt": done.receipt_id,
        "request": done.request_id,
        "attempt": done.attempt_id,
        "running": running.attempt_id,
    }


def snapshot(path: Path, org_id: str) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of an organisation, in every table."""
    return {
        table: sorted(map(repr, sql(path, f"select * from {table} where org_id = ?", org_id)))  # type: ignore[misc]
        for table in metadata.tables
    }


def answer_or_refusal(
    query: Callable[[Store, Tenant, dict[str, str]], Any], store: Store, mine: Tenant, foreign: dict[str, str]
) -> str:
    """The answer as text; what was asked for may be repeated in a refusal, so that counts as nothing."""
    try:
        return msgspec.json.encode(query(store, mine, foreign), enc_hook=repr).decode()
    except (LookupError, IntegrityError):
        return ""


@pytest.mark.parametrize("name", sorted(QUERIES))
def test_nothing_of_the_other_tenant_is_read_or_changed(store: Store, tmp_path: Path, name: str) -> None:
    mine, theirs = a_tenant(store, "mine"), a_tenant(store, "theirs")
    a_life(store, mine)
    foreign = a_life(store, theirs)
    before = snapshot(tmp_path, theirs.org_id)
    said = answer_or_refusal(QUERIES[name], store, mine, foreign)
    for what, identifier in foreign.items():
        assert identifier not in said, f"{what} of the other tenant"
    assert "theirs" not in said
    assert "words of" not in said
    assert snapshot(tmp_path, theirs.org_id) == before


def test_a_settlement_cannot_spend_from_another_tenants_lease(store: Store, tmp_path: Path) -> None:
    mine, theirs = a_tenant(store, "mine"), a_tenant(store, "theirs")
    budget = a_budget(store, theirs, 1_000)
    asyncio.run(store.budgets.reserve_slow((budget.id,), 10, "hld_1"))
    ((lease,),) = sql(tmp_path, "select lease_id from budget_lease")
    settlement = a_settlement(an_intent(mine))
    forged = msgspec.structs.replace(settlement, holds=(HoldSettled("hld_1", budget.id, 10, 10),))
    with store._database.write() as connection:
        Spending(charges(Settled(forged, (lease,)))).book(store._database, connection)
    assert sql(tmp_path, "select sum(spent_nanos) from budget_lease") == [(0,)]
    assert sql(tmp_path, "select sum(spent_nanos) from budget_account") == [(0,)]


def test_every_table_is_keyed_by_the_organisation_first() -> None:
    for table in metadata.tables.values():
        assert next(iter(table.primary_key.columns)).name == "org_id", table.name


def test_a_key_id_exists_once_across_organisations(store: Store) -> None:
    tenant = a_tenant(store)
    other = a_tenant(store)
    assert tenant.key_id != other.key_id
    principal = store.identity.authenticate(other.token)
    assert principal is not None
    assert principal.principal.org_id == other.org_id
