"""Permissions of management routes: a router that takes no route without one."""

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Depends, Request

from passerelle.core.principal import Permission, Principal
from passerelle.server.auth import authenticate, authorise
from passerelle.server.route import WANTED, Arrival
from passerelle.store import Store


def caller(request: Request) -> Principal:
    """The authenticated caller of a guarded route."""
    principal = request.state.principal
    if not isinstance(principal, Principal):
        raise TypeError("a route that asks for the caller must be guarded")
    return principal


class Guarded:
    """An `APIRouter` whose every route declares its permission."""

    def __init__(self, store: Store) -> None:
        self.router = APIRouter(prefix="/api")
        self._store = store

    def route(
        self, method: str, path: str, permission: Permission, **options: Any
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Register a handler for `method path` that only callers with `permission` reach."""

        async def check(request: Request) -> None:
            headers = {n: v for n, v in request.scope["headers"] if n in WANTED}
            arrival = Arrival(dict(request.scope), _unused, _unused, "", "", b"", headers)
            principal = await authenticate(self._store, arrival)
            authorise(principal, permission)
            request.state.principal = principal

        return self.router.api_route(
            path,
            methods=[method],
            dependencies=[Depends(check)],
            openapi_extra={"x-permission": permission},
            **options,
        )


async def _unused(*_: Any) -> Any:
    raise RuntimeError("credentials are read from headers and the query alone")
