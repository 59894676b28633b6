"""The management application, assembled."""

from collections.abc import Awaitable, Callable

import msgspec
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from passerelle import __version__
from passerelle.core.clock import Clock
from passerelle.core.errors import Problem, ProblemError
from passerelle.gateway.generation import Generations, ReloadOutcome
from passerelle.gateway.road import Road
from passerelle.gateway.vitals import Vitals
from passerelle.server.api import config, drill, keys, me, models, plan, receipts, usage
from passerelle.server.api.guard import Guarded
from passerelle.server.route import Management
from passerelle.store import Store, StoreUnavailable


class Context(msgspec.Struct, frozen=True, eq=False):
    """What the management routes work on."""

    store: Store
    generations: Generations
    vitals: Vitals
    reload: Callable[[], Awaitable[ReloadOutcome]]
    clock: Clock
    road: Road


def build(context: Context) -> Management:
    """The ASGI application for everything under `/api`."""
    application = FastAPI(
        title="Passerelle management",
        version=__version__,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # a redirect would be built from the Host header, and come before the key
    )
    guarded = Guarded(context.store)
    me.add(guarded)
    models.add(guarded, context.generations, context.vitals)
    receipts.add(guarded, context.store)
    usage.add(guarded, context.store, context.generations)
    keys.add(guarded, context.store)
    config.add(guarded, context.store, context.generations, context.reload)

    drill.add(guarded, context.store, context.generations, context.clock)
    plan.add(guarded, context.road, context.clock)

    @guarded.route("GET", "/openapi.json", "model:list", include_in_schema=False)
    async def describe() -> dict[str, object]:
        return application.openapi()

    application.include_router(guarded.router)
    application.add_exception_handler(ProblemError, _problem)
    application.add_exception_handler(RequestValidationError, _invalid)
    application.add_exception_handler(HTTPException, _http)
    application.add_exception_handler(StoreUnavailable, _unavailable)
    return application  # type: ignore[return-value]  # Starlette's ASGI types are looser than ours


def _told(problem: Problem) -> JSONResponse:
    headers = dict(problem.headers)
    if problem.retry_after_s is not None:
        headers["retry-after"] = str(max(1, round(problem.retry_after_s)))
    error = {"type": problem.kind, "message": problem.message, "param": problem.param, "code": problem.code}
    return JSONResponse({"error": error}, status_code=problem.http_status, headers=headers)


async def _problem(_: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, ProblemError):
        raise error
    return _told(error.problem)


async def _invalid(_: Request, error: Exception) -> JSONResponse:
    """FastAPI's own finding, with the field and without the value, which may be a secret."""
    if not isinstance(error, RequestValidationError):
        raise error
    first = error.errors()[0]
    if first["type"] == "json_invalid":
        why = str(first.get("ctx", {}).get("error", "it cannot be read")).removesuffix(".")
        place = first["loc"][-1]
        where = f" at character {place + 1}" if isinstance(place, int) else ""
        return _told(
            Problem("invalid_request", f"The body is not JSON{where}: {why}; correct it and send again.")
        )
    field = ".".join(str(part) for part in first["loc"][1:]) or str(first["loc"][0])
    return _told(
        Problem("invalid_request", f"`{field}`: {first['msg']}; correct it and send again.", param=field)
    )


async def _http(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, HTTPException):
        raise error
    if error.status_code == 405:
        headers = tuple((k.lower(), v) for k, v in (error.headers or {}).items())
        return _told(
            Problem("method_not_allowed", f"`{request.method}` is not allowed here.", headers=headers)
        )
    return _told(Problem("not_found", "There is no such management route; see `GET /api/openapi.json`."))


async def _unavailable(_: Request, __: Exception) -> JSONResponse:
    return _told(Problem("overloaded", "The database cannot be reached now; try again.", retry_after_s=5))
