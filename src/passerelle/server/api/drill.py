"""`/api/drill`: a supplier really taken out, for a while and a part of one organisation. Operator only."""

import asyncio
from typing import Annotated, Any

import msgspec
from fastapi import Depends
from pydantic import BaseModel, ConfigDict, Field

from passerelle.core.clock import Clock
from passerelle.core.errors import Problem, ProblemError, invalid
from passerelle.core.principal import Principal
from passerelle.gateway.drill.live import outcome
from passerelle.gateway.generation import Generations
from passerelle.policy.removal import Without, parse, suppliers, takes_out
from passerelle.server.api.guard import Guarded, caller
from passerelle.store import Store
from passerelle.store.drills import LONGEST_S, MOST, Drill, Scope, TooManyDrills

Caller = Annotated[Principal, Depends(caller)]
_NO_SUCH = "There is no such drill; list them with `GET /api/drill`."


class NewDrill(BaseModel):
    """What may be said of a drill."""

    model_config = ConfigDict(extra="forbid")

    without: str = Field(min_length=1, max_length=200)
    scope: Scope
    scope_id: str = Field(min_length=1, max_length=200)
    for_s: int = Field(ge=1, le=LONGEST_S)
    reason: str = Field(default="", max_length=500)


def add(guarded: Guarded, store: Store, generations: Generations, clock: Clock) -> None:
    """Register the routes."""

    @guarded.route("POST", "/drill", "drill:run", status_code=201)
    async def start(principal: Caller, new: NewDrill) -> dict[str, Any]:
        without = _without(new.without, generations)

        def begin() -> Drill:
            org_id, scope_id = _scope(store, new.scope, new.scope_id)
            return store.drills.start(
                without, org_id=org_id, scope=new.scope, scope_id=scope_id, for_s=new.for_s,
                actor=principal.key_id, reason=new.reason,
            )  # fmt: skip

        try:
            drill = await asyncio.to_thread(begin)
        except LookupError:
            raise ProblemError(
                Problem(
                    "not_found",
                    f"There is no {new.scope} `{new.scope_id}`; give its id, or an organisation's name.",
                    param="scope_id",
                )
            ) from None
        except TooManyDrills:
            raise ProblemError(
                Problem("conflict", f"{MOST} drills are under way; end one with `DELETE /api/drill/ID`.")
            ) from None
        return _shown(drill, clock.unix_ns())

    @guarded.route("GET", "/drill", "drill:run")
    async def list_drills() -> dict[str, Any]:
        found = await asyncio.to_thread(store.drills.newest)
        return {"drills": [_shown(drill, clock.unix_ns()) for drill in found]}

    @guarded.route("GET", "/drill/{drill_id}", "drill:run")
    async def show(drill_id: str) -> dict[str, Any]:
        def read() -> dict[str, Any] | None:
            store.flush()
            drill = store.drills.get(drill_id)
            if drill is None:
                return None
            now_ns = clock.unix_ns()
            return {
                **_shown(drill, now_ns),
                "outcome": msgspec.to_builtins(outcome(store, drill, now_ns)),
            }

        found = await asyncio.to_thread(read)
        if found is None:
            raise ProblemError(Problem("not_found", _NO_SUCH))
        return found

    @guarded.route("DELETE", "/drill/{drill_id}", "drill:run")
    async def end(principal: Caller, drill_id: str) -> dict[str, Any]:
        """Put the supplier back at once. Ending what is over changes nothing."""
        drill = await asyncio.to_thread(store.drills.end, drill_id, actor=principal.key_id)
        if drill is None:
            raise ProblemError(Problem("not_found", _NO_SUCH))
        return _shown(drill, clock.unix_ns())


def _without(text: str, generations: Generations) -> Without:
    """What is meant, which must take something out. Raises `ProblemError`."""
    try:
        without = parse(text)
    except ValueError as error:
        raise invalid(f"{error}.", param="without") from None
    deployments = generations.current.catalog.deployments
    if not any(takes_out(without, deployment) for deployment in deployments):
        known = ", ".join(f"`{name}`" for name in sorted(suppliers(deployments))) or "nothing"
        raise invalid(
            f"`{text}` takes out no deployment; what is there is reached by {known}.", param="without"
        )
    return without


def _scope(store: Store, scope: Scope, said: str) -> tuple[str, str]:
    """The organisation and the id of what is meant. Raises `LookupError`."""
    identity = store.identity
    identity.refresh()
    for organisation in identity.organisations():
        match scope:
            case "organisation":
                if said in (organisation.id, organisation.name):
                    return organisation.id, organisation.id
            case "workspace":
                if any(said == one.id for one in identity.workspaces(organisation.id)):
                    return organisation.id, said
            case "project":
                if any(said == one.id for one in identity.projects(organisation.id)):
                    return organisation.id, said
            case "key":
                entry = identity.entry(said)
                if entry is not None and entry.principal.org_id == organisation.id:
                    return organisation.id, said
    raise LookupError(said)


def _shown(drill: Drill, now_ns: int) -> dict[str, Any]:
    said: dict[str, Any] = msgspec.to_builtins(drill)
    return {**said, "without": drill.without.text, "running": now_ns < drill.over_ns}
