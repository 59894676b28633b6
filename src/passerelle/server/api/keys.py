"""`/api/keys`: an organisation's keys. A key can only be made with less than its maker may do."""

import asyncio
from typing import Annotated, Any, Literal

import msgspec
from fastapi import Depends
from pydantic import BaseModel, ConfigDict, Field

from passerelle.core.errors import Problem, ProblemError
from passerelle.core.plan import Affinity, OnContextLength, OnRefusal, SmartMode
from passerelle.core.principal import ROLE_PERMISSIONS, Key, Principal, Priority, Rights
from passerelle.server.api.guard import Guarded, caller
from passerelle.store import Store
from passerelle.store.rights import intersect

Caller = Annotated[Principal, Depends(caller)]


class NewKey(BaseModel):
    """What may be said of a new key. Everything else is decided here."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=120)
    project_id: str | None = Field(default=None, max_length=64)
    role: Literal["owner", "admin", "finance", "auditor", "builder", "member"] = "member"
    models: list[str] | None = Field(default=None, max_length=64)
    requests_per_minute: int | None = Field(default=None, ge=1)
    concurrency: int | None = Field(default=None, ge=1)
    priority: Priority | None = None
    mode: SmartMode | None = None
    affinity: Affinity | None = None
    cascade: bool | None = Field(default=None, strict=True)
    on_context_length: OnContextLength | None = None
    on_refusal: OnRefusal | None = None


def add(guarded: Guarded, store: Store) -> None:
    """Register the routes."""

    @guarded.route("GET", "/keys", "key:read")
    async def list_keys(principal: Caller) -> dict[str, Any]:
        found = await asyncio.to_thread(store.keys.list, principal.org_id)
        return {"keys": [_shown(key) for key in found]}

    @guarded.route("POST", "/keys", "key:write", status_code=201)
    async def create_key(principal: Caller, new: NewKey) -> dict[str, Any]:
        if not ROLE_PERMISSIONS[new.role] <= principal.permissions:
            raise ProblemError(
                Problem(
                    "permission_denied",
                    f"A `{principal.role}` cannot give the role `{new.role}`, which may do more.",
                    param="role",
                )
            )
        rights = _narrowed(principal.rights, new)

        def create() -> tuple[Key, str]:
            return store.keys.create(
                principal.org_id,
                new.project_id or principal.project_id,
                name=new.name,
                actor=principal.key_id,
                role=new.role,
                rights=rights,
            )

        try:
            key, token = await asyncio.to_thread(create)
        except LookupError:
            raise ProblemError(
                Problem("not_found", "There is no such project in this organisation.", param="project_id")
            ) from None
        return {**_shown(key), "token": token}

    @guarded.route("DELETE", "/keys/{key_id}", "key:write")
    async def revoke_key(principal: Caller, key_id: str) -> dict[str, Any]:
        key = await asyncio.to_thread(store.keys.revoke, principal.org_id, key_id, actor=principal.key_id)
        if key is None:
            raise ProblemError(Problem("not_found", "There is no such key; list them with `GET /api/keys`."))
        return _shown(key)


def _narrowed(maker: Rights, new: NewKey) -> Rights:
    """The new key's own rights: its maker's, with numbers and lists at most as wide."""
    wanted = Rights(
        priority=new.priority,
        on_context_length=new.on_context_length,
        on_refusal=new.on_refusal,
        cascade=new.cascade,
    )
    both = intersect([maker, wanted])
    return msgspec.structs.replace(
        maker,
        models=maker.models if new.models is None else _narrower_models(maker.models, tuple(new.models)),
        requests_per_minute=_least(maker.requests_per_minute, new.requests_per_minute),
        concurrency=_least(maker.concurrency, new.concurrency),
        priority=both.priority,
        on_context_length=both.on_context_length,
        on_refusal=both.on_refusal,
        mode=new.mode or maker.mode,
        affinity=new.affinity or maker.affinity,
        cascade=both.cascade,
    )


def _narrower_models(maker: tuple[str, ...] | None, wanted: tuple[str, ...]) -> tuple[str, ...]:
    """Patterns cannot be intersected exactly, so a confined maker may only hand on its own patterns."""
    if maker is None:
        return wanted
    beyond = [pattern for pattern in wanted if pattern not in maker]
    if beyond:
        raise ProblemError(
            Problem(
                "permission_denied",
                f"This key is confined to {', '.join(f'`{p}`' for p in maker)} and can only hand those on.",
                param="models",
            )
        )
    return wanted


def _least(*values: int | None) -> int | None:
    return min((value for value in values if value is not None), default=None)


def _shown(key: Key) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "role": key.role,
        "workspace_id": key.workspace_id,
        "project_id": key.project_id,
        "created_at_ns": key.created_at_ns,
        "expires_at_ns": key.expires_at_ns,
        "revoked_at_ns": key.revoked_at_ns,
        "rights": msgspec.to_builtins(key.rights),
    }
