"""`POST /api/plan`: what would become of a request, without calling, holding or billing anything.

    {"path": "/v1/messages", "body": {…}, "headers": {"x-passerelle-mode": "cost"}}

The same shape as a line of a golden set (`passerelle drill`): any dialect's request, as it would be sent. It
is planned in the name of the key that asks.
"""

from typing import Annotated, Any

import msgspec
from fastapi import Depends, Request

from passerelle.core.clock import Clock, mint
from passerelle.core.errors import Problem, invalid
from passerelle.core.principal import Principal
from passerelle.gateway.admit import Refusal
from passerelle.gateway.road import Explanation, Road
from passerelle.gateway.trip import Ask
from passerelle.server.api.guard import Guarded, caller
from passerelle.server.golden import BadLine, target_of
from passerelle.server.route import WANTED
from passerelle.server.wishes import read_wishes

Caller = Annotated[Principal, Depends(caller)]
_PREFIX = "x-passerelle-"


class _Asked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    body: msgspec.Raw
    path: str = "/v1/chat/completions"
    headers: dict[str, str] = {}


def add(guarded: Guarded, road: Road, clock: Clock) -> None:
    """Register the route."""

    @guarded.route("POST", "/plan", "model:call")
    async def preview(principal: Caller, request: Request) -> dict[str, Any]:
        """The candidates in order with what is predicted of each, whoever is excluded with the rule, and the
        decision in words. Where nobody may serve it, `problem` says what its caller would be told.
        """
        ask = _ask(await request.body(), principal, clock)
        try:
            return _shown(road.explain(ask))
        except Refusal as refusal:
            return {**_shown(road.explain_refusal(ask, refusal)), "problem": _told(refusal.problem)}


def _ask(data: bytes, principal: Principal, clock: Clock) -> Ask:
    try:
        said = msgspec.json.decode(data, type=_Asked)
        dialect, target = target_of(said.path)
    except BadLine as error:
        raise invalid(f"{error}.", param="path") from None
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise invalid(f"{error}; send a JSON object with `path` and `body`.") from None
    headers = {name.lower().encode(): value.encode() for name, value in said.headers.items()}
    for name in headers:
        if name.startswith(_PREFIX.encode()) and name not in WANTED:
            raise invalid(
                f"`headers` has `{name.decode()}`, which means nothing here; correct it.", param="headers"
            )
    return Ask(
        principal=principal,
        dialect=dialect,
        target=target,
        body=bytes(said.body),
        request_id=mint("req"),
        receipt_id=mint("rcp"),
        at_ns=clock.unix_ns(),
        started_s=clock.monotonic_s(),
        wishes=msgspec.structs.replace(read_wishes(headers), explain=True),
    )


def _shown(explanation: Explanation) -> dict[str, Any]:
    shown: dict[str, Any] = msgspec.to_builtins(explanation)
    return shown


def _told(problem: Problem) -> dict[str, Any]:
    return {
        "type": problem.kind,
        "message": problem.message,
        "param": problem.param,
        "code": problem.code,
        "status": problem.http_status,
    }
