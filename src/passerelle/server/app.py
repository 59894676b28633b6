"""The ASGI entrance: one table look-up, one permission check, then the route's handler.

Model routes are raw callables, because layers are what make gateways slow. Everything under `/api` goes to
the management application, which is only imported when somebody asks for it.
"""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from passerelle.core.clock import mint
from passerelle.core.errors import Problem, ProblemError
from passerelle.core.ids import same
from passerelle.core.request import Dialect
from passerelle.gateway.generation import Generations
from passerelle.server.answer import send_problem
from passerelle.server.auth import authenticate, authorise, known_caller
from passerelle.server.body import CallerGone
from passerelle.server.door import REQUEST_ID, Door, Room
from passerelle.server.exchange import SCOPE_KEY, Exchange
from passerelle.server.head import Head
from passerelle.server.route import PUBLIC, WANTED, Arrival, Management, Receive, Route, Scope, Send
from passerelle.server.where import straight
from passerelle.store import Store, StoreUnavailable
from passerelle.telemetry.metrics import Metrics

log = logging.getLogger("passerelle.server")
_PORT = re.compile(rb":\d*\Z")


class Entrance:
    """The ASGI application."""

    def __init__(
        self,
        routes: Iterable[Route],
        management: Callable[[], Awaitable[Management]],
        store: Store,
        metrics: Metrics,
        generations: Generations,
        room: Room | None = None,
    ) -> None:
        """`management()` gives the application for `/api`, building it the first time. Model calls are turned
        away unread when there is no `room` for them.
        """
        self.routes = tuple(routes)
        self.door = None if room is None else Door(self.routes, room, metrics, generations)
        self._exact: dict[str, list[Route]] = {}
        self._prefixed = [route for route in self.routes if route.prefix]
        for route in self.routes:
            if not route.prefix:
                self._exact.setdefault(route.path, []).append(route)
        self._management = management
        self._store = store
        self._metrics = metrics
        self._generations = generations

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request. Nothing escapes: what is not a `ProblemError` is logged and told as a 500."""
        if scope["type"] != "http":
            raise RuntimeError(f"`{scope['type']}` is not served")
        path: str = scope["path"]
        arrival = _arrive(scope, receive, send, self._generations.current.label_bytes)
        dialect: Dialect | None = None
        try:
            allowed = self._generations.current.intake.allowed_hosts
            if allowed:
                _check_host(scope, allowed)
            if path.startswith("/api/") and path not in self._exact:
                await self._manage(arrival)
                return
            route = self._found(path, scope["method"], arrival)
            dialect = route.dialect
            if route.permission != PUBLIC:
                known = known_caller(self._store, arrival)
                arrival.principal = principal = known or await authenticate(self._store, arrival)
                authorise(principal, route.permission)
            await route.handler(arrival)
        except ProblemError as error:
            told = dialect or _looks_like(arrival.path or path, arrival)
            if arrival.principal is None:
                self._metrics.refused_at_edge(told, error.problem.kind)
            if not arrival.answered:
                await send_problem(arrival, told, error.problem, error.receipt_id)
        except StoreUnavailable as error:
            log.warning("the store is not there for a request: %s", error)
            what = "Keys cannot be checked" if arrival.principal is None else "What is kept cannot be reached"
            said = Problem("overloaded", f"{what} now; try again shortly.", retry_after_s=5)
            if not arrival.answered:
                await send_problem(arrival, dialect or _looks_like(arrival.path or path, arrival), said)
        except CallerGone:
            return
        except asyncio.CancelledError:
            # The watch cancels this very task when the caller is gone: the request is settled, nobody is
            # left to answer. Any other cancellation (shutdown) must go on.
            task = asyncio.current_task()
            if not arrival.caller_gone or task is None:
                raise
            task.uncancel()
        except Exception:
            # The last resort of the process's outer edge: the caller gets an honest 500 without a trace.
            log.exception("unexpected failure", extra={"request_id": arrival.request_id, "path": path})
            problem = Problem(
                "internal",
                f"Passerelle failed unexpectedly; quote request `{arrival.request_id}` to its operator.",
            )
            if not arrival.answered:
                await send_problem(arrival, dialect or _looks_like(arrival.path or path, arrival), problem)

    async def _manage(self, arrival: Arrival) -> None:
        """Hand a request to the management application, and put the generation on its answer."""
        application = await self._management()

        async def send(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                arrival.answered = True
                message["headers"] = [
                    *message.get("headers", ()),
                    (b"x-passerelle-generation", self._generations.current.label_bytes),
                    (b"x-request-id", arrival.request_id.encode()),
                ]
            await arrival.send(message)

        await application(arrival.scope, arrival.receive, send)

    def _found(self, path: str, method: str, arrival: Arrival) -> Route:
        """The route; for a head that was here before, the one found then. Raises `ProblemError`."""
        head = arrival.head
        if head is not None and head.route is not None:
            arrival.path = path
            known: Route = head.route
            return known
        route = self._find(path, method, arrival)
        if head is not None and not route.prefix and arrival.path == path:
            head.route = route
        return route

    def _find(self, path: str, method: str, arrival: Arrival) -> Route:
        """The route for a path and method. Raises `ProblemError` (`not_found`, `method_not_allowed`)."""
        candidates = self._at(path)
        if not candidates:
            path, arrival.path_tags = straight(path)
            candidates = self._at(path)
        arrival.path = path
        for route in candidates:
            if method in route.methods:
                if route.prefix:
                    arrival.rest = path[len(route.path) :].rstrip("/")
                return route
        if not candidates:
            raise ProblemError(
                Problem(
                    "not_found",
                    f"`{method} {path[:200]}` is not served here; see docs/api.md for the routes.",
                )
            )
        allowed = ", ".join(sorted({m for route in candidates for m in route.methods}))
        raise ProblemError(
            Problem(
                "method_not_allowed",
                f"`{method}` is not allowed on `{path[:200]}`; use {allowed}.",
                headers=(("allow", allowed),),
            )
        )

    def _at(self, path: str) -> list[Route]:
        """The routes of a path, whatever their methods."""
        found = self._exact.get(path)
        if found is None:
            found = [r for r in self._prefixed if path.startswith(r.path) and len(path) > len(r.path)]
        return found


def _check_host(scope: Scope, allowed: frozenset[bytes]) -> None:
    """Refuse foreign Host headers where the operator named the hosts that are served."""
    hosts = [value for name, value in scope["headers"] if name == b"host"]
    if len(hosts) != 1 or _PORT.sub(b"", hosts[0].lower()) not in allowed:
        raise ProblemError(
            Problem(
                "invalid_request", "The `host` header is not one this gateway serves; check the base URL."
            )
        )


def _arrive(scope: Scope, receive: Receive, send: Send, generation: bytes) -> Arrival:
    exchange: Exchange | None = scope.pop(SCOPE_KEY, None)  # it holds the scope: no circle for the collector
    head = None if exchange is None else exchange.head
    headers = _wanted(scope) if head is None else _wanted_of(head, scope)
    minted = mint("req")
    said = headers.get(b"x-request-id")
    # A caller may name its request, but never the receipt: two requests must not share one.
    request_id = said.decode() if said is not None and REQUEST_ID.fullmatch(said) else minted
    receipt_id = same("rcp", minted)
    arrival = Arrival(scope, receive, send, request_id, receipt_id, generation, headers)
    arrival.exchange, arrival.head = exchange, head
    return arrival


def _wanted(scope: Scope) -> dict[bytes, bytes]:
    return {name: value for name, value in scope["headers"] if name in WANTED}


def _wanted_of(head: Head, scope: Scope) -> dict[bytes, bytes]:
    """The same for a head that was here before: only the length of its body may be another."""
    known = head.wanted
    if known is None:
        head.wanted = found = _wanted(scope)
        return found
    return {**known, b"content-length": scope["headers"][head.at][1]}


def _looks_like(path: str, arrival: Arrival) -> Dialect:
    """Whose error to tell where the route does not say: by the path and the headers."""
    if path.startswith("/model/"):
        return "bedrock"
    if path.startswith("/v1beta") or b"x-goog-api-key" in arrival.headers:
        return "gemini"
    if path.startswith("/v1/messages") or b"anthropic-version" in arrival.headers:
        return "anthropic"
    return "openai_chat"
