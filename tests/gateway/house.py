"""A gateway with tenants and keys, made in milliseconds through its own store, and its books to look at."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from tests.gateway.door import Answer, Door
from tests.serving import Gateway
from tests.store.world import sql

from passerelle.core.clock import SystemClock
from passerelle.core.principal import Rights, Role
from passerelle.store import Store, default_url, open_store

ACTOR = "cli:test"
SOON_S = 10.0
"""How long anything that should be there at once may take on a busy machine."""


def until(condition: Callable[[], Any], what: str, *, within_s: float = SOON_S) -> Any:
    """Wait until `condition()` is true, and give what it gave."""
    deadline = time.monotonic() + within_s
    while not (found := condition()):
        assert time.monotonic() < deadline, f"{what}: not within {within_s} s"
        time.sleep(0.01)
    return found


class Tenant(NamedTuple):
    """One organisation down to a project."""

    org_id: str
    workspace_id: str
    project_id: str


class Caller(NamedTuple):
    """A key, and the door it opens."""

    key_id: str
    token: str
    tenant: Tenant
    door: Door
    budget_id: str | None


@dataclass
class House:
    """A configured installation. Keys may be made before it is started and while it runs."""

    gateway: Gateway
    store: Store
    tenants: dict[str, Tenant] = field(default_factory=dict)

    def tenant(self, name: str = "acme") -> Tenant:
        """An organisation, made the first time it is asked for."""
        if name not in self.tenants:
            tenants = self.store.tenants
            org = tenants.create_organisation(name, actor=ACTOR)
            workspace = tenants.create_workspace(org.id, f"{name} rooms", actor=ACTOR)
            project = tenants.create_project(org.id, workspace.id, f"{name} app", actor=ACTOR)
            self.tenants[name] = Tenant(org.id, workspace.id, project.id)
        return self.tenants[name]

    def caller(
        self,
        name: str = "test",
        *,
        org: str = "acme",
        role: Role = "member",
        budget_nanos: int | None = None,
        **rights: Any,
    ) -> Caller:
        """A fresh key, made beside the gateway as a command would."""
        tenant = self.tenant(org)
        key, token = self.store.keys.create(
            tenant.org_id,
            tenant.project_id,
            name=name,
            actor=ACTOR,
            role=role,
            rights=Rights(**rights),
            budget_nanos=budget_nanos,
        )
        found = self.rows("select budget_id from budget where scope_id = ?", key.id)
        budget_id = found[0][0] if found else None
        return Caller(key.id, token, tenant, Door(self.gateway.base_url, token), budget_id)

    def at(self, caller: Caller) -> Door:
        """The caller's door to the gateway as it runs now (a restart moves it)."""
        return Door(self.gateway.base_url, caller.token)

    def revoke(self, caller: Caller) -> None:
        """End a key; a running gateway refuses it within a second."""
        self.store.keys.revoke(caller.tenant.org_id, caller.key_id, actor=ACTOR)
        if self.gateway.base_url:
            door = self.at(caller)
            until(lambda: door.get("/v1/models").status == 401, "the revocation is known", within_s=2.0)

    # --- its books

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """What its database says."""
        return sql(self.gateway.data, query, *values)

    def booked(self, caller: Caller) -> None:
        """Wait until everything settled so far is in the database."""
        answer = self.at(caller).get("/api/receipts/rcp_none")  # looking a receipt up waits for the writer
        assert answer.status == 404, answer.body

    def receipt(self, caller: Caller, answer: Answer | str) -> dict[str, Any]:
        """The receipt of an answer, by its id or its request's; verified."""
        name = answer if isinstance(answer, str) else answer.receipt
        shown = self.at(caller).get(f"/api/receipts/{name}")
        assert shown.status == 200, shown.body
        assert shown.json["verified"] is True
        receipt: dict[str, Any] = shown.json["receipt"]
        return receipt

    def lines(self, message: str) -> list[dict[str, Any]]:
        """The log's lines with that message, so far."""
        said = [json.loads(line) for line in self.gateway.log if line.startswith("{")]
        return [line for line in said if line["message"] == message]

    def spent(self, budget_id: str) -> int:
        """What a budget has spent, open leases included."""
        state = self.store.tenants.budget_state(self._org_of(budget_id), budget_id)
        assert state is not None
        return state.spent_nanos

    def _org_of(self, budget_id: str) -> str:
        return str(self.rows("select org_id from budget where budget_id = ?", budget_id)[0][0])


@contextmanager
def installed(folder: Path, config: str, *, workers: int = 1, **env: str) -> Iterator[House]:
    """An installation that is not running yet: `house.gateway.start()` starts it."""
    gateway = Gateway(folder, config, workers, env)
    gateway.data.mkdir(parents=True)
    gateway.config_path.write_text(config)
    store = open_store(default_url(gateway.data), gateway.data, clock=SystemClock(), worker="tests")
    try:
        yield House(gateway, store)
        if hasattr(gateway, "process"):
            gateway.stop()
    finally:
        if hasattr(gateway, "process") and gateway.process.poll() is None:
            gateway.kill()  # what a failed test left under way is not waited for
        store.close()


@contextmanager
def running(folder: Path, config: str, *, workers: int = 1, **env: str) -> Iterator[House]:
    """An installation that runs."""
    with installed(folder, config, workers=workers, **env) as house:
        house.gateway.start()
        yield house
